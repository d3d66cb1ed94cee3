//! Mail on its way out: when it is tried, where it goes, what is said when it cannot be delivered.
//!
//! [`Queue`] decides when what is tried and what follows ([`Queue::run`]); a [`Deliver`] tries it: [`Outgoing`] at other
//! servers, whoever calls `run` at mailboxes here.
//!
//! # Implementation notes
//! * What waits is in `store::spool`. In memory is what is being tried, and what was learnt about hops (`hops`).
//! * Between a server's 250 and the spool's commit lies a moment in which a crash makes a second copy (RFC 1047). Whoever
//!   delivers to mailboxes here makes ids of deliveries from a job's id, and does not.
//! * What follows from verdicts (`judge`), how long is waited (`schedule`) and what a DSN says (`dsn`) are pure functions.
//! * Nothing ends without a word: what fails and has nobody to be told goes to the postmaster, or is held for the operator for a
//!   week, and then the log has the word.
//! * DSNs and answers of scripts have a part of the jobs of their own: strangers can have any number of them made, to servers as
//!   slow as they like.

mod client;
pub mod control;
mod dsn;
mod hops;
mod http;
mod job;
mod judge;
mod notify;
pub mod operator;
mod outgoing;
mod policy;
mod pool;
mod queue;
mod route;
mod runner;
mod schedule;
mod settings;
mod srs;

pub use client::{Credentials, Times};
pub use job::{Addressee, Deliver, Job, Said, Verdict};
pub use outgoing::{Outgoing, OutgoingSettings, SmartHost, SmartHostTls, TlsRecorder};
pub use policy::{KeptPolicies, MemoryPolicies, PolicyStore, StoredPolicy};
pub use pool::PoolLimits;
pub use queue::{Clock, Queue, Routes, hop_of, recipient};
pub use schedule::Schedule;
pub use settings::{Lifetimes, QueueLimits, QueueSettings, Sign};
pub use srs::{Srs, SrsError};
