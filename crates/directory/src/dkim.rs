//! DKIM keys of domains (RFC 6376). A key is *pending* while its record is being published, *active* while it signs, and
//! *retired* afterwards: its record stays published until no message that it signed is on its way any more.
//!
//! A domain signs with one key of each algorithm (RFC 8463 §3: both, for those who know one of them).

use crate::directory::Tx;
use crate::error::{DirectoryError, found, putting};
use crate::query::{PAGE_ROWS, for_each_page, one, reads, rows, word, words};
use crate::secret::Secret;
use crate::sql::dkim as sql;
use rusqlite::{Row, params};

/// The longest public record, in bytes: that of an RSA key of 8,192 bits is 1,400.
const MAX_RECORD_BYTES: usize = 4096;

words! {
    /// How a DKIM key signs.
    pub enum DkimAlgorithm {
        /// RSA with SHA-256 (RFC 6376 §3.3.2).
        RsaSha256 = "rsa-sha256",
        /// Ed25519 with SHA-256 (RFC 8463).
        Ed25519Sha256 = "ed25519-sha256",
    }
}

words! {
    /// What a DKIM key is for at present.
    pub enum DkimState {
        /// Its record is to be published; it does not sign yet.
        Pending = "pending",
        /// It signs.
        Active = "active",
        /// It signs no more; its record stays published for a while.
        Retired = "retired",
    }
}

/// A key that a domain's mail is signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DkimKey {
    /// Whose.
    pub domain: String,
    /// Its name below `_domainkey.`, in lower case.
    pub selector: String,
    /// How it signs.
    pub algorithm: DkimAlgorithm,
    /// PKCS#8 in PEM.
    pub private_key: Secret,
    /// The text of its TXT record.
    pub public_record: String,
    /// What it is for at present.
    pub state: DkimState,
    /// When it was added, in seconds since 1970 UTC.
    pub created_at: i64,
    /// When it last began to sign, in seconds since 1970 UTC.
    pub active_at: Option<i64>,
    /// When it was retired, in seconds since 1970 UTC.
    pub retired_at: Option<i64>,
}

/// A DKIM key to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDkimKey {
    /// Whose.
    pub domain: String,
    /// Its name below `_domainkey.`, in lower case.
    pub selector: String,
    /// How it signs.
    pub algorithm: DkimAlgorithm,
    /// PKCS#8 in PEM.
    pub private_key: Secret,
    /// The text of its TXT record.
    pub public_record: String,
}

/// What signing takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKey {
    /// Its name below `_domainkey.`.
    pub selector: String,
    /// How it signs.
    pub algorithm: DkimAlgorithm,
    /// PKCS#8 in PEM.
    pub private_key: Secret,
}

reads! {
    /// Gets a DKIM key.
    pub fn dkim_key(connection, domain: &str, selector: &str) -> Option<DkimKey> {
        one(connection, sql::GET, [domain, selector], read)
    }

    /// The DKIM keys of a domain, by selector.
    pub fn dkim_keys(connection, domain: &str) -> Vec<DkimKey> {
        rows(connection, sql::OF_DOMAIN, [domain], read)
    }

    /// The keys that a domain's mail is signed with at present: one of each algorithm at most, RSA first.
    pub fn dkim_signing_keys(connection, domain: &str) -> Vec<SigningKey> {
        rows(connection, sql::SIGNING, [domain], |row| {
            Ok(SigningKey { selector: row.get(0)?, algorithm: word(row, 1)?, private_key: secret(row, 2)? })
        })
    }

    /// Gives every DKIM key, by domain and selector.
    pub fn for_each_dkim_key(connection, each: impl FnMut(DkimKey) -> Result<(), DirectoryError>) -> () {
        let page = |after: &(String, String)| rows(connection, sql::PAGE, params![after.0, after.1, PAGE_ROWS], read);
        for_each_page((String::new(), String::new()), page, |k| (k.domain.clone(), k.selector.clone()), each)
    }
}

