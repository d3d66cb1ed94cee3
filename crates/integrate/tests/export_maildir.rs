//! An exported tree holds what the store holds: read back with our own reader, and file by file.
#![allow(clippy::unwrap_used)]

mod export_support;

use directory::{AccountState, Alias, AliasAddress, Domain, DomainAlias, Forward, NewAccount, Vacation};
use export_support::{Mail, World, paths};
use integrate::export::{ExportError, MARKER, maildir, maildir_and};
use integrate::{Progress, Selection, Silent};
use message::{Address, Flags, to_crlf};
use source::ItemKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::atomic::{AtomicU64, Ordering};
use store::uidl_by_rule;

/// Accounts with everything that a mailbox can have.
fn full_world() -> World {
    let world = World::new();
    world.account("Ana@example.org");
    world.account("jose@luna.es");
    world.account("vacia@luna.es");
    let inbox: Vec<Mail> = (1..=700)
        .map(|n| {
            let mail = Mail::new(n * 3, &"línea\n".repeat((n % 7) as usize));
            match n % 5 {
                0 => mail.flags(Flags::SEEN | Flags::ANSWERED | Flags::FORWARDED).keywords(&["$Label1", "Trabajo"]),
                1 => mail.flags(Flags::DRAFT | Flags::DELETED | Flags::FLAGGED | Flags::SEEN),
                2 => mail.uidl(&format!("{n}.old-server")).keywords(&["$Forwarded"]),
                3 => mail.of_before(),
                _ => mail.at(i64::from(n)),
            }
        })
        .collect();
    world.mailbox("ana@example.org", "INBOX", 1_373_461_200, 9000, &inbox);
    world.mailbox("ana@example.org", "Enviados", 7, 3, &[Mail::new(2, "uno").flags(Flags::SEEN)]);
    world.mailbox("ana@example.org", "Facturas/Año 2012", 1, 40, &[Mail::new(30, "ñ"), Mail::new(31, "x").at(0)]);
    world.mailbox("ana@example.org", "INBOX/Peña & Cía", 4_294_967_295, 1, &[]);
    world.mailbox("ana@example.org", "Vacía", 12, 4_294_967_290, &[]);
    let odd = [
        Mail::of_bytes(1, b"Subject: CR before CRLF\r\r\n\r\nx\r\r\ny\r\n".to_vec()),
        Mail::of_bytes(2, b"Subject: lone\rCR\r\n\r\nx\ry\r\n".to_vec()),
        Mail::of_bytes(3, b"".to_vec()),
        Mail::of_bytes(4, b"no header, no end".to_vec()),
        Mail::of_bytes(5, b"Subject: raw \xf1\n\n\0\xff\n\n\n".to_vec()),
    ];
    world.mailbox("jose@luna.es", "INBOX", 99, 6, &odd);
    world
}

#[test]
fn everything_is_read_back_as_it_was() {
    let world = full_world();
    let exported = world.export();
    assert_eq!(exported.notices, []);
    assert_eq!((exported.accounts, exported.mailboxes, exported.messages, exported.unreadable), (3, 7, 708, 0));

    let tree = source::open(&world.out()).unwrap();
    let maildrops = tree.maildrops().unwrap();
    let mut bytes = 0;
    for address in ["Ana@example.org", "jose@luna.es", "vacia@luna.es"] {
        let wanted = Address::new(address).unwrap();
        let maildrop = maildrops.iter().find(|m| m.address.as_ref() == Some(&wanted)).unwrap();
        assert_eq!(maildrop.address.as_ref().unwrap().as_str(), address);
        let scan = tree.scan(maildrop).unwrap();
        let held = world.held(address);
        assert_eq!(scan.mailboxes.len(), held.len());
        for (mailbox, messages) in held {
            let found = scan.mailboxes.iter().find(|m| m.name == mailbox.name).unwrap();
            assert_eq!((found.uidvalidity, found.uidnext), (mailbox.uidvalidity, Some(mailbox.uidnext)));
            assert_eq!((found.subscribed, &found.name_was), (mailbox.subscribed, &None));
            assert_eq!(found.items.len(), messages.len(), "{}", mailbox.name);
            for (item, (message, blob, crlf)) in found.items.iter().zip(&messages) {
                assert_eq!((item.kind, item.uid, &item.notices), (ItemKind::Message, Some(message.uid), &vec![]));
                assert_eq!((item.flags, item.internal_date), (message.flags, message.internal_date));
                assert_eq!(item.keywords, message.keywords);
                let uidl = message.uidl.clone().unwrap_or(uidl_by_rule(mailbox.uidvalidity.unwrap(), message.uid));
                assert_eq!(item.uidl, mailbox.name.is_inbox().then_some(uidl));
                assert_eq!(item.promised_size, Some(item.stamp.length_bytes));
                assert_eq!(item.promised_crlf_size, Some(blob.size_bytes));
                let mut file = Vec::new();
                tree.read(&item.locator, &mut file).unwrap();
                assert_eq!(*to_crlf(&file), crlf[..]);
                bytes += file.len() as u64;
            }
        }
        assert_eq!(scan.notices, []);
    }
    assert_eq!(exported.bytes, bytes);
}

