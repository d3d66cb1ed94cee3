//! Files and directories that tests lay out.

use std::io;
use std::path::Path;

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
