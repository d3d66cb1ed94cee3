//! What a script can ask about its account.

use crate::boxes::Boxes;
use directory::{AccountId, AliasAddress, Directory, DirectoryError, SieveMemoryId};
use message::{Address, MailboxName, SpecialUse};
use std::error::Error;
use std::net::IpAddr;

/// How many addresses of an account are looked for: each is compared with those of a message.
const MAX_ADDRESSES: usize = 200;

/// Answers a script's questions from directory and store.
pub(crate) struct Context<'c, 'b> {
    /// Who gets mail here.
    pub(crate) directory: &'c Directory,
    /// Whose script it is.
    pub(crate) account: AccountId,
    /// Their address.
    pub(crate) address: &'c Address,
    /// The account's mailboxes.
    pub(crate) boxes: &'c Boxes<'b>,
    /// This host.
    pub(crate) host: &'c str,
    /// Where the message came from.
    pub(crate) client: Option<IpAddr>,
    /// To how many addresses the script that runs may send the message on.
    pub(crate) redirects: usize,
}

/// What stands in an account's memory for an answer that a vacation gave to somebody.
pub(crate) fn vacation_id(handle: &str, recipient: &Address) -> SieveMemoryId {
    SieveMemoryId::new("vacation", &[handle, recipient.key()])
}

/// What stands there for a message that a `duplicate` test saw.
pub(crate) fn duplicate_id(id: &str) -> SieveMemoryId {
    SieveMemoryId::new("duplicate", &[id])
}

impl Context<'_, '_> {
    /// What the directory says; where it cannot be asked, a script goes on as if there were nothing.
    fn told<T: Default>(&self, answer: Result<T, DirectoryError>) -> T {
        answer.unwrap_or_else(|error| {
            tracing::error!(account = %self.address, error = &error as &dyn Error, "a script cannot be told");
            T::default()
        })
    }

    /// The account's own address, and the aliases of its domain that lead to it.
    fn own_addresses(&self) -> Result<Vec<Address>, DirectoryError> {
        let own = self.address;
        let mut addresses = vec![own.clone()];
        self.directory.for_each_alias_of_domain(own.domain(), |alias| {
            let leads_here = |target: &String| Address::new(target.trim()).is_ok_and(|target| target == *own);
            if let AliasAddress::Exact(address) = alias.address
                && alias.enabled
                && addresses.len() < MAX_ADDRESSES
                && alias.targets.iter().any(leads_here)
            {
                addresses.push(address);
            }
            Ok(())
        })?;
        Ok(addresses)
    }
}

impl sieve::Context for Context<'_, '_> {
    fn mailbox_name(&mut self, text: &str) -> Option<MailboxName> {
        self.boxes.meant(text)
    }

    fn mailbox_exists(&mut self, name: &MailboxName) -> bool {
        self.boxes.named(name).is_some()
    }

    fn mailbox_of_use(&mut self, special_use: SpecialUse) -> Option<MailboxName> {
        self.boxes.of_use(special_use).map(|mailbox| mailbox.name.clone())
    }

    fn mailbox_of_id(&mut self, id: &str) -> Option<MailboxName> {
        self.boxes.of_object_id(id).map(|mailbox| mailbox.name.clone())
    }

    fn addresses(&mut self) -> Vec<Address> {
        let addresses = self.told(self.own_addresses());
        if addresses.is_empty() { vec![self.address.clone()] } else { addresses }
    }

    fn last_vacation(&mut self, handle: &str, recipient: &Address) -> Option<i64> {
        let memory = self.directory.sieve_memory(self.account, &vacation_id(handle, recipient));
        self.told(memory).map(|memory| memory.seen_s)
    }

    fn seen_until(&mut self, id: &str) -> Option<i64> {
        let memory = self.directory.sieve_memory(self.account, &duplicate_id(id));
        self.told(memory).map(|memory| memory.until_s)
    }

    fn max_redirects(&self) -> usize {
        self.redirects
    }

    fn environment(&mut self, item: &str) -> Option<String> {
        match item {
            "domain" => Some(self.address.domain().to_owned()),
            "host" => Some(self.host.to_owned()),
            "remote-ip" => self.client.map(|client| client.to_canonical().to_string()),
            _ => None,
        }
    }
}
