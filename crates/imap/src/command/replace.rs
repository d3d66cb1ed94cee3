//! REPLACE (RFC 8508): a message put in the place of another, both or neither.

use super::append::{New, check_flags};
use super::{Flow, named, quota};
use crate::answer::{Refusal, Status, say_status};
use crate::session::core::{Core, Expunges};
use crate::session::selected::Heed;
use crate::syntax::set::Numbers;
use crate::syntax::{AppendMessage, By, MailboxArg, ResponseCode};

/// REPLACE.
pub(super) fn run(
    core: &mut Core,
    by: By,
    number: &Numbers,
    mailbox: &MailboxArg,
    message: AppendMessage,
    out: &mut Vec<u8>,
) -> Result<Flow, Refusal> {
    let (enabled, services, uid_plus) = (core.enabled, core.services.clone(), core.offers("UIDPLUS"));
    let (user, selected) = core.selected_writable()?;
    let target = named::target(user, mailbox)?;
    let image = selected.image(user)?;
    let gone = || Refusal::no("the message is gone; nothing was appended").with_code(ResponseCode::ExpungeIssued);
    let uid = match selected.resolve(by, number)?[..] {
        [uid] => uid,
        _ => return Err(Refusal::no("there is no such message").with_code(ResponseCode::NonExistent)),
    };
    let former_bytes = image.position(uid).map(|index| image.row(index).size_bytes).ok_or_else(gone)?;
    let new = New::of(&services, message)?;
    quota::check_room(&services, user, new.size_bytes.saturating_sub(former_bytes))?;
    check_flags(user, &target, std::slice::from_ref(&new))?;
    let replaced = user.cell.replace(user.mail.id, selected.mailbox, uid, target.id, new.message)??;
    // RFC 8508 §4.3: before the removal, so that the client knows what it is replaced by, and so is the new message.
    if uid_plus {
        let code = ResponseCode::AppendUid { uidvalidity: replaced.uidvalidity, uids: vec![replaced.uid] };
        say_status(out, None, &Status::ok("replaced").with_code(code));
    }
    core.catch_up(Heed::everything(Expunges::Held), out)?;
    let (_, selected) = core.selected()?;
    selected.remove(&[uid], enabled, out);
    let status = Status::ok("replaced");
    // RFC 8508 §4.5, RFC 7162 §3.2.7.
    Ok(Flow::Done(if enabled.condstore {
        status.with_code(ResponseCode::HighestModSeq(replaced.expunged_modseq))
    } else {
        status
    }))
}
