//! Staged lineages: what each source's own files say of domains, accounts, aliases and scripts, as the integrator
//! staged it. Storage alone: nothing here is validated against the live directory, since a source says what it says.
//!
//! Every `put` replaces what stands at its place, so that staging the same source again changes nothing
//! (`RULES.md` G4).

use crate::directory::Tx;
use crate::error::{DirectoryError, found, putting};
use crate::ids::{IntegrationId, LineageId};
use crate::query::{PAGE_ROWS, check_json, for_each_page, one, reads, rows, texts, texts_json, word, words};
use crate::secret::Secret;
use crate::sql::lineage as sql;
use rusqlite::{Row, params};

words! {
    /// Which history a lineage is.
    pub enum LineageRole {
        /// The recovered one.
        Before = "before",
        /// The one that grew since.
        After = "after",
        /// The last common state.
        Base = "base",
        /// An import without an integration.
        Import = "import",
    }
}

/// A staged lineage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
    /// Names it.
    pub id: LineageId,
    /// Its integration; `None` for a plain import.
    pub integration: Option<IntegrationId>,
    /// Which history it is; an integration has each once.
    pub role: LineageRole,
    /// Where it is read from.
    pub source: String,
    /// When staging ended, in seconds since 1970 UTC; `None` while it goes on.
    pub staged_at: Option<i64>,
}

/// A domain of a lineage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineageDomain {
    /// Its name.
    pub name: String,
    /// Whether the source has it switched off.
    pub disabled: bool,
    /// The customer, by the source's name.
    pub customer: Option<String>,
}

/// An account of a lineage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineageAccount {
    /// The key of its address.
    pub key: String,
    /// The source's account line as the integrator keeps it, JSON; it holds hashes.
    pub json: Secret,
}

/// An alias of a lineage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineageAlias {
    /// The key of its address, or `@domain`.
    pub address: String,
    /// Its targets, in order, as written.
    pub targets: Vec<String>,
}

/// A Sieve script of a lineage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineageScript {
    /// The key of its account's address.
    pub account_key: String,
    /// Its name.
    pub name: String,
    /// Its text.
    pub content: Vec<u8>,
    /// Whether it was the one that ran.
    pub active: bool,
}

/// A finding of staging, for the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineageNotice {
    /// Its place among the lineage's findings.
    pub seq: u32,
    /// The rule under which it is listed (`9.4`).
    pub rule: String,
    /// What it concerns.
    pub place: String,
    /// What was found.
    pub text: String,
}

reads! {
    /// Gets a lineage.
    pub fn lineage(connection, id: LineageId) -> Option<Lineage> {
        one(connection, sql::GET, [id.get()], read)
    }

    /// The lineages of an integration, oldest first.
    pub fn lineages_of(connection, integration: IntegrationId) -> Vec<Lineage> {
        rows(connection, sql::OF_INTEGRATION, [integration.get()], read)
    }

    /// Gives every lineage, plain imports included, oldest first.
    pub fn for_each_lineage(connection, each: impl FnMut(Lineage) -> Result<(), DirectoryError>) -> () {
        let page = |after: &i64| rows(connection, sql::PAGE, params![after, PAGE_ROWS], read);
        for_each_page(0, page, |l| l.id.get(), each)
    }

    /// Gets a domain of a lineage.
    pub fn lineage_domain(connection, lineage: LineageId, name: &str) -> Option<LineageDomain> {
        one(connection, sql::DOMAIN, params![lineage.get(), name], read_domain)
    }

    /// Gives every domain of a lineage, by name.
    pub fn for_each_lineage_domain(
        connection,
        lineage: LineageId,
        each: impl FnMut(LineageDomain) -> Result<(), DirectoryError>,
    ) -> () {
        let page = |after: &String| {
            rows(connection, sql::DOMAIN_PAGE, params![lineage.get(), after, PAGE_ROWS], read_domain)
        };
        for_each_page(String::new(), page, |d| d.name.clone(), each)
    }

    /// Gets an account of a lineage.
    pub fn lineage_account(connection, lineage: LineageId, key: &str) -> Option<LineageAccount> {
        one(connection, sql::ACCOUNT, params![lineage.get(), key], read_account)
    }

    /// Gives every account of a lineage, by key.
    pub fn for_each_lineage_account(
        connection,
        lineage: LineageId,
        each: impl FnMut(LineageAccount) -> Result<(), DirectoryError>,
    ) -> () {
        let page = |after: &String| {
            rows(connection, sql::ACCOUNT_PAGE, params![lineage.get(), after, PAGE_ROWS], read_account)
        };
        for_each_page(String::new(), page, |a| a.key.clone(), each)
    }

    /// Gets an alias of a lineage.
    pub fn lineage_alias(connection, lineage: LineageId, address: &str) -> Option<LineageAlias> {
        one(connection, sql::ALIAS, params![lineage.get(), address], read_alias)
    }

    /// Gives every alias of a lineage, by address.
    pub fn for_each_lineage_alias(
        connection,
        lineage: LineageId,
        each: impl FnMut(LineageAlias) -> Result<(), DirectoryError>,
    ) -> () {
        let page = |after: &String| {
            rows(connection, sql::ALIAS_PAGE, params![lineage.get(), after, PAGE_ROWS], read_alias)
        };
        for_each_page(String::new(), page, |a| a.address.clone(), each)
    }

    /// The scripts of an account of a lineage, by name.
    pub fn lineage_scripts(connection, lineage: LineageId, account_key: &str) -> Vec<LineageScript> {
        rows(connection, sql::SCRIPTS, params![lineage.get(), account_key], read_script)
    }

    /// Gives every script of a lineage, by account and name.
    pub fn for_each_lineage_script(
        connection,
        lineage: LineageId,
        each: impl FnMut(LineageScript) -> Result<(), DirectoryError>,
    ) -> () {
        let page = |after: &(String, String)| {
            rows(connection, sql::SCRIPT_PAGE, params![lineage.get(), after.0, after.1, PAGE_ROWS], read_script)
        };
        for_each_page((String::new(), String::new()), page, |s| (s.account_key.clone(), s.name.clone()), each)
    }

    /// Gives every finding of a lineage, in order.
    pub fn for_each_lineage_notice(
        connection,
        lineage: LineageId,
        each: impl FnMut(LineageNotice) -> Result<(), DirectoryError>,
    ) -> () {
        let page = |after: &i64| {
            rows(connection, sql::NOTICE_PAGE, params![lineage.get(), after, PAGE_ROWS], read_notice)
        };
        for_each_page(-1, page, |n| i64::from(n.seq), each)
    }
}

