//! The consistency check: the directory's invariants, one function each, in the order of `docs/design/directory.md`.

use crate::app_password::{MAX_APP_PASSWORDS, check_label};
use crate::directory::{Directory, Tx};
use crate::dkim::check_key;
use crate::domain::domain_name_fault;
use crate::error::{DirectoryError, ErrorClass, class_of};
use crate::integration::Integration;
use crate::lineage::{Lineage, check_lineage_key};
use crate::query::{PAGE_ROWS, check_json, check_targets, for_each_page, rows};
use crate::secret::Secret;
use crate::sql::{check as sql, sqlite};
use crate::switch::check_capability;
use message::Address;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;

/// Problems listed at most; a directory with more is broken as a whole.
const MAX_PROBLEMS: usize = 1000;

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which invariant, a word.
    pub invariant: &'static str,
    /// What was found, and where.
    pub text: String,
}

impl Directory {
    /// Checks every invariant of the directory in one unchanging state of it. No problem: an empty list. At most 1,000
    /// are listed, and then a last one that says so.
    ///
    /// # Errors
    /// When the file cannot be read. What is read and makes no sense, to the engine or to us, is a problem.
    pub fn check_consistency(&self) -> Result<Vec<Problem>, DirectoryError> {
        let reader = self.reader()?;
        // Deferred, and on a connection that only reads: its first read fixes the state that all see.
        let tx = Tx::new(reader.unchecked_transaction()?, self.now());
        let mut found = Found(Vec::new());
        match check(&tx, &mut found) {
            Ok(()) => {}
            Err(DirectoryError::Caller(stopped)) if stopped.is::<Enough>() => {
                found.0.push(Problem { invariant: "list", text: "there are more problems than are listed".to_owned() });
            }
            // The engine could not go on: whatever comes after that place is unchecked.
            Err(DirectoryError::Sql { source }) if class_of(&source) == ErrorClass::Corruption => {
                found.0.push(Problem { invariant: "integrity", text: source.to_string() });
            }
            Err(error) => return Err(error),
        }
        Ok(found.0)
    }
}

/// The problems so far.
struct Found(Vec<Problem>);

/// Ends the check: the list is full.
#[derive(Debug, thiserror::Error)]
#[error("the list of problems is full")]
struct Enough;

impl Found {
    fn add(&mut self, invariant: &'static str, text: String) -> Result<(), DirectoryError> {
        if self.0.len() == MAX_PROBLEMS {
            return Err(DirectoryError::caller(Enough));
        }
        self.0.push(Problem { invariant, text });
        Ok(())
    }

    /// Turns a value that breaks an invariant into a problem.
    fn valid(&mut self, result: Result<(), DirectoryError>) -> Result<(), DirectoryError> {
        match result {
            Err(error @ DirectoryError::Invalid { .. }) => self.add("values", error.to_string()),
            other => other,
        }
    }

    /// Turns a row that cannot be understood into a problem of its table.
    fn readable(&mut self, table: &str, result: Result<(), DirectoryError>) -> Result<(), DirectoryError> {
        match result {
            Err(DirectoryError::Row { source }) => self.add("rows", format!("{table}: {source}")),
            other => other,
        }
    }
}

fn check(tx: &Tx<'_>, found: &mut Found) -> Result<(), DirectoryError> {
    for (invariant, text) in sqlite::engine_problems(tx.connection())? {
        found.add(invariant, text)?;
    }
    check_domains(tx, found)?;
    check_keys(tx.connection(), found)?;
    check_active_scripts(tx.connection(), found)?;
    check_rows(tx, found)?;
    check_credentials(tx, found)?;
    check_mail(tx, found)?;
    check_audit(tx, found)
}

/// Names of domains are in lower case and are names.
fn check_domains(tx: &Tx<'_>, found: &mut Found) -> Result<(), DirectoryError> {
    let result = tx.for_each_domain(|domain| match domain_name_fault(&domain.name) {
        None => Ok(()),
        Some(fault) => found.add("domain", format!("domain {}: {fault}", domain.name)),
    });
    found.readable("domain", result)
}

