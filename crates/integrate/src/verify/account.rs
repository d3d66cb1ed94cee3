//! One account under verification: what its histories hold, what the result holds, and whether all is accounted for.

mod pairs;

use super::reading::{Buffers, Seen};
use super::{AccountProof, Run};
use crate::integration::IntegrationError;
use crate::journal::{CopyFate, FateKind, Fates, Progressed, unpack_state};
use crate::ledger::{LedgerRow, LineageRole, Outcome, Target, encode_path};
use crate::plan::Rules;
use crate::report::{
    AccountReport, Case, DamageEntry, DamageReason, MailboxReport, PasswordOrigin, Totals, UidDecision,
};
use crate::stage::{GONE, StagedKind, nobody};
use message::{Address, Flags, Identity};
use source::Locator;
use std::collections::{BTreeMap, HashMap, HashSet};
use store::{Blob, Cell, Item, LIVE, Mailbox, Message, StoreError, Traits, View};

/// A message of the result, by its mailbox's number and its UID.
type At = (i64, u32);

/// An account and everything that must be looked at for it.
pub(super) struct AccountWork<'a> {
    /// `None`: the orphans that belong to nobody.
    address: Option<Address>,
    pub(super) cell: &'a Cell,
    items: Vec<WorkItem>,
    /// Files that a source lists now and that were not staged: history and place.
    unstaged: Vec<(usize, Locator)>,
    live: Live,
    /// The live account as it was before the apply, by place there; `None`: there was none, or nothing was applied.
    was: BTreeMap<At, Was>,
    /// What became of each of `was`.
    after_fates: HashMap<At, CopyFate>,
    fates: Option<Fates>,
    state: Option<Progressed>,
    existed: bool,
}

struct WorkItem {
    history: usize,
    role: LineageRole,
    item: Item,
    /// The mailbox that it stands in, in its source.
    mailbox: String,
    uidvalidity: Option<u32>,
    staged: Option<(Message, Blob)>,
    /// What the source's own listing says of it now.
    listed: Option<source::Item>,
    end: End,
    /// The live message that an import made of it, when the integration found it.
    live: Option<At>,
}

/// Where a copy ended, by the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Result {
        at: At,
        kept: bool,
        rules: Rules,
    },
    Deleted(Rules),
    /// Its owner expunged it between the import and the integration.
    ExpungedEarlier,
    /// Neither lineage has what the base had.
    Gone,
    Sealed,
    Unattributed,
    NoMessage,
    /// The journal does not know it.
    Unknown,
}

impl WorkItem {
    /// Whether staging found its file gone: what lies at its place now, if anything, is another item.
    fn is_gone(&self) -> bool {
        self.item.reason.as_deref() == Some(GONE)
    }
}

struct Was {
    mailbox: String,
    identity: Option<Identity>,
    digest: message::Digest,
    size_bytes: u64,
}

#[derive(Default)]
struct Live {
    mailboxes: Vec<Mailbox>,
    rows: Vec<(usize, Message, Blob)>,
    by_place: HashMap<At, usize>,
    expunged: HashSet<At>,
}

/// A verified account.
pub(super) struct Finished {
    pub(super) rows: Vec<LedgerRow>,
    pub(super) proof: AccountProof,
}

impl<'a> AccountWork<'a> {
    /// Lists what there is of an account, without reading messages.
    pub(super) fn gather(run: &Run<'a>, address: Address) -> Result<Self, IntegrationError> {
        let cell = run.platform.store.cell_of(&address);
        let mut work = cell.read(|view| Self::load(run, view, cell, &address))?;
        for (index, history) in run.histories.all.iter().enumerate() {
            let mut listed = history.listed(&address)?;
            for item in work.items.iter_mut().filter(|i| i.history == index && !i.is_gone()) {
                let locator = Locator { path: item.item.origin.path.clone(), range: item.item.origin.range };
                item.listed = listed.remove(&locator).map(|l| l.0);
                item.listed = item.listed.take().or_else(|| history.orphans.get(&locator).cloned());
            }
            work.unstaged.extend(listed.into_keys().map(|locator| (index, locator)));
        }
        work.unstaged.sort();
        // Each lineage may write it in its own way; it is named as it stays (`RULES.md 7.8`).
        let stays = run.platform.directory.account(&address)?.map(|account| account.address);
        work.address = Some(stays.unwrap_or(address));
        Ok(work)
    }

    /// The orphans that belong to nobody, and files beside them.
    pub(super) fn unattributed(run: &Run<'a>) -> Result<Vec<Self>, IntegrationError> {
        let address = nobody();
        let cell = run.platform.store.cell_of(&address);
        let mut work = cell.read(|view| Self::load(run, view, cell, &address))?;
        let mut known: Vec<HashSet<Locator>> = Vec::new();
        for (index, history) in run.histories.all.iter().enumerate() {
            let mut given = HashSet::new();
            // Orphans with an owner are in the owner's account; the register knows them all.
            cell.read(|view| {
                let Some(account) = view.account(history.lineage, &address)? else { return Ok(()) };
                view.for_each_item(account.id, |_, item| {
                    given.insert(Locator { path: item.origin.path, range: item.origin.range });
                    Ok(())
                })
            })?;
            let unstaged = history.orphans.keys().filter(|l| !given.contains(l)).cloned();
            work.unstaged.extend(unstaged.map(|l| (index, l)));
            for item in work.items.iter_mut().filter(|i| i.history == index) {
                let locator = Locator { path: item.item.origin.path.clone(), range: item.item.origin.range };
                item.listed = history.orphans.get(&locator).cloned();
                if item.end == End::Unknown {
                    item.end = End::Unattributed;
                }
            }
            known.push(given);
        }
        work.unstaged.sort();
        Ok(if work.items.is_empty() && work.unstaged.is_empty() { Vec::new() } else { vec![work] })
    }

