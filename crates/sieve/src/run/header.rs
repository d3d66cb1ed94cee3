//! The header of a message as a script makes it (RFC 5293).
//!
//! Which fields a script can neither add nor take out RFC 5293 §6 leaves to us, but for `Received` and `Auto-Submitted`,
//! which it must not take out. An attempt is passed over without a word, as it wants. These are what others rest on:
//! * what delivery writes, by which circles are seen and a message's owner is found;
//! * what this server and those before it found out about where the message is from. Who gets a message that an account
//!   sends on to another account here believes what this server says of it;
//! * `From` and `Sender`. They were looked at when the message came (DMARC) or was sent (nobody sends in another's name),
//!   and are not looked at again when a script sends it on, under the name and seal of a domain here.
//!
//! A DKIM signature is not among them: one that does not fit its message any more is as good as none (RFC 6376 §6.1).

use super::{Delivery, Fail};
use crate::limits::{MAX_ADDED_HEADER_BYTES, MAX_HEADER_EDITS, MAX_HEADER_GAPS};
use message::header::{self, Field};
use message::{FieldPlace, HeaderEdits, NewField};
use std::borrow::Cow;
use std::sync::Arc;

/// Fields that can neither be added nor taken out.
const PROTECTED: [&str; 11] = [
    "Received",
    "Return-Path",
    "Delivered-To",
    "Original-Recipient",
    "Authentication-Results",
    "Received-SPF",
    "ARC-Seal",
    "ARC-Message-Signature",
    "ARC-Authentication-Results",
    "From",
    "Sender",
];

/// By this field programs know not to answer programs. It cannot be taken out, nor one be added to one that is there: some
/// look at the first alone.
const AUTO_SUBMITTED: &str = "Auto-Submitted";

static NONE: HeaderEdits = HeaderEdits::new();

/// The header of a message as it was when an action was done: what had been changed of it until then (RFC 5293 §7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderVersion(Option<Arc<HeaderEdits>>);

impl HeaderVersion {
    /// Whether nothing had been changed.
    pub fn is_original(&self) -> bool {
        self.0.is_none()
    }

    /// Whether two actions of one run had the header as the same changes made it. They have the same bytes then; others may
    /// happen to have them too.
    pub fn is_same(&self, other: &HeaderVersion) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        }
    }

    /// Makes the changes to the message of the run, in CRLF form and without its [`Delivery::top_bytes`]; or to its header
    /// alone, without the empty line at its end.
    pub fn apply<'a>(&self, below_top: &'a [u8]) -> Cow<'a, [u8]> {
        self.edits().apply(below_top)
    }

    fn edits(&self) -> &HeaderEdits {
        self.0.as_deref().unwrap_or(&NONE)
    }
}

/// The header so far.
#[derive(Default)]
pub(super) struct Header {
    version: HeaderVersion,
    commands: usize,
    added_bytes: usize,
}

impl Header {
    pub(super) fn version(&self) -> HeaderVersion {
        self.version.clone()
    }

    /// The fields, those of the delivery first.
    pub(super) fn fields<'a>(&'a self, delivery: &Delivery<'a>) -> impl Iterator<Item = Field<'a>> + Clone {
        let (top, below) = delivery.top_and_below();
        header::fields(top).chain(self.version.edits().fields(below).map(|(_, field)| field))
    }

    pub(super) fn find<'a>(&'a self, delivery: &Delivery<'a>, name: &str) -> Option<Field<'a>> {
        self.fields(delivery).find(|field| field.is(name))
    }

    /// The fields that can be taken out, and their places.
    pub(super) fn places<'a>(
        &'a self,
        delivery: &Delivery<'a>,
        name: &str,
    ) -> impl Iterator<Item = (FieldPlace, Field<'a>)> + Clone {
        self.version.edits().fields(delivery.top_and_below().1).filter(move |(_, field)| field.is(name))
    }

    /// How long it is, in bytes, or a little longer.
    pub(super) fn bytes(&self, delivery: &Delivery<'_>) -> usize {
        delivery.message.header.len() + self.added_bytes
    }

    /// The size of the message, in bytes.
    pub(super) fn message_bytes(&self, delivery: &Delivery<'_>) -> usize {
        let (header, original_bytes) = self.version.edits().header(delivery.top_and_below().1);
        delivery.crlf.len() - original_bytes + header.len()
    }

    /// A message with this header; of its body nothing need be there.
    pub(super) fn message<'a>(&self, delivery: &Delivery<'a>) -> Cow<'a, [u8]> {
        if self.version.is_original() {
            return Cow::Borrowed(delivery.crlf);
        }
        let (top, below) = delivery.top_and_below();
        Cow::Owned([top, &self.version.edits().header(below).0, b"\r\n"].concat())
    }

    /// Whether a script can add a field of this name.
    pub(super) fn may_add(&self, delivery: &Delivery<'_>, name: &str) -> bool {
        if name.eq_ignore_ascii_case(AUTO_SUBMITTED) {
            return self.find(delivery, AUTO_SUBMITTED).is_none();
        }
        !is_protected(name)
    }

    /// Counts a command that may change it.
    pub(super) fn count(&mut self) -> Result<(), Fail> {
        self.commands += 1;
        match self.commands > MAX_HEADER_EDITS {
            true => Err(Fail(format!("the script changes the header more than {MAX_HEADER_EDITS} times"))),
            false => Ok(()),
        }
    }

    pub(super) fn add(&mut self, field: NewField, last: bool) -> Result<(), Fail> {
        self.added_bytes += field.as_bytes().len();
        if self.added_bytes > MAX_ADDED_HEADER_BYTES {
            return Err(Fail(format!("the script adds more than {MAX_ADDED_HEADER_BYTES} bytes to the header")));
        }
        let edits = Arc::make_mut(self.version.0.get_or_insert_default());
        if last {
            edits.add_last(field)
        } else {
            edits.add_first(field)
        }
        Ok(())
    }

    pub(super) fn take_out(&mut self, places: Vec<FieldPlace>) -> Result<(), Fail> {
        if places.is_empty() {
            return Ok(());
        }
        let edits = Arc::make_mut(self.version.0.get_or_insert_default());
        edits.take_out(places);
        match edits.gaps() > MAX_HEADER_GAPS {
            true => {
                Err(Fail(format!("the script takes fields out of the header at more than {MAX_HEADER_GAPS} places")))
            }
            false => Ok(()),
        }
    }
}

fn is_protected(name: &str) -> bool {
    PROTECTED.iter().any(|protected| name.eq_ignore_ascii_case(protected))
}

/// Whether a script can take out a field of this name.
pub(super) fn may_take_out(name: &str) -> bool {
    !is_protected(name) && !name.eq_ignore_ascii_case(AUTO_SUBMITTED)
}
