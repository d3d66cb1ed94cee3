//! Reading for verify: every file of every source, and every message of the result from its segment, on all cores.

use super::names::Room;
use message::{Digest, Identity};
use source::{Locator, Source};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use store::{Blob, Cell, StoreError, Sweep};

/// What was read of a source's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) digest: Digest,
    pub(super) identity: Identity,
    /// Bytes as they lie.
    pub(super) size_bytes: u64,
}

/// Neighbours that one thread takes at a time: enough of them that what is read of a segment at once is one thread's.
const CHUNK: usize = 64;

/// Items that something is to be done with, by several threads; results are in the order of the items.
struct Shared<'i, T, R> {
    items: &'i [T],
    next: AtomicUsize,
    done: Mutex<Vec<(usize, Vec<R>)>>,
}

impl<'i, T, R> Shared<'i, T, R> {
    fn new(items: &'i [T]) -> Self {
        Shared { items, next: AtomicUsize::new(0), done: Mutex::default() }
    }

    /// Takes items until none is left; what was taken together is told of before the first of it.
    fn work(&self, ahead: impl Fn(&T), mut each: impl FnMut(&T) -> R) {
        loop {
            let from = self.next.fetch_add(CHUNK, Ordering::Relaxed);
            let Some(rest) = self.items.get(from..).filter(|r| !r.is_empty()) else { return };
            let taken = &rest[..rest.len().min(CHUNK)];
            taken.iter().for_each(&ahead);
            let done = taken.iter().map(&mut each).collect();
            self.done.lock().unwrap_or_else(|e| e.into_inner()).push((from, done));
        }
    }

    fn into_results(self) -> impl Iterator<Item = R> {
        let mut done = self.done.into_inner().unwrap_or_else(|e| e.into_inner());
        done.sort_unstable_by_key(|d| d.0);
        done.into_iter().flat_map(|d| d.1)
    }
}

/// Does something with every source's item (`ahead` is told of it a little earlier) and with every message of the result,
/// on all cores, both at once: what waits for the disk and what computes go together.
pub(super) fn read_both<'c, A: Sync, B: Sync, RA: Send, RB: Send>(
    sources: &[A],
    results: &[B],
    ahead: impl Fn(&A) + Sync,
    source: impl Fn(&mut Buffers<'c>, &A) -> RA + Sync,
    result: impl Fn(&mut Buffers<'c>, &B) -> RB + Sync,
) -> (Vec<RA>, Vec<RB>) {
    // More than there are cores: while one waits for the disk, the cores have something to hash.
    let cores = std::thread::available_parallelism().map_or(2, |n| n.get());
    let chunks = sources.len().div_ceil(CHUNK) + results.len().div_ceil(CHUNK);
    let (sources, results) = (Shared::new(sources), Shared::new(results));
    std::thread::scope(|scope| {
        for worker in 0..(cores * 2).min(chunks) {
            let (sources, results, ahead, source, result) = (&sources, &results, &ahead, &source, &result);
            scope.spawn(move || {
                let mut buffers = Buffers::default();
                if worker % 2 == 0 {
                    sources.work(ahead, |item| source(&mut buffers, item));
                }
                results.work(|_| {}, |item| result(&mut buffers, item));
                sources.work(ahead, |item| source(&mut buffers, item));
            });
        }
    });
    (sources.into_results().collect(), results.into_results().collect())
}

/// A thread's room.
#[derive(Default)]
pub(super) struct Buffers<'c> {
    raw: Vec<u8>,
    room: Room,
    sweep: Sweep<'c>,
}

impl<'c> Buffers<'c> {
    /// Reads a source's message; the text says why not (`RULES.md 9.1`).
    pub(super) fn source(&mut self, source: &dyn Source, locator: &Locator) -> Result<Seen, String> {
        source.read(locator, &mut self.raw).map_err(|e| crate::stage::reason(&e))?;
        if let Some(why) = crate::stage::nothing_in(&self.raw) {
            return Err(why.into());
        }
        let (digest, identity) = self.room.names(&self.raw);
        Ok(Seen { digest, identity, size_bytes: self.raw.len() as u64 })
    }

    /// Reads a message of the result from its segment, which checks its bytes against its digest; the text says what is wrong.
    pub(super) fn whole(&mut self, cell: &'c Cell, blob: &Blob) -> Result<Result<Vec<u8>, String>, StoreError> {
        match cell.bytes_swept(blob, &mut self.sweep) {
            Ok(bytes) => Ok(Ok(bytes)),
            Err(error @ StoreError::Corrupt { .. }) => Ok(Err(error.to_string())),
            Err(other) => Err(other),
        }
    }

    /// As [`Buffers::whole`], and computes the identity.
    pub(super) fn identity(&mut self, cell: &'c Cell, blob: &Blob) -> Result<Result<Identity, String>, StoreError> {
        Ok(self.whole(cell, blob)?.map(|bytes| self.room.identity(&bytes)))
    }
}
