//! The durable-write path, and the reader.
//!
//! The order, the only one there is: bytes into the segment → `fdatasync` → (a new segment: directory sync) → and only
//! then may the caller commit the index and acknowledge. What [`Log::commit`] does not promise: that the index knows.
//! It catches up from the segments when it is opened.
//!
//! A segment is never overwritten with anything else. When a tail is found that is not clean (a torn write), it stays as
//! evidence and writing goes on in a new segment, so that no stale record can come to stand behind a new one. What this
//! process itself wrote and could not sync, it cuts off.

use super::damaged::Damaged;
use super::payload::{Payload, unpack_payload};
use super::record::{Codec, HEAD_LEN, Head, Kind, RecordError, SEGMENT_HEAD_LEN, SegmentHead, encode_record};
use super::sweep::Sweep;
use crate::disk::{Disk, DiskFile};
use crate::error::StoreError;
use crate::types::{Blob, Place};
use message::Digest;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

/// A segment that reaches this length is sealed and the next one begun; tests choose a smaller one.
pub(crate) const SEGMENT_BYTES: u64 = 64 << 20;
/// Room is reserved in steps of this, so that most syncs need not touch the file system's journal.
const RESERVE_BYTES: u64 = 8 << 20;
/// Segments of a cell that are kept open for reading; each may have a second descriptor, for reading past the cache.
const OPEN_FILES: usize = 64;
/// Bytes looked through at a time for the next record behind a damaged one, or written again.
const SEARCH_BYTES: usize = 1 << 16;
static ZEROS: [u8; SEARCH_BYTES] = [0; SEARCH_BYTES];

/// The segments of a cell, for reading.
pub(crate) struct Segments {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    files: RwLock<HashMap<u32, Arc<dyn DiskFile>>>,
    pub(crate) damaged: Damaged,
}

/// Something found while a segment is scanned.
pub(crate) enum Found<'a> {
    /// A record whose head is whole. Its bytes were not looked at.
    Record(&'a Head, &'a [u8]),
    /// A stretch that holds no record: from, to, why.
    Damaged(u64, u64, RecordError),
}

/// What a scan came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScanEnd {
    /// Behind the last whole record.
    pub(crate) tail: u64,
    /// Nothing but zeros, or nothing, stands behind the tail, and nothing damaged before it.
    pub(crate) clean: bool,
}

/// What stands behind a position that has no record.
enum Behind {
    /// Another record, here.
    Record(u64),
    /// Nothing but zeros, or nothing.
    Zeros,
    /// Something, and no record.
    Remains,
}

