//! How many sessions an account has.

use directory::AccountId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The sessions of accounts that have any.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<AccountId, usize>>);

/// One session of an account; dropped, it is over.
#[derive(Debug)]
pub(crate) struct SessionSlot {
    sessions: Arc<Sessions>,
    account: AccountId,
}

impl Sessions {
    /// One more session, unless there are as many as there may be.
    pub(super) fn slot(self: &Arc<Self>, account: AccountId, most: usize) -> Option<SessionSlot> {
        let mut counts = self.lock();
        let count = counts.entry(account).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(SessionSlot { sessions: Arc::clone(self), account })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AccountId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SessionSlot {
    fn drop(&mut self) {
        let mut counts = self.sessions.lock();
        if let Some(count) = counts.get_mut(&self.account) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_ends_makes_room() {
        let sessions = Arc::new(Sessions::default());
        let (ana, eva) = (AccountId::new_unchecked(1), AccountId::new_unchecked(2));
        let one = sessions.slot(ana, 2);
        let two = sessions.slot(ana, 2);
        assert!(one.is_some() && two.is_some());
        assert!(sessions.slot(ana, 2).is_none());
        assert!(sessions.slot(eva, 2).is_some(), "another account's are its own");
        drop(one);
        assert!(sessions.slot(ana, 2).is_some());
        drop(two);
        assert!(sessions.lock().is_empty());
    }
}
