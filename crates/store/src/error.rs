//! What can go wrong in a cell, and of which class it is.

use crate::segment::record::RecordError;
use crate::types::Place;
use std::path::PathBuf;

/// Whose business an error is; a retry looks at this and never at text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It may go away by itself or when room is made: try again.
    Temporary,
    /// It will stay until somebody changes something.
    Permanent,
    /// Stored data is damaged.
    Corruption,
    /// The caller asked for what cannot be.
    Caller,
}

/// An operation on a cell or on a data directory failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file could not be read or written.
    #[error("{}: {cause}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The index's database said no.
    #[error("index: {0}")]
    Sql(#[from] rusqlite::Error),
    /// A record is damaged.
    #[error("segment {:08x} at {}: {why}", place.segment, place.position)]
    Corrupt {
        /// Where.
        place: Place,
        /// What is wrong with it.
        why: RecordError,
    },
    /// A row of the index cannot be.
    #[error("index: {0}")]
    BadRow(String),
    /// The data directory is not one, or of a newer version.
    #[error("{}: {message}", path.display())]
    Directory {
        /// Which directory.
        path: PathBuf,
        /// What is wrong and what to do now.
        message: String,
    },
    /// Another process works on the data directory.
    #[error("{} is in use by {holder}; wait for it to end, or stop it", path.display())]
    InUse {
        /// Which directory.
        path: PathBuf,
        /// Who holds it.
        holder: String,
    },
    /// An account or mailbox that was asked for does not exist, or one that was to be made does.
    #[error("{0}")]
    Caller(String),
    /// The data directory was opened to read only, beside the process that writes in it.
    #[error("the data directory is open to be read only")]
    ReadOnly,
    /// The cell's writer has ended.
    #[error("the cell's writer has stopped; open the store again")]
    Stopped,
    /// The writer failed in the middle; everything acknowledged is safe, the rest was not done.
    #[error("the cell could not write: {0}")]
    Write(std::sync::Arc<StoreError>),
}

impl StoreError {
    /// Of which class the error is.
    pub fn class(&self) -> Class {
        use rusqlite::ErrorCode as Sql;
        match self {
            StoreError::Io { cause, .. } => match cause.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Class::Temporary,
                _ => Class::Permanent,
            },
            StoreError::Sql(
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..),
            ) => Class::Corruption,
            StoreError::Sql(e) => match e.sqlite_error_code() {
                Some(Sql::DatabaseBusy | Sql::DatabaseLocked | Sql::DiskFull) => Class::Temporary,
                Some(Sql::DatabaseCorrupt | Sql::NotADatabase) => Class::Corruption,
                _ => Class::Permanent,
            },
            StoreError::Corrupt { .. } | StoreError::BadRow(_) => Class::Corruption,
            StoreError::Directory { .. } => Class::Permanent,
            StoreError::InUse { .. } | StoreError::Stopped => Class::Temporary,
            StoreError::Caller(_) | StoreError::ReadOnly => Class::Caller,
            StoreError::Write(e) => e.class(),
        }
    }

    /// Whether a disk was full.
    pub fn is_disk_full(&self) -> bool {
        match self {
            StoreError::Io { cause, .. } => {
                matches!(cause.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
            }
            StoreError::Sql(e) => e.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull),
            StoreError::Write(e) => e.is_disk_full(),
            _ => false,
        }
    }

    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> StoreError {
        let path = path.into();
        move |cause| StoreError::Io { path, cause }
    }
}