    fn load(run: &Run<'a>, view: &View<'_>, cell: &'a Cell, address: &Address) -> Result<Self, StoreError> {
        let id = run.lineages.row.id.get();
        let journal = view.journal(id, address)?;
        let state = journal.as_ref().and_then(|j| Progressed::from_word(&j.state));
        let fates = journal.as_ref().and_then(|j| j.fates.as_deref()).map(Fates::unpack).transpose()?;
        let live = Live::load(view, address)?;
        let mut work = AccountWork {
            address: None,
            cell,
            items: Vec::new(),
            unstaged: Vec::new(),
            after_fates: fates.as_ref().map(|f| Fates::by_copy(&f.after)).unwrap_or_default(),
            was: BTreeMap::new(),
            live,
            existed: journal.as_ref().is_some_and(|j| j.was.is_some()),
            state,
            fates,
        };
        match journal.and_then(|j| j.was) {
            Some(was) => work.was = was_of(view, &unpack_state(&was)?)?,
            // Not touched by the integration: as it is, is as it was.
            None if state != Some(Progressed::Applied) => work.was = work.live.as_was(),
            None => {}
        }
        for index in 0..run.histories.all.len() {
            work.load_items(run, view, address, index)?;
        }
        work.items.sort_by(|a, b| {
            let key = |i: &WorkItem| (i.role, i.history, i.item.origin.path.clone(), i.item.origin.range);
            key(a).cmp(&key(b))
        });
        Ok(work)
    }

    fn load_items(
        &mut self,
        run: &Run<'a>,
        view: &View<'_>,
        address: &Address,
        index: usize,
    ) -> Result<(), StoreError> {
        let history = &run.histories.all[index];
        let Some(account) = view.account(history.lineage, address)? else { return Ok(()) };
        let mut staged: HashMap<At, (Message, Blob, String, Option<u32>)> = HashMap::new();
        for mailbox in view.mailboxes(account.id)? {
            view.for_each_message(account.id, mailbox.id, |message, blob| {
                let name = mailbox.name.to_string();
                staged.insert((mailbox.id.0, message.uid), (message, blob, name, mailbox.uidvalidity));
                Ok(())
            })?;
        }
        let own = history.journal == run.lineages.row.id;
        let imported = match own {
            true => None,
            false => view.journal(history.journal.get(), address)?.and_then(|j| j.fates),
        };
        let imported = imported.as_deref().map(Fates::unpack).transpose()?;
        let ends = Ends::new(self, history.role, own, imported.as_ref());
        let mut items = Vec::new();
        view.for_each_item(account.id, |_, item| {
            if item.kind == StagedKind::Attributed as u8 {
                return Ok(());
            }
            let there = item.message.and_then(|at| staged.get(&(at.0.0, at.1)).map(|s| ((at.0.0, at.1), s)));
            let (mailbox, uidvalidity) = match &there {
                Some((_, s)) => (s.2.clone(), s.3),
                None => (item.mailbox_name.clone().unwrap_or_default(), None),
            };
            items.push(WorkItem {
                history: index,
                role: history.role,
                end: there.as_ref().map_or(End::NoMessage, |(at, _)| ends.of(*at)),
                live: there.as_ref().and_then(|(at, _)| ends.live(*at)),
                staged: there.map(|(_, s)| (s.0.clone(), s.1)),
                item,
                mailbox,
                uidvalidity,
                listed: None,
            });
            Ok(())
        })?;
        self.items.extend(items);
        Ok(())
    }

    /// How much there is to look at.
    pub(super) fn weight(&self) -> usize {
        self.items.len() + self.live.rows.len()
    }

    /// Items whose bytes are to be read.
    pub(super) fn to_read(&self) -> impl Iterator<Item = usize> + '_ {
        let readable = |i: &WorkItem| {
            let kinds = [StagedKind::Message, StagedKind::Unreadable, StagedKind::HeldAlready];
            // What lies there as no regular file stays unread.
            let listed = i.listed.as_ref().is_none_or(|l| l.kind == source::ItemKind::Message);
            kinds.iter().any(|k| *k as u8 == i.item.kind) && listed && !i.is_gone()
        };
        self.items.iter().enumerate().filter(move |(_, i)| readable(i)).map(|(index, _)| index)
    }

    /// Where an item lies: its history and its place there.
    pub(super) fn locator(&self, item: usize) -> (usize, Locator) {
        let item = &self.items[item];
        (item.history, Locator { path: item.item.origin.path.clone(), range: item.item.origin.range })
    }

    /// The bytes of every message of the result.
    pub(super) fn result_blobs(&self) -> impl Iterator<Item = Blob> + '_ {
        self.live.rows.iter().map(|(_, _, blob)| *blob)
    }

    /// Decides, from what was read.
    pub(super) fn finish(
        self,
        run: &Run<'_>,
        seen: HashMap<usize, Result<Seen, String>>,
        result: Vec<Result<Identity, String>>,
    ) -> Result<Finished, IntegrationError> {
        let judge = Judge { run, work: &self, seen, result, tally: HashMap::new(), rows: Vec::new() };
        judge.judge()
    }

    fn arrived_since(&self, mailbox: &Mailbox, uid: u32) -> bool {
        match &self.fates {
            None => false,
            Some(fates) => fates.mailboxes.iter().find(|m| m.id == mailbox.id.0).is_none_or(|m| uid >= m.uidnext),
        }
    }
}

