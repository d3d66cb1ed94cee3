//! Segment records: one that is written by the page of the format decodes to what was written, a single wrong bit in it
//! is always noticed, and neither foreign bytes nor foreign descriptions behind a right checksum panic, nor what is packed
//! there in whatever codec.

#![no_main]

use libfuzzer_sys::fuzz_target;
use store::AccountState;
use store::segment::record::{Codec, Delivery, HEAD_LEN, Kind, RecordError, decode_record};
use store::segment::unpack_payload;

const SEGMENT: u32 = 7;
const POSITION: u64 = 64;

fuzz_target!(|input: (Vec<u8>, Vec<u8>, u16)| {
    let (meta, stored, wrong) = input;
    let _ = decode_record(&stored, SEGMENT, POSITION);
    let _ = Delivery::decode(&meta);
    let _ = AccountState::decode(&meta);

    let record = written(&meta, &stored);
    let (head, read_meta, read_stored) = decode_record(&record, SEGMENT, POSITION).expect("it was written by the page");
    assert_eq!((read_meta, read_stored), (&meta[..], &stored[..]));
    assert_eq!((head.kind, head.position, head.segment), (Kind::Delivery, POSITION, SEGMENT));
    assert_eq!(head.codec, if stored.is_empty() { Codec::Elsewhere } else { Codec::Raw });
    assert_eq!((head.raw_len, head.stored_len), (stored.len() as u64, stored.len() as u64));
    assert_eq!(head.total_len(), record.len() as u64);
    assert_eq!(head.payload_position(), POSITION + (HEAD_LEN + meta.len()) as u64);
    assert!(unpack_payload(&head, read_stored).is_ok_and(|raw| raw == stored));
    // The length of a message that would be packed so is anything.
    for (codec, raw_len) in
        [(Codec::Zstd, wrong.into()), (Codec::Split, wrong.into()), (Codec::Split, raw_len(&stored))]
    {
        let mut other = head;
        (other.codec, other.raw_len) = (codec, raw_len);
        let raw = unpack_payload(&other, &stored);
        assert!(raw == Err(RecordError::Content) || raw.is_ok_and(|raw| head.digest == blake3::hash(&raw).into()));
    }
    assert!(decode_record(&record, SEGMENT + 1, POSITION).is_err());
    assert!(decode_record(&record, SEGMENT, POSITION + 8).is_err());

    let covered = HEAD_LEN + meta.len() + stored.len();
    let mut damaged = record.clone();
    let bit = usize::from(wrong) % (covered * 8);
    damaged[bit / 8] ^= 1 << (bit % 8);
    assert!(decode_record(&damaged, SEGMENT, POSITION).is_err());
    assert!(decode_record(&record[..covered - 1], SEGMENT, POSITION).is_err());
});

/// The length of a message that the foreign directory names, where it names one: or else no row would ever be looked at.
fn raw_len(stored: &[u8]) -> u64 {
    let Some((rest, trailer)) = stored.split_last_chunk::<4>() else { return 0 };
    let Some(at) = rest.len().checked_sub(u32::from_le_bytes(*trailer) as usize) else { return 0 };
    let mut values = rest[at..]
        .split_inclusive(|byte| byte & 0x80 == 0)
        .map(|digits| digits.iter().rev().fold(0u64, |value, byte| value << 7 | u64::from(byte & 0x7f)));
    let mut length = values.next().unwrap_or(0);
    while let (Some(_), Some(line), Some(bytes), Some(place)) =
        (values.next(), values.next(), values.next(), values.next())
    {
        let letters = bytes.div_ceil(3).saturating_mul(4);
        let lines = letters.div_ceil(line.max(1)).saturating_sub(1);
        let packed = if place == 1 { bytes } else { 0 };
        length = length.saturating_add(letters).saturating_add(lines.saturating_mul(2)).saturating_sub(packed);
    }
    length
}

/// Writes a record as `docs/formats/segment.md` lays it out, sharing no code with the store.
fn written(meta: &[u8], stored: &[u8]) -> Vec<u8> {
    let mut record = b"RTG1".to_vec();
    record.extend([1, u8::from(!stored.is_empty()), 0, 0]);
    record.extend(POSITION.to_le_bytes());
    record.extend(SEGMENT.to_le_bytes());
    record.extend((meta.len() as u32).to_le_bytes());
    record.extend((stored.len() as u64).to_le_bytes());
    record.extend((stored.len() as u64).to_le_bytes());
    record.extend(blake3::hash(stored).as_bytes());
    record.extend(crc32c([stored].into_iter()).to_le_bytes());
    let checksum = crc32c([&record[..], meta].into_iter());
    record.extend(checksum.to_le_bytes());
    record.extend(meta);
    record.extend(stored);
    record.resize(record.len().next_multiple_of(8), 0);
    record
}

/// CRC32C bit by bit: slow, and plainly right.
fn crc32c<'a>(parts: impl Iterator<Item = &'a [u8]>) -> u32 {
    let bit = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), bit);
    !parts.flatten().fold(u32::MAX, byte)
}
