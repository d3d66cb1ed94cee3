//! The same incident read from other kinds of sources: what comes out is the same, as far as the kind of source tells.
#![allow(clippy::unwrap_used)]

mod support_flow;

use integrate::Platform;
use integrate::plan::Policy;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};
use support_flow::shown::{self, Shown, account, all_digests, mailbox, placed_digests, signs_in};
use support_flow::{Bench, apply, check, import, integrate, ledger, stage, stage_with_base, verify};

const ANA: &str = "ana@luna.example";

/// A mail to Ana; `n` tells it from others.
fn mail(n: u32) -> Vec<u8> {
    format!(
        "Return-Path: <cliente@example.org>\nDelivered-To: {ANA}\nFrom: Cliente <cliente@example.org>\nTo: {ANA}\n\
         Subject: mail {n}\nMessage-ID: <{n}@example.org>\nDate: Mon, 6 Jan 2025 10:00:00 +0000\n\nText of {n}.\n"
    )
    .into_bytes()
}

fn digest(n: u32) -> String {
    shown::sha256(&support_flow::served::crlf(&mail(n)))
}

fn put(path: &Path, bytes: &[u8], modified: u64) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
    let file = std::fs::File::options().append(true).open(path).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(modified)).unwrap();
}

/// A server tree with Ana's account (password `clave`) and some mails in her INBOX, with UIDs from 1 up.
fn server(root: &Path, uidvalidity: u32, mails: &[u32]) -> PathBuf {
    put(&root.join("etc/dovecot/users"), format!("{ANA}:{{PLAIN}}clave:::Ana::\n").as_bytes(), 0);
    put(&root.join("etc/domains"), b"luna.example\n", 0);
    let maildir = root.join("mail/luna.example/ana/Maildir");
    let mut list = format!("3 V{uidvalidity} N{}\n", mails.len() + 1);
    for (at, n) in mails.iter().enumerate() {
        writeln!(list, "{} :{}.M1P1.host", at + 1, 1_700_000_000 + n).unwrap();
        put(&maildir.join(format!("cur/{}.M1P1.host:2,S", 1_700_000_000 + n)), &mail(*n), u64::from(1_700_000_000 + n));
    }
    put(&maildir.join("dovecot-uidlist"), list.as_bytes(), 0);
    root.to_owned()
}

/// The digests of an account's messages, sorted.
fn digests(platform: &Platform, of: &str) -> Vec<String> {
    let mut all: Vec<String> = placed_digests(&account(platform, of)).into_iter().map(|(_, digest)| digest).collect();
    all.sort();
    all
}

fn of(mails: &[u32]) -> Vec<String> {
    let mut all: Vec<String> = mails.iter().map(|n| digest(*n)).collect();
    all.sort();
    all
}

#[test]
fn a_tree_of_mbox_files() {
    let bench = Bench::new();
    let after = server(&bench.after(), 500, &[3, 4]);
    let root = bench.before();
    let mut inbox = String::new();
    for n in [1, 2, 3] {
        let text = String::from_utf8(mail(n)).unwrap();
        let (header, body) = text.split_once("\n\n").unwrap();
        let marks = format!("Status: RO\nX-Status: F\nX-UID: {}\nX-Keywords: Urgente", 20 + n);
        write!(inbox, "From cliente@example.org Mon Jan  6 10:00:0{n} 2025\n{header}\n{marks}\n\n{body}\n").unwrap();
    }
    put(&root.join("ana@luna.example/inbox"), inbox.as_bytes(), 0);
    put(
        &root.join("ana@luna.example/Facturas/2024"),
        format!("From x@y.example Mon Jan  6 10:00:00 2025\n{}\n", String::from_utf8(mail(7)).unwrap()).as_bytes(),
        0,
    );
    put(&root.join("ana@luna.example/notas.txt"), b"not a mailbox\n", 0);
    put(&root.join("source.toml"), b"format = \"mbox\"\nlayout = \"{address}\"\n", 0);

    let platform = bench.init(2);
    let whole = integrate(&platform, &root, &after);

    assert_eq!(
        account(&platform, ANA).iter().map(|m| (m.name.as_str(), m.messages.len())).collect::<Vec<_>>(),
        [("INBOX", 4), ("Facturas.2024", 1)]
    );
    let inbox = mailbox(&platform, ANA, "INBOX");
    assert_eq!(inbox.uidvalidity, Some(500), "an mbox without X-IMAP has none");
    let back = inbox.messages.iter().filter(|m| m.keywords == ["Urgente"]).collect::<Vec<_>>();
    assert_eq!(back.len(), 3);
    assert!(back.iter().all(|m| m.flags == "FS"));
    assert_eq!(signs_in(&platform, ANA, "clave"), Ok(()), "it names no accounts; after's stays");
    let (_, rows) = ledger::rows(&platform, whole.id);
    let of_before: Vec<_> = rows.iter().filter(|row| row["lineage"] == "before").collect();
    let count = |outcome: &str| of_before.iter().filter(|row| row["outcome"] == outcome).count();
    assert_eq!((of_before.len(), count("kept") + count("same_as"), count("not_a_message")), (5, 4, 1));
    check(&platform);
}

