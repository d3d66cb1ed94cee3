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
use integrate::{IntegrationError, Over, Scope};
use source::SourceError;
use source::remote::{Access, DEFAULT_TIMEOUT, LoginForm, MasterForm, RemoteError, Security, Server, Url};
use std::io::ErrorKind;
use std::path::Path;

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
    let id = which::verified(args.step.which, &directory)?;
    let lineages: Vec<_> = directory.lineages_of(id)?.into_iter().map(|lineage| lineage.id).collect();
    let selection = selection::read(&args.step.accounts, &directory, &lineages)?;
    let dir = session.dir()?.to_owned();
    let scope = Scope { server: &server, access: &access, selection: &selection, strict: args.strict };
    let done = session.step("verify", |progress| integrate::verify_over(&dir, &directory, id, &scope, progress));
    let done = done.map_err(|error| stopped(error, &server, &dir))?;
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
    access.map_err(no_passwords)
}

/// Words a failure to read a file of passwords.
fn no_passwords(error: SourceError) -> anyhow::Error {
    const WHAT: &str = "the passwords cannot be used";
    match &error {
        SourceError::Io { cause, .. } if cause.kind() == ErrorKind::NotFound => Problem::wrong_use(WHAT)
            .because(error.to_string())
            .now("name a file of lines address:password by --credentials, or one with a master's password")
            .into(),
        SourceError::Description { path, .. } => Problem::wrong_use(WHAT)
            .because(error.to_string())
            .now(format!(
                "it is a file of lines address:password, which `chmod 600 {}` keeps to its owner",
                path.display()
            ))
            .into(),
        _ => anyhow::Error::from(error).context(WHAT),
    }
}

/// Words what ended a comparison: what helps here is said on the command line.
fn stopped(error: IntegrationError, server: &Server, data: &Path) -> anyhow::Error {
    let what = format!("comparing with {} stopped", server.url());
    let IntegrationError::Source(SourceError::Remote(remote)) = &error else {
        return anyhow::Error::from(error).context(what);
    };
    let problem = match remote {
        RemoteError::Certificate { .. } => Problem::wrong_use(what).now(certificate_hint(data)),
        RemoteError::Tls { .. } => Problem::wrong_use(what)
            .now("`--tls` and the beginning of the address (imap://, imaps://) say when TLS begins"),
        remote if remote.is_temporary() => {
            Problem::new(Exit::Failed, what).now("run the command again when the server answers")
        }
        _ => return anyhow::Error::from(error).context(what),
    };
    problem.because(remote.to_string()).into()
}

fn certificate_hint(data: &Path) -> String {
    let own = data.join("tls/self-signed.crt");
    let own = if own.exists() { format!(" ({} for this one's own server)", own.display()) } else { String::new() };
    format!("name the certificates that are believed by --ca-file FILE{own}, and the server as its certificate does")
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
