//! SELECT and EXAMINE (RFC 9051 §6.3.2, §6.3.3), with CONDSTORE and QRESYNC (RFC 7162).

use super::{Flow, list, named};
use crate::answer::{Refusal, Status, say_status};
use crate::session::core::Core;
use crate::session::selected::{Selected, write_flags_of};
use crate::session::task::{Progress, STEP_BYTES, Task};
use crate::session::view::UidView;
use crate::syntax::{self, Qresync, ResponseCode, Select, set};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::Image;

/// SELECT or EXAMINE. Whatever was open is closed first, also when this fails.
pub(super) fn run(core: &mut Core, select: Select, out: &mut Vec<u8>) -> Result<Flow, Refusal> {
    core.user()?;
    if select.condstore {
        core.require("CONDSTORE")?;
        core.enabled.condstore = true;
    }
    if select.qresync.is_some() && !core.enabled.qresync {
        return Err(Refusal::bad("enable QRESYNC first"));
    }
    if core.selected.take().is_some() {
        say_status(out, None, &Status::ok("the mailbox before is closed").with_code(ResponseCode::Closed));
    }
    let user = core.user()?;
    let mailbox = named::mailbox(user, &select.mailbox)?;
    let image = user.cell.image(user.mail.id, mailbox.id)?.ok_or_else(named::missing)?;
    let Some(uidvalidity) = image.mailbox().uidvalidity else { return Err(named::missing()) };
    let selected = Selected {
        mailbox: mailbox.id,
        uidvalidity,
        read_only: select.read_only,
        view: UidView::new(image.uids()),
        saved: Vec::new(),
        told: image.mailbox().highest_modseq,
        silent: BTreeMap::new(),
        keywords: image.keywords(),
        removals_wait: false,
    };
    say_selected(core, &selected, &image, out);
    if core.enabled.rev2 {
        let wanted = &select.mailbox.0;
        let name = image.mailbox().name.as_str();
        let old_name = (wanted != name && !wanted.eq_ignore_ascii_case(name)).then_some(&wanted[..]);
        list::say(core, &image.mailbox().name, old_name, out)?;
    }
    core.selected = Some(selected);
    let status = match select.read_only {
        true => Status::ok("open for reading").with_code(ResponseCode::ReadOnly),
        false => Status::ok("open").with_code(ResponseCode::ReadWrite),
    };
    match select.qresync.filter(|known| known.uidvalidity == uidvalidity) {
        Some(known) => resynchronise(core, &known, image, status, out),
        None => Ok(Flow::Done(status)),
    }
}

fn say_selected(core: &Core, selected: &Selected, image: &Image, out: &mut Vec<u8>) {
    let mailbox = image.mailbox();
    let ok = |out: &mut Vec<u8>, code, text| say_status(out, None, &Status::ok(text).with_code(code));
    syntax::write_flags_response(out, &selected.keywords);
    match selected.read_only {
        true => ok(out, ResponseCode::PermanentFlags(None), "nothing can be changed"),
        false => {
            let code = ResponseCode::PermanentFlags(Some(selected.keywords.clone()));
            ok(out, code, "these can be changed, and keywords added");
        }
    }
    syntax::write_numbered(out, selected.view.len(), "EXISTS");
    if !core.enabled.rev2 {
        syntax::write_numbered(out, 0, "RECENT");
        // There are no numbers to say it with for a client of UIDs alone (RFC 9586 §3.2).
        let first_unseen = image.counts().first_unseen.and_then(|uid| selected.view.seq(uid));
        if let Some(seq) = first_unseen.filter(|_| !core.enabled.uid_only) {
            ok(out, ResponseCode::Unseen(seq), "the first that was not seen");
        }
    }
    ok(out, ResponseCode::UidValidity(selected.uidvalidity), "UIDs are those of this UIDVALIDITY");
    ok(out, ResponseCode::UidNext(mailbox.uidnext), "the next UID");
    if core.offers("CONDSTORE") {
        ok(out, ResponseCode::HighestModSeq(mailbox.highest_modseq.max(1)), "the highest modification sequence");
    }
    if core.offers("OBJECTID") {
        ok(out, ResponseCode::MailboxId(named::object_id(mailbox)), "the mailbox's own number");
    }
}

/// Tells what happened since a client was here last (RFC 7162 §3.2.5).
///
/// Every removal is remembered with its modification sequence, so that the answer is exact. The message sequence
/// numbers that a client sends along help servers that forget: here they could only leave out removals below a point
/// where numbers agree by chance, so they are not used.
fn resynchronise(
    core: &mut Core,
    known: &Qresync,
    image: Arc<Image>,
    status: Status,
    out: &mut Vec<u8>,
) -> Result<Flow, Refusal> {
    let user = core.user()?;
    let known_uids = known.known_uids.as_ref().map(|set| set.resolve(image.uids().last().copied().unwrap_or(0)));
    let is_known = |uid: u32| known_uids.as_ref().is_none_or(|ranges| set::holds(ranges, uid));
    let mut gone = user.cell.read(|view| view.expunged_since(user.mail.id, image.mailbox().id, known.modseq))?;
    // One that came back by an integration is told of as changed.
    gone.retain(|&uid| is_known(uid) && image.position(uid).is_none());
    if !gone.is_empty() {
        syntax::write_vanished(out, true, &gone);
    }
    let mut task = Resync { image, known_uids, since: known.modseq, next: 0, status: Some(status) };
    match task.step(core, out)? {
        Progress::Done(status) => Ok(Flow::Done(status)),
        Progress::More => Ok(Flow::Task(Box::new(task))),
    }
}

/// The FETCH responses of a resynchronisation.
struct Resync {
    image: Arc<Image>,
    known_uids: Option<Vec<(u32, u32)>>,
    since: u64,
    /// The row to look at next.
    next: usize,
    status: Option<Status>,
}

impl Task for Resync {
    fn step(&mut self, core: &mut Core, out: &mut Vec<u8>) -> Result<Progress, Refusal> {
        let enabled = core.enabled;
        let (_, selected) = core.selected()?;
        let end = out.len() + STEP_BYTES;
        while self.next < self.image.len() && out.len() < end {
            let row = self.image.row(self.next);
            self.next += 1;
            if row.modseq <= self.since {
                continue;
            }
            if self.known_uids.as_ref().is_some_and(|ranges| !set::holds(ranges, row.uid)) {
                continue;
            }
            if let Some(seq) = selected.view.seq(row.uid) {
                write_flags_of(out, enabled, seq, &row);
            }
        }
        match self.status.take_if(|_| self.next == self.image.len()) {
            Some(status) => Ok(Progress::Done(status)),
            None => Ok(Progress::More),
        }
    }
}
