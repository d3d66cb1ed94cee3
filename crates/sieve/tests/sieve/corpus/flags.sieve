require ["imap4flags", "fileinto", "relational", "comparator-i;ascii-numeric", "variables", "copy"];
if exists "in-reply-to" { addflag "\\Answered"; }
if header :contains "subject" ["[patch", "rfc"] { addflag ["$patch", "\\Flagged \\flagged"]; }
if header :count "gt" :comparator "i;ascii-numeric" "received" "4" { addflag "$far"; }
if size :under 3K { addflag "\\Seen"; }
fileinto :copy "Work/2026";
if hasflag :contains ["pat"] { removeflag "$PATCH"; fileinto :flags "$a $b \\Draft" "patches"; }
if hasflag :count "ge" :comparator "i;ascii-numeric" "2" { setflag ["\\Deleted", "$many"]; }
if not hasflag ["\\seen", "\\answered"] { keep :flags "$new"; }
