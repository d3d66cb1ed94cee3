//! Integrations and what each did to every account: storage alone, the rules are the integrator's.

use crate::directory::Tx;
use crate::error::{DirectoryError, found, putting};
use crate::ids::IntegrationId;
use crate::query::{PAGE_ROWS, check_json, for_each_page, maybe_secret, one, reads, rows};
use crate::secret::Secret;
use crate::sql::{conflict, integration as sql};
use rusqlite::{Row, params};

/// An integration of lineages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integration {
    /// Names it.
    pub id: IntegrationId,
    /// What people call it.
    pub label: String,
    /// How far it is, a word of the integrator's.
    pub state: String,
    /// When it was begun, in seconds since 1970 UTC.
    pub created_at: i64,
    /// The choices of this run, as JSON.
    pub policy: String,
    /// Where *before* is read from.
    pub before_source: Option<String>,
    /// Where *after* is read from; `None`: the live accounts.
    pub after_source: Option<String>,
    /// Where *base* is read from, if there is one.
    pub base_source: Option<String>,
    /// What came out, as JSON.
    pub summary: Option<String>,
}

/// An integration to be begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewIntegration {
    /// What people call it.
    pub label: String,
    /// How far it is.
    pub state: String,
    /// The choices of this run, as JSON.
    pub policy: String,
    /// Where *before* is read from.
    pub before_source: Option<String>,
    /// Where *after* is read from.
    pub after_source: Option<String>,
    /// Where *base* is read from.
    pub base_source: Option<String>,
}

/// What an integration did to one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountApply {
    /// Which integration.
    pub integration: IntegrationId,
    /// Which account, by the key of its address.
    pub account_key: String,
    /// How far it is, a word of the integrator's.
    pub state: String,
    /// What takes it back, as JSON; it may hold hashes.
    pub undo: Option<Secret>,
    /// What came out, as JSON.
    pub detail: String,
}

reads! {
    /// Gets an integration.
    pub fn integration(connection, id: IntegrationId) -> Option<Integration> {
        one(connection, sql::GET, [id.get()], read)
    }

    /// Gives every integration, oldest first.
    pub fn for_each_integration(connection, each: impl FnMut(Integration) -> Result<(), DirectoryError>) -> () {
        let page = |after: &i64| rows(connection, sql::PAGE, params![after, PAGE_ROWS], read);
        for_each_page(0, page, |i| i.id.get(), each)
    }

    /// Gets what an integration did to an account.
    pub fn account_apply(connection, integration: IntegrationId, account_key: &str) -> Option<AccountApply> {
        one(connection, sql::APPLY, params![integration.get(), account_key], read_apply)
    }

    /// Gives what an integration did to each account, or to those in one state, by account.
    pub fn for_each_account_apply(
        connection,
        integration: IntegrationId,
        state: Option<&str>,
        each: impl FnMut(AccountApply) -> Result<(), DirectoryError>,
    ) -> () {
        let id = integration.get();
        let page = |after: &String| match state {
            None => rows(connection, sql::APPLY_PAGE, params![id, after, PAGE_ROWS], read_apply),
            Some(state) => {
                rows(connection, sql::APPLY_STATE_PAGE, params![id, state, after, PAGE_ROWS], read_apply)
            }
        };
        for_each_page(String::new(), page, |a| a.account_key.clone(), each)
    }

    /// How many accounts an integration has in each state, by state.
    pub fn account_apply_counts(connection, integration: IntegrationId) -> Vec<(String, u64)> {
        rows(connection, sql::APPLY_COUNTS, [integration.get()], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
        })
    }
}

impl Tx<'_> {
    /// Begins an integration, dated now.
    ///
    /// # Errors
    /// When the policy is no JSON.
    pub fn add_integration(&mut self, integration: &NewIntegration) -> Result<IntegrationId, DirectoryError> {
        check_json("integration", &integration.label, &integration.policy)?;
        let id = self.insert(
            sql::INSERT,
            params![
                integration.label,
                integration.state,
                self.now(),
                integration.policy,
                integration.before_source,
                integration.after_source,
                integration.base_source,
                None::<String>,
            ],
        )?;
        Ok(IntegrationId::new_unchecked(id))
    }

    /// Writes every field of an integration.
    ///
    /// # Errors
    /// When there is no such integration, or policy or summary are no JSON.
    pub fn update_integration(&mut self, integration: &Integration) -> Result<(), DirectoryError> {
        check_json("integration", integration.id, &integration.policy)?;
        if let Some(summary) = &integration.summary {
            check_json("integration", integration.id, summary)?;
        }
        let rows = self.execute(
            sql::UPDATE,
            params![
                integration.label,
                integration.state,
                integration.created_at,
                integration.policy,
                integration.before_source,
                integration.after_source,
                integration.base_source,
                integration.summary,
                integration.id.get(),
            ],
        )?;
        found(rows, "integration", integration.id)
    }

    /// Writes down what an integration did to an account, in place of what stood there.
    ///
    /// # Errors
    /// When there is no such integration, the key is empty, or undo or detail are no JSON.
    pub fn put_account_apply(&mut self, apply: &AccountApply) -> Result<(), DirectoryError> {
        const WHAT: &str = "applied account";
        let key = &apply.account_key;
        if key.is_empty() {
            return Err(DirectoryError::Invalid { what: WHAT, key: key.clone(), reason: "its key is empty" });
        }
        check_json(WHAT, key, &apply.detail)?;
        let undo = apply.undo.as_ref().map(Secret::expose);
        if let Some(undo) = undo {
            check_json(WHAT, key, undo)?;
        }
        self.execute(sql::APPLY_PUT, params![apply.integration.get(), key, apply.state, undo, apply.detail])
            .map_err(putting(WHAT, key))?;
        Ok(())
    }

    /// Removes what is written down about an account; yields whether there was anything.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn remove_account_apply(
        &mut self,
        integration: IntegrationId,
        account_key: &str,
    ) -> Result<bool, DirectoryError> {
        Ok(self.execute(sql::APPLY_DELETE, params![integration.get(), account_key])? > 0)
    }

    /// Forgets what would take an integration back, conflicts included, once it is confirmed (`RULES.md` G9).
    ///
    /// # Errors
    /// When the engine fails.
    pub fn forget_undo(&mut self, integration: IntegrationId) -> Result<(), DirectoryError> {
        self.execute(sql::APPLY_FORGET_UNDO, [integration.get()])?;
        self.execute(conflict::FORGET_UNDO, [integration.get()])?;
        Ok(())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Integration> {
    Ok(Integration {
        id: IntegrationId::new_unchecked(row.get(0)?),
        label: row.get(1)?,
        state: row.get(2)?,
        created_at: row.get(3)?,
        policy: row.get(4)?,
        before_source: row.get(5)?,
        after_source: row.get(6)?,
        base_source: row.get(7)?,
        summary: row.get(8)?,
    })
}

fn read_apply(row: &Row<'_>) -> rusqlite::Result<AccountApply> {
    Ok(AccountApply {
        integration: IntegrationId::new_unchecked(row.get(0)?),
        account_key: row.get(1)?,
        state: row.get(2)?,
        undo: maybe_secret(row, 3)?,
        detail: row.get(4)?,
    })
}
