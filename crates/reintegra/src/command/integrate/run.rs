//! `integrate run`: every step in one command, stopping before the first that changes accounts until somebody agrees.

use super::stage::Sources;
use super::{apply, plan, report, stage, verdict, verify};
use crate::cli::RunArgs;
use crate::command::import;
use crate::command::init;
use crate::command::source::Opened;
use crate::exit::Exit;
use crate::figures::Things;
use crate::session::Session;
use anyhow::Context as _;
use directory::IntegrationId;
use integrate::report::Verdict;
use integrate::{Platform, Proved, Selection};

pub(super) fn run(args: &RunArgs, session: &mut Session) -> anyhow::Result<Exit> {
    // Before anything is made: a slip in a path leaves nothing behind.
    for source in [Some(&args.before), args.base.as_ref(), args.after.as_ref()].into_iter().flatten() {
        import::must_be_elsewhere(source, session)?;
    }
    let sources =
        Sources { before: Opened::at(&args.before)?, base: args.base.as_deref().map(Opened::at).transpose()? };
    let after = args.after.as_deref().map(Opened::at).transpose()?;
    if let Some(after) = &after {
        after.must_differ(&sources.before)?;
    }
    let platform = open_or_make(session)?;
    if let Some(after) = after {
        import::import(&platform, &after, session)?.must_be_whole()?;
    }
    let (id, told) = stage::stage(&platform, &sources, None, args.policy, session)?;
    told.must_be_whole()?;
    // Another store stays locked while it is open here, and verify opens sources by itself.
    drop(sources);
    if integrate::waiting(&platform, id)? == 0
        && let Some(proved) = integrate::proved(&platform, id)?
    {
        return nothing_new(&platform, id, &proved, session);
    }
    let planned = session.step("plan", |progress| integrate::plan_integration(&platform, id, None, progress));
    let planned = planned.context("the plan could not be made")?;
    plan::tell_sums(&planned.value, &planned.took, &mut session.output);
    if !args.yes && !agreed(planned.value.accounts.len() as u64, session) {
        session.output.line(format_args!(
            "integration {id} is staged and planned, not applied: `integrate plan` says more, `integrate apply` goes on; \
             `run --yes` does not ask"
        ));
        return Ok(Exit::Incomplete);
    }
    let all = Selection::default();
    apply::apply(&platform, id, &all, session)?;
    let exit = verify::verify(&platform, id, &all, session)?;
    let written = session.step("report", |_| report::write_both(&platform, id));
    let page = written.context("the report could not be written; `integrate report` writes it")?.value;
    session.output.line(format_args!("report: {}", page.display()));
    Ok(exit)
}

/// Everything is applied, and verify has passed over it as it is.
fn nothing_new(platform: &Platform, id: IntegrationId, proved: &Proved, session: &mut Session) -> anyhow::Result<Exit> {
    let all = Selection::default();
    let waiting = verdict::waiting(platform, id, &all)?;
    session.output.line(format_args!(
        "nothing new since {} were verified; `integrate verify` reads everything again",
        Things(proved.rows, "row")
    ));
    session.output.line(format_args!("  ledger: head {}", proved.head));
    let judged = Verdict::judge(&proved.totals, proved.problems == 0);
    Ok(verdict::tell(&format!("integration {id}"), &judged, waiting, &mut session.output))
}

fn open_or_make(session: &mut Session) -> anyhow::Result<Platform> {
    const COMMAND: &str = "integrate run";
    if session.is_there()? {
        return session.open(COMMAND);
    }
    let platform = init::make(session.dir()?, store::DEFAULT_CELLS, COMMAND)?;
    session.output.line(format_args!("{}: made a data directory", platform.dir().display()));
    Ok(platform)
}

/// Whether a person agrees; where there is none to ask, nobody does.
fn agreed(accounts: u64, session: &mut Session) -> bool {
    session.output.flush();
    session.console.can_ask() && session.console.ask(&format!("Apply this to {}?", Things(accounts, "account")))
}
