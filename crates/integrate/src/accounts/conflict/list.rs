//! Conflicts as people and programs list them.

use super::choices::Choice;
use super::evidence::{Evidence, time_text};
use super::resolve::is_unfinished;
use directory::{Conflict, ConflictState, Directory, DirectoryError, IntegrationId};
use serde::Serialize;

/// A conflict as it is listed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConflictRow {
    /// The number that people cite.
    pub number: i64,
    /// The integration that found it.
    pub integration: i64,
    /// What kind, a word of [`super::Kind`].
    pub kind: String,
    /// The domain whose admin sees it.
    pub domain: String,
    /// The address it is about; empty where it is about the domain.
    pub address: String,
    /// `open`, `decided`, or `unfinished`: decided, and its mail is not where it should be yet.
    pub state: String,
    /// What can be chosen.
    pub choices: Vec<Choice>,
    /// What was chosen.
    pub choice: Option<String>,
    /// What each lineage says.
    pub evidence: Evidence,
    /// Who chose.
    pub decided_by: Option<String>,
    /// When, an RFC 3339 text.
    pub decided_at: Option<String>,
}

/// Lists the conflicts of an integration, or of all, by number, as they are at one moment.
///
/// # Errors
/// Those of the directory; also when a conflict is none that this program wrote.
pub fn list_conflicts(
    directory: &Directory,
    integration: Option<IntegrationId>,
) -> Result<Vec<ConflictRow>, DirectoryError> {
    let mut rows = directory.read(|view| {
        let mut integrations: Vec<_> = integration.into_iter().collect();
        if integration.is_none() {
            view.for_each_integration(|i| {
                integrations.push(i.id);
                Ok(())
            })?;
        }
        let mut rows = Vec::new();
        for integration in integrations {
            view.for_each_conflict(integration, None, |conflict| {
                rows.push(row(&conflict)?);
                Ok(())
            })?;
        }
        Ok(rows)
    })?;
    rows.sort_by_key(|row| row.number);
    Ok(rows)
}

fn row(conflict: &Conflict) -> Result<ConflictRow, DirectoryError> {
    let state = match conflict.state() {
        ConflictState::Decided if is_unfinished(conflict)? => "unfinished",
        state => state.as_str(),
    };
    let decision = conflict.decision.as_ref();
    Ok(ConflictRow {
        number: conflict.number.get(),
        integration: conflict.conflict.integration.get(),
        kind: conflict.conflict.kind.clone(),
        domain: conflict.conflict.domain.clone(),
        address: conflict.conflict.address.clone(),
        state: state.to_owned(),
        choices: choices(conflict)?,
        choice: decision.map(|d| d.choice.clone()),
        evidence: evidence(conflict)?,
        decided_by: decision.map(|d| d.decided_by.clone()),
        decided_at: decision.and_then(|d| time_text(d.decided_at)),
    })
}

pub(super) fn choices(conflict: &Conflict) -> Result<Vec<Choice>, DirectoryError> {
    serde_json::from_str(&conflict.conflict.choices).map_err(|_| broken(conflict))
}

pub(super) fn evidence(conflict: &Conflict) -> Result<Evidence, DirectoryError> {
    serde_json::from_str(&conflict.conflict.evidence).map_err(|_| broken(conflict))
}

pub(super) fn broken(conflict: &Conflict) -> DirectoryError {
    let reason = "it is none that this program wrote";
    DirectoryError::Invalid { what: "conflict", key: conflict.number.to_string(), reason }
}
