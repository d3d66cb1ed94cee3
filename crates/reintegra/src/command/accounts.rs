//! `accounts`: lists accounts.

use super::{Unheard, walked};
use crate::cli::ListArgs;
use crate::exit::Exit;
use crate::figures::{Count, Size, rfc3339};
use crate::output::Output;
use crate::session::Session;
use directory::{Account, DirectoryError, password};
use integrate::Platform;
use serde::Serialize;
use store::LIVE;

/// An account as `docs/json.md` describes it.
#[derive(Serialize)]
struct Row<'a> {
    address: &'a str,
    domain: &'a str,
    name: Option<&'a str>,
    state: &'static str,
    password: &'static str,
    quota_bytes: Option<u64>,
    used_bytes: u64,
    messages: u64,
    created_at: Option<String>,
    restored: Option<i64>,
    language: Option<&'a str>,
}

impl<'a> Row<'a> {
    fn of(account: &'a Account, platform: &Platform) -> Result<Self, DirectoryError> {
        let cell = platform.store.cell_of(&account.address);
        let usage = cell.read(|view| match view.account(LIVE, &account.address)? {
            Some(maildrop) => view.usage(maildrop.id),
            None => Ok((0, 0)),
        });
        let (messages, used_bytes) = usage.map_err(DirectoryError::caller)?;
        Ok(Row {
            address: account.address.as_str(),
            domain: account.address.domain(),
            name: account.name.as_deref(),
            state: account.state.as_str(),
            password: password_word(account),
            quota_bytes: account.quota_bytes,
            used_bytes,
            messages,
            created_at: rfc3339(account.created_at),
            restored: account.restored.map(|id| id.get()),
            language: account.language.as_deref(),
        })
    }
}

pub(super) fn run(args: ListArgs, session: &mut Session) -> anyhow::Result<Exit> {
    let platform = session.look("accounts")?;
    session.output.held(|output| list(args.json, &platform, output))?;
    Ok(Exit::Complete)
}

/// Lists accounts as they are at one moment, each with its mail as that is when its line is made.
fn list(json: bool, platform: &Platform, output: &mut Output) -> anyhow::Result<()> {
    if json {
        let mut array = output.array();
        walked(platform.directory.read(|view| {
            view.for_each_account(|account| {
                let heard = array.push(&Row::of(&account, platform)?);
                if heard { Ok(()) } else { Err(DirectoryError::caller(Unheard)) }
            })
        }))?;
        array.end();
        return Ok(());
    }
    output.line(format_args!("{:<40} {:<8} {:<8} {:>10} {:>8}", "account", "state", "password", "messages", "size"));
    walked(platform.directory.read(|view| {
        view.for_each_account(|account| {
            let row = Row::of(&account, platform)?;
            let (messages, size) = (Count(row.messages), Size(row.used_bytes));
            output.line(format_args!(
                "{:<40} {:<8} {:<8} {messages:>10} {size:>8}",
                row.address, row.state, row.password
            ));
            if output.is_over() { Err(DirectoryError::caller(Unheard)) } else { Ok(()) }
        })
    }))
}

/// Whether a password opens the account; never what it is.
fn password_word(account: &Account) -> &'static str {
    match &account.password_hash {
        None => "none",
        Some(hash) if password::usable(hash.expose()).is_ok() => "set",
        Some(_) => "unusable",
    }
}
