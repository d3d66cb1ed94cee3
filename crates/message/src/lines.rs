//! The header of a message cut into lines, in the one way that identity, twins, damage and field look-up share.
//!
//! Bytes come in CRLF form. The header is what stands before the first empty line. A line that starts with a space or
//! tab continues the line before it, empty to look at or not. A line is a *field* when it starts with a name (RFC 5322
//! §3.6.8: printable ASCII without space or colon), then maybe white space (RFC 5322 §4.5), then a colon; any other line
//! is *no field*, that of an mbox (`From ana@… Mon Jul …`) included. White space is space and tab: a CR that no LF
//! follows, NUL and every other byte are ordinary.

use memchr::{memchr, memchr_iter, memmem};
use std::borrow::Cow;

/// A message cut in two.
pub(crate) struct Parts<'a> {
    /// Without the empty line at its end.
    pub(crate) header: &'a [u8],
    /// What follows the first empty line.
    pub(crate) body: &'a [u8],
    /// Whether there is an empty line.
    pub(crate) header_complete: bool,
}

/// Cuts a message at its first empty line.
pub(crate) fn split(crlf: &[u8]) -> Parts<'_> {
    if let Some(body) = crlf.strip_prefix(b"\r\n") {
        return Parts { header: b"", body, header_complete: true };
    }
    match memmem::find(crlf, b"\r\n\r\n") {
        Some(at) => Parts { header: &crlf[..at + 2], body: &crlf[at + 4..], header_complete: true },
        None => Parts { header: crlf, body: b"", header_complete: false },
    }
}

/// The lines of a header, continuation lines joined to the line that they continue.
pub(crate) fn lines(header: &[u8]) -> Lines<'_> {
    Lines { rest: header }
}

/// See [`lines`].
#[derive(Clone, Debug)]
pub(crate) struct Lines<'a> {
    rest: &'a [u8],
}

/// A header line with those that continue it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    /// All of it, every CRLF included; the CRLF at the end is missing where the bytes end before it.
    raw: &'a [u8],
    /// The length of the name and the place of the colon, when it is a field.
    field: Option<(usize, usize)>,
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let mut end = line_end(self.rest, 0);
        while self.rest.get(end).is_some_and(|b| is_wsp(*b)) {
            end = line_end(self.rest, end);
        }
        let (raw, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(Line { raw, field: find_colon(raw) })
    }
}

impl<'a> Line<'a> {
    /// The bytes as they are.
    pub(crate) fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Whether the bytes do not end before the line does.
    pub(crate) fn is_ended(&self) -> bool {
        self.raw.ends_with(b"\r\n")
    }

    /// The name as written, without white space before the colon; `None` for a line that is no field.
    pub(crate) fn name(&self) -> Option<&'a [u8]> {
        self.field.map(|(name_length, _)| &self.raw[..name_length])
    }

    /// Whether it is a line as an mbox has before each message. A field `From :` is none.
    pub(crate) fn is_mbox_line(&self) -> bool {
        self.field.is_none() && self.raw.starts_with(b"From ")
    }

    /// What seems to continue the line, as a line that is no field; `None` when nothing does.
    pub(crate) fn continuation(&self) -> Option<Line<'a>> {
        let raw = &self.raw[line_end(self.raw, 0)..];
        (!raw.is_empty()).then_some(Line { raw, field: None })
    }

    /// Whether it is a field of one of these names, compared without regard to case.
    pub(crate) fn is_named(&self, names: &[&str]) -> bool {
        self.name().is_some_and(|name| names.iter().any(|n| name.eq_ignore_ascii_case(n.as_bytes())))
    }

    /// What stands after the colon, without the CRLF at the end; empty for a line that is no field.
    pub(crate) fn raw_value(&self) -> &'a [u8] {
        let Some((_, colon)) = self.field else { return b"" };
        let value = &self.raw[colon + 1..];
        value.strip_suffix(b"\r\n").unwrap_or(value)
    }

    /// The value unfolded (RFC 5322 §2.2.3: the CRLFs go, the white space after them stays), white space at its ends
    /// trimmed.
    pub(crate) fn value(&self) -> Cow<'a, [u8]> {
        let value = trim_folds(self.raw_value());
        if memchr(b'\n', value).is_none() {
            return Cow::Borrowed(value);
        }
        let mut unfolded = Vec::with_capacity(value.len());
        push_unfolded(value, &mut unfolded);
        Cow::Owned(unfolded)
    }

    /// Appends the canonical form of the line, CRLF at its end included: for a field the name as written, up to and
    /// with the colon, and the value; for any other line its bytes.
    pub(crate) fn push_canonical(&self, form: &mut Vec<u8>) {
        match self.field {
            Some((_, colon)) => {
                form.extend_from_slice(&self.raw[..=colon]);
                push_unfolded(trim_folds(self.raw_value()), form);
                form.extend_from_slice(b"\r\n");
            }
            None => {
                form.extend_from_slice(self.raw.strip_suffix(b"\r\n").unwrap_or(self.raw));
                form.extend_from_slice(b"\r\n");
            }
        }
    }
}

/// Whether a byte is white space in the sense of RFC 5322 (`WSP`).
pub(crate) fn is_wsp(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The length of a field's name and the place of its colon.
fn find_colon(line: &[u8]) -> Option<(usize, usize)> {
    let name_length = line.iter().take_while(|b| b.is_ascii_graphic() && **b != b':').count();
    let colon = name_length + line[name_length..].iter().take_while(|b| is_wsp(**b)).count();
    (name_length > 0 && line.get(colon) == Some(&b':')).then_some((name_length, colon))
}

/// Where the line that starts at `from` ends, its CRLF included.
fn line_end(bytes: &[u8], from: usize) -> usize {
    memchr_iter(b'\n', &bytes[from..])
        .map(|at| from + at)
        .find(|&lf| lf > from && bytes[lf - 1] == b'\r')
        .map_or(bytes.len(), |lf| lf + 1)
}

/// A value without the white space and folds at its ends.
fn trim_folds(mut value: &[u8]) -> &[u8] {
    loop {
        value = match value {
            [b' ' | b'\t', rest @ ..] | [b'\r', b'\n', rest @ ..] => rest,
            [rest @ .., b' ' | b'\t'] | [rest @ .., b'\r', b'\n'] => rest,
            _ => return value,
        }
    }
}

/// Appends a value without the CRLFs in it.
fn push_unfolded(value: &[u8], out: &mut Vec<u8>) {
    let mut copied = 0;
    for lf in memchr_iter(b'\n', value).filter(|&lf| lf > 0 && value[lf - 1] == b'\r') {
        out.extend_from_slice(&value[copied..lf - 1]);
        copied = lf + 1;
    }
    out.extend_from_slice(&value[copied..]);
}
