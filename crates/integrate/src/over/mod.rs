//! A second reader, from outside: what a mail server serves, by IMAP or POP3, against the ledger (`RULES.md 10.4`).
//!
//! It knows a server's answers and two files of the last verify: the ledger, chained and signed, which says of every
//! message in which mailbox, under which UIDVALIDITY, UID and UIDL it is, and with which bytes; and beside it the file of
//! [`Served`] accounts, which says with which flags and date. The store is not opened, so that it can serve meanwhile.
//!
//! Compared strictly, because nobody can change it and it stay the same message: that every mailbox of the result is
//! there, its UIDVALIDITY, every UID with its bytes and INTERNALDATE, UIDNEXT that never went down, no UID below it that
//! the result does not have; by POP3 every UIDL, once, with its bytes. Flags and keywords their owner can change, so what
//! differs is counted as *changed since*, as is mail that came since; with [`Scope::strict`] it is wrong as well. What
//! its owner expunged since the last verify is missed: verify again, then compare.

mod account;
mod expected;
mod imap;
mod pop3;
mod reader;

pub(crate) use expected::{Served, ServedMailbox, ServedMessage};

use crate::integration::IntegrationError;
use crate::progress::Progress;
use crate::select::Selection;
use account::{Findings, Wanted};
use directory::{AccountState, Directory, IntegrationId, Pop3Before};
use source::SourceError;
use source::remote::{Access, Protocol, RemoteError, Server, SignIn};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Accounts that are looked at together, each with a session of its own: polite to any server.
const SESSIONS: usize = 4;

/// Accounts that an error names.
const MAX_NAMED: usize = 10;

/// Who is asked, and what of it counts.
pub struct Scope<'a> {
    /// The server.
    pub server: &'a Server,
    /// Who signs in.
    pub access: &'a Access,
    /// Which accounts.
    pub selection: &'a Selection,
    /// Whether nobody has signed in since the last verify, so that what changed is wrong.
    pub strict: bool,
}

/// What a server was found to serve.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Over {
    /// Accounts that were looked at.
    pub accounts: u64,
    /// Accounts that are not open to anybody, and did not open, or that no password was given of.
    pub closed: u64,
    /// Mailboxes that were compared.
    pub mailboxes: u64,
    /// Messages of which the bytes were compared.
    pub messages: u64,
    /// Bytes that were read.
    pub read_bytes: u64,
    /// Messages with other flags or keywords than at the last verify.
    pub changed: u64,
    /// Messages that came since.
    pub arrived: u64,
    /// Messages of *before* that POP3 leaves out, as the account's setting says (`RULES.md 5.3`).
    pub hidden: u64,
    /// Messages with 0x80 where they have NUL, which no literal of IMAP can hold.
    pub without_nul: u64,
    /// What is not as it must be, in words; empty: everything is served as the ledger says.
    pub problems: Vec<String>,
}