/// From a staged copy's place to where it ended.
struct Ends<'f> {
    first: HashMap<At, CopyFate>,
    first_boxes: Vec<i64>,
    /// For an import: what the integration did with what the import made.
    second: Option<(&'f HashMap<At, CopyFate>, Vec<i64>, bool)>,
    state: Option<Progressed>,
    base: bool,
}

impl<'f> Ends<'f> {
    fn new(work: &'f AccountWork<'_>, role: LineageRole, own: bool, imported: Option<&Fates>) -> Self {
        let boxes = |f: &Fates| f.mailboxes.iter().map(|m| m.id).collect::<Vec<_>>();
        let own_boxes = work.fates.as_ref().map(boxes).unwrap_or_default();
        let base = role == LineageRole::Base;
        let (first, first_boxes, second) = match own {
            true => {
                let copies = work.fates.as_ref().map(|f| if base { &f.base } else { &f.before });
                (copies.map(|c| Fates::by_copy(c)).unwrap_or_default(), own_boxes, None)
            }
            false => (
                imported.map(|f| Fates::by_copy(&f.before)).unwrap_or_default(),
                imported.map(boxes).unwrap_or_default(),
                Some((&work.after_fates, own_boxes, work.fates.is_some())),
            ),
        };
        Ends { first, first_boxes, second, state: work.state, base }
    }

    fn of(&self, at: At) -> End {
        if self.second.is_none() && !self.base && matches!(self.state, Some(Progressed::Sealed | Progressed::Moved)) {
            return End::Sealed;
        }
        let Some(fate) = self.first.get(&at) else { return End::Unknown };
        let first = end(fate, &self.first_boxes);
        let (Some((second, boxes, integrated)), End::Result { at, .. }) = (&self.second, first) else { return first };
        match second.get(&at) {
            Some(fate) => end(fate, boxes),
            None if *integrated => End::ExpungedEarlier,
            None => first,
        }
    }

    /// What an import made of it.
    fn live(&self, at: At) -> Option<At> {
        self.second.as_ref()?;
        match end(self.first.get(&at)?, &self.first_boxes) {
            End::Result { at, .. } => Some(at),
            _ => None,
        }
    }
}

fn end(fate: &CopyFate, boxes: &[i64]) -> End {
    let at = fate.target.and_then(|(index, uid)| boxes.get(index).map(|id| (*id, uid)));
    match (fate.outcome, at) {
        (FateKind::Kept, Some(at)) => End::Result { at, kept: true, rules: fate.rules },
        (FateKind::SameAs, Some(at)) => End::Result { at, kept: false, rules: fate.rules },
        (FateKind::Deleted, _) => End::Deleted(fate.rules),
        (FateKind::Gone, _) => End::Gone,
        _ => End::Unknown,
    }
}

fn was_of(view: &View<'_>, state: &store::AccountState) -> Result<BTreeMap<At, Was>, StoreError> {
    let mut was = BTreeMap::new();
    for mailbox in &state.mailboxes {
        for (message, digest) in &mailbox.messages {
            let blob = view.blob(digest)?;
            let one = Was {
                mailbox: mailbox.mailbox.name.to_string(),
                identity: blob.map(|b| b.identity),
                digest: *digest,
                size_bytes: blob.map_or(0, |b| b.size_bytes),
            };
            was.insert((mailbox.mailbox.id.0, message.uid), one);
        }
    }
    Ok(was)
}

impl Live {
    fn load(view: &View<'_>, address: &Address) -> Result<Self, StoreError> {
        let mut live = Live::default();
        let Some(account) = view.account(LIVE, address)? else { return Ok(live) };
        for mailbox in view.mailboxes(account.id)? {
            let index = live.mailboxes.len();
            view.for_each_message(account.id, mailbox.id, |message, blob| {
                live.by_place.insert((mailbox.id.0, message.uid), live.rows.len());
                live.rows.push((index, message, blob));
                Ok(())
            })?;
            live.expunged.extend(view.expunged(account.id, mailbox.id)?.into_iter().map(|e| (mailbox.id.0, e.0)));
            live.mailboxes.push(mailbox);
        }
        Ok(live)
    }

    fn as_was(&self) -> BTreeMap<At, Was> {
        let one = |(index, message, blob): &(usize, Message, Blob)| {
            let mailbox = &self.mailboxes[*index];
            let was = Was {
                mailbox: mailbox.name.to_string(),
                identity: Some(blob.identity),
                digest: blob.digest,
                size_bytes: blob.size_bytes,
            };
            ((mailbox.id.0, message.uid), was)
        };
        self.rows.iter().map(one).collect()
    }
}

