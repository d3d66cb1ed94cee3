//! An IMAP server as a source: Debian's Dovecot beside the Maildir that it serves, and servers that cannot be trusted.
#![allow(clippy::unwrap_used, reason = "tests")]

mod descriptions;
mod dovecot;
mod hostile;
mod scripted;
mod tls;

use message::Address;
use source::{MaildropScan, Source, SourceError};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const ANA: &str = "ana@example.org";

/// A directory with a description, and passwords that it names.
struct Described {
    home: TempDir,
}

impl Described {
    /// Passwords for these accounts, all `clave`.
    fn of(addresses: &[&str]) -> Described {
        let described = Described { home: TempDir::new().unwrap() };
        let mut lines = String::new();
        for address in addresses {
            writeln!(lines, "{address}:clave").unwrap();
        }
        described.secret("credentials", &lines);
        described
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn secret(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Opens the source that these lines describe.
    fn try_open(&self, lines: &str) -> Result<Box<dyn Source>, SourceError> {
        let path = self.path("source.toml");
        std::fs::write(&path, format!("format = \"imap\"\n{lines}")).unwrap();
        source::open(&path)
    }

    /// Opens a server on the loopback with the passwords, a short patience, and more keys.
    fn open(&self, server: SocketAddr, more: &str) -> Box<dyn Source> {
        let mut lines = format!("url = \"imap://{server}\"\ncredentials = \"credentials\"\n{more}");
        for (key, short) in [("timeout_s", 5), ("patience_s", 0)] {
            if !more.contains(key) {
                writeln!(lines, "{key} = {short}").unwrap();
            }
        }
        self.try_open(&lines).unwrap()
    }
}

impl Described {
    /// As [`Described::open`], with the files that the source lives from.
    fn open_kept(self, server: SocketAddr, more: &str) -> (Described, Box<dyn Source>) {
        let source = self.open(server, more);
        (self, source)
    }
}

fn scan(source: &dyn Source, address: &str) -> Result<MaildropScan, SourceError> {
    let maildrops = source.maildrops().unwrap();
    let address = Address::new(address).unwrap();
    let found = maildrops.iter().find(|m| m.address.as_ref() == Some(&address));
    source.scan(found.unwrap_or_else(|| panic!("there is no maildrop of {address}")))
}

/// Writes a file, with the directories above it.
fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}
