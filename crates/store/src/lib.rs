//! Cells: segments and their index; mailboxes, messages, flags, UIDs.
//!
//! A [`Store`] is a data directory of [`Cell`]s. A cell keeps the bytes of messages in append-only segments and
//! everything else in an index; see `docs/formats/segment.md` and `docs/design/store.md`. The store knows no protocol
//! and no integration: it offers accounts of several lineages side by side, and transactions.

mod cell;
mod check;
mod codec;
pub mod disk;
mod error;
mod index;
mod manifest;
mod rebuild;
pub mod segment;
mod store;
mod types;

pub use cell::{Cell, Delivered, Delivery, Finding, Journal, Prepared, Tx, View, inbox};
pub use check::CheckReport;
pub use codec::Malformed;
pub use error::{Class, StoreError};
pub use manifest::{AccountState, MailboxState};
pub use rebuild::Rebuilt;
pub use store::{DEFAULT_CELLS, FORMAT_VERSION, MAX_CELLS, OpenOptions, Store, write_durably};
pub use types::{
    Account, AccountId, Blob, BlobId, Item, LIVE, LineageId, Mailbox, MailboxId, Message, NewMailbox, Origin, Place,
    Traits, uidl_by_rule,
};

/// Seconds since 1970 UTC.
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}
