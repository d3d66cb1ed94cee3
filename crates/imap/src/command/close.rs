//! CLOSE, UNSELECT, CHECK and LOGOUT (RFC 9051 §6.4.1, §6.4.2, §6.1.3; RFC 3501 §6.4.1).

use super::Flow;
use crate::answer::{Refusal, Status, say_status};
use crate::session::core::Core;

/// CLOSE: removes what is marked `\Deleted`, says nothing of it, and opens no other mailbox.
pub(super) fn close(core: &mut Core) -> Result<Flow, Refusal> {
    let (user, selected) = core.selected()?;
    if !selected.read_only {
        user.cell.expunge(user.mail.id, selected.mailbox, None)??;
    }
    core.selected = None;
    Ok(Flow::Done(Status::ok("closed")))
}

/// UNSELECT (RFC 3691): as CLOSE, and removes nothing.
pub(super) fn unselect(core: &mut Core) -> Result<Flow, Refusal> {
    core.selected()?;
    core.selected = None;
    Ok(Flow::Done(Status::ok("closed; nothing was removed")))
}

/// CHECK: everything that was answered is on disk already.
pub(super) fn check(core: &mut Core) -> Result<Flow, Refusal> {
    core.selected()?;
    Ok(Flow::Done(Status::ok("checked")))
}

/// LOGOUT.
pub(super) fn logout(core: &mut Core, out: &mut Vec<u8>) -> Result<Flow, Refusal> {
    core.selected = None;
    say_status(out, None, &Status::bye("until next time"));
    Ok(Flow::Logout)
}
