//! The scripts of an account's owner, run on a message (RFC 5228).
//!
//! Two of them: the one that holds the account's settings (forwarding, vacation), and the owner's own active one, which runs
//! where the first left the implicit keep standing. Together they are one decision: what the second refuses the first does
//! not answer.
//!
//! A script that fails, or that cannot be read any more, keeps the message as if it were not there, and its owner is told.
//! A message that is taken for unwanted is neither sent on nor answered nor refused, whatever scripts say: that would be
//! somebody else's nuisance, in the name of an account here. They may still file it, and what is left goes to Junk.

mod cache;
mod context;

pub use cache::Scripts;
pub(crate) use context::{Context, duplicate_id, vacation_id};

use directory::{AccountId, Directory, DirectoryError};
use message::mime;
use sieve::limits::MAX_REDIRECTS;
use sieve::settings::MAX_FORWARDS;
use sieve::{Action, Delivery, HeaderVersion, MessageFlags, Seen};

/// How the script of an account's settings is called where something is said about it.
const SETTINGS: &str = "forwarding and vacation";

/// What scripts want done with a message.
#[derive(Debug, Default)]
pub(crate) struct Decision {
    /// What they ask for; no implicit keep among it.
    pub(crate) actions: Vec<Action>,
    /// The implicit keep, where nothing cancelled it.
    pub(crate) keep: Option<Kept>,
    /// What to remember once all is done.
    pub(crate) seen: Vec<Seen>,
    /// What went wrong.
    pub(crate) faults: Vec<Fault>,
}

/// How a message is kept that nothing was said about.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) flags: MessageFlags,
    /// What becomes of the header.
    pub(crate) header: HeaderVersion,
}

/// A script that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The name of the script.
    pub(crate) script: String,
    /// What happened, with the line.
    pub(crate) what: String,
}

/// A message, as scripts see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seeing<'a> {
    /// Its bytes as they will be stored.
    pub(crate) crlf: &'a [u8],
    /// How many of them stand above what scripts may change.
    pub(crate) top_bytes: usize,
    /// The reverse-path; empty for a null one.
    pub(crate) from: &'a str,
    /// The forward-path, subaddress included.
    pub(crate) to: &'a str,
    /// When it is delivered, in seconds since 1970 UTC.
    pub(crate) time_s: i64,
    /// Whether it is taken for unwanted.
    pub(crate) unwanted: bool,
}

/// A script by its name.
pub(crate) struct Named {
    name: String,
    content: Vec<u8>,
    /// To how many addresses it may send a message on.
    redirects: usize,
}

/// The scripts that run for an account, in their order. Reads the directory.
///
/// # Errors
/// Those of the directory.
pub(crate) fn of_account(directory: &Directory, account: AccountId) -> Result<Vec<Named>, DirectoryError> {
    let settings = directory.settings_script(account)?.map(|content| Named {
        name: SETTINGS.to_owned(),
        content,
        redirects: MAX_FORWARDS,
    });
    let active = directory.active_script(account)?.map(|script| Named {
        name: script.name,
        content: script.content,
        redirects: MAX_REDIRECTS,
    });
    Ok(settings.into_iter().chain(active).collect())
}

/// Runs scripts on a message.
pub(crate) fn decide(
    scripts: &Scripts,
    named: &[Named],
    seeing: &Seeing<'_>,
    context: &mut Context<'_, '_>,
) -> Decision {
    let mut decision = Decision { keep: Some(Kept::default()), ..Decision::default() };
    let message = mime::parse(seeing.crlf);
    let delivery = Delivery {
        crlf: seeing.crlf,
        top_bytes: seeing.top_bytes,
        message: &message,
        envelope_from: seeing.from,
        envelope_to: seeing.to,
        time_s: seeing.time_s,
        zone_offset_s: i64::from(zone_offset_s(seeing.time_s)),
    };
    for script in named {
        if decision.keep.is_none() {
            break;
        }
        context.redirects = script.redirects;
        let compiled = scripts.compiled(&script.content);
        let outcome = match &*compiled {
            Ok(program) => program.run(&delivery, context).map_err(|error| error.to_string()),
            Err(what) => Err(what.clone()),
        };
        match outcome {
            Ok(outcome) => decision.follow(outcome),
            Err(what) => decision.faults.push(Fault { script: script.name.clone(), what }),
        }
    }
    if seeing.unwanted {
        decision.stay_home();
    }
    decision
}

impl Decision {
    /// Takes up what a further script wants done.
    fn follow(&mut self, outcome: sieve::Outcome) {
        let sieve::Outcome { mut actions, seen, implicit_keep } = outcome;
        // An implicit keep stands among the actions; one that is not there stands in INBOX with a `fileinto`.
        let kept = actions.iter().position(|action| implicit_keep && matches!(action, Action::Keep { .. }));
        self.keep = match kept.map(|place| actions.remove(place)) {
            Some(Action::Keep { flags, header }) => Some(Kept { flags, header }),
            _ => implicit_keep.then(|| Kept { header: of_inbox(&actions), ..Kept::default() }),
        };
        if actions.iter().any(|action| matches!(action, Action::Reject { .. })) {
            // Who is told that it was refused must not be told anything else.
            self.actions.clear();
        }
        for action in actions {
            let again = match &action {
                Action::Redirect { address, .. } => self
                    .actions
                    .iter()
                    .any(|other| matches!(other, Action::Redirect { address: there, .. } if there == address)),
                Action::Vacation(_) => self.actions.iter().any(|other| matches!(other, Action::Vacation(_))),
                _ => false,
            };
            if !again {
                self.actions.push(action);
            }
        }
        self.seen.extend(seen);
    }

    /// Leaves only what stays within the account; what then goes nowhere is kept.
    fn stay_home(&mut self) {
        let before = self.actions.len();
        self.actions
            .retain(|action| !matches!(action, Action::Redirect { .. } | Action::Reject { .. } | Action::Vacation(_)));
        if self.actions.len() < before && self.actions.is_empty() {
            self.keep.get_or_insert_default();
        }
    }
}

/// What becomes of the header of a message that goes to INBOX.
fn of_inbox(actions: &[Action]) -> HeaderVersion {
    let there = actions.iter().find_map(|action| match action {
        Action::FileInto { mailbox, header, .. } if mailbox.is_inbox() => Some(header.clone()),
        _ => None,
    });
    there.unwrap_or_default()
}

/// The offset from UTC of the zone that this host lives in.
fn zone_offset_s(time_s: i64) -> i32 {
    let at = jiff::Timestamp::from_second(time_s).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    jiff::tz::TimeZone::system().to_offset(at).seconds()
}
