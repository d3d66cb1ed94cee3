//! `reintegra serve` as an operator meets it: the built binary, its configuration, certificates, signals, logs, metrics,
//! its words when something is wrong, and what it keeps when it is killed.

#![expect(clippy::unwrap_used, reason = "tests")]

mod acme;
mod beside;
mod certificates;
mod client;
mod configuration;
mod crash_drill;
mod ending;
mod exim;
mod first_use;
mod killed;
mod limits;
mod lists;
mod log;
mod mail_faults;
mod mail_in;
mod mail_out;
mod mail_settings;
mod manager;
mod operator;
mod outbound;
mod password;
mod peers;
mod privacy;
mod scram;
mod sieve_editheader;
mod spawned;

use client::Client;
use directory::{Domain, NewAccount};
use integrate::Platform;
use message::Address;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use store::OpenOptions;
use tempfile::TempDir;
use testkit::process::{Ran, free_ports, run};
use testkit::served::Served;

const ANA: &str = "ana@example.org";
const PASSWORD: &str = "hierro2602-Tzintzuntzan";

/// Configuration of a server that moves no mail: its ports are not the test's.
const NO_MAIL: &str = "mx.listen = []\nsubmission.listen = []\nsubmission.listen_tls = []\nmanagesieve.listen = []\n";

/// How long something may take; a loaded machine needs a part of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory to work in, with a data directory's path.
struct Place {
    root: TempDir,
}

impl Place {
    fn new() -> Self {
        Place { root: tempfile::tempdir().unwrap() }
    }

    /// A place with a data directory that has one account.
    fn with_ana() -> Self {
        let place = Place::new();
        let platform = Platform::init(&place.data(), 2, OpenOptions::for_purpose("test")).unwrap();
        let domain = Domain { name: "example.org".into(), customer_id: None, disabled: false, created_at: 0 };
        platform.directory.write(|tx| tx.add_domain(&domain)).unwrap();
        let account = NewAccount::new(Address::new(ANA).unwrap());
        let id = platform.directory.write(|tx| tx.add_account(&account)).unwrap();
        platform.directory.change_password(id, PASSWORD.as_bytes()).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn data(&self) -> PathBuf {
        self.path("data")
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Serves; `more` is added to the configuration.
    fn serve(&self, more: &str) -> Served {
        Served::start(Path::new(binary()), &self.data(), more).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.arg("--data").arg(self.data()).args(arguments);
        command
    }

    /// Runs a command on the data directory.
    fn reintegra(&self, arguments: &[&str]) -> Ran {
        run(&mut self.command(arguments)).unwrap()
    }

    /// Every record and every row agree.
    #[track_caller]
    fn is_sound(&self) {
        let checked = self.reintegra(&["check"]);
        assert_eq!(checked.code(), Some(0), "{}{}", checked.stdout, checked.stderr);
    }
}

fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_reintegra")
}

/// Ends a server, which must end well; gives its log.
#[track_caller]
fn stop(served: Served) -> String {
    let (status, log) = served.stop().unwrap();
    assert!(status.success(), "{status}\n{log}");
    log
}

/// Waits until something is so.
#[track_caller]
fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    let patient_until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < patient_until, "not so: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// A small message that is found by its number.
fn message(number: u64) -> String {
    format!(
        "From: ana@example.org\r\nMessage-ID: <{number}@example.org>\r\nSubject: no. {number}\r\n\r\nHola {number}.\r\n"
    )
}
