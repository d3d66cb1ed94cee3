//! A tree of mbox files that is one account's mail: Dovecot's and c-client's (`inbox`, `Sent`, `Work/2013`), and
//! Thunderbird's local folders (`Inbox`, `Work`, `Work.sbd/2013`).
//!
//! A file is a mailbox when a postmark stands in it, or when it is empty and its name is not hidden; a directory is a
//! level. Files that serve the format or are anything else are items of the INBOX, *not a message*, so that every file
//! has its ledger row (`RULES.md 9.5`); only the lists of subscriptions are none, because they are read.

use crate::maildir::folder_name::{Level, Named, distinct, name_of};
use crate::mbox::{self, Variant};
use crate::root::{Entry, EntryKind, Root, base_name, join, printable};
use crate::{Item, ItemKind, Locator, Mailbox, MaildropScan, Notice, ReadError, SourceError, Stamp};
use message::{Flags, MailboxName};
use std::collections::HashSet;
use std::io;

/// Levels of directories that are gone into; deeper ones are listed as unreadable.
const MAX_DEPTH: usize = 32;

/// The longest list of subscriptions that is read.
const MAX_SUBSCRIPTIONS_BYTES: u64 = 4 * 1024 * 1024;

/// Lists of subscriptions: Dovecot's and c-client's.
const SUBSCRIPTIONS: [&[u8]; 2] = [b".subscriptions", b".mailboxlist"];

/// How a tree of mbox files is read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// The file in the account's directory that is the INBOX; `None`: any spelling of `inbox`.
    pub(crate) inbox: Option<String>,
    /// How messages are told apart.
    pub(crate) variant: Variant,
    /// Names are UTF-8, not modified UTF-7.
    pub(crate) utf8_names: bool,
    /// Messages above this are listed with a notice.
    pub(crate) max_message_bytes: u64,
}

/// Lists one account's tree. `place` is a directory beneath the root, or a single file that is the INBOX.
///
/// # Errors
/// When the place cannot be listed.
pub(crate) fn scan(root: &Root, place: &[u8], options: &Options) -> Result<MaildropScan, SourceError> {
    let failed = |cause| SourceError::Io { path: root.path().join(printable(place)), cause };
    let entry = root.stat(place).map_err(failed)?.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
    let mut tree = Tree {
        root,
        options,
        mailboxes: Vec::new(),
        taken: HashSet::new(),
        strays: Vec::new(),
        subscribed: HashSet::new(),
        notices: Vec::new(),
    };
    if entry.kind == EntryKind::File {
        tree.file(place, &entry, &Levels::default());
        return Ok(tree.finish());
    }
    let entries = root.list(place).map_err(failed)?;
    // The INBOX comes first, so that no other file takes its name.
    let inbox = inbox_file(&entries, options.inbox.as_deref());
    if let Some(inbox) = inbox {
        tree.file(&join(place, &inbox.name), inbox, &Levels::default());
    }
    for entry in entries.iter().filter(|entry| inbox.is_none_or(|inbox| inbox.name != entry.name)) {
        let path = join(place, &entry.name);
        if SUBSCRIPTIONS.contains(&entry.name.as_slice()) && entry.kind == EntryKind::File {
            tree.read_subscriptions(&path);
        } else {
            tree.entry(&path, entry, &Levels::default());
        }
    }
    Ok(tree.finish())
}

/// The file that is the INBOX: the one named, else the first spelling of `inbox` that is a file.
fn inbox_file<'a>(entries: &'a [Entry], inbox: Option<&str>) -> Option<&'a Entry> {
    entries.iter().filter(|entry| entry.kind == EntryKind::File).find(|entry| match inbox {
        Some(name) => entry.name == name.as_bytes(),
        None => entry.name.eq_ignore_ascii_case(b"inbox"),
    })
}

/// The levels of a mailbox's name.
#[derive(Clone, Default)]
struct Levels {
    levels: Vec<Level>,
    /// The name as it lies on disk.
    written: Vec<u8>,
}

