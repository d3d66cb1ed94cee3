//! FETCH (RFC 9051 §6.4.5), with BINARY (RFC 3516), CONDSTORE and QRESYNC (RFC 7162 §3.1.4, §3.2.6), OBJECTID (RFC 8474),
//! SAVEDATE (RFC 8514), PREVIEW (RFC 8970), PARTIAL (RFC 9394) and UIDONLY (RFC 9586).
//!
//! What the image of the mailbox knows is told from there, what can be computed from the bytes from the cache, and only
//! texts are read from the segments. A message that is gone by the time that its turn comes is left out.
//!
//! Bytes are told as they are kept, a NUL in old mail too: a client that fetches a message has it whole.

mod items;
mod opened;
mod source;

pub(crate) use opened::Held;

use super::search::part_of;
use super::{Flow, condstore};
use crate::answer::{Refusal, Status};
use crate::session::core::{Core, Enabled};
use crate::session::selected::Selected;
use crate::session::task::{Progress, STEP_BYTES, Task};
use crate::syntax::set::Numbers;
use crate::syntax::{self, By, Fetch, FetchItem, ResponseCode};
use edge::SignedIn;
use items::{Item, Plan};
use message::Flags;
use opened::Opened;
use source::{Batch, Effort, Skip, Source, Written};
use std::collections::VecDeque;
use std::sync::Arc;
use store::{BlobId, FlagChange, FlagMode, Image, Row};

/// How many messages are told of at once from the image alone.
const BATCH_OF_IMAGE: usize = 4096;
/// How many messages' cached values are read at once.
const BATCH: usize = 128;
/// The same where each message's bytes are told too, so that a step holds few of them.
const BATCH_WITH_BYTES: usize = 16;
/// Messages of more bytes than these together are told of one batch after another: hostile ones have envelopes as long as
/// themselves, and a batch holds all of its values at once.
const BATCH_MESSAGE_BYTES: u64 = 32 * 1024 * 1024;
/// One response may tell of its message several times over, and of a small one so much besides. Nobody needs more, and
/// a client that asks for a large text a thousand times in one command would have all of them in memory.
const TIMES_OVER: usize = 4;
const BESIDE_TEXTS_BYTES: usize = 16 * 1024 * 1024;
/// Messages become `\Seen` by so many, or so many bytes, at once: each is a transaction, and those of them that are never
/// sent because the connection broke are marked all the same.
const SEEN_AT_ONCE: usize = 500;
const SEEN_BYTES_AT_ONCE: u64 = 4 * 1024 * 1024;

/// How much is told unasked of messages that came together: all of it is in memory until the client takes it.
const UNASKED_BYTES: usize = 4 * 1024 * 1024;

/// FETCH.
pub(super) fn run(core: &mut Core, fetch: Fetch, out: &mut Vec<u8>) -> Result<Flow, Refusal> {
    core.selected()?;
    let plan = Plan::new(core, &fetch.items)?;
    if plan.has_modseq || fetch.changed_since.is_some() {
        condstore::is_used(core, out)?;
    }
    if fetch.vanished && !(core.enabled.qresync && fetch.by == By::Uid && fetch.changed_since.is_some()) {
        return Err(Refusal::bad("VANISHED is for UID FETCH with CHANGEDSINCE, once QRESYNC is enabled"));
    }
    if fetch.partial.is_some() {
        core.require("PARTIAL")?;
        if fetch.by == By::Seq {
            // RFC 9394 §3.3.
            return Err(Refusal::bad("PARTIAL is for UID FETCH"));
        }
    }
    let (user, selected) = core.selected()?;
    let mut uids = selected.resolve(fetch.by, &fetch.numbers)?;
    if let Some(since) = fetch.changed_since {
        let image = selected.image(user)?;
        uids.retain(|&uid| image.position(uid).is_some_and(|index| image.row(index).modseq > since));
        if let (true, Numbers::Set(set)) = (fetch.vanished, &fetch.numbers) {
            // Up to `*` means up to the last there ever was: what is gone may have been it.
            let ranges = set.resolve(image.mailbox().uidnext.saturating_sub(1));
            tell_vanished(user, selected, &ranges, since, out)?;
        }
    }
    if let Some((from, to)) = fetch.partial {
        uids = uids[part_of(uids.len(), from, to)].to_vec();
    }
    Ok(Flow::Task(Box::new(FetchTask::new(plan, fetch, uids))))
}