/// Copies of one identity.
#[derive(Default)]
struct Copies {
    before: u64,
    after: u64,
    base: u64,
    result: u64,
    /// Distinct messages of the result that were expunged since.
    expunged: HashSet<At>,
    /// Some copy was joined with another message, or deleted by policy: counts need not match.
    excused: bool,
}

struct Judge<'a, 'w> {
    run: &'a Run<'a>,
    work: &'a AccountWork<'w>,
    seen: HashMap<usize, Result<Seen, String>>,
    result: Vec<Result<Identity, String>>,
    tally: HashMap<Identity, Copies>,
    rows: Vec<LedgerRow>,
}

impl Judge<'_, '_> {
    fn judge(mut self) -> Result<Finished, IntegrationError> {
        let mut proof = AccountProof {
            address: self.work.address.as_ref().map(|a| a.to_string()),
            totals: Totals::default(),
            report: None,
            damage: Vec::new(),
            same_message_id: Vec::new(),
            near_twins: Vec::new(),
            problems: Vec::new(),
        };
        for index in 0..self.work.items.len() {
            let row = self.item(index, &mut proof)?;
            self.rows.push(row);
        }
        self.unlisted_live(&mut proof);
        for (history, locator) in &self.work.unstaged {
            let source = self.run.histories.all[*history].source.describe();
            let text = format!("{} of {source} was not staged; stage again", encode_path(&locator.path));
            proof.problems.push(self.about(&text));
        }
        self.count_result(&mut proof);
        self.compare_counts(&mut proof);
        self.totals(&mut proof);
        if let Some(fates) =
            self.work.fates.as_ref().filter(|f| !f.same_message_id.is_empty() || !f.near_twins.is_empty())
        {
            let sides = pairs::Sides::of(self.work);
            proof.same_message_id = sides.pairs(fates.same_message_id.iter().map(|(a, b)| (a, b)))?;
            proof.near_twins = sides.pairs(fates.near_twins.iter().map(|(a, b, _)| (a, b)))?;
        }
        Ok(Finished { rows: self.rows, proof })
    }

    fn about(&self, text: &str) -> String {
        match &self.work.address {
            Some(address) => format!("{address}: {text}"),
            None => format!("orphans: {text}"),
        }
    }

    /// One item of a source: its row, and what of it is wrong.
    fn item(&mut self, index: usize, proof: &mut AccountProof) -> Result<LedgerRow, IntegrationError> {
        let item = &self.work.items[index];
        let seen = self.seen.get(&index).cloned();
        let mut row = self.blank_row(item);
        if let Some(Ok(seen)) = &seen {
            (row.digest, row.identity, row.size_bytes) = (Some(seen.digest), Some(seen.identity), seen.size_bytes);
        }
        let kind = StagedKind::from_number(item.item.kind);
        let ok = match kind {
            Some(StagedKind::Message) => self.message(item, seen, &mut row)?,
            Some(StagedKind::HeldAlready) => {
                row.outcome = Outcome::SameAs;
                row.rules.push("9.3".into());
                self.held_already(item, seen, &mut row)?
            }
            Some(StagedKind::Unreadable) => {
                row.outcome = Outcome::Unreadable;
                row.rules.push("9.1".into());
                match seen {
                    Some(Ok(_)) => {
                        row.reason =
                            Some("it could not be read when it was staged, and can be now: stage again".into());
                        Err("an unreadable file can be read now; stage again".to_owned())
                    }
                    _ => Ok(()),
                }
            }
            other => {
                row.outcome = match other {
                    Some(StagedKind::Unfinished) => Outcome::Unfinished,
                    Some(StagedKind::ListedNoFile) => Outcome::ListedNoFile,
                    _ => Outcome::NotAMessage,
                };
                row.rules.push("9.5".into());
                Ok(())
            }
        };
        if let Err(why) = &ok {
            proof.problems.push(self.about(&format!("{}: {why}", row.path)));
            if matches!(row.outcome, Outcome::Kept | Outcome::SameAs) {
                proof.totals.missing += 1;
            }
        }
        row.verified = Some(ok.is_ok());
        if let Some(entry) = self.damage_entry(item, &row) {
            proof.damage.push(entry);
        }
        Ok(row)
    }

    fn blank_row(&self, item: &WorkItem) -> LedgerRow {
        let mended: Vec<String> =
            item.item.origin.mended.as_deref().and_then(|m| serde_json::from_str(m).ok()).unwrap_or_default();
        let staged_uid = item.staged.as_ref().filter(|s| !s.0.traits.contains(Traits::UID_MADE_UP)).map(|s| s.0.uid);
        LedgerRow {
            seq: 0,
            integration: self.run.lineages.row.id.get(),
            lineage: item.role,
            account: self.work.address.as_ref().map(|a| a.to_string()),
            mailbox: Some(item.mailbox.clone()).filter(|m| !m.is_empty()),
            path: encode_path(&item.item.origin.path),
            offset: item.item.origin.range.map(|r| r.0),
            length: item.item.origin.range.map(|r| r.1),
            uid: staged_uid.or(item.item.listed_uid),
            uidvalidity: item.uidvalidity,
            uidl: item.listed.as_ref().and_then(|l| l.uidl.clone()),
            size_bytes: item.item.origin.length_bytes,
            digest: None,
            identity: None,
            outcome: Outcome::NotAMessage,
            damaged: item.staged.as_ref().is_some_and(|s| s.0.traits.damaged()),
            reason: item.item.reason.clone(),
            rules: Vec::new(),
            target: None,
            was_in: None,
            mended,
            verified: None,
        }
    }

