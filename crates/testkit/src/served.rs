//! The product serving on loopback, as a process of its own.

use crate::dovecot::{ServedMailbox, UidlEntry, client};
use crate::process::{Daemon, free_ports};
use anyhow::{Context, bail, ensure};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

/// How long an answer of HTTP may take; a loaded machine needs a part of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running `reintegra serve`. Dropping it ends it.
#[derive(Debug)]
pub struct Served {
    // Dropped in this order: the process ends before its directory goes.
    process: Daemon,
    directory: tempfile::TempDir,
    /// IMAP that begins in the clear; passwords are taken there, since it is loopback.
    pub imap: SocketAddr,
    /// IMAP with TLS first.
    pub imaps: SocketAddr,
    /// POP3 that begins in the clear; passwords are taken there.
    pub pop3: SocketAddr,
    /// POP3 with TLS first.
    pub pop3s: SocketAddr,
    /// SMTP for hosted domains.
    pub mx: SocketAddr,
    /// Submission that begins in the clear; passwords are taken there.
    pub submission: SocketAddr,
    /// Submission with TLS first.
    pub submissions: SocketAddr,
    /// LMTP.
    pub lmtp: SocketAddr,
    /// ManageSieve; passwords are taken without TLS.
    pub managesieve: SocketAddr,
    /// Metrics and health.
    pub operator: SocketAddr,
}

impl Served {
    /// Serves a data directory with the program `binary`. `more` is added to its configuration, as dotted keys.
    ///
    /// # Errors
    /// When it does not come up; with its log.
    pub fn start(binary: &Path, data: &Path, more: &str) -> anyhow::Result<Served> {
        // Another process may take a port between our choice and its listening.
        for _ in 0..5 {
            if let Some(served) = Self::try_start(binary, data, more)? {
                return Ok(served);
            }
        }
        bail!("reintegra finds no free port");
    }

    fn try_start(binary: &Path, data: &Path, more: &str) -> anyhow::Result<Option<Served>> {
        let directory = tempfile::Builder::new().prefix("served-").tempdir()?;
        let ports: [SocketAddr; 10] = free_ports()?;
        let [imap, imaps, pop3, pop3s, mx, submission, submissions, lmtp, managesieve, operator] = ports;
        let configuration = directory.path().join("reintegra.toml");
        let text = format!(
            "imap.listen = [\"{imap}\"]\nimap.listen_tls = [\"{imaps}\"]\n\
             pop3.listen = [\"{pop3}\"]\npop3.listen_tls = [\"{pop3s}\"]\n\
             mx.listen = [\"{mx}\"]\nlmtp.listen = [\"{lmtp}\"]\nmanagesieve.listen = [\"{managesieve}\"]\n\
             submission.listen = [\"{submission}\"]\nsubmission.listen_tls = [\"{submissions}\"]\n\
             operator.listen = \"{operator}\"\nsign_in.loopback_without_tls = true\n{more}"
        );
        std::fs::write(&configuration, text)?;
        let log = std::fs::File::create(directory.path().join("log"))?;
        let mut command = Command::new(binary);
        command.arg("--data").arg(data).arg("serve").arg("--config").arg(&configuration);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = Daemon::spawn(&mut command)?;
        let mut served = Served {
            process,
            directory,
            imap,
            imaps,
            pop3,
            pop3s,
            mx,
            submission,
            submissions,
            lmtp,
            managesieve,
            operator,
        };
        let log = served.directory.path().join("log");
        // In the order in which it binds them, the last last.
        let listens = served.process.listens(&ports, || crate::files::log(&log), "cannot be listened on")?;
        Ok(listens.then_some(served))
    }

    /// Everything that IMAP shows of an account, by a client that shares nothing with the product.
    ///
    /// # Errors
    /// When the account does not open or the answers are not as expected; with the log.
    pub fn account(&self, login: &str, password: &str) -> anyhow::Result<Vec<ServedMailbox>> {
        client::account(self.imap, login, password).with_context(|| self.log())
    }

    /// What POP3 lists of an account, in its order, likewise.
    ///
    /// # Errors
    /// As [`Served::account`].
    pub fn maildrop(&self, login: &str, password: &str) -> anyhow::Result<Vec<UidlEntry>> {
        client::maildrop(self.pop3, login, password).with_context(|| self.log())
    }

    /// What it wrote into its log.
    pub fn log(&self) -> String {
        crate::files::log(&self.directory.path().join("log"))
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Ends it as a service manager does, and gives how it ended and its log.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(mut self) -> anyhow::Result<(ExitStatus, String)> {
        self.process.terminate();
        let status = self.process.wait()?.with_context(|| format!("it does not end\n{}", self.log()))?;
        Ok((status, self.log()))
    }

    /// Kills it (SIGKILL).
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.process.kill()
    }
}

/// Gets a page by HTTP, from a server on loopback that closes after it: its body.
///
/// # Errors
/// When there is no answer, or none of success.
pub fn get(server: SocketAddr, path: &str) -> anyhow::Result<String> {
    use std::io::{Read as _, Write as _};
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no body")?;
    ensure!(head.starts_with("HTTP/1.1 200 "), "{head}");
    Ok(body.to_owned())
}
