require ["fileinto"];
if address "from" "deals@example.net" { fileinto "Deleted Items"; }
