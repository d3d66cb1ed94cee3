//! One record of a segment: its head, its meta (for whom, into which mailbox, when), its stored bytes.
//!
//! ```text
//!  0   4  magic "RTG1"
//!  4   1  kind: 1 delivery, 2 account manifest, 3 lineage forgotten, 4 queued
//!  5   1  codec of the stored bytes: 0 none (they are in an earlier record), 1 raw, 2 zstd, 3 split
//!  6   2  zero
//!  8   8  position of this record in its segment
//! 16   4  number of the segment
//! 20   4  length of the meta
//! 24   8  raw length: of the message in CRLF form, or of the manifest
//! 32   8  stored length
//! 40  32  BLAKE3-256 of the raw bytes
//! 72   4  CRC32C of the stored bytes
//! 76   4  CRC32C of bytes 0 to 75 and of the meta
//! 80      meta, stored bytes, zeros up to a multiple of 8
//! ```
//! Integers are little-endian. Position and number make a stale or misplaced record impossible to take for a real one.

use super::payload::Payload;
use crate::codec::{Decoder, Encoder, Malformed};
use crate::spool::DeliveryId;
use crate::types::Origin;
use message::{Digest, Flags, Identity, Keyword, MailboxName};

/// Length of the fixed head.
pub const HEAD_LEN: usize = 80;
/// Length of a segment's own head, which the first record follows.
pub const SEGMENT_HEAD_LEN: usize = 64;
/// The longest meta: names, keywords and a path, with room to spare. A longer one is corruption.
pub const MAX_META_LEN: usize = 1 << 20;

const MAGIC: &[u8; 4] = b"RTG1";
const SEGMENT_MAGIC: &[u8; 8] = b"RTGSEG01";
const ALIGN: u64 = 8;
/// Stands before a delivery's id.
const WITH_ID: u8 = 1;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A message delivered into a mailbox.
    Delivery,
    /// The whole state of an account: every mailbox and message.
    Manifest,
    /// A hidden lineage was dropped.
    Forget,
    /// A message that waits in the spool.
    Queued,
}

/// How a record's bytes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Not here: an earlier record of the cell has bytes of this digest.
    Elsewhere,
    /// As they are.
    Raw,
    /// One zstd frame.
    Zstd,
    /// Text and base64 apart, the base64 decoded.
    Split,
}

/// The fixed head of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// What it is.
    pub kind: Kind,
    /// How its bytes are stored.
    pub codec: Codec,
    /// Where it says it lies.
    pub position: u64,
    /// In which segment it says it lies.
    pub segment: u32,
    /// Length of the meta in bytes.
    pub meta_len: u32,
    /// Length of the raw bytes.
    pub raw_len: u64,
    /// Length of the stored bytes.
    pub stored_len: u64,
    /// BLAKE3-256 of the raw bytes.
    pub digest: Digest,
    /// CRC32C of the stored bytes.
    pub payload_crc: u32,
    head_crc: u32,
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Nothing was ever written here.
    #[error("nothing was written here")]
    Blank,
    /// No record begins here.
    #[error("no record begins here")]
    NoMagic,
    /// A field holds a value that this version does not know.
    #[error("a field holds an unknown value")]
    Unknown,
    /// The record says that it belongs elsewhere.
    #[error("the record belongs elsewhere")]
    Misplaced,
    /// The checksum of head and meta is wrong.
    #[error("the checksum of its head is wrong")]
    HeadChecksum,
    /// The checksum of the stored bytes is wrong.
    #[error("the checksum of its bytes is wrong")]
    PayloadChecksum,
    /// The stored bytes cannot be unpacked, or are not what the head says.
    #[error("its bytes are not those that its digest names")]
    Content,
    /// The meta cannot be understood.
    #[error("its description is malformed")]
    Meta,
    /// It does not end within the file.
    #[error("it does not end within the segment")]
    Short,
}

impl From<Malformed> for RecordError {
    fn from(_: Malformed) -> Self {
        RecordError::Meta
    }
}

impl Head {
    /// Whole length of the record with its padding.
    pub fn total_len(&self) -> u64 {
        (HEAD_LEN as u64 + u64::from(self.meta_len) + self.stored_len).next_multiple_of(ALIGN)
    }

