//! The command line of Reintegra.
//!
//! `cli` says what can be asked, `command` does it, one file a verb; results go through `output`, progress through
//! `console`, and errors through `failure`, which alone knows exit codes and advice.

mod cli;
mod command;
mod console;
mod descriptors;
mod exit;
mod failure;
mod figures;
mod nearest;
mod output;
mod selection;
mod serve;
mod session;
mod zone;

use clap::Parser as _;
use cli::{Cli, Command};
use exit::Exit;
use failure::Failure;
use rustix::fs::Mode;
use session::Session;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Wrong use ends here, with 2 as everywhere.
    let cli = Cli::parse();
    if !matches!(cli.command, Command::Man(_) | Command::Completions(_)) {
        // Mail and what is made of it are for nobody else on this machine to read.
        rustix::process::umask(Mode::RWXG | Mode::RWXO);
        descriptors::raise();
    }
    match run(cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            let failure = Failure::of(&error);
            console::say(&failure);
            failure.exit.into()
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<Exit> {
    use anyhow::Context as _;
    let mut session = Session::new(cli.data);
    let result = command::run(cli.command, &mut session);
    let Session { output, console, .. } = session;
    // Also after a failure: what was done before it is told first.
    let written = output.finish().context("the results could not be written");
    let exit = result?;
    written?;
    if let Some(path) = cli.timings {
        let text = serde_json::to_string_pretty(&console.steps()).context("the timings could not be worded")?;
        std::fs::write(&path, text + "\n")
            .with_context(|| path.display().to_string())
            .context("the timings could not be written")?;
    }
    Ok(exit)
}
