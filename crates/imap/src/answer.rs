//! How commands end: everything that can go wrong, as answers (RFC 9051 §7.1, RFC 5530).
//!
//! The client gets safe text without paths or SQL; the operator gets the chain of causes in the log, with the reference
//! number that the client was told.

use crate::syntax::{self, RefusedLine, RefusedWhy, ResponseCode};
use edge::{Peer, Reference, causes};
use std::borrow::Cow;

/// A status response: how a command ended well, or word of the server's own.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    kind: Kind,
    code: Option<ResponseCode>,
    text: Cow<'static, str>,
}

/// The word that a status begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ok,
    No,
    Bad,
    Bye,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Ok => "OK",
            Kind::No => "NO",
            Kind::Bad => "BAD",
            Kind::Bye => "BYE",
        }
    }
}

impl Status {
    /// It went well.
    pub(crate) fn ok(text: impl Into<Cow<'static, str>>) -> Self {
        Status { kind: Kind::Ok, code: None, text: text.into() }
    }

    /// The connection ends.
    pub(crate) fn bye(text: impl Into<Cow<'static, str>>) -> Self {
        Status { kind: Kind::Bye, code: None, text: text.into() }
    }

    /// With a response code.
    pub(crate) fn with_code(mut self, code: ResponseCode) -> Self {
        self.code = Some(code);
        self
    }
}

/// Why a command was not done.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: Status,
    /// What the operator should know, with the number that the client was told.
    cause: Option<(Reference, Box<dyn std::error::Error + Send + Sync>)>,
}

impl Refusal {
    /// It cannot be done.
    pub(crate) fn no(text: impl Into<Cow<'static, str>>) -> Self {
        Refusal { status: Status { kind: Kind::No, code: None, text: text.into() }, cause: None }
    }

    /// It cannot be understood, or not now.
    pub(crate) fn bad(text: impl Into<Cow<'static, str>>) -> Self {
        Refusal { status: Status { kind: Kind::Bad, code: None, text: text.into() }, cause: None }
    }

    /// With a response code.
    pub(crate) fn with_code(mut self, code: ResponseCode) -> Self {
        self.status.code = Some(code);
        self
    }

    /// A charset that SEARCH does not know (RFC 9051 §7.1).
    pub(crate) fn bad_charset() -> Self {
        Refusal::no("use UTF-8").with_code(ResponseCode::BadCharset(vec!["UTF-8".into(), "US-ASCII".into()]))
    }

    /// What the framer could not take.
    pub(crate) fn of_line(line: &RefusedLine) -> Self {
        match line.why {
            RefusedWhy::LiteralTooBig | RefusedWhy::UnaskedLiteralTooBig => {
                Refusal::no(line.why.text()).with_code(ResponseCode::TooBig)
            }
            RefusedWhy::NoRoom => Refusal::no(line.why.text()).with_code(ResponseCode::Limit),
            RefusedWhy::LineTooLong | RefusedWhy::Nul => Refusal::bad(line.why.text()),
        }
    }

    /// Whether the client, and not the server or the mail, is at fault.
    pub(crate) fn is_bad(&self) -> bool {
        self.status.kind == Kind::Bad
    }

    /// Tells the operator what the client is not told.
    pub(crate) fn log(&self, peer: &Peer) {
        if let Some((reference, cause)) = &self.cause {
            let cause = causes(&**cause);
            tracing::error!(%reference, peer = %peer.address, cause, "an IMAP command failed");
        }
    }
}

impl From<store::StoreError> for Refusal {
    fn from(error: store::StoreError) -> Self {
        let reference = Reference::unique();
        let (code, text) = match error.class() {
            _ if error.is_disk_full() => (ResponseCode::Unavailable, "the server's disk is full; nothing was changed"),
            store::Class::Corruption => (ResponseCode::Corruption, "what is stored is damaged"),
            store::Class::Temporary => (ResponseCode::Unavailable, "the server cannot do it now"),
            store::Class::Permanent | store::Class::Caller => (ResponseCode::ServerBug, "the server could not do it"),
        };
        let text = format!("{text} (reference {reference})");
        Refusal { cause: Some((reference, Box::new(error))), ..Refusal::no(text).with_code(code) }
    }
}

