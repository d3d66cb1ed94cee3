//! What was found lately, and for how long it holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::time::Instant;

use crate::Error;
use crate::resolver::Found;

/// Answers kept at most: some megabytes, and more domains than a busy server meets in an hour.
const MAX_ENTRIES: usize = 16_384;

/// A bounded memory of answers, negative ones included; temporary failures are not kept.
#[derive(Default)]
pub(crate) struct Cache {
    entries: Mutex<HashMap<(Name, RecordType), Entry>>,
}

struct Entry {
    outcome: Result<Arc<Found>, Error>,
    until: Instant,
}

impl Cache {
    /// What is known, if it still holds.
    pub(crate) fn get(&self, name: &Name, kind: RecordType) -> Option<Result<Arc<Found>, Error>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(&(name.clone(), kind))?;
        (entry.until > Instant::now()).then(|| entry.outcome.clone())
    }

    /// Keeps an outcome until a time.
    pub(crate) fn put(&self, name: Name, kind: RecordType, outcome: Result<Arc<Found>, Error>, until: Instant) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX_ENTRIES {
            let now = Instant::now();
            entries.retain(|_, entry| entry.until > now);
        }
        if entries.len() >= MAX_ENTRIES {
            // Half goes, whichever half the hash puts first: an attacker who fills the cache costs us questions, no more.
            let mut kept = 0;
            entries.retain(|_, _| {
                kept += 1;
                kept <= MAX_ENTRIES / 2
            });
        }
        entries.insert((name, kind), Entry { outcome, until });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;
    use crate::name::to_wire;

    #[tokio::test(start_paused = true)]
    async fn an_answer_holds_until_its_time() {
        let cache = Cache::default();
        let name = to_wire("a.test").unwrap();
        let absent = Error::NoRecords { secure: false };
        cache.put(name.clone(), RecordType::A, Err(absent.clone()), Instant::now() + Duration::from_secs(5));
        assert!(cache.get(&name, RecordType::AAAA).is_none());
        assert_eq!(cache.get(&name, RecordType::A).unwrap().unwrap_err(), absent);
        tokio::time::advance(Duration::from_secs(6)).await;
        assert!(cache.get(&name, RecordType::A).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn the_cache_stays_within_its_bound() {
        let cache = Cache::default();
        let until = Instant::now() + Duration::from_secs(60);
        for number in 0..MAX_ENTRIES + 10 {
            let name = to_wire(&format!("n{number}.test")).unwrap();
            cache.put(name, RecordType::A, Err(Error::NoSuchName { secure: false }), until);
            assert!(cache.entries.lock().unwrap().len() <= MAX_ENTRIES);
        }
        let last = to_wire(&format!("n{}.test", MAX_ENTRIES + 9)).unwrap();
        assert!(cache.get(&last, RecordType::A).is_some());
    }
}
