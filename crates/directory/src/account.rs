//! Accounts.

use crate::directory::Tx;
use crate::error::{DirectoryError, found, putting, removing};
use crate::ids::{AccountId, IntegrationId};
use crate::query::{
    PAGE_ROWS, address, for_each_page, maybe_secret, maybe_u64, maybe_word, one, reads, rows, word, words,
};
use crate::secret::Secret;
use crate::sql::account as sql;
use message::Address;
use rusqlite::{Row, params};

words! {
    /// Whether the owner of an account may sign in, and what becomes of its mail.
    pub enum AccountState {
        /// In use.
        Open = "open",
        /// Receives; its owner cannot sign in until a password is set (`RULES.md 7.2`).
        Locked = "locked",
        /// Switched off by an admin.
        Disabled = "disabled",
        /// Its address belongs to an alias; its mail is kept (`RULES.md 8.2`).
        Closed = "closed",
        /// Kept and readable by nobody until an admin decides (`RULES.md 8.7`).
        Sealed = "sealed",
    }
}

words! {
    /// Whether the POP3 maildrop lists messages of before the incident (`RULES.md 5.3`).
    pub enum Pop3Before {
        /// It does.
        Show = "show",
        /// It does not.
        Hide = "hide",
        /// Only those that are not `\Seen`.
        SeenHide = "seen-hide",
    }
}

/// One person's mail: a login, a password, settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Names it for ever.
    pub id: AccountId,
    /// Login and address; two that differ in case alone are one (`RULES.md 7.8`).
    pub address: Address,
    /// The display name.
    pub name: Option<String>,
    /// The hash with its scheme in braces; `None` where none was ever set.
    pub password_hash: Option<Secret>,
    /// Whether its owner may sign in.
    pub state: AccountState,
    /// The quota in bytes; `None`: the server's default.
    pub quota_bytes: Option<u64>,
    /// Until when mail is delivered although the quota is exceeded (`RULES.md 7.5`), in seconds since 1970 UTC.
    pub quota_grace_until: Option<i64>,
    /// The language tag of texts for its owner (`es`, `en`).
    pub language: Option<String>,
    /// Its choice for POP3; `None`: the default.
    pub pop3_before: Option<Pop3Before>,
    /// When it was added, in seconds since 1970 UTC.
    pub created_at: i64,
    /// When its password was last set, in seconds since 1970 UTC; another hash of the same password is no setting.
    pub password_set_at: Option<i64>,
    /// When its owner last signed in, in seconds since 1970 UTC, to within
    /// [`LAST_LOGIN_GRAIN_S`](crate::LAST_LOGIN_GRAIN_S).
    pub last_login_at: Option<i64>,
    /// The integration that brought it back, where one did.
    pub restored: Option<IntegrationId>,
}

/// An account to be added: an [`Account`] without what the directory gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccount {
    /// Login and address.
    pub address: Address,
    /// The display name.
    pub name: Option<String>,
    /// The hash with its scheme in braces.
    pub password_hash: Option<Secret>,
    /// Whether its owner may sign in.
    pub state: AccountState,
    /// The quota in bytes.
    pub quota_bytes: Option<u64>,
    /// Until when the quota does not stop delivery, in seconds since 1970 UTC.
    pub quota_grace_until: Option<i64>,
    /// The language tag.
    pub language: Option<String>,
    /// The choice for POP3.
    pub pop3_before: Option<Pop3Before>,
    /// When the password was set, in seconds since 1970 UTC.
    pub password_set_at: Option<i64>,
    /// The integration that brings it back.
    pub restored: Option<IntegrationId>,
}

impl NewAccount {
    /// An open account without a password or any setting.
    pub fn new(address: Address) -> Self {
        NewAccount {
            address,
            name: None,
            password_hash: None,
            state: AccountState::Open,
            quota_bytes: None,
            quota_grace_until: None,
            language: None,
            pop3_before: None,
            password_set_at: None,
            restored: None,
        }
    }
}

reads! {
    /// Gets the account of an address.
    pub fn account(connection, address: &Address) -> Option<Account> {
        one(connection, sql::GET, [address.key()], read)
    }

    /// Gets an account.
    pub fn account_by_id(connection, id: AccountId) -> Option<Account> {
        one(connection, sql::BY_ID, [id.get()], read)
    }

    /// Gives every account, by domain and address.
    pub fn for_each_account(connection, each: impl FnMut(Account) -> Result<(), DirectoryError>) -> () {
        let page = |after: &(String, String)| {
            rows(connection, sql::PAGE, params![after.0, after.1, PAGE_ROWS], read)
        };
        for_each_page((String::new(), String::new()), page, by_domain, each)
    }

    /// Gives every account of a domain, by address.
    pub fn for_each_account_of_domain(
        connection,
        domain: &str,
        each: impl FnMut(Account) -> Result<(), DirectoryError>,
    ) -> () {
        let page = |after: &String| {
            rows(connection, sql::DOMAIN_PAGE, params![domain, after, PAGE_ROWS], read)
        };
        for_each_page(String::new(), page, |a| a.address.key().to_owned(), each)
    }

    /// Gives every account that an integration brought back, by domain and address.
    pub fn for_each_restored_account(
        connection,
        integration: IntegrationId,
        each: impl FnMut(Account) -> Result<(), DirectoryError>,
    ) -> () {
        let page = |after: &(String, String)| {
            rows(connection, sql::RESTORED_PAGE, params![integration.get(), after.0, after.1, PAGE_ROWS], read)
        };
        for_each_page((String::new(), String::new()), page, by_domain, each)
    }
}

