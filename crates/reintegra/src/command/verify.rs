//! `verify --over`: a second reader compares, from outside, what a mail server serves with the ledger (`RULES.md 10.4`).

use super::integrate::which;
use crate::cli::{SignInArgs, TlsUse, VerifyArgs};
use crate::exit::Exit;
use crate::failure::Problem;
use crate::figures::{Count, Size, Things};
use crate::output::Output;
use crate::selection;
use crate::session::Session;
use anyhow::Context as _;
use integrate::{Over, Scope};
use source::remote::{Access, DEFAULT_TIMEOUT, LoginForm, MasterForm, Security, Server, Url};

/// Problems told one by one; the rest are counted.
const PROBLEMS_TOLD: usize = 20;

pub(super) fn over(args: &VerifyArgs, session: &mut Session) -> anyhow::Result<Exit> {
    // The directory of accounts alone: the server may be ours, with the data directory open.
    let directory = session.open_directory()?;
    let url: Url = args.over.parse().map_err(|why| {
        // It is not repeated, because somebody may have written a password into it.
        Problem::wrong_use("what --over says is no server").because(why).now("such as --over imaps://mail.example.org")
    })?;
    let server = Server::new(url, security(args.sign_in.tls), args.sign_in.ca_file.as_deref(), DEFAULT_TIMEOUT);
    let server = server.context("the server cannot be asked")?;
    let access = access(&args.sign_in)?;
    let id = which::integration(args.step.which, &directory)?;
    let lineages: Vec<_> = directory.lineages_of(id)?.into_iter().map(|lineage| lineage.id).collect();
    let selection = selection::read(&args.step.accounts, &directory, &lineages)?;
    let dir = session.dir()?.to_owned();
    let scope = Scope { server: &server, access: &access, selection: &selection, strict: args.strict };
    let done = session.step("verify", |progress| integrate::verify_over(&dir, &directory, id, &scope, progress));
    let done = done.with_context(|| format!("comparing with {} stopped", server.url()))?;
    Ok(tell(&done.value, &format!("{} in {}", server.url(), done.took), &mut session.output))
}

fn security(tls: TlsUse) -> Security {
    match tls {
        TlsUse::Usual => Security::Usual,
        TlsUse::Starttls => Security::Always,
        TlsUse::None => Security::Never,
    }
}

fn access(args: &SignInArgs) -> anyhow::Result<Access> {
    let login = LoginForm::new(&args.login)
        .map_err(|why| Problem::wrong_use(format!("--login {:?} cannot be used", args.login)).because(why))?;
    let access = match (&args.credentials, &args.master_user, &args.master_password_file) {
        (Some(file), ..) => Access::each(file, login),
        (None, Some(user), Some(file)) => {
            let form = match args.master_authzid {
                true => MasterForm::Authzid,
                false => MasterForm::Login(args.master_separator.clone()),
            };
            Access::master(user, file, form, login)
        }
        (None, ..) => {
            return Err(Problem::wrong_use("nothing says how to sign in")
                .now("give --credentials FILE, or --master-user NAME with --master-password-file FILE")
                .into());
        }
    };
    access.context("the passwords cannot be used")
}

fn tell(over: &Over, server: &str, output: &mut Output) -> Exit {
    output.line(format_args!(
        "compared {} in {} mailbox{} of {}, {} read from {server}",
        Things(over.messages, "message"),
        Count(over.mailboxes),
        if over.mailboxes == 1 { "" } else { "es" },
        Things(over.accounts, "account"),
        Size(over.read_bytes),
    ));
    let notes = [
        (over.closed, "account", "not open to anybody, and not looked at"),
        (over.changed, "message", "with other flags or keywords than at the last verify: changed since"),
        (over.arrived, "message", "came since"),
        (over.hidden, "message", "of before left out of POP3, as the account says (RULES.md 5.3)"),
        (over.without_nul, "message", "with 0x80 where they have NUL, which IMAP cannot carry"),
    ];
    for (count, what, text) in notes.into_iter().filter(|(count, ..)| *count > 0) {
        output.line(format_args!("  {} {text}", Things(count, what)));
    }
    for problem in over.problems.iter().take(PROBLEMS_TOLD) {
        output.line(format_args!("  wrong: {problem}"));
    }
    if let Some(more) = over.problems.len().checked_sub(PROBLEMS_TOLD).filter(|more| *more > 0) {
        output.line(format_args!("  wrong: {} more", Count(more as u64)));
    }
    let complete = over.problems.is_empty();
    output.line(if complete { "complete: it is served as the ledger says" } else { "incomplete: it is not served so" });
    Exit::complete_if(complete)
}