#[test]
fn files_have_lf_and_names_that_say_their_sizes() {
    let world = full_world();
    world.export();
    let out = world.out();
    let sent = paths(&out.join("mail/example.org/Ana/Maildir/.Enviados"));
    assert_eq!(
        sent,
        ["cur", "cur/1373000120.M2P2V7.reintegra,S=38,W=42:2,S", "dovecot-uidlist", "maildirfolder", "new", "tmp"]
    );
    let message = std::fs::read(out.join("mail/example.org/Ana/Maildir/.Enviados").join(&sent[1])).unwrap();
    assert_eq!(message, b"From: ana@example.org\nSubject: 2\n\nuno\n");
    let crlf_kept = std::fs::read(out.join("mail/luna.es/jose/Maildir/cur/1373000060.M1P1V99.reintegra,S=35,W=35:2,"));
    assert_eq!(crlf_kept.unwrap(), b"Subject: CR before CRLF\r\r\n\r\nx\r\r\ny\r\n");
    assert!(!out.join(MARKER).exists());
    for path in paths(&out) {
        let mode = std::fs::metadata(out.join(&path)).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, if mode.is_dir() { 0o700 } else { 0o600 }, "{path}");
    }
}

#[test]
fn lists_and_keywords_are_what_dovecot_writes() {
    let world = full_world();
    world.export();
    let maildir = "mail/example.org/Ana/Maildir";
    assert_eq!(world.file(&format!("{maildir}/dovecot-keywords")), "0 $Forwarded\n1 $Label1\n2 Trabajo\n");
    assert_eq!(
        world.file(&format!("{maildir}/subscriptions")),
        "INBOX\nFacturas.A&APE-o 2012\nINBOX.Pe&APE-a &- C&AO0-a\nVac&AO0-a\n"
    );
    let list = world.file(&format!("{maildir}/dovecot-uidlist"));
    let mut lines = list.lines();
    let (header, guid) = lines.next().unwrap().split_once(" G").unwrap();
    assert_eq!(header, "3 V1373461200 N9000");
    assert!(guid.len() == 32 && guid.bytes().all(|b| b.is_ascii_hexdigit()));
    assert_eq!(lines.next().unwrap(), "3 :1373000180.M3P1V1373461200.reintegra,S=42,W=47");
    assert_eq!(lines.next().unwrap(), "6 P2.old-server :1373000360.M6P1V1373461200.reintegra,S=49,W=55");
    // UIDVALIDITY cannot go above the highest number: there is no higher one to remember.
    assert!(!world.out().join(maildir).join("dovecot-uidvalidity").exists());
    assert_eq!(world.file("mail/luna.es/jose/Maildir/dovecot-uidvalidity").len(), 8);
}

#[test]
fn two_exports_are_the_same() {
    let world = full_world();
    world.export();
    let again = world.place.path().join("again");
    maildir(&world.platform, &again, &Selection::default(), &Silent).unwrap();
    let files = paths(&world.out());
    assert_eq!(files, paths(&again));
    for path in files.iter().filter(|path| world.out().join(path).is_file()) {
        assert_eq!(std::fs::read(world.out().join(path)).unwrap(), std::fs::read(again.join(path)).unwrap(), "{path}");
    }
}

