//! `import`: reads a source into live accounts.

use super::source::Opened;
use super::staged::{self, Told};
use crate::cli::ImportArgs;
use crate::exit::Exit;
use crate::failure::Problem;
use crate::figures::Things;
use crate::session::Session;
use anyhow::Context as _;
use directory::AccountState;
use integrate::Platform;
use std::path::Path;

pub(super) fn run(args: &ImportArgs, session: &mut Session) -> anyhow::Result<Exit> {
    must_be_elsewhere(&args.source, session)?;
    let source = Opened::at(&args.source)?;
    let platform = session.open("import")?;
    Ok(import(&platform, &source, session)?.exit)
}

/// Imports and tells of it.
pub(super) fn import(platform: &Platform, source: &Opened, session: &mut Session) -> anyhow::Result<Told> {
    let locked_before = locked(platform)?;
    let done = session.step("import", |progress| integrate::import(platform, &source.named(), progress));
    let done = done.context("the import stopped; run it again, and it goes on from there")?;
    let told = staged::tell(&done.value.staged, &done.took, &mut session.output);
    let applied = &done.value.applied;
    session.output.line(format_args!(
        "imported {}: {} came in",
        Things(applied.accounts, "account"),
        Things(applied.added, "message")
    ));
    let locked = locked(platform)?.saturating_sub(locked_before);
    if locked > 0 {
        session.output.line(format_args!(
            "  {} {} locked: the source gave no password",
            Things(locked, "account"),
            if locked == 1 { "is" } else { "are" }
        ));
    }
    Ok(told)
}

/// Refuses the data directory itself as a source.
///
/// # Errors
/// When both lie at one place.
pub(super) fn must_be_elsewhere(source: &Path, session: &Session) -> Result<(), Problem> {
    let dir = session.dir()?;
    match (std::fs::canonicalize(source), std::fs::canonicalize(dir)) {
        (Ok(source), Ok(dir)) if source == dir => {
            Err(Problem::wrong_use("a data directory cannot be imported into itself")
                .because(format!("{} is both the source and the data directory", dir.display()))
                .now("name another source, or another data directory with --data"))
        }
        // A path that leads nowhere is told of when it is opened.
        _ => Ok(()),
    }
}

/// How many accounts wait for a password.
fn locked(platform: &Platform) -> anyhow::Result<u64> {
    let mut locked = 0;
    platform.directory.for_each_account(|account| {
        locked += u64::from(account.state == AccountState::Locked);
        Ok(())
    })?;
    Ok(locked)
}
