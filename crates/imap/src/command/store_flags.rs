//! STORE (RFC 9051 §6.4.6), conditional too (RFC 7162 §3.1.3).

use super::{Flow, condstore};
use crate::answer::{Refusal, Status};
use crate::session::core::{Core, Enabled};
use crate::session::selected::Selected;
use crate::session::task::{Progress, STEP_BYTES, Task};
use crate::syntax::{self, By, FlagArg, ResponseCode, Store, StoreMode};
use message::{Flags, Keyword};
use std::sync::Arc;
use store::{FlagChange, FlagMode, Image, Row};

/// How many keywords the messages of a mailbox may have between them: each session that opens it is told of all.
const MAX_KEYWORDS: usize = 1_000;

/// STORE.
pub(super) fn run(core: &mut Core, store: Store, out: &mut Vec<u8>) -> Result<Flow, Refusal> {
    if store.unchanged_since.is_some() {
        core.selected_writable()?;
        condstore::is_used(core, out)?;
    }
    let (user, selected) = core.selected_writable()?;
    let uids = selected.resolve(store.by, &store.numbers)?;
    let before = selected.image(user)?;
    let (flags, keywords) = of_args(&store.flags);
    if store.mode != StoreMode::Remove {
        check_keywords(&before, &keywords)?;
    }
    let change = FlagChange {
        uids: uids.clone(),
        unchanged_since: store.unchanged_since,
        mode: match store.mode {
            StoreMode::Replace => FlagMode::Replace,
            StoreMode::Add => FlagMode::Add,
            StoreMode::Remove => FlagMode::Remove,
        },
        flags,
        keywords,
    };
    let stored = user.cell.store_flags(user.mail.id, selected.mailbox, change.clone())??;
    let after = selected.image(user)?;
    selected.tell_keywords(&after, out);
    let task =
        Tell { store, change, before, after, changed: stored.changed, modified: stored.modified, next: 0, gone: false };
    Ok(Flow::Task(Box::new(task)))
}

/// Flags and keywords of arguments, each keyword once, sorted.
pub(super) fn of_args(args: &[FlagArg]) -> (Flags, Vec<Keyword>) {
    let mut flags = Flags::NONE;
    let mut keywords = Vec::new();
    for arg in args {
        match arg {
            FlagArg::Flag(flag) => flags = flags | *flag,
            FlagArg::Keyword(keyword) => keywords.push(keyword.clone()),
            FlagArg::Ignored => {}
        }
    }
    keywords.sort();
    keywords.dedup();
    (flags, keywords)
}

/// Refuses keywords that would be too many in a mailbox.
pub(super) fn check_keywords(image: &Image, keywords: &[Keyword]) -> Result<(), Refusal> {
    if keywords.is_empty() {
        return Ok(());
    }
    let in_use = image.keywords();
    let new = keywords.iter().filter(|keyword| !in_use.contains(keyword)).count();
    match new > 0 && in_use.len() + new > MAX_KEYWORDS {
        true => Err(Refusal::no("there are too many keywords in that mailbox").with_code(ResponseCode::Limit)),
        false => Ok(()),
    }
}

/// Tells what became of the messages that a STORE named.
struct Tell {
    store: Store,
    change: FlagChange,
    before: Arc<Image>,
    after: Arc<Image>,
    /// Ascending.
    changed: Vec<u32>,
    /// Ascending: those that had changed since.
    modified: Vec<u32>,
    /// Which of the change's UIDs comes next.
    next: usize,
    /// Whether there was one that is gone.
    gone: bool,
}

impl Task for Tell {
    fn step(&mut self, core: &mut Core, out: &mut Vec<u8>) -> Result<Progress, Refusal> {
        let enabled = core.enabled;
        let (_, selected) = core.selected()?;
        let end = out.len() + STEP_BYTES;
        while let Some(&uid) = self.change.uids.get(self.next) {
            if out.len() >= end {
                return Ok(Progress::More);
            }
            self.next += 1;
            self.tell(selected, enabled, uid, out);
        }
        self.end(selected).map(Progress::Done)
    }
}