    /// Where the stored bytes begin in the segment.
    pub fn payload_position(&self) -> u64 {
        self.position + HEAD_LEN as u64 + u64::from(self.meta_len)
    }

    /// What the stored bytes are to be given to, piece by piece, to know whether they are whole.
    pub(crate) fn payload_sum(&self) -> PayloadSum {
        PayloadSum { sum: crc_fast::Digest::new(CRC), expected: self.payload_crc }
    }

    /// Reads a fixed head that is expected at a place; checks everything but the checksum, which needs the meta.
    ///
    /// # Errors
    /// [`RecordError`]: what is wrong.
    pub fn decode(bytes: &[u8; HEAD_LEN], segment: u32, position: u64) -> Result<Head, RecordError> {
        if bytes.iter().all(|b| *b == 0) {
            return Err(RecordError::Blank);
        }
        let mut d = Decoder::new(bytes);
        if d.take(4)? != MAGIC {
            return Err(RecordError::NoMagic);
        }
        let kind = match d.byte()? {
            1 => Kind::Delivery,
            2 => Kind::Manifest,
            3 => Kind::Forget,
            4 => Kind::Queued,
            _ => return Err(RecordError::Unknown),
        };
        let codec = match d.byte()? {
            0 => Codec::Elsewhere,
            1 => Codec::Raw,
            2 => Codec::Zstd,
            3 => Codec::Split,
            _ => return Err(RecordError::Unknown),
        };
        if d.take(2)? != [0, 0] {
            return Err(RecordError::Unknown);
        }
        let head = Head {
            kind,
            codec,
            position: u64::from_le_bytes(d.array()?),
            segment: u32::from_le_bytes(d.array()?),
            meta_len: u32::from_le_bytes(d.array()?),
            raw_len: u64::from_le_bytes(d.array()?),
            stored_len: u64::from_le_bytes(d.array()?),
            digest: Digest(d.array()?),
            payload_crc: u32::from_le_bytes(d.array()?),
            head_crc: u32::from_le_bytes(d.array()?),
        };
        if head.position != position || head.segment != segment {
            return Err(RecordError::Misplaced);
        }
        let elsewhere = head.codec == Codec::Elsewhere;
        if head.meta_len as usize > MAX_META_LEN || head.stored_len > (1 << 40) || elsewhere != (head.stored_len == 0) {
            return Err(RecordError::Unknown);
        }
        Ok(head)
    }

    /// Checks the checksum over the fixed head and the meta.
    ///
    /// # Errors
    /// [`RecordError::HeadChecksum`].
    pub fn check(&self, fixed: &[u8; HEAD_LEN], meta: &[u8]) -> Result<(), RecordError> {
        if crc(&[&fixed[..HEAD_LEN - 4], meta]) == self.head_crc { Ok(()) } else { Err(RecordError::HeadChecksum) }
    }
}

/// Decodes a whole record from bytes that begin with it: head, meta and stored bytes.
///
/// # Errors
/// [`RecordError`]: the first thing that is wrong. The content behind the codec is not looked at.
pub fn decode_record(bytes: &[u8], segment: u32, position: u64) -> Result<(Head, &[u8], &[u8]), RecordError> {
    let fixed: &[u8; HEAD_LEN] = bytes.first_chunk().ok_or(RecordError::Short)?;
    let head = Head::decode(fixed, segment, position)?;
    let rest = &bytes[HEAD_LEN..];
    let (meta, rest) = rest.split_at_checked(head.meta_len as usize).ok_or(RecordError::Short)?;
    head.check(fixed, meta)?;
    let stored_len = usize::try_from(head.stored_len).map_err(|_| RecordError::Short)?;
    let payload = rest.get(..stored_len).ok_or(RecordError::Short)?;
    if crc(&[payload]) != head.payload_crc {
        return Err(RecordError::PayloadChecksum);
    }
    Ok((head, meta, payload))
}

