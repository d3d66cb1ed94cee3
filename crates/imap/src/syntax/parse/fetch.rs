//! FETCH.

use super::cursor::{Cursor, Failure, Parsed};
use super::number::{numbers, partial_range};
use super::quirk::Quirk;
use crate::syntax::command::{By, Command, Fetch, FetchItem, Section, SectionText};

/// ```text
/// fetch           = "FETCH" SP sequence-set SP fetch-items [SP fetch-modifiers]
/// fetch-items     = "ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")"
/// fetch-modifiers = "(" fetch-modifier *(SP fetch-modifier) ")"                   ; RFC 4466 §2.1
/// fetch-modifier  =/ "CHANGEDSINCE" SP mod-sequence-value / "VANISHED"            ; RFC 7162 §7
///                  / "PARTIAL" SP partial-range                                   ; RFC 9394 §4
/// ```
/// VANISHED and PARTIAL belong to UID FETCH, and VANISHED to CHANGEDSINCE.
pub(super) fn fetch(c: &mut Cursor<'_>, by: By) -> Parsed<Command> {
    c.sp()?;
    let numbers = numbers(c)?;
    c.sp()?;
    let items = match c.peek() {
        Some(b'(') => c.list(|c| fetch_item(c, true))?.concat(),
        _ => fetch_item(c, false)?,
    };
    let mut fetch = Fetch { by, numbers, items, changed_since: None, vanished: false, partial: None };
    if c.more()? {
        let at = c.at();
        c.list(|c| modifier(c, &mut fetch))?;
        let objection = match by {
            By::Seq if fetch.vanished => Some("VANISHED belongs to UID FETCH"),
            By::Seq if fetch.partial.is_some() => Some("PARTIAL belongs to UID FETCH"),
            _ if fetch.vanished && fetch.changed_since.is_none() => Some("VANISHED belongs to CHANGEDSINCE"),
            _ => None,
        };
        if let Some(message) = objection {
            return Err(Failure { at, ..c.failure(message) });
        }
    }
    Ok(Command::Fetch(fetch))
}

fn modifier(c: &mut Cursor<'_>, fetch: &mut Fetch) -> Parsed<()> {
    match c.word()?.as_str() {
        "CHANGEDSINCE" => {
            c.sp()?;
            fetch.changed_since = Some(c.modseq()?);
        }
        "VANISHED" => fetch.vanished = true,
        "PARTIAL" => {
            c.sp()?;
            fetch.partial = Some(partial_range(c)?);
        }
        _ => return Err(c.failure("the modifier of FETCH is not known")),
    }
    Ok(())
}

/// An item of a list, as NOTIFY has it too.
pub(super) fn fetch_items(c: &mut Cursor<'_>) -> Parsed<Vec<FetchItem>> {
    fetch_item(c, true)
}

/// A macro is several items.
///
/// ```text
/// fetch-att = "ENVELOPE" / "FLAGS" / "INTERNALDATE" / "RFC822.SIZE" / "BODY" / "BODYSTRUCTURE" / "UID"
///           / "BODY" [".PEEK"] section ["<" number64 "." nz-number64 ">"]
///           / "BINARY" [".PEEK"] section-binary [partial] / "BINARY.SIZE" section-binary
///           / "RFC822" / "RFC822.HEADER" / "RFC822.TEXT"                          ; RFC 3501 §6.4.5
///           / "MODSEQ"                                                            ; RFC 7162 §7
///           / "EMAILID" / "THREADID"                                              ; RFC 8474 §7
///           / "SAVEDATE"                                                          ; RFC 8514 §5
///           / "PREVIEW" [SP "(" "LAZY" ")"]                                       ; RFC 8970 §6
/// ```
fn fetch_item(c: &mut Cursor<'_>, in_list: bool) -> Parsed<Vec<FetchItem>> {
    let at = c.at();
    let name = c.word()?;
    let items = match name.as_str() {
        "ALL" => vec![FetchItem::Flags, FetchItem::InternalDate, FetchItem::Rfc822Size, FetchItem::Envelope],
        "FAST" => vec![FetchItem::Flags, FetchItem::InternalDate, FetchItem::Rfc822Size],
        "FULL" => {
            vec![FetchItem::Flags, FetchItem::InternalDate, FetchItem::Rfc822Size, FetchItem::Envelope, FetchItem::Body]
        }
        "ENVELOPE" => vec![FetchItem::Envelope],
        "FLAGS" => vec![FetchItem::Flags],
        "INTERNALDATE" => vec![FetchItem::InternalDate],
        "RFC822.SIZE" => vec![FetchItem::Rfc822Size],
        "UID" => vec![FetchItem::Uid],
        "BODYSTRUCTURE" => vec![FetchItem::BodyStructure],
        "BODY" if c.peek() != Some(b'[') => vec![FetchItem::Body],
        "BODY" | "BODY.PEEK" => {
            let section = section(c)?;
            vec![FetchItem::Section { section, partial: partial(c)?, peek: name == "BODY.PEEK" }]
        }
        "BINARY" | "BINARY.PEEK" => {
            let part = section_binary(c)?;
            vec![FetchItem::Binary { part, partial: partial(c)?, peek: name == "BINARY.PEEK" }]
        }
        "BINARY.SIZE" => vec![FetchItem::BinarySize { part: section_binary(c)? }],
        "RFC822" => vec![FetchItem::Rfc822],
        "RFC822.HEADER" => vec![FetchItem::Rfc822Header],
        "RFC822.TEXT" => vec![FetchItem::Rfc822Text],
        "MODSEQ" => vec![FetchItem::ModSeq],
        "EMAILID" => vec![FetchItem::EmailId],
        "THREADID" => vec![FetchItem::ThreadId],
        "SAVEDATE" => vec![FetchItem::SaveDate],
        "PREVIEW" => vec![FetchItem::Preview { lazy: preview_modifier(c)? }],
        _ => return Err(Failure { at, ..c.failure("the item to fetch is not known") }),
    };
    if in_list && matches!(name.as_str(), "ALL" | "FAST" | "FULL") {
        c.tolerate(Quirk::MacroInList)?;
    }
    if c.context().rev2 && matches!(name.as_str(), "RFC822" | "RFC822.HEADER" | "RFC822.TEXT") {
        c.tolerate(Quirk::GoneInRev2)?;
    }
    Ok(items)
}

