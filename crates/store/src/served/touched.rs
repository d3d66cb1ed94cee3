//! What a transaction touched: what images must follow, and who is told.

use crate::types::{AccountId, MailboxId};
use std::collections::{BTreeMap, BTreeSet};

/// Accounts that a transaction touched, and how.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    accounts: BTreeMap<AccountId, Touch>,
}

/// How an account was touched.
#[derive(Debug, Default)]
pub(crate) struct Touch {
    /// Not by the rules of served mailboxes: modification sequences do not tell what changed.
    pub(crate) anew: bool,
    /// Mailboxes that changed by the rules.
    pub(crate) mailboxes: BTreeSet<MailboxId>,
    /// By how many messages, and by how many bytes of them, the account grew.
    pub(crate) messages: i64,
    pub(crate) size_bytes: i64,
}

impl Touched {
    /// Something in the account changed that is no message: who watches it wants to know.
    pub(crate) fn account(&mut self, account: AccountId) -> &mut Touch {
        self.accounts.entry(account).or_default()
    }

    /// The account was changed row by row.
    pub(crate) fn anew(&mut self, account: AccountId) {
        self.account(account).anew = true;
    }

    /// A mailbox changed, and its modification sequences tell what.
    pub(crate) fn mailbox(&mut self, account: AccountId, mailbox: MailboxId) {
        self.account(account).mailboxes.insert(mailbox);
    }

    /// The account came to hold more messages, or fewer.
    pub(crate) fn usage(&mut self, account: AccountId, messages: i64, size_bytes: i64) {
        let touch = self.account(account);
        touch.messages += messages;
        touch.size_bytes += size_bytes;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (AccountId, &Touch)> {
        self.accounts.iter().map(|(account, touch)| (*account, touch))
    }
}
