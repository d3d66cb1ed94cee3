//! One maildrop of a source compared with what is staged of it.

use super::worker::{Buffers, Job, Outcome, Task, read};
use super::{Run, StageError, StagedKind};
use message::{Address, Digest, MailboxName};
use source::remote::RemoteError;
use source::{ItemKind, Locator, Maildrop, MaildropScan, Notice, SourceError};
use std::collections::{HashMap, HashSet};
use std::sync::mpsc::SyncSender;
use store::{
    AccountId, Cell, Item, Mailbox, MailboxId, Message, NewMailbox, Origin, StoreError, Traits, Tx, View, uidl_by_rule,
};

/// UIDs that staging makes up begin here: where no source's own are, and in the order of the source.
pub(crate) const MADE_UP_UIDS: u32 = 0xC000_0000;
/// Room between the made-up UIDs of several maildrops of one address.
const MADE_UP_STEP: u32 = 0x0100_0000;
/// And for those that find theirs taken: below those of orphans.
const SPARE_UIDS: u32 = MADE_UP_UIDS + 31 * MADE_UP_STEP;
/// A batch that is made durable together: enough to share a sync, little enough to hold in memory.
const BATCH_MESSAGES: usize = 256;
const BATCH_BYTES: u64 = 4 << 20;
/// Maildrops whose scripts and quotas are written together.
const FACTS_BATCH: usize = 500;
/// Why a staged message has no file any more.
pub(crate) const GONE: &str = "its file disappeared or changed after it was staged";

/// Goes through maildrops and hands out what must be read.
pub(super) struct Listing<'r, 'a> {
    run: &'r Run<'a>,
    jobs: SyncSender<Job<'r>>,
    pending: Vec<(Vec<Task>, u64)>,
    seen: HashMap<String, u32>,
    facts: Vec<(Address, MaildropScan)>,
    notices: Vec<Notice>,
    buffers: Buffers,
}

/// What is staged of an account already.
struct Known {
    account: Option<AccountId>,
    mailboxes: HashMap<MailboxName, Mailbox>,
    /// Items of this maildrop's place that have a file, by where they lie.
    items: HashMap<Locator, (i64, Item)>,
    /// Staged messages of this place whose file is gone.
    detached: Vec<(i64, Item)>,
    rows: HashMap<(MailboxId, u32), (Message, Digest)>,
    next_number: i64,
}

/// What must be written before anything is read.
#[derive(Default)]
struct Changes {
    items: Vec<(i64, Item)>,
    dropped_items: Vec<i64>,
    rows: Vec<MovedRow>,
}

/// A staged row that must be another.
struct MovedRow {
    /// Its number among the account's items.
    number: i64,
    from: (MailboxId, u32),
    mailbox: MailboxId,
    message: Message,
}

impl<'r, 'a> Listing<'r, 'a> {
    pub(super) fn new(run: &'r Run<'a>, jobs: SyncSender<Job<'r>>) -> Self {
        let pending = run.platform.store.cells().iter().map(|_| (Vec::new(), 0)).collect();
        let (seen, facts, notices, buffers) = Default::default();
        Listing { run, jobs, pending, seen, facts, notices, buffers }
    }

