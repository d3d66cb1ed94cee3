//! What is known of hops: which messages are being tried, how many jobs each hop takes, which could not be reached, and when
//! those are tried again. In memory alone: after a restart, everything is tried afresh.

use crate::schedule::Schedule;
use crate::settings::QueueLimits;
use std::collections::{HashMap, HashSet};
use store::spool::{Purpose, QueueId};

/// Hops that are remembered, about 10 MB. Of more, those out of reach are forgotten whose next try is nearest: it comes a
/// little earlier.
const MAX_HOPS: usize = 50_000;
/// Jobs at once for a hop of which nothing is known: so few would find out in vain that it cannot be reached.
const FIRST_WINDOW: usize = 4;

/// What is known of hops.
#[derive(Debug)]
pub(crate) struct Hops {
    schedule: Schedule,
    limits: QueueLimits,
    hops: HashMap<String, Hop>,
    /// Messages that are being tried, over all hops.
    taken: usize,
}

/// A hop that something is known of.
#[derive(Debug)]
struct Hop {
    /// Messages that are being tried, or were and are not settled yet.
    taken: HashSet<QueueId>,
    /// Jobs that it takes at once.
    window: usize,
    /// How often in a row it could not be reached.
    failures: u32,
    /// When it is tried again after that.
    retry_s: i64,
}

/// How a job went, as far as its hop is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// A server took something, or refused it for good.
    Served,
    /// A server was reached, and put everything off.
    PutOff,
    /// Nobody was reached.
    Unreached,
    /// It says nothing about the hop.
    Unknown,
}

/// What follows for a hop from how a job went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follows {
    /// Nothing.
    Nothing,
    /// Its mail waits until then, as it did before.
    StillOut {
        /// In seconds since 1970 UTC.
        retry_s: i64,
    },
    /// Its mail waits until then, from now on.
    Out {
        /// In seconds since 1970 UTC.
        retry_s: i64,
    },
}

impl Hop {
    fn new(limits: &QueueLimits) -> Self {
        Hop { taken: HashSet::new(), window: FIRST_WINDOW.min(limits.jobs_per_hop), failures: 0, retry_s: i64::MIN }
    }

    fn is_out(&self, now_s: i64) -> bool {
        self.failures > 0 && self.retry_s > now_s
    }
}

impl Hops {
    pub(crate) fn new(schedule: Schedule, limits: QueueLimits) -> Self {
        Hops { schedule, limits, hops: HashMap::new(), taken: 0 }
    }

    /// Jobs that may be begun now, over all hops.
    pub(crate) fn free(&self) -> usize {
        self.limits.jobs.saturating_sub(self.taken)
    }

    /// Messages that are being tried.
    pub(crate) fn taken(&self) -> usize {
        self.taken
    }

    /// Hops that are out of reach.
    pub(crate) fn out(&self, now_s: i64) -> usize {
        self.hops.values().filter(|hop| hop.is_out(now_s)).count()
    }

    /// Hops from which nothing can be taken, at most: so many more must be looked at to find others.
    pub(crate) fn closed_at_most(&self) -> usize {
        self.hops.len()
    }

    /// Jobs that a hop may begin now, and those that it has. No hop has more than half of what it leaves free, but for one job,
    /// so that however many are slow, there is room for others.
    pub(crate) fn room(&self, name: &str, now_s: i64) -> (usize, usize) {
        let hop = self.hops.get(name);
        let taken = hop.map_or(0, |hop| hop.taken.len());
        let window = match hop {
            None => FIRST_WINDOW.min(self.limits.jobs_per_hop),
            Some(hop) if hop.is_out(now_s) => 0,
            // It was out of reach: one job finds out whether it still is.
            Some(hop) if hop.failures > 0 => 1,
            Some(hop) => hop.window,
        };
        let share = ((self.free() + taken) / 3).max(1);
        (window.min(share).saturating_sub(taken).min(self.free()), taken)
    }

    /// Whether a message is being tried at a hop.
    pub(crate) fn is_taken(&self, name: &str, id: QueueId) -> bool {
        self.hops.get(name).is_some_and(|hop| hop.taken.contains(&id))
    }

    /// A message is being tried.
    pub(crate) fn take(&mut self, name: &str, id: QueueId) {
        if self.hops.len() >= MAX_HOPS && !self.hops.contains_key(name) {
            self.forget_some();
        }
        let limits = self.limits;
        let hop = self.hops.entry(name.to_owned()).or_insert_with(|| Hop::new(&limits));
        self.taken += usize::from(hop.taken.insert(id));
    }

    /// A job has ended.
    pub(crate) fn ended(&mut self, name: &str, reach: Reach, purpose: Purpose, now_s: i64) -> Follows {
        let Some(hop) = self.hops.get_mut(name) else { return Follows::Nothing };
        match reach {
            Reach::Unknown => Follows::Nothing,
            Reach::Served => {
                hop.failures = 0;
                hop.window = (hop.window + 1).min(self.limits.jobs_per_hop);
                Follows::Nothing
            }
            Reach::PutOff => {
                hop.failures = 0;
                hop.window = (hop.window / 2).max(1);
                Follows::Nothing
            }
            // Jobs that began together fail together: it is one failure.
            Reach::Unreached if hop.is_out(now_s) => Follows::StillOut { retry_s: hop.retry_s },
            Reach::Unreached => {
                hop.failures = hop.failures.saturating_add(1);
                hop.window = 1;
                hop.retry_s = self.schedule.next_of_hop(purpose, name, hop.failures, now_s);
                Follows::Out { retry_s: hop.retry_s }
            }
        }
    }

