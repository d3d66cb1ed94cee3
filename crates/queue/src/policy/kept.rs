//! Policies of MTA-STS that outlive a restart (RFC 8461 §5.1): otherwise whoever keeps us from fetching one need only wait
//! for the next update.
//!
//! Deliveries ask memory alone. What is new is written down behind them, in the index of the queue.

use super::sts::{MAX_DOMAINS, MemoryPolicies, PolicyStore, StoredPolicy};
use crate::queue::Queue;
use edge::{Blocking, Shutdown};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::StoreError;
use store::spool::StsPolicy;
use tokio::sync::Notify;

/// How long is waited when they cannot be written down.
const PAUSE: Duration = Duration::from_secs(60);

/// Keeps policies in memory, and in the index of a queue.
#[derive(Debug, Default)]
pub struct KeptPolicies {
    memory: MemoryPolicies,
    /// Domains whose policy is to be written down.
    unwritten: Mutex<HashSet<String>>,
    /// Tells the writer that there are some.
    wake: Notify,
}

impl PolicyStore for KeptPolicies {
    fn get(&self, domain: &str) -> Option<Arc<StoredPolicy>> {
        self.memory.get(domain)
    }

    fn put(&self, domain: &str, policy: Arc<StoredPolicy>) {
        self.memory.put(domain, policy);
        let mut unwritten = self.unwritten();
        // It grows where nothing can be written; what memory let go meanwhile is not kept either.
        if unwritten.len() >= 2 * MAX_DOMAINS {
            unwritten.retain(|domain| self.memory.get(domain).is_some());
        }
        unwritten.insert(domain.to_owned());
        self.wake.notify_one();
    }
}

