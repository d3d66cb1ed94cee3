//! Memory for messages by the networks that they come from: who sends much at once, and slowly, leaves room for others.

use edge::{Memory, Network};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// What one network has at most, in bytes; more only where one message may need more.
const PART_BYTES: u64 = 128 * 1024 * 1024;
/// How many networks are known before those that hold nothing are forgotten.
const SWEPT_AT: usize = 1024;

/// What each network has of the memory for messages. One for each memory.
#[derive(Default)]
pub struct Parts(Mutex<HashMap<Network, Weak<Memory>>>);

impl Parts {
    /// The part of a network: room for two of the largest messages at least. Programs of this machine have all of it.
    pub(crate) fn of(&self, whole: &Arc<Memory>, message_bytes: u64, network: Network) -> Arc<Memory> {
        if network.is_loopback() {
            return Arc::clone(whole);
        }
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(part) = parts.get(&network).and_then(Weak::upgrade) {
            return part;
        }
        if parts.len() >= SWEPT_AT {
            parts.retain(|_, part| part.strong_count() > 0);
        }
        let part = whole.part(PART_BYTES.max(message_bytes.saturating_mul(2)));
        parts.insert(network, Arc::downgrade(&part));
        part
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parts({})", self.0.lock().unwrap_or_else(PoisonError::into_inner).len())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use edge::Networks;

    fn network(address: &str) -> Network {
        Networks::of(address.parse().unwrap()).narrow
    }

    #[test]
    fn one_network_leaves_room_for_another() {
        let (parts, whole) = (Parts::default(), Memory::new(4 * PART_BYTES));
        let of = |address: &str| parts.of(&whole, 1024, network(address)).reserve();
        let part_bytes = usize::try_from(PART_BYTES).unwrap();
        let mut greedy = of("192.0.2.1");
        assert!(greedy.grow_to(part_bytes));
        assert!(!of("192.0.2.1").grow_to(1), "the same network");
        assert!(of("192.0.2.2").grow_to(part_bytes));
        assert!(of("127.0.0.1").grow_to(3 * part_bytes));
        drop(greedy);
        assert!(of("192.0.2.1").grow_to(1));
        for number in 0..2 * SWEPT_AT {
            drop(of(&format!("198.51.{}.{}", number / 256, number % 256)));
        }
        assert!(parts.0.lock().unwrap().len() <= SWEPT_AT);
    }
}
