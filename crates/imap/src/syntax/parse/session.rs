//! Commands about the session: ID, ENABLE, COMPRESS.

use super::cursor::{Cursor, Parsed};
use crate::syntax::command::Command;

/// ```text
/// id             = "ID" SP id-params-list                                         ; RFC 2971 §4
/// id-params-list = "(" [string SP nstring *(SP string SP nstring)] ")" / nil
/// ```
pub(super) fn id(c: &mut Cursor<'_>) -> Parsed<Command> {
    c.sp()?;
    if c.eat_word("NIL") {
        return Ok(Command::Id(None));
    }
    let parameters = c.list_or_nothing(|c| {
        let field = c.string_text()?;
        c.sp()?;
        let value = c.nstring()?.map(|value| c.utf8(&value)).transpose()?;
        Ok((field, value))
    })?;
    Ok(Command::Id(Some(parameters)))
}

/// ```text
/// enable = "ENABLE" 1*(SP capability)                                             ; RFC 9051 §6.3.1
/// ```
pub(super) fn enable(c: &mut Cursor<'_>) -> Parsed<Command> {
    c.sp()?;
    let mut capabilities = vec![c.atom()?.to_ascii_uppercase()];
    while c.more()? {
        capabilities.push(c.atom()?.to_ascii_uppercase());
    }
    Ok(Command::Enable(capabilities))
}

/// ```text
/// compress = "COMPRESS" SP algorithm                                              ; RFC 4978 §4
/// ```
pub(super) fn compress(c: &mut Cursor<'_>) -> Parsed<Command> {
    c.sp()?;
    Ok(Command::Compress(c.atom()?.to_ascii_uppercase()))
}
