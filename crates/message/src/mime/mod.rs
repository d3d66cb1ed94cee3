//! The parts of a message (RFC 2045, RFC 2046): where each lies and what it says it is.
//!
//! [`parse`] takes any bytes in CRLF form, does no more than about a hundred steps a byte, and copies no body. Parts nested
//! deeper than [`MAX_DEPTH`] and parts after the first [`MAX_PARTS`] are not looked into: they are text of the part around
//! them.
//!
//! Delimiters are taken as RFC 2046 §5.1.1 says: a line that begins with `--` and a boundary is one, whatever follows; of
//! several boundaries that fit, the longest, and of equal ones the innermost. The line end before a delimiter belongs to
//! it. A delimiter inside a header ends the header. A multipart that is never closed ends with its message, or where a
//! multipart around it goes on.

mod fields;
pub(crate) mod scan;
mod section;
#[cfg(test)]
mod tests;
mod transfer;

pub use section::{SectionText, header_fields};
pub use transfer::{UnknownCte, decode_body};

use crate::charset;
use crate::encoded_word;
use fields::Fields;
use memchr::{memchr_iter, memmem};
use std::ops::Range;

/// How deep parts may be nested, the message itself included.
pub const MAX_DEPTH: usize = 100;
/// How many parts a message may have, itself included.
pub const MAX_PARTS: usize = 10_000;

/// How much of a boundary counts, in bytes. RFC 2046 §5.1.1 allows 70; of the longer ones that are written some are folded,
/// and come out of it changed towards their end.
const MAX_BOUNDARY_BYTES: usize = 80;

/// A message, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where its header lies in the message, the empty line at its end included; there is none where a delimiter follows at
    /// once.
    pub header: Range<usize>,
    /// Where its body lies in the message. The body of a part ends before the line end that belongs to the delimiter.
    pub body: Range<usize>,
    /// How many line ends the body has; 0 in what is neither text nor a message.
    pub body_lines: usize,
    /// Its media type as written; `text` where nothing says otherwise.
    pub media_type: Vec<u8>,
    /// Its subtype as written.
    pub media_subtype: Vec<u8>,
    /// The parameters of its media type.
    pub parameters: Vec<Parameter>,
    /// Content-Transfer-Encoding as written.
    pub transfer_encoding: Option<Vec<u8>>,
    /// Content-ID, unfolded.
    pub id: Option<Vec<u8>>,
    /// Content-Description, unfolded.
    pub description: Option<Vec<u8>>,
    /// Content-MD5, unfolded.
    pub md5: Option<Vec<u8>>,
    /// Content-Disposition.
    pub disposition: Option<Disposition>,
    /// The tags of Content-Language.
    pub languages: Vec<Vec<u8>>,
    /// Content-Location, unfolded.
    pub location: Option<Vec<u8>>,
    /// What is inside.
    pub content: Content,
}

/// What is inside a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing that is a part.
    Leaf,
    /// Parts; there may be none.
    Multipart(Vec<Part>),
    /// A message (message/rfc822, message/global).
    Message(Box<Part>),
}

/// A parameter of a media type or disposition, unquoted. One that is in the form of RFC 2231 §4 keeps that form and the `*`
/// at the end of its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name as written.
    pub name: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
}

/// How a part wants to be shown (RFC 2183).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disposition {
    /// `inline`, `attachment`, …, as written.
    pub kind: Vec<u8>,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
}

/// Finds the parts of a message in CRLF form.
pub fn parse(crlf: &[u8]) -> Part {
    let mut parser = Parser { crlf, nodes: Vec::new(), open: Vec::new() };
    parser.run();
    parser.finish()
}

impl Part {
    /// Whether the media type is this one, compared without regard to case.
    pub fn is_type(&self, media_type: &str) -> bool {
        self.media_type.eq_ignore_ascii_case(media_type.as_bytes())
    }

