//! The one word, complete or incomplete, and why (`RULES.md 10.3`, 10.5).

use crate::exit::Exit;
use crate::figures::Count;
use crate::output::Output;
use directory::{ConflictState, DirectoryError, IntegrationId};
use integrate::report::{Reason, ReasonKind, Verdict, VerdictWord};
use integrate::{Platform, Selection};
use message::Address;

/// How many decisions of an integration wait that concern the chosen accounts or their domains.
///
/// # Errors
/// Those of the directory.
pub(super) fn waiting(platform: &Platform, id: IntegrationId, selection: &Selection) -> Result<u64, DirectoryError> {
    let mut waiting = 0;
    platform.directory.for_each_conflict(id, Some(ConflictState::Open), |conflict| {
        let address = Address::new(&conflict.conflict.address);
        let chosen = selection.is_all()
            || selection.domains.contains(&conflict.conflict.domain)
            || address.is_ok_and(|address| selection.has(&address));
        waiting += u64::from(chosen);
        Ok(())
    })?;
    Ok(waiting)
}

/// Tells the word and every reason for it; gives the exit code that says the same.
pub(super) fn tell(what: &str, verdict: &Verdict, waiting: u64, output: &mut Output) -> Exit {
    let mut reasons: Vec<String> = verdict.reasons.iter().map(in_words).collect();
    if waiting > 0 {
        reasons.push(format!("decisions to make: {}", Count(waiting)));
    }
    let complete = verdict.word == VerdictWord::Complete && waiting == 0;
    match complete {
        true => output.line(format_args!("{what}: complete")),
        false => output.line(format_args!("{what}: incomplete ({})", reasons.join("; "))),
    }
    Exit::complete_if(complete)
}

fn in_words(reason: &Reason) -> String {
    let what = match reason.kind {
        ReasonKind::Missing => "messages missing",
        ReasonKind::DoesNotAddUp => "the numbers differ by",
        ReasonKind::NotVerified => return "not everything is as it must be".to_owned(),
        ReasonKind::Unreadable => "unreadable files",
        ReasonKind::Sealed => "messages sealed",
        ReasonKind::Unattributed => "messages of nobody",
        ReasonKind::Deleted => "messages left out as deleted",
        ReasonKind::ListedNoFile => "UIDs listed without a file",
        ReasonKind::Unfinished => "unfinished deliveries",
        ReasonKind::NotAMessage => "files that are no message",
    };
    format!("{what}: {}", Count(reason.count))
}