impl KeptPolicies {
    /// The policies that were kept with a queue and hold. What is damaged is passed over. Blocks.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn load(queue: &Queue) -> Result<Self, StoreError> {
        let now_s = queue.now_s();
        let kept = KeptPolicies::default();
        for StsPolicy { domain, id, policy: text, fetched_s, .. } in queue.spool.sts_policies(now_s)? {
            // A clock that was wrong when it was fetched does not make it hold for longer than it says.
            let policy = StoredPolicy { id, text, fetched_s: fetched_s.min(now_s) };
            if policy.expires_s().is_some_and(|expires_s| expires_s > now_s) {
                kept.memory.put(&domain, Arc::new(policy));
            } else {
                tracing::debug!(domain, "a policy of MTA-STS that was kept is damaged");
            }
        }
        Ok(kept)
    }

    /// Writes down what is new, as it comes, until the shutdown.
    ///
    /// # Cancel safety
    /// Dropped, it may leave policies to [`KeptPolicies::write`].
    pub async fn run(self: Arc<Self>, queue: Arc<Queue>, blocking: Blocking, mut shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                () = self.wake.notified() => {}
            }
            let (kept, into) = (Arc::clone(&self), Arc::clone(&queue));
            if let Err(error) = blocking.run(move || kept.write(&into)).await {
                tracing::error!(error = edge::causes(&error), "the policies of MTA-STS cannot be written down");
                tokio::select! {
                    () = shutdown.requested() => return,
                    () = tokio::time::sleep(PAUSE) => self.wake.notify_one(),
                }
            }
        }
    }

    /// Writes down what is new; to be called when nothing is delivered any more, before the queue is put to rest. Blocks.
    ///
    /// # Errors
    /// When it cannot be written: it is written the next time.
    pub fn write(&self, queue: &Queue) -> Result<(), StoreError> {
        let domains = std::mem::take(&mut *self.unwritten());
        let policies: Vec<StsPolicy> = domains.iter().filter_map(|domain| self.row(domain)).collect();
        if policies.is_empty() {
            return Ok(());
        }
        let written = queue.spool.keep_sts_policies(&policies, queue.now_s());
        if written.is_err() {
            self.unwritten().extend(domains);
        }
        written
    }

    fn row(&self, domain: &str) -> Option<StsPolicy> {
        let stored = self.memory.get(domain)?;
        let StoredPolicy { id, text, fetched_s } = stored.as_ref();
        Some(StsPolicy {
            domain: domain.to_owned(),
            id: id.clone(),
            policy: text.clone(),
            fetched_s: *fetched_s,
            expires_s: stored.expires_s()?,
        })
    }

    fn unwritten(&self) -> MutexGuard<'_, HashSet<String>> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::settings::QueueSettings;
    use std::path::Path;
    use store::OpenOptions;
    use store::spool::Spool;

    const NOW_S: i64 = 1_795_353_538;

    fn queue(dir: &Path, now_s: i64) -> Arc<Queue> {
        let spool = Spool::open(dir, OpenOptions::for_purpose("a test")).unwrap();
        Queue::with_clock(Arc::new(spool), QueueSettings::new("mail.example.org".to_owned()), Arc::new(move || now_s))
    }

    fn policy(fetched_s: i64) -> StoredPolicy {
        let text = "version: STSv1\nmode: enforce\nmx: mx.example.net\nmax_age: 86400\n".to_owned();
        StoredPolicy { id: "20261122".to_owned(), text, fetched_s }
    }

    #[test]
    fn a_policy_holds_after_reopening_until_its_time_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let now = queue(dir.path(), NOW_S);
        let kept = KeptPolicies::load(&now).unwrap();
        kept.put("example.net", Arc::new(policy(NOW_S)));
        kept.put("old.example", Arc::new(policy(NOW_S - 86_000)));
        // What cannot be read is not kept: nobody would have put it here.
        kept.put("bad.example", Arc::new(StoredPolicy { text: "<html>".to_owned(), ..policy(NOW_S) }));
        kept.write(&now).unwrap();
        drop(now);
        let later = queue(dir.path(), NOW_S + 1_000);
        let kept = KeptPolicies::load(&later).unwrap();
        assert_eq!(kept.get("example.net").as_deref(), Some(&policy(NOW_S)));
        assert_eq!((kept.get("old.example"), kept.get("bad.example")), (None, None));
        drop(later);
        let over = queue(dir.path(), NOW_S + 86_400);
        assert_eq!(KeptPolicies::load(&over).unwrap().get("example.net"), None);
    }

    #[test]
    fn damaged_rows_are_passed_over_and_a_wrong_clock_lengthens_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let queue = queue(dir.path(), NOW_S);
        let row = |domain: &str, policy: StoredPolicy| StsPolicy {
            domain: domain.to_owned(),
            id: policy.id,
            policy: policy.text,
            fetched_s: policy.fetched_s,
            expires_s: i64::MAX,
        };
        let rows = [
            row("text.example", StoredPolicy { text: "version: STSv1\nmode: enf".to_owned(), ..policy(NOW_S) }),
            row("end.example", policy(NOW_S - 86_400)),
            row("future.example", policy(i64::MAX)),
            row("good.example", policy(NOW_S)),
        ];
        queue.spool.keep_sts_policies(&rows, NOW_S).unwrap();
        let kept = KeptPolicies::load(&queue).unwrap();
        assert_eq!((kept.get("text.example"), kept.get("end.example")), (None, None));
        for domain in ["future.example", "good.example"] {
            assert_eq!(kept.get(domain).as_deref(), Some(&policy(NOW_S)), "{domain}");
        }
    }

    #[tokio::test]
    async fn what_is_put_is_written_down_without_being_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let queue = queue(dir.path(), NOW_S);
        let kept = Arc::new(KeptPolicies::load(&queue).unwrap());
        let (stop, shutdown) = Shutdown::channel();
        let writer = tokio::spawn(Arc::clone(&kept).run(Arc::clone(&queue), Blocking::new(1), shutdown));
        kept.put("example.net", Arc::new(policy(NOW_S)));
        while queue.spool.sts_policies(NOW_S).unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.request();
        writer.await.unwrap();
    }
}
