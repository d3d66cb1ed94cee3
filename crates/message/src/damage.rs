//! Messages that end early or in zeros (`RULES.md 9.2`).

use crate::canonical::{DROPPED, Examined, canonical_header, is_dropped, kept_lines, without_blank_end};
use crate::lines::{self, Line, is_wsp};
use memchr::memmem;

/// How a message is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DamageKind {
    /// Bytes are missing at its end.
    EndsEarly,
    /// Its end is NULs: space that was allotted to it and never written.
    EndsInZeros,
}

/// The damage that the evidence shows, if any.
///
/// * One NUL at the end suffices for [`DamageKind::EndsInZeros`], whatever the size: mail does not hold NUL (RFC 5322
///   §4), and a file whose last blocks were lost has its full length.
/// * Fewer bytes than promised: [`DamageKind::EndsEarly`]. The promise is about the bytes as they lie, so both sizes are
///   those before line endings were changed. A promise that another one contradicts (Maildir's `S=` when `W=` equals
///   `examined.size_bytes`) is no evidence and must not be passed. More bytes than promised are no damage.
/// * Where nothing is promised, bytes that end inside a header line: [`DamageKind::EndsEarly`], since every line of a
///   header has its ending (RFC 5322 §2.2) even where no body follows. A header that ends with a line ending and lacks
///   only the empty line is a message without a body.
pub fn damage_of(raw_len: u64, promised_size: Option<u64>, examined: &Examined) -> Option<DamageKind> {
    if examined.trailing_nuls > 0 {
        return Some(DamageKind::EndsInZeros);
    }
    let ends_early = match promised_size {
        Some(promised) => raw_len < promised,
        None => examined.ends_in_header_line,
    };
    ends_early.then_some(DamageKind::EndsEarly)
}

/// Whether a damaged message is the beginning of a whole one, both in CRLF form.
///
/// NULs at the end of the damaged one are left out, then the canonical forms are compared up to where it ends. The cut
/// may be anywhere: inside a CRLF, a fold, a name or a value. What the cut leaves of a field that the identity leaves
/// out (`RULES.md 2.2`), or of a name that may have become one, says nothing and is left out too.
///
/// `false` when not one complete header line that the identity keeps is there: so little is the beginning of too much.
/// Any other message is a beginning of itself.
pub fn is_beginning_of(damaged_crlf: &[u8], whole_crlf: &[u8]) -> bool {
    let damaged = lines::split(without_cut(damaged_crlf));
    let whole = lines::split(whole_crlf);
    let header = canonical_header(whole.header);
    if !damaged.header_complete {
        return is_beginning_of_header(damaged.header, &header);
    }
    let beginning = canonical_header(damaged.header);
    !beginning.is_empty()
        && beginning == header
        && without_blank_end(whole.body).starts_with(without_blank_end(damaged.body))
}

/// What was surely written: without NULs at the end, and without half a CRLF.
fn without_cut(damaged: &[u8]) -> &[u8] {
    let length = damaged.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    let written = &damaged[..length];
    written.strip_suffix(b"\r").unwrap_or(written)
}

/// Whether a header without an empty line is the beginning of a canonical header.
fn is_beginning_of_header(damaged: &[u8], canonical: &[u8]) -> bool {
    let mut beginning = Vec::new();
    let mut last_kept = None;
    for line in kept_lines(damaged) {
        last_kept = Some((line, beginning.len()));
        line.push_canonical(&mut beginning);
    }
    let (Some((last_kept, start)), Some(cut)) = (last_kept, lines::lines(damaged).last()) else { return false };
    if is_dropped(&cut) {
        return canonical.starts_with(&beginning);
    }
    beginning.truncate(start);
    let Some(rest) = canonical.strip_prefix(&beginning[..]) else { return false };
    if may_become_dropped(&cut) {
        return !beginning.is_empty();
    }
    let one_is_complete = !beginning.is_empty() || memmem::find(last_kept.raw(), b"\r\n").is_some();
    one_is_complete && is_beginning_of_line(&last_kept, rest)
}

/// Whether the last line before the cut is the beginning of the canonical line at the start of `canonical`.
fn is_beginning_of_line(line: &Line<'_>, canonical: &[u8]) -> bool {
    let mut form = Vec::new();
    line.push_canonical(&mut form);
    let form = without_blank_end(&form);
    let Some(rest) = canonical.strip_prefix(form) else { return false };
    // A line that has its ending is either all there is of the field, or a fold follows after the cut; before the first
    // word of a value, the white space of that fold is not in the canonical form.
    let at_start = line.name().is_some() && line.value().is_empty();
    let folds = line.name().is_some() && rest.first().is_some_and(|b| is_wsp(*b));
    !line.is_ended() || at_start || folds || rest.starts_with(b"\r\n")
}

/// Whether the line is the beginning of a name that the identity leaves out.
fn may_become_dropped(line: &Line<'_>) -> bool {
    let name = line.raw().trim_ascii_end();
    !line.is_ended()
        && line.name().is_none()
        && DROPPED.iter().any(|d| d.get(..name.len()).is_some_and(|start| start.as_bytes().eq_ignore_ascii_case(name)))
}
