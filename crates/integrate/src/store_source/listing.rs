//! Domains, accounts and aliases of another store, as a source lists them.

use directory::{AccountId, AccountState, CustomerId, Directory, DirectoryError, Forward, Secret, password};
use message::Address;
use source::{Account, Alias, AliasAddress, Domain, Notice};
use std::collections::{HashMap, HashSet};
use store::Store;

/// Lists what the directory says. What a source has no word for is a notice.
///
/// # Errors
/// When the directory cannot be read.
pub(super) fn list(directory: Option<&Directory>, store: &Store) -> Result<source::Directory, DirectoryError> {
    let mut listing = Listing::default();
    for finding in store.findings() {
        listing.note("9.1", format!("cells/{:02}", finding.cell), finding.text.clone());
    }
    match directory {
        Some(directory) => {
            listing.domains(directory)?;
            listing.accounts(directory)?;
            listing.aliases(directory)?;
            listing.left_out(directory)?;
        }
        None => listing.note(
            "7.9",
            super::DIRECTORY.to_owned(),
            "it is lost: the mail is read, and without account lines every account is locked".to_owned(),
        ),
    }
    Ok(listing.0)
}

#[derive(Default)]
struct Listing(source::Directory);

impl Listing {
    fn note(&mut self, rule: &'static str, place: String, text: String) {
        self.0.notices.push(Notice { rule, place, text });
    }

    fn domains(&mut self, directory: &Directory) -> Result<(), DirectoryError> {
        let mut customers: HashMap<CustomerId, String> = HashMap::new();
        directory.for_each_customer(|customer| {
            customers.insert(customer.id, customer.name);
            Ok(())
        })?;
        directory.for_each_domain(|domain| {
            let customer = domain.customer_id.and_then(|id| customers.get(&id).cloned());
            self.0.domains.push(Domain { name: domain.name, customer, disabled: domain.disabled });
            Ok(())
        })
    }

    fn accounts(&mut self, directory: &Directory) -> Result<(), DirectoryError> {
        let mut forwards: HashMap<AccountId, Forward> = HashMap::new();
        directory.for_each_forward(|account, forward| {
            forwards.insert(account, forward);
            Ok(())
        })?;
        directory.for_each_account(|account| {
            let forwards = forwards.remove(&account.id).map(|f| self.forwards(&account.address, f));
            let account = self.account(account, forwards.unwrap_or_default());
            self.0.accounts.push(account);
            Ok(())
        })
    }

    fn account(&mut self, account: directory::Account, forwards: Vec<Address>) -> Account {
        let place = account.address.to_string();
        let hash = account.password_hash.as_ref().map(Secret::expose);
        let (password_hash, disabled) = match account.state {
            AccountState::Open => (hash.map(str::to_owned), false),
            // It receives, and opens with a new password: neither is true of a disabled one.
            AccountState::Locked => (hash.map(locked), false),
            AccountState::Disabled => (hash.map(str::to_owned), true),
            AccountState::Closed => {
                let text = "its mail is kept and its address belongs to an alias; it is taken as a disabled account";
                self.note("8.2", place, text.to_owned());
                (hash.map(str::to_owned), true)
            }
            AccountState::Sealed => {
                let text = "it is sealed until an admin of the other store decides; it is taken as a disabled account";
                self.note("8.7", place, text.to_owned());
                (hash.map(str::to_owned), true)
            }
        };
        Account {
            address: account.address,
            password_hash,
            name: account.name,
            quota_bytes: account.quota_bytes,
            disabled,
            forwards,
            language: account.language,
            home: None,
        }
    }

    fn forwards(&mut self, account: &Address, forward: Forward) -> Vec<Address> {
        if !forward.keep_copy {
            let text = "its forward kept no copy in the account; as it is read from here, it keeps one";
            self.note("8.5", account.to_string(), text.to_owned());
        }
        let mut addresses = Vec::new();
        for target in forward.targets {
            match Address::new(&target) {
                Ok(address) => addresses.push(address),
                Err(error) => {
                    let text = format!("it forwards to {target:?}, which is left out: {}", error.reason);
                    self.note("8.5", account.to_string(), text);
                }
            }
        }
        addresses
    }

    fn aliases(&mut self, directory: &Directory) -> Result<(), DirectoryError> {
        let mut whole_domains: HashSet<String> = HashSet::new();
        directory.for_each_domain_alias(|alias| {
            whole_domains.insert(alias.from.clone());
            let (address, targets) = (AliasAddress::CatchAll(alias.from), vec![format!("@{}", alias.to)]);
            self.0.aliases.push(Alias { address, targets });
            Ok(())
        })?;
        directory.for_each_alias(|alias| {
            let place = alias.address.to_string();
            let address = match alias.address {
                directory::AliasAddress::Exact(address) => AliasAddress::Address(address),
                directory::AliasAddress::CatchAll(domain) => AliasAddress::CatchAll(domain),
            };
            let targets = alias.targets.join(", ");
            if !alias.enabled {
                self.note("8", place, format!("the alias (to {targets}) is not in force there, and is left out"));
            } else if matches!(&address, AliasAddress::CatchAll(domain) if whole_domains.contains(domain)) {
                let text = format!("the domain stands for another there; its catch-all (to {targets}) is left out");
                self.note("8.4", place, text);
            } else {
                self.0.aliases.push(Alias { address, targets: alias.targets });
            }
            Ok(())
        })
    }

    /// Names what the other store holds and a source does not list.
    fn left_out(&mut self, directory: &Directory) -> Result<(), DirectoryError> {
        let mut admins = 0;
        directory.for_each_admin(|_| {
            admins += 1;
            Ok(())
        })?;
        if admins > 0 {
            let text = format!("{admins} domain admins are known there; add here those who are not");
            self.note("7.7", super::DIRECTORY.to_owned(), text);
        }
        directory.for_each_lineage(|lineage| {
            let text = format!(
                "what an integration there staged from {} is read only as far as it was applied; its undecided and \
                 unattributed mail is not",
                lineage.source
            );
            self.note("9.3", format!("lineage {}", lineage.id), text);
            Ok(())
        })
    }
}

/// A hash that no password can be verified against, as passwd files lock one; one that is unusable stays as it is.
fn locked(hash: &str) -> String {
    match password::usable(hash) {
        Ok(()) => format!("!{hash}"),
        Err(_) => hash.to_owned(),
    }
}
