//! The steps of an integration as a command takes them: import, stage, plan, undo, confirm.
//!
//! An import is an integration too: its source is staged as *before* of accounts that are not there yet (or are: then
//! by the same rules), applied at once, and closed. So there is one way for mail to come in from elsewhere.

use crate::accounts;
use crate::apply::{Applied, addresses, apply};
use crate::integration::{IntegrationError, Lineages, Policies, Step, find_or_add, now, proved, set_proved};
use crate::joint::Histories;
use crate::journal::{Fates, Progressed};
use crate::plan::{Outcome, Policy};
use crate::platform::Platform;
use crate::progress::Progress;
use crate::select::Selection;
use crate::stage::{Staged, stage};
use crate::undo::UndoRecord;
use directory::{IntegrationId, LineageRole};
use message::Address;
use serde::Serialize;
use source::Source;
use std::collections::HashSet;
use store::{LIVE, LineageId, StoreError, View};

/// What an import came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// Under which number it is kept.
    pub id: IntegrationId,
    /// What was staged.
    pub staged: Staged,
    /// What was made of it.
    pub applied: Applied,
}

/// A source and where it is named.
pub struct Named<'a> {
    /// The path that the operator gave, made absolute: the source is opened by it again.
    pub path: &'a str,
    /// The source.
    pub source: &'a dyn Source,
}

/// Makes a source's accounts live ones. Importing the same source again brings what is new in it.
///
/// When it returns, everything imported survives a power loss.
///
/// # Errors
/// Those of the source, the store and the directory. Importing again goes on where it stopped.
pub fn import(platform: &Platform, from: &Named<'_>, progress: &dyn Progress) -> Result<Imported, IntegrationError> {
    let policies = Policies { plan: Policy { fresh_uidvalidity: now_u32(), ..Policy::default() }, mark_before: false };
    let id = find_or_add(platform, "import", from.path, None, LineageRole::Import, &policies)?;
    let lineages = Lineages::of(platform, id)?;
    if lineages.step != Step::Imported {
        lineages.set_step(platform, Step::Staging)?;
    }
    progress.begin("stage");
    let staged = stage(platform, from.source, lineages.before, progress)?;
    progress.end();
    let (waiting, already) = crate::apply::pending(platform, &lineages, &Selection::default())?;
    if lineages.step == Step::Imported && !staged.changed() && waiting == 0 {
        return Ok(Imported { id, staged, applied: Applied { already, ..Applied::default() } });
    }
    lineages.set_step(platform, Step::Staged)?;
    // What is new in the source may be anywhere: every account is looked at again.
    for cell in platform.store.cells() {
        cell.write(|tx| tx.forget_journal(id.get()))?;
    }
    progress.begin("apply");
    let applied = apply(platform, id, &Selection::default(), progress)?;
    progress.end();
    lineages.set_step(platform, Step::Imported)?;
    snapshots(platform)?;
    Ok(Imported { id, staged, applied })
}

/// Stages the sources of an integration. Staging the same sources again goes on, or finds everything there.
///
/// When it returns, everything staged survives a power loss.
///
/// # Errors
/// Those of the sources, the store and the directory.
pub fn stage_integration(
    platform: &Platform,
    before: &Named<'_>,
    base: Option<&Named<'_>>,
    label: Option<&str>,
    policy: Option<Policy>,
    progress: &dyn Progress,
) -> Result<(IntegrationId, Staged), IntegrationError> {
    let plan = Policy { fresh_uidvalidity: now_u32(), ..policy.clone().unwrap_or_default() };
    let policies = Policies { plan, mark_before: true };
    let label = label.unwrap_or("integration");
    let id = find_or_add(platform, label, before.path, base.map(|b| b.path), LineageRole::Before, &policies)?;
    let lineages = Lineages::of(platform, id)?;
    if let Some(policy) = policy {
        set_policy(platform, id, policy)?;
    }
    if matches!(lineages.step, Step::Staging | Step::Staged) {
        lineages.set_step(platform, Step::Staging)?;
    }
    progress.begin("stage");
    let mut staged = stage(platform, before.source, lineages.before, progress)?;
    if let (Some(base), Some(lineage)) = (base, lineages.base) {
        staged.add(&stage(platform, base.source, lineage, progress)?);
    }
    progress.end();
    if matches!(lineages.step, Step::Staging | Step::Staged) {
        lineages.set_step(platform, Step::Staged)?;
    } else if staged.changed() {
        mark_grown(platform, &lineages)?;
    }
    Ok((id, staged))
}

