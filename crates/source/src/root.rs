//! The root of a source: opens and lists what lies beneath it and nothing else.
//!
//! A source is hostile ground: every path is walked one component at a time from the root's own descriptor, no symbolic
//! link is ever followed, and nothing but a regular file is opened for reading. So no name in a tree can lead out of it,
//! and no FIFO or device can hold a reader up.

use crate::{ReadError, Stamp};
use rustix::fd::OwnedFd;
use rustix::fs::{Advice, AtFlags, Dir, FileType, Mode, OFlags, StatxFlags};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroU64;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// How many directories stay open between reads: as many as threads may read in different ones without thrashing.
const OPEN_DIRECTORIES: usize = 32;

/// Files up to this size are read ahead: longer ones keep the disk busy by themselves, and would fill the cache.
const READ_AHEAD_BYTES: u64 = 8 << 20;

/// A directory's listing is taken again at most this often while somebody else changes it.
const LISTING_ATTEMPTS: usize = 5;

/// The root of a source's tree.
#[derive(Debug)]
pub(crate) struct Root {
    path: PathBuf,
    fd: OwnedFd,
    recent: Mutex<VecDeque<(Vec<u8>, Arc<OwnedFd>)>>,
}

/// What an entry of a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A FIFO, a socket or a device.
    Special,
    /// Its inode could not be read.
    Unknown,
}

/// An entry of a directory.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its name; any bytes but `/` and NUL.
    pub(crate) name: Vec<u8>,
    /// What it is.
    pub(crate) kind: EntryKind,
    /// Its inode's figures.
    pub(crate) stamp: Stamp,
}

