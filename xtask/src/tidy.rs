//! Rules of the tree that neither compiler nor linter knows.
//!
//! Every check is a function from the [`Tree`] to [`Finding`]s, so that its tests can hold a bad tree before it.

mod arrows;
mod literals;
mod rfc;
mod sql;
mod text;

use anyhow::Context;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// Directories that hold nothing of ours to judge: what is built, what git keeps, and the bytes of sample mail.
const SKIPPED: [&str; 6] = ["target", ".git", "examples/incident", "fuzz/target", "fuzz/corpus", "fuzz/artifacts"];

/// The text files of the workspace by their path.
pub(crate) struct Tree(BTreeMap<String, String>);

impl Tree {
    /// Reads every text file below `root`; what is no UTF-8 or holds a NUL is no text.
    pub(crate) fn read(root: &Path) -> anyhow::Result<Tree> {
        let mut files = BTreeMap::new();
        let mut pending = vec![String::new()];
        while let Some(directory) = pending.pop() {
            let place = root.join(&directory);
            for entry in std::fs::read_dir(&place).with_context(|| place.display().to_string())? {
                let entry = entry?;
                // A name that is no UTF-8 is no name that we gave.
                let Ok(name) = entry.file_name().into_string() else { continue };
                let path = if directory.is_empty() { name } else { format!("{directory}/{name}") };
                let kind = entry.file_type()?;
                if kind.is_dir() && !SKIPPED.contains(&path.as_str()) {
                    pending.push(path);
                } else if kind.is_file()
                    && let Ok(text) = String::from_utf8(std::fs::read(entry.path())?)
                    && !text.contains('\0')
                {
                    files.insert(path, text);
                }
            }
        }
        Ok(Tree(files))
    }

    fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    fn rust_files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(path, _)| path.ends_with(".rs"))
    }
}

/// Something that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    path: String,
    line: Option<usize>,
    what: String,
}

impl Finding {
    fn new(path: &str, line: impl Into<Option<usize>>, what: impl Into<String>) -> Finding {
        Finding { path: path.to_owned(), line: line.into(), what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path, self.what),
            None => write!(f, "{}: {}", self.path, self.what),
        }
    }
}

/// Runs every check.
pub(crate) fn findings(tree: &Tree) -> Vec<Finding> {
    [arrows::check, sql::check, rfc::check, text::check].into_iter().flat_map(|check| check(tree)).collect()
}

/// Makes a tree for a test.
#[cfg(test)]
fn tree(files: &[(&str, &str)]) -> Tree {
    Tree(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
}

/// What a check says of a tree, a finding a line.
#[cfg(test)]
fn said(check: fn(&Tree) -> Vec<Finding>, files: &[(&str, &str)]) -> Vec<String> {
    check(&tree(files)).iter().map(Finding::to_string).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_workspace_is_read_and_its_rules_are_looked_at() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let tree = Tree::read(root).unwrap();
        assert!(tree.0.contains_key("xtask/src/tidy.rs"));
        assert!(tree.0.contains_key("docs/rfc.tsv"));
        assert!(tree.files().all(|(path, _)| !path.starts_with("target/") && !path.starts_with("examples/incident/")));
    }

    #[test]
    fn every_check_is_run() {
        let bad = tree(&[
            ("crates/message/Cargo.toml", "[dependencies]\nstore.workspace = true\n"),
            ("crates/message/src/lib.rs", "//! RFC 5322\nconst S: &str = \"DELETE FROM a\";\nfn f() {}"),
            ("docs/rfc.tsv", "rfc\ttitle\tstatus\tnote\n"),
        ]);
        let said: Vec<String> = findings(&bad).iter().map(Finding::to_string).collect();
        assert_eq!(said.len(), 4, "{said:#?}");
    }
}
