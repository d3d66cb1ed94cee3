//! What FETCH was asked for, made ready: what each item is called in the answer, and where it comes from.

use crate::answer::Refusal;
use crate::cache::{self, Kind};
use crate::session::core::Core;
use crate::syntax::{self, FetchItem, Section, SectionText};
use std::io::Write as _;

/// An item of each response.
#[derive(Debug)]
pub(super) enum Item {
    Flags,
    Uid,
    InternalDate,
    Size,
    ModSeq,
    SaveDate,
    EmailId,
    ThreadId,
    Envelope,
    Body,
    BodyStructure,
    /// `lazy`: only if that costs nothing (RFC 8970 §3.1).
    Preview {
        lazy: bool,
    },
    /// Header fields that are kept.
    Fields {
        label: Vec<u8>,
        names: Vec<String>,
        partial: Option<(u64, u64)>,
    },
    /// A text of the message.
    Text {
        label: Vec<u8>,
        part: Vec<u32>,
        text: SectionText,
        partial: Option<(u64, u64)>,
    },
    /// A part with its transfer encoding undone.
    Binary {
        label: Vec<u8>,
        part: Vec<u32>,
        partial: Option<(u64, u64)>,
    },
    BinarySize {
        label: Vec<u8>,
        part: Vec<u32>,
    },
}

/// The items of a FETCH and what making them needs.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) items: Vec<Item>,
    /// Kinds of cached values.
    pub(super) kinds: Vec<Kind>,
    /// Whether the messages' bytes are read.
    pub(super) bytes: bool,
    /// Whether the digests of messages are needed.
    pub(super) digests: bool,
    /// Whether messages become `\Seen`.
    pub(super) sees: bool,
    /// Whether the items have the flags.
    pub(super) has_flags: bool,
    pub(super) has_modseq: bool,
    pub(super) has_uid: bool,
}

impl Plan {
    /// Makes ready what a client asks.
    ///
    /// # Errors
    /// When an item belongs to an extension that is switched off for the account.
    pub(super) fn new(core: &Core, asked: &[FetchItem]) -> Result<Self, Refusal> {
        let mut plan = Plan {
            items: Vec::with_capacity(asked.len()),
            kinds: Vec::new(),
            bytes: false,
            digests: false,
            sees: false,
            has_flags: false,
            has_modseq: false,
            has_uid: false,
        };
        for item in asked {
            if let Some(extension) = extension(item) {
                core.require(extension)?;
            }
            let item = plan.ready(item);
            plan.items.push(item);
        }
        Ok(plan)
    }

    fn ready(&mut self, asked: &FetchItem) -> Item {
        match asked {
            FetchItem::Flags => {
                self.has_flags = true;
                Item::Flags
            }
            FetchItem::Uid => {
                self.has_uid = true;
                Item::Uid
            }
            FetchItem::ModSeq => {
                self.has_modseq = true;
                Item::ModSeq
            }
            FetchItem::InternalDate => Item::InternalDate,
            FetchItem::Rfc822Size => Item::Size,
            FetchItem::SaveDate => Item::SaveDate,
            FetchItem::EmailId => {
                self.digests = true;
                Item::EmailId
            }
            FetchItem::ThreadId => self.cached(Kind::Thread, Item::ThreadId),
            FetchItem::Envelope => self.cached(Kind::Envelope, Item::Envelope),
            FetchItem::Body => self.cached(Kind::Structure, Item::Body),
            FetchItem::BodyStructure => self.cached(Kind::Structure, Item::BodyStructure),
            FetchItem::Preview { lazy } => self.cached(Kind::Preview, Item::Preview { lazy: *lazy }),
            FetchItem::Section { section, partial, peek } => {
                self.sees |= !peek;
                self.section(section, *partial)
            }
            FetchItem::Rfc822 => {
                self.sees = true;
                self.text(b"RFC822", SectionText::All)
            }
            FetchItem::Rfc822Header => self.text(b"RFC822.HEADER", SectionText::Header),
            FetchItem::Rfc822Text => {
                self.sees = true;
                self.text(b"RFC822.TEXT", SectionText::Text)
            }
            FetchItem::Binary { part, partial, peek } => {
                self.sees |= !peek;
                self.bytes = true;
                let label = label(b"BINARY", part, "", *partial);
                Item::Binary { label, part: part.clone(), partial: *partial }
            }
            FetchItem::BinarySize { part } => {
                self.bytes = true;
                Item::BinarySize { label: label(b"BINARY.SIZE", part, "", None), part: part.clone() }
            }
        }
    }

