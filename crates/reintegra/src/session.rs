//! What every command works with: the data directory, standard output, standard error.

use crate::console::{Console, Done};
use crate::failure::Problem;
use crate::output::Output;
use anyhow::Context as _;
use directory::Directory;
use integrate::{Platform, PlatformError, Progress};
use std::path::{Path, PathBuf};
use store::OpenOptions;

/// A command's surroundings.
pub(crate) struct Session {
    data: Option<PathBuf>,
    /// Where results go.
    pub(crate) output: Output,
    /// Where progress and notes go.
    pub(crate) console: Console,
}

impl Session {
    /// A session on a data directory, where one is named.
    pub(crate) fn new(data: Option<PathBuf>) -> Self {
        Session { data, output: Output::stdout(), console: Console::stderr() }
    }

    /// Takes a data directory from a configuration, where the command line names none.
    pub(crate) fn name_data_unless_named(&mut self, data: Option<&Path>) {
        self.data = self.data.take().or_else(|| data.map(Path::to_owned));
    }

    /// The data directory's path.
    ///
    /// # Errors
    /// When none was named.
    pub(crate) fn dir(&self) -> Result<&Path, Problem> {
        self.data.as_deref().ok_or_else(|| {
            Problem::wrong_use("this command needs a data directory, and none is named")
                .now("name it: `reintegra --data DIR …`, or as `data` in a configuration that the command takes")
        })
    }

    /// Whether the path is that of a data directory.
    ///
    /// # Errors
    /// When none was named.
    pub(crate) fn is_there(&self) -> Result<bool, Problem> {
        // The file `format` is what makes a directory one; whether it can be used, opening says, and also what keeps
        // this user from looking.
        Ok(self.dir()?.join("format").try_exists().unwrap_or(true))
    }

    /// Refuses to go on without a data directory.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn must_be_there(&self) -> Result<&Path, Problem> {
        let dir = self.dir()?;
        match self.is_there()? {
            true => Ok(dir),
            false => Err(Problem::wrong_use(format!("{} is no data directory", dir.display()))
                .because(if dir.exists() { "there is no file `format` in it" } else { "it does not exist" })
                .now(format!("make one with `reintegra --data {} init`, or name another", dir.display()))),
        }
    }

    /// Opens the data directory for a command that changes it.
    ///
    /// # Errors
    /// When there is none, another process has it open, or it cannot be read.
    pub(crate) fn open(&self, command: &str) -> anyhow::Result<Platform> {
        self.opened(Platform::open(self.must_be_there()?, options(command)))
    }

    /// Opens the data directory for a command that only reads: beside a process that has it open, too.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub(crate) fn look(&self, command: &str) -> anyhow::Result<Platform> {
        self.opened(Platform::look(self.must_be_there()?, options(command)))
    }

    fn opened(&self, platform: Result<Platform, PlatformError>) -> anyhow::Result<Platform> {
        let platform = platform.context("the data directory cannot be opened")?;
        for finding in platform.store.findings() {
            self.console.note(format_args!("note: cell {:02}: {}", finding.cell, finding.text));
        }
        Ok(platform)
    }

    /// Opens the directory of accounts alone. It needs no lock, so that it works beside a process that has the data
    /// directory open.
    ///
    /// # Errors
    /// When there is no data directory, or the directory of accounts cannot be opened.
    pub(crate) fn open_directory(&self) -> anyhow::Result<Directory> {
        let directory = Platform::open_directory(self.must_be_there()?);
        directory.context("the directory of accounts cannot be opened")
    }

    /// Runs a step and shows how it goes; what was written before it is seen first.
    ///
    /// # Errors
    /// Those of the step.
    pub(crate) fn step<T, E>(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&dyn Progress) -> Result<T, E>,
    ) -> Result<Done<T>, E> {
        self.output.flush();
        self.console.step(name, work)
    }
}

/// How a data directory is opened: the lock says what for.
pub(crate) fn options(command: &str) -> OpenOptions {
    OpenOptions::for_purpose(&format!("reintegra {command}"))
}
