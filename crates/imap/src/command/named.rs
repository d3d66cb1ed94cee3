//! Mailboxes as clients name them.

use crate::answer::Refusal;
use crate::syntax::{MailboxArg, ResponseCode};
use edge::SignedIn;
use message::MailboxName;
use store::Mailbox;

/// The name that a client gives to something that need not exist.
///
/// # Errors
/// When no mailbox can have it.
pub(crate) fn name(mailbox: &MailboxArg) -> Result<MailboxName, Refusal> {
    MailboxName::new(&mailbox.0).map_err(|error| Refusal::no(error.to_string()).with_code(ResponseCode::Cannot))
}

/// The mailbox that a client names.
///
/// # Errors
/// When there is none of that name; those of the store.
pub(crate) fn mailbox(user: &SignedIn, mailbox: &MailboxArg) -> Result<Mailbox, Refusal> {
    find(user, mailbox)?.ok_or_else(missing)
}

/// The mailbox that messages are to go to.
///
/// # Errors
/// When there is none of that name, which creating it may change (RFC 9051 §6.3.12); those of the store.
pub(crate) fn target(user: &SignedIn, mailbox: &MailboxArg) -> Result<Mailbox, Refusal> {
    find(user, mailbox)?.ok_or_else(|| match name(mailbox) {
        Ok(_) => Refusal::no("there is no such mailbox; create it first").with_code(ResponseCode::TryCreate),
        Err(refusal) => refusal,
    })
}

/// That there is no such mailbox.
pub(crate) fn missing() -> Refusal {
    Refusal::no("there is no such mailbox").with_code(ResponseCode::NonExistent)
}

/// The object identifier of a mailbox (RFC 8474 §4): another UIDVALIDITY makes another mailbox of it.
pub(crate) fn object_id(mailbox: &Mailbox) -> String {
    format!("m{:x}-{:x}", mailbox.id.0, mailbox.uidvalidity.unwrap_or(0))
}

fn find(user: &SignedIn, mailbox: &MailboxArg) -> Result<Option<Mailbox>, Refusal> {
    let Ok(name) = MailboxName::new(&mailbox.0) else { return Ok(None) };
    Ok(user.cell.read(|view| view.mailbox_by_name(user.mail.id, &name))?)
}
