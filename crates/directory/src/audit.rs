//! The audit log: who did what to whom. Rows are added and never changed or removed; the schema refuses it too.

use crate::directory::Tx;
use crate::error::DirectoryError;
use crate::query::{PAGE_ROWS, check_json, for_each_page, reads, rows};
use crate::sql::audit as sql;
use rusqlite::{Row, params};

/// One entry of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Its place in the log: 1, 2, 3, without a gap.
    pub number: i64,
    /// When, in seconds since 1970 UTC; never before the entry before it.
    pub at: i64,
    /// Who: a login, or the name of a program.
    pub actor: String,
    /// What was done, a word of the caller's (`account.close`).
    pub action: String,
    /// To whom or what: an address, a domain.
    pub subject: String,
    /// What else is worth knowing, as JSON. Never holds a password or a hash.
    pub detail: String,
}

reads! {
    /// Gives every entry of the audit log after a number (0: all), oldest first.
    pub fn for_each_audit(connection, after: i64, each: impl FnMut(Audit) -> Result<(), DirectoryError>) -> () {
        let page = |after: &i64| rows(connection, sql::PAGE, params![after, PAGE_ROWS], read);
        for_each_page(after, page, |a| a.number, each)
    }

    /// Gives every entry of the audit log about a subject, oldest first.
    pub fn for_each_audit_of(
        connection,
        subject: &str,
        each: impl FnMut(Audit) -> Result<(), DirectoryError>,
    ) -> () {
        let page = |after: &i64| rows(connection, sql::SUBJECT_PAGE, params![subject, after, PAGE_ROWS], read);
        for_each_page(0, page, |a| a.number, each)
    }
}

impl Tx<'_> {
    /// Adds an entry to the audit log, dated now, and yields its number. It stands exactly if the transaction does.
    ///
    /// # Errors
    /// When the detail is no JSON.
    pub fn audit(&mut self, actor: &str, action: &str, subject: &str, detail: &str) -> Result<i64, DirectoryError> {
        check_json("audit entry", action, detail)?;
        Ok(self.insert(sql::INSERT, params![self.now(), actor, action, subject, detail])?)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Audit> {
    Ok(Audit {
        number: row.get(0)?,
        at: row.get(1)?,
        actor: row.get(2)?,
        action: row.get(3)?,
        subject: row.get(4)?,
        detail: row.get(5)?,
    })
}
