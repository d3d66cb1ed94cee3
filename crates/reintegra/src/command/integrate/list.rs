//! `integrate list`: lists integrations.

use super::which;
use crate::cli::ListArgs;
use crate::command::walked;
use crate::exit::Exit;
use crate::figures::rfc3339;
use crate::output::Output;
use crate::session::Session;
use directory::{Directory, Integration};
use serde::Serialize;

/// An integration as `docs/json.md` describes it.
#[derive(Serialize)]
struct Row<'a> {
    id: i64,
    kind: &'static str,
    label: &'a str,
    state: &'a str,
    created_at: Option<String>,
    before: Option<&'a str>,
    base: Option<&'a str>,
}

impl<'a> Row<'a> {
    fn of(integration: &'a Integration, is_import: bool) -> Self {
        Row {
            id: integration.id.get(),
            kind: if is_import { "import" } else { "integration" },
            label: &integration.label,
            state: &integration.state,
            created_at: rfc3339(integration.created_at),
            before: integration.before_source.as_deref(),
            base: integration.base_source.as_deref(),
        }
    }
}

pub(super) fn run(args: ListArgs, session: &mut Session) -> anyhow::Result<Exit> {
    let platform = session.look("integrate list")?;
    session.output.held(|output| list(args.json, &platform.directory, output))?;
    Ok(Exit::Complete)
}

/// Lists integrations as they are at one moment.
fn list(json: bool, directory: &Directory, output: &mut Output) -> anyhow::Result<()> {
    if json {
        let mut array = output.array();
        walked(directory.read(|view| {
            view.for_each_integration(|integration| {
                array.push(&Row::of(&integration, which::is_import(&view.lineages_of(integration.id)?)));
                Ok(())
            })
        }))?;
        array.end();
        return Ok(());
    }
    walked(directory.read(|view| {
        view.for_each_integration(|integration| {
            let row = Row::of(&integration, which::is_import(&view.lineages_of(integration.id)?));
            let begun = row.created_at.unwrap_or_default();
            let from = row.before.unwrap_or_default();
            output.line(format_args!("{:>4} {begun} {:<10} {} from {from}", row.id, row.state, row.label));
            Ok(())
        })
    }))
}
