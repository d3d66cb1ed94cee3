//! Names of mailboxes, and the commands that take little else.

use super::cursor::{Cursor, Parsed};
use super::quirk::Quirk;
use crate::syntax::chars::is_list_char;
use crate::syntax::command::{Command, MailboxArg, UseArg};
use message::{SpecialUse, utf7};

/// ```text
/// mailbox = "INBOX" / astring                 ; INBOX without regard to case
/// ```
pub(super) fn mailbox(c: &mut Cursor<'_>) -> Parsed<MailboxArg> {
    let bytes = c.astring()?;
    name(c, &bytes).map(MailboxArg)
}

/// ```text
/// list-mailbox = 1*list-char / string
/// ```
pub(super) fn pattern(c: &mut Cursor<'_>) -> Parsed<String> {
    let bytes = c.astring_of(is_list_char)?;
    name(c, &bytes)
}

/// A name as it is meant: UTF-8 once that is enabled, modified UTF-7 before (RFC 9051 §5.1 and appendix A.1). Wildcards
/// stand for themselves in both.
fn name(c: &Cursor<'_>, bytes: &[u8]) -> Parsed<String> {
    let text = c.utf8(bytes)?;
    if text.eq_ignore_ascii_case("INBOX") {
        return Ok("INBOX".to_owned());
    }
    if c.context().utf8 {
        return Ok(text);
    }
    let decoded = utf7::decode_leniently(&text);
    if decoded.malformed {
        c.tolerate(Quirk::MalformedUtf7)?;
    }
    Ok(decoded.text)
}

/// ```text
/// create       = "CREATE" SP mailbox [SP "(" create-param *(SP create-param) ")"] ; RFC 4466 §2.2
/// create-param =/ "USE" SP "(" [use-attr *(SP use-attr)] ")"                      ; RFC 6154 §6
/// use-attr     = "\" atom
/// ```
pub(super) fn create(c: &mut Cursor<'_>) -> Parsed<Command> {
    c.sp()?;
    let mailbox = mailbox(c)?;
    let mut special_use = Vec::new();
    if c.more()? {
        c.list(|c| {
            if !c.eat_word("USE") {
                return Err(c.failure("the parameter of CREATE is not known"));
            }
            c.sp()?;
            special_use.extend(c.list_or_nothing(use_attribute)?);
            Ok(())
        })?;
    }
    Ok(Command::Create { mailbox, special_use })
}

fn use_attribute(c: &mut Cursor<'_>) -> Parsed<UseArg> {
    c.expect(b'\\', "a special use begins with \\")?;
    let attribute = format!("\\{}", c.atom()?);
    Ok(SpecialUse::from_attribute(&attribute).map_or(UseArg::Other(attribute), UseArg::Known))
}

/// ```text
/// delete = "DELETE" SP mailbox
/// ```
pub(super) fn delete(c: &mut Cursor<'_>) -> Parsed<Command> {
    c.sp()?;
    mailbox(c).map(Command::Delete)
}

/// ```text
/// rename = "RENAME" SP mailbox SP mailbox
/// ```
pub(super) fn rename(c: &mut Cursor<'_>) -> Parsed<Command> {
    c.sp()?;
    let from = mailbox(c)?;
    c.sp()?;
    Ok(Command::Rename { from, to: mailbox(c)? })
}

/// ```text
/// subscribe = "SUBSCRIBE" SP mailbox
/// ```
pub(super) fn subscribe(c: &mut Cursor<'_>) -> Parsed<Command> {
    c.sp()?;
    mailbox(c).map(Command::Subscribe)
}

/// ```text
/// unsubscribe = "UNSUBSCRIBE" SP mailbox
/// ```
pub(super) fn unsubscribe(c: &mut Cursor<'_>) -> Parsed<Command> {
    c.sp()?;
    mailbox(c).map(Command::Unsubscribe)
}
