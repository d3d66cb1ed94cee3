//! `integrate confirm`: makes an integration final.

use super::which;
use crate::cli::ConfirmArgs;
use crate::exit::Exit;
use crate::failure::Problem;
use crate::session::Session;
use anyhow::Context as _;

pub(super) fn run(args: &ConfirmArgs, session: &mut Session) -> anyhow::Result<Exit> {
    let platform = session.open("integrate confirm")?;
    let (id, selection) = which::step(&args.step, &platform)?;
    if !selection.is_all() {
        return Err(Problem::wrong_use("only a whole integration can be confirmed")
            .because("its ledger and what undoes it belong together")
            .now("leave --domain and --account out")
            .into());
    }
    // A script has decided; a person at a terminal is asked once before what cannot be taken back.
    let asked = !args.yes && session.console.can_ask();
    if asked && !session.console.ask(&format!("Integration {id} can then no longer be undone. Confirm?")) {
        session.output.line(format_args!("integration {id} is not confirmed"));
        return Ok(Exit::Incomplete);
    }
    let done = session.step("confirm", |_| integrate::confirm(&platform, id));
    let done = done.context("the integration is not confirmed")?;
    session.output.line(format_args!("integration {id} is confirmed, in {}; its report and ledger stay", done.took));
    Ok(Exit::Complete)
}
