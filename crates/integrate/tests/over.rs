//! The second reader (`RULES.md 10.4`): Debian's Dovecot serves an exported integration, and is compared with the ledger
//! by IMAP and POP3; then what it serves is tampered with.
#![allow(clippy::unwrap_used)]

mod support_flow;

use integrate::{IntegrationError, Over, Platform, Scope, Selection, Silent};
use source::remote::{Access, DEFAULT_TIMEOUT, LoginForm, Security, Server, Url};
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use support_flow::{Bench, Whole, check, shown};
use testkit::dovecot::Dovecot;

/// An integration, exported, and what compares a server with it.
struct Compared {
    bench: Bench,
    platform: Platform,
    whole: Whole,
    export: PathBuf,
}

impl Compared {
    fn of(bench: Bench) -> Compared {
        let platform = bench.init(2);
        let whole = bench.integrate(&platform);
        let export = bench.export(&platform);
        Compared { bench, platform, whole, export }
    }

    /// Passwords for every account; Dovecot takes any.
    fn access(&self) -> Access {
        let mut lines = String::new();
        for address in shown::addresses(&self.platform) {
            writeln!(lines, "{address}:any").unwrap();
        }
        let path = self.bench.path("passwords");
        std::fs::write(&path, lines).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        Access::each(&path, LoginForm::default()).unwrap()
    }

    fn try_over(&self, url: &str, selection: &Selection, strict: bool) -> Result<Over, IntegrationError> {
        let url: Url = url.parse().unwrap();
        let server = Server::new(url, Security::Usual, None, DEFAULT_TIMEOUT).unwrap();
        let access = self.access();
        let scope = Scope { server: &server, access: &access, selection, strict };
        integrate::verify_over(self.platform.dir(), &self.platform.directory, self.whole.id, &scope, &Silent)
    }

    fn over(&self, url: &str, strict: bool) -> Over {
        self.try_over(url, &Selection::default(), strict).unwrap()
    }

    fn maildir(&self, address: &str) -> PathBuf {
        let (localpart, domain) = address.split_once('@').unwrap();
        self.export.join("mail").join(domain).join(localpart).join("Maildir")
    }

    fn imap(&self) -> Option<(Dovecot, String)> {
        let dovecot = Dovecot::start(&self.export, None).unwrap()?;
        let url = format!("imap://{}", dovecot.imap());
        Some((dovecot, url))
    }
}

fn is_served_whole(bench: Bench) {
    let compared = Compared::of(bench);
    let Some((dovecot, imap)) = compared.imap() else { return };
    let over = compared.over(&imap, false);
    assert_eq!(over.problems, Vec::<String>::new(), "{}", dovecot.log());
    let live: u64 = shown::addresses(&compared.platform)
        .iter()
        .flat_map(|address| shown::account(&compared.platform, address))
        .map(|mailbox| mailbox.messages.len() as u64)
        .sum();
    assert_eq!((over.messages, over.arrived), (live, 0), "every message of the result was read");
    let over = compared.over(&format!("pop3://{}", dovecot.pop3()), false);
    assert_eq!(over.problems, Vec::<String>::new(), "{}", dovecot.log());
    assert!(over.messages > 10 && over.arrived == 0 && over.hidden == 0, "{over:?}");
    check(&compared.platform);
}

#[test]
fn the_sample_is_served_whole() {
    is_served_whole(Bench::of_sample());
}

#[test]
fn the_small_incident_is_served_whole() {
    let Some(bench) = Bench::of_small_incident() else { return };
    is_served_whole(bench);
}

const ANA: &str = "ana@panaderia.example";

