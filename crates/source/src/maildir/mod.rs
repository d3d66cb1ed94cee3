//! Maildir++ as Dovecot and Courier write it, and trees that hold such directories somewhere.
//!
//! Every regular file beneath the place that is walked becomes one item, save the format's own service files
//! ([`is_service`]):
//! * files of `cur/` and `new/` are messages, also those with hidden names; what desktops and indexes leave there is *not
//!   a message*; a directory there is *unreadable*, and the files in it are judged by their first bytes;
//! * files of `tmp/` are *unfinished*;
//! * other files beside them, `dovecot.index*` included, are *not a message*; in a heap (`lost+found`) they are judged by
//!   their first bytes instead, because there a message can have any name;
//! * links, devices and what cannot be looked at are *unreadable*.
//!
//! A directory with `cur/` or `new/` is a mailbox wherever it lies: `.A.B` beneath a Maildir is the mailbox `A/B`, any other
//! directory gives its own name as a level.

mod control;
mod file_name;
pub(crate) mod folder_name;
mod messages;
mod uidl_rule;

pub(crate) use uidl_rule::UidlRule;

use crate::mbox::{self, fields};
use crate::root::{Entry, EntryKind, Root, base_name, join, printable};
use crate::{Item, ItemKind, Locator, Mailbox, MaildropScan, Notice, Stamp};
use control::Subscription;
use folder_name::{Level, Named, distinct, name_of};
use message::Flags;
use messages::MessageFile;
use std::collections::{HashMap, HashSet};
use std::io::Read;

/// The most that a UID list or another service file may hold: some three million lines.
const CONTROL_LIMIT_BYTES: u64 = 256 << 20;

/// Directories deeper than this are not entered.
const MAX_DEPTH: usize = 32;

/// How much of a file tells whether it is a message.
const HEAD_BYTES: u64 = 2048;

/// How a tree of Maildirs is read.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Folder names are UTF-8, not modified UTF-7.
    pub(crate) utf8_names: bool,
    /// What names of subscriptions and folders begin with, to be taken off.
    pub(crate) namespace_prefix: String,
    /// What stands between the levels in names of directories.
    pub(crate) separator: u8,
    /// The UIDL rule that was configured.
    pub(crate) uidl_rule: Option<UidlRule>,
    /// Messages above this are listed and not read.
    pub(crate) max_message_bytes: u64,
    /// How an mbox that lies in a heap is read.
    pub(crate) mbox_variant: mbox::Variant,
}

/// A walk through one maildrop.
pub(crate) struct Walk<'a> {
    root: &'a Root,
    options: &'a Options,
    /// Whether files outside `cur/` and `new/` may be messages.
    is_heap: bool,
    found: Vec<Found>,
    loose: Vec<Item>,
    subscriptions: Vec<Subscription>,
    quota_bytes: Option<u64>,
    notices: Vec<Notice>,
}

/// What a file's first bytes say it is.
enum Head {
    Message,
    Mbox(Vec<Item>),
    Other,
}

/// A mailbox before it has its final name.
struct Found {
    levels: Vec<Level>,
    /// The name as the source wrote it.
    written: Vec<u8>,
    place: Vec<u8>,
    uidvalidity: Option<u32>,
    uidnext: Option<u32>,
    items: Vec<Item>,
}

impl<'a> Walk<'a> {
    /// Begins a walk in which files outside Maildirs are no messages.
    pub(crate) fn new(root: &'a Root, options: &'a Options) -> Self {
        Walk {
            root,
            options,
            is_heap: false,
            found: Vec::new(),
            loose: Vec::new(),
            subscriptions: Vec::new(),
            quota_bytes: None,
            notices: Vec::new(),
        }
    }

    /// Begins a walk in which any file may be a message.
    pub(crate) fn of_heap(root: &'a Root, options: &'a Options) -> Self {
        Walk { is_heap: true, ..Walk::new(root, options) }
    }

    /// Walks the Maildir of an account: its own messages are the INBOX.
    pub(crate) fn maildir(&mut self, place: &[u8]) {
        self.walk_maildir(place, Vec::new(), 0);
    }

    /// Walks entries of a directory that is no Maildir itself, such as a home or a heap; `levels` name what is found.
    pub(crate) fn entries(&mut self, place: &[u8], entries: &[Entry]) {
        for entry in entries {
            self.stray(place, entry, &[], false, 0);
        }
    }

