//! `check`: every record and every row against each other. Changes nothing but the note of which bytes are damaged, by which
//! a good copy is known for one when it comes by.

use crate::exit::Exit;
use crate::figures::{Count, Things};
use crate::output::Output;
use crate::serve::QUEUE;
use crate::session::Session;
use anyhow::Context as _;
use integrate::{Platform, Progress};
use message::Address;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use store::spool::{Report, Spool};
use store::{CheckReport, LIVE, LineageId, OpenOptions, StoreError};

pub(super) fn run(session: &mut Session) -> anyhow::Result<Exit> {
    let platform = session.open("check")?;
    let checked = session.step("check", |progress| check_cells(&platform, progress))?;
    // What was found is told in any case.
    let noted = platform.store.cells().iter().zip(&checked.value).try_for_each(|(cell, found)| cell.note_damage(found));
    let directory = platform.directory.check_consistency()?;
    let unknown = unknown_accounts(&platform)?;
    let queue = check_queue(platform.dir())?;
    let output = &mut session.output;
    let mut sum = CheckReport::default();
    for report in checked.value {
        for problem in report.problems.iter().chain(&report.damaged_messages) {
            output.line(format_args!("cell {:02}: {}", problem.cell, problem.text));
        }
        sum.records += report.records;
        sum.messages += report.messages;
        sum.reported += report.reported;
        sum.damaged_messages.extend(report.damaged_messages);
        sum.damaged_lineages.extend(report.damaged_lineages);
        sum.problems.extend(report.problems);
    }
    for problem in &directory {
        output.line(format_args!("directory: {}: {}", problem.invariant, problem.text));
    }
    for (cell, address) in &unknown {
        output.line(format_args!(
            "cell {cell:02}: {address} has mailboxes, and the directory of accounts has no such account"
        ));
    }
    for problem in &queue.problems {
        output.line(format_args!("queue: {problem}"));
    }
    let problems = (sum.problems.len() + directory.len() + unknown.len() + queue.problems.len()) as u64;
    sum.records += queue.records;
    sum.messages += queue.messages;
    sum.reported += queue.reported;
    output.line(format_args!(
        "checked {} and {} in {}: {}",
        Things(sum.records, "record"),
        Things(sum.messages, "message"),
        checked.took,
        if problems == 0 { "no problem".to_owned() } else { Things(problems, "problem").to_string() },
    ));
    if sum.reported > 0 {
        output.line(format_args!(
            "  unusable parts of segments, told of when they were first met: {}",
            Count(sum.reported)
        ));
    }
    if !sum.damaged_messages.is_empty() {
        let origins = origins(&platform, &sum.damaged_lineages)?;
        tell_what_heals(sum.damaged_messages.len() as u64, &origins, noted, output);
    }
    Ok(Exit::complete_if(problems == 0))
}

/// Tells what to do about messages whose bytes are damaged.
fn tell_what_heals(messages: u64, origins: &[(LineageId, String)], noted: Result<(), StoreError>, output: &mut Output) {
    output.line(format_args!("  messages whose bytes are damaged: {}", Count(messages)));
    for (lineage, source) in origins {
        output.line(format_args!("  lineage {} was read from {source}", lineage.0));
    }
    if let Err(error) = noted {
        output.line(format_args!("  now: which they are could not be noted ({error}): mend that, and check again"));
        return;
    }
    output
        .line("  now: bring good copies by, and check again: run the `import` or `integrate stage` that brought them");
    output
        .line("    once more, import a backup that has them, or have their owner's mail program upload its copy; only");
    output.line("    what is damaged is stored again, and the messages keep their UIDs, UIDLs and flags");
}

/// Where lineages were read from, as far as the directory knows: what was born here was read from nowhere.
fn origins(platform: &Platform, wanted: &BTreeSet<LineageId>) -> anyhow::Result<Vec<(LineageId, String)>> {
    let mut origins = Vec::new();
    platform.directory.for_each_lineage(|lineage| {
        let id = LineageId(lineage.id.get());
        if wanted.contains(&id) {
            origins.push((id, lineage.source));
        }
        Ok(())
    })?;
    Ok(origins)
}

/// Checks the queue, where there is one.
fn check_queue(data: &Path) -> anyhow::Result<Report> {
    let directory = data.join(QUEUE);
    if !directory.exists() {
        return Ok(Report::default());
    }
    let spool = Spool::open(&directory, OpenOptions::for_purpose("reintegra check"));
    Ok(spool.context("the queue cannot be opened")?.check()?)
}

/// Live accounts of cells that the directory does not know: nobody can sign in to them.
fn unknown_accounts(platform: &Platform) -> anyhow::Result<Vec<(u32, String)>> {
    let mut unknown = Vec::new();
    for cell in platform.store.cells() {
        for account in cell.read(|view| view.accounts(LIVE))? {
            let known = match Address::new(&account.address) {
                Ok(address) => platform.directory.account(&address)?.is_some(),
                Err(_) => false,
            };
            if !known {
                unknown.push((cell.number(), account.address));
            }
        }
    }
    Ok(unknown)
}

/// Checks cells side by side; gives their reports by number.
fn check_cells(platform: &Platform, progress: &dyn Progress) -> Result<Vec<CheckReport>, StoreError> {
    let cells = platform.store.cells();
    let next = AtomicUsize::new(0);
    let reports = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get()).min(cells.len());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let report = cell.check();
                    progress.done(report.as_ref().map_or(0, |r| r.messages), 0);
                    reports.lock().unwrap_or_else(|e| e.into_inner()).push((cell.number(), report));
                }
            });
        }
    });
    let mut reports = reports.into_inner().unwrap_or_else(|e| e.into_inner());
    reports.sort_by_key(|(number, _)| *number);
    reports.into_iter().map(|(_, report)| report).collect()
}
