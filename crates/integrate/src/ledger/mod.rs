//! The ledger: what became of every message of every source (`RULES.md 10.2`, G8).
//!
//! A ledger is a text file of one opening record (which integration, under which policy), one record per row and one
//! closing record (counts, head of the chain, signature). It has two forms, JSON Lines and CSV, that hold the same
//! records under the same chain: one head and one signature serve both. `docs/formats/ledger.md` describes them byte
//! by byte.
//!
//! [`LedgerWriter`] streams one out; [`check()`] reads one of either form back and names the first line that is not as
//! it was written; [`convert`] writes one in the other form. None holds more than one line in memory.

mod check;
mod csv;
mod key;
mod row;
pub(crate) mod time_text;
mod writer;

pub(crate) use check::for_each_row;
pub use check::{Checked, ConvertError, Fault, LedgerProblem, check, convert};
pub use key::{KeyError, ParseKeyError, PublicKey, SigningKey};
pub(crate) use row::hex;
pub use row::{Counts, Header, HeaderSource, LedgerRow, LineageRole, Outcome, OutcomeCounts, Target, encode_path};
pub use writer::{ChainHash, Format, Head, LedgerError, LedgerWriter};

/// The version of the format that is written, and the only one that is read.
pub const FORMAT_VERSION: u32 = 1;

/// The longest line that is written or read, line ending included. A row is some hundreds of bytes; a path of the
/// longest kind that a system opens is 4096 bytes, percent-encoded 12 KiB.
pub const MAX_LINE_BYTES: usize = 1 << 20;
