//! Orphans: messages that belong to no account by where they lie (`RULES.md 9.3`).
//!
//! Each is attributed by its headers and staged into its owner's mailbox `Recuperados`; what names nobody goes to the
//! lineage's own account [`UNATTRIBUTED`], which is never applied. That account also has a row for every orphan that
//! was given away, so that a second staging knows them without reading.

use super::maildrop::origin;
use super::worker::{Buffers, Outcome, Task, prepare, read};
use super::{Run, StageError, StagedKind};
use message::{Address, Evidence, Identity, MailboxName, recipients};
use source::{ItemKind, Maildrop, Notice};
use std::collections::{BTreeMap, HashMap, HashSet};
use store::{Account, AccountId, Delivery, Item, MailboxId, NewMailbox, Origin, StoreError};

/// The account, in every lineage, of orphans that nobody can be found for. `.invalid` is nobody's (RFC 2606 §2).
pub const UNATTRIBUTED: &str = "unattributed@reintegra.invalid";
/// The address of [`UNATTRIBUTED`].
pub(crate) fn nobody() -> Address {
    Address::new(UNATTRIBUTED).expect("it is an address")
}

/// UIDs of orphans: made up, and beyond those that staging makes up for other messages.
pub(crate) const ORPHAN_UIDS: u32 = 0xE000_0000;
const HEAP_STEP: u32 = 0x0100_0000;
/// Orphans that are made durable together.
const BATCH: usize = 128;

/// The mailbox that orphans go into, by the language of their owner.
pub fn recovered_name(language: Option<&str>) -> MailboxName {
    let english = language.is_some_and(|l| l.to_ascii_lowercase().starts_with("en"));
    MailboxName::new(if english { "Recovered" } else { "Recuperados" }).expect("both are mailbox names")
}

/// Who can own an orphan, and what of theirs is staged already.
pub(super) struct Owners {
    languages: HashMap<Address, Option<String>>,
    aliases: HashMap<Address, Address>,
    open: HashMap<Address, Owner>,
}

/// An account that orphans are given to.
struct Owner {
    account: AccountId,
    mailbox: MailboxId,
    mailbox_name: MailboxName,
    held: HashSet<Identity>,
    /// Orphans staged before: number and item by path.
    items: HashMap<Vec<u8>, (i64, Item)>,
    next_number: i64,
    /// UIDs of the mailbox that are taken, and the highest.
    uids: HashSet<u32>,
    highest_uid: u32,
}

impl Owners {
    pub(super) fn new(
        platform: &crate::platform::Platform,
        listed: &source::Directory,
        maildrops: &[Maildrop],
    ) -> Result<Self, StageError> {
        let mut languages: HashMap<Address, Option<String>> = HashMap::new();
        platform.directory.for_each_account(|account| {
            languages.insert(account.address, account.language);
            Ok(())
        })?;
        languages.extend(maildrops.iter().filter_map(|m| Some((m.address.clone()?, None))));
        languages.extend(listed.accounts.iter().map(|a| (a.address.clone(), a.language.clone())));
        let mut aliases = HashMap::new();
        for alias in &listed.aliases {
            // An alias of several people names no one of them.
            if let (source::AliasAddress::Address(from), [target]) = (&alias.address, &alias.targets[..])
                && let Ok(target) = Address::new(target)
                && languages.contains_key(&target)
            {
                aliases.insert(from.clone(), target);
            }
        }
        Ok(Owners { languages, aliases, open: HashMap::new() })
    }

    fn resolve(&self, address: &Address) -> Option<Address> {
        if self.languages.contains_key(address) {
            return Some(address.clone());
        }
        self.aliases.get(address).cloned()
    }

