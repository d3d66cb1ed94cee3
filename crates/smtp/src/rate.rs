//! The seam for limits of rates: who keeps them is asked here.

use directory::AccountId;
use edge::Peer;
use std::fmt;

/// What is about to happen.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Somebody connected.
    Connection(&'a Peer),
    /// A message begins; with whose account, on submission.
    Message(&'a Peer, Option<AccountId>),
    /// A recipient is named.
    Recipient(&'a Peer, Option<AccountId>),
    /// A script of an account sends a message on, or answers one: to one address.
    SentOn(AccountId),
    /// A recipient was named whom nobody knows. Nothing becomes of the answer.
    Unknown(&'a Peer),
}

/// Whether it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It may.
    Yes,
    /// Not now: the client is told to try again later; what a script would send on stays with its account.
    No {
        /// Whether people are to be told: of an account, its owner and the admins of its domain.
        tell: bool,
    },
}

/// Keeps limits of rates. Called where nothing may wait.
pub trait Rate: Send + Sync + fmt::Debug {
    /// Whether it may happen now.
    fn allows(&self, event: Event<'_>) -> Answer;
}
