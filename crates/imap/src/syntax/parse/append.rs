//! APPEND and REPLACE.

use super::cursor::{Cursor, Parsed};
use super::date::date_time;
use super::flag::flag_list;
use super::mailbox::mailbox;
use super::number::one_number;
use super::quirk::Quirk;
use crate::syntax::command::{AppendMessage, By, Command};

/// ```text
/// append = "APPEND" SP mailbox 1*(SP append-message)                              ; RFC 3502 §6, RFC 9051 §6.3.12
/// ```
pub(super) fn append(c: &mut Cursor<'_>) -> Parsed<Command> {
    c.sp()?;
    let mailbox = mailbox(c)?;
    c.sp()?;
    let mut messages = vec![append_message(c)?];
    while c.more()? {
        messages.push(append_message(c)?);
    }
    Ok(Command::Append { mailbox, messages })
}

/// ```text
/// replace = "REPLACE" SP seq-number SP mailbox SP append-message                  ; RFC 8508 §6
/// ```
pub(super) fn replace(c: &mut Cursor<'_>, by: By) -> Parsed<Command> {
    c.sp()?;
    let number = one_number(c)?;
    c.sp()?;
    let mailbox = mailbox(c)?;
    c.sp()?;
    Ok(Command::Replace { by, number, mailbox, message: append_message(c)? })
}

/// ```text
/// append-message = [flag-list SP] [date-time SP] append-data
/// append-data    = literal / literal8 / "UTF8" SP "(" literal8 ")"                ; RFC 6855 §4
/// ```
fn append_message(c: &mut Cursor<'_>) -> Parsed<AppendMessage> {
    let mut flags = Vec::new();
    if c.peek() == Some(b'(') {
        flags = flag_list(c)?;
        c.sp()?;
    }
    let mut internal_date = None;
    if c.peek() == Some(b'"') {
        internal_date = Some(date_time(c)?);
        c.sp()?;
    }
    let wrapped = c.eat_word("UTF8");
    if wrapped {
        c.sp()?;
        c.expect(b'(', "a ( was expected")?;
    }
    let literal = c.literal_or_literal8()?;
    if wrapped {
        c.expect(b')', "a ) was expected")?;
        if !literal.binary {
            return Err(c.failure("UTF8 takes a literal8"));
        }
    }
    if !literal.binary && literal.bytes.contains(&0) {
        c.tolerate(Quirk::NulInMessage)?;
    }
    let binary = literal.binary && !wrapped;
    Ok(AppendMessage { flags, internal_date, bytes: literal.bytes.to_vec(), binary })
}
