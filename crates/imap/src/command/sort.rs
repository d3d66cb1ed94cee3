//! SORT (RFC 5256), with `RETURN` (RFC 5267) and DISPLAYFROM, DISPLAYTO (RFC 5957).

use super::search::{Asked, Finder, Gathering, answer, check, finished, forget_saved, names_modseq};
use super::{Flow, condstore};
use crate::answer::Refusal;
use crate::cache::Kind;
use crate::order::Sorter;
use crate::session::core::Core;
use crate::session::task::{Progress, Task};
use crate::syntax::{Sort, SortKey};

/// SORT.
pub(super) fn run(core: &mut Core, sort: Sort, out: &mut Vec<u8>) -> Result<Flow, Refusal> {
    core.selected()?;
    if sort.returns.is_some() {
        core.require("ESORT")?;
    }
    if sort.criteria.iter().any(|(_, key)| matches!(key, SortKey::DisplayFrom | SortKey::DisplayTo)) {
        core.require("SORT=DISPLAY")?;
    }
    check(core, sort.returns, &sort.key)?;
    let modseq = names_modseq(&sort.key);
    if modseq {
        condstore::is_used(core, out)?;
    }
    let asked = Asked { by: sort.by, returns: sort.returns, verb: "SORT", sorted: true, modseq };
    let (user, selected) = core.selected()?;
    let finder = Finder::new(user, selected, &sort.key, jiff::Timestamp::now().as_second())?;
    let kind = Sorter::new(&sort.criteria).needs_keys().then_some(Kind::Sort);
    let task = SortTask { gathering: Gathering::new(kind, finder), criteria: sort.criteria, asked };
    Ok(Flow::Task(Box::new(task)))
}

struct SortTask {
    gathering: Gathering,
    criteria: Vec<(bool, SortKey)>,
    asked: Asked,
}

impl Task for SortTask {
    fn step(&mut self, core: &mut Core, out: &mut Vec<u8>) -> Result<Progress, Refusal> {
        match self.gathering.step(core, out) {
            Ok(true) => {}
            Ok(false) => return Ok(Progress::More),
            Err(refusal) => {
                forget_saved(core, self.asked);
                return Err(refusal);
            }
        }
        if let Some(keys) = self.gathering.keys() {
            let mut sorter = Sorter::new(&self.criteria);
            for (row, key) in keys.iter() {
                sorter.add(row.uid, row.internal_date, row.size_bytes, key);
            }
            answer(core, keys.image(), self.asked, &sorter.finish(), out);
        }
        Ok(Progress::Done(finished("sorted", self.gathering.missed_some())))
    }
}
