//! The relaxed canonical form of fields and bodies (RFC 6376 §3.4.2 and §3.4.4).

use ring::digest::{Context, SHA256};

/// Appends a field in relaxed form, without its CRLF.
pub(crate) fn field(name: &[u8], raw_value: &[u8], out: &mut Vec<u8>) {
    out.extend(name.iter().map(u8::to_ascii_lowercase));
    out.push(b':');
    let start = out.len();
    let mut gap = false;
    for byte in raw_value {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => gap = true,
            byte => {
                if gap && out.len() > start {
                    out.push(b' ');
                }
                gap = false;
                out.push(*byte);
            }
        }
    }
}

/// How a body is made canonical.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// As it is, but for empty lines at its end; an empty body is one CRLF (RFC 6376 §3.4.3).
    Simple,
    /// White space within lines counts as one space, and at their ends for nothing (RFC 6376 §3.4.4).
    Relaxed,
}

/// The SHA-256 of a body in canonical form.
pub(crate) fn body_digest(form: Body, body: &[u8]) -> [u8; 32] {
    let mut digest = Context::new(&SHA256);
    let mut relaxed = Vec::with_capacity(128);
    // Empty lines are held back until something follows them: those at the end do not count.
    let mut empty_lines = 0_usize;
    let mut is_empty = true;
    let mut rest = body;
    while !rest.is_empty() {
        let (text, after) = match next_crlf(rest) {
            Some(at) => (&rest[..at], &rest[at + 2..]),
            None => (rest, &b""[..]),
        };
        rest = after;
        let line = match form {
            Body::Simple => text,
            Body::Relaxed => {
                relax(text, &mut relaxed);
                &relaxed
            }
        };
        if line.is_empty() {
            empty_lines += 1;
            continue;
        }
        is_empty = false;
        for _ in 0..std::mem::take(&mut empty_lines) {
            digest.update(b"\r\n");
        }
        digest.update(line);
        digest.update(b"\r\n");
    }
    if is_empty && form == Body::Simple {
        digest.update(b"\r\n");
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.finish().as_ref());
    bytes
}

/// Where the next CRLF is.
fn next_crlf(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == b'\r') {
        if bytes.get(from + at + 1) == Some(&b'\n') {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

/// A line with its white space made one space, and none at its end.
fn relax(text: &[u8], line: &mut Vec<u8>) {
    line.clear();
    let mut gap = false;
    for byte in text {
        if matches!(byte, b' ' | b'\t') {
            gap = true;
            continue;
        }
        if std::mem::take(&mut gap) {
            line.push(b' ');
        }
        line.push(*byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6376 §3.4.5, its example.
    #[test]
    fn the_example_of_the_rfc() {
        let mut out = Vec::new();
        field(b"A", b" X", &mut out);
        out.extend_from_slice(b"\r\n");
        field(b"B ".trim_ascii_end(), b" Y\t\r\n\tZ  ", &mut out);
        assert_eq!(out, b"a:X\r\nb:Y Z");
        assert_eq!(body_digest(Body::Relaxed, b" C \r\nD \t E\r\n\r\n\r\n"), sha256(b" C\r\nD E\r\n"));
        assert_eq!(body_digest(Body::Simple, b" C \r\nD \t E\r\n\r\n\r\n"), sha256(b" C \r\nD \t E\r\n"));
    }

    fn sha256(bytes: &[u8]) -> [u8; 32] {
        ring::digest::digest(&SHA256, bytes).as_ref().try_into().expect("SHA-256 has 32 octets")
    }

    #[test]
    fn an_empty_body_is_empty_and_a_last_line_is_ended() {
        for empty in [&b""[..], b"\r\n", b"\r\n\r\n"] {
            assert_eq!(body_digest(Body::Relaxed, empty), sha256(b""));
            assert_eq!(body_digest(Body::Simple, empty), sha256(b"\r\n"));
        }
        for (body, relaxed, simple) in [
            (&b"a"[..], &b"a\r\n"[..], &b"a\r\n"[..]),
            (b"\t\r\n", b"", b"\t\r\n"),
            (b"a\r\n \r\n", b"a\r\n", b"a\r\n \r\n"),
            (b"\r\na \r\n\t\r\n\r\n", b"\r\na\r\n", b"\r\na \r\n\t\r\n"),
            (b"a\rb\n\r\n", b"a\rb\n\r\n", b"a\rb\n\r\n"),
        ] {
            assert_eq!(body_digest(Body::Relaxed, body), sha256(relaxed), "{body:?}");
            assert_eq!(body_digest(Body::Simple, body), sha256(simple), "{body:?}");
        }
    }
}