impl Segments {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: PathBuf) -> Self {
        Segments { disk, dir, files: RwLock::default(), damaged: Damaged::default() }
    }

    /// The file layer that the segments lie on.
    pub(crate) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    pub(crate) fn path(&self, number: u32) -> PathBuf {
        self.dir.join(format!("{number:08x}.seg"))
    }

    /// Numbers of the segments there are, ascending.
    pub(crate) fn numbers(&self) -> Result<Vec<u32>, StoreError> {
        let names = self.disk.list(&self.dir).map_err(StoreError::io(&self.dir))?;
        let number = |name: &std::ffi::OsString| {
            let digits = Path::new(name).extension().filter(|e| *e == "seg").and(Path::new(name).file_stem())?;
            u32::from_str_radix(digits.to_str()?, 16).ok()
        };
        Ok(names.iter().filter_map(number).collect())
    }

    pub(super) fn file(&self, number: u32) -> Result<Arc<dyn DiskFile>, StoreError> {
        if let Some(file) = self.files.read().unwrap_or_else(|e| e.into_inner()).get(&number) {
            return Ok(file.clone());
        }
        let path = self.path(number);
        let file = self.disk.open(&path, false).map_err(StoreError::io(path))?;
        self.keep_open(number, file.clone());
        Ok(file)
    }

    /// Keeps a file open for those who read it next. A large store has more segments than a process may have files.
    fn keep_open(&self, number: u32, file: Arc<dyn DiskFile>) {
        let mut files = self.files.write().unwrap_or_else(|e| e.into_inner());
        if files.len() >= OPEN_FILES {
            files.clear();
        }
        files.insert(number, file);
    }

    fn head_at(&self, file: &dyn DiskFile, number: u32, position: u64) -> Result<([u8; HEAD_LEN], Head), StoreError> {
        let place = Place { segment: number, position };
        let mut fixed = [0; HEAD_LEN];
        self.fill(file, &mut fixed, place)?;
        let head = Head::decode(&fixed, number, position).map_err(|why| StoreError::Corrupt { place, why })?;
        Ok((fixed, head))
    }

    fn fill(&self, file: &dyn DiskFile, buffer: &mut [u8], place: Place) -> Result<(), StoreError> {
        file.read_exact_at(buffer, place.position).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => StoreError::Corrupt { place, why: RecordError::Short },
            _ => StoreError::io(self.path(place.segment))(e),
        })
    }

    /// Reads the raw bytes of a record and checks them against its digest.
    pub(crate) fn read(&self, place: Place) -> Result<(Head, Vec<u8>), StoreError> {
        let file = self.file(place.segment)?;
        let (fixed, head) = self.head_at(&*file, place.segment, place.position)?;
        let corrupt = |why| StoreError::Corrupt { place, why };
        let length = file.len().map_err(StoreError::io(self.path(place.segment)))?;
        if place.position + head.total_len() > length.next_multiple_of(8) {
            return Err(corrupt(RecordError::Short));
        }
        let mut rest = vec![0; head.meta_len as usize + head.stored_len as usize];
        self.fill(&*file, &mut rest, Place { position: place.position + HEAD_LEN as u64, ..place })?;
        head.open(&fixed, &rest).map(|raw| (head, raw)).map_err(corrupt)
    }

    /// Reads the bytes that a blob names.
    pub(crate) fn bytes(&self, blob: &Blob) -> Result<Vec<u8>, StoreError> {
        self.noting(blob.place, self.read(blob.place).and_then(|read| of_blob(blob, read)))
    }

    /// As [`Segments::bytes`], through a window.
    pub(crate) fn bytes_swept<'s>(&'s self, blob: &Blob, sweep: &mut Sweep<'s>) -> Result<Vec<u8>, StoreError> {
        self.noting(blob.place, self.read_swept(blob.place, sweep).and_then(|read| of_blob(blob, read)))
    }

    /// Reads a record and looks at its checksums, its codec and its digest.
    pub(crate) fn verify(&self, place: Place) -> Result<(), StoreError> {
        let file = self.file(place.segment)?;
        let (_, head) = self.head_at(&*file, place.segment, place.position)?;
        let corrupt = |why| StoreError::Corrupt { place, why };
        // The head may be what is damaged: its lengths are not believed before that.
        let length = file.len().map_err(StoreError::io(self.path(place.segment)))?;
        if head.payload_position() + head.stored_len > length {
            return Err(corrupt(RecordError::Short));
        }
        let mut whole = vec![0; HEAD_LEN + head.meta_len as usize + head.stored_len as usize];
        self.fill(&*file, &mut whole, place)?;
        let (head, _, stored) = super::record::decode_record(&whole, place.segment, place.position).map_err(corrupt)?;
        if head.codec != Codec::Elsewhere {
            unpack_payload(&head, stored).map_err(corrupt)?;
        }
        Ok(())
    }

    pub(crate) fn length(&self, number: u32) -> Result<u64, StoreError> {
        self.file(number)?.len().map_err(StoreError::io(self.path(number)))
    }

    /// Whether the stored bytes of a record have the checksum that its head names. The codec is not looked at.
    pub(crate) fn payload_is_whole(&self, head: &Head) -> Result<bool, StoreError> {
        let file = self.file(head.segment)?;
        let mut sum = head.payload_sum();
        let (mut position, end) = (head.payload_position(), head.payload_position() + head.stored_len);
        let mut window = Vec::new();
        while position < end {
            window.resize(SEARCH_BYTES.min((end - position) as usize), 0);
            self.fill(&*file, &mut window, Place { segment: head.segment, position })?;
            sum.update(&window);
            position += window.len() as u64;
        }
        Ok(sum.matches())
    }

    /// Makes durable what is found in a segment, whoever wrote it.
    ///
    /// A process that was killed may have written and not synced; one that saw a sync fail may have ended before it
    /// could do anything about it, and then the system serves bytes from memory that it will never write: so the
    /// stretch is written once more, as it is.
    pub(crate) fn write_again(&self, number: u32, from: u64, to: u64) -> Result<(), StoreError> {
        let file = self.file(number)?;
        let failed = || StoreError::io(self.path(number));
        let end = to.min(file.len().map_err(failed())?);
        write_again(&*file, from, end).map_err(failed())
    }

    /// Makes the names of segments durable.
    pub(crate) fn sync_names(&self) -> Result<(), StoreError> {
        self.disk.sync_dir(&self.dir).map_err(StoreError::io(&self.dir))
    }

    /// Removes a segment that was never used.
    pub(crate) fn remove(&self, number: u32) -> Result<(), StoreError> {
        self.files.write().unwrap_or_else(|e| e.into_inner()).remove(&number);
        let path = self.path(number);
        self.disk.remove(&path).map_err(StoreError::io(path))
    }

    /// Goes through a segment from a position. Damage is reported and stepped over: what stands behind it is found.
    /// One that is `sealed` was cut behind its last record: zeros at its end are records that were lost.
    pub(crate) fn scan(
        &self,
        number: u32,
        from: u64,
        sealed: bool,
        mut each: impl FnMut(Found<'_>) -> Result<(), StoreError>,
    ) -> Result<ScanEnd, StoreError> {
        let file = self.file(number)?;
        let length_now = || file.len().map_err(StoreError::io(self.path(number)));
        let mut length = length_now()?;
        let (mut position, mut clean, mut meta) = (from, true, Vec::new());
        // Padding may be missing at the end; more than that was cut away.
        if from > length.next_multiple_of(8).max(SEGMENT_HEAD_LEN as u64) {
            each(Found::Damaged(length, from, RecordError::Short))?;
            clean = false;
        }
        loop {
            match self.record_at(&*file, number, position, length, &mut meta)? {
                Ok(head) => {
                    each(Found::Record(&head, &meta))?;
                    position += head.total_len();
                }
                // A writer beside us may have cut off the room that it had reserved.
                Err(_) if length_now()? < length => length = length_now()?,
                Err(why) => match self.behind(&*file, number, position, length) {
                    Err(StoreError::Corrupt { .. }) if length_now()? < length => length = length_now()?,
                    Err(error) => return Err(error),
                    Ok(behind) => match behind {
                        Behind::Record(next) => {
                            each(Found::Damaged(position, next, why))?;
                            (position, clean) = (next, false);
                        }
                        Behind::Zeros if why == RecordError::Blank && !(sealed && clean && position < length) => {
                            return Ok(ScanEnd { tail: position, clean });
                        }
                        Behind::Zeros | Behind::Remains => {
                            let why = if why == RecordError::Blank && !sealed { RecordError::NoMagic } else { why };
                            each(Found::Damaged(position, length, why))?;
                            return Ok(ScanEnd { tail: position, clean: false });
                        }
                    },
                },
            }
        }
    }

    /// The head and meta of the record at a position, if one is there whole.
    fn record_at(
        &self,
        file: &dyn DiskFile,
        number: u32,
        position: u64,
        length: u64,
        meta: &mut Vec<u8>,
    ) -> Result<Result<Head, RecordError>, StoreError> {
        if position + HEAD_LEN as u64 > length {
            return Ok(Err(if position >= length { RecordError::Blank } else { RecordError::Short }));
        }
        let (fixed, head) = match self.head_at(file, number, position) {
            Ok(found) => found,
            Err(StoreError::Corrupt { why, .. }) => return Ok(Err(why)),
            Err(other) => return Err(other),
        };
        if head.payload_position() + head.stored_len > length {
            return Ok(Err(RecordError::Short));
        }
        meta.resize(head.meta_len as usize, 0);
        self.fill(file, meta, Place { segment: number, position: position + HEAD_LEN as u64 })?;
        Ok(head.check(&fixed, meta).map(|()| head))
    }

    /// The stretch that a record at a place took, from and to, as a scan would tell of it when it is damaged; `None` where
    /// nothing is left of it, or the disk refuses to say.
    pub(crate) fn stretch_at(&self, place: Place) -> Option<(u64, u64)> {
        let Place { segment, position } = place;
        let file = self.file(segment).ok()?;
        let length = file.len().ok()?;
        let to = match self.record_at(&*file, segment, position, length, &mut Vec::new()).ok()? {
            Ok(head) => position + head.total_len(),
            Err(_) => match self.behind(&*file, segment, position, length).ok()? {
                Behind::Record(next) => next,
                Behind::Zeros | Behind::Remains => length,
            },
        };
        (to > position).then_some((position, to))
    }

    /// What stands behind a position that has no record.
    fn behind(&self, file: &dyn DiskFile, number: u32, after: u64, length: u64) -> Result<Behind, StoreError> {
        let (mut window, mut meta) = (Vec::new(), Vec::new());
        let mut start = (after + 1).next_multiple_of(8);
        let mut behind = Behind::Zeros;
        while start < length {
            window.resize(SEARCH_BYTES.min((length - start) as usize), 0);
            self.fill(file, &mut window, Place { segment: number, position: start })?;
            if window != ZEROS[..window.len()] {
                behind = Behind::Remains;
                for (index, chunk) in window.chunks(8).enumerate() {
                    let position = start + 8 * index as u64;
                    if chunk.starts_with(b"RTG1") && self.record_at(file, number, position, length, &mut meta)?.is_ok()
                    {
                        return Ok(Behind::Record(position));
                    }
                }
            }
            start += window.len() as u64;
        }
        Ok(behind)
    }
}