    /// What became of a message is in the spool.
    pub(crate) fn settled(&mut self, name: &str, id: QueueId) {
        let Some(hop) = self.hops.get_mut(name) else { return };
        self.taken -= usize::from(hop.taken.remove(&id));
        // Of a hop that is neither busy nor out of reach nothing is kept: what is kept must be looked past.
        if hop.taken.is_empty() && hop.failures == 0 {
            self.hops.remove(name);
        }
    }

    /// A hop is tried at once.
    pub(crate) fn let_in(&mut self, name: &str) {
        if let Some(hop) = self.hops.get_mut(name) {
            hop.retry_s = i64::MIN;
        }
    }

    /// No job runs.
    pub(crate) fn begin(&mut self) {
        self.hops.clear();
        self.taken = 0;
    }

    fn forget_some(&mut self) {
        let mut idle: Vec<(i64, String)> = self
            .hops
            .iter()
            .filter(|(_, hop)| hop.taken.is_empty())
            .map(|(name, hop)| (hop.retry_s, name.clone()))
            .collect();
        idle.sort_unstable();
        for (_, name) in idle.into_iter().take(MAX_HOPS / 10) {
            self.hops.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hops(jobs: usize, jobs_per_hop: usize) -> Hops {
        Hops::new(Schedule::default(), QueueLimits { jobs, jobs_per_hop, ..QueueLimits::default() })
    }

    fn id(n: i64) -> QueueId {
        QueueId::unchecked(n)
    }

    #[test]
    fn a_hop_that_serves_gets_more_jobs_and_one_that_puts_off_fewer() {
        let mut hops = hops(100, 6);
        assert_eq!(hops.room("a", 0), (FIRST_WINDOW, 0));
        for n in 0..10 {
            hops.take("a", id(n));
            hops.ended("a", Reach::Served, Purpose::Submission, 0);
        }
        (1..10).for_each(|n| hops.settled("a", id(n)));
        assert_eq!(hops.room("a", 0), (5, 1));
        hops.ended("a", Reach::PutOff, Purpose::Submission, 0);
        assert_eq!(hops.room("a", 0), (2, 1));
    }

    #[test]
    fn a_hop_out_of_reach_waits_longer_each_time_and_then_gets_one_job() {
        let mut hops = hops(100, 20);
        let mut now_s = 0;
        let mut last = 0;
        for failures in 0..10 {
            hops.take("a", id(failures));
            hops.take("a", id(100 + failures));
            let Follows::Out { retry_s } = hops.ended("a", Reach::Unreached, Purpose::Submission, now_s) else {
                panic!("it is a failure")
            };
            assert_eq!(hops.ended("a", Reach::Unreached, Purpose::Submission, now_s), Follows::StillOut { retry_s });
            hops.settled("a", id(failures));
            hops.settled("a", id(100 + failures));
            assert_eq!(hops.room("a", retry_s - 1), (0, 0));
            assert_eq!(hops.room("a", retry_s), (1, 0));
            assert!(retry_s - now_s >= (last * 4 / 5).min(1440), "{} after {last}", retry_s - now_s);
            assert!(retry_s - now_s <= 2160);
            (last, now_s) = (retry_s - now_s, retry_s);
        }
        hops.let_in("a");
        assert_eq!(hops.room("a", now_s - 1), (1, 0));
        hops.take("a", id(1));
        hops.ended("a", Reach::Served, Purpose::Submission, now_s);
        assert_eq!(hops.room("a", now_s), (1, 1));
    }

    #[test]
    fn slow_hops_leave_room_for_others() {
        let mut hops = hops(40, 20);
        let mut n = 0;
        for hop in ["a", "b", "c", "d", "e", "f"] {
            for _ in 0..30 {
                while hops.room(hop, 0).0 > 0 {
                    n += 1;
                    hops.take(hop, id(n));
                }
                hops.ended(hop, Reach::Served, Purpose::Submission, 0);
            }
        }
        assert_eq!(hops.taken(), 13 + 9 + 6 + 4 + 2 + 2);
        assert_eq!(hops.room("g", 0), (1, 0));
    }

    #[test]
    fn memory_is_bounded() {
        let mut hops = hops(10, 2);
        for n in 0..i64::try_from(MAX_HOPS).expect("small") + 100 {
            let name = n.to_string();
            hops.take(&name, id(n));
            hops.ended(&name, Reach::Unreached, Purpose::Submission, 0);
            hops.settled(&name, id(n));
        }
        assert!(hops.hops.len() <= MAX_HOPS);
        assert_eq!(hops.taken(), 0);
    }
}
