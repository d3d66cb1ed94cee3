//! What can go wrong in the directory, and what a caller may do about it.

use crate::password::PasswordError;
use rusqlite::ffi;
use sieve::settings::SettingsError;
use std::fmt::Display;
use std::path::PathBuf;

/// An operation of the directory failed. No variant holds a password or a hash.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The database file cannot be opened.
    #[error("{}: the directory cannot be opened", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// The database file cannot be made.
    #[error("{}: the directory cannot be made", path.display())]
    Create {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The SQLite in this program can lose committed data.
    #[error("this program holds SQLite {found}, which can lose committed data; 3.51.3 or later is needed")]
    OldSqlite {
        /// Its version.
        found: &'static str,
    },
    /// The file is a database of something else.
    #[error("{}: a database, but no directory of this program", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// The engine refuses the write-ahead log that concurrent reading rests on.
    #[error("{}: the journal mode is {mode:?} where WAL was asked for", path.display())]
    NoWal {
        /// Which file.
        path: PathBuf,
        /// The mode in force.
        mode: String,
    },
    /// A later release has changed the schema.
    #[error("the directory has schema version {found} and this program knows up to {known}: use the later release")]
    NewerSchema {
        /// Version of the file.
        found: i64,
        /// Version of this program.
        known: i64,
    },
    /// The schema is that of an earlier release, and reading alone does not bring it up to date.
    #[error(
        "the directory has schema version {found} and this program reads {known}: the process that has it open is of an \
         earlier release; use that release, or stop that process"
    )]
    OlderSchema {
        /// Version of the file.
        found: i64,
        /// Version of this program.
        known: i64,
    },
    /// The schema was made by migrations that are not those of this program.
    #[error("migration {number} of the directory is not the one of this program: the schema cannot be trusted")]
    ChangedMigration {
        /// Which.
        number: i64,
    },
    /// The directory was opened to read only, beside the process that writes it.
    #[error("the directory is open to be read only")]
    ReadOnly,
    /// A write failed in a way that leaves unknown what is on the disk; nothing is written until it is opened again.
    #[error(
        "the directory stopped writing after its file failed or was found damaged: look at the disk, then open it again"
    )]
    Stopped,
    /// There is one already.
    #[error("{what} {key} exists already")]
    Exists {
        /// What kind of thing.
        what: &'static str,
        /// Which.
        key: String,
    },
    /// There is none.
    #[error("there is no {what} {key}")]
    Missing {
        /// What kind of thing.
        what: &'static str,
        /// Which.
        key: String,
    },
    /// Something else needs it.
    #[error("{what} {key} is still in use")]
    InUse {
        /// What kind of thing.
        what: &'static str,
        /// Which.
        key: String,
    },
    /// It names something that does not exist (its domain, account, customer or integration).
    #[error("{what} {key} names something that does not exist")]
    Dangling {
        /// What kind of thing.
        what: &'static str,
        /// Which.
        key: String,
    },
    /// A value breaks an invariant of the directory.
    #[error("{what} {key}: {reason}")]
    Invalid {
        /// What kind of thing.
        what: &'static str,
        /// Which.
        key: String,
        /// Which invariant.
        reason: &'static str,
    },
    /// A stored row does not read back as what it should be.
    #[error("a row of the directory cannot be understood")]
    Row {
        /// Which column and why.
        #[source]
        source: rusqlite::Error,
    },
    /// The engine failed.
    #[error("the directory's database failed")]
    Sql {
        /// How.
        #[source]
        source: rusqlite::Error,
    },
    /// An account's forwarding or vacation cannot be.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A password cannot be hashed.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The caller's own work inside a transaction or a loop failed.
    #[error("the work on the directory was given up")]
    Caller(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Who can do something about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// The request is wrong.
    Peer,
    /// The same call may succeed later.
    Temporary,
    /// It fails until an operator acts.
    Permanent,
    /// Stored data is not what was written.
    Corruption,
}

impl DirectoryError {
    /// Wraps a failure of the caller's own work, so that a transaction or loop can be left with it.
    pub fn caller(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        DirectoryError::Caller(error.into())
    }

    /// Who can do something about it.
    pub fn class(&self) -> ErrorClass {
        use DirectoryError as E;
        match self {
            E::Exists { .. } | E::Missing { .. } | E::InUse { .. } | E::Dangling { .. } | E::Invalid { .. } => {
                ErrorClass::Peer
            }
            E::Password(PasswordError::Random) => ErrorClass::Temporary,
            E::Password(_) | E::Settings(_) => ErrorClass::Peer,
            E::Row { .. } | E::ChangedMigration { .. } => ErrorClass::Corruption,
            E::Sql { source } | E::Open { source, .. } => class_of(source),
            E::Create { .. }
            | E::OldSqlite { .. }
            | E::Foreign { .. }
            | E::NoWal { .. }
            | E::NewerSchema { .. }
            | E::OlderSchema { .. }
            | E::ReadOnly
            | E::Stopped
            | E::Caller(_) => ErrorClass::Permanent,
        }
    }

