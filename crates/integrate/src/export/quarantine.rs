//! What belongs to no account: kept for the operator, under `OUT/quarantine/`.

use super::Result;
use super::chunk::as_file;
use super::disk::{Dir, component};
use rustix::io::Errno;
use std::io::Write;

/// The part of a tree that nobody's mail goes into.
pub struct Quarantine<'a> {
    root: &'a Dir,
}

impl<'a> Quarantine<'a> {
    pub(super) fn new(root: &'a Dir) -> Self {
        Quarantine { root }
    }

    /// Writes a message under a path with `/` between its names. Any path will do: no name in it leads out of the
    /// quarantine, and where one is taken already a number follows it.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn put(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        let mut names = path.split('/').filter(|name| !name.is_empty()).map(component);
        let mut name = names.next().unwrap_or_else(|| component(""));
        let mut inner: Option<Dir> = None;
        for next in names {
            let directory = inner.as_ref().unwrap_or(self.root);
            let made = free(&name, |name| directory.try_make(name)).map_err(directory.error(&name))?;
            inner = Some(made);
            name = next;
        }
        let directory = inner.as_ref().unwrap_or(self.root);
        let mut file = free(&name, |name| directory.try_new_file(name)).map_err(directory.error(&name))?;
        file.write_all(&as_file(bytes)).map_err(directory.error(&name))
    }
}

/// Tries a name, then the name with numbers, until it is not taken by something else.
fn free<T>(name: &str, mut make: impl FnMut(&str) -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    let taken = |errno: &Errno| matches!(*errno, Errno::EXIST | Errno::NOTDIR | Errno::LOOP);
    let numbered = (2..).map(|n| component(&format!("{name}~{n}")));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    loop {
        let name = names.next().expect("numbers do not run out");
        match make(&name) {
            Err(errno) if taken(&errno) => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeMap;
    use std::path::Path;

    #[test]
    fn no_path_leads_out_and_nothing_is_overwritten() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("quarantine");
        std::fs::create_dir(&root).unwrap();
        let root_dir = Dir::open(&root).unwrap();
        let mut quarantine = Quarantine::new(&root_dir);
        let long = "x".repeat(400);
        let paths = ["a", "a", "a/b", "../../out", "/etc/passwd", "", &long, &long, "n/./x", "new\nline"];
        for path in paths {
            quarantine.put(path, path.as_bytes()).unwrap();
        }
        let mut found = BTreeMap::new();
        files(&root, &root, &mut found);
        assert_eq!(found.len(), paths.len());
        for (name, path) in [("a", "a"), ("a~2", "a"), ("a~3/b", "a/b"), ("%2E%2E/%2E%2E/out", "../../out")] {
            assert_eq!(found[name], path.as_bytes(), "{name}");
        }
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
    }

    fn files(root: &Path, directory: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                files(root, &entry, found);
            } else {
                let name = entry.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read(&entry).unwrap());
            }
        }
    }
}
