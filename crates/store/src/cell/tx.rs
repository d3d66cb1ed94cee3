//! Changes of a cell, row by row: for callers whose own rules decide about UIDs and modification sequences.

use super::batch::Batch;
use super::replay::{fresh_uidvalidity, put_state};
use super::view::{Journal, View};
use super::{Delivered, Delivery, REMOVED, Result, SERVED};
use crate::catch_up::set_tail;
use crate::error::StoreError;
use crate::index::rows;
use crate::manifest::AccountState;
use crate::segment::log::Log;
use crate::served::{SHARED, Touched};
use crate::types::{Account, AccountId, BlobId, Item, LIVE, LineageId, Mailbox, MailboxId, Message, NewMailbox, Place};
use message::{Address, Digest, Identity};
use std::cell::{Cell as Flag, RefCell, RefMut};

/// A transaction on a cell: reads what it has written.
pub struct Tx<'a> {
    view: View<'a>,
    log: RefCell<&'a mut Log>,
    /// Records of it are in the log.
    appended: Flag<bool>,
    touched: RefCell<Touched>,
    healed: RefCell<Vec<Place>>,
}

/// What is left of a transaction when its body has ended.
#[derive(Default)]
pub(super) struct Trace {
    pub(super) appended: bool,
    pub(super) touched: Touched,
    /// Damaged records whose bytes came anew.
    pub(super) healed: Vec<Place>,
}

impl<'a> std::ops::Deref for Tx<'a> {
    type Target = View<'a>;

    fn deref(&self) -> &View<'a> {
        &self.view
    }
}

impl<'a> Tx<'a> {
    pub(super) fn new(view: View<'a>, log: &'a mut Log) -> Self {
        let (appended, touched, healed) = Default::default();
        Tx { view, log: RefCell::new(log), appended, touched, healed }
    }

    pub(super) fn into_trace(self) -> Trace {
        let Tx { appended, touched, healed, .. } = self;
        Trace { appended: appended.get(), touched: touched.into_inner(), healed: healed.into_inner() }
    }

    /// What the transaction touched so far.
    pub(crate) fn touched(&self) -> RefMut<'_, Touched> {
        self.touched.borrow_mut()
    }

    /// Delivers within the transaction: the records are durable when this returns, the rows when the transaction is.
    /// Of bytes that are `known` by their numbers the index is not asked.
    ///
    /// # Errors
    /// As [`Cell::deliver`](super::Cell::deliver).
    pub(crate) fn deliver(
        &self,
        deliveries: &[Delivery],
        known: impl IntoIterator<Item = (Digest, BlobId)>,
    ) -> Result<Vec<Delivered>> {
        let mut batch = Batch::knowing(known);
        let plan = batch.admit(self.db, self.segments, deliveries)?;
        self.appended.set(true);
        let mut log = self.log.borrow_mut();
        let delivered = batch.append(&mut log, deliveries, plan)?;
        let tail = log.commit()?;
        batch.note(&mut self.touched());
        self.healed.borrow_mut().extend(batch.healed());
        batch.index(self.db, self.segments)?;
        tail.map_or(Ok(()), |tail| set_tail(self.db, tail))?;
        Ok(delivered)
    }
}