    /// Whether media type and subtype are these, compared without regard to case.
    pub fn is(&self, media_type: &str, subtype: &str) -> bool {
        self.is_type(media_type) && self.media_subtype.eq_ignore_ascii_case(subtype.as_bytes())
    }

    /// Whether it asks to be kept apart from the text.
    pub fn is_attachment(&self) -> bool {
        self.disposition.as_ref().is_some_and(|disposition| disposition.kind.eq_ignore_ascii_case(b"attachment"))
    }

    /// The charset that it says.
    pub fn charset(&self) -> Option<&[u8]> {
        value_of(&self.parameters, b"charset")
    }

    /// The name of the file that it holds: by its disposition, else by its type; decoded (RFC 2231, RFC 2047).
    pub fn file_name(&self) -> Option<String> {
        let disposition = self.disposition.iter().flat_map(|disposition| &disposition.parameters);
        let disposition = disposition.map(|parameter| (parameter, &b"filename"[..]));
        let named = disposition.chain(self.parameters.iter().map(|parameter| (parameter, &b"name"[..])));
        named.clone().find_map(|(parameter, key)| parameter.decoded_as(key)).filter(|name| !name.is_empty())
    }
}

impl Parameter {
    /// The value as text if the parameter has this name, extended or not.
    fn decoded_as(&self, key: &[u8]) -> Option<String> {
        let (name, extended) = match self.name.strip_suffix(b"*") {
            Some(name) => (name, true),
            None => (&self.name[..], false),
        };
        name.eq_ignore_ascii_case(key).then(|| match extended {
            true => decode_extended(&self.value),
            false => encoded_word::decoded(&self.value),
        })
    }
}

/// Decodes `charset'language'text%20with%20escapes` (RFC 2231 §4).
fn decode_extended(value: &[u8]) -> String {
    let mut pieces = value.splitn(3, |byte| *byte == b'\'');
    let (charset, text) = match (pieces.next(), pieces.next(), pieces.next()) {
        (Some(charset), Some(_), Some(text)) => (charset, text),
        _ => (&b""[..], value),
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match (first, hex_pair(after)) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => bytes.push(first),
        }
    }
    match charset::named(charset) {
        Some(charset) => charset::decode(charset, &bytes),
        None => charset::guess(&bytes),
    }
}

/// The byte that two hexadecimal digits at the start of `bytes` stand for.
fn hex_pair(bytes: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    u8::try_from(digit(0)? << 4 | digit(1)?).ok()
}

fn value_of<'a>(parameters: &'a [Parameter], name: &[u8]) -> Option<&'a [u8]> {
    parameters.iter().find(|parameter| parameter.name.eq_ignore_ascii_case(name)).map(|parameter| &parameter.value[..])
}

/// A part while its end is not known.
struct Node {
    header: Range<usize>,
    body: Range<usize>,
    fields: Fields,
    kind: Kind,
    children: Vec<usize>,
}

enum Kind {
    Leaf,
    /// With its boundary until it is closed.
    Multipart(Option<Vec<u8>>),
    Message,
}

/// A line that separates parts.
struct Delimiter {
    /// Which of the open parts it belongs to.
    owner: usize,
    /// Where the line after it begins.
    after: usize,
    /// Whether it closes the multipart.
    closes: bool,
}

struct Parser<'a> {
    crlf: &'a [u8],
    /// Every part; a part stands behind the one around it.
    nodes: Vec<Node>,
    /// The parts that are not ended, outermost first.
    open: Vec<usize>,
}

