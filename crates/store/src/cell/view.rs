//! A consistent state of a cell, to read.

use super::Result;
use crate::index::{rows, served};
use crate::manifest::{AccountState, MailboxState};
use crate::segment::log::Segments;
use crate::types::{Account, AccountId, Blob, BlobId, Item, LineageId, Mailbox, MailboxId, Message};
use message::{Address, Digest, Identity, MailboxName};
use rusqlite::Connection;

/// A consistent state of a cell, to read.
pub struct View<'a> {
    pub(crate) db: &'a Connection,
    pub(crate) segments: &'a Segments,
}

impl View<'_> {
    /// Accounts of a lineage by address.
    ///
    /// # Errors
    /// Those of the index, as for every method here.
    pub fn accounts(&self, lineage: LineageId) -> Result<Vec<Account>> {
        rows::accounts(self.db, Some(lineage))
    }

    /// The account of an address in a lineage.
    ///
    /// # Errors
    /// Those of the index.
    pub fn account(&self, lineage: LineageId, address: &Address) -> Result<Option<Account>> {
        rows::account(self.db, lineage, address.key())
    }

    /// An account's mailboxes by number.
    ///
    /// # Errors
    /// Those of the index.
    pub fn mailboxes(&self, account: AccountId) -> Result<Vec<Mailbox>> {
        rows::mailboxes(self.db, account)
    }

    /// A mailbox by its number.
    ///
    /// # Errors
    /// Those of the index.
    pub fn mailbox(&self, account: AccountId, mailbox: MailboxId) -> Result<Option<Mailbox>> {
        served::mailbox(self.db, account, mailbox)
    }

    /// A mailbox by its name.
    ///
    /// # Errors
    /// Those of the index.
    pub fn mailbox_by_name(&self, account: AccountId, name: &MailboxName) -> Result<Option<Mailbox>> {
        served::mailbox_by_name(self.db, account, name)
    }

    /// Names that the account is subscribed to and that none of its mailboxes has (RFC 9051 §6.3.7).
    ///
    /// # Errors
    /// Those of the index.
    pub fn subscriptions(&self, account: AccountId) -> Result<Vec<MailboxName>> {
        served::subscriptions(self.db, account)
    }

    /// Annotations of a mailbox, or of the server, by entry (RFC 5464).
    ///
    /// # Errors
    /// Those of the index.
    pub fn annotations(&self, account: AccountId, mailbox: Option<MailboxId>) -> Result<Vec<(String, Vec<u8>)>> {
        served::annotations(self.db, account, mailbox)
    }

    /// Calls for every message whose modification sequence is above one, by UID (RFC 7162, CHANGEDSINCE).
    ///
    /// # Errors
    /// Those of `each`; those of the index.
    pub fn changed_since(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        modseq: u64,
        each: impl FnMut(Message) -> Result<()>,
    ) -> Result<()> {
        served::changed_since(self.db, account, mailbox, modseq, each)
    }

    /// UIDs that were expunged behind a modification sequence, ascending (RFC 7162, VANISHED).
    ///
    /// # Errors
    /// Those of the index.
    pub fn expunged_since(&self, account: AccountId, mailbox: MailboxId, modseq: u64) -> Result<Vec<u32>> {
        served::expunged_since(self.db, account, mailbox, modseq)
    }

    /// The highest UIDVALIDITY that any mailbox of the account ever had here.
    ///
    /// # Errors
    /// Those of the index.
    pub fn max_uidvalidity(&self, account: AccountId) -> Result<u32> {
        rows::max_uidvalidity(self.db, account)
    }

    /// Calls for every message of a mailbox by UID.
    ///
    /// # Errors
    /// Those of `each`; those of the index.
    pub fn for_each_message(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        each: impl FnMut(Message, Blob) -> Result<()>,
    ) -> Result<()> {
        rows::for_each_message(self.db, account, mailbox, each)
    }

    /// One message of a mailbox.
    ///
    /// # Errors
    /// Those of the index.
    pub fn message(&self, account: AccountId, mailbox: MailboxId, uid: u32) -> Result<Option<Message>> {
        rows::message(self.db, account, mailbox, uid)
    }

    /// UIDs of a mailbox that are gone: UID, modification sequence of that, identity.
    ///
    /// # Errors
    /// Those of the index.
    pub fn expunged(&self, account: AccountId, mailbox: MailboxId) -> Result<Vec<(u32, u64, Option<Identity>)>> {
        rows::expunged(self.db, account, mailbox)
    }

    /// Number and size in bytes of an account's messages.
    ///
    /// # Errors
    /// Those of the index.
    pub fn usage(&self, account: AccountId) -> Result<(u64, u64)> {
        rows::usage(self.db, account)
    }

    /// Number of an account's messages, and the latest INTERNALDATE among them.
    ///
    /// # Errors
    /// Those of the index.
    pub fn newest(&self, account: AccountId) -> Result<(u64, Option<i64>)> {
        rows::newest(self.db, account)
    }

    /// Calls for every item of a staged account, by number.
    ///
    /// # Errors
    /// Those of `each`; those of the index.
    pub fn for_each_item(&self, account: AccountId, each: impl FnMut(i64, Item) -> Result<()>) -> Result<()> {
        rows::for_each_item(self.db, account, each)
    }

    /// Items of a lineage's accounts, but for those of one kind.
    ///
    /// # Errors
    /// Those of the index.
    pub fn count_items(&self, lineage: LineageId, except_kind: u8) -> Result<u64> {
        rows::count_items(self.db, lineage, except_kind)
    }

    /// What is known of bytes with a digest.
    ///
    /// # Errors
    /// Those of the index.
    pub fn blob(&self, digest: &Digest) -> Result<Option<Blob>> {
        rows::blob_by_digest(self.db, digest)
    }

    /// What is known of bytes by their number.
    ///
    /// # Errors
    /// Those of the index.
    pub fn blob_by_id(&self, id: BlobId) -> Result<Option<Blob>> {
        rows::blob_by_id(self.db, id)
    }

    /// Reads a message's bytes in CRLF form; they are checked against their digest.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`](crate::StoreError::Corrupt) when the record is damaged; those of the disk.
    pub fn bytes(&self, blob: &Blob) -> Result<Vec<u8>> {
        self.segments.bytes(blob)
    }

    /// An account with all that is in it.
    ///
    /// # Errors
    /// Those of the index.
    pub fn account_state(&self, account: AccountId) -> Result<AccountState> {
        let mut state = AccountState::default();
        for mailbox in self.mailboxes(account)? {
            let mut messages = Vec::new();
            self.for_each_message(account, mailbox.id, |message, blob| {
                messages.push((message, blob.digest));
                Ok(())
            })?;
            let expunged = self.expunged(account, mailbox.id)?;
            state.mailboxes.push(MailboxState { mailbox, messages, expunged });
        }
        state.subscriptions = served::subscriptions(self.db, account)?;
        state.annotations = served::all_annotations(self.db, account)?;
        Ok(state)
    }

    /// What an integration wrote of an account.
    ///
    /// # Errors
    /// Those of the index.
    pub fn journal(&self, integration: i64, address: &Address) -> Result<Option<Journal>> {
        let Some(row) = rows::journal(self.db, integration, address.key())? else { return Ok(None) };
        Ok(Some(Journal { state: row.state, was: row.was, became: row.became, fates: row.fates }))
    }

    /// Address keys and states of every account in an integration's journal.
    ///
    /// # Errors
    /// Those of the index.
    pub fn journal_states(&self, integration: i64) -> Result<Vec<(String, String)>> {
        rows::journal_states(self.db, integration)
    }
}

/// What an integration keeps of an account in the cell, in the same transaction as its mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// The integrator's word for how far it is.
    pub state: String,
    /// The account before ([`AccountState::encode`], packed by the integrator).
    pub was: Option<Vec<u8>>,
    /// The account after.
    pub became: Option<Vec<u8>>,
    /// What became of every message.
    pub fates: Option<Vec<u8>>,
}