/// Appends a record, padded, to a buffer whose first byte will stand at `buffer_position` in the segment.
pub(crate) fn encode_record(
    buffer: &mut Vec<u8>,
    buffer_position: u64,
    segment: u32,
    kind: Kind,
    digest: Digest,
    payload: &Payload,
    meta: &[u8],
) -> u64 {
    let start = buffer.len();
    let position = buffer_position + start as u64;
    buffer.extend_from_slice(MAGIC);
    buffer.push(match kind {
        Kind::Delivery => 1,
        Kind::Manifest => 2,
        Kind::Forget => 3,
        Kind::Queued => 4,
    });
    buffer.push(match payload.codec {
        Codec::Elsewhere => 0,
        Codec::Raw => 1,
        Codec::Zstd => 2,
        Codec::Split => 3,
    });
    buffer.extend_from_slice(&[0, 0]);
    buffer.extend_from_slice(&position.to_le_bytes());
    buffer.extend_from_slice(&segment.to_le_bytes());
    buffer.extend_from_slice(&(meta.len() as u32).to_le_bytes());
    buffer.extend_from_slice(&payload.raw_len.to_le_bytes());
    buffer.extend_from_slice(&(payload.stored.len() as u64).to_le_bytes());
    buffer.extend_from_slice(digest.as_bytes());
    buffer.extend_from_slice(&payload.crc.to_le_bytes());
    let head_crc = crc(&[&buffer[start..], meta]);
    buffer.extend_from_slice(&head_crc.to_le_bytes());
    buffer.extend_from_slice(meta);
    buffer.extend_from_slice(&payload.stored);
    buffer.resize((buffer.len() - start).next_multiple_of(ALIGN as usize) + start, 0);
    position
}

/// The meta of a delivery: everything that the index must know of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The lineage of the account: 0 is live.
    pub lineage: i64,
    /// The account's number in its cell.
    pub account: i64,
    /// Its address.
    pub address: String,
    /// The mailbox's number in its account.
    pub mailbox: i64,
    /// Its name.
    pub mailbox_name: MailboxName,
    /// Its UIDVALIDITY, where it has one.
    pub uidvalidity: Option<u32>,
    /// The UID.
    pub uid: u32,
    /// The modification sequence of the delivery.
    pub modseq: u64,
    /// INTERNALDATE, seconds since 1970 UTC.
    pub internal_date: i64,
    /// When it was saved here, seconds since 1970 UTC.
    pub save_date: i64,
    /// System flags.
    pub flags: Flags,
    /// Keywords, each once.
    pub keywords: Vec<Keyword>,
    /// POP3 UIDL where it differs from the rule.
    pub uidl: Option<String>,
    /// See [`crate::Traits`].
    pub traits: u8,
    /// The identity of the bytes.
    pub identity: Identity,
    /// Hash of the Message-ID, where there is one.
    pub message_id: Option<u64>,
    /// Hash of the first header field, where there is one.
    pub first_field: Option<u64>,
    /// For a staged message: its number among the account's items, its kind there, and where it lies in its source.
    pub item: Option<(i64, u8, Origin)>,
    /// Names the delivery, where it may be tried again.
    pub id: Option<DeliveryId>,
}

