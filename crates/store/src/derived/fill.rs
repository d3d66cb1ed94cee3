//! Putting texts into the search database: on the way of a search, and by and by in the background.

use super::covered::Covered;
use super::disposable::{Disposable, lock};
use super::numbers::ReferredTo;
use super::text::{MAX_TEXT_BYTES, Packer, Text};
use crate::Cell;
use crate::error::{Class, StoreError};
use crate::index::blobs;
use crate::types::BlobId;
use rusqlite::{Connection, OptionalExtension, params};

type Result<T> = std::result::Result<T, StoreError>;

/// Messages indexed in one transaction. Who else writes texts waits for so many; who searches does not.
const BATCH: usize = 128;
/// Text of a batch, so that it lies in memory.
const BATCH_BYTES: usize = 4 * MAX_TEXT_BYTES;
/// Text that a search holds while another writes.
const MOST_BYTES: usize = 4 * BATCH_BYTES;
/// In a longer stretch of new messages it pays to look which of them any live account has; a shorter one has just been
/// delivered.
const LONG_STRETCH: i64 = 4096;
/// Numbers looked at for such as are worth indexing.
const LOOK_AT: usize = 1024;

impl Cell {
    /// Indexes up to so many messages that were not yet, of live accounts and the newest first, for [`Cell::search_text`].
    /// Returns how many; 0 when nothing is left to do, or nothing can be done, as on a full disk.
    ///
    /// Holds up nobody who searches or delivers; it costs little when there is nothing to do.
    ///
    /// # Errors
    /// Those of the index. A message that cannot be read is passed over.
    pub fn index_pending(&self, limit: usize) -> Result<usize> {
        self.index_pending_and(limit, &mut |_| Ok(()))
    }

    /// As [`Cell::index_pending`]; `also` is called with the messages that were indexed, so that other things are made of
    /// them in the same go.
    ///
    /// # Errors
    /// As [`Cell::index_pending`]; those of `also`.
    pub fn index_pending_and(&self, limit: usize, also: &mut dyn FnMut(&[BlobId]) -> Result<()>) -> Result<usize> {
        let mut done = 0;
        while done < limit && self.derived.search.is_usable() {
            let highest = self.read(|view| Ok(blobs::highest(view.db)?))?;
            let covered = self.derived.search.read(Covered::load).unwrap_or_default();
            let Some((first, last)) = covered.highest_gap(highest.0) else {
                *lock(&self.derived.referred_to) = None;
                break;
            };
            let Some(indexed) = self.index_stretch(first, last, BATCH.min(limit - done), also)? else { break };
            done += indexed;
        }
        Ok(done)
    }

    /// Indexes up to so many messages of a stretch, from its end; `None` when they cannot be kept.
    fn index_stretch(
        &self,
        first: i64,
        last: i64,
        limit: usize,
        also: &mut dyn FnMut(&[BlobId]) -> Result<()>,
    ) -> Result<Option<usize>> {
        let ids = self.read(|view| Ok(blobs::highest_between(view.db, first, last, LOOK_AT)?))?;
        let mut begins = ids.last().copied().filter(|_| ids.len() == LOOK_AT).unwrap_or(first);
        let mut ids = self.worth_indexing(ids, first, last)?;
        if ids.len() > limit {
            ids.truncate(limit);
            begins = ids[limit - 1];
        }
        let mut batch = Batch::new()?;
        let mut indexed = 0;
        // Before they count as done: stopped in between, it is all made good later.
        also(&ids.iter().map(|&id| BlobId(id)).collect::<Vec<_>>())?;
        for id in ids {
            match self.text_of(BlobId(id)) {
                Ok(Some(text)) => batch.push(id, &text)?,
                Ok(None) => {}
                Err(error) if error.class() == Class::Temporary => return Err(error),
                Err(_) => {}
            }
            if batch.is_full() {
                let Some(written) = batch.write(&self.derived.search, None) else { return Ok(None) };
                indexed += written;
            }
        }
        Ok(batch.write(&self.derived.search, Some((begins, last))).map(|written| indexed + written))
    }