/// The key of an address is its lower case, and its domain column its domain: for accounts, aliases and admins.
fn check_keys(connection: &Connection, found: &mut Found) -> Result<(), DirectoryError> {
    for (what, statement) in [("account", sql::ACCOUNT_PAGE), ("alias", sql::ALIAS_PAGE)] {
        let page = |after: &String| {
            rows(connection, statement, params![after, PAGE_ROWS], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        };
        let each = |(key, address, domain): (String, String, String)| {
            if what == "alias" && key == address && key == format!("@{domain}") {
                return Ok(());
            }
            match Address::new(&address) {
                Ok(a) if a.key() == key && a.domain() == domain => Ok(()),
                _ => found.add("key", format!("{what} {key}: its address {address} or domain {domain} is another")),
            }
        };
        for_each_page(String::new(), page, |row: &(String, String, String)| row.0.clone(), each)?;
    }
    let page = |after: &String| {
        rows(connection, sql::ADMIN_PAGE, params![after, PAGE_ROWS], |row| Ok((row.get(0)?, row.get(1)?)))
    };
    let each = |(key, login): (String, String)| match Address::new(&login) {
        Ok(a) if a.key() == key => Ok(()),
        _ => found.add("key", format!("domain admin {key}: the login {login} is another")),
    };
    for_each_page(String::new(), page, |row: &(String, String)| row.0.clone(), each)
}

/// An account has one active script at most.
fn check_active_scripts(connection: &Connection, found: &mut Found) -> Result<(), DirectoryError> {
    let twice =
        rows(connection, sql::TWO_ACTIVE_SCRIPTS, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    for (account, count) in twice {
        found.add("active script", format!("account {account} has {count} active scripts"))?;
    }
    Ok(())
}

/// Every row reads back as what it is, lists of targets are not empty, and texts that should be JSON are.
fn check_rows(tx: &Tx<'_>, found: &mut Found) -> Result<(), DirectoryError> {
    let result = tx.for_each_customer(|_| Ok(()));
    found.readable("customer", result)?;
    let result = tx.for_each_domain_alias(|_| Ok(()));
    found.readable("domain_alias", result)?;
    let result = tx.for_each_account(|account| {
        let scripts = tx.scripts(account.id).map(|_| ());
        found.readable("script", scripts)
    });
    found.readable("account", result)?;
    let result = tx.for_each_alias(|alias| found.valid(check_targets("alias", &alias.address.key(), &alias.targets)));
    found.readable("alias", result)?;
    let result = tx.for_each_forward(|_, _| Ok(()));
    found.readable("settings_script", result)?;
    let result = tx.for_each_admin(|_| Ok(()));
    found.readable("domain_admin", result)?;
    let result = tx.for_each_integration(|integration| check_integration(tx, &integration, found));
    found.readable("integration", result)?;
    let result = tx.for_each_lineage(|lineage| check_lineage(tx, &lineage, found));
    found.readable("lineage", result)
}

/// SCRAM keys stand beside the hash they were made beside, app passwords and switches have names, and an account has no
/// more app passwords and networks than are kept.
fn check_credentials(tx: &Tx<'_>, found: &mut Found) -> Result<(), DirectoryError> {
    let result = tx.for_each_scram_keys(|(account, stands)| match stands {
        true => Ok(()),
        false => found.add("scram", format!("account {account} has SCRAM keys of another hash than its own")),
    });
    found.readable("scram", result)?;
    let mut counts = BTreeMap::new();
    let result = tx.for_each_app_password(|app| {
        *counts.entry(app.account).or_insert(0) += 1;
        found.valid(check_label(&app.label))
    });
    found.readable("app_password", result)?;
    for (account, count) in counts.into_iter().filter(|(_, count)| *count > MAX_APP_PASSWORDS) {
        found.add("app passwords", format!("account {account} has {count} app passwords"))?;
    }
    let result = tx.for_each_switch(|(_, capability)| found.valid(check_capability(&capability)));
    found.readable("account_switch", result)?;
    for (account, count) in tx.crowded_networks()? {
        found.add("networks", format!("account {account} has {count} networks"))?;
    }
    Ok(())
}

/// DKIM keys are what keys are, and an account remembers no more for its scripts than is kept.
fn check_mail(tx: &Tx<'_>, found: &mut Found) -> Result<(), DirectoryError> {
    let result = tx.for_each_dkim_key(|key| {
        found.valid(check_key(&key.domain, &key.selector, &key.private_key, &key.public_record))
    });
    found.readable("dkim_key", result)?;
    for (account, count) in tx.crowded_sieve_memories()? {
        found.add("sieve memory", format!("account {account} remembers {count} things"))?;
    }
    Ok(())
}

fn check_integration(tx: &Tx<'_>, integration: &Integration, found: &mut Found) -> Result<(), DirectoryError> {
    let id = integration.id;
    for json in [Some(&integration.policy), integration.summary.as_ref()].into_iter().flatten() {
        found.valid(check_json("integration", id, json))?;
    }
    let result = tx.for_each_account_apply(id, None, |apply| {
        let undo = apply.undo.as_ref().map_or("null", Secret::expose);
        found.valid(check_json("undo of account", &apply.account_key, undo))?;
        found.valid(check_json("applied account", &apply.account_key, &apply.detail))
    });
    found.readable("account_apply", result)?;
    let result = tx.for_each_conflict(id, None, |conflict| {
        let undo = conflict.decision.as_ref().and_then(|d| d.undo.as_ref()).map_or("null", Secret::expose);
        for json in [&conflict.conflict.evidence, &conflict.conflict.choices, undo] {
            found.valid(check_json("conflict", conflict.number, json))?;
        }
        Ok(())
    });
    found.readable("conflict", result)
}

fn check_lineage(tx: &Tx<'_>, lineage: &Lineage, found: &mut Found) -> Result<(), DirectoryError> {
    let id = lineage.id;
    let result = tx.for_each_lineage_domain(id, |domain| found.valid(check_lineage_key("domain", &domain.name)));
    found.readable("lineage_domain", result)?;
    let result = tx.for_each_lineage_account(id, |account| {
        found.valid(check_lineage_key("account", &account.key))?;
        found.valid(check_json("account of a lineage", &account.key, account.json.expose()))
    });
    found.readable("lineage_account", result)?;
    let result = tx.for_each_lineage_alias(id, |alias| found.valid(check_lineage_key("alias", &alias.address)));
    found.readable("lineage_alias", result)?;
    let result = tx.for_each_lineage_script(id, |script| found.valid(check_lineage_key("script", &script.account_key)));
    found.readable("lineage_script", result)?;
    let result = tx.for_each_lineage_notice(id, |_| Ok(()));
    found.readable("lineage_notice", result)
}

/// Entries are numbered without a gap, and their times never go back.
fn check_audit(tx: &Tx<'_>, found: &mut Found) -> Result<(), DirectoryError> {
    let (mut number, mut at) = (0, i64::MIN);
    let result = tx.for_each_audit(0, |entry| {
        if entry.number != number + 1 {
            found.add("audit", format!("entry {number} is followed by entry {}", entry.number))?;
        }
        if entry.at < at {
            found.add("audit", format!("entry {} is older than the one before it", entry.number))?;
        }
        (number, at) = (entry.number, entry.at);
        found.valid(check_json("audit entry", entry.number, &entry.detail))
    });
    found.readable("audit", result)
}