impl Delivery {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::default();
        let keywords: Vec<&str> = self.keywords.iter().map(Keyword::as_str).collect();
        e.signed(self.lineage).signed(self.account).bytes(self.address.as_bytes()).signed(self.mailbox);
        e.bytes(self.mailbox_name.as_str().as_bytes()).unsigned(self.uidvalidity.unwrap_or(0).into());
        e.unsigned(self.uid.into()).unsigned(self.modseq).signed(self.internal_date).signed(self.save_date);
        e.raw(&[self.flags.bits(), self.traits]).bytes(keywords.join(" ").as_bytes());
        e.optional_bytes(self.uidl.as_deref().map(str::as_bytes)).raw(self.identity.as_bytes());
        e.optional_word(self.message_id).optional_word(self.first_field);
        match &self.item {
            None => e.unsigned(0),
            Some((number, kind, o)) => {
                e.unsigned(1)
                    .signed(*number)
                    .raw(&[*kind])
                    .bytes(&o.path)
                    .optional(o.range.map(|r| r.0))
                    .optional(o.range.map(|r| r.1));
                e.unsigned(o.length_bytes).signed(o.modified_ns).signed(o.changed_ns).unsigned(o.inode);
                e.optional_bytes(o.mended.as_deref().map(str::as_bytes))
            }
        };
        if let Some(id) = self.id {
            e.raw(&[WITH_ID]).raw(&id.0);
        }
        e.bytes
    }

    /// Decodes the meta of a delivery.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes are not one, whole.
    pub fn decode(meta: &[u8]) -> Result<Self, Malformed> {
        let mut d = Decoder::new(meta);
        let delivery = Delivery {
            lineage: d.signed()?,
            account: d.signed()?,
            address: d.text()?.to_owned(),
            mailbox: d.signed()?,
            mailbox_name: MailboxName::new(d.text()?).map_err(|_| Malformed)?,
            uidvalidity: Some(d.narrow()?).filter(|v| *v != 0),
            uid: d.narrow()?,
            modseq: d.unsigned()?,
            internal_date: d.signed()?,
            save_date: d.signed()?,
            flags: Flags::from_bits(d.byte()?),
            traits: d.byte()?,
            keywords: decode_keywords(d.text()?)?,
            uidl: d.optional_text()?.map(str::to_owned),
            identity: Identity(d.array()?),
            message_id: d.optional_word()?,
            first_field: d.optional_word()?,
            item: match d.byte()? {
                0 => None,
                1 => {
                    let (number, kind) = (d.signed()?, d.byte()?);
                    let path = d.bytes()?.to_vec();
                    let range = d.optional()?.zip(d.optional()?);
                    let origin = Origin {
                        path,
                        range,
                        length_bytes: d.unsigned()?,
                        modified_ns: d.signed()?,
                        changed_ns: d.signed()?,
                        inode: d.unsigned()?,
                        mended: d.optional_text()?.map(str::to_owned),
                    };
                    Some((number, kind, origin))
                }
                _ => return Err(Malformed),
            },
            // Records from before there were ids end here, and so do those without one.
            id: if d.is_empty() {
                None
            } else if d.byte()? == WITH_ID {
                Some(DeliveryId(d.array()?))
            } else {
                return Err(Malformed);
            },
        };
        if d.is_empty() { Ok(delivery) } else { Err(Malformed) }
    }
}

pub(crate) fn decode_keywords(text: &str) -> Result<Vec<Keyword>, Malformed> {
    text.split(' ').filter(|k| !k.is_empty()).map(|k| Keyword::new(k).map_err(|_| Malformed)).collect()
}

/// The head of a segment file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHead {
    pub(crate) number: u32,
    pub(crate) cell: u32,
    pub(crate) store: [u8; 16],
    pub(crate) created: i64,
}

impl SegmentHead {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEAD_LEN] {
        let mut out = [0; SEGMENT_HEAD_LEN];
        out[..8].copy_from_slice(SEGMENT_MAGIC);
        out[8..12].copy_from_slice(&self.number.to_le_bytes());
        out[12..16].copy_from_slice(&self.cell.to_le_bytes());
        out[16..32].copy_from_slice(&self.store);
        out[32..40].copy_from_slice(&self.created.to_le_bytes());
        let sum = crc(&[&out[..SEGMENT_HEAD_LEN - 4]]);
        out[SEGMENT_HEAD_LEN - 4..].copy_from_slice(&sum.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8; SEGMENT_HEAD_LEN]) -> Result<Self, RecordError> {
        let mut d = Decoder::new(bytes);
        if d.take(8)? != SEGMENT_MAGIC {
            return Err(RecordError::NoMagic);
        }
        let head = SegmentHead {
            number: u32::from_le_bytes(d.array()?),
            cell: u32::from_le_bytes(d.array()?),
            store: d.array()?,
            created: i64::from_le_bytes(d.array()?),
        };
        if head.encode() == *bytes { Ok(head) } else { Err(RecordError::HeadChecksum) }
    }
}

/// CRC32C of stored bytes on its way.
pub(crate) struct PayloadSum {
    sum: crc_fast::Digest,
    expected: u32,
}

impl PayloadSum {
    pub(crate) fn update(&mut self, piece: &[u8]) {
        self.sum.update(piece);
    }

    pub(crate) fn matches(self) -> bool {
        self.sum.finalize() as u32 == self.expected
    }
}

