require ["fileinto", "body", "variables", "encoded-character", "imap4flags"];
# A cada quien lo suyo.
if header :contains "subject" ["análisis", "función", "gráfico", "regresión"] { fileinto "Estadística"; addflag "$español"; addflag "$r"; }
if anyof (body :text :contains ["según", "año", "señor"], header :contains "from" ["é", "ñ", "í"]) { addflag "$es"; fileinto "Años/Niños ${unicode: f1}"; }
if header :matches :comparator "i;octet" "from" "* en *" { fileinto "lista"; }
if header :is :comparator "i;ascii-casemap" "subject" "consulta" { stop; }
if body :content "text/plain" :contains "gracias" { keep; }
