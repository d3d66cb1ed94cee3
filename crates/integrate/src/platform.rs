//! A data directory as a whole: its store and its directory of accounts.

use directory::Directory;
use std::path::{Path, PathBuf};
use store::{LIVE, LineageId, OpenOptions, Store, StoreError};

/// The directory's database, in a data directory.
pub(crate) const DIRECTORY: &str = "directory.sqlite";

/// The numbers of lineages that a new directory gives out first: staged mail that has one of them would become that of
/// another history.
const FIRST_LINEAGES: i64 = 64;

/// Mail and accounts of one data directory, open for reading and writing by this process alone.
pub struct Platform {
    /// Mailboxes and messages.
    pub store: Store,
    /// Customers, domains, accounts, aliases.
    pub directory: Directory,
}

/// A data directory cannot be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// Its store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its directory.
    #[error(transparent)]
    Directory(#[from] directory::DirectoryError),
    /// Its directory is not there, and a new one would know none of the accounts whose mail is.
    #[error("{} is {state}: accounts, passwords and integrations are in it", path.display())]
    Lost {
        /// Where it should be.
        path: PathBuf,
        /// How it is instead: missing, or empty.
        state: &'static str,
    },
}

impl Platform {
    /// Makes a data directory.
    ///
    /// # Errors
    /// As [`Store::init`]; those of the directory's database.
    pub fn init(dir: &Path, cells: u32, options: OpenOptions) -> Result<Self, PlatformError> {
        Self::with(Store::init(dir, cells, options.clone())?, &options)
    }

    /// Opens a data directory.
    ///
    /// # Errors
    /// As [`Store::open`]; those of the directory's database; [`PlatformError::Lost`] where there is none and a cell has
    /// accounts. Where none has, it is made: an `init` was killed before it was.
    pub fn open(dir: &Path, options: OpenOptions) -> Result<Self, PlatformError> {
        let store = Store::open(dir, options.clone())?;
        let present = must_be_there(&store.dir().join(DIRECTORY));
        if present.is_err() && has_accounts(&store)? {
            present?;
        }
        Self::with(store, &options)
    }

    /// Opens the directory of accounts of a data directory, without its mail and without its lock: another process may
    /// have it open.
    ///
    /// # Errors
    /// [`PlatformError::Lost`] when there is none; those of the directory's database.
    pub fn open_directory(dir: &Path) -> Result<Directory, PlatformError> {
        let path = dir.join(DIRECTORY);
        must_be_there(&path)?;
        Ok(Directory::open(&path, None)?)
    }

    fn with(store: Store, options: &OpenOptions) -> Result<Self, PlatformError> {
        let directory = Directory::open(&store.dir().join(DIRECTORY), options.vfs.as_deref())?;
        Ok(Platform { store, directory })
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        self.store.dir()
    }

    /// Where keys lie.
    pub fn key_dir(&self) -> PathBuf {
        self.dir().join("keys")
    }
}

/// Refuses a directory's database that opening would make anew.
fn must_be_there(path: &Path) -> Result<(), PlatformError> {
    let state = match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "missing",
        Ok(metadata) if metadata.len() == 0 => "empty",
        // Whether it can be used, opening says.
        _ => return Ok(()),
    };
    Err(PlatformError::Lost { path: path.to_owned(), state })
}

/// Whether a cell has accounts, live or staged.
fn has_accounts(store: &Store) -> Result<bool, StoreError> {
    for cell in store.cells() {
        let found = cell.read(|view| {
            for lineage in LIVE.0..=LIVE.0 + FIRST_LINEAGES {
                if !view.accounts(LineageId(lineage))?.is_empty() {
                    return Ok(true);
                }
            }
            Ok(false)
        })?;
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}