    /// The owner by the headers of one message, and whether the evidence is of delivery and not of writing.
    fn of_message(&self, crlf: &[u8]) -> Option<(Address, bool)> {
        for (evidence, addresses) in recipients(crlf) {
            let found: Vec<Address> = addresses.iter().filter_map(|a| self.resolve(a)).collect();
            match (evidence, &found[..]) {
                (_, []) => {}
                // Whom a mail was written to is no proof of whose copy it is when several of them live here.
                (Evidence::ToCc, [first, rest @ ..]) if rest.iter().all(|a| a == first) => {
                    return Some((first.clone(), false));
                }
                (Evidence::ToCc, _) => {}
                // The uppermost is the last that was delivered to.
                (_, [first, ..]) => return Some((first.clone(), true)),
            }
        }
        None
    }

    fn open(&mut self, run: &Run<'_>, address: &Address) -> Result<&mut Owner, StageError> {
        if !self.open.contains_key(address) {
            let language = self.languages.get(address).cloned().flatten();
            let owner = Owner::load(run, address, recovered_name(language.as_deref()))?;
            self.open.insert(address.clone(), owner);
        }
        Ok(self.open.get_mut(address).expect("it was just put there"))
    }
}

impl Owner {
    fn load(run: &Run<'_>, address: &Address, name: MailboxName) -> Result<Self, StageError> {
        let (cell, lineage) = (run.platform.store.cell_of(address), run.store_lineage());
        let (account, mailbox) = cell.write_unsynced(|tx| {
            let account = tx.account_or_new(lineage, address)?;
            let mailbox = find_or_make(tx, &account, &name)?;
            Ok((account.id, mailbox))
        })?;
        let (mut held, mut items, mut next_number) = (HashSet::new(), HashMap::new(), 1);
        let (mut uids, mut highest_uid) = (HashSet::new(), ORPHAN_UIDS);
        cell.read(|view| {
            for place in view.mailboxes(account)? {
                view.for_each_message(account, place.id, |message, blob| {
                    held.insert(blob.identity);
                    if place.id == mailbox {
                        uids.insert(message.uid);
                        highest_uid = highest_uid.max(message.uid);
                    }
                    Ok(())
                })?;
            }
            view.for_each_item(account, |number, item| {
                next_number = next_number.max(number + 1);
                if item.message.is_none_or(|at| at.0 == mailbox) {
                    items.insert(item.origin.path.clone(), (number, item));
                }
                Ok(())
            })
        })?;
        Ok(Owner { account, mailbox, mailbox_name: name, held, items, next_number, uids, highest_uid })
    }
}

fn find_or_make(tx: &store::Tx<'_>, account: &Account, name: &MailboxName) -> Result<MailboxId, StoreError> {
    if let Some(found) = tx.mailboxes(account.id)?.into_iter().find(|m| m.name == *name) {
        return Ok(found.id);
    }
    // Subscriptions are those of either lineage (`RULES.md 6.3`).
    let new = NewMailbox { name: name.clone(), subscribed: false, ..store::inbox() };
    tx.create_mailbox(account, &new)
}

/// Orphans on their way, by cell.
#[derive(Default)]
struct Pending {
    deliveries: BTreeMap<u32, Vec<Delivery>>,
    rows: Vec<(i64, Item)>,
    count: usize,
}

/// Stages one heap of orphans.
pub(super) fn stage(
    run: &Run<'_>,
    owners: &mut Owners,
    heap: &Maildrop,
    index: usize,
) -> Result<Vec<Notice>, StageError> {
    let scan = run.source.scan(heap)?;
    let nobody = nobody();
    let mut register = Owner::load(run, &nobody, MailboxName::inbox())?;
    let total: usize = scan.mailboxes.iter().map(|m| m.items.len()).sum();
    run.count(|staged| {
        staged.maildrops += 1;
        staged.items += total as u64;
    });
    let mut buffers = Buffers::default();
    let mut pending = Pending::default();
    let mut position = 0;
    for mailbox in &scan.mailboxes {
        let fresh: Vec<&source::Item> = mailbox.items.iter().filter(|i| !register.has(i)).collect();
        let whole = folder_owner(run, owners, &fresh, &mut buffers)?;
        for item in &mailbox.items {
            position += 1;
            if register.has(item) {
                run.count(|staged| staged.unchanged += 1);
                continue;
            }
            let uid = ORPHAN_UIDS + index as u32 * HEAP_STEP + position;
            let one = Orphan { item, uid, mailbox_name: mailbox.name.as_str() };
            one.stage(run, owners, &mut register, whole.as_ref(), &mut buffers, &mut pending)?;
            if pending.count >= BATCH {
                pending.flush(run, &register)?;
            }
        }
    }
    pending.flush(run, &register)?;
    Ok(scan.notices)
}