/// Compares what a server serves with the ledger of an integration's last verify. `dir` is the data directory.
///
/// # Errors
/// [`IntegrationError::Order`] without a whole verify, or without a password of an account; when the server cannot be
/// reached, or a file not be read. What is wrong with the mail is in the result.
pub fn verify_over(
    dir: &Path,
    directory: &Directory,
    id: IntegrationId,
    scope: &Scope<'_>,
    progress: &dyn Progress,
) -> Result<Over, IntegrationError> {
    let wanted = expected::read(dir, directory, id, scope.selection)?;
    let (jobs, closed) = jobs(directory, scope, wanted)?;
    progress.found(jobs.iter().map(|job| job.wanted.message_count()).sum(), 0);
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let found: Mutex<Vec<(usize, Result<Findings, RemoteError>)>> = Mutex::default();
    std::thread::scope(|threads| {
        for _ in 0..SESSIONS.min(jobs.len()) {
            threads.spawn(|| {
                while !stop.load(Ordering::Relaxed)
                    && let index = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(job) = jobs.get(index)
                {
                    let checked = check(scope, job, progress);
                    // Without its server there is nothing to compare.
                    let fatal = checked.as_ref().is_err_and(|error| !is_of_account(error));
                    stop.fetch_or(fatal, Ordering::Relaxed);
                    found.lock().unwrap_or_else(|e| e.into_inner()).push((index, checked));
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_else(|e| e.into_inner());
    found.sort_by_key(|(index, _)| *index);
    let mut over = Over { closed, ..Over::default() };
    for (index, findings) in found {
        over.take(&jobs[index], findings)?;
    }
    Ok(over)
}

/// An account to look at.
struct Job {
    wanted: Wanted,
    sign_in: SignIn,
    /// Whether its owner may sign in.
    is_open: bool,
    pop3_before: Pop3Before,
}

/// The accounts to look at, and how many are left out because nobody can sign in to them.
fn jobs(directory: &Directory, scope: &Scope<'_>, wanted: Vec<Wanted>) -> Result<(Vec<Job>, u64), IntegrationError> {
    let (mut jobs, mut without, mut closed) = (Vec::new(), Vec::new(), 0);
    for wanted in wanted {
        let account = directory.account(&wanted.address)?;
        let is_open = account.as_ref().is_some_and(|account| account.state == AccountState::Open);
        let pop3_before = account.and_then(|account| account.pop3_before).unwrap_or(Pop3Before::SeenHide);
        match scope.access.sign_in(&wanted.address) {
            Some(sign_in) => jobs.push(Job { wanted, sign_in, is_open, pop3_before }),
            None if !is_open => closed += 1,
            None => without.push(wanted.address),
        }
    }
    if without.is_empty() {
        return Ok((jobs, closed));
    }
    let named: Vec<&str> = without.iter().take(MAX_NAMED).map(|address| address.as_str()).collect();
    let more = match without.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let named = named.join(", ");
    let text = format!("the file of credentials has no password of {named}{more}: add them, or choose with --account");
    Err(IntegrationError::Order(text))
}

fn check(scope: &Scope<'_>, job: &Job, progress: &dyn Progress) -> Result<Findings, RemoteError> {
    match scope.server.url().protocol {
        Protocol::Imap => imap::check(scope, job, progress),
        Protocol::Pop3 => pop3::check(scope, job, progress),
    }
}

/// Whether a failure says something of one account alone.
fn is_of_account(error: &RemoteError) -> bool {
    match error {
        RemoteError::Refused { .. } | RemoteError::Answer { .. } | RemoteError::TooLarge { .. } => true,
        // It says it to this session.
        RemoteError::Protocol { .. } => true,
        RemoteError::Lost { .. }
        | RemoteError::Silent { .. }
        | RemoteError::Unavailable { .. }
        | RemoteError::Tls { .. }
        | RemoteError::Certificate { .. } => false,
    }
}

impl Over {
    fn take(&mut self, job: &Job, findings: Result<Findings, RemoteError>) -> Result<(), IntegrationError> {
        let address = &job.wanted.address;
        let findings = match findings {
            Ok(findings) => findings,
            Err(RemoteError::Refused { .. }) if !job.is_open => {
                self.closed += 1;
                return Ok(());
            }
            Err(error) if is_of_account(&error) => {
                self.accounts += 1;
                self.problems.push(format!("{address}: {error}"));
                return Ok(());
            }
            Err(error) => return Err(SourceError::Remote(error).into()),
        };
        self.accounts += 1;
        self.mailboxes += findings.mailboxes;
        self.messages += findings.messages;
        self.read_bytes += findings.read_bytes;
        self.changed += findings.changed;
        self.arrived += findings.arrived;
        self.hidden += findings.hidden;
        self.without_nul += findings.without_nul;
        self.problems.extend(findings.problems.into_iter().map(|problem| format!("{address}: {problem}")));
        Ok(())
    }
}
