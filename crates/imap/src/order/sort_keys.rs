//! What SORT compares of one message (RFC 5256 §2.2 and §3, RFC 5957).

use super::compact::{Reader, Writer};
use super::comparable;
use message::decoded_header;
use message::envelope::{self, MailAddress};
use message::{header, subject};

/// How many bytes of a text are compared: what is kept of hostile mail is short, and nobody sees a difference behind them.
const MAX_TEXT_BYTES: usize = 1024;

/// What a message is sorted by, besides what its bytes do not say. Texts are in the form in which they compare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SortKeys {
    /// The Date field in seconds since 1970 UTC; `None`: INTERNALDATE stands for it.
    pub(crate) sent_s: Option<i64>,
    /// The base subject.
    pub(crate) subject: Vec<u8>,
    /// The localpart of the first From address.
    pub(crate) from: Vec<u8>,
    /// The localpart of the first To address.
    pub(crate) to: Vec<u8>,
    /// The localpart of the first Cc address.
    pub(crate) cc: Vec<u8>,
    /// What is shown of the first From address.
    pub(crate) display_from: Vec<u8>,
    /// What is shown of the first To address.
    pub(crate) display_to: Vec<u8>,
}

impl SortKeys {
    /// Makes the keys of a message in CRLF form.
    pub(crate) fn of(crlf: &[u8]) -> SortKeys {
        let envelope = envelope::parse(crlf);
        SortKeys {
            sent_s: subject::sent_date(crlf),
            subject: base_subject(crlf).0,
            from: localpart(&envelope.from),
            to: localpart(&envelope.to),
            cc: localpart(&envelope.cc),
            display_from: display(&envelope.from),
            display_to: display(&envelope.to),
        }
    }

    /// The form that is kept.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.time(self.sent_s);
        for text in [&self.subject, &self.from, &self.to, &self.cc, &self.display_from, &self.display_to] {
            writer.bytes(text);
        }
        writer.0
    }

    /// Reads the form that is kept; what is missing of it is empty.
    pub(crate) fn decode(kept: &[u8]) -> SortKeys {
        let mut reader = Reader(kept);
        let sent_s = reader.time();
        let [subject, from, to, cc, display_from, display_to] = std::array::from_fn(|_| reader.bytes().to_vec());
        SortKeys { sent_s, subject, from, to, cc, display_from, display_to }
    }
}

/// The base subject in the form in which it compares, and whether the subject marks a reply or forward.
pub(super) fn base_subject(crlf: &[u8]) -> (Vec<u8>, bool) {
    let Some(field) = header::find(crlf, "Subject") else { return (Vec::new(), false) };
    let (base, is_reply) = subject::base_subject(&decoded_header(field.raw_value()));
    (beginning(comparable(&base)), is_reply)
}

/// RFC 5256 §3: `addr-mailbox` of the first address; of a group its name.
fn localpart(addresses: &[MailAddress]) -> Vec<u8> {
    let mailbox = addresses.first().and_then(|address| address.mailbox.as_deref());
    beginning(comparable(&String::from_utf8_lossy(mailbox.unwrap_or_default())))
}

/// RFC 5957 §3: the decoded display name of the first address, else the address itself; of a group its name.
fn display(addresses: &[MailAddress]) -> Vec<u8> {
    let Some(MailAddress { name, mailbox, host, .. }) = addresses.first() else { return Vec::new() };
    let name = decoded_header(name.as_deref().unwrap_or_default());
    if !name.is_empty() {
        return beginning(comparable(&name));
    }
    let text = |part: &Option<Vec<u8>>| String::from_utf8_lossy(part.as_deref().unwrap_or_default()).into_owned();
    beginning(match host {
        Some(_) => comparable(&format!("{}@{}", text(mailbox), text(host))),
        None => comparable(&text(mailbox)),
    })
}

fn beginning(mut text: Vec<u8>) -> Vec<u8> {
    text.truncate(MAX_TEXT_BYTES);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"From: =?utf-8?q?=C3=91and=C3=BA?= <Ana.Gil@example.org>\r\nTo: team: Luis@x, b@y;\r\n\
        Cc: (Pepe) p@z\r\nSubject: Re: [x] =?iso-8859-1?q?Se=F1al?=\r\nDate: Thu, 1 Jan 1970 00:00:07 +0000\r\n\r\n";

    #[test]
    fn keys_of_a_message() {
        let keys = SortKeys::of(MESSAGE);
        assert_eq!(keys.sent_s, Some(7));
        let texts = [&keys.subject, &keys.from, &keys.to, &keys.cc, &keys.display_from, &keys.display_to];
        let texts = texts.map(|text| String::from_utf8_lossy(text).into_owned());
        assert_eq!(texts, ["SEN\u{303}AL", "ANA.GIL", "TEAM", "P", "N\u{303}ANDU\u{301}", "TEAM"]);
    }

    #[test]
    fn keys_of_hostile_mail_are_short() {
        let long = "x".repeat(50_000);
        let message = format!("Subject: {long}\r\nFrom: {long} <{long}@{long}>\r\nTo: {long}\r\nCc: {long}@x\r\n\r\n");
        assert!(SortKeys::of(message.as_bytes()).encode().len() < 7 * MAX_TEXT_BYTES);
    }

    #[test]
    fn what_is_kept_is_read_again() {
        for message in [MESSAGE, b"", b"Subject: x\r\n\r\n"] {
            let keys = SortKeys::of(message);
            assert_eq!(SortKeys::decode(&keys.encode()), keys);
        }
        assert_eq!(SortKeys::decode(b"\xff\xff"), SortKeys::default());
    }
}