#[test]
fn dates_before_1970_and_after_2038_are_kept() {
    let world = World::new();
    world.account("ana@example.org");
    let dates = [-86_400, -1, 0, i64::from(i32::MAX) + 10, i64::MAX, i64::MIN];
    let mail: Vec<Mail> = dates.iter().zip(1..).map(|(date, uid)| Mail::new(uid, "x").at(*date)).collect();
    world.mailbox("ana@example.org", "INBOX", 5, 9, &mail);
    let exported = world.export();
    assert_eq!(exported.messages, 6);
    let cur = world.out().join("mail/example.org/ana/Maildir/cur");
    let modified = |uid: u32| {
        let entry = std::fs::read_dir(&cur).unwrap().map(Result::unwrap);
        let mut entry = entry.filter(|e| e.file_name().to_str().unwrap().contains(&format!(".M{uid}P")));
        entry.next().unwrap().metadata().unwrap().mtime()
    };
    for (date, uid) in dates[..4].iter().zip(1..) {
        assert_eq!(modified(uid), *date);
    }
    let places: Vec<&str> = exported.notices.iter().map(|n| n.place.rsplit_once(' ').unwrap().1).collect();
    assert_eq!(places, ["1", "2", "5", "6"], "{:?}", exported.notices);
    assert!(exported.notices.iter().all(|n| n.rule == "4.3"));
}

#[test]
fn keywords_past_the_26th_are_listed_as_lost() {
    let world = World::new();
    world.account("ana@example.org");
    let names: Vec<String> = (0..28).map(|n| format!("k{n:02}")).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let mail = [Mail::new(1, "x").keywords(&all), Mail::new(2, "y").keywords(&all[2..])];
    world.mailbox("ana@example.org", "INBOX", 5, 9, &mail);
    let exported = world.export();
    assert_eq!(exported.notices.len(), 1);
    assert_eq!((exported.notices[0].rule, exported.notices[0].place.as_str()), ("4.1", "ana@example.org INBOX"));
    assert!(
        exported.notices[0].text.ends_with("left out (from so many messages): k00 (1), k01 (1)"),
        "{:?}",
        exported.notices
    );
    assert_eq!(world.file("mail/example.org/ana/Maildir/dovecot-keywords").lines().count(), 26);
}

#[test]
fn names_that_a_maildir_cannot_have_are_mended_and_listed() {
    let world = World::new();
    world.account("ana@example.org");
    let long = "ñandú ".repeat(60);
    for name in ["S.A./Actas", "~tilde", long.trim(), "Fit"] {
        world.mailbox("ana@example.org", name, 5, 9, &[Mail::new(1, name)]);
    }
    let exported = world.export();
    let notices: Vec<&str> = exported.notices.iter().map(|n| n.text.as_str()).collect();
    assert_eq!(notices.len(), 3, "{notices:?}");
    assert!(exported.notices.iter().all(|n| n.rule == "6.1"));
    assert!(notices.contains(&"the mailbox is called S\u{2024}A\u{2024}.Actas: a . within a level cannot be written"));
    let tree = source::open(&world.out()).unwrap();
    let scan = tree.scan(&tree.maildrops().unwrap()[0]).unwrap();
    let names: Vec<&str> = scan.mailboxes.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names.len(), 5);
    for name in ["INBOX", "Fit", "S\u{2024}A\u{2024}/Actas", "\u{223c}tilde"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(scan.mailboxes.iter().filter(|m| !m.name.is_inbox()).all(|m| m.items.len() == 1));
}

fn vacation(name: &str) -> Vacation {
    let text = format!("{name} is away.");
    Vacation { subject: None, text, first_day: None, last_day: None, interval_days: 7 }
}

