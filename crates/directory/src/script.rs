//! Sieve scripts of accounts, as text; at most one of an account is active (RFC 5804 §1.4).

use crate::directory::Tx;
use crate::error::{DirectoryError, found, putting};
use crate::ids::AccountId;
use crate::query::{maybe_u64, one, reads, rows};
use crate::sql::script as sql;
use rusqlite::{Connection, Row, params};

/// A Sieve script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Whose it is.
    pub account: AccountId,
    /// Its name, unique for its account.
    pub name: String,
    /// Its text, as it was given.
    pub content: Vec<u8>,
    /// Whether it is the one that runs.
    pub active: bool,
}

/// A Sieve script without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptSize {
    /// Its name.
    pub name: String,
    /// How long its text is.
    pub bytes: u64,
    /// Whether it is the one that runs.
    pub active: bool,
}

reads! {
    /// Gets a script.
    pub fn script(connection, account: AccountId, name: &str) -> Option<Script> {
        one(connection, sql::GET, params![account.get(), name], read)
    }

    /// Gets the script that runs for an account.
    pub fn active_script(connection, account: AccountId) -> Option<Script> {
        one(connection, sql::ACTIVE, [account.get()], read)
    }

    /// The scripts of an account, by name.
    pub fn scripts(connection, account: AccountId) -> Vec<Script> {
        list(connection, account)
    }

    /// The names and sizes of the scripts of an account, by name.
    pub fn script_sizes(connection, account: AccountId) -> Vec<ScriptSize> {
        rows(connection, sql::SIZES, [account.get()], |row| {
            let bytes = maybe_u64(row, 1)?.unwrap_or_default();
            Ok(ScriptSize { name: row.get(0)?, bytes, active: row.get(2)? })
        })
    }
}

impl Tx<'_> {
    /// Adds a script, not active, or replaces the text of the one of its name and leaves it as active as it was
    /// (RFC 5804 §2.6).
    ///
    /// # Errors
    /// When there is no such account, or the name is empty or holds a control character.
    pub fn put_script(&mut self, account: AccountId, name: &str, content: &[u8]) -> Result<(), DirectoryError> {
        check_name(name)?;
        self.execute(sql::PUT, params![account.get(), name, content]).map_err(putting("script", name))?;
        Ok(())
    }

    /// Makes a script the one that runs for its account; `None`: no script runs.
    ///
    /// # Errors
    /// When there is no such script.
    pub fn activate_script(&mut self, account: AccountId, name: Option<&str>) -> Result<(), DirectoryError> {
        // First the old one: two must not be active even for a moment.
        self.execute(sql::DEACTIVATE, [account.get()])?;
        let Some(name) = name else { return Ok(()) };
        let rows = self.execute(sql::ACTIVATE, params![account.get(), name])?;
        found(rows, "script", name)
    }

    /// Gives a script another name; it stays as active as it was (RFC 5804 §2.11).
    ///
    /// # Errors
    /// When there is no such script, there is one of the other name, or that is empty or holds a control character.
    pub fn rename_script(&mut self, account: AccountId, name: &str, to: &str) -> Result<(), DirectoryError> {
        check_name(to)?;
        let rows = self.execute(sql::RENAME, params![to, account.get(), name]).map_err(putting("script", to))?;
        found(rows, "script", name)
    }

    /// Removes a script, active or not.
    ///
    /// # Errors
    /// When there is none.
    pub fn remove_script(&mut self, account: AccountId, name: &str) -> Result<(), DirectoryError> {
        let rows = self.execute(sql::DELETE, params![account.get(), name])?;
        found(rows, "script", name)
    }
}

fn check_name(name: &str) -> Result<(), DirectoryError> {
    if name.is_empty() || name.chars().any(char::is_control) {
        let reason = "its name is empty or holds a control character";
        return Err(DirectoryError::Invalid { what: "script", key: name.to_owned(), reason });
    }
    Ok(())
}

pub(crate) fn list(connection: &Connection, account: AccountId) -> Result<Vec<Script>, DirectoryError> {
    rows(connection, sql::LIST, [account.get()], read)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Script> {
    Ok(Script {
        account: AccountId::new_unchecked(row.get(0)?),
        name: row.get(1)?,
        content: row.get(2)?,
        active: row.get(3)?,
    })
}
