if header :contains "subject" ["viagra", "rates", "money"] { discard; stop; }
if size :over 20K { discard; }
if header :contains "from" "a" { if header :contains "to" "b" { keep; } else { stop; } }
else { discard; keep; discard; }
