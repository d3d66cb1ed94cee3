//! What is forgotten in time: names of deliveries that no relay repeats any more, and what scripts remember of those who
//! wrote long ago. A little at a time, so that nobody waits for it. And what segments are told later than at once.

use edge::{Services, Shutdown};
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(3600);
/// Rows that are forgotten at once.
const AT_ONCE: usize = 1000;

/// Forgets until the shutdown.
pub(super) async fn forget(services: Arc<Services>, mut shutdown: Shutdown) {
    let mut every = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = shutdown.requested() => return,
        }
        let asked = services.clone();
        services.run(move || describe_healed(&asked)).await;
        while !shutdown.is_requested() {
            let asked = services.clone();
            if services.run(move || forget_some(&asked)).await == 0 {
                break;
            }
        }
    }
}

/// Tells the segments of accounts that have messages whose damaged bytes were stored anew.
fn describe_healed(services: &Services) {
    for cell in services.store.cells() {
        if let Err(error) = cell.flush_manifests() {
            let error = edge::causes(&error);
            tracing::warn!(cell = cell.number(), error, "the segments cannot be told of every account for now");
        }
    }
}

/// Forgets a little; how much it was. What cannot be forgotten now can be in an hour.
fn forget_some(services: &Services) -> usize {
    let now_s = jiff::Timestamp::now().as_second();
    let mut forgotten = 0;
    for cell in services.store.cells() {
        match cell.forget_delivery_ids(now_s) {
            Ok(count) => forgotten += count,
            Err(error) => {
                let error = edge::causes(&error);
                tracing::warn!(cell = cell.number(), error, "names of deliveries cannot be forgotten for now");
            }
        }
    }
    match services.directory.write(|tx| tx.forget_sieve_memory(now_s, AT_ONCE)) {
        Ok(count) => forgotten += count,
        Err(error) => tracing::warn!(error = edge::causes(&error), "what scripts remember cannot be forgotten for now"),
    }
    forgotten
}
