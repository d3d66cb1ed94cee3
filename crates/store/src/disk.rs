//! The file layer under segments: the one place that appends, syncs and reads them.
//!
//! A trait, so that tests can put a disk under the store that keeps a live and a durable image and drops whatever was
//! not synced. What `sync_*` does not cover is not durable; nothing else may be assumed.

use std::io;
use std::path::Path;
use std::sync::Arc;

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

struct RealFile(std::fs::File);

impl Disk for RealDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let file = std::fs::OpenOptions::new().read(true).write(true).create_new(create).open(path)?;
        Ok(Arc::new(RealFile(file)))
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
        std::os::unix::fs::FileExt::write_all_at(&self.0, bytes, offset)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.0, buffer, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn allocate(&self, length_bytes: u64) -> io::Result<()> {
        let flags = rustix::fs::FallocateFlags::empty();
        match rustix::fs::fallocate(&self.0, flags, 0, length_bytes) {
            Ok(()) => Ok(()),
            // Some file systems cannot reserve: growing is then paid at each sync.
            Err(rustix::io::Errno::OPNOTSUPP) => self.0.set_len(length_bytes),
            Err(e) => Err(e.into()),
        }
    }

    fn set_len(&self, length_bytes: u64) -> io::Result<()> {
        self.0.set_len(length_bytes)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}
