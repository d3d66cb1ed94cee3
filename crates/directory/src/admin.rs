//! Domain admins: who signs in to the control panel for which domains.

use crate::directory::Tx;
use crate::error::{DirectoryError, found, putting, removing};
use crate::ids::{AccountId, AdminId};
use crate::query::{PAGE_ROWS, address, for_each_page, maybe_secret, one, reads, rows};
use crate::secret::Secret;
use crate::sql::admin as sql;
use message::Address;
use rusqlite::{Connection, Row, params};

/// Who signs in to the control panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainAdmin {
    /// Names them.
    pub id: AdminId,
    /// The address they sign in with, hosted here or not.
    pub login: Address,
    /// What they prove themselves with.
    pub credential: AdminCredential,
    /// The domains they look after, in order.
    pub domains: Vec<String>,
    /// When they were added, in seconds since 1970 UTC.
    pub created_at: i64,
    /// When their own password was last set, in seconds since 1970 UTC.
    pub password_set_at: Option<i64>,
    /// When they last signed in, in seconds since 1970 UTC, to within
    /// [`LAST_LOGIN_GRAIN_S`](crate::LAST_LOGIN_GRAIN_S).
    pub last_login_at: Option<i64>,
}

/// What a domain admin signs in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminCredential {
    /// A password of their own; `None`: not until one is set.
    Own(Option<Secret>),
    /// The password of an account, as long as that may sign in.
    Account(AccountId),
}

/// A domain admin to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAdmin {
    /// The address they sign in with.
    pub login: Address,
    /// What they prove themselves with.
    pub credential: AdminCredential,
    /// The domains they look after.
    pub domains: Vec<String>,
    /// When their own password was set, in seconds since 1970 UTC.
    pub password_set_at: Option<i64>,
}

reads! {
    /// Gets the domain admin of a login.
    pub fn admin(connection, login: &Address) -> Option<DomainAdmin> {
        match one(connection, sql::GET, [login.key()], read)? {
            None => Ok(None),
            Some(admin) => with_domains(connection, admin).map(Some),
        }
    }

    /// Gives every domain admin, by login.
    pub fn for_each_admin(connection, each: impl FnMut(DomainAdmin) -> Result<(), DirectoryError>) -> () {
        let page = |after: &String| {
            let admins = rows(connection, sql::PAGE, params![after, PAGE_ROWS], read)?;
            admins.into_iter().map(|admin| with_domains(connection, admin)).collect()
        };
        for_each_page(String::new(), page, |a| a.login.key().to_owned(), each)
    }

    /// The admins of a domain, by login.
    pub fn admins_of_domain(connection, domain: &str) -> Vec<DomainAdmin> {
        let admins = rows(connection, sql::OF_DOMAIN, [domain], read)?;
        admins.into_iter().map(|admin| with_domains(connection, admin)).collect()
    }
}

impl Tx<'_> {
    /// Adds a domain admin, dated now.
    ///
    /// # Errors
    /// When the login is taken, or a domain or the account is unknown.
    pub fn add_admin(&mut self, admin: &NewAdmin) -> Result<AdminId, DirectoryError> {
        let key = admin.login.key();
        let (hash, account) = columns_of(&admin.credential);
        let values = params![key, admin.login.as_str(), hash, account, self.now(), admin.password_set_at];
        let id = self.insert(sql::INSERT, values).map_err(putting("domain admin", key))?;
        let id = AdminId::new_unchecked(id);
        self.put_admin_domains(id, key, &admin.domains)?;
        Ok(id)
    }

    /// Writes every field of a domain admin, domains included.
    ///
    /// # Errors
    /// When there is no such admin, the new login is taken, or a domain or the account is unknown.
    pub fn update_admin(&mut self, admin: &DomainAdmin) -> Result<(), DirectoryError> {
        let key = admin.login.key();
        let (hash, account) = columns_of(&admin.credential);
        let values = params![
            key,
            admin.login.as_str(),
            hash,
            account,
            admin.created_at,
            admin.password_set_at,
            admin.last_login_at,
            admin.id.get()
        ];
        let rows = self.execute(sql::UPDATE, values).map_err(putting("domain admin", key))?;
        found(rows, "domain admin", key)?;
        self.put_admin_domains(admin.id, key, &admin.domains)
    }

    /// Sets a domain admin's own password, now.
    ///
    /// # Errors
    /// When there is none who signs in with a password of their own.
    pub fn set_admin_password(&mut self, id: AdminId, hash: &Secret) -> Result<(), DirectoryError> {
        let rows = self.execute(sql::SET_PASSWORD, params![hash.expose(), self.now(), id.get()])?;
        found(rows, "domain admin with a password of their own", id)
    }

    /// Removes a domain admin.
    ///
    /// # Errors
    /// When there is none.
    pub fn remove_admin(&mut self, id: AdminId) -> Result<(), DirectoryError> {
        let rows = self.execute(sql::DELETE, [id.get()]).map_err(removing("domain admin", id))?;
        found(rows, "domain admin", id)
    }

    pub(crate) fn set_admin_last_login(&mut self, id: AdminId) -> Result<(), DirectoryError> {
        self.execute(sql::SET_LAST_LOGIN, params![self.now(), id.get()])?;
        Ok(())
    }

    pub(crate) fn rehash_admin(&mut self, id: AdminId, old: &Secret, new: &Secret) -> Result<(), DirectoryError> {
        self.execute(sql::REHASH, params![new.expose(), id.get(), old.expose()])?;
        Ok(())
    }

    fn put_admin_domains(&mut self, id: AdminId, key: &str, domains: &[String]) -> Result<(), DirectoryError> {
        self.execute(sql::DOMAINS_DELETE, [id.get()])?;
        for domain in domains {
            self.execute(sql::DOMAIN_INSERT, params![id.get(), domain]).map_err(putting("domain admin", key))?;
        }
        Ok(())
    }
}

fn columns_of(credential: &AdminCredential) -> (Option<&str>, Option<i64>) {
    match credential {
        AdminCredential::Own(hash) => (hash.as_ref().map(Secret::expose), None),
        AdminCredential::Account(id) => (None, Some(id.get())),
    }
}

fn with_domains(connection: &Connection, mut admin: DomainAdmin) -> Result<DomainAdmin, DirectoryError> {
    admin.domains = rows(connection, sql::DOMAINS, [admin.id.get()], |row| row.get(0))?;
    Ok(admin)
}

fn read(row: &Row<'_>) -> rusqlite::Result<DomainAdmin> {
    let credential = match row.get::<_, Option<i64>>(3)? {
        Some(account) => AdminCredential::Account(AccountId::new_unchecked(account)),
        None => AdminCredential::Own(maybe_secret(row, 2)?),
    };
    Ok(DomainAdmin {
        id: AdminId::new_unchecked(row.get(0)?),
        login: address(row, 1)?,
        credential,
        domains: Vec::new(),
        created_at: row.get(4)?,
        password_set_at: row.get(5)?,
        last_login_at: row.get(6)?,
    })
}
