//! The product serving on loopback, as a process of its own.

use crate::dovecot::{ServedMailbox, UidlEntry, client};
use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long it may take to listen, or to end; a loaded machine needs a part of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running `reintegra serve`. Dropping it ends it.
#[derive(Debug)]
pub struct Served {
    // Dropped in this order: the process ends before its directory goes.
    process: Process,
    directory: tempfile::TempDir,
    /// IMAP that begins in the clear; passwords are taken there, since it is loopback.
    pub imap: SocketAddr,
    /// IMAP with TLS first.
    pub imaps: SocketAddr,
    /// POP3 that begins in the clear; passwords are taken there.
    pub pop3: SocketAddr,
    /// POP3 with TLS first.
    pub pop3s: SocketAddr,
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
        let [imap, imaps, pop3, pop3s, operator] = free_ports()?;
        let configuration = directory.path().join("reintegra.toml");
        let text = format!(
            "imap.listen = [\"{imap}\"]\nimap.listen_tls = [\"{imaps}\"]\n\
             pop3.listen = [\"{pop3}\"]\npop3.listen_tls = [\"{pop3s}\"]\n\
             operator.listen = \"{operator}\"\nsign_in.loopback_without_tls = true\n{more}"
        );
        std::fs::write(&configuration, text)?;
        let log = std::fs::File::create(directory.path().join("log"))?;
        let mut command = Command::new(binary);
        command.arg("--data").arg(data).arg("serve").arg("--config").arg(&configuration);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = Process(command.spawn().with_context(|| format!("cannot start {command:?}"))?);
        let mut served = Served { process, directory, imap, imaps, pop3, pop3s, operator };
        let patient_until = Instant::now() + PATIENCE;
        // In the order in which it binds them, the last last.
        while [imap, imaps, pop3, pop3s, operator].iter().any(|port| TcpStream::connect(port).is_err()) {
            if let Some(status) = served.process.0.try_wait()? {
                ensure!(
                    served.log().contains("cannot be listened on"),
                    "it ended at once ({status})\n{}",
                    served.log()
                );
                return Ok(None);
            }
            ensure!(Instant::now() < patient_until, "it does not listen\n{}", served.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Some(served))
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
        String::from_utf8_lossy(&std::fs::read(self.directory.path().join("log")).unwrap_or_default()).into_owned()
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Ends it as a service manager does, and gives how it ended and its log.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(mut self) -> anyhow::Result<(ExitStatus, String)> {
        self.process.terminate();
        let patient_until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.0.try_wait()? {
                return Ok((status, self.log()));
            }
            ensure!(Instant::now() < patient_until, "it does not end\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills it (SIGKILL).
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.process.0.kill()?;
        self.process.0.wait()?;
        Ok(())
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

/// Ports of loopback that are free now.
fn free_ports<const N: usize>() -> anyhow::Result<[SocketAddr; N]> {
    // All stay bound until all are known, so that they differ.
    let listeners: Vec<TcpListener> =
        (0..N).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<Result<_, _>>()?;
    let ports = listeners.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>()?;
    ports.try_into().map_err(|_| anyhow::anyhow!("as many ports as listeners"))
}

#[derive(Debug)]
struct Process(Child);

impl Process {
    fn terminate(&self) {
        // An error means that it has ended already, which a wait sees.
        let _ = rustix::process::kill_process(Pid::from_child(&self.0), Signal::TERM);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.terminate();
        let patient_until = Instant::now() + PATIENCE;
        while let Ok(None) = self.0.try_wait() {
            if Instant::now() > patient_until {
                let _ = self.0.kill();
                let _ = self.0.wait();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
