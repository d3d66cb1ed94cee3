//! The one writer of segments and of the index beside them: transactions, records, and what makes good after a failure.

use crate::disk::Disk;
use crate::error::StoreError;
use crate::index::{rows, sqlite};
use crate::segment::log::{Log, Segments, write_file_again};
use crate::types::Place;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;

type Result<T> = std::result::Result<T, StoreError>;

/// How often everything was made durable by [`Writer::sync`].
const SYNCED: &str = "synced";

pub(crate) struct Writer {
    pub(crate) db: Connection,
    pub(crate) log: Log,
    wal: PathBuf,
    /// Something failed half-way: what is in segment and index must be compared before anything else is written.
    pub(crate) failed: bool,
}

/// The segments of a directory that is about to be opened, which is made where it is not there. What the index's WAL holds
/// is made durable before anything of it is believed: see [`Segments::write_again`].
pub(crate) fn segments_beside(disk: &Arc<dyn Disk>, dir: &Path, index: &Path) -> Result<Arc<Segments>> {
    let segment_dir = dir.join("segments");
    disk.create_dir_all(&segment_dir).map_err(StoreError::io(&segment_dir))?;
    let segments = Arc::new(Segments::new(disk.clone(), segment_dir));
    segments.sync_names()?;
    write_file_again(&**disk, &sqlite::wal_path(index))?;
    Ok(segments)
}

impl Writer {
    pub(crate) fn new(db: Connection, log: Log, index: &Path) -> Self {
        Writer { db, log, wal: sqlite::wal_path(index), failed: false }
    }

    /// Makes good what a failure left; the index is at last made to catch up with the segments.
    pub(crate) fn recover(
        &mut self,
        segments: &Segments,
        catch_up: impl FnOnce(&Connection) -> Result<()>,
    ) -> Result<()> {
        if !self.db.is_autocommit() {
            self.db.execute_batch("ROLLBACK")?;
        }
        self.log.recover()?;
        // A failed sync of the WAL may have left a hole in it, behind which nothing would survive.
        write_file_again(segments.disk(), &self.wal)?;
        catch_up(&self.db)?;
        self.failed = false;
        Ok(())
    }

    pub(crate) fn transact<T>(
        &mut self,
        durable: bool,
        body: impl FnOnce(&Connection, &mut Log) -> Result<T>,
    ) -> Result<T> {
        if durable {
            sqlite::full_sync(&self.db, true)?;
        }
        self.failed = true;
        let mut commit_failed = false;
        let result = (|| {
            let tx = rusqlite::Transaction::new(&mut self.db, rusqlite::TransactionBehavior::Immediate)?;
            match body(&tx, &mut self.log) {
                Ok(value) => {
                    let committed = tx.commit();
                    commit_failed = committed.is_err();
                    Ok(committed.map(|()| value)?)
                }
                Err(error) => tx.rollback().map_err(StoreError::from).and(Err(error)),
            }
        })();
        // A transaction that was rolled back whole leaves nothing to make good, unless it was at the disk already.
        self.failed = commit_failed || !self.db.is_autocommit();
        self.write_back();
        if durable {
            sqlite::full_sync(&self.db, false)?;
        }
        result
    }

    /// Appends records, durably.
    pub(crate) fn append<T>(&mut self, append: impl FnOnce(&mut Log) -> Result<T>) -> Result<(T, Option<Place>)> {
        self.failed = true;
        let value = append(&mut self.log)?;
        let tail = self.log.commit()?;
        self.failed = false;
        Ok((value, tail))
    }

    /// Makes everything that was ever committed durable.
    pub(crate) fn sync(&mut self) -> Result<()> {
        // Only a commit with changes syncs the index's log, and it syncs all of it.
        self.transact(true, |db, _| {
            // A value that stands there already would be no change: the time of day is one twice in a second.
            let count: u64 = rows::note(db, SYNCED)?.and_then(|n| n.parse().ok()).unwrap_or(0);
            rows::set_note(db, SYNCED, &count.wrapping_add(1).to_string())
        })
    }

    /// Writes the WAL back when that is due. A failure fails nobody: what was committed is in the WAL.
    pub(crate) fn write_back(&mut self) {
        if !self.failed && sqlite::write_back_if_due(&self.db).is_err_and(|e| !e.is_disk_full()) {
            self.failed = true;
        }
    }

    /// Gives back reserved room and writes the WAL back: the files are about to be left alone.
    pub(crate) fn settle(&mut self) -> Result<()> {
        self.log.trim()?;
        let written = sqlite::write_back(&self.db);
        self.failed = written.is_err();
        written
    }
}
