//! A message whose bytes were read, and what FETCH takes out of it.

use crate::syntax::SectionText;
use message::mime::{self, Part, UnknownCte};
use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use store::BlobId;

/// What sessions may hold between them of messages that are fetched piece by piece.
const MAX_HELD_BYTES: usize = 256 * 1024 * 1024;

static HELD_BYTES: AtomicUsize = AtomicUsize::new(0);

/// A message in memory. It is parsed once, and only if a part of it is asked for.
pub(super) struct Opened {
    bytes: Vec<u8>,
    part: OnceLock<Part>,
}

impl Opened {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Opened { bytes, part: OnceLock::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    fn part(&self) -> &Part {
        self.part.get_or_init(|| mime::parse(&self.bytes))
    }

    /// A text of the message; `None` when it has no such part (`NIL`).
    pub(super) fn text(&self, part: &[u32], text: &SectionText) -> Option<Cow<'_, [u8]>> {
        let range = |text| self.part().section(part, text).map(|range| &self.bytes[range]);
        match text {
            SectionText::All if part.is_empty() => Some(Cow::Borrowed(&self.bytes)),
            SectionText::All => range(mime::SectionText::All).map(Cow::Borrowed),
            SectionText::Header => range(mime::SectionText::Header).map(Cow::Borrowed),
            SectionText::Text => range(mime::SectionText::Text).map(Cow::Borrowed),
            SectionText::Mime => range(mime::SectionText::Mime).map(Cow::Borrowed),
            SectionText::HeaderFields(names) => {
                range(mime::SectionText::Header).map(|header| Cow::Owned(mime::header_fields(header, names, false)))
            }
            SectionText::HeaderFieldsNot(names) => {
                range(mime::SectionText::Header).map(|header| Cow::Owned(mime::header_fields(header, names, true)))
            }
        }
    }

    /// A part with its transfer encoding undone; `None` when there is no such part. The whole message has none.
    pub(super) fn decoded(&self, part: &[u32]) -> Option<Result<Cow<'_, [u8]>, UnknownCte>> {
        if part.is_empty() {
            return Some(Ok(Cow::Borrowed(&self.bytes)));
        }
        let part = self.part().find(part)?;
        Some(mime::decode_body(part, &self.bytes[part.body.clone()]))
    }
}

/// A message that is being fetched piece by piece, held for the next piece: or else each piece would cost as much as all
/// of it.
pub(crate) struct Held {
    blob: BlobId,
    opened: Arc<Opened>,
}

impl Held {
    /// Holds a message, unless all sessions hold too much between them.
    pub(super) fn new(blob: BlobId, opened: Arc<Opened>) -> Option<Self> {
        let others = HELD_BYTES.fetch_add(opened.len(), Ordering::Relaxed);
        let held = Held { blob, opened };
        (others.saturating_add(held.opened.len()) <= MAX_HELD_BYTES).then_some(held)
    }

    /// Which message it is.
    pub(super) fn message(&self) -> (BlobId, Arc<Opened>) {
        (self.blob, self.opened.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD_BYTES.fetch_sub(self.opened.len(), Ordering::Relaxed);
    }
}

/// The octets that `<origin.count>` means: none beyond the end.
pub(super) fn piece(bytes: &[u8], partial: Option<(u64, u64)>) -> &[u8] {
    let Some((origin, count)) = partial else { return bytes };
    let place = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).min(bytes.len());
    &bytes[place(origin)..place(origin.saturating_add(count))]
}

/// Whether a piece was asked for that ends before the text does.
pub(super) fn leaves_more(bytes: &[u8], partial: Option<(u64, u64)>) -> bool {
    partial.is_some_and(|(origin, count)| origin.saturating_add(count) < bytes.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_ends_with_the_text() {
        assert_eq!(piece(b"abcdef", None), b"abcdef");
        assert_eq!(piece(b"abcdef", Some((2, 3))), b"cde");
        assert_eq!(piece(b"abcdef", Some((4, 100))), b"ef");
        assert_eq!(piece(b"abcdef", Some((6, 1))), b"");
        assert_eq!(piece(b"abcdef", Some((u64::MAX, u64::MAX))), b"");
    }
}