/// Tells of new messages what a client asked to hear unasked (RFC 5465 §5.2). `false`: it is too much to be told at once,
/// and some were left out.
///
/// # Errors
/// Those of the store.
pub(super) fn unasked(
    core: &mut Core,
    uids: Vec<u32>,
    items: &[FetchItem],
    out: &mut Vec<u8>,
) -> Result<bool, Refusal> {
    let plan = Plan { sees: false, ..Plan::new(core, items)? };
    let fetch = Fetch {
        by: By::Uid,
        numbers: Numbers::Saved,
        items: Vec::new(),
        changed_since: None,
        vanished: false,
        partial: None,
    };
    let mut task = FetchTask::new(plan, fetch, uids);
    let most = out.len() + UNASKED_BYTES;
    while let Progress::More = task.step(core, out)? {
        if out.len() >= most {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Tells which of the UIDs that a client names are gone since (RFC 7162 §3.2.6). Those that it still has in its view are
/// told as any removal is.
fn tell_vanished(
    user: &SignedIn,
    selected: &Selected,
    ranges: &[(u32, u32)],
    since: u64,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let mut gone = user.cell.read(|view| view.expunged_since(user.mail.id, selected.mailbox, since))?;
    gone.retain(|&uid| syntax::set::holds(ranges, uid) && selected.view.seq(uid).is_none());
    gone.sort_unstable();
    if !gone.is_empty() {
        syntax::write_vanished(out, true, &gone);
    }
    Ok(())
}

struct FetchTask {
    plan: Plan,
    by: By,
    uids: Vec<u32>,
    /// Which of the UIDs comes next.
    next: usize,
    /// UIDs before this place are `\Seen` by now, if they are to be.
    seen_to: usize,
    /// UIDs to come whose `\Seen` is news to the client.
    news: VecDeque<u32>,
    /// The message whose bytes were read last.
    opened: Option<(BlobId, Arc<Opened>)>,
    effort: Effort,
    trouble: Trouble,
}

/// What could not be told.
#[derive(Default)]
struct Trouble {
    /// Messages that are gone.
    gone: bool,
    /// Messages whose bytes are damaged.
    damaged: bool,
    /// Parts in a transfer encoding that is not known.
    unknown_cte: bool,
}

impl FetchTask {
    fn new(mut plan: Plan, fetch: Fetch, uids: Vec<u32>) -> Self {
        if fetch.by == By::Uid && !plan.has_uid {
            plan.items.insert(0, Item::Uid);
        }
        if fetch.changed_since.is_some() && !plan.has_modseq {
            // RFC 7162 §3.1.4.1.
            plan.items.push(Item::ModSeq);
            plan.has_modseq = true;
        }
        FetchTask {
            plan,
            by: fetch.by,
            uids,
            next: 0,
            seen_to: 0,
            news: VecDeque::new(),
            opened: None,
            effort: Effort::default(),
            trouble: Trouble::default(),
        }
    }

    fn end(&self) -> Result<Status, Refusal> {
        if self.trouble.unknown_cte {
            return Err(Refusal::no("a part is in an encoding that is not known").with_code(ResponseCode::UnknownCte));
        }
        if self.trouble.damaged {
            let text = "some messages are damaged and were left out";
            return Err(Refusal::no(text).with_code(ResponseCode::ContactAdmin));
        }
        let status = Status::ok("fetched");
        Ok(match self.trouble.gone && self.by == By::Seq {
            true => status.with_code(ResponseCode::ExpungeIssued),
            false => status,
        })
    }

    /// Marks the next messages as seen; those of them that were not are news to the client.
    fn see(&mut self, user: &SignedIn, selected: &Selected, image: &Image) -> Result<(), Refusal> {
        let mut unseen = Vec::new();
        let (mut bytes, from) = (0, self.seen_to);
        while let Some(&uid) = self.uids.get(self.seen_to)
            && self.seen_to - from < SEEN_AT_ONCE
            && bytes < SEEN_BYTES_AT_ONCE
        {
            self.seen_to += 1;
            let Some(row) = image.position(uid).map(|index| image.row(index)) else { continue };
            bytes += row.size_bytes;
            if !row.flags.contains(Flags::SEEN) {
                unseen.push(uid);
            }
        }
        if unseen.is_empty() {
            return Ok(());
        }
        let change = FlagChange {
            uids: unseen,
            unchanged_since: None,
            mode: FlagMode::Add,
            flags: Flags::SEEN,
            keywords: Vec::new(),
        };
        match user.cell.store_flags(user.mail.id, selected.mailbox, change) {
            Ok(outcome) => self.news.extend(outcome?.changed),
            // Mail can be read from a full disk.
            Err(full) if full.is_disk_full() => tracing::warn!(error = %full, "messages were not marked as seen"),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Writes one response. What was written of it is taken back when the message is left out.
    fn write(
        &mut self,
        who: &mut Told<'_>,
        row: &Row<'_>,
        batch: &Batch,
        at: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Skip> {
        let Some(seq) = who.selected.view.seq(row.uid) else { return Ok(()) };
        let enabled = who.enabled;
        let number = if enabled.uid_only { row.uid } else { seq };
        let begin = out.len();
        self.effort.bytes = 0;
        let most = usize::try_from(row.size_bytes).unwrap_or(usize::MAX).saturating_mul(TIMES_OVER);
        let most = most.saturating_add(BESIDE_TEXTS_BYTES);
        syntax::open_fetch(out, number, enabled.uid_only);
        let first = out.len();
        while self.news.pop_front_if(|uid| *uid < row.uid).is_some() {}
        let seen = self.news.pop_front_if(|uid| *uid == row.uid).is_some();
        for item in &self.plan.items {
            if matches!(item, Item::Uid) && enabled.uid_only && self.plan.items.len() > 1 {
                // RFC 9586 §3.3: it begins the response already.
                continue;
            }
            let before = out.len();
            if before > first {
                out.push(b' ');
            }
            let mut source = Source { user: who.user, row, batch, at, opened: &mut self.opened };
            match source.write(item, &mut self.effort, out) {
                Ok(_) if self.effort.bytes.max(out.len() - begin) > most => {
                    out.truncate(begin);
                    let refusal = Refusal::no("too much was asked of one message").with_code(ResponseCode::Limit);
                    return Err(Skip::Failed(refusal));
                }
                Ok(Written::Yes) => {}
                Ok(Written::UnknownCte) => {
                    self.trouble.unknown_cte = true;
                    out.truncate(before);
                }
                Err(skip) => {
                    out.truncate(begin);
                    return Err(skip);
                }
            }
        }
        if seen && !self.plan.has_flags {
            space(out, first);
            syntax::write_fetch_flags(out, row.flags, row.keywords);
        }
        if seen {
            if enabled.condstore && !self.plan.has_modseq {
                space(out, first);
                syntax::write_fetch_modseq(out, row.modseq);
            }
            if enabled.qresync && self.by == By::Seq && !self.plan.has_uid && !enabled.uid_only {
                // RFC 7162 §3.2.4.
                space(out, first);
                syntax::write_fetch_uid(out, row.uid);
            }
            if row.modseq > who.selected.told {
                who.selected.silent.insert(row.uid, row.modseq);
            }
        }
        match out.len() == first {
            true => out.truncate(begin),
            false => out.extend_from_slice(b")\r\n"),
        }
        Ok(())
    }
}

impl Task for FetchTask {
    fn step(&mut self, core: &mut Core, out: &mut Vec<u8>) -> Result<Progress, Refusal> {
        let end = out.len() + STEP_BYTES;
        if let Some(held) = core.reading.take() {
            self.opened = Some(held.message());
        }
        let enabled = core.enabled;
        let (user, selected) = core.selected()?;
        let mut who = Told { user, selected, enabled };
        let sees = self.plan.sees && !who.selected.read_only;
        let mut image = who.selected.image(user)?;
        if self.plan.has_flags && self.next == 0 {
            who.selected.tell_keywords(&image, out);
        }
        while self.next < self.uids.len() && out.len() < end {
            if sees && self.next >= self.seen_to {
                self.see(user, who.selected, &image)?;
                image = who.selected.image(user)?;
            }
            self.tell_batch(&mut who, &image, sees, end, out)?;
        }
        if self.next < self.uids.len() {
            return Ok(Progress::More);
        }
        if self.effort.more_pieces {
            core.reading = self.opened.take().and_then(|(blob, opened)| Held::new(blob, opened));
        }
        self.end().map(Progress::Done)
    }
}

impl FetchTask {
    /// Tells of the next messages, until there is enough to send.
    fn tell_batch(
        &mut self,
        who: &mut Told<'_>,
        image: &Arc<Image>,
        sees: bool,
        end: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let most = match &self.plan {
            Plan { bytes: true, .. } => BATCH_WITH_BYTES,
            Plan { kinds, digests: false, .. } if kinds.is_empty() => BATCH_OF_IMAGE,
            _ => BATCH,
        };
        let to = if sees { self.seen_to } else { self.uids.len() }.min(self.next + most);
        let mut positions: Vec<Option<usize>> =
            self.uids[self.next..to].iter().map(|&uid| image.position(uid)).collect();
        if most != BATCH_OF_IMAGE {
            let sizes = positions.iter().map(|position| position.map_or(0, |index| image.row(index).size_bytes));
            positions.truncate(batch_of(sizes));
        }
        let indexes: Vec<usize> = positions.iter().flatten().copied().collect();
        let batch = Batch::read(&self.plan, who.user, image, &indexes)?;
        if self.plan.bytes {
            let sizes = indexes.iter().map(|&index| usize::try_from(image.row(index).size_bytes).unwrap_or(STEP_BYTES));
            out.reserve(sizes.fold(0, usize::saturating_add).min(STEP_BYTES));
        }
        let mut at = 0;
        for position in positions {
            if out.len() >= end {
                break;
            }
            self.next += 1;
            let Some(index) = position else {
                self.trouble.gone = true;
                continue;
            };
            match self.write(who, &image.row(index), &batch, at, out) {
                Ok(()) => {}
                Err(Skip::Damaged) => self.trouble.damaged = true,
                Err(Skip::Failed(refusal)) => return Err(refusal),
            }
            at += 1;
        }
        Ok(())
    }
}

/// Who is told.
struct Told<'a> {
    user: &'a SignedIn,
    selected: &'a mut Selected,
    enabled: Enabled,
}

/// How many messages of these sizes make a batch: one at least.
fn batch_of(sizes: impl Iterator<Item = u64>) -> usize {
    let mut sum = 0_u64;
    let fits = sizes.take_while(|size| {
        sum = sum.saturating_add(*size);
        sum <= BATCH_MESSAGE_BYTES
    });
    fits.count().max(1)
}

fn space(out: &mut Vec<u8>, first: usize) {
    if out.len() > first {
        out.push(b' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_messages_are_few_in_a_batch() {
        assert_eq!(batch_of([1, 2, 3].into_iter()), 3);
        assert_eq!(batch_of([BATCH_MESSAGE_BYTES, 1].into_iter()), 1);
        assert_eq!(batch_of([u64::MAX, u64::MAX].into_iter()), 1, "however large one is, its turn comes");
    }
}
