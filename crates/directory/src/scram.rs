//! SCRAM keys of accounts: kept beside the hash of the same password, and worth nothing beside another.
//!
//! All keys of one account that are made here share its salt, so that one challenge serves its password and its app
//! passwords. That salt is derived from the login and a secret of the server: a login that is nobody's, or that has no keys
//! yet, is answered with the salt that it would have.

use crate::account::Account;
use crate::directory::{Directory, Tx};
use crate::error::DirectoryError;
use crate::ids::{AccountId, AppPasswordId};
use crate::password::{self, ScramKeys, plain_digest};
use crate::query::{PAGE_ROWS, for_each_page, one, rows};
use crate::secret::Secret;
use crate::sign_in::Proven;
use crate::sql::credential as sql;
use message::Address;
use rusqlite::{Connection, Row, params};
use std::num::NonZeroU32;

/// Iterations of keys made here. RFC 7677 §4 asks for 4,096 at least, and a stolen directory should be dearer than that to
/// guess passwords from; but for more than 65,536 common clients refuse to sign in.
pub const SCRAM_ITERATIONS: NonZeroU32 = NonZeroU32::new(50_000).expect("it is not zero");

/// More iterations than this Cyrus SASL does not compute (mbsync and many others sign in through it), and no other
/// mechanism is tried then: an account with such keys counts as one without.
const MOST_ITERATIONS: NonZeroU32 = NonZeroU32::new(65_536).expect("it is not zero");

/// The longest login that is looked at, in bytes: a localpart, an `@` and a domain.
const MAX_LOGIN_BYTES: usize = 320;

/// What a SCRAM server says to a login first, and the keys that the answer may match.
#[derive(Clone, Debug)]
pub struct ScramChallenge {
    /// The salt.
    pub salt: Vec<u8>,
    /// The iterations.
    pub iterations: NonZeroU32,
    /// The keys with that salt; none for a login that is nobody's.
    pub candidates: Vec<ScramCandidate>,
}

/// Keys, and what somebody has proven whose answer matches them.
#[derive(Clone, Debug)]
pub struct ScramCandidate {
    /// The keys.
    pub keys: ScramKeys,
    /// What it proves.
    pub proven: Proven,
}

/// Keys as they stand beside a hash.
struct KeptKeys {
    keys: ScramKeys,
    hash_digest: [u8; 32],
}

impl Directory {
    /// What a SCRAM-SHA-256 server says to a login. A login that is nobody's gets a salt of its own, always the same, and
    /// costs the same reads.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn scram_challenge(&self, login: &str) -> Result<ScramChallenge, DirectoryError> {
        let secret = self.server_secret()?;
        let account = match Address::new(login) {
            Ok(address) => self.account(&address)?,
            Err(_) => None,
        };
        let id = account.as_ref().map_or(AccountId::new_unchecked(0), |a| a.id);
        let reader = self.reader()?;
        let (kept, of_apps) = (kept_keys(&reader, id)?, app_keys(&reader, id)?);
        let of_password = account.as_ref().and_then(|account| current(account, kept));
        let of_password = of_password.map(|(keys, hash)| ScramCandidate { keys, proven: Proven::password(id, hash) });
        let of_apps = of_apps.into_iter().map(|(app, keys)| ScramCandidate { keys, proven: Proven::app(id, app) });
        let mut candidates: Vec<ScramCandidate> = of_password.into_iter().chain(of_apps).collect();
        let (salt, iterations) = match candidates.first() {
            Some(first) => (first.keys.salt.clone(), first.keys.iterations),
            None => (secret.derive(SALT, &salt_text(login)), SCRAM_ITERATIONS),
        };
        // An imported {SCRAM-SHA-256} brings a salt of its own: app passwords then work with PLAIN alone.
        candidates.retain(|c| c.keys.salt == salt && c.keys.iterations == iterations);
        Ok(ScramChallenge { salt, iterations, candidates })
    }

    /// Whether every open account with a password that can be verified could sign in with SCRAM, which those cannot whose
    /// hash was imported and who have not signed in since. Stops at the first that could not.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn everybody_has_scram_keys(&self) -> Result<bool, DirectoryError> {
        let reader = self.reader()?;
        let connection: &Connection = &reader;
        let mut after = 0;
        loop {
            let page: Vec<(i64, String)> =
                rows(connection, sql::WITHOUT_SCRAM_PAGE, params![after, PAGE_ROWS], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?;
            let Some((last, _)) = page.last() else { return Ok(true) };
            after = *last;
            let serves = |hash: &str| ScramKeys::of_stored(hash).is_some_and(|keys| keys.iterations <= MOST_ITERATIONS);
            if page.iter().any(|(_, hash)| password::usable(hash).is_ok() && !serves(hash)) {
                return Ok(false);
            }
        }
    }

    /// Sets an account's password, now, with the keys for SCRAM; a locked account opens.
    ///
    /// # Errors
    /// When there is no such account, or the password is empty, too long or holds a NUL.
    pub fn change_password(&self, id: AccountId, password: &[u8]) -> Result<(), DirectoryError> {
        // Slow, and before the transaction: nothing else should wait for it.
        let hash = password::hash_new(password)?;
        let keys = self.derive_new_keys(id, password)?;
        self.write(|tx| {
            tx.set_password(id, &hash)?;
            tx.put_scram_keys(id, &hash, &keys)
        })
    }

    /// Makes the keys of a password that is to be an account's, with the salt that its app passwords have or that the
    /// login gets. That of the hash it replaces may have been imported, with few iterations.
    fn derive_new_keys(&self, id: AccountId, password: &[u8]) -> Result<ScramKeys, DirectoryError> {
        let missing = || DirectoryError::Missing { what: "account", key: id.to_string() };
        let account = self.account_by_id(id)?.ok_or_else(missing)?;
        let of_apps = app_keys(&*self.reader()?, id)?.into_iter().next();
        let (salt, iterations) = match of_apps {
            Some((_, keys)) => (keys.salt, keys.iterations),
            None => (self.server_secret()?.derive(SALT, account.address.key()), SCRAM_ITERATIONS),
        };
        Ok(ScramKeys::derive(password, &salt, iterations))
    }

    /// Makes the keys of a password for an account, with the salt that it has or gets.
    pub(crate) fn derive_keys(&self, id: AccountId, password: &[u8]) -> Result<ScramKeys, DirectoryError> {
        let missing = || DirectoryError::Missing { what: "account", key: id.to_string() };
        let account = self.account_by_id(id)?.ok_or_else(missing)?;
        let challenge = self.scram_challenge(account.address.as_str())?;
        Ok(ScramKeys::derive(password, &challenge.salt, challenge.iterations))
    }

    /// Whether keys stand beside the hash that an account has now.
    pub(crate) fn has_scram_keys(&self, account: &Account) -> Result<bool, DirectoryError> {
        let kept = kept_keys(&*self.reader()?, account.id)?;
        Ok(current(account, kept).is_some())
    }
}

