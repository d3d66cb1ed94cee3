//! A tree of files as a source: a layout that says where the maildrops lie, and a format that says how each is read.

use crate::description::{Description, Format};
use crate::imap::ImapSource;
use crate::layout::{Found, Layout};
use crate::maildir::{Options, UidlRule, Walk, heap_name, is_service};
use crate::root::{Entry, EntryKind, Root, join, printable};
use crate::{
    Directory, ItemKind, Locator, Maildrop, MaildropScan, Notice, ReadError, Source, SourceError, detect, directory,
    heap, mbox, mbox_tree, sieve,
};
use message::Address;
use std::collections::{HashMap, HashSet};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The longest file of accounts, aliases or domains that is read.
const LIST_LIMIT_BYTES: u64 = 256 << 20;

/// Opens the source at a path: a directory, or a `source.toml` (`docs/source-toml.md`).
///
/// # Errors
/// As [`describe`](crate::describe); when the format is another store's; when a file that an IMAP server's description
/// names cannot be read.
pub fn open(path: &Path) -> Result<Box<dyn Source>, SourceError> {
    let mut description = detect::describe(path)?;
    let wrong =
        |message: &str| SourceError::Description { path: description.path.clone(), message: message.to_owned() };
    match description.format {
        Format::Maildir | Format::Mbox | Format::Eml => Ok(Box::new(Tree::new(description)?)),
        Format::Reintegra => {
            Err(wrong("key format: another store is no tree of files and cannot be opened as one here"))
        }
        Format::Imap => match description.imap.take() {
            Some(keys) => Ok(Box::new(ImapSource::new(description, keys)?)),
            None => Err(wrong("key url is missing")),
        },
    }
}

/// A tree of files.
struct Tree {
    root: Root,
    description: Description,
    options: Options,
    /// Files of the tree that say something about the source and are no mail, beneath the root.
    known: HashSet<Vec<u8>>,
}

impl Tree {
    fn new(description: Description) -> Result<Tree, SourceError> {
        let root =
            Root::open(&description.root).map_err(|cause| SourceError::Io { path: description.root.clone(), cause })?;
        for orphan in &description.orphans {
            if !root.is_directory(orphan) {
                let message = format!("key orphans: {} is no directory beneath root", printable(orphan));
                return Err(SourceError::Description { path: description.path.clone(), message });
            }
        }
        let options = Options {
            utf8_names: description.utf8_names,
            namespace_prefix: description.namespace_prefix.clone(),
            separator: description.separator,
            uidl_rule: description.uidl_rule.clone(),
            max_message_bytes: description.max_message_bytes,
            mbox_variant: description.mbox_variant,
        };
        let known = known_files(&description);
        Ok(Tree { root, description, options, known })
    }

    fn io_error(&self, place: &[u8], cause: io::Error) -> SourceError {
        SourceError::Io { path: self.root.path().join(printable(place)), cause }
    }

    /// Reads a file of accounts, aliases or domains; also gives what notices call it.
    fn list_file(&self, path: &Path) -> Result<(Vec<u8>, String), SourceError> {
        let mut text = Vec::new();
        if self.description.files_in_tree {
            let place = path.as_os_str().as_bytes();
            return match self.root.read(place, LIST_LIMIT_BYTES, &mut text) {
                Ok(()) => Ok((text, printable(place))),
                Err(ReadError::Io(cause)) => Err(self.io_error(place, cause)),
                Err(error) => Err(self.io_error(place, io::Error::other(error.to_string()))),
            };
        }
        directory::named_file(path)
    }

    fn found(&self, layout: &Layout) -> Result<Found, SourceError> {
        let is_known = |path: &[u8]| self.known.contains(path) || self.description.orphans.iter().any(|o| o == path);
        layout.find(&self.root, &is_known).map_err(|cause| self.io_error(b".", cause))
    }

    /// The spelling that account lines give to addresses.
    fn spellings(&self) -> Result<HashMap<Address, Address>, SourceError> {
        let accounts = self.directory()?.accounts;
        Ok(accounts.into_iter().map(|account| (account.address.clone(), account.address)).collect())
    }

