//! `integrate plan`: says what would become of every account, and changes nothing.

use super::{policy, which};
use crate::cli::PlanArgs;
use crate::exit::Exit;
use crate::figures::{Count, Things, Took};
use crate::output::Output;
use crate::session::Session;
use anyhow::Context as _;
use integrate::{PlanReport, PlannedAccount};
use serde::Serialize;
use std::collections::BTreeMap;

pub(super) fn run(args: &PlanArgs, session: &mut Session) -> anyhow::Result<Exit> {
    let platform = session.look("integrate plan")?;
    let id = which::integration(args.which, &platform.directory)?;
    let policy = policy::of(args.policy, id, &platform.directory)?;
    let done = session.step("plan", |progress| integrate::plan_integration(&platform, id, policy, progress));
    let done = done.context("the plan could not be made")?;
    let output = &mut session.output;
    if args.json {
        output.json(&done.value);
        return Ok(Exit::Complete);
    }
    for account in &done.value.accounts {
        output.line(Line(account));
        for (rule, text) in &account.notices {
            output.line(format_args!("  {text} (RULES.md {rule})"));
        }
    }
    tell_sums(&done.value, &done.took, output);
    Ok(Exit::Complete)
}

/// Tells what a plan comes to as a whole.
pub(super) fn tell_sums(plan: &PlanReport, took: &Took, output: &mut Output) {
    let totals = &plan.totals;
    output.line(format_args!("planned {} in {took}", Things(plan.accounts.len() as u64, "account")));
    output.line(format_args!(
        "  before has {}, after {}; the result will have {}: {} added, {} changed, {} joined or left out",
        Things(totals.before, "message"),
        Count(totals.after),
        Count(totals.result),
        Count(totals.added),
        Count(totals.changed),
        Count(totals.removed)
    ));
    let mut cases: BTreeMap<String, u64> = BTreeMap::new();
    let mut conflicts: BTreeMap<&str, u64> = BTreeMap::new();
    for account in &plan.accounts {
        *cases.entry(word(&account.case)).or_default() += 1;
        account.conflicts.iter().for_each(|kind| *conflicts.entry(kind).or_default() += 1);
    }
    if !cases.is_empty() {
        output.line(format_args!("  accounts: {}", counted(cases.iter().map(|(word, n)| (word.as_str(), *n)))));
    }
    if !conflicts.is_empty() {
        let kinds = counted(conflicts.into_iter());
        output.line(format_args!("  decisions that will wait at accounts: {kinds}"));
    }
}

fn counted<'a>(words: impl Iterator<Item = (&'a str, u64)>) -> String {
    words.map(|(word, count)| format!("{} {word}", Count(count))).collect::<Vec<_>>().join(", ")
}

/// The word of a value, as the JSON has it.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "unknown".to_owned(),
    }
}

/// An account in one line.
struct Line<'a>(&'a PlannedAccount);

impl std::fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let PlannedAccount { address, case, mail, password, applied, counts, conflicts, .. } = self.0;
        write!(
            f,
            "{address:<40} {} + {} -> {} ({}, {}, password: {})",
            Count(counts.before),
            Count(counts.after),
            Count(counts.result),
            word(case),
            word(mail),
            word(password)
        )?;
        if *applied {
            f.write_str(", applied already")?;
        }
        if !conflicts.is_empty() {
            write!(f, ", to be decided: {}", conflicts.join(", "))?;
        }
        Ok(())
    }
}
