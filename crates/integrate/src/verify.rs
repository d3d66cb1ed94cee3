//! Verify: every source read again from disk, every message of the result from its segment, and each accounted for.
//!
//! Shares no state with apply (`RULES.md 10.1`): sources are listed and read anew, digests and identities are computed
//! by [`names`], and what must hold (G1, G2, G3, G6, G8) is decided from what was read. Apply's journal is used for
//! one thing: to know which message of the result a row of the ledger is to name, and then that message is looked at.
//!
//! Accounts go by in windows ([`window`]), so that memory does not grow with their number.

mod account;
mod histories;
mod names;
mod output;
mod reading;
mod window;

pub(crate) use output::{ProofFiles, ledger_file};

use crate::integration::{IntegrationError, Lineages, Proved, Step, now, set_proved};
use crate::ledger::Head;
use crate::platform::Platform;
use crate::progress::Progress;
use crate::report::{AccountReport, DamageEntry, Pair, Totals};
use crate::select::Selection;
use crate::stage::UNATTRIBUTED;
use account::Finished;
use directory::IntegrationId;
use histories::Histories;
use message::Address;
use output::Output;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What verify found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verified {
    /// Accounts looked at.
    pub accounts: u64,
    /// Rows of the ledger.
    pub rows: u64,
    /// The numbers of all of them.
    pub totals: Totals,
    /// What is not as it must be, in words; empty: everything holds.
    pub problems: Vec<String>,
    /// Bytes of sources and segments that were read.
    pub read_bytes: u64,
    /// The ledger, when all accounts were looked at.
    pub ledger: Option<Head>,
}

impl Verified {
    fn take(&mut self, one: Finished, output: Option<&mut Output>) -> Result<(), IntegrationError> {
        self.accounts += u64::from(one.proof.address.is_some());
        self.rows += one.rows.len() as u64;
        self.totals += one.proof.totals;
        self.problems.extend(one.proof.problems.iter().cloned());
        output.map_or(Ok(()), |output| output.write(one))
    }
}

/// What verify keeps of an account for the report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct AccountProof {
    pub(crate) address: Option<String>,
    pub(crate) totals: Totals,
    pub(crate) report: Option<AccountReport>,
    pub(crate) damage: Vec<DamageEntry>,
    pub(crate) same_message_id: Vec<Pair>,
    pub(crate) near_twins: Vec<Pair>,
    pub(crate) problems: Vec<String>,
}

/// What every part of one verification shares.
struct Run<'a> {
    platform: &'a Platform,
    lineages: &'a Lineages,
    histories: &'a Histories,
    progress: &'a dyn Progress,
}

impl Run<'_> {
    /// Every address that any lineage, or the result, has.
    fn addresses(&self) -> Result<BTreeSet<Address>, IntegrationError> {
        let mut found = BTreeSet::new();
        for cell in self.platform.store.cells() {
            for lineage in self.histories.all.iter().map(|h| h.lineage).chain([store::LIVE]) {
                for account in cell.read(|view| view.accounts(lineage))? {
                    found.extend(Address::new(&account.address).ok().filter(|a| a.as_str() != UNATTRIBUTED));
                }
            }
        }
        for history in &self.histories.all {
            found.extend(history.maildrops.keys().cloned());
        }
        Ok(found)
    }
}

/// Reads every source and the whole result of the chosen accounts and accounts for every message.
///
/// With every account chosen, the ledger is written, chained and signed, and survives a power loss when this returns.
///
/// # Errors
/// When the integration is not applied, a source cannot be opened, or the store or a file fails. What is wrong with
/// the mail itself is in the result.
pub fn verify(
    platform: &Platform,
    id: IntegrationId,
    selection: &Selection,
    progress: &dyn Progress,
) -> Result<Verified, IntegrationError> {
    let lineages = Lineages::of(platform, id)?;
    let waiting = crate::apply::pending(platform, &lineages, selection)?.0;
    if waiting > 0 || !matches!(lineages.step, Step::Applying | Step::Applied | Step::Imported) {
        let text =
            format!("integration {} is not applied ({waiting} accounts wait): apply it first, then verify", id.get());
        return Err(IntegrationError::Order(text));
    }
    let histories = Histories::open(platform, &lineages)?;
    let run = Run { platform, lineages: &lineages, histories: &histories, progress };
    let files = ProofFiles::of(platform, id);
    let mut output = selection.is_all().then(|| Output::create(platform, &files, &run)).transpose()?;
    let mut verified = Verified::default();
    verified.read_bytes = window::look(&run, selection, |finished| verified.take(finished, output.as_mut()))?;
    if !verified.problems.is_empty() {
        // What was found damaged is noted, so that staging its source again heals it.
        platform.store.settle()?;
    }
    if let Some(output) = output {
        let head = output.finish(platform, &files)?;
        let problems = verified.problems.len() as u64;
        let at = now();
        set_proved(
            platform,
            id,
            Some(&Proved { at, rows: head.rows, head: head.head.to_string(), totals: verified.totals, problems }),
        )?;
        verified.ledger = Some(head);
        crate::steps::snapshots(platform)?;
    }
    Ok(verified)
}
