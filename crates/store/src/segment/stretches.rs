//! Codec 3: a message as text and base64, the base64 kept decoded. `docs/formats/segment.md` has the bytes.
//!
//! Attachments are most of what mail weighs, nearly all of them are base64 of bytes that do not compress any further, and
//! all that zstd can do with base64 is to count its letters: slowly, for the quarter that decoding gives for nothing.

use super::base64::{self, Shape};
use super::payload::{pack, unpack};
use crate::codec::{Decoder, Encoder, Malformed};

/// Bytes at the end of the stored ones that say how long the directory before them is.
const TRAILER_LEN: usize = 4;
/// Base64 of fewer bytes is packed with the text without a look at whether it pays.
const SMALL_BYTES: usize = 1024;
/// A longer one is judged by samples, so many of this length.
const SAMPLES: usize = 4;
const SAMPLE_BYTES: usize = 1024;

/// Where the bytes of a stretch of base64 are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    /// In the block of bytes as they are.
    Plain = 0,
    /// In the packed block, at their place between the text.
    Packed = 1,
}

/// Text, and the stretch of base64 behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    text_bytes: usize,
    shape: Shape,
    at: Where,
}

/// Splits a message; `None` when there is no base64 in it that is worth it.
pub(super) fn split(raw: &[u8], level: i32) -> Option<Vec<u8>> {
    let (mut stored, mut packed, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    let (mut line_start, mut text_start) = (0, 0);
    while let Some(line) = memchr::memchr(b'\n', &raw[line_start..]) {
        let text = &raw[line_start..];
        let next = line_start + line + 1;
        // The CR is looked for by what is called.
        let Some(shape) = base64::decode(text, line.saturating_sub(1), &mut stored) else {
            line_start = next;
            continue;
        };
        if rows.is_empty() {
            stored.reserve(text.len() / 4 * 3);
        }
        packed.extend_from_slice(&raw[text_start..line_start]);
        let text_bytes = line_start - text_start;
        let bytes_start = stored.len() - shape.bytes();
        let at = if is_packable(&stored[bytes_start..], level) { Where::Packed } else { Where::Plain };
        if at == Where::Packed {
            packed.extend_from_slice(&stored[bytes_start..]);
            stored.truncate(bytes_start);
        }
        rows.push(Row { text_bytes, shape, at });
        // The line ending that follows is text.
        line_start += shape.encoded_len().expect("it stands here");
        text_start = line_start;
    }
    if rows.is_empty() {
        return None;
    }
    packed.extend_from_slice(&raw[text_start..]);
    finish(stored, &packed, &rows, level)
}

/// Puts the packed block and the directory behind the plain one.
fn finish(mut stored: Vec<u8>, packed: &[u8], rows: &[Row], level: i32) -> Option<Vec<u8>> {
    stored.extend_from_slice(pack(packed, level).as_deref().unwrap_or(packed));
    let mut directory = Encoder::default();
    directory.unsigned(packed.len() as u64);
    for row in rows {
        directory.unsigned(row.text_bytes as u64).unsigned(row.shape.line() as u64);
        directory.unsigned(row.shape.bytes() as u64).raw(&[row.at as u8]);
    }
    let length = u32::try_from(directory.bytes.len()).ok()?;
    stored.extend_from_slice(&directory.bytes);
    stored.extend_from_slice(&length.to_le_bytes());
    Some(stored)
}

/// Whether zstd makes bytes smaller, as far as samples tell.
fn is_packable(bytes: &[u8], level: i32) -> bool {
    if bytes.len() <= SMALL_BYTES {
        return true;
    }
    let sampled = SAMPLES * SAMPLE_BYTES;
    let samples: Vec<u8>;
    let judged = if bytes.len() <= 2 * sampled {
        bytes
    } else {
        let each = bytes.chunks(bytes.len() / SAMPLES).take(SAMPLES);
        samples = each.flat_map(|part| &part[..SAMPLE_BYTES]).copied().collect();
        &samples
    };
    pack(judged, level).is_some()
}

/// Puts together what [`split`] made, `raw_len` bytes long.
///
/// Everything may be wrong: nothing is allocated before all lengths are known to agree with one another and with what is
/// there.
pub(super) fn join(stored: &[u8], raw_len: usize) -> Result<Vec<u8>, Malformed> {
    let (rest, trailer) = stored.split_last_chunk::<TRAILER_LEN>().ok_or(Malformed)?;
    let directory_len = u32::from_le_bytes(*trailer) as usize;
    let (blocks, directory) = rest.split_at(rest.len().checked_sub(directory_len).ok_or(Malformed)?);
    let sizes = Sizes::add_up(directory, raw_len)?;
    let (plain, packed) = blocks.split_at_checked(sizes.plain).ok_or(Malformed)?;
    let unpacked: Vec<u8>;
    let packed = if packed.len() == sizes.packed {
        packed
    } else {
        unpacked = unpack(packed, sizes.packed).ok_or(Malformed)?;
        &unpacked
    };
    let (mut plain, mut packed) = (Decoder::new(plain), Decoder::new(packed));
    let mut raw = Vec::with_capacity(raw_len);
    for row in rows(directory)?.1 {
        let row = row?;
        raw.extend_from_slice(packed.take(row.text_bytes)?);
        let from = if row.at == Where::Plain { &mut plain } else { &mut packed };
        base64::encode(from.take(row.shape.bytes())?, row.shape.line(), &mut raw);
    }
    raw.extend_from_slice(packed.rest());
    Ok(raw)
}

/// What a directory comes to.
struct Sizes {
    /// Length of the plain block.
    plain: usize,
    /// Length of the packed block, unpacked.
    packed: usize,
}

impl Sizes {
    /// Adds up the rows; they must come to the length of the message.
    fn add_up(directory: &[u8], raw_len: usize) -> Result<Self, Malformed> {
        let (packed, rows) = rows(directory)?;
        // What of the packed block is text: rows take theirs from it, and the rest stands at the end.
        let (mut plain, mut text, mut encoded) = (0usize, packed, 0usize);
        for row in rows {
            let row = row?;
            match row.at {
                Where::Plain => plain = plain.checked_add(row.shape.bytes()).ok_or(Malformed)?,
                Where::Packed => text = text.checked_sub(row.shape.bytes()).ok_or(Malformed)?,
            }
            encoded = row.shape.encoded_len().and_then(|n| encoded.checked_add(n)).ok_or(Malformed)?;
        }
        let sizes = Sizes { plain, packed };
        if text.checked_add(encoded) == Some(raw_len) { Ok(sizes) } else { Err(Malformed) }
    }
}

/// Reads a directory: the length of the packed block, unpacked, and the rows.
fn rows(directory: &[u8]) -> Result<(usize, impl Iterator<Item = Result<Row, Malformed>>), Malformed> {
    let mut d = Decoder::new(directory);
    let packed = d.narrow()?;
    let rows = std::iter::from_fn(move || (!d.is_empty()).then(|| row(&mut d)));
    Ok((packed, rows))
}

fn row(d: &mut Decoder<'_>) -> Result<Row, Malformed> {
    let (text_bytes, line, bytes) = (d.narrow()?, d.unsigned()?, d.unsigned()?);
    let at = match d.byte()? {
        0 => Where::Plain,
        1 => Where::Packed,
        _ => return Err(Malformed),
    };
    Ok(Row { text_bytes, shape: Shape::new(line, bytes).ok_or(Malformed)?, at })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn noise(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        bytes
    }

    /// A message of text and base64 in turn.
    fn message(parts: &[(&str, &[u8], usize)]) -> Vec<u8> {
        let mut raw = Vec::new();
        for (text, bytes, line) in parts {
            raw.extend_from_slice(text.as_bytes());
            base64::encode(bytes, *line, &mut raw);
        }
        raw
    }

    const HEAD: &str =
        "Subject: two\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhola\r\n--b\r\n\r\n";

    #[test]
    fn base64_is_stored_as_what_it_encodes() {
        let (picture, table) = (noise(50_000), b"name;amount\r\n".repeat(4000));
        let raw = message(&[(HEAD, &picture, 76), ("\r\n--b\r\n\r\n", &table, 72), ("\r\n--b--\r\n", b"", 4)]);
        let stored = split(&raw, 1).unwrap();
        assert!(stored.starts_with(&picture));
        assert!(stored.len() < picture.len() + 1000, "{}", stored.len());
        assert_eq!(join(&stored, raw.len()).unwrap(), raw);
    }

    #[test]
    fn a_message_may_begin_and_end_with_base64() {
        for raw in
            [message(&[("", &noise(5000), 76)]), message(&[("", &noise(570), 76), ("\r\n\r\n", &noise(571), 76)])]
        {
            assert_eq!(join(&split(&raw, 1).unwrap(), raw.len()).unwrap(), raw);
        }
    }

    #[test]
    fn text_is_not_split() {
        assert_eq!(split(b"", 1), None);
        assert_eq!(split(b"\n\r\n\n", 1), None);
        assert_eq!(split(&b"Subject: hola\r\n\r\nAAAA\r\n".repeat(100), 1), None);
        assert_eq!(split(&message(&[(HEAD, &noise(90), 76)]), 1), None);
    }

    #[test]
    fn no_directory_that_disagrees_with_itself_is_believed() {
        let stored = |blocks: &[u8], directory: &[u8]| {
            let length = (directory.len() as u32).to_le_bytes();
            [blocks, directory, &length].concat()
        };
        // "hi", then three bytes as four characters, then "!": 2 + 4 + 1.
        assert_eq!(join(&stored(b"abchi!", &[3, 2, 4, 3, 0]), 7).unwrap(), b"hiYWJj!");
        assert_eq!(join(&stored(b"hiabc!", &[6, 2, 4, 3, 1]), 7).unwrap(), b"hiYWJj!");
        for (blocks, directory, raw_len, why) in [
            (&b"abchi!"[..], &[3, 2, 4, 3, 0][..], 8, "another length of the whole"),
            (b"abchi", &[3, 2, 4, 3, 0], 7, "the packed block is shorter than it says, and no frame"),
            (b"abchi!", &[2, 3, 4, 3, 0], 6, "more text than there is"),
            (b"ab", &[0, 0, 4, 3, 0], 4, "the plain block is shorter than its stretches"),
            (b"hiab!", &[5, 0, 4, 6, 1], 7, "a packed stretch longer than its block"),
            (b"abchi!", &[3, 2, 5, 3, 0], 7, "lines that are not made of fours"),
            (b"hi!", &[3, 2, 4, 0, 0], 3, "a stretch of nothing"),
            (b"abchi!", &[3, 2, 4, 3, 2], 7, "a place that there is not"),
            (b"abchi!", &[3, 2, 4, 3], 7, "half a row"),
            (b"abchi!", &[], 7, "no directory"),
        ] {
            assert_eq!(join(&stored(blocks, directory), raw_len), Err(Malformed), "{why}");
        }
        let mut wide = stored(b"", &[]);
        wide[0] = 9;
        assert_eq!(join(&wide, 0), Err(Malformed), "a directory longer than all");
        assert_eq!(join(&[0, 0], 0), Err(Malformed));
        // Lengths that no memory holds.
        let mut huge = Encoder::default();
        huge.unsigned(u64::MAX / 2);
        assert_eq!(join(&stored(b"x", &huge.bytes), usize::MAX / 2), Err(Malformed));
    }

    proptest! {
        #[test]
        fn what_is_split_is_joined(
            parts in proptest::collection::vec(
                (
                    prop_oneof!["[ -~]{0,40}", Just("\r\n".to_owned()), Just("\r\n--b\r\n\r\n".to_owned())],
                    prop_oneof![(0usize..400).prop_map(noise), (0usize..40_000).prop_map(noise), (0usize..4000).prop_map(|n| vec![b'x'; n])],
                    (1usize..251).prop_map(|quads| quads * 4),
                ),
                0..6,
            ),
        ) {
            let parts: Vec<_> = parts.iter().map(|(text, bytes, line)| (text.as_str(), &bytes[..], *line)).collect();
            let raw = message(&parts);
            if let Some(stored) = split(&raw, 1) {
                prop_assert_eq!(join(&stored, raw.len()).unwrap(), raw);
            }
        }

        #[test]
        fn any_bytes_are_joined_or_refused(
            blocks in proptest::collection::vec(any::<u8>(), 0..200),
            directory in proptest::collection::vec(0u8..16, 0..30),
            raw_len in 0usize..400,
        ) {
            let length = (directory.len() as u32).to_le_bytes();
            if let Ok(raw) = join(&[&blocks[..], &directory, &length].concat(), raw_len) {
                prop_assert_eq!(raw.len(), raw_len);
            }
        }
    }
}
