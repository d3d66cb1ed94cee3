//! A disk that knows what a loss of power would leave, under segments and under SQLite alike.
//!
//! A killed process leaves the page cache behind, so killing one never shows a missing fsync. This disk keeps two
//! images of one tree: the *live* one, real files that ordinary code can read, and the *durable* one, which changes by
//! syncs alone. [`CrashDisk::crash`] writes out what would be found after the power came back:
//!
//! ```
//! use std::path::Path;
//! use store::disk::Disk;
//! use testkit::crashdisk::{CrashDisk, Mode};
//!
//! # fn main() -> std::io::Result<()> {
//! let home = tempfile::tempdir()?;
//! let disk = CrashDisk::new(&home.path().join("live"))?;
//!
//! let file = disk.open(&disk.root().join("0001.seg"), true)?;
//! file.write_all_at(b"acknowledged", 0)?;
//! file.sync_data()?;
//! disk.sync_dir(disk.root())?;
//! file.write_all_at(b"and then the lights went out", 12)?;
//!
//! let after = disk.crash(Mode::DropAll)?;
//! assert_eq!(std::fs::read(after.join("0001.seg"))?, b"acknowledged");
//! # Ok(())
//! # }
//! ```
//!
//! A test of durability does its work on the disk (as a [`store::disk::Disk`], and with SQLite opened by the VFS that
//! [`CrashDisk::vfs`] names), notes what was acknowledged, crashes, opens the image that is left (by the real disk, or
//! by another `CrashDisk` to crash again) and looks for what was acknowledged:
//!
//! - [`Mode::DropAll`] leaves exactly what was synced, and shows a missing sync at once.
//! - [`Mode::Some`] leaves a random part of the rest too, and shows a wrong order of writes. Print the seed.
//! - [`CrashDisk::stop_after`] cuts the power at a chosen operation. Run once to learn [`CrashDisk::op_count`], then
//!   once for each number below it.
//! - [`CrashDisk::fail_after`] and [`CrashDisk::fail_from`] make writes and syncs fail while the power is on.
//!
//! Give the disk a root with a directory of its own above it: images are written beside the root. The store's own
//! tests use the disk from `tests/`: a unit test would see another build of the store, whose trait is not this one's.
//!
//! # What is modelled
//! Stricter than any file system, and never kinder than the contract of [`store::disk::Disk`]:
//!
//! - A sync of a file makes its content and length durable, not its name. Names, made or removed, become durable by a
//!   sync of their directory, and a file in a directory that is not itself durable is lost with it.
//! - At a random crash each name leads to any file it led to since its directory was synced; each file has any length
//!   it had since its sync; and each sector of 512 bytes holds any version it had since, without regard to the order of
//!   writes. Where a file grew and its data did not arrive, it reads as zeros.
//! - Two writes never disturb bytes outside them (what SQLite calls a power-safe overwrite).
//! - A sync that fails loses what it was to write: a later sync that succeeds does not bring it back, as on Linux.
//! - A write that fails leaves its first half.
//! - What stood below the root when the disk was made is durable. What is written there later beside the disk, by
//!   `std::fs` or another VFS, is not on the disk: it is lost, unless the file is opened through the disk and synced.
//!
//! SQLite's files follow its own unix VFS: the first sync of a journal or WAL syncs its directory too, that of a
//! database file does not; a removal is durable at once where SQLite asks for it. Shared memory (`-shm`) and temporary
//! files are never durable, and are not counted. Never open a live database file by other means than the VFS:
//! closing such a descriptor drops SQLite's locks.

mod gate;
mod image;
mod inode;
mod model;
mod random;
#[allow(unsafe_code, reason = "SQLite takes a VFS as C structures and functions only")]
mod vfs;

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use store::disk::{Disk, DiskFile};

pub use gate::Failure;
use inode::Inode;
use model::Model;
use vfs::Registration;

/// What a crash keeps of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing.
    DropAll,
    /// A part chosen by the seed: the same history and seed leave the same image.
    Some(u64),
}

/// A directory tree with a live and a durable image. Clones are the same disk.
///
/// Its VFS is unregistered with the last clone; connections still open then go on working.
#[derive(Clone)]
pub struct CrashDisk {
    model: Arc<Model>,
    registration: Arc<Registration>,
}

