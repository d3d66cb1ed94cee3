//! Customers, domains and domain aliases.

use crate::directory::Tx;
use crate::error::{DirectoryError, found, putting, removing};
use crate::ids::CustomerId;
use crate::query::{PAGE_ROWS, for_each_page, one, reads, rows};
use crate::sql::domain as sql;
use rusqlite::{Row, params};

/// Who pays, and owns domains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// Names it.
    pub id: CustomerId,
    /// What people call it; no two have the same.
    pub name: String,
}

/// A mail domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Its name, in lower case.
    pub name: String,
    /// Who owns it.
    pub customer_id: Option<CustomerId>,
    /// Whether mail and sign-in are switched off.
    pub disabled: bool,
    /// When it was added, in seconds since 1970 UTC.
    pub created_at: i64,
}

/// A domain all of whose addresses stand for those of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainAlias {
    /// The domain that mail is addressed to; it is hosted too, so that it has an owner.
    pub from: String,
    /// The domain whose addresses get it.
    pub to: String,
}

reads! {
    /// Gets a customer.
    pub fn customer(connection, id: CustomerId) -> Option<Customer> {
        one(connection, sql::CUSTOMER, [id.get()], read_customer)
    }

    /// Gets the customer of a name.
    pub fn customer_by_name(connection, name: &str) -> Option<Customer> {
        one(connection, sql::CUSTOMER_BY_NAME, [name], read_customer)
    }

    /// Gives every customer, by name.
    pub fn for_each_customer(connection, each: impl FnMut(Customer) -> Result<(), DirectoryError>) -> () {
        let page = |after: &String| {
            rows(connection, sql::CUSTOMER_PAGE, params![after, PAGE_ROWS], read_customer)
        };
        for_each_page(String::new(), page, |c| c.name.clone(), each)
    }

    /// Gets a domain by its name in lower case.
    pub fn domain(connection, name: &str) -> Option<Domain> {
        one(connection, sql::GET, [name], read_domain)
    }

    /// Gives every domain, by name.
    pub fn for_each_domain(connection, each: impl FnMut(Domain) -> Result<(), DirectoryError>) -> () {
        let page = |after: &String| rows(connection, sql::PAGE, params![after, PAGE_ROWS], read_domain);
        for_each_page(String::new(), page, |d| d.name.clone(), each)
    }

    /// The names of a customer's domains, in order.
    pub fn domains_of_customer(connection, id: CustomerId) -> Vec<String> {
        rows(connection, sql::OF_CUSTOMER, [id.get()], |row| row.get(0))
    }

    /// Gets the domain alias of a domain, if it is one.
    pub fn domain_alias(connection, from: &str) -> Option<DomainAlias> {
        one(connection, sql::ALIAS, [from], read_domain_alias)
    }

    /// Gives every domain alias, by the domain that mail is addressed to.
    pub fn for_each_domain_alias(connection, each: impl FnMut(DomainAlias) -> Result<(), DirectoryError>) -> () {
        let page = |after: &String| {
            rows(connection, sql::ALIAS_PAGE, params![after, PAGE_ROWS], read_domain_alias)
        };
        for_each_page(String::new(), page, |a| a.from.clone(), each)
    }
}

