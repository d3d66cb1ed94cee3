require ["variables", "fileinto", "relational", "comparator-i;ascii-numeric"];
if header :matches "subject" "*[*] *: *" { set "head" "${2}"; set "tail" "${4}"; }
elsif header :matches "subject" ["Re: *", "*: *", "*"] { set :lowerfirst "head" "${1}"; set :length "tail" "${2}"; }
set :quotewildcard "quoted" "${head}";
if header :matches "subject" "*${quoted}*" { set "again" "again"; }
if string :value "ge" :comparator "i;octet" "${head}" "m" { set "half" "second"; }
set :upper :length "n" "${head}${tail}";
fileinto "${again} ${half} ${n}.";
if string :count "eq" :comparator "i;ascii-numeric" ["${head}", "${tail}"] "1" { fileinto "one"; }
