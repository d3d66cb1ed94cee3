//! Reading for verify: every file of every source, and every message of the result from its segment, on all cores.

use super::names::Room;
use message::{Digest, Identity};
use source::{Locator, Source};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use store::{Blob, Cell, StoreError};

/// What was read of a source's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) digest: Digest,
    pub(super) identity: Identity,
    /// Bytes as they lie.
    pub(super) size_bytes: u64,
}

/// Neighbours that one thread takes at a time.
const CHUNK: usize = 16;

/// Does something with every item, on all cores; results are in the order of the items.
pub(super) fn parallel<T: Sync, R: Send, S>(
    items: &[T],
    start: impl Fn() -> S + Sync,
    each: impl Fn(&mut S, &T) -> R + Sync,
) -> Vec<R> {
    let workers = std::thread::available_parallelism().map_or(2, |n| n.get()).min(items.len().div_ceil(CHUNK));
    if workers < 2 {
        let mut state = start();
        return items.iter().map(|item| each(&mut state, item)).collect();
    }
    let next = AtomicUsize::new(0);
    let chunks: Mutex<Vec<(usize, Vec<R>)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let mut state = start();
                loop {
                    let from = next.fetch_add(CHUNK, Ordering::Relaxed);
                    let Some(rest) = items.get(from..).filter(|r| !r.is_empty()) else { return };
                    let done = rest.iter().take(CHUNK).map(|item| each(&mut state, item)).collect();
                    chunks.lock().unwrap_or_else(|e| e.into_inner()).push((from, done));
                }
            });
        }
    });
    let mut chunks = chunks.into_inner().unwrap_or_else(|e| e.into_inner());
    chunks.sort_unstable_by_key(|c| c.0);
    chunks.into_iter().flat_map(|c| c.1).collect()
}

/// A thread's room.
#[derive(Default)]
pub(super) struct Buffers {
    raw: Vec<u8>,
    room: Room,
}

impl Buffers {
    /// Reads a source's message; the text says why not (`RULES.md 9.1`).
    pub(super) fn source(&mut self, source: &dyn Source, locator: &Locator) -> Result<Seen, String> {
        source.read(locator, &mut self.raw).map_err(|e| crate::stage::reason(&e))?;
        if let Some(why) = crate::stage::nothing_in(&self.raw) {
            return Err(why.into());
        }
        let (digest, identity) = self.room.names(&self.raw);
        Ok(Seen { digest, identity, size_bytes: self.raw.len() as u64 })
    }

    /// Reads a message of the result from its segment, which checks its bytes against its digest. Its identity is that of the
    /// source's bytes with the same digest where there are any, and is computed where not.
    pub(super) fn result(
        &mut self,
        cell: &Cell,
        blob: &Blob,
        known: Option<Identity>,
    ) -> Result<Result<Identity, String>, StoreError> {
        match cell.bytes(blob) {
            Ok(bytes) => Ok(Ok(known.unwrap_or_else(|| self.room.identity(&bytes)))),
            Err(error @ StoreError::Corrupt { .. }) => Ok(Err(error.to_string())),
            Err(other) => Err(other),
        }
    }
}
