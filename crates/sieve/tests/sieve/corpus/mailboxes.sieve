require ["mailbox", "fileinto", "special-use", "variables"];
set "folder" "Work/${none}2026";
if allof (mailboxexists "${folder}", header :contains "subject" "re:") { fileinto "${folder}"; }
if specialuse_exists "\\Junk" { set "there" "y"; }
if allof (string :is "${there}" "y", header :contains "content-type" "html") { fileinto "Spam"; stop; }
if not mailboxexists ["Spam", "Nowhere"] { fileinto :create "New"; }
if specialuse_exists "\\Archive" { discard; }
