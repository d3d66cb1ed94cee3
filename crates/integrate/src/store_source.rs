//! Another Reintegra store as a source.
//!
//! What is read are its live accounts. Lineages that an integration staged there and nobody sees are no history of their
//! own; they are named in a notice.
//!
//! There is no reading without opening: the other data directory is locked for as long as the source lives, and its
//! indexes catch up with what was delivered last, as at any start. Nothing else in it changes. Its lock also keeps a
//! store from being integrated into itself.

mod listing;

use crate::platform::DIRECTORY;
use directory::{Directory, DirectoryError, ErrorClass};
use message::{Address, Digest};
use source::{
    Format, Item, ItemKind, Locator, Mailbox, Maildrop, MaildropScan, Notice, ReadError, Script, Source, SourceError,
    Stamp,
};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use store::{AccountId, Blob, Cell, Class, LIVE, Message, OpenOptions, Store, StoreError, Traits, uidl_by_rule};

/// What the other store's lock says of this process, after its number.
const PURPOSE: &str = "being read as a source";
/// How the file `format` of a data directory begins.
const FORMAT_WORD: &[u8] = b"reintegra-data ";
/// Where accounts lie that their store does not find by their address: damage, but mail. Behind `mail/`, so that of two
/// with one address the one that was served comes first.
const STRAYS: &str = "stray/";

/// Opens the source at a path: whatever [`source::open`] takes, and the data directory of another Reintegra store,
/// either itself or by a `source.toml` with `format = "reintegra"`.
///
/// A data directory must be writable and in use by nobody else, and stays locked until the source is dropped.
///
/// # Errors
/// As [`source::open`]; when a data directory is in use (also by this process), damaged, or of a newer version.
pub fn open_source(path: &Path) -> Result<Box<dyn Source>, SourceError> {
    match source::describe(path) {
        Ok(described) if described.format == Format::Reintegra => {
            if !is_data_directory(&described.root) {
                let root = described.root.display();
                let message = format!(
                    "key root: {root} is no Reintegra data directory (there is no file `format` of one in it); the \
                     directory that the other store was given as --data is expected"
                );
                return Err(SourceError::Description { path: described.path, message });
            }
            Ok(Box::new(StoreSource::open(&described.root)?))
        }
        Ok(_) => source::open(path),
        Err(SourceError::Unknown { .. }) if is_data_directory(path) => Ok(Box::new(StoreSource::open(path)?)),
        Err(error) => Err(error),
    }
}

fn is_data_directory(dir: &Path) -> bool {
    let mut head = Vec::new();
    let file = std::fs::File::open(dir.join("format"));
    file.is_ok_and(|f| f.take(FORMAT_WORD.len() as u64).read_to_end(&mut head).is_ok()) && head == FORMAT_WORD
}

/// The live accounts of another store.
struct StoreSource {
    dir: PathBuf,
    /// Live accounts by their place.
    homes: BTreeMap<Vec<u8>, Home>,
    /// `None`: its file is lost, and the mail is read all the same.
    directory: Option<Directory>,
    /// Last, so that its lock is let go of last.
    store: Store,
}

/// Where a live account lies in the store.
struct Home {
    /// The index of its cell.
    cell: usize,
    account: AccountId,
    /// `None`: what the index has there is no address.
    address: Option<Address>,
}

impl StoreSource {
    fn open(dir: &Path) -> Result<Self, SourceError> {
        let store = Store::open(dir, OpenOptions::for_purpose(PURPOSE)).map_err(|e| store_error(dir, e))?;
        let path = dir.join(DIRECTORY);
        // Opening would make an empty one where it is lost.
        let directory = match path.try_exists() {
            Ok(true) => Some(Directory::open(&path, None).map_err(|e| directory_error(dir, &e))?),
            Ok(false) => None,
            Err(cause) => return Err(SourceError::Io { path, cause }),
        };
        let mut source = StoreSource { dir: dir.to_owned(), homes: BTreeMap::new(), directory, store };
        source.find_homes().map_err(|e| store_error(dir, e))?;
        Ok(source)
    }

