//! A header field as it is written: folded, and with encoded words where its text needs them (RFC 5322 §2.2, RFC 2047).
//!
//! ```text
//! optional-field = field-name ":" unstructured CRLF
//! field-name     = 1*ftext        ; %d33-57 / %d59-126: printable, no colon
//! unstructured   = *([FWS] VCHAR) *WSP
//! ```

use crate::Address;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::ops::Range;
use std::sync::Arc;

/// Lines are folded where they would be longer, in bytes without their CRLF (RFC 5322 §2.1.1, RFC 2047 §2).
const LINE_BYTES: usize = 76;
/// The longest name, in bytes: with it a line that is not folded keeps to 998 (RFC 5322 §2.1.1).
const MAX_NAME_BYTES: usize = 128;
/// The longest word that is written as it is, in bytes: a line cannot be folded within it.
const MAX_PLAIN_WORD_BYTES: usize = 700;
/// How much text an encoded word takes, in bytes: none is longer than 75 then (RFC 2047 §2).
const ENCODED_BYTES: usize = 45;
/// The same of one that begins a value, at least: it is cut to stand beside the name, unless it would be shorter than this.
const MIN_ENCODED_BYTES: usize = 12;
/// What stands about the text of an encoded word, in bytes.
const ABOUT_ENCODED_BYTES: usize = "=?UTF-8?B??=".len();

/// A header field that may be put into any message. It is one field whatever its text was, and ASCII but for an address that is
/// not (RFC 6532). Its copies share their bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewField(Arc<[u8]>);

/// A text cannot be written as a header field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The name is none (RFC 5322 §3.6.8).
    #[error("{name:?} cannot be the name of a header field: it has printable ASCII characters, no space and no colon")]
    Name {
        /// As given.
        name: String,
    },
    /// The name is longer than one can be.
    #[error("a header field's name of {bytes} bytes is longer than {MAX_NAME_BYTES}")]
    LongName {
        /// Its length.
        bytes: usize,
    },
    /// The value has a line end or another control character in it.
    #[error("a header field's value has a line end or another control character in it")]
    Control,
}

impl NewField {
    /// Writes a field. White space about the value is left out, all other text is found again by
    /// [`decoded_header`](crate::decoded_header): what looks like an encoded word is text too.
    ///
    /// # Errors
    /// When the name is none or too long, or the value holds a control character: a line end might begin another field.
    pub fn new(name: &str, value: &str) -> Result<Self, FieldError> {
        Self::check_name(name)?;
        if value.chars().any(|c| c.is_ascii_control() && c != '\t') {
            return Err(FieldError::Control);
        }
        Ok(NewField::of(name, &pieces(name, value.trim_matches(is_wsp))))
    }

    /// Writes a field of one mailbox (RFC 5322 §3.4): `display-name <address>`. Control characters in the name of its owner
    /// become spaces.
    ///
    /// # Errors
    /// When the field's name is none or too long.
    pub fn mailbox(name: &str, owner: &str, address: &Address) -> Result<Self, FieldError> {
        Self::check_name(name)?;
        let owner = owner.replace(|c: char| c.is_control(), " ");
        let owner = owner.trim();
        let mut pieces = match owner.chars().all(|c| c.is_ascii_alphanumeric() || " !#$%&'*+-/=^_`{|}~".contains(c)) {
            true => pieces(name, owner),
            false => {
                let mut pieces = Vec::new();
                push_encoded(name, " ", owner, &mut pieces);
                pieces
            }
        };
        pieces.push((" ", format!("<{address}>"), false));
        Ok(NewField::of(name, &pieces))
    }

