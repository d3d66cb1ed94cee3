require ["fileinto", "copy", "envelope"];
if allof (exists "from", anyof (header :contains "to" "linux", not header :contains "subject" "e")) {
    if envelope :contains "from" "a" {
        if size :over 2K { fileinto "a"; fileinto "b"; fileinto "a"; } elsif size :over 1K { fileinto :copy "c"; }
        else { fileinto "INBOX"; keep; }
    } else { fileinto :copy "d"; stop; fileinto "never"; }
} elsif not anyof (header :is "precedence" "bulk", header :is "precedence" "list") { fileinto "e"; }
else { keep; fileinto "f"; }