impl Parser<'_> {
    fn run(&mut self) {
        let mut at = self.begin(0);
        while let Some((line, delimiter)) = self.next_delimiter(at) {
            at = delimiter.after;
            if !delimiter.closes && self.nodes.len() >= MAX_PARTS {
                continue;
            }
            self.end_inside(delimiter.owner, line);
            if delimiter.closes {
                self.nodes[self.open[delimiter.owner]].kind = Kind::Multipart(None);
            } else {
                at = self.begin(at);
            }
        }
        while let Some(node) = self.open.pop() {
            self.nodes[node].body.end = self.crlf.len();
        }
    }

    /// Begins the part whose header begins at `at`, and, where it is a message, the one inside; gives where the body of
    /// the last begins.
    fn begin(&mut self, mut at: usize) -> usize {
        loop {
            let end = self.header_end(at);
            let parent = self.open.last().copied();
            let fields = fields::read(&self.crlf[at..end]);
            let kind = self.kind(&fields, parent);
            let goes_on = matches!(kind, Kind::Message);
            let node = self.nodes.len();
            self.nodes.push(Node { header: at..end, body: end..end, fields, kind, children: Vec::new() });
            if let Some(parent) = parent {
                self.nodes[parent].children.push(node);
            }
            self.open.push(node);
            at = end;
            if !goes_on {
                return at;
            }
        }
    }

    /// What a part is; a leaf where the bounds are reached.
    fn kind(&self, fields: &Fields, parent: Option<usize>) -> Kind {
        let has_room = self.open.len() + 1 < MAX_DEPTH && self.nodes.len() + 1 < MAX_PARTS;
        let is = |name: &str, text: &[u8]| text.eq_ignore_ascii_case(name.as_bytes());
        match &fields.media {
            _ if !has_room => Kind::Leaf,
            Some((media, subtype)) if is("message", media) && is("rfc822", subtype) => Kind::Message,
            // RFC 6532 §3.7 lets message/global be encoded.
            Some((media, subtype)) if is("message", media) && is("global", subtype) && !fields.is_encoded() => {
                Kind::Message
            }
            Some((media, _)) if is("multipart", media) => match value_of(&fields.parameters, b"boundary") {
                Some(boundary) if !boundary.is_empty() => {
                    Kind::Multipart(Some(boundary[..boundary.len().min(MAX_BOUNDARY_BYTES)].to_vec()))
                }
                _ => Kind::Multipart(None),
            },
            None if parent.is_some_and(|parent| self.nodes[parent].is_digest()) => Kind::Message,
            _ => Kind::Leaf,
        }
    }

    /// Where a header that begins at `from` ends: behind its empty line, or before a delimiter.
    fn header_end(&self, from: usize) -> usize {
        let mut line = from;
        while line < self.crlf.len() {
            if self.crlf[line..].starts_with(b"\r\n") {
                return line + 2;
            }
            if self.delimiter(line).is_some() {
                return line;
            }
            line = self.line_end(line);
        }
        line
    }

    /// The first delimiter at or after the beginning of a line, and where it stands.
    fn next_delimiter(&self, from: usize) -> Option<(usize, Delimiter)> {
        if !self.open.iter().any(|node| matches!(self.nodes[*node].kind, Kind::Multipart(Some(_)))) {
            return None;
        }
        let start = from.saturating_sub(2);
        let lines = memmem::find_iter(&self.crlf[start..], b"\r\n--").map(|at| start + at + 2);
        lines.filter(|line| *line >= from).find_map(|line| Some((line, self.delimiter(line)?)))
    }

    /// Reads the line at `line` as a delimiter of an open part.
    fn delimiter(&self, line: usize) -> Option<Delimiter> {
        if !self.crlf[line..].starts_with(b"--") || self.open.is_empty() {
            return None;
        }
        let after = self.line_end(line);
        let text = self.crlf[line + 2..after].strip_suffix(b"\r\n").unwrap_or(&self.crlf[line + 2..]);
        let mut best: Option<(usize, &[u8])> = None;
        for (owner, node) in self.open.iter().enumerate().rev() {
            let Kind::Multipart(Some(boundary)) = &self.nodes[*node].kind else { continue };
            let Some(rest) = text.strip_prefix(&boundary[..]) else { continue };
            if best.is_none_or(|(_, longest)| longest.len() < boundary.len()) {
                best = Some((owner, boundary));
            }
            if matches!(rest.trim_ascii_end(), b"" | b"--") {
                // `--a--` closes `a`, though an outer boundary is `a--`.
                best = Some((owner, boundary));
                break;
            }
        }
        let (owner, boundary) = best?;
        Some(Delimiter { owner, after, closes: text[boundary.len()..].starts_with(b"--") })
    }

    /// Ends every part inside an open one, before the line of a delimiter.
    fn end_inside(&mut self, owner: usize, line: usize) {
        let Some(&outermost) = self.open.get(owner + 1) else { return };
        // The line end before the delimiter belongs to it, unless it belongs to the delimiter before.
        let end = (line - 2).max(self.nodes[outermost].header.start);
        for node in self.open.drain(owner + 1..) {
            let node = &mut self.nodes[node];
            node.header = node.header.start.min(end)..node.header.end.min(end);
            node.body = node.body.start.min(end)..end;
        }
    }

    fn line_end(&self, line: usize) -> usize {
        memmem::find(&self.crlf[line..], b"\r\n").map_or(self.crlf.len(), |at| line + at + 2)
    }

    /// Counts lines and makes the tree.
    fn finish(mut self) -> Part {
        let lines = count_lines(self.crlf, &self.nodes);
        let mut parts: Vec<Option<Part>> = Vec::with_capacity(self.nodes.len());
        parts.resize_with(self.nodes.len(), || None);
        // Parts inside come first.
        for (at, (node, lines)) in self.nodes.drain(..).zip(lines).enumerate().rev() {
            let children: Vec<Part> = node.children.iter().filter_map(|child| parts[*child].take()).collect();
            parts[at] = Some(node.into_part(lines, children));
        }
        parts.swap_remove(0).expect("the message itself is the first part")
    }
}