#[test]
fn a_heap_of_eml_files_is_given_to_whom_it_was_delivered() {
    let bench = Bench::new();
    let after = server(&bench.after(), 500, &[3, 4]);
    let root = bench.before();
    for n in [1, 2, 3] {
        put(&root.join(format!("recovered/deep/{n}.eml")), &mail(n), 1_736_157_600);
    }
    put(
        &root.join("recovered/nobody.eml"),
        b"From: a@example.org\nTo: b@example.net\nSubject: ?\n\nx\n",
        1_736_157_600,
    );
    put(&root.join("recovered/empty.eml"), b"", 1_736_157_600);
    put(&root.join("source.toml"), b"format = \"eml\"\norphans = [\".\"]\n", 0);
    let platform = bench.init(2);
    let whole = integrate(&platform, &root, &after);
    assert_eq!((whole.staged.attributed, whole.staged.unattributed), (3, 1));
    assert_eq!(digests(&platform, ANA), of(&[1, 2, 3, 4]));
    assert_eq!(mailbox(&platform, ANA, "Recuperados").messages.len(), 2, "the third is where she has it");
    assert_eq!(mailbox(&platform, ANA, "INBOX").uidvalidity, Some(500));
    let (_, rows) = ledger::rows(&platform, whole.id);
    let count = |outcome: &str| rows.iter().filter(|r| r["lineage"] == "before" && r["outcome"] == outcome).count();
    assert_eq!((count("kept") + count("same_as"), count("unattributed"), count("unreadable")), (3, 1, 1));
    check(&platform);
}

#[test]
fn accounts_from_a_csv_file_and_a_tree_that_source_toml_describes() {
    let bench = Bench::new();
    let root = bench.before();
    let place = root.join("vmail/luna.example/ana");
    put(&place.join("cur/1700000001.M1P1.host:2,FS"), &mail(1), 1_700_000_001);
    put(&place.join("new/1700000002.M1P1.host"), &mail(2), 1_700_000_002);
    put(&place.join("INBOX.Ventas/keep"), b"", 0);
    put(&place.join(".Ventas.2024/cur/1700000003.M1P1.host:2,S"), &mail(3), 1_700_000_003);
    put(
        &root.join("cuentas.csv"),
        "address,password_hash,name,quota_mb\nana@luna.example,{PLAIN}de csv,Ana Núñez,100\n".as_bytes(),
        0,
    );
    put(&root.join("alias"), b"ventas@luna.example ana@luna.example\n", 0);
    let toml = "format = \"maildir\"\nroot = \"vmail\"\nlayout = \"{domain}/{localpart}\"\naccounts = \"cuentas.csv\"\n\
                aliases = \"alias\"\n";
    put(&root.join("source.toml"), toml.as_bytes(), 0);
    let platform = bench.init(1);
    let imported = import(&platform, &root);
    assert_eq!(imported.applied.accounts, 1);
    assert_eq!(signs_in(&platform, ANA, "de csv"), Ok(()));
    let ana = platform.directory.account(&shown::address(ANA)).unwrap().unwrap();
    assert_eq!((ana.name.as_deref(), ana.quota_bytes), (Some("Ana Núñez"), Some(100 << 20)));
    assert_eq!(shown::aliases(&platform)["ventas@luna.example"].0, [ANA]);
    let names: Vec<String> = account(&platform, ANA).into_iter().map(|m| m.name).collect();
    assert!(names.contains(&"Ventas.2024".to_owned()), "{names:?}");
    assert_eq!(digests(&platform, ANA), of(&[1, 2, 3]));
    check(&platform);
}

