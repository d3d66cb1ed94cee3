//! Header text for people to read: encoded words decoded, raw bytes made characters (RFC 2047).
//!
//! ```text
//! encoded-word = "=?" charset [ "*" language ] "?" ( "B" / "Q" ) "?" encoded-text "?="
//! ```
//!
//! Tolerated: encoded words that touch other text, that are longer than 75 characters or hold spaces, and a character
//! cut in two by the end of an encoded word. A word in a charset that is not known here, or that is no base64, is left
//! as it is written.

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use memchr::memmem;

/// How many bytes of a value are looked at: more than any reader reads.
const LIMIT_BYTES: usize = 16 * 1024;

/// A charset that can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Charset {
    Utf8,
    /// Also ISO-8859-1 and US-ASCII: what says to be those often is this, and where they have printable characters they
    /// agree.
    Windows1252,
    Iso8859_15,
}

/// The bytes of an encoded word and how to read them.
struct Word {
    charset: Charset,
    bytes: Vec<u8>,
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
    let mut rest = first_bytes(value);
    let mut text = String::with_capacity(rest.len());
    // The bytes of encoded words that stand beside each other are decoded together.
    let mut pending: Option<Word> = None;
    while let Some(start) = memmem::find(rest, b"=?") {
        let (before, at_word) = rest.split_at(start);
        let Some((word, length)) = parse_word(at_word) else {
            push_decoded(pending.take(), &mut text);
            text.push_str(&raw_text(&rest[..start + 2]));
            rest = &rest[start + 2..];
            continue;
        };
        rest = &at_word[length..];
        // RFC 2047 §6.2: white space between two encoded words is not shown.
        let beside = pending.is_some() && before.iter().all(u8::is_ascii_whitespace);
        if !beside {
            push_decoded(pending.take(), &mut text);
            text.push_str(&raw_text(before));
        }
        match &mut pending {
            Some(last) if last.charset == word.charset => last.bytes.extend(word.bytes),
            _ => {
                push_decoded(pending.take(), &mut text);
                pending = Some(word);
            }
        }
    }
    push_decoded(pending.take(), &mut text);
    text.push_str(&raw_text(rest));
    printable(&text)
}

/// Bytes that say no charset: UTF-8 where they are, else windows-1252.
pub(crate) fn raw_text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => decode(Charset::Windows1252, bytes),
    }
}

/// As much of a value as is looked at, not cut inside a character of UTF-8.
fn first_bytes(value: &[u8]) -> &[u8] {
    let end = (LIMIT_BYTES - 3..=LIMIT_BYTES).rev().find(|&end| value.get(end).is_none_or(|b| b & 0xC0 != 0x80));
    &value[..end.unwrap_or(LIMIT_BYTES).min(value.len())]
}

fn push_decoded(word: Option<Word>, text: &mut String) {
    if let Some(word) = word {
        text.push_str(&decode(word.charset, &word.bytes));
    }
}

/// Reads the encoded word at the start of `bytes`; also gives its length.
fn parse_word(bytes: &[u8]) -> Option<(Word, usize)> {
    let after_start = bytes.strip_prefix(b"=?")?;
    let charset_length = memchr::memchr(b'?', after_start)?;
    let charset = charset_of(&after_start[..charset_length])?;
    let [encoding, b'?', encoded @ ..] = &after_start[charset_length + 1..] else { return None };
    let encoded_length = memmem::find(encoded, b"?=")?;
    let text = &encoded[..encoded_length];
    if memmem::find(text, b"=?").is_some() {
        // It does not end: this is the end of the next one.
        return None;
    }
    let bytes = match encoding {
        b'B' | b'b' => decode_b(text)?,
        b'Q' | b'q' => decode_q(text),
        _ => return None,
    };
    Some((Word { charset, bytes }, 2 + charset_length + 3 + encoded_length + 2))
}

fn charset_of(name: &[u8]) -> Option<Charset> {
    let name = name.split(|b| *b == b'*').next()?;
    let is = |known: &[&str]| known.iter().any(|k| name.eq_ignore_ascii_case(k.as_bytes()));
    if is(&["utf-8", "utf8"]) {
        Some(Charset::Utf8)
    } else if is(&["us-ascii", "ascii", "iso-8859-1", "iso8859-1", "latin1", "windows-1252", "cp1252"]) {
        Some(Charset::Windows1252)
    } else if is(&["iso-8859-15", "iso8859-15", "latin9"]) {
        Some(Charset::Iso8859_15)
    } else {
        None
    }
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

/// Decodes bytes; what no charset can have becomes U+FFFD.
fn decode(charset: Charset, bytes: &[u8]) -> String {
    match charset {
        Charset::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
        Charset::Windows1252 => bytes.iter().map(|b| windows_1252(*b)).collect(),
        Charset::Iso8859_15 => bytes.iter().map(|b| iso_8859_15(*b)).collect(),
    }
}

fn windows_1252(byte: u8) -> char {
    const C1: [char; 32] = [
        '€', '\u{FFFD}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{FFFD}', 'Ž', '\u{FFFD}',
        '\u{FFFD}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{FFFD}', 'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9F => C1[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

fn iso_8859_15(byte: u8) -> char {
    match byte {
        0xA4 => '€',
        0xA6 => 'Š',
        0xA8 => 'š',
        0xB4 => 'Ž',
        0xB8 => 'ž',
        0xBC => 'Œ',
        0xBD => 'œ',
        0xBE => 'Ÿ',
        _ => char::from(byte),
    }
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
