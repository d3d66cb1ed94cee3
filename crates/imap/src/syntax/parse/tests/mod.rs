//! What is parsed to what: tables after the examples of the RFCs, quirks one by one, and imap-codec as the oracle.

#![allow(clippy::unwrap_used)]

mod differential;
mod errors;
pub(super) mod oracle;
mod quirks;
mod rfc_mailboxes;
mod rfc_messages;
mod rfc_search;
mod rfc_session;

use super::{ParseContext, ParseError, parse, parse_as};
use crate::syntax::command::*;
use crate::syntax::set::{Bound, Numbers, SequenceSet};

const REV1: ParseContext = ParseContext { utf8: false, rev2: false, uid_only: false };
const REV2: ParseContext = ParseContext { utf8: true, rev2: true, uid_only: false };
const UID_ONLY: ParseContext = ParseContext { utf8: false, rev2: false, uid_only: true };

/// The command that a text is, without tolerating anything.
fn strictly(text: &str) -> Command {
    let command = format!("a {text}");
    parse_as(command.as_bytes(), REV1, true).unwrap_or_else(|error| panic!("{text}: {error}")).command
}

/// The command that a text is taken for.
fn leniently(text: &str) -> Command {
    let command = format!("a {text}");
    parse(command.as_bytes(), REV1).unwrap_or_else(|error| panic!("{text}: {error}")).command
}

/// Why a text is no command.
fn refused(text: &str) -> ParseError {
    refused_in(text, REV1)
}

fn refused_in(text: &str, context: ParseContext) -> ParseError {
    match parse(format!("a {text}").as_bytes(), context) {
        Ok(tagged) => panic!("{text}: {tagged:?}"),
        Err(error) => error,
    }
}

fn mailbox(name: &str) -> MailboxArg {
    MailboxArg(name.to_owned())
}

/// A set from pairs, in which 0 is `*`.
fn set(ranges: &[(u32, u32)]) -> SequenceSet {
    let bound = |number| if number == 0 { Bound::Last } else { Bound::Number(number) };
    SequenceSet(ranges.iter().map(|&(one, other)| (bound(one), bound(other))).collect())
}

fn numbers(ranges: &[(u32, u32)]) -> Numbers {
    Numbers::Set(set(ranges))
}

fn not(key: SearchKey) -> SearchKey {
    SearchKey::Not(Box::new(key))
}

fn or(one: SearchKey, other: SearchKey) -> SearchKey {
    SearchKey::Or(Box::new(one), Box::new(other))
}

fn header(name: &str, text: &str) -> SearchKey {
    SearchKey::Header(name.to_owned(), text.to_owned())
}

fn keyword(name: &str) -> message::Keyword {
    message::Keyword::new(name).unwrap()
}