    /// Walks a heap: whatever lies in it, be the place itself a Maildir.
    pub(crate) fn heap(&mut self, place: &[u8]) {
        match self.root.list(place) {
            Ok(entries) if is_maildir(&entries) => {
                let level = Level { text: heap_name(place).to_vec(), utf7: false };
                self.walk_maildir(place, vec![level], 0);
            }
            Ok(entries) => self.entries(place, &entries),
            Err(error) => self.unlisted(place, &error.to_string()),
        }
    }

    /// Ends the walk: gives every mailbox its name, INBOX first, then by name. Items outside mailboxes go into the first
    /// one, or into one named `loose_name`.
    pub(crate) fn finish(mut self, loose_name: &[u8]) -> MaildropScan {
        if !self.loose.is_empty() {
            self.loose.sort_by(|a, b| a.locator.cmp(&b.locator));
            let loose = std::mem::take(&mut self.loose);
            match self.found.iter_mut().find(|found| found.levels.is_empty()) {
                Some(inbox) => inbox.items.extend(loose),
                None => self.found.insert(
                    0,
                    Found {
                        levels: vec![Level { text: loose_name.to_vec(), utf7: false }],
                        written: loose_name.to_vec(),
                        place: loose_name.to_vec(),
                        uidvalidity: None,
                        uidnext: None,
                        items: loose,
                    },
                ),
            }
        }
        let mut mailboxes = self.named_mailboxes();
        self.subscribe(&mut mailboxes);
        let mut mailboxes: Vec<Mailbox> = mailboxes.into_iter().map(|(mailbox, _)| mailbox).collect();
        mailboxes.sort_by(|a, b| (!a.name.is_inbox(), &a.name).cmp(&(!b.name.is_inbox(), &b.name)));
        MaildropScan { mailboxes, scripts: Vec::new(), quota_bytes: self.quota_bytes, notices: self.notices }
    }

    /// Names every mailbox; those whose names are fit as written choose before those that are mended.
    fn named_mailboxes(&mut self) -> Vec<(Mailbox, Vec<u8>)> {
        let mut found: Vec<(Named, Found)> =
            std::mem::take(&mut self.found).into_iter().map(|found| (name_of(&found.levels), found)).collect();
        found.sort_by(|(a, x), (b, y)| (a.mended.is_some(), &x.place).cmp(&(b.mended.is_some(), &y.place)));
        let mut taken = HashSet::new();
        let mut mailboxes = Vec::new();
        for (Named { name, mended }, found) in found {
            let unique = distinct(name.clone(), &mut taken);
            let twice = (unique != name).then(|| format!("another folder is {name} already"));
            let why: Vec<String> = mended.into_iter().chain(twice).collect();
            if !why.is_empty() {
                let text =
                    format!("the folder {} is called {unique} here: {}", printable(&found.written), why.join(", "));
                self.notices.push(notice("6.1", &found.place, &text));
            }
            let mailbox = Mailbox {
                name: unique,
                name_was: (!why.is_empty()).then(|| found.written.clone()),
                uidvalidity: found.uidvalidity,
                uidnext: found.uidnext,
                highest_modseq: None,
                special_use: None,
                subscribed: false,
                items: found.items,
            };
            mailboxes.push((mailbox, found.written));
        }
        mailboxes
    }

    fn subscribe(&mut self, mailboxes: &mut [(Mailbox, Vec<u8>)]) {
        let by_written: HashMap<Vec<u8>, usize> =
            mailboxes.iter().enumerate().map(|(index, (_, written))| (written.clone(), index)).collect();
        let by_name: HashMap<_, _> =
            mailboxes.iter().enumerate().map(|(index, (mailbox, _))| (mailbox.name.clone(), index)).collect();
        for Subscription { text, separator } in std::mem::take(&mut self.subscriptions) {
            let text = text.strip_prefix(self.options.namespace_prefix.as_bytes()).unwrap_or(&text);
            // Version 1 does not say its separator: it is the store's, or else the namespace's.
            let separators = separator.map_or(vec![self.options.separator, b'/'], |only| vec![only]);
            let place = separators.iter().find_map(|&separator| {
                let levels: Vec<Level> = text.split(|&b| b == separator).map(|level| self.level(level)).collect();
                let written = levels.iter().map(|level| &level.text[..]).collect::<Vec<_>>();
                let written = written.join(&self.options.separator);
                by_written.get(&written).or_else(|| by_name.get(&name_of(&levels).name)).copied()
            });
            match place {
                Some(index) => mailboxes[index].0.subscribed = true,
                None => {
                    let text = format!("the subscription to {} names no mailbox that exists", printable(text));
                    self.notices.push(Notice { rule: "6.3", place: "subscriptions".to_owned(), text });
                }
            }
        }
    }