impl From<store::Refused> for Refusal {
    fn from(refused: store::Refused) -> Self {
        use store::Refused as Why;
        let code = match refused {
            Why::NoSuchMailbox => ResponseCode::NonExistent,
            Why::NoSuchTarget => ResponseCode::TryCreate,
            Why::NoSuchMessage => ResponseCode::ExpungeIssued,
            Why::AlreadyExists => ResponseCode::AlreadyExists,
            Why::Inbox | Why::IntoItself | Why::NameTooLong => ResponseCode::Cannot,
            Why::HasChildren => ResponseCode::HasChildren,
            Why::SpecialUseTaken => ResponseCode::UseAttr,
            Why::NoUidsLeft | Why::NoUidvalidityLeft | Why::TooManyKeywords | Why::TooManyMailboxes => {
                ResponseCode::Limit
            }
            Why::TooManyAnnotations => ResponseCode::MetadataTooMany,
            Why::AnnotationTooLarge => ResponseCode::MetadataMaxSize(store::MAX_ANNOTATION_BYTES as u64),
            Why::BadEntry => return Refusal::bad(refused.to_string()),
        };
        Refusal::no(refused.to_string()).with_code(code)
    }
}

impl From<directory::DirectoryError> for Refusal {
    fn from(error: directory::DirectoryError) -> Self {
        let reference = Reference::unique();
        let text = format!("accounts cannot be read or written now (reference {reference})");
        Refusal { cause: Some((reference, Box::new(error))), ..Refusal::no(text).with_code(ResponseCode::Unavailable) }
    }
}

/// Writes a status response: tagged, or `*`.
pub(crate) fn say_status(out: &mut Vec<u8>, tag: Option<&str>, status: &Status) {
    syntax::write_status(out, tag, status.kind.word(), status.code.as_ref(), &status.text);
}

/// Writes why a command was not done.
pub(crate) fn say_refusal(out: &mut Vec<u8>, tag: Option<&str>, refusal: &Refusal) {
    say_status(out, tag, &refusal.status);
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::Refused;

    fn said(refusal: &Refusal) -> String {
        let mut out = Vec::new();
        say_refusal(&mut out, Some("a"), refusal);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn what_the_store_refuses_has_a_code_of_its_own() {
        for (refused, begin) in [
            (Refused::NoSuchMailbox, "a NO [NONEXISTENT] "),
            (Refused::NoSuchTarget, "a NO [TRYCREATE] "),
            (Refused::NoSuchMessage, "a NO [EXPUNGEISSUED] "),
            (Refused::AlreadyExists, "a NO [ALREADYEXISTS] "),
            (Refused::Inbox, "a NO [CANNOT] "),
            (Refused::HasChildren, "a NO [HASCHILDREN] "),
            (Refused::IntoItself, "a NO [CANNOT] "),
            (Refused::NameTooLong, "a NO [CANNOT] "),
            (Refused::SpecialUseTaken, "a NO [USEATTR] "),
            (Refused::NoUidsLeft, "a NO [LIMIT] "),
            (Refused::NoUidvalidityLeft, "a NO [LIMIT] "),
            (Refused::TooManyKeywords, "a NO [LIMIT] "),
            (Refused::TooManyMailboxes, "a NO [LIMIT] "),
            (Refused::BadEntry, "a BAD "),
            (Refused::TooManyAnnotations, "a NO [METADATA TOOMANY] "),
            (Refused::AnnotationTooLarge, "a NO [METADATA MAXSIZE 65536] "),
        ] {
            let answer = said(&refused.into());
            assert!(answer.starts_with(begin), "{refused:?}: {answer}");
        }
    }

    #[test]
    fn what_fails_is_said_without_its_cause_and_can_be_found_by_its_reference() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let path = || std::path::PathBuf::from("/var/mail/cells/00");
        for (error, begin) in [
            (store::StoreError::Io { path: path(), cause: full }, "a NO [UNAVAILABLE] "),
            (store::StoreError::Io { path: path(), cause: std::io::Error::other("x") }, "a NO [SERVERBUG] "),
            (store::StoreError::BadRow("message 7".into()), "a NO [CORRUPTION] "),
            (store::StoreError::Stopped, "a NO [UNAVAILABLE] "),
        ] {
            let answer = said(&error.into());
            assert!(answer.starts_with(begin) && answer.contains("(reference "), "{answer}");
            assert!(!answer.contains("/var") && !answer.contains("message 7"), "{answer}");
        }
    }

    #[test]
    fn what_cannot_be_framed_is_bad_or_too_big() {
        for (why, begin) in [
            (RefusedWhy::LineTooLong, "a BAD "),
            (RefusedWhy::Nul, "a BAD "),
            (RefusedWhy::LiteralTooBig, "a NO [TOOBIG] "),
            (RefusedWhy::UnaskedLiteralTooBig, "a NO [TOOBIG] "),
            (RefusedWhy::NoRoom, "a NO [LIMIT] "),
        ] {
            let answer = said(&Refusal::of_line(&RefusedLine { tag: None, why, fatal: false }));
            assert!(answer.starts_with(begin), "{why:?}: {answer}");
        }
    }
}
