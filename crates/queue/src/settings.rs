//! What the operator chooses about the queue.

use crate::schedule::Schedule;
use crate::srs::Srs;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use store::spool::Purpose;

/// Signs a message that is made here: takes its bytes in CRLF form, and gives the header fields that go above them.
pub type Sign = Arc<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

/// What the operator chooses about the queue.
#[derive(Clone)]
pub struct QueueSettings {
    /// The name of this host, as DSNs give it.
    pub hostname: String,
    /// Who gets DSNs that cannot be delivered. Without anybody, they are held for the operator for a while
    /// ([`Lifetimes::untold_s`]).
    pub postmaster: Option<String>,
    /// When what is tried again.
    pub schedule: Schedule,
    /// How long what is tried.
    pub lifetimes: Lifetimes,
    /// How much of what at once.
    pub limits: QueueLimits,
    /// What the reverse-paths of forwarded mail are written with; DSNs then go to the sender at once.
    pub srs: Option<Arc<Srs>>,
    /// Signs DSNs.
    pub sign: Option<Sign>,
}

/// How long mail is tried before it is given up, by its purpose, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Of those who signed in: RFC 5321 §4.5.4.1 wants four to five days at least.
    pub submission_s: i64,
    /// Sent on.
    pub forward_s: i64,
    /// DSNs: who does not take one for two days does not want it.
    pub notification_s: i64,
    /// Answers of scripts: they are soon worth nothing.
    pub reply_s: i64,
    /// Held for a primary: an incident may take weeks.
    pub held_s: i64,
    /// What failed and nobody could be told of, held for the operator to see; behind that it is dropped. Strangers can have
    /// any amount of it made.
    pub untold_s: i64,
}

/// How much of what at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Jobs at once. Each waits for a server most of its time; memory is bounded by `message_bytes`.
    pub jobs: usize,
    /// Jobs of one hop at once: what one destination takes as polite (RFC 5321 names no number; 20 is customary).
    pub jobs_per_hop: usize,
    /// Bytes of messages in memory. A message that is larger is tried alone.
    pub message_bytes: usize,
    /// How long jobs that run may go on after shutdown was asked for.
    pub grace: Duration,
}

const DAY_S: i64 = 86_400;

impl Default for Lifetimes {
    fn default() -> Self {
        Lifetimes {
            submission_s: 5 * DAY_S,
            forward_s: 5 * DAY_S,
            notification_s: 2 * DAY_S,
            reply_s: DAY_S,
            held_s: 60 * DAY_S,
            untold_s: 7 * DAY_S,
        }
    }
}

impl Lifetimes {
    /// Of mail for a purpose, in seconds.
    pub fn of(&self, purpose: Purpose) -> i64 {
        match purpose {
            Purpose::Submission => self.submission_s,
            Purpose::Forward => self.forward_s,
            Purpose::Notification => self.notification_s,
            Purpose::Reply => self.reply_s,
            Purpose::Held => self.held_s,
        }
    }
}

impl Default for QueueLimits {
    fn default() -> Self {
        QueueLimits { jobs: 500, jobs_per_hop: 20, message_bytes: 128 * 1024 * 1024, grace: Duration::from_secs(20) }
    }
}

impl QueueSettings {
    /// The defaults, for a host of that name.
    pub fn new(hostname: impl Into<String>) -> Self {
        QueueSettings {
            hostname: hostname.into(),
            postmaster: None,
            schedule: Schedule::default(),
            lifetimes: Lifetimes::default(),
            limits: QueueLimits::default(),
            srs: None,
            sign: None,
        }
    }
}

impl fmt::Debug for QueueSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let QueueSettings { hostname, postmaster, schedule, lifetimes, limits, srs, sign } = self;
        f.debug_struct("QueueSettings")
            .field("hostname", hostname)
            .field("postmaster", postmaster)
            .field("schedule", schedule)
            .field("lifetimes", lifetimes)
            .field("limits", limits)
            .field("srs", srs)
            .field("signs", &sign.is_some())
            .finish()
    }
}
