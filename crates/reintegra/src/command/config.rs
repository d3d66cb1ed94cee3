//! `config check`: says whether `serve` could use a configuration.

use crate::cli::ConfigCheckArgs;
use crate::exit::Exit;
use crate::serve::{self, Config};
use crate::session::Session;

pub(super) fn check(args: &ConfigCheckArgs, session: &mut Session) -> anyhow::Result<Exit> {
    let config = Config::read(&args.config)?;
    serve::check(&config)?;
    session.output.line(format_args!("{}: can be used", args.config.display()));
    Ok(Exit::Complete)
}
