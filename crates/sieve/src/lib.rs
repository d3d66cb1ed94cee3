//! Sieve (RFC 5228): scripts parsed, checked and run on a message that is being delivered.
//!
//! Nothing here does I/O: what a script asks about its account it asks a [`Context`], and what it wants done is an
//! [`Outcome`] for the caller to carry out. A script is hostile until shown otherwise, and so is the message: every run
//! ends after a bounded number of steps, in bounded memory ([`limits`]).
//!
//! # Implementation notes
//! * Nothing is done before a script has ended well. An error while it runs is therefore always an implicit keep
//!   (RFC 5228 §2.10.6): [`Outcome::keep`].
//! * Values are text: headers are compared as [`message::decoded_header`] reads them, of which the first 16 KiB of a field
//!   count; `${hex:…}` must make UTF-8.
//! * What a script makes of the header goes with each action as it was then ([`HeaderVersion`]); it is off unless somebody
//!   switches it on ([`Features`]), and what others rest on stays (`run/header.rs`). To body tests a message is what it was
//!   when it came.
//! * `:matches` never tries a place twice, whatever the pattern.
//! * What Sieve leaves open and what deviates from its RFCs is argued where it is decided; how it differs from Pigeonhole
//!   is listed in `tests/sieve/peer.rs`, `peer_edits.rs` and, with real mail, `corpus/argued.rs`.

mod check;
mod compare;
mod extension;
pub mod limits;
mod mailbox;
mod program;
mod run;
pub mod settings;
mod syntax;
mod template;
mod vacation;

pub use extension::{Features, extensions};
pub use run::{Action, Context, Delivery, HeaderVersion, MessageFlags, Outcome, RunError, Seen};
pub use vacation::VacationReply;

use std::fmt;

/// A script that may be run.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    steps: Vec<program::Step>,
}

/// What is wrong with a script, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    /// The line, from 1.
    pub line: usize,
    /// The character of the line, from 1.
    pub column: usize,
    /// What is wrong, for the person who wrote the script.
    pub what: String,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.what)
    }
}

impl std::error::Error for ScriptError {}

/// Parses and checks a script that may do what every script may.
///
/// # Errors
/// As [`parse_with`].
pub fn parse(script: &[u8]) -> Result<Script, Vec<ScriptError>> {
    parse_with(script, Features::default())
}

/// Parses and checks a script that may do some more.
///
/// # Errors
/// The first error of its grammar, or else what is wrong with its commands, at most [`limits::MAX_ERRORS`].
pub fn parse_with(script: &[u8], features: Features) -> Result<Script, Vec<ScriptError>> {
    let commands = syntax::parse(script).map_err(|error| vec![error])?;
    Ok(Script { steps: check::check(&commands, features)? })
}

impl Script {
    /// Runs the script on a message and works out what it wants done.
    ///
    /// # Errors
    /// When the script fails, or uses more than [`limits`] allow. The message is to be kept as if there were no script
    /// ([`Outcome::keep`]), and the owner told once.
    pub fn run(&self, delivery: &Delivery<'_>, context: &mut dyn Context) -> Result<Outcome, RunError> {
        run::run(&self.steps, delivery, context)
    }
}
