//! Base64 (RFC 4648 §4) as mail carries it: lines of equal length with CRLF between them, the last one shorter or as long.
//!
//! Such a stretch is its bytes and the length of its lines, and nothing else: what cannot be made again from these two,
//! byte for byte, is not taken for one.

use base64_simd::{Out, STANDARD};

/// The longest line in characters: SMTP lets none through that is longer (RFC 5321 §4.5.3.1.6).
const MAX_LINE: usize = 1000;
/// Shorter lines are not looked at: words of four letters one below the other are no attachment.
const MIN_LINE: usize = 32;
/// Shorter stretches are not worth their row in the directory.
const MIN_STRETCH: usize = 256;
/// Characters that are worked on at a time: they stay in the processor's nearest cache.
const AT_ONCE: usize = 8 * 1024;
const CRLF: &[u8] = b"\r\n";

/// A stretch without its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Characters of a full line: a multiple of 4.
    line: usize,
    /// Length of what is encoded.
    bytes: usize,
}

impl Shape {
    /// The shape that two foreign numbers name, where there can be such a stretch.
    pub(super) fn new(line: u64, bytes: u64) -> Option<Self> {
        let (line, bytes) = (usize::try_from(line).ok()?, usize::try_from(bytes).ok()?);
        (line > 0 && line <= MAX_LINE && line % 4 == 0 && bytes > 0).then_some(Shape { line, bytes })
    }

    /// Characters of a full line.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// Length of what is encoded.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Length of the whole stretch, line endings included; `None` when no number says it.
    pub(super) fn encoded_len(&self) -> Option<usize> {
        let characters = self.bytes.div_ceil(3).checked_mul(4)?;
        characters.checked_add((characters.div_ceil(self.line) - 1) * CRLF.len())
    }
}

/// Decodes the stretch that begins with the first line of `text`, which is `line` characters long, and appends its bytes.
///
/// `None` when none begins there that is worth it; then nothing is appended.
pub(super) fn decode(text: &[u8], line: usize, out: &mut Vec<u8>) -> Option<Shape> {
    let step = line + CRLF.len();
    if !(MIN_LINE..=MAX_LINE).contains(&line)
        || !line.is_multiple_of(4)
        || !is_line(text, line)
        || !is_line(&text[step..], line)
    {
        return None;
    }
    // Equal lines are often something else; this is the cheap way to see it.
    if STANDARD.check(&text[..line]).is_err() {
        return None;
    }
    let start = out.len();
    let taken = decode_lines(text, line, out);
    let shape = Shape { line, bytes: out.len() - start };
    if taken >= MIN_STRETCH && encodes_to(&out[start..], line, &text[..taken]) {
        return Some(shape);
    }
    out.truncate(start);
    None
}

/// Appends the stretch of these bytes.
pub(super) fn encode(bytes: &[u8], line: usize, out: &mut Vec<u8>) {
    let mut between: &[u8] = b"";
    each_line(bytes, line, |encoded| {
        out.extend_from_slice(between);
        out.extend_from_slice(encoded);
        between = CRLF;
        true
    });
}

/// Whether so many characters and a line ending stand here.
fn is_line(text: &[u8], line: usize) -> bool {
    text.get(line..line + CRLF.len()) == Some(CRLF)
}

/// Decodes as many lines as there are; gives the length of their text, without the last line ending.
///
/// Lines are tried in blocks that double as they succeed, so that what fails costs no more than what went well before.
fn decode_lines(text: &[u8], line: usize, out: &mut Vec<u8>) -> usize {
    let step = line + CRLF.len();
    let mut characters = [0; AT_ONCE];
    let (mut at, mut wanted) = (0, 1);
    loop {
        let mut length = 0;
        for whole in text[at..].chunks_exact(step).take(wanted).take_while(|whole| is_line(whole, line)) {
            characters[length..length + line].copy_from_slice(&whole[..line]);
            length += line;
        }
        let block = &characters[..length];
        let lines = length / line;
        if block.is_empty() || !append(block, out) {
            if lines > 1 {
                wanted = 1;
                continue;
            }
            break;
        }
        at += lines * step;
        if block.ends_with(b"=") {
            return at - CRLF.len();
        }
        wanted = (lines * 2).min(AT_ONCE / line);
    }
    let rest = &text[at..];
    let last = rest.iter().take(line + 1).position(|b| *b == b'\r').unwrap_or(rest.len());
    let ended = rest.len() == last || is_line(rest, last);
    if last > 0 && last <= line && ended && append(&rest[..last], out) {
        return at + last;
    }
    at.saturating_sub(CRLF.len())
}

/// Decodes and appends, all or nothing.
fn append(characters: &[u8], out: &mut Vec<u8>) -> bool {
    out.reserve(characters.len() / 4 * 3);
    STANDARD.decode_append(characters, out).is_ok()
}

/// Whether a stretch of these bytes is this text.
fn encodes_to(bytes: &[u8], line: usize, text: &[u8]) -> bool {
    let mut rest = text;
    let mut between: &[u8] = b"";
    let same = each_line(bytes, line, |encoded| {
        let left = rest.strip_prefix(between).and_then(|r| r.strip_prefix(encoded));
        between = CRLF;
        rest = left.unwrap_or(rest);
        left.is_some()
    });
    same && rest.is_empty()
}