#[test]
fn accounts_and_addresses_are_written_for_dovecot_and_postfix() {
    let world = World::new();
    let ana = world.account_as("Ana@example.org", AccountState::Open, Some("{SSHA}abc+/="));
    let bob = world.account_as("bob@example.org", AccountState::Locked, Some("{UNKNOWN}x"));
    world.account_as("cid@example.org", AccountState::Disabled, None);
    let sealed = world.account_as("dora@example.org", AccountState::Sealed, Some("{PLAIN}d"));
    world.mailbox("dora@example.org", "INBOX", 5, 9, &[Mail::new(1, "private")]);
    world.account_as("eva@luna.es", AccountState::Open, Some("{PLAIN}e"));
    let address = |text: &str| Address::new(text).unwrap();
    let alias = |at: AliasAddress, targets: &[&str], enabled| Alias {
        address: at,
        targets: targets.iter().map(|t| (*t).to_owned()).collect(),
        enabled,
    };
    let written = world.platform.directory.write(|tx| {
        let customer = tx.add_customer("luna")?;
        tx.update_domain(&Domain {
            name: "luna.es".into(),
            customer_id: Some(customer),
            disabled: true,
            created_at: 0,
        })?;
        tx.add_domain(&Domain { name: "luna.example".into(), customer_id: None, disabled: false, created_at: 0 })?;
        tx.put_domain_alias(&DomainAlias { from: "luna.example".into(), to: "luna.es".into() })?;
        let mut account = tx.account_by_id(ana)?.unwrap();
        account.quota_bytes = Some(100 << 20);
        account.name = Some("Ana Ñ".into());
        tx.update_account(&account)?;
        tx.put_forward(ana, &Forward { targets: vec!["ana@gmail.example".into()], keep_copy: true })?;
        tx.put_forward(bob, &Forward { targets: vec!["a@x.example".into(), "b@x.example".into()], keep_copy: false })?;
        tx.put_alias(&alias(AliasAddress::Exact(address("ventas@example.org")), &["ana@example.org", "b@x.es"], true))?;
        tx.put_alias(&alias(AliasAddress::Exact(address("info@example.org")), &["ana@example.org"], true))?;
        tx.put_alias(&alias(AliasAddress::CatchAll("example.org".into()), &["ana@example.org"], true))?;
        tx.put_alias(&alias(AliasAddress::Exact(address("vieja@example.org")), &["ana@example.org"], false))?;
        tx.put_script(ana, "roundcube", b"keep;\n")?;
        tx.put_script(ana, "../../../otro", b"discard;\n")?;
        tx.activate_script(ana, Some("roundcube"))?;
        tx.put_script(sealed, "suyo", b"stop;\n")?;
        tx.put_vacation(ana, &vacation("Ana"))?;
        tx.put_vacation(bob, &vacation("Bob"))
    });
    written.unwrap();
    let exported = world.export();

    assert_eq!(
        world.file("etc/dovecot/users"),
        "Ana@example.org:{SSHA}abc+/=:::Ana Ñ:::userdb_quota_rule=*:storage=100M\n\
         bob@example.org:{UNKNOWN}x::::::nologin\n\
         cid@example.org:::::::nologin\n\
         eva@luna.es:{PLAIN}e::::::nologin\n"
    );
    assert_eq!(world.file("etc/dovecot/users-quarantined"), "dora@example.org:{PLAIN}d::::::nologin\n");
    assert_eq!(
        world.file("etc/postfix/virtual"),
        "@example.org\tana@example.org\n\
         info@example.org\tana@example.org\n\
         ventas@example.org\tana@example.org, b@x.es\n\
         @luna.example\t@luna.es\n"
    );
    assert_eq!(
        world.file("etc/postfix/virtual_forwards"),
        "Ana@example.org\tAna@example.org, ana@gmail.example\nbob@example.org\ta@x.example, b@x.example\n"
    );
    assert_eq!(world.file("etc/domains"), "example.org\nluna.es disabled customer=luna\nluna.example\n");
    assert_eq!(world.file("etc/postfix/virtual_domains"), "example.org\tOK\nluna.example\tOK\n");

    let home = world.out().join("mail/example.org/Ana");
    assert_eq!(std::fs::read_link(home.join(".dovecot.sieve")).unwrap().to_str(), Some("sieve/roundcube.sieve"));
    assert_eq!(paths(&home.join("sieve")), ["..%2F..%2F..%2Fotro.sieve", "roundcube.sieve", "vacation.sieve"]);
    let home = world.out().join("mail/example.org/bob");
    assert_eq!(std::fs::read_link(home.join(".dovecot.sieve")).unwrap().to_str(), Some("sieve/vacation.sieve"));
    let script = std::fs::read_to_string(home.join("sieve/vacation.sieve")).unwrap();
    assert!(script.contains("Bob is away") && !script.contains("x.example"), "{script}");
    assert_eq!(paths(world.place.path()).iter().filter(|p| p.contains("otro")).count(), 1);

    let private = world.out().join("quarantine/accounts/example.org/dora");
    assert!(private.join("sieve/suyo.sieve").exists());
    assert_eq!(std::fs::read_dir(private.join("Maildir/cur")).unwrap().count(), 1);
    assert!(!world.out().join("mail/example.org/dora").exists());

    let rules: Vec<(&str, &str)> = exported.notices.iter().map(|n| (n.rule, n.place.as_str())).collect();
    assert_eq!(rules, [("6.4", "Ana@example.org"), ("6.4", "Ana@example.org"), ("8", "vieja@example.org")]);

    let tree = source::open(&world.out()).unwrap();
    let directory = tree.directory().unwrap();
    assert_eq!(directory.notices, []);
    let read: Vec<(&str, Option<&str>, Option<u64>, bool)> = directory
        .accounts
        .iter()
        .map(|a| (a.address.as_str(), a.password_hash.as_deref(), a.quota_bytes, a.disabled))
        .collect();
    assert_eq!(
        read,
        [
            ("Ana@example.org", Some("{SSHA}abc+/="), Some(100 << 20), false),
            ("bob@example.org", Some("{UNKNOWN}x"), None, true),
            ("cid@example.org", None, None, true),
            ("eva@luna.es", Some("{PLAIN}e"), None, true),
        ]
    );
    let scan = tree.scan(&tree.maildrops().unwrap()[0]).unwrap();
    let scripts: Vec<(&str, bool)> = scan.scripts.iter().map(|s| (s.name.as_str(), s.active)).collect();
    assert_eq!(scripts[1..], [("roundcube", true), ("vacation", false)]);
}

