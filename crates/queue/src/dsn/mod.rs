//! Delivery status notifications (RFC 3464), as the sender asked for them (RFC 3461): words for people, fields for programs,
//! and what came back (RFC 6522). Pure: a notification is bytes made of what is given.
//!
//! Everything in it but our own words is hostile: what servers answered, addresses, the message. Words for people go out in
//! quoted-printable, fields are cut to lines without control characters, and the boundary is a hash of what it separates.
//! Where the message needed SMTPUTF8, addresses and header stand as they are, in the types of RFC 6533; elsewhere everything
//! is ASCII.
//!
//! Where aliases and scripts lead is nothing for the sender to know (RFC 3464 §4.2, `ways`).

mod text;
mod ways;
mod words;

pub(crate) use ways::without_ways;

use jiff::Timestamp;
use std::fmt::Write;
use text::{clean, field, is_clean_7bit, is_clean_8bit, quoted_printable};

/// A message larger than this is not returned whole, in octets: a DSN is to tell, and the sender has the message.
const MAX_FULL: usize = 256 * 1024;
/// Octets of a header that are returned.
const MAX_HEADER: usize = 64 * 1024;

/// What a notification tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// It was given up.
    Failed,
    /// It takes long.
    Delayed,
    /// It arrived, or went on to where nobody tells.
    Success,
}

/// What became of a recipient, as RFC 3464 §2.3.3 calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Given up.
    Failed,
    /// Tried on.
    Delayed,
    /// Handed to a server that sends no DSNs.
    Relayed,
    /// In a mailbox.
    Delivered,
}

/// Why a recipient is told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// What the status says.
    Status,
    /// The time is over; the status is that of the last try.
    Expired,
    /// An operator ended it.
    Operator,
}

/// A recipient and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Fate {
    /// The address.
    pub(crate) address: String,
    /// ORCPT, with its type; where the address is hidden, what the sender knows it by.
    pub(crate) original: Option<String>,
    /// Whether the sender did not name the address.
    pub(crate) hidden: bool,
    /// What became of it.
    pub(crate) action: Action,
    /// Why.
    pub(crate) cause: Cause,
    /// RFC 3463.
    pub(crate) status: (u8, u16, u16),
    /// Whether a server was reached.
    pub(crate) answered: bool,
    /// Which, where that is said.
    pub(crate) server: Option<String>,
    /// What it said, or why none was reached.
    pub(crate) said: String,
}

/// A notification.
#[derive(Clone, Debug)]
pub(crate) struct Dsn<'a> {
    /// What it tells.
    pub(crate) kind: Kind,
    /// This host.
    pub(crate) hostname: &'a str,
    /// Who gets it.
    pub(crate) to: &'a str,
    /// Whether that is the postmaster, because the message has no sender who could be told.
    pub(crate) to_postmaster: bool,
    /// Names it.
    pub(crate) name: [u8; 16],
    /// Now, in seconds since 1970 UTC.
    pub(crate) now_s: i64,
    /// ENVID.
    pub(crate) envelope_id: Option<&'a str>,
    /// When the message came.
    pub(crate) arrived_s: i64,
    /// When it is given up.
    pub(crate) expires_s: i64,
    /// Whether all of the message is wanted back.
    pub(crate) full: bool,
    /// Whether the message needed SMTPUTF8.
    pub(crate) smtputf8: bool,
    /// Whom it tells about.
    pub(crate) fates: &'a [Fate],
    /// The message's bytes in CRLF form.
    pub(crate) message: &'a [u8],
}

