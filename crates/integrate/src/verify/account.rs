//! One account under verification: what its histories hold, what the result holds, and whether all is accounted for.

mod counts;
mod ends;
mod judge;
mod live;
mod pairs;
mod totals;
mod unlisted;

use super::reading::Seen;
use super::{AccountProof, Run};
use crate::integration::IntegrationError;
use crate::journal::{CopyFate, Fates, Progressed, unpack_state};
use crate::ledger::{LedgerRow, LineageRole};
use crate::over::Served;
use crate::stage::{GONE, StagedKind, nobody};
use ends::{End, Ends};
use judge::Judge;
use live::{Live, Was, was_of};
use message::{Address, Digest, Identity};
use source::Locator;
use std::collections::{BTreeMap, HashMap, HashSet};
use store::{Blob, Cell, Item, Mailbox, Message, StoreError, View};

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

impl WorkItem {
    /// Where it stands among the account's items: its history, and its place there.
    fn place(&self) -> (LineageRole, usize, &[u8], Option<(u64, u64)>) {
        (self.role, self.history, &self.item.origin.path, self.item.origin.range)
    }

    /// Whether staging found its file gone: what lies at its place now, if anything, is another item.
    fn is_gone(&self) -> bool {
        self.item.reason.as_deref() == Some(GONE)
    }
}

/// A verified account.
pub(super) struct Finished {
    pub(super) rows: Vec<LedgerRow>,
    pub(super) proof: AccountProof,
    /// The result; `None`: there is no live account.
    pub(super) served: Option<Served>,
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
        work.items.sort_by(|a, b| a.place().cmp(&b.place()));
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

    /// What the bytes of those items are said to be.
    pub(super) fn expected(&self) -> HashSet<Digest> {
        self.to_read().filter_map(|item| self.items[item].staged.as_ref()).map(|(_, blob)| blob.digest).collect()
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
        Judge::new(run, &self, seen, result).judge()
    }

    fn arrived_since(&self, mailbox: &Mailbox, uid: u32) -> bool {
        match &self.fates {
            None => false,
            Some(fates) => fates.mailboxes.iter().find(|m| m.id == mailbox.id.0).is_none_or(|m| uid >= m.uidnext),
        }
    }
}
