//! The bytes of a record on their way into a segment and out of it: which codec, and zstd.

use super::record::{Codec, HEAD_LEN, Head, RecordError, crc};
use super::stretches;
use message::Digest;
use std::cell::RefCell;
use std::io;
use zstd::bulk::{Compressor, Decompressor};

/// A zstd block of at least 4 bytes unpacks to at most 128 KiB.
const MAX_ZSTD_RATIO: usize = 1 << 15;

/// Bytes as they go into a record, with their checksum: the part of the work that needs no writer.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    pub(crate) codec: Codec,
    pub(crate) raw_len: u64,
    pub(crate) stored: Vec<u8>,
    pub(crate) crc: u32,
}

impl Payload {
    /// Packs bytes in the codec that suits them.
    pub(crate) fn pack(raw: &[u8], level: i32) -> Self {
        let (codec, stored) = if raw.is_empty() {
            (Codec::Elsewhere, Vec::new())
        } else if let Some(split) = stretches::split(raw, level) {
            (Codec::Split, split)
        } else if let Some(frame) = pack(raw, level) {
            (Codec::Zstd, frame)
        } else {
            (Codec::Raw, raw.to_vec())
        };
        let crc = crc(&[&stored]);
        Payload { codec, raw_len: raw.len() as u64, stored, crc }
    }

    /// The payload of a record whose bytes an earlier record has.
    pub(crate) fn elsewhere(raw_len: u64) -> Self {
        Payload { codec: Codec::Elsewhere, raw_len, stored: Vec::new(), crc: crc(&[]) }
    }
}

impl Head {
    /// The raw bytes of a record: `fixed` is its head as it lies, `rest` its meta and its stored bytes.
    ///
    /// # Errors
    /// When the meta does not have its checksum, and those of [`unpack_payload`].
    pub(super) fn open(&self, fixed: &[u8; HEAD_LEN], rest: &[u8]) -> Result<Vec<u8>, RecordError> {
        let (meta, stored) = rest.split_at(self.meta_len as usize);
        self.check(fixed, meta)?;
        unpack_payload(self, stored)
    }
}

/// Unpacks the stored bytes of a record and checks them against its digest.
///
/// The raw length comes from a record whose checksum was right; even so it is bounded by what the stored bytes can be.
///
/// # Errors
/// [`RecordError::Content`].
pub fn unpack_payload(head: &Head, stored: &[u8]) -> Result<Vec<u8>, RecordError> {
    let raw_len = usize::try_from(head.raw_len).map_err(|_| RecordError::Content)?;
    let raw = match head.codec {
        Codec::Elsewhere => Some(Vec::new()),
        Codec::Raw => Some(stored.to_vec()),
        Codec::Zstd => unpack(stored, raw_len),
        Codec::Split => stretches::join(stored, raw_len).ok(),
    };
    let right = |raw: &Vec<u8>| raw.len() == raw_len && Digest::from(blake3::hash(raw)) == head.digest;
    raw.filter(right).ok_or(RecordError::Content)
}

/// What a thread keeps of zstd: making a context anew costs as much as packing a small message does.
struct Zstd {
    packer: Compressor<'static>,
    level: i32,
    unpacker: Decompressor<'static>,
}

thread_local! {
    static ZSTD: RefCell<Option<Zstd>> = const { RefCell::new(None) };
}

fn with_zstd<T>(level: i32, work: impl FnOnce(&mut Zstd) -> io::Result<T>) -> Option<T> {
    let worked = ZSTD.with_borrow_mut(|kept| {
        let zstd = match kept {
            Some(zstd) => zstd,
            none => none.insert(Zstd { packer: Compressor::new(level)?, level, unpacker: Decompressor::new()? }),
        };
        work(zstd)
    });
    worked.ok()
}

/// One zstd frame, where that makes bytes smaller by more than a sixteenth.
pub(super) fn pack(raw: &[u8], level: i32) -> Option<Vec<u8>> {
    let frame = with_zstd(level, |zstd| {
        if zstd.level != level {
            zstd.packer.set_compression_level(level)?;
            zstd.level = level;
        }
        zstd.packer.compress(raw)
    });
    frame.filter(|f| f.len() < raw.len() - raw.len() / 16)
}

/// Unpacks a zstd frame that says this length, if it can be true.
pub(super) fn unpack(frame: &[u8], raw_len: usize) -> Option<Vec<u8>> {
    let said = zstd::zstd_safe::get_frame_content_size(frame).ok().flatten();
    if said != Some(raw_len as u64) || raw_len / MAX_ZSTD_RATIO > frame.len() {
        return None;
    }
    with_zstd(zstd::DEFAULT_COMPRESSION_LEVEL, |zstd| zstd.unpacker.decompress(frame, raw_len))
}
