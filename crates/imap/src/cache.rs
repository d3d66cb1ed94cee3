//! What is computed from messages' bytes once and kept in the store's derived cache.
//!
//! Each [`Kind`] is a pure function of the bytes. Whatever is missing is computed with everything else that the header
//! and the structure give, so that a message is read once, and not once for each kind. Values over [`MAX_BYTES`] are not
//! kept: an empty value says so, and they are computed from the bytes each time.

use crate::order::{SortKeys, ThreadKeys};
use crate::syntax;
use message::header;
use message::mime::{self, Part};
use std::time::{Duration, Instant};
use store::{Blob, BlobId, CacheKind, Cell, Class, StoreError};

/// The longest value that is kept. Real ones are far shorter; hostile ones would make a step of a FETCH hold as much of
/// every message.
const MAX_BYTES: usize = 16 * 1024;

/// How many missing messages are read before what was computed from them is kept: one transaction for each kind.
const WRITE_AT_ONCE: usize = 256;

/// Or how long it takes to read them: large ones are kept sooner.
const WRITE_AFTER: Duration = Duration::from_millis(500);

/// Header fields that are kept as they are written: those that clients ask for in lists of messages, and those that
/// SEARCH looks into. A field that few messages have costs nothing, and that it is absent is kept too; but one that a
/// client asks for and that is not among these makes the server read every message.
const KEPT_FIELDS: [&str; 61] = [
    "Auto-Submitted",
    "Bcc",
    "Cc",
    "Comments",
    "Content-Class",
    "Content-Description",
    "Content-Disposition",
    "Content-ID",
    "Content-Transfer-Encoding",
    "Content-Type",
    "Date",
    "Delivered-To",
    "Disposition-Notification-To",
    "Followup-To",
    "From",
    "Importance",
    "In-Reply-To",
    "Keywords",
    "Lines",
    "List-Id",
    "List-Post",
    "List-Unsubscribe",
    "Mail-Followup-To",
    "Mail-Reply-To",
    "Message-ID",
    "MIME-Version",
    "Newsgroups",
    "Precedence",
    "Priority",
    "References",
    "Reply-To",
    "Resent-Cc",
    "Resent-Date",
    "Resent-From",
    "Resent-Message-ID",
    "Resent-Sender",
    "Resent-To",
    "Return-Path",
    "Return-Receipt-To",
    "Sender",
    "Sensitivity",
    "Subject",
    "To",
    "User-Agent",
    "X-Apple-Base-Url",
    "X-Apple-Mail-Remote-Attachments",
    "X-Confirm-Reading-To",
    "X-Draft-Info",
    "X-K9mail-Identity",
    "X-Label",
    "X-Mailer",
    "X-Mozilla-Draft-Info",
    "X-MSMail-Priority",
    "X-OfflineIMAP",
    "X-Priority",
    "X-Spam-Flag",
    "X-Spam-Score",
    "X-Spam-Status",
    "X-TUID",
    "X-Uniform-Type-Identifier",
    "X-Universally-Unique-Identifier",
];

/// What is kept of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The wire form of ENVELOPE.
    Envelope,
    /// The wire forms of BODY and BODYSTRUCTURE; see [`structure_forms`].
    Structure,
    /// The fields of [`KEPT_FIELDS`] as written, and an empty line.
    Header,
    /// What SORT compares.
    Sort,
    /// What THREAD joins by.
    Thread,
    /// The wire form of PREVIEW's string.
    Preview,
}

/// The kinds that are computed together. The preview is not among them: it costs decoding of the text.
const TOGETHER: [Kind; 5] = [Kind::Envelope, Kind::Structure, Kind::Header, Kind::Sort, Kind::Thread];

impl Kind {
    fn of_store(self) -> CacheKind {
        // The version is raised whenever the same bytes give another value.
        let (number, version) = match self {
            Kind::Envelope => (1, 1),
            Kind::Structure => (2, 1),
            Kind::Header => (3, 1),
            Kind::Sort => (4, 2),
            Kind::Thread => (5, 2),
            Kind::Preview => (6, 1),
        };
        CacheKind { number, version }
    }
}

