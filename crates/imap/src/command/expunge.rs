//! EXPUNGE (RFC 9051 §6.4.3) and UID EXPUNGE (RFC 4315 §2.1).

use super::Flow;
use crate::answer::{Refusal, Status};
use crate::session::core::Core;
use crate::syntax::set::Numbers;
use crate::syntax::{By, ResponseCode};

/// EXPUNGE. Without UIDs it removes every message that is marked `\Deleted`, also one that came since the client was
/// told last.
pub(super) fn run(core: &mut Core, uids: Option<&Numbers>, out: &mut Vec<u8>) -> Result<Flow, Refusal> {
    let enabled = core.enabled;
    let (user, selected) = core.selected_writable()?;
    let uids = uids.map(|numbers| selected.resolve(By::Uid, numbers)).transpose()?;
    let expunged = user.cell.expunge(user.mail.id, selected.mailbox, uids)??;
    let known: Vec<u32> = expunged.uids.into_iter().filter(|&uid| selected.view.seq(uid).is_some()).collect();
    if known.is_empty() {
        return Ok(Flow::Done(Status::ok("nothing was marked as deleted")));
    }
    selected.remove(&known, enabled, out);
    let status = Status::ok("removed");
    // RFC 7162 §3.2.7. What others changed up to here is told before the command ends.
    Ok(Flow::Done(if enabled.condstore {
        status.with_code(ResponseCode::HighestModSeq(expunged.modseq))
    } else {
        status
    }))
}
