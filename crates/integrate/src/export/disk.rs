//! Directories of the tree and files in them, made by name under an open directory: no name leads out of it.

use super::{ExportError, Result};
use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps, fstat, futimens, mkdirat, openat, syncfs, unlinkat};
use rustix::io::Errno;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::RDONLY).union(OFlags::CLOEXEC);
const NEW_FILE: OFlags = OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::CLOEXEC);

/// The longest name of a file.
pub(super) const NAME_BYTES: usize = 255;

/// An open directory of the tree.
pub(super) struct Dir {
    fd: OwnedFd,
    path: PathBuf,
}

impl Dir {
    pub(super) fn open(path: &Path) -> Result<Dir> {
        let fd = rustix::fs::open(path, DIRECTORY, Mode::empty()).map_err(error(path))?;
        Ok(Dir { fd, path: path.to_owned() })
    }

    /// A directory in this one, made where it is not there yet.
    pub(super) fn make(&self, name: &str) -> Result<Dir> {
        self.try_make(name).map_err(|errno| self.error(name)(errno))
    }

    pub(super) fn try_make(&self, name: &str) -> rustix::io::Result<Dir> {
        match mkdirat(&self.fd, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
        let fd = openat(&self.fd, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?;
        Ok(Dir { fd, path: self.path.join(name) })
    }

    /// New directories in this one.
    pub(super) fn make_all(&self, names: &[&str]) -> Result<()> {
        names.iter().try_for_each(|name| mkdirat(&self.fd, *name, Mode::RWXU).map_err(self.error(name)))
    }

    /// A new file, for its owner alone.
    pub(super) fn new_file(&self, name: &str) -> Result<File> {
        self.try_new_file(name).map_err(self.error(name))
    }

    pub(super) fn try_new_file(&self, name: &str) -> rustix::io::Result<File> {
        openat(&self.fd, name, NEW_FILE, Mode::RUSR | Mode::WUSR).map(File::from)
    }

    /// A new file with its bytes and, in seconds since 1970 UTC, its time of modification; gives whether the file system
    /// can hold that time.
    pub(super) fn write_file(&self, name: &str, bytes: &[u8], modified: Option<i64>) -> Result<bool> {
        let mut file = self.new_file(name)?;
        file.write_all(bytes).map_err(self.error(name))?;
        modified.map_or(Ok(true), |seconds| set_times(&file, seconds)).map_err(self.error(name))
    }

    pub(super) fn link(&self, target: &str, name: &str) -> Result<()> {
        rustix::fs::symlinkat(target, &self.fd, name).map_err(self.error(name))
    }

    pub(super) fn remove(&self, name: &str) -> Result<()> {
        unlinkat(&self.fd, name, AtFlags::empty()).map_err(self.error(name))
    }

    pub(super) fn sync(&self) -> Result<()> {
        rustix::fs::fsync(&self.fd).map_err(error(&self.path))
    }

    /// Makes durable all that was written to the file system.
    pub(super) fn sync_file_system(&self) -> Result<()> {
        syncfs(&self.fd).map_err(error(&self.path))
    }

    /// The same directory once more.
    pub(super) fn another(&self) -> Result<Dir> {
        Ok(Dir { fd: self.fd.try_clone().map_err(error(&self.path))?, path: self.path.clone() })
    }

    pub(super) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The error of something in this directory.
    pub(super) fn error<E: Into<std::io::Error>>(&self, name: &str) -> impl FnOnce(E) -> ExportError + use<E> {
        error(&self.path_of(name))
    }
}

/// The error of a path.
pub(super) fn error<E: Into<std::io::Error>>(path: &Path) -> impl FnOnce(E) -> ExportError + use<E> {
    let path = path.to_owned();
    move |cause| ExportError::Io { path, cause: cause.into() }
}

fn set_times(file: &File, seconds: i64) -> rustix::io::Result<bool> {
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    futimens(file, &Timestamps { last_access: time, last_modification: time })?;
    // Every file system holds 1970 to 2038; beyond that some set the nearest time they know, and say nothing.
    Ok(i32::try_from(seconds).is_ok_and(|s| s >= 0) || fstat(file)?.st_mtime as i64 == seconds)
}

/// A text as one name in a directory: what it may not hold is percent-encoded, what is too long is cut and told apart by
/// a hash.
pub(super) fn component(text: &str) -> String {
    component_within(text, NAME_BYTES)
}

/// As [`component`], of a length that leaves room for more.
pub(super) fn component_within(text: &str, limit_bytes: usize) -> String {
    let bad = |c: char| c.is_control() || c == '/' || (c == '.' && matches!(text, "." | ".."));
    let mut name = String::new();
    for c in text.chars() {
        match bad(c) {
            true => c.encode_utf8(&mut [0; 4]).bytes().for_each(|b| name.push_str(&format!("%{b:02X}"))),
            false => name.push(c),
        }
    }
    if name.is_empty() {
        name.push('_');
    }
    if name.len() <= limit_bytes { name } else { shortened(&name, text, limit_bytes, str::len) }
}

/// The longest beginning of a text that, with a hash of `whole`, takes no more than `limit_bytes` by some measure.
pub(super) fn shortened(text: &str, whole: &str, limit_bytes: usize, measure: impl Fn(&str) -> usize) -> String {
    let tail = hash_tail(whole);
    let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    // A longer beginning never measures less.
    let fitting = ends.partition_point(|&end| measure(&text[..end]) + tail.len() <= limit_bytes);
    let kept = &text[..ends[..fitting].last().copied().unwrap_or(0)];
    format!("{}{tail}", kept.trim_end_matches('.'))
}

/// What tells names apart whose beginnings are alike.
pub(super) fn hash_tail(whole: &str) -> String {
    format!("-{}", &blake3::hash(whole.as_bytes()).to_hex()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_one_name() {
        let table = [
            ("ana", "ana"),
            ("niño", "niño"),
            ("..", "%2E%2E"),
            (".", "%2E"),
            ("...", "..."),
            ("", "_"),
            ("a/b", "a%2Fb"),
            ("a\0b\n", "a%00b%0A"),
        ];
        for (text, name) in table {
            assert_eq!(component(text), name);
        }
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let (one, two) = (component(&"ñ".repeat(200)), component(&"ñ".repeat(201)));
        assert_ne!(one, two);
        for name in [one, two] {
            assert!((NAME_BYTES - 1..=NAME_BYTES).contains(&name.len()), "{}", name.len());
            assert!(name.starts_with("ññ"));
        }
    }
}