    fn find_homes(&mut self) -> Result<(), StoreError> {
        for (cell, opened) in self.store.cells().iter().enumerate() {
            for store::Account { id: account, address: text, .. } in opened.read(|view| view.accounts(LIVE))? {
                let address = Address::new(&text).ok();
                let place = match &address {
                    Some(address) if self.store.cell_of(address).number() == opened.number() => place_of(address),
                    _ => format!("{STRAYS}{cell:02}/{}", account.0),
                };
                self.homes.insert(place.into_bytes(), Home { cell, account, address });
            }
        }
        Ok(())
    }

    fn home(&self, place: &[u8]) -> Option<(&Home, &Cell)> {
        let home = self.homes.get(place)?;
        Some((home, &self.store.cells()[home.cell]))
    }

    /// The mailboxes of an account, INBOX first.
    fn mailboxes(&self, place: &[u8], home: &Home, cell: &Cell) -> Result<Vec<Mailbox>, StoreError> {
        let mut mailboxes = cell.read(|view| {
            let mut mailboxes = Vec::new();
            for row in view.mailboxes(home.account)? {
                let place = [place, format!("/{}", row.id.0).as_bytes()].concat();
                let mut items = Vec::new();
                let listed = view.for_each_message(home.account, row.id, |message, blob| {
                    items.push(item(&place, &row, message, &blob));
                    Ok(())
                });
                match listed {
                    // What can be listed is; that there is more must be accounted for too.
                    Err(error) if error.class() == Class::Corruption => items.push(self.rest(place, &error)),
                    listed => listed?,
                }
                mailboxes.push(Mailbox {
                    name: row.name,
                    name_was: None,
                    uidvalidity: row.uidvalidity,
                    uidnext: Some(row.uidnext),
                    highest_modseq: Some(row.highest_modseq),
                    special_use: row.special_use,
                    subscribed: row.subscribed,
                    items,
                });
            }
            Ok(mailboxes)
        })?;
        mailboxes.sort_by(|a, b| (!a.name.is_inbox(), &a.name).cmp(&(!b.name.is_inbox(), &b.name)));
        Ok(mailboxes)
    }

    /// Stands for the messages of a mailbox behind the place where its index is damaged.
    fn rest(&self, place: Vec<u8>, error: &StoreError) -> Item {
        let text = format!(
            "the other store's index is damaged here, and what follows in this mailbox is not listed ({error}); make \
             it anew with `{}`, then read the source again",
            rebuild_command(&self.dir)
        );
        let notice = Notice { rule: "9.1", place: String::from_utf8_lossy(&place).into_owned(), text };
        Item {
            locator: Locator { path: place, range: None },
            kind: ItemKind::Unreadable,
            uid: None,
            uidl: None,
            flags: message::Flags::NONE,
            keywords: Vec::new(),
            internal_date: 0,
            stamp: Stamp::default(),
            promised_size: None,
            promised_crlf_size: None,
            notices: vec![notice],
        }
    }

    fn scripts(&self, home: &Home) -> Result<Vec<Script>, DirectoryError> {
        let (Some(directory), Some(address)) = (&self.directory, &home.address) else { return Ok(Vec::new()) };
        let Some(account) = directory.account(address)? else { return Ok(Vec::new()) };
        let scripts = directory.scripts_with_vacation(account.id)?.into_iter();
        Ok(scripts.map(|s| Script { name: s.name, content: s.content, active: s.active }).collect())
    }
}

impl Source for StoreSource {
    fn describe(&self) -> String {
        format!("Reintegra data directory {}", self.dir.display())
    }

    fn directory(&self) -> Result<source::Directory, SourceError> {
        listing::list(self.directory.as_ref(), &self.store).map_err(|e| directory_error(&self.dir, &e))
    }

