//! Texts are indexed as mail comes, in a thread of the least importance, so that the first search is quick; and what lists
//! of messages are made of is kept with them, so that the first look at a mailbox is.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use store::Store;

/// How long it rests when there is nothing to do.
const REST: Duration = Duration::from_secs(10);
/// How many messages it does before it looks whether it is to end.
const AT_ONCE: usize = 64;
/// How often what is kept of messages that are gone is dropped.
const TIDY_EVERY: Duration = Duration::from_secs(24 * 3600);
/// The nice value of its thread: everybody else goes first.
const NICE: i32 = 15;

/// The thread; dropping it ends it.
pub(crate) struct Indexer {
    /// Hung up to end it.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Indexer {
    pub(crate) fn start(store: Arc<Store>) -> Self {
        let (stop, stopped) = channel();
        let work = move || {
            // On Linux this is the calling thread's alone.
            let _ = rustix::process::setpriority_process(None, NICE);
            let mut tidied = Instant::now();
            loop {
                if tidied.elapsed() >= TIDY_EVERY {
                    tidied = Instant::now();
                    tidy(&store);
                }
                let rest = if index_some(&store) { Duration::ZERO } else { REST };
                match stopped.recv_timeout(rest) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        };
        let thread = std::thread::Builder::new().name("indexer".to_owned()).spawn(work);
        match &thread {
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "texts are indexed only when they are searched"),
        }
        Indexer { stop: Some(stop), thread: thread.ok() }
    }
}

impl Drop for Indexer {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic of it has been reported where it happened.
            let _ = thread.join();
        }
    }
}

/// Indexes a little of every cell; whether there was something.
fn index_some(store: &Store) -> bool {
    let mut some = false;
    for cell in store.cells() {
        match cell.index_pending_and(AT_ONCE, &mut |blobs| imap::warm(cell, blobs)) {
            Ok(indexed) => {
                metrics::counter!("reintegra_search_indexed_total").increment(indexed as u64);
                some |= indexed > 0;
            }
            Err(error) => tracing::warn!(cell = cell.number(), %error, "texts cannot be indexed for now"),
        }
    }
    some
}

fn tidy(store: &Store) {
    for cell in store.cells() {
        if let Err(error) = cell.tidy_derived() {
            tracing::warn!(cell = cell.number(), %error, "the search index cannot be tidied for now");
        }
    }
}
