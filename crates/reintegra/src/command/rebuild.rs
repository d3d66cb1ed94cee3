//! `rebuild`: makes the indexes of cells anew from what the segments and snapshots say.

use crate::cli::RebuildArgs;
use crate::exit::Exit;
use crate::failure::Problem;
use crate::figures::Things;
use crate::session::{Session, options};
use anyhow::Context as _;
use store::Store;

pub(super) fn run(args: &RebuildArgs, session: &mut Session) -> anyhow::Result<Exit> {
    let dir = session.must_be_there()?.to_owned();
    if let Some(cell) = args.cell.filter(|n| !dir.join("cells").join(format!("{n:02}")).is_dir()) {
        return Err(Problem::wrong_use(format!("there is no cell {cell}"))
            .now(format!("{} has one directory a cell", dir.join("cells").display()))
            .into());
    }
    let rebuilt = session.step("rebuild", |_| Store::rebuild(&dir, args.cell, options("rebuild")));
    let rebuilt = rebuilt.context("the indexes could not be made anew; those that were there stay")?;
    let mut whole = true;
    for cell in &rebuilt.value {
        let from = match &cell.snapshot {
            Some(snapshot) => format!("snapshot {} and the segments since", snapshot.display()),
            None => {
                "the segments alone: flags and moves since delivery are as an account was last described".to_owned()
            }
        };
        let messages = Things(cell.messages, "message");
        session.output.line(format_args!("cell {:02}: {messages}, from {from}", cell.cell));
        for finding in &cell.findings {
            session.output.line(format_args!("cell {:02}: {}", finding.cell, finding.text));
        }
        whole &= cell.findings.is_empty();
    }
    let cells = Things(rebuilt.value.len() as u64, "cell");
    session.output.line(format_args!("rebuilt {cells} in {}", rebuilt.took));
    Ok(Exit::complete_if(whole))
}