/// Marks applied accounts of which more was staged since: they wait to be applied again.
fn mark_grown(platform: &Platform, lineages: &Lineages) -> Result<(), IntegrationError> {
    let id = lineages.row.id.get();
    set_proved(platform, lineages.row.id, None)?;
    for cell in platform.store.cells() {
        for (key, state) in cell.read(|view| view.journal_states(id))? {
            let Ok(address) = Address::new(&key) else { continue };
            if Progressed::from_word(&state) != Some(Progressed::Applied) {
                continue;
            }
            cell.write(|tx| {
                let shadow = tx.account(LineageId(lineages.before.get()), &address)?;
                let mut copies = HashSet::new();
                if let Some(shadow) = shadow {
                    for mailbox in tx.mailboxes(shadow.id)? {
                        tx.for_each_message(shadow.id, mailbox.id, |message, _| {
                            copies.insert((mailbox.id.0, message.uid));
                            Ok(())
                        })?;
                    }
                }
                let Some(mut journal) = tx.journal(id, &address)? else { return Ok(()) };
                let fates = journal.fates.as_deref().map(Fates::unpack).transpose()?.unwrap_or_default();
                if !fates.knows_before(&copies) {
                    journal.state = Progressed::Grown.as_str().to_owned();
                    tx.put_journal(id, &address, &journal)?;
                }
                Ok(())
            })?;
        }
    }
    Ok(())
}

/// Changes how an integration decides. What is applied stays as it is until it is undone.
///
/// # Errors
/// Those of the directory.
pub fn set_policy(platform: &Platform, id: IntegrationId, policy: Policy) -> Result<(), IntegrationError> {
    let lineages = Lineages::of(platform, id)?;
    // The number that new UIDVALIDITYs begin at is the integration's own, so that every resumption gives the same.
    let fresh_uidvalidity = lineages.policies.plan.fresh_uidvalidity;
    let policies = Policies { plan: Policy { fresh_uidvalidity, ..policy }, ..lineages.policies };
    let text = serde_json::to_string(&policies).expect("a policy is plain data");
    Ok(platform.directory.write(|tx| {
        let Some(mut row) = tx.integration(id)? else { return Ok(()) };
        row.policy.clone_from(&text);
        tx.update_integration(&row)
    })?)
}

/// The integration begun last, imports left out.
///
/// # Errors
/// [`IntegrationError::Order`] when there is none; those of the directory.
pub fn newest(platform: &Platform) -> Result<IntegrationId, IntegrationError> {
    let mut found = None;
    platform.directory.for_each_integration(|i| {
        if platform.directory.lineages_of(i.id)?.iter().all(|l| l.role != LineageRole::Import) {
            found = Some(i.id);
        }
        Ok(())
    })?;
    found.ok_or_else(|| IntegrationError::Order("there is no integration yet: begin with `integrate stage`".into()))
}

/// How far an integration is.
///
/// # Errors
/// [`IntegrationError::Order`] when there is none of that number.
pub fn step(platform: &Platform, id: IntegrationId) -> Result<Step, IntegrationError> {
    Ok(Lineages::of(platform, id)?.step)
}

/// What an apply would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PlanReport {
    /// The integration.
    pub integration: i64,
    /// The sums of all accounts.
    pub totals: PlanCounts,
    /// Account by account, by address.
    pub accounts: Vec<PlannedAccount>,
}

/// What an apply would do to one account.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedAccount {
    /// Its address.
    pub address: String,
    /// Where it was found: `both`, `before-only`, `maildrop-without-account`, `account-without-maildrop`, `after-only`.
    pub case: accounts::Case,
    /// What becomes of its mail of *before*: `join`, `seal`, `nothing`.
    pub mail: accounts::MailStep,
    /// Which password will open it: `after`, `before`, `none`.
    pub password: accounts::PasswordOrigin,
    /// Whether it is applied already.
    pub applied: bool,
    /// Messages.
    pub counts: PlanCounts,
    /// Mailboxes.
    pub mailboxes: Vec<PlannedMailbox>,
    /// What should be known, by rule.
    pub notices: Vec<(String, String)>,
    /// Decisions that will wait, by kind.
    pub conflicts: Vec<String>,
}

/// Messages as a plan counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PlanCounts {
    /// In *before*.
    pub before: u64,
    /// In *after*.
    pub after: u64,
    /// In the result.
    pub result: u64,
    /// To be added.
    pub added: u64,
    /// To be changed (flags, dates, UIDLs).
    pub changed: u64,
    /// To be joined with others, or left out.
    pub removed: u64,
}