    /// Lists one maildrop and queues what of it must be read.
    pub(super) fn maildrop(&mut self, maildrop: &Maildrop) -> Result<(), StageError> {
        let run = self.run;
        let Some(address) = maildrop.address.as_ref().filter(|_| !run.stopped()) else { return Ok(()) };
        let mut scan = match run.source.scan(maildrop) {
            // It says something of this account alone. Nothing of it is staged; staging again takes it up.
            Err(SourceError::Remote(error @ RemoteError::Refused { .. })) => {
                run.count(|staged| staged.refused.push(format!("{address}: {error}")));
                return Ok(());
            }
            scan => scan?,
        };
        self.notices.append(&mut scan.notices);
        // A second tree of one address (they differ in case, RULES.md 7.8) joins the first; its UIDs were never served
        // beside the first one's, so they are not believed.
        let tree = self.seen.entry(address.key().to_owned()).and_modify(|n| *n += 1).or_insert(0);
        let tree = *tree;
        let cell = run.platform.store.cell_of(address);
        let mut known = cell.read(|view| Known::load(view, run.store_lineage(), address, &maildrop.place))?;
        let (account, mailboxes) = self.prepare_mailboxes(cell, address, &scan, &known, tree)?;
        let mut changes = Changes::default();
        let mut tasks = Vec::new();
        for (mailbox, id) in scan.mailboxes.iter().zip(&mailboxes) {
            for (index, item) in mailbox.items.iter().enumerate() {
                let made_up = MADE_UP_UIDS + tree * MADE_UP_STEP + u32::try_from(index).unwrap_or(MADE_UP_STEP - 1);
                let believed = item.uid.filter(|uid| tree == 0 && *uid < MADE_UP_UIDS);
                let place = Placing { account, id: *id, made_up, believed, mailbox };
                place.compare(item, &mut known, &mut changes, &mut tasks);
            }
        }
        let messages = |m: &source::Mailbox| m.items.iter().filter(|i| i.kind == ItemKind::Message).count();
        let unchanged = scan.mailboxes.iter().map(messages).sum::<usize>() - tasks.len();
        run.count(|staged| {
            staged.maildrops += 1;
            staged.items += scan.mailboxes.iter().map(|m| m.items.len() as u64).sum::<u64>();
            staged.unchanged += unchanged as u64;
        });
        self.settle_gone(&mut known, &mut changes, &mut tasks)?;
        settle_uids(&known, &mut changes, &mut tasks);
        changes.write(cell, account)?;
        self.facts.push((address.clone(), MaildropScan { mailboxes: Vec::new(), ..scan }));
        if self.facts.len() >= FACTS_BATCH {
            self.write_facts()?;
        }
        self.queue(cell, tasks)
    }

    /// The shadow account and its mailboxes, made where they are missing and brought up to date where not.
    fn prepare_mailboxes(
        &self,
        cell: &Cell,
        address: &Address,
        scan: &MaildropScan,
        known: &Known,
        tree: u32,
    ) -> Result<(AccountId, Vec<MailboxId>), StoreError> {
        let lineage = self.run.store_lineage();
        let wanted = |m: &source::Mailbox| {
            let highest = m.items.iter().filter_map(|i| i.uid).filter(|u| *u < MADE_UP_UIDS).max().unwrap_or(0);
            let unknown = tree > 0;
            NewMailbox {
                name: m.name.clone(),
                uidvalidity: m.uidvalidity.filter(|_| !unknown),
                uidnext: if unknown { 1 } else { m.uidnext.unwrap_or(1).max(highest + 1) },
                highest_modseq: m.highest_modseq.unwrap_or(0),
                special_use: m.special_use,
                subscribed: m.subscribed,
            }
        };
        let is_so = |m: &source::Mailbox| {
            known.mailboxes.get(&m.name).is_some_and(|k| {
                let w = wanted(m);
                let settings = (k.special_use, k.subscribed) == (w.special_use, w.subscribed);
                tree > 0 || settings && (k.uidvalidity, k.uidnext) == (w.uidvalidity, w.uidnext)
            })
        };
        if let (Some(account), true) = (known.account, scan.mailboxes.iter().all(is_so)) {
            return Ok((account, scan.mailboxes.iter().map(|m| known.mailboxes[&m.name].id).collect()));
        }
        cell.write_unsynced(|tx| {
            let account = tx.account_or_new(lineage, address)?;
            let there: HashMap<_, _> = tx.mailboxes(account.id)?.into_iter().map(|m| (m.name.clone(), m)).collect();
            let mut ids = Vec::new();
            for mailbox in &scan.mailboxes {
                let wanted = wanted(mailbox);
                ids.push(match there.get(&mailbox.name) {
                    None => tx.create_mailbox(&account, &wanted)?,
                    Some(old) if tree > 0 => old.id,
                    Some(old) => {
                        tx.put_mailbox(account.id, &wanted.numbered(old.id))?;
                        old.id
                    }
                });
            }
            Ok((account.id, ids))
        })
    }

