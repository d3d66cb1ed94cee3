//! What a message is: its bytes, digest, identity and header fields, and the words that go with it (flags, mailbox
//! names, addresses).
//!
//! Nothing here does I/O, knows a database or a protocol. Bad mail is not an error: every function takes any bytes.
//! Functions that look into a message take it in *CRLF form*, as [`to_crlf`] gives it.

mod address;
mod canonical;
mod charset;
mod damage;
mod date;
mod digest;
mod edit;
mod encoded_word;
pub mod envelope;
mod eol;
mod flags;
pub mod header;
mod lines;
mod mailbox_name;
pub mod mime;
mod new_field;
mod recipients;
pub mod subject;
pub mod text;
mod twins;
pub mod utf7;

pub use address::{Address, AddressError};
pub use canonical::{Examined, canonical, examine};
pub use damage::{DamageKind, damage_of, is_beginning_of};
pub use date::{MONTHS_EN, MONTHS_ES, parse_date, parse_date_and_offset};
pub use digest::{Digest, Identity, ParseHashError};
pub use edit::{FieldPlace, HeaderEdits};
pub use encoded_word::decoded_header;
pub use eol::{push_crlf, to_crlf, to_lf};
pub use flags::{Flags, Keyword, KeywordError};
pub use mailbox_name::{MailboxName, MailboxNameError, SpecialUse};
pub use new_field::{FieldError, NewField};
pub use recipients::{Evidence, recipients};
pub use twins::{near_twins, twin_key};
