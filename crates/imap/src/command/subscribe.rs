//! SUBSCRIBE and UNSUBSCRIBE (RFC 9051 §6.3.7, §6.3.8).

use super::{Flow, named};
use crate::answer::{Refusal, Status};
use crate::session::core::Core;
use crate::syntax::MailboxArg;

/// SUBSCRIBE (`wanted`) or UNSUBSCRIBE. A name need not be a mailbox's: it stays when its mailbox goes.
pub(super) fn run(core: &mut Core, mailbox: &MailboxArg, wanted: bool) -> Result<Flow, Refusal> {
    let name = named::name(mailbox)?;
    let user = core.user()?;
    user.cell.subscribe(user.mail.id, &name, wanted)??;
    core.done_here(&name);
    Ok(Flow::Done(Status::ok(if wanted { "subscribed" } else { "no longer subscribed" })))
}
