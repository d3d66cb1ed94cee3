//! `serve`: IMAP and POP3 until it is told to end.

use crate::cli::ServeArgs;
use crate::exit::Exit;
use crate::failure::Problem;
use crate::serve::{Config, Server};
use crate::session::{Session, options};
use anyhow::Context as _;
use integrate::Platform;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

pub(super) fn run(args: &ServeArgs, session: &mut Session) -> anyhow::Result<Exit> {
    let config = args.config.as_deref().map(Config::read).transpose()?.unwrap_or_default();
    session.name_data_unless_named(config.data.as_deref());
    let server = Server::begin(&config)?;
    // A first look at the program should not begin with an error; whoever writes a configuration means a directory.
    if args.config.is_none() && !session.is_there()? && is_free(session.dir()?) {
        let made = Platform::init(session.dir()?, store::DEFAULT_CELLS, options("serve"));
        made.context("the data directory cannot be made")?;
        tracing::info!(data = %session.dir()?.display(), "a data directory was made, without accounts");
    }
    can_write(session.must_be_there()?)?;
    let platform = Platform::open(session.must_be_there()?, options("serve"));
    let platform = platform.context("the data directory cannot be opened")?;
    for finding in platform.store.findings() {
        tracing::warn!(cell = finding.cell, "{}", finding.text);
    }
    warn_if_open(platform.dir());
    server.run(platform)?;
    Ok(Exit::Complete)
}

/// Says that others may look into a data directory.
fn warn_if_open(dir: &Path) {
    if dir.metadata().is_ok_and(|metadata| metadata.mode() & 0o007 != 0) {
        tracing::warn!(data = %dir.display(), "everybody on this machine can look into the data directory: `chmod 700` it");
    }
}

/// Finds out whether mail and accounts can be written: a service that cannot would take no mail and fail every sign-in.
/// Asked and not tried: an engine that opened its files for reading alone says so at the first change only.
fn can_write(dir: &Path) -> Result<(), Problem> {
    // A directory that cannot be listed is told of by who opens it.
    let cells = dir.join("cells").read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    let indexes = cells.flat_map(|cell| [cell.join("index.sqlite"), cell]);
    for path in [dir.to_owned(), dir.join("directory.sqlite")].into_iter().chain(indexes) {
        match accessat(CWD, &path, Access::WRITE_OK, AtFlags::EACCESS) {
            // What is missing is told of likewise.
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => {
                let what = Problem::new(Exit::Failed, format!("{} cannot be written", path.display()));
                return Err(what.because(std::io::Error::from(error).to_string()).now(
                    "run `serve` as the user who owns the data directory, on a disk that is mounted for writing",
                ));
            }
        }
    }
    Ok(())
}

/// Whether nothing is there yet, or an empty directory.
fn is_free(path: &Path) -> bool {
    !path.exists() || path.read_dir().is_ok_and(|mut entries| entries.next().is_none())
}
