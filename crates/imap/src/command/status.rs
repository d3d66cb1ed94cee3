//! STATUS (RFC 9051 §6.3.11).

use super::{Flow, condstore, named, quota};
use crate::answer::{Refusal, Status};
use crate::session::core::Core;
use crate::syntax::{self, MailboxArg, StatusItem};
use edge::SignedIn;
use store::Mailbox;

/// STATUS, of the open mailbox too: then it tells of messages before the client hears of them by EXISTS.
pub(super) fn run(
    core: &mut Core,
    mailbox: &MailboxArg,
    items: &[StatusItem],
    out: &mut Vec<u8>,
) -> Result<Flow, Refusal> {
    core.user()?;
    check(core, items, out)?;
    let mailbox = named::mailbox(core.user()?, mailbox)?;
    write(core, core.user()?, &mailbox, items, out)?;
    Ok(Flow::Done(Status::ok("that is how it stands")))
}

/// Checks that items are offered, and switches on what asking for them switches on.
///
/// # Errors
/// When one is switched off for the account.
pub(super) fn check(core: &mut Core, items: &[StatusItem], out: &mut Vec<u8>) -> Result<(), Refusal> {
    for item in items {
        match item {
            StatusItem::Size if !core.enabled.rev2 => core.require("STATUS=SIZE")?,
            StatusItem::MailboxId => core.require("OBJECTID")?,
            StatusItem::AppendLimit => core.require("APPENDLIMIT")?,
            StatusItem::DeletedStorage => core.require("QUOTA=RES-STORAGE")?,
            // RFC 7162 §3.1.2: asking is enabling.
            StatusItem::HighestModSeq => condstore::is_used(core, out)?,
            _ => {}
        }
    }
    Ok(())
}

/// Writes a STATUS response, if the mailbox is still there.
///
/// # Errors
/// Those of the store.
pub(super) fn write(
    core: &Core,
    user: &SignedIn,
    mailbox: &Mailbox,
    items: &[StatusItem],
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let Some((mailbox, counts)) = user.cell.counts(user.mail.id, mailbox.id)? else { return Ok(()) };
    out.extend_from_slice(b"* STATUS ");
    syntax::write_mailbox(out, mailbox.name.as_str(), core.utf8_names());
    out.extend_from_slice(b" (");
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        let value = match item {
            StatusItem::Messages => counts.messages,
            StatusItem::Recent => 0,
            StatusItem::UidNext => mailbox.uidnext.into(),
            StatusItem::UidValidity => mailbox.uidvalidity.unwrap_or(0).into(),
            StatusItem::Unseen => counts.unseen,
            StatusItem::Deleted => counts.deleted,
            StatusItem::Size => counts.size_bytes,
            StatusItem::HighestModSeq => mailbox.highest_modseq.max(1),
            StatusItem::AppendLimit => core.services.policy.append_limit_bytes,
            // RFC 9208 §4.1.4 counts as quotas do.
            StatusItem::DeletedStorage => quota::units(counts.deleted_bytes),
            StatusItem::MailboxId => {
                let id = named::object_id(&mailbox);
                out.extend_from_slice(format!("MAILBOXID ({id})").as_bytes());
                continue;
            }
        };
        out.extend_from_slice(format!("{} {value}", name(*item)).as_bytes());
    }
    out.extend_from_slice(b")\r\n");
    Ok(())
}

fn name(item: StatusItem) -> &'static str {
    match item {
        StatusItem::Messages => "MESSAGES",
        StatusItem::Recent => "RECENT",
        StatusItem::UidNext => "UIDNEXT",
        StatusItem::UidValidity => "UIDVALIDITY",
        StatusItem::Unseen => "UNSEEN",
        StatusItem::Deleted => "DELETED",
        StatusItem::Size => "SIZE",
        StatusItem::HighestModSeq => "HIGHESTMODSEQ",
        StatusItem::MailboxId => "MAILBOXID",
        StatusItem::AppendLimit => "APPENDLIMIT",
        StatusItem::DeletedStorage => "DELETED-STORAGE",
    }
}
