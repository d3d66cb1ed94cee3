//! The commands that carry an envelope, with the parameters that the server understands.

use super::capabilities::Capabilities;
use crate::job::Addressee;
use store::spool::{Envelope, Notify, Return};

/// `MAIL FROM:<…>` with its parameters, CRLF included.
pub(super) fn mail(envelope: &Envelope, size_bytes: usize, eight_bit: bool, utf8: bool, can: &Capabilities) -> String {
    let mut line = format!("MAIL FROM:<{}>", envelope.reverse_path);
    if can.size_bytes.is_some() {
        line.push_str(&format!(" SIZE={size_bytes}"));
    }
    if can.eight_bit_mime && (eight_bit || utf8) {
        line.push_str(" BODY=8BITMIME");
    }
    if utf8 {
        line.push_str(" SMTPUTF8");
    }
    if envelope.require_tls {
        line.push_str(" REQUIRETLS");
    }
    if can.dsn {
        match envelope.returns {
            Some(Return::Full) => line.push_str(" RET=FULL"),
            Some(Return::Headers) => line.push_str(" RET=HDRS"),
            None => {}
        }
        if let Some(id) = &envelope.envelope_id {
            line.push_str(&format!(" ENVID={}", xtext(id)));
        }
    }
    line.push_str("\r\n");
    line
}

/// `RCPT TO:<…>` with its parameters, CRLF included.
pub(super) fn recipient(addressee: &Addressee, can: &Capabilities) -> String {
    let mut line = format!("RCPT TO:<{}>", addressee.address);
    if can.dsn {
        // What holds without being said is not said.
        if addressee.notify != Notify::DEFAULT {
            line.push_str(&format!(" NOTIFY={}", notify(addressee.notify)));
        }
        let original = addressee.original.as_deref().and_then(|original| original.split_once(';'));
        if let Some((kind, address)) = original {
            let address = if kind.eq_ignore_ascii_case("utf-8") { utf8_xtext(address) } else { xtext(address) };
            line.push_str(&format!(" ORCPT={};{address}", xtext(kind)));
        }
    }
    line.push_str("\r\n");
    line
}

/// Whether text can stand in a command: an address that ends a line would be a command of its own.
pub(super) fn is_safe(address: &str) -> bool {
    !address.chars().any(|c| c.is_control() || matches!(c, '<' | '>') && !address.contains('"'))
}

fn notify(notify: Notify) -> String {
    let kinds = [(notify.success, "SUCCESS"), (notify.failure, "FAILURE"), (notify.delay, "DELAY")];
    let asked: Vec<&str> = kinds.into_iter().filter(|(asked, _)| *asked).map(|(_, name)| name).collect();
    if asked.is_empty() { "NEVER".to_owned() } else { asked.join(",") }
}

/// RFC 3461 §4: `+` and hexadecimal digits for what is no printable ASCII, `+` or `=`.
fn xtext(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'+' | b'=' => out.push_str(&format!("+{byte:02X}")),
            0x21..=0x7e => out.push(char::from(byte)),
            _ => out.push_str(&format!("+{byte:02X}")),
        }
    }
    out
}

/// RFC 6533 §3 (`utf-8-addr-xtext`): `\x{…}` for what is no printable ASCII, `\`, `+` or `=`.
fn utf8_xtext(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '+' | '=' => out.push_str(&format!("\\x{{{:X}}}", u32::from(c))),
            '\u{21}'..='\u{7e}' => out.push(c),
            _ => out.push_str(&format!("\\x{{{:X}}}", u32::from(c))),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::spool::Purpose;

    fn envelope() -> Envelope {
        Envelope {
            reverse_path: "ana@example.org".to_owned(),
            purpose: Purpose::Submission,
            account: None,
            envelope_id: Some("a=b+c ñ".to_owned()),
            returns: Some(Return::Headers),
            smtputf8: false,
            require_tls: false,
            arrived_s: 0,
            expires_s: 0,
        }
    }

    fn addressee(notify: Notify, original: Option<&str>) -> Addressee {
        let address = "bea@example.net".to_owned();
        Addressee { number: 0, address, notify, original: original.map(str::to_owned) }
    }

    fn all() -> Capabilities {
        Capabilities { size_bytes: Some(0), eight_bit_mime: true, dsn: true, ..Capabilities::default() }
    }

    #[test]
    fn only_what_the_server_knows_is_said() {
        let none = Capabilities::default();
        assert_eq!(mail(&envelope(), 7, true, false, &none), "MAIL FROM:<ana@example.org>\r\n");
        let mail = mail(&envelope(), 7, true, false, &all());
        assert_eq!(mail, "MAIL FROM:<ana@example.org> SIZE=7 BODY=8BITMIME RET=HDRS ENVID=a+3Db+2Bc+20+C3+B1\r\n");
        let addressee = addressee(Notify::NEVER, Some("rfc822;x@example.com"));
        assert_eq!(recipient(&addressee, &none), "RCPT TO:<bea@example.net>\r\n");
        let with = recipient(&addressee, &all());
        assert_eq!(with, "RCPT TO:<bea@example.net> NOTIFY=NEVER ORCPT=rfc822;x@example.com\r\n");
    }

    #[test]
    fn notifications_and_originals_keep_their_meaning() {
        let some = Notify { success: true, failure: false, delay: true };
        let utf8 = addressee(some, Some("utf-8;ñ+1@example.com"));
        let line = recipient(&utf8, &all());
        assert_eq!(line, "RCPT TO:<bea@example.net> NOTIFY=SUCCESS,DELAY ORCPT=utf-8;\\x{F1}\\x{2B}1@example.com\r\n");
        assert_eq!(recipient(&addressee(Notify::DEFAULT, None), &all()), "RCPT TO:<bea@example.net>\r\n");
    }

    #[test]
    fn what_would_end_a_command_is_not_sent() {
        for bad in ["a@b\r\nDATA", "a@b\n", "a\0@b", "a@b> SIZE=1", "<a@b"] {
            assert!(!is_safe(bad), "{bad:?}");
        }
        for good in ["", "a@b", "\"a b>\"@c", "ñ@b"] {
            assert!(is_safe(good), "{good:?}");
        }
    }
}
