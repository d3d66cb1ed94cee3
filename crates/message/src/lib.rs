//! What a message is: its bytes, digest, identity and header fields, and the words that go with it (flags, mailbox
//! names, addresses).
//!
//! Nothing here does I/O, knows a database or a protocol. Bad mail is not an error: every function takes any bytes.

mod address;
mod digest;
mod flags;
mod mailbox_name;

pub use address::{Address, AddressError};
pub use digest::{Digest, Identity, ParseHashError};
pub use flags::{Flags, Keyword, KeywordError};
pub use mailbox_name::{MailboxName, MailboxNameError, SpecialUse};
