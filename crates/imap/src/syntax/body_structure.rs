//! BODY and BODYSTRUCTURE as they go over the wire (RFC 9051 §7.5.2).
//!
//! ```text
//! body             = "(" (body-type-1part / body-type-mpart) ")"
//! body-type-mpart  = 1*body SP media-subtype [SP body-ext-mpart]
//! body-type-1part  = (body-type-basic / body-type-msg / body-type-text) [SP body-ext-1part]
//! body-type-basic  = media-basic SP body-fields
//! body-type-msg    = media-message SP body-fields SP envelope SP body SP body-fld-lines
//! body-type-text   = media-text SP body-fields SP body-fld-lines
//! body-fields      = body-fld-param SP body-fld-id SP body-fld-desc SP body-fld-enc SP body-fld-octets
//! body-ext-1part   = body-fld-md5 SP body-fld-dsp SP body-fld-lang SP body-fld-loc
//! body-ext-mpart   = body-fld-param SP body-fld-dsp SP body-fld-lang SP body-fld-loc
//! ```

use super::envelope::{write_envelope, write_header_nstring, write_header_string};
use message::mime::{Content, Parameter, Part};

/// What stands in a multipart without parts, since the grammar wants one: an empty text.
const EMPTY_TEXT: &[u8] = br#"("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0"#;

/// Writes the structure of a message, or of a part of it. `extended`: BODYSTRUCTURE, else BODY.
///
/// Nested as deep as the parts, which [`message::mime::MAX_DEPTH`] bounds.
pub(crate) fn write_body(out: &mut Vec<u8>, crlf: &[u8], part: &Part, extended: bool) {
    out.push(b'(');
    match &part.content {
        Content::Multipart(children) => {
            if children.is_empty() {
                out.extend_from_slice(EMPTY_TEXT);
                out.extend_from_slice(if extended { b" NIL NIL NIL NIL)" } else { b")" });
            }
            for child in children {
                write_body(out, crlf, child, extended);
            }
            out.push(b' ');
            write_header_string(out, &part.media_subtype);
            if extended {
                out.push(b' ');
                write_parameters(out, &part.parameters, false);
                write_end(out, part);
            }
        }
        Content::Leaf | Content::Message(_) => write_single(out, crlf, part, extended),
    }
    out.push(b')');
}

fn write_single(out: &mut Vec<u8>, crlf: &[u8], part: &Part, extended: bool) {
    let is_text = part.is_type("text");
    write_header_string(out, &part.media_type);
    out.push(b' ');
    write_header_string(out, &part.media_subtype);
    out.push(b' ');
    write_parameters(out, &part.parameters, is_text);
    out.push(b' ');
    write_header_nstring(out, part.id.as_deref());
    out.push(b' ');
    write_header_nstring(out, part.description.as_deref());
    out.push(b' ');
    write_header_string(out, part.transfer_encoding.as_deref().unwrap_or(b"7bit"));
    write_number(out, part.body.len());
    if let Content::Message(inner) = &part.content {
        out.push(b' ');
        write_envelope(out, &message::envelope::parse(&crlf[inner.header.clone()]));
        out.push(b' ');
        write_body(out, crlf, inner, extended);
    }
    if is_text || matches!(part.content, Content::Message(_)) {
        write_number(out, part.body_lines);
    }
    if extended {
        out.push(b' ');
        write_header_nstring(out, part.md5.as_deref());
        write_end(out, part);
    }
}

/// Writes disposition, languages and location, with a space before each.
fn write_end(out: &mut Vec<u8>, part: &Part) {
    out.push(b' ');
    match &part.disposition {
        Some(disposition) => {
            out.push(b'(');
            write_header_string(out, &disposition.kind);
            out.push(b' ');
            write_parameters(out, &disposition.parameters, false);
            out.push(b')');
        }
        None => out.extend_from_slice(b"NIL"),
    }
    out.push(b' ');
    if part.languages.is_empty() {
        out.extend_from_slice(b"NIL");
    } else {
        for (at, language) in part.languages.iter().enumerate() {
            out.push(if at == 0 { b'(' } else { b' ' });
            write_header_string(out, language);
        }
        out.push(b')');
    }
    out.push(b' ');
    write_header_nstring(out, part.location.as_deref());
}

/// Writes parameters; with `charset` the one that text has where it says none (RFC 2045 §5.2).
fn write_parameters(out: &mut Vec<u8>, parameters: &[Parameter], charset: bool) {
    let says_charset = parameters.iter().any(|parameter| parameter.name.eq_ignore_ascii_case(b"charset"));
    let default = (charset && !says_charset).then_some((&b"charset"[..], &b"us-ascii"[..]));
    let said = parameters.iter().map(|parameter| (&parameter.name[..], &parameter.value[..]));
    let mut before = b'(';
    for (name, value) in said.chain(default) {
        out.push(before);
        write_header_string(out, name);
        out.push(b' ');
        write_header_string(out, value);
        before = b' ';
    }
    out.extend_from_slice(if before == b'(' { b"NIL" } else { b")" });
}

/// Writes a number, with a space before it. Numbers of the grammar have 32 bits.
fn write_number(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(format!(" {}", number.min(u32::MAX as usize)).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(message: &str, extended: bool) -> String {
        let crlf = message.replace('\n', "\r\n").into_bytes();
        let mut out = Vec::new();
        write_body(&mut out, &crlf, &message::mime::parse(&crlf), extended);
        String::from_utf8(out).expect("the messages here are ASCII")
    }

    #[test]
    fn structures_by_table() {
        let table = [
            ("\na\nb\n", r#"("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 6 2 NIL NIL NIL NIL)"#),
            (
                "Content-Type: IMAGE/Png; name=\"a b\"\nContent-ID: <a@b>\nContent-Description: d\nContent-Transfer-Encoding: BASE64\n\
                 Content-MD5: x\nContent-Disposition: inline; filename=y\nContent-Language: es, en\nContent-Location: z\n\nAAAA\n",
                r#"("IMAGE" "Png" ("name" "a b") "<a@b>" "d" "BASE64" 6 "x" ("inline" ("filename" "y")) ("es" "en") "z")"#,
            ),
            (
                "Content-Type: message/rfc822\n\nSubject: s\n\na\n",
                concat!(
                    r#"("message" "rfc822" NIL NIL NIL "7bit" 17 (NIL "s" NIL NIL NIL NIL NIL NIL NIL NIL) "#,
                    r#"("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 1 NIL NIL NIL NIL) 3 NIL NIL NIL NIL)"#
                ),
            ),
            (
                "Content-Type: multipart/mixed; boundary=b\nContent-Disposition: inline\n\n--b\n\na\n--b\nContent-Type: text/html; charset=x\n\n--b--\n",
                concat!(
                    r#"(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 0 NIL NIL NIL NIL)"#,
                    r#"("text" "html" ("charset" "x") NIL NIL "7bit" 0 0 NIL NIL NIL NIL) "mixed" ("boundary" "b") ("inline" NIL) NIL NIL)"#
                ),
            ),
            (
                "Content-Type: multipart/mixed; boundary=b\n\nnone",
                r#"(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL NIL NIL NIL) "mixed" ("boundary" "b") NIL NIL NIL)"#,
            ),
        ];
        for (message, expected) in table {
            assert_eq!(written(message, true), expected, "{message}");
        }
    }

    #[test]
    fn body_has_no_extensions() {
        let message = "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Disposition: inline\n\na\n--b--\n";
        assert_eq!(written(message, false), r#"(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 0) "mixed")"#);
    }
}
