//! `integrate verify`: reads the sources and the result again and accounts for every message.

use super::{verdict, which};
use crate::cli::StepArgs;
use crate::exit::Exit;
use crate::figures::{Count, Size, Things};
use crate::session::Session;
use anyhow::Context as _;
use directory::IntegrationId;
use integrate::report::Verdict;
use integrate::{Platform, Selection};

/// Problems told one by one; the rest are counted.
const PROBLEMS_TOLD: usize = 20;

pub(super) fn run(args: &StepArgs, session: &mut Session) -> anyhow::Result<Exit> {
    let platform = session.open("integrate verify")?;
    let (id, selection) = which::step(args, &platform)?;
    verify(&platform, id, &selection, session)
}

/// Verifies and tells of it.
pub(super) fn verify(
    platform: &Platform,
    id: IntegrationId,
    selection: &Selection,
    session: &mut Session,
) -> anyhow::Result<Exit> {
    let done = session.step("verify", |progress| integrate::verify(platform, id, selection, progress));
    let done = done.context("verifying stopped; nothing was changed")?;
    let verified = &done.value;
    let output = &mut session.output;
    output.line(format_args!(
        "verified {} of {}, {} read in {}",
        Things(verified.rows, "row"),
        Things(verified.accounts, "account"),
        Size(verified.read_bytes),
        done.took
    ));
    let totals = &verified.totals;
    output.line(format_args!(
        "  before had {}, after {}, {} in both; the result has {}",
        Things(totals.before, "message"),
        Count(totals.after),
        Count(totals.in_both),
        Count(totals.result)
    ));
    for problem in verified.problems.iter().take(PROBLEMS_TOLD) {
        output.line(format_args!("  wrong: {problem}"));
    }
    if let Some(more) = verified.problems.len().checked_sub(PROBLEMS_TOLD).filter(|more| *more > 0) {
        output.line(format_args!("  wrong: {} more, which the report lists", Count(more as u64)));
    }
    if let Some(head) = &verified.ledger {
        output.line(format_args!("  ledger: {}, head {}", Things(head.rows, "row"), head.head));
        output.line(format_args!("  signed by: {}", head.public_key));
    }
    let judged = Verdict::judge(totals, verified.problems.is_empty());
    let what = if selection.is_all() { format!("integration {id}") } else { "the chosen accounts".to_owned() };
    Ok(verdict::tell(&what, &judged, verdict::waiting(platform, id, selection)?, output))
}