    /// Those of the numbers that are not indexed yet, and that live accounts have.
    fn worth_indexing(&self, mut ids: Vec<i64>, first: i64, last: i64) -> Result<Vec<i64>> {
        let known = self.derived.search.read(|db| {
            let mut known = db.prepare_cached("SELECT 1 FROM indexed WHERE blob_id = ?1")?;
            ids.iter().map(|id| known.exists([id])).collect::<rusqlite::Result<Vec<bool>>>()
        });
        if let Some(known) = known {
            let mut known = known.into_iter();
            ids.retain(|_| !known.next().unwrap_or(false));
        }
        let mut referred_to = lock(&self.derived.referred_to);
        // What arrives while a long stretch is gone through lies above what was read for that, which serves on.
        if last - first >= LONG_STRETCH && referred_to.as_ref().is_none_or(|r| r.highest < last) {
            *referred_to = Some(ReferredTo::in_cell(self)?);
        }
        if let Some(referred_to) = referred_to.as_ref().filter(|r| r.highest >= last) {
            ids.retain(|id| referred_to.by_live.contains(*id));
        }
        Ok(ids)
    }

    /// The folded text of a message; `None` when the index does not know it, or when it is damaged.
    pub(super) fn text_of(&self, blob: BlobId) -> Result<Option<Text>> {
        let Some(blob) = self.read(|view| view.blob_by_id(blob))? else { return Ok(None) };
        match self.bytes(&blob) {
            Ok(crlf) => Ok(Some(Text::of(&crlf))),
            Err(error) if error.class() == Class::Corruption => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Texts on their way into the database.
pub(super) struct Batch {
    packer: Packer,
    rows: Vec<Row>,
    bytes: usize,
}

struct Row {
    id: i64,
    /// As much as is kept.
    text: String,
    whole: bool,
    packed: Vec<u8>,
}

impl Batch {
    pub(super) fn new() -> Result<Self> {
        let packer = Packer::new().map_err(StoreError::io("zstd"))?;
        Ok(Batch { packer, rows: Vec::new(), bytes: 0 })
    }

    pub(super) fn push(&mut self, id: i64, text: &Text) -> Result<()> {
        let packed = self.packer.pack(text).map_err(StoreError::io("zstd"))?;
        let (kept, whole) = text.kept();
        self.bytes += kept.len() + packed.len();
        self.rows.push(Row { id, text: kept.to_owned(), whole, packed });
        Ok(())
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= BATCH || self.bytes >= BATCH_BYTES
    }

    /// Writes what there is, and that a stretch has been gone through, in one transaction. Returns how many were new;
    /// `None` when it could not be written. The batch is empty afterwards.
    pub(super) fn write(&mut self, search: &Disposable, covers: Option<(i64, i64)>) -> Option<usize> {
        let rows = self.ascending();
        let written = search.write(|db| {
            let written = insert_all(db, rows)?;
            if let Some((first, last)) = covers {
                let mut covered = Covered::load(db)?;
                covered.add(first, last);
                covered.store(db)?;
            }
            Ok(written)
        });
        self.clear();
        written
    }

    /// Writes what there is, unless another is writing: that may be the indexer, whom nobody is to wait for. Then it stays
    /// for the next time, or is dropped when it is too much.
    pub(super) fn offer(&mut self, search: &Disposable) {
        if self.rows.is_empty() {
            return;
        }
        let rows = self.ascending();
        let offered = search.write_unless_busy(|db| insert_all(db, rows));
        if offered.is_ok() || self.bytes >= MOST_BYTES {
            self.clear();
        }
    }

    /// FTS5 wants ascending numbers, and writes out what it has gathered at each that is not.
    fn ascending(&mut self) -> &[Row] {
        self.rows.sort_unstable_by_key(|row| row.id);
        &self.rows
    }

    fn clear(&mut self) {
        self.rows.clear();
        self.bytes = 0;
    }
}

/// Returns how many were new.
fn insert_all(db: &Connection, rows: &[Row]) -> rusqlite::Result<usize> {
    rows.iter().try_fold(0, |new, row| Ok(new + usize::from(insert(db, row)?)))
}

/// Whether the row was new.
fn insert(db: &Connection, row: &Row) -> rusqlite::Result<bool> {
    let mark = "INSERT INTO indexed (blob_id, whole) VALUES (?1, ?2) ON CONFLICT (blob_id) DO NOTHING RETURNING 1";
    let new = db.prepare_cached(mark)?.query_row(params![row.id, row.whole], |_| Ok(())).optional()?.is_some();
    // Also of one that is indexed: what was kept of it is damaged.
    db.prepare_cached("REPLACE INTO kept (blob_id, packed) VALUES (?1, ?2)")?.execute(params![row.id, row.packed])?;
    if new {
        db.prepare_cached("INSERT INTO trigram (rowid, text) VALUES (?1, ?2)")?.execute(params![row.id, row.text])?;
    }
    Ok(new)
}
