//! `sieve`: the scripts of an account.

use super::app_password::account;
use crate::cli::SieveCommand;
use crate::exit::Exit;
use crate::failure::Problem;
use crate::serve::Config;
use crate::session::Session;
use anyhow::Context as _;
use directory::{Account, Directory, Script};
use serde::Serialize;
use std::io::Read as _;

/// A script as `docs/json.md` describes it.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    active: bool,
    size_bytes: usize,
}

pub(super) fn run(command: &SieveCommand, session: &mut Session) -> anyhow::Result<Exit> {
    let config = match command {
        SieveCommand::Put(args) => args.config.as_deref().map(Config::read).transpose()?.unwrap_or_default(),
        _ => Config::default(),
    };
    session.name_data_unless_named(config.data.as_deref());
    let directory = session.open_directory()?;
    match command {
        SieveCommand::List(args) => {
            let account = account(&directory, &args.account)?;
            let scripts = directory.scripts(account.id)?;
            let rows = scripts.iter().map(|s| Row { name: &s.name, active: s.active, size_bytes: s.content.len() });
            if args.list.json {
                session.output.json_array(rows);
            } else {
                rows.for_each(|row| {
                    let active = if row.active { "runs" } else { "" };
                    session.output.line(format_args!("{:<32} {:>7} bytes  {active}", row.name, row.size_bytes));
                });
            }
        }
        SieveCommand::Show(args) => {
            let account = account(&directory, &args.account)?;
            session.output.raw(&script(&directory, &account, &args.name)?.content);
        }
        SieveCommand::Put(args) => {
            let args = &args.script;
            let account = account(&directory, &args.account)?;
            if args.name.is_empty() || args.name.chars().any(char::is_control) {
                return Err(Problem::wrong_use("the name of a script is empty or holds a control character")
                    .now("name it in letters, digits or what else can be seen")
                    .into());
            }
            let mut content = Vec::new();
            let most = sieve::limits::MAX_SCRIPT_BYTES as u64;
            std::io::stdin().lock().take(most + 1).read_to_end(&mut content).context("the script cannot be read")?;
            if let Err(errors) = sieve::parse_with(&content, config.sieve.features()) {
                let why: Vec<String> = errors.iter().map(ToString::to_string).collect();
                return Err(Problem::wrong_use("the script is not right, and nothing was changed")
                    .because(why.join("; "))
                    .now("a place is line:character, both from 1; where the server's configuration switches an extension on, name it with --config")
                    .into());
            }
            directory.write(|tx| tx.put_script(account.id, &args.name, &content))?;
            session.console.note(format_args!("{} has the script {}", account.address.as_str(), args.name));
        }
        SieveCommand::Activate(args) => {
            let account = account(&directory, &args.account)?;
            script(&directory, &account, &args.name)?;
            directory.write(|tx| tx.activate_script(account.id, Some(&args.name)))?;
            session.console.note(format_args!("{} runs for mail to {}", args.name, account.address.as_str()));
        }
        SieveCommand::Deactivate(args) => {
            let account = account(&directory, &args.account)?;
            directory.write(|tx| tx.activate_script(account.id, None))?;
            session.console.note(format_args!("no script runs for mail to {}", account.address.as_str()));
        }
        SieveCommand::Remove(args) => {
            let account = account(&directory, &args.account)?;
            if script(&directory, &account, &args.name)?.active {
                return Err(Problem::wrong_use(format!("{} runs", args.name))
                    .now("let another run, or none: `reintegra sieve deactivate ACCOUNT`")
                    .into());
            }
            directory.write(|tx| tx.remove_script(account.id, &args.name))?;
            session.console.note(format_args!("{} is removed", args.name));
        }
    }
    Ok(Exit::Complete)
}

fn script(directory: &Directory, account: &Account, name: &str) -> anyhow::Result<Script> {
    let address = account.address.as_str();
    let missing = || {
        Problem::wrong_use(format!("{address} has no script {name}"))
            .now(format!("`reintegra sieve list {address}` lists them"))
    };
    Ok(directory.script(account.id, name)?.ok_or_else(missing)?)
}
