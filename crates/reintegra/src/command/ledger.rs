//! `ledger check`: says whether a ledger is whole and as it was written, on any machine (`RULES.md 10.2`).

use crate::cli::LedgerCheckArgs;
use crate::exit::Exit;
use crate::failure::Problem;
use crate::figures::{Count, Things, rfc3339};
use crate::session::Session;
use anyhow::Context as _;
use integrate::ledger::{self, Checked, Counts, Fault, LedgerProblem, OutcomeCounts, PublicKey};
use std::fs::File;
use std::path::Path;

pub(super) fn check(args: &LedgerCheckArgs, session: &mut Session) -> anyhow::Result<Exit> {
    let key = args.key.as_deref().map(read_key).transpose()?;
    let file = File::open(&args.file).with_context(|| format!("{} cannot be read", args.file.display()))?;
    let checked = session.step("check", |_| ledger::check(file, key.as_ref()));
    let checked = checked.map_err(|problem| worded(&args.file, &problem))?;
    tell(&checked.value, session);
    Ok(Exit::Complete)
}

/// A key as it was given: itself, or in a file.
fn read_key(text: &str) -> Result<PublicKey, Problem> {
    let wrong = |why: String| Problem::wrong_use("the public key cannot be read").because(why);
    match text.parse() {
        Ok(key) => Ok(key),
        Err(_) if Path::new(text).is_file() => PublicKey::load(Path::new(text)).map_err(|e| wrong(e.to_string())),
        Err(error) => Err(wrong(format!("{error}, or a file that holds one"))),
    }
}

fn worded(file: &Path, problem: &LedgerProblem) -> Problem {
    // Only what could not be looked at has failed; a ledger that is not as it was written is a result.
    let exit = match problem.fault {
        Fault::Io(_) | Fault::UnknownVersion { .. } => Exit::Failed,
        Fault::NotALedger => Exit::WrongUse,
        _ => Exit::Incomplete,
    };
    Problem::new(exit, format!("{}: {problem}", file.display())).because(problem.why()).now(problem.what_to_do())
}

fn tell(checked: &Checked, session: &mut Session) {
    let output = &mut session.output;
    let header = &checked.header;
    output.line(format_args!(
        "integration {} ({}), begun {}: {}, whole and as they were written",
        header.integration,
        header.label.escape_debug(),
        rfc3339(header.started).unwrap_or_default(),
        Things(checked.rows, "row")
    ));
    for source in &header.sources {
        output.line(format_args!("  source: {}", source.description.escape_debug()));
    }
    let Counts { before, after, base } = &checked.counts;
    for (lineage, counts) in [("before", before), ("after", after), ("base", base)] {
        let words: Vec<String> =
            by_outcome(counts).iter().filter(|(_, n)| *n > 0).map(|(w, n)| format!("{} {w}", Count(*n))).collect();
        if !words.is_empty() {
            output.line(format_args!("  {lineage}: {}", words.join(", ")));
        }
    }
    output.line(format_args!("  head: {}", checked.head));
    output.line(format_args!("  signed by: {}", checked.public_key));
    if !checked.key_compared {
        output.line(
            "  The key was not compared: anybody can sign with one of their own. Give the platform's with --key.",
        );
    }
}

fn by_outcome(counts: &OutcomeCounts) -> [(&'static str, u64); 10] {
    [
        ("kept", counts.kept),
        ("same as another", counts.same_as),
        ("unreadable", counts.unreadable),
        ("no message", counts.not_a_message),
        ("unfinished", counts.unfinished),
        ("listed without a file", counts.listed_no_file),
        ("deleted", counts.deleted),
        ("sealed", counts.sealed),
        ("unattributed", counts.unattributed),
        ("damaged among them", counts.damaged),
    ]
}
