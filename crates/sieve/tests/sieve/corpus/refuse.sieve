require ["reject", "fileinto"];
if anyof (header :contains "content-type" "multipart/alternative", header :contains "subject" "$$") {
    reject "No advertisements, please.";
} elsif header :contains "subject" "fwd" {
    fileinto "forwarded";
    if size :over 4K { reject "This fails when it runs."; }
} elsif not exists "to" {
    discard;
    reject "Whom do you mean?";
}
