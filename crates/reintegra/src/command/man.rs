//! `man`: writes a manual page for every command.

use crate::cli::{Cli, ManArgs};
use crate::exit::Exit;
use crate::session::Session;
use anyhow::Context as _;
use clap::CommandFactory as _;

pub(super) fn run(args: &ManArgs, session: &mut Session) -> anyhow::Result<Exit> {
    let out = &args.out;
    std::fs::create_dir_all(out)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), out))
        .with_context(|| out.display().to_string())
        .context("the manual pages could not be written")?;
    session.output.line(format_args!("the manual begins with {}", out.join("reintegra.1").display()));
    Ok(Exit::Complete)
}