impl Root {
    /// Opens the root, which the operator named: links on the way to it are followed.
    pub(crate) fn open(path: &Path) -> io::Result<Root> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Root { path: path.to_owned(), fd, recent: Mutex::new(VecDeque::new()) })
    }

    /// Where the root is, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a directory beneath the root (`.` is the root itself).
    ///
    /// # Errors
    /// `InvalidInput` when the path has an empty or dotted component; `ELOOP` or `ENOTDIR` when one of its components is
    /// no directory; else as the system says.
    pub(crate) fn directory(&self, path: &[u8]) -> io::Result<Arc<OwnedFd>> {
        if let Some(fd) = self.recall(path) {
            return Ok(fd);
        }
        let mut fd = Arc::new(rustix::fs::openat(&self.fd, c".", directory_flags(), Mode::empty())?);
        if path != b"." {
            for component in path.split(|&b| b == b'/') {
                if matches!(component, b"" | b"." | b"..") {
                    return Err(io::ErrorKind::InvalidInput.into());
                }
                fd = Arc::new(rustix::fs::openat(&*fd, component, directory_flags(), Mode::empty())?);
            }
        }
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == OPEN_DIRECTORIES {
            recent.pop_front();
        }
        recent.push_back((path.to_vec(), Arc::clone(&fd)));
        Ok(fd)
    }

    fn recall(&self, path: &[u8]) -> Option<Arc<OwnedFd>> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let at = recent.iter().position(|(p, _)| p == path)?;
        let found = recent.remove(at)?;
        let fd = Arc::clone(&found.1);
        recent.push_back(found);
        Some(fd)
    }

    /// Lists a directory by name, in byte order, with every entry's figures.
    ///
    /// # Errors
    /// As [`Root::directory`], and when the listing itself fails.
    pub(crate) fn list(&self, path: &[u8]) -> io::Result<Vec<Entry>> {
        Ok(self.list_steadily(&[path])?.remove(0))
    }

    /// Lists several directories such that together they are one moment's picture: while one of them changes, all are
    /// listed again. A file renamed between them meanwhile is then neither lost nor seen twice.
    ///
    /// # Errors
    /// As [`Root::list`].
    pub(crate) fn list_steadily(&self, paths: &[&[u8]]) -> io::Result<Vec<Vec<Entry>>> {
        let directories = paths.iter().map(|path| self.directory(path)).collect::<io::Result<Vec<_>>>()?;
        let changes = || directories.iter().map(|fd| Ok(stamp_of(fd)?.changed_ns)).collect::<io::Result<Vec<_>>>();
        let mut attempt = 1;
        loop {
            let before = changes()?;
            let lists = directories.iter().map(|fd| list(fd)).collect::<io::Result<Vec<_>>>()?;
            if attempt == LISTING_ATTEMPTS || changes()? == before {
                return Ok(lists);
            }
            attempt += 1;
        }
    }

    /// What lies at a path, without following it; `None` where nothing does.
    ///
    /// # Errors
    /// As the system says.
    pub(crate) fn stat(&self, path: &[u8]) -> io::Result<Option<Entry>> {
        if path == b"." {
            let stamp = stamp_of(&self.fd)?;
            return Ok(Some(Entry { name: path.to_vec(), kind: EntryKind::Directory, stamp }));
        }
        let (parent, name) = split(path)?;
        let directory = match self.directory(parent) {
            Ok(directory) => directory,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let c_name = CString::new(name).map_err(|_| io::ErrorKind::InvalidInput)?;
        match statx(&directory, &c_name) {
            Ok((kind, stamp)) => Ok(Some(Entry { name: name.to_vec(), kind, stamp })),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Where a symbolic link points, as it says; it is not followed.
    ///
    /// # Errors
    /// As the system says.
    pub(crate) fn read_link(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        let (parent, name) = split(path)?;
        let directory = self.directory(parent)?;
        Ok(rustix::fs::readlinkat(&*directory, name, Vec::new())?.into_bytes())
    }

    /// Whether a directory lies at a path.
    pub(crate) fn is_directory(&self, path: &[u8]) -> bool {
        matches!(self.stat(path), Ok(Some(Entry { kind: EntryKind::Directory, .. })))
    }

    /// Opens a regular file for reading, and tells its length in bytes.
    ///
    /// # Errors
    /// [`ReadError::Gone`], [`ReadError::NotAFile`], [`ReadError::Io`].
    pub(crate) fn open_file(&self, path: &[u8]) -> Result<(File, u64), ReadError> {
        let (parent, name) = split(path).map_err(|_| ReadError::NotAFile)?;
        let directory = self.directory(parent).map_err(read_error)?;
        let name = CString::new(name).map_err(|_| ReadError::NotAFile)?;
        // Looked at before it is opened, because opening alone can set a device going.
        if statx(&directory, &name).map_err(|e| read_error(e.into()))?.0 != EntryKind::File {
            return Err(ReadError::NotAFile);
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&*directory, &name, flags, Mode::empty()).map_err(|e| read_error(e.into()))?;
        let stat = rustix::fs::fstat(&fd).map_err(|e| read_error(e.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(ReadError::NotAFile);
        }
        Ok((File::from(fd), u64::try_from(stat.st_size).unwrap_or(0)))
    }

    /// Has the kernel begin to read a file of usual size; nothing where it cannot be opened.
    pub(crate) fn read_ahead(&self, path: &[u8]) {
        if let Ok((file, length_bytes)) = self.open_file(path)
            && length_bytes <= READ_AHEAD_BYTES
        {
            // Advice: whether it is taken shows in nothing but time.
            let _ = rustix::fs::fadvise(&file, 0, NonZeroU64::new(length_bytes), Advice::WillNeed);
        }
    }

    /// Reads a whole regular file into `buffer`, which is cleared first.
    ///
    /// # Errors
    /// As [`Root::open_file`]; [`ReadError::TooLarge`] before a byte is read; [`ReadError::Changed`] when it grows or
    /// shrinks meanwhile.
    pub(crate) fn read(&self, path: &[u8], limit_bytes: u64, buffer: &mut Vec<u8>) -> Result<(), ReadError> {
        buffer.clear();
        let (file, length_bytes) = self.open_file(path)?;
        if length_bytes > limit_bytes {
            return Err(ReadError::TooLarge { length_bytes, limit_bytes });
        }
        buffer.reserve(usize::try_from(length_bytes).unwrap_or(0) + 1);
        file.take(length_bytes + 1).read_to_end(buffer)?;
        if buffer.len() as u64 != length_bytes {
            return Err(ReadError::Changed);
        }
        Ok(())
    }
}

/// Joins a path beneath the root and a name.
pub(crate) fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    if path == b"." {
        return name.to_vec();
    }
    let mut joined = Vec::with_capacity(path.len() + 1 + name.len());
    joined.extend_from_slice(path);
    joined.push(b'/');
    joined.extend_from_slice(name);
    joined
}

/// The last component of a path.
pub(crate) fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&b| b == b'/').next().unwrap_or(path)
}