    /// A staged message: is it where the row will say?
    fn message(
        &mut self,
        item: &WorkItem,
        seen: Option<Result<Seen, String>>,
        row: &mut LedgerRow,
    ) -> Result<Result<(), String>, IntegrationError> {
        let Some((_, staged)) = &item.staged else { return Ok(Err("its staged message is not there".into())) };
        let mut wrong = None;
        let identity = match seen {
            Some(Ok(seen)) if seen.digest == staged.digest => seen.identity,
            Some(Ok(seen)) => {
                wrong = Some("it changed after it was staged; stage again".to_owned());
                seen.identity
            }
            Some(Err(why)) => {
                // Its bytes are in the store all the same, and are compared with what was staged.
                row.reason = Some(format!("cannot be read any more ({why}); as it was staged"));
                staged.identity
            }
            None => staged.identity,
        };
        (row.digest, row.identity) = (row.digest.or(Some(staged.digest)), row.identity.or(Some(identity)));
        let excused = |rules: Rules| rules.contains(Rules::DAMAGED) || rules.contains(Rules::TWINS);
        let copies = self.tally.entry(identity).or_default();
        let joined = matches!(item.end, End::Result { kept: false, rules, .. } if excused(rules));
        let counted = !joined && !matches!(item.end, End::Sealed | End::Unattributed | End::ExpungedEarlier);
        match item.role {
            LineageRole::Before => copies.before += u64::from(counted),
            // Copies of the live lineage are counted as it was before the apply, mail that came since the import included.
            LineageRole::After => {}
            LineageRole::Base => copies.base += 1,
        }
        copies.excused |= joined || matches!(item.end, End::Deleted(_) | End::Gone);
        let found = match item.end {
            End::Result { at, kept, rules } => {
                row.outcome = if kept { Outcome::Kept } else { Outcome::SameAs };
                row.rules = rules.numbers().map(str::to_owned).collect();
                self.in_result(item, at, identity, rules, row)?
            }
            End::Deleted(rules) => {
                row.outcome = Outcome::Deleted;
                row.rules = rules.numbers().map(str::to_owned).collect();
                Ok(())
            }
            End::ExpungedEarlier => {
                row.outcome = Outcome::Deleted;
                row.reason = Some("its owner expunged it after the import and before the integration".into());
                Ok(())
            }
            End::Gone => {
                row.outcome = Outcome::Deleted;
                row.rules.push("3.5".into());
                row.reason = Some("both histories had deleted it".into());
                Ok(())
            }
            End::Sealed | End::Unattributed => {
                let sealed = item.end == End::Sealed;
                row.outcome = if sealed { Outcome::Sealed } else { Outcome::Unattributed };
                row.rules.push(if sealed { "8.7" } else { "9.3" }.into());
                self.still_stored(staged, identity)?
            }
            End::NoMessage | End::Unknown => Err("the integration knows nothing of it".to_owned()),
        };
        Ok(match wrong {
            Some(why) => Err(why),
            None => found,
        })
    }

    /// What is kept apart is read from its segment too.
    fn still_stored(&self, staged: &Blob, identity: Identity) -> Result<Result<(), String>, IntegrationError> {
        let read = Buffers::default().result(self.work.cell, staged, None)?;
        Ok(match read {
            Ok(found) if found == identity => Ok(()),
            Ok(_) => Err("what is stored of it is another message".into()),
            Err(why) => Err(why),
        })
    }

    fn in_result(
        &mut self,
        item: &WorkItem,
        at: At,
        identity: Identity,
        rules: Rules,
        row: &mut LedgerRow,
    ) -> Result<Result<(), String>, IntegrationError> {
        let live = &self.work.live;
        let Some(index) = live.by_place.get(&at).copied() else {
            if live.expunged.contains(&at) {
                row.reason = Some("its owner expunged it after the integration".into());
                self.tally.entry(identity).or_default().expunged.insert(at);
                return Ok(Ok(()));
            }
            return Ok(Err("the message that stands for it is not there".into()));
        };
        let (mailbox, message, blob) = &live.rows[index];
        let mailbox = &live.mailboxes[*mailbox];
        row.target = Some(Target {
            account: self.work.address.as_ref().map(|a| a.to_string()).unwrap_or_default(),
            mailbox: mailbox.name.to_string(),
            uidvalidity: mailbox.uidvalidity.unwrap_or(0),
            uid: message.uid,
            uidl: message.uidl.clone(),
            digest: blob.digest,
        });
        row.was_in = Some(item.mailbox.clone()).filter(|m| *m != mailbox.name.as_str());
        let there = match &self.result[index] {
            Ok(there) => *there,
            Err(why) => return Ok(Err(why.clone())),
        };
        if there != identity && !self.stands_for(item, blob, rules)? {
            return Ok(Err("the message that should stand for it is another one".into()));
        }
        Ok(if there == identity { self.as_it_was(item, mailbox, message) } else { Ok(()) })
    }

