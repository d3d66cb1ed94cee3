require ["fileinto", "variables", "mailbox", "copy"];
if header :matches "List-Id" "*<*.*>*" {
    set :lower "list" "${2}";
    fileinto :create "lists/${list}";
} elsif header :matches ["List-Post", "X-Mailing-List"] ["*mailto:*@*", "*@*"] {
    set :lower :upperfirst "list" "${1}";
    fileinto :copy "post ${list}.";
} elsif address :localpart :matches ["to", "cc"] ["r-help-*", "linux-*", "*-users"] {
    fileinto "to ${1}";
}