    fn level(&self, text: &[u8]) -> Level {
        Level { text: text.to_vec(), utf7: !self.options.utf8_names }
    }

    /// A directory that is a Maildir, and everything beneath it.
    fn walk_maildir(&mut self, place: &[u8], levels: Vec<Level>, depth: usize) {
        let entries = match self.root.list(place) {
            Ok(entries) => entries,
            Err(error) => return self.unlisted(place, &error.to_string()),
        };
        let is_inbox = levels.is_empty();
        if is_inbox {
            self.read_account_files(place, &entries);
        }
        let is_directory = |name: &[u8]| entries.iter().any(|e| e.name == name && e.kind == EntryKind::Directory);
        let mut found = Found {
            written: levels.iter().map(|l| &l.text[..]).collect::<Vec<_>>().join(&self.options.separator),
            levels,
            place: place.to_vec(),
            uidvalidity: None,
            uidnext: None,
            items: Vec::new(),
        };
        if is_inbox {
            found.written = b"INBOX".to_vec();
        }
        let mut files = Vec::new();
        self.list_messages(place, &[b"new", b"cur"].map(|n| (&n[..], is_directory(n))), &mut files, &mut found, depth);
        if is_directory(b"tmp") {
            self.list_unfinished(&join(place, b"tmp"), &mut found.items);
        }
        let uidl_rule = is_inbox.then_some(self.options.uidl_rule.as_ref());
        let messages = messages::read(self.root, place, &entries, &files, uidl_rule);
        (found.uidvalidity, found.uidnext) = (messages.uidvalidity, messages.uidnext);
        found.items.splice(0..0, messages.items);
        self.notices.extend(messages.notices);

        let mut inner = Vec::new();
        for entry in &entries {
            let is_own = matches!(entry.name.as_slice(), b"cur" | b"new" | b"tmp");
            let path = join(place, &entry.name);
            match entry.kind {
                EntryKind::Directory if is_own => {}
                EntryKind::Directory if self.is_service_directory(&path, &entry.name) => {}
                EntryKind::File if is_service(&entry.name) => {}
                EntryKind::Link if is_sieve_link(&entry.name) => {}
                EntryKind::Directory => inner.push(entry),
                EntryKind::File => found.items.extend(self.loose_file(path, entry)),
                _ => found.items.push(unreadable(path, entry)),
            }
        }
        let levels = found.levels.clone();
        self.found.push(found);
        for entry in inner {
            let path = join(place, &entry.name);
            match entry.name.strip_prefix(b".") {
                Some(name) => {
                    let inner = levels.iter().cloned().chain(self.folder_levels(name)).collect();
                    self.walk_folder(&path, inner, depth + 1);
                }
                None => self.stray(place, entry, &levels, !self.options.utf8_names, depth),
            }
        }
    }

    /// `.A.B` beneath a Maildir: a mailbox, be it empty, unless it is deeper than anyone nests mailboxes.
    fn walk_folder(&mut self, place: &[u8], levels: Vec<Level>, depth: usize) {
        if depth > MAX_DEPTH {
            return self.unlisted(place, "it lies too deep");
        }
        self.walk_maildir(place, levels, depth);
    }

    /// The levels of a folder's directory name without its leading dot and the namespace prefix.
    fn folder_levels(&self, name: &[u8]) -> Vec<Level> {
        let prefix = self.options.namespace_prefix.as_bytes();
        let bare = name.strip_prefix(prefix).filter(|bare| !bare.is_empty()).unwrap_or(name);
        bare.split(|&b| b == self.options.separator).map(|level| self.level(level)).collect()
    }

