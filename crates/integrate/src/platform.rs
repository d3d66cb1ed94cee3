//! A data directory as a whole: its store and its directory of accounts.

use directory::Directory;
use std::path::{Path, PathBuf};
use store::{OpenOptions, Store};

/// The directory's database, in a data directory.
pub(crate) const DIRECTORY: &str = "directory.sqlite";

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
    Store(#[from] store::StoreError),
    /// Its directory.
    #[error(transparent)]
    Directory(#[from] directory::DirectoryError),
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
    /// As [`Store::open`]; those of the directory's database.
    pub fn open(dir: &Path, options: OpenOptions) -> Result<Self, PlatformError> {
        Self::with(Store::open(dir, options.clone())?, &options)
    }

    /// Opens the directory of accounts of a data directory, without its mail and without its lock: another process may
    /// have it open.
    ///
    /// # Errors
    /// Those of the directory's database.
    pub fn open_directory(dir: &Path) -> Result<Directory, PlatformError> {
        Ok(Directory::open(&dir.join(DIRECTORY), None)?)
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