    /// Staged messages whose files are gone: found again under another name by their digest, or kept as they are.
    fn settle_gone(
        &mut self,
        known: &mut Known,
        changes: &mut Changes,
        tasks: &mut Vec<Task>,
    ) -> Result<(), StageError> {
        let mut gone: Vec<(i64, Item)> = std::mem::take(&mut known.detached);
        for (_, (number, item)) in known.items.drain() {
            if item.kind == StagedKind::Message as u8 {
                gone.push((number, item));
            } else {
                changes.dropped_items.push(number);
            }
        }
        if gone.is_empty() {
            return Ok(());
        }
        gone.sort_by_key(|g| g.0);
        let mut by_digest: HashMap<Digest, Vec<(i64, Item)>> = HashMap::new();
        for (number, item) in gone {
            if let Some((_, digest)) = item.message.and_then(|at| known.rows.get(&at)) {
                by_digest.entry(*digest).or_default().push((number, item));
            }
        }
        let mut unread = Vec::new();
        for task in tasks.drain(..) {
            let found = match read(self.run, &task, &mut self.buffers)? {
                Outcome::Unreadable(_) => None,
                Outcome::Message(seen, traits) => {
                    by_digest.get_mut(&seen.digest).filter(|f| !f.is_empty()).map(|f| (f.remove(0), traits))
                }
            };
            let Some(((number, old), traits)) = found else {
                unread.push(task);
                continue;
            };
            let at = old.message.expect("only messages have a digest");
            let (row, _) = &known.rows[&at];
            let message = Message {
                uid: task.uid,
                flags: task.flags,
                keywords: task.keywords.clone(),
                internal_date: task.internal_date,
                uidl: task.uidl.clone(),
                traits,
                ..row.clone()
            };
            let kind = StagedKind::Message as u8;
            let origin = task.origin.clone();
            let (mailbox_name, listed_uid, reason) = (None, None, None);
            let message_at = Some((task.mailbox, task.uid));
            changes.items.push((number, Item { origin, kind, message: message_at, mailbox_name, listed_uid, reason }));
            changes.rows.push(MovedRow { number, from: at, mailbox: task.mailbox, message });
            self.run.count(|staged| staged.moved += 1);
        }
        *tasks = unread;
        for (number, mut item) in by_digest.into_values().flatten() {
            self.run.count(|staged| staged.gone += 1);
            if item.reason.as_deref() != Some(GONE) {
                item.reason = Some(GONE.to_owned());
                changes.items.push((number, item));
            }
        }
        Ok(())
    }

    fn queue(&mut self, cell: &'r Cell, tasks: Vec<Task>) -> Result<(), StageError> {
        let bytes = tasks.iter().map(|t| t.origin.length_bytes).sum();
        self.run.progress.found(tasks.len() as u64, bytes);
        for task in tasks {
            let (pending, bytes) = &mut self.pending[cell.number() as usize];
            *bytes += task.origin.range.map_or(task.origin.length_bytes, |r| r.1);
            pending.push(task);
            if pending.len() >= BATCH_MESSAGES || *bytes >= BATCH_BYTES {
                self.send(cell)?;
            }
        }
        Ok(())
    }

    fn send(&mut self, cell: &'r Cell) -> Result<(), StageError> {
        let (tasks, _) = std::mem::take(&mut self.pending[cell.number() as usize]);
        if tasks.is_empty() {
            return Ok(());
        }
        // The disk begins while earlier batches are being read and packed.
        tasks.iter().for_each(|task| self.run.source.read_ahead(&task.locator));
        self.jobs.send(Job { cell, tasks }).map_err(|_| StageError::Worker)
    }

    /// Hands out what is left.
    pub(super) fn flush(&mut self) -> Result<(), StageError> {
        for cell in self.run.platform.store.cells() {
            self.send(cell)?;
        }
        self.write_facts()
    }

    /// Closes the queue, so that workers end, and gives the findings.
    pub(super) fn finish(self) -> Vec<Notice> {
        self.notices
    }

    fn write_facts(&mut self) -> Result<(), StageError> {
        let (facts, lineage) = (std::mem::take(&mut self.facts), self.run.lineage);
        if !facts.is_empty() {
            self.run.platform.directory.write(|tx| {
                facts.iter().try_for_each(|(address, scan)| crate::accounts::stage_maildrop(tx, lineage, address, scan))
            })?;
        }
        Ok(())
    }
}

/// Gives another UID, made up, to what would have one that is taken: by a message whose file is gone, or, where the
/// source has no UIDs, by one that stood at this place of the listing before.
fn settle_uids(known: &Known, changes: &mut Changes, tasks: &mut [Task]) {
    if changes.rows.is_empty() && tasks.is_empty() {
        return;
    }
    let mut taken: HashSet<(MailboxId, u32)> = known.rows.keys().copied().collect();
    for row in &changes.rows {
        taken.remove(&row.from);
    }
    let mut renumbered: HashMap<i64, (MailboxId, u32)> = HashMap::new();
    for MovedRow { number, mailbox, message, .. } in &mut changes.rows {
        if !taken.insert((*mailbox, message.uid)) {
            message.uid = free_uid(&mut taken, *mailbox, *number);
            message.traits = message.traits.with(Traits::UID_MADE_UP);
            renumbered.insert(*number, (*mailbox, message.uid));
        }
    }
    for (number, item) in &mut changes.items {
        item.message = renumbered.get(number).copied().or(item.message);
    }
    for task in tasks {
        if !taken.insert((task.mailbox, task.uid)) {
            task.uid = free_uid(&mut taken, task.mailbox, task.number);
            task.listed_uid = None;
        }
    }
}