    /// Quota and subscriptions, which stand in the Maildir of the INBOX.
    fn read_account_files(&mut self, place: &[u8], entries: &[Entry]) {
        let mut text = Vec::new();
        for entry in entries {
            let wanted = matches!(entry.name.as_slice(), b"subscriptions" | b"courierimapsubscribed" | b"maildirsize");
            if !wanted {
                continue;
            }
            let path = join(place, &entry.name);
            match self.root.read(&path, CONTROL_LIMIT_BYTES, &mut text) {
                Ok(()) if entry.name == b"maildirsize" => self.quota_bytes = control::quota_bytes(&text),
                Ok(()) if entry.name == b"subscriptions" => self.subscriptions.extend(control::subscriptions(&text)),
                Ok(()) => self.subscriptions.extend(control::courier_subscriptions(&text)),
                Err(error) => self.notices.push(notice("6.3", &path, &format!("it cannot be read: {error}"))),
            }
        }
    }

    /// Lists `new/` and `cur/` as one moment's picture, `cur/` first in the result.
    fn list_messages(
        &mut self,
        place: &[u8],
        directories: &[(&[u8], bool)],
        files: &mut Vec<MessageFile>,
        found: &mut Found,
        depth: usize,
    ) {
        let places: Vec<Vec<u8>> =
            directories.iter().filter(|(_, exists)| *exists).map(|(name, _)| join(place, name)).collect();
        let lists = match self.root.list_steadily(&places.iter().map(Vec::as_slice).collect::<Vec<_>>()) {
            Ok(lists) => lists.into_iter().map(Ok).collect(),
            Err(_) => places.iter().map(|place| self.root.list(place)).collect::<Vec<_>>(),
        };
        for (place, list) in places.iter().zip(lists).rev() {
            let list = match list {
                Ok(list) => list,
                Err(error) => {
                    self.unlisted(place, &error.to_string());
                    continue;
                }
            };
            for entry in list {
                let path = join(place, &entry.name);
                match entry.kind {
                    EntryKind::File if file_name::is_stray(&entry.name) => {
                        found.items.push(item(ItemKind::NotAMessage, path, entry.stamp));
                    }
                    EntryKind::File => files.push(MessageFile { path, entry }),
                    EntryKind::Directory => self.directory_among_messages(&path, &entry, found, depth + 1),
                    _ => found.items.push(unreadable(path, &entry)),
                }
            }
        }
    }

    /// A directory where only messages belong: listed, and what lies in it is not lost.
    fn directory_among_messages(&mut self, path: &[u8], entry: &Entry, found: &mut Found, depth: usize) {
        let mut listed = item(ItemKind::Unreadable, path.to_vec(), entry.stamp);
        listed.notices.push(notice("9.1", path, "it is a directory among messages; its files are judged one by one"));
        found.items.push(listed);
        let outside = std::mem::take(&mut self.loose);
        let was_heap = std::mem::replace(&mut self.is_heap, true);
        let level = Level { text: entry.name.clone(), utf7: false };
        let levels: Vec<Level> = found.levels.iter().cloned().chain([level]).collect();
        self.walk_directory(path, &levels, false, depth);
        self.is_heap = was_heap;
        found.items.extend(std::mem::replace(&mut self.loose, outside));
    }

    fn list_unfinished(&mut self, place: &[u8], items: &mut Vec<Item>) {
        match self.root.list(place) {
            Ok(entries) => {
                for entry in entries {
                    let path = join(place, &entry.name);
                    match entry.kind {
                        EntryKind::File => items.push(item(ItemKind::Unfinished, path, entry.stamp)),
                        _ => items.push(unreadable(path, &entry)),
                    }
                }
            }
            Err(error) => self.unlisted(place, &error.to_string()),
        }
    }

    /// Anything that lies outside a Maildir's own directories. Beneath a Maildir (`LAYOUT=fs`) names of directories are
    /// encoded as those of folders are; elsewhere they are what they are.
    fn stray(&mut self, place: &[u8], entry: &Entry, levels: &[Level], utf7: bool, depth: usize) {
        let path = join(place, &entry.name);
        match entry.kind {
            EntryKind::Directory => {
                let level = Level { text: entry.name.clone(), utf7 };
                let levels: Vec<Level> = levels.iter().cloned().chain([level]).collect();
                self.walk_directory(&path, &levels, utf7, depth + 1);
            }
            EntryKind::File => {
                let items = self.loose_file(path, entry);
                self.loose.extend(items);
            }
            _ => self.loose.push(unreadable(path, entry)),
        }
    }

