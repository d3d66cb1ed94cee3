require ["body","copy","fileinto","imap4flags","reject"];
# rule:[offers]
if anyof (header :contains "subject" "offer", header :contains "subject" "free",
	header :contains "from" "promo")
{
	fileinto "Spam";
	stop;
}
# rule:[patches]
if allof (header :contains "subject" "patch", body :text :contains "diff --git")
{
	addflag ["\\Flagged","$patch"];
	fileinto "Work/2026";
	redirect :copy "copy@example.net";
}
# rule:[big]
if size :over 40K
{
	reject text:
This is too much.
.
;
	stop;
}
# rule:[html]
if header :contains "content-type" "text/html"
{
	addflag "$html";
	keep;
}