/// Takes a made-up UID that no row of a mailbox has.
fn free_uid(taken: &mut HashSet<(MailboxId, u32)>, mailbox: MailboxId, number: i64) -> u32 {
    let start = SPARE_UIDS + (number as u32 & (MADE_UP_STEP - 1));
    (start..u32::MAX).find(|uid| taken.insert((mailbox, *uid))).expect("a mailbox has fewer than 2^29 messages")
}

impl Known {
    fn load(view: &View<'_>, lineage: store::LineageId, address: &Address, place: &[u8]) -> Result<Known, StoreError> {
        let (mailboxes, items, detached, rows) = Default::default();
        let mut known = Known { account: None, mailboxes, items, detached, rows, next_number: 1 };
        let Some(account) = view.account(lineage, address)? else { return Ok(known) };
        known.account = Some(account.id);
        for mailbox in view.mailboxes(account.id)? {
            view.for_each_message(account.id, mailbox.id, |message, blob| {
                known.rows.insert((mailbox.id, message.uid), (message, blob.digest));
                Ok(())
            })?;
            known.mailboxes.insert(mailbox.name.clone(), mailbox);
        }
        view.for_each_item(account.id, |number, item| {
            known.next_number = known.next_number.max(number + 1);
            let here = item.origin.path.strip_prefix(place).is_some_and(|r| r.is_empty() || r[0] == b'/');
            if !here {
                return Ok(());
            }
            if item.reason.as_deref() == Some(GONE) {
                known.detached.push((number, item));
            } else {
                let locator = Locator { path: item.origin.path.clone(), range: item.origin.range };
                known.items.insert(locator, (number, item));
            }
            Ok(())
        })?;
        Ok(known)
    }

    fn number(&mut self) -> i64 {
        self.next_number += 1;
        self.next_number - 1
    }
}

/// Where an item of the source belongs.
struct Placing<'m> {
    account: AccountId,
    id: MailboxId,
    made_up: u32,
    believed: Option<u32>,
    mailbox: &'m source::Mailbox,
}

