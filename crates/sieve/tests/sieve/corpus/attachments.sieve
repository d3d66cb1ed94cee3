require ["body", "fileinto", "imap4flags", "relational", "comparator-i;ascii-numeric"];
if body :content ["image", "video", "application/octet-stream", "application/pdf"] :contains "" { addflag "$HasAttachment"; }
if body :content "text/html" :count "ge" :comparator "i;ascii-numeric" "1" { addflag "$html"; }
if body :content "message/rfc822" :contains "subject:" { fileinto "nested"; }
if body :raw :contains ["begin 644 ", "begin 666 "] { fileinto "uuencoded"; }
if body :content "application/pgp-signature" :contains "PGP SIGNATURE" { addflag "\\Flagged"; fileinto "signed"; }
if body :text :is "" { fileinto "empty"; }