    /// A directory of which it is not yet known whether it is a Maildir.
    fn walk_directory(&mut self, place: &[u8], levels: &[Level], utf7: bool, depth: usize) {
        if depth > MAX_DEPTH {
            return self.unlisted(place, "it lies too deep");
        }
        match self.root.list(place) {
            Ok(entries) if is_maildir(&entries) => self.walk_maildir(place, levels.to_vec(), depth),
            Ok(entries) => {
                for entry in &entries {
                    self.stray(place, entry, levels, utf7, depth);
                }
            }
            Err(error) => self.unlisted(place, &error.to_string()),
        }
    }

    /// Whether a directory serves the format: one of its names, and no mailbox that happens to be called so.
    fn is_service_directory(&self, path: &[u8], name: &[u8]) -> bool {
        matches!(name, b"courierimapkeywords" | b"courierimaphieracl" | b"sieve")
            && self.root.list(path).is_ok_and(|entries| !is_maildir(&entries))
    }

    /// A file outside `cur/`, `new/` and `tmp/`: one item, or in a heap, where it may be an mbox, one for each message.
    fn loose_file(&self, path: Vec<u8>, entry: &Entry) -> Vec<Item> {
        if is_dbox(&entry.name) {
            let mut item = item(ItemKind::Unreadable, path, entry.stamp);
            let text = "it holds mail of Dovecot's dbox format, which is not read; write it as a Maildir first (doveadm backup)";
            item.notices.push(notice("9.1", &item.locator.path, text));
            return vec![item];
        }
        if !self.is_heap || file_name::is_stray(&entry.name) || is_service(&entry.name) {
            return vec![item(ItemKind::NotAMessage, path, entry.stamp)];
        }
        match self.judge_head(&path, entry) {
            Head::Message => {}
            Head::Mbox(items) => return items,
            Head::Other => return vec![item(ItemKind::NotAMessage, path, entry.stamp)],
        }
        let name = file_name::parse(&entry.name);
        let mut message = item(ItemKind::Message, path, entry.stamp);
        let letters = name.letters.unwrap_or_default().iter();
        let flags = letters.filter_map(|&letter| Flags::from_maildir_letter(letter.into()));
        message.flags = flags.fold(Flags::NONE, Flags::union);
        (message.promised_size, message.promised_crlf_size) = (name.size, name.crlf_size);
        vec![message]
    }

    /// What a file's first bytes say. Empty and zero-filled files count as messages: they were some, and have to be listed
    /// as unreadable (`RULES.md 9.1`); so does what cannot be read at all.
    fn judge_head(&self, path: &[u8], entry: &Entry) -> Head {
        let mut head = Vec::new();
        let Ok((file, _)) = self.root.open_file(path) else { return Head::Message };
        if (&file).take(HEAD_BYTES).read_to_end(&mut head).is_err() {
            return Head::Message;
        }
        if head.starts_with(b"From ") && file_name::parse(&entry.name).letters.is_none() {
            match mbox::scan_file(&file, path, self.options.mbox_variant, self.options.max_message_bytes) {
                // Its UIDs are those of another mailbox than the one that holds loose files.
                Ok(scan) if scan.postmarks > 0 => {
                    return Head::Mbox(scan.items.into_iter().map(|item| Item { uid: None, ..item }).collect());
                }
                _ => return Head::Message,
            }
        }
        if looks_like_message(&head) { Head::Message } else { Head::Other }
    }

    /// A directory that could not be walked is an item of its own, so that nobody takes it for empty.
    fn unlisted(&mut self, place: &[u8], why: &str) {
        let stamp = self.root.stat(place).ok().flatten().map_or(Stamp::default(), |entry| entry.stamp);
        let mut item = item(ItemKind::Unreadable, place.to_vec(), stamp);
        item.notices.push(notice("9.1", place, &format!("the directory cannot be listed: {why}")));
        self.loose.push(item);
    }
}

