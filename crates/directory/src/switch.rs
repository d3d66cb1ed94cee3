//! Switches: capabilities that a protocol does not offer to one account, since a client of its owner stumbles on them.

use crate::directory::Tx;
use crate::error::{DirectoryError, putting};
use crate::ids::AccountId;
use crate::query::{PAGE_ROWS, for_each_page, reads, rows};
use crate::sql::credential as sql;
use rusqlite::params;

/// The longest name of a capability, in bytes.
const MAX_CAPABILITY_BYTES: usize = 64;

reads! {
    /// The capabilities that are switched off for an account, in capitals, in order.
    pub fn switched_off(connection, account: AccountId) -> Vec<String> {
        rows(connection, sql::SWITCHES, [account.get()], |row| row.get(0))
    }

    /// Gives every switch, by account and capability.
    pub fn for_each_switch(
        connection,
        each: impl FnMut((AccountId, String)) -> Result<(), DirectoryError>,
    ) -> () {
        let page = |after: &(i64, String)| {
            rows(connection, sql::SWITCH_PAGE, params![after.0, after.1, PAGE_ROWS], |row| {
                Ok((AccountId::new_unchecked(row.get(0)?), row.get(1)?))
            })
        };
        for_each_page((0, String::new()), page, |(id, name)| (id.get(), name.clone()), each)
    }
}

impl Tx<'_> {
    /// Switches a capability off for an account; yields whether it was on.
    ///
    /// # Errors
    /// When there is no such account, or that is no name of a capability.
    pub fn switch_off(&mut self, account: AccountId, capability: &str) -> Result<bool, DirectoryError> {
        let capability = capability.to_ascii_uppercase();
        check_capability(&capability)?;
        let rows = self
            .execute(sql::SWITCH_PUT, params![account.get(), capability])
            .map_err(putting("switch", &capability))?;
        Ok(rows > 0)
    }

    /// Switches a capability on again for an account; yields whether it was off.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn switch_on(&mut self, account: AccountId, capability: &str) -> Result<bool, DirectoryError> {
        Ok(self.execute(sql::SWITCH_DELETE, params![account.get(), capability.to_ascii_uppercase()])? > 0)
    }
}

/// Checks a capability's name: the characters of an atom (RFC 9051 §9), in capitals.
pub(crate) fn check_capability(capability: &str) -> Result<(), DirectoryError> {
    let fits = |b: u8| b.is_ascii_graphic() && !b.is_ascii_lowercase() && !b"(){%*\"\\]".contains(&b);
    if capability.is_empty() || capability.len() > MAX_CAPABILITY_BYTES || !capability.bytes().all(fits) {
        let reason = "that is no name of a capability";
        return Err(DirectoryError::Invalid { what: "switch", key: capability.to_owned(), reason });
    }
    Ok(())
}
