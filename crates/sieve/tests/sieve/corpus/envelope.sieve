require ["envelope", "fileinto", "subaddress", "variables", "relational", "comparator-i;ascii-numeric"];
if envelope :matches :localpart "from" "*-*" { set "l" "${1}+${2}"; }
if envelope :domain :matches "from" "*.*" { set "d" "${1}|${2}"; }
if envelope :all :matches "to" "*@*" { set "t" "${1} at ${2}"; }
if envelope :user :matches "from" "*" { set "u" "${1}"; }
if envelope :detail :matches ["from", "to"] "*" { set "e" "+${1}"; }
if envelope :is "from" "" { set "n" "null"; }
if envelope :count "ge" :comparator "i;ascii-numeric" ["from", "to"] "2" { set "c" "both"; }
if envelope :domain :value "lt" :comparator "i;octet" "from" "m" { set "v" "first half"; }
if envelope :all :contains "from" ["example", "@gmail.", "debian"] { set "k" "known"; }
fileinto "${l} ${d} ${t} ${u} ${e} ${n} ${c} ${v} ${k}.";
