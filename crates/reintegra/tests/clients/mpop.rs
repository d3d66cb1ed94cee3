//! mpop.

use super::*;

/// A configuration that fetches what is new to `uidls` from a port into a Maildir, and leaves it on the server.
pub(crate) fn configuration(port: u16, password: &str, uidls: &Path, maildir: &Path) -> String {
    format!(
        "account default\nhost 127.0.0.1\nport {port}\nuser {ANA}\npassword {password}\nauth user\ntls off\nkeep on\n\
         uidls_file {}\ndelivery maildir {}\nreceived_header off\n",
        uidls.display(),
        maildir.display()
    )
}

/// A Maildir without mail.
pub(crate) fn make_maildir(at: &Path) {
    for name in ["cur", "new", "tmp"] {
        std::fs::create_dir_all(at.join(name)).unwrap();
    }
}

#[test]
fn mpop_fetches_the_whole_inbox_and_the_second_time_nothing() {
    if !testkit::has_programs(&["mpop"]) {
        return;
    }
    let world = World::new();
    let maildir = world.path("mpop");
    make_maildir(&maildir);
    let text = configuration(world.served.pop3.port(), PASSWORD, &world.path("uidls"), &maildir);
    let configuration = world.write("mpoprc", &text);
    let fetch = || succeeded(&run(world.client("mpop").arg("-C").arg(&configuration)).unwrap());

    fetch();
    let inbox = world.messages.iter().filter(|m| m.mailbox == "INBOX");
    assert_eq!(sorted(maildir_digests(&maildir)), sorted(inbox.map(|m| m.digest.clone())));

    let fetched = maildir_digests(&maildir).len();
    fetch();
    assert_eq!(maildir_digests(&maildir).len(), fetched);
    world.finish();
}
