//! A data directory as a whole: its store and its directory of accounts.

use directory::Directory;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use store::{LIVE, LineageId, OpenOptions, Store, StoreError};

/// The directory's database, in a data directory.
pub(crate) const DIRECTORY: &str = "directory.sqlite";

/// The numbers of lineages that a new directory gives out first: staged mail that has one of them would become that of
/// another history.
const FIRST_LINEAGES: i64 = 64;

/// How long [`Platform::look`] waits for a process that has the data directory and lets nobody read yet: one that is just
/// opening it, most likely.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Mail and accounts of one data directory: open to change by this process alone, or to read only beside that which changes
/// them ([`Platform::look`]).
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
        let platform = Self::with(Store::init(dir, cells, options.clone())?, &options)?;
        platform.store.admit_readers()?;
        Ok(platform)
    }

    /// Opens a data directory.
    ///
    /// # Errors
    /// As [`Store::open`]; those of the directory's database; [`PlatformError::Lost`] where there is none and a cell has
    /// accounts. Where none has, it is made: an `init` was killed before it was.
    pub fn open(dir: &Path, options: OpenOptions) -> Result<Self, PlatformError> {
        let platform = Self::complete(Store::open(dir, options.clone())?, &options)?;
        platform.store.admit_readers()?;
        Ok(platform)
    }

    /// Opens the directory that belongs to a store.
    fn complete(store: Store, options: &OpenOptions) -> Result<Self, PlatformError> {
        let present = must_be_there(&store.dir().join(DIRECTORY));
        if present.is_err() && has_accounts(&store)? {
            present?;
        }
        Self::with(store, options)
    }

    /// Opens a data directory to read only. Where no process has it, it is first opened as by [`Platform::open`], so that
    /// what a killed process left is made good and seen; then its lock is given back. Beside a process that has it,
    /// nothing is recovered or made. Who wants to write is kept out by neither, and waits for the opening at most.
    ///
    /// Every change is refused: [`StoreError::ReadOnly`], [`directory::DirectoryError::ReadOnly`].
    ///
    /// # Errors
    /// As [`Platform::open`]; [`StoreError::InUse`] when for ten seconds the data directory was held by a process beside
    /// which nobody may read (one that makes indexes anew, or that takes long to open it).
    pub fn look(dir: &Path, options: OpenOptions) -> Result<Self, PlatformError> {
        let patient_until = Instant::now() + PATIENCE;
        loop {
            match Store::open_in_passing(dir, options.clone()) {
                Err(in_use @ StoreError::InUse { .. }) => {
                    if let Some(store) = Store::open_beside(dir, &options)? {
                        let path = dir.join(DIRECTORY);
                        must_be_there(&path)?;
                        let directory = Directory::open_to_read(&path, options.vfs.as_deref())?;
                        return Ok(Platform { store, directory });
                    }
                    if Instant::now() >= patient_until {
                        return Err(in_use.into());
                    }
                    std::thread::sleep(LOOK_AGAIN_AFTER);
                }
                opened => return Self::complete(opened?, &options)?.into_reader(&options),
            }
        }
    }

    fn into_reader(self, options: &OpenOptions) -> Result<Self, PlatformError> {
        let Platform { store, directory } = self;
        // Closed first, so that its log is written back; and both while the lock is held, so that nobody changes what
        // is opened here into what this program does not know.
        drop(directory);
        let directory = Directory::open_to_read(&store.dir().join(DIRECTORY), options.vfs.as_deref())?;
        Ok(Platform { store: store.into_reader(options)?, directory })
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