#[test]
fn another_store_as_the_history_of_before() {
    let bench = Bench::of_sample();
    let other = Bench::new();
    {
        let old = other.init(3);
        import(&old, &bench.before());
        check(&old);
    }
    let from_tree = bench.init(1);
    bench.integrate(&from_tree);
    let theirs = Bench::new();
    let platform = theirs.init(4);
    let whole = integrate(&platform, &other.path("data"), &bench.after());
    assert_eq!(whole.verified.totals.missing, 0);

    for address in ["ana@panaderia.example", "rosa@floristeria.example", "sam@taller.example", "jose@panaderia.example"]
    {
        let (one, two) = (account(&from_tree, address), account(&platform, address));
        assert_eq!(as_clients_see(&two), as_clients_see(&one), "{address}");
    }
    for (address, password) in [("carmen@panaderia.example", "viejo-carmen"), ("ana@panaderia.example", "nuevo-ana")] {
        assert_eq!(signs_in(&platform, address, password), Ok(()), "{address}");
    }
    assert_eq!(all_digests(&platform), all_digests(&from_tree));
    check(&platform);
}

/// Content, flags and date of a message.
type Seen = (String, String, i64);

/// Mailboxes that hold something, with contents, flags and dates.
fn as_clients_see(mailboxes: &[Shown]) -> Vec<(String, Vec<Seen>)> {
    let message = |m: &shown::ShownMessage| (m.digest.clone(), m.flags.clone(), m.internal_date);
    let each = mailboxes.iter().filter(|m| !m.messages.is_empty()).map(|m| {
        let mut messages: Vec<_> = m.messages.iter().map(message).collect();
        messages.sort();
        (m.name.clone(), messages)
    });
    each.collect()
}

#[test]
fn couriers_maildir_keeps_its_uids_and_uidls() {
    let bench = Bench::new();
    let root = bench.before();
    put(&root.join("etc/dovecot/users"), format!("{ANA}:{{PLAIN}}clave:::Ana::\n").as_bytes(), 0);
    let maildir = root.join("mail/luna.example/ana/Maildir");
    for n in [1, 2, 3] {
        put(
            &maildir.join(format!("cur/170000000{n}.M{n}P1.courier,S=280:2,S")),
            &mail(n),
            u64::from(1_700_000_000 + n),
        );
    }
    let list = "1 1180000000 40\n31 1700000001.M1P1.courier,S=280\n32 1700000002.M2P1.courier,S=280\n\
                39 1700000003.M3P1.courier,S=280\n";
    put(&maildir.join("courierimapuiddb"), list.as_bytes(), 0);
    put(&maildir.join(".Facturas/cur/1700000009.M9P1.courier:2,"), &mail(9), 1_700_000_009);
    put(&maildir.join(".Facturas/maildirfolder"), b"", 0);
    put(&maildir.join("courierimapsubscribed"), b"INBOX\nINBOX.Facturas\n", 0);
    // A server that was set up anew gave other numbers to what came since.
    let after = server(&bench.after(), 500, &[]);

    let platform = bench.init(1);
    integrate(&platform, &root, &after);
    let inbox = mailbox(&platform, ANA, "INBOX");
    assert_eq!(inbox.uidvalidity, Some(1_180_000_000));
    let served: Vec<(u32, String)> = inbox.messages.iter().map(|m| (m.uid, m.digest.clone())).collect();
    assert_eq!(served, [(31, digest(1)), (32, digest(2)), (39, digest(3))]);
    assert!(inbox.uidnext >= 40);
    let uidls: Vec<&str> = inbox.messages.iter().map(|m| m.uidl.as_str()).collect();
    assert!(uidls.iter().all(|uidl| !uidl.is_empty()) && uidls.len() == 3);
    assert!(mailbox(&platform, ANA, "Facturas").subscribed);
    check(&platform);
}

