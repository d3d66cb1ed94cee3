//! A database that may be lost at any time: made when something is first written to it, thrown away when it is damaged
//! or belongs to another index, and never a reason for an error.
//!
//! In WAL mode with `synchronous=NORMAL`: a power loss may take back the last commits and leaves what a commit left, so
//! that what is read is whole. Without any sync it could be a mixture of pages that nothing tells from a sound one.

use super::DerivedHealth;
use crate::types::BlobId;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior, ffi};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};
use std::time::Duration;

/// Idle readers kept open.
const IDLE_READERS: usize = 2;
/// Pages are large: values of some thousand bytes lie in them without a chain of pages of their own.
const SET_UP_NEW: &str = "PRAGMA page_size=16384;";
/// The WAL is written back, with the only syncs there are, every 16 MiB, and cut to that when it grew over it. Caches are
/// small: the pages are in the system's too, and there are two of these databases in each cell.
const SET_UP_WRITER: &str = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=1024; \
                             PRAGMA journal_size_limit=16777216; PRAGMA cache_size=-4096; PRAGMA temp_store=MEMORY;";
const SET_UP_READER: &str = "PRAGMA query_only=ON; PRAGMA cache_size=-1024; PRAGMA temp_store=MEMORY;";
const MAKE_STAMP: &str = "CREATE TABLE stamp (text TEXT NOT NULL);";

/// What a database is for.
pub(super) struct Layout {
    /// Its file's name.
    pub(super) file: &'static str,
    /// Raised whenever the schema changes, or what the same bytes are kept as.
    pub(super) version: u32,
    pub(super) schema: &'static str,
    /// Takes out all that is kept of blobs above a number.
    pub(super) cut: fn(&Connection, BlobId) -> rusqlite::Result<()>,
}

/// A database that may be lost.
pub(super) struct Disposable {
    path: PathBuf,
    vfs: Option<String>,
    layout: &'static Layout,
    /// What the database must be stamped with to be used.
    stamp: String,
    state: RwLock<State>,
    thrown_away: AtomicU64,
    failed: AtomicU64,
}

/// Another is writing.
pub(super) struct Busy;

enum State {
    /// There is no file; the next write makes one.
    Absent,
    Open(Open),
    /// It is of no use until the cell is opened again: it cannot be opened, or not be removed.
    Off,
}

struct Open {
    /// Which of the databases that this process had here.
    era: u64,
    writer: Mutex<Connection>,
    idle: Mutex<Vec<Connection>>,
}

impl Disposable {
    /// Opens the database if there is one that can be used. Also tells what was wrong with one that cannot.
    pub(super) fn open(
        dir: &Path,
        vfs: Option<&str>,
        layout: &'static Layout,
        generation: &str,
        highest: BlobId,
    ) -> (Self, Option<String>) {
        let database = Disposable {
            vfs: vfs.map(str::to_owned),
            stamp: format!("{} {generation}", layout.version),
            state: RwLock::new(State::Absent),
            ..Self::off(dir, layout)
        };
        if !database.path.exists() {
            // A log without its database would be taken for that of the next one.
            *database.write_state() = database.removed();
            return (database, None);
        }
        let opened = database.connect(SET_UP_WRITER).and_then(|mut db| {
            let stamp: Option<String> = db.query_row("SELECT text FROM stamp", [], |r| r.get(0)).optional()?;
            let ours = stamp.is_some_and(|s| s == database.stamp);
            if ours {
                cut_durably(&mut db, layout, highest)?;
            }
            Ok(ours.then_some(db))
        });
        let finding = match opened {
            Ok(Some(db)) => {
                *database.write_state() = State::Open(Open::new(db, 0));
                None
            }
            // Of another index or of another version of this program: that is no damage.
            Ok(None) => {
                *database.write_state() = database.removed();
                None
            }
            Err(error) if database.is_damage(&error) => {
                database.thrown_away.fetch_add(1, Ordering::Relaxed);
                *database.write_state() = database.removed();
                Some(format!("{} was damaged ({error}); it is made anew", layout.file))
            }
            // As on a full disk: what is in it may be of use another time.
            Err(error) => {
                database.failed.fetch_add(1, Ordering::Relaxed);
                *database.write_state() = State::Off;
                Some(format!("{} cannot be used until the store is opened again: {error}", layout.file))
            }
        };
        (database, finding)
    }

