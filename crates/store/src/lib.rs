//! Cells: segments and their index; mailboxes, messages, flags, UIDs.
//!
//! A [`Store`] is a data directory of [`Cell`]s. A cell keeps the bytes of messages in append-only segments and
//! everything else in an index; see `docs/formats/segment.md` and `docs/design/store.md`. The store knows no protocol
//! and no integration: it offers accounts of several lineages side by side, and transactions.

mod catch_up;
mod cell;
mod check;
mod codec;
mod derived;
pub mod disk;
mod error;
mod group;
mod index;
mod lock;
mod manifest;
mod readers;
mod rebuild;
pub mod segment;
mod served;
pub mod spool;
mod store;
mod types;
mod writer;

pub use cell::{Cell, Delivered, Delivery, Finding, Journal, Listener, Prepared, Tx, View};
pub use check::CheckReport;
pub use codec::Malformed;
pub use derived::{CacheKind, DerivedHealth, TextScope, Tidied};
pub use error::{Class, StoreError};
pub use manifest::{AccountState, MailboxState};
pub use rebuild::Rebuilt;
pub use segment::Sweep;
pub use served::{
    Appended, Copied, Counts, Created, Expunged, FlagChange, FlagMode, Image, MAX_ANNOTATION_BYTES, MAX_ANNOTATIONS,
    MAX_KEYWORDS, MAX_MAILBOXES, Moved, NewMessage, Outcome, Refused, Renamed, Replaced, Row, Stored, Usage,
};
pub use store::{DEFAULT_CELLS, FORMAT_VERSION, MAX_CELLS, OpenOptions, Store, write_durably};
pub use types::{
    Account, AccountId, Annotation, Blob, BlobId, Item, LIVE, LineageId, Mailbox, MailboxId, Message, NewMailbox,
    Origin, Place, Traits, inbox, uidl_by_rule,
};

/// Seconds since 1970 UTC.
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}
