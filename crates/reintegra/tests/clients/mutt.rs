//! mutt, at a terminal of its own.

use super::*;

#[test]
fn mutt_opens_the_inbox_and_saves_every_message() {
    if !testkit::has_programs(&["mutt", "script"]) {
        return;
    }
    let world = World::new();
    let (into, port) = (world.path("saved"), world.served.imap.port());
    let configuration = world.write(
        "muttrc",
        &format!(
            "set folder=\"imap://127.0.0.1:{port}/\"\nset imap_user=\"{ANA}\"\nset imap_pass=\"{PASSWORD}\"\n\
             set ssl_starttls=no\nset ssl_force_tls=no\nset mbox_type=Maildir\nset confirmappend=no confirmcreate=no\n\
             set delete=no move=no mark_old=no\nset header_cache=\"\"\nset wait_key=no\nset beep=no\n"
        ),
    );
    let keys = format!("<tag-pattern>~A<enter><tag-prefix><copy-message>{}<enter><exit>", into.display());
    let mutt = format!("mutt -F '{}' -f imap://127.0.0.1:{port}/INBOX -e 'push \"{keys}\"'", configuration.display());
    let mut script = world.client("script");
    script.args(["-qec", &mutt, "/dev/null"]).env("TERM", "xterm");
    succeeded(&run(&mut script).unwrap());
    let inbox = world.messages.iter().filter(|m| m.mailbox == "INBOX").count();
    // mutt writes Status fields into what it saves, so that messages are counted and not compared.
    assert_eq!(maildir_digests(&into).len(), inbox);
    world.finish();
}