    /// A database that is not used.
    pub(super) fn off(dir: &Path, layout: &'static Layout) -> Self {
        Disposable {
            path: dir.join(layout.file),
            vfs: None,
            layout,
            stamp: String::new(),
            state: RwLock::new(State::Off),
            thrown_away: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// Reads one state of the database; `None` when there is none, or when that fails.
    pub(super) fn read<T>(&self, body: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Option<T> {
        let (era, result) = {
            let state = self.read_state();
            let State::Open(open) = &*state else { return None };
            (open.era, self.read_open(open, body))
        };
        self.settle(era, result)
    }

    /// Changes the database in one transaction, making it where there is none; `None` when that fails, and then nothing
    /// is changed. Waits for other writers.
    pub(super) fn write<T>(&self, body: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Option<T> {
        self.write_by(|writer| Some(lock(writer)), body).unwrap_or(None)
    }

    /// As [`Disposable::write`], but does nothing while another writes.
    pub(super) fn write_unless_busy<T>(
        &self,
        body: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Busy> {
        self.write_by(lock_unless_busy, body)
    }

    fn write_by<T>(
        &self,
        take: fn(&Mutex<Connection>) -> Option<MutexGuard<'_, Connection>>,
        body: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Busy> {
        self.make();
        let (era, result) = {
            let state = self.read_state();
            let State::Open(open) = &*state else { return Ok(None) };
            let mut writer = take(&open.writer).ok_or(Busy)?;
            (open.era, transact(&mut writer, body))
        };
        Ok(self.settle(era, result))
    }

    /// Whether writing to it may succeed.
    pub(super) fn is_usable(&self) -> bool {
        !matches!(*self.read_state(), State::Off)
    }

    pub(super) fn health(&self) -> DerivedHealth {
        DerivedHealth {
            thrown_away: self.thrown_away.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }

    fn read_open<T>(&self, open: &Open, body: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let idle = lock(&open.idle).pop();
        let db = idle.map_or_else(|| self.connect(SET_UP_READER), Ok)?;
        let tx = db.unchecked_transaction()?;
        let value = body(&tx)?;
        tx.rollback()?;
        let mut idle = lock(&open.idle);
        if idle.len() < IDLE_READERS {
            idle.push(db);
        }
        Ok(value)
    }

    /// Makes the database where there is none.
    fn make(&self) {
        if !matches!(*self.read_state(), State::Absent) {
            return;
        }
        let mut state = self.write_state();
        if matches!(*state, State::Absent) {
            match self.made() {
                Ok(db) => *state = State::Open(Open::new(db, self.thrown_away.load(Ordering::Relaxed))),
                // As on a full disk: the next write tries again.
                Err(_) => {
                    self.failed.fetch_add(1, Ordering::Relaxed);
                    *state = self.removed();
                }
            }
        }
    }

    fn made(&self) -> rusqlite::Result<Connection> {
        let mut db = self.connect(SET_UP_NEW)?;
        db.execute_batch(SET_UP_WRITER)?;
        transact(&mut db, |db| {
            db.execute_batch(MAKE_STAMP)?;
            db.execute_batch(self.layout.schema)?;
            db.execute("INSERT INTO stamp (text) VALUES (?1)", [&self.stamp])
        })?;
        Ok(db)
    }

    /// Opens a connection; one that sets up anything but a new database finds a file or fails.
    fn connect(&self, set_up: &str) -> rusqlite::Result<Connection> {
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        flags.set(OpenFlags::SQLITE_OPEN_CREATE, set_up == SET_UP_NEW);
        let db = match &self.vfs {
            Some(vfs) => Connection::open_with_flags_and_vfs(&self.path, flags, vfs.as_str())?,
            None => Connection::open_with_flags(&self.path, flags)?,
        };
        db.busy_timeout(Duration::from_secs(10))?;
        db.execute_batch(set_up)?;
        Ok(db)
    }

    /// Gives the value, or makes good what an error says.
    fn settle<T>(&self, era: u64, result: rusqlite::Result<T>) -> Option<T> {
        let error = match result {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        if !self.is_damage(&error) {
            self.failed.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let mut state = self.write_state();
        // Not the database that another thread has begun anew in the meantime.
        if matches!(&*state, State::Open(open) if open.era == era) {
            self.thrown_away.fetch_add(1, Ordering::Relaxed);
            // Its connections are closed before its files go: closing the last one removes the WAL by name.
            *state = State::Off;
            *state = self.removed();
        }
        None
    }

    /// Whether an error means that the database itself is of no use any more.
    fn is_damage(&self, error: &rusqlite::Error) -> bool {
        let Some(sqlite) = error.sqlite_error() else {
            // A value of a type that is never written.
            return true;
        };
        match sqlite.code {
            // Unknown: there is no such table, or no such column.
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown => true,
            ErrorCode::CannotOpen => !self.path.exists(),
            ErrorCode::SystemIoFailure => {
                [ffi::SQLITE_IOERR_READ, ffi::SQLITE_IOERR_SHORT_READ, ffi::SQLITE_IOERR_CORRUPTFS]
                    .contains(&sqlite.extended_code)
            }
            _ => false,
        }
    }

    /// The state after every file of the database was removed, or could not be.
    fn removed(&self) -> State {
        let gone = ["", "-wal", "-shm", "-journal"].iter().all(|suffix| {
            let mut name = self.path.as_os_str().to_owned();
            name.push(suffix);
            match std::fs::remove_file(&name) {
                Ok(()) => true,
                Err(e) => e.kind() == std::io::ErrorKind::NotFound,
            }
        });
        // So that a power loss does not bring back what the index has numbered otherwise since.
        let synced = self.path.parent().map(|dir| std::fs::File::open(dir).and_then(|dir| dir.sync_all()));
        if gone && synced.is_some_and(|synced| synced.is_ok()) { State::Absent } else { State::Off }
    }

    fn read_state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(|e| e.into_inner())
    }

    fn write_state(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(|e| e.into_inner())
    }
}

impl Open {
    fn new(writer: Connection, era: u64) -> Self {
        Open { era, writer: Mutex::new(writer), idle: Mutex::default() }
    }
}

/// Takes out what is above a number. When it returns, a power loss does not bring it back: the index is about to give
/// such numbers again.
fn cut_durably(db: &mut Connection, layout: &Layout, highest: BlobId) -> rusqlite::Result<()> {
    db.execute_batch("PRAGMA synchronous=FULL")?;
    transact(db, |db| (layout.cut)(db, highest))?;
    db.execute_batch("PRAGMA synchronous=NORMAL")
}

fn transact<T>(db: &mut Connection, body: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = body(&tx)?;
    tx.commit()?;
    Ok(value)
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A transaction that a panic left is rolled back on the way; a connection is as good as before.
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

fn lock_unless_busy<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(e)) => Some(e.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