impl Tx<'_> {
    /// Adds a DKIM key, which does not sign yet. The audit log says that `actor` did.
    ///
    /// # Errors
    /// When the domain is unknown or has a key of that selector, or a field is not what it should be.
    pub fn add_dkim_key(&mut self, key: &NewDkimKey, actor: &str) -> Result<(), DirectoryError> {
        let NewDkimKey { domain, selector, algorithm, private_key, public_record } = key;
        check_key(domain, selector, private_key, public_record)?;
        let values = params![domain, selector, algorithm.as_str(), private_key.expose(), public_record, self.now()];
        self.execute(sql::INSERT, values).map_err(putting("DKIM key", name(domain, selector)))?;
        self.audit_dkim(actor, "dkim.add", domain, selector)
    }

    /// Lets a DKIM key sign, and retires the domain's other of its algorithm; yields the selector of that one. The audit
    /// log says that `actor` did. A key that signs already goes on as before.
    ///
    /// # Errors
    /// When there is no such key.
    pub fn activate_dkim_key(
        &mut self,
        domain: &str,
        selector: &str,
        actor: &str,
    ) -> Result<Option<String>, DirectoryError> {
        let Some(key) = self.dkim_key(domain, selector)? else {
            return found(0, "DKIM key", name(domain, selector)).map(|()| None);
        };
        if key.state == DkimState::Active {
            return Ok(None);
        }
        let other: Option<String> =
            one(self.connection(), sql::ACTIVE, [domain, key.algorithm.as_str()], |row| row.get(0))?;
        // First the old one: two must not sign even for a moment.
        if let Some(other) = &other {
            self.retire_dkim_key(domain, other, actor)?;
        }
        self.execute(sql::ACTIVATE, params![self.now(), domain, selector])?;
        self.audit_dkim(actor, "dkim.activate", domain, selector)?;
        Ok(other)
    }

    /// Lets a DKIM key sign no more. The audit log says that `actor` did.
    ///
    /// # Errors
    /// When there is no such key that signs.
    pub fn retire_dkim_key(&mut self, domain: &str, selector: &str, actor: &str) -> Result<(), DirectoryError> {
        let rows = self.execute(sql::RETIRE, params![self.now(), domain, selector])?;
        found(rows, "active DKIM key", name(domain, selector))?;
        self.audit_dkim(actor, "dkim.retire", domain, selector)
    }

    /// Removes a DKIM key that does not sign. The audit log says that `actor` did.
    ///
    /// # Errors
    /// When there is none, or it signs.
    pub fn remove_dkim_key(&mut self, domain: &str, selector: &str, actor: &str) -> Result<(), DirectoryError> {
        if self.dkim_key(domain, selector)?.is_some_and(|key| key.state == DkimState::Active) {
            return Err(DirectoryError::InUse { what: "DKIM key", key: name(domain, selector) });
        }
        let rows = self.execute(sql::DELETE, [domain, selector])?;
        found(rows, "DKIM key", name(domain, selector))?;
        self.audit_dkim(actor, "dkim.remove", domain, selector)
    }

    fn audit_dkim(&mut self, actor: &str, action: &str, domain: &str, selector: &str) -> Result<(), DirectoryError> {
        let detail = serde_json::json!({ "selector": selector });
        self.audit(actor, action, domain, &detail.to_string())?;
        Ok(())
    }
}

/// Checks what can be told without knowing cryptography.
pub(crate) fn check_key(
    domain: &str,
    selector: &str,
    private_key: &Secret,
    public_record: &str,
) -> Result<(), DirectoryError> {
    let wrong = |reason| Err(DirectoryError::Invalid { what: "DKIM key", key: name(domain, selector), reason });
    let is_label = |label: &str| {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    if selector.len() > 128 || !selector.split('.').all(is_label) {
        return wrong("its selector is no name of lower-case letters, digits and hyphens");
    }
    if private_key.expose().is_empty() {
        return wrong("it has no private key");
    }
    let is_text = |b: u8| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\';
    if public_record.is_empty() || public_record.len() > MAX_RECORD_BYTES || !public_record.bytes().all(is_text) {
        return wrong("its record is no text that a TXT record holds");
    }
    Ok(())
}

fn name(domain: &str, selector: &str) -> String {
    format!("{selector}._domainkey.{domain}")
}

fn secret(row: &Row<'_>, column: usize) -> rusqlite::Result<Secret> {
    row.get::<_, String>(column).map(Secret::new)
}

fn read(row: &Row<'_>) -> rusqlite::Result<DkimKey> {
    Ok(DkimKey {
        domain: row.get(0)?,
        selector: row.get(1)?,
        algorithm: word(row, 2)?,
        private_key: secret(row, 3)?,
        public_record: row.get(4)?,
        state: word(row, 5)?,
        created_at: row.get(6)?,
        active_at: row.get(7)?,
        retired_at: row.get(8)?,
    })
}
