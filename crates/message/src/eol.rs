//! Line endings: CRLF for everything that is hashed or served, LF for what Unix stores write (`RULES.md 2.1`).
//!
//! A line ends with LF, and in CRLF form every LF has a CR before it. A CR that no LF follows is an ordinary byte and
//! stays where it is, in both directions.

use memchr::{memchr_iter, memmem};
use std::borrow::Cow;

/// Writes every line ending as CRLF; borrowed when they all are already.
pub fn to_crlf(raw: &[u8]) -> Cow<'_, [u8]> {
    if bare_lfs(raw).next().is_none() {
        return Cow::Borrowed(raw);
    }
    let mut crlf = Vec::new();
    push_crlf(raw, &mut crlf);
    Cow::Owned(crlf)
}

/// Appends `raw` with every line ending as CRLF. What the buffer already holds has no influence.
pub fn push_crlf(raw: &[u8], crlf: &mut Vec<u8>) {
    // A buffer that is used again has room for any message but the largest, and then nobody need count lines.
    if crlf.capacity() - crlf.len() < 2 * raw.len() {
        crlf.reserve(raw.len() + memchr_iter(b'\n', raw).count());
    }
    let mut copied = 0;
    for lf in bare_lfs(raw) {
        crlf.extend_from_slice(&raw[copied..lf]);
        crlf.extend_from_slice(b"\r\n");
        copied = lf + 1;
    }
    crlf.extend_from_slice(&raw[copied..]);
}

/// Writes every CRLF as LF; borrowed when there is none.
///
/// [`to_crlf`] takes that back, save where a CR stands before the CRLF: what is left of it then looks like a CRLF. Mail
/// whose identity matters is not written in LF form unless `to_crlf(&to_lf(crlf)) == crlf`.
pub fn to_lf(raw: &[u8]) -> Cow<'_, [u8]> {
    let mut found = memmem::find_iter(raw, b"\r\n").peekable();
    if found.peek().is_none() {
        return Cow::Borrowed(raw);
    }
    let mut lf = Vec::with_capacity(raw.len());
    let mut copied = 0;
    for cr in found {
        lf.extend_from_slice(&raw[copied..cr]);
        copied = cr + 1;
    }
    lf.extend_from_slice(&raw[copied..]);
    Cow::Owned(lf)
}

/// Where an LF stands without a CR before it.
fn bare_lfs(raw: &[u8]) -> impl Iterator<Item = usize> {
    memchr_iter(b'\n', raw).filter(|&lf| lf == 0 || raw[lf - 1] != b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bytes, their CRLF form, their LF form.
    const TABLE: [(&[u8], &[u8], &[u8]); 9] = [
        (b"", b"", b""),
        (b"\n", b"\r\n", b"\n"),
        (b"\r", b"\r", b"\r"),
        (b"\r\n", b"\r\n", b"\n"),
        (b"\n\r", b"\r\n\r", b"\n\r"),
        (b"a\nb\r\nc\n", b"a\r\nb\r\nc\r\n", b"a\nb\nc\n"),
        (b"a\rb\r\r\nc", b"a\rb\r\r\nc", b"a\rb\r\nc"),
        (b"\n\n", b"\r\n\r\n", b"\n\n"),
        (b"no end", b"no end", b"no end"),
    ];

    #[test]
    fn line_endings_by_table() {
        for (raw, crlf, lf) in TABLE {
            assert_eq!(to_crlf(raw), crlf, "{raw:?}");
            assert_eq!(to_lf(raw), lf, "{raw:?}");
        }
    }

    #[test]
    fn nothing_is_copied_when_nothing_changes() {
        assert!(matches!(to_crlf(b"a\r\nb\r"), Cow::Borrowed(_)));
        assert!(matches!(to_lf(b"a\nb\r"), Cow::Borrowed(_)));
    }

    #[test]
    fn appending_does_not_look_at_what_is_there() {
        let mut buffer = b"ends in CR\r".to_vec();
        push_crlf(b"\nx", &mut buffer);
        assert_eq!(buffer, b"ends in CR\r\r\nx");
    }

    proptest! {
        #[test]
        fn crlf_form_is_final_and_loses_nothing(raw in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'x')], 0..40)) {
            let crlf = to_crlf(&raw).into_owned();
            prop_assert_eq!(&*to_crlf(&crlf), &crlf[..]);
            prop_assert_eq!(to_lf(&crlf).into_owned(), to_lf(&raw).into_owned());
            prop_assert!(crlf.iter().enumerate().all(|(i, b)| *b != b'\n' || (i > 0 && crlf[i - 1] == b'\r')));
        }
    }
}