impl Tx<'_> {
    /// Keeps keys of the password that a hash is of.
    pub(crate) fn put_scram_keys(
        &mut self,
        id: AccountId,
        hash: &Secret,
        keys: &ScramKeys,
    ) -> Result<(), DirectoryError> {
        let digest = digest_of(hash);
        let values = params![id.get(), digest, keys.salt, keys.iterations, keys.stored_key, keys.server_key];
        self.execute(sql::SCRAM_PUT, values)?;
        Ok(())
    }

    /// Gives every account that has keys, with whether they stand beside the hash that they were made beside.
    pub(crate) fn for_each_scram_keys(
        &self,
        each: impl FnMut((i64, bool)) -> Result<(), DirectoryError>,
    ) -> Result<(), DirectoryError> {
        let page = |after: &i64| {
            rows(self.connection(), sql::SCRAM_CHECK_PAGE, params![after, PAGE_ROWS], |row| {
                let (digest, hash): ([u8; 32], Option<String>) = (row.get(1)?, row.get(2)?);
                Ok((row.get(0)?, hash.is_some_and(|hash| digest_of(&Secret::new(hash)) == digest)))
            })
        };
        for_each_page(0, page, |(id, _)| *id, each)
    }
}

/// Names a hash without holding it.
pub(crate) fn digest_of(hash: &Secret) -> [u8; 32] {
    plain_digest(hash.expose().as_bytes()).try_into().expect("SHA-256 makes 32 bytes")
}

/// What salts are derived for.
const SALT: &str = "scram salt";

/// The keys of an account's password, and the hash that they stand beside: those that the hash consists of, or those kept
/// for it. Keys kept for a former hash are of a former password.
fn current(account: &Account, kept: Option<KeptKeys>) -> Option<(ScramKeys, &Secret)> {
    let hash = account.password_hash.as_ref()?;
    let kept = || kept.filter(|k| k.hash_digest == digest_of(hash)).map(|k| k.keys);
    ScramKeys::of_stored(hash.expose()).or_else(kept).map(|keys| (keys, hash))
}

/// What a login's salt is derived from: its key as an address, where it is one.
fn salt_text(login: &str) -> String {
    match Address::new(login) {
        Ok(address) => address.key().to_owned(),
        Err(_) => login.chars().take(MAX_LOGIN_BYTES).collect(),
    }
}

fn kept_keys(connection: &Connection, id: AccountId) -> Result<Option<KeptKeys>, DirectoryError> {
    let read = |row: &Row<'_>| Ok(KeptKeys { keys: read_keys(row)?, hash_digest: row.get(4)? });
    one(connection, sql::SCRAM, [id.get()], read)
}

fn app_keys(connection: &Connection, id: AccountId) -> Result<Vec<(AppPasswordId, ScramKeys)>, DirectoryError> {
    let read = |row: &Row<'_>| Ok((AppPasswordId::new_unchecked(row.get(4)?), read_keys(row)?));
    rows(connection, sql::APP_KEYS, [id.get()], read)
}

fn read_keys(row: &Row<'_>) -> rusqlite::Result<ScramKeys> {
    Ok(ScramKeys { salt: row.get(0)?, iterations: row.get(1)?, stored_key: row.get(2)?, server_key: row.get(3)? })
}
