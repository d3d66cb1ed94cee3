//! `vacation`: what is answered to people who write to an account while nobody is there.

use super::app_password::account;
use crate::cli::VacationCommand;
use crate::exit::Exit;
use crate::failure::Problem;
use crate::session::Session;
use anyhow::Context as _;
use sieve::settings::{Day, Vacation};
use std::io::Read as _;

/// Longer answers are no answers.
const MAX_TEXT_BYTES: u64 = 1 << 16;

pub(super) fn run(command: &VacationCommand, session: &mut Session) -> anyhow::Result<Exit> {
    let directory = session.open_directory()?;
    match command {
        VacationCommand::Set(args) => {
            let account = account(&directory, &args.account)?;
            let (first_day, last_day) = (day(args.from.as_deref())?, day(args.until.as_deref())?);
            if first_day.zip(last_day).is_some_and(|(first, last)| first > last) {
                return Err(Problem::wrong_use("the last day is before the first")
                    .now("--from is the first day, --until the last one")
                    .into());
            }
            if args.subject.as_ref().is_some_and(|subject| subject.chars().any(char::is_control)) {
                return Err(Problem::wrong_use("the subject holds a line break or another control character")
                    .now("write it on one line")
                    .into());
            }
            let (subject, interval_days) = (args.subject.clone(), args.days);
            let vacation = Vacation { subject, text: text()?, first_day, last_day, interval_days };
            directory.write(|tx| tx.put_vacation(account.id, &vacation))?;
            session.console.note(format_args!("people who write to {} are answered", account.address.as_str()));
        }
        VacationCommand::Show(args) => {
            let account = account(&directory, &args.account)?;
            let address = account.address.as_str();
            match directory.vacation(account.id)? {
                None => session.console.note(format_args!("nobody who writes to {address} is answered")),
                Some(vacation) => {
                    let day = |day: Option<Day>, none: &str| day.map_or(none.to_owned(), |day| day.to_string());
                    let (first, last) = (day(vacation.first_day, "now"), day(vacation.last_day, "it is taken away"));
                    session.console.note(format_args!(
                        "{address}: from {first} until {last}, nobody twice in {} days",
                        vacation.interval_days
                    ));
                    if let Some(subject) = &vacation.subject {
                        session.console.note(format_args!("subject: {subject}"));
                    }
                    session.output.line(vacation.text.trim_end());
                }
            }
        }
        VacationCommand::Remove(args) => {
            let account = account(&directory, &args.account)?;
            let address = account.address.as_str();
            match directory.write(|tx| tx.remove_vacation(account.id))? {
                true => session.console.note(format_args!("nobody who writes to {address} is answered any more")),
                false => session.console.note(format_args!("nobody who writes to {address} was answered")),
            }
        }
    }
    Ok(Exit::Complete)
}

fn day(text: Option<&str>) -> Result<Option<Day>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let no_day = || Problem::wrong_use(format!("{text} is no day")).now("write it as 2026-12-24");
    Day::parse(text).map(Some).ok_or_else(no_day)
}

fn text() -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(MAX_TEXT_BYTES + 1).read_to_end(&mut bytes).context("the text cannot be read")?;
    let refused = |why: &str| Problem::wrong_use("this cannot be an answer").because(why);
    if bytes.len() as u64 > MAX_TEXT_BYTES {
        return Err(refused("it is longer than 64 KiB").now("shorten it").into());
    }
    let text =
        String::from_utf8(bytes).map_err(|_| refused("it is no UTF-8").now("write it in UTF-8"))?.replace("\r\n", "\n");
    if text.trim().is_empty() {
        return Err(refused("it is empty").now("give the text on standard input").into());
    }
    Ok(text)
}
