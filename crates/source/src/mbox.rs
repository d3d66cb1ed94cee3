//! Mailboxes that are one file: mboxo, mboxrd, mboxcl2.
//!
//! # Implementation notes
//!
//! A message begins after a postmark (`From sender date`, see `postmark`) that stands at the start of the file or
//! after a blank line and is followed by a header. Whatever looks only half like one is kept as text of the message it
//! stands in, and a notice says so: two messages kept together can be told apart by a person, bytes torn apart at
//! prose cannot be put together by one. One exception: a postmark right after zeros, where a crash tore the file, begins
//! a message, or everything behind the hole would be lost in a damaged one.
//!
//! An item's range is the message's own bytes: without its postmark and without the one blank line that separates it
//! from the next. Every byte of the file is in exactly one range, postmark or separator.
//!
//! `Content-Length` is believed only where it leads exactly to the next postmark or to the end of the file, as Dovecot
//! does: an exact hit is no accident, while a length that came with the mail leads nowhere.
//!
//! UIDs count only under an `X-IMAPbase` in the first message, only up to the last UID that it names, and only while
//! they ascend: `X-UID` fields come with mail from anywhere. A server that kept the file gave no others.
//!
//! The file is read through a window, so memory grows with the number of messages only.

pub(crate) mod fields;
mod postmark;
mod read;
mod scan;
mod window;

pub use read::read_range;
pub use scan::scan_file;

use crate::{Item, Notice};

/// What the writer of an mbox does to lines that look like postmarks, and how messages are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Variant {
    /// Not known: `Content-Length` where it proves right, quoting left alone.
    #[default]
    Auto,
    /// mboxo: `From ` in a body became `>From `; what it was before cannot be told, so it is left alone.
    O,
    /// mboxrd: every `>*From ` got one `>` more, and reading takes it off.
    Rd,
    /// mboxcl2: `Content-Length` says where a message ends, nothing is quoted.
    Cl2,
}

impl Variant {
    /// Every variant with the name that `source.toml` uses.
    pub const NAMES: [(&str, Variant); 4] =
        [("auto", Variant::Auto), ("mboxo", Variant::O), ("mboxrd", Variant::Rd), ("mboxcl2", Variant::Cl2)];

    fn believes_content_length(self) -> bool {
        matches!(self, Variant::Auto | Variant::Cl2)
    }
}

/// What one mbox file holds.
#[derive(Debug, Default)]
pub struct MboxScan {
    /// UIDVALIDITY of `X-IMAPbase`.
    pub uidvalidity: Option<u32>,
    /// UIDNEXT after `X-IMAPbase`, never below the highest UID + 1.
    pub uidnext: Option<u32>,
    /// How many postmarks were found; none: the file is no mbox.
    pub postmarks: u64,
    /// Messages in file order; before them, as one item, the bytes in front of the first postmark.
    pub items: Vec<Item>,
    /// Findings that concern no single message.
    pub notices: Vec<Notice>,
}