    fn cached(&mut self, kind: Kind, item: Item) -> Item {
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
        }
        item
    }

    fn text(&mut self, label: &[u8], text: SectionText) -> Item {
        self.bytes = true;
        Item::Text { label: label.to_vec(), part: Vec::new(), text, partial: None }
    }

    fn section(&mut self, section: &Section, partial: Option<(u64, u64)>) -> Item {
        let Section { part, text } = section;
        let label = section_label(section, partial);
        match text {
            SectionText::HeaderFields(names)
                if part.is_empty() && names.iter().all(|name| cache::keeps_field(name)) =>
            {
                self.cached(Kind::Header, Item::Fields { label, names: names.clone(), partial })
            }
            _ => {
                self.bytes = true;
                Item::Text { label, part: part.clone(), text: text.clone(), partial }
            }
        }
    }
}

/// The extension that an item belongs to.
fn extension(item: &FetchItem) -> Option<&'static str> {
    match item {
        FetchItem::EmailId | FetchItem::ThreadId => Some("OBJECTID"),
        FetchItem::SaveDate => Some("SAVEDATE"),
        FetchItem::Preview { .. } => Some("PREVIEW"),
        FetchItem::Binary { .. } | FetchItem::BinarySize { .. } => Some("BINARY"),
        FetchItem::ModSeq => Some("CONDSTORE"),
        _ => None,
    }
}

/// `BODY[1.HEADER.FIELDS (DATE FROM)]<0>`.
fn section_label(section: &Section, partial: Option<(u64, u64)>) -> Vec<u8> {
    let (word, names) = match &section.text {
        SectionText::All => ("", None),
        SectionText::Header => ("HEADER", None),
        SectionText::Text => ("TEXT", None),
        SectionText::Mime => ("MIME", None),
        SectionText::HeaderFields(names) => ("HEADER.FIELDS", Some(names)),
        SectionText::HeaderFieldsNot(names) => ("HEADER.FIELDS.NOT", Some(names)),
    };
    let mut text = word.as_bytes().to_vec();
    if let Some(names) = names {
        text.extend_from_slice(b" (");
        for (index, name) in names.iter().enumerate() {
            if index > 0 {
                text.push(b' ');
            }
            syntax::write_astring(&mut text, name.as_bytes());
        }
        text.push(b')');
    }
    label(b"BODY", &section.part, text, partial)
}

fn label(word: &[u8], part: &[u32], text: impl AsRef<[u8]>, partial: Option<(u64, u64)>) -> Vec<u8> {
    let text = text.as_ref();
    let mut label = word.to_vec();
    label.push(b'[');
    for (index, number) in part.iter().enumerate() {
        let dot = if index > 0 { "." } else { "" };
        write!(label, "{dot}{number}").expect("a buffer in memory takes everything");
    }
    if !part.is_empty() && !text.is_empty() {
        label.push(b'.');
    }
    label.extend_from_slice(text);
    label.push(b']');
    if let Some((origin, _)) = partial {
        write!(label, "<{origin}>").expect("a buffer in memory takes everything");
    }
    label
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sections_are_named_as_they_were_asked_for() {
        let fields = |names: &[&str]| SectionText::HeaderFields(names.iter().map(ToString::to_string).collect());
        let table = [
            (vec![], SectionText::All, None, "BODY[]"),
            (vec![], SectionText::All, Some((1024, 10)), "BODY[]<1024>"),
            (vec![4, 2], SectionText::All, None, "BODY[4.2]"),
            (vec![4, 2], SectionText::Mime, None, "BODY[4.2.MIME]"),
            (vec![], SectionText::Text, Some((0, 1)), "BODY[TEXT]<0>"),
            (vec![3], fields(&["DATE", "FROM"]), None, "BODY[3.HEADER.FIELDS (DATE FROM)]"),
            (vec![], fields(&["A B"]), None, "BODY[HEADER.FIELDS (\"A B\")]"),
        ];
        for (part, text, partial, expected) in table {
            let label = section_label(&Section { part, text }, partial);
            assert_eq!(String::from_utf8(label).unwrap(), expected);
        }
    }
}
