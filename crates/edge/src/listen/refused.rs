//! Telling the operator of connections that were one too many, without filling the log.

use crate::peer::Network;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How often a network is told of.
const EVERY: Duration = Duration::from_secs(60);
/// Networks told of in that time: whoever has a thousand shows in the metrics.
const NETWORKS: usize = 1000;

/// What was told lately.
#[derive(Debug, Default)]
pub(super) struct Refused(HashMap<Network, Told>);

#[derive(Debug)]
struct Told {
    at: Instant,
    /// Connections since.
    untold: u64,
}

impl Refused {
    /// Counts a connection; how many of that network it is to be told with, where it is to be told.
    pub(super) fn count(&mut self, network: Network, now: Instant) -> Option<u64> {
        let is_recent = |told: &Told| now.duration_since(told.at) < EVERY;
        if let Some(told) = self.0.get_mut(&network).filter(|told| is_recent(told)) {
            told.untold += 1;
            return None;
        }
        if self.0.len() >= NETWORKS && !self.0.contains_key(&network) {
            self.0.retain(|_, told| is_recent(told));
            if self.0.len() >= NETWORKS {
                return None;
            }
        }
        let before = self.0.insert(network, Told { at: now, untold: 0 });
        Some(1 + before.map_or(0, |told| told.untold))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::peer::Networks;

    fn network(address: &str) -> Network {
        Networks::of(address.parse().unwrap()).narrow
    }

    #[test]
    fn a_network_is_told_of_once_a_minute_with_what_came_since() {
        let (mut refused, now) = (Refused::default(), Instant::now());
        assert_eq!(refused.count(network("192.0.2.1"), now), Some(1));
        for _ in 0..41 {
            assert_eq!(refused.count(network("192.0.2.1"), now + EVERY / 2), None);
        }
        assert_eq!(refused.count(network("192.0.2.2"), now), Some(1), "another is another");
        assert_eq!(refused.count(network("192.0.2.1"), now + EVERY), Some(42));
        assert_eq!(refused.count(network("192.0.2.1"), now + 2 * EVERY), Some(1));
    }

    #[test]
    fn a_botnet_does_not_fill_the_log() {
        let (mut refused, now) = (Refused::default(), Instant::now());
        let from = |number: usize| network(&format!("10.1.{}.{}", number / 250, number % 250));
        let told = (0..2 * NETWORKS).filter(|number| refused.count(from(*number), now).is_some());
        assert_eq!(told.count(), NETWORKS);
        assert_eq!(refused.count(from(2 * NETWORKS), now + EVERY), Some(1), "a minute later others are told of");
        assert_eq!(refused.0.len(), 1);
    }
}
