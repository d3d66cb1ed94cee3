//! What can go wrong between a server and us.

use std::io;

/// The longest piece of a server's own words that a message repeats.
const MAX_WORDS: usize = 200;

/// A server cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// There is no connection, or it broke.
    #[error("{server}: {cause}")]
    Lost {
        /// Which.
        server: String,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// It kept us waiting for too long.
    #[error("{server} did not answer in {timeout_s} seconds ({doing})")]
    Silent {
        /// Which.
        server: String,
        /// How long the silence may be.
        timeout_s: u64,
        /// What was waited for.
        doing: &'static str,
    },
    /// It wants to be left alone for a while, or closed the session.
    #[error("{server} asks to come back later: {text}")]
    Unavailable {
        /// Which.
        server: String,
        /// In its own words.
        text: String,
    },
    /// There is no TLS with it.
    #[error("{server}: {text}")]
    Tls {
        /// Which.
        server: String,
        /// Why, and what can be done.
        text: String,
    },
    /// Its certificate is not believed.
    #[error("{server}: no TLS: {text}")]
    Certificate {
        /// Which.
        server: String,
        /// Why.
        text: String,
    },
    /// It lets somebody not in.
    #[error("{server} does not let {login} in: {text}")]
    Refused {
        /// Which.
        server: String,
        /// Who.
        login: String,
        /// In its own words.
        text: String,
    },
    /// It answered a command with NO, BAD or -ERR.
    #[error("{server} answered {command} with: {text}")]
    Answer {
        /// Which.
        server: String,
        /// Which command.
        command: &'static str,
        /// In its own words.
        text: String,
    },
    /// What it said is not the protocol, or is beyond our limits.
    #[error("{server} breaks the protocol: {what}")]
    Protocol {
        /// Which.
        server: String,
        /// What it did.
        what: String,
    },
    /// A message is larger than it may be.
    #[error("a message of {length_bytes} bytes, more than the limit of {limit_bytes}")]
    TooLarge {
        /// Its size.
        length_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
}

impl RemoteError {
    /// Whether the same may succeed later, on a connection of its own.
    pub fn is_temporary(&self) -> bool {
        matches!(self, RemoteError::Lost { .. } | RemoteError::Silent { .. } | RemoteError::Unavailable { .. })
    }

    /// Whether the session can be used on.
    pub(crate) fn spares_session(&self) -> bool {
        matches!(self, RemoteError::Answer { .. })
    }
}

/// A server's words as a message may repeat them: printable, and not long.
pub(super) fn words(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut kept: String = text.chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect();
    if kept.trim().is_empty() {
        kept = "(no reason given)".to_owned();
    }
    kept
}
