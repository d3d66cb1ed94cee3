//! Debian's Dovecot over a tree says what the Maildir source reads in the tree itself.
//!
//! The trees are those of the live lineages: from what a disaster left of the others, Dovecot makes another thing than we
//! do, and breaks off over messages that we can still read.

use super::{ANA, Described, scan, write};
use message::{Flags, to_crlf};
use source::{Item, ItemKind, Mailbox, Maildrop, MaildropScan, Notice, ReadError, Source};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use testkit::dovecot::Dovecot;

#[test]
fn the_sample_is_read_as_from_its_files() {
    let home = TempDir::new().unwrap();
    testkit::sample::lay_out(home.path()).unwrap();
    same_as_files(&home.path().join("after"));
}

#[test]
fn the_small_incident_is_read_as_from_its_files() {
    if testkit::incident::require().is_none() {
        return;
    }
    let home = TempDir::new().unwrap();
    let incident = testkit::incident::small(home.path()).unwrap();
    same_as_files(&incident.join("after"));
}

/// Everything that both sources say of every account of a tree.
fn same_as_files(tree: &Path) {
    let files = source::open(tree).unwrap();
    // As their directories are written, because that is where Dovecot looks for them.
    let written = |place: &[u8]| {
        let place = String::from_utf8(place.to_vec()).unwrap();
        let levels: Vec<&str> = place.split('/').collect();
        format!("{}@{}", levels[2], levels[1])
    };
    let with_owner = |m: &&Maildrop| m.address.is_some();
    let addresses: Vec<String> =
        files.maildrops().unwrap().iter().filter(with_owner).map(|m| written(&m.place)).collect();
    let Some(dovecot) = Dovecot::start(tree, None).unwrap() else { return };
    let described = Described::of(&addresses.iter().map(String::as_str).collect::<Vec<_>>());
    let server = described.open(dovecot.imap(), "patience_s = 10\n");
    let mut compared = 0;
    for address in &addresses {
        compared += same_account(&*files, &*server, address);
    }
    assert!(compared > 15, "only {compared} messages were compared");
}

fn same_account(files: &dyn Source, server: &dyn Source, address: &str) -> usize {
    let (by_files, by_server) = (scan(files, address).unwrap(), scan(server, address).unwrap());
    let names = |scan: &MaildropScan| scan.mailboxes.iter().map(|m| m.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&by_server), names(&by_files), "{address}");
    let (mut compared, notices) = (0, &by_files.notices);
    for (by_files, by_server) in by_files.mailboxes.iter().zip(&by_server.mailboxes) {
        let place = format!("{address} {}", by_files.name);
        assert_eq!(by_server.subscribed, by_files.subscribed, "{place}");
        // Dovecot breaks off over a file that is shorter than its name says, however often it is asked.
        let damaged = by_files.items.iter().filter(|i| i.promised_size.is_some_and(|s| s != i.stamp.length_bytes));
        let damaged: BTreeSet<Option<u32>> = damaged.map(|item| item.uid).collect();
        let mut served = messages(server, by_server, &damaged);
        let in_files = messages(files, by_files, &damaged);
        // Where the list of UIDs is damaged, what we mend Dovecot numbers anew (`RULES.md 9.4`).
        let is_mended = |item: &Item| item.notices.iter().any(|n| n.rule == "9.4");
        let directory = by_files.items.first().map(directory_of);
        let is_of_it = |n: &Notice| n.rule == "9.4" && directory.as_ref().is_some_and(|d| n.place.starts_with(d));
        let mended = by_files.items.iter().any(is_mended) || notices.iter().any(is_of_it);
        if by_files.uidvalidity.is_some() && !mended {
            assert_eq!(by_server.uidvalidity, by_files.uidvalidity, "{place}");
        }
        for (bytes, items) in in_files {
            for item in items {
                compared += 1;
                let twins = served.get_mut(&bytes).unwrap_or_else(|| panic!("{place}: {item:?} is not served"));
                // The keyword is the flag to us. The letter P of a file's name Dovecot keeps and never shows.
                let forwarded = item.keywords.iter().any(|k| k.as_str() == "$Forwarded");
                let expected = facts(item, forwarded, mended);
                // Flags behind another character than `:` we believe, and Dovecot does not see (`RULES.md 4.1`).
                let doubtful = item.notices.iter().any(|n| n.rule == "4.1");
                let is_same = |served: &&Item| {
                    let forwarded = served.flags.contains(Flags::FORWARDED);
                    doubtful || facts(served, forwarded, mended || item.uid.is_none()) == expected
                };
                let at = twins.iter().position(is_same);
                let at = at.unwrap_or_else(|| panic!("{place}: {expected:?} is not among {twins:?}"));
                twins.swap_remove(at);
            }
        }
        let left: Vec<_> = served.into_values().flatten().collect();
        assert!(left.is_empty(), "{place}: only the server has {left:?}");
    }
    compared
}

