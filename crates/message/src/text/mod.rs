//! The words of a message: what a search looks at, and what a list of messages shows of it.
//!
//! Work is linear in the message and does no I/O. What is no text (pictures, archives, programs) is not looked into; of
//! every part that has one the file name counts as text.

mod casemap;
mod fold;
mod html;
#[cfg(test)]
mod tests;

pub use casemap::casemap;
pub use fold::fold;

use crate::mime::{self, Content, Part};
use crate::{charset, encoded_word, header};

/// How many characters a preview has at most (RFC 8970 §3.2 asks for 200, and allows no more than 256).
const PREVIEW_CHARS: usize = 200;
/// How much of a part is looked at for a preview, in bytes before its transfer encoding is undone: newsletters have tens of
/// kilobytes of style before their first word.
const PREVIEW_BYTES: usize = 128 * 1024;

/// The text of a message, decoded: transfer encodings, charsets and encoded words undone, HTML reduced to its words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Searchable {
    /// The fields of the header, a line each.
    pub header: String,
    /// The text parts in their order, the headers and texts of messages within, and the names of files.
    pub body: String,
}

/// Gives the text of a message in CRLF form.
pub fn searchable(crlf: &[u8]) -> Searchable {
    let message = mime::parse(crlf);
    let mut text = Searchable::default();
    push_header(&crlf[message.header.clone()], &mut text.header);
    push_part(crlf, &message, &mut text.body);
    text
}

/// Gives the beginning of what a message says, for a list of messages (RFC 8970): at most 200 characters on one line,
/// from its first text; quoted lines are left out unless there is nothing else. Empty where there is no text.
pub fn preview(crlf: &[u8]) -> String {
    let message = mime::parse(crlf);
    let mut parts = Vec::new();
    push_shown(&message, &mut parts);
    // Of alternatives the plain one stands first; an empty one says nothing.
    let texts = parts.iter().map(|part| {
        let end = part.body.end.min(part.body.start + PREVIEW_BYTES);
        beginning(&part_text(crlf, part, part.body.start..end), part)
    });
    texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
}

fn push_header(header: &[u8], text: &mut String) {
    for field in header::fields(header) {
        text.push_str(&String::from_utf8_lossy(field.name()));
        text.push_str(": ");
        text.push_str(&encoded_word::decoded(&field.value()));
        text.push('\n');
    }
}

/// Depth is bounded by [`mime::MAX_DEPTH`].
fn push_part(crlf: &[u8], part: &Part, text: &mut String) {
    match &part.content {
        Content::Multipart(children) => children.iter().for_each(|child| push_part(crlf, child, text)),
        Content::Message(inner) => {
            push_header(&crlf[inner.header.clone()], text);
            push_part(crlf, inner, text);
        }
        Content::Leaf => {
            if let Some(name) = part.file_name() {
                text.push_str(&name);
                text.push('\n');
            }
            if is_text(part) {
                text.push_str(&part_text(crlf, part, part.body.clone()));
                text.push('\n');
            }
        }
    }
}

/// Whether a leaf is words. What a bounce says for machines and the header of the returned message are.
fn is_text(part: &Part) -> bool {
    part.is_type("text") || part.is_type("message")
}

/// The text of a part of which `range` of the message is looked at.
fn part_text(crlf: &[u8], part: &Part, range: std::ops::Range<usize>) -> String {
    let body = &crlf[range];
    // In an unknown encoding nothing can be read.
    let Ok(bytes) = mime::decode_body(part, body) else { return String::new() };
    let text = match part.charset().and_then(charset::named) {
        Some(charset) => charset::decode(charset, &bytes),
        None => charset::guess(&bytes),
    };
    if part.is("text", "html") { html::text(&text) } else { text }
}

/// The text parts that a reader would be shown, best first among alternatives.
fn push_shown<'a>(part: &'a Part, shown: &mut Vec<&'a Part>) {
    match &part.content {
        Content::Multipart(children) if part.is("multipart", "alternative") => {
            let before = shown.len();
            children.iter().for_each(|child| push_shown(child, shown));
            shown[before..].sort_by_key(|part| !part.is("text", "plain"));
        }
        Content::Multipart(children) => children.iter().for_each(|child| push_shown(child, shown)),
        Content::Leaf if part.is_type("text") && !part.is_attachment() => shown.push(part),
        Content::Leaf | Content::Message(_) => {}
    }
}

/// The beginning of a text on one line.
fn beginning(text: &str, part: &Part) -> String {
    let unquoted = match part.is("text", "html") {
        true => None,
        false => Some(shortened(text.lines().filter(|line| !is_quoting(line)))),
    };
    unquoted.filter(|text| !text.is_empty()).unwrap_or_else(|| shortened(text.lines()))
}

/// Whether a line is quoted, or says who is.
fn is_quoting(line: &str) -> bool {
    let line = line.trim();
    let says_who = line.ends_with("wrote:") || line.ends_with("escribió:") || line.ends_with("escribio:");
    line.starts_with('>') || says_who || line.starts_with("-----Original Message") || line == "--"
}

fn shortened<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::new();
    let mut left = PREVIEW_CHARS;
    for word in lines.flat_map(str::split_whitespace) {
        let space = usize::from(!out.is_empty());
        if left <= space {
            break;
        }
        if space == 1 {
            out.push(' ');
        }
        left -= space;
        for c in word.chars().filter(|c| !c.is_control()).take(left) {
            out.push(c);
            left -= 1;
        }
    }
    out.truncate(out.trim_end().len());
    out
}
