//! The bytes of a reply (RFC 5230 §5).

use crate::run::rfc5322;
use message::{Address, FieldError, NewField, decoded_header, header, mime};

/// The longest line of quoted-printable text, in bytes (RFC 2045 §6.7).
const LINE_BYTES: usize = 76;
/// The longest subject that is written, in characters.
const MAX_SUBJECT_CHARS: usize = 200;
/// How many ids of messages before it a reply names.
const MAX_REFERENCES: usize = 20;
/// The longest id that a reply repeats, in bytes.
const MAX_ID_BYTES: usize = 250;
/// The longest line that needs no encoding, in bytes (RFC 5322 §2.1.1).
const MAX_PLAIN_LINE_BYTES: usize = 998;

/// What a reply is made of.
pub(super) struct Parts<'a> {
    pub(super) from: (Option<String>, Address),
    pub(super) to: &'a Address,
    pub(super) subject: Option<&'a str>,
    pub(super) mime: bool,
    pub(super) reason: &'a str,
    pub(super) time_s: i64,
    pub(super) zone_offset_s: i64,
    /// Stands for the vacation.
    pub(super) unique: &'a str,
    /// The message that is answered.
    pub(super) original: &'a [u8],
    /// A message with the header that is answered.
    pub(super) header: &'a [u8],
}

/// Writes a reply in CRLF form.
pub(super) fn build(parts: &Parts<'_>) -> Vec<u8> {
    let mut out = String::new();
    let (name, from) = &parts.from;
    push_field(&mut out, NewField::mailbox("From", name.as_deref().unwrap_or_default(), from));
    push_line(&mut out, "To", &format!("<{}>", parts.to));
    push_field(&mut out, NewField::new("Subject", &on_one_line(&subject(parts))));
    push_line(&mut out, "Date", &rfc5322(parts.time_s, parts.zone_offset_s));
    push_line(&mut out, "Message-ID", &message_id(parts));
    let ids = |field: &str| header::find(parts.header, field).map_or_else(Vec::new, |field| ids_of(&field.value()));
    let original_id = ids("Message-ID").into_iter().next();
    if let Some(id) = &original_id {
        push_line(&mut out, "In-Reply-To", id);
        // RFC 5322 §3.6.4.
        let mut references = ids("References");
        if references.is_empty() {
            references = Some(ids("In-Reply-To")).filter(|ids| ids.len() == 1).unwrap_or_default();
        }
        let first_kept = references.len().saturating_sub(MAX_REFERENCES);
        references.drain(..first_kept);
        references.push(id.clone());
        push_line(&mut out, "References", &references.join("\r\n "));
    }
    push_line(&mut out, "Auto-Submitted", "auto-replied (vacation)");
    push_line(&mut out, "X-Auto-Response-Suppress", "All");
    push_line(&mut out, "MIME-Version", "1.0");
    let mut out = out.into_bytes();
    match parts.mime {
        true => push_entity(&mut out, parts.reason),
        false => push_plain(&mut out, parts.reason),
    }
    out
}

fn subject(parts: &Parts<'_>) -> String {
    let subject = match parts.subject {
        Some(subject) => subject.to_owned(),
        None => match header::find(parts.header, "Subject") {
            Some(field) => format!("Auto: {}", decoded_header(&field.value())),
            None => "Automated reply".to_owned(),
        },
    };
    subject.chars().take(MAX_SUBJECT_CHARS).collect()
}

fn message_id(parts: &Parts<'_>) -> String {
    let digest = blake3::hash(parts.original);
    let time = parts.time_s.to_le_bytes();
    let unique = super::key(&[parts.unique.as_bytes(), parts.to.key().as_bytes(), &time, digest.as_bytes()]);
    format!("<vacation.{}@{}>", &unique[..32], parts.from.1.domain())
}

/// The message ids of a value, those that are none passed over.
fn ids_of(value: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(value);
    let words = text.split(|c: char| c.is_ascii_whitespace()).filter(|word| {
        let inner = word.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
        word.len() <= MAX_ID_BYTES
            && inner.is_some_and(|id| {
                !id.is_empty() && id.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>'))
            })
    });
    words.map(str::to_owned).collect()
}

fn push_line(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push_str(": ");
    out.push_str(value);
    out.push_str("\r\n");
}

/// Text that a field may hold.
fn on_one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_control() || c.is_whitespace());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn push_field(out: &mut String, field: Result<NewField, FieldError>) {
    let field = field.expect("the name is one, and the text has no control character");
    out.push_str(&String::from_utf8_lossy(field.as_bytes()));
}

