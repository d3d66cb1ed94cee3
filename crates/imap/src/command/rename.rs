//! RENAME (RFC 9051 §6.3.6).

use super::{Flow, list, named};
use crate::answer::{Refusal, Status};
use crate::session::core::Core;
use crate::syntax::MailboxArg;
use message::MailboxName;

/// RENAME: a mailbox with all beneath it. INBOX gives its messages away and stays.
pub(super) fn run(core: &mut Core, from: &MailboxArg, to: &MailboxArg, out: &mut Vec<u8>) -> Result<Flow, Refusal> {
    let user = core.user()?;
    let from = named::mailbox(user, from)?.name;
    let wanted = to.0.strip_suffix(MailboxName::SEPARATOR).unwrap_or(&to.0);
    let to = named::name(&MailboxArg(wanted.to_owned()))?;
    let renamed = user.cell.rename(user.mail.id, &from, &to)??;
    for mailbox in &renamed.superiors {
        core.done_here(&mailbox.name);
    }
    for (old_name, mailbox) in &renamed.mailboxes {
        core.done_here(old_name);
        core.done_here(&mailbox.name);
    }
    list::say_normalised(core, wanted, &to, out)?;
    Ok(Flow::Done(Status::ok("renamed")))
}