/// `(LAZY)` after PREVIEW; another list there holds the modifiers of the FETCH.
fn preview_modifier(c: &mut Cursor<'_>) -> Parsed<bool> {
    let lazy = c.looks_at(" (LAZY)") || c.looks_at(" (LAZY ") || c.looks_at(" ( LAZY");
    if lazy {
        c.sp()?;
        c.list(|c| if c.eat_word("LAZY") { Ok(()) } else { Err(c.failure("LAZY was expected")) })?;
    }
    Ok(lazy)
}

/// ```text
/// section      = "[" [section-spec] "]"
/// section-spec = section-msgtext / (section-part ["." section-text])
/// section-text = section-msgtext / "MIME"
/// ```
fn section(c: &mut Cursor<'_>) -> Parsed<Section> {
    c.expect(b'[', "a section was expected")?;
    let (part, more) = section_part(c)?;
    let text = match c.peek() {
        Some(b']') if !more => SectionText::All,
        _ if more || part.is_empty() => section_text(c, !part.is_empty())?,
        _ => return Err(c.failure("the section does not end")),
    };
    c.expect(b']', "the section does not end")?;
    Ok(Section { part, text })
}

/// With the `.` behind it; whether there was one.
///
/// ```text
/// section-part = nz-number *("." nz-number)
/// ```
fn section_part(c: &mut Cursor<'_>) -> Parsed<(Vec<u32>, bool)> {
    let mut part = Vec::new();
    while matches!(c.peek(), Some(b'0'..=b'9')) {
        part.push(c.nz_number()?);
        if !c.eat(b'.') {
            return Ok((part, false));
        }
    }
    let more = !part.is_empty();
    Ok((part, more))
}

/// ```text
/// section-msgtext = "HEADER" / "HEADER.FIELDS" [".NOT"] SP header-list / "TEXT"
/// header-list     = "(" header-fld-name *(SP header-fld-name) ")"
/// header-fld-name = astring
/// ```
fn section_text(c: &mut Cursor<'_>, of_part: bool) -> Parsed<SectionText> {
    let at = c.at();
    Ok(match c.word()?.as_str() {
        "HEADER" => SectionText::Header,
        "HEADER.FIELDS" => SectionText::HeaderFields(header_list(c)?),
        "HEADER.FIELDS.NOT" => SectionText::HeaderFieldsNot(header_list(c)?),
        "TEXT" => SectionText::Text,
        "MIME" if of_part => SectionText::Mime,
        _ => return Err(Failure { at, ..c.failure("the section is not known") }),
    })
}

fn header_list(c: &mut Cursor<'_>) -> Parsed<Vec<String>> {
    c.sp()?;
    c.list(|c| Ok(c.text()?.to_ascii_uppercase()))
}

/// ```text
/// section-binary = "[" [section-part] "]"                                         ; RFC 3516 §7
/// ```
fn section_binary(c: &mut Cursor<'_>) -> Parsed<Vec<u32>> {
    c.expect(b'[', "a section was expected")?;
    let (part, more) = section_part(c)?;
    if more {
        return Err(c.failure("a part's number was expected"));
    }
    c.expect(b']', "the section does not end")?;
    Ok(part)
}

/// ```text
/// partial = "<" number64 "." nz-number64 ">"
/// ```
fn partial(c: &mut Cursor<'_>) -> Parsed<Option<(u64, u64)>> {
    if !c.eat(b'<') {
        return Ok(None);
    }
    let from = c.number64()?;
    c.expect(b'.', "the partial range takes two numbers")?;
    let length = c.nz_number64()?;
    c.expect(b'>', "the partial range does not end")?;
    Ok(Some((from, length)))
}
