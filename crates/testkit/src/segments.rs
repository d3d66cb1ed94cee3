//! Segments as bytes (`docs/formats/segment.md`), read by no code of the store: what tests damage and look for.

use std::ops::Range;

const SEGMENT_HEAD_BYTES: usize = 64;
const HEAD_BYTES: usize = 80;

/// A record as its head says that it is.
#[derive(Clone, Debug)]
pub struct Record {
    /// All of it, with what aligns the next one.
    pub whole: Range<usize>,
    /// What it holds; 1 is a message.
    pub kind: u8,
    /// The bytes of a message as they are stored; empty where another record has them.
    pub stored: Range<usize>,
    /// The digest of those bytes.
    pub digest: [u8; 32],
}

impl Record {
    /// Whether it has bytes of a message.
    pub fn has_message(&self) -> bool {
        self.kind == 1 && !self.stored.is_empty()
    }
}

/// The records of a segment, up to the first that is none.
///
/// # Panics
/// When a record does not end in the segment.
pub fn records(segment: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    let mut position = SEGMENT_HEAD_BYTES;
    while segment[position..].starts_with(b"RTG1") {
        let head = &segment[position..position + HEAD_BYTES];
        let meta = u32::from_le_bytes(head[20..24].try_into().expect("four bytes")) as usize;
        let stored = u64::from_le_bytes(head[32..40].try_into().expect("eight bytes")) as usize;
        let from = position + HEAD_BYTES + meta;
        let end = position + (HEAD_BYTES + meta + stored).next_multiple_of(8);
        let digest = head[40..72].try_into().expect("thirty-two bytes");
        records.push(Record { whole: position..end, kind: head[4], stored: from..from + stored, digest });
        position = end;
    }
    records
}
