//! When something is tried again. Pure: the time comes from the caller, and chance from what is tried.

use store::spool::{Purpose, QueueId};

/// When something is tried again: each wait is twice the one before, up to a longest, give or take a fifth, so that what
/// failed together does not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The wait behind the first try. Greylisting wants a minute, some five: the tries of the first minutes are quick.
    pub first_s: i64,
    /// The longest wait.
    pub longest_s: i64,
    /// The longest wait of mail that is held for a primary: it is to have it soon when it is back.
    pub longest_held_s: i64,
    /// The wait for a hop that could not be reached at all, behind the first time.
    pub hop_first_s: i64,
    /// The longest wait for such a hop. It costs one connection, and all its mail goes as soon as it is back.
    pub hop_longest_s: i64,
    /// How long somebody who signed in and sent something waits for word that it takes long.
    pub delay_notice_s: i64,
}

impl Default for Schedule {
    fn default() -> Self {
        Schedule {
            first_s: 90,
            longest_s: 4 * 3600,
            longest_held_s: 300,
            hop_first_s: 120,
            hop_longest_s: 1800,
            delay_notice_s: 4 * 3600,
        }
    }
}

impl Schedule {
    /// When a recipient is tried again that was tried so many times.
    pub(crate) fn next(&self, purpose: Purpose, id: QueueId, number: u32, attempts: u32, now_s: i64) -> i64 {
        let longest_s = if purpose == Purpose::Held { self.longest_held_s } else { self.longest_s };
        let wait_s = doubled(self.first_s, longest_s, attempts);
        let seed = id.number().unsigned_abs() ^ (u64::from(number) << 40) ^ (u64::from(attempts) << 56);
        now_s.saturating_add(jittered(wait_s, seed))
    }

    /// When a hop is tried again that could not be reached so many times in a row.
    pub(crate) fn next_of_hop(&self, purpose: Purpose, hop: &str, failures: u32, now_s: i64) -> i64 {
        let longest_s =
            if purpose == Purpose::Held { self.hop_longest_s.min(self.longest_held_s) } else { self.hop_longest_s };
        let wait_s = doubled(self.hop_first_s, longest_s, failures);
        let seed = hop.bytes().fold(u64::from(failures), |seed, byte| mixed(seed ^ u64::from(byte)));
        now_s.saturating_add(jittered(wait_s, seed))
    }
}

/// The wait behind the nth time.
fn doubled(first_s: i64, longest_s: i64, times: u32) -> i64 {
    let factor = 1i64 << times.saturating_sub(1).min(40);
    first_s.saturating_mul(factor).clamp(1, longest_s.max(1))
}

/// A wait, a fifth longer or shorter.
fn jittered(wait_s: i64, seed: u64) -> i64 {
    let fifth = wait_s / 5;
    let spread = u64::try_from(2 * fifth + 1).expect("a wait is positive");
    let by = i64::try_from(mixed(seed) % spread).expect("less than twice a fifth of a wait");
    wait_s - fifth + by
}

/// A number that looks like chance (the finaliser of MurmurHash3).
fn mixed(mut seed: u64) -> u64 {
    seed ^= seed >> 33;
    seed = seed.wrapping_mul(0xff51_afd7_ed55_8ccd);
    seed ^= seed >> 33;
    seed = seed.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    seed ^ (seed >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: QueueId = QueueId::unchecked(77);

    #[test]
    fn the_first_tries_are_quick_and_the_later_ones_seldom() {
        let schedule = Schedule::default();
        let wait = |attempts| schedule.next(Purpose::Submission, ID, 0, attempts, 1_000) - 1_000;
        assert!((72..=108).contains(&wait(1)), "{}", wait(1));
        assert!((144..=216).contains(&wait(2)), "{}", wait(2));
        assert!((4 * 3600 * 4 / 5..=4 * 3600 * 6 / 5).contains(&wait(12)), "{}", wait(12));
        assert!((4 * 3600 * 4 / 5..=4 * 3600 * 6 / 5).contains(&wait(u32::MAX)));
    }

    #[test]
    fn what_is_held_for_a_primary_never_waits_long() {
        let schedule = Schedule::default();
        for attempts in 1..100 {
            assert!(schedule.next(Purpose::Held, ID, 0, attempts, 0) <= 360);
            assert!(schedule.next_of_hop(Purpose::Held, "example.org", attempts, 0) <= 360);
        }
    }

    #[test]
    fn what_failed_together_does_not_come_back_together() {
        let schedule = Schedule::default();
        let times: std::collections::HashSet<i64> =
            (0..100).map(|n| schedule.next(Purpose::Submission, QueueId::unchecked(n), 0, 8, 0)).collect();
        assert!(times.len() > 80, "{}", times.len());
    }

    #[test]
    fn no_number_overflows() {
        let schedule = Schedule { first_s: i64::MAX, longest_s: i64::MAX / 4, ..Schedule::default() };
        assert_eq!(schedule.next(Purpose::Reply, ID, u32::MAX, u32::MAX, i64::MAX), i64::MAX);
        let schedule = Schedule { first_s: 0, longest_s: 0, ..schedule };
        assert_eq!(schedule.next(Purpose::Reply, ID, 0, 0, 5), 6);
    }
}
