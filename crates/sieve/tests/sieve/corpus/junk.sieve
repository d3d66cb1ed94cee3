require ["fileinto", "imap4flags"];
# What a filter before us found.
if anyof (header :contains ["X-Spam-Flag", "X-Spam"] "yes",
          header :matches "X-Spam-Level" "*****",
          header :contains "X-Spam-Status" "Yes, ") {
    setflag "\\Seen";
    fileinto "Spam";
    stop;
}
if allof (not exists ["Message-ID", "Date"], not header :contains "Received" "localhost") {
    discard;
}
