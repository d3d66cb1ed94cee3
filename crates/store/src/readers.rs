//! Connections that read beside a writer.

use crate::error::StoreError;
use crate::group::lock;
use crate::index::sqlite;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

type Result<T> = std::result::Result<T, StoreError>;

/// Idle readers kept open.
const IDLE_READERS: usize = 4;

/// The readers of one index.
pub(crate) struct Readers {
    index: PathBuf,
    vfs: Option<String>,
    open: fn(&Path, Option<&str>) -> Result<Connection>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// Of an index that this process writes too.
    pub(crate) fn new(index: PathBuf, vfs: Option<String>) -> Self {
        Readers { index, vfs, open: sqlite::open_reader, idle: Mutex::default() }
    }

    /// Of a cell's index that another process writes.
    pub(crate) fn beside(index: PathBuf, vfs: Option<String>) -> Self {
        Readers { index, vfs, open: sqlite::open_beside, idle: Mutex::default() }
    }

    /// Reads a consistent state. Readers never wait for the writer, nor it for them.
    pub(crate) fn read<T>(&self, body: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let idle = lock(&self.idle).pop();
        let mut db = match idle {
            Some(db) => db,
            None => (self.open)(&self.index, self.vfs.as_deref())?,
        };
        let tx = db.transaction()?;
        let result = body(&tx);
        if let Err(error) = tx.rollback() {
            // The connection is not to be used again; what went wrong first says more.
            return result.and(Err(error.into()));
        }
        let mut readers = lock(&self.idle);
        if readers.len() < IDLE_READERS {
            readers.push(db);
        }
        result
    }
}