#[test]
fn what_is_served_otherwise_is_named() {
    let compared = Compared::of(Bench::of_sample());
    let inbox = shown::mailbox(&compared.platform, ANA, "INBOX");
    let dir = compared.maildir(ANA);
    let files = || -> Vec<PathBuf> {
        let mut files: Vec<_> =
            std::fs::read_dir(dir.join("cur")).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    };
    let before = files();
    assert!(before.len() >= 4 && before.len() == inbox.messages.len());
    // One is gone, one has other bytes of the same size, one another date, one other flags, and one is there again.
    std::fs::remove_file(&before[0]).unwrap();
    let bytes = std::fs::read(&before[1]).unwrap();
    let modified = before[1].metadata().unwrap().modified().unwrap();
    let last = bytes.iter().rposition(|b| !b.is_ascii_whitespace()).unwrap();
    let mut other = bytes;
    other[last] ^= 1;
    std::fs::write(&before[1], other).unwrap();
    set_modified(&before[1], modified);
    set_modified(&before[2], std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000));
    let name = before[3].file_name().unwrap().to_str().unwrap();
    let (base, letters) = name.split_once(":2,").unwrap();
    let letters = if letters.contains('F') { letters.replace('F', "") } else { format!("F{letters}") };
    let flagged = before[3].with_file_name(format!("{base}:2,{letters}"));
    std::fs::rename(&before[3], &flagged).unwrap();
    let again = dir.join("cur").join("1700000000.M1P1.again:2,");
    std::fs::copy(&flagged, &again).unwrap();

    let Some((dovecot, imap)) = compared.imap() else { return };
    let over = compared.over(&imap, false);
    let says = |over: &Over, what: &str| over.problems.iter().filter(|p| p.contains(what)).count();
    assert_eq!(says(&over, "is not served"), 1, "{over:#?}");
    assert_eq!(says(&over, "other bytes"), 1, "{over:#?}");
    assert_eq!(says(&over, "another INTERNALDATE"), 1, "{over:#?}");
    assert_eq!(over.problems.len(), 3, "{over:#?}\n{}", dovecot.log());
    assert_eq!((over.changed, over.arrived), (1, 1), "{over:#?}");
    let over = compared.over(&imap, true);
    assert_eq!(says(&over, "other flags"), 1, "{over:#?}");
    assert_eq!(says(&over, "there already under another UID"), 1, "{over:#?}");
    assert_eq!(over.problems.len(), 5, "{over:#?}");
    let over = compared.over(&format!("pop3://{}", dovecot.pop3()), false);
    // The message that is gone, which POP3 may leave out if it is of before (`RULES.md 5.3`), and the one with other bytes.
    assert_eq!((over.problems.len() as u64 + over.hidden, over.arrived), (2, 1), "{over:#?}");
}

fn set_modified(path: &Path, to: std::time::SystemTime) {
    std::fs::File::options().append(true).open(path).unwrap().set_modified(to).unwrap();
}

#[test]
fn a_mailbox_that_is_numbered_anew_or_gone_is_named() {
    let compared = Compared::of(Bench::of_sample());
    let dir = compared.maildir(ANA);
    let list = std::fs::read_to_string(dir.join("dovecot-uidlist")).unwrap();
    let (first, rest) = list.split_once('\n').unwrap();
    let renumbered: Vec<String> =
        first.split(' ').map(|word| if word.starts_with('V') { "V77".to_owned() } else { word.to_owned() }).collect();
    std::fs::write(dir.join("dovecot-uidlist"), format!("{}\n{rest}", renumbered.join(" "))).unwrap();
    let gone = shown::account(&compared.platform, ANA).into_iter().find(|m| m.name != "INBOX").unwrap();
    let folders = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
    for folder in folders.filter(|f| f.file_name().unwrap().to_str().unwrap().starts_with('.')) {
        std::fs::remove_dir_all(folder).unwrap();
    }
    let Some((_dovecot, imap)) = compared.imap() else { return };
    let over = compared.over(&imap, false);
    let says = |what: &str| over.problems.iter().any(|p| p.contains(what));
    assert!(says("INBOX: its UIDVALIDITY was") && says("is 77"), "{over:#?}");
    assert!(says(&format!("the mailbox {} is not served", gone.name)), "{over:#?}");
    assert!(over.problems.iter().all(|p| p.starts_with(ANA)), "{over:#?}");
}

#[test]
fn without_a_verify_a_password_or_a_server_nothing_is_said_to_be_complete() {
    let compared = Compared::of(Bench::of_sample());
    let Some((dovecot, imap)) = compared.imap() else { return };
    let only = Selection { accounts: vec![shown::address(ANA)], ..Selection::default() };
    let over = compared.try_over(&imap, &only, false).unwrap();
    assert_eq!((over.accounts, over.problems), (1, Vec::new()));
    drop(dovecot);
    let error = compared.try_over(&imap, &only, false).unwrap_err();
    assert!(matches!(error, IntegrationError::Source(_)), "{error}");
    let integrations = compared.platform.dir().join("integrations").join(compared.whole.id.get().to_string());
    let ledger = integrations.join("ledger.jsonl");
    let text = std::fs::read_to_string(&ledger).unwrap();
    std::fs::write(&ledger, text.replacen("\"uid\":", "\"uid\": ", 1)).unwrap();
    let error = compared.try_over(&imap, &only, false).unwrap_err().to_string();
    assert!(error.contains("ledger is not whole"), "{error}");
    std::fs::write(&ledger, text).unwrap();
    std::fs::remove_file(integrations.join("served.jsonl")).unwrap();
    let error = compared.try_over(&imap, &only, false).unwrap_err().to_string();
    assert!(error.contains("integrate verify"), "{error}");
    integrate::undo(&compared.platform, compared.whole.id, &Selection::default(), &Silent).unwrap();
    let error = compared.try_over(&imap, &only, false).unwrap_err().to_string();
    assert!(error.contains("taken back"), "{error}");
}