impl Tx<'_> {
    /// Makes an account without mailboxes.
    ///
    /// # Errors
    /// [`StoreError::Caller`] when the lineage has one of that address.
    pub fn create_account(&self, lineage: LineageId, address: &Address) -> Result<AccountId> {
        if self.account(lineage, address)?.is_some() {
            return Err(StoreError::Caller(format!("there is an account {address} already")));
        }
        let account = rows::insert_account(self.db, None, lineage, address.key(), address.as_str())?;
        self.touched().anew(account);
        if lineage == LIVE {
            self.takes_over(account, address)?;
        }
        Ok(account)
    }

    /// What the segments still hold of an earlier account at an address must not come back with the new one: instead
    /// of the removal they are told the state of the new account.
    fn takes_over(&self, account: AccountId, address: &Address) -> Result<()> {
        if let Some(served) = rows::note(self.db, &format!("{SERVED}{}", address.key()))? {
            let served = served.parse().map_err(|_| StoreError::BadRow(format!("UIDVALIDITY {served:?}")))?;
            rows::raise_max_uidvalidity(self.db, account, served)?;
        }
        let removed = format!("{REMOVED}{}", address.key());
        if rows::note(self.db, &removed)?.is_some() {
            rows::delete_note(self.db, &removed)?;
            rows::set_manifest_due(self.db, account, true)?;
        }
        Ok(())
    }

    fn note_removal(&self, account: &Account) -> Result<()> {
        let key = account.address.to_lowercase();
        let served = self.max_uidvalidity(account.id)?;
        rows::set_note(self.db, &format!("{SERVED}{key}"), &served.to_string())?;
        rows::set_note(self.db, &format!("{REMOVED}{key}"), &account.id.0.to_string())
    }

    /// The account of an address in a lineage, made where there is none.
    ///
    /// # Errors
    /// Those of the index.
    pub fn account_or_new(&self, lineage: LineageId, address: &Address) -> Result<Account> {
        match self.account(lineage, address)? {
            Some(account) => Ok(account),
            None => {
                let id = self.create_account(lineage, address)?;
                Ok(Account { id, lineage, address: address.as_str().to_owned() })
            }
        }
    }

    /// Gives an account another address, or another spelling of it.
    ///
    /// # Errors
    /// Those of the index, also when the address is taken.
    pub fn set_address(&self, account: AccountId, address: &Address) -> Result<()> {
        self.touched().anew(account);
        let old = rows::account_by_id(self.db, account)?.filter(|a| a.lineage == LIVE);
        rows::set_address(self.db, account, address.key(), address.as_str())?;
        if let Some(old) = old.filter(|a| a.address.to_lowercase() != address.key()) {
            self.note_removal(&old)?;
            self.takes_over(account, address)?;
            rows::set_manifest_due(self.db, account, true)?;
        }
        Ok(())
    }

    /// Removes an account with all its mailboxes, messages and items.
    ///
    /// # Errors
    /// Those of the index.
    pub fn remove_account(&self, account: &Account) -> Result<()> {
        self.touched().anew(account.id);
        if account.lineage == LIVE {
            self.note_removal(account)?;
            rows::delete_numbered_notes(self.db, &format!("{SHARED}{} ", account.id.0))?;
        }
        rows::delete_account(self.db, account.id)
    }

    /// Makes a mailbox. A live one without UIDVALIDITY gets one that its account never had.
    ///
    /// # Errors
    /// Those of the index, also when the name is taken.
    pub fn create_mailbox(&self, account: &Account, new: &NewMailbox) -> Result<MailboxId> {
        self.touched().anew(account.id);
        let id = rows::next_mailbox_id(self.db, account.id)?;
        let mut new = new.clone();
        if account.lineage == LIVE && new.uidvalidity.is_none() {
            new.uidvalidity = Some(self.fresh_uidvalidity(account.id)?);
        }
        new.uidnext = new.uidnext.max(1);
        rows::put_mailbox(self.db, account.id, id, &new)?;
        Ok(id)
    }

    /// A UIDVALIDITY greater than any that the account ever had here, and not before now.
    ///
    /// # Errors
    /// Those of the index.
    pub fn fresh_uidvalidity(&self, account: AccountId) -> Result<u32> {
        fresh_uidvalidity(self.db, account)
    }

    /// Writes a mailbox's row as given, name, UIDVALIDITY and UIDNEXT included: the integrator's own rules decide.
    ///
    /// # Errors
    /// Those of the index, also when the name is taken.
    pub fn put_mailbox(&self, account: AccountId, mailbox: &Mailbox) -> Result<()> {
        self.touched().anew(account);
        rows::put_mailbox(self.db, account, mailbox.id, &mailbox.unnumbered())
    }

    /// Sees to it that no mailbox of the account is ever given a UIDVALIDITY that was served: none up to this one.
    ///
    /// # Errors
    /// Those of the index.
    pub fn raise_max_uidvalidity(&self, account: AccountId, to: u32) -> Result<()> {
        rows::raise_max_uidvalidity(self.db, account, to)
    }

    /// Takes every message out of a mailbox, and forgets which UIDs are gone: it is about to get another UIDVALIDITY.
    ///
    /// # Errors
    /// Those of the index.
    pub fn clear_mailbox(&self, account: AccountId, mailbox: MailboxId) -> Result<()> {
        self.touched().anew(account);
        rows::clear_mailbox(self.db, account, mailbox)
    }

    /// Removes a mailbox with its messages.
    ///
    /// # Errors
    /// Those of the index.
    pub fn remove_mailbox(&self, account: AccountId, mailbox: MailboxId) -> Result<()> {
        self.touched().anew(account);
        rows::delete_mailbox(self.db, account, mailbox)
    }

    /// Writes a message's row as given, new or changed. Its bytes must be in the cell.
    ///
    /// # Errors
    /// Those of the index.
    pub fn put_message(&self, account: AccountId, mailbox: MailboxId, message: &Message) -> Result<()> {
        self.touched().anew(account);
        rows::put_message(self.db, account, mailbox, message)
    }

    /// Takes a message out of a mailbox without a trace: only for UIDs that no client was ever told.
    ///
    /// # Errors
    /// Those of the index.
    pub fn remove_message(&self, account: AccountId, mailbox: MailboxId, uid: u32) -> Result<bool> {
        self.touched().anew(account);
        rows::delete_message(self.db, account, mailbox, uid)
    }

    /// Expunges a message: its UID is remembered with the modification sequence given (RFC 7162 §3.2.10).
    ///
    /// # Errors
    /// Those of the index.
    pub fn expunge(&self, account: AccountId, mailbox: MailboxId, uid: u32, modseq: u64) -> Result<bool> {
        self.touched().anew(account);
        let Some(row) = rows::message(self.db, account, mailbox, uid)? else { return Ok(false) };
        let identity = self.blob_by_id(row.blob)?.map(|b| b.identity);
        rows::delete_message(self.db, account, mailbox, uid)?;
        rows::put_expunged(self.db, account, mailbox, uid, modseq, identity.as_ref())?;
        Ok(true)
    }

    /// Remembers a UID as served and gone.
    ///
    /// # Errors
    /// Those of the index.
    pub fn put_expunged(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        uid: u32,
        modseq: u64,
        identity: Option<&Identity>,
    ) -> Result<()> {
        self.touched().anew(account);
        rows::put_expunged(self.db, account, mailbox, uid, modseq, identity)
    }

    /// Forgets that a UID is gone: it is about to name the same message again.
    ///
    /// # Errors
    /// Those of the index.
    pub fn remove_expunged(&self, account: AccountId, mailbox: MailboxId, uid: u32) -> Result<()> {
        self.touched().anew(account);
        rows::delete_expunged(self.db, account, mailbox, uid)
    }

    /// Makes an account's content what a state says, numbers of mailboxes included.
    ///
    /// # Errors
    /// [`StoreError::Caller`] when bytes of it are not in the cell; those of the index.
    pub fn put_state(&self, account: AccountId, state: &AccountState) -> Result<()> {
        self.touched().anew(account);
        put_state(self.db, account, state)?.map_or(Ok(()), |text| Err(StoreError::Caller(text)))
    }

    /// Writes an item of a staged account.
    ///
    /// # Errors
    /// Those of the index.
    pub fn put_item(&self, account: AccountId, number: i64, item: &Item) -> Result<()> {
        rows::put_item(self.db, account, number, item)
    }

    /// Removes an item of a staged account.
    ///
    /// # Errors
    /// Those of the index.
    pub fn remove_item(&self, account: AccountId, number: i64) -> Result<()> {
        rows::delete_item(self.db, account, number)
    }

    /// Asks for a live account's state to be written into the segments after this transaction
    /// ([`Cell::flush_manifests`](crate::Cell::flush_manifests)). Of a hidden account nothing is written but its deliveries: it can be staged again.
    ///
    /// # Errors
    /// Those of the index.
    pub fn describe(&self, account: AccountId) -> Result<()> {
        rows::set_manifest_due(self.db, account, true)
    }

    /// Writes an integration's journal of an account.
    ///
    /// # Errors
    /// Those of the index.
    pub fn put_journal(&self, integration: i64, address: &Address, journal: &Journal) -> Result<()> {
        let Journal { state, was, became, fates } = journal.clone();
        rows::put_journal(self.db, integration, address.key(), &rows::JournalRow { state, was, became, fates })
    }

    /// Drops an integration's journal.
    ///
    /// # Errors
    /// Those of the index.
    pub fn forget_journal(&self, integration: i64) -> Result<()> {
        rows::delete_journal(self.db, integration)
    }
}
