//! What Sieve scripts remember of an account's mail: whom a vacation answered (RFC 5230 §4.2), which messages a duplicate
//! test has seen (RFC 7352).
//!
//! It is memory and no mail: it may be lost without harm, and it is bounded, since whoever writes to an account fills it.

use crate::directory::Tx;
use crate::error::{DirectoryError, putting};
use crate::ids::AccountId;
use crate::query::{one, reads, rows};
use crate::sql::sieve_memory as sql;
use rusqlite::params;
use sha2::{Digest, Sha256};

/// How much an account remembers: what would be forgotten first goes where there is more. A vacation of 30 days would have
/// to answer 300 people a day.
pub const MAX_SIEVE_MEMORY: usize = 10_000;
/// How much that has passed is forgotten with each new thing: more than one, so that it goes away.
const FORGET_AT_ONCE: usize = 32;

/// Names what is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SieveMemoryId([u8; 32]);

/// What is remembered, in seconds since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SieveMemory {
    /// When it was seen, or answered.
    pub seen_s: i64,
    /// Until when it counts.
    pub until_s: i64,
}

impl SieveMemoryId {
    /// The id of some texts, in their order; `kind` keeps memories of different kinds apart.
    pub fn new(kind: &str, texts: &[&str]) -> Self {
        let mut digest = Sha256::new();
        for text in [kind].iter().chain(texts) {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text);
        }
        SieveMemoryId(digest.finalize().into())
    }
}

reads! {
    /// Gets what an account remembers under an id, whether it still counts or not.
    pub fn sieve_memory(connection, account: AccountId, id: &SieveMemoryId) -> Option<SieveMemory> {
        one(connection, sql::GET, params![account.get(), id.0], |row| {
            Ok(SieveMemory { seen_s: row.get(0)?, until_s: row.get(1)? })
        })
    }
}

impl Tx<'_> {
    /// Remembers something now and until a time, if it is not remembered already; yields whether it was not. Of two
    /// deliveries that want to answer the same person, one is told so.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn claim_sieve_memory(
        &mut self,
        account: AccountId,
        id: &SieveMemoryId,
        now_s: i64,
        until_s: i64,
    ) -> Result<bool, DirectoryError> {
        let values = params![account.get(), id.0, now_s, until_s];
        let is_new = self.execute(sql::CLAIM, values).map_err(putting("memory of account", account))? > 0;
        self.forget(account, now_s)?;
        Ok(is_new)
    }

    /// Remembers something, now and until a time or longer.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn put_sieve_memory(
        &mut self,
        account: AccountId,
        id: &SieveMemoryId,
        now_s: i64,
        until_s: i64,
    ) -> Result<(), DirectoryError> {
        let values = params![account.get(), id.0, now_s, until_s];
        self.execute(sql::REMEMBER, values).map_err(putting("memory of account", account))?;
        self.forget(account, now_s)
    }

    /// Forgets something; yields whether it was remembered.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn remove_sieve_memory(&mut self, account: AccountId, id: &SieveMemoryId) -> Result<bool, DirectoryError> {
        Ok(self.execute(sql::DELETE, params![account.get(), id.0])? > 0)
    }

    /// Forgets what has passed, of all accounts, so much at most; yields how much it was. Accounts that get mail forget
    /// as they remember; this is for those that do not.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn forget_sieve_memory(&mut self, now_s: i64, at_most: usize) -> Result<usize, DirectoryError> {
        Ok(self.execute(sql::FORGET_OLD, params![now_s, at_most])?)
    }

    fn forget(&mut self, account: AccountId, now_s: i64) -> Result<(), DirectoryError> {
        self.forget_sieve_memory(now_s, FORGET_AT_ONCE)?;
        self.execute(sql::FORGET_MANY, params![account.get(), MAX_SIEVE_MEMORY])?;
        Ok(())
    }

    /// Accounts that remember more than is kept, and how much.
    pub(crate) fn crowded_sieve_memories(&self) -> Result<Vec<(i64, i64)>, DirectoryError> {
        rows(self.connection(), sql::CROWDED, [MAX_SIEVE_MEMORY], |row| Ok((row.get(0)?, row.get(1)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_of_their_kind_and_their_texts_one_by_one() {
        let ids = [
            SieveMemoryId::new("vacation", &["a", "b"]),
            SieveMemoryId::new("vacation", &["ab"]),
            SieveMemoryId::new("vacation", &["a", "b", ""]),
            SieveMemoryId::new("duplicate", &["a", "b"]),
        ];
        for (at, id) in ids.iter().enumerate() {
            assert!(!ids[..at].contains(id));
        }
        assert_eq!(ids[0], SieveMemoryId::new("vacation", &["a", "b"]));
    }
}
