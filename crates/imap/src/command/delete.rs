//! DELETE (RFC 9051 §6.3.5).

use super::{Flow, named};
use crate::answer::{Refusal, Status, say_status};
use crate::session::core::Core;
use crate::syntax::{MailboxArg, ResponseCode};

/// DELETE. A mailbox that others lie beneath stays: they have to go first.
pub(super) fn run(core: &mut Core, mailbox: &MailboxArg, out: &mut Vec<u8>) -> Result<Flow, Refusal> {
    let user = core.user()?;
    let mailbox = named::mailbox(user, mailbox)?;
    user.cell.delete(user.mail.id, &mailbox.name)??;
    if core.selected.as_ref().is_some_and(|selected| selected.mailbox == mailbox.id) {
        core.selected = None;
        say_status(out, None, &Status::ok("it was the open mailbox").with_code(ResponseCode::Closed));
    }
    core.done_here(&mailbox.name);
    Ok(Flow::Done(Status::ok("deleted")))
}