impl Tell {
    fn tell(&mut self, selected: &mut Selected, enabled: Enabled, uid: u32, out: &mut Vec<u8>) {
        let Some(row) = self.after.position(uid).map(|index| self.after.row(index)) else {
            self.gone = true;
            return;
        };
        let Some(seq) = selected.view.seq(uid).filter(|_| self.modified.binary_search(&uid).is_err()) else { return };
        let number = if enabled.uid_only { uid } else { seq };
        let with_uid = (self.store.by == By::Uid || enabled.qresync) && !enabled.uid_only;
        let modseqs = enabled.condstore;
        let open = |out: &mut Vec<u8>| {
            syntax::open_fetch(out, number, enabled.uid_only);
            if with_uid {
                syntax::write_fetch_uid(out, uid);
                out.push(b' ');
            }
        };
        if self.store.silent {
            if !self.client_knows(selected, &row) {
                // Someone else changed it too: that is told at the end of the command.
                return;
            }
            if modseqs && self.changed.binary_search(&uid).is_ok() {
                // RFC 7162 §3.1.3: .SILENT is about flags.
                open(out);
                syntax::write_fetch_modseq(out, row.modseq);
                out.extend_from_slice(b")\r\n");
            }
        } else {
            open(out);
            syntax::write_fetch_flags(out, row.flags, row.keywords);
            if modseqs {
                out.push(b' ');
                syntax::write_fetch_modseq(out, row.modseq);
            }
            out.extend_from_slice(b")\r\n");
        }
        if row.modseq > selected.told {
            selected.silent.insert(uid, row.modseq);
        }
    }

    /// Whether the client can tell by itself what flags a message has now: it knew those before, and nobody else changed
    /// them in between.
    fn client_knows(&self, selected: &Selected, now: &Row<'_>) -> bool {
        let Some(before) = self.before.position(now.uid).map(|index| self.before.row(index)) else { return false };
        let knew = before.modseq <= selected.told || selected.silent.get(&now.uid) == Some(&before.modseq);
        let FlagChange { flags, keywords, mode, .. } = &self.change;
        let has = |keyword| before.keywords.contains(keyword);
        let (flags, same_keywords) = match mode {
            FlagMode::Replace => (*flags, now.keywords == &keywords[..]),
            FlagMode::Add => {
                let count = before.keywords.len() + keywords.iter().filter(|keyword| !has(keyword)).count();
                let kept = before.keywords.iter().chain(keywords).all(|keyword| now.keywords.contains(keyword));
                (before.flags.union(*flags), kept && now.keywords.len() == count)
            }
            FlagMode::Remove => {
                let mut kept = before.keywords.iter().filter(|keyword| !keywords.contains(keyword));
                let count = before.keywords.len() - keywords.iter().filter(|keyword| has(keyword)).count();
                let kept = kept.all(|keyword| now.keywords.contains(keyword));
                (before.flags.without(*flags), kept && now.keywords.len() == count)
            }
        };
        knew && flags == now.flags && same_keywords
    }

    fn end(&self, selected: &Selected) -> Result<Status, Refusal> {
        let modified = match self.store.by {
            By::Uid => self.modified.clone(),
            By::Seq => self.modified.iter().filter_map(|&uid| selected.view.seq(uid)).collect(),
        };
        if !modified.is_empty() {
            // RFC 7162 §3.1.3.
            return Ok(Status::ok("others had changed since").with_code(ResponseCode::Modified(modified)));
        }
        // RFC 2180 §4.2: a client that asked to hear nothing, or names UIDs, need not hear of those that are gone.
        if self.gone && self.store.by == By::Seq && !self.store.silent {
            return Err(Refusal::no("some of the messages are gone").with_code(ResponseCode::ExpungeIssued));
        }
        Ok(Status::ok("stored"))
    }
}
