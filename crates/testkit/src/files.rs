//! Files and directories that tests lay out.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What a directory tree is: every file's bytes, and when each file and directory was last changed, by their paths in it.
pub type Tree = BTreeMap<PathBuf, (Option<Vec<u8>>, SystemTime)>;

/// Reads a directory tree, so that it can be compared with what it is later.
///
/// Not of databases that this process has open and another one too: closing a file lets go of the locks that SQLite has on it.
///
/// # Errors
/// What the system says.
pub fn tree(directory: &Path) -> io::Result<Tree> {
    let mut tree = Tree::from([(PathBuf::new(), (None, std::fs::metadata(directory)?.modified()?))]);
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            let below = self::tree(&entry.path())?;
            tree.extend(below.into_iter().map(|(path, what)| (Path::new(&entry.file_name()).join(path), what)));
        } else {
            let what = (Some(std::fs::read(entry.path())?), entry.metadata()?.modified()?);
            tree.insert(entry.file_name().into(), what);
        }
    }
    Ok(tree)
}

/// Copies a directory tree: directories and regular files.
///
/// # Errors
/// What the system says.
pub fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// What a program wrote into its log; nothing where there is none.
pub fn log(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// Counts regular files below a directory; what goes away meanwhile is not counted.
///
/// # Errors
/// What the system says.
pub fn count(directory: &Path) -> io::Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => count += self::count(&entry.path())?,
            Ok(kind) if kind.is_file() => count += 1,
            _ => {}
        }
    }
    Ok(count)
}