    /// Whether a home holds anything at all.
    fn is_inhabited(&self, place: &[u8]) -> bool {
        match self.root.stat(place) {
            Ok(Some(Entry { kind: EntryKind::Directory, .. })) => self.root.list(place).map_or(true, |e| !e.is_empty()),
            _ => true,
        }
    }

    /// The place of a home's mail, and what leads to it.
    fn mail_place(&self, home: &[u8]) -> (Vec<u8>, &[Vec<u8>]) {
        let tail = self.description.layout.as_ref().map_or(&[][..], Layout::tail);
        (tail.iter().fold(home.to_vec(), |place, name| join(&place, name)), tail)
    }

    /// An account's Maildir, and whatever else lies in its home.
    fn scan_maildir_home(&self, home: &[u8]) -> MaildropScan {
        let default_tail = [b"Maildir".to_vec()];
        let (mut mail, mut tail) = self.mail_place(home);
        if self.description.account.is_some() {
            (mail, tail) = (join(home, b"Maildir"), &default_tail);
        }
        let mut walk = Walk::new(&self.root, &self.options);
        if tail.is_empty() || !self.root.is_directory(&mail) {
            walk.maildir(home);
        } else {
            walk.maildir(&mail);
            let mut place = home.to_vec();
            for name in tail {
                let serves = |entry: &Entry| entry.name == *name || is_service(&entry.name) || entry.name == b"sieve";
                let mut beside = self.root.list(&place).unwrap_or_default();
                beside.retain(|entry| !serves(entry) && !self.known.contains(&join(&place, &entry.name)));
                walk.entries(&place, &beside);
                place = join(&place, name);
            }
        }
        walk.finish(heap_name(home))
    }

    fn scan_home(&self, home: &[u8]) -> Result<MaildropScan, SourceError> {
        let (mail, _) = self.mail_place(home);
        let is_absent = matches!(self.root.stat(&mail), Ok(None));
        let mut scan = match self.description.format {
            Format::Maildir => self.scan_maildir_home(home),
            _ if is_absent => {
                let text = format!("the home holds no {}, where the layout looks for mail", printable(&mail));
                let notices = vec![Notice { rule: "9.3", place: printable(home), text }];
                MaildropScan { notices, ..MaildropScan::default() }
            }
            Format::Mbox => {
                let options = mbox_tree::Options {
                    inbox: self.description.inbox.clone(),
                    variant: self.description.mbox_variant,
                    utf8_names: self.description.utf8_names,
                    max_message_bytes: self.description.max_message_bytes,
                };
                let mut scan = mbox_tree::scan(&self.root, &mail, &options)?;
                let fallback = UidlRule::dovecot();
                compute_uidls(&mut scan, self.description.uidl_rule.as_ref().unwrap_or(&fallback));
                scan
            }
            _ => heap::scan(&self.root, &mail)?,
        };
        scan.scripts = sieve::scripts(&self.root, home, &mut scan.notices);
        Ok(scan)
    }
}

impl Source for Tree {
    fn describe(&self) -> String {
        format!("{} tree {}", self.description.format.name(), self.description.root.display())
    }

    fn directory(&self) -> Result<Directory, SourceError> {
        let mut directory = directory::read(&self.description, |path| self.list_file(path))?;
        if self.description.files_in_tree {
            directory.notices.extend(self.unread_at_root()?);
        }
        Ok(directory)
    }

    fn maildrops(&self) -> Result<Vec<Maildrop>, SourceError> {
        let mut maildrops = Vec::new();
        if let Some(account) = &self.description.account {
            maildrops.push(Maildrop { address: Some(account.clone()), place: b".".to_vec() });
        }
        if let Some(layout) = &self.description.layout {
            let spellings = self.spellings()?;
            let found = self.found(layout)?;
            for home in found.homes.into_iter().filter(|home| self.is_inhabited(&home.place)) {
                let address = home.address.map(|address| spellings.get(&address).cloned().unwrap_or(address));
                maildrops.push(Maildrop { address, place: home.place });
            }
            maildrops.extend(found.loose.into_iter().map(|loose| Maildrop { address: None, place: loose.place }));
        }
        let orphans = self.description.orphans.iter();
        maildrops.extend(orphans.map(|place| Maildrop { address: None, place: place.clone() }));
        Ok(maildrops)
    }