impl Placing<'_> {
    /// Decides what there is to do about one item.
    fn compare(&self, item: &source::Item, known: &mut Known, changes: &mut Changes, tasks: &mut Vec<Task>) {
        let old = known.items.remove(&item.locator);
        let origin = origin(item);
        if item.kind != ItemKind::Message {
            let wanted = self.other_item(item, origin);
            match old {
                Some((_, old)) if old == wanted => {}
                Some((number, old)) => {
                    if old.kind == StagedKind::Message as u8 {
                        known.detached.push((number, old));
                        changes.items.push((known.number(), wanted));
                    } else {
                        changes.items.push((number, wanted));
                    }
                }
                None => changes.items.push((known.number(), wanted)),
            }
            return;
        }
        let mut task = self.task(item, origin);
        match old {
            Some((number, old)) if old.kind == StagedKind::Message as u8 && same_file(&old.origin, &task.origin) => {
                self.keep(number, old, task, known, changes);
            }
            Some((number, old)) if old.kind == StagedKind::Message as u8 => {
                // Another file under the same name. Its digest will tell whether it is the same message.
                known.detached.push((number, old));
                task.number = known.number();
                tasks.push(task);
            }
            Some((number, _)) => {
                task.number = number;
                tasks.push(task);
            }
            None => {
                task.number = known.number();
                tasks.push(task);
            }
        }
    }

    /// An unchanged file: what other files say of it (UID, keywords) may have changed all the same.
    fn keep(&self, number: i64, old: Item, task: Task, known: &mut Known, changes: &mut Changes) {
        let Some((at, (row, _))) = old.message.and_then(|at| known.rows.get(&at).map(|r| (at, r))) else { return };
        let made_up = row.traits.contains(Traits::UID_MADE_UP);
        let uid_is_right = match task.listed_uid {
            Some(uid) => at.1 == uid,
            None => made_up,
        };
        let place_is_right = at.0 == task.mailbox && uid_is_right;
        let said = (row.flags, &row.keywords, row.internal_date, &row.uidl);
        if place_is_right && said == (task.flags, &task.keywords, task.internal_date, &task.uidl) {
            if old.origin.mended != task.origin.mended {
                changes.items.push((number, Item { origin: task.origin, ..old }));
            }
            return;
        }
        let uid = if place_is_right { at.1 } else { task.uid };
        let traits = match task.listed_uid {
            Some(_) => Traits(row.traits.0 & !Traits::UID_MADE_UP.0),
            None => row.traits.with(Traits::UID_MADE_UP),
        };
        let (flags, keywords, internal_date, uidl) = (task.flags, task.keywords, task.internal_date, task.uidl);
        let message = Message { uid, flags, keywords, internal_date, uidl, traits, ..row.clone() };
        changes.items.push((number, Item { origin: task.origin, message: Some((task.mailbox, uid)), ..old }));
        changes.rows.push(MovedRow { number, from: at, mailbox: task.mailbox, message });
    }

    fn task(&self, item: &source::Item, origin: Origin) -> Task {
        let mut keywords = item.keywords.clone();
        keywords.sort();
        let uid = self.believed.unwrap_or(self.made_up);
        let by_rule = self.mailbox.uidvalidity.map(|v| uidl_by_rule(v, uid));
        Task {
            account: self.account,
            mailbox: self.id,
            mailbox_name: self.mailbox.name.to_string(),
            number: 0,
            uid,
            listed_uid: self.believed,
            uidl: item.uidl.clone().filter(|uidl| self.believed.is_none() || Some(uidl) != by_rule.as_ref()),
            flags: item.flags,
            keywords,
            internal_date: item.internal_date,
            locator: item.locator.clone(),
            origin,
            promised_size: item.promised_size,
            promised_crlf_size: item.promised_crlf_size,
        }
    }

    fn other_item(&self, item: &source::Item, origin: Origin) -> Item {
        let (kind, default_reason) = match item.kind {
            ItemKind::Message | ItemKind::Unreadable => (StagedKind::Unreadable, "it is not a regular file"),
            ItemKind::Unfinished => (StagedKind::Unfinished, "an unfinished delivery"),
            ItemKind::NotAMessage => (StagedKind::NotAMessage, "not a message"),
            ItemKind::ListedNoFile => (StagedKind::ListedNoFile, "listed, no file"),
        };
        let reason = item.notices.first().map_or(default_reason, |n| n.text.as_str());
        Item {
            origin: Origin { mended: None, ..origin },
            kind: kind as u8,
            message: None,
            mailbox_name: Some(self.mailbox.name.to_string()),
            listed_uid: item.uid,
            reason: Some(reason.to_owned()),
        }
    }
}

impl Changes {
    fn write(self, cell: &Cell, account: AccountId) -> Result<(), StoreError> {
        if self.items.is_empty() && self.rows.is_empty() && self.dropped_items.is_empty() {
            return Ok(());
        }
        cell.write_unsynced(|tx: &Tx<'_>| {
            // First all out, then all in: rows may trade places.
            for MovedRow { from: (mailbox, uid), .. } in &self.rows {
                tx.remove_message(account, *mailbox, *uid)?;
            }
            for MovedRow { mailbox, message, .. } in &self.rows {
                tx.put_message(account, *mailbox, message)?;
            }
            self.items.iter().try_for_each(|(number, item)| tx.put_item(account, *number, item))?;
            self.dropped_items.iter().try_for_each(|number| tx.remove_item(account, *number))
        })
    }
}

pub(super) fn origin(item: &source::Item) -> Origin {
    let notices: Vec<String> = item.notices.iter().map(|n| format!("{}: {}", n.rule, n.text)).collect();
    let mended = (!notices.is_empty()).then(|| serde_json::Value::from(notices).to_string());
    Origin {
        path: item.locator.path.clone(),
        range: item.locator.range,
        length_bytes: item.stamp.length_bytes,
        modified_ns: item.stamp.modified_ns,
        changed_ns: item.stamp.changed_ns,
        inode: item.stamp.inode,
        mended,
    }
}

fn same_file(a: &Origin, b: &Origin) -> bool {
    (a.length_bytes, a.modified_ns, a.changed_ns, a.inode) == (b.length_bytes, b.modified_ns, b.changed_ns, b.inode)
}
