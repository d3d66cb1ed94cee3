//! App passwords: one for each device, made here, shown once, and taken away without the others noticing.
//!
//! They carry a hundred random bits, so that guessing them is hopeless at any speed, and a slow hash would protect
//! nothing: a salted HMAC-SHA-256 is kept, and checking one costs a microsecond.

use crate::directory::{Directory, Tx};
use crate::error::{DirectoryError, found, putting};
use crate::ids::{AccountId, AppPasswordId};
use crate::password::{PasswordError, ScramKeys, keyed_digest};
use crate::query::{PAGE_ROWS, for_each_page, one, reads, rows};
use crate::secret::Secret;
use crate::sign_in::Proven;
use crate::sql::credential as sql;
use rusqlite::{Row, params};
use subtle::ConstantTimeEq;

/// App passwords of one account at most: each sign-in tries them all.
pub const MAX_APP_PASSWORDS: usize = 50;
/// The longest label, in bytes.
const MAX_LABEL_BYTES: usize = 128;
/// Characters of an app password, five bits each.
const LENGTH: usize = 20;
/// What they are of: no letter that looks like a digit, and no `u`, which makes words.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// An app password as it is listed; the password itself is known to its device alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppPassword {
    /// Names it; never given out again.
    pub id: AppPasswordId,
    /// Whose it is.
    pub account: AccountId,
    /// What its owner calls the device.
    pub label: String,
    /// When it was made, in seconds since 1970 UTC.
    pub created_at: i64,
    /// Its last use.
    pub last_use: Option<LastUse>,
}

/// When, from where and for what a credential was used last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastUse {
    /// When, in seconds since 1970 UTC, to within [`LAST_LOGIN_GRAIN_S`](crate::LAST_LOGIN_GRAIN_S).
    pub at: i64,
    /// The address it came from.
    pub from: String,
    /// The protocol.
    pub protocol: String,
}

reads! {
    /// The app passwords of an account, oldest first.
    pub fn app_passwords(connection, account: AccountId) -> Vec<AppPassword> {
        rows(connection, sql::APP_LIST, [account.get()], read)
    }

    /// Gets an app password.
    pub fn app_password(connection, id: AppPasswordId) -> Option<AppPassword> {
        one(connection, sql::APP_BY_ID, [id.get()], read)
    }

    /// Gives every app password, oldest first.
    pub fn for_each_app_password(connection, each: impl FnMut(AppPassword) -> Result<(), DirectoryError>) -> () {
        let page = |after: &i64| rows(connection, sql::APP_PAGE, params![after, PAGE_ROWS], read);
        for_each_page(0, page, |app| app.id.get(), each)
    }
}

impl Directory {
    /// Makes an app password and yields it, this once. The audit log says that `actor` did.
    ///
    /// # Errors
    /// When there is no such account, it has [`MAX_APP_PASSWORDS`] already, or the label is empty, too long or holds a
    /// control character.
    pub fn add_app_password(
        &self,
        account: AccountId,
        label: &str,
        actor: &str,
    ) -> Result<(AppPasswordId, Secret), DirectoryError> {
        check_label(label)?;
        let password = random()?;
        let mut hash_salt = [0; 16];
        getrandom::fill(&mut hash_salt).map_err(|_| PasswordError::Random)?;
        let hash = keyed_digest(&hash_salt, password.expose().as_bytes());
        // Slow, and before the transaction: nothing else should wait for it.
        let keys = self.derive_keys(account, password.expose().as_bytes())?;
        let id = self.write(|tx| {
            if tx.app_passwords(account)?.len() >= MAX_APP_PASSWORDS {
                let reason = "the account has as many as it may";
                return Err(DirectoryError::Invalid { what: "app password", key: label.to_owned(), reason });
            }
            let ScramKeys { salt, iterations, stored_key, server_key } = &keys;
            let values =
                params![account.get(), label, hash_salt, hash, salt, iterations, stored_key, server_key, tx.now()];
            let id = tx.insert(sql::APP_INSERT, values).map_err(putting("app password", label))?;
            let id = AppPasswordId::new_unchecked(id);
            tx.audit_app_password(actor, "app-password.add", account, id, label)?;
            Ok(id)
        })?;
        Ok((id, password))
    }

    /// Removes an app password: its device is out at its next sign-in. The audit log says that `actor` did.
    ///
    /// # Errors
    /// When there is none.
    pub fn remove_app_password(&self, id: AppPasswordId, actor: &str) -> Result<(), DirectoryError> {
        self.write(|tx| {
            let app = tx.app_password(id)?;
            found(tx.execute(sql::APP_DELETE, [id.get()])?, "app password", id)?;
            let app = app.expect("a row that was removed was there");
            tx.audit_app_password(actor, "app-password.remove", app.account, id, &app.label)
        })
    }

