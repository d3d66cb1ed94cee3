//! COPY (RFC 9051 §6.4.7) and MOVE (RFC 9051 §6.4.8, RFC 6851): all of the messages or none.

use super::{Flow, named, quota};
use crate::answer::{Refusal, Status, say_status};
use crate::session::core::Core;
use crate::session::selected::Selected;
use crate::syntax::set::Numbers;
use crate::syntax::{By, MailboxArg, ResponseCode};
use store::Image;

/// COPY.
pub(super) fn run(core: &mut Core, by: By, numbers: &Numbers, mailbox: &MailboxArg) -> Result<Flow, Refusal> {
    let services = core.services.clone();
    let (user, selected) = core.selected()?;
    let target = named::target(user, mailbox)?;
    let image = selected.image(user)?;
    let uids = present(selected, &image, by, numbers)?;
    if uids.is_empty() {
        return Ok(Flow::Done(Status::ok("there was nothing to copy")));
    }
    let sizes = uids.iter().filter_map(|&uid| image.position(uid)).map(|index| image.row(index).size_bytes);
    quota::check_room(&services, user, sizes.sum())?;
    let copied = user.cell.copy(user.mail.id, selected.mailbox, &uids, target.id)??;
    if copied.pairs.is_empty() {
        return Ok(Flow::Done(Status::ok("they are gone; there was nothing to copy")));
    }
    let status = Status::ok("copied");
    if !core.offers("UIDPLUS") {
        return Ok(Flow::Done(status));
    }
    let (from, to) = copied.pairs.into_iter().unzip();
    let code = ResponseCode::CopyUid { uidvalidity: copied.uidvalidity, from, to };
    Ok(Flow::Done(status.with_code(code)))
}

/// MOVE: COPYUID comes before the removals, so that a client knows where each message went (RFC 6851 §4.3).
pub(super) fn run_move(
    core: &mut Core,
    by: By,
    numbers: &Numbers,
    mailbox: &MailboxArg,
    out: &mut Vec<u8>,
) -> Result<Flow, Refusal> {
    let (enabled, uid_plus) = (core.enabled, core.offers("UIDPLUS"));
    let (user, selected) = core.selected_writable()?;
    let target = named::target(user, mailbox)?;
    let image = selected.image(user)?;
    let uids = present(selected, &image, by, numbers)?;
    if uids.is_empty() {
        return Ok(Flow::Done(Status::ok("there was nothing to move")));
    }
    let moved = user.cell.move_messages(user.mail.id, selected.mailbox, &uids, target.id)??;
    if moved.copied.pairs.is_empty() {
        return Ok(Flow::Done(Status::ok("they are gone; there was nothing to move")));
    }
    let (from, to): (Vec<u32>, Vec<u32>) = moved.copied.pairs.into_iter().unzip();
    if uid_plus {
        let code = ResponseCode::CopyUid { uidvalidity: moved.copied.uidvalidity, from: from.clone(), to };
        say_status(out, None, &Status::ok("moved").with_code(code));
    }
    selected.remove(&from, enabled, out);
    let status = Status::ok("moved");
    // RFC 7162 §3.2.7 and RFC 6851 §4.4.
    Ok(Flow::Done(if enabled.condstore {
        status.with_code(ResponseCode::HighestModSeq(moved.expunged_modseq))
    } else {
        status
    }))
}

/// The UIDs of the messages that a command names and that are there.
///
/// # Errors
/// When a sequence number names one that is gone: what the client meant cannot be done whole (RFC 2180 §4.4.1).
fn present(selected: &Selected, image: &Image, by: By, numbers: &Numbers) -> Result<Vec<u32>, Refusal> {
    let mut uids = selected.resolve(by, numbers)?;
    let named = uids.len();
    uids.retain(|&uid| image.position(uid).is_some());
    match by == By::Seq && uids.len() < named {
        true => Err(Refusal::no("some of the messages are gone").with_code(ResponseCode::ExpungeIssued)),
        false => Ok(uids),
    }
}
