//! LIST, LSUB and STATUS.

use super::cursor::{Cursor, Failure, Parsed};
use super::mailbox::{mailbox, pattern};
use super::metadata;
use super::quirk::Quirk;
use crate::syntax::command::{Command, List, ListReturn, ListSelect, StatusItem};

/// ```text
/// list        = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]  ; RFC 9051 §6.3.9
/// mbox-or-pat = list-mailbox / patterns
/// patterns    = "(" list-mailbox *(SP list-mailbox) ")"
/// ```
pub(super) fn list(c: &mut Cursor<'_>) -> Parsed<Command> {
    c.sp()?;
    let mut extended = false;
    let mut select = ListSelect::default();
    if c.peek() == Some(b'(') {
        extended = true;
        select = select_options(c)?;
        c.sp()?;
    }
    let reference = mailbox(c)?.0;
    c.sp()?;
    extended |= c.peek() == Some(b'(');
    let patterns = c.one_or_list(pattern)?;
    let mut returns = ListReturn::default();
    if c.more()? {
        extended = true;
        returns = return_options(c)?;
    }
    Ok(Command::List(List { extended, select, reference, patterns, returns }))
}

/// ```text
/// list-select-opts = "(" [list-select-opt *(SP list-select-opt)] ")"      ; RECURSIVEMATCH needs a base option
/// list-select-base-opt = "SUBSCRIBED" / "SPECIAL-USE"                             ; RFC 5258 §6, RFC 6154 §6
/// list-select-independent-opt = "REMOTE"
/// list-select-mod-opt  = "RECURSIVEMATCH"
/// ```
fn select_options(c: &mut Cursor<'_>) -> Parsed<ListSelect> {
    let at = c.at();
    let mut select = ListSelect::default();
    c.list_or_nothing(|c| {
        let option = match c.word()?.as_str() {
            "SUBSCRIBED" => &mut select.subscribed,
            "REMOTE" => &mut select.remote,
            "RECURSIVEMATCH" => &mut select.recursive_match,
            "SPECIAL-USE" => &mut select.special_use,
            _ => return Err(c.failure("the selection option of LIST is not known")),
        };
        *option = true;
        Ok(())
    })?;
    if select.recursive_match && !select.subscribed && !select.special_use {
        return Err(Failure { at, ..c.failure("RECURSIVEMATCH needs another selection option") });
    }
    Ok(select)
}

/// ```text
/// list-return-opts = "RETURN" SP "(" [return-option *(SP return-option)] ")"
/// return-option    = "SUBSCRIBED" / "CHILDREN" / "SPECIAL-USE"
///                  / "STATUS" SP "(" status-att *(SP status-att) ")"              ; RFC 5819 §4
///                  / "METADATA" SP entries                                        ; RFC 9590 §4
/// ```
fn return_options(c: &mut Cursor<'_>) -> Parsed<ListReturn> {
    let mut returns = ListReturn::default();
    if !c.eat_word("RETURN") {
        return Err(c.failure("RETURN was expected"));
    }
    c.sp()?;
    c.list_or_nothing(|c| {
        match c.word()?.as_str() {
            "SUBSCRIBED" => returns.subscribed = true,
            "CHILDREN" => returns.children = true,
            "SPECIAL-USE" => returns.special_use = true,
            "STATUS" => {
                c.sp()?;
                returns.status = Some(c.list(status_item)?);
            }
            "METADATA" => {
                c.sp()?;
                returns.metadata = Some(c.one_or_list(metadata::entry)?);
            }
            _ => return Err(c.failure("the return option of LIST is not known")),
        }
        Ok(())
    })?;
    Ok(returns)
}

/// ```text
/// lsub = "LSUB" SP mailbox SP list-mailbox                                        ; RFC 3501 §6.3.9
/// ```
pub(super) fn lsub(c: &mut Cursor<'_>) -> Parsed<Command> {
    c.sp()?;
    let reference = mailbox(c)?.0;
    c.sp()?;
    Ok(Command::Lsub { reference, pattern: pattern(c)? })
}

/// ```text
/// status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")"             ; RFC 9051 §6.3.11
/// ```
pub(super) fn status(c: &mut Cursor<'_>) -> Parsed<Command> {
    c.sp()?;
    let mailbox = mailbox(c)?;
    c.sp()?;
    Ok(Command::Status { mailbox, items: c.list(status_item)? })
}

/// ```text
/// status-att = "MESSAGES" / "UIDNEXT" / "UIDVALIDITY" / "UNSEEN" / "DELETED" / "SIZE" / "RECENT"
///            / "HIGHESTMODSEQ"                                                    ; RFC 7162 §7
///            / "MAILBOXID"                                                        ; RFC 8474 §7
///            / "APPENDLIMIT"                                                      ; RFC 7889 §5
///            / "DELETED-STORAGE"                                                  ; RFC 9208 §7
/// ```
fn status_item(c: &mut Cursor<'_>) -> Parsed<StatusItem> {
    Ok(match c.word()?.as_str() {
        "MESSAGES" => StatusItem::Messages,
        "RECENT" => {
            if c.context().rev2 {
                c.tolerate(Quirk::GoneInRev2)?;
            }
            StatusItem::Recent
        }
        "UIDNEXT" => StatusItem::UidNext,
        "UIDVALIDITY" => StatusItem::UidValidity,
        "UNSEEN" => StatusItem::Unseen,
        "DELETED" => StatusItem::Deleted,
        "SIZE" => StatusItem::Size,
        "HIGHESTMODSEQ" => StatusItem::HighestModSeq,
        "MAILBOXID" => StatusItem::MailboxId,
        "APPENDLIMIT" => StatusItem::AppendLimit,
        "DELETED-STORAGE" => StatusItem::DeletedStorage,
        _ => return Err(c.failure("the status item is not known")),
    })
}
