//! Parts by their numbers, and what of them can be asked for (RFC 9051 §6.4.5).

use super::{Content, Part};
use crate::lines;
use std::ops::Range;

/// Which text of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionText {
    /// All of the message; of a numbered part, its body.
    All,
    /// The header of a message, its empty line included.
    Header,
    /// The body of a message.
    Text,
    /// The header of a numbered part.
    Mime,
}

impl Part {
    /// Finds a part of this message by its number: `[4, 2]` for part 4.2. `None` when there is none; no number names the
    /// message itself.
    pub fn find(&self, numbers: &[u32]) -> Option<&Part> {
        let mut part = self;
        // Whether `part` is a message of its own, whose body is its part 1 unless it is a multipart.
        let mut is_message = true;
        for number in numbers {
            let at = usize::try_from(*number).ok()?.checked_sub(1)?;
            if !is_message && let Content::Message(inner) = &part.content {
                part = inner;
                is_message = true;
            }
            match &part.content {
                Content::Multipart(children) => part = children.get(at)?,
                _ if is_message && at == 0 => {}
                _ => return None,
            }
            is_message = false;
        }
        Some(part)
    }

    /// Finds where a text lies that BODY\[…\] asks for. `None` when there is no such part, or the part has no such text:
    /// only a message has [`SectionText::Header`] and [`SectionText::Text`], only a numbered part [`SectionText::Mime`].
    pub fn section(&self, numbers: &[u32], text: SectionText) -> Option<Range<usize>> {
        let part = self.find(numbers)?;
        let message = match &part.content {
            _ if numbers.is_empty() => Some(part),
            Content::Message(inner) => Some(&**inner),
            _ => None,
        };
        match text {
            SectionText::All if numbers.is_empty() => Some(part.header.start..part.body.end),
            SectionText::All => Some(part.body.clone()),
            SectionText::Header => Some(message?.header.clone()),
            SectionText::Text => Some(message?.body.clone()),
            SectionText::Mime => (!numbers.is_empty()).then(|| part.header.clone()),
        }
    }
}

/// The fields of a header that have one of the names, or with `not` all that have none, lines that are no field included; in
/// their order and as they are written; the empty line at the header's end is kept if there is one (RFC 9051 §6.4.5). Names
/// are compared without regard to case.
pub fn header_fields(header: &[u8], names: &[impl AsRef<str>], not: bool) -> Vec<u8> {
    let mut taken = Vec::new();
    let split = lines::split(header);
    for line in lines::lines(split.header) {
        let is_named = |name: &[u8]| names.iter().any(|wanted| name.eq_ignore_ascii_case(wanted.as_ref().as_bytes()));
        if line.name().is_some_and(is_named) != not {
            taken.extend_from_slice(line.raw());
        }
    }
    if split.header_complete {
        taken.extend_from_slice(b"\r\n");
    }
    taken
}
