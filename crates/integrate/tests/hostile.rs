//! Sources that somebody made to break a reader, or that a disk broke by itself. The run completes, every file has its row
//! (`RULES.md` G8), and the mail that can be read beside them is kept.
#![allow(clippy::unwrap_used)]

mod support_faults;

use integrate::{Platform, Verified};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use support_faults::state::State;
use support_faults::tree::{Mail, Tree, message_files, raw};
use support_faults::{apply, assert_proven, assert_sound, init, stage};
use tempfile::TempDir;

const ANA: &str = "ana@example.org";
const LUIS: &str = "luis@example.org";

/// A tree with an honest account beside whatever the test puts there.
struct Attack {
    home: TempDir,
    tree: Tree,
}

/// What an integration made of it.
struct Outcome {
    _home: TempDir,
    platform: Platform,
    state: State,
    verified: Verified,
    staged: integrate::stage::Staged,
}

impl Attack {
    fn new() -> Self {
        let home = TempDir::new().unwrap();
        let tree = Tree::new(&home.path().join("before"), &[ANA, LUIS]);
        tree.mailbox(
            LUIS,
            "",
            Some(100),
            &(1..=3).map(|uid| Mail::new(uid, raw(&format!("honest{uid}"), "text"))).collect::<Vec<_>>(),
        );
        tree.mailbox(ANA, "", Some(101), &[Mail::new(1, raw("first", "of ana's"))]);
        Attack { home, tree }
    }

    fn cur(&self) -> std::path::PathBuf {
        self.tree.maildir(ANA).join("cur")
    }

    /// Stages and applies it as *before*, proves the result, and asserts what holds whatever was put there.
    #[track_caller]
    fn integrate(self) -> Outcome {
        let platform = init(&self.home.path().join("data"), 1);
        let (id, staged) = stage(&platform, self.tree.root()).unwrap();
        apply(&platform, id).unwrap();
        let verified = assert_proven(&platform, id, "hostile");
        assert_eq!(verified.rows, staged.items, "G8: {staged:?}");
        assert_sound(&platform, "hostile");
        let state = State::of(&platform);
        assert_eq!(state.mailbox(LUIS, "INBOX").messages.len(), 3, "the honest account");
        let ana = state.mailbox(ANA, "INBOX");
        assert!(ana.messages.values().any(|m| m.digest == digest(&raw("first", "of ana's"))));
        Outcome { _home: self.home, platform, state, verified, staged }
    }
}

impl Outcome {
    fn mailboxes(&self) -> Vec<&str> {
        self.state.mail[ANA].keys().map(String::as_str).collect()
    }
}

fn digest(raw: &[u8]) -> message::Digest {
    message::examine(&message::to_crlf(raw)).digest
}

#[test]
fn links_lead_nowhere() {
    let attack = Attack::new();
    let secret = attack.home.path().join("secret");
    std::fs::write(&secret, raw("secret", "of the host")).unwrap();
    let elsewhere = attack.home.path().join("elsewhere");
    for dir in ["cur", "new", "tmp"] {
        std::fs::create_dir_all(elsewhere.join(dir)).unwrap();
    }
    std::fs::write(elsewhere.join("cur/1400000000.M1P1.host:2,"), raw("stolen", "of another")).unwrap();
    let link = |to: &Path, at: &Path| std::os::unix::fs::symlink(to, at).unwrap();
    link(&secret, &attack.cur().join("1400000001.M1P1.host:2,"));
    link(Path::new("/etc/passwd"), &attack.cur().join("1400000002.M1P1.host:2,"));
    link(Path::new("1400000003.M1P1.host:2,"), &attack.cur().join("1400000003.M1P1.host:2,"));
    link(&elsewhere, &attack.tree.maildir(ANA).join(".Folder"));
    link(&elsewhere, &attack.tree.root().join("mail/example.org/eva"));
    let eva = attack.tree.root().join("mail/example.org/iria");
    std::fs::create_dir(&eva).unwrap();
    link(&elsewhere, &eva.join("Maildir"));
    link(&secret, &attack.tree.maildir(ANA).join("subscriptions"));

    let outcome = attack.integrate();
    let foreign = [digest(&raw("secret", "of the host")), digest(&raw("stolen", "of another"))];
    assert!(outcome.state.copies().keys().all(|(_, d)| !foreign.contains(d)), "something was read from outside");
    assert_eq!(outcome.state.message_count(), 4);
    assert!(outcome.verified.totals.unreadable >= 4, "{:?}", outcome.verified.totals);
}

#[test]
fn what_is_no_file_holds_nobody_up() {
    let attack = Attack::new();
    let at = attack.cur().join("1400000001.M1P1.host:2,");
    rustix::fs::mknodat(rustix::fs::CWD, &at, rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600), 0)
        .unwrap();
    let socket = std::os::unix::net::UnixListener::bind(attack.cur().join("1400000002.M1P1.host")).unwrap();
    std::fs::create_dir(attack.cur().join("1400000003.M1P1.host:2,S")).unwrap();
    let outcome = attack.integrate();
    assert_eq!(outcome.verified.totals.unreadable, 3);
    assert_eq!(outcome.state.message_count(), 4);
    drop(socket);
}