impl Tx<'_> {
    /// Begins staging a lineage.
    ///
    /// # Errors
    /// When there is no such integration, or it has a lineage of that role.
    pub fn add_lineage(
        &mut self,
        integration: Option<IntegrationId>,
        role: LineageRole,
        source: &str,
    ) -> Result<LineageId, DirectoryError> {
        let values = params![integration.map(IntegrationId::get), role.as_str(), source, state(None), None::<i64>];
        let id = self.insert(sql::INSERT, values).map_err(putting("lineage", role.as_str()))?;
        Ok(LineageId::new_unchecked(id))
    }

    /// Writes every field of a lineage, as when staging ends or a plain import joins an integration.
    ///
    /// # Errors
    /// When there is no such lineage or integration, or the integration has another lineage of that role.
    pub fn update_lineage(&mut self, lineage: &Lineage) -> Result<(), DirectoryError> {
        let values = params![
            lineage.integration.map(IntegrationId::get),
            lineage.role.as_str(),
            lineage.source,
            state(lineage.staged_at),
            lineage.staged_at,
            lineage.id.get()
        ];
        let rows = self.execute(sql::UPDATE, values).map_err(putting("lineage", lineage.id))?;
        found(rows, "lineage", lineage.id)
    }

    /// Writes down a domain of a lineage.
    ///
    /// # Errors
    /// When there is no such lineage, or the name is empty.
    pub fn put_lineage_domain(&mut self, lineage: LineageId, domain: &LineageDomain) -> Result<(), DirectoryError> {
        const WHAT: &str = "domain of a lineage";
        check_lineage_key(WHAT, &domain.name)?;
        let values = params![lineage.get(), domain.name, domain.disabled, domain.customer];
        self.execute(sql::DOMAIN_PUT, values).map_err(putting(WHAT, &domain.name))?;
        Ok(())
    }

    /// Writes down an account of a lineage.
    ///
    /// # Errors
    /// When there is no such lineage, the key is empty or not in lower case, or the line is no JSON.
    pub fn put_lineage_account(&mut self, lineage: LineageId, account: &LineageAccount) -> Result<(), DirectoryError> {
        const WHAT: &str = "account of a lineage";
        check_lineage_key(WHAT, &account.key)?;
        check_json(WHAT, &account.key, account.json.expose())?;
        let values = params![lineage.get(), account.key, account.json.expose()];
        self.execute(sql::ACCOUNT_PUT, values).map_err(putting(WHAT, &account.key))?;
        Ok(())
    }

    /// Writes down an alias of a lineage.
    ///
    /// # Errors
    /// When there is no such lineage, or the address is empty or not in lower case.
    pub fn put_lineage_alias(&mut self, lineage: LineageId, alias: &LineageAlias) -> Result<(), DirectoryError> {
        const WHAT: &str = "alias of a lineage";
        check_lineage_key(WHAT, &alias.address)?;
        let values = params![lineage.get(), alias.address, texts_json(&alias.targets)];
        self.execute(sql::ALIAS_PUT, values).map_err(putting(WHAT, &alias.address))?;
        Ok(())
    }

    /// Writes down a script of a lineage.
    ///
    /// # Errors
    /// When there is no such lineage, or the account's key is empty or not in lower case.
    pub fn put_lineage_script(&mut self, lineage: LineageId, script: &LineageScript) -> Result<(), DirectoryError> {
        const WHAT: &str = "script of a lineage";
        check_lineage_key(WHAT, &script.account_key)?;
        let values = params![lineage.get(), script.account_key, script.name, script.content, script.active];
        self.execute(sql::SCRIPT_PUT, values).map_err(putting(WHAT, &script.account_key))?;
        Ok(())
    }

    /// Writes down a finding of a lineage.
    ///
    /// # Errors
    /// When there is no such lineage.
    pub fn put_lineage_notice(&mut self, lineage: LineageId, notice: &LineageNotice) -> Result<(), DirectoryError> {
        let values = params![lineage.get(), notice.seq, notice.rule, notice.place, notice.text];
        self.execute(sql::NOTICE_PUT, values).map_err(putting("notice of a lineage", notice.seq))?;
        Ok(())
    }

    /// Removes everything written down of a lineage and leaves the lineage: staging begins anew.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn clear_lineage(&mut self, id: LineageId) -> Result<(), DirectoryError> {
        let statements =
            [sql::DOMAINS_DELETE, sql::ACCOUNTS_DELETE, sql::ALIASES_DELETE, sql::SCRIPTS_DELETE, sql::NOTICES_DELETE];
        for statement in statements {
            self.execute(statement, [id.get()])?;
        }
        Ok(())
    }

    /// Removes a lineage with everything written down of it, once its integration is confirmed or given up. Freed
    /// pages are zeroed, so that its hashes leave the file with the next checkpoint.
    ///
    /// # Errors
    /// When there is no such lineage.
    pub fn forget_lineage(&mut self, id: LineageId) -> Result<(), DirectoryError> {
        self.clear_lineage(id)?;
        let rows = self.execute(sql::DELETE, [id.get()])?;
        found(rows, "lineage", id)
    }
}