#[test]
fn mail_without_an_account_is_set_aside() {
    let world = World::new();
    let id = world.account("ana@example.org");
    world.mailbox("ana@example.org", "INBOX", 5, 9, &[Mail::new(1, "x")]);
    world.platform.directory.write(|tx| tx.remove_account(id)).unwrap();
    let exported = world.export();
    assert_eq!((exported.accounts, exported.messages), (1, 1));
    assert_eq!((exported.notices[0].rule, exported.notices[0].place.as_str()), ("7.9", "ana@example.org"));
    assert!(world.out().join("quarantine/accounts/example.org/ana/Maildir/dovecot-uidlist").exists());
}

#[test]
fn an_account_without_mail_has_an_empty_maildir() {
    let world = World::new();
    let new = NewAccount::new(Address::new("ana@example.org").unwrap());
    world.platform.directory.write(|tx| tx.add_account(&new)).unwrap();
    assert_eq!(world.export().accounts, 1);
    assert_eq!(
        paths(&world.out().join("mail/example.org/ana")),
        ["Maildir", "Maildir/cur", "Maildir/new", "Maildir/tmp"]
    );
}

#[test]
fn only_the_chosen_are_written() {
    let world = full_world();
    let written = world.platform.directory.write(|tx| {
        for at in ["info@example.org", "info@luna.es"] {
            let address = AliasAddress::Exact(Address::new(at).unwrap());
            tx.put_alias(&Alias { address, targets: vec!["x@y.es".into()], enabled: true })?;
        }
        Ok(())
    });
    written.unwrap();
    let domain = Selection { domains: vec!["luna.es".into()], accounts: vec![] };
    let exported = maildir(&world.platform, &world.out(), &domain, &Silent).unwrap();
    assert_eq!((exported.accounts, exported.messages), (2, 5));
    assert_eq!(world.file("etc/postfix/virtual"), "info@luna.es\tx@y.es\n");
    assert_eq!(world.file("etc/domains"), "luna.es\n");
    assert!(!world.out().join("mail/example.org").exists());

    let out = world.place.path().join("account");
    let account = Selection { domains: vec![], accounts: vec![Address::new("jose@luna.es").unwrap()] };
    assert_eq!(maildir(&world.platform, &out, &account, &Silent).unwrap().accounts, 1);
    assert_eq!(std::fs::read_to_string(out.join("etc/dovecot/users")).unwrap(), "jose@luna.es:{PLAIN}secreto::::::\n");
    assert_eq!(std::fs::read_to_string(out.join("etc/postfix/virtual")).unwrap(), "");
}

