//! Transfers between a file and the disk that leave the system's cache out (`O_DIRECT`).
//!
//! Staging writes, and verify reads, more than any cache holds, once. Through the cache, every page of it would be taken
//! from mail that people are reading, filled by copying and given back; and a message read again a minute after it was
//! written would come from memory, which proves nothing about the disk.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Offsets, lengths and places in memory are multiples of this: the largest block of disks and the page of the cache.
pub(crate) const ALIGN: usize = 4096;
/// Bytes moved by one system call.
const AT_ONCE: usize = 1 << 20;

/// Memory that begins where a transfer may.
#[derive(Default)]
pub(crate) struct Aligned {
    room: Vec<u8>,
}

impl Aligned {
    /// `length` bytes, with whatever stood there before.
    pub(crate) fn take(&mut self, length: usize) -> &mut [u8] {
        if self.room.len() < length + ALIGN {
            self.room = vec![0; length + ALIGN];
        }
        let start = self.start();
        &mut self.room[start..start + length]
    }

    /// What was taken last, as far as `length`.
    pub(crate) fn filled(&self, length: usize) -> &[u8] {
        &self.room[self.start()..][..length]
    }

    fn start(&self) -> usize {
        self.room.as_ptr().align_offset(ALIGN)
    }
}

/// Opens a file for such transfers; `None` where the file system has none.
pub(super) fn open(path: &Path) -> Option<File> {
    let flags = rustix::fs::OFlags::DIRECT.bits() as i32;
    std::fs::OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).ok()
}

/// Splits a stretch of a file: how much of it comes before the first whole block, and how much is whole blocks.
pub(super) fn blocks(offset: u64, length: usize) -> (usize, usize) {
    let before = (offset.next_multiple_of(ALIGN as u64) - offset) as usize;
    let before = before.min(length);
    (before, (length - before) / ALIGN * ALIGN)
}

thread_local! {
    static BOUNCE: RefCell<Aligned> = RefCell::default();
}

/// Writes whole blocks. Gives how many bytes were written before the file system refused such transfers.
///
/// # Errors
/// What the system says, except that.
pub(super) fn write(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    BOUNCE.with_borrow_mut(|bounce| {
        let mut written = 0;
        for part in bytes.chunks(AT_ONCE) {
            let room = bounce.take(part.len());
            room.copy_from_slice(part);
            match file.write_all_at(room, offset + written as u64) {
                Ok(()) => written += part.len(),
                Err(e) if is_refused(&e) => return Ok(written),
                Err(e) => return Err(e),
            }
        }
        Ok(written)
    })
}

/// Fills a window of whole blocks as far as the file goes, past the cache or not, as the file was opened.
///
/// # Errors
/// What the system says.
pub(super) fn read(file: &File, window: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    // The end of a file is in the middle of a block; nothing comes behind it.
    while filled < window.len() && filled % ALIGN == 0 {
        match file.read_at(&mut window[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// Whether an error says that this file cannot be transferred so.
pub(super) fn is_refused(error: &io::Error) -> bool {
    let refusals = [rustix::io::Errno::INVAL, rustix::io::Errno::OPNOTSUPP];
    error.raw_os_error().is_some_and(|code| refusals.iter().any(|r| r.raw_os_error() == code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_split_at_blocks() {
        let block = ALIGN as u64;
        assert_eq!(blocks(0, 3 * ALIGN), (0, 3 * ALIGN));
        assert_eq!(blocks(0, 3 * ALIGN + 1), (0, 3 * ALIGN));
        assert_eq!(blocks(block - 1, 3 * ALIGN), (1, 2 * ALIGN));
        assert_eq!(blocks(block + 1, 100), (100, 0));
        assert_eq!(blocks(block + 1, ALIGN), (ALIGN - 1, 0));
        assert_eq!(blocks(7, 0), (0, 0));
    }

    #[test]
    fn room_is_aligned_and_keeps_what_it_got() {
        let mut room = Aligned::default();
        for length in [1, ALIGN, 3 * ALIGN, 2 * ALIGN] {
            let taken = room.take(length);
            assert_eq!((taken.len(), taken.as_ptr() as usize % ALIGN), (length, 0));
            taken.fill(length as u8 | 1);
            assert!(room.filled(length).iter().all(|b| *b == length as u8 | 1));
        }
    }
}
