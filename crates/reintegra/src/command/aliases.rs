//! `aliases`: lists aliases, catch-alls and domain aliases.

use super::{Unheard, walked};
use crate::cli::ListArgs;
use crate::exit::Exit;
use crate::output::Output;
use crate::session::Session;
use directory::{Alias, AliasAddress, Directory, DirectoryError, DomainAlias};
use serde::Serialize;

/// An alias as `docs/json.md` describes it.
#[derive(Serialize)]
struct Row {
    address: String,
    targets: Vec<String>,
    catch_all: bool,
    enabled: bool,
    domain_alias: bool,
}

impl From<Alias> for Row {
    fn from(alias: Alias) -> Self {
        // A catch-all that delivers to a whole domain is how Postfix writes a domain alias.
        let catch_all = matches!(alias.address, AliasAddress::CatchAll(_));
        let domain_alias = catch_all && alias.targets.iter().all(|target| target.starts_with('@'));
        Row {
            address: alias.address.to_string(),
            catch_all,
            domain_alias,
            targets: alias.targets,
            enabled: alias.enabled,
        }
    }
}

impl From<DomainAlias> for Row {
    fn from(alias: DomainAlias) -> Self {
        let (address, targets) = (format!("@{}", alias.from), vec![format!("@{}", alias.to)]);
        Row { address, targets, catch_all: true, enabled: true, domain_alias: true }
    }
}

pub(super) fn run(args: ListArgs, session: &mut Session) -> anyhow::Result<Exit> {
    let platform = session.look("aliases")?;
    session.output.held(|output| list(args.json, &platform.directory, output))?;
    Ok(Exit::Complete)
}

fn list(json: bool, directory: &Directory, output: &mut Output) -> anyhow::Result<()> {
    if json {
        let mut array = output.array();
        for_each(directory, |row| array.push(&row))?;
        array.end();
        return Ok(());
    }
    for_each(directory, |row| {
        let off = if row.enabled { "" } else { "  (off)" };
        output.line(format_args!("{} -> {}{off}", row.address, row.targets.join(", ")));
        !output.is_over()
    })
}

/// Gives every row as it is at one moment, until one is not heard.
fn for_each(directory: &Directory, mut each: impl FnMut(Row) -> bool) -> anyhow::Result<()> {
    let mut heard = |row: Row| if each(row) { Ok(()) } else { Err(DirectoryError::caller(Unheard)) };
    walked(directory.read(|view| {
        view.for_each_alias(|alias| heard(alias.into()))?;
        view.for_each_domain_alias(|alias| heard(alias.into()))
    }))
}