/// Whether a directory's entries make it a Maildir.
pub(crate) fn is_maildir(entries: &[Entry]) -> bool {
    entries.iter().any(|e| e.kind == EntryKind::Directory && matches!(e.name.as_slice(), b"cur" | b"new"))
}

/// Whether a name is one of the format's own files or directories: they say something about messages and are no item.
pub(crate) fn is_service(name: &[u8]) -> bool {
    const EXACT: [&[u8]; 20] = [
        b"dovecot-uidlist",
        b"dovecot-uidlist.lock",
        b"dovecot-uidlist.tmp",
        b"dovecot-keywords",
        b"dovecot-keywords.lock",
        b"dovecot-acl",
        b"dovecot-acl-list",
        b"dovecot-attributes",
        b"dovecot-attributes.lock",
        b"dovecot-shared",
        b"subscriptions",
        b"subscriptions.lock",
        b"maildirsize",
        b"maildirfolder",
        b"courierimapuiddb",
        b"courierimapuiddb.lock",
        b"courierimapsubscribed",
        b"courierimapacl",
        b"courierimaphieracl",
        b"courierpop3dsizelist",
    ];
    EXACT.contains(&name)
        || name.starts_with(b"dovecot-uidvalidity")
        || name.starts_with(b".dovecot.sieve")
        || name.starts_with(b".dovecot.svbin")
        || name.starts_with(b".dovecot.lda-dupes")
}

/// Whether a head of a file is that of a message: a field first, a well-known field soon, or nothing but zeros.
fn looks_like_message(head: &[u8]) -> bool {
    const KNOWN: [&[u8]; 12] = [
        b"return-path:",
        b"delivered-to:",
        b"received:",
        b"message-id:",
        b"from:",
        b"to:",
        b"subject:",
        b"date:",
        b"mime-version:",
        b"content-type:",
        b"x-original-to:",
        b"reply-to:",
    ];
    if head.iter().all(|&b| b == 0) || fields::begins_with_field(head) {
        return true;
    }
    head.split(|&b| b == b'\n').any(|line| {
        KNOWN.iter().any(|known| line.get(..known.len()).is_some_and(|start| start.eq_ignore_ascii_case(known)))
    })
}

/// Whether a file name is one under which dbox stores mail (`u.` or `m.` and a number).
fn is_dbox(name: &[u8]) -> bool {
    let number = name.strip_prefix(b"u.").or_else(|| name.strip_prefix(b"m."));
    number.is_some_and(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
}

/// The active script is usually a link; the scripts are read elsewhere.
fn is_sieve_link(name: &[u8]) -> bool {
    name == b".dovecot.sieve" || name == b".dovecot.svbin"
}

/// A fresh item for a file.
fn item(kind: ItemKind, path: Vec<u8>, stamp: Stamp) -> Item {
    Item {
        locator: Locator { path, range: None },
        kind,
        uid: None,
        uidl: None,
        flags: Flags::NONE,
        keywords: Vec::new(),
        internal_date: internal_date(&stamp),
        stamp,
        promised_size: None,
        promised_crlf_size: None,
        notices: Vec::new(),
    }
}

/// INTERNALDATE is the modification time, in whole seconds.
fn internal_date(stamp: &Stamp) -> i64 {
    stamp.modified_ns.div_euclid(1_000_000_000)
}

/// An item for an entry that is neither a file nor a directory where one belongs.
fn unreadable(path: Vec<u8>, entry: &Entry) -> Item {
    let what = match entry.kind {
        EntryKind::Link => "it is a symbolic link, and links are not followed",
        EntryKind::Directory => "it is a directory where a file belongs",
        EntryKind::Unknown => "it cannot be looked at",
        EntryKind::File | EntryKind::Special => "it is a device, a FIFO or a socket",
    };
    let mut item = item(ItemKind::Unreadable, path, entry.stamp);
    item.notices.push(notice("9.1", &item.locator.path, what));
    item
}

/// A notice about a path.
fn notice(rule: &'static str, path: &[u8], text: &str) -> Notice {
    Notice { rule, place: printable(path), text: text.to_owned() }
}

/// The last component of a place, as a name for what lies loose in it.
pub(crate) fn heap_name(place: &[u8]) -> &[u8] {
    if place == b"." { b"loose" } else { base_name(place) }
}