/// A mailbox of the result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedMailbox {
    /// Its name.
    pub name: String,
    /// Its UIDVALIDITY.
    pub uidvalidity: u32,
    /// Its UIDNEXT.
    pub uidnext: u32,
    /// Messages in it.
    pub messages: u64,
    /// Messages added to it.
    pub added: u64,
}

impl PlanCounts {
    fn add(&mut self, other: &PlanCounts) {
        self.before += other.before;
        self.after += other.after;
        self.result += other.result;
        self.added += other.added;
        self.changed += other.changed;
        self.removed += other.removed;
    }
}

/// Says what an apply would do, account by account, and changes nothing.
///
/// # Errors
/// When the integration is not staged; those of the store, the directory, and of `each`.
pub fn plan_integration(
    platform: &Platform,
    id: IntegrationId,
    policy: Option<Policy>,
    progress: &dyn Progress,
) -> Result<PlanReport, IntegrationError> {
    let lineages = Lineages::of(platform, id)?;
    lineages.must_be_applicable()?;
    let policy = policy.unwrap_or_else(|| lineages.policies.plan.clone());
    let mut report = PlanReport { integration: id.get(), ..PlanReport::default() };
    progress.begin("plan");
    for cell in platform.store.cells() {
        for address in addresses(platform, cell, lineages.before)? {
            let planned = cell.read(|view| Ok(plan_account(platform, view, &lineages, id, &address, &policy)))??;
            progress.done(planned.counts.before + planned.counts.after, 0);
            report.totals.add(&planned.counts);
            report.accounts.push(planned);
        }
    }
    progress.end();
    report.accounts.sort_by(|a, b| a.address.cmp(&b.address));
    Ok(report)
}

fn plan_account(
    platform: &Platform,
    view: &View<'_>,
    lineages: &Lineages,
    id: IntegrationId,
    address: &Address,
    policy: &Policy,
) -> Result<PlannedAccount, IntegrationError> {
    let decision = crate::apply::decide(platform, view, lineages, id, address)?;
    let state = view.journal(id.get(), address)?.and_then(|j| Progressed::from_word(&j.state));
    let mut histories = Histories::read(view, lineages, address)?;
    let (before, after) = (histories.before.count(), histories.live.count());
    let mut planned = PlannedAccount {
        address: decision.address.to_string(),
        case: decision.case,
        mail: decision.mail,
        password: decision.password,
        applied: state == Some(Progressed::Applied),
        counts: PlanCounts { before, after, ..PlanCounts::default() },
        mailboxes: Vec::new(),
        notices: decision.notices.into_iter().map(|n| (n.rule, n.text)).collect(),
        conflicts: decision.conflicts.iter().map(|c| c.kind.as_str().to_owned()).collect(),
    };
    if decision.mail == accounts::MailStep::Seal {
        planned.counts.result = after;
        return Ok(planned);
    }
    let (plan, _) = histories.plan(view, policy)?;
    for mailbox in &plan.mailboxes {
        let messages = plan.messages_of(mailbox);
        planned.mailboxes.push(PlannedMailbox {
            name: mailbox.name.to_string(),
            uidvalidity: mailbox.uidvalidity,
            uidnext: mailbox.uidnext,
            messages: messages.len() as u64,
            added: messages.iter().filter(|p| p.after.is_none()).count() as u64,
        });
    }
    let counts = &mut planned.counts;
    counts.result = plan.placements.len() as u64;
    counts.added = plan.placements.iter().filter(|p| p.after.is_none()).count() as u64;
    counts.changed = plan.placements.iter().filter(|p| p.after.is_some() && !p.change.is_none()).count() as u64;
    let leaves = plan.after.iter().flatten().filter(|f| !matches!(f.outcome, Outcome::Kept { .. }));
    counts.removed = leaves.count() as u64;
    planned.notices.extend(Fates::findings_of(&plan));
    Ok(planned)
}

/// What an undo came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// Accounts taken back.
    pub accounts: u64,
    /// Accounts that are gone again: only *before* had them, and nothing came for them since.
    pub removed: u64,
}

