//! Names on the network: MX, addresses, TLSA and TXT, and whether DNSSEC vouches for what was found.
//!
//! [`Resolver`] asks recursive servers, never the whole tree itself. Whether an answer is *secure* comes from one of two
//! places, as [`Dnssec`] says: from validation here, or from the AD bit of a validating resolver on this very machine.
//!
//! # Implementation notes
//! * hickory gives the wire, the retries, the fall-back to TCP and the validation. The cache and the following of aliases
//!   are ours, because hickory's cache neither hands out the AD bit nor remembers validated negative answers.
//! * Every question is bounded: in time ([`Config::deadline`]), in links of an alias chain, in records taken from an answer,
//!   and in what the cache holds.
//! * A name is taken literally, label by label; nothing in it is an escape. Names that no server could answer for are
//!   [`Error::BadName`] without a question being sent.
//! * Search lists and the hosts file are left out on purpose: mail for `example` must not end at `example.our.domain`.

mod answer;
mod cache;
mod client;
mod config;
mod name;
mod resolver;

pub use answer::{Answer, Error, MailHosts, Mx, Tlsa};
pub use config::{Config, ConfigError, Dnssec};
pub use name::ascii;
pub use resolver::Resolver;