impl Node {
    fn is_digest(&self) -> bool {
        matches!(&self.fields.media, Some((media, subtype))
            if media.eq_ignore_ascii_case(b"multipart") && subtype.eq_ignore_ascii_case(b"digest"))
    }

    fn counts_lines(&self) -> bool {
        match &self.kind {
            Kind::Multipart(_) => false,
            Kind::Message => true,
            Kind::Leaf => match &self.fields.media {
                None => true,
                Some((media, _)) => media.eq_ignore_ascii_case(b"text"),
            },
        }
    }

    fn into_part(self, body_lines: usize, mut children: Vec<Part>) -> Part {
        let Fields { media, parameters, transfer_encoding, id, description, md5, disposition, languages, location } =
            self.fields;
        let is_message = matches!(self.kind, Kind::Message);
        let default =
            if is_message { (b"message".to_vec(), b"rfc822".to_vec()) } else { (b"text".to_vec(), b"plain".to_vec()) };
        let (media_type, media_subtype) = media.unwrap_or(default);
        let content = match self.kind {
            Kind::Leaf => Content::Leaf,
            Kind::Multipart(_) => Content::Multipart(children),
            Kind::Message => Content::Message(Box::new(children.swap_remove(0))),
        };
        Part {
            header: self.header,
            body: self.body,
            body_lines,
            media_type,
            media_subtype,
            parameters,
            transfer_encoding,
            id,
            description,
            md5,
            disposition,
            languages,
            location,
            content,
        }
    }
}

/// The line ends in the body of each part that counts them; the bytes are gone through once, however deep parts lie.
fn count_lines(crlf: &[u8], nodes: &[Node]) -> Vec<usize> {
    let mut places: Vec<usize> = nodes.iter().flat_map(|node| [node.body.start, node.body.end]).collect();
    places.sort_unstable();
    places.dedup();
    let mut counted = Vec::with_capacity(places.len());
    let (mut from, mut lines) = (0, 0);
    for &place in &places {
        lines += memchr_iter(b'\n', &crlf[from..place]).count();
        from = place;
        counted.push(lines);
    }
    let before = |place: usize| places.binary_search(&place).map_or(0, |at| counted[at]);
    let lines = |node: &Node| before(node.body.end) - before(node.body.start);
    nodes.iter().map(|node| if node.counts_lines() { lines(node) } else { 0 }).collect()
}