impl Owner {
    /// Whether an orphan has a row already, and its file is as it was.
    fn has(&self, item: &source::Item) -> bool {
        self.items.get(&item.locator.path).is_some_and(|(_, old)| {
            let (now, then) = (origin(item), &old.origin);
            old.kind != StagedKind::Unreadable as u8
                && (then.range, then.length_bytes, then.modified_ns, then.inode)
                    == (now.range, now.length_bytes, now.modified_ns, now.inode)
        })
    }

    /// The UID of an orphan: by its place in the heap, unless one that was there earlier has it.
    fn uid(&mut self, wanted: u32) -> u32 {
        let uid = if self.uids.contains(&wanted) { self.highest_uid + 1 } else { wanted };
        self.uids.insert(uid);
        self.highest_uid = self.highest_uid.max(uid);
        uid
    }

    fn number(&mut self, path: &[u8]) -> i64 {
        if let Some((number, _)) = self.items.get(path) {
            return *number;
        }
        self.next_number += 1;
        self.next_number - 1
    }
}

/// A Maildir folder whose name is lost was one person's: where all that was delivered into it names one account, the
/// rest of it is theirs too.
fn folder_owner(
    run: &Run<'_>,
    owners: &Owners,
    items: &[&source::Item],
    buffers: &mut Buffers,
) -> Result<Option<Address>, StageError> {
    let in_folder = |i: &source::Item| {
        let mut levels = i.locator.path.rsplit(|b| *b == b'/').skip(1);
        matches!(levels.next(), Some(b"cur" | b"new")) && i.kind == ItemKind::Message
    };
    if items.is_empty() || !items.iter().filter(|i| i.kind == ItemKind::Message).all(|i| in_folder(i)) {
        return Ok(None);
    }
    let mut owner: Option<Address> = None;
    for item in items.iter().filter(|i| in_folder(i)) {
        if run.source.read(&item.locator, buffers.raw_mut()).is_err() {
            continue;
        }
        let crlf = message::to_crlf(buffers.raw_mut());
        if let Some((address, true)) = owners.of_message(&crlf) {
            match &owner {
                Some(other) if *other != address => return Ok(None),
                _ => owner = Some(address),
            }
        }
    }
    Ok(owner)
}

/// One orphan.
struct Orphan<'i> {
    item: &'i source::Item,
    uid: u32,
    mailbox_name: &'i str,
}

