//! The directory's database: one connection that writes, or none beside another process, and a few that read.

use crate::error::{DirectoryError, is_disk_failure};
use crate::sql::sqlite;
use rusqlite::{Connection, Transaction};
use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Idle connections kept for reading. More are opened when all are busy, so that a read inside a read never waits.
const READERS_KEPT: usize = 2;

/// Customers, domains, accounts, aliases, domain admins and the audit log, in one database.
///
/// Reads are methods of this type and see what is committed; they never wait for a writer. Methods called
/// `for_each_…` hold a page of rows at a time and see each page as it is when they come to it; to walk through one unchanging state,
/// use those of [`View`] or [`Tx`].
pub struct Directory {
    path: PathBuf,
    vfs: Option<String>,
    /// `None`: open to read only.
    writer: Option<Mutex<Writer>>,
    open_reader: fn(&Path, Option<&str>) -> Result<Connection, DirectoryError>,
    readers: Mutex<Vec<Connection>>,
    now: fn() -> i64,
}

/// The one connection that writes.
struct Writer {
    connection: Connection,
    /// Set once the disk has failed or was found damaged: what is on it is then unknown.
    stopped: bool,
}

/// One state of the directory, to read, whatever is written meanwhile.
pub struct View<'a> {
    connection: &'a Connection,
}

/// A transaction that writes: all or nothing, and durable when [`Directory::write`] returns.
pub struct Tx<'a> {
    transaction: Transaction<'a>,
    now: i64,
}

/// A connection that reads, on loan.
pub(crate) struct Reader<'a> {
    connection: Option<Connection>,
    home: &'a Mutex<Vec<Connection>>,
}

impl Directory {
    /// Opens the directory at a path, readable by the owner alone, making it where there is none. `vfs` names a
    /// registered SQLite file layer in place of the system's own.
    ///
    /// # Errors
    /// When the file cannot be opened or made, is another program's database, was changed by a later release, or SQLite
    /// is too old to be trusted with it.
    pub fn open(path: &Path, vfs: Option<&str>) -> Result<Self, DirectoryError> {
        let connection = sqlite::open_writer(path, vfs, system_time())?;
        Ok(Directory {
            path: path.to_owned(),
            vfs: vfs.map(str::to_owned),
            writer: Some(Mutex::new(Writer { connection, stopped: false })),
            open_reader: sqlite::open_reader,
            readers: Mutex::new(Vec::new()),
            now: system_time,
        })
    }

    /// Opens the directory at a path to read only, beside a process that may be writing: nothing is made, migrated or
    /// written back, and every change is refused with [`DirectoryError::ReadOnly`]. SQLite may touch the shared memory
    /// (`-shm`) of the database, and makes it and an empty log where no process has the database open.
    ///
    /// # Errors
    /// When the file cannot be opened, is another program's database, or has not the schema that this program knows.
    pub fn open_to_read(path: &Path, vfs: Option<&str>) -> Result<Self, DirectoryError> {
        // Whether it can be read is said now.
        let connection = sqlite::open_beside(path, vfs)?;
        Ok(Directory {
            path: path.to_owned(),
            vfs: vfs.map(str::to_owned),
            writer: None,
            open_reader: sqlite::open_beside,
            readers: Mutex::new(vec![connection]),
            now: system_time,
        })
    }

    /// Replaces the clock, which gives seconds since 1970 UTC.
    #[must_use]
    pub fn with_clock(mut self, now: fn() -> i64) -> Self {
        self.now = now;
        self
    }

    /// Runs work in one transaction, which is committed durably where the work succeeds and leaves no trace where it
    /// fails or panics. Writers wait for one another: the work must not call `write` or a sign-in of the same
    /// directory, which would wait for ever.
    ///
    /// # Errors
    /// Those of the work; also when the engine fails. After a failure of the disk, or damage found on it, every
    /// later write is refused with [`DirectoryError::Stopped`] until the directory is opened again. One that was opened to
    /// read only gives [`DirectoryError::ReadOnly`].
    pub fn write<T>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T, DirectoryError>) -> Result<T, DirectoryError> {
        let mut writer = lock(self.writer.as_ref().ok_or(DirectoryError::ReadOnly)?);
        if writer.stopped {
            return Err(DirectoryError::Stopped);
        }
        let result = transact(&mut writer.connection, (self.now)(), work);
        writer.stopped = result.as_ref().is_err_and(is_disk_failure);
        result
    }

    /// Reads one state of the directory. Writers do not wait for it; while it lasts, their log cannot be begun anew, so it
    /// is no place to wait for a person or a peer.
    ///
    /// # Errors
    /// Those of the work; also when the engine fails.
    pub fn read<T>(&self, work: impl FnOnce(&View<'_>) -> Result<T, DirectoryError>) -> Result<T, DirectoryError> {
        let reader = self.reader()?;
        // It begins with the first statement, and dropping it ends it.
        let transaction = reader.unchecked_transaction()?;
        work(&View { connection: &transaction })
    }

    pub(crate) fn now(&self) -> i64 {
        (self.now)()
    }

    pub(crate) fn reader(&self) -> Result<Reader<'_>, DirectoryError> {
        let idle = lock(&self.readers).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => (self.open_reader)(&self.path, self.vfs.as_deref())?,
        };
        Ok(Reader { connection: Some(connection), home: &self.readers })
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").field("path", &self.path).finish_non_exhaustive()
    }
}

impl View<'_> {
    pub(crate) fn connection(&self) -> &Connection {
        self.connection
    }
}

impl<'a> Tx<'a> {
    pub(crate) fn new(transaction: Transaction<'a>, now: i64) -> Self {
        Tx { transaction, now }
    }

    /// When the transaction began, in seconds since 1970 UTC.
    pub fn now(&self) -> i64 {
        self.now
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.transaction
    }
}

impl Deref for Reader<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("the connection is given back only when the loan ends")
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let mut idle = lock(self.home);
        if idle.len() < READERS_KEPT {
            idle.extend(self.connection.take());
        }
    }
}

fn transact<T>(
    connection: &mut Connection,
    now: i64,
    work: impl FnOnce(&mut Tx<'_>) -> Result<T, DirectoryError>,
) -> Result<T, DirectoryError> {
    // Dropped without a commit, by an error or a panic, the transaction is rolled back.
    let mut tx = Tx::new(sqlite::begin(connection)?, now);
    let value = work(&mut tx)?;
    tx.transaction.commit()?;
    Ok(value)
}

/// Locks, also after a panic elsewhere: a transaction cut short was rolled back, and a list of connections is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn system_time() -> i64 {
    // A clock before 1970 is taken as 1970.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
