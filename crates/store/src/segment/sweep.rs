//! Reading many records in the order in which they lie: from the disk, in stretches, leaving the system's cache alone.

use super::log::Segments;
use super::record::{HEAD_LEN, Head};
use crate::disk::{ALIGN, Aligned, DiskFile};
use crate::error::StoreError;
use crate::types::Place;

/// Read for the first record of a stretch, and for one that stands alone.
const FIRST_BYTES: usize = 64 << 10;
/// Read at a time once records follow one another.
const MOST_BYTES: usize = 512 << 10;
/// A longer record is read by itself.
const LARGEST_BYTES: usize = 4 << 20;

/// A reader's window on the segments of one cell after the other. It is for one thread; what it reads is quickest in the
/// order of [`crate::Blob::place`].
#[derive(Default)]
pub struct Sweep<'s> {
    segments: Option<&'s Segments>,
    segment: u32,
    /// Where in the segment the window begins.
    from: u64,
    /// How many bytes of the window are there.
    filled: usize,
    window: Aligned,
    /// How much is read the next time, if that goes on where this window ends.
    ahead: usize,
}

impl Segments {
    /// Reads the raw bytes of a record and checks them against its digest, as [`Segments::read`] does, through a window.
    pub(crate) fn read_swept<'s>(&'s self, place: Place, sweep: &mut Sweep<'s>) -> Result<(Head, Vec<u8>), StoreError> {
        let had = sweep.shows(self, place, HEAD_LEN);
        match self.try_swept(place, sweep) {
            // What was room when the window was filled may be a record now.
            Err(StoreError::Corrupt { .. }) if had => {
                sweep.segments = None;
                self.try_swept(place, sweep)
            }
            result => result,
        }
    }

    fn try_swept<'s>(&'s self, place: Place, sweep: &mut Sweep<'s>) -> Result<(Head, Vec<u8>), StoreError> {
        let file = self.file(place.segment)?;
        let corrupt = |why| StoreError::Corrupt { place, why };
        // What a window lacks may be its own shortcoming: a file system may give less at a time than there is.
        let Some(&fixed) = sweep.stretch(self, &*file, place, HEAD_LEN)?.first_chunk() else { return self.read(place) };
        let head = Head::decode(&fixed, place.segment, place.position).map_err(corrupt)?;
        let length = HEAD_LEN as u64 + u64::from(head.meta_len) + head.stored_len;
        if length > LARGEST_BYTES as u64 {
            return self.read(place);
        }
        let whole = sweep.stretch(self, &*file, place, length as usize)?;
        if whole.len() as u64 != length {
            return self.read(place);
        }
        head.open(&fixed, &whole[HEAD_LEN..]).map(|raw| (head, raw)).map_err(corrupt)
    }
}

impl<'s> Sweep<'s> {
    /// Whether so many bytes from a place on are in the window.
    fn shows(&self, segments: &Segments, place: Place, length: usize) -> bool {
        self.segments.is_some_and(|s| std::ptr::eq(s, segments))
            && self.segment == place.segment
            && self.from <= place.position
            && place.position + length as u64 <= self.from + self.filled as u64
    }

    /// The bytes from a place on: fewer than `length` only where the segment ends.
    fn stretch(
        &mut self,
        segments: &'s Segments,
        file: &dyn DiskFile,
        place: Place,
        length: usize,
    ) -> Result<&[u8], StoreError> {
        if !self.shows(segments, place, length) {
            self.fill(segments, file, place, length)?;
        }
        let skipped = (place.position - self.from) as usize;
        let there = self.window.filled(self.filled).get(skipped..).unwrap_or_default();
        Ok(&there[..length.min(there.len())])
    }

    fn fill(
        &mut self,
        segments: &'s Segments,
        file: &dyn DiskFile,
        place: Place,
        length: usize,
    ) -> Result<(), StoreError> {
        let end = self.from + self.filled as u64;
        let goes_on = self.segments.is_some_and(|s| std::ptr::eq(s, segments))
            && self.segment == place.segment
            && (self.from..=end + self.ahead as u64).contains(&place.position);
        self.ahead = if goes_on { (self.ahead * 2).min(MOST_BYTES) } else { FIRST_BYTES };
        let from = place.position / ALIGN as u64 * ALIGN as u64;
        let wanted = ((place.position - from) as usize + length).max(self.ahead).next_multiple_of(ALIGN);
        self.segments = None;
        self.filled =
            file.read_window(self.window.take(wanted), from).map_err(StoreError::io(segments.path(place.segment)))?;
        (self.segments, self.segment, self.from) = (Some(segments), place.segment, from);
        Ok(())
    }
}