impl Levels {
    /// The levels with one more, whose name is given without an ending that only says that it has children.
    fn with(&self, name: &[u8], utf7: bool) -> Self {
        let mut levels = self.levels.clone();
        levels.push(Level { text: name.to_vec(), utf7 });
        let written = if self.written.is_empty() { name.to_vec() } else { join(&self.written, name) };
        Levels { levels, written }
    }
}

/// A tree while it is walked.
struct Tree<'a> {
    root: &'a Root,
    options: &'a Options,
    mailboxes: Vec<Mailbox>,
    /// The names of those mailboxes.
    taken: HashSet<MailboxName>,
    /// Items that belong to no mailbox of their own.
    strays: Vec<Item>,
    subscribed: HashSet<MailboxName>,
    notices: Vec<Notice>,
}

impl Tree<'_> {
    /// Lists what one entry is; `levels` are those of the directory that holds it.
    fn entry(&mut self, path: &[u8], entry: &Entry, levels: &Levels) {
        match entry.kind {
            EntryKind::File if is_service_file(&entry.name) => self.stray(path, entry, ItemKind::NotAMessage, None),
            EntryKind::File => self.file(path, entry, &levels.with(&entry.name, self.utf7())),
            EntryKind::Directory if is_service_directory(&entry.name) => self.strays_beneath(path, entry, 0),
            EntryKind::Directory => {
                let name = entry.name.strip_suffix(b".sbd").filter(|name| !name.is_empty()).unwrap_or(&entry.name);
                self.directory(path, entry, &levels.with(name, self.utf7()));
            }
            EntryKind::Link => self.stray(path, entry, ItemKind::Unreadable, Some("it is a symbolic link")),
            EntryKind::Special => self.stray(path, entry, ItemKind::Unreadable, Some("it is no regular file")),
            EntryKind::Unknown => self.stray(path, entry, ItemKind::Unreadable, Some("it cannot be looked at")),
        }
    }

    fn directory(&mut self, path: &[u8], entry: &Entry, levels: &Levels) {
        if levels.levels.len() > MAX_DEPTH {
            return self.stray(path, entry, ItemKind::Unreadable, Some("it lies too deep and was not gone into"));
        }
        match self.root.list(path) {
            Ok(entries) => {
                for entry in &entries {
                    self.entry(&join(path, &entry.name), entry, levels);
                }
            }
            Err(e) => {
                self.stray(path, entry, ItemKind::Unreadable, Some(&format!("the directory cannot be listed: {e}")));
            }
        }
    }

    /// Lists a file as the mailbox that it is, or as a stray.
    fn file(&mut self, path: &[u8], entry: &Entry, levels: &Levels) {
        let scanned = match self.root.open_file(path) {
            Ok((file, _)) => mbox::scan_file(&file, path, self.options.variant, self.options.max_message_bytes)
                .map_err(ReadError::Io),
            Err(e) => Err(e),
        };
        let scan = match scanned {
            Ok(scan) => scan,
            Err(e) => {
                return self.stray(path, entry, ItemKind::Unreadable, Some(&format!("the file cannot be read: {e}")));
            }
        };
        let is_mail = scan.postmarks > 0 || scan.items.iter().any(|item| item.kind == ItemKind::Message);
        let is_empty_mailbox = scan.items.is_empty() && !base_name(path).starts_with(b".");
        if !is_mail && !is_empty_mailbox {
            return self.stray(path, entry, ItemKind::NotAMessage, None);
        }
        let Named { name: meant, mended } = name_of(&levels.levels);
        let name = distinct(meant.clone(), &mut self.taken);
        let why = mended.or_else(|| (name != meant).then(|| "another mailbox has it already".to_owned()));
        if let Some(why) = &why {
            let text = format!("the name was mended to {:?}: {why}", name.as_str());
            self.notices.push(Notice { rule: "6.1", place: printable(path), text });
        }
        self.notices.extend(scan.notices);
        let mut items = scan.items;
        if !name.is_inbox() {
            // POP3 serves the INBOX only: elsewhere the field is a client's note of another server's UIDL.
            items.iter_mut().for_each(|item| item.uidl = None);
        }
        self.mailboxes.push(Mailbox {
            name,
            name_was: why.map(|_| levels.written.clone()),
            uidvalidity: scan.uidvalidity,
            uidnext: scan.uidnext,
            highest_modseq: None,
            special_use: None,
            subscribed: false,
            items,
        });
    }

    /// Lists every file beneath a directory that serves the format.
    fn strays_beneath(&mut self, path: &[u8], entry: &Entry, depth: usize) {
        match self.root.list(path) {
            Ok(_) if depth == MAX_DEPTH => {
                self.stray(path, entry, ItemKind::Unreadable, Some("it lies too deep and was not gone into"));
            }
            Ok(entries) => {
                for entry in &entries {
                    let path = join(path, &entry.name);
                    match entry.kind {
                        EntryKind::Directory => self.strays_beneath(&path, entry, depth + 1),
                        _ => self.stray(&path, entry, ItemKind::NotAMessage, None),
                    }
                }
            }
            Err(e) => {
                self.stray(path, entry, ItemKind::Unreadable, Some(&format!("the directory cannot be listed: {e}")));
            }
        }
    }

    fn stray(&mut self, path: &[u8], entry: &Entry, kind: ItemKind, why: Option<&str>) {
        self.strays.push(whole_file(path, entry.stamp, kind, why));
    }

    fn read_subscriptions(&mut self, path: &[u8]) {
        let mut text = Vec::new();
        if let Err(e) = self.root.read(path, MAX_SUBSCRIPTIONS_BYTES, &mut text) {
            let text = format!("the list of subscriptions cannot be read: {e}");
            self.notices.push(Notice { rule: "6.3", place: printable(path), text });
            return;
        }
        let mut lines =
            text.split(|&b| b == b'\n').map(<[u8]>::trim_ascii_end).filter(|line| !line.is_empty()).peekable();
        // Dovecot's second version begins with a line of its own and puts tabs between levels.
        let separator = if lines.next_if(|line| line.starts_with(b"V\t")).is_some() { b'\t' } else { b'/' };
        for line in lines {
            let levels = line.split(|&b| b == separator);
            let levels = levels.fold(Levels::default(), |levels, level| levels.with(level, self.utf7()));
            self.subscribed.insert(name_of(&levels.levels).name);
        }
    }

    fn utf7(&self) -> bool {
        !self.options.utf8_names
    }

    fn finish(mut self) -> MaildropScan {
        self.mailboxes.sort_by(|a, b| (!a.name.is_inbox(), &a.name).cmp(&(!b.name.is_inbox(), &b.name)));
        if self.mailboxes.first().is_none_or(|first| !first.name.is_inbox()) {
            self.mailboxes.insert(0, empty_mailbox(MailboxName::inbox()));
        }
        self.mailboxes[0].items.append(&mut self.strays);
        for mailbox in &mut self.mailboxes {
            mailbox.subscribed = self.subscribed.remove(&mailbox.name);
        }
        let mut unmatched: Vec<MailboxName> = self.subscribed.into_iter().collect();
        unmatched.sort_unstable();
        for name in unmatched {
            let text = format!("{:?} is subscribed to but there is no such mailbox", name.as_str());
            self.notices.push(Notice { rule: "6.3", place: name.to_string(), text });
        }
        MaildropScan { mailboxes: self.mailboxes, scripts: Vec::new(), quota_bytes: None, notices: self.notices }
    }
}