/// Whether a header field can be answered from what is kept.
pub(crate) fn keeps_field(name: &str) -> bool {
    KEPT_FIELDS.iter().any(|kept| kept.eq_ignore_ascii_case(name))
}

/// Computes and keeps what FETCH, SORT and THREAD will ask of messages, where that is not kept yet: for a thread in the
/// background, so that the first client to list a mailbox need not wait for it.
///
/// # Errors
/// Those of the store.
pub fn warm(cell: &Cell, blobs: &[BlobId]) -> Result<(), StoreError> {
    for_each(cell, Kind::Envelope, blobs, |_, _| ())
}

/// Calls once for each index into `blobs` with the value of a kind, in no order; with `None` for a message whose bytes
/// are damaged. What is missing is computed and kept.
///
/// # Errors
/// Those of the store.
pub(crate) fn for_each(
    cell: &Cell,
    kind: Kind,
    blobs: &[BlobId],
    each: impl FnMut(usize, Option<&[u8]>),
) -> Result<(), StoreError> {
    for_each_while(cell, kind, blobs, || true, each).map(|_| ())
}

/// As [`for_each`], asking now and then whether to go on with what is missing. `false`: it was not to, and what was
/// computed until then is kept.
///
/// # Errors
/// Those of the store.
pub(crate) fn for_each_while(
    cell: &Cell,
    kind: Kind,
    blobs: &[BlobId],
    mut go_on: impl FnMut() -> bool,
    mut each: impl FnMut(usize, Option<&[u8]>),
) -> Result<bool, StoreError> {
    let mut missing = Vec::new();
    cell.cached(kind.of_store(), blobs, |index, value| match value {
        Some(value) if !value.is_empty() => each(index, Some(value)),
        kept => missing.push((index, kept.is_some())),
    });
    let kinds = if TOGETHER.contains(&kind) { &TOGETHER[..] } else { &[kind] };
    let mut missing = missing.into_iter().peekable();
    while missing.peek().is_some() {
        if !go_on() {
            return Ok(false);
        }
        let began = Instant::now();
        let mut keep: Vec<Vec<(BlobId, Vec<u8>)>> = vec![Vec::new(); kinds.len()];
        for (index, too_long_to_keep) in missing.by_ref().take(WRITE_AT_ONCE) {
            match read_one(cell, blobs[index])? {
                None => each(index, None),
                Some(bytes) if too_long_to_keep => each(index, Some(&value_of(kind, &bytes, &mime::parse(&bytes)))),
                Some(bytes) => {
                    let part = mime::parse(&bytes);
                    for (&of, keep) in kinds.iter().zip(&mut keep) {
                        let value = value_of(of, &bytes, &part);
                        if of == kind {
                            each(index, Some(&value));
                        }
                        keep.push((blobs[index], if value.len() <= MAX_BYTES { value } else { Vec::new() }));
                    }
                }
            }
            if began.elapsed() >= WRITE_AFTER {
                break;
            }
        }
        for (kind, values) in kinds.iter().zip(keep) {
            cell.put_cached(kind.of_store(), values);
        }
    }
    Ok(true)
}

/// A value for each of some messages, their bytes in one buffer.
#[derive(Default)]
pub(crate) struct Values {
    bytes: Vec<u8>,
    places: Vec<Option<std::ops::Range<usize>>>,
}

