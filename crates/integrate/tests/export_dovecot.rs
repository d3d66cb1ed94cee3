//! Debian's Dovecot serves an exported tree as the store holds it: no client fetches anything again (`RULES.md` G7).
#![allow(clippy::unwrap_used)]

mod export_support;

use directory::AccountState;
use export_support::{Held, Mail, World};
use message::Flags;
use store::uidl_by_rule;
use testkit::dovecot::Dovecot;

/// Accounts whose names and dates Dovecot can keep, of *before* and *after*.
fn world() -> World {
    let world = World::new();
    world.account("Ana@example.org");
    world.account("jose@luna.es");
    let inbox = [
        Mail::new(3, "uno").flags(Flags::SEEN | Flags::ANSWERED).uidl("7.1372000000.servidor1"),
        Mail::new(4, "dos\ntres").keywords(&["Trabajo", "$Label1"]).flags(Flags::DRAFT | Flags::DELETED),
        Mail::of_bytes(9, b"Subject: CR before CRLF\r\r\n\r\nx\r\r\ny\r\n".to_vec()).keywords(&[&"k".repeat(128)]),
        Mail::new(12, "cuatro").at(1_300_000_000).of_before().uidl("0000000142a3f1b2"),
        Mail::new(13, "cinco").at(1_100_000_000).of_before().flags(Flags::FLAGGED | Flags::FORWARDED),
        Mail::new(200, "seis").at(1_200_000_000).of_before(),
        Mail::new(201, "siete").at(0),
    ];
    world.mailbox("ana@example.org", "INBOX", 1_373_461_200, 9000, &inbox);
    let many: Vec<Mail> = (1..=400).map(|n| Mail::new(n * 2, &"línea\n".repeat(n as usize % 9))).collect();
    world.mailbox("ana@example.org", "Enviados", 7, 2000, &many);
    world.mailbox("ana@example.org", "Facturas/Año 2012", 4_294_967_295, 40, &[Mail::new(30, "ñ"), Mail::new(31, "x")]);
    for name in ["INBOX/Peña & Cía", "Vacía", "a*b%c", "comillas \"q\" y \\", "日本", "cur", &"larga".repeat(50)] {
        world.mailbox("ana@example.org", name, 12, 77, &[Mail::new(5, name)]);
    }
    world.mailbox("jose@luna.es", "INBOX", 99, 6, &[Mail::new(2, "b").uidl("zwei"), Mail::new(5, "c")]);
    world
}

/// Flags and keywords as IMAP shows them; `$Forwarded` as a flag is a letter that Dovecot keeps and does not show.
fn shown(flags: Flags, keywords: &[message::Keyword]) -> Vec<String> {
    let mut shown: Vec<String> = flags.without(Flags::FORWARDED).imap_names().map(str::to_owned).collect();
    shown.extend(keywords.iter().map(|keyword| keyword.as_str().to_owned()));
    shown.sort();
    shown
}

#[test]
fn imap_shows_what_the_store_holds() {
    let world = world();
    assert_eq!(world.export().notices, []);
    let Some(dovecot) = Dovecot::start(&world.out(), None).unwrap() else { return };
    for address in ["Ana@example.org", "jose@luna.es"] {
        let served = dovecot.account(address, "any").unwrap();
        let held = world.held(address);
        let selectable = served.iter().filter(|m| !m.attributes.iter().any(|a| a.eq_ignore_ascii_case("\\NoSelect")));
        assert_eq!(selectable.count(), held.len(), "{}", dovecot.log());
        for (mailbox, messages) in held {
            let name = mailbox.name.as_str().replace('/', ".");
            let found = served.iter().find(|m| m.name == name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!((Some(found.uidvalidity), found.uidnext), (mailbox.uidvalidity, mailbox.uidnext), "{name}");
            assert_eq!(found.subscribed, mailbox.subscribed, "{name}");
            assert_eq!(found.messages.len(), messages.len(), "{name}");
            for (served, (message, blob, crlf)) in found.messages.iter().zip(&messages) {
                assert_eq!(served.uid, message.uid, "{name}");
                assert_eq!(served.flags, shown(message.flags, &message.keywords), "{name} {}", message.uid);
                assert_eq!((served.internal_date, served.size_bytes), (message.internal_date, blob.size_bytes));
                assert_eq!(served.body, *crlf, "{name} {}", message.uid);
            }
        }
    }
    let log = dovecot.log();
    assert!(!log.contains("Error") && !log.contains("Warning"), "{log}");
}

#[test]
fn pop3_lists_uidls_and_order_by_the_rules() {
    let world = world();
    world.export();
    let Some(dovecot) = Dovecot::start(&world.out(), None).unwrap() else { return };
    let listed = |address: &str| -> Vec<(String, u64)> {
        dovecot.maildrop(address, "any").unwrap().into_iter().map(|entry| (entry.uidl, entry.size_bytes)).collect()
    };
    let expected = |address: &str, uids: &[u32]| -> Vec<(String, u64)> {
        let inbox: Held = world.held(address).into_iter().find(|(mailbox, _)| mailbox.name.is_inbox()).unwrap();
        let entry = |uid: &u32| {
            let (message, blob, _) = inbox.1.iter().find(|(message, ..)| message.uid == *uid).unwrap();
            let by_rule = uidl_by_rule(inbox.0.uidvalidity.unwrap(), *uid);
            (message.uidl.clone().unwrap_or(by_rule), blob.size_bytes)
        };
        uids.iter().map(entry).collect()
    };
    // Those of before by date, then the others by UID (`RULES.md 5.2`).
    assert_eq!(listed("Ana@example.org"), expected("ana@example.org", &[13, 200, 12, 3, 4, 9, 201]));
    assert_eq!(listed("jose@luna.es"), expected("jose@luna.es", &[2, 5]));
}

#[test]
fn dovecot_lets_in_only_who_may_sign_in_here() {
    let world = World::new();
    let hash = Some("{PLAIN}secreto");
    for (address, state, hash) in [
        ("abierta@example.org", AccountState::Open, hash),
        ("sin@example.org", AccountState::Open, None),
        ("cerrojo@example.org", AccountState::Locked, hash),
        ("apagada@example.org", AccountState::Disabled, hash),
        ("cerrada@example.org", AccountState::Closed, hash),
        ("sellada@example.org", AccountState::Sealed, hash),
        ("dominio@luna.es", AccountState::Open, hash),
    ] {
        world.account_as(address, state, hash);
        world.mailbox(address, "INBOX", 5, 9, &[Mail::new(1, address)]);
    }
    let shut = |tx: &mut directory::Tx<'_>| {
        let domain = tx.domain("luna.es")?.unwrap();
        tx.update_domain(&directory::Domain { disabled: true, ..domain })
    };
    world.platform.directory.write(shut).unwrap();
    world.export();
    let users = world.out().join("etc/dovecot/users");
    let Some(dovecot) = Dovecot::start(&world.out(), Some(&users)).unwrap() else { return };
    assert!(dovecot.opens("abierta@example.org", "secreto").unwrap(), "{}", dovecot.log());
    assert!(!dovecot.opens("abierta@example.org", "otra").unwrap());
    assert!(!dovecot.opens("sin@example.org", "").unwrap());
    for shut in ["sin", "cerrojo", "apagada", "cerrada", "sellada"] {
        assert!(!dovecot.opens(&format!("{shut}@example.org"), "secreto").unwrap(), "{shut}");
    }
    assert!(!dovecot.opens("dominio@luna.es", "secreto").unwrap());
}
