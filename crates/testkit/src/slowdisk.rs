//! A disk whose syncs take time, as those of real ones do, and are counted: what comes during a sync shares the next.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use store::OpenOptions;
use store::disk::{Disk, DiskFile, RealDisk};

/// The system's files, whose syncs take longer. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct SlowDisk {
    takes: Duration,
    syncs: Arc<AtomicU64>,
}

struct SlowFile {
    file: Arc<dyn DiskFile>,
    disk: SlowDisk,
}

impl SlowDisk {
    /// A disk each of whose syncs of files takes this much longer.
    pub fn new(takes: Duration) -> Self {
        SlowDisk { takes, syncs: Arc::default() }
    }

    /// Options of a store whose segments are on it; its indexes are on the system's disk.
    pub fn options(&self, purpose: &str) -> OpenOptions {
        OpenOptions { disk: Arc::new(self.clone()), ..OpenOptions::for_purpose(purpose) }
    }

    /// Syncs of files that have begun.
    pub fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::SeqCst)
    }
}

impl Disk for SlowDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(SlowFile { file: RealDisk.open(path, create)?, disk: self.clone() }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        RealDisk.list(dir)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        RealDisk.create_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.sync_dir(dir)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }
}

impl DiskFile for SlowFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.syncs.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(self.disk.takes);
        self.file.sync_data()
    }

    fn allocate(&self, length_bytes: u64) -> io::Result<()> {
        self.file.allocate(length_bytes)
    }

    fn set_len(&self, length_bytes: u64) -> io::Result<()> {
        self.file.set_len(length_bytes)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
}