#[test]
fn names_of_folders_are_names_and_no_paths() {
    let attack = Attack::new();
    let long = [&b"."[..], &[b'a'; 254]].concat();
    let names: [&[u8]; 14] = [
        b"....",
        b"...",
        b"..a",
        b".a..b",
        b".a.",
        b".&AC8-etc&AC8-passwd",
        b".&AAA-",
        b".&broken",
        b".\xff\xfe",
        b".line\nbreak",
        b".INBOX",
        b".INBOX.Sent",
        b".%2e%2e%2f",
        &long,
    ];
    for (uid, name) in (1..).zip(names) {
        let cur = attack.tree.folder(ANA, name).join("cur");
        std::fs::create_dir_all(&cur).unwrap();
        std::fs::create_dir_all(cur.with_file_name("new")).unwrap();
        std::fs::write(cur.join("1400000000.M1P1.host:2,"), raw(&format!("in{uid}"), "a folder")).unwrap();
    }
    let outcome = attack.integrate();
    assert_eq!(outcome.state.message_count(), 4 + names.len(), "{:?}", outcome.mailboxes());
    for name in outcome.mailboxes() {
        let fit = name.split('/').all(|level| !matches!(level, "" | "." | "..")) && !name.contains(['\0', '\n']);
        assert!(fit, "{name:?}");
    }
    // What was accepted can be written out again, inside its own directory.
    let out = outcome._home.path().join("out");
    integrate::export_maildir(&outcome.platform, &out, &integrate::Selection::default(), &integrate::Silent).unwrap();
    let written = message_files(&out.join("mail")).len();
    assert_eq!(written, outcome.state.message_count());
}

#[test]
fn a_name_that_is_no_utf_8_or_holds_a_line_break_is_a_name() {
    let attack = Attack::new();
    let names = [
        &b"1400000001.M\xff\xfeP1.host:2,S"[..],
        b"1400000002.M1\nP1.host:2,",
        b"1400000003.M\"1,P<1>.host:2,",
        b":2,S",
    ];
    for (n, name) in names.iter().enumerate() {
        let path = attack.cur().join(std::ffi::OsStr::from_bytes(name));
        std::fs::write(path, raw(&format!("odd{n}"), "name")).unwrap();
    }
    let outcome = attack.integrate();
    assert_eq!(outcome.state.message_count(), 4 + names.len());
    let mut ledger = Vec::new();
    let id = integrate::newest(&outcome.platform).unwrap();
    integrate::write_ledger(&outcome.platform, id, integrate::ledger::Format::Jsonl, &mut ledger).unwrap();
    integrate::ledger::check(&ledger[..], None).unwrap();
}

#[test]
fn a_file_of_many_gigabytes_is_a_row_and_is_not_read() {
    let attack = Attack::new();
    let giant = std::fs::File::create(attack.cur().join("1400000001.M1P1.host:2,")).unwrap();
    giant.set_len(64 << 30).unwrap();
    let outcome = attack.integrate();
    let why: Vec<&String> = outcome.staged.unreadable.keys().collect();
    assert!(matches!(&why[..], [w] if w.contains("max_message_bytes")), "{why:?}");
    assert_eq!(outcome.verified.totals.unreadable, 1);
    assert!(outcome.verified.read_bytes < 1 << 20);
}

#[test]
fn messages_out_of_all_proportion_are_kept_as_they_are() {
    let attack = Attack::new();
    let mut nested = b"Subject: nested\n".to_vec();
    for n in 0..100_000 {
        write!(nested, "Content-Type: multipart/mixed; boundary=\"b{n}\"\n\n--b{n}\n").unwrap();
    }
    let mut line = b"Subject: ".to_vec();
    line.resize(10 << 20, b'x');
    line.extend_from_slice(b"\n\nbody\n");
    let mut received = Vec::new();
    for n in 0..50_000 {
        writeln!(received, "Received: from a{n}.example by b{n}.example for <c{n}@example.org>; Mon, 8 Jul 2013")
            .unwrap();
    }
    received.extend_from_slice(b"Subject: travelled\n\nbody\n");
    let folded = [&b"Subject: a\n"[..], &b" b\n".repeat(200_000), b"\nbody\n"].concat();
    let colons = [&b":\n".repeat(100_000)[..], b"\n", &b"\r".repeat(100_000)].concat();
    let all = [nested, line, received, folded, colons];
    for (n, raw) in all.iter().enumerate() {
        std::fs::write(attack.cur().join(format!("140000000{n}.M{n}P1.host:2,")), raw).unwrap();
    }
    let outcome = attack.integrate();
    let inbox = outcome.state.mailbox(ANA, "INBOX");
    for raw in &all {
        assert!(inbox.messages.values().any(|m| m.digest == digest(raw)));
    }
}