/// A path as people can read it: bytes that are no UTF-8, control characters and `%` percent-encoded.
pub(crate) fn printable(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() || matches!(c, '%' | '\u{2028}' | '\u{2029}') {
                let mut bytes = [0; 4];
                c.encode_utf8(&mut bytes).bytes().for_each(|b| text.push_str(&format!("%{b:02X}")));
            } else {
                text.push(c);
            }
        }
        chunk.invalid().iter().for_each(|b| text.push_str(&format!("%{b:02X}")));
    }
    text
}

fn split(path: &[u8]) -> io::Result<(&[u8], &[u8])> {
    let (parent, name) = match path.iter().rposition(|&b| b == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&b"."[..], path),
    };
    if matches!(name, b"" | b"." | b"..") {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok((parent, name))
}

fn directory_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

fn list(directory: &OwnedFd) -> io::Result<Vec<Entry>> {
    let mut names: Vec<(u64, CString)> = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push((entry.ino(), entry.file_name().to_owned()));
        }
    }
    // Inodes in their order on disk, so that a cold disk is read in one sweep.
    names.sort_unstable();
    let mut entries = Vec::with_capacity(names.len());
    for (_, name) in names {
        let (kind, stamp) = match statx(directory, &name) {
            Ok(found) => found,
            Err(Errno::NOENT) => continue,
            Err(_) => (EntryKind::Unknown, Stamp::default()),
        };
        entries.push(Entry { name: name.into_bytes(), kind, stamp });
    }
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

fn statx(directory: &OwnedFd, name: &std::ffi::CStr) -> Result<(EntryKind, Stamp), Errno> {
    let wanted = StatxFlags::TYPE | StatxFlags::SIZE | StatxFlags::MTIME | StatxFlags::CTIME | StatxFlags::INO;
    let found = rustix::fs::statx(directory.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW, wanted)?;
    let kind = match FileType::from_raw_mode(found.stx_mode.into()) {
        FileType::RegularFile => EntryKind::File,
        FileType::Directory => EntryKind::Directory,
        FileType::Symlink => EntryKind::Link,
        FileType::Unknown => EntryKind::Unknown,
        _ => EntryKind::Special,
    };
    let stamp = Stamp {
        length_bytes: found.stx_size,
        modified_ns: nanoseconds(found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec),
        changed_ns: nanoseconds(found.stx_ctime.tv_sec, found.stx_ctime.tv_nsec),
        inode: found.stx_ino,
    };
    Ok((kind, stamp))
}

fn stamp_of(directory: &OwnedFd) -> io::Result<Stamp> {
    Ok(statx(directory, c".")?.1)
}

fn nanoseconds(seconds: i64, nanoseconds: u32) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(nanoseconds))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw_os_error), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
}

fn read_error(error: io::Error) -> ReadError {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOENT) => ReadError::Gone,
        Some(Errno::LOOP | Errno::NOTDIR | Errno::NXIO | Errno::ISDIR) => ReadError::NotAFile,
        _ if error.kind() == io::ErrorKind::InvalidInput => ReadError::NotAFile,
        _ => ReadError::Io(error),
    }
}
