//! What is known of hops: which messages are being tried, how many jobs each hop takes, which could not be reached, and when
//! those are tried again. In memory alone: after a restart, everything is tried afresh.

use crate::schedule::Schedule;
use crate::settings::QueueLimits;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use store::spool::{DueHop, Lane, Purpose, QueueId};

/// Hops that are remembered, about 10 MB. Of more, those out of reach are forgotten whose next try is nearest: it comes a
/// little earlier.
const MAX_HOPS: usize = 50_000;
/// Jobs at once for a hop of which nothing is known: so few would find out in vain that it cannot be reached.
const FIRST_WINDOW: usize = 4;
/// Of all jobs, and of the memory for messages, automatic mail for other servers has one part in so many: strangers choose where
/// it goes, and how slow it is there.
pub(crate) const AUTOMATIC_PART: usize = 4;
/// How often it is looked past automatic mail that may not begin: the directory is asked for every hop of it, and who writes
/// down what became of jobs waits meanwhile.
const PASS_EVERY: Duration = Duration::from_millis(100);

/// How a job counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// Somebody sent it, or it goes into a mailbox here.
    Common,
    /// It is automatic, and goes to another server.
    Automatic,
}

impl Share {
    pub(crate) fn of(lane: Lane, local: bool) -> Self {
        if lane == Lane::Automatic && !local { Share::Automatic } else { Share::Common }
    }
}

/// What is known of hops.
#[derive(Debug)]
pub(crate) struct Hops {
    schedule: Schedule,
    limits: QueueLimits,
    hops: HashMap<String, Hop>,
    /// Messages that are being tried, over all hops.
    taken: usize,
    /// Those of them that count as automatic.
    automatic: usize,
    /// The hop of automatic mail up to which it was last looked past those that may not begin.
    passed: Option<DueHop>,
    /// When that was.
    passed_at: Option<Instant>,
}

/// A hop that something is known of.
#[derive(Debug)]
struct Hop {
    /// Messages that are being tried, or were and are not settled yet.
    taken: HashMap<QueueId, Share>,
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
        Hop { taken: HashMap::new(), window: FIRST_WINDOW.min(limits.jobs_per_hop), failures: 0, retry_s: i64::MIN }
    }

    fn automatic(&self) -> usize {
        self.taken.values().filter(|share| **share == Share::Automatic).count()
    }

    fn is_out(&self, now_s: i64) -> bool {
        self.failures > 0 && self.retry_s > now_s
    }
}

impl Hops {
    pub(crate) fn new(schedule: Schedule, limits: QueueLimits) -> Self {
        Hops { schedule, limits, hops: HashMap::new(), taken: 0, automatic: 0, passed: None, passed_at: None }
    }

    /// Jobs that may be begun now, over all hops.
    pub(crate) fn free(&self) -> usize {
        self.limits.jobs.saturating_sub(self.taken)
    }

    /// Jobs of automatic mail for other servers that may be begun now, over all hops.
    pub(crate) fn free_automatic(&self) -> usize {
        (self.limits.jobs / AUTOMATIC_PART).max(1).saturating_sub(self.automatic).min(self.free())
    }

    /// Whether it may be looked past others now; it is then looked.
    pub(crate) fn may_pass(&mut self, now: Instant) -> bool {
        let may = self.passed_at.is_none_or(|at| now.saturating_duration_since(at) >= PASS_EVERY);
        if may {
            self.passed_at = Some(now);
        }
        may
    }

    /// Behind which hop it is looked next for automatic mail that may begin while that for other servers may not; `None`: at
    /// the beginning.
    pub(crate) fn passed(&self) -> Option<&DueHop> {
        self.passed.as_ref()
    }

