//! Aliases: addresses, or whole domains, that deliver to other addresses.

use crate::directory::Tx;
use crate::error::{DirectoryError, found, putting};
use crate::query::{PAGE_ROWS, address, check_targets, for_each_page, one, reads, rows, texts, texts_json};
use crate::sql::alias as sql;
use message::Address;
use rusqlite::{Row, params};

/// What an alias answers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AliasAddress {
    /// One address.
    Exact(Address),
    /// Every address of a domain, in lower case, that is nothing else.
    CatchAll(String),
}

impl AliasAddress {
    /// The form that compares: the address in lower case, or `@domain`.
    pub fn key(&self) -> String {
        match self {
            AliasAddress::Exact(address) => address.key().to_owned(),
            AliasAddress::CatchAll(domain) => format!("@{domain}"),
        }
    }

    /// The domain it is in.
    pub fn domain(&self) -> &str {
        match self {
            AliasAddress::Exact(address) => address.domain(),
            AliasAddress::CatchAll(domain) => domain,
        }
    }
}

impl std::fmt::Display for AliasAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AliasAddress::Exact(address) => address.fmt(f),
            AliasAddress::CatchAll(domain) => write!(f, "@{domain}"),
        }
    }
}

/// An address that delivers to other addresses. An account may stand at the same address while a conflict waits
/// (`RULES.md 8.1`, `8.2`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// What it answers to.
    pub address: AliasAddress,
    /// Where it delivers, in order, as written; never empty.
    pub targets: Vec<String>,
    /// Whether it is in force.
    pub enabled: bool,
}

reads! {
    /// Gets the alias of an address, or the catch-all of a domain.
    pub fn alias(connection, address: &AliasAddress) -> Option<Alias> {
        one(connection, sql::GET, [address.key()], read)
    }

    /// Gives every alias, by domain and address; a domain's catch-all comes first.
    pub fn for_each_alias(connection, each: impl FnMut(Alias) -> Result<(), DirectoryError>) -> () {
        let page = |after: &(String, String)| {
            rows(connection, sql::PAGE, params![after.0, after.1, PAGE_ROWS], read)
        };
        let key_of = |alias: &Alias| (alias.address.domain().to_owned(), alias.address.key());
        for_each_page((String::new(), String::new()), page, key_of, each)
    }

    /// Gives every alias of a domain, by address; its catch-all comes first.
    pub fn for_each_alias_of_domain(
        connection,
        domain: &str,
        each: impl FnMut(Alias) -> Result<(), DirectoryError>,
    ) -> () {
        let page = |after: &String| rows(connection, sql::DOMAIN_PAGE, params![domain, after, PAGE_ROWS], read);
        for_each_page(String::new(), page, |a| a.address.key(), each)
    }
}

impl Tx<'_> {
    /// Adds an alias, or replaces the one of its address.
    ///
    /// # Errors
    /// When its domain is unknown, or it has no targets.
    pub fn put_alias(&mut self, alias: &Alias) -> Result<(), DirectoryError> {
        let key = alias.address.key();
        check_targets("alias", &key, &alias.targets)?;
        let (address, domain) = (alias.address.to_string(), alias.address.domain());
        self.execute(sql::PUT, params![key, address, domain, texts_json(&alias.targets), alias.enabled])
            .map_err(putting("alias", key))?;
        Ok(())
    }

    /// Removes an alias.
    ///
    /// # Errors
    /// When there is none.
    pub fn remove_alias(&mut self, address: &AliasAddress) -> Result<(), DirectoryError> {
        let rows = self.execute(sql::DELETE, [address.key()])?;
        found(rows, "alias", address)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Alias> {
    let is_catch_all = row.get_ref(1)?.as_str()?.starts_with('@');
    let address =
        if is_catch_all { AliasAddress::CatchAll(row.get(2)?) } else { AliasAddress::Exact(address(row, 1)?) };
    Ok(Alias { address, targets: texts(row, 3)?, enabled: row.get(4)? })
}
