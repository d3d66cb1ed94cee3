//! Conflicts that wait for an admin, and how they were decided (`RULES.md 8`): storage alone.

use crate::directory::Tx;
use crate::error::{DirectoryError, found, putting};
use crate::ids::{ConflictNumber, IntegrationId};
use crate::query::{PAGE_ROWS, check_json, for_each_page, maybe_secret, one, reads, rows, word, words};
use crate::secret::Secret;
use crate::sql::conflict as sql;
use rusqlite::{Row, params};

words! {
    /// Whether a conflict still waits.
    pub enum ConflictState {
        /// It waits for an admin.
        Open = "open",
        /// An admin has chosen.
        Decided = "decided",
    }
}

/// A conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The number that people cite.
    pub number: ConflictNumber,
    /// What it is.
    pub conflict: NewConflict,
    /// The choice; `None` while it waits.
    pub decision: Option<Decision>,
}

impl Conflict {
    /// Whether it still waits.
    pub fn state(&self) -> ConflictState {
        if self.decision.is_some() { ConflictState::Decided } else { ConflictState::Open }
    }
}

/// What a conflict is. An integration has one of a kind at one address and domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewConflict {
    /// The integration that found it.
    pub integration: IntegrationId,
    /// Which of the kinds of `RULES.md 8` (`account-alias`).
    pub kind: String,
    /// The domain whose admin sees it.
    pub domain: String,
    /// The address it is about; empty where it is about the domain.
    pub address: String,
    /// What each lineage says, as JSON.
    pub evidence: String,
    /// What can be chosen, as JSON.
    pub choices: String,
}

/// What an admin chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Which of the choices.
    pub choice: String,
    /// Who chose.
    pub decided_by: String,
    /// When, in seconds since 1970 UTC.
    pub decided_at: i64,
    /// What takes it back, as JSON; it may hold hashes.
    pub undo: Option<Secret>,
}

reads! {
    /// Gets a conflict.
    pub fn conflict(connection, number: ConflictNumber) -> Option<Conflict> {
        one(connection, sql::GET, [number.get()], read)
    }

    /// Gets the conflict of an integration of a kind at an address of a domain.
    pub fn find_conflict(
        connection,
        integration: IntegrationId,
        kind: &str,
        domain: &str,
        address: &str,
    ) -> Option<Conflict> {
        one(connection, sql::FIND, params![integration.get(), kind, domain, address], read)
    }

    /// Gives every conflict of an integration, or those in one state, by number.
    pub fn for_each_conflict(
        connection,
        integration: IntegrationId,
        state: Option<ConflictState>,
        each: impl FnMut(Conflict) -> Result<(), DirectoryError>,
    ) -> () {
        let id = integration.get();
        let page = |after: &i64| match state {
            None => rows(connection, sql::PAGE, params![id, after, PAGE_ROWS], read),
            Some(state) => rows(connection, sql::STATE_PAGE, params![id, state.as_str(), after, PAGE_ROWS], read),
        };
        for_each_page(0, page, |c| c.number.get(), each)
    }

    /// Gives every conflict that a domain's admin sees, of every integration, by number.
    pub fn for_each_conflict_of_domain(
        connection,
        domain: &str,
        each: impl FnMut(Conflict) -> Result<(), DirectoryError>,
    ) -> () {
        let page = |after: &i64| rows(connection, sql::DOMAIN_PAGE, params![domain, after, PAGE_ROWS], read);
        for_each_page(0, page, |c| c.number.get(), each)
    }
}

impl Tx<'_> {
    /// Adds a conflict, or gives the one that stands at its place new evidence and choices where it still waits. Yields
    /// its number, which stays the same.
    ///
    /// # Errors
    /// When there is no such integration, or evidence or choices are no JSON.
    pub fn put_conflict(&mut self, conflict: &NewConflict) -> Result<ConflictNumber, DirectoryError> {
        let NewConflict { integration, kind, domain, address, evidence, choices } = conflict;
        check_json("conflict", address, evidence)?;
        check_json("conflict", address, choices)?;
        let values = params![integration.get(), kind, domain, address, evidence, choices];
        let number = one(self.connection(), sql::PUT, values, |row| row.get(0));
        if let Some(number) = number.map_err(|e| name_dangling(e, address))? {
            return Ok(ConflictNumber::new_unchecked(number));
        }
        let decided = self.find_conflict(*integration, kind, domain, address)?;
        Ok(decided.expect("a conflict that was not written stands there already").number)
    }

    /// Writes down what an admin chose, in place of an earlier choice.
    ///
    /// # Errors
    /// When there is no such conflict, or undo is no JSON.
    pub fn decide_conflict(&mut self, number: ConflictNumber, decision: &Decision) -> Result<(), DirectoryError> {
        let undo = decision.undo.as_ref().map(Secret::expose);
        if let Some(undo) = undo {
            check_json("conflict", number, undo)?;
        }
        let values = params![decision.choice, decision.decided_by, decision.decided_at, undo, number.get()];
        let rows = self.execute(sql::DECIDE, values)?;
        found(rows, "conflict", number)
    }

    /// Takes a choice back: the conflict waits again.
    ///
    /// # Errors
    /// When there is no such conflict.
    pub fn reopen_conflict(&mut self, number: ConflictNumber) -> Result<(), DirectoryError> {
        let rows = self.execute(sql::REOPEN, [number.get()])?;
        found(rows, "conflict", number)
    }

    /// Removes a conflict, as when its integration is undone.
    ///
    /// # Errors
    /// When there is none.
    pub fn remove_conflict(&mut self, number: ConflictNumber) -> Result<(), DirectoryError> {
        let rows = self.execute(sql::DELETE, [number.get()])?;
        found(rows, "conflict", number)
    }
}

fn name_dangling(error: DirectoryError, address: &str) -> DirectoryError {
    match error {
        DirectoryError::Sql { source } => putting("conflict", address)(source),
        other => other,
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Conflict> {
    let decision = match word(row, 7)? {
        ConflictState::Open => None,
        ConflictState::Decided => Some(Decision {
            choice: row.get(8)?,
            decided_by: row.get(9)?,
            decided_at: row.get(10)?,
            undo: maybe_secret(row, 11)?,
        }),
    };
    let conflict = NewConflict {
        integration: IntegrationId::new_unchecked(row.get(1)?),
        kind: row.get(2)?,
        domain: row.get(3)?,
        address: row.get(4)?,
        evidence: row.get(5)?,
        choices: row.get(6)?,
    };
    Ok(Conflict { number: ConflictNumber::new_unchecked(row.get(0)?), conflict, decision })
}