impl Values {
    /// Adds the values of more messages, in their order; none for those whose bytes are damaged.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn extend(&mut self, cell: &Cell, kind: Kind, blobs: &[BlobId]) -> Result<(), StoreError> {
        let from = self.make_room(blobs.len());
        for_each(cell, kind, blobs, |index, value| self.keep(from + index, value))
    }

    /// As [`Values::extend`], with what is kept already: nothing is read or computed.
    pub(crate) fn extend_with_kept(&mut self, cell: &Cell, kind: Kind, blobs: &[BlobId]) {
        let from = self.make_room(blobs.len());
        cell.cached(kind.of_store(), blobs, |index, value| {
            self.keep(from + index, value.filter(|value| !value.is_empty()));
        });
    }

    fn make_room(&mut self, more: usize) -> usize {
        let from = self.places.len();
        self.places.resize(from + more, None);
        from
    }

    fn keep(&mut self, index: usize, value: Option<&[u8]>) {
        let Some(value) = value else { return };
        let from = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.places[index] = Some(from..self.bytes.len());
    }

    /// Of how many messages there are values.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// The value of a message, in the order in which they were added.
    pub(crate) fn get(&self, index: usize) -> Option<&[u8]> {
        let place = self.places.get(index)?.clone()?;
        Some(&self.bytes[place])
    }
}

/// Calls once for each index into `blobs`, in order, with the message's bytes; with `None` where they are damaged.
///
/// # Errors
/// Those of the store.
pub(crate) fn read_each(
    cell: &Cell,
    blobs: &[BlobId],
    mut each: impl FnMut(usize, Option<&[u8]>),
) -> Result<(), StoreError> {
    for (index, &blob) in blobs.iter().enumerate() {
        each(index, read_one(cell, blob)?.as_deref());
    }
    Ok(())
}

/// A message's bytes; `None` where they are damaged, which the log is told.
///
/// # Errors
/// Those of the store.
pub(crate) fn read_one(cell: &Cell, blob: BlobId) -> Result<Option<Vec<u8>>, StoreError> {
    let read = cell.read(|view| view.blob_by_id(blob)).and_then(|found| found.map(|b| cell.bytes(&b)).transpose());
    match read {
        Err(error) if error.class() == Class::Corruption => {
            tracing::error!(cell = cell.number(), blob = blob.0, %error, "a message cannot be read");
            Ok(None)
        }
        read => read,
    }
}

/// What is known of messages' bytes: their digests, and where they lie.
///
/// # Errors
/// Those of the store.
pub(crate) fn known(cell: &Cell, blobs: &[BlobId]) -> Result<Vec<Option<Blob>>, StoreError> {
    cell.read(|view| blobs.iter().map(|&id| view.blob_by_id(id)).collect())
}

/// A message's bytes where they lay a moment ago, by [`known`]; `None` where they are damaged, which the log is told.
///
/// # Errors
/// Those of the store.
pub(crate) fn read_known(cell: &Cell, id: BlobId, known: Option<&Blob>) -> Result<Option<Vec<u8>>, StoreError> {
    match known.map(|blob| cell.bytes(blob)) {
        Some(Ok(bytes)) => Ok(Some(bytes)),
        // They may lie elsewhere by now.
        _ => read_one(cell, id),
    }
}

/// What is kept of a message, or would be.
pub(crate) fn value_of(kind: Kind, crlf: &[u8], part: &Part) -> Vec<u8> {
    let mut out = Vec::new();
    match kind {
        Kind::Envelope => syntax::envelope::write_envelope(&mut out, &message::envelope::parse(crlf)),
        Kind::Structure => {
            out.extend_from_slice(&[0; 4]);
            syntax::body_structure::write_body(&mut out, crlf, part, false);
            let length = u32::try_from(out.len() - 4).unwrap_or(u32::MAX);
            out[..4].copy_from_slice(&length.to_le_bytes());
            syntax::body_structure::write_body(&mut out, crlf, part, true);
        }
        Kind::Header => return mime::header_fields(&crlf[part.header.clone()], &KEPT_FIELDS, false),
        Kind::Sort => return SortKeys::of(crlf).encode(),
        Kind::Thread => return ThreadKeys::of(crlf).encode(),
        Kind::Preview => syntax::write_string(&mut out, message::text::preview(crlf).as_bytes()),
    }
    out
}

