//! Who watches which account, so that a change in one session is seen in the others at once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::AccountId;
use tokio::sync::watch;

/// A cell's number and an account of it.
type Key = (u32, AccountId);

/// Tells watchers of accounts that something changed. An account nobody watches costs nothing.
#[derive(Debug, Default)]
pub struct Hub {
    watched: Mutex<HashMap<Key, Watched>>,
}

#[derive(Debug)]
struct Watched {
    changes: watch::Sender<()>,
    /// How many [`Watch`]es there are; the receivers of the channel outlive them by a moment.
    watches: usize,
}

/// Hears of changes of one account.
#[derive(Debug)]
pub struct Watch {
    hub: Arc<Hub>,
    key: Key,
    changes: watch::Receiver<()>,
}

impl Hub {
    /// A hub without watchers.
    pub fn new() -> Arc<Self> {
        Arc::new(Hub::default())
    }

    /// Tells the watchers of an account that something was committed. Quick, from any thread.
    pub fn notify(&self, cell: u32, account: AccountId) {
        if let Some(watched) = self.lock().get(&(cell, account)) {
            watched.changes.send_replace(());
        }
    }

    /// Watches an account: what is committed after this call is heard.
    pub fn watch(self: &Arc<Self>, cell: u32, account: AccountId) -> Watch {
        let key = (cell, account);
        let mut watched = self.lock();
        let watched = watched.entry(key).or_insert_with(|| Watched { changes: watch::channel(()).0, watches: 0 });
        watched.watches += 1;
        Watch { hub: Arc::clone(self), key, changes: watched.changes.subscribe() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// Waits until something changed since the last time it was waited for. Several changes may be heard as one.
    ///
    /// # Cancel safety
    /// Dropping it loses no change.
    pub async fn changed(&mut self) {
        self.changes.changed().await.expect("the hub keeps the sender as long as there is a watch");
    }

    /// Whether something changed that was not waited for yet; it then counts as waited for.
    pub fn take_change(&mut self) -> bool {
        let changed = self.changes.has_changed().expect("the hub keeps the sender as long as there is a watch");
        self.changes.mark_unchanged();
        changed
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self.hub.lock();
        if let Entry::Occupied(mut entry) = watched.entry(self.key) {
            entry.get_mut().watches -= 1;
            if entry.get().watches == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: AccountId = AccountId(1);
    const EVA: AccountId = AccountId(2);

    #[tokio::test]
    async fn every_watcher_of_the_account_hears_a_change() {
        let hub = Hub::new();
        let (mut one, mut two, mut other) = (hub.watch(0, ANA), hub.watch(0, ANA), hub.watch(0, EVA));
        let mut same_number_elsewhere = hub.watch(1, ANA);
        hub.notify(0, ANA);
        hub.notify(0, ANA);
        one.changed().await;
        two.changed().await;
        assert!(!one.take_change(), "two changes were heard as one");
        assert!(!other.take_change() && !same_number_elsewhere.take_change());
    }

    #[tokio::test]
    async fn a_change_between_two_waits_is_not_lost() {
        let hub = Hub::new();
        let mut watch = hub.watch(0, ANA);
        {
            let waiting = watch.changed();
            let mut waiting = std::pin::pin!(waiting);
            let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(waiting.as_mut().poll(cx).is_pending()));
            assert!(polled.await, "nothing happened yet");
            hub.notify(0, ANA);
        }
        watch.changed().await;
        hub.notify(0, ANA);
        assert!(watch.take_change());
        assert!(!watch.take_change());
    }

    #[test]
    fn a_dropped_watch_leaves_nothing_behind() {
        let hub = Hub::new();
        let (one, two) = (hub.watch(0, ANA), hub.watch(0, ANA));
        drop(one);
        assert_eq!(hub.lock().len(), 1);
        drop(two);
        assert!(hub.lock().is_empty());
        hub.notify(0, ANA);
    }
}
