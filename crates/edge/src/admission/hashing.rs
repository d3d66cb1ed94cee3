//! Whose turn it is to have a password hashed.

use crate::blocking::{acquire, run_holding};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Attempts that may wait: a thousand clients that come back after a restart fit several times.
const QUEUE: usize = 4096;
/// The part of the queue for networks that the account is not known from: a flood of guesses leaves the rest free.
const QUEUE_OF_STRANGERS: usize = QUEUE / 4 * 3;
/// How long an attempt waits for its turn: the least that mail programs wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Permits to hash.
pub(super) struct Hashing {
    /// Half of the cores: the others serve those who are in.
    common: Arc<Semaphore>,
    /// One more for networks that the account is known from.
    known: Arc<Semaphore>,
    /// One for hashes that take long, which were imported: nobody else waits behind them.
    dear: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    queue_of_strangers: Arc<Semaphore>,
    /// Turns that were used.
    #[cfg(test)]
    pub(super) used: Arc<std::sync::atomic::AtomicUsize>,
}

/// An attempt that waits, for the operator to see.
struct Waiting(metrics::Gauge);

/// A turn to hash; given back when it is dropped and what it ran has ended, whichever is later.
pub(super) struct Turn {
    permit: Arc<OwnedSemaphorePermit>,
    #[cfg(test)]
    used: Arc<std::sync::atomic::AtomicUsize>,
}

impl Hashing {
    pub(super) fn new() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Hashing {
            common: semaphore((cores / 2).max(1)),
            known: semaphore(1),
            dear: semaphore(1),
            queue: semaphore(QUEUE),
            queue_of_strangers: semaphore(QUEUE_OF_STRANGERS),
            #[cfg(test)]
            used: Arc::default(),
        }
    }

    /// Waits for a turn; `None` when too many wait, or it took too long. Places in the queue are given back on return.
    pub(super) async fn turn(&self, known: bool, dear: bool) -> Option<Turn> {
        let _stranger = if known { None } else { Some(self.queue_of_strangers.try_acquire().ok()?) };
        let _place = self.queue.try_acquire().ok()?;
        let _waiting = Waiting::new();
        let permit = timeout(PATIENCE, self.permit(known, dear)).await.ok()?;
        Some(Turn {
            permit: Arc::new(permit),
            #[cfg(test)]
            used: Arc::clone(&self.used),
        })
    }

    /// Takes every permit there is.
    #[cfg(test)]
    pub(super) fn take_all(&self) -> Vec<OwnedSemaphorePermit> {
        let all = |semaphore: &Arc<Semaphore>| {
            std::iter::from_fn(|| Arc::clone(semaphore).try_acquire_owned().ok()).collect::<Vec<_>>()
        };
        [all(&self.common), all(&self.known), all(&self.dear)].into_iter().flatten().collect()
    }

    async fn permit(&self, known: bool, dear: bool) -> OwnedSemaphorePermit {
        if dear {
            return acquire(&self.dear).await;
        }
        if !known {
            return acquire(&self.common).await;
        }
        tokio::select! {
            permit = acquire(&self.known) => permit,
            permit = acquire(&self.common) => permit,
        }
    }
}

impl Waiting {
    fn new() -> Self {
        let gauge = metrics::gauge!("reintegra_sign_ins_waiting");
        gauge.increment(1);
        Waiting(gauge)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

impl Turn {
    /// Hashes, on a thread that may block. A panic of the work is the caller's.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        #[cfg(test)]
        self.used.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        run_holding(Arc::clone(&self.permit), work).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_strangers_waits_and_the_known_pass() {
        let hashing = Arc::new(Hashing::new());
        let cores = u32::try_from(hashing.common.available_permits()).unwrap();
        let busy = Arc::clone(&hashing.common).acquire_many_owned(cores).await.unwrap();
        let mut flood = tokio::task::JoinSet::new();
        for _ in 0..QUEUE_OF_STRANGERS + 10 {
            let hashing = Arc::clone(&hashing);
            flood.spawn(async move { hashing.turn(false, false).await.is_some() });
        }
        tokio::task::yield_now().await;
        assert!(hashing.turn(false, false).await.is_none(), "the queue is full for strangers");
        assert!(hashing.turn(true, false).await.is_some(), "one permit is for the known");
        let outcomes = flood.join_all().await;
        assert!(outcomes.iter().all(|got_in| !got_in), "nobody waits for ever");
        drop(busy);
        assert!(hashing.turn(false, false).await.is_some(), "the queue is empty again");
        assert_eq!(hashing.queue.available_permits(), QUEUE);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_behind_a_hash_that_takes_long() {
        let hashing = Hashing::new();
        let long = hashing.turn(true, true).await.unwrap();
        assert!(hashing.turn(false, false).await.is_some());
        assert!(hashing.turn(true, true).await.is_none(), "but others that take long do");
        drop(long);
        assert!(hashing.turn(false, true).await.is_some());
    }
}
