//! The program as a process of its own, started in a test's own way: without a configuration, under a manager.

use super::*;
use rustix::process::Signal;
use std::process::{Child, ExitStatus, Stdio};

/// A running process with its log in a file. Dropping it kills it.
pub(super) struct Spawned {
    child: Child,
    log: PathBuf,
}

impl Spawned {
    pub(super) fn start(mut command: Command, log: PathBuf) -> Self {
        let file = std::fs::File::create(&log).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Spawned { child, log }
    }

    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a text in the log; whether it came before the process ended.
    pub(super) fn says(&mut self, text: &str) -> bool {
        let mut ended = false;
        await_that(text, || {
            ended = self.child.try_wait().unwrap().is_some();
            ended || self.log().contains(text)
        });
        self.log().contains(text)
    }

    /// Waits for its end.
    pub(super) fn ended(mut self) -> (ExitStatus, String) {
        await_that("the process ends", || self.child.try_wait().unwrap().is_some());
        (self.child.wait().unwrap(), self.log())
    }

    /// Ends it as a manager does.
    pub(super) fn end(self) -> (ExitStatus, String) {
        signal(self.pid(), Signal::TERM);
        self.ended()
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        // An error says that it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
