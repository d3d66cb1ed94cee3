//! fetchmail.

use super::*;

#[test]
fn fetchmail_hands_on_the_whole_inbox_by_pop3_and_by_imap() {
    if !testkit::has_programs(&["fetchmail"]) {
        return;
    }
    let world = World::new();
    let inbox = world.messages.iter().filter(|m| m.mailbox == "INBOX").count();
    for (protocol, port) in [("pop3", world.served.pop3.port()), ("imap", world.served.imap.port())] {
        let delivered = world.path(protocol);
        std::fs::create_dir(&delivered).unwrap();
        let mda = world.write("mda", &format!("#!/bin/sh\nexec cat > '{}'/$$\n", delivered.display()));
        let configuration = world.write(
            "fetchmailrc",
            &format!(
                "poll 127.0.0.1 service {port} protocol {protocol} timeout 60\n username \"{ANA}\" \
                 password \"{PASSWORD}\" sslproto '' fetchall keep mda \"/bin/sh {}\"\n",
                mda.display()
            ),
        );
        let mut fetchmail = world.client("fetchmail");
        fetchmail.arg("-f").arg(&configuration).arg("-i").arg(world.path("ids"));
        fetchmail.arg("--pidfile").arg(world.path("pid"));
        succeeded(&run(&mut fetchmail).unwrap());
        // fetchmail rewrites headers as it goes, so that messages are counted and not compared.
        assert_eq!(std::fs::read_dir(&delivered).unwrap().count(), inbox, "{protocol}");
    }
    world.finish();
}
