//! An integration as the directory keeps it: which lineages, which policy, how far.

use crate::plan::Policy;
use crate::platform::Platform;
use directory::{DirectoryError, Integration, IntegrationId, LineageId, LineageRole, NewIntegration};
use serde::{Deserialize, Serialize};
use source::SourceError;
use store::StoreError;

/// A step of an integration failed. What was done stays done, and the step can be run again.
#[derive(Debug, thiserror::Error)]
pub enum IntegrationError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The directory.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A source.
    #[error("the source cannot be read: {0}")]
    Source(#[from] SourceError),
    /// Staging.
    #[error(transparent)]
    Stage(#[from] crate::stage::StageError),
    /// The step cannot be taken now.
    #[error("{0}")]
    Order(String),
    /// A file of the integration could not be read or written.
    #[error("{}: {cause}", path.display())]
    Io {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The ledger.
    #[error("the ledger cannot be written: {0}")]
    Ledger(#[from] crate::ledger::LedgerError),
    /// The key that signs ledgers.
    #[error(transparent)]
    Key(#[from] crate::ledger::KeyError),
}

/// How an integration decides: kept with it, so that every step and every resumption decides alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policies {
    /// For the plan of each account.
    pub plan: Policy,
    /// Whether messages of *before* are marked as such; not in a plain import.
    pub mark_before: bool,
}

/// How far an integration is: [`Integration::state`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Its sources are being staged.
    Staging,
    /// They are staged.
    Staged,
    /// Accounts are being applied.
    Applying,
    /// All chosen accounts are.
    Applied,
    /// Some or all are taken back.
    Undone,
    /// It can no longer be undone; its lineages are gone.
    Confirmed,
    /// It was a plain import, and is done.
    Imported,
}

impl Step {
    const ALL: [(Step, &'static str); 7] = [
        (Step::Staging, "staging"),
        (Step::Staged, "staged"),
        (Step::Applying, "applying"),
        (Step::Applied, "applied"),
        (Step::Undone, "undone"),
        (Step::Confirmed, "confirmed"),
        (Step::Imported, "imported"),
    ];

    /// The word in the directory.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(s, _)| *s == self).map_or("", |(_, w)| w)
    }

    /// The step of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, w)| *w == word).map(|(s, _)| *s)
    }
}

/// An integration's lineages and policy, read once for a step.
pub(crate) struct Lineages {
    pub(crate) row: Integration,
    pub(crate) step: Step,
    pub(crate) before: LineageId,
    pub(crate) base: Option<LineageId>,
    pub(crate) policies: Policies,
    /// When the integration was begun, in seconds since 1970 UTC: every resumption says the same.
    pub(crate) now: i64,
}

impl Lineages {
    pub(crate) fn of(platform: &Platform, id: IntegrationId) -> Result<Self, IntegrationError> {
        let missing = || IntegrationError::Order(format!("there is no integration {}", id.get()));
        let row = platform.directory.integration(id)?.ok_or_else(missing)?;
        let step = Step::from_word(&row.state);
        let step =
            step.ok_or_else(|| IntegrationError::Order(format!("integration {} has an unknown state", id.get())))?;
        let policies = serde_json::from_str(&row.policy)
            .map_err(|e| IntegrationError::Order(format!("integration {} has an unknown policy: {e}", id.get())))?;
        let (mut before, mut base) = (None, None);
        for lineage in platform.directory.lineages_of(id)? {
            match lineage.role {
                LineageRole::Before | LineageRole::Import => before = Some(lineage.id),
                LineageRole::Base => base = Some(lineage.id),
                LineageRole::After => {}
            }
        }
        let before = before.ok_or_else(missing)?;
        let now = row.created_at;
        Ok(Lineages { row, step, before, base, policies, now })
    }

    pub(crate) fn must_be_applicable(&self) -> Result<(), IntegrationError> {
        let why = match self.step {
            Step::Staging => "it is not staged yet: run `integrate stage` again, it goes on where it stopped",
            Step::Confirmed | Step::Imported => "it is confirmed, and cannot be applied again",
            Step::Staged | Step::Applying | Step::Applied | Step::Undone => return Ok(()),
        };
        Err(IntegrationError::Order(format!("integration {}: {why}", self.row.id.get())))
    }

    pub(crate) fn set_step(&self, platform: &Platform, step: Step) -> Result<(), IntegrationError> {
        Ok(platform.directory.write(|tx| {
            let Some(mut row) = tx.integration(self.row.id)? else { return Ok(()) };
            row.state = step.as_str().to_owned();
            // What verify found is of a state that is about to be another.
            if matches!(step, Step::Applying | Step::Undone | Step::Staging) {
                row.summary = None;
            }
            tx.update_integration(&row)
        })?)
    }
}

/// What the last verify of all accounts found, kept until anything is staged, applied or undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proved {
    /// When, in seconds since 1970 UTC.
    pub at: i64,
    /// Rows of the ledger.
    pub rows: u64,
    /// Its head, 64 hexadecimal digits.
    pub head: String,
    /// The numbers of all accounts.
    pub totals: crate::report::Totals,
    /// How many things were wrong.
    pub problems: u64,
}

