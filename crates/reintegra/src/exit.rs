//! Exit codes: what scripts may rely on.

/// How a command ended, as its exit status says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, and complete.
    Complete = 0,
    /// Done, but something is incomplete or waits for a decision.
    Incomplete = 1,
    /// The command makes no sense, or none here.
    WrongUse = 2,
    /// Not done.
    Failed = 3,
}

impl Exit {
    /// [`Exit::Complete`] where it is, else [`Exit::Incomplete`].
    pub(crate) fn complete_if(complete: bool) -> Self {
        if complete { Exit::Complete } else { Exit::Incomplete }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        std::process::ExitCode::from(exit as u8)
    }
}
