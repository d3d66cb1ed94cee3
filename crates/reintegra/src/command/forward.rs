//! `forward`: where an account's mail is sent on to.

use super::app_password::account;
use crate::cli::ForwardCommand;
use crate::exit::Exit;
use crate::failure::Problem;
use crate::session::Session;
use directory::Forward;
use message::Address;
use sieve::settings::Target;

pub(super) fn run(command: &ForwardCommand, session: &mut Session) -> anyhow::Result<Exit> {
    let directory = session.open_directory()?;
    match command {
        ForwardCommand::Set(args) => {
            let account = account(&directory, &args.account)?;
            for target in &args.to {
                // An import keeps what it finds; here what the script could not send to is a slip.
                if Target::new(target).and_then(|target| target.address()).is_none() {
                    return Err(Problem::wrong_use(format!("{target:?} is no address that mail can be sent on to"))
                        .now("write it as name@example.org; say --to again for another")
                        .into());
                }
                if Address::new(target).is_ok_and(|target| target == account.address) && !args.keep_copy {
                    return Err(Problem::wrong_use("an account's mail cannot be sent on to itself")
                        .now("say --keep-copy for a copy that stays")
                        .into());
                }
            }
            let forward = Forward { targets: args.to.clone(), keep_copy: args.keep_copy };
            directory.write(|tx| tx.put_forward(account.id, &forward))?;
            let copy = if args.keep_copy { ", and a copy stays" } else { "" };
            let address = account.address.as_str();
            session.console.note(format_args!("mail to {address} goes on to {}{copy}", args.to.join(", ")));
        }
        ForwardCommand::Show(args) => {
            let account = account(&directory, &args.account)?;
            match directory.forward(account.id)? {
                None => session.console.note(format_args!("mail to {} stays there", account.address.as_str())),
                Some(forward) => {
                    forward.targets.iter().for_each(|target| session.output.line(target));
                    let stays = if forward.keep_copy { "a copy stays" } else { "no copy stays" };
                    session.console.note(format_args!("{}: {stays}", account.address.as_str()));
                }
            }
        }
        ForwardCommand::Remove(args) => {
            let account = account(&directory, &args.account)?;
            let address = account.address.as_str();
            match directory.write(|tx| tx.remove_forward(account.id))? {
                true => session.console.note(format_args!("mail to {address} stays there from now on")),
                false => session.console.note(format_args!("mail to {address} stayed there already")),
            }
        }
    }
    Ok(Exit::Complete)
}
