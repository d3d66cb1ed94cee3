//! Which accounts a command is about (`--domain`, `--account`).

use message::Address;

/// Accounts chosen by domain or address; with neither, all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Domains, in lower case.
    pub domains: Vec<String>,
    /// Addresses.
    pub accounts: Vec<Address>,
}

impl Selection {
    /// Whether every account is meant.
    pub fn is_all(&self) -> bool {
        self.domains.is_empty() && self.accounts.is_empty()
    }

    /// Whether an address is among the chosen.
    pub fn has(&self, address: &Address) -> bool {
        self.is_all() || self.accounts.contains(address) || self.domains.iter().any(|d| d == address.domain())
    }
}
