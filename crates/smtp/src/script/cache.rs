//! Scripts as they were checked, so that an account that gets much mail has its script read once.

use sieve::Features;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How much of scripts is kept, as bytes of their text: checked, they take some times as much.
const KEPT_BYTES: usize = 8 * 1024 * 1024;

/// A script that may be run, or its first error.
pub(crate) type Compiled = Result<sieve::Script, String>;

/// Scripts that were checked, over all services that share them. They are known by their text: one that is changed is
/// another one.
#[derive(Default)]
pub struct Scripts {
    features: Features,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    by_text: HashMap<[u8; 32], (Arc<Compiled>, usize)>,
    oldest_first: VecDeque<[u8; 32]>,
    bytes: usize,
}

impl Scripts {
    /// None yet; those that come may do what is said beside what every script may.
    pub fn new(features: Features) -> Self {
        Scripts { features, kept: Mutex::default() }
    }

    /// A script that may be run.
    pub(crate) fn compiled(&self, text: &[u8]) -> Arc<Compiled> {
        let key = *blake3::hash(text).as_bytes();
        if let Some((there, _)) = self.lock().by_text.get(&key) {
            return Arc::clone(there);
        }
        let compiled = Arc::new(sieve::parse_with(text, self.features).map_err(|errors| {
            errors.first().map_or_else(|| "the script cannot be read".to_owned(), ToString::to_string)
        }));
        self.lock().keep(key, &compiled, text.len());
        compiled
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, key: [u8; 32], compiled: &Arc<Compiled>, bytes: usize) {
        if self.by_text.insert(key, (Arc::clone(compiled), bytes)).is_none() {
            self.oldest_first.push_back(key);
            self.bytes += bytes;
        }
        while self.bytes > KEPT_BYTES
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.bytes -= self.by_text.remove(&oldest).map_or(0, |(_, bytes)| bytes);
        }
    }
}

impl std::fmt::Debug for Scripts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scripts({})", self.lock().by_text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_read_once_and_the_oldest_are_forgotten() {
        let scripts = Scripts::default();
        let first = scripts.compiled(b"keep;");
        assert!(first.is_ok() && Arc::ptr_eq(&first, &scripts.compiled(b"keep;")));
        assert!(scripts.compiled(b"keep").is_err());
        for number in 0..=KEPT_BYTES / 100_000 {
            assert!(scripts.compiled(format!("# {number} {}\nstop;", "x".repeat(100_000)).as_bytes()).is_ok());
        }
        assert!(!Arc::ptr_eq(&first, &scripts.compiled(b"keep;")));
        assert!(scripts.lock().bytes <= KEPT_BYTES);
    }
}