/// The messages of a mailbox by their bytes.
fn messages<'m>(
    source: &dyn Source,
    mailbox: &'m Mailbox,
    damaged: &BTreeSet<Option<u32>>,
) -> BTreeMap<Vec<u8>, Vec<&'m Item>> {
    let mut found: BTreeMap<Vec<u8>, Vec<&Item>> = BTreeMap::new();
    let mut buffer = Vec::new();
    for item in mailbox.items.iter().filter(|item| item.kind == ItemKind::Message) {
        let read = source.read(&item.locator, &mut buffer);
        if damaged.contains(&item.uid) {
            continue;
        }
        read.unwrap_or_else(|e| panic!("{} {:?}: {e}", source.describe(), item.locator));
        // No literal of IMAP holds a NUL (RFC 3501 §9, CHAR8): Dovecot writes 0x80 in its place.
        let bytes = to_crlf(&buffer).iter().map(|b| if *b == 0 { 0x80 } else { *b }).collect();
        found.entry(bytes).or_default().push(item);
    }
    found
}

/// The directory of a mailbox, by one of its messages in `cur/` or `new/`.
fn directory_of(item: &Item) -> String {
    let path = String::from_utf8_lossy(&item.locator.path).into_owned();
    path.rsplitn(3, '/').last().unwrap_or_default().to_owned()
}

type Facts = (Flags, bool, i64, Vec<String>, Option<u32>, Option<String>);

/// What must be the same of a message, its UID and UIDL left out where the list of UIDs was mended.
fn facts(item: &Item, forwarded: bool, mended: bool) -> Facts {
    let keywords = item.keywords.iter().map(ToString::to_string).filter(|k| k != "$Forwarded");
    let mut keywords: Vec<String> = keywords.collect();
    keywords.sort();
    let uid = item.uid.filter(|_| !mended);
    (item.flags.without(Flags::FORWARDED), forwarded, item.internal_date, keywords, uid, uid.and(item.uidl.clone()))
}

/// A tree with messages of one account: `mail/example.org/ana/Maildir`, UIDs from 1.
fn tree(mailboxes: &[(&str, u32, &[String])]) -> TempDir {
    let home = TempDir::new().unwrap();
    for (folder, uidvalidity, messages) in mailboxes {
        let dir = home.path().join("mail/example.org/ana/Maildir").join(folder);
        let mut list = format!("3 V{uidvalidity} N{} G{uidvalidity:032x}\n", messages.len() + 1);
        for (index, text) in messages.iter().enumerate() {
            let name = format!("15000000{index:02}.M{index}P1.host");
            write(&dir.join("cur").join(format!("{name}:2,S")), text);
            writeln!(list, "{} :{name}", index + 1).unwrap();
        }
        for empty in ["cur", "new", "tmp"] {
            std::fs::create_dir_all(dir.join(empty)).unwrap();
        }
        write(&dir.join("dovecot-uidlist"), list);
    }
    home
}

fn texts(count: usize, lines: usize) -> Vec<String> {
    (0..count).map(|n| format!("Subject: {n}\n\n{}", format!("line of {n}\n").repeat(lines))).collect()
}

/// Mailbox, UIDVALIDITY and UIDs.
fn outline(scan: &MaildropScan) -> Vec<(String, Option<u32>, Vec<u32>)> {
    let uids = |m: &Mailbox| m.items.iter().filter_map(|item| item.uid).collect();
    scan.mailboxes.iter().map(|m| (m.name.to_string(), m.uidvalidity, uids(m))).collect()
}

#[test]
fn prefixes_and_separators_of_namespaces_are_gone() {
    let (inbox, sent, deep) = (texts(2, 1), texts(1, 1), texts(3, 1));
    let home = tree(&[("", 10, &inbox), (".Sent", 11, &sent), (".A&APE-o.2012", 12, &deep)]);
    let expected = [("Año/2012".to_owned(), Some(12), vec![1, 2, 3]), ("Sent".to_owned(), Some(11), vec![1])];
    for namespace in [
        "",
        "namespace inbox {\n inbox = yes\n prefix = INBOX.\n separator = .\n}\n",
        "namespace inbox {\n inbox = yes\n prefix =\n separator = /\n}\n",
        "namespace inbox {\n inbox = yes\n prefix = Correo/\n separator = /\n}\n",
    ] {
        let Some(dovecot) = Dovecot::start_with(home.path(), None, namespace).unwrap() else { return };
        let source = Described::of(&[ANA]).open_kept(dovecot.imap(), "");
        let scan = scan(&*source.1, ANA).unwrap();
        let outline = outline(&scan);
        assert_eq!(outline[0], ("INBOX".to_owned(), Some(10), vec![1, 2]), "{namespace}");
        assert_eq!(outline[1..], expected, "{namespace}");
        assert!(scan.mailboxes.iter().all(|m| m.name_was.is_none()), "{namespace}");
    }
}

