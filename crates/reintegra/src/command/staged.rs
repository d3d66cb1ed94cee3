//! What a staging came to, in words: for `import`, `integrate stage` and `integrate run`.

use crate::exit::Exit;
use crate::figures::{Count, Size, Things, Took};
use crate::output::Output;
use integrate::stage::Staged;

/// Tells what was staged, and whether all of it could be read.
pub(super) fn tell(staged: &Staged, took: &Took, output: &mut Output) -> Exit {
    let Staged { maildrops, items, unchanged, moved, gone, attributed, unattributed, .. } = *staged;
    output.line(format_args!("staged {}, {} in {took}", Things(staged.staged, "message"), Size(staged.read_bytes)));
    output.line(format_args!("  {} in {}", Things(items, "item"), Things(maildrops, "maildrop")));
    let counts = [
        (unchanged, "there already"),
        (moved, "there already, moved or copied in the source since"),
        (gone, "no longer in the source, and kept"),
        (attributed, "orphans given to their owners"),
        (unattributed, "orphans of nobody, kept aside"),
    ];
    for (count, what) in counts.iter().filter(|(count, _)| *count > 0) {
        output.line(format_args!("  {what}: {}", Count(*count)));
    }
    for (reason, count) in &staged.unreadable {
        output.line(format_args!("  unreadable ({reason}): {}", Count(*count)));
    }
    Exit::complete_if(staged.unreadable.is_empty())
}
