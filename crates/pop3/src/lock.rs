//! The lock on a maildrop (RFC 1939 §4): one POP3 session at a time.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use store::AccountId;

/// The maildrops that are open now.
#[derive(Clone, Debug, Default)]
pub struct Locks(Arc<Mutex<HashSet<(u32, AccountId)>>>);

/// A maildrop that is open; dropping it lets go.
#[derive(Debug)]
pub(crate) struct Lock {
    locks: Locks,
    maildrop: (u32, AccountId),
}

impl Locks {
    /// Locks a maildrop; `None`: somebody else has it.
    pub(crate) fn lock(&self, cell: u32, account: AccountId) -> Option<Lock> {
        let maildrop = (cell, account);
        let free = self.0.lock().unwrap_or_else(|e| e.into_inner()).insert(maildrop);
        free.then(|| Lock { locks: self.clone(), maildrop })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.locks.0.lock().unwrap_or_else(|e| e.into_inner()).remove(&self.maildrop);
    }
}
