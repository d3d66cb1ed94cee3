require ["fileinto", "subaddress", "envelope", "variables", "mailbox"];
if address :detail :matches ["to", "cc", "delivered-to"] "?*" {
    fileinto :create "tag/${1}${2}";
} elsif envelope :detail :is "to" "tag" {
    fileinto "Work/2026";
} elsif address :user :matches ["from", "reply-to"] ["*.*", "*_*"] {
    fileinto "from/${1} ${2}";
}
