//! Modified UTF-7, the old encoding of mailbox names (RFC 3501 §5.1.3, RFC 9051 appendix A.1).
//!
//! ```text
//! name    = *(direct / "&-" / shift)
//! direct  = %x20-25 / %x27-7E               ; itself
//! shift   = "&" 1*base64-char "-"           ; UTF-16BE without padding, "," for "/"
//! ```
//!
//! A shift holds no character that stands for itself, and no shift follows directly on another: so every text has one
//! encoding, and what [`decode`] takes, [`encode`] gives back.

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

/// A name is not in modified UTF-7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Utf7Error {
    /// A character that may stand only inside a shift: a control character, or one that is not ASCII.
    #[error("a character that has to be encoded stands as itself at byte {at}")]
    Direct {
        /// Its place in bytes.
        at: usize,
    },
    /// A `&` without its `-`.
    #[error("the shift at byte {at} does not end")]
    Unended {
        /// The place of the `&`, in bytes.
        at: usize,
    },
    /// No base64, or bits left over that are not zero.
    #[error("the shift at byte {at} is no modified base64")]
    Base64 {
        /// The place of the `&`, in bytes.
        at: usize,
    },
    /// Half a code unit or half a surrogate pair.
    #[error("the shift at byte {at} holds no UTF-16")]
    Utf16 {
        /// The place of the `&`, in bytes.
        at: usize,
    },
    /// A shift that holds a character that stands for itself, or that follows on another shift.
    #[error("the shift at byte {at} is superfluous")]
    Superfluous {
        /// The place of the `&`, in bytes.
        at: usize,
    },
}

/// What [`decode_leniently`] made of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The text.
    pub text: String,
    /// Whether the name was malformed, so that encoding the text again gives another one.
    pub malformed: bool,
}

const BASE64: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::IMAP_MUTF7, NO_PAD);

/// Decodes a name.
///
/// # Errors
/// When it is malformed, with the first reason and its place.
pub fn decode(name: &str) -> Result<String, Utf7Error> {
    let mut text = String::with_capacity(name.len());
    let mut last_shift_end = None;
    let mut at = 0;
    while let Some(c) = name[at..].chars().next() {
        if c != '&' {
            if !is_direct(c) {
                return Err(Utf7Error::Direct { at });
            }
            text.push(c);
            at += 1;
            continue;
        }
        let (shifted, end) = decode_shift(name, at)?;
        // `&-` is no shift to Unicode: it may follow on one.
        if end > at + 2 {
            if last_shift_end == Some(at) || shifted.chars().any(|c| is_direct(c) || c == '&') {
                return Err(Utf7Error::Superfluous { at });
            }
            last_shift_end = Some(end);
        }
        text.push_str(&shifted);
        at = end;
    }
    Ok(text)
}

/// Decodes a name as far as it can be: superfluous shifts are decoded, characters that should have been encoded are
/// taken as they are, and a `&` that starts no shift stands for itself.
pub fn decode_leniently(name: &str) -> Decoded {
    if let Ok(text) = decode(name) {
        return Decoded { text, malformed: false };
    }
    let mut text = String::with_capacity(name.len());
    let mut at = 0;
    while let Some(c) = name[at..].chars().next() {
        match (c, decode_shift(name, at)) {
            ('&', Ok((shifted, end))) => {
                text.push_str(&shifted);
                at = end;
            }
            _ => {
                text.push(c);
                at += c.len_utf8();
            }
        }
    }
    Decoded { text, malformed: true }
}

/// Encodes a text.
pub fn encode(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    let mut utf16 = Vec::new();
    for c in text.chars() {
        if c == '&' || is_direct(c) {
            push_shift(&mut utf16, &mut name);
            name.push(c);
            if c == '&' {
                name.push('-');
            }
        } else {
            utf16.extend(c.encode_utf16(&mut [0; 2]).iter().flat_map(|unit| unit.to_be_bytes()));
        }
    }
    push_shift(&mut utf16, &mut name);
    name
}

/// Whether a character stands for itself.
fn is_direct(c: char) -> bool {
    matches!(c, ' '..='~') && c != '&'
}

/// Decodes the shift whose `&` stands at `at`; also gives where it ends.
fn decode_shift(name: &str, at: usize) -> Result<(String, usize), Utf7Error> {
    let rest = name.get(at + 1..).unwrap_or_default();
    let length = rest.find('-').ok_or(Utf7Error::Unended { at })?;
    let end = at + length + 2;
    if length == 0 {
        return Ok(("&".to_owned(), end));
    }
    let utf16 = BASE64.decode(&rest[..length]).map_err(|_| Utf7Error::Base64 { at })?;
    let (units, []) = utf16.as_chunks() else { return Err(Utf7Error::Utf16 { at }) };
    let units = units.iter().map(|unit| u16::from_be_bytes(*unit));
    let text = char::decode_utf16(units).collect::<Result<String, _>>().map_err(|_| Utf7Error::Utf16 { at })?;
    Ok((text, end))
}

/// Writes the code units collected so far as a shift, if there are any.
fn push_shift(utf16: &mut Vec<u8>, name: &mut String) {
    if !utf16.is_empty() {
        name.push('&');
        BASE64.encode_string(&mut *utf16, name);
        name.push('-');
        utf16.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_text_comes_back(text in ".{0,12}") {
            prop_assert_eq!(decode(&encode(&text)), Ok(text.clone()));
            prop_assert_eq!(decode_leniently(&encode(&text)), Decoded { text, malformed: false });
        }

        #[test]
        fn what_decodes_is_what_encoding_gives(name in "[&A,Z0/a~é-]{0,12}") {
            if let Ok(text) = decode(&name) {
                prop_assert_eq!(encode(&text), name);
            } else {
                prop_assert!(decode_leniently(&name).malformed);
            }
        }
    }
}
