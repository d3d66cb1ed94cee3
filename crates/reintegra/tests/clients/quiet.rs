//! Clients that knew the server of the *after* history, and meet the integrated account (`RULES.md` G7, G11, 5.2).

use super::*;
use testkit::dovecot::{Dovecot, ServedMailbox};

/// Dovecot, as it served Ana between the incident and the integration.
fn served_since(world: &World) -> Option<Dovecot> {
    Dovecot::start(&world.path("after"), None).unwrap()
}

#[test]
fn an_imap_client_fetches_only_what_is_new_to_it() {
    if !testkit::has_programs(&["mbsync"]) {
        return;
    }
    let world = World::new();
    let Some(dovecot) = served_since(&world) else { return };
    let into = world.path("mbsync");
    std::fs::create_dir(&into).unwrap();
    let pull = |port: u16| {
        let configuration = world.write("mbsyncrc", &mbsync::configuration(port, PASSWORD, &into));
        let ran = run(world.client("mbsync").arg("-a").arg("-V").arg("-c").arg(configuration)).unwrap();
        succeeded(&ran);
    };
    pull(dovecot.imap().port());
    let known = sorted(maildir_identities(&into));
    assert!(!known.is_empty());

    // The same account, the same state: now the integrated server. What it sends is counted as it is, uncompressed.
    succeeded(&run(reintegra(&world.data).args(["capability", "off", ANA, "COMPRESS=DEFLATE"])).unwrap());
    let sent_before = world.sent_bytes();
    pull(world.served.imap.port());
    let now = sorted(maildir_identities(&into));
    let everything = sorted(world.messages.iter().map(|m| m.identity.clone()));
    assert_eq!(now, everything, "everything is there, and nothing twice");
    let new: usize = everything.len() - known.len();
    assert!(new > 0);

    // What was sent is what is new, with the small talk of the protocol around it.
    let mut rest = everything;
    for identity in &known {
        rest.swap_remove(rest.iter().position(|i| i == identity).expect("what the client knew is there as it was"));
    }
    let sizes = world.size_bytes(&rest);
    let sent = world.sent_bytes() - sent_before;
    assert!((sizes..sizes + 40_000).contains(&sent), "{sent} bytes were sent for {sizes} of new mail");
    world.finish();
}

#[test]
fn a_pop3_client_fetches_only_what_is_new_to_it() {
    if !testkit::has_programs(&["mpop"]) {
        return;
    }
    let world = World::new();
    let Some(dovecot) = served_since(&world) else { return };
    let (maildir, uidls) = (world.path("mpop"), world.path("uidls"));
    mpop::make_maildir(&maildir);
    let fetch = |port: u16| {
        let configuration = world.write("mpoprc", &mpop::configuration(port, PASSWORD, &uidls, &maildir));
        succeeded(&run(world.client("mpop").arg("-C").arg(configuration)).unwrap());
    };
    fetch(dovecot.pop3().port());
    let known = maildir_identities(&maildir);
    assert!(!known.is_empty());

    fetch(world.served.pop3.port());
    let inbox = world.messages.iter().filter(|m| m.mailbox == "INBOX");
    let expected: Vec<String> = inbox.map(|m| m.identity.clone()).collect();
    assert!(expected.len() > known.len());
    assert_eq!(sorted(maildir_identities(&maildir)), sorted(expected), "everything is there, and nothing twice");
    world.finish();
}

#[test]
fn nothing_that_was_served_before_or_since_names_anything_else_now() {
    let world = World::new();
    let (mut uids, mut uidls) = (0, 0);
    for lineage in ["before", "after"] {
        let Some(dovecot) = Dovecot::start(&world.path(lineage), None).unwrap() else { return };
        for account in testkit::sample::expected().unwrap().accounts {
            let Some(password) = account.password.plain.as_deref().filter(|_| account.state == "open") else {
                continue;
            };
            let address_then =
                if lineage == "before" { account.address_before.as_ref() } else { Some(&account.address) };
            let Some(then) = address_then.and_then(|address| dovecot.account(address, "any").ok()) else { continue };
            let now = world.served.account(&account.address, password).unwrap();
            for mailbox in &then {
                // Dovecot puts dots between levels, where we have slashes.
                let same = |m: &&ServedMailbox| {
                    m.name.replace('/', ".") == mailbox.name && m.uidvalidity == mailbox.uidvalidity
                };
                let Some(mailbox_now) = now.iter().find(same) else { continue };
                for message in &mailbox.messages {
                    let Some(message_now) = mailbox_now.messages.iter().find(|m| m.uid == message.uid) else {
                        continue;
                    };
                    // A copy of the same message may stand there with other bytes (RULES.md 2.4): what it says is the same.
                    assert_eq!(
                        identity(&message_now.body),
                        identity(&message.body),
                        "{} {}",
                        mailbox.name,
                        message.uid
                    );
                    uids += 1;
                }
            }
            let maildrop = dovecot.maildrop(address_then.unwrap(), "any").unwrap();
            let maildrop_now = world.served.maildrop(&account.address, password).unwrap();
            for entry in &maildrop {
                let Some(entry_now) = maildrop_now.iter().find(|e| e.uidl == entry.uidl) else { continue };
                assert_eq!(identity(&entry_now.body), identity(&entry.body), "UIDL {}", entry.uidl);
                uidls += 1;
            }
        }
    }
    assert!(uids > 10 && uidls > 10, "{uids} UIDs and {uidls} UIDLs were compared");
    world.finish();
}