/// The wire forms of BODY and BODYSTRUCTURE.
pub(crate) fn structure_forms(value: &[u8]) -> (&[u8], &[u8]) {
    let Some((length, forms)) = value.split_first_chunk() else { return (b"", b"") };
    forms.split_at(forms.len().min(u32::from_le_bytes(*length) as usize))
}

/// What the Date field says, as the day that is written in it, in days since 1970.
pub(crate) fn sent_day(kept_header: &[u8]) -> Option<i64> {
    let date = header::find(kept_header, "Date")?;
    let (time_s, offset_s) = message::parse_date_and_offset(&date.value())?;
    Some((time_s + offset_s).div_euclid(86_400))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_day_of_sending_is_the_one_that_is_written() {
        let day = |date: &str| sent_day(format!("Date: {date}\r\n\r\n").as_bytes());
        assert_eq!(day("Thu, 1 Jan 1970 23:59:59 -1100"), Some(0));
        assert_eq!(day("Fri, 2 Jan 1970 00:00:00 +1400"), Some(1));
        assert_eq!(day("Wed, 31 Dec 1969 23:00:00 EST"), Some(-1));
        assert_eq!(day("when it rains"), None);
        assert_eq!(sent_day(b"Subject: x\r\n\r\n"), None);
    }

    #[test]
    fn both_forms_of_a_structure_are_kept() {
        let message = b"Subject: x\r\n\r\ntext\r\n";
        let value = value_of(Kind::Structure, message, &mime::parse(message));
        let (body, extended) = structure_forms(&value);
        assert!(extended.starts_with(&body[..body.len() - 1]) && extended.len() > body.len());
        assert_eq!(structure_forms(b"a"), (&b""[..], &b""[..]), "what is no value is harmless");
        assert_eq!(structure_forms(&[255, 0, 0, 0, b'x']), (&b"x"[..], &b""[..]));
    }

    /// What is kept outlives an upgrade of the program. When this fails because a form was changed on purpose, raise the
    /// version of its kind, and take over the new digest.
    #[test]
    fn a_kind_that_gives_something_else_has_another_version() {
        let message = b"Date: Wed, 17 Jul 1996 02:23:25 -0700\r\nFrom: =?UTF-8?Q?Mar=C3=ADa?= <m@example.org>\r\n\
            To: A: b@x, c@y;\r\nSubject: Re: [x] \xe9\r\nMessage-ID: <2@x>\r\nReferences: <0@x> <1@x>\r\nX-Odd: 1\r\n\
            MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
            --b\r\n\r\nHola\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx\r\n--b--\r\n";
        let part = mime::parse(message);
        let kinds = TOGETHER.into_iter().chain([Kind::Preview]);
        let told = kinds.map(|kind| {
            let digest = message::examine(&value_of(kind, message, &part)).digest.to_string();
            format!("{kind:?} {} {}", kind.of_store().version, &digest[..16])
        });
        let expected = [
            "Envelope 1 2acd5af2314ddc6e",
            "Structure 1 cd8d2120ca5a7b4e",
            "Header 1 6f94a77c961430df",
            "Sort 2 e8f416aa14495522",
            "Thread 2 bb787054f8a4a242",
            "Preview 1 e46d3a8abfaf8ee7",
        ];
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }

    proptest! {
        #[test]
        fn kept_fields_are_answered_as_from_the_message(
            header in "((Subject|to|X-Odd|Date|From )?:[ a-z]{0,4}(\r\n[ \t][a-z]{0,3}){0,2}\r\n|[a-z]{0,4}\r?\n){0,6}[a-z]{0,3}",
        ) {
            let bytes = message::to_crlf(header.as_bytes());
            let part = mime::parse(&bytes);
            let names = ["SUBJECT", "TO", "FROM"];
            let kept = value_of(Kind::Header, &bytes, &part);
            let whole = mime::header_fields(&bytes[part.header.clone()], &names, false);
            prop_assert_eq!(mime::header_fields(&kept, &names, false), whole);
            prop_assert_eq!(sent_day(&kept), sent_day(&bytes));
        }
    }
}