    /// Whether a different message may stand for this one: the whole of a damaged one, or its near twin.
    fn stands_for(&self, item: &WorkItem, survivor: &Blob, rules: Rules) -> Result<bool, IntegrationError> {
        let Some((_, staged)) = &item.staged else { return Ok(false) };
        let damaged = rules.contains(Rules::DAMAGED);
        if !damaged && !rules.contains(Rules::TWINS) {
            return Ok(false);
        }
        let read = |blob: &Blob| self.work.cell.bytes(blob);
        let (one, other) = (read(staged)?, read(survivor)?);
        Ok(if damaged { message::is_beginning_of(&one, &other) } else { message::near_twins(&one, &other) })
    }

    /// Flags and dates: nothing set is lost, and an account that only one history had is as it was (4.1, 4.3, G6).
    fn as_it_was(&self, item: &WorkItem, mailbox: &Mailbox, message: &Message) -> Result<(), String> {
        let Some(listed) = &item.listed else { return Ok(()) };
        let recorded = self.work.fates.as_ref().and_then(|f| f.mailboxes.iter().find(|m| m.id == mailbox.id.0));
        if recorded.is_none_or(|m| message.modseq > m.modseq) || item.role == LineageRole::Base {
            return Ok(());
        }
        let kept = listed.flags.without(Flags::DELETED).without(Flags::DRAFT);
        if !message.flags.contains(kept) || listed.keywords.iter().any(|k| !message.keywords.contains(k)) {
            return Err("a flag or keyword that it had is lost".into());
        }
        if message.internal_date > listed.internal_date {
            return Err("its INTERNALDATE is later than it was".into());
        }
        let alone = !self.work.existed && item.role == LineageRole::Before && self.work.state.is_some();
        // One that a message whose file is gone had before cannot name this one too (G11).
        let taken = item.staged.as_ref().is_some_and(|s| s.0.traits.contains(Traits::UID_MADE_UP));
        let listed_uid = listed.uid.filter(|_| !taken);
        let same_uid = listed_uid.is_none_or(|uid| uid == message.uid || item.uidvalidity != mailbox.uidvalidity);
        let orphan = self.run.histories.all[item.history].orphans.contains_key(&listed.locator);
        if alone && !orphan {
            let same = (message.flags, message.internal_date) == (listed.flags, listed.internal_date);
            if mailbox.name.as_str() != item.mailbox || !same || !same_uid {
                return Err("its account had one history, and it is not as it was there".into());
            }
        }
        Ok(())
    }

    /// An orphan that its owner holds already.
    fn held_already(
        &mut self,
        item: &WorkItem,
        seen: Option<Result<Seen, String>>,
        row: &mut LedgerRow,
    ) -> Result<Result<(), String>, IntegrationError> {
        let owner = item.item.reason.as_deref().and_then(|r| r.split(' ').next()).and_then(|a| Address::new(a).ok());
        let (Some(owner), Some(Ok(seen))) = (owner, seen) else {
            return Ok(Err("it cannot be read any more; stage again".into()));
        };
        row.account = Some(owner.to_string());
        let cell = self.run.platform.store.cell_of(&owner);
        let found = cell.read(|view| {
            let Some(account) = view.account(LIVE, &owner)? else { return Ok(None) };
            let mut found = None;
            for mailbox in view.mailboxes(account.id)? {
                view.for_each_message(account.id, mailbox.id, |message, blob| {
                    if blob.identity == seen.identity && found.is_none() {
                        found = Some((mailbox.clone(), message, blob));
                    }
                    Ok(())
                })?;
            }
            Ok(found)
        })?;
        let Some((mailbox, message, blob)) = found else {
            return Ok(Err(format!("{owner} does not hold it")));
        };
        row.target = Some(Target {
            account: owner.to_string(),
            mailbox: mailbox.name.to_string(),
            uidvalidity: mailbox.uidvalidity.unwrap_or(0),
            uid: message.uid,
            uidl: message.uidl,
            digest: blob.digest,
        });
        Ok(Ok(()))
    }

    /// Live messages that no source brought: rows of their own.
    fn unlisted_live(&mut self, proof: &mut AccountProof) {
        let work = self.work;
        let mut brought: HashSet<At> = HashSet::new();
        for item in work.items.iter().filter(|i| i.role == LineageRole::After) {
            if let End::Result { at, .. } = item.end {
                brought.insert(at);
            }
        }
        // What was left out of the result has the row of the file that it came from, too.
        let imported: HashSet<At> = work.items.iter().filter_map(|i| i.live).collect();
        let own_boxes: Vec<i64> = work.fates.iter().flat_map(|f| f.mailboxes.iter().map(|m| m.id)).collect();
        for (at, was) in &work.was {
            let end = match work.after_fates.get(at) {
                Some(fate) => end(fate, &own_boxes),
                None => End::Result { at: *at, kept: true, rules: Rules::NONE },
            };
            let joined = |r: Rules| r.contains(Rules::DAMAGED) || r.contains(Rules::TWINS);
            if let Some(identity) = was.identity {
                let copies = self.tally.entry(identity).or_default();
                let excused = matches!(end, End::Result { kept: false, rules, .. } if joined(rules));
                copies.after += u64::from(!excused);
                copies.excused |= excused || matches!(end, End::Deleted(_));
                if let End::Result { at, .. } = end
                    && work.live.expunged.contains(&at)
                {
                    copies.expunged.insert(at);
                }
            }
            if matches!(end, End::Result { at, .. } if brought.contains(&at)) || imported.contains(at) {
                continue;
            }
            let row = self.live_row(*at, was, end, proof);
            self.rows.push(row);
        }
    }

