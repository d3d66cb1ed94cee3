//! The file layer under segments: the one place that appends, syncs and reads them.
//!
//! A trait, so that tests can put a disk under the store that keeps a live and a durable image and drops whatever was
//! not synced. What `sync_*` does not cover is not durable; nothing else may be assumed.

mod direct;

pub(crate) use direct::{ALIGN, Aligned};

use std::io;
use std::os::unix::fs::{FileExt, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Writes of at least so many bytes leave the system's cache out: they are whole batches of mail, which nobody reads soon.
const PAST_CACHE_BYTES: usize = 2 << 20;

/// A directory tree that holds segments.
pub trait Disk: Send + Sync {
    /// Opens a file for reading and writing; with `create` it must not exist yet and is made.
    /// The new name is durable only after [`Disk::sync_dir`] of its directory.
    ///
    /// # Errors
    /// What the system says.
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>>;

    /// Names in a directory, sorted.
    ///
    /// # Errors
    /// What the system says.
    fn list(&self, dir: &Path) -> io::Result<Vec<std::ffi::OsString>>;

    /// Makes a directory and those above it, durably.
    ///
    /// # Errors
    /// What the system says.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// Makes names made, renamed or removed in a directory durable.
    ///
    /// # Errors
    /// What the system says.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Removes a file; durable after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// An open file of a [`Disk`].
#[allow(clippy::len_without_is_empty, reason = "a segment is never empty; its length is what counts")]
pub trait DiskFile: Send + Sync {
    /// Writes all bytes at an offset, growing the file where needed. Not durable until [`DiskFile::sync_data`].
    ///
    /// # Errors
    /// What the system says; how much was written is then unknown.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Fills the buffer from an offset.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends before; what the system says otherwise.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Fills a window from an offset as far as the file goes and gives how many bytes that is; offset and length are
    /// multiples of 4,096. Where the system can, they come from the disk and not from its memory, and leave nothing there.
    ///
    /// # Errors
    /// What the system says.
    fn read_window(&self, window: &mut [u8], offset: u64) -> io::Result<usize> {
        let filled = self.len()?.saturating_sub(offset).min(window.len() as u64) as usize;
        self.read_exact_at(&mut window[..filled], offset).map(|()| filled)
    }

    /// Makes everything written so far, and the length, durable.
    ///
    /// # Errors
    /// What the system says. After an error nothing that was not synced before may be believed: the writer stops.
    fn sync_data(&self) -> io::Result<()>;

    /// Reserves room up to `length_bytes` and sets the length to it; new bytes read as zeros.
    ///
    /// # Errors
    /// `StorageFull` when there is no room; the file is then unchanged or longer with zeros.
    fn allocate(&self, length_bytes: u64) -> io::Result<()>;

    /// Cuts or extends the file to a length.
    ///
    /// # Errors
    /// What the system says.
    fn set_len(&self, length_bytes: u64) -> io::Result<()>;

    /// Length in bytes.
    ///
    /// # Errors
    /// What the system says.
    fn len(&self) -> io::Result<u64>;
}

/// The operating system's own files.
#[derive(Debug, Default, Clone, Copy)]
pub struct RealDisk;

struct RealFile {
    file: std::fs::File,
    path: PathBuf,
    /// The same file for transfers past the cache: opened when the first is wanted, `None` where there are none.
    direct: OnceLock<Option<std::fs::File>>,
}

impl RealFile {
    fn direct(&self) -> Option<&std::fs::File> {
        self.direct.get_or_init(|| direct::open(&self.path)).as_ref()
    }
}

/// Gives a file that was just made to the owner of its directory, as SQLite does with what it makes beside a database: what
/// root makes in the data directory of a server that runs as another user is that user's to open.
pub(crate) fn give_to_owner(file: &std::fs::File, path: &Path) {
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (Ok(dir), Ok(made)) = (dir.metadata(), file.metadata()) else { return };
    if dir.uid() != made.uid() {
        // Only root may do so, and everybody else made it for themselves.
        let _ = std::os::unix::fs::fchown(file, Some(dir.uid()), Some(dir.gid()));
    }
}

impl Disk for RealDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let file = std::fs::OpenOptions::new().read(true).write(true).create_new(create).open(path)?;
        if create {
            give_to_owner(&file, path);
        }
        Ok(Arc::new(RealFile { file, path: path.to_owned(), direct: OnceLock::new() }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<std::ffi::OsString>> {
        let mut names = std::fs::read_dir(dir)?.map(|e| e.map(|e| e.file_name())).collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let parent = dir.parent().filter(|p| !p.as_os_str().is_empty());
        if dir.is_dir() {
            // Whoever made it may not have come to sync its name.
            return self.sync_dir(parent.unwrap_or(Path::new(".")));
        }
        if let Some(parent) = parent {
            self.create_dir_all(parent)?;
        }
        match std::fs::create_dir(dir) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
            _ => {}
        }
        self.sync_dir(parent.unwrap_or(Path::new(".")))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        std::fs::File::open(dir)?.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }
}

impl DiskFile for RealFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let (mut bytes, mut offset) = (bytes, offset);
        if bytes.len() >= PAST_CACHE_BYTES
            && let Some(direct) = self.direct()
        {
            // The blocks at both ends are shared with what came before and with what will come: those go by the cache.
            let (before, whole) = direct::blocks(offset, bytes.len());
            self.file.write_all_at(&bytes[..before], offset)?;
            let written = before + direct::write(direct, &bytes[before..before + whole], offset + before as u64)?;
            (bytes, offset) = (&bytes[written..], offset + written as u64);
        }
        self.file.write_all_at(bytes, offset)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn read_window(&self, window: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.direct().map(|direct| direct::read(direct, window, offset)) {
            Some(Err(e)) if direct::is_refused(&e) => direct::read(&self.file, window, offset),
            Some(read) => read,
            None => direct::read(&self.file, window, offset),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn allocate(&self, length_bytes: u64) -> io::Result<()> {
        let flags = rustix::fs::FallocateFlags::empty();
        match rustix::fs::fallocate(&self.file, flags, 0, length_bytes) {
            Ok(()) => Ok(()),
            // Some file systems cannot reserve: growing is then paid at each sync.
            Err(rustix::io::Errno::OPNOTSUPP) => self.file.set_len(length_bytes),
            Err(e) => Err(e.into()),
        }
    }

    fn set_len(&self, length_bytes: u64) -> io::Result<()> {
        self.file.set_len(length_bytes)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}
