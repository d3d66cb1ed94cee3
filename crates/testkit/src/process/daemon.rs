//! A process that serves until it is told to end.

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// How long one may take to listen, or to end; a loaded machine needs a part of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that serves. Dropped, it is told to end (SIGTERM), and killed where that does not help.
#[derive(Debug)]
pub struct Daemon(Child);

impl Daemon {
    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(command: &mut Command) -> anyhow::Result<Daemon> {
        Ok(Daemon(command.spawn().with_context(|| format!("cannot start {command:?}"))?))
    }

    /// Waits until it takes connections on every port. `false`: it ended since one was taken, which its log says with
    /// the words `taken`.
    ///
    /// # Errors
    /// When it ends for another reason or does not listen; with its log.
    pub fn listens(&mut self, ports: &[SocketAddr], log: impl Fn() -> String, taken: &str) -> anyhow::Result<bool> {
        let patient_until = Instant::now() + PATIENCE;
        while ports.iter().any(|port| TcpStream::connect(port).is_err()) {
            if let Some(status) = self.0.try_wait()? {
                let log = log();
                ensure!(log.contains(taken), "it ended at once ({status})\n{log}");
                return Ok(false);
            }
            ensure!(Instant::now() < patient_until, "it does not listen\n{}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(true)
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Tells it to end (SIGTERM), as a service manager does.
    pub fn terminate(&mut self) {
        // Its number may be another's by now if it has ended and was waited for.
        if matches!(self.0.try_wait(), Ok(None)) {
            // An error means that it has ended since, which a wait sees.
            let _ = rustix::process::kill_process(Pid::from_child(&self.0), Signal::TERM);
        }
    }

    /// Waits for its end; `None`: it takes too long.
    ///
    /// # Errors
    /// What the system says.
    pub fn wait(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        let patient_until = Instant::now() + PATIENCE;
        loop {
            let status = self.0.try_wait()?;
            if status.is_some() || Instant::now() > patient_until {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills it (SIGKILL).
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.terminate();
        if !matches!(self.wait(), Ok(Some(_))) {
            // Nobody is left to hear that it cannot be killed.
            let _ = self.kill();
        }
    }
}

/// Ports of loopback that are free now. Another process may take one between this and its use.
///
/// # Errors
/// When the system has none.
pub fn free_ports<const N: usize>() -> anyhow::Result<[SocketAddr; N]> {
    // All stay bound until all are known, so that they differ.
    let listeners: Vec<TcpListener> =
        (0..N).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<Result<_, _>>()?;
    let ports = listeners.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>()?;
    ports.try_into().map_err(|_| anyhow::anyhow!("as many ports as listeners"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn shell(script: &str) -> Daemon {
        Daemon::spawn(Command::new("sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn one_that_is_dropped_ends() {
        let daemon = shell("exec sleep 600");
        let pid = Pid::from_raw(i32::try_from(daemon.pid()).unwrap()).unwrap();
        drop(daemon);
        assert!(rustix::process::test_kill_process(pid).is_err(), "it is there no more");
    }

    #[test]
    fn one_that_ends_tells_whether_a_port_was_taken() {
        let [port] = free_ports().unwrap();
        let listens = |daemon: &mut Daemon, log: &str| daemon.listens(&[port], || log.to_owned(), "port is taken");
        assert!(!listens(&mut shell("exit 1"), "the port is taken").unwrap());
        let error = listens(&mut shell("exit 1"), "the disk is full").unwrap_err().to_string();
        assert!(error.contains("the disk is full"), "{error}");
    }

    #[test]
    fn ports_differ() {
        let [one, two, three] = free_ports().unwrap();
        assert!(one != two && two != three && one != three);
    }
}
