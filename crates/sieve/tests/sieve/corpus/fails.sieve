require ["ihave", "variables", "fileinto"];
if header :matches "subject" "*[*]*" { set "who" "${2}"; }
if header :contains "content-type" "multipart" { error "parts"; }
if not string :is "${who}" "" { redirect "${who}"; }
if header :contains "from" "x" { fileinto "${none}"; }
