//! ENVELOPE as it goes over the wire (RFC 9051 §7.5.2).
//!
//! ```text
//! envelope = "(" env-date SP env-subject SP env-from SP env-sender SP env-reply-to SP env-to SP env-cc SP env-bcc SP
//!            env-in-reply-to SP env-message-id ")"
//! env-from = "(" 1*address ")" / nil
//! address  = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")"
//! ```

use super::write_string;
use message::envelope::{Envelope, MailAddress};

/// Writes an envelope.
pub(crate) fn write_envelope(out: &mut Vec<u8>, envelope: &Envelope) {
    out.push(b'(');
    write_header_nstring(out, envelope.date.as_deref());
    out.push(b' ');
    write_header_nstring(out, envelope.subject.as_deref());
    let Envelope { from, sender, reply_to, to, cc, bcc, .. } = envelope;
    for list in [from, sender, reply_to, to, cc, bcc] {
        out.push(b' ');
        write_addresses(out, list);
    }
    out.push(b' ');
    write_header_nstring(out, envelope.in_reply_to.as_deref());
    out.push(b' ');
    write_header_nstring(out, envelope.message_id.as_deref());
    out.push(b')');
}

/// Writes a value of a header as an `nstring`.
pub(super) fn write_header_nstring(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        Some(value) => write_header_string(out, value),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// Writes a value of a header as a `string`. No string may hold NUL, so a NUL is left out.
pub(super) fn write_header_string(out: &mut Vec<u8>, value: &[u8]) {
    if value.contains(&0) {
        let value: Vec<u8> = value.iter().copied().filter(|byte| *byte != 0).collect();
        write_string(out, &value);
    } else {
        write_string(out, value);
    }
}

fn write_addresses(out: &mut Vec<u8>, addresses: &[MailAddress]) {
    if addresses.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    out.push(b'(');
    for MailAddress { name, route, mailbox, host } in addresses {
        for (part, before) in [name, route, mailbox, host].into_iter().zip(*b"(   ") {
            out.push(before);
            write_header_nstring(out, part.as_deref());
        }
        out.push(b')');
    }
    out.push(b')');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(header: &[u8]) -> String {
        let mut out = Vec::new();
        write_envelope(&mut out, &message::envelope::parse(header));
        out.escape_ascii().to_string().replace("\\\"", "\"")
    }

    #[test]
    fn envelopes_by_table() {
        assert_eq!(written(b"\r\n"), "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
        // RFC 9051 §8 has this one in its example of a connection.
        assert_eq!(
            written(
                b"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\nFrom: Terry Gray <gray@cac.washington.edu>\r\n\
                  Subject: IMAP4rev2 WG mtg summary and minutes\r\nTo: imap@cac.washington.edu\r\n\
                  cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n\
                  Message-Id: <B27397-0100000@cac.washington.edu>\r\nMIME-Version: 1.0\r\n\r\n"
            ),
            "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev2 WG mtg summary and minutes\" \
             ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
             ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((NIL NIL \"imap\" \"cac.washington.edu\")) \
             ((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL \
             \"<B27397-0100000@cac.washington.edu>\")"
        );
    }

    #[test]
    fn what_cannot_be_quoted_is_a_literal() {
        assert_eq!(
            written(b"Subject: a\xf1o\r\nFrom: g:;\r\nDate: a\0b\r\n\r\n"),
            "(\"ab\" {3}\\r\\na\\xf1o ((NIL NIL \"g\" NIL)(NIL NIL NIL NIL)) ((NIL NIL \"g\" NIL)(NIL NIL NIL NIL)) \
             ((NIL NIL \"g\" NIL)(NIL NIL NIL NIL)) NIL NIL NIL NIL NIL)"
        );
    }
}
