//! Counts what is done to the disk, and decides what fails.

use std::io;

use rustix::io::Errno;

/// How an injected failure looks to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// `ENOSPC`; from SQLite `SQLITE_FULL`, or `SQLITE_IOERR_FSYNC` where it was a sync.
    NoSpace,
    /// `EIO`; from SQLite `SQLITE_IOERR` and its kinds.
    Io,
}

/// What is about to be done.
#[derive(Clone, Copy)]
pub(super) enum Op {
    /// Changes nothing: not counted, but refused without power.
    Read,
    /// A write, a change of length or a reservation.
    Write { grows: bool },
    /// Of a file or of a directory.
    Sync,
    /// A name is made or removed.
    Name { made: bool },
}

/// Why an operation is not done.
#[derive(Clone, Copy)]
pub(super) enum Refusal {
    PowerOff,
    Injected(Failure),
}

#[derive(Default)]
pub(super) struct Gate {
    pub(super) ops: u64,
    pub(super) syncs: u64,
    stop_at: Option<u64>,
    fault: Option<Fault>,
}

struct Fault {
    /// Writes and syncs until it strikes, itself included.
    countdown: u64,
    failure: Failure,
    lasting: bool,
}

impl Gate {
    /// Counts an operation and says whether it may be done.
    pub(super) fn admit(&mut self, op: Op) -> Result<(), Refusal> {
        if self.stop_at.is_some_and(|at| self.ops >= at) {
            return Err(Refusal::PowerOff);
        }
        if matches!(op, Op::Read) {
            return Ok(());
        }
        self.ops += 1;
        let Some(fault) = &mut self.fault else { return Ok(()) };
        if matches!(op, Op::Write { .. } | Op::Sync) && fault.countdown > 0 {
            fault.countdown -= 1;
            if fault.countdown == 0 && !fault.lasting {
                let failure = fault.failure;
                self.fault = None;
                return Err(Refusal::Injected(failure));
            }
        }
        if fault.countdown == 0 && fault.lasts_for(op) { Err(Refusal::Injected(fault.failure)) } else { Ok(()) }
    }

    pub(super) fn stop_after(&mut self, ops: u64) {
        self.stop_at = Some(self.ops + ops);
    }

    pub(super) fn fail(&mut self, countdown: u64, failure: Failure, lasting: bool) {
        assert!(countdown > 0, "the next operation is number 1");
        self.fault = Some(Fault { countdown, failure, lasting });
    }

    pub(super) fn heal(&mut self) {
        self.fault = None;
    }
}

impl Fault {
    /// Whether a lasting fault stops this: a full disk still takes what needs no room, a broken one takes nothing.
    fn lasts_for(&self, op: Op) -> bool {
        match (self.failure, op) {
            (Failure::NoSpace, Op::Write { grows }) => grows,
            (Failure::NoSpace, Op::Name { made }) => made,
            (Failure::Io, Op::Write { .. } | Op::Sync) => true,
            _ => false,
        }
    }
}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::PowerOff => io::Error::other("the crash disk has no power"),
            Refusal::Injected(Failure::NoSpace) => Errno::NOSPC.into(),
            Refusal::Injected(Failure::Io) => Errno::IO.into(),
        }
    }
}
