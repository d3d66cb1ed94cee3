//! `import`: reads a source into live accounts.

use super::source::Opened;
use super::staged;
use crate::cli::ImportArgs;
use crate::exit::Exit;
use crate::figures::Things;
use crate::session::Session;
use anyhow::Context as _;
use integrate::Platform;

pub(super) fn run(args: &ImportArgs, session: &mut Session) -> anyhow::Result<Exit> {
    let source = Opened::at(&args.source)?;
    let platform = session.open("import")?;
    import(&platform, &source, session)
}

/// Imports and tells of it.
pub(super) fn import(platform: &Platform, source: &Opened, session: &mut Session) -> anyhow::Result<Exit> {
    let done = session.step("import", |progress| integrate::import(platform, &source.named(), progress));
    let done = done.context("the import stopped; run it again, and it goes on from there")?;
    let exit = staged::tell(&done.value.staged, &done.took, &mut session.output);
    let applied = &done.value.applied;
    session.output.line(format_args!(
        "imported {}: {} came in",
        Things(applied.accounts, "account"),
        Things(applied.added, "message")
    ));
    Ok(exit)
}
