//! Accounts, aliases and domains of an integration: what is staged of them, what becomes of them (`RULES.md 6.4`, 7 and
//! 8), how that is taken back, and the conflicts that a person decides.
//!
//! Staging writes down what a source's files say. [`Facts`] about one address and the pure [`decide()`] follow, then
//! [`settle_account`] writes the decision into the directory with all that is needed to take it back. What accounts
//! share is settled by [`settle_shared`]. Mail is none of its business: whoever flips mail calls it, with accounts in
//! any order (`RULES.md` G10).

mod changes;
mod conflict;
mod decide;
mod facts;
mod line;
mod loops;
mod people;
mod scripts;
mod settle;
mod shared;
mod staging;
mod targets;

pub use conflict::{
    Choice, ConflictRow, Evidence, Found, Kind, MailMover, MoveError, Resolution, ResolveError, ScriptText, Side,
    list_conflicts, resolve,
};
pub use decide::{AccountStep, Case, Decision, MailStep, Notice, PasswordOrigin, Settings, decide};
pub use facts::{Facts, Known, MailSeen, Records};
pub use line::{AccountLine, MaildropLine};
pub use scripts::NewScript;
pub use settle::{AccountDetail, OverQuota, Settled, Undone, quota_after, settle_account, undo_account};
pub use shared::{SharedDetail, SharedSettled, settle_shared, undo_shared};
pub use staging::{finish_staging, stage_directory, stage_maildrop};
