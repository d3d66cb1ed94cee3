require ["copy", "variables", "relational", "comparator-i;ascii-numeric"];
if address :domain :contains "from" "redhat" { redirect "one@example.net"; }
if header :count "ge" :comparator "i;ascii-numeric" ["to", "cc"] "2" { redirect :copy "two@example.net"; }
if address :localpart :matches "from" "?*" {
    set :lower "who" "${1}";
    redirect :copy "three+${who}@example.net";
}
if size :over 8K { redirect "Four <four@example.net>"; redirect "four@example.net"; }
