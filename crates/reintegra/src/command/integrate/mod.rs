//! The steps of an integration, one file each.

mod apply;
mod confirm;
mod list;
mod plan;
mod policy;
mod report;
mod run;
mod stage;
mod undo;
mod verdict;
mod verify;
pub(super) mod which;

use crate::cli::IntegrateCommand;
use crate::exit::Exit;
use crate::session::Session;

/// Runs a step.
///
/// # Errors
/// Those of the step.
pub(super) fn run(command: IntegrateCommand, session: &mut Session) -> anyhow::Result<Exit> {
    match command {
        IntegrateCommand::Run(args) => run::run(&args, session),
        IntegrateCommand::Stage(args) => stage::run(&args, session),
        IntegrateCommand::Plan(args) => plan::run(&args, session),
        IntegrateCommand::Apply(args) => apply::run(&args, session),
        IntegrateCommand::Verify(args) => verify::run(&args, session),
        IntegrateCommand::Undo(args) => undo::run(&args, session),
        IntegrateCommand::Confirm(args) => confirm::run(&args, session),
        IntegrateCommand::Report(args) => report::run(&args, session),
        IntegrateCommand::List(args) => list::run(args, session),
    }
}
