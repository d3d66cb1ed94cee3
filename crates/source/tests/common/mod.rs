//! Trees in temporary directories, and short ways to look at what a source makes of them.
#![allow(dead_code, reason = "every test file uses its own part")]

use source::{Item, ItemKind, Mailbox, Maildrop, MaildropScan, Source};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// A tree that is removed with the test.
pub(crate) struct Tree(tempfile::TempDir);

impl Tree {
    pub(crate) fn new() -> Tree {
        Tree(tempfile::tempdir().expect("a temporary directory can be made"))
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, path: impl AsRef<[u8]>) -> PathBuf {
        self.root().join(std::ffi::OsStr::from_bytes(path.as_ref()))
    }

    pub(crate) fn directory(&self, path: impl AsRef<[u8]>) -> &Self {
        fs::create_dir_all(self.path(path)).expect("a directory can be made");
        self
    }

    pub(crate) fn file(&self, path: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("it has a parent")).expect("a directory can be made");
        fs::write(path, content).expect("a file can be written");
        self
    }

    pub(crate) fn dated(&self, path: impl AsRef<[u8]>, seconds: u64) -> &Self {
        let file = fs::File::options().write(true).open(self.path(path)).expect("the file exists");
        file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).expect("its time can be set");
        self
    }

    pub(crate) fn link(&self, path: impl AsRef<[u8]>, target: &str) -> &Self {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("it has a parent")).expect("a directory can be made");
        std::os::unix::fs::symlink(target, path).expect("a link can be made");
        self
    }

    /// Describes the tree as one account's Maildir in the directory `Maildir`, and opens it.
    pub(crate) fn open_account(&self) -> Box<dyn Source> {
        self.open_with("format = \"maildir\"\nroot = \"Maildir\"\naccount = \"ana@example.org\"\n")
    }

    pub(crate) fn open_with(&self, description: &str) -> Box<dyn Source> {
        self.file("source.toml", description);
        source::open(&self.path("source.toml")).expect("the description is right")
    }

    /// Every regular file beneath a directory.
    pub(crate) fn files(&self, path: &str) -> Vec<PathBuf> {
        let (mut files, mut directories) = (Vec::new(), vec![self.path(path)]);
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).expect("it can be listed") {
                let entry = entry.expect("it can be listed");
                let kind = entry.file_type().expect("its type is known");
                if kind.is_dir() {
                    directories.push(entry.path());
                } else if kind.is_file() {
                    files.push(entry.path());
                }
            }
        }
        files
    }
}

pub(crate) fn scan_at(source: &dyn Source, place: &str) -> MaildropScan {
    let maildrops = source.maildrops().expect("the tree can be listed");
    let maildrop = maildrops.iter().find(|m| m.place == place.as_bytes()).expect("the place is listed");
    source.scan(maildrop).expect("the maildrop can be listed")
}

pub(crate) fn scan_only(source: &dyn Source) -> MaildropScan {
    let maildrops: Vec<Maildrop> = source.maildrops().expect("the tree can be listed");
    assert_eq!(maildrops.len(), 1, "one maildrop is expected");
    source.scan(&maildrops[0]).expect("the maildrop can be listed")
}

pub(crate) fn mailbox<'a>(scan: &'a MaildropScan, name: &str) -> &'a Mailbox {
    let found = scan.mailboxes.iter().find(|m| m.name.as_str() == name);
    found.unwrap_or_else(|| panic!("{name} is not among {:?}", names(scan)))
}

pub(crate) fn names(scan: &MaildropScan) -> Vec<&str> {
    scan.mailboxes.iter().map(|m| m.name.as_str()).collect()
}

pub(crate) fn items(scan: &MaildropScan) -> Vec<&Item> {
    scan.mailboxes.iter().flat_map(|m| &m.items).collect()
}

pub(crate) fn path_of(item: &Item) -> String {
    item.locator.path.escape_ascii().to_string()
}

/// Path and UID of every message.
pub(crate) fn uids(mailbox: &Mailbox) -> Vec<(String, Option<u32>)> {
    let messages = mailbox.items.iter().filter(|item| item.kind == ItemKind::Message);
    messages.map(|item| (path_of(item), item.uid)).collect()
}

/// Path and kind of every item that is no message.
pub(crate) fn others(mailbox: &Mailbox) -> Vec<(String, ItemKind)> {
    let others = mailbox.items.iter().filter(|item| item.kind != ItemKind::Message);
    others.map(|item| (path_of(item), item.kind)).collect()
}

/// Whether a notice of this rule says this.
pub(crate) fn says(notices: &[source::Notice], rule: &str, words: &str) -> bool {
    notices.iter().any(|notice| notice.rule == rule && notice.text.contains(words))
}