    fn maildrops(&self) -> Result<Vec<Maildrop>, SourceError> {
        let mut spellings: HashMap<Address, Address> = HashMap::new();
        if let Some(directory) = &self.directory {
            let listed = directory.for_each_account(|account| {
                spellings.insert(account.address.clone(), account.address);
                Ok(())
            });
            listed.map_err(|e| directory_error(&self.dir, &e))?;
        }
        let spelt = |address: &Address| spellings.get(address).unwrap_or(address).clone();
        let homes = self.homes.iter();
        Ok(homes.map(|(place, h)| Maildrop { address: h.address.as_ref().map(spelt), place: place.clone() }).collect())
    }

    fn scan(&self, maildrop: &Maildrop) -> Result<MaildropScan, SourceError> {
        let Some((home, cell)) = self.home(&maildrop.place) else {
            let path = self.dir.join(String::from_utf8_lossy(&maildrop.place).as_ref());
            return Err(SourceError::Io { path, cause: ErrorKind::NotFound.into() });
        };
        let mailboxes = self.mailboxes(&maildrop.place, home, cell).map_err(|e| store_error(&self.dir, e))?;
        let scripts = self.scripts(home).map_err(|e| directory_error(&self.dir, &e))?;
        let notices = stray_notice(&maildrop.place, home).into_iter().collect();
        Ok(MaildropScan { mailboxes, scripts, quota_bytes: None, notices })
    }

    fn read(&self, locator: &Locator, buffer: &mut Vec<u8>) -> Result<(), ReadError> {
        buffer.clear();
        let at = Position::parse(&locator.path).filter(|_| locator.range.is_none()).ok_or(ReadError::Gone)?;
        let (home, cell) = self.home(at.place).ok_or(ReadError::Gone)?;
        let bytes = cell.read(|view| {
            let Some(row) = view.message(home.account, at.mailbox, at.uid)? else { return Ok(Err(ReadError::Gone)) };
            match view.blob_by_id(row.blob)? {
                Some(blob) if blob.digest == at.digest => view.bytes(&blob).map(Ok),
                Some(_) => Ok(Err(ReadError::Changed)),
                None => Err(StoreError::BadRow(format!("the bytes of UID {} are not in it", at.uid))),
            }
        });
        *buffer = bytes.map_err(|error| ReadError::Io(io_error(error)))??;
        Ok(())
    }
}

/// The stable key of an account's mail. Neither part of an address can hold a `/`.
fn place_of(address: &Address) -> String {
    format!("mail/{}/{}", address.domain(), address.localpart().to_lowercase())
}

fn stray_notice(place: &[u8], home: &Home) -> Option<Notice> {
    let place = String::from_utf8_lossy(place).into_owned();
    let text = match &home.address {
        _ if !place.starts_with(STRAYS) => return None,
        Some(address) => format!("the other store has {address} in a cell where it does not look for it"),
        None => "the other store has these mailboxes under a text that is no address".to_owned(),
    };
    Some(Notice { rule: "9.4", place, text })
}

/// A message of the store as a path names it: `PLACE/MAILBOX/UID-DIGEST`. A mailbox keeps its number when it is
/// renamed, and other bytes under one UID (`RULES.md 2.4`) are another path.
struct Position<'a> {
    place: &'a [u8],
    mailbox: store::MailboxId,
    uid: u32,
    digest: Digest,
}

impl<'a> Position<'a> {
    fn path(mailbox_place: &[u8], uid: u32, digest: &Digest) -> Vec<u8> {
        [mailbox_place, format!("/{uid}-{digest}").as_bytes()].concat()
    }

    fn parse(path: &'a [u8]) -> Option<Self> {
        let mut parts = path.rsplitn(3, |b| *b == b'/');
        let (name, mailbox, place) = (parts.next()?, parts.next()?, parts.next()?);
        let (uid, digest) = std::str::from_utf8(name).ok()?.split_once('-')?;
        let mailbox = store::MailboxId(std::str::from_utf8(mailbox).ok()?.parse().ok()?);
        Some(Position { place, mailbox, uid: uid.parse().ok()?, digest: digest.parse().ok()? })
    }
}

