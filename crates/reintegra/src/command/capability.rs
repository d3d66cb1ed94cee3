//! `capability`: IMAP capabilities that are switched off for an account.

use super::app_password::{ACTOR, account};
use crate::cli::{CapabilityArgs, CapabilityCommand};
use crate::exit::Exit;
use crate::failure::Problem;
use crate::nearest::Nearest;
use crate::session::Session;
use directory::{Account, Directory};

pub(super) fn run(command: &CapabilityCommand, session: &mut Session) -> anyhow::Result<Exit> {
    let directory = session.open_directory()?;
    match command {
        CapabilityCommand::Off(args) => switch(&directory, args, false, session),
        CapabilityCommand::On(args) => switch(&directory, args, true, session),
        CapabilityCommand::List(args) => {
            let off = directory.switched_off(account(&directory, &args.account)?.id)?;
            if args.list.json {
                session.output.json_array(&off);
            } else {
                for capability in &off {
                    session.output.line(format_args!("off: {capability}"));
                }
            }
            Ok(Exit::Complete)
        }
    }
}

fn switch(directory: &Directory, args: &CapabilityArgs, on: bool, session: &mut Session) -> anyhow::Result<Exit> {
    let Account { id, address, .. } = account(directory, &args.account)?;
    let name = args.capability.to_ascii_uppercase();
    if !on {
        can_be_switched_off(&name)?;
    }
    let changed = directory.write(|tx| {
        let changed = if on { tx.switch_on(id, &name)? } else { tx.switch_off(id, &name)? };
        if changed {
            let action = if on { "capability.on" } else { "capability.off" };
            tx.audit(ACTOR, action, address.as_str(), &serde_json::json!({ "capability": name }).to_string())?;
        }
        Ok(changed)
    })?;
    let (state, already) = (if on { "on" } else { "off" }, if changed { "" } else { " already" });
    session.console.note(format_args!("{name} is {state} for {}{already}", address.as_str()));
    Ok(Exit::Complete)
}

/// Refuses what would be kept and change nothing.
fn can_be_switched_off(name: &str) -> Result<(), Problem> {
    let all = imap::switchable();
    if all.contains(&name) {
        return Ok(());
    }
    let mut nearest = Nearest::to(name);
    all.iter().for_each(|known| nearest.consider(known));
    let what = Problem::wrong_use(format!("{name:?} is no capability that can be switched off"));
    Err(match nearest.found() {
        Some(meant) => what.now(format!("{meant} is meant?")),
        None => what.now(format!("one of these can be: {}", all.join(" "))),
    })
}
