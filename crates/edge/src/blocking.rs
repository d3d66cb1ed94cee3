//! Calling the synchronous core from async code.

use std::panic;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Calls of the core at once. They wait for the disk more than they compute: deliveries that wait together share a sync
/// (group commit), and readers of SQLite do not wait for one another.
pub(crate) const CALLS: usize = 64;
/// Those of one account: a person's programs ask for a few things at a time, and seven others have as many while one account's
/// searches take all that it may.
pub(crate) const CALLS_OF_ACCOUNT: usize = CALLS / 8;
/// Those of the accounts of one cell, where there are others: a cell whose disk hangs leaves half to the rest.
pub(crate) const CALLS_OF_CELL: usize = CALLS / 2;

/// A bounded pool for calls that block.
#[derive(Clone, Debug)]
pub struct Blocking {
    permits: Arc<Semaphore>,
}

impl Default for Blocking {
    fn default() -> Self {
        Blocking::new(CALLS)
    }
}

impl Blocking {
    /// A pool that runs so many calls at once.
    pub fn new(calls: usize) -> Self {
        Blocking { permits: Arc::new(Semaphore::new(calls)) }
    }

    /// Runs work on a thread that may block, when there is room. A panic of the work is the caller's.
    ///
    /// # Cancel safety
    /// Dropped before the work began, it never runs; dropped after, the work runs to its end and its value is lost.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        self.run_with((), work).await
    }

    /// As [`Blocking::run`], holding something until the work ends.
    pub(crate) async fn run_with<T: Send + 'static>(
        &self,
        held: impl Send + 'static,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let permit = acquire(&self.permits).await;
        run_holding((permit, held), work).await
    }
}

/// Waits for a permit of a semaphore that nobody closes.
pub(crate) async fn acquire(semaphore: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    Arc::clone(semaphore).acquire_owned().await.expect("the semaphore is never closed")
}

/// Runs work on a thread that may block. What is `held` for it is given back when the work ends, and not when its caller
/// goes away. A panic of the work is the caller's.
///
/// # Cancel safety
/// The work runs to its end all the same, and its value is lost.
pub(crate) async fn run_holding<T: Send + 'static>(
    held: impl Send + 'static,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let task = tokio::task::spawn_blocking(move || {
        let _held = held;
        work()
    });
    match task.await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(payload) => panic::resume_unwind(payload),
            // The runtime is going down, and this future with it.
            Err(_) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn no_more_calls_run_than_there_is_room_for() {
        let (pool, running, most) = (Blocking::new(2), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (pool, running, most) = (pool.clone(), Arc::clone(&running), Arc::clone(&most));
            tasks.spawn(async move {
                let work = move || {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::yield_now();
                    running.fetch_sub(1, Ordering::SeqCst);
                };
                pool.run(work).await;
            });
        }
        tasks.join_all().await;
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
    }

    #[tokio::test]
    async fn a_panic_is_the_callers_and_leaves_room() {
        let pool = Blocking::new(1);
        let caller = pool.clone();
        let task = tokio::spawn(async move { caller.run(|| panic!("of the work")).await });
        assert!(task.await.unwrap_err().is_panic());
        assert_eq!(pool.run(|| 7).await, 7);
    }
}
