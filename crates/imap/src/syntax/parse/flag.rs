//! Flags as a client names them.

use super::cursor::{Cursor, Parsed};
use crate::syntax::command::FlagArg;
use message::{Flags, Keyword};

/// ```text
/// flag = "\Answered" / "\Flagged" / "\Deleted" / "\Seen" / "\Draft" / flag-keyword / flag-extension
/// flag-keyword   = atom
/// flag-extension = "\" atom
/// ```
/// `\Recent` is for servers to say, but clients that copy flags send it.
pub(super) fn flag(c: &mut Cursor<'_>) -> Parsed<FlagArg> {
    if c.eat(b'\\') {
        let name = format!("\\{}", c.atom()?);
        return Ok(Flags::from_imap_name(&name).map_or(FlagArg::Ignored, FlagArg::Flag));
    }
    let atom = c.atom()?;
    if let Some(flag) = Flags::from_imap_name(atom) {
        return Ok(FlagArg::Flag(flag));
    }
    Keyword::new(atom).map(FlagArg::Keyword).map_err(|_| c.failure("the keyword is too long"))
}

/// ```text
/// flag-list = "(" [flag *(SP flag)] ")"
/// ```
pub(super) fn flag_list(c: &mut Cursor<'_>) -> Parsed<Vec<FlagArg>> {
    c.list_or_nothing(flag)
}