/// Writes a reason as plain text, quoted-printable where it is not plain enough.
fn push_plain(out: &mut Vec<u8>, reason: &str) {
    let text = message::to_crlf(reason.as_bytes());
    let is_plain = text.is_ascii()
        && !text.contains(&0)
        && text
            .split(|byte| *byte == b'\n')
            .all(|line| line.len() <= MAX_PLAIN_LINE_BYTES && !line[..line.len().saturating_sub(1)].contains(&b'\r'));
    out.extend_from_slice(b"Content-Type: text/plain; charset=utf-8\r\n");
    match is_plain {
        true => {
            out.extend_from_slice(b"Content-Transfer-Encoding: 7bit\r\n\r\n");
            out.extend_from_slice(&text);
        }
        false => {
            out.extend_from_slice(b"Content-Transfer-Encoding: quoted-printable\r\n\r\n");
            push_quoted_printable(out, &text);
        }
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
}

/// RFC 2045 §6.7.
fn push_quoted_printable(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    let mut column = 0;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'\r' && after.first() == Some(&b'\n') {
            out.extend_from_slice(b"\r\n");
            rest = &after[1..];
            column = 0;
            continue;
        }
        let ends_line = after.is_empty() || after.starts_with(b"\r\n");
        let is_literal = matches!(byte, b'!'..=b'<' | b'>'..=b'~') || matches!(byte, b' ' | b'\t') && !ends_line;
        let width = if is_literal { 1 } else { 3 };
        if column + width > LINE_BYTES - 1 {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        match is_literal {
            true => out.push(byte),
            false => out.extend_from_slice(format!("={byte:02X}").as_bytes()),
        }
        column += width;
    }
}

/// Writes a reason that is a MIME entity (RFC 5230 §4.4). Of its header only what describes the content is taken: the rest
/// is ours to say.
fn push_entity(out: &mut Vec<u8>, reason: &str) {
    let entity = message::to_crlf(reason.as_bytes());
    let body = &entity[mime::parse(&entity).body];
    let mut names_encoding = false;
    for field in header::fields(&entity) {
        let name = String::from_utf8_lossy(field.name()).into_owned();
        let value = field.value();
        let describes = name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("Content-"));
        if !describes || !value.is_ascii() || value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            continue;
        }
        names_encoding |= field.is("Content-Transfer-Encoding");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b":");
        out.extend_from_slice(field.raw_value());
        out.extend_from_slice(b"\r\n");
    }
    if !names_encoding && !body.is_ascii() {
        out.extend_from_slice(b"Content-Transfer-Encoding: 8bit\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn reply(subject: Option<&str>, mime: bool, reason: &str, original: &[u8]) -> String {
        let to = Address::new("ana@example.org").unwrap();
        let from = (None, Address::new("yo@example.com").unwrap());
        let (time_s, zone_offset_s, unique, header) = (0, 3600, "u", original);
        let parts = Parts { from, to: &to, subject, mime, reason, time_s, zone_offset_s, unique, original, header };
        String::from_utf8(build(&parts)).unwrap()
    }

    #[test]
    fn a_reply_has_what_rfc_5230_asks_for() {
        let original = b"Message-ID: <2@x>\r\nReferences: <0@x> junk\r\n <1@x>\r\nSubject: Hola\r\n\r\n";
        let reply = reply(None, false, "Vuelvo\nel lunes.", original);
        let (header, body) = reply.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "Vuelvo\r\nel lunes.\r\n");
        let id = header.lines().find(|line| line.starts_with("Message-ID: <vacation.")).unwrap();
        assert!(id.ends_with("@example.com>"));
        let expected = "From: <yo@example.com>\r\nTo: <ana@example.org>\r\nSubject: Auto: Hola\r\n\
                        Date: Thu, 01 Jan 1970 01:00:00 +0100\r\nIn-Reply-To: <2@x>\r\n\
                        References: <0@x>\r\n <1@x>\r\n <2@x>\r\nAuto-Submitted: auto-replied (vacation)\r\n\
                        X-Auto-Response-Suppress: All\r\nMIME-Version: 1.0\r\n\
                        Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit";
        assert_eq!(header.replace(&format!("{id}\r\n"), ""), expected);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let long = "ñandú con eñes ".repeat(12);
        for subject in ["Ausente", "Año nuevo", &long, "=?utf-8?q?x?=", &"x".repeat(190)] {
            let reply = reply(Some(subject), false, "ñ \r\n.=\tx \n\u{0}", b"");
            let field = header::find(reply.as_bytes(), "Subject").unwrap();
            assert_eq!(decoded_header(&field.value()), subject.trim());
            let is_short = |line: &str| line.len() <= 78 || line.ends_with(&"x".repeat(190));
            assert!(reply.lines().all(|line| is_short(line) && line.is_ascii()), "{reply}");
            let part = mime::parse(reply.as_bytes());
            let body = mime::decode_body(&part, &reply.as_bytes()[part.body.clone()]).unwrap();
            assert_eq!(body, "ñ \r\n.=\tx \r\n\u{0}\r\n".as_bytes());
        }
    }

    #[test]
    fn no_field_can_be_smuggled_in() {
        let reply = reply(Some("a\r\nBcc: b@x\n\nc"), true, "Bcc: c@x\r\nContent-Type: text/html\r\n\r\nñ", b"");
        assert!(reply.contains("Subject: a Bcc: b@x c\r\n"), "{reply}");
        assert!(!reply.contains("\r\nBcc"), "{reply}");
        assert!(reply.ends_with("Content-Type: text/html\r\nContent-Transfer-Encoding: 8bit\r\n\r\nñ\r\n"), "{reply}");
    }
}
