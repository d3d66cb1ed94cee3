//! Apply: the flip of every account, cell by cell, and the directory behind it.
//!
//! For each account one transaction of its cell writes mail and journal together; the directory follows. A kill between
//! the two is made good by the next apply: the journal says that the mail is done, and settling an account twice changes nothing.
//! Accounts are independent of each other (`RULES.md` G10), so cells run side by side, and an apply that was stopped goes on
//! with the accounts that are not done (G5). Several accounts may share one durable transaction: all of them are then
//! applied or none.

use crate::accounts::{self, Decision, Facts, Known, MailSeen, MailStep};
use crate::flip::Flip;
use crate::integration::{IntegrationError, Lineages, Policies, Step};
use crate::joint::Histories;
use crate::journal::{Fates, Progressed, pack_state};
use crate::platform::Platform;
use crate::progress::Progress;
use crate::select::Selection;
use crate::stage::UNATTRIBUTED;
use crate::undo::UndoRecord;
use directory::{DirectoryError, IntegrationId};
use message::Address;
use std::collections::{BTreeSet, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use store::{Cell, Journal, LIVE, StoreError, Tx, View};

/// Messages after which a durable transaction is closed: a sync is shared, and nobody waits long for the writer.
const BATCH_MESSAGES: u64 = 20_000;
/// Accounts after which it is closed.
const BATCH_ACCOUNTS: usize = 200;

/// What an apply came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Accounts that were integrated now.
    pub accounts: u64,
    /// Accounts that were integrated already.
    pub already: u64,
    /// Accounts whose *before* was sealed (`RULES.md 8.7`).
    pub sealed: u64,
    /// Messages that came into a mailbox.
    pub added: u64,
    /// Messages that changed.
    pub changed: u64,
    /// Messages that were joined with others or deleted.
    pub removed: u64,
}

impl Applied {
    fn add(&mut self, other: &Applied) {
        self.accounts += other.accounts;
        self.already += other.already;
        self.sealed += other.sealed;
        self.added += other.added;
        self.changed += other.changed;
        self.removed += other.removed;
    }
}

