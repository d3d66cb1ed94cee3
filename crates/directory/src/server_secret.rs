//! Random bytes of this server's own, made when first wanted and kept: what must look random to others and be the same
//! each time is derived from them.

use crate::directory::Directory;
use crate::error::DirectoryError;
use crate::password::{PasswordError, keyed_digest};
use crate::query::one;
use crate::sql::credential as sql;
use rusqlite::{Connection, params};

/// The one that sign-ins use.
const SIGN_IN: &str = "sign-in";

/// Random bytes that never leave this crate.
pub(crate) struct ServerSecret([u8; 32]);

impl ServerSecret {
    /// 16 bytes that only this server can derive from a text. `purpose` keeps texts of different kinds apart.
    pub(crate) fn derive(&self, purpose: &str, text: &str) -> Vec<u8> {
        let mut bytes = keyed_digest(&self.0, format!("{purpose}\0{text}").as_bytes());
        bytes.truncate(16);
        bytes
    }
}

impl Directory {
    /// A key that only this server has, the same at every start; another for each purpose.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn key_for(&self, purpose: &str) -> Result<[u8; 32], DirectoryError> {
        let key = keyed_digest(&self.server_secret()?.0, format!("key\0{purpose}").as_bytes());
        Ok(key.try_into().expect("SHA-256 has 32 bytes"))
    }

    pub(crate) fn server_secret(&self) -> Result<ServerSecret, DirectoryError> {
        let kept = read(&*self.reader()?)?;
        if let Some(secret) = kept {
            return Ok(secret);
        }
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|_| PasswordError::Random)?;
        self.write(|tx| {
            tx.execute(sql::SECRET_PUT, params![SIGN_IN, bytes])?;
            // Another process may have been first.
            let missing = || DirectoryError::Missing { what: "secret", key: SIGN_IN.to_owned() };
            read(tx.connection())?.ok_or_else(missing)
        })
    }
}

fn read(connection: &Connection) -> Result<Option<ServerSecret>, DirectoryError> {
    one(connection, sql::SECRET, [SIGN_IN], |row| row.get(0).map(ServerSecret))
}