    fn scan(&self, maildrop: &Maildrop) -> Result<MaildropScan, SourceError> {
        let place = &maildrop.place;
        match self.root.stat(place) {
            Ok(Some(_)) => {}
            Ok(None) => return Err(self.io_error(place, io::ErrorKind::NotFound.into())),
            Err(cause) => return Err(self.io_error(place, cause)),
        }
        if self.description.orphans.contains(place) {
            if self.description.format == Format::Eml {
                return heap::scan(&self.root, place);
            }
            let mut walk = Walk::of_heap(&self.root, &self.options);
            walk.heap(place);
            return Ok(walk.finish(heap_name(place)));
        }
        if let Some(layout) = self.description.layout.as_ref().filter(|layout| depth(place) < layout.depth())
            && let Some(loose) = self.found(layout)?.loose.into_iter().find(|loose| loose.place == *place)
        {
            let mut walk = Walk::of_heap(&self.root, &self.options);
            walk.entries(place, &loose.entries);
            return Ok(walk.finish(heap_name(place)));
        }
        self.scan_home(place)
    }

    fn read(&self, locator: &Locator, buffer: &mut Vec<u8>) -> Result<(), ReadError> {
        let limit_bytes = self.description.max_message_bytes;
        match locator.range {
            None => self.root.read(&locator.path, limit_bytes, buffer),
            Some(range) => {
                let (file, _) = self.root.open_file(&locator.path)?;
                mbox::read_range(&file, range, self.description.mbox_variant, limit_bytes, buffer)
            }
        }
    }

    fn read_ahead(&self, locator: &Locator) {
        // An mbox is read from its beginning to its end: the kernel sees that by itself.
        if locator.range.is_none() {
            self.root.read_ahead(&locator.path);
        }
    }
}

impl Tree {
    /// What stands at the root of a tree that nobody described and is not read.
    fn unread_at_root(&self) -> Result<Vec<Notice>, SourceError> {
        let entries = self.root.list(b".").map_err(|cause| self.io_error(b".", cause))?;
        let is_read = |name: &[u8]| {
            name == b"etc" || name == b"mail" || self.description.orphans.iter().any(|orphan| orphan == name)
        };
        let unread = entries.into_iter().filter(|entry| !is_read(&entry.name));
        Ok(unread
            .map(|entry| Notice {
                rule: "9.3",
                place: printable(&entry.name),
                text: "it is no part of the tree of a mail server and is not read; a source.toml can name it under orphans".to_owned(),
            })
            .collect())
    }
}

/// The number of components of a place.
fn depth(place: &[u8]) -> usize {
    if place == b"." { 0 } else { place.split(|&b| b == b'/').count() }
}

/// Computes the UIDLs of an INBOX that stores none, from UIDs that can be believed.
fn compute_uidls(scan: &mut MaildropScan, rule: &UidlRule) {
    for mailbox in scan.mailboxes.iter_mut().filter(|mailbox| mailbox.name.is_inbox()) {
        let Some(uidvalidity) = mailbox.uidvalidity else { continue };
        for item in mailbox.items.iter_mut().filter(|item| item.kind == ItemKind::Message && item.uidl.is_none()) {
            item.uidl = item.uid.and_then(|uid| rule.of_uid(uid, uidvalidity));
        }
    }
}

/// Files of a described source that lie in its own tree.
fn known_files(description: &Description) -> HashSet<Vec<u8>> {
    let Ok(root) = description.root.canonicalize() else { return HashSet::new() };
    let named: Vec<&PathBuf> = [Some(&description.path), description.accounts.as_ref(), description.aliases.as_ref()]
        .into_iter()
        .flatten()
        .chain(&description.domains)
        .collect();
    let beneath =
        |path: &PathBuf| Some(path.canonicalize().ok()?.strip_prefix(&root).ok()?.as_os_str().as_bytes().to_vec());
    named.into_iter().filter_map(beneath).filter(|path| !path.is_empty()).collect()
}
