//! Lineages laid out as a mail server's tree.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// A mail server's tree.
pub(crate) struct Tree(PathBuf);

/// A message file of a Maildir.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) raw: Vec<u8>,
    /// `None`: it stands in no UID list.
    pub(crate) uid: Option<u32>,
    /// Maildir letters.
    pub(crate) flags: String,
    pub(crate) date: i64,
    /// The UIDL that the list says.
    pub(crate) uidl: Option<String>,
    /// What makes the file's name its own.
    pub(crate) stem: String,
}

impl Mail {
    pub(crate) fn new(uid: u32, raw: impl Into<Vec<u8>>) -> Self {
        let (flags, uidl) = (String::new(), None);
        let date = 1_400_000_000 + i64::from(uid) * 60;
        Mail { raw: raw.into(), uid: Some(uid), flags, date, uidl, stem: format!("M{uid}P1.host") }
    }

    pub(crate) fn flags(mut self, letters: &str) -> Self {
        self.flags = letters.to_owned();
        self
    }

    pub(crate) fn date(mut self, date: i64) -> Self {
        self.date = date;
        self
    }

    pub(crate) fn uidl(mut self, uidl: &str) -> Self {
        self.uidl = Some(uidl.to_owned());
        self
    }

    pub(crate) fn unlisted(mut self) -> Self {
        self.uid = None;
        self
    }

    fn base_name(&self) -> String {
        format!("{}.{}", self.date, self.stem)
    }

    pub(crate) fn file_name(&self) -> String {
        format!("{}:2,{}", self.base_name(), self.flags)
    }
}

/// The bytes of a plain message that nothing else is equal to.
pub(crate) fn raw(id: &str, body: &str) -> Vec<u8> {
    format!("From: sender@elsewhere.example\nTo: somebody@example.org\nSubject: {id}\nMessage-ID: <{id}@elsewhere.example>\n\n{body}\n")
        .into_bytes()
}

impl Tree {
    /// Makes a tree with account lines for the addresses, all with the password `secret`.
    pub(crate) fn new(root: &Path, addresses: &[&str]) -> Self {
        let tree = Tree(root.to_owned());
        let mut users = String::new();
        let mut domains: Vec<&str> = addresses.iter().filter_map(|a| a.split('@').nth(1)).collect();
        domains.sort_unstable();
        domains.dedup();
        for address in addresses {
            writeln!(users, "{address}:{{PLAIN}}secret:5000:5000:::").unwrap();
        }
        tree.file("etc/dovecot/users", users);
        tree.file("etc/domains", domains.iter().map(|d| format!("{d}\n")).collect::<String>());
        std::fs::create_dir_all(tree.0.join("mail")).unwrap();
        for address in addresses {
            tree.mailbox(address, "", None, &[]);
        }
        tree
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn maildir(&self, address: &str) -> PathBuf {
        let (localpart, domain) = address.split_once('@').unwrap();
        self.0.join("mail").join(domain).join(localpart).join("Maildir")
    }

    /// A folder's directory, by its name on disk (`.Sent`); the empty name is the INBOX.
    pub(crate) fn folder(&self, address: &str, folder: &[u8]) -> PathBuf {
        let maildir = self.maildir(address);
        if folder.is_empty() { maildir } else { maildir.join(std::ffi::OsStr::from_bytes(folder)) }
    }

    /// Writes a mailbox: files in `cur/` with their dates, and a UID list where there is a UIDVALIDITY.
    pub(crate) fn mailbox(&self, address: &str, folder: &str, uidvalidity: Option<u32>, mail: &[Mail]) -> PathBuf {
        let dir = self.folder(address, folder.as_bytes());
        for name in ["cur", "new", "tmp"] {
            std::fs::create_dir_all(dir.join(name)).unwrap();
        }
        for one in mail {
            let path = dir.join("cur").join(one.file_name());
            std::fs::write(&path, &one.raw).unwrap();
            set_date(&path, one.date);
        }
        if let Some(uidvalidity) = uidvalidity {
            let next = mail.iter().filter_map(|m| m.uid).max().unwrap_or(0) + 1;
            let mut list = format!("3 V{uidvalidity} N{next} G{uidvalidity:032x}\n");
            let mut listed: Vec<&Mail> = mail.iter().filter(|m| m.uid.is_some()).collect();
            listed.sort_by_key(|m| m.uid);
            for one in listed {
                write!(list, "{}", one.uid.unwrap_or(0)).unwrap();
                if let Some(uidl) = &one.uidl {
                    write!(list, " P{uidl}").unwrap();
                }
                writeln!(list, " :{}", one.base_name()).unwrap();
            }
            std::fs::write(dir.join("dovecot-uidlist"), list).unwrap();
        }
        dir
    }
}

pub(crate) fn set_date(path: &Path, date: i64) {
    let date = UNIX_EPOCH + Duration::from_secs(date.unsigned_abs());
    std::fs::File::options().append(true).open(path).unwrap().set_modified(date).unwrap();
}

/// Every file beneath a directory that is no list or setting of the server's.
pub(crate) fn message_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(message_files(&path));
        } else if path.parent().and_then(Path::file_name).is_some_and(|n| n == "cur" || n == "new") {
            found.push(path);
        }
    }
    found.sort();
    found
}
