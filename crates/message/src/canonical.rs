//! The canonical form of a message and its identity (`RULES.md 2.2`).
//!
//! Bytes come in CRLF form; a line ends with CRLF and nothing else. The form is made as follows, and
//! `docs/design/identity.md` gives the reasons and examples:
//!
//! 1. The header ends before the first empty line. Without one, all of it is header and the body is empty.
//! 2. A line that starts with a space or tab continues the line before; it is kept or dropped with it.
//! 3. A field (see [`lines`]) whose name is in [`DROPPED`], compared without regard to case, is dropped.
//! 4. A line that starts with `From ` and is no field (`From : ana@…` is one) is dropped while nothing kept stands before
//!    it. Only the line: what looks like its continuation is kept, as a line that is no field.
//! 5. Any other field becomes its name as written, white space before the colon included, the colon, and its value: the
//!    CRLFs inside it removed, the white space after them kept, then spaces and tabs at both ends removed.
//! 6. Any other line is kept byte for byte, with the lines that continue it.
//! 7. Each line of the header ends with CRLF, the last one too. One empty line follows, always.
//! 8. The body follows, without the CRLFs at its end. A line of spaces is not blank, and neither CR alone nor NUL is white
//!    space, so all of these stay.
//!
//! The form of a form is itself.

use crate::digest::{Digest, Identity};
use crate::lines::{self, Line};
use memchr::memmem;
use std::borrow::Cow;

/// The header fields that stores and clients write about a message (`RULES.md 2.2`).
pub(crate) const DROPPED: [&str; 17] = [
    "Status",
    "X-Status",
    "X-UID",
    "X-UIDL",
    "X-Keywords",
    "X-IMAP",
    "X-IMAPbase",
    "X-Account-Key",
    "X-Mozilla-Status",
    "X-Mozilla-Status2",
    "X-Mozilla-Keys",
    "X-Evolution",
    "X-Evolution-Source",
    "Content-Length",
    "Lines",
    "X-OfflineIMAP",
    "X-TUID",
];

/// A canonical form up to this long is laid out and hashed at one go, which BLAKE3 does faster than by pieces. A longer
/// one is hashed from where it lies, so that a message of gigabytes needs no second copy of itself.
const AT_ONCE_BYTES: usize = 64 * 1024;

/// What one pass over a message tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// The content digest (`RULES.md 2.1`).
    pub digest: Digest,
    /// The identity (`RULES.md 2.2`).
    pub identity: Identity,
    /// The Message-ID as a key: the first 8 bytes, big-endian, of BLAKE3 of the first Message-ID field's value,
    /// unfolded and trimmed, otherwise exact. `None` without the field, when it is empty, or when the bytes end inside
    /// it. A key finds candidates; only identities and forms say what is the same.
    pub message_id: Option<u64>,
    /// The first line of the canonical header (`Name:value` without its CRLF) as such a key. `None` when no line that is
    /// kept is complete. Finds whole copies of a message that ends early in its header.
    pub first_field: Option<u64>,
    /// The size in CRLF form, in bytes.
    pub size_bytes: u64,
    /// Whether the header ends with an empty line.
    pub header_complete: bool,
    /// Whether the bytes end inside a header line, before its line ending.
    pub ends_in_header_line: bool,
    /// How many NULs stand at the end. Equal to `size_bytes`: there is nothing else (`RULES.md 9.1`).
    pub trailing_nuls: u64,
}

/// Examines a message in CRLF form.
///
/// The time goes into hashing all of it twice; besides the message, memory is a constant.
pub fn examine(crlf: &[u8]) -> Examined {
    let parts = lines::split(crlf);
    let body = without_blank_end(parts.body);
    let mut form = Vec::with_capacity(AT_ONCE_BYTES.min(crlf.len() + 4));
    let mut hasher = None;
    let mut message_id = None;
    let mut first_field = None;
    for line in kept_lines(parts.header) {
        if message_id.is_none() {
            message_id = message_id_of(&line).map(|id| key(&id));
        }
        let start = form.len();
        line.push_canonical(&mut form);
        if first_field.is_none() && line.is_ended() {
            first_field = Some(key(first_line(&form[start..])));
        }
        if form.len() > AT_ONCE_BYTES {
            hasher.get_or_insert_with(blake3::Hasher::new).update(&form);
            form.clear();
        }
    }
    form.extend_from_slice(b"\r\n");
    let identity = if hasher.is_none() && form.len() + body.len() <= AT_ONCE_BYTES {
        form.extend_from_slice(body);
        blake3::hash(&form)
    } else {
        hasher.get_or_insert_with(blake3::Hasher::new).update(&form).update(body).finalize()
    };
    Examined {
        digest: blake3::hash(crlf).into(),
        identity: identity.into(),
        message_id,
        first_field,
        size_bytes: crlf.len() as u64,
        header_complete: parts.header_complete,
        ends_in_header_line: !parts.header.is_empty() && !parts.header.ends_with(b"\r\n"),
        trailing_nuls: crlf.iter().rev().take_while(|b| **b == 0).count() as u64,
    }
}

/// The canonical form of a message in CRLF form.
pub fn canonical(crlf: &[u8]) -> Vec<u8> {
    let parts = lines::split(crlf);
    let mut form = canonical_header(parts.header);
    form.extend_from_slice(b"\r\n");
    form.extend_from_slice(without_blank_end(parts.body));
    form
}

/// The lines of a header that the canonical form has.
pub(crate) fn kept_lines(header: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut at_start = true;
    lines::lines(header).filter(|line| !is_dropped(line)).filter_map(move |line| {
        let kept = if at_start && line.is_mbox_line() { line.continuation()? } else { line };
        at_start = false;
        Some(kept)
    })
}

/// The canonical form of a header.
pub(crate) fn canonical_header(header: &[u8]) -> Vec<u8> {
    let mut form = Vec::new();
    kept_lines(header).for_each(|line| line.push_canonical(&mut form));
    form
}

/// A body without the blank lines at its end, nor the ending of its last line.
pub(crate) fn without_blank_end(mut body: &[u8]) -> &[u8] {
    while let Some(rest) = body.strip_suffix(b"\r\n") {
        body = rest;
    }
    body
}

/// Whether the rule drops a line.
pub(crate) fn is_dropped(line: &Line<'_>) -> bool {
    line.is_named(&DROPPED)
}

/// The value of a Message-ID field, where the line is one and its value is there to its end.
///
/// A line without its ending may have been cut; a `>` at its end says that it was not.
pub(crate) fn message_id_of<'a>(line: &Line<'a>) -> Option<Cow<'a, [u8]>> {
    if !line.is_named(&["Message-ID"]) {
        return None;
    }
    let value = line.value();
    (!value.is_empty() && (line.is_ended() || value.ends_with(b">"))).then_some(value)
}

fn first_line(form: &[u8]) -> &[u8] {
    let end = memmem::find(form, b"\r\n").unwrap_or(form.len());
    &form[..end]
}

fn key(bytes: &[u8]) -> u64 {
    let hash = blake3::hash(bytes);
    let (first, _) = hash.as_bytes().split_first_chunk().expect("32 bytes hold 8");
    u64::from_be_bytes(*first)
}