/// Files that serve mailboxes of this format and are none: indexes, locks, summaries.
fn is_service_file(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 6] =
        [b".DS_Store", b"Thumbs.db", b"desktop.ini", b"msgFilterRules.dat", b"popstate.dat", b"filterlog.html"];
    const ENDINGS: [&[u8]; 3] = [b".lock", b".msf", b".dat"];
    name.starts_with(b"dovecot.index")
        || name.starts_with(b"dovecot-")
        || NAMES.contains(&name)
        || SUBSCRIPTIONS.contains(&name)
        || ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Directories that hold indexes only.
fn is_service_directory(name: &[u8]) -> bool {
    name == b".imap"
}

/// A mailbox without messages.
pub(crate) fn empty_mailbox(name: MailboxName) -> Mailbox {
    Mailbox {
        name,
        name_was: None,
        uidvalidity: None,
        uidnext: None,
        highest_modseq: None,
        special_use: None,
        subscribed: false,
        items: Vec::new(),
    }
}

/// A file that is one item.
pub(crate) fn whole_file(path: &[u8], stamp: Stamp, kind: ItemKind, why: Option<&str>) -> Item {
    let notice = |why: &str| Notice { rule: "9.1", place: printable(path), text: why.to_owned() };
    Item {
        locator: Locator { path: path.to_vec(), range: None },
        kind,
        uid: None,
        uidl: None,
        flags: Flags::NONE,
        keywords: Vec::new(),
        internal_date: stamp.modified_ns.div_euclid(1_000_000_000),
        stamp,
        promised_size: None,
        promised_crlf_size: None,
        notices: why.map(notice).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    const MAIL: &str = "From a@b Wed Mar  6 15:00:10 2013\nX-UIDL: 4f2a\nA: b\n\nc\n\n";

    /// Writes a tree of files; a name that ends in `/` is a directory.
    fn tree(files: &[(&[u8], &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join("ana").join(Path::new(std::ffi::OsStr::from_bytes(name)));
            if name.ends_with(b"/") {
                fs::create_dir_all(path).unwrap();
            } else {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
        }
        root
    }

    fn scan_tree(root: &tempfile::TempDir, options: &Options) -> MaildropScan {
        let options = Options { max_message_bytes: 1 << 20, ..options.clone() };
        scan(&Root::open(root.path()).unwrap(), b"ana", &options).unwrap()
    }

    /// Mailboxes as `name: number of messages`.
    fn mailboxes(scan: &MaildropScan) -> Vec<String> {
        let messages = |mailbox: &Mailbox| mailbox.items.iter().filter(|item| item.kind == ItemKind::Message).count();
        scan.mailboxes.iter().map(|mailbox| format!("{}: {}", mailbox.name, messages(mailbox))).collect()
    }

    /// The items of the INBOX that are no messages, as `path kind`.
    fn strays(scan: &MaildropScan) -> Vec<String> {
        let strays = scan.mailboxes[0].items.iter().filter(|item| item.kind != ItemKind::Message);
        strays.map(|item| format!("{} {:?}", printable(&item.locator.path), item.kind)).collect()
    }

    #[test]
    fn a_tree_of_dovecot() {
        let root = tree(&[
            (b"inbox", MAIL),
            (b"Sent", &MAIL.repeat(2)),
            (b"Work/A&APE-o 2013", MAIL),
            (b"Work/Empty", ""),
            (b"Nothing/", ""),
            (b".subscriptions", "Sent\nWork/A&APE-o 2013\nGone\n"),
            (b".imap/INBOX/dovecot.index", "x"),
            (b"Sent.lock", ""),
            (b"dovecot.index.log", "x"),
            (b".bashrc", "alias x=y\n"),
            (b"notes.txt", "no mail\n"),
            (b"saved.eml", "Subject: saved by hand\n\nx\n"),
        ]);
        let scan = scan_tree(&root, &Options::default());
        assert_eq!(mailboxes(&scan), ["INBOX: 1", "Sent: 2", "Work/A\u{f1}o 2013: 1", "Work/Empty: 0", "saved.eml: 1"]);
        let subscribed: Vec<&str> = scan.mailboxes.iter().filter(|m| m.subscribed).map(|m| m.name.as_str()).collect();
        assert_eq!(subscribed, ["Sent", "Work/Año 2013"]);
        assert_eq!(
            strays(&scan),
            [
                "ana/.bashrc NotAMessage",
                "ana/.imap/INBOX/dovecot.index NotAMessage",
                "ana/Sent.lock NotAMessage",
                "ana/dovecot.index.log NotAMessage",
                "ana/notes.txt NotAMessage",
            ]
        );
        assert_eq!(scan.mailboxes[0].items[0].uidl.as_deref(), Some("4f2a"));
        assert_eq!(scan.mailboxes[1].items[0].uidl, None, "POP3 served the INBOX only");
        assert_eq!(scan.notices.len(), 1, "a subscription without its mailbox: {:?}", scan.notices);
    }

    #[test]
    fn a_tree_of_thunderbird() {
        let root = tree(&[
            (b"Inbox", MAIL),
            (b"Inbox.msf", "// <!-- <mdb:mork:z v=\"1.4\"/> -->"),
            (b"Inbox.sbd/Facturas", MAIL),
            (b"Inbox.sbd/Facturas.sbd/2013", MAIL),
            (b"Unsent Messages", ""),
            (b"Trash", ""),
            (b"popstate.dat", "x"),
        ]);
        let scan = scan_tree(&root, &Options::default());
        let expected = ["INBOX: 1", "INBOX/Facturas: 1", "INBOX/Facturas/2013: 1", "Trash: 0", "Unsent Messages: 0"];
        assert_eq!(mailboxes(&scan), expected);
        assert_eq!(strays(&scan), ["ana/Inbox.msf NotAMessage", "ana/popstate.dat NotAMessage"]);
        assert_eq!(scan.notices, []);
    }

    #[test]
    fn the_inbox_is_the_file_that_is_named() {
        let root = tree(&[(b"inbox", MAIL), (b"mbox", &MAIL.repeat(2)), (b"INBOX", &MAIL.repeat(3))]);
        assert_eq!(mailboxes(&scan_tree(&root, &Options::default())), ["INBOX: 3", "INBOX (2): 1", "mbox: 2"]);
        let named = scan_tree(&root, &Options { inbox: Some("mbox".to_owned()), ..Options::default() });
        assert_eq!(mailboxes(&named), ["INBOX: 2", "INBOX (2): 3", "INBOX (3): 1"]);
        assert_eq!(named.mailboxes[1].name_was.as_deref(), Some(&b"INBOX"[..]));

        let alone = tree(&[]);
        fs::write(alone.path().join("ana"), MAIL).unwrap();
        assert_eq!(mailboxes(&scan_tree(&alone, &Options::default())), ["INBOX: 1"]);
        let without = tree(&[(b"Sent", MAIL)]);
        assert_eq!(mailboxes(&scan_tree(&without, &Options::default())), ["INBOX: 0", "Sent: 1"]);
    }

    #[test]
    fn hostile_names_and_files_are_mended_or_listed() {
        let root = tree(&[
            (b"Ni\xf1os", MAIL),
            ("Niños".as_bytes(), MAIL),
            (b"Ni&APE-os", MAIL),
            (b"a\nb", MAIL),
            (b"R&D", MAIL),
        ]);
        let place = root.path().join("ana");
        std::os::unix::fs::symlink("/etc/passwd", place.join("link")).unwrap();
        std::os::unix::fs::symlink("/etc", place.join("linked")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, place.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let deep = (0..40).fold(place, |path, _| path.join("d"));
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("x"), MAIL).unwrap();

        let scan = scan_tree(&root, &Options::default());
        assert_eq!(mailboxes(&scan), ["INBOX: 0", "Niños: 1", "Niños (2): 1", "Niños (3): 1", "R&D: 1", "a%0Ab: 1"]);
        let deepest = format!("ana{} Unreadable", "/d".repeat(MAX_DEPTH + 1));
        assert_eq!(strays(&scan), [&deepest, "ana/link Unreadable", "ana/linked Unreadable", "ana/pipe Unreadable"]);
        let mended: Vec<&str> = scan.notices.iter().map(|notice| notice.place.as_str()).collect();
        assert_eq!(mended, ["ana/Niños", "ana/Ni%F1os", "ana/R&D", "ana/a%0Ab"]);
    }

    #[test]
    fn a_place_that_is_not_there_is_an_error() {
        let root = tree(&[]);
        let error = scan(&Root::open(root.path()).unwrap(), b"pepe", &Options::default()).unwrap_err();
        assert!(matches!(error, SourceError::Io { path, .. } if path.ends_with("pepe")));
    }
}