impl Tx<'_> {
    /// Adds an account, dated now.
    ///
    /// # Errors
    /// When there is one at the address, or its domain or integration is unknown.
    pub fn add_account(&mut self, account: &NewAccount) -> Result<AccountId, DirectoryError> {
        let key = account.address.key();
        let quota = quota(account.quota_bytes, key)?;
        check_language(account.language.as_deref(), key)?;
        let id = self
            .insert(
                sql::INSERT,
                params![
                    key,
                    account.address.as_str(),
                    account.address.domain(),
                    account.name,
                    account.password_hash.as_ref().map(Secret::expose),
                    account.state.as_str(),
                    quota,
                    account.quota_grace_until,
                    account.language,
                    account.pop3_before.map(Pop3Before::as_str),
                    self.now(),
                    account.password_set_at,
                    account.restored.map(IntegrationId::get),
                ],
            )
            .map_err(putting("account", key))?;
        Ok(AccountId::new_unchecked(id))
    }

    /// Writes every field of an account, its address included.
    ///
    /// # Errors
    /// When there is no such account, its new address is taken, or its domain or integration is unknown.
    pub fn update_account(&mut self, account: &Account) -> Result<(), DirectoryError> {
        let key = account.address.key();
        let quota = quota(account.quota_bytes, key)?;
        check_language(account.language.as_deref(), key)?;
        let rows = self
            .execute(
                sql::UPDATE,
                params![
                    key,
                    account.address.as_str(),
                    account.address.domain(),
                    account.name,
                    account.password_hash.as_ref().map(Secret::expose),
                    account.state.as_str(),
                    quota,
                    account.quota_grace_until,
                    account.language,
                    account.pop3_before.map(Pop3Before::as_str),
                    account.created_at,
                    account.password_set_at,
                    account.last_login_at,
                    account.restored.map(IntegrationId::get),
                    account.id.get(),
                ],
            )
            .map_err(putting("account", key))?;
        found(rows, "account", key)
    }

    /// Changes whether an account's owner may sign in.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn set_account_state(&mut self, id: AccountId, state: AccountState) -> Result<(), DirectoryError> {
        let rows = self.execute(sql::SET_STATE, params![state.as_str(), id.get()])?;
        found(rows, "account", id)
    }

    /// Sets an account's password, now; a locked account opens. The hash is that of
    /// [`hash_new`](crate::password::hash_new).
    ///
    /// # Errors
    /// When there is no such account.
    pub fn set_password(&mut self, id: AccountId, hash: &Secret) -> Result<(), DirectoryError> {
        let rows = self.execute(sql::SET_PASSWORD, params![hash.expose(), self.now(), id.get()])?;
        found(rows, "account", id)
    }

    /// Removes an account with its settings and scripts.
    ///
    /// # Errors
    /// When there is none, or a domain admin signs in with it.
    pub fn remove_account(&mut self, id: AccountId) -> Result<(), DirectoryError> {
        let rows = self.execute(sql::DELETE, [id.get()]).map_err(removing("account", id))?;
        found(rows, "account", id)
    }

    pub(crate) fn set_last_login(&mut self, id: AccountId) -> Result<(), DirectoryError> {
        self.execute(sql::SET_LAST_LOGIN, params![self.now(), id.get()])?;
        Ok(())
    }

    /// Replaces a hash by another of the same password; yields whether that was still the one.
    pub(crate) fn rehash(&mut self, id: AccountId, old: &Secret, new: &Secret) -> Result<bool, DirectoryError> {
        Ok(self.execute(sql::REHASH, params![new.expose(), id.get(), old.expose()])? > 0)
    }
}

fn by_domain(account: &Account) -> (String, String) {
    (account.address.domain().to_owned(), account.address.key().to_owned())
}

fn quota(bytes: Option<u64>, key: &str) -> Result<Option<i64>, DirectoryError> {
    bytes.map(i64::try_from).transpose().map_err(|_| DirectoryError::Invalid {
        what: "account",
        key: key.to_owned(),
        reason: "its quota is larger than any disk",
    })
}

/// Takes the shape of a language tag (RFC 5646 §2.1), not the registry of them.
fn check_language(tag: Option<&str>, key: &str) -> Result<(), DirectoryError> {
    let fits = |tag: &str| {
        tag.len() <= 35
            && tag
                .split('-')
                .all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
    };
    if tag.is_none_or(fits) {
        return Ok(());
    }
    Err(DirectoryError::Invalid { what: "account", key: key.to_owned(), reason: "its language is no language tag" })
}

fn read(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        id: AccountId::new_unchecked(row.get(0)?),
        address: address(row, 1)?,
        name: row.get(2)?,
        password_hash: maybe_secret(row, 3)?,
        state: word(row, 4)?,
        quota_bytes: maybe_u64(row, 5)?,
        quota_grace_until: row.get(6)?,
        language: row.get(7)?,
        pop3_before: maybe_word(row, 8)?,
        created_at: row.get(9)?,
        password_set_at: row.get(10)?,
        last_login_at: row.get(11)?,
        restored: row.get::<_, Option<i64>>(12)?.map(IntegrationId::new_unchecked),
    })
}
