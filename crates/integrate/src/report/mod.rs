//! Reports: what an integration did, for people and for programs (`RULES.md 10.3`, 10.5).
//!
//! A [`Report`] is filled by the integration from its ledger and plan. It is JSON by its `Serialize`
//! (`docs/formats/report.md` lists the names, which are stable) and a page by [`html::render`]. Both say of every
//! account, in the same words, what happened to it ([`sentence()`]), and show the numbers as a sum that must add up.
//!
//! Everything a report quotes (addresses, paths, subjects, names) was written by strangers.

mod format;
pub mod html;
mod json;
mod model;
mod sentence;
mod text;
mod verdict;

pub use model::{
    AccountReport, Case, Choice, Conflict, ConflictKind, ConflictState, DamageEntry, DamageReason, DomainReport,
    Evidence, EvidenceFact, EvidenceValue, Integration, LedgerFacts, MailboxReport, Notice, NoticeKind, Pair, PairSide,
    PasswordOrigin, Report, ReportSource, State, Totals, UidDecision,
};
pub use sentence::{Language, sentence};
pub use verdict::{AddingUp, Grade, Reason, ReasonKind, Verdict, VerdictWord};
