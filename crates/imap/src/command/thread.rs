//! THREAD (RFC 5256).

use super::search::{Finder, Gathering, check, finished, names_modseq};
use super::{Flow, condstore};
use crate::answer::Refusal;
use crate::cache::Kind;
use crate::order::Threader;
use crate::session::core::Core;
use crate::session::task::{Progress, Task};
use crate::syntax::{By, Thread};

/// THREAD.
pub(super) fn run(core: &mut Core, thread: Thread, out: &mut Vec<u8>) -> Result<Flow, Refusal> {
    let threader =
        Threader::new(&thread.algorithm).ok_or_else(|| Refusal::bad("that way of threading is not known"))?;
    core.selected()?;
    check(core, None, &thread.key)?;
    if names_modseq(&thread.key) {
        condstore::is_used(core, out)?;
    }
    let (user, selected) = core.selected()?;
    let finder = Finder::new(user, selected, &thread.key, jiff::Timestamp::now().as_second())?;
    let gathering = Gathering::new(Some(Kind::Thread), finder);
    Ok(Flow::Task(Box::new(ThreadTask { gathering, threader: Some(threader), by: thread.by })))
}

struct ThreadTask {
    gathering: Gathering,
    /// Until the threads are told.
    threader: Option<Threader>,
    by: By,
}

impl Task for ThreadTask {
    fn step(&mut self, core: &mut Core, out: &mut Vec<u8>) -> Result<Progress, Refusal> {
        if !self.gathering.step(core, out)? {
            return Ok(Progress::More);
        }
        let (_, selected) = core.selected()?;
        if let (Some(keys), Some(mut threader)) = (self.gathering.keys(), self.threader.take()) {
            let mut any = false;
            for (row, key) in keys.iter() {
                let number = match self.by {
                    By::Uid => Some(row.uid),
                    By::Seq => selected.view.seq(row.uid),
                };
                if let Some(number) = number {
                    threader.add(number, row.internal_date, key);
                    any = true;
                }
            }
            out.extend_from_slice(if any { b"* THREAD " } else { b"* THREAD" });
            threader.finish().write(out);
            out.extend_from_slice(b"\r\n");
        }
        Ok(Progress::Done(finished("threaded", self.gathering.missed_some())))
    }
}
