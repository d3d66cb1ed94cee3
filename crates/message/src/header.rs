//! Looking at the header fields of a message.
//!
//! Every function takes any bytes in CRLF form. Work is linear in the header's length; nothing is allocated but the
//! unfolded form of a folded value.

use crate::lines::{self, Line, Lines};
use std::borrow::Cow;

/// A header field.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    line: Line<'a>,
    name: &'a [u8],
}

/// The fields of a message's header in their order; lines that are no field are passed over.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    lines: Lines<'a>,
}

/// Goes through the fields of a message's header.
pub fn fields(crlf: &[u8]) -> Fields<'_> {
    Fields { lines: lines::lines(lines::split(crlf).header) }
}

/// The first field of a name, compared without regard to case.
pub fn find<'a>(crlf: &'a [u8], name: &str) -> Option<Field<'a>> {
    fields(crlf).find(|field| field.is(name))
}

/// The length of a message's header in bytes, without the empty line at its end.
pub fn length(crlf: &[u8]) -> usize {
    lines::split(crlf).header.len()
}

/// The message in CRLF form without the header fields whose names are wanted gone; the names are given as written.
pub fn without<'a>(crlf: &'a [u8], is_gone: impl Fn(&[u8]) -> bool) -> Cow<'a, [u8]> {
    let mut kept: Option<Vec<u8>> = None;
    let (mut at, mut gone) = (0, false);
    while at < crlf.len() {
        let end = memchr::memchr(b'\n', &crlf[at..]).map_or(crlf.len(), |line| at + line + 1);
        let line = &crlf[at..end];
        if line == b"\r\n" {
            break;
        }
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            let name = memchr::memchr(b':', line).map(|colon| line[..colon].trim_ascii_end());
            gone = name.is_some_and(&is_gone);
        }
        match (&mut kept, gone) {
            (None, true) => kept = Some(crlf[..at].to_vec()),
            (Some(kept), false) => kept.extend_from_slice(line),
            _ => {}
        }
        at = end;
    }
    match kept {
        None => Cow::Borrowed(crlf),
        Some(mut kept) => {
            kept.extend_from_slice(&crlf[at..]);
            Cow::Owned(kept)
        }
    }
}

impl<'a> Field<'a> {
    /// A line that is a field.
    pub(crate) fn of(line: Line<'a>) -> Option<Self> {
        line.name().map(|name| Field { line, name })
    }

    /// The name as written, without white space before the colon.
    pub fn name(&self) -> &'a [u8] {
        self.name
    }

    /// Whether the field has this name, compared without regard to case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// What stands after the colon, folds included, without the CRLF at its end.
    pub fn raw_value(&self) -> &'a [u8] {
        self.line.raw_value()
    }

    /// The value unfolded (RFC 5322 §2.2.3), white space at its ends trimmed.
    pub fn value(&self) -> Cow<'a, [u8]> {
        self.line.value()
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        self.lines.find_map(Field::of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_taken_out_with_their_folds() {
        let is_bcc = |name: &[u8]| name.eq_ignore_ascii_case(b"Bcc");
        for (message, expected) in [
            ("A: 1\r\nBcc: x,\r\n y\r\nB: 2\r\n\r\nBcc: z\r\n", "A: 1\r\nB: 2\r\n\r\nBcc: z\r\n"),
            ("BCC : x\r\n\r\n", "\r\n"),
            ("Bcc: x", ""),
            ("A: 1\r\n Bcc: fold\r\n\r\n", "A: 1\r\n Bcc: fold\r\n\r\n"),
            ("\r\nBcc: body\r\n", "\r\nBcc: body\r\n"),
            ("", ""),
        ] {
            assert_eq!(without(message.as_bytes(), is_bcc), expected.as_bytes(), "{message:?}");
        }
    }
}
