//! The body of a message as its test sees it (RFC 5173).

use super::Delivery;
use crate::limits::MAX_BODY_BYTES;
use encoding_rs::{Encoding, REPLACEMENT, WINDOWS_1252};
use message::mime::{self, Content, Part};
use std::borrow::Cow;

/// A part as text.
#[derive(Clone, Debug)]
pub(super) struct PartText {
    /// `text/html`, in lower case.
    media: String,
    /// What `:content` compares.
    decoded: String,
    /// What `:text` compares where that is not `decoded`: HTML reduced to its words. Empty for what is no text.
    words: Option<String>,
}

impl PartText {
    /// What is compared: under `:content` where one of the types fits, else under `:text`.
    pub(super) fn value(&self, types: Option<&[String]>) -> Option<Cow<'_, str>> {
        match types {
            Some(types) => {
                types.iter().any(|wanted| fits(&self.media, wanted)).then_some(Cow::Borrowed(&self.decoded[..]))
            }
            None => fits(&self.media, "text").then(|| Cow::Borrowed(self.words.as_deref().unwrap_or(&self.decoded))),
        }
    }
}

/// Whether a media type is one that `:content` asks for (RFC 5173 §5.2).
fn fits(media: &str, wanted: &str) -> bool {
    let wanted = wanted.to_ascii_lowercase();
    match wanted.split_once('/') {
        None => wanted.is_empty() || media.split('/').next() == Some(&wanted[..]),
        Some((main, sub)) => !main.is_empty() && !sub.is_empty() && !sub.contains('/') && media == wanted,
    }
}

/// The body as it is transmitted.
pub(super) fn raw<'a>(delivery: &Delivery<'a>) -> Cow<'a, str> {
    let body = &delivery.crlf[delivery.message.body.clone()];
    guess(&body[..body.len().min(MAX_BODY_BYTES)])
}

/// Every part as text, outer ones first; together no more than [`MAX_BODY_BYTES`] of them are looked at.
pub(super) fn texts(delivery: &Delivery<'_>) -> Vec<PartText> {
    let mut texts = Vec::new();
    let mut room = MAX_BODY_BYTES;
    push(delivery.crlf, delivery.message, &mut room, &mut texts);
    texts
}

/// Depth is bounded by [`mime::MAX_DEPTH`].
fn push(crlf: &[u8], part: &Part, room: &mut usize, texts: &mut Vec<PartText>) {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let media = format!("{}/{}", lossy(&part.media_type), lossy(&part.media_subtype));
    let mut take = |range: std::ops::Range<usize>| {
        let end = range.end.min(range.start + *room);
        *room -= end - range.start;
        &crlf[range.start..end]
    };
    match &part.content {
        Content::Leaf => {
            let body = take(part.body.clone());
            // In an unknown encoding nothing can be read; the part is there nevertheless.
            let bytes = mime::decode_body(part, body).unwrap_or_default();
            let charset =
                part.charset().filter(|_| part.is_type("text")).and_then(|name| Encoding::for_label(name.trim_ascii()));
            let decoded = match charset.filter(|charset| *charset != REPLACEMENT) {
                Some(charset) => charset.decode_with_bom_removal(&bytes).0.into_owned(),
                None => guess(&bytes).into_owned(),
            };
            let words = part.is("text", "html").then(|| html_words(&decoded));
            texts.push(PartText { media, decoded, words });
        }
        Content::Multipart(children) => {
            // RFC 5173 §5.2: of a multipart its prologue and epilogue are compared.
            let first = children.first().map_or(part.body.end, |child| child.header.start);
            let last = children.last().map_or(part.body.end, |child| child.body.end);
            let prologue = before_delimiter(take(part.body.start..first));
            let epilogue = after_delimiter(take(last.max(first)..part.body.end));
            for piece in [prologue, epilogue] {
                texts.push(PartText { media: media.clone(), decoded: guess(piece).into_owned(), words: None });
            }
            for child in children {
                push(crlf, child, room, texts);
            }
        }
        Content::Message(inner) => {
            // RFC 5173 §5.2: of a message its header is compared.
            let decoded = guess(take(inner.header.clone())).into_owned();
            texts.push(PartText { media, decoded, words: None });
            push(crlf, inner, room, texts);
        }
    }
}

/// A prologue without the delimiter line at its end.
fn before_delimiter(text: &[u8]) -> &[u8] {
    let line = text.strip_suffix(b"\r\n").unwrap_or(text);
    &text[..memchr::memmem::rfind(line, b"\r\n").unwrap_or(0)]
}

/// An epilogue without the delimiter line at its beginning.
fn after_delimiter(text: &[u8]) -> &[u8] {
    let line = text.strip_prefix(b"\r\n").unwrap_or(text);
    memchr::memmem::find(line, b"\r\n").map_or(b"", |end| &line[end + 2..])
}

fn guess(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
    }
}

/// HTML as its words.
fn html_words(html: &str) -> String {
    let message = ["Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n", html].concat();
    let mut words = message::text::searchable(&message::to_crlf(message.as_bytes())).body;
    // The line end behind each part is none of its text.
    if words.ends_with('\n') {
        words.pop();
    }
    words
}
