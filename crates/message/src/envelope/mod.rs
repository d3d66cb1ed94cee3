//! The envelope of a message as IMAP shows it (RFC 9051 §7.5.2).
//!
//! Values stand as they are written, encoded words and 8-bit bytes included; only folds are undone.

mod addresses;

pub use addresses::MailAddress;

use crate::header::{self, Field};
use addresses::addresses;

/// The fields of an envelope.
///
/// Of a field that occurs twice the first counts; the addresses of address fields count together, as if they stood in one:
/// otherwise what a filter looks at and what a person is shown could differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// Date as written.
    pub date: Option<Vec<u8>>,
    /// Subject; runs of white space are one space.
    pub subject: Option<Vec<u8>>,
    /// From.
    pub from: Vec<MailAddress>,
    /// Sender; From where there is none.
    pub sender: Vec<MailAddress>,
    /// Reply-To; From where there is none.
    pub reply_to: Vec<MailAddress>,
    /// To.
    pub to: Vec<MailAddress>,
    /// Cc.
    pub cc: Vec<MailAddress>,
    /// Bcc.
    pub bcc: Vec<MailAddress>,
    /// In-Reply-To as written.
    pub in_reply_to: Option<Vec<u8>>,
    /// Message-ID as written.
    pub message_id: Option<Vec<u8>>,
}

/// Reads the envelope of a message, or of a header alone.
pub fn parse(crlf: &[u8]) -> Envelope {
    let mut envelope = Envelope::default();
    for field in header::fields(crlf) {
        envelope.take(&field);
    }
    for absent in [&mut envelope.sender, &mut envelope.reply_to] {
        if absent.is_empty() {
            absent.clone_from(&envelope.from);
        }
    }
    envelope
}

impl Envelope {
    fn take(&mut self, field: &Field<'_>) {
        let (text, list) = match &field.name().to_ascii_lowercase()[..] {
            b"date" => (Some(&mut self.date), None),
            b"subject" => (Some(&mut self.subject), None),
            b"in-reply-to" => (Some(&mut self.in_reply_to), None),
            b"message-id" => (Some(&mut self.message_id), None),
            b"from" => (None, Some(&mut self.from)),
            b"sender" => (None, Some(&mut self.sender)),
            b"reply-to" => (None, Some(&mut self.reply_to)),
            b"to" => (None, Some(&mut self.to)),
            b"cc" => (None, Some(&mut self.cc)),
            b"bcc" => (None, Some(&mut self.bcc)),
            _ => return,
        };
        if let Some(text) = text
            && text.is_none()
        {
            let value = field.value();
            *text = Some(if field.is("Subject") { one_space(&value) } else { value.into_owned() });
        }
        if let Some(list) = list {
            addresses(&field.value(), list);
        }
    }
}

/// A text whose runs of white space are one space each.
fn one_space(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for word in text.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sender_and_reply_to_are_from_where_they_are_absent() {
        let envelope =
            parse(b"From: A <a@x>\r\nReply-To: b@x\r\nSubject: a\r\n \t b\r\nDate: now\r\nSubject: c\r\n\r\n");
        assert_eq!(envelope.sender, envelope.from);
        assert_ne!(envelope.reply_to, envelope.from);
        assert_eq!(envelope.subject.as_deref(), Some(&b"a b"[..]));
        assert_eq!(envelope.date.as_deref(), Some(&b"now"[..]));
        assert_eq!(envelope.message_id, None);
    }

    #[test]
    fn fields_that_stand_twice_are_joined() {
        let envelope = parse(b"To: a@x\r\nFrom: b@x\r\nTo: c@x\r\n\r\n");
        let mailboxes: Vec<_> = envelope.to.iter().filter_map(|address| address.mailbox.as_deref()).collect();
        assert_eq!(mailboxes, [b"a", b"c"]);
    }
}
