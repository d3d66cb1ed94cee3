//! `init`: makes a data directory.

use crate::cli::InitArgs;
use crate::exit::Exit;
use crate::failure::Problem;
use crate::figures::Things;
use crate::session::{Session, options};
use anyhow::Context as _;
use integrate::{Platform, PlatformError};
use std::path::Path;
use store::StoreError;

pub(super) fn run(args: &InitArgs, session: &mut Session) -> anyhow::Result<Exit> {
    make(session.dir()?, args.cells, "init")?;
    let dir = session.dir()?.display().to_string();
    session.output.line(format_args!("{dir}: a data directory with {}", Things(args.cells.into(), "cell")));
    Ok(Exit::Complete)
}

/// Makes a data directory for a command.
pub(super) fn make(dir: &Path, cells: u32, command: &str) -> anyhow::Result<Platform> {
    match Platform::init(dir, cells, options(command)) {
        // The directory itself stands in the way: nothing has failed.
        Err(PlatformError::Store(StoreError::Directory { path, message })) => {
            Err(Problem::wrong_use(format!("{} cannot become a data directory", path.display()))
                .because(message)
                .into())
        }
        made => made.context("the data directory could not be made"),
    }
}