/// Applies an integration to the chosen accounts.
///
/// When it returns, every chosen account is integrated, and that survives a power loss.
///
/// # Errors
/// When the integration is not staged, or confirmed already; those of the store and the directory. Accounts that were
/// done stay done, and applying again goes on.
pub fn apply(
    platform: &Platform,
    id: IntegrationId,
    selection: &Selection,
    progress: &dyn Progress,
) -> Result<Applied, IntegrationError> {
    let lineages = Lineages::of(platform, id)?;
    lineages.must_be_applicable()?;
    let (waiting, already) = pending(platform, &lineages, selection)?;
    if waiting == 0 && matches!(lineages.step, Step::Applied | Step::Applying) {
        return Ok(Applied { already, ..Applied::default() });
    }
    lineages.set_step(platform, Step::Applying)?;
    platform.directory.write(|tx| accounts::settle_shared(tx, id, lineages.before, selection))?;
    let next = AtomicUsize::new(0);
    let outcome = Mutex::new((Applied::default(), None));
    let workers = std::thread::available_parallelism().map_or(2, |n| n.get()).min(platform.store.cells().len());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(cell) = platform.store.cells().get(next.fetch_add(1, Ordering::Relaxed)) {
                    let run = CellRun { platform, cell, id, lineages: &lineages, progress };
                    let result = run.apply(selection);
                    let mut outcome = outcome.lock().unwrap_or_else(|e| e.into_inner());
                    match result {
                        Ok(applied) => outcome.0.add(&applied),
                        Err(error) => {
                            outcome.1.get_or_insert(error);
                            next.store(usize::MAX / 2, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let (mut applied, failure) = outcome.into_inner().unwrap_or_else(|e| e.into_inner());
    if let Some(error) = failure {
        return Err(error);
    }
    applied.already = already;
    // All that was chosen is done; where that was not everything, the rest may wait.
    if selection.is_all() || pending(platform, &lineages, &Selection::default())?.0 == 0 {
        lineages.set_step(platform, Step::Applied)?;
    }
    Ok(applied)
}

/// How many of the chosen accounts wait to be applied, and how many are.
///
/// # Errors
/// Those of the store and the directory.
pub(crate) fn pending(
    platform: &Platform,
    lineages: &Lineages,
    selection: &Selection,
) -> Result<(u64, u64), IntegrationError> {
    let (mut waiting, mut done) = (0, 0);
    for cell in platform.store.cells() {
        let applied = applied_addresses(platform, cell, lineages)?;
        for address in addresses(platform, cell, lineages.before)?.iter().filter(|a| selection.has(a)) {
            *(if applied.contains(address.key()) { &mut done } else { &mut waiting }) += 1;
        }
    }
    Ok((waiting, done))
}

/// How many accounts of an integration wait to be applied.
///
/// # Errors
/// When there is no such integration; those of the store and the directory.
pub fn waiting(platform: &Platform, id: IntegrationId) -> Result<u64, IntegrationError> {
    Ok(pending(platform, &Lineages::of(platform, id)?, &Selection::default())?.0)
}

/// Keys of accounts whose mail and whose account are done: a kill may have come between the two.
fn applied_addresses(
    platform: &Platform,
    cell: &Cell,
    lineages: &Lineages,
) -> Result<HashSet<String>, IntegrationError> {
    let id = lineages.row.id;
    let mut done = HashSet::new();
    for (key, state) in cell.read(|view| view.journal_states(id.get()))? {
        let there =
            matches!(Progressed::from_word(&state), Some(Progressed::Applied | Progressed::Sealed | Progressed::Moved));
        if there && platform.directory.account_apply(id, &key)?.is_some_and(|row| row.state == "applied") {
            done.insert(key);
        }
    }
    Ok(done)
}

/// The addresses of a lineage that belong to one cell: its accounts' lines and its maildrops.
pub(crate) fn addresses(
    platform: &Platform,
    cell: &Cell,
    lineage: directory::LineageId,
) -> Result<BTreeSet<Address>, IntegrationError> {
    let mut found = BTreeSet::new();
    for account in cell.read(|view| view.accounts(store::LineageId(lineage.get())))? {
        if account.address != UNATTRIBUTED
            && let Ok(address) = Address::new(&account.address)
        {
            found.insert(address);
        }
    }
    platform.directory.for_each_lineage_account(lineage, |line| {
        let address = Address::new(&line.key).map_err(DirectoryError::caller)?;
        if platform.store.cell_of(&address).number() == cell.number() {
            found.insert(address);
        }
        Ok(())
    })?;
    Ok(found)
}

/// What becomes of one account, by all that is known of it now.
pub(crate) fn decide(
    platform: &Platform,
    view: &View<'_>,
    lineages: &Lineages,
    id: IntegrationId,
    address: &Address,
) -> Result<Decision, IntegrationError> {
    let seen = |lineage: store::LineageId| -> Result<Option<MailSeen>, StoreError> {
        let Some(account) = view.account(lineage, address)? else { return Ok(None) };
        let (messages, last_at) = view.newest(account.id)?;
        Ok(Some(MailSeen { messages, last_at }))
    };
    let journal = view.journal(id.get(), address)?;
    let state = journal.and_then(|j| Progressed::from_word(&j.state));
    let joined = matches!(state, Some(Progressed::Applied | Progressed::Grown));
    let known = Known {
        before_mail: seen(store::LineageId(lineages.before.get()))?,
        live_mail: seen(LIVE)?,
        // What was joined stays so: a second look at an account that has both names must not seal it.
        two_people: joined.then_some(false),
    };
    Ok(accounts::decide(&Facts::read(&platform.directory, lineages.before, address, known)?))
}

/// One cell's part of an apply.
struct CellRun<'a> {
    platform: &'a Platform,
    cell: &'a Cell,
    id: IntegrationId,
    lineages: &'a Lineages,
    progress: &'a dyn Progress,
}

/// What was done to an account.
struct Done {
    decision: Decision,
    used_bytes: u64,
}

impl CellRun<'_> {
    fn apply(&self, selection: &Selection) -> Result<Applied, IntegrationError> {
        let mut applied = Applied::default();
        let addresses = addresses(self.platform, self.cell, self.lineages.before)?;
        let done = applied_addresses(self.platform, self.cell, self.lineages)?;
        let waits = |a: &Address| selection.has(a) && !done.contains(a.key());
        let mut queue: Vec<Address> = addresses.into_iter().filter(waits).rev().collect();
        while !queue.is_empty() {
            let (done, batch) = self.batch(&mut queue)?;
            self.platform.directory.write(|tx| {
                for Done { decision, used_bytes } in &done {
                    let settled = accounts::settle_account(tx, self.id, decision)?;
                    accounts::quota_after(tx, self.id, &decision.address, *used_bytes)?;
                    // What an import brings was never away.
                    let imported = settled.detail.created && !self.lineages.policies.mark_before;
                    if let Some(account) = tx.account(&decision.address)?.filter(|_| imported) {
                        tx.update_account(&directory::Account { restored: None, ..account })?;
                    }
                }
                Ok(())
            })?;
            applied.add(&batch);
        }
        self.cell.flush_manifests()?;
        Ok(applied)
    }

    /// Flips accounts from the end of the queue in one durable transaction.
    fn batch(&self, queue: &mut Vec<Address>) -> Result<(Vec<Done>, Applied), IntegrationError> {
        let (mut done, mut applied) = (Vec::new(), Applied::default());
        let mut failure = None;
        let mut messages = 0;
        self.cell
            .write(|tx| {
                while messages < BATCH_MESSAGES && done.len() < BATCH_ACCOUNTS {
                    let Some(address) = queue.pop() else { break };
                    let mut one = Applied::default();
                    match self.account(tx, &address, &mut one) {
                        Ok((account, count)) => {
                            messages += count;
                            done.push(account);
                        }
                        Err(IntegrationError::Store(error)) => return Err(error),
                        Err(error) => {
                            failure = Some(error);
                            return Err(StoreError::Caller("the account could not be decided".into()));
                        }
                    }
                    applied.add(&one);
                }
                Ok(())
            })
            .map_err(|error| failure.take().unwrap_or(IntegrationError::Store(error)))?;
        self.progress.done(messages, 0);
        Ok((done, applied))
    }

    /// Integrates one account's mail; gives how many messages were looked at.
    fn account(&self, tx: &Tx<'_>, address: &Address, applied: &mut Applied) -> Result<(Done, u64), IntegrationError> {
        let decision = decide(self.platform, tx, self.lineages, self.id, address)?;
        let journal = tx.journal(self.id.get(), address)?;
        let state = journal.as_ref().and_then(|j| Progressed::from_word(&j.state));
        let done = matches!(
            (state, &decision.mail),
            (Some(Progressed::Applied), MailStep::Join | MailStep::Nothing)
                | (Some(Progressed::Sealed | Progressed::Moved), MailStep::Seal)
        );
        if done {
            let used_bytes = self.used(tx, address)?;
            return Ok((Done { decision, used_bytes }, 0));
        }
        if decision.mail == MailStep::Seal {
            applied.sealed += 1;
            let state = Progressed::Sealed.as_str().to_owned();
            tx.put_journal(self.id.get(), address, &Journal { state, was: None, became: None, fates: None })?;
            return Ok((Done { decision, used_bytes: 0 }, 0));
        }
        let (used_bytes, messages) = flip_account(tx, self.lineages, &decision.address, applied)?;
        Ok((Done { decision, used_bytes }, messages))
    }

    fn used(&self, tx: &Tx<'_>, address: &Address) -> Result<u64, StoreError> {
        Ok(match tx.account(LIVE, address)? {
            Some(account) => tx.usage(account.id)?.1,
            None => 0,
        })
    }
}

/// Joins an account's *before* with its live mail, and writes the journal, in the cell's transaction. Gives the size of the
/// result in bytes and how many messages were looked at.
pub(crate) fn flip_account(
    tx: &Tx<'_>,
    lineages: &Lineages,
    address: &Address,
    applied: &mut Applied,
) -> Result<(u64, u64), StoreError> {
    let id = lineages.row.id.get();
    let Policies { plan: policy, mark_before } = &lineages.policies;
    let mut histories = Histories::read(tx, lineages, address)?;
    let was = histories.live.account.as_ref().map(|account| tx.account_state(account.id)).transpose()?;
    let (plan, relations) = histories.plan(tx, policy)?;
    let Histories { before, live, base, .. } = &histories;
    let flip = Flip { address, before, live, plan: &plan, mark_before: *mark_before, now: lineages.now };
    let (account, flipped) = flip.write(tx)?;
    if live.account.as_ref().is_some_and(|a| a.address != address.as_str()) {
        tx.set_address(account, address)?;
    }
    let mut fates = Fates::of(&plan, &flipped, before, live, base);
    fates.set_pairs(&relations, policy.join_twins);
    let mut undo = UndoRecord::of(&plan, &flipped, live);
    let mut was = was.as_ref().map(pack_state);
    // Applied before, and its source has grown since: what is taken back one day is both.
    if let Some(Journal { became: Some(first), fates: Some(first_fates), was: first_was, .. }) =
        tx.journal(id, address)?
    {
        undo = UndoRecord::unpack(&first)?.followed_by(undo);
        fates = Fates::unpack(&first_fates)?.followed_by(fates);
        was = first_was;
    }
    let (became, fates) = (Some(undo.pack()), Some(fates.pack()));
    let state = Progressed::Applied.as_str().to_owned();
    tx.put_journal(id, address, &Journal { state, was, became, fates })?;
    if flipped.changes() || !undo.existed {
        tx.describe(account)?;
    }
    applied.accounts += 1;
    applied.added += flipped.added;
    applied.changed += flipped.changed;
    applied.removed += flipped.removed;
    Ok((tx.usage(account)?.1, histories.count()))
}