#[test]
fn a_rule_of_the_description_makes_the_uidls_that_were_served() {
    for (rule, first) in [("%f", "1700000001.M1P1.host"), ("%v-%u", "77-1"), ("%08Xu%08Xv", "000000010000004d")] {
        let bench = Bench::new();
        let root = server(&bench.before(), 77, &[1, 2]);
        let toml = format!(
            "format = \"maildir\"\nroot = \"mail\"\nlayout = \"{{domain}}/{{localpart}}/Maildir\"\n\
             accounts = \"etc/dovecot/users\"\npop3_uidl_format = \"{rule}\"\n"
        );
        put(&root.join("source.toml"), toml.as_bytes(), 0);
        let after = server(&bench.after(), 500, &[2, 3]);
        let platform = bench.init(1);
        integrate(&platform, &root, &after);
        let inbox = mailbox(&platform, ANA, "INBOX");
        let uidl = |n: u32| inbox.messages.iter().find(|m| m.digest == digest(n)).unwrap().uidl.clone();
        assert_eq!(uidl(1), first, "{rule}");
        assert_eq!(uidl(2), "00000001000001f4", "{rule}: of a pair after's stays");
        check(&platform);
    }
}

/// `RULES.md` 3.5: base had 1 to 4; before lost 2, after deleted 3, both lost 4.
#[test]
fn what_was_deleted_since_the_base_stays_unless_deletions_are_honoured() {
    for honour_deletions in [false, true] {
        let bench = Bench::new();
        let base = server(&bench.path("base"), 77, &[1, 2, 3, 4]);
        let before = server(&bench.before(), 77, &[1, 3, 5]);
        let after = server(&bench.after(), 77, &[1, 2, 6]);
        // The same UIDs as in the base: all three descend from one server.
        for (root, uids) in [(&before, [1, 3, 5]), (&after, [1, 2, 6])] {
            let list: String = uids.iter().map(|n| format!("{n} :{}.M1P1.host\n", 1_700_000_000 + n)).collect();
            let path = root.join("mail/luna.example/ana/Maildir/dovecot-uidlist");
            std::fs::write(path, format!("3 V77 N{}\n{list}", uids[2] + 1)).unwrap();
        }
        let platform = bench.init(1);
        import(&platform, &after);
        let policy = Policy { honour_deletions, ..Policy::default() };
        let (id, _) = stage_with_base(&platform, &before, Some(&base), Some(policy));
        apply(&platform, id);
        verify(&platform, id);
        let expected: &[u32] = if honour_deletions { &[1, 5, 6] } else { &[1, 2, 3, 5, 6] };
        assert_eq!(digests(&platform, ANA), of(expected), "honoured: {honour_deletions}");
        let inbox = mailbox(&platform, ANA, "INBOX");
        assert_eq!(inbox.uidvalidity, Some(77), "born from one server: 5.1 keeps every UID of both");
        for message in &inbox.messages {
            let n = (1..=6).find(|n| digest(*n) == message.digest).unwrap();
            assert_eq!(message.uid, n);
        }
        let (checked, rows) = ledger::rows(&platform, id);
        for source in &checked.header.sources {
            let of_lineage = rows.iter().filter(|row| row["lineage"] == source.lineage.name()).count() as u64;
            assert_eq!(of_lineage, source.items, "{}", source.description);
        }
        let deleted = rows.iter().filter(|row| row["outcome"] == "deleted");
        for row in deleted.clone() {
            assert!(row["rules"].as_array().is_some_and(|rules| rules.contains(&"3.5".into())), "{row}");
        }
        assert_eq!(deleted.filter(|row| row["lineage"] != "base").count(), if honour_deletions { 2 } else { 0 });
        check(&platform);
    }
}

#[test]
fn a_history_that_grew_is_staged_again_and_only_what_is_new_is_read() {
    let bench = Bench::new();
    let before = server(&bench.before(), 77, &[1, 2]);
    let after = server(&bench.after(), 500, &[3]);
    let platform = bench.init(1);
    import(&platform, &after);
    let (_, first) = stage(&platform, &before, None);
    assert_eq!(first.staged, 2);
    put(&before.join("mail/luna.example/ana/Maildir/new/1700000008.M1P1.host"), &mail(8), 1_700_000_008);
    let (id, second) = stage(&platform, &before, None);
    assert_eq!((second.staged, second.unchanged), (1, 2));
    apply(&platform, id);
    verify(&platform, id);
    assert_eq!(digests(&platform, ANA), of(&[1, 2, 3, 8]));
    check(&platform);
}