/// The bytes of a record, if they are those that a blob names.
fn of_blob(blob: &Blob, (head, raw): (Head, Vec<u8>)) -> Result<Vec<u8>, StoreError> {
    let (place, why) = (blob.place, RecordError::Content);
    if head.digest == blob.digest { Ok(raw) } else { Err(StoreError::Corrupt { place, why }) }
}

fn write_again(file: &dyn DiskFile, from: u64, to: u64) -> std::io::Result<()> {
    let mut window = Vec::new();
    let mut position = from;
    while position < to {
        window.resize(SEARCH_BYTES.min((to - position) as usize), 0);
        file.read_exact_at(&mut window, position)?;
        file.write_all_at(&window, position)?;
        position += window.len() as u64;
    }
    file.sync_data()
}

/// Writes a whole file once more, as it is, and syncs it: for a file that a failed sync may have left in memory only.
/// A file that is not there is left alone.
pub(crate) fn write_file_again(disk: &dyn Disk, path: &Path) -> Result<(), StoreError> {
    match disk.open(path, false) {
        Ok(file) => file.len().and_then(|length| write_again(&*file, 0, length)).map_err(StoreError::io(path)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(StoreError::io(path)(e)),
    }
}

/// The writing end of a cell's segments. One per cell.
pub(crate) struct Log {
    segments: Arc<Segments>,
    segment_bytes: u64,
    template: SegmentHead,
    current: Option<Current>,
    next_number: u32,
    buffer: Vec<u8>,
    /// A write or a sync failed: nothing behind the tail may be believed.
    failed: bool,
}

struct Current {
    number: u32,
    file: Arc<dyn DiskFile>,
    /// Behind the last byte written.
    tail: u64,
    /// How far room is reserved.
    reserved: u64,
}

impl Log {
    /// Goes on behind the tail of the last segment if that is clean, else in a new one.
    pub(crate) fn open(
        segments: Arc<Segments>,
        cell: u32,
        store: [u8; 16],
        segment_bytes: u64,
        last: Option<(u32, ScanEnd)>,
    ) -> Result<Self, StoreError> {
        let template = SegmentHead { number: 0, cell, store, created: 0 };
        // Also above a segment that the index knows and that is gone.
        let highest = segments.numbers()?.last().copied().max(last.map(|(number, _)| number));
        let next_number = highest.map_or(1, |n| n + 1);
        let mut current = None;
        if let Some((number, end)) = last
            && end.clean
            && end.tail < segment_bytes
            && end.tail >= SEGMENT_HEAD_LEN as u64
        {
            let file = segments.file(number)?;
            let reserved = file.len().map_err(StoreError::io(segments.path(number)))?;
            current = Some(Current { number, file, tail: end.tail, reserved });
        }
        Ok(Log { segments, segment_bytes, template, current, next_number, buffer: Vec::new(), failed: false })
    }

    /// After a failure: cuts off what may not have reached the disk, and begins a new segment with the next record.
    ///
    /// What a failed sync leaves is in the system's memory, where a reader finds it, and perhaps not on the disk:
    /// catching up must not see it.
    pub(crate) fn recover(&mut self) -> Result<(), StoreError> {
        self.buffer.clear();
        if !self.failed {
            return Ok(());
        }
        if let Some(current) = &self.current {
            let failed = || StoreError::io(self.segments.path(current.number));
            current.file.set_len(current.tail).map_err(failed())?;
            current.file.sync_data().map_err(failed())?;
        }
        self.segments.sync_names()?;
        self.current = None;
        self.failed = false;
        Ok(())
    }

    /// Adds a record to what the next [`Log::commit`] makes durable and says where it will lie.
    ///
    /// # Errors
    /// When a full segment cannot be finished or the next one cannot be made. Nothing of the batch may then be
    /// acknowledged.
    pub(crate) fn append(
        &mut self,
        kind: Kind,
        digest: Digest,
        payload: &Payload,
        meta: &[u8],
    ) -> Result<Place, StoreError> {
        let length = HEAD_LEN as u64 + meta.len() as u64 + payload.stored.len() as u64 + 8;
        let room = |c: &Current, buffered: usize| {
            let used = c.tail + buffered as u64;
            used + length <= self.segment_bytes || used == SEGMENT_HEAD_LEN as u64
        };
        let current = match self.current.take() {
            Some(current) if room(&current, self.buffer.len()) => self.current.insert(current),
            full => {
                self.current = full;
                self.roll()?
            }
        };
        let (number, tail) = (current.number, current.tail);
        let position = encode_record(&mut self.buffer, tail, number, kind, digest, payload, meta);
        Ok(Place { segment: number, position })
    }

    /// Writes and syncs everything appended. When it returns, those records survive a power loss.
    ///
    /// # Errors
    /// What the system says; what of the batch is then in the segment is unknown, and the log must be opened again.
    pub(crate) fn commit(&mut self) -> Result<Option<Place>, StoreError> {
        let Some(current) = &mut self.current else { return Ok(None) };
        let failed = || StoreError::io(self.segments.path(current.number));
        if !self.buffer.is_empty() {
            self.failed = true;
            let end = current.tail + self.buffer.len() as u64;
            if end > current.reserved {
                let wanted = end.max((current.reserved + RESERVE_BYTES).min(self.segment_bytes));
                current.file.allocate(wanted).map_err(failed())?;
                current.reserved = wanted;
            }
            current.file.write_all_at(&self.buffer, current.tail).map_err(failed())?;
            current.file.sync_data().map_err(failed())?;
            current.tail = end;
            self.failed = false;
            self.buffer.clear();
            self.buffer.shrink_to(16 << 20);
        }
        Ok(Some(Place { segment: current.number, position: current.tail }))
    }

    /// Gives back room that was reserved and not used.
    pub(crate) fn trim(&mut self) -> Result<(), StoreError> {
        let Some(current) = &mut self.current else { return Ok(()) };
        if current.reserved > current.tail {
            let failed = || StoreError::io(self.segments.path(current.number));
            current.file.set_len(current.tail).map_err(failed())?;
            current.file.sync_data().map_err(failed())?;
            current.reserved = current.tail;
        }
        Ok(())
    }

    /// Finishes the current segment and begins the next.
    fn roll(&mut self) -> Result<&mut Current, StoreError> {
        self.commit()?;
        self.trim()?;
        let number = self.next_number;
        self.next_number += 1;
        let path = self.segments.path(number);
        let disk = &self.segments.disk;
        let file = disk.open(&path, true).map_err(StoreError::io(&path))?;
        let reserved = RESERVE_BYTES.min(self.segment_bytes);
        let head = SegmentHead { number, created: crate::now(), ..self.template };
        let made = file
            .allocate(reserved)
            .and_then(|()| file.write_all_at(&head.encode(), 0))
            .and_then(|()| file.sync_data())
            .and_then(|()| disk.sync_dir(&self.segments.dir));
        if let Err(cause) = made {
            // Nothing was acknowledged in it: a half-made segment may go. Should that fail too, it is known by its
            // length, and goes when the log recovers or is opened.
            let _ = file.set_len(0).and_then(|()| disk.remove(&path));
            return Err(StoreError::Io { path, cause });
        }
        self.segments.keep_open(number, file.clone());
        let tail = SEGMENT_HEAD_LEN as u64;
        Ok(self.current.insert(Current { number, file, tail, reserved }))
    }
}

impl Segments {
    /// The head of a segment file.
    pub(crate) fn segment_head(&self, number: u32) -> Result<SegmentHead, StoreError> {
        let file = self.file(number)?;
        let place = Place { segment: number, position: 0 };
        let mut bytes = [0; SEGMENT_HEAD_LEN];
        self.fill(&*file, &mut bytes, place)?;
        let head = SegmentHead::decode(&bytes).map_err(|why| StoreError::Corrupt { place, why })?;
        if head.number == number { Ok(head) } else { Err(StoreError::Corrupt { place, why: RecordError::Misplaced }) }
    }
}