/// What the last verify of all accounts found, where that still holds.
///
/// # Errors
/// Those of the directory.
pub fn proved(platform: &Platform, id: IntegrationId) -> Result<Option<Proved>, IntegrationError> {
    proved_in(&platform.directory, id)
}

/// As [`proved`], of a data directory whose mail is not open.
pub(crate) fn proved_in(
    directory: &directory::Directory,
    id: IntegrationId,
) -> Result<Option<Proved>, IntegrationError> {
    let row = directory.integration(id)?;
    Ok(row.and_then(|r| r.summary).and_then(|s| serde_json::from_str(&s).ok()))
}

pub(crate) fn set_proved(
    platform: &Platform,
    id: IntegrationId,
    proved: Option<&Proved>,
) -> Result<(), IntegrationError> {
    let summary = proved.map(|p| serde_json::to_string(p).expect("a proof is plain data"));
    Ok(platform.directory.write(|tx| {
        let Some(mut row) = tx.integration(id)?.filter(|r| r.summary != summary) else { return Ok(()) };
        row.summary.clone_from(&summary);
        tx.update_integration(&row)
    })?)
}

/// Registers an integration of sources, or gives the unfinished one of the same sources.
pub(crate) fn find_or_add(
    platform: &Platform,
    label: &str,
    before: &str,
    base: Option<&str>,
    role: LineageRole,
    policies: &Policies,
) -> Result<IntegrationId, IntegrationError> {
    let mut found = None;
    platform.directory.for_each_integration(|i| {
        let same = i.before_source.as_deref() == Some(before) && i.base_source.as_deref() == base;
        if same && !matches!(Step::from_word(&i.state), Some(Step::Confirmed)) {
            found = Some(i);
        }
        Ok(())
    })?;
    if let Some(found) = found {
        let lineages = platform.directory.lineages_of(found.id)?;
        if lineages.iter().any(|l| l.role == role) {
            return Ok(found.id);
        }
    }
    let policy = serde_json::to_string(policies).expect("a policy is plain data");
    Ok(platform.directory.write(|tx| {
        let id = tx.add_integration(&NewIntegration {
            label: label.to_owned(),
            state: Step::Staging.as_str().to_owned(),
            policy: policy.clone(),
            before_source: Some(before.to_owned()),
            after_source: None,
            base_source: base.map(str::to_owned),
        })?;
        tx.add_lineage(Some(id), role, before)?;
        if let Some(base) = base {
            tx.add_lineage(Some(id), LineageRole::Base, base)?;
        }
        tx.audit("operator", "integration.add", &id.get().to_string(), "{}")?;
        Ok(id)
    })?)
}

/// Names the file that an I/O error is about.
pub(crate) fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> IntegrationError {
    let path = path.to_owned();
    move |cause| IntegrationError::Io { path, cause }
}

/// Seconds since 1970 UTC.
pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}