/// The bytes of a notification in CRLF form.
pub(crate) fn build(dsn: &Dsn<'_>) -> Vec<u8> {
    let global = dsn.smtputf8;
    let human = words::human(dsn);
    let mut human_part =
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n".to_vec();
    quoted_printable(human.as_bytes(), &mut human_part);

    let machine = machine(dsn);
    // The report's type is that of its second part (RFC 6522 §3).
    let (report, encoding) =
        if machine.is_ascii() { ("delivery-status", "7bit") } else { ("global-delivery-status", "8bit") };
    let machine_part =
        format!("Content-Type: message/{report}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{machine}");

    let parts = [human_part, machine_part.into_bytes(), returned(dsn, global)];
    let boundary = boundary(&parts);
    let mut out = header(dsn, report, &boundary).into_bytes();
    for part in &parts {
        out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        out.extend_from_slice(part);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    out
}

/// Whether a message is a notification that a host wrote to somebody.
pub(crate) fn is_for(message: &[u8], hostname: &str, to: &str) -> bool {
    let value = |name| message::header::find(message, name).map(|field| field.value().into_owned());
    let is_ours = message_id(message).is_some_and(|id| {
        id.starts_with("<dsn.") && id.strip_suffix('>').is_some_and(|id| id.ends_with(&format!("@{hostname}")))
    });
    is_ours && value("To").is_some_and(|there| there.eq_ignore_ascii_case(format!("<{to}>").as_bytes()))
}

fn header(dsn: &Dsn<'_>, report: &str, boundary: &str) -> String {
    let Dsn { hostname, now_s, .. } = dsn;
    let name: String = dsn.name.iter().map(|byte| format!("{byte:02x}")).collect();
    let to = if dsn.to.chars().any(char::is_control) || dsn.to.len() > 400 {
        "undisclosed-recipients:;".to_owned()
    } else {
        format!("<{}>", dsn.to)
    };
    let mut header = format!(
        "Date: {}\r\nFrom: Mail Delivery System <MAILER-DAEMON@{hostname}>\r\nTo: {to}\r\n\
         Subject: {}\r\nMessage-ID: <dsn.{name}@{hostname}>\r\n",
        date(*now_s),
        words::subject(dsn),
    );
    if let Some(about) = message_id(dsn.message) {
        let _ = write!(header, "References: {about}\r\n");
    }
    let _ = write!(
        header,
        "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type={report};\r\n boundary=\"{boundary}\"\r\n\r\n\
         This is a delivery status notification in MIME format.\r\n\r\n",
    );
    header
}

/// The fields for programs (RFC 3464 §2.1).
fn machine(dsn: &Dsn<'_>) -> String {
    let global = dsn.smtputf8;
    let mut out = String::new();
    if let Some(id) = dsn.envelope_id {
        field(&mut out, "Original-Envelope-Id", id, false);
    }
    field(&mut out, "Reporting-MTA", &format!("dns; {}", dsn.hostname), false);
    field(&mut out, "Arrival-Date", &date(dsn.arrived_s), false);
    for fate in dsn.fates {
        out.push_str("\r\n");
        if let Some(original) = &fate.original {
            let (kind, address) = original.split_once(';').unwrap_or(("rfc822", original));
            field(&mut out, "Original-Recipient", &text::address(kind, address, global), global);
        }
        field(&mut out, "Final-Recipient", &text::address(fate.kind(), &fate.address, global), global);
        let action = match fate.action {
            Action::Failed => "failed",
            Action::Delayed => "delayed",
            Action::Relayed => "relayed",
            Action::Delivered => "delivered",
        };
        field(&mut out, "Action", action, false);
        let (class, subject, detail) = status(fate);
        field(&mut out, "Status", &format!("{class}.{subject}.{detail}"), false);
        if let Some(server) = &fate.server {
            field(&mut out, "Remote-MTA", &format!("dns; {server}"), false);
        }
        let said = clean(&fate.said);
        if !said.is_empty() {
            // Words of our own are no reply of SMTP.
            let kind = if fate.answered { "smtp" } else { "X-Reintegra" };
            field(&mut out, "Diagnostic-Code", &format!("{kind}; {said}"), global);
        }
        if fate.cause != Cause::Operator {
            field(&mut out, "Last-Attempt-Date", &date(dsn.now_s), false);
        }
        if fate.action == Action::Delayed {
            field(&mut out, "Will-Retry-Until", &date(dsn.expires_s), false);
        }
    }
    out
}

/// The status of a recipient. One that was given up for its time says so; what the last server said is in Diagnostic-Code.
fn status(fate: &Fate) -> (u8, u16, u16) {
    match (fate.action, fate.cause) {
        (Action::Failed, Cause::Expired) => (4, 4, 7),
        // A class that contradicts the action would be taken for the other (RFC 3464 §2.3.4).
        (Action::Failed | Action::Delayed, _) if fate.status.0 == 2 => {
            (if fate.action == Action::Failed { 5 } else { 4 }, 0, 0)
        }
        (Action::Relayed | Action::Delivered, _) if fate.status.0 != 2 => (2, 0, 0),
        _ => fate.status,
    }
}

/// What is returned: all of the message or its header (RFC 3461 §4.3: only failures return all).
fn returned(dsn: &Dsn<'_>, global: bool) -> Vec<u8> {
    let message = dsn.message;
    let header = header_of(message);
    let global = global && !header.is_ascii() && std::str::from_utf8(header).is_ok();
    let whole = dsn.full && dsn.kind == Kind::Failed && message.len() <= MAX_FULL && is_clean_8bit(message);
    let mut part = Vec::new();
    if whole {
        let kind = if global { "message/global" } else { "message/rfc822" };
        let encoding = if is_clean_7bit(message) { "7bit" } else { "8bit" };
        part.extend_from_slice(
            format!("Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n").as_bytes(),
        );
        part.extend_from_slice(message);
    } else if global && is_clean_8bit(header) {
        part.extend_from_slice(b"Content-Type: message/global-headers\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
        part.extend_from_slice(header);
    } else if is_clean_7bit(header) {
        part.extend_from_slice(b"Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: 7bit\r\n\r\n");
        part.extend_from_slice(header);
    } else {
        part.extend_from_slice(
            b"Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
        );
        quoted_printable(header, &mut part);
    }
    part
}

/// The header of a message without the blank line behind it; whole lines of bounded length together.
fn header_of(message: &[u8]) -> &[u8] {
    let end = if message.starts_with(b"\r\n") {
        0
    } else {
        message.windows(4).position(|window| window == b"\r\n\r\n").map_or(message.len(), |at| at + 2)
    };
    if end <= MAX_HEADER {
        return &message[..end];
    }
    let cut = message[..MAX_HEADER].windows(2).rposition(|window| window == b"\r\n").map_or(0, |at| at + 2);
    &message[..cut]
}

/// A boundary that stands nowhere in the parts: a hash of them, which nobody can put into what it is a hash of.
fn boundary(parts: &[Vec<u8>]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    format!("=_{}", &hasher.finalize().to_hex()[..40])
}

/// The message's Message-ID, where it can stand in a field of ours as it is.
fn message_id(message: &[u8]) -> Option<String> {
    let found = message::header::find(header_of(message), "Message-ID")?;
    let id = String::from_utf8(found.value().trim_ascii().to_vec()).ok()?;
    let inner = id.strip_prefix('<')?.strip_suffix('>')?;
    let fine =
        inner.len() <= 200 && inner.contains('@') && inner.bytes().all(|b| b.is_ascii_graphic() && !b"<>".contains(&b));
    fine.then_some(id)
}

/// A date-time (RFC 5322 §3.3).
fn date(s: i64) -> String {
    let at = Timestamp::from_second(s).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn fate(address: &str, action: Action, cause: Cause, status: (u8, u16, u16)) -> Fate {
        let (server, said) = (Some("mx.example.net".to_owned()), "words".to_owned());
        let (address, original, hidden, answered) = (address.to_owned(), None, false, true);
        Fate { address, original, hidden, action, cause, status, answered, server, said }
    }

    fn dsn<'a>(kind: Kind, fates: &'a [Fate], message: &'a [u8]) -> Dsn<'a> {
        Dsn {
            kind,
            hostname: "mail.example.org",
            to: "ana@example.org",
            to_postmaster: false,
            name: [7; 16],
            now_s: 1_795_353_538,
            envelope_id: None,
            arrived_s: 1_795_353_538 - 14_400,
            expires_s: 1_795_353_538 + 400_000,
            full: true,
            smtputf8: false,
            fates,
            message,
        }
    }

    #[test]
    fn a_delay_says_until_when_it_is_tried_and_returns_the_header_alone() {
        let fates = [fate("eva@example.net", Action::Delayed, Cause::Status, (4, 4, 1))];
        let built = String::from_utf8(build(&dsn(Kind::Delayed, &fates, b"Subject: a\r\n\r\nbody\r\n"))).unwrap();
        assert!(built.contains("\r\nAction: delayed\r\nStatus: 4.4.1\r\n"));
        assert!(built.contains("\r\nWill-Retry-Until: Fri, 27 Nov 2026 04:25:38 +0000\r\n"));
        assert!(built.contains("No tienes que hacer nada"));
        assert!(!built.contains("body"));
    }

    #[test]
    fn a_status_never_contradicts_its_action() {
        let status_of = |action, cause, is| status(&fate("a@b", action, cause, is));
        assert_eq!(status_of(Action::Failed, Cause::Expired, (4, 2, 2)), (4, 4, 7));
        assert_eq!(status_of(Action::Failed, Cause::Status, (2, 0, 0)), (5, 0, 0));
        assert_eq!(status_of(Action::Delayed, Cause::Status, (2, 0, 0)), (4, 0, 0));
        assert_eq!(status_of(Action::Relayed, Cause::Status, (4, 0, 0)), (2, 0, 0));
        assert_eq!(status_of(Action::Failed, Cause::Status, (5, 1, 1)), (5, 1, 1));
    }

    #[test]
    fn a_long_list_of_recipients_is_named_in_part_and_given_whole() {
        let fates: Vec<Fate> =
            (0..1000).map(|n| fate(&format!("r{n}@example.net"), Action::Failed, Cause::Expired, (4, 2, 2))).collect();
        let built = String::from_utf8(build(&dsn(Kind::Failed, &fates, b"\r\n"))).unwrap();
        assert_eq!(built.matches("\r\nFinal-Recipient: rfc822; r").count(), 1000);
        assert!(built.contains("y 950 direcciones m=C3=A1s"));
        assert!(built.contains("Lo intentamos durante 5 d=C3=ADas."));
    }

    #[test]
    fn headers_are_returned_in_whole_lines_of_bounded_length() {
        assert_eq!(header_of(b"\r\nbody"), b"");
        assert_eq!(header_of(b"A: b\r\n\r\nbody"), b"A: b\r\n");
        assert_eq!(header_of(b"A: b\r\nC: d"), b"A: b\r\nC: d");
        let long = b"Field: value\r\n".repeat(10_000);
        assert!(header_of(&long).len() <= MAX_HEADER && header_of(&long).ends_with(b"\r\n"));
        assert_eq!(header_of(&vec![b'a'; MAX_HEADER + 1]), b"");
    }

    #[test]
    fn what_it_separates_never_holds_the_boundary() {
        let fates = [fate("eva@example.net", Action::Failed, Cause::Status, (5, 1, 1))];
        let first = build(&dsn(Kind::Failed, &fates, b"A: b\r\n\r\nbody\r\n"));
        // The message holds a whole notification, boundary and all.
        let second = build(&dsn(Kind::Failed, &fates, &first));
        let boundary = |built: &[u8]| {
            let text = String::from_utf8_lossy(built).into_owned();
            text.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
        };
        assert_ne!(boundary(&first), boundary(&second));
        assert_eq!(String::from_utf8_lossy(&second).matches(&format!("\r\n--{}", boundary(&second))).count(), 4);
    }
}
