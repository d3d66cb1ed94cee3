//! APPEND (RFC 9051 §6.3.12) with MULTIAPPEND (RFC 3502), UIDPLUS (RFC 4315), APPENDLIMIT (RFC 7889) and literals of binary
//! data (RFC 3516 §4.4).
//!
//! A message is kept with every line ending written CRLF, whatever the client sent. A NUL cannot stand in a message that
//! is told as text; where a message came as binary data and has one, or has a binary part whose bytes that would change,
//! it is refused as RFC 3516 §4.4 provides (UNKNOWN-CTE) rather than changed.

use super::store_flags::{check_keywords, of_args};
use super::{Flow, named, quota};
use crate::answer::{Refusal, Status};
use crate::session::core::Core;
use crate::syntax::{AppendMessage, MailboxArg, ResponseCode};
use edge::{Services, SignedIn};
use message::mime::{self, Content, Part};
use std::borrow::Cow;
use store::{Mailbox, NewMessage, Prepared};

/// APPEND: all of the messages or none.
pub(super) fn run(core: &mut Core, mailbox: &MailboxArg, messages: Vec<AppendMessage>) -> Result<Flow, Refusal> {
    if messages.len() > 1 {
        core.require("MULTIAPPEND")?;
    }
    if messages.iter().any(|message| message.binary) && !core.enabled.utf8 {
        // RFC 6855 §4 has them, too.
        core.require("BINARY")?;
    }
    let user = core.user()?;
    let target = named::target(user, mailbox)?;
    let messages = messages.into_iter().map(|message| New::of(&core.services, message));
    let messages = messages.collect::<Result<Vec<_>, _>>()?;
    quota::check_room(&core.services, user, messages.iter().map(|new| new.size_bytes).sum())?;
    check_flags(user, &target, &messages)?;
    let messages = messages.into_iter().map(|new| new.message).collect();
    let appended = user.cell.append(user.mail.id, target.id, messages)??;
    let status = Status::ok("appended");
    if !core.offers("UIDPLUS") {
        return Ok(Flow::Done(status));
    }
    let code = ResponseCode::AppendUid { uidvalidity: appended.uidvalidity, uids: appended.uids };
    Ok(Flow::Done(status.with_code(code)))
}

/// Refuses keywords that would be too many in a mailbox.
///
/// # Errors
/// When they are; those of the store.
pub(super) fn check_flags(user: &SignedIn, target: &Mailbox, messages: &[New]) -> Result<(), Refusal> {
    let mut keywords: Vec<_> = messages.iter().flat_map(|new| new.message.keywords.iter().cloned()).collect();
    if keywords.is_empty() {
        return Ok(());
    }
    keywords.sort();
    keywords.dedup();
    match user.cell.image(user.mail.id, target.id)? {
        Some(image) => check_keywords(&image, &keywords),
        None => Ok(()),
    }
}

/// A message that can be stored.
pub(super) struct New {
    pub(super) message: NewMessage,
    pub(super) size_bytes: u64,
}

impl New {
    /// Makes what a client sent ready for storing.
    ///
    /// # Errors
    /// When it is empty or too large, or cannot be kept as it is.
    pub(super) fn of(services: &Services, message: AppendMessage) -> Result<Self, Refusal> {
        let AppendMessage { flags, internal_date, bytes, binary } = message;
        if bytes.is_empty() {
            // RFC 3502 §6.3.11: a client that changes its mind says so by an empty message.
            return Err(Refusal::no("an empty message is none; nothing was appended"));
        }
        let crlf = message::to_crlf(&bytes);
        let size_bytes = crlf.len() as u64;
        if size_bytes > services.policy.append_limit_bytes {
            return Err(Refusal::no("the message is too large").with_code(ResponseCode::TooBig));
        }
        check_bytes(&crlf, matches!(crlf, Cow::Owned(_)), binary)?;
        let (flags, keywords) = of_args(&flags);
        let bytes = Prepared::new(&crlf, &message::examine(&crlf));
        Ok(New { message: NewMessage { bytes, flags, keywords, internal_date }, size_bytes })
    }
}

/// Refuses a message that cannot be kept as it was sent. `mended`: line endings had to be.
fn check_bytes(crlf: &[u8], mended: bool, binary: bool) -> Result<(), Refusal> {
    let has_nul = memchr::memchr(0, crlf).is_some();
    match binary {
        false if has_nul => Err(Refusal::no("a message cannot hold the character NUL")),
        true if has_nul || mended && has_binary_part(&mime::parse(crlf)) => {
            let text = "binary data must be encoded to be kept; nothing was appended";
            Err(Refusal::no(text).with_code(ResponseCode::UnknownCte))
        }
        _ => Ok(()),
    }
}

fn has_binary_part(part: &Part) -> bool {
    let is_binary = |encoding: &Vec<u8>| encoding.trim_ascii().eq_ignore_ascii_case(b"binary");
    match &part.content {
        Content::Leaf => part.transfer_encoding.as_ref().is_some_and(is_binary),
        Content::Message(inner) => has_binary_part(inner),
        Content::Multipart(children) => children.iter().any(has_binary_part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_data_is_refused_rather_than_changed() {
        let refused = |bytes: &[u8], binary| {
            let crlf = message::to_crlf(bytes);
            check_bytes(&crlf, matches!(crlf, Cow::Owned(_)), binary).is_err()
        };
        let header = |encoding: &str| format!("Content-Transfer-Encoding: {encoding}\r\n\r\n");
        let binary = header("binary").into_bytes();
        assert!(!refused(&[&binary[..], b"a\r\nb"].concat(), true));
        assert!(refused(&[&binary[..], b"a\nb"].concat(), true));
        assert!(!refused(&[&binary[..], b"a\nb"].concat(), false), "as text its line endings are mended");
        assert!(!refused(&[header("8bit").as_bytes(), b"a\nb"].concat(), true));
        assert!(refused(b"a\0b", true) && refused(b"a\0b", false));
    }
}
