//! The maildrop: what POP3 shows of an account's INBOX, as it was at sign-in.

use directory::Pop3Before;
use message::{Digest, Flags, MailboxName};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use store::{AccountId, Cell, FlagChange, FlagMode, MailboxId, Message, StoreError, Traits, uidl_by_rule};

/// The longest UIDL that is served as it was kept. RFC 1939 §7 has 70 characters, which not every server kept to; a line with
/// this many still has the 512 octets of RFC 2449 §4.
const MAX_UIDL_BYTES: usize = 480;

/// What POP3 shows.
#[derive(Debug)]
pub(crate) struct Maildrop {
    account: AccountId,
    inbox: Option<MailboxId>,
    uidvalidity: u32,
    /// In the order of `RULES.md 5.2`.
    messages: Vec<Entry>,
    deleted: BTreeSet<u32>,
    retrieved: BTreeSet<u32>,
}

/// A message of it. There may be a hundred thousand: what can be found again is not kept.
#[derive(Debug)]
pub(crate) struct Entry {
    uid: u32,
    digest: Digest,
    size_bytes: u64,
    /// Its UIDL, where the rule makes another.
    uidl: Option<Box<str>>,
}

/// A message on its way into the maildrop.
struct Found {
    order: (u8, i64, u32),
    is_listed: bool,
    entry: Entry,
}

impl Entry {
    /// Its length in octets.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Its bytes; `None` when they are gone for good.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn bytes(&self, cell: &Cell) -> Result<Option<Vec<u8>>, StoreError> {
        cell.knows(&self.digest)?.map(|blob| cell.bytes(&blob)).transpose()
    }
}

/// Whether POP3 lists a message (`RULES.md 5.3`).
fn is_listed(message: &Message, before: Pop3Before) -> bool {
    if !message.traits.contains(Traits::OF_BEFORE) {
        return true;
    }
    match before {
        Pop3Before::Show => true,
        Pop3Before::Hide => false,
        Pop3Before::SeenHide => !message.flags.contains(Flags::SEEN),
    }
}

/// Whether a UIDL can stand in a listing.
fn is_uidl(uidl: &str) -> bool {
    (1..=MAX_UIDL_BYTES).contains(&uidl.len()) && uidl.bytes().all(|b| b.is_ascii_graphic())
}

/// Makes the UIDLs of a maildrop such that no two are one (RFC 1939 §7), whatever was kept: the first in order keeps its own
/// (`RULES.md 5.2`).
fn settle_uidls(uidvalidity: u32, found: &mut [Found]) {
    let mut taken: HashSet<Box<str>> = HashSet::new();
    for Found { entry, .. } in found.iter_mut() {
        entry.uidl.take_if(|uidl| !is_uidl(uidl) || !taken.insert(uidl.clone()));
    }
    if taken.is_empty() {
        return;
    }
    for Found { entry, .. } in found.iter_mut().filter(|found| found.entry.uidl.is_none()) {
        let by_rule = uidl_by_rule(uidvalidity, entry.uid);
        if taken.contains(by_rule.as_str()) {
            let mut fresh = (2..).map(|number: u32| format!("{by_rule}.{number}").into_boxed_str());
            entry.uidl = fresh.find(|fresh| taken.insert(fresh.clone()));
        }
    }
}