    /// It was looked up to there.
    pub(crate) fn pass(&mut self, to: Option<DueHop>) {
        self.passed = to;
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
    /// so that however many are slow, there is room for others. Automatic mail has no more than half of a hop's jobs, and what
    /// people sent has one there whatever that does.
    pub(crate) fn room(&self, name: &str, share: Share, now_s: i64) -> (usize, usize) {
        let hop = self.hops.get(name);
        let taken = hop.map_or(0, |hop| hop.taken.len());
        let window = match hop {
            None => FIRST_WINDOW.min(self.limits.jobs_per_hop),
            Some(hop) if hop.is_out(now_s) => 0,
            // It was out of reach: one job finds out whether it still is.
            Some(hop) if hop.failures > 0 => 1,
            Some(hop) => hop.window,
        };
        let automatic = hop.map_or(0, Hop::automatic);
        let most = window.min(((self.free() + taken) / 3).max(1));
        let room = match share {
            Share::Common if most > 0 && taken == automatic => {
                most.max(automatic + 1).min(self.limits.jobs_per_hop.max(1)).saturating_sub(taken)
            }
            Share::Common => most.saturating_sub(taken),
            Share::Automatic => {
                let half = most.min((most / 2).max(1));
                half.saturating_sub(automatic).min(most.saturating_sub(taken)).min(self.free_automatic())
            }
        };
        (room.min(self.free()), taken)
    }

    /// Whether a message is being tried at a hop.
    pub(crate) fn is_taken(&self, name: &str, id: QueueId) -> bool {
        self.hops.get(name).is_some_and(|hop| hop.taken.contains_key(&id))
    }

    /// A message is being tried.
    pub(crate) fn take(&mut self, name: &str, id: QueueId, share: Share) {
        if self.hops.len() >= MAX_HOPS && !self.hops.contains_key(name) {
            self.forget_some();
        }
        let limits = self.limits;
        let hop = self.hops.entry(name.to_owned()).or_insert_with(|| Hop::new(&limits));
        if hop.taken.insert(id, share).is_none() {
            self.taken += 1;
            self.automatic += usize::from(share == Share::Automatic);
        }
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
        if let Some(share) = hop.taken.remove(&id) {
            self.taken -= 1;
            self.automatic -= usize::from(share == Share::Automatic);
        }
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
        (self.taken, self.automatic, self.passed, self.passed_at) = (0, 0, None, None);
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
        assert_eq!(hops.room("a", Share::Common, 0), (FIRST_WINDOW, 0));
        for n in 0..10 {
            hops.take("a", id(n), Share::Common);
            hops.ended("a", Reach::Served, Purpose::Submission, 0);
        }
        (1..10).for_each(|n| hops.settled("a", id(n)));
        assert_eq!(hops.room("a", Share::Common, 0), (5, 1));
        hops.ended("a", Reach::PutOff, Purpose::Submission, 0);
        assert_eq!(hops.room("a", Share::Common, 0), (2, 1));
    }

    #[test]
    fn a_hop_out_of_reach_waits_longer_each_time_and_then_gets_one_job() {
        let mut hops = hops(100, 20);
        let mut now_s = 0;
        let mut last = 0;
        for failures in 0..10 {
            hops.take("a", id(failures), Share::Common);
            hops.take("a", id(100 + failures), Share::Common);
            let Follows::Out { retry_s } = hops.ended("a", Reach::Unreached, Purpose::Submission, now_s) else {
                panic!("it is a failure")
            };
            assert_eq!(hops.ended("a", Reach::Unreached, Purpose::Submission, now_s), Follows::StillOut { retry_s });
            hops.settled("a", id(failures));
            hops.settled("a", id(100 + failures));
            assert_eq!(hops.room("a", Share::Common, retry_s - 1), (0, 0));
            assert_eq!(hops.room("a", Share::Common, retry_s), (1, 0));
            assert!(retry_s - now_s >= (last * 4 / 5).min(1440), "{} after {last}", retry_s - now_s);
            assert!(retry_s - now_s <= 2160);
            (last, now_s) = (retry_s - now_s, retry_s);
        }
        hops.let_in("a");
        assert_eq!(hops.room("a", Share::Common, now_s - 1), (1, 0));
        hops.take("a", id(1), Share::Common);
        hops.ended("a", Reach::Served, Purpose::Submission, now_s);
        assert_eq!(hops.room("a", Share::Common, now_s), (1, 1));
    }

    #[test]
    fn slow_hops_leave_room_for_others() {
        let mut hops = hops(40, 20);
        let mut n = 0;
        for hop in ["a", "b", "c", "d", "e", "f"] {
            for _ in 0..30 {
                while hops.room(hop, Share::Common, 0).0 > 0 {
                    n += 1;
                    hops.take(hop, id(n), Share::Common);
                }
                hops.ended(hop, Reach::Served, Purpose::Submission, 0);
            }
        }
        assert_eq!(hops.taken(), 13 + 9 + 6 + 4 + 2 + 2);
        assert_eq!(hops.room("g", Share::Common, 0), (1, 0));
    }

    #[test]
    fn automatic_mail_leaves_room_for_what_people_sent() {
        let mut hops = hops(40, 20);
        let mut n = 0;
        for slow in 0..50 {
            let name = format!("slow{slow}");
            while hops.room(&name, Share::Automatic, 0).0 > 0 {
                n += 1;
                hops.take(&name, id(n), Share::Automatic);
            }
        }
        assert_eq!((hops.taken(), hops.free_automatic()), (10, 0));
        assert_eq!(hops.room("other", Share::Automatic, 0), (0, 0));
        assert_eq!(hops.room("other", Share::Common, 0), (FIRST_WINDOW, 0), "mailboxes here, and what people sent");
        // Also to where automatic mail hangs.
        assert_eq!(hops.room("slow0", Share::Common, 0), (2, 2));
        hops.ended("slow1", Reach::PutOff, Purpose::Reply, 0);
        hops.ended("slow1", Reach::PutOff, Purpose::Reply, 0);
        assert_eq!(hops.room("slow1", Share::Common, 0), (1, 2), "its window is smaller than what hangs there");
        (1..=n).for_each(|n| (0..50).for_each(|slow| hops.settled(&format!("slow{slow}"), id(n))));
        assert_eq!((hops.taken(), hops.free_automatic()), (0, 10));
        let one = Hops::new(Schedule::default(), QueueLimits { jobs: 1, ..QueueLimits::default() });
        assert_eq!(one.room("a", Share::Automatic, 0), (1, 0), "it goes too, where there is nothing but one job");
    }

    #[test]
    fn it_is_looked_past_others_now_and_then() {
        let (mut hops, now) = (hops(10, 2), Instant::now());
        assert!(hops.may_pass(now) && !hops.may_pass(now) && !hops.may_pass(now + PASS_EVERY / 2));
        assert!(hops.may_pass(now + PASS_EVERY) && !hops.may_pass(now + PASS_EVERY));
        hops.begin();
        assert!(hops.may_pass(now));
    }

    #[test]
    fn memory_is_bounded() {
        let mut hops = hops(10, 2);
        for n in 0..i64::try_from(MAX_HOPS).expect("small") + 100 {
            let name = n.to_string();
            hops.take(&name, id(n), Share::Common);
            hops.ended(&name, Reach::Unreached, Purpose::Submission, 0);
            hops.settled(&name, id(n));
        }
        assert!(hops.hops.len() <= MAX_HOPS);
        assert_eq!(hops.taken(), 0);
    }
}
