require ["date", "index", "relational", "fileinto", "variables", "imap4flags", "copy"];
if anyof (date :is "date" "weekday" ["0", "6"], date :value "lt" :originalzone "date" "hour" "08") { addflag "$weekend"; }
if date :originalzone :matches "date" "date" "*-*-*" { fileinto :copy "archive/${1}/${2}"; }
if allof (currentdate :value "ge" "year" "2020", date :value "lt" "date" "year" "2005") { addflag "\\Seen"; fileinto "old"; }
if date :index 1 :last :matches "received" "iso8601" "*T*:*" { fileinto "began ${1} ${2}h"; }
if not date :contains "date" "year" "" { fileinto "undated"; }
if currentdate :value "lt" "date" "2020-01-01" { discard; }