impl CrashDisk {
    /// Makes a disk of a directory, which is created where it is missing; what it holds is durable.
    ///
    /// # Errors
    /// What the system says when the directory is read, or that SQLite has no unix VFS.
    pub fn new(root: &Path) -> io::Result<Self> {
        let model = Arc::new(Model::new(root)?);
        let registration = Arc::new(Registration::new(&model)?);
        Ok(Self { model, registration })
    }

    /// The directory of the live files, as an absolute path.
    pub fn root(&self) -> &Path {
        self.model.root()
    }

    /// The name of the VFS by which SQLite is to open databases below the root.
    pub fn vfs(&self) -> &str {
        self.registration.name()
    }

    /// Options of a store of which all is on this disk, segments and indexes.
    pub fn options(&self, purpose: &str) -> store::OpenOptions {
        store::OpenOptions {
            disk: Arc::new(self.clone()),
            vfs: Some(self.vfs().to_owned()),
            ..store::OpenOptions::for_purpose(purpose)
        }
    }

    /// Writes what a loss of power at this moment would leave into a fresh directory beside the root, and returns its
    /// path. The disk itself goes on unharmed.
    ///
    /// # Errors
    /// What the system says when the image is written.
    pub fn crash(&self, mode: Mode) -> io::Result<PathBuf> {
        self.model.crash(mode)
    }

    /// Operations so far: writes, changes of length, reservations, syncs, names made and removed.
    pub fn op_count(&self) -> u64 {
        self.model.lock().gate.ops
    }

    /// Syncs that succeeded so far, of files and of directories.
    pub fn sync_count(&self) -> u64 {
        self.model.lock().gate.syncs
    }

    /// Cuts the power after `n` more operations: all later ones fail, reads too, and nothing becomes durable any more.
    pub fn stop_after(&self, n: u64) {
        self.model.lock().gate.stop_after(n);
    }

    /// Makes one operation fail: the `n`-th write (change of length, reservation) or sync from now, of files and
    /// directories alike. Replaces any failure set before.
    ///
    /// # Panics
    /// When `n` is 0: the next operation is number 1.
    pub fn fail_after(&self, n: u64, failure: Failure) {
        self.model.lock().gate.fail(n, failure, false);
    }

    /// As [`CrashDisk::fail_after`], but the failure stays until [`CrashDisk::heal`]. Without space, all that needs
    /// room fails: growing files and new names; [`Failure::Io`] fails every write and sync.
    ///
    /// # Panics
    /// When `n` is 0: the next operation is number 1.
    pub fn fail_from(&self, n: u64, failure: Failure) {
        self.model.lock().gate.fail(n, failure, true);
    }

    /// Takes back a failure that was set, struck or not. The power stays off where it was cut.
    pub fn heal(&self) {
        self.model.lock().gate.heal();
    }
}

impl Disk for CrashDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let key = self.model.file_key(path)?;
        let live = || OpenOptions::new().read(true).write(true).create_new(create).open(path);
        let (inode, file) = self.model.open(&key, create, live)?;
        Ok(Arc::new(OpenFile { model: Arc::clone(&self.model), inode, file }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        self.model.may_read()?;
        store::disk::RealDisk.list(dir)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.model.may_read()?;
        if dir.is_dir() {
            return Ok(());
        }
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        self.create_dir_all(parent)?;
        self.model.dir_key(parent)?;
        self.model.create_dir(dir)?;
        self.sync_dir(parent)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        Ok(self.model.sync_dir(&self.model.dir_key(dir)?)?)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let key = self.model.file_key(path)?;
        Ok(self.model.remove(&key, || std::fs::remove_file(path))?)
    }
}

/// A file opened through [`Disk`].
struct OpenFile {
    model: Arc<Model>,
    inode: Arc<Inode>,
    file: File,
}

impl DiskFile for OpenFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        Ok(self.model.write(&self.inode, offset, bytes, |part| self.file.write_all_at(part, offset))?)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.model.may_read()?;
        self.file.read_exact_at(buffer, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(self.model.sync(&self.inode)?)
    }

    fn allocate(&self, length_bytes: u64) -> io::Result<()> {
        Ok(self.model.resize(&self.inode, length_bytes, true, || self.file.set_len(length_bytes))?)
    }

    fn set_len(&self, length_bytes: u64) -> io::Result<()> {
        Ok(self.model.resize(&self.inode, length_bytes, false, || self.file.set_len(length_bytes))?)
    }

    fn len(&self) -> io::Result<u64> {
        self.model.may_read()?;
        Ok(self.file.metadata()?.len())
    }
}
