//! The command line as programs and people meet it: the built binary, its exit codes, its words, its JSON.

#![expect(clippy::unwrap_used, reason = "tests")]

mod beside;
mod data_directory;
mod generated;
mod heal;
mod imap;
mod ledger;
mod lists;
mod output;
mod steps;
mod usage;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use testkit::process::{Ran, run};

/// A directory to work in, with a data directory's path.
struct Place {
    root: TempDir,
}

impl Place {
    fn new() -> Self {
        Place { root: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// A place with a data directory.
    fn made() -> Self {
        let place = Place::new();
        assert_eq!(place.reintegra(&["init"]).code(), Some(0));
        place
    }

    /// A place with the sample incident beside it.
    fn with_sample() -> Self {
        let place = Place::new();
        testkit::sample::lay_out(place.root.path()).unwrap();
        place
    }

    /// A place where the sample's live history is imported.
    fn imported() -> Self {
        let place = Place::with_sample();
        assert_eq!(place.reintegra(&["init"]).code(), Some(0));
        let after = place.path("after");
        assert_eq!(place.reintegra(&["import", text(&after)]).code(), Some(0));
        place
    }

    /// Runs a command on the data directory.
    fn reintegra(&self, arguments: &[&str]) -> Ran {
        run(&mut self.command(arguments)).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reintegra"));
        command.arg("--data").arg(self.data()).args(arguments);
        command
    }

    /// Runs a command that must succeed, and reads its JSON.
    fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.reintegra(arguments);
        assert_eq!(ran.code(), Some(0), "{}", ran.stderr);
        serde_json::from_str(&ran.stdout).unwrap()
    }
}

/// Runs a command without a data directory.
fn reintegra(arguments: &[&str]) -> Ran {
    run(Command::new(env!("CARGO_BIN_EXE_reintegra")).args(arguments)).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The names of a JSON object's members, in order of the alphabet.
fn names(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}
