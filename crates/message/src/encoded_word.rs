//! Header text for people to read: encoded words decoded, raw bytes made characters (RFC 2047).
//!
//! ```text
//! encoded-word = "=?" charset [ "*" language ] "?" ( "B" / "Q" ) "?" encoded-text "?="
//! ```
//!
//! Tolerated: encoded words that touch other text, that are longer than 75 characters or hold spaces, and a character
//! cut in two by the end of an encoded word. A word in a charset that is not known here, or that is no base64, is left
//! as it is written.

use crate::charset;
use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use encoding_rs::Encoding;
use memchr::{memchr_iter, memmem};

/// How many bytes of a value are looked at: more than any reader reads.
const LIMIT_BYTES: usize = 16 * 1024;

/// The bytes of encoded words that stand beside each other, and how to read them.
struct Words {
    charset: &'static Encoding,
    bytes: Vec<u8>,
    /// Where each word but the first begins.
    begins: Vec<usize>,
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A header field's value as text: encoded words decoded, other bytes read as UTF-8 or, where they are not, as
/// windows-1252. Folds are undone and tabs become spaces; other control characters and those that turn the direction of writing
/// are left out, so that the text can stand in a report. Looks at the first 16 KiB.
pub fn decoded_header(value: &[u8]) -> String {
    decoded(first_bytes(value))
}

/// As [`decoded_header`], all of the value.
pub(crate) fn decoded(value: &[u8]) -> String {
    let mut rest = value;
    let mut text = String::with_capacity(rest.len());
    let mut pending: Option<Words> = None;
    while let Some(start) = memmem::find(rest, b"=?") {
        let (before, at_word) = rest.split_at(start);
        let Some((word, length)) = parse_word(at_word) else {
            push_decoded(pending.take(), &mut text);
            text.push_str(&charset::guess(&rest[..start + 2]));
            rest = &rest[start + 2..];
            continue;
        };
        rest = &at_word[length..];
        // RFC 2047 §6.2: white space between two encoded words is not shown.
        let beside = pending.is_some() && before.iter().all(u8::is_ascii_whitespace);
        if !beside {
            push_decoded(pending.take(), &mut text);
            text.push_str(&charset::guess(before));
        }
        match &mut pending {
            Some(last) if last.charset == word.charset => last.add(&word.bytes),
            _ => {
                push_decoded(pending.take(), &mut text);
                pending = Some(word);
            }
        }
    }
    push_decoded(pending.take(), &mut text);
    text.push_str(&charset::guess(rest));
    printable(&text)
}

/// As much of a value as is looked at, not cut inside a character of UTF-8.
fn first_bytes(value: &[u8]) -> &[u8] {
    let end = (LIMIT_BYTES - 3..=LIMIT_BYTES).rev().find(|&end| value.get(end).is_none_or(|b| b & 0xC0 != 0x80));
    &value[..end.unwrap_or(LIMIT_BYTES).min(value.len())]
}

fn push_decoded(words: Option<Words>, text: &mut String) {
    if let Some(words) = words {
        text.push_str(&words.decoded());
    }
}

impl Words {
    fn add(&mut self, word: &[u8]) {
        self.begins.push(self.bytes.len());
        self.bytes.extend_from_slice(word);
    }

    /// Decodes the words together, because a character may be cut in two between them; each for itself where that leaves
    /// less unread: words of ISO-2022-JP that end in ASCII, as RFC 2047 §3 asks, do not join.
    fn decoded(&self) -> String {
        let together = charset::decode(self.charset, &self.bytes);
        if !together.contains(char::REPLACEMENT_CHARACTER) || self.begins.is_empty() {
            return together;
        }
        let ends = self.begins.iter().copied().chain([self.bytes.len()]);
        let words = std::iter::once(0).chain(self.begins.iter().copied()).zip(ends);
        let apart: String = words.map(|(begin, end)| charset::decode(self.charset, &self.bytes[begin..end])).collect();
        let unread = |text: &str| text.matches(char::REPLACEMENT_CHARACTER).count();
        if unread(&apart) < unread(&together) { apart } else { together }
    }
}

/// Reads the encoded word at the start of `bytes`; also gives its length.
fn parse_word(bytes: &[u8]) -> Option<(Words, usize)> {
    let after_start = bytes.strip_prefix(b"=?")?;
    let charset_length = memchr::memchr(b'?', after_start)?;
    // RFC 2231 §5: a language may follow on the name.
    let charset = charset::named(after_start[..charset_length].split(|b| *b == b'*').next()?)?;
    let [encoding, b'?', encoded @ ..] = &after_start[charset_length + 1..] else { return None };
    let encoded_length = encoded_length(encoded)?;
    let text = &encoded[..encoded_length];
    let bytes = match encoding {
        b'B' | b'b' => decode_b(text)?,
        b'Q' | b'q' => decode_q(text),
        _ => return None,
    };
    Some((Words { charset, bytes, begins: Vec::new() }, 2 + charset_length + 3 + encoded_length + 2))
}

/// Where the `?=` of an encoded text stands. Where the next word begins before it, this one does not end; so nothing is
/// searched twice.
fn encoded_length(encoded: &[u8]) -> Option<usize> {
    for mark in memchr_iter(b'?', encoded) {
        if encoded.get(mark + 1) == Some(&b'=') {
            return Some(mark);
        }
        if mark > 0 && encoded[mark - 1] == b'=' {
            return None;
        }
    }
    None
}

fn decode_b(text: &[u8]) -> Option<Vec<u8>> {
    let text: Vec<u8> = text.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    BASE64.decode(text).ok()
}

/// RFC 2047 §4.2; a `=` without two hexadecimal digits stands for itself.
fn decode_q(text: &[u8]) -> Vec<u8> {
    let hex = |b: u8| char::from(b).to_digit(16).map(|digit| digit as u8);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        match (*first, after) {
            (b'_', _) => bytes.push(b' '),
            (b'=', [high, low, after_hex @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after_hex;
                }
                _ => bytes.push(b'='),
            },
            (other, _) => bytes.push(other),
        }
    }
    bytes
}

/// Text without what could break the line, the terminal or the order of the characters around it.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' | '\u{2028}' | '\u{2029}' => shown.push(' '),
            '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => {}
            _ if c.is_control() => {}
            _ => shown.push(c),
        }
    }
    shown
}
