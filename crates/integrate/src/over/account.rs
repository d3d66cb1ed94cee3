//! What is wanted of an account, and what is found.

use message::{Address, Digest, Flags, Keyword};
use std::collections::{BTreeMap, HashMap};

/// An account as it must be served.
pub(super) struct Wanted {
    pub(super) address: Address,
    /// By name.
    pub(super) mailboxes: HashMap<String, WantedMailbox>,
}

pub(super) struct WantedMailbox {
    pub(super) uidvalidity: u32,
    /// When it was last verified: what is not below it came since.
    pub(super) uidnext: u32,
    /// By UID.
    pub(super) messages: BTreeMap<u32, WantedMessage>,
}

pub(super) struct WantedMessage {
    /// `None`: it came after the apply, and no row of the ledger is about it.
    pub(super) digest: Option<Digest>,
    pub(super) flags: Flags,
    pub(super) keywords: Vec<Keyword>,
    pub(super) internal_date: i64,
    pub(super) uidl: String,
    pub(super) of_before: bool,
}

impl Wanted {
    pub(super) fn message_count(&self) -> u64 {
        self.mailboxes.values().map(|mailbox| mailbox.messages.len() as u64).sum()
    }
}

impl WantedMessage {
    /// Whether flags and keywords are those that were verified.
    pub(super) fn has(&self, flags: Flags, keywords: &[Keyword]) -> bool {
        // The keyword and the flag are one.
        let split = |flags: Flags, keywords: &[Keyword]| {
            let forwarded = keywords.iter().any(|k| k.as_str().eq_ignore_ascii_case("$Forwarded"));
            if forwarded { flags | Flags::FORWARDED } else { flags }
        };
        let others = |keywords: &[Keyword]| -> Vec<String> {
            let mut names: Vec<String> = keywords.iter().map(|k| k.as_str().to_ascii_lowercase()).collect();
            names.retain(|name| name != "$forwarded");
            names.sort();
            names
        };
        split(self.flags, &self.keywords) == split(flags, keywords) && others(&self.keywords) == others(keywords)
    }
}

/// What was found of an account.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) mailboxes: u64,
    pub(super) messages: u64,
    pub(super) read_bytes: u64,
    pub(super) changed: u64,
    pub(super) arrived: u64,
    pub(super) hidden: u64,
    pub(super) without_nul: u64,
    pub(super) problems: Vec<String>,
}

/// How bytes compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bytes {
    Same,
    /// But for NUL, for which 0x80 stands.
    WithoutNul,
    Other,
}

impl Findings {
    /// Compares a message's bytes, which the ledger's digest decides.
    pub(super) fn compare(&mut self, digest: &Digest, served: &[u8]) -> Bytes {
        self.messages += 1;
        self.read_bytes += served.len() as u64;
        let crlf = message::to_crlf(served);
        if is_digest_of(digest, &crlf) {
            return Bytes::Same;
        }
        // RFC 3501 §9 (CHAR8): no NUL in a literal. Dovecot writes 0x80 in its place. Nothing but the very bytes, put back,
        // has the digest.
        let with_nul: Vec<u8> = crlf.iter().map(|b| if *b == 0x80 { 0 } else { *b }).collect();
        if is_digest_of(digest, &with_nul) {
            self.without_nul += 1;
            return Bytes::WithoutNul;
        }
        Bytes::Other
    }
}

pub(super) fn is_digest_of(digest: &Digest, bytes: &[u8]) -> bool {
    blake3::hash(bytes).as_bytes() == digest.as_bytes()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn digest(bytes: &[u8]) -> Digest {
        Digest::from_slice(blake3::hash(bytes).as_bytes()).unwrap()
    }

    #[test]
    fn bytes_are_the_same_or_others() {
        let mut findings = Findings::default();
        assert_eq!(findings.compare(&digest(b"a\r\n"), b"a\n"), Bytes::Same);
        assert_eq!(findings.compare(&digest(b"a\0\0\r\n"), b"a\x80\x80\r\n"), Bytes::WithoutNul);
        assert_eq!(findings.compare(&digest(b"a\r\n"), b"b\r\n"), Bytes::Other);
        assert_eq!((findings.messages, findings.without_nul), (3, 1));
    }

    #[test]
    fn forwarded_is_one_as_flag_and_as_keyword() {
        let keyword = |text: &str| Keyword::new(text).unwrap();
        let message = WantedMessage {
            digest: None,
            flags: Flags::SEEN | Flags::FORWARDED,
            keywords: vec![keyword("Trabajo")],
            internal_date: 0,
            uidl: String::new(),
            of_before: false,
        };
        assert!(message.has(Flags::SEEN, &[keyword("trabajo"), keyword("$Forwarded")]));
        assert!(!message.has(Flags::SEEN, &[keyword("Trabajo")]));
        assert!(!message.has(Flags::SEEN | Flags::FORWARDED, &[]));
    }
}
