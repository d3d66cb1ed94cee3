//! Set-up for served mailboxes, and what they hold as values that compare.

use std::collections::BTreeMap;

use message::{Flags, Keyword};
use store::{Account, Cell, Counts, FlagChange, FlagMode, Image, MailboxId, NewMessage, Store};
use tempfile::TempDir;

use crate::support::{DATE, address, name, options, prepared, raw, scratch};

/// A store of one cell, with an account that has an INBOX.
pub(super) struct Served {
    pub(super) _home: TempDir,
    pub(super) store: Store,
    pub(super) ana: Account,
    pub(super) inbox: MailboxId,
}

impl Served {
    pub(super) fn new() -> Self {
        let home = scratch();
        let store = Store::init(home.path(), 1, options()).unwrap();
        let ana = store.cells()[0].open_served(&address("ana@example.org")).unwrap();
        let inbox = id_of(&store.cells()[0], &ana, "INBOX");
        Served { _home: home, store, ana, inbox }
    }

    pub(super) fn cell(&self) -> &Cell {
        &self.store.cells()[0]
    }

    pub(super) fn create(&self, text: &str) -> MailboxId {
        self.cell().create_served(self.ana.id, &name(text), None).unwrap().unwrap().mailbox.id
    }

    /// Appends a message for each text to INBOX.
    pub(super) fn fill(&self, texts: &[&str]) -> Vec<u32> {
        let messages = texts.iter().map(|text| new_message(text)).collect();
        self.cell().append(self.ana.id, self.inbox, messages).unwrap().unwrap().uids
    }

    pub(super) fn flag(&self, uids: &[u32], mode: FlagMode, flags: Flags) {
        let change = change(uids, mode, flags, &[]);
        self.cell().store_flags(self.ana.id, self.inbox, change).unwrap().unwrap();
    }

    pub(super) fn image(&self, mailbox: MailboxId) -> std::sync::Arc<Image> {
        self.cell().image(self.ana.id, mailbox).unwrap().unwrap()
    }
}

pub(super) fn id_of(cell: &Cell, account: &Account, text: &str) -> MailboxId {
    cell.read(|view| view.mailbox_by_name(account.id, &name(text))).unwrap().unwrap().id
}

pub(super) fn new_message(text: &str) -> NewMessage {
    let (flags, keywords) = (Flags::NONE, Vec::new());
    NewMessage { bytes: prepared(&raw(text)), flags, keywords, internal_date: Some(DATE) }
}

pub(super) fn keywords(words: &[&str]) -> Vec<Keyword> {
    words.iter().map(|word| Keyword::new(word).unwrap()).collect()
}

pub(super) fn change(uids: &[u32], mode: FlagMode, flags: Flags, words: &[&str]) -> FlagChange {
    FlagChange { uids: uids.to_vec(), unchanged_since: None, mode, flags, keywords: keywords(words) }
}

/// What a message in a mailbox is, whoever tells.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) blob: i64,
    pub(super) size_bytes: u64,
    pub(super) flags: Flags,
    pub(super) keywords: String,
    pub(super) internal_date: i64,
    pub(super) save_date: i64,
    pub(super) modseq: u64,
}

pub(super) fn text_of(keywords: &[Keyword]) -> String {
    keywords.iter().map(Keyword::as_str).collect::<Vec<_>>().join(" ")
}

/// What an image shows.
pub(super) fn shown(image: &Image) -> BTreeMap<u32, Seen> {
    assert!(image.uids().is_sorted());
    assert!(image.rows().enumerate().all(|(n, row)| image.position(row.uid) == Some(n)));
    let seen = image.rows().map(|row| {
        let seen = Seen {
            blob: row.blob.0,
            size_bytes: row.size_bytes,
            flags: row.flags,
            keywords: text_of(row.keywords),
            internal_date: row.internal_date,
            save_date: row.save_date,
            modseq: row.modseq,
        };
        (row.uid, seen)
    });
    seen.collect()
}

/// What the index holds.
pub(super) fn held(cell: &Cell, account: &Account, mailbox: MailboxId) -> BTreeMap<u32, Seen> {
    let mut all = BTreeMap::new();
    cell.read(|view| {
        view.for_each_message(account.id, mailbox, |m, blob| {
            let seen = Seen {
                blob: m.blob.0,
                size_bytes: blob.size_bytes,
                flags: m.flags,
                keywords: text_of(&m.keywords),
                internal_date: m.internal_date,
                save_date: m.save_date,
                modseq: m.modseq,
            };
            all.insert(m.uid, seen);
            Ok(())
        })
    })
    .unwrap();
    all
}

/// Counted one by one.
pub(super) fn counted(seen: &BTreeMap<u32, Seen>) -> Counts {
    let unseen: Vec<u32> = seen.iter().filter(|(_, m)| !m.flags.contains(Flags::SEEN)).map(|(uid, _)| *uid).collect();
    let deleted = || seen.values().filter(|m| m.flags.contains(Flags::DELETED));
    Counts {
        messages: seen.len() as u64,
        unseen: unseen.len() as u64,
        deleted: deleted().count() as u64,
        size_bytes: seen.values().map(|m| m.size_bytes).sum(),
        deleted_bytes: deleted().map(|m| m.size_bytes).sum(),
        first_unseen: unseen.first().copied(),
    }
}
