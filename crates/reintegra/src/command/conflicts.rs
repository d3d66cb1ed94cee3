//! `conflicts`: lists what waits for a decision; `conflicts resolve` decides.

use crate::cli::{ConflictsArgs, ConflictsCommand, ResolveArgs};
use crate::exit::Exit;
use crate::session::Session;
use anyhow::Context as _;
use directory::ConflictNumber;
use integrate::Mover;
use integrate::accounts::{self, ConflictRow};

/// Who decides on the command line, as the audit log says it.
const ACTOR: &str = "operator";

pub(super) fn run(args: &ConflictsArgs, session: &mut Session) -> anyhow::Result<Exit> {
    match &args.action {
        Some(ConflictsCommand::Resolve(resolve)) => self::resolve(resolve, session),
        None => list(args.list.json, session),
    }
}

fn list(json: bool, session: &mut Session) -> anyhow::Result<Exit> {
    let platform = session.look("conflicts")?;
    let rows = accounts::list_conflicts(&platform.directory, None)?;
    drop(platform);
    let output = &mut session.output;
    if json {
        output.json_array(&rows);
        return Ok(Exit::Complete);
    }
    if rows.is_empty() {
        output.line("no conflict");
    }
    for row in &rows {
        output.line(headline(row));
        for choice in row.choices.iter().filter(|_| row.choice.is_none()) {
            let mark = if choice.recommended { "*" } else { "-" };
            output.line(format_args!("  {mark} {}: {}", choice.choice, choice.effect_en));
        }
    }
    Ok(Exit::Complete)
}

fn headline(row: &ConflictRow) -> String {
    let about = if row.address.is_empty() { &row.domain } else { &row.address };
    let state = match &row.choice {
        Some(choice) => format!("{}: {choice}", row.state),
        None => row.state.clone(),
    };
    format!("{} {} {about} ({state})", row.number, row.kind)
}

fn resolve(args: &ResolveArgs, session: &mut Session) -> anyhow::Result<Exit> {
    let platform = session.open("conflicts resolve")?;
    let number = ConflictNumber::new_unchecked(args.number);
    let mover = Mover(&platform);
    let resolution = accounts::resolve(&platform, number, &args.choice, ACTOR, &mover);
    let resolution = resolution.context("the conflict is not decided")?;
    let output = &mut session.output;
    let already = if resolution.already { ", as it was already" } else { "" };
    output.line(format_args!("conflict {} is decided: {}{already}", resolution.number, resolution.choice));
    for notice in &resolution.kept {
        output.line(format_args!("  of the earlier choice stays: {} (RULES.md {})", notice.text, notice.rule));
    }
    Ok(Exit::Complete)
}
