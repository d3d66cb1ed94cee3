//! A file seen through a window, so that files of gigabytes need little memory.

use super::postmark;
use memchr::memmem;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// How much in front of the wanted bytes is kept, so that a look back at the line before costs no second reading.
const BEHIND_BYTES: u64 = 4;

/// The part of a file that is in memory.
pub(super) struct Window<'f> {
    file: &'f File,
    /// Length of the file; less than it was at first when the file is cut while it is read.
    pub(super) length: u64,
    capacity_bytes: usize,
    start: u64,
    bytes: Vec<u8>,
}

impl<'f> Window<'f> {
    pub(super) fn new(file: &'f File, length: u64, capacity_bytes: usize) -> Self {
        Window { file, length, capacity_bytes, start: 0, bytes: Vec::new() }
    }

    /// The bytes at `offset`: at least `want` of them, which the capacity must hold with [`BEHIND_BYTES`] more, unless the
    /// file ends before.
    pub(super) fn peek(&mut self, offset: u64, want: usize) -> io::Result<&[u8]> {
        if offset >= self.length {
            return Ok(&[]);
        }
        let end = (offset + want as u64).min(self.length);
        if offset < self.start || end > self.start + self.bytes.len() as u64 {
            self.fill(offset)?;
        }
        let skip = usize::try_from(offset - self.start).expect("the window holds the offset");
        Ok(self.bytes.get(skip..).unwrap_or_default())
    }

    fn fill(&mut self, offset: u64) -> io::Result<()> {
        self.start = offset.saturating_sub(BEHIND_BYTES);
        let room = usize::try_from(self.length - self.start).unwrap_or(usize::MAX).min(self.capacity_bytes);
        self.bytes.resize(room, 0);
        let mut filled = 0;
        while filled < room {
            match self.file.read_at(&mut self.bytes[filled..], self.start + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.bytes.clear();
                    return Err(e);
                }
            }
        }
        self.bytes.truncate(filled);
        if filled < room {
            self.length = self.start + filled as u64;
        }
        Ok(())
    }

    /// How long the blank line is that ends right before `at`, if one does.
    pub(super) fn blank_line_before(&mut self, at: u64) -> io::Result<Option<u64>> {
        let behind_start = at.saturating_sub(3);
        let length = usize::try_from(at - behind_start).expect("it is at most 3");
        let Some(behind) = self.peek(behind_start, length)?.get(..length) else { return Ok(None) };
        Ok(match behind {
            [.., b'\n', b'\n'] | [b'\n'] => Some(1),
            [b'\n', b'\r', b'\n'] | [b'\r', b'\n'] => Some(2),
            _ => None,
        })
    }

    /// The line at `offset` with its line ending; empty where it is longer than a postmark may be.
    pub(super) fn line(&mut self, offset: u64) -> io::Result<&[u8]> {
        let at_end = self.length.saturating_sub(offset) <= postmark::MAX_LINE_BYTES as u64;
        let bytes = self.peek(offset, postmark::MAX_LINE_BYTES)?;
        let bytes = &bytes[..bytes.len().min(postmark::MAX_LINE_BYTES)];
        Ok(match memchr::memchr(b'\n', bytes) {
            Some(end) => &bytes[..=end],
            None if at_end => bytes,
            None => &[],
        })
    }

    /// Where `needle` stands first at or after `from`.
    pub(super) fn find(&mut self, from: u64, needle: &[u8]) -> io::Result<Option<u64>> {
        let mut at = from;
        loop {
            let bytes = self.peek(at, needle.len())?;
            if let Some(found) = memmem::find(bytes, needle) {
                return Ok(Some(at + found as u64));
            }
            if bytes.len() < needle.len() {
                return Ok(None);
            }
            at += (bytes.len() - needle.len() + 1) as u64;
        }
    }
}

/// The length of the blank line that bytes begin with, 0 where they begin with none.
pub(super) fn separator_length(bytes: &[u8]) -> usize {
    match bytes {
        [b'\n', ..] => 1,
        [b'\r', b'\n', ..] => 2,
        _ => 0,
    }
}