    /// Folds what a value is made of.
    fn of(name: &str, pieces: &[Piece<'_>]) -> Self {
        let mut out = format!("{name}:");
        let mut column = out.len();
        for (at, (gap, word, is_encoded)) in pieces.iter().enumerate() {
            // A name alone on its line is allowed, but not every program reads it.
            if column + gap.len() + word.len() > LINE_BYTES && (at > 0 || *is_encoded) {
                out.push_str("\r\n");
                column = 0;
            }
            out.push_str(gap);
            out.push_str(word);
            column += gap.len() + word.len();
        }
        out.push_str("\r\n");
        NewField(out.into_bytes().into())
    }

    /// Whether a text can be the name of a header field.
    ///
    /// # Errors
    /// Why not.
    pub fn check_name(name: &str) -> Result<(), FieldError> {
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic() && b != b':') {
            return Err(FieldError::Name { name: name.to_owned() });
        }
        if name.len() > MAX_NAME_BYTES {
            return Err(FieldError::LongName { bytes: name.len() });
        }
        Ok(())
    }

    /// Its bytes, the CRLF at the end included.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn is_wsp(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

/// The white space before a word, the word, and whether it is an encoded one.
type Piece<'v> = (&'v str, String, bool);

/// The value of a field as words.
fn pieces<'v>(name: &str, value: &'v str) -> Vec<Piece<'v>> {
    let words = words(value);
    // White space that fills a line can be folded nowhere but within encoded words.
    let all_encoded = words.windows(2).any(|pair| pair[1].start - pair[0].end > LINE_BYTES);
    let is_plain = |word: &Range<usize>| {
        let text = &value[word.clone()];
        !all_encoded && text.is_ascii() && !text.contains("=?") && text.len() <= MAX_PLAIN_WORD_BYTES
    };
    let mut pieces = Vec::with_capacity(words.len());
    let mut rest = &words[..];
    let mut end_before = 0;
    while let Some(first) = rest.first() {
        let gap = if end_before == 0 { " " } else { &value[end_before..first.start] };
        // What is encoded beside each other is encoded with the space between: that between encoded words is not shown
        // (RFC 2047 §6.2).
        let count = if is_plain(first) { 1 } else { rest.iter().take_while(|word| !is_plain(word)).count() };
        let end = rest[count - 1].end;
        let text = &value[first.start..end];
        match is_plain(first) {
            true => pieces.push((gap, text.to_owned(), false)),
            false => push_encoded(name, gap, text, &mut pieces),
        }
        (rest, end_before) = (&rest[count..], end);
    }
    pieces
}

/// Where the words of a value stand.
fn words(value: &str) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::new();
    for (at, c) in value.char_indices().filter(|(_, c)| !is_wsp(*c)) {
        match words.last_mut() {
            Some(last) if last.end == at => last.end += c.len_utf8(),
            _ => words.push(at..at + c.len_utf8()),
        }
    }
    words
}