    /// What a password proves, if it is one of an account's app passwords. One that has not their form costs no read.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn try_app_password(&self, account: AccountId, password: &[u8]) -> Result<Option<Proven>, DirectoryError> {
        let Some(password) = canonical(password) else { return Ok(None) };
        let reader = self.reader()?;
        let hashes: Vec<(i64, [u8; 16], [u8; 32])> =
            rows(&reader, sql::APP_HASHES, [account.get()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let is_it = |salt: &[u8], hash: &[u8]| bool::from(keyed_digest(salt, password.expose().as_bytes()).ct_eq(hash));
        let id = hashes.iter().find(|(_, salt, hash)| is_it(salt, hash)).map(|(id, _, _)| *id);
        Ok(id.map(|id| Proven::app(account, AppPasswordId::new_unchecked(id))))
    }
}

impl Tx<'_> {
    pub(crate) fn set_app_password_use(
        &mut self,
        id: AppPasswordId,
        from: &str,
        protocol: &str,
    ) -> Result<(), DirectoryError> {
        self.execute(sql::APP_USED, params![self.now(), from, protocol, id.get()])?;
        Ok(())
    }

    fn audit_app_password(
        &mut self,
        actor: &str,
        action: &str,
        account: AccountId,
        id: AppPasswordId,
        label: &str,
    ) -> Result<(), DirectoryError> {
        let address = self.account_by_id(account)?.map_or_else(|| account.to_string(), |a| a.address.to_string());
        let detail = serde_json::json!({ "app_password": id.get(), "label": label });
        self.audit(actor, action, &address, &detail.to_string())?;
        Ok(())
    }
}

/// Checks what an owner calls a device.
pub(crate) fn check_label(label: &str) -> Result<(), DirectoryError> {
    if label.trim().is_empty() || label.len() > MAX_LABEL_BYTES || label.chars().any(char::is_control) {
        let reason = "its label is empty, longer than 128 bytes, or holds a control character";
        return Err(DirectoryError::Invalid { what: "app password", key: label.to_owned(), reason });
    }
    Ok(())
}

fn random() -> Result<Secret, PasswordError> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).map_err(|_| PasswordError::Random)?;
    // 256 is a multiple of 32: every character is as likely.
    Ok(Secret::new(bytes.iter().map(|b| char::from(ALPHABET[usize::from(b % 32)])).collect::<String>()))
}

/// An app password as it was made, from how somebody typed it: in groups, in capitals, with letters for digits. `None` for
/// what has not the form of one.
fn canonical(password: &[u8]) -> Option<Secret> {
    if password.len() > 2 * LENGTH {
        return None;
    }
    let typed = password.iter().filter(|b| !matches!(b, b' ' | b'-'));
    let meant = typed.map(|b| match b.to_ascii_lowercase() {
        b'o' => b'0',
        b'i' | b'l' => b'1',
        other => other,
    });
    let text: Vec<u8> = meant.collect();
    let fits = text.len() == LENGTH && text.iter().all(|b| ALPHABET.contains(b));
    fits.then(|| Secret::new(text.iter().map(|b| char::from(*b)).collect::<String>()))
}

fn read(row: &Row<'_>) -> rusqlite::Result<AppPassword> {
    let last_use = match row.get::<_, Option<i64>>(4)? {
        Some(at) => Some(LastUse { at, from: row.get(5)?, protocol: row.get(6)? }),
        None => None,
    };
    Ok(AppPassword {
        id: AppPasswordId::new_unchecked(row.get(0)?),
        account: AccountId::new_unchecked(row.get(1)?),
        label: row.get(2)?,
        created_at: row.get(3)?,
        last_use,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_app_password_is_recognised_however_it_is_typed() {
        let made = random().unwrap();
        let text = made.expose();
        assert_eq!(canonical(text.as_bytes()).as_ref(), Some(&made));
        let grouped = format!("{}-{} {}", &text[..5], &text[5..10], &text[10..]).to_uppercase();
        assert_eq!(canonical(grouped.as_bytes()), Some(made.clone()));
        assert_eq!(canonical(b"O1234 56789-abcde-fghjL").unwrap().expose(), "0123456789abcdefghj1");
    }

    #[test]
    fn other_passwords_are_not_taken_for_one() {
        for other in ["", "hierro2602", "0123456789abcdefghju", "0123456789abcdefghj", "0123456789abcdefghjk1", "ñ"] {
            assert_eq!(canonical(other.as_bytes()), None, "{other}");
        }
        assert_eq!(canonical(&[b' '; 4096]), None);
    }
}