const CRC: crc_fast::CrcAlgorithm = crc_fast::CrcAlgorithm::Crc32Iscsi;

/// CRC32C over several pieces.
pub(super) fn crc(pieces: &[&[u8]]) -> u32 {
    let mut sum = crc_fast::Digest::new(CRC);
    for piece in pieces {
        sum.update(piece);
    }
    sum.finalize() as u32
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::payload::unpack_payload;
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Delivery {
        Delivery {
            lineage: 3,
            account: 12,
            address: "ana@example.org".into(),
            mailbox: 2,
            mailbox_name: MailboxName::new("Facturas/Año 2012").unwrap(),
            uidvalidity: Some(1_373_392_800),
            uid: 77,
            modseq: 9,
            internal_date: -1,
            save_date: 1_373_392_801,
            flags: Flags::SEEN | Flags::ANSWERED,
            keywords: vec![Keyword::new("$NotJunk").unwrap()],
            uidl: Some("0000004d51dbf220".into()),
            traits: 1,
            identity: Identity([7; 32]),
            message_id: Some(u64::MAX),
            first_field: None,
            item: Some((
                4,
                1,
                Origin {
                    path: b"cur/1.a\xff:2,S".to_vec(),
                    range: Some((0, 5)),
                    length_bytes: 5,
                    modified_ns: 1,
                    changed_ns: 2,
                    inode: 3,
                    mended: None,
                },
            )),
            id: Some(DeliveryId([9; 16])),
        }
    }

    #[test]
    fn the_checksum_is_crc32c() {
        assert_eq!(crc(&[b"1234", b"56789"]), 0xe306_9283);
    }

    #[test]
    fn a_delivery_comes_back_as_it_was() {
        for id in [sample().id, None] {
            let delivery = Delivery { id, ..sample() };
            assert_eq!(Delivery::decode(&delivery.encode()).unwrap(), delivery);
        }
        let (mut longer, mut shorter) = (sample().encode(), sample().encode());
        longer.push(0);
        shorter.pop();
        assert_eq!((Delivery::decode(&longer), Delivery::decode(&shorter)), (Err(Malformed), Err(Malformed)));
    }

    #[test]
    fn every_changed_byte_of_a_record_is_seen() {
        let raw = b"Subject: hola\r\n\r\nhola\r\n".repeat(20);
        let digest = Digest::from(blake3::hash(&raw));
        let mut bytes = Vec::new();
        encode_record(&mut bytes, 64, 5, Kind::Delivery, digest, &Payload::pack(&raw, 1), &sample().encode());
        let (head, meta, stored) = decode_record(&bytes, 5, 64).unwrap();
        assert_eq!(Delivery::decode(meta).unwrap(), sample());
        assert_eq!(unpack_payload(&head, stored).unwrap(), raw);
        assert_eq!(head.total_len(), bytes.len() as u64);
        let used = HEAD_LEN + meta.len() + stored.len();
        for i in 0..used {
            let mut bad = bytes.clone();
            bad[i] ^= 0x10;
            assert!(decode_record(&bad, 5, 64).is_err(), "a flipped bit in byte {i} went unseen");
        }
        assert_eq!(decode_record(&bytes, 5, 72), Err(RecordError::Misplaced));
        assert_eq!(decode_record(&bytes, 6, 64), Err(RecordError::Misplaced));
        assert_eq!(decode_record(&[0; 200], 6, 64), Err(RecordError::Blank));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_an_error(bytes: Vec<u8>) {
            let _ = decode_record(&bytes, 0, 0);
            let _ = Delivery::decode(&bytes);
        }

        #[test]
        fn what_is_packed_is_unpacked(raw in proptest::collection::vec(any::<u8>(), 0..3000), level in -5i32..4) {
            let digest = Digest::from(blake3::hash(&raw));
            let mut bytes = Vec::new();
            encode_record(&mut bytes, 8, 1, Kind::Manifest, digest, &Payload::pack(&raw, level), b"m");
            let (head, _, stored) = decode_record(&bytes, 1, 8).unwrap();
            prop_assert_eq!(unpack_payload(&head, stored).unwrap(), raw);
        }
    }
}
