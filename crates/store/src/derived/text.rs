//! A message's text as it is searched and kept, and what is looked for in it.

use memchr::memchr;
use memchr::memmem::Finder;
use message::text::{fold, searchable};
use std::fmt::Write;

/// As much of a message's text is kept and indexed. Longer ones are machines' logs; they are looked through from their
/// bytes where what is kept has no match.
pub(super) const MAX_TEXT_BYTES: usize = 1 << 20;
/// Of a needle's trigrams so many are asked for: more cost time and hardly rule out more.
const MAX_TRIGRAMS: usize = 16;
/// See `docs/design/search.md` for what other levels cost and save.
const ZSTD_LEVEL: i32 = 3;

/// Where to look for a needle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextScope {
    /// In the header or the body (RFC 9051 §6.4.4, TEXT).
    Text,
    /// In the body (BODY).
    Body,
}

/// The folded text of a message: header, [`BETWEEN`], body.
pub(super) struct Text(String);

/// Stands between header and body, and in neither, nor in a needle, since folding leaves no white space but the space: so
/// nothing is found across it.
const BETWEEN: u8 = b'\n';

impl Text {
    pub(super) fn of(crlf: &[u8]) -> Self {
        let found = searchable(crlf);
        let mut joined = folded(&found.header);
        joined.push(char::from(BETWEEN));
        joined.push_str(&folded(&found.body));
        Text(joined)
    }

