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

impl<'a> Field<'a> {
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
        self.lines.find_map(|line| line.name().map(|name| Field { line, name }))
    }
}
