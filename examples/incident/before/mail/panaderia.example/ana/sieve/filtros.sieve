require ["fileinto"];
if header :contains "subject" "Has ganado" { fileinto "Correo no deseado"; }
