//! The one place where errors become an exit code and words: what happened, why, what to do now.

use crate::exit::Exit;
use crate::serve::{ConfigError, SocketError};
use directory::{DirectoryError, ErrorClass};
use integrate::accounts::ResolveError;
use integrate::export::ExportError;
use integrate::ledger::{KeyError, LedgerError};
use integrate::stage::StageError;
use integrate::{IntegrationError, PlatformError};
use source::SourceError;
use source::remote::RemoteError;
use std::error::Error;
use std::fmt;
use std::io::ErrorKind;
use store::{Class, StoreError};

/// An error that a command words itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    exit: Exit,
    what: String,
    why: Option<String>,
    now: Option<String>,
}

impl Problem {
    /// The command makes no sense, or none here.
    pub(crate) fn wrong_use(what: impl Into<String>) -> Self {
        Self::new(Exit::WrongUse, what)
    }

    /// What was asked for ends so.
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Problem { exit, what: what.into(), why: None, now: None }
    }

    /// Says why.
    pub(crate) fn because(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// Says what to do.
    pub(crate) fn now(mut self, now: impl Into<String>) -> Self {
        self.now = Some(now.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for Problem {}

/// An error as it is told to a person: what happened, why, what to do now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// How the process ends.
    pub(crate) exit: Exit,
    what: String,
    why: Vec<String>,
    now: Option<String>,
}

impl Failure {
    /// Words an error.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        let (mut exit, mut now) = (Exit::Failed, None);
        let (mut what, mut why) = (String::new(), Vec::new());
        let mut last = String::new();
        for cause in error.chain() {
            let text = cause.to_string();
            if what.is_empty() {
                what.clone_from(&text);
            } else if !last.contains(&text) {
                why.push(text.clone());
            }
            last = text;
            why.extend(cause.downcast_ref::<Problem>().and_then(|p| p.why.clone()));
        }
        if let Some(advice) = error.chain().find_map(advice) {
            (exit, now) = (advice.0, advice.1);
        }
        Failure { exit, what, why, now }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        for why in &self.why {
            write!(f, "\n  why: {why}")?;
        }
        match &self.now {
            Some(now) => write!(f, "\n  now: {now}"),
            None => Ok(()),
        }
    }
}

/// How the process ends, and what to do.
type Advice = (Exit, Option<String>);

const MAKE_ROOM: &str = "make room on the disk and run the command again: what is done stays done";
const DAMAGED: &str =
    "look at the disk; `reintegra check` says what is damaged, `reintegra rebuild` makes indexes anew";
const DAMAGED_DIRECTORY: &str = "put directory.sqlite back from a backup: nothing else has what is in it";
const AGAIN: &str = "run the command again: what is done stays done";

fn failed(now: &str) -> Advice {
    (Exit::Failed, Some(now.to_owned()))
}

fn wrong(now: &str) -> Advice {
    (Exit::WrongUse, Some(now.to_owned()))
}

/// What is known about an error of a chain; `None`: ask the next. An error that is shown as the one within it hides that
/// one from the chain, so it is asked here.
fn advice(cause: &(dyn Error + 'static)) -> Option<Advice> {
    if let Some(problem) = cause.downcast_ref::<Problem>() {
        Some((problem.exit, problem.now.clone()))
    } else if let Some(error) = cause.downcast_ref::<PlatformError>() {
        match error {
            PlatformError::Store(error) => Some(of_store(error)),
            PlatformError::Directory(error) => of_directory(error),
            PlatformError::Lost { .. } => {
                Some(failed("put it back from a backup; an empty one would lose every account"))
            }
        }
    } else if let Some(error) = cause.downcast_ref::<IntegrationError>() {
        of_integration(error)
    } else if let Some(error) = cause.downcast_ref::<StageError>() {
        of_stage(error)
    } else if let Some(error) = cause.downcast_ref::<ExportError>() {
        of_export(error)
    } else if let Some(error) = cause.downcast_ref::<ResolveError>() {
        of_resolve(error)
    } else if let Some(error) = cause.downcast_ref::<KeyError>() {
        Some(of_key(error))
    } else if let Some(error) = cause.downcast_ref::<LedgerError>() {
        Some(of_ledger(error))
    } else if let Some(error) = cause.downcast_ref::<StoreError>() {
        Some(of_store(error))
    } else if let Some(error) = cause.downcast_ref::<DirectoryError>() {
        of_directory(error)
    } else if let Some(error) = cause.downcast_ref::<SourceError>() {
        Some(of_source(error))
    } else if let Some(error) = cause.downcast_ref::<ConfigError>() {
        Some(of_config(error))
    } else if let Some(error) = cause.downcast_ref::<SocketError>() {
        Some(of_socket(error))
    } else if cause.is::<edge::tls::TlsError>() {
        Some(wrong("look at the files that `tls.certificates` names: a PEM chain and its key, readable by this user"))
    } else {
        cause.downcast_ref::<std::io::Error>().map(|error| of_io(error.kind()))
    }
}

fn of_config(error: &ConfigError) -> Advice {
    match error {
        ConfigError::Read { .. } => wrong("name a file that can be read: `--config FILE`"),
        ConfigError::Wrong { .. } => wrong("docs/config.md explains every key, reintegra.example.toml shows them all"),
    }
}

fn of_socket(error: &SocketError) -> Advice {
    match error {
        SocketError::Bind { cause, address, .. } if cause.kind() == ErrorKind::PermissionDenied => {
            failed(if address.port() < 1024 {
                "ports below 1024 take CAP_NET_BIND_SERVICE or systemd's sockets: packaging/ has units with both"
            } else {
                "look what forbids it: a security module, most likely"
            })
        }
        SocketError::Bind { cause, .. } if cause.kind() == ErrorKind::AddrNotAvailable => {
            failed("no interface of this machine has this address (`ip address` lists them): name another one")
        }
        SocketError::Bind { .. } => {
            failed("stop what listens there (`ss -ltnp` says what), or name another address in the configuration")
        }
        SocketError::Stranger { .. } | SocketError::NoSocket { .. } => {
            wrong("make the `.socket` unit and the addresses of the configuration agree")
        }
    }
}

fn of_integration(error: &IntegrationError) -> Option<Advice> {
    match error {
        IntegrationError::Store(error) => Some(of_store(error)),
        IntegrationError::Directory(error) => of_directory(error),
        IntegrationError::Source(error) => Some(of_source(error)),
        IntegrationError::Stage(error) => of_stage(error),
        IntegrationError::Ledger(error) => Some(of_ledger(error)),
        IntegrationError::Key(error) => Some(of_key(error)),
        IntegrationError::Io { cause, .. } => Some(of_io(cause.kind())),
        // It says itself which step comes first.
        IntegrationError::Order(_) => Some((Exit::WrongUse, None)),
    }
}

fn of_stage(error: &StageError) -> Option<Advice> {
    match error {
        StageError::Source(error) => Some(of_source(error)),
        StageError::Store(error) => Some(of_store(error)),
        StageError::Directory(error) => of_directory(error),
        StageError::Worker => Some((Exit::Failed, None)),
    }
}

fn of_export(error: &ExportError) -> Option<Advice> {
    match error {
        ExportError::Occupied { .. } => Some((Exit::WrongUse, None)),
        ExportError::Io { .. } if error.is_disk_full() => {
            Some(failed("make room on the disk, remove what was written, and export again"))
        }
        ExportError::Io { cause, .. } => Some(of_io(cause.kind())),
        ExportError::Store(error) => Some(of_store(error)),
        ExportError::Directory(error) => of_directory(error),
        ExportError::Worker => Some((Exit::Failed, None)),
    }
}

fn of_resolve(error: &ResolveError) -> Option<Advice> {
    match error {
        ResolveError::NoSuchConflict { .. } | ResolveError::WrongChoice { .. } | ResolveError::Argument { .. } => {
            Some(wrong("`reintegra conflicts` lists every conflict with its choices"))
        }
        ResolveError::Final { .. } | ResolveError::Changed { .. } | ResolveError::Loop { .. } => {
            Some((Exit::WrongUse, None))
        }
        // What is behind it is next in the chain; it says itself how to go on.
        ResolveError::Mail { .. } => None,
        ResolveError::Directory(error) => of_directory(error),
    }
}

fn of_key(error: &KeyError) -> Advice {
    match error {
        KeyError::Io { cause, .. } => of_io(cause.kind()),
        // Each says itself what to do, or there is nothing to be done.
        KeyError::Exists { .. } | KeyError::TooOpen { .. } | KeyError::NoRandomness => (Exit::Failed, None),
        KeyError::NotAKey { .. } => failed("put the key back from a copy; ledgers signed with it need it"),
    }
}

fn of_ledger(error: &LedgerError) -> Advice {
    match error {
        LedgerError::Io(cause) => of_io(cause.kind()),
        _ => (Exit::Failed, None),
    }
}

fn of_io(kind: ErrorKind) -> Advice {
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => failed(MAKE_ROOM),
        ErrorKind::PermissionDenied => failed("run the command as the user who owns these files"),
        ErrorKind::NotFound => failed("look whether the path is written as it should be"),
        ErrorKind::AlreadyExists => failed("name another place, or move away what is there"),
        _ => failed("look at the disk and the system's log, then run the command again"),
    }
}

fn of_store(error: &StoreError) -> Advice {
    match error {
        StoreError::Io { cause, .. } => of_io(cause.kind()),
        StoreError::InUse { .. } => failed("run the command again when that process has ended"),
        StoreError::Write(error) => of_store(error),
        // It says itself what to do.
        StoreError::Directory { .. } => (Exit::Failed, None),
        error if error.is_disk_full() => failed(MAKE_ROOM),
        error => match error.class() {
            Class::Corruption => failed(DAMAGED),
            Class::Temporary => failed(AGAIN),
            Class::Permanent | Class::Caller => (Exit::Failed, None),
        },
    }
}

fn of_directory(error: &DirectoryError) -> Option<Advice> {
    match error {
        // What is behind it is next in the chain.
        DirectoryError::Caller(_) => None,
        DirectoryError::Create { source, .. } => Some(of_io(source.kind())),
        error if error.is_disk_full() => Some(failed(MAKE_ROOM)),
        error => Some(match error.class() {
            ErrorClass::Peer => (Exit::WrongUse, None),
            ErrorClass::Temporary => failed(AGAIN),
            ErrorClass::Corruption => failed(DAMAGED_DIRECTORY),
            ErrorClass::Permanent => (Exit::Failed, None),
        }),
    }
}

fn of_source(error: &SourceError) -> Advice {
    match error {
        SourceError::Io { cause, .. } if cause.kind() == ErrorKind::NotFound => {
            wrong("name a source that exists: a mail server's tree, or a source.toml")
        }
        SourceError::Io { cause, .. } => of_io(cause.kind()),
        SourceError::Description { .. } => wrong("docs/source-toml.md describes every key"),
        SourceError::Unknown { .. } => (Exit::WrongUse, None),
        SourceError::Remote(error) => of_remote(error),
    }
}

fn of_remote(error: &RemoteError) -> Advice {
    match error {
        error if error.is_temporary() => failed("run the command again when the server answers; it goes on from there"),
        RemoteError::Refused { .. } => {
            wrong("check the login and the password of this account in the file of credentials")
        }
        RemoteError::Certificate { .. } => wrong(
            "name the certificates that are believed by ca_file (docs/source-toml.md), and the server as its own does",
        ),
        RemoteError::Tls { .. } => wrong("docs/source-toml.md says when TLS begins"),
        _ => (Exit::Failed, None),
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, Problem};
    use crate::exit::Exit;
    use crate::serve::SocketError;
    use anyhow::Error;
    use directory::{ConflictNumber, DirectoryError};
    use integrate::accounts::ResolveError;
    use integrate::export::ExportError;
    use integrate::ledger::{KeyError, LedgerError};
    use integrate::stage::StageError;
    use integrate::{IntegrationError, PlatformError};
    use source::SourceError;
    use source::remote::RemoteError;
    use std::io::{self, ErrorKind};
    use std::path::PathBuf;
    use std::sync::Arc;
    use store::StoreError;

    fn path() -> PathBuf {
        PathBuf::from("data")
    }

    fn store_io(kind: ErrorKind) -> StoreError {
        StoreError::Io { path: path(), cause: kind.into() }
    }

    fn in_use() -> StoreError {
        StoreError::InUse { path: path(), holder: "process 12 (reintegra check)".to_owned() }
    }

    fn lost_server() -> RemoteError {
        RemoteError::Lost { server: "imap://x".to_owned(), cause: ErrorKind::ConnectionReset.into() }
    }

    fn refused() -> RemoteError {
        RemoteError::Refused { server: "imap://x".to_owned(), login: "ana".to_owned(), text: "no".to_owned() }
    }

    fn unbelieved() -> RemoteError {
        RemoteError::Certificate { server: "imaps://x".to_owned(), text: "no".to_owned() }
    }

    fn directory(message: &str) -> StoreError {
        StoreError::Directory { path: path(), message: message.to_owned() }
    }

    fn source_io(kind: ErrorKind) -> SourceError {
        SourceError::Io { path: path(), cause: kind.into() }
    }

    fn unbound(kind: ErrorKind, port: u16) -> Error {
        SocketError::Bind { key: "imap.listen", address: ([192, 0, 2, 1], port).into(), cause: kind.into() }.into()
    }

    fn conflict() -> ConflictNumber {
        ConflictNumber::new_unchecked(1)
    }

    /// Every kind of error that can reach a person: its exit code, and words of its advice (empty: none).
    fn table() -> Vec<(Error, Exit, &'static str)> {
        use Exit::{Failed, Incomplete, WrongUse};
        vec![
            (Problem::wrong_use("no").now("say it otherwise").into(), WrongUse, "say it otherwise"),
            (Problem::new(Incomplete, "no").into(), Incomplete, ""),
            (PlatformError::from(in_use()).into(), Failed, "when that process has ended"),
            (PlatformError::from(DirectoryError::Stopped).into(), Failed, ""),
            (store_io(ErrorKind::StorageFull).into(), Failed, "make room"),
            (store_io(ErrorKind::PermissionDenied).into(), Failed, "the user who owns"),
            (store_io(ErrorKind::NotFound).into(), Failed, "the path"),
            (store_io(ErrorKind::Other).into(), Failed, "the disk"),
            (StoreError::Write(Arc::new(store_io(ErrorKind::QuotaExceeded))).into(), Failed, "make room"),
            (directory("it has format 9").into(), Failed, ""),
            (StoreError::BadRow("it makes no sense".to_owned()).into(), Failed, "reintegra check"),
            (StoreError::Stopped.into(), Failed, "run the command again"),
            (StoreError::ReadOnly.into(), Failed, ""),
            (StoreError::Caller("no such mailbox".to_owned()).into(), Failed, ""),
            (DirectoryError::Missing { what: "account", key: "a".to_owned() }.into(), WrongUse, ""),
            (DirectoryError::ChangedMigration { number: 1 }.into(), Failed, "from a backup"),
            (PlatformError::Lost { path: path(), state: "missing" }.into(), Failed, "from a backup"),
            (DirectoryError::NewerSchema { found: 2, known: 1 }.into(), Failed, ""),
            (DirectoryError::OlderSchema { found: 1, known: 2 }.into(), Failed, ""),
            (DirectoryError::ReadOnly.into(), Failed, ""),
            (DirectoryError::Password(directory::password::PasswordError::Random).into(), Failed, "again"),
            (
                DirectoryError::Create { path: path(), source: ErrorKind::StorageFull.into() }.into(),
                Failed,
                "make room",
            ),
            (DirectoryError::caller(in_use()).into(), Failed, "when that process has ended"),
            (source_io(ErrorKind::NotFound).into(), WrongUse, "a source that exists"),
            (source_io(ErrorKind::PermissionDenied).into(), Failed, "the user who owns"),
            (SourceError::Description { path: path(), message: "?".to_owned() }.into(), WrongUse, "source-toml.md"),
            (SourceError::Unknown { path: path(), message: "?".to_owned() }.into(), WrongUse, ""),
            (SourceError::Remote(lost_server()).into(), Failed, "again when the server answers"),
            (SourceError::Remote(refused()).into(), WrongUse, "credentials"),
            (SourceError::Remote(unbelieved()).into(), WrongUse, "ca_file"),
            (IntegrationError::from(in_use()).into(), Failed, "when that process has ended"),
            (IntegrationError::from(DirectoryError::caller(in_use())).into(), Failed, "when that process has ended"),
            (IntegrationError::from(source_io(ErrorKind::NotFound)).into(), WrongUse, "a source that exists"),
            (IntegrationError::from(StageError::from(in_use())).into(), Failed, "when that process has ended"),
            (IntegrationError::from(StageError::from(source_io(ErrorKind::Other))).into(), Failed, "the disk"),
            (IntegrationError::from(StageError::from(DirectoryError::Stopped)).into(), Failed, ""),
            (IntegrationError::from(StageError::Worker).into(), Failed, ""),
            (IntegrationError::from(LedgerError::Io(ErrorKind::StorageFull.into())).into(), Failed, "make room"),
            (LedgerError::OutOfOrder { expected: 1, found: 2 }.into(), Failed, ""),
            (IntegrationError::from(KeyError::NotAKey { path: path(), expected: "key" }).into(), Failed, "a copy"),
            (KeyError::Io { path: path(), cause: ErrorKind::NotFound.into() }.into(), Failed, "the path"),
            (KeyError::TooOpen { path: path(), mode: 0o644 }.into(), Failed, ""),
            (IntegrationError::Order("stage it first".to_owned()).into(), WrongUse, ""),
            (
                IntegrationError::Io { path: path(), cause: ErrorKind::PermissionDenied.into() }.into(),
                Failed,
                "the user who owns",
            ),
            (ExportError::Occupied { path: path(), unfinished: false }.into(), WrongUse, ""),
            (
                ExportError::Io { path: path(), cause: ErrorKind::StorageFull.into() }.into(),
                Failed,
                "remove what was written",
            ),
            (ExportError::Io { path: path(), cause: ErrorKind::Other.into() }.into(), Failed, "the disk"),
            (ExportError::from(in_use()).into(), Failed, "when that process has ended"),
            (ExportError::from(DirectoryError::Stopped).into(), Failed, ""),
            (ExportError::Worker.into(), Failed, ""),
            (ResolveError::NoSuchConflict { number: conflict() }.into(), WrongUse, "reintegra conflicts"),
            (
                ResolveError::WrongChoice { number: conflict(), choice: "no".to_owned(), choices: Vec::new() }.into(),
                WrongUse,
                "reintegra conflicts",
            ),
            (ResolveError::Loop { address: "a@b".to_owned() }.into(), WrongUse, ""),
            (
                ResolveError::Mail { number: conflict(), choice: "both".to_owned(), cause: Box::new(in_use()) }.into(),
                Failed,
                "when that process has ended",
            ),
            (ResolveError::from(DirectoryError::Stopped).into(), Failed, ""),
            (unbound(ErrorKind::PermissionDenied, 143), Failed, "CAP_NET_BIND_SERVICE"),
            (unbound(ErrorKind::PermissionDenied, 1143), Failed, "what forbids it"),
            (unbound(ErrorKind::AddrNotAvailable, 143), Failed, "no interface of this machine has this address"),
            (unbound(ErrorKind::AddrInUse, 143), Failed, "stop what listens there"),
            (io::Error::from(ErrorKind::AlreadyExists).into(), Failed, "another place"),
            (Error::msg("anything else"), Failed, ""),
        ]
    }

    #[test]
    fn every_error_has_its_exit_code_and_advice() {
        for (error, exit, advice) in table() {
            let bare = Failure::of(&error);
            assert_eq!(bare.exit, exit, "{bare}");
            match &bare.now {
                Some(now) => assert!(!advice.is_empty() && now.contains(advice), "{bare}"),
                None => assert!(advice.is_empty(), "{bare}"),
            }
            let told = Failure::of(&error.context("the step stopped"));
            assert_eq!((told.exit, told.now), (bare.exit, bare.now), "a headline changes neither");
        }
    }

    #[test]
    fn an_error_says_what_why_and_what_to_do() {
        let error = Error::from(PlatformError::from(in_use())).context("the data directory cannot be opened");
        assert_eq!(
            Failure::of(&error).to_string(),
            "error: the data directory cannot be opened\n  \
             why: data is in use by process 12 (reintegra check); wait for it to end, or stop it\n  \
             now: run the command again when that process has ended"
        );
        let error = Error::from(store_io(ErrorKind::StorageFull)).context("staging stopped");
        assert_eq!(
            Failure::of(&error).to_string(),
            "error: staging stopped\n  \
             why: data: no storage space\n  \
             now: make room on the disk and run the command again: what is done stays done"
        );
        let error = Error::from(Problem::wrong_use("there is no account a@b").because("it was never made").now("look"));
        assert_eq!(
            Failure::of(&error).to_string(),
            "error: there is no account a@b\n  why: it was never made\n  now: look"
        );
    }
}