#[test]
fn progress_adds_up() {
    #[derive(Default)]
    struct Count {
        found: [AtomicU64; 2],
        done: [AtomicU64; 2],
    }
    fn add(to: &[AtomicU64; 2], messages: u64, bytes: u64) {
        to[0].fetch_add(messages, Ordering::Relaxed);
        to[1].fetch_add(bytes, Ordering::Relaxed);
    }
    impl Progress for Count {
        fn begin(&self, _: &str) {}
        fn found(&self, messages: u64, bytes: u64) {
            add(&self.found, messages, bytes);
        }
        fn done(&self, messages: u64, bytes: u64) {
            add(&self.done, messages, bytes);
        }
        fn end(&self) {}
    }
    let world = full_world();
    let count = Count::default();
    maildir(&world.platform, &world.out(), &Selection::default(), &count).unwrap();
    let values = |of: &[AtomicU64; 2]| of.each_ref().map(|n| n.load(Ordering::Relaxed));
    assert_eq!(values(&count.found), values(&count.done));
    assert_eq!(values(&count.done)[0], 708);
}

#[test]
fn what_is_nobodys_goes_into_the_quarantine() {
    let world = World::new();
    let exported = maildir_and(&world.platform, &world.out(), &Selection::default(), &Silent, |quarantine| {
        quarantine.put("unattributed/../../../x.eml", b"Subject: x\r\n\r\ny\r\n")
    });
    exported.unwrap();
    assert_eq!(world.file("quarantine/unattributed/%2E%2E/%2E%2E/%2E%2E/x.eml"), "Subject: x\n\ny\n");
}

#[test]
fn an_export_that_fails_says_so_in_its_tree() {
    let world = full_world();
    let failed =
        maildir_and(&world.platform, &world.out(), &Selection::default(), &Silent, |_| Err(ExportError::Worker));
    assert!(matches!(failed, Err(ExportError::Worker)));
    assert!(world.out().join(MARKER).exists());
    let again = maildir(&world.platform, &world.out(), &Selection::default(), &Silent).unwrap_err();
    assert!(matches!(again, ExportError::Occupied { unfinished: true, .. }), "{again}");

    let other = world.place.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("precious"), "x").unwrap();
    let refused = maildir(&world.platform, &other, &Selection::default(), &Silent).unwrap_err();
    assert!(matches!(refused, ExportError::Occupied { unfinished: false, .. }), "{refused}");
    assert_eq!(paths(&other), ["precious"]);
}

#[test]
fn a_damaged_message_is_left_out_and_listed() {
    let world = World::new();
    world.account("ana@example.org");
    let mail = [Mail::new(1, "whole"), Mail::new(2, "marker-of-the-damaged-one"), Mail::new(3, "whole too")];
    world.mailbox("ana@example.org", "INBOX", 5, 9, &mail);
    world.platform.store.settle().unwrap();
    let cells = world.place.path().join("data/cells");
    let segments = paths(&cells).into_iter().map(|path| cells.join(path)).filter(|path| path.is_file());
    for segment in segments.filter(|path| path.parent().is_some_and(|p| p.ends_with("segments"))) {
        let mut bytes = std::fs::read(&segment).unwrap();
        let at = bytes.windows(10).position(|window| window == b"marker-of-");
        if let Some(at) = at {
            bytes[at] ^= 1;
            std::fs::write(&segment, bytes).unwrap();
        }
    }
    let exported = maildir(&world.platform, &world.out(), &Selection::default(), &Silent).unwrap();
    assert_eq!((exported.messages, exported.unreadable), (2, 1));
    let notice = &exported.notices[0];
    assert_eq!((exported.notices.len(), notice.rule, notice.place.as_str()), (1, "9.1", "ana@example.org INBOX UID 2"));
    let list = world.file("mail/example.org/ana/Maildir/dovecot-uidlist");
    let uids: Vec<&str> = list.lines().skip(1).map(|line| line.split_once(' ').unwrap().0).collect();
    assert_eq!(uids, ["1", "3"]);
    assert!(list.starts_with("3 V5 N9 G"));
}