/// Takes an apply back for the chosen accounts, and keeps what arrived since (`RULES.md` G9).
///
/// When it returns, that survives a power loss.
///
/// # Errors
/// When the integration is confirmed; those of the store and the directory. Undoing again goes on.
pub fn undo(
    platform: &Platform,
    id: IntegrationId,
    selection: &Selection,
    progress: &dyn Progress,
) -> Result<Undone, IntegrationError> {
    let lineages = Lineages::of(platform, id)?;
    lineages.must_be_applicable()?;
    progress.begin("undo");
    let mut undone = Undone::default();
    for cell in platform.store.cells() {
        for (key, state) in cell.read(|view| view.journal_states(id.get()))? {
            let address = Address::new(&key)
                .map_err(|e| IntegrationError::Store(StoreError::BadRow(format!("the journal's address: {e}"))))?;
            if !selection.has(&address) {
                continue;
            }
            // An undo that was stopped may have taken the mail back and not come to the directory.
            let mail_is_back = Progressed::from_word(&state) == Some(Progressed::Undone);
            let there = match mail_is_back {
                true => cell.read(|view| view.account(LIVE, &address))?.is_some(),
                false => cell.write(|tx| undo_account(tx, id, &address))?,
            };
            let settled = platform.directory.write(|tx| accounts::undo_account(tx, id, &key, &|_| !there))?;
            if mail_is_back && settled.already {
                continue;
            }
            undone.accounts += 1;
            undone.removed += u64::from(!there);
            progress.done(1, 0);
        }
        cell.flush_manifests()?;
    }
    platform.directory.write(|tx| accounts::undo_shared(tx, id, selection))?;
    lineages.set_step(platform, Step::Undone)?;
    snapshots(platform)?;
    progress.end();
    Ok(undone)
}

fn undo_account(tx: &store::Tx<'_>, id: IntegrationId, address: &Address) -> Result<bool, StoreError> {
    let Some(mut journal) = tx.journal(id.get(), address)? else { return Ok(true) };
    let mut there = true;
    if let Some(record) = &journal.became {
        let record = UndoRecord::unpack(record)?;
        match tx.account(LIVE, address)? {
            Some(account) => {
                there = record.undo(tx, &account)?;
                if there {
                    tx.describe(account.id)?;
                }
            }
            None => there = false,
        }
    }
    journal.state = Progressed::Undone.as_str().to_owned();
    (journal.became, journal.fates, journal.was) = (None, None, None);
    tx.put_journal(id.get(), address, &journal)?;
    Ok(there)
}

/// Closes an integration: it can no longer be undone, and its staged lineages go. Its ledger and report stay.
///
/// # Errors
/// When it is not applied and verified; those of the store and the directory. Confirming again goes on.
pub fn confirm(platform: &Platform, id: IntegrationId) -> Result<(), IntegrationError> {
    let lineages = Lineages::of(platform, id)?;
    match lineages.step {
        Step::Applied | Step::Confirmed => {}
        _ => return Err(IntegrationError::Order(format!("integration {} is not applied", id.get()))),
    }
    // Without the proof on disk nobody could ever show what became of what is about to go.
    crate::verify::ledger_file(platform, id)?;
    if lineages.step == Step::Applied && proved(platform, id)?.is_none() {
        let text = format!("integration {} has changed since it was verified: run `integrate verify` first", id.get());
        return Err(IntegrationError::Order(text));
    }
    let unfinished = |row: &accounts::ConflictRow| row.state == "unfinished";
    if let Some(row) = accounts::list_conflicts(&platform.directory, Some(id))?.into_iter().find(unfinished) {
        let text = format!("the mail of conflict {} is not where it should be yet: resolve it again", row.number);
        return Err(IntegrationError::Order(text));
    }
    let mut sealed = 0;
    for cell in platform.store.cells() {
        let states = cell.read(|view| view.journal_states(id.get()))?;
        sealed += states.iter().filter(|(_, s)| Progressed::from_word(s) == Some(Progressed::Sealed)).count();
    }
    if sealed > 0 {
        let text = format!("{sealed} accounts are sealed and wait for a decision: decide them first (`conflicts`)");
        return Err(IntegrationError::Order(text));
    }
    lineages.set_step(platform, Step::Confirmed)?;
    // Orphans of nobody stay in the operator's box (RULES.md 9.3).
    let nobody = crate::stage::nobody();
    for cell in platform.store.cells() {
        for lineage in [Some(lineages.before), lineages.base].into_iter().flatten() {
            cell.forget_lineage_but(LineageId(lineage.get()), Some(&nobody))?;
        }
        cell.write(|tx| tx.forget_journal(id.get()))?;
    }
    platform.directory.write(|tx| tx.forget_undo(id))?;
    snapshots(platform)
}

/// Copies of the indexes, after anything that is no delivery.
pub(crate) fn snapshots(platform: &Platform) -> Result<(), IntegrationError> {
    for cell in platform.store.cells() {
        cell.snapshot()?;
    }
    Ok(())
}

/// Seconds since 1970 UTC, as a UIDVALIDITY.
fn now_u32() -> u32 {
    u32::try_from(now()).unwrap_or(1).max(1)
}
