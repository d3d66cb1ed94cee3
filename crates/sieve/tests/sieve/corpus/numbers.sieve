require ["relational", "comparator-i;ascii-numeric", "fileinto", "imap4flags", "index"];
if header :value "le" :comparator "i;ascii-numeric" ["X-Priority", "X-MSMail-Priority"] ["1", "2"] { addflag "\\Flagged"; }
if header :value "ge" :comparator "i;ascii-numeric" ["Lines", "Content-Length"] "100" { fileinto "long"; }
if address :count "gt" :comparator "i;ascii-numeric" ["to", "cc"] "4" { fileinto "crowd"; }
if header :index 2 :value "ge" :comparator "i;octet" "received" "from m" { addflag "$m"; }
if header :value "lt" :comparator "i;octet" "subject" "Re" { keep; }
