//! The commands, one file a verb; [`run`] is the table.

mod accounts;
mod aliases;
mod app_password;
mod capability;
mod check;
mod completions;
mod config;
mod conflicts;
mod dkim;
mod dns;
mod export;
mod forward;
mod import;
mod init;
mod integrate;
mod ledger;
mod man;
mod messages;
mod password;
mod queue;
mod rebuild;
mod serve;
mod sieve;
mod source;
mod staged;
mod vacation;
mod verify;

use crate::cli::{Command, ConfigCommand, ExportCommand, LedgerCommand, PasswordCommand};
use crate::exit::Exit;
use crate::session::Session;
use directory::DirectoryError;

/// Runs a command.
///
/// # Errors
/// Those of the command, worded by [`Failure`](crate::failure::Failure).
pub(crate) fn run(command: Command, session: &mut Session) -> anyhow::Result<Exit> {
    match command {
        Command::Init(args) => init::run(&args, session),
        Command::Import(args) => import::run(&args, session),
        Command::Integrate(step) => integrate::run(step, session),
        Command::Verify(args) => verify::over(&args, session),
        Command::Export(ExportCommand::Maildir(args)) => export::maildir(&args, session),
        Command::Accounts(args) => accounts::run(args, session),
        Command::Aliases(args) => aliases::run(args, session),
        Command::Messages(args) => messages::run(&args, session),
        Command::Conflicts(args) => conflicts::run(&args, session),
        Command::Check => check::run(session),
        Command::Rebuild(args) => rebuild::run(&args, session),
        Command::Serve(args) => serve::run(&args, session),
        Command::Config(ConfigCommand::Check(args)) => config::check(&args, session),
        Command::Password(PasswordCommand::Set(args)) => password::set(&args, session),
        Command::AppPassword(command) => app_password::run(&command, session),
        Command::Capability(command) => capability::run(&command, session),
        Command::Queue(args) => queue::run(&args, session),
        Command::Forward(command) => forward::run(&command, session),
        Command::Vacation(command) => vacation::run(&command, session),
        Command::Sieve(command) => sieve::run(&command, session),
        Command::Dkim(command) => dkim::run(&command, session),
        Command::Dns(args) => dns::run(&args, session),
        Command::Ledger(LedgerCommand::Check(args)) => ledger::check(&args, session),
        Command::Man(args) => man::run(&args, session),
        Command::Completions(args) => completions::run(&args, session),
    }
}

/// Ends a walk through the directory early: the reader of the list has gone.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the list")]
struct Unheard;

/// Takes out of a walk's result what the walk itself was left with.
fn walked(result: Result<(), DirectoryError>) -> anyhow::Result<()> {
    match result {
        Err(DirectoryError::Caller(inner)) if inner.is::<Unheard>() => Ok(()),
        Err(DirectoryError::Caller(inner)) => Err(anyhow::Error::from_boxed(inner)),
        other => Ok(other?),
    }
}
