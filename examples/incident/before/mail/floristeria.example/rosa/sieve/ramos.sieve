require ["imap4flags"];
if header :contains "subject" "Ramo" { addflag "\\Flagged"; }
