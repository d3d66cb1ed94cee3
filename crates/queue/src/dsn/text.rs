//! Hostile text made safe for fields and bodies.

use std::fmt::Write;

/// Octets of a value: with a field's name it stays below 998, the longest line (RFC 5322 §2.1.1), even without a space.
const MAX_VALUE: usize = 900;
/// The longest line wanted.
const LINE: usize = 76;

/// A text on one line, without controls and without what changes the direction of writing; of bounded length.
pub(super) fn clean(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let mut out = String::new();
    for word in text.split(|c: char| hidden(c) || c.is_whitespace()).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
        if out.len() > MAX_VALUE {
            out.truncate(out.floor_char_boundary(MAX_VALUE));
            break;
        }
    }
    out
}

/// Writes a field, folded; characters beyond ASCII become `?` unless they may stay.
pub(super) fn field(out: &mut String, name: &str, value: &str, utf8: bool) {
    let mut value = clean(value);
    if !utf8 {
        value = value.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
    }
    let _ = write!(out, "{name}:");
    let mut column = name.len() + 1;
    for (n, word) in value.split(' ').enumerate() {
        // The first word stays beside the name: a field is not to begin with an empty line.
        if n > 0 && column + 1 + word.len() > LINE {
            out.push_str("\r\n");
            column = 0;
        }
        out.push(' ');
        out.push_str(word);
        column += 1 + word.len();
    }
    out.push_str("\r\n");
}

/// An address with its type (RFC 3464 §2.1.2). Beyond ASCII it is of the type `utf-8` (RFC 6533 §3): as it is where that may
/// stand, else with `\x{…}` for what is not ASCII.
pub(super) fn address(kind: &str, address: &str, utf8: bool) -> String {
    let (kind, address) = (clean(kind), clean(address));
    let atom = |kind: &str| !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let kind = if address.is_ascii() && atom(&kind) { kind.as_str() } else { "utf-8" };
    if utf8 || address.is_ascii() {
        return format!("{kind}; {address}");
    }
    let mut out = format!("{kind}; ");
    for c in address.chars() {
        if c.is_ascii_graphic() && !matches!(c, '\\' | '+' | '=') {
            out.push(c);
        } else {
            let _ = write!(out, "\\x{{{:02X}}}", u32::from(c));
        }
    }
    out
}

/// Writes text or bytes of lines that end in CRLF in quoted-printable (RFC 2045 §6.7). What is no line ending is encoded.
pub(super) fn quoted_printable(bytes: &[u8], out: &mut Vec<u8>) {
    let mut column = 0;
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"\r\n") {
            out.extend_from_slice(b"\r\n");
            (column, at) = (0, at + 2);
            continue;
        }
        let byte = bytes[at];
        let ends_line = at + 1 == bytes.len() || bytes[at + 1..].starts_with(b"\r\n");
        let plain = byte.is_ascii_graphic() && byte != b'=' || matches!(byte, b' ' | b'\t') && !ends_line;
        if column + if plain { 1 } else { 3 } >= LINE {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        // A line that begins so would mean something to mbox files and to old servers.
        let plain = plain && !(column == 0 && matches!(byte, b'.' | b'F' | b'-'));
        if plain {
            out.push(byte);
            column += 1;
        } else {
            out.extend_from_slice(format!("={byte:02X}").as_bytes());
            column += 3;
        }
        at += 1;
    }
}

/// Whether bytes can go out as 8bit (RFC 2045 §2.8): lines of 998 octets at most, no NUL, no CR or LF alone.
pub(super) fn is_clean_8bit(bytes: &[u8]) -> bool {
    let mut length = 0;
    let mut rest = bytes;
    while let Some((&byte, behind)) = rest.split_first() {
        match byte {
            b'\r' if behind.first() == Some(&b'\n') => {
                length = 0;
                rest = &behind[1..];
                continue;
            }
            b'\r' | b'\n' | 0 => return false,
            _ => length += 1,
        }
        if length > 998 {
            return false;
        }
        rest = behind;
    }
    true
}

/// Whether bytes can go out as 7bit.
pub(super) fn is_clean_7bit(bytes: &[u8]) -> bool {
    bytes.is_ascii() && is_clean_8bit(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn text_becomes_one_short_line() {
        assert_eq!(clean("550 no\r\nX-Evil: yes\0\t\u{202e}gnp.exe  "), "550 no X-Evil: yes gnp.exe");
        assert_eq!(clean(""), "");
        assert_eq!(clean("\r\n \u{85}"), "");
        assert!(clean(&"ñ".repeat(100_000)).len() <= MAX_VALUE);
        assert!(clean(&"a ".repeat(100_000)).len() <= MAX_VALUE);
    }

    #[test]
    fn fields_are_folded_and_hold_no_line_of_their_own() {
        let mut out = String::new();
        field(
            &mut out,
            "Diagnostic-Code",
            &format!("smtp; 550 {}\r\n\r\nAction: delivered", "word ".repeat(30)),
            false,
        );
        assert!(out.ends_with("\r\n") && !out.contains("\r\n\r\n"));
        assert!(out.lines().skip(1).all(|line| line.starts_with(' ') && line.len() <= LINE + 2), "{out}");
        let mut out = String::new();
        field(&mut out, "Diagnostic-Code", &"ñ".repeat(5000), false);
        assert!(out.is_ascii() && out.len() < 998);
    }

    #[test]
    fn addresses_beyond_ascii_have_a_type_of_their_own() {
        assert_eq!(address("rfc822", "ana@example.org", false), "rfc822; ana@example.org");
        assert_eq!(address("rfc822", "josé+a@example.org", false), "utf-8; jos\\x{E9}\\x{2B}a@example.org");
        assert_eq!(address("rfc822", "josé@example.org", true), "utf-8; josé@example.org");
        assert_eq!(address("x\r\ny", "ana@example.org", false), "utf-8; ana@example.org");
    }

    #[test]
    fn quoted_printable_is_decoded_to_what_it_was() {
        let long = "palabra ".repeat(40);
        for text in ["", "a", "ñandú = 1\r\n", "fin \r\n\tx\t", ".\r\nFrom x\r\n--b\r\n", "a\rb\nc\0", long.as_str()]
        {
            let mut out = Vec::new();
            quoted_printable(text.as_bytes(), &mut out);
            assert!(is_clean_7bit(&out));
            assert!(out.split(|b| *b == b'\n').all(|line| line.len() <= LINE + 1), "{out:?}");
            assert_eq!(decoded(&out), text.as_bytes(), "{text:?}");
        }
    }

    fn decoded(mut bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some((&byte, rest)) = bytes.split_first() {
            if byte != b'=' {
                out.push(byte);
                bytes = rest;
                continue;
            }
            if !rest.starts_with(b"\r\n") {
                let digits = std::str::from_utf8(&rest[..2]).unwrap();
                out.push(u8::from_str_radix(digits, 16).unwrap());
            }
            bytes = &rest[2..];
        }
        out
    }

    #[test]
    fn only_whole_short_lines_go_out_as_they_are() {
        assert!(is_clean_7bit(b"a\r\nb\r\n") && is_clean_8bit("ñ\r\n".as_bytes()) && !is_clean_7bit("ñ".as_bytes()));
        for bad in [&b"a\rb"[..], b"a\nb", b"\0", b"a\r", &[b'a'; 999]] {
            assert!(!is_clean_8bit(bad));
        }
    }
}
