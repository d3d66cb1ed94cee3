//! `integrate apply`: integrates the accounts, each in one short transaction.

use super::{policy, verdict, which};
use crate::cli::ApplyArgs;
use crate::exit::Exit;
use crate::figures::{Count, Things};
use crate::session::Session;
use anyhow::Context as _;
use directory::IntegrationId;
use integrate::{Platform, Selection, Step};

pub(super) fn run(args: &ApplyArgs, session: &mut Session) -> anyhow::Result<Exit> {
    let platform = session.open("integrate apply")?;
    let (id, selection) = which::step(&args.step, &platform)?;
    if let Some(policy) = policy::of(args.policy, id, &platform.directory)?
        // A closed integration keeps the policy that its report tells of; applying it is refused below.
        && !matches!(integrate::step(&platform, id)?, Step::Confirmed | Step::Imported)
    {
        integrate::set_policy(&platform, id, policy)?;
    }
    let exit = apply(&platform, id, &selection, session)?;
    let what = match selection.is_all() {
        true => format!("integration {id} is applied"),
        false => format!("the chosen accounts of integration {id} are applied"),
    };
    session.output.line(format_args!("{what}: `integrate verify` proves it, `integrate undo` takes it back"));
    Ok(exit)
}

/// Applies and tells of it.
pub(super) fn apply(
    platform: &Platform,
    id: IntegrationId,
    selection: &Selection,
    session: &mut Session,
) -> anyhow::Result<Exit> {
    let done = session.step("apply", |progress| integrate::apply(platform, id, selection, progress));
    let done = done.context("applying stopped; run it again, and it goes on with the accounts that are not done")?;
    let applied = &done.value;
    let output = &mut session.output;
    output.line(format_args!("applied {} in {}", Things(applied.accounts, "account"), done.took));
    output.line(format_args!(
        "  {} added, {} changed, {} joined or left out",
        Things(applied.added, "message"),
        Count(applied.changed),
        Count(applied.removed)
    ));
    if applied.already > 0 {
        output.line(format_args!("  {} applied already", Things(applied.already, "account")));
    }
    if applied.sealed > 0 {
        output.line(format_args!("  {} sealed until a decision (RULES.md 8.7)", Things(applied.sealed, "account")));
    }
    let waiting = verdict::waiting(platform, id, selection)?;
    if waiting > 0 {
        output.line(format_args!("  {} to make: `conflicts` lists them", Things(waiting, "decision")));
    }
    Ok(Exit::complete_if(applied.sealed == 0 && waiting == 0))
}