/// The stored word for how far a lineage is; it follows from when staging ended.
fn state(staged_at: Option<i64>) -> &'static str {
    if staged_at.is_some() { "staged" } else { "staging" }
}

/// Checks the key that a row of a lineage stands under.
pub(crate) fn check_lineage_key(what: &'static str, key: &str) -> Result<(), DirectoryError> {
    if key.is_empty() || key.to_lowercase() != key {
        let reason = "its key is empty or not in lower case";
        return Err(DirectoryError::Invalid { what, key: key.to_owned(), reason });
    }
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<Lineage> {
    Ok(Lineage {
        id: LineageId::new_unchecked(row.get(0)?),
        integration: row.get::<_, Option<i64>>(1)?.map(IntegrationId::new_unchecked),
        role: word(row, 2)?,
        source: row.get(3)?,
        staged_at: row.get(5)?,
    })
}

fn read_domain(row: &Row<'_>) -> rusqlite::Result<LineageDomain> {
    Ok(LineageDomain { name: row.get(0)?, disabled: row.get(1)?, customer: row.get(2)? })
}

fn read_account(row: &Row<'_>) -> rusqlite::Result<LineageAccount> {
    Ok(LineageAccount { key: row.get(0)?, json: Secret::new(row.get::<_, String>(1)?) })
}

fn read_alias(row: &Row<'_>) -> rusqlite::Result<LineageAlias> {
    Ok(LineageAlias { address: row.get(0)?, targets: texts(row, 1)? })
}

fn read_script(row: &Row<'_>) -> rusqlite::Result<LineageScript> {
    Ok(LineageScript { account_key: row.get(0)?, name: row.get(1)?, content: row.get(2)?, active: row.get(3)? })
}

fn read_notice(row: &Row<'_>) -> rusqlite::Result<LineageNotice> {
    Ok(LineageNotice { seq: row.get(0)?, rule: row.get(1)?, place: row.get(2)?, text: row.get(3)? })
}
