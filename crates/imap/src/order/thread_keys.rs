//! What THREAD joins messages by (RFC 5256 §2.1 and §3).

use super::compact::{Reader, Writer};
use super::message_id::message_ids;
use super::sort_keys::base_subject;
use message::header;
use message::subject::sent_date;

/// How many references of one message are looked at: the first and the last ones. Long threads of real lists have some
/// hundreds.
const MAX_REFERENCES: usize = 1_000;

/// The longest identifier that is looked at, in bytes; longer ones are as good as none (RFC 5322 §2.1.1 allows lines of 998).
const MAX_ID_BYTES: usize = 998;

/// How many bytes all references of one message may have, so that what is kept of hostile mail is short: this is some
/// hundreds of real ones.
const MAX_REFERENCES_BYTES: usize = 14 * 1024;

/// What joins a message to others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ThreadKeys {
    /// Its Message-ID without angle brackets.
    pub(crate) message_id: Option<Vec<u8>>,
    /// What it refers to, oldest first: References, else the first identifier of In-Reply-To.
    pub(crate) references: Vec<Vec<u8>>,
    /// The base subject in the form in which it compares.
    pub(crate) subject: Vec<u8>,
    /// Whether the subject marks a reply or forward.
    pub(crate) is_reply: bool,
    /// The Date field in seconds since 1970 UTC; `None`: INTERNALDATE stands for it.
    pub(crate) sent_s: Option<i64>,
}

/// The first of the references and as many of the last as are looked at.
fn first_and_last(mut references: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let Some(first) = references.first() else { return references };
    let mut bytes = first.len();
    let last = references[1..].iter().rev().take(MAX_REFERENCES - 1).take_while(|id| {
        bytes += id.len();
        bytes <= MAX_REFERENCES_BYTES
    });
    let dropped = references.len() - 1 - last.count();
    references.drain(1..1 + dropped);
    references
}

impl ThreadKeys {
    /// Makes the keys of a message in CRLF form.
    pub(crate) fn of(crlf: &[u8]) -> ThreadKeys {
        let ids = |name: &str| -> Vec<Vec<u8>> {
            let Some(field) = header::find(crlf, name) else { return Vec::new() };
            message_ids(&field.value()).filter(|id| id.len() <= MAX_ID_BYTES).collect()
        };
        let mut references = first_and_last(ids("References"));
        if references.is_empty() {
            references = ids("In-Reply-To");
            references.truncate(1);
        }
        let (subject, is_reply) = base_subject(crlf);
        ThreadKeys {
            message_id: ids("Message-ID").into_iter().next(),
            references,
            subject,
            is_reply,
            sent_s: sent_date(crlf),
        }
    }

    /// The identifier of the message that began the conversation, as far as this one says.
    pub(crate) fn root(&self) -> Option<&[u8]> {
        self.references.first().or(self.message_id.as_ref()).map(Vec::as_slice)
    }

    /// The form that is kept.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.time(self.sent_s);
        writer.number(u64::from(self.is_reply));
        writer.bytes(&self.subject);
        writer.bytes(self.message_id.as_deref().unwrap_or_default());
        writer.number(self.references.len() as u64);
        self.references.iter().for_each(|reference| writer.bytes(reference));
        writer.0
    }

    /// Reads the form that is kept; what is missing of it is empty.
    pub(crate) fn decode(kept: &[u8]) -> ThreadKeys {
        let mut reader = Reader(kept);
        let sent_s = reader.time();
        let is_reply = reader.number() != 0;
        let subject = reader.bytes().to_vec();
        let message_id = Some(reader.bytes().to_vec()).filter(|id| !id.is_empty());
        let count = reader.number().min(MAX_REFERENCES as u64);
        let references = (0..count).map(|_| reader.bytes().to_vec()).filter(|id| !id.is_empty()).collect();
        ThreadKeys { message_id, references, subject, is_reply, sent_s }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_come_before_in_reply_to() {
        let keys = |header: &str| ThreadKeys::of(format!("{header}\r\n\r\n").as_bytes());
        let with = keys("References: <a@x>\r\n <b@x>\r\nIn-Reply-To: <c@x>\r\nMessage-ID: <d@x>\r\nSubject: Re: Hola");
        assert_eq!(with.references, [b"a@x", b"b@x"]);
        assert_eq!((with.root(), with.is_reply), (Some(&b"a@x"[..]), true));
        let without = keys("References: none\r\nIn-Reply-To: Your mail <c@x> <e@x>");
        assert_eq!(without.references, [b"c@x"]);
        assert_eq!(keys("Message-ID: <d@x>").root(), Some(&b"d@x"[..]));
        assert_eq!(keys("Subject: x").root(), None);
        for keys in [with, without, ThreadKeys::default()] {
            assert_eq!(ThreadKeys::decode(&keys.encode()), keys);
        }
    }

    #[test]
    fn of_many_references_the_first_and_the_last_count() {
        let ids: Vec<String> = (0..3_000).map(|n| format!("<{n}@x>")).collect();
        let keys = ThreadKeys::of(format!("References: {}\r\n\r\n", ids.join(" ")).as_bytes());
        assert_eq!(keys.references.len(), MAX_REFERENCES);
        assert_eq!((&keys.references[0][..], &keys.references[MAX_REFERENCES - 1][..]), (&b"0@x"[..], &b"2999@x"[..]));
        assert_eq!(ThreadKeys::decode(&keys.encode()), keys);
    }

    #[test]
    fn keys_of_hostile_mail_are_short() {
        let id = |n: usize| format!("<{n}{}@x>", "y".repeat(900));
        let ids: Vec<String> = (0..500).map(id).collect();
        let header = format!(
            "Message-ID: {}\r\nSubject: {}\r\nReferences: {}\r\n\r\n",
            id(1),
            "z".repeat(9_000),
            ids.join("\r\n ")
        );
        let keys = ThreadKeys::of(header.as_bytes());
        assert!(keys.encode().len() <= 16 * 1024, "they are kept");
        assert!(keys.references.len() > 10 && keys.references[0].starts_with(b"0y"));
        assert!(keys.references.last().is_some_and(|last| last.starts_with(b"499y")));
    }
}
