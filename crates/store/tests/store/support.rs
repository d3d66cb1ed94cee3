//! Set-up, and what a store holds as plain values that compare.

use std::collections::BTreeMap;
use std::path::Path;

use message::{Address, Digest, Flags, MailboxName, examine};
use store::{
    Account, Cell, Delivery, Item, LIVE, LineageId, MailboxId, NewMailbox, OpenOptions, Prepared, Store, Traits, inbox,
};
use tempfile::TempDir;
use testkit::crashdisk::CrashDisk;

pub(crate) const DATE: i64 = 1_373_392_800;
/// Small enough that a test fills some.
pub(crate) const SMALL_SEGMENT: u64 = 32 << 10;

pub(crate) fn options() -> OpenOptions {
    OpenOptions { segment_bytes: SMALL_SEGMENT, ..OpenOptions::for_purpose("test") }
}

pub(crate) fn options_on(disk: &CrashDisk) -> OpenOptions {
    OpenOptions { segment_bytes: SMALL_SEGMENT, ..disk.options("test") }
}

pub(crate) fn open(dir: &Path) -> Store {
    Store::open(dir, options()).unwrap()
}

/// A directory for a test, in memory where the system has such: what is tested here needs no real disk.
pub(crate) fn scratch() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}

/// Opens what a crash left, on a disk that costs no real syncs.
pub(crate) fn open_image(image: &Path) -> Store {
    let disk = CrashDisk::new(image).unwrap();
    Store::open(disk.root(), options_on(&disk)).unwrap()
}

pub(crate) fn address(text: &str) -> Address {
    Address::new(text).unwrap()
}

pub(crate) fn name(text: &str) -> MailboxName {
    MailboxName::new(text).unwrap()
}

pub(crate) fn mailbox(text: &str, uidvalidity: u32) -> NewMailbox {
    NewMailbox { name: name(text), uidvalidity: Some(uidvalidity), ..inbox() }
}

/// A live account with an INBOX of that UIDVALIDITY.
pub(crate) fn make_account(store: &Store, text: &str, uidvalidity: u32) -> (Account, MailboxId) {
    let address = address(text);
    let made = store.cell_of(&address).write(|tx| {
        tx.create_account(LIVE, &address)?;
        let account = tx.account(LIVE, &address)?.unwrap();
        let inbox = tx.create_mailbox(&account, &mailbox("INBOX", uidvalidity))?;
        Ok((account, inbox))
    });
    made.unwrap()
}

/// A message of its own for each text. One with a length in its text, as `x*5000`, holds that many bytes that zstd
/// cannot pack.
pub(crate) fn raw(text: &str) -> Vec<u8> {
    let mut raw = format!("Subject: {text}\r\nMessage-ID: <{text}@example.org>\r\n\r\n{text}\r\n").into_bytes();
    if let Some((_, length)) = text.split_once('*') {
        raw.extend(noise(text, length.parse().unwrap()));
        raw.extend_from_slice(b"\r\n");
    }
    raw
}

/// Bytes without line endings that do not compress.
fn noise(seed: &str, length_bytes: usize) -> Vec<u8> {
    let mut bytes = vec![0; length_bytes];
    blake3::Hasher::new().update(seed.as_bytes()).finalize_xof().fill(&mut bytes);
    bytes.iter_mut().filter(|b| matches!(**b, b'\r' | b'\n')).for_each(|b| *b = b'.');
    bytes
}

pub(crate) fn digest(raw: &[u8]) -> Digest {
    Digest::from(blake3::hash(raw))
}

pub(crate) fn prepared(raw: &[u8]) -> Prepared {
    Prepared::new(raw, &examine(raw))
}

pub(crate) fn delivery(account: &Account, mailbox: MailboxId, text: &str) -> Delivery {
    Delivery {
        account: account.id,
        mailbox,
        uid: None,
        message: prepared(&raw(text)),
        flags: Flags::SEEN,
        keywords: vec![],
        internal_date: DATE,
        uidl: None,
        traits: Traits::default(),
        item: None,
        id: None,
    }
}

/// Everything that a store holds of accounts, without the numbers that an index gives for itself, the modification
/// sequences and the time of saving.
pub(crate) type Contents = BTreeMap<(LineageId, String), AccountContents>;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct AccountContents {
    pub(crate) mailboxes: BTreeMap<String, MailboxContents>,
    pub(crate) items: BTreeMap<i64, Item>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MailboxContents {
    pub(crate) id: MailboxId,
    pub(crate) uidvalidity: Option<u32>,
    pub(crate) uidnext: u32,
    pub(crate) subscribed: bool,
    pub(crate) messages: BTreeMap<u32, MessageContents>,
    pub(crate) expunged: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MessageContents {
    pub(crate) digest: Digest,
    pub(crate) flags: Flags,
    pub(crate) keywords: String,
    pub(crate) internal_date: i64,
    pub(crate) uidl: Option<String>,
    pub(crate) traits: Traits,
}

/// Reads everything in some lineages, the bytes of every message too.
pub(crate) fn contents(store: &Store, lineages: &[LineageId]) -> Contents {
    let mut all = Contents::new();
    for cell in store.cells() {
        cell.read(|view| {
            for account in lineages.iter().flat_map(|l| view.accounts(*l).unwrap()) {
                let mut found = AccountContents::default();
                for m in view.mailboxes(account.id)? {
                    let mut messages = BTreeMap::new();
                    view.for_each_message(account.id, m.id, |message, blob| {
                        assert_eq!(digest(&view.bytes(&blob)?), blob.digest);
                        let keywords: Vec<&str> = message.keywords.iter().map(|k| k.as_str()).collect();
                        let contents = MessageContents {
                            digest: blob.digest,
                            flags: message.flags,
                            keywords: keywords.join(" "),
                            internal_date: message.internal_date,
                            uidl: message.uidl,
                            traits: message.traits,
                        };
                        messages.insert(message.uid, contents);
                        Ok(())
                    })?;
                    let expunged = view.expunged(account.id, m.id)?.into_iter().map(|(uid, ..)| uid).collect();
                    let contents = MailboxContents {
                        id: m.id,
                        uidvalidity: m.uidvalidity,
                        uidnext: m.uidnext,
                        subscribed: m.subscribed,
                        messages,
                        expunged,
                    };
                    found.mailboxes.insert(m.name.to_string(), contents);
                }
                view.for_each_item(account.id, |number, item| {
                    found.items.insert(number, item);
                    Ok(())
                })?;
                all.insert((account.lineage, account.address), found);
            }
            Ok(())
        })
        .unwrap();
    }
    all
}

pub(crate) fn live(store: &Store) -> Contents {
    contents(store, &[LIVE])
}

pub(crate) fn problems(cell: &Cell) -> Vec<String> {
    cell.check().unwrap().problems.into_iter().map(|p| p.text).collect()
}

#[track_caller]
pub(crate) fn assert_sound(store: &Store) {
    for cell in store.cells() {
        assert_eq!(problems(cell), [""; 0], "cell {}", cell.number());
    }
}
