//! What a staging came to, in words: for `import`, `integrate stage` and `integrate run`.

use crate::exit::Exit;
use crate::failure::Problem;
use crate::figures::{Count, Size, Things, Took};
use crate::output::Output;
use integrate::stage::Staged;

/// Accounts told one by one that a server does not let in; the rest are counted.
const REFUSED_TOLD: usize = 20;

/// How a staging ended, once it is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    /// Whether all of it could be read.
    pub(super) exit: Exit,
    refused: usize,
}

impl Told {
    /// Refuses to go on to what a whole history is needed for.
    ///
    /// # Errors
    /// When an account was not let in: what is decided without its mail would be decided wrongly.
    pub(super) fn must_be_whole(self) -> Result<(), Problem> {
        if self.refused == 0 {
            return Ok(());
        }
        let accounts = Things(self.refused as u64, "account");
        Err(Problem::new(Exit::Incomplete, format!("the integration waits: the server did not let {accounts} in"))
            .because("without their mail it would be decided wrongly")
            .now("check their logins and passwords, and run the command again: what is done stays done"))
    }
}

/// Tells what was staged, and whether all of it could be read.
pub(super) fn tell(staged: &Staged, took: &Took, output: &mut Output) -> Told {
    let Staged { maildrops, items, unchanged, moved, gone, attributed, unattributed, healed, .. } = *staged;
    output.line(format_args!("staged {}, {} in {took}", Things(staged.staged, "message"), Size(staged.read_bytes)));
    output.line(format_args!("  {} in {}", Things(items, "item"), Things(maildrops, "maildrop")));
    let counts = [
        (unchanged, "there already"),
        (moved, "there already, moved or copied in the source since"),
        (gone, "no longer in the source, and kept"),
        (attributed, "orphans given to their owners"),
        (unattributed, "orphans of nobody, kept aside"),
        (healed, "read again, since their bytes were damaged here"),
    ];
    for (count, what) in counts.iter().filter(|(count, _)| *count > 0) {
        output.line(format_args!("  {what}: {}", Count(*count)));
    }
    for (reason, count) in &staged.unreadable {
        output.line(format_args!("  unreadable ({reason}): {}", Count(*count)));
    }
    for refused in staged.refused.iter().take(REFUSED_TOLD) {
        output.line(format_args!("  not let in: {refused}"));
    }
    if let Some(more) = staged.refused.len().checked_sub(REFUSED_TOLD).filter(|more| *more > 0) {
        output.line(format_args!("  not let in: {} more", Count(more as u64)));
    }
    if !staged.refused.is_empty() {
        output.line("  nothing of them is staged: check their logins and passwords, and run the command again");
    }
    let exit = Exit::complete_if(staged.unreadable.is_empty() && staged.refused.is_empty());
    Told { exit, refused: staged.refused.len() }
}
