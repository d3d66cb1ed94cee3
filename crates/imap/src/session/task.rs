//! Long answers, made step by step.

use super::core::Core;
use crate::answer::{Refusal, Status};

/// How many bytes of an answer a step may make before it lets the driver send them: enough that sending and making
/// overlap, small enough that a thousand clients who do not read fit in memory.
pub(crate) const STEP_BYTES: usize = 256 * 1024;

/// An answer in the making.
pub(crate) trait Task: Send {
    /// Makes about [`STEP_BYTES`] more of the answer, or works for some tens of milliseconds.
    ///
    /// # Errors
    /// When the command fails; what was said already stands.
    fn step(&mut self, core: &mut Core, out: &mut Vec<u8>) -> Result<Progress, Refusal>;
}

/// How far a task is.
pub(crate) enum Progress {
    /// There is more to come.
    More,
    /// It is done, with this to say.
    Done(Status),
}
