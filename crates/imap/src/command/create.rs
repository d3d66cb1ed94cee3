//! CREATE (RFC 9051 §6.3.4), with a special use (RFC 6154 §3).

use super::{Flow, list, named};
use crate::answer::{Refusal, Status};
use crate::session::core::Core;
use crate::syntax::{MailboxArg, ResponseCode, UseArg};
use message::{MailboxName, SpecialUse};

/// How deep a mailbox may lie: each level that is missing is made.
const MAX_LEVELS: usize = 32;

/// CREATE.
pub(super) fn run(core: &mut Core, mailbox: &MailboxArg, uses: &[UseArg], out: &mut Vec<u8>) -> Result<Flow, Refusal> {
    core.user()?;
    // A separator at the end announces inferiors, which need no announcing here.
    let wanted = mailbox.0.strip_suffix(MailboxName::SEPARATOR).unwrap_or(&mailbox.0);
    let name = named::name(&MailboxArg(wanted.to_owned()))?;
    let special_use = special_use(core, uses)?;
    if name.levels().count() > MAX_LEVELS {
        return Err(Refusal::no("that is too many levels").with_code(ResponseCode::Limit));
    }
    let user = core.user()?;
    let created = user.cell.create_served(user.mail.id, &name, special_use)??;
    for mailbox in &created.superiors {
        core.done_here(&mailbox.name);
    }
    core.done_here(&name);
    list::say_normalised(core, wanted, &name, out)?;
    let status = Status::ok("created");
    Ok(Flow::Done(match core.offers("OBJECTID") {
        true => status.with_code(ResponseCode::MailboxId(named::object_id(&created.mailbox))),
        false => status,
    }))
}

fn special_use(core: &Core, uses: &[UseArg]) -> Result<Option<SpecialUse>, Refusal> {
    if uses.is_empty() {
        return Ok(None);
    }
    core.require("CREATE-SPECIAL-USE")?;
    match uses {
        [UseArg::Known(special_use)] => Ok(Some(*special_use)),
        _ => Err(Refusal::no("a mailbox cannot have that use").with_code(ResponseCode::UseAttr)),
    }
}