    fn live_row(&self, at: At, was: &Was, end: End, proof: &mut AccountProof) -> LedgerRow {
        let live = &self.work.live;
        let mut row = LedgerRow {
            seq: 0,
            integration: self.run.lineages.row.id.get(),
            lineage: LineageRole::After,
            account: self.work.address.as_ref().map(|a| a.to_string()),
            mailbox: Some(was.mailbox.clone()),
            path: format!("live/{}/{}", encode_path(was.mailbox.as_bytes()), at.1),
            offset: None,
            length: None,
            uid: Some(at.1),
            uidvalidity: None,
            uidl: None,
            size_bytes: was.size_bytes,
            digest: Some(was.digest),
            identity: was.identity,
            outcome: Outcome::Kept,
            damaged: false,
            reason: None,
            rules: Vec::new(),
            target: None,
            was_in: None,
            mended: Vec::new(),
            verified: Some(true),
        };
        match end {
            End::Result { at, kept, rules } => {
                row.outcome = if kept { Outcome::Kept } else { Outcome::SameAs };
                row.rules = rules.numbers().map(str::to_owned).collect();
                match live.by_place.get(&at) {
                    Some(index) => {
                        let (mailbox, message, blob) = &live.rows[*index];
                        let mailbox = &live.mailboxes[*mailbox];
                        row.target = Some(Target {
                            account: row.account.clone().unwrap_or_default(),
                            mailbox: mailbox.name.to_string(),
                            uidvalidity: mailbox.uidvalidity.unwrap_or(0),
                            uid: message.uid,
                            uidl: message.uidl.clone(),
                            digest: blob.digest,
                        });
                        let same = self.result[*index].as_ref().ok().is_some_and(|i| Some(*i) == was.identity);
                        let excused = rules.contains(Rules::DAMAGED) || rules.contains(Rules::TWINS);
                        row.verified = Some(same || excused);
                    }
                    None if live.expunged.contains(&at) => {
                        row.reason = Some("its owner expunged it after the integration".into());
                    }
                    None => row.verified = Some(false),
                }
            }
            End::Deleted(rules) => {
                row.outcome = Outcome::Deleted;
                row.rules = rules.numbers().map(str::to_owned).collect();
            }
            _ => row.outcome = Outcome::Deleted,
        }
        if row.verified == Some(false) {
            proof.totals.missing += 1;
            proof.problems.push(self.about(&format!("{}: a live message is not in the result", row.path)));
        }
        row
    }

    fn count_result(&mut self, proof: &mut AccountProof) {
        for (index, (mailbox, message, _)) in self.work.live.rows.iter().enumerate() {
            let mailbox = &self.work.live.mailboxes[*mailbox];
            if self.work.arrived_since(mailbox, message.uid) {
                continue;
            }
            proof.totals.result += 1;
            match &self.result[index] {
                Ok(identity) => self.tally.entry(*identity).or_default().result += 1,
                Err(why) => {
                    let text = format!("UID {} of {}: {why}", message.uid, mailbox.name);
                    proof.problems.push(self.about(&text));
                }
            }
        }
    }

    /// G1, G2 and G3, identity by identity.
    fn compare_counts(&self, proof: &mut AccountProof) {
        let mut identities: Vec<_> = self.tally.iter().collect();
        identities.sort_by_key(|(identity, _)| **identity);
        for (identity, copies) in identities {
            let sources = copies.before.max(copies.after);
            let expected = sources.saturating_sub(copies.expunged.len() as u64);
            if copies.result > 0 && copies.before + copies.after + copies.base == 0 && !copies.excused {
                proof.problems.push(self.about(&format!("G2: {identity} is in the result and in no source")));
            } else if copies.result < expected && !copies.excused {
                proof.totals.missing += expected - copies.result;
                let text = format!("G1: of {identity} there are {} copies, expected {expected}", copies.result);
                proof.problems.push(self.about(&text));
            } else if copies.result > sources.max(copies.base) && !copies.excused {
                let text = format!("G3: of {identity} there are {} copies, expected {expected}", copies.result);
                proof.problems.push(self.about(&text));
            }
        }
    }