#[test]
fn special_use_shared_mailboxes_and_what_is_excluded() {
    let (inbox, sent, other) = (texts(1, 1), texts(1, 1), texts(1, 1));
    let home = tree(&[("", 10, &inbox), (".Salida", 11, &sent), (".Virtual", 12, &other), (".Spam.Old", 13, &other)]);
    // A second person's mail, shown to everybody as shared.
    let more = "namespace inbox {\n inbox = yes\n prefix =\n separator = /\n\
                mailbox Salida {\n special_use = \\Sent\n }\n mailbox Virtual {\n special_use = \\All\n }\n}\n\
                namespace {\n type = public\n prefix = Public/\n separator = /\n list = yes\n subscriptions = no\n\
                location = maildir:%h/Maildir/.Salida:INDEX=MEMORY\n}\n";
    let Some(dovecot) = Dovecot::start_with(home.path(), None, more).unwrap() else { return };
    let (_described, source) = Described::of(&[ANA]).open_kept(dovecot.imap(), "exclude = [\"\\\\All\", \"Spam/%\"]\n");
    let scan = scan(&*source, ANA).unwrap();
    let names: Vec<_> = scan.mailboxes.iter().map(|m| (m.name.as_str(), m.special_use)).collect();
    assert_eq!(names, [("INBOX", None), ("Salida", Some(message::SpecialUse::Sent))], "{}", dovecot.log());
    let why = |mailbox: &str| {
        let notice = scan.notices.iter().find(|n: &&Notice| n.place == format!("{ANA}/{mailbox}"));
        notice.map(|n| n.text.as_str()).unwrap_or_default()
    };
    assert!(why("Virtual").contains("exclude") && why("Spam/Old").contains("exclude"), "{:?}", scan.notices);
    assert!(scan.notices.iter().any(|n| n.text.contains("shared")), "{:?}", scan.notices);
}

#[test]
fn a_master_signs_in_for_everybody() {
    let inbox = texts(1, 1);
    let home = tree(&[("", 10, &inbox)]);
    let users = home.path().join("users");
    write(&users, "ana@example.org:{PLAIN}suya:::::\njefe:{PLAIN}maestra:::::\n");
    // Dovecot looks a master up among the masters: the same file serves.
    let more = "auth_master_user_separator = *\npassdb {\n driver = passwd-file\n master = yes\n\
                args = scheme=PLAIN username_format=%u USERS\n}\n"
        .replace("USERS", users.to_str().unwrap());
    let Some(dovecot) = Dovecot::start_with(home.path(), Some(&users), &more).unwrap() else { return };
    std::fs::set_permissions(home.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let described = Described::of(&[ANA]);
    described.secret("master", "maestra\n");
    for form in ["", "master_authzid = true\n"] {
        let lines = format!(
            "url = \"imap://{}\"\naccount = \"{ANA}\"\nmaster_user = \"jefe\"\n\
             master_password_file = \"master\"\n{form}",
            dovecot.imap()
        );
        let source = described.try_open(&lines).unwrap();
        assert_eq!(outline(&scan(&*source, ANA).unwrap())[0].2, [1], "{form}: {}", dovecot.log());
    }
    let wrong = described.open(dovecot.imap(), "");
    let error = scan(&*wrong, ANA).unwrap_err().to_string();
    assert!(error.contains("does not let ana@example.org in") && !error.contains("clave"), "{error}");
}

#[test]
fn uidls_are_those_that_pop3_serves() {
    let inbox = texts(5, 2);
    let home = tree(&[("", 0x1234, &inbox), (".Sent", 11, &inbox)]);
    let more = "protocol pop3 {\n pop3_uidl_format = X%v-%u\n}\n";
    let Some(dovecot) = Dovecot::start_with(home.path(), None, more).unwrap() else { return };
    let pop3 = format!("pop3_url = \"pop3://{}\"\n", dovecot.pop3());
    let served: Vec<Option<String>> = (1..=5).map(|uid| Some(format!("X4660-{uid}"))).collect();
    for key in [pop3.as_str(), "pop3_uidl_format = \"X%v-%u\"\n"] {
        let (_described, source) = Described::of(&[ANA]).open_kept(dovecot.imap(), key);
        let scan = scan(&*source, ANA).unwrap();
        let uidls = |m: &Mailbox| m.items.iter().map(|item| item.uidl.clone()).collect::<Vec<_>>();
        assert_eq!(uidls(&scan.mailboxes[0]), served, "{key}");
        assert_eq!(uidls(&scan.mailboxes[1]), vec![None; 5], "{key}");
        assert_eq!(scan.notices, [], "{key}");
    }
}

/// Passes bytes on to a server, and cuts every connection after a number of them.
fn cutting_proxy(server: SocketAddr, after_bytes: usize) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let cuts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&cuts);
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), Ok(upstream)) = (client, TcpStream::connect(server)) else { return };
            let (mut from_client, mut to_server) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
            let counted = Arc::clone(&counted);
            std::thread::spawn(move || {
                let (mut from, mut to) =
                    (upstream.try_clone().unwrap().take(after_bytes as u64), client.try_clone().unwrap());
                let passed = std::io::copy(&mut from, &mut to).unwrap_or(0);
                counted.fetch_add(usize::from(passed == after_bytes as u64), Ordering::SeqCst);
                let _ = client.shutdown(std::net::Shutdown::Both);
                let _ = upstream.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    (address, cuts)
}

#[test]
fn connections_that_break_are_made_anew_and_nothing_is_missing() {
    let inbox = texts(60, 300);
    let home = tree(&[("", 10, &inbox)]);
    let Some(dovecot) = Dovecot::start(home.path(), None).unwrap() else { return };
    // Each connection lives for some twenty messages, and mostly ends within one.
    let (proxy, cuts) = cutting_proxy(dovecot.imap(), 90_000);
    let (_described, source) = Described::of(&[ANA]).open_kept(proxy, "patience_s = 60\nconnections = 2\n");
    let scan = scan(&*source, ANA).unwrap();
    let items = &scan.mailboxes[0].items;
    assert_eq!(items.len(), 60);
    // From several threads at once, as staging does it.
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut buffer = Vec::new();
                while let Some(item) = items.get(next.fetch_add(1, Ordering::SeqCst)) {
                    source.read(&item.locator, &mut buffer).unwrap();
                    let text = &inbox[item.uid.unwrap() as usize - 1];
                    assert_eq!(buffer, &*to_crlf(text.as_bytes()), "{:?}", item.uid);
                }
            });
        }
    });
    assert!(cuts.load(Ordering::SeqCst) >= 3, "{cuts:?} connections were cut");
}

