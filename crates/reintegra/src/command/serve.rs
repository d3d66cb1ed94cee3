//! `serve`: IMAP and POP3 until it is told to end.

use crate::cli::ServeArgs;
use crate::exit::Exit;
use crate::serve::{Config, Server};
use crate::session::{Session, options};
use anyhow::Context as _;
use integrate::Platform;
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
    let platform = Platform::open(session.must_be_there()?, options("serve"));
    let platform = platform.context("the data directory cannot be opened")?;
    for finding in platform.store.findings() {
        tracing::warn!(cell = finding.cell, "{}", finding.text);
    }
    server.run(platform)?;
    Ok(Exit::Complete)
}

/// Whether nothing is there yet, or an empty directory.
fn is_free(path: &Path) -> bool {
    !path.exists() || path.read_dir().is_ok_and(|mut entries| entries.next().is_none())
}