impl Orphan<'_> {
    fn stage(
        &self,
        run: &Run<'_>,
        owners: &mut Owners,
        register: &mut Owner,
        whole_folder: Option<&Address>,
        buffers: &mut Buffers,
        pending: &mut Pending,
    ) -> Result<(), StageError> {
        let origin = origin(self.item);
        let number = register.number(&origin.path);
        let kind = match self.item.kind {
            ItemKind::Message => None,
            ItemKind::Unreadable => Some((StagedKind::Unreadable, "it is not a regular file")),
            ItemKind::Unfinished => Some((StagedKind::Unfinished, "an unfinished delivery")),
            ItemKind::NotAMessage => Some((StagedKind::NotAMessage, "not a message")),
            ItemKind::ListedNoFile => Some((StagedKind::ListedNoFile, "listed, no file")),
        };
        if let Some((kind, why)) = kind {
            let why = self.item.notices.first().map_or(why, |n| n.text.as_str());
            pending.row(number, self.row(kind, origin, Some(why.to_owned())));
            return Ok(());
        }
        let mut task = self.task(register, origin.clone());
        let (seen, traits) = match read(run, &task, buffers)? {
            Outcome::Message(seen, traits) => (seen, traits),
            Outcome::Unreadable(why) => {
                run.count(|staged| *staged.unreadable.entry(why.clone()).or_default() += 1);
                pending.row(number, self.row(StagedKind::Unreadable, origin, Some(why)));
                return Ok(());
            }
        };
        let own = owners.of_message(buffers.crlf()).map(|(address, _)| address);
        run.count(|staged| staged.read_bytes += buffers.read_bytes());
        let Some(address) = whole_folder.cloned().or(own) else {
            run.count(|staged| staged.unattributed += 1);
            task.number = number;
            task.uid = register.uid(self.uid);
            let cell = run.platform.store.cell_of(&nobody());
            let known = cell.has(&seen.digest)?;
            let delivery = task.delivery(prepare(known, &seen, buffers), traits);
            return pending.deliver(run, cell.number(), delivery, register);
        };
        run.count(|staged| staged.attributed += 1);
        let owner = owners.open(run, &address)?;
        if !owner.items.contains_key(&origin.path) {
            if !owner.held.insert(seen.identity) {
                let why = format!("{address} holds this message already");
                pending.row(number, self.row(StagedKind::HeldAlready, origin, Some(why)));
                return Ok(());
            }
            let cell = run.platform.store.cell_of(&address);
            let mut task = self.task(owner, origin.clone());
            task.number = owner.number(&origin.path);
            task.uid = owner.uid(self.uid);
            let known = cell.has(&seen.digest)?;
            let delivery = task.delivery(prepare(known, &seen, buffers), traits);
            pending.deliver(run, cell.number(), delivery, register)?;
        }
        pending.row(number, self.row(StagedKind::Attributed, origin, Some(format!("given to {address}"))));
        Ok(())
    }

    fn row(&self, kind: StagedKind, origin: Origin, reason: Option<String>) -> Item {
        let mailbox_name = Some(self.mailbox_name.to_owned());
        Item { origin, kind: kind as u8, message: None, mailbox_name, listed_uid: None, reason }
    }

    fn task(&self, owner: &Owner, origin: Origin) -> Task {
        let mut keywords = self.item.keywords.clone();
        keywords.sort();
        Task {
            account: owner.account,
            mailbox: owner.mailbox,
            mailbox_name: owner.mailbox_name.to_string(),
            number: 0,
            uid: self.uid,
            listed_uid: None,
            uidl: None,
            flags: self.item.flags,
            keywords,
            internal_date: self.item.internal_date,
            locator: self.item.locator.clone(),
            origin,
            promised_size: self.item.promised_size,
            promised_crlf_size: self.item.promised_crlf_size,
        }
    }
}

impl Pending {
    fn row(&mut self, number: i64, item: Item) {
        self.rows.push((number, item));
        self.count += 1;
    }

    fn deliver(&mut self, run: &Run<'_>, cell: u32, delivery: Delivery, register: &Owner) -> Result<(), StageError> {
        self.deliveries.entry(cell).or_default().push(delivery);
        self.count += 1;
        if self.count >= BATCH { self.flush(run, register) } else { Ok(()) }
    }

    /// Messages first, then the rows that say where they went: a crash between leaves a message that is found again.
    fn flush(&mut self, run: &Run<'_>, register: &Owner) -> Result<(), StageError> {
        for (number, deliveries) in std::mem::take(&mut self.deliveries) {
            run.platform.store.cells()[number as usize].deliver(deliveries)?;
        }
        let rows = std::mem::take(&mut self.rows);
        self.count = 0;
        if rows.is_empty() {
            return Ok(());
        }
        let nobody = nobody();
        let cell = run.platform.store.cell_of(&nobody);
        Ok(cell.write_unsynced(|tx| {
            rows.iter().try_for_each(|(number, item)| tx.put_item(register.account, *number, item))
        })?)
    }
}