    /// Whether there is no room on the disk: what is needed is room, not another try.
    pub fn is_disk_full(&self) -> bool {
        match self {
            DirectoryError::Sql { source } | DirectoryError::Open { source, .. } => {
                extended_code(source).is_some_and(|code| code & 0xff == ffi::SQLITE_FULL)
            }
            _ => false,
        }
    }
}

impl From<rusqlite::Error> for DirectoryError {
    fn from(source: rusqlite::Error) -> Self {
        use rusqlite::Error as E;
        match source {
            E::FromSqlConversionFailure(..) | E::InvalidColumnType(..) | E::IntegralValueOutOfRange(..) => {
                DirectoryError::Row { source }
            }
            _ => DirectoryError::Sql { source },
        }
    }
}

/// Turns a refusal of a statement that adds or changes `what` into an error that names it.
pub(crate) fn putting(what: &'static str, key: impl Display) -> impl FnOnce(rusqlite::Error) -> DirectoryError {
    move |source| match extended_code(&source) {
        Some(ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => {
            DirectoryError::Exists { what, key: key.to_string() }
        }
        Some(ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => DirectoryError::Dangling { what, key: key.to_string() },
        Some(ffi::SQLITE_CONSTRAINT_CHECK) => {
            DirectoryError::Invalid { what, key: key.to_string(), reason: "its values contradict each other" }
        }
        _ => source.into(),
    }
}

/// Turns a refusal of a statement that removes `what` into an error that names it.
pub(crate) fn removing(what: &'static str, key: impl Display) -> impl FnOnce(rusqlite::Error) -> DirectoryError {
    move |source| match extended_code(&source) {
        Some(ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => DirectoryError::InUse { what, key: key.to_string() },
        _ => source.into(),
    }
}

/// Checks that a statement found the row it was for.
pub(crate) fn found(rows: usize, what: &'static str, key: impl Display) -> Result<(), DirectoryError> {
    if rows == 0 { Err(DirectoryError::Missing { what, key: key.to_string() }) } else { Ok(()) }
}

/// Whether an error, or what is behind it, leaves unknown what is on the disk, so that the writer must not go on.
pub(crate) fn is_disk_failure(error: &DirectoryError) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if let Some(source) = error.downcast_ref::<rusqlite::Error>() {
            let code = extended_code(source).map(|code| code & 0xff);
            return matches!(code, Some(ffi::SQLITE_IOERR | ffi::SQLITE_CORRUPT));
        }
        cause = error.source();
    }
    false
}

/// The class of an error of the engine.
pub(crate) fn class_of(error: &rusqlite::Error) -> ErrorClass {
    match extended_code(error).map(|code| code & 0xff) {
        Some(ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED | ffi::SQLITE_FULL | ffi::SQLITE_NOMEM) => ErrorClass::Temporary,
        Some(ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB) => ErrorClass::Corruption,
        _ => ErrorClass::Permanent,
    }
}

fn extended_code(error: &rusqlite::Error) -> Option<i32> {
    error.sqlite_error().map(|e| e.extended_code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: i32) -> DirectoryError {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None).into()
    }

    #[test]
    fn a_failing_disk_stops_the_writer_and_a_full_one_does_not() {
        assert!(is_disk_failure(&failure(ffi::SQLITE_IOERR_FSYNC)));
        assert!(is_disk_failure(&failure(ffi::SQLITE_CORRUPT)));
        let wrapped = DirectoryError::caller(failure(ffi::SQLITE_IOERR_WRITE));
        assert!(is_disk_failure(&wrapped), "also when the caller wrapped it");
        assert!(!is_disk_failure(&failure(ffi::SQLITE_FULL)));
        assert!(!is_disk_failure(&failure(ffi::SQLITE_BUSY)));
    }

    #[test]
    fn every_failure_of_the_engine_has_its_class() {
        assert_eq!(failure(ffi::SQLITE_BUSY).class(), ErrorClass::Temporary);
        assert_eq!(failure(ffi::SQLITE_FULL).class(), ErrorClass::Temporary);
        assert!(failure(ffi::SQLITE_FULL).is_disk_full() && !failure(ffi::SQLITE_BUSY).is_disk_full());
        assert_eq!(failure(ffi::SQLITE_CORRUPT).class(), ErrorClass::Corruption);
        assert_eq!(failure(ffi::SQLITE_IOERR_READ).class(), ErrorClass::Permanent);
    }
}