#[test]
fn an_orphan_for_a_hundred_thousand_people_is_nobodys() {
    let attack = Attack::new();
    let mut crowd = b"Subject: to everybody\nTo: ".to_vec();
    for n in 0..100_000 {
        write!(crowd, "p{n}@example.org,\n ").unwrap();
    }
    writeln!(crowd, "{ANA}, {LUIS}\n\nbody").unwrap();
    attack.tree.file("lost+found/#1", &crowd);
    let one = format!("To: {LUIS}\nSubject: his\n\nbody\n");
    attack.tree.file("lost+found/#2", &one);
    let outcome = attack.integrate();
    assert_eq!(outcome.staged.unattributed, 1);
    assert_eq!(outcome.state.mailbox(LUIS, "Recuperados").messages.len(), 1);
}

#[test]
fn files_of_accounts_and_aliases_full_of_garbage_give_what_they_can() {
    let attack = Attack::new();
    let mut users = std::fs::read(attack.tree.root().join("etc/dovecot/users")).unwrap();
    users.extend_from_slice(
        b"\xff\xfe\x00\x01:::::\n@:x\n:{PLAIN}x\nno-domain:{PLAIN}x\n../../etc@example.org:{PLAIN}x:\n",
    );
    users.extend_from_slice(&[b"long@example.org:"[..].to_vec(), vec![b'x'; 200_000], b"\n".to_vec()].concat());
    users.extend_from_slice(b"ana@EXAMPLE.org:{PLAIN}other:\neva@example.org:{SSHA}AAAA:\r\n\0\0\0\0");
    attack.tree.file("etc/dovecot/users", users);
    let mut aliases =
        b"a@example.org b@example.org\nb@example.org c@example.org\nc@example.org a@example.org\n".to_vec();
    aliases.extend_from_slice(b"d@example.org d@example.org\n@example.org @example.org\n\xff\xff \xfe\nbroken\n");
    aliases.extend_from_slice(b"ana@example.org a@example.org\n");
    let many: String = (0..5000).map(|n| format!("t{n}@elsewhere.example,")).collect();
    aliases.extend_from_slice(format!("many@example.org {many}\n").as_bytes());
    attack.tree.file("etc/postfix/virtual", aliases);
    let outcome = attack.integrate();
    assert!(outcome.state.directory.iter().any(|l| l.starts_with("account eva@example.org: Locked")));
    let shown = format!("{:?}", outcome.state.directory);
    assert!(!shown.contains("{PLAIN}"), "a password is shown");
}

#[test]
fn thousands_of_messages_with_one_message_id_are_thousands_of_messages() {
    let attack = Attack::new();
    let count = 2500;
    for n in 0..count {
        let raw = format!("Message-ID: <one@elsewhere.example>\nSubject: same\n\nbody {n}\n");
        std::fs::write(attack.cur().join(format!("1400000000.M{n}P1.host:2,")), raw).unwrap();
    }
    let outcome = attack.integrate();
    assert_eq!(outcome.state.mailbox(ANA, "INBOX").messages.len(), count + 1);
}

#[test]
fn empty_files_and_empty_lists_are_rows_and_nothing_else() {
    let attack = Attack::new();
    for n in 1..=3 {
        std::fs::write(attack.cur().join(format!("140000000{n}.M{n}P1.host:2,")), b"").unwrap();
    }
    std::fs::write(attack.cur().join("1400000004.M4P1.host:2,"), vec![0; 70_000]).unwrap();
    std::fs::write(attack.tree.maildir(ANA).join("tmp/1400000005.M5P1.host"), b"").unwrap();
    for name in ["dovecot-uidlist", "dovecot-keywords", "subscriptions", "maildirsize"] {
        std::fs::write(attack.tree.maildir(ANA).join(name), b"").unwrap();
    }
    for name in ["etc/postfix/virtual", "etc/postfix/virtual_domains", "lost+found/#1"] {
        attack.tree.file(name, b"");
    }
    let outcome = attack.integrate();
    assert_eq!(outcome.staged.unreadable.get("it is empty"), Some(&4));
    assert_eq!(outcome.staged.unreadable.get("it is filled with zeros"), Some(&1));
    assert_eq!(outcome.state.message_count(), 4);
}

#[test]
fn a_uid_list_that_lies_costs_no_message() {
    let attack = Attack::new();
    let list = "3 V4294967295 N4294967295 G00\n4294967294 :1400000060.M1P1.host\n4294967294 :x\n0 :y\n5 P\u{1}\u{2} :1400000060.M1P1.host\n\
                7 :../../../etc/passwd\n";
    std::fs::write(attack.tree.maildir(ANA).join("dovecot-uidlist"), list).unwrap();
    for n in 2..=4 {
        std::fs::write(attack.cur().join(format!("140000006{n}.M{n}P1.host:2,")), raw(&format!("m{n}"), "text"))
            .unwrap();
    }
    let outcome = attack.integrate();
    assert_eq!(outcome.state.mailbox(ANA, "INBOX").messages.len(), 4);
}