    fn totals(&self, proof: &mut AccountProof) {
        let work = self.work;
        let t = &mut proof.totals;
        let staged = |role: LineageRole| {
            let is = move |i: &&WorkItem| i.role == role && i.item.kind == StagedKind::Message as u8;
            work.items.iter().filter(is)
        };
        t.before = staged(LineageRole::Before).count() as u64;
        t.after = work.was.len() as u64;
        let own_boxes: Vec<i64> = work.fates.iter().flat_map(|f| f.mailboxes.iter().map(|m| m.id)).collect();
        let after_ends: Vec<End> = work.after_fates.values().map(|f| end(f, &own_boxes)).collect();
        let after_kept: HashSet<At> = after_ends
            .iter()
            .filter_map(|e| match e {
                End::Result { at, kept: true, .. } => Some(*at),
                _ => None,
            })
            .collect();
        let mut paired: HashSet<At> = HashSet::new();
        let mut same_as = after_ends.iter().filter(|e| matches!(e, End::Result { kept: false, .. })).count() as u64;
        t.deleted = after_ends.iter().filter(|e| matches!(e, End::Deleted(_))).count() as u64;
        for item in staged(LineageRole::Before) {
            match item.end {
                End::Result { at, kept: false, .. } => {
                    same_as += 1;
                    if after_kept.contains(&at) {
                        paired.insert(at);
                    }
                }
                End::Deleted(_) => t.deleted += 1,
                End::Sealed => t.sealed += 1,
                End::Unattributed => t.unattributed += 1,
                _ => {}
            }
        }
        t.in_both = paired.len() as u64;
        t.damaged_replaced = same_as - t.in_both;
        // Expunged since: they were in the result, and their owner took them out.
        t.result += work.live.expunged.iter().filter(|at| self.was_in_result(**at)).count() as u64;
        t.added = t.result.saturating_sub(t.after.saturating_sub(t.deleted));
        let of_kind = |kind: StagedKind| work.items.iter().filter(|i| i.item.kind == kind as u8).count() as u64;
        t.unreadable = of_kind(StagedKind::Unreadable);
        t.not_a_message = of_kind(StagedKind::NotAMessage);
        t.listed_no_file = of_kind(StagedKind::ListedNoFile);
        t.unfinished = of_kind(StagedKind::Unfinished);
        let damaged =
            |i: &&WorkItem| i.role != LineageRole::Base && i.staged.as_ref().is_some_and(|s| s.0.traits.damaged());
        t.damaged = work.items.iter().filter(damaged).count() as u64;
        let Some(address) = &work.address else { return };
        let fates = work.fates.as_ref();
        t.same_message_id_pairs = fates.map_or(0, |f| f.same_message_id.len() as u64);
        t.near_twin_pairs = fates.map_or(0, |f| f.near_twins.len() as u64);
        proof.report = Some(AccountReport {
            address: address.to_string(),
            case: Case::Both,
            totals: *t,
            mailboxes: self.mailboxes(&paired),
            password: PasswordOrigin::After,
            over_quota: false,
            open_decisions: 0,
            notices: Vec::new(),
        });
    }

    fn was_in_result(&self, at: At) -> bool {
        let is = |e: End| matches!(e, End::Result { at: a, .. } if a == at);
        self.work.items.iter().any(|i| i.role != LineageRole::Base && is(i.end))
            || (self.work.fates.is_none() && self.work.was.contains_key(&at))
    }

    fn mailboxes(&self, paired: &HashSet<At>) -> Vec<MailboxReport> {
        let work = self.work;
        let Some(fates) = &work.fates else {
            let count =
                |m: &Mailbox| work.live.rows.iter().filter(|r| work.live.mailboxes[r.0].id == m.id).count() as u64;
            let row = |m: &Mailbox| MailboxReport {
                name: m.name.to_string(),
                name_before: None,
                before: 0,
                after: count(m),
                both: 0,
                result: count(m),
                uid: UidDecision::After,
            };
            return work.live.mailboxes.iter().map(row).collect();
        };
        let copies = |fates: &[crate::journal::CopyFates], name: &Option<String>| {
            let named = fates.iter().filter(|f| Some(&f.name) == name.as_ref());
            named.map(|f| f.copies.len() as u64).sum::<u64>()
        };
        let row = |m: &crate::journal::ResultMailbox| MailboxReport {
            name: m.name.clone(),
            name_before: m.before.clone().filter(|b| *b != m.name),
            before: copies(&fates.before, &m.before),
            after: copies(&fates.after, &m.after),
            both: paired.iter().filter(|at| at.0 == m.id).count() as u64,
            result: {
                let here = |r: &&(usize, Message, Blob)| work.live.mailboxes[r.0].id.0 == m.id && r.1.uid < m.uidnext;
                work.live.rows.iter().filter(here).count() as u64
            },
            uid: match m.uids.as_str() {
                "both" => UidDecision::Both,
                "before" => UidDecision::Before,
                "new" => UidDecision::Renewed,
                _ => UidDecision::After,
            },
        };
        fates.mailboxes.iter().map(row).collect()
    }

    fn damage_entry(&self, item: &WorkItem, row: &LedgerRow) -> Option<DamageEntry> {
        if matches!(row.outcome, Outcome::Kept | Outcome::SameAs) && !row.damaged {
            return None;
        }
        let traits = item.staged.as_ref().map(|s| s.0.traits);
        let reason = match (row.outcome, traits, row.reason.as_deref()) {
            (_, Some(t), _) if t.contains(Traits::ENDS_EARLY) => DamageReason::EndsEarly,
            (_, Some(t), _) if t.contains(Traits::ENDS_IN_ZEROS) => DamageReason::EndsInZeros,
            (Outcome::Unreadable, _, Some("it is empty")) => DamageReason::Empty,
            (Outcome::Unreadable, _, Some("it is filled with zeros")) => DamageReason::ZeroFilled,
            (Outcome::Unreadable, _, Some(text)) => DamageReason::Other(text.to_owned()),
            _ => DamageReason::ByOutcome,
        };
        Some(DamageEntry {
            lineage: item.role,
            domain: self.work.address.as_ref().map(|a| a.domain().to_owned()),
            account: row.account.clone(),
            mailbox: row.mailbox.clone(),
            path: row.path.clone(),
            reason,
            outcome: row.outcome,
            damaged: row.damaged && matches!(row.outcome, Outcome::Kept),
        })
    }
}
