//! STORE, COPY, MOVE and UID EXPUNGE.

use super::cursor::{Cursor, Parsed};
use super::flag::{flag, flag_list};
use super::mailbox::mailbox;
use super::number::numbers;
use crate::syntax::command::{By, Command, Store, StoreMode};

/// ```text
/// store           = "STORE" SP sequence-set [SP store-modifiers] SP store-att-flags
/// store-modifiers = "(" "UNCHANGEDSINCE" SP mod-sequence-valzer ")"               ; RFC 7162 §7
/// store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag)))
/// ```
pub(super) fn store(c: &mut Cursor<'_>, by: By) -> Parsed<Command> {
    c.sp()?;
    let numbers = numbers(c)?;
    c.sp()?;
    let mut unchanged_since = None;
    if c.peek() == Some(b'(') {
        c.list(|c| {
            if !c.eat_word("UNCHANGEDSINCE") {
                return Err(c.failure("the modifier of STORE is not known"));
            }
            c.sp()?;
            unchanged_since = Some(c.number64()?);
            Ok(())
        })?;
        c.sp()?;
    }
    let mode = match c.peek() {
        Some(b'+') => StoreMode::Add,
        Some(b'-') => StoreMode::Remove,
        _ => StoreMode::Replace,
    };
    if mode != StoreMode::Replace {
        c.skip();
    }
    let silent = match c.word()?.as_str() {
        "FLAGS" => false,
        "FLAGS.SILENT" => true,
        _ => return Err(c.failure("STORE changes FLAGS only")),
    };
    c.sp()?;
    let flags = if c.peek() == Some(b'(') {
        flag_list(c)?
    } else {
        let mut flags = vec![flag(c)?];
        while c.more()? {
            flags.push(flag(c)?);
        }
        flags
    };
    Ok(Command::Store(Store { by, numbers, unchanged_since, mode, silent, flags }))
}

/// ```text
/// copy = "COPY" SP sequence-set SP mailbox
/// ```
pub(super) fn copy(c: &mut Cursor<'_>, by: By) -> Parsed<Command> {
    c.sp()?;
    let numbers = numbers(c)?;
    c.sp()?;
    Ok(Command::Copy { by, numbers, mailbox: mailbox(c)? })
}

/// ```text
/// move = "MOVE" SP sequence-set SP mailbox                                        ; RFC 6851 §4
/// ```
pub(super) fn move_messages(c: &mut Cursor<'_>, by: By) -> Parsed<Command> {
    c.sp()?;
    let numbers = numbers(c)?;
    c.sp()?;
    Ok(Command::Move { by, numbers, mailbox: mailbox(c)? })
}

/// ```text
/// uid-expunge = "UID" SP "EXPUNGE" SP sequence-set                                ; RFC 4315 §4
/// ```
pub(super) fn uid_expunge(c: &mut Cursor<'_>) -> Parsed<Command> {
    c.sp()?;
    Ok(Command::Expunge { uids: Some(numbers(c)?) })
}
