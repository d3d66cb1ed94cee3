//! `completions`: prints the completions of a shell.

use crate::cli::{Cli, CompletionsArgs};
use crate::exit::Exit;
use crate::session::Session;
use clap::CommandFactory as _;

pub(super) fn run(args: &CompletionsArgs, session: &mut Session) -> anyhow::Result<Exit> {
    // Into memory first: the generator panics where it cannot write.
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "reintegra", &mut text);
    session.output.raw(&text);
    Ok(Exit::Complete)
}