/// RFC 2047 §2 and §5: a character is never cut in two.
fn push_encoded<'v>(name: &str, gap: &'v str, text: &str, pieces: &mut Vec<Piece<'v>>) {
    let (mut gap, mut rest) = (gap, text);
    let room = LINE_BYTES.saturating_sub(name.len() + ":".len() + gap.len() + ABOUT_ENCODED_BYTES) / 4 * 3;
    let mut most = match pieces.is_empty() && room >= MIN_ENCODED_BYTES {
        true => room.min(ENCODED_BYTES),
        false => ENCODED_BYTES,
    };
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(most));
        pieces.push((gap, format!("=?UTF-8?B?{}?=", STANDARD.encode(piece)), true));
        (gap, rest, most) = (" ", after, ENCODED_BYTES);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{decoded_header, header};
    use proptest::prelude::*;

    fn written(name: &str, value: &str) -> String {
        String::from_utf8(NewField::new(name, value).unwrap().as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn fields_by_table() {
        for (name, value, expected) in [
            ("X-A", "plain  text", "X-A: plain  text\r\n"),
            ("X-A", " \t spaced\tout ", "X-A: spaced\tout\r\n"),
            ("X-A", "", "X-A:\r\n"),
            ("!#~", "a:b", "!#~: a:b\r\n"),
            ("Subject", "[list] año nuevo", "Subject: [list] =?UTF-8?B?YcOxbw==?= nuevo\r\n"),
            ("Subject", "=?utf-8?q?x?= y", "Subject: =?UTF-8?B?PT91dGYtOD9xP3g/PQ==?= y\r\n"),
        ] {
            assert_eq!(written(name, value), expected);
        }
        let long = written("X-Long", &"word ".repeat(40));
        assert!(
            long.starts_with("X-Long: word ") && long.split_terminator("\r\n").all(|line| line.len() <= 76),
            "{long}"
        );
        assert!(long.split_terminator("\r\n").skip(1).all(|line| line.starts_with(" word")), "{long}");
        // Where nothing can be folded, encoded words can.
        for value in [&"x".repeat(5000), &format!("a{}b", " ".repeat(5000)), &"ñ".repeat(3000)] {
            let field = written(&"N".repeat(128), value);
            assert!(field.split_terminator("\r\n").all(|line| line.len() <= 129), "{field}");
        }
    }

    #[test]
    fn encoded_words_begin_beside_the_name() {
        let subject = written("Subject", &"ñ".repeat(60));
        let lines: Vec<&str> = subject.split_terminator("\r\n").collect();
        assert!(lines[0].starts_with("Subject: =?UTF-8?B?") && lines.iter().all(|line| line.len() <= 76), "{subject}");
        assert_eq!(lines.len(), 3);
        // Where there is no room for as much as a word, it stands below.
        assert!(written(&"N".repeat(60), "ñandú").starts_with(&format!("{}:\r\n =?", "N".repeat(60))));
    }

    #[test]
    fn mailboxes_by_table() {
        let address = Address::new("yo@example.com").unwrap();
        for (owner, expected) in [
            ("Eva Ruiz", "From: Eva Ruiz <yo@example.com>\r\n"),
            ("", "From: <yo@example.com>\r\n"),
            ("Ruiz, Eva", "From: =?UTF-8?B?UnVpeiwgRXZh?= <yo@example.com>\r\n"),
            ("Añil <a@x>", "From: =?UTF-8?B?QcOxaWwgPGFAeD4=?= <yo@example.com>\r\n"),
            ("a\r\nBcc: b", "From: =?UTF-8?B?YSAgQmNjOiBi?= <yo@example.com>\r\n"),
        ] {
            let field = NewField::mailbox("From", owner, &address).unwrap();
            assert_eq!(String::from_utf8_lossy(field.as_bytes()), expected);
        }
        let long = NewField::mailbox("From", &"ñandú ".repeat(20), &address).unwrap();
        assert!(long.as_bytes().split(|byte| *byte == b'\n').all(|line| line.len() <= 77));
        assert!(NewField::mailbox("From:", "", &address).is_err());
    }

    #[test]
    fn what_would_be_more_than_a_field_is_refused() {
        for name in ["", "a b", "a:", "a\r\nBcc", "ñ", "a\0", "\u{7f}"] {
            assert_eq!(NewField::new(name, "x"), Err(FieldError::Name { name: name.to_owned() }));
        }
        assert_eq!(NewField::new(&"x".repeat(129), ""), Err(FieldError::LongName { bytes: 129 }));
        for value in ["a\r\nBcc: b@x", "a\n b", "a\r", "\0", "a\u{7f}", "\u{b}"] {
            assert_eq!(NewField::new("X", value), Err(FieldError::Control), "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_one_field_and_found_again(
            value in "[a-z ñ\u{1F4E7}\t<>\"@,()=?Q]{0,400}",
            name in "[!-9;-~]{1,100}",
        ) {
            let field = NewField::new(&name, &value).unwrap();
            prop_assert!(field.as_bytes().is_ascii());
            let message = [field.as_bytes(), b"B: c\r\n\r\n"].concat();
            let fields: Vec<_> = header::fields(&message).collect();
            prop_assert_eq!(fields.len(), 2);
            prop_assert!(fields[0].is(&name));
            prop_assert_eq!(decoded_header(&fields[0].value()), value.trim_matches(is_wsp).replace('\t', " "));
            for line in field.as_bytes().split(|byte| *byte == b'\n') {
                prop_assert!(line.len() <= 999, "{}", line.len());
                prop_assert!(line.is_empty() || !line.trim_ascii().is_empty(), "a line of white space");
            }
        }
    }
}
