//! Group commit: those who wait at the same time share a sync. One of them leads and writes for all, the others wait for
//! its word.

use crate::error::StoreError;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

type Result<T> = std::result::Result<T, StoreError>;

/// Those who wait for the next sync: what each asks for, and what each is answered.
pub(crate) struct Group<A, D> {
    queue: Mutex<Queue<A, D>>,
    turn: Condvar,
}

/// One who waits.
pub(crate) struct Ticket<A, D> {
    pub(crate) asked: A,
    done: Mutex<Option<Result<D>>>,
}

struct Queue<A, D> {
    tickets: Vec<Arc<Ticket<A, D>>>,
    /// One of those who wait is writing for all.
    led: bool,
}

/// Hands over to the next leader, also when a panic ends this one.
struct Leader<'a, A, D>(&'a Group<A, D>);

impl<A, D> Drop for Leader<'_, A, D> {
    fn drop(&mut self) {
        lock(&self.0.queue).led = false;
        self.0.turn.notify_all();
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while the lock was held is covered by `Writer::failed`; the data behind it is still true.
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

impl<A, D> Default for Group<A, D> {
    fn default() -> Self {
        Group { queue: Mutex::new(Queue { tickets: Vec::new(), led: false }), turn: Condvar::new() }
    }
}

impl<A, D> Group<A, D> {
    /// Asks for something and waits for the answer. Whose turn it is to lead does it by `lead`, which takes all who wait
    /// ([`Group::take`]) when it has the writer, and answers each.
    pub(crate) fn join(&self, asked: A, lead: impl FnOnce()) -> Result<D> {
        let ticket = Arc::new(Ticket { asked, done: Mutex::new(None) });
        let mut queue = lock(&self.queue);
        queue.tickets.push(ticket.clone());
        // Not on the writer's lock: who waits there for its turn to hear that it is done holds up the next group.
        while queue.led {
            queue = self.turn.wait(queue).unwrap_or_else(|e| e.into_inner());
            if let Some(done) = lock(&ticket.done).take() {
                return done;
            }
        }
        queue.led = true;
        drop(queue);
        let leader = Leader(self);
        lead();
        drop(leader);
        lock(&ticket.done).take().unwrap_or(Err(StoreError::Stopped))
    }

    /// All who wait.
    pub(crate) fn take(&self) -> Vec<Arc<Ticket<A, D>>> {
        std::mem::take(&mut lock(&self.queue).tickets)
    }
}

impl<A, D> Ticket<A, D> {
    pub(crate) fn answer(&self, result: Result<D>) {
        *lock(&self.done) = Some(result);
    }
}

/// Tells everybody in a group of one error.
pub(crate) fn fail_all<A, D>(group: &[Arc<Ticket<A, D>>], error: StoreError) {
    let error = Arc::new(error);
    for ticket in group {
        lock(&ticket.done).get_or_insert_with(|| Err(StoreError::Write(error.clone())));
    }
}
