//! SELECT and EXAMINE.

use super::cursor::{Cursor, Parsed};
use super::mailbox::mailbox;
use super::number::known_set;
use crate::syntax::command::{Command, Qresync, Select};
use crate::syntax::set::SequenceSet;

/// ```text
/// select       = "SELECT" SP mailbox [SP "(" select-param *(SP select-param) ")"] ; RFC 4466 §2.4
/// select-param =/ "CONDSTORE" / "QRESYNC" SP qresync                              ; RFC 7162 §7
/// ```
pub(super) fn select(c: &mut Cursor<'_>, read_only: bool) -> Parsed<Command> {
    c.sp()?;
    let mailbox = mailbox(c)?;
    let mut select = Select { mailbox, read_only, condstore: false, qresync: None };
    if c.more()? {
        c.list(|c| {
            if c.eat_word("CONDSTORE") {
                select.condstore = true;
            } else if c.eat_word("QRESYNC") {
                c.sp()?;
                select.qresync = Some(qresync(c)?);
            } else {
                return Err(c.failure("the parameter of SELECT is not known"));
            }
            Ok(())
        })?;
    }
    Ok(Command::Select(select))
}

/// ```text
/// qresync = "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")"
/// ```
fn qresync(c: &mut Cursor<'_>) -> Parsed<Qresync> {
    c.expect(b'(', "a ( was expected")?;
    let uidvalidity = c.nz_number()?;
    c.sp()?;
    let modseq = c.modseq()?;
    let mut qresync = Qresync { uidvalidity, modseq, known_uids: None, match_data: None };
    if c.peek() == Some(b' ') {
        c.sp()?;
        if c.peek() != Some(b'(') {
            qresync.known_uids = Some(known_set(c)?);
            if c.peek() == Some(b' ') {
                c.sp()?;
                qresync.match_data = Some(match_data(c)?);
            }
        } else {
            qresync.match_data = Some(match_data(c)?);
        }
    }
    c.expect(b')', "the parameters of QRESYNC do not end")?;
    Ok(qresync)
}

/// Refused with UIDONLY, for it holds message sequence numbers (RFC 9586 §3).
///
/// ```text
/// seq-match-data = "(" known-sequence-set SP known-uid-set ")"     ; as many numbers in one as in the other
/// ```
fn match_data(c: &mut Cursor<'_>) -> Parsed<(SequenceSet, SequenceSet)> {
    if c.context().uid_only {
        let message = "with UIDONLY enabled QRESYNC takes no message sequence numbers";
        return Err(c.failure_of(super::ParseErrorKind::UidRequired, message));
    }
    c.expect(b'(', "a ( was expected")?;
    let sequence_numbers = known_set(c)?;
    c.sp()?;
    let uids = known_set(c)?;
    c.expect(b')', "a ) was expected")?;
    if sequence_numbers.count() != uids.count() {
        return Err(c.failure("there are not as many sequence numbers as UIDs"));
    }
    Ok((sequence_numbers, uids))
}