impl Maildrop {
    /// Takes a picture of an account's INBOX.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn open(cell: &Cell, account: AccountId, before: Pop3Before) -> Result<Self, StoreError> {
        cell.read(|view| {
            let mut found = Vec::new();
            let inbox = view.mailbox_by_name(account, &MailboxName::inbox())?;
            let uidvalidity = inbox.as_ref().and_then(|inbox| inbox.uidvalidity).unwrap_or(0);
            if let Some(inbox) = &inbox {
                view.for_each_message(account, inbox.id, |message, blob| {
                    // RULES.md 5.2: by INTERNALDATE within before, then after, whose UIDs go up as mail arrives.
                    let order = match message.traits.contains(Traits::OF_BEFORE) {
                        true => (0, message.internal_date, message.uid),
                        false => (1, 0, message.uid),
                    };
                    let is_listed = is_listed(&message, before);
                    let uidl = message.uidl.map(String::into_boxed_str);
                    let entry = Entry { uid: message.uid, digest: blob.digest, size_bytes: blob.size_bytes, uidl };
                    found.push(Found { order, is_listed, entry });
                    Ok(())
                })?;
            }
            found.sort_unstable_by_key(|found| found.order);
            // Hidden ones too: what is hidden today may be listed tomorrow.
            settle_uidls(uidvalidity, &mut found);
            let messages = found.into_iter().filter(|found| found.is_listed).map(|found| found.entry).collect();
            let (inbox, deleted, retrieved) = (inbox.map(|inbox| inbox.id), BTreeSet::new(), BTreeSet::new());
            Ok(Maildrop { account, inbox, uidvalidity, messages, deleted, retrieved })
        })
    }

    /// The UIDL of a message.
    pub(crate) fn uidl<'a>(&self, entry: &'a Entry) -> Cow<'a, str> {
        match &entry.uidl {
            Some(uidl) => Cow::Borrowed(uidl),
            None => Cow::Owned(uidl_by_rule(self.uidvalidity, entry.uid)),
        }
    }

    /// A message by its number, unless it is marked as deleted.
    pub(crate) fn get(&self, number: u32) -> Option<&Entry> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.messages.get(index).filter(|_| !self.deleted.contains(&number))
    }

    /// The messages with their numbers, without those that are marked as deleted.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (u32, &Entry)> {
        (1..).zip(&self.messages).filter(|(number, _)| !self.deleted.contains(number))
    }

    /// How many there are and how long they are together, in octets.
    pub(crate) fn stat(&self) -> (usize, u64) {
        self.entries().fold((0, 0), |(count, bytes), (_, entry)| (count + 1, bytes + entry.size_bytes()))
    }

    /// Marks a message as deleted; whether there is one.
    pub(crate) fn delete(&mut self, number: u32) -> bool {
        self.get(number).is_some() && self.deleted.insert(number)
    }

    /// Notes that a message was sent whole.
    pub(crate) fn retrieved(&mut self, number: u32) {
        self.retrieved.insert(number);
    }

    /// Takes the marks back.
    pub(crate) fn reset(&mut self) {
        self.deleted.clear();
    }

    /// How many messages are marked as deleted.
    pub(crate) fn marked(&self) -> usize {
        self.deleted.len()
    }

    /// Removes what is marked, and marks as seen what was retrieved. When it returns, both are durable. How many
    /// messages are gone by it; what somebody else removed meanwhile is not counted, and is no error.
    ///
    /// # Errors
    /// Those of the store; what is marked may then still be there, flagged `\Deleted`.
    pub(crate) fn update(&self, cell: &Cell) -> Result<usize, StoreError> {
        let Some(inbox) = self.inbox else { return Ok(0) };
        let uid = |number: &u32| self.messages.get(usize::try_from(*number).ok()?.checked_sub(1)?).map(|e| e.uid);
        let mut gone: Vec<u32> = self.deleted.iter().filter_map(uid).collect();
        let mut seen: Vec<u32> = self.retrieved.difference(&self.deleted).filter_map(uid).collect();
        gone.sort_unstable();
        seen.sort_unstable();
        let add = |uids: Vec<u32>, flags| FlagChange {
            uids,
            unchanged_since: None,
            mode: FlagMode::Add,
            flags,
            keywords: Vec::new(),
        };
        // INBOX cannot be deleted, and the account is in use: what is refused here is refused because all of it is gone.
        if !seen.is_empty() {
            let _gone_already = cell.store_flags(self.account, inbox, add(seen, Flags::SEEN))?;
        }
        if gone.is_empty() {
            return Ok(0);
        }
        let _gone_already = cell.store_flags(self.account, inbox, add(gone.clone(), Flags::DELETED))?;
        let removed = cell.expunge(self.account, inbox, Some(gone))?;
        Ok(removed.map_or(0, |removed| removed.uids.len()))
    }
}
