//! Networks that accounts signed in from, so that failures from elsewhere do not hold their owners up.
//!
//! Kept as keyed hashes: a network is recognised when it comes again and cannot be read from the directory, which thus
//! holds no record of where people were.

use crate::directory::{Directory, Tx};
use crate::error::DirectoryError;
use crate::ids::AccountId;
use crate::query::{one, rows};
use crate::sql::credential as sql;
use rusqlite::params;

/// How long a network is known after the last good sign-in from it, in seconds: five weeks, so that a month's holiday does
/// not make a home a strange place.
pub const NETWORK_KNOWN_S: i64 = 35 * 86_400;
/// Networks kept for an account: those used last. A telephone sees many.
pub const MAX_NETWORKS: usize = 64;
/// How exact the time of the last good sign-in from a network is, in seconds: a write a day is enough.
const GRAIN_S: i64 = 86_400;

/// A network in the form in which it is kept.
pub(crate) struct NetworkTag(Vec<u8>);

impl Directory {
    /// Whether an account signed in from a network within [`NETWORK_KNOWN_S`]. The text names the network and must be the
    /// same each time.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn knows_network(&self, account: AccountId, network: &str) -> Result<bool, DirectoryError> {
        let at = self.last_good_at(account, &self.network_tag(network)?)?;
        Ok(at.is_some_and(|at| self.now().saturating_sub(at) < NETWORK_KNOWN_S))
    }

    pub(crate) fn network_tag(&self, network: &str) -> Result<NetworkTag, DirectoryError> {
        Ok(NetworkTag(self.server_secret()?.derive("network", network)))
    }

    /// Whether a good sign-in from a network is worth writing down.
    pub(crate) fn network_is_due(&self, account: AccountId, network: &NetworkTag) -> Result<bool, DirectoryError> {
        let at = self.last_good_at(account, network)?;
        // A clock that went back makes the old time worthless.
        Ok(!at.is_some_and(|at| (0..GRAIN_S).contains(&self.now().saturating_sub(at))))
    }

    fn last_good_at(&self, account: AccountId, network: &NetworkTag) -> Result<Option<i64>, DirectoryError> {
        one(&*self.reader()?, sql::NETWORK, params![account.get(), network.0], |row| row.get(0))
    }
}

impl Tx<'_> {
    /// Writes a good sign-in from a network down, and forgets those that are of no use any more.
    pub(crate) fn put_network(&mut self, account: AccountId, network: &NetworkTag) -> Result<(), DirectoryError> {
        let (id, now) = (account.get(), self.now());
        self.execute(sql::NETWORK_PUT, params![id, network.0, now])?;
        self.execute(sql::NETWORK_FORGET_OLD, params![id, now.saturating_sub(NETWORK_KNOWN_S)])?;
        self.execute(sql::NETWORK_FORGET_MANY, params![id, MAX_NETWORKS])?;
        Ok(())
    }

    /// Accounts with more networks than are kept, and how many they have.
    pub(crate) fn crowded_networks(&self) -> Result<Vec<(i64, i64)>, DirectoryError> {
        rows(self.connection(), sql::NETWORK_CROWDED, [MAX_NETWORKS], |row| Ok((row.get(0)?, row.get(1)?)))
    }
}
