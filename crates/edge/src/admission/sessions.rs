//! How many sessions an account has, and what they share.

use crate::memory::Memory;
use directory::AccountId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;

/// The sessions of accounts that have any.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<AccountId, Account>>);

/// An account that has sessions.
#[derive(Debug)]
struct Account {
    sessions: usize,
    means: Means,
}

/// What the sessions of an account share, so that no account takes everything.
#[derive(Clone, Debug)]
pub(crate) struct Means {
    /// Calls of the core at once.
    pub(crate) calls: Arc<Semaphore>,
    /// Memory for what comes in.
    pub(crate) memory: Arc<Memory>,
}

/// One session of an account; dropped, it is over.
#[derive(Debug)]
pub(crate) struct SessionSlot {
    sessions: Arc<Sessions>,
    account: AccountId,
}

impl Sessions {
    /// One more session, unless there are as many as there may be; the first brings the means of all.
    pub(super) fn slot(
        self: &Arc<Self>,
        account: AccountId,
        most: usize,
        means: impl FnOnce() -> Means,
    ) -> Option<(SessionSlot, Means)> {
        let mut accounts = self.lock();
        let of_account = accounts.entry(account).or_insert_with(|| Account { sessions: 0, means: means() });
        if of_account.sessions >= most {
            return None;
        }
        of_account.sessions += 1;
        Some((SessionSlot { sessions: Arc::clone(self), account }, of_account.means.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AccountId, Account>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SessionSlot {
    fn drop(&mut self) {
        let mut accounts = self.sessions.lock();
        if let Some(of_account) = accounts.get_mut(&self.account) {
            of_account.sessions -= 1;
            if of_account.sessions == 0 {
                accounts.remove(&self.account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn means() -> Means {
        Means { calls: Arc::new(Semaphore::new(1)), memory: Memory::new(0) }
    }

    #[test]
    fn a_session_that_ends_makes_room() {
        let sessions = Arc::new(Sessions::default());
        let (ana, eva) = (AccountId::new_unchecked(1), AccountId::new_unchecked(2));
        let one = sessions.slot(ana, 2, means);
        let two = sessions.slot(ana, 2, means);
        assert!(one.is_some() && two.is_some());
        assert!(sessions.slot(ana, 2, means).is_none());
        assert!(sessions.slot(eva, 2, means).is_some(), "another account's are its own");
        drop(one);
        assert!(sessions.slot(ana, 2, means).is_some());
        drop(two);
        assert!(sessions.lock().is_empty());
    }

    #[test]
    fn the_sessions_of_an_account_share_what_they_have() {
        let sessions = Arc::new(Sessions::default());
        let (ana, eva) = (AccountId::new_unchecked(1), AccountId::new_unchecked(2));
        let slots = [ana, ana, eva].map(|account| sessions.slot(account, 2, means).expect("there is room"));
        let [(_, one), (_, two), (_, other)] = &slots;
        assert!(Arc::ptr_eq(&one.calls, &two.calls) && Arc::ptr_eq(&one.memory, &two.memory));
        assert!(!Arc::ptr_eq(&one.calls, &other.calls) && !Arc::ptr_eq(&one.memory, &other.memory));
    }
}