impl Tx<'_> {
    /// Adds a customer.
    ///
    /// # Errors
    /// When the name is empty or taken.
    pub fn add_customer(&mut self, name: &str) -> Result<CustomerId, DirectoryError> {
        check_customer(name)?;
        let id = self.insert(sql::CUSTOMER_INSERT, [name]).map_err(putting("customer", name))?;
        Ok(CustomerId::new_unchecked(id))
    }

    /// Gives a customer another name.
    ///
    /// # Errors
    /// When there is no such customer, or the name is empty or taken.
    pub fn rename_customer(&mut self, id: CustomerId, name: &str) -> Result<(), DirectoryError> {
        check_customer(name)?;
        let rows = self.execute(sql::CUSTOMER_RENAME, params![name, id.get()]).map_err(putting("customer", name))?;
        found(rows, "customer", id)
    }

    /// Removes a customer who owns no domain.
    ///
    /// # Errors
    /// When there is none, or domains are left.
    pub fn remove_customer(&mut self, id: CustomerId) -> Result<(), DirectoryError> {
        let rows = self.execute(sql::CUSTOMER_DELETE, [id.get()]).map_err(removing("customer", id))?;
        found(rows, "customer", id)
    }

    /// Adds a domain.
    ///
    /// # Errors
    /// When its name is not one or taken, or its customer is unknown.
    pub fn add_domain(&mut self, domain: &Domain) -> Result<(), DirectoryError> {
        check_domain(&domain.name)?;
        let customer = domain.customer_id.map(CustomerId::get);
        self.execute(sql::INSERT, params![domain.name, customer, domain.disabled, domain.created_at])
            .map_err(putting("domain", &domain.name))?;
        Ok(())
    }

    /// Changes a domain's customer and whether it is disabled.
    ///
    /// # Errors
    /// When there is no such domain or customer.
    pub fn update_domain(&mut self, domain: &Domain) -> Result<(), DirectoryError> {
        let customer = domain.customer_id.map(CustomerId::get);
        let rows = self
            .execute(sql::UPDATE, params![customer, domain.disabled, domain.name])
            .map_err(putting("domain", &domain.name))?;
        found(rows, "domain", &domain.name)
    }

    /// Removes a domain that has no accounts, aliases, domain aliases and admins.
    ///
    /// # Errors
    /// When there is none, or something is left in it.
    pub fn remove_domain(&mut self, name: &str) -> Result<(), DirectoryError> {
        let rows = self.execute(sql::DELETE, [name]).map_err(removing("domain", name))?;
        found(rows, "domain", name)
    }

    /// Adds a domain alias, or changes where it leads.
    ///
    /// # Errors
    /// When either domain is unknown, or it would lead to itself.
    pub fn put_domain_alias(&mut self, alias: &DomainAlias) -> Result<(), DirectoryError> {
        self.execute(sql::ALIAS_PUT, [&alias.from, &alias.to]).map_err(putting("domain alias", &alias.from))?;
        Ok(())
    }

    /// Removes a domain alias; the domain stays.
    ///
    /// # Errors
    /// When there is none.
    pub fn remove_domain_alias(&mut self, from: &str) -> Result<(), DirectoryError> {
        let rows = self.execute(sql::ALIAS_DELETE, [from]).map_err(removing("domain alias", from))?;
        found(rows, "domain alias", from)
    }
}

/// Why a text is no domain name as the directory keeps them, if it is not.
pub(crate) fn domain_name_fault(name: &str) -> Option<&'static str> {
    if name.is_empty() || name.len() > 255 || name.starts_with('.') || name.contains("..") {
        return Some("its name is empty, too long or has an empty part");
    }
    if name.chars().any(|c| c.is_control() || c.is_whitespace() || "/<>\"\\:;,@".contains(c)) {
        return Some("its name holds a character that a domain may not");
    }
    (name.to_lowercase() != name).then_some("its name is not in lower case")
}

fn check_domain(name: &str) -> Result<(), DirectoryError> {
    match domain_name_fault(name) {
        None => Ok(()),
        Some(reason) => Err(DirectoryError::Invalid { what: "domain", key: name.to_owned(), reason }),
    }
}

fn check_customer(name: &str) -> Result<(), DirectoryError> {
    if name.trim().is_empty() {
        return Err(DirectoryError::Invalid { what: "customer", key: name.to_owned(), reason: "its name is empty" });
    }
    Ok(())
}

fn read_customer(row: &Row<'_>) -> rusqlite::Result<Customer> {
    Ok(Customer { id: CustomerId::new_unchecked(row.get(0)?), name: row.get(1)? })
}

fn read_domain(row: &Row<'_>) -> rusqlite::Result<Domain> {
    Ok(Domain {
        name: row.get(0)?,
        customer_id: row.get::<_, Option<i64>>(1)?.map(CustomerId::new_unchecked),
        disabled: row.get(2)?,
        created_at: row.get(3)?,
    })
}

fn read_domain_alias(row: &Row<'_>) -> rusqlite::Result<DomainAlias> {
    Ok(DomainAlias { from: row.get(0)?, to: row.get(1)? })
}
