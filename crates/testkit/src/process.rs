//! Running the product and its peers as a person or a power failure would: to their end, or killed on the way.

mod daemon;

pub use daemon::{Daemon, free_ports};

use anyhow::Context;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// What a process left behind.
#[derive(Clone, Debug)]
pub struct Ran {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output, bytes that are no UTF-8 replaced.
    pub stdout: String,
    /// What it wrote to standard error, likewise.
    pub stderr: String,
}

impl Ran {
    /// Gives the exit code; `None` when a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

/// When to kill a process.
#[derive(Clone, Debug)]
pub enum KillAt {
    /// After this long, wherever it is by then.
    Delay(Duration),
    /// As soon as it has written this text to standard output or standard error.
    Text(String),
}

/// Runs a command to its end. A bad exit code is a value, not an error.
///
/// # Errors
/// When it cannot be started.
pub fn run(command: &mut Command) -> anyhow::Result<Ran> {
    finish(start(command)?, None)
}

/// Runs a command and kills it (SIGKILL) at a point, unless it ends before; then the status says so.
///
/// # Errors
/// When it cannot be started or killed.
pub fn run_and_kill(command: &mut Command, at: &KillAt) -> anyhow::Result<Ran> {
    finish(start(command)?, Some(at))
}

fn start(command: &mut Command) -> anyhow::Result<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().with_context(|| format!("cannot start {command:?}"))
}

fn finish(mut child: Child, kill: Option<&KillAt>) -> anyhow::Result<Ran> {
    let text = match kill {
        Some(KillAt::Text(text)) => text.clone().into_bytes(),
        _ => Vec::new(),
    };
    let (seen, sight) = mpsc::channel();
    let stdout = child.stdout.take().context("standard output was piped")?;
    let stderr = child.stderr.take().context("standard error was piped")?;
    let (status, stdout, stderr) = std::thread::scope(|scope| -> anyhow::Result<_> {
        // Both pipes are read at once, or a talkative process would stop at the full one.
        let stdout = scope.spawn(reader(stdout, text.clone(), seen.clone()));
        let stderr = scope.spawn(reader(stderr, text, seen));
        let reached = match kill {
            None => false,
            Some(KillAt::Delay(delay)) => {
                // The readers hang up at the end of the process, which ends the wait early.
                matches!(sight.recv_timeout(*delay), Err(mpsc::RecvTimeoutError::Timeout))
            }
            Some(KillAt::Text(_)) => sight.recv().is_ok(),
        };
        if reached {
            child.kill().context("cannot kill the process")?;
        }
        let status = child.wait()?;
        let read = |reader: std::thread::ScopedJoinHandle<'_, Vec<u8>>| {
            let bytes = reader.join().expect("a reader does not panic");
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Ok((status, read(stdout), read(stderr)))
    })?;
    Ok(Ran { status, stdout, stderr })
}

/// Reads a pipe to its end and tells when `text` has come (an empty one never does).
fn reader(mut pipe: impl Read, text: Vec<u8>, seen: mpsc::Sender<()>) -> impl FnOnce() -> Vec<u8> {
    move || {
        let mut all = Vec::new();
        let mut chunk = [0; 4096];
        let mut told = text.is_empty();
        // An error is the end as well: a killed process may break its pipe.
        while let Ok(length @ 1..) = pipe.read(&mut chunk) {
            let from = all.len().saturating_sub(text.len());
            all.extend_from_slice(&chunk[..length]);
            if !told && all[from..].windows(text.len()).any(|window| window == text) {
                told = true;
                // Nobody listens when nobody waits for a text.
                let _ = seen.send(());
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_process_that_fails_is_a_value() -> anyhow::Result<()> {
        let ran = run(&mut shell("echo out; echo err >&2; exit 3"))?;
        assert_eq!((ran.code(), ran.stdout.as_str(), ran.stderr.as_str()), (Some(3), "out\n", "err\n"));
        Ok(())
    }

    #[test]
    fn a_process_is_killed_at_what_it_says() -> anyhow::Result<()> {
        let ran = run_and_kill(&mut shell("echo half way; exec sleep 600"), &KillAt::Text("half".into()))?;
        assert_eq!(ran.code(), None);
        assert_eq!(ran.stdout, "half way\n");
        Ok(())
    }

    #[test]
    fn a_process_is_killed_after_a_while() -> anyhow::Result<()> {
        let ran = run_and_kill(&mut shell("exec sleep 600"), &KillAt::Delay(Duration::from_millis(5)))?;
        assert_eq!(ran.code(), None);
        Ok(())
    }

    #[test]
    fn one_that_ends_before_is_left_alone() -> anyhow::Result<()> {
        for at in [KillAt::Delay(Duration::from_secs(600)), KillAt::Text("never said".into())] {
            let ran = run_and_kill(&mut shell("echo done"), &at)?;
            assert_eq!((ran.code(), ran.stdout.as_str()), (Some(0), "done\n"));
        }
        Ok(())
    }

    #[test]
    fn more_output_than_a_pipe_holds_does_not_stop_it() -> anyhow::Result<()> {
        let ran = run(&mut shell("head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero"))?;
        assert_eq!((ran.stdout.len(), ran.stderr.len()), (300_000, 300_000));
        Ok(())
    }
}
