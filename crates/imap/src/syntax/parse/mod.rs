//! From a framed command to a [`Command`].
//!
//! ```text
//! command = tag SP (command-any / command-auth / command-nonauth / command-select)
//! ```
//! One file for each kind of command; in them, every parser has its grammar above it, with the names of the RFCs. What
//! is tolerated beyond the grammar is listed in [`quirk`].

mod append;
mod authenticate;
mod cursor;
mod date;
mod fetch;
mod flag;
mod list;
mod mailbox;
mod metadata;
mod notify;
mod number;
mod quirk;
mod quota;
mod search;
mod select;
mod session;
mod store;
#[cfg(test)]
mod tests;

use super::chars::{MAX_TAG_BYTES, is_tag_char};
use super::command::{By, Command, Tagged};
use cursor::{Cursor, Failure, Parsed};
use std::borrow::Cow;

/// What the session's state says about how a command is to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ParseContext {
    /// UTF8=ACCEPT or IMAP4rev2 is enabled: names of mailboxes are UTF-8, and no modified UTF-7.
    pub(crate) utf8: bool,
    /// IMAP4rev2 is enabled.
    pub(crate) rev2: bool,
    /// UIDONLY is enabled (RFC 9586).
    pub(crate) uid_only: bool,
}

/// A command cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (at byte {at})")]
pub(crate) struct ParseError {
    /// The command's tag, if it has one.
    pub(crate) tag: Option<String>,
    /// What is wrong with it.
    pub(crate) kind: ParseErrorKind,
    /// The same for people; it repeats nothing that the client sent.
    pub(crate) message: Cow<'static, str>,
    /// Where, in bytes from the command's beginning.
    pub(crate) at: usize,
}

/// What is wrong with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParseErrorKind {
    /// It is not made as the grammar says.
    BadSyntax,
    /// No command has this name.
    UnknownCommand,
    /// A charset that SEARCH does not know, or text that is not in the charset it is said to be in: `BADCHARSET`, with
    /// US-ASCII and UTF-8 as those that it knows.
    BadCharset,
    /// Message sequence numbers, after ENABLE UIDONLY: `UIDREQUIRED` (RFC 9586 §3).
    UidRequired,
    /// Search keys within search keys, too deep: `LIMIT` (RFC 5530 §3).
    TooDeep,
}

/// The charsets that SEARCH, SORT and THREAD take.
const SUPPORTED_CHARSETS: [&str; 2] = ["US-ASCII", "UTF-8"];

/// Parses a command: its lines with their literals, without the CRLF at the end.
///
/// # Errors
/// When it cannot be understood.
pub(crate) fn parse(command: &[u8], context: ParseContext) -> Result<Tagged, ParseError> {
    parse_as(command, context, false)
}

fn parse_as(command: &[u8], context: ParseContext, strict: bool) -> Result<Tagged, ParseError> {
    let mut cursor = Cursor::new(command, context, strict);
    let error = |tag, failure: Failure| {
        let Failure { kind, message, at } = failure;
        ParseError { tag, kind, message: Cow::Borrowed(message), at }
    };
    let tag = tag(&mut cursor).map_err(|failure| error(None, failure))?;
    match verb(&mut cursor) {
        Ok(command) => Ok(Tagged { tag, command }),
        Err(failure) => Err(error(Some(tag), failure)),
    }
}

/// It is repeated in answers, and bounded so that it never is more of them than what is answered.
///
/// ```text
/// tag = 1*<any ASTRING-CHAR except "+">
/// ```
fn tag(c: &mut Cursor<'_>) -> Parsed<String> {
    let tag = c.take_while(is_tag_char);
    if tag.is_empty() {
        return Err(c.failure("a command begins with a tag"));
    }
    if tag.len() > MAX_TAG_BYTES {
        return Err(c.failure("the tag is too long"));
    }
    Ok(tag.iter().map(|&byte| char::from(byte)).collect())
}

fn verb(c: &mut Cursor<'_>) -> Parsed<Command> {
    c.sp()?;
    let at = c.at();
    let name = c.word()?;
    let command = match name.as_str() {
        "CAPABILITY" => Command::Capability,
        "NOOP" => Command::Noop,
        "LOGOUT" => Command::Logout,
        "STARTTLS" => Command::StartTls,
        "NAMESPACE" => Command::Namespace,
        "IDLE" => Command::Idle,
        "CHECK" => Command::Check,
        "CLOSE" => Command::Close,
        "UNSELECT" => Command::Unselect,
        "EXPUNGE" => Command::Expunge { uids: None },
        "ID" => session::id(c)?,
        "AUTHENTICATE" => authenticate::authenticate(c)?,
        "LOGIN" => authenticate::login(c)?,
        "ENABLE" => session::enable(c)?,
        "COMPRESS" => session::compress(c)?,
        "SELECT" => select::select(c, false)?,
        "EXAMINE" => select::select(c, true)?,
        "CREATE" => mailbox::create(c)?,
        "DELETE" => mailbox::delete(c)?,
        "RENAME" => mailbox::rename(c)?,
        "SUBSCRIBE" => mailbox::subscribe(c)?,
        "UNSUBSCRIBE" => mailbox::unsubscribe(c)?,
        "LIST" => list::list(c)?,
        "LSUB" => list::lsub(c)?,
        "STATUS" => list::status(c)?,
        "APPEND" => append::append(c)?,
        "GETQUOTA" => quota::get_quota(c)?,
        "GETQUOTAROOT" => quota::get_quota_root(c)?,
        "SETQUOTA" => quota::set_quota(c)?,
        "GETMETADATA" => metadata::get_metadata(c)?,
        "SETMETADATA" => metadata::set_metadata(c)?,
        "NOTIFY" => notify::notify(c)?,
        "UID" => {
            c.sp()?;
            let at = c.at();
            let name = c.word()?;
            match name.as_str() {
                "EXPUNGE" => store::uid_expunge(c)?,
                name => numbered(c, name, By::Uid).unwrap_or_else(|| Err(unknown(c, at)))?,
            }
        }
        name => numbered(c, name, By::Seq).unwrap_or_else(|| Err(unknown(c, at)))?,
    };
    c.end()?;
    Ok(command)
}

/// The commands that stand with `UID` and without.
fn numbered(c: &mut Cursor<'_>, name: &str, by: By) -> Option<Parsed<Command>> {
    let parser = match name {
        "SEARCH" => search::search,
        "SORT" => search::sort,
        "THREAD" => search::thread,
        "FETCH" => fetch::fetch,
        "STORE" => store::store,
        "COPY" => store::copy,
        "MOVE" => store::move_messages,
        "REPLACE" => append::replace,
        _ => return None,
    };
    if by == By::Seq && c.context().uid_only {
        let message = "with UIDONLY enabled the command needs UID before it";
        return Some(Err(c.failure_of(ParseErrorKind::UidRequired, message)));
    }
    Some(parser(c, by))
}

fn unknown(c: &Cursor<'_>, at: usize) -> Failure {
    Failure { at, ..c.failure_of(ParseErrorKind::UnknownCommand, "there is no such command") }
}
