//! Command lines: they end in CR LF and nothing else does.

/// The longest command line, without its ending: RFC 4954 §4 asks for 12288 with what AUTH sends; no other is longer.
pub(crate) const MAX_LINE_BYTES: usize = 12 * 1024;

/// What stands at the beginning of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// A line of so many bytes, and its CR LF behind it.
    Line(usize),
    /// No whole line yet.
    More,
    /// A CR or a LF that is not half of a CR LF: two programs could see two different lines (RFC 5321 §2.3.8).
    BareEnding,
    /// More than [`MAX_LINE_BYTES`] without an ending.
    TooLong,
}

/// Finds the first command line.
pub(crate) fn cut(input: &[u8]) -> Cut {
    let Some(at) = memchr::memchr2(b'\r', b'\n', input) else {
        return if input.len() > MAX_LINE_BYTES { Cut::TooLong } else { Cut::More };
    };
    match (input[at], input.get(at + 1)) {
        _ if at > MAX_LINE_BYTES => Cut::TooLong,
        (b'\r', Some(b'\n')) => Cut::Line(at),
        (b'\r', None) => Cut::More,
        _ => Cut::BareEnding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cr_lf_ends_a_line() {
        for (input, expected) in [
            (&b"NOOP\r\nQUIT\r\n"[..], Cut::Line(4)),
            (b"\r\n", Cut::Line(0)),
            (b"NOOP", Cut::More),
            (b"NOOP\r", Cut::More),
            (b"", Cut::More),
            (b"NOOP\n", Cut::BareEnding),
            (b"NOOP\rQUIT\r\n", Cut::BareEnding),
            (b"NOOP\r\r\n", Cut::BareEnding),
        ] {
            assert_eq!(cut(input), expected, "{input:?}");
        }
        assert_eq!(cut(&[b'a'; MAX_LINE_BYTES + 1]), Cut::TooLong);
        let line = [&[b'a'; MAX_LINE_BYTES][..], b"\r\n"].concat();
        assert_eq!(cut(&line), Cut::Line(MAX_LINE_BYTES));
    }
}