    /// As much of it as is kept, and whether that is all.
    pub(super) fn kept(&self) -> (&str, bool) {
        let end = self.0.floor_char_boundary(MAX_TEXT_BYTES);
        (&self.0[..end], end == self.0.len())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Folds for comparing, texts and needles alike.
fn folded(text: &str) -> String {
    let mut folded = fold(text);
    // It ends what SQLite takes for a text.
    if folded.contains('\0') {
        folded = folded.replace('\0', "\u{FFFD}");
    }
    folded
}

/// Packs texts.
pub(super) struct Packer(zstd::bulk::Compressor<'static>);

impl Packer {
    pub(super) fn new() -> std::io::Result<Self> {
        let mut compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
        // What a worn disk made of it is as good as absent.
        compressor.include_checksum(true)?;
        Ok(Packer(compressor))
    }

    /// What is kept of a text, as one zstd frame.
    pub(super) fn pack(&mut self, text: &Text) -> std::io::Result<Vec<u8>> {
        self.0.compress(text.kept().0.as_bytes())
    }
}

/// Unpacks texts into one buffer.
pub(super) struct Unpacker {
    decompressor: zstd::bulk::Decompressor<'static>,
    buffer: Vec<u8>,
}

impl Unpacker {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Unpacker { decompressor: zstd::bulk::Decompressor::new()?, buffer: Vec::with_capacity(MAX_TEXT_BYTES) })
    }

    /// The kept text; `None` when it is damaged.
    pub(super) fn unpack(&mut self, packed: &[u8]) -> Option<&[u8]> {
        self.buffer.clear();
        self.decompressor.decompress_to_buffer(packed, &mut self.buffer).ok()?;
        // No frame at all is no error to zstd.
        Some(self.buffer.as_slice()).filter(|text| !text.is_empty())
    }
}

/// Needles that must all be found.
pub(super) struct Query(Vec<Needle>);

struct Needle {
    scope: TextScope,
    folded: String,
    finder: Finder<'static>,
}

impl Query {
    /// An empty needle is in every text, so it is left out.
    pub(super) fn new(needles: &[(TextScope, &str)]) -> Self {
        let folded = needles.iter().map(|(scope, text)| (*scope, folded(text))).filter(|(_, f)| !f.is_empty());
        let needles = folded.map(|(scope, folded)| {
            let finder = Finder::new(folded.as_bytes()).into_owned();
            Needle { scope, folded, finder }
        });
        Query(needles.collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a text, or what is kept of it, holds every needle.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        let body = memchr(BETWEEN, text).map_or(&[][..], |at| &text[at..]);
        self.0.iter().all(|needle| {
            let place = match needle.scope {
                TextScope::Text => text,
                TextScope::Body => body,
            };
            needle.finder.find(place).is_some()
        })
    }

    /// What FTS5 is asked: every trigram of the needles, or enough of them. `None` when none is so long.
    pub(super) fn expression(&self) -> Option<String> {
        let mut trigrams: Vec<&str> = self.0.iter().flat_map(|n| trigrams(&n.folded)).collect();
        trigrams.sort_unstable();
        trigrams.dedup();
        let step = trigrams.len().div_ceil(MAX_TRIGRAMS).max(1);
        let mut expression = String::new();
        for trigram in trigrams.into_iter().step_by(step) {
            let and = if expression.is_empty() { "" } else { " AND " };
            write!(expression, "{and}\"{}\"", trigram.replace('"', "\"\"")).expect("a String takes any text");
        }
        Some(expression).filter(|e| !e.is_empty())
    }
}

/// Every three characters that follow each other.
fn trigrams(text: &str) -> impl Iterator<Item = &str> {
    let starts = text.char_indices().map(|(at, _)| at);
    let ends = text.char_indices().skip(2).map(|(at, c)| at + c.len_utf8());
    starts.zip(ends).map(|(start, end)| &text[start..end])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn expression(needles: &[&str]) -> Option<String> {
        Query::new(&needles.iter().map(|n| (TextScope::Text, *n)).collect::<Vec<_>>()).expression()
    }

    #[test]
    fn needles_become_the_trigrams_that_their_texts_must_have() {
        assert_eq!(expression(&[]), None);
        assert_eq!(expression(&["", "a", "ñu"]), None);
        assert_eq!(expression(&["Año"]).unwrap(), "\"ano\"");
        assert_eq!(expression(&["bcab\"", "abc"]).unwrap(), r#""ab""" AND "abc" AND "bca" AND "cab""#);
        assert_eq!(expression(&["世界 \u{1F600}"]).unwrap(), "\"世界 \" AND \"界 \u{1F600}\"");
        let long: String = ('!'..'z').collect();
        assert!(expression(&[&long]).unwrap().matches(" AND ").count() < MAX_TRIGRAMS);
    }

    #[test]
    fn what_is_packed_is_found_again_and_what_is_damaged_is_not() {
        let text = Text::of(b"Subject: Hola\r\n\r\nAdi\xC3\xB3s\r\n");
        let packed = Packer::new().unwrap().pack(&text).unwrap();
        let mut unpacker = Unpacker::new().unwrap();
        let kept = unpacker.unpack(&packed).unwrap();
        assert!(Query::new(&[(TextScope::Text, "hola"), (TextScope::Body, "ADIOS")]).matches(kept));
        assert!(!Query::new(&[(TextScope::Body, "hola")]).matches(kept));
        for length in 0..packed.len() {
            assert!(unpacker.unpack(&packed[..length]).is_none(), "{length}");
        }
        for at in 0..packed.len() {
            let mut damaged = packed.clone();
            damaged[at] ^= 0x10;
            let found = unpacker.unpack(&damaged).map(<[u8]>::to_vec);
            assert!(found.is_none_or(|found| found == text.as_bytes()), "{at}");
        }
    }

    #[test]
    fn as_much_as_is_kept_ends_between_characters() {
        let long = Text("x".repeat(MAX_TEXT_BYTES - 1) + "ñ");
        let (kept, whole) = long.kept();
        assert_eq!((kept.len(), whole), (MAX_TEXT_BYTES - 1, false));
        let packed = Packer::new().unwrap().pack(&long).unwrap();
        assert_eq!(Unpacker::new().unwrap().unpack(&packed).unwrap().len(), MAX_TEXT_BYTES - 1);
        let just = Text("x".repeat(MAX_TEXT_BYTES));
        assert_eq!(just.kept(), (just.0.as_str(), true));
    }
}