/// Encodes, and gives every line without its ending, as long as each is taken.
fn each_line(bytes: &[u8], line: usize, mut take: impl FnMut(&[u8]) -> bool) -> bool {
    let mut characters = [0; AT_ONCE];
    let lines = AT_ONCE / line;
    bytes.chunks(lines * line / 4 * 3).all(|block| {
        let encoded = STANDARD.encode(block, Out::from_slice(&mut characters));
        encoded.chunks(line).all(&mut take)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn stretch(bytes: &[u8], line: usize) -> Vec<u8> {
        let mut text = Vec::new();
        encode(bytes, line, &mut text);
        text
    }

    fn noise(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        bytes
    }

    fn decoded(text: &[u8], line: usize) -> Option<(Shape, Vec<u8>)> {
        let mut out = b"before".to_vec();
        let shape = decode(text, line, &mut out);
        assert!(out.starts_with(b"before"));
        if shape.is_none() {
            assert_eq!(out, b"before");
        }
        shape.map(|s| (s, out.split_off(6)))
    }

    #[test]
    fn a_stretch_is_lines_of_base64_with_crlf_between() {
        assert_eq!(stretch(b"Many hands make light work.", 16), b"TWFueSBoYW5kcyBt\r\nYWtlIGxpZ2h0IHdv\r\ncmsu");
        assert_eq!(stretch(b"Many hands", 16), b"TWFueSBoYW5kcw==");
        assert_eq!(stretch(&noise(24), 16).len(), 34);
        assert_eq!(stretch(b"", 16), b"");
    }

    #[test]
    fn a_stretch_ends_where_its_lines_do() {
        let bytes = noise(1000);
        let text = stretch(&bytes, 76);
        for behind in [&b""[..], b"\r\n", b"\r\n--=-b--\r\n", b"\r\n\r\nAAAA\r\n"] {
            let (shape, out) = decoded(&[&text, behind].concat(), 76).unwrap();
            assert_eq!((shape, &out), (Shape { line: 76, bytes: 1000 }, &bytes), "{behind:?}");
            assert_eq!(shape.encoded_len(), Some(text.len()));
        }
        // A last line that is no base64, or does not end, is not of it.
        for odd in [&b"AAA"[..], b"AAAA ", b"AA=A", b"AB==", b"AAAA\n", b"AAAA\rx"] {
            let whole = noise(57 * 20);
            let text = [&stretch(&whole, 76), &b"\r\n"[..], odd, b"\r\n"].concat();
            let (shape, out) = decoded(&text, 76).unwrap();
            assert_eq!((shape.encoded_len(), &out), (Some(20 * 78 - 2), &whole), "{}", odd.escape_ascii());
        }
        // Nor is what stands behind padding.
        let padded = [&stretch(&noise(57 * 9 - 1), 76), &b"\r\n"[..], &stretch(&noise(57 * 9), 76)].concat();
        assert_eq!(decoded(&padded, 76).unwrap().0, Shape { line: 76, bytes: 57 * 9 - 1 });
    }

    #[test]
    fn what_is_no_base64_in_equal_lines_is_left() {
        let text = stretch(&noise(1000), 76);
        for place in [0, 75] {
            let mut wrong = text.clone();
            wrong[place] = b'-';
            assert_eq!(decoded(&wrong, 76), None);
        }
        let bare: Vec<u8> = text.iter().copied().filter(|b| *b != b'\r').collect();
        assert_eq!(decoded(&bare, 76), None);
        assert_eq!(decoded(&text, 72), None);
        assert_eq!(decoded(&stretch(&noise(1000), 16), 16), None);
        assert_eq!(decoded(&stretch(&noise(100), 76), 76), None);
        assert_eq!(decoded(&stretch(&noise(9000), MAX_LINE + 4), MAX_LINE + 4), None);
        assert!(decoded(&stretch(&noise(9000), MAX_LINE), MAX_LINE).is_some());
        assert_eq!(decoded(b"", 76), None);
    }

    #[test]
    fn numbers_of_no_stretch_are_refused() {
        for (line, bytes) in [(0, 9), (3, 9), (78, 9), (1004, 9), (76, 0), (u64::MAX, 9)] {
            assert_eq!(Shape::new(line, bytes), None, "{line} {bytes}");
        }
        assert_eq!(Shape::new(4, u64::MAX).and_then(|s| s.encoded_len()), None);
        assert_eq!(Shape::new(4, u64::MAX / 2).and_then(|s| s.encoded_len()), None);
    }

    proptest! {
        #[test]
        fn what_is_taken_is_made_again(bytes in proptest::collection::vec(any::<u8>(), 1..3000), quads in 8usize..251) {
            let text = stretch(&bytes, quads * 4);
            prop_assert_eq!(Shape::new(quads as u64 * 4, bytes.len() as u64).unwrap().encoded_len(), Some(text.len()));
            if let Some((shape, out)) = decoded(&text, quads * 4) {
                prop_assert_eq!(&out, &bytes);
                prop_assert_eq!(shape.bytes(), bytes.len());
            }
        }

        #[test]
        fn one_wrong_byte_is_not_lost(at in 0usize..2000, wrong: u8) {
            let mut text = stretch(&noise(3000), 76);
            text[at] = wrong;
            if let Some((shape, out)) = decoded(&text, 76) {
                let taken = shape.encoded_len().unwrap();
                prop_assert_eq!(stretch(&out, 76), &text[..taken]);
            }
        }
    }
}
