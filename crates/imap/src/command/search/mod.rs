//! SEARCH (RFC 9051 §6.4.4) with ESEARCH (RFC 4731), SEARCHRES (RFC 5182), WITHIN (RFC 5032), PARTIAL (RFC 9394), and the
//! keys of CONDSTORE (RFC 7162 §3.1.5), OBJECTID (RFC 8474) and SAVEDATE (RFC 8514).
//!
//! What the image of the mailbox can tell (flags, dates, sizes, UIDs) is looked at first, then header fields from the
//! cache, then text, each only of the messages that are still in question. Strings are compared without regard to case
//! and accents, header fields as people read them.
//!
//! Days: INTERNALDATE and SAVEDATE are compared by the date in UTC, the Date field by the date that is written in it.

mod answer;
mod bits;
mod find;
mod keys;
mod plan;
mod progress;

pub(super) use answer::{Asked, answer, part_of};
pub(super) use find::Finder;
pub(super) use keys::Gathering;
use progress::Reports;

use super::{Flow, condstore};
use crate::answer::{Refusal, Status};
use crate::session::core::Core;
use crate::session::task::{Progress, Task};
use crate::syntax::{DateOf, ResponseCode, Search, SearchKey, SearchReturn};

/// Begins a search.
///
/// # Errors
/// When no mailbox is open, or what was asked contradicts itself.
pub(super) fn run(core: &mut Core, search: Search, out: &mut Vec<u8>) -> Result<Flow, Refusal> {
    let modseq = names_modseq(&search.key);
    let mut returns = search.returns;
    if returns.is_none() && core.enabled.rev2 {
        // RFC 9051 §6.4.4: the list of RFC 3501 is gone.
        returns = Some(SearchReturn { all: true, ..SearchReturn::default() });
    }
    core.selected()?;
    if search.returns.is_some() {
        core.require("ESEARCH")?;
    }
    check(core, returns, &search.key)?;
    if modseq {
        condstore::is_used(core, out)?;
    }
    let asked = Asked { by: search.by, returns, verb: "SEARCH", sorted: false, modseq };
    let (user, selected) = core.selected()?;
    let finder = Finder::new(user, selected, &search.key, jiff::Timestamp::now().as_second())?;
    Ok(Flow::Task(Box::new(SearchTask { finder, asked, reports: Reports::new() })))
}

/// Refuses result options that cannot stand together (RFC 9394 §3.1), and what is switched off for the account.
pub(super) fn check(core: &Core, returns: Option<SearchReturn>, key: &SearchKey) -> Result<(), Refusal> {
    let SearchReturn { all, save, partial, .. } = returns.unwrap_or_default();
    if all && partial.is_some() {
        return Err(Refusal::bad("ALL and PARTIAL exclude each other"));
    }
    if save {
        core.require("SEARCHRES")?;
    }
    if partial.is_some() {
        core.require("PARTIAL")?;
    }
    check_key(core, key)
}

fn check_key(core: &Core, key: &SearchKey) -> Result<(), Refusal> {
    match key {
        SearchKey::And(keys) => keys.iter().try_for_each(|key| check_key(core, key)),
        SearchKey::Or(one, other) => check_key(core, one).and_then(|()| check_key(core, other)),
        SearchKey::Not(key) => check_key(core, key),
        SearchKey::Older(_) | SearchKey::Younger(_) => core.require("WITHIN"),
        SearchKey::EmailId(_) | SearchKey::ThreadId(_) => core.require("OBJECTID"),
        SearchKey::Before(DateOf::Saved, _)
        | SearchKey::On(DateOf::Saved, _)
        | SearchKey::Since(DateOf::Saved, _)
        | SearchKey::SaveDateSupported => core.require("SAVEDATE"),
        SearchKey::ModSeq(_) => core.require("CONDSTORE"),
        _ => Ok(()),
    }
}

/// Whether a key asks for modification sequences.
pub(super) fn names_modseq(key: &SearchKey) -> bool {
    match key {
        SearchKey::ModSeq(_) => true,
        SearchKey::And(keys) => keys.iter().any(names_modseq),
        SearchKey::Or(one, other) => names_modseq(one) || names_modseq(other),
        SearchKey::Not(key) => names_modseq(key),
        _ => false,
    }
}

/// How a search ends; messages that are gone were not looked at (RFC 5530, EXPUNGEISSUED).
pub(super) fn finished(text: &'static str, missed_some: bool) -> Status {
    match missed_some {
        false => Status::ok(text),
        true => Status::ok(text).with_code(ResponseCode::ExpungeIssued),
    }
}

/// Forgets what `$` stands for: a search that should have set it failed (RFC 5182 §2.1).
pub(super) fn forget_saved(core: &mut Core, asked: Asked) {
    if let (true, Some(selected)) = (asked.saves(), core.selected.as_mut()) {
        selected.saved.clear();
    }
}

struct SearchTask {
    finder: Finder,
    asked: Asked,
    reports: Reports,
}

impl Task for SearchTask {
    fn step(&mut self, core: &mut Core, out: &mut Vec<u8>) -> Result<Progress, Refusal> {
        let (user, selected) = core.selected()?;
        match self.finder.step(user, selected) {
            Ok(true) => {}
            Ok(false) => {
                self.reports.tell(core, self.finder.progress(), out);
                return Ok(Progress::More);
            }
            Err(refusal) => {
                forget_saved(core, self.asked);
                return Err(refusal);
            }
        }
        let missed_some = self.finder.missed_some(selected);
        let (found, image) = self.finder.take_found();
        answer(core, &image, self.asked, &found, out);
        Ok(Progress::Done(finished("searched", missed_some)))
    }
}
