//! curl, over TLS.

use super::*;

#[test]
fn curl_lists_and_reads_over_tls() {
    if !testkit::has_programs(&["curl"]) {
        return;
    }
    let world = World::new();
    let curl = |url: String| {
        let user = world.write("curlrc", &format!("user = \"{ANA}:{PASSWORD}\"\n"));
        let ran = run(world.client("curl").args(["-q", "-sS", "-k", "-K"]).arg(user).arg(url)).unwrap();
        succeeded(&ran);
        ran.stdout
    };
    // The listed names are those of the mailboxes that hold messages, and more.
    let listed = curl(format!("imaps://{}/", world.served.imaps));
    for message in world.messages.iter().filter(|m| m.mailbox.is_ascii()) {
        assert!(listed.contains(&message.mailbox), "{}\n{listed}", message.mailbox);
    }
    // STARTTLS and the same by the other port.
    let ran = run(world
        .client("curl")
        .args(["-q", "-sS", "-k", "--ssl-reqd", "-K"])
        .arg(world.path("curlrc"))
        .arg(format!("imap://{}/", world.served.imap)))
    .unwrap();
    succeeded(&ran);
    assert_eq!(ran.stdout, listed);
    // The maildrop in its order, and its first message.
    let uidls = curl(format!("pop3s://{}/", world.served.pop3s));
    let inbox = world.digests(Some("INBOX"));
    assert_eq!(uidls.lines().count(), world.messages.iter().filter(|m| m.mailbox == "INBOX").count(), "{uidls}");
    let first = curl(format!("pop3s://{}/1", world.served.pop3s));
    assert!(inbox.contains(&digest(first.as_bytes())), "{first}");
    world.finish();
}
