//! `integrate undo`: takes an apply back; what arrived since stays (`RULES.md` G9).

use super::which;
use crate::cli::StepArgs;
use crate::exit::Exit;
use crate::figures::Things;
use crate::session::Session;
use anyhow::Context as _;

pub(super) fn run(args: &StepArgs, session: &mut Session) -> anyhow::Result<Exit> {
    let platform = session.open("integrate undo")?;
    let (id, selection) = which::step(args, &platform)?;
    let done = session.step("undo", |progress| integrate::undo(&platform, id, &selection, progress));
    let done = done.context("undoing stopped; run it again, and it goes on with the accounts that are left")?;
    let output = &mut session.output;
    output.line(format_args!("took back {} in {}", Things(done.value.accounts, "account"), done.took));
    if done.value.removed > 0 {
        output.line(format_args!(
            "  {} gone again: only before had them, and nothing came for them since",
            Things(done.value.removed, "account")
        ));
    }
    output.line(format_args!("integration {id} is still staged: `integrate apply` applies it again"));
    Ok(Exit::Complete)
}