#[test]
fn messages_that_go_and_mailboxes_that_are_numbered_anew_are_noticed() {
    let inbox = texts(3, 1);
    let home = tree(&[("", 10, &inbox)]);
    let Some(dovecot) = Dovecot::start(home.path(), None).unwrap() else { return };
    let (_described, source) = Described::of(&[ANA]).open_kept(dovecot.imap(), "");
    let scan = scan(&*source, ANA).unwrap();
    let mut locator = scan.mailboxes[0].items[0].locator.clone();
    let mut buffer = vec![1];
    let path = String::from_utf8(locator.path.clone()).unwrap();
    assert_eq!(path, "ana@example.org/INBOX/10/1");
    for (path, why) in [
        ("ana@example.org/INBOX/10/9", "disappeared"),
        ("ana@example.org/INBOX/11/1", "UIDVALIDITY of INBOX was 11 when it was listed and is 10 now"),
        ("ana@example.org/Nothing/10/1", "answered EXAMINE"),
        ("eva@example.org/INBOX/10/1", "disappeared"),
        ("ana@example.org/INBOX", "not a regular file"),
    ] {
        locator.path = path.as_bytes().to_vec();
        let error = source.read(&locator, &mut buffer).unwrap_err().to_string();
        assert!(error.contains(why), "{path}: {error}");
        assert!(buffer.is_empty(), "{path}");
    }
    locator.path = path.into_bytes();
    source.read(&locator, &mut buffer).unwrap();
    assert_eq!(buffer, &*to_crlf(inbox[0].as_bytes()));
}

#[test]
fn a_message_that_is_too_large_is_left_and_the_others_are_read() {
    let mut inbox = texts(4, 5);
    inbox[2].push_str(&"large\n".repeat(40_000));
    let home = tree(&[("", 10, &inbox)]);
    let Some(dovecot) = Dovecot::start(home.path(), None).unwrap() else { return };
    let (_described, source) = Described::of(&[ANA]).open_kept(dovecot.imap(), "max_message_bytes = 100000\n");
    let scan = scan(&*source, ANA).unwrap();
    let mut buffer = Vec::new();
    let read: Vec<Result<(), ReadError>> =
        scan.mailboxes[0].items.iter().map(|item| source.read(&item.locator, &mut buffer)).collect();
    assert!(matches!(read[2], Err(ReadError::TooLarge { limit_bytes: 100_000, .. })), "{read:?}");
    assert_eq!(read.iter().filter(|r| r.is_ok()).count(), 3, "{read:?}");
}