fn item(mailbox_place: &[u8], mailbox: &store::Mailbox, message: Message, blob: &Blob) -> Item {
    let uid = Some(message.uid).filter(|_| !message.traits.contains(Traits::UID_MADE_UP));
    // POP3 serves the INBOX alone; nobody was ever told a UIDL of another mailbox.
    let by_rule = || uid.filter(|_| mailbox.name.is_inbox()).zip(mailbox.uidvalidity);
    let ends_early = message.traits.contains(Traits::ENDS_EARLY);
    Item {
        locator: Locator { path: Position::path(mailbox_place, message.uid, &blob.digest), range: None },
        kind: ItemKind::Message,
        uid,
        uidl: message.uidl.or_else(|| by_rule().map(|(uid, uidvalidity)| uidl_by_rule(uidvalidity, uid))),
        flags: message.flags,
        keywords: message.keywords,
        internal_date: message.internal_date,
        stamp: Stamp {
            length_bytes: blob.size_bytes,
            modified_ns: message.internal_date.saturating_mul(1_000_000_000),
            ..Stamp::default()
        },
        // The store knows of every message whether its bytes are whole, from a promise made where it was first read.
        // Of one that ends early it knows no more than that a whole one is longer.
        promised_size: Some(blob.size_bytes + u64::from(ends_early)),
        promised_crlf_size: None,
        notices: Vec::new(),
    }
}

fn rebuild_command(dir: &Path) -> String {
    format!("reintegra --data {} rebuild", dir.display())
}

fn io_error(error: StoreError) -> io::Error {
    let kind = match &error {
        StoreError::Io { cause, .. } => cause.kind(),
        error if error.class() == Class::Corruption => ErrorKind::InvalidData,
        _ => ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

/// Why the other store cannot be a source, and what to do now.
fn store_error(dir: &Path, error: StoreError) -> SourceError {
    let unknown = |message: String| SourceError::Unknown { path: dir.to_owned(), message };
    match error {
        StoreError::InUse { holder, .. } if holder.starts_with(&format!("process {} (", std::process::id())) => {
            unknown(
                "this very command has it open already; a store is not integrated into itself, and is no two sources \
                 at once: name another source"
                    .to_owned(),
            )
        }
        StoreError::InUse { holder, .. } => unknown(format!(
            "it is in use by {holder}, and mail that changes meanwhile cannot be accounted for; wait for that to end, \
             or stop it, or name a copy"
        )),
        StoreError::Io { path, cause }
            if matches!(cause.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) =>
        {
            unknown(format!(
                "{}: {cause}; a data directory is locked and its indexes catch up before it is read, so it must be \
                 writable: run this as its owner, or copy it to a disk that can be written and name the copy",
                path.display()
            ))
        }
        StoreError::Io { path, cause } => SourceError::Io { path, cause },
        StoreError::Directory { path, message } => SourceError::Unknown { path, message },
        error if error.class() == Class::Corruption => unknown(format!(
            "its index is damaged ({error}); make it anew with `{}`, then read it again",
            rebuild_command(dir)
        )),
        error => unknown(error.to_string()),
    }
}

/// Why the other store's accounts cannot be read, and what to do now.
fn directory_error(dir: &Path, error: &DirectoryError) -> SourceError {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        message.push_str(": ");
        message.push_str(&error.to_string());
        cause = error.source();
    }
    if error.class() == ErrorClass::Corruption || matches!(error, DirectoryError::Foreign { .. }) {
        message.push_str(
            "; put a copy from before the damage in its place, or move it away with what else begins with its name: \
             the mail is then read without it, and every account is locked until it gets a password",
        );
    }
    SourceError::Unknown { path: dir.join(DIRECTORY), message }
}
