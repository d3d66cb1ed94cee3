//! The bytes of a file, held sparsely: a preallocated segment costs no memory until it is written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

const BLOCK_BYTES: usize = 4096;

/// A file's content. Blocks that are not there read as zeros; nothing is kept beyond the length.
#[derive(Clone, Default)]
pub(super) struct Image {
    length: u64,
    blocks: BTreeMap<u64, Box<[u8; BLOCK_BYTES]>>,
}

impl Image {
    /// Reads a file from the file system.
    pub(super) fn load(path: &Path) -> io::Result<Self> {
        let mut image = Self::default();
        for (index, chunk) in (0u64..).zip(std::fs::read(path)?.chunks(BLOCK_BYTES)) {
            let offset = index * BLOCK_BYTES as u64;
            if chunk.iter().any(|byte| *byte != 0) {
                image.write(offset, chunk);
            } else {
                image.set_len(offset + chunk.len() as u64);
            }
        }
        Ok(image)
    }

    /// Writes a new file to the file system, with holes where there are no blocks.
    pub(super) fn store(&self, path: &Path) -> io::Result<()> {
        let file = File::create_new(path)?;
        file.set_len(self.length)?;
        for (index, block) in &self.blocks {
            let offset = index * BLOCK_BYTES as u64;
            let end = (self.length - offset).min(BLOCK_BYTES as u64) as usize;
            file.write_all_at(&block[..end], offset)?;
        }
        Ok(())
    }

    /// Length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.length
    }

    /// Writes bytes at an offset, growing the image where needed.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        for (offset, part) in chunks(offset, bytes, BLOCK_BYTES) {
            let start = (offset % BLOCK_BYTES as u64) as usize;
            let block = self.blocks.entry(offset / BLOCK_BYTES as u64).or_insert_with(|| Box::new([0; BLOCK_BYTES]));
            block[start..start + part.len()].copy_from_slice(part);
            self.length = self.length.max(offset + part.len() as u64);
        }
    }

    /// Cuts or extends to a length; what a cut removes reads as zeros if the image grows again.
    pub(super) fn set_len(&mut self, length: u64) {
        if length < self.length {
            self.blocks.split_off(&length.div_ceil(BLOCK_BYTES as u64));
            if let Some(last) = self.blocks.get_mut(&(length / BLOCK_BYTES as u64)) {
                last[(length % BLOCK_BYTES as u64) as usize..].fill(0);
            }
        }
        self.length = length;
    }
}

/// Splits a write at multiples of `unit_bytes` in the file: the offset and the bytes of each part.
pub(super) fn chunks(offset: u64, bytes: &[u8], unit_bytes: usize) -> impl Iterator<Item = (u64, &[u8])> {
    let mut offset = offset;
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let room = unit_bytes - (offset % unit_bytes as u64) as usize;
        let (part, after) = rest.split_at(room.min(rest.len()));
        let at = offset;
        offset += part.len() as u64;
        rest = after;
        (!part.is_empty()).then_some((at, part))
    })
}
