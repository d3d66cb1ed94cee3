//! Sets and ranges of numbers.

use super::cursor::{Cursor, Parsed};
use crate::syntax::set::{Bound, Numbers, SequenceSet};

/// ```text
/// sequence-set = seq-last-command / ((seq-number / seq-range) *("," (seq-number / seq-range)))
/// seq-last-command = "$"                                                          ; RFC 9051 §9
/// ```
pub(super) fn numbers(c: &mut Cursor<'_>) -> Parsed<Numbers> {
    if c.eat(b'$') {
        return Ok(Numbers::Saved);
    }
    sequence_set(c).map(Numbers::Set)
}

/// ```text
/// seq-number = nz-number / "*"
/// seq-range  = seq-number ":" seq-number
/// ```
pub(super) fn sequence_set(c: &mut Cursor<'_>) -> Parsed<SequenceSet> {
    let mut ranges = Vec::new();
    loop {
        let low = bound(c)?;
        let high = if c.eat(b':') { bound(c)? } else { low };
        ranges.push((low, high));
        if !c.eat(b',') {
            return Ok(SequenceSet(ranges));
        }
    }
}

/// A `seq-number` alone.
pub(super) fn one_number(c: &mut Cursor<'_>) -> Parsed<Numbers> {
    let number = bound(c)?;
    Ok(Numbers::Set(SequenceSet(vec![(number, number)])))
}

/// A set without `*`, as a client knows it (RFC 7162 §7, `known-uids` and `known-sequence-set`).
pub(super) fn known_set(c: &mut Cursor<'_>) -> Parsed<SequenceSet> {
    let set = sequence_set(c)?;
    match set.count() {
        Some(_) => Ok(set),
        None => Err(c.failure("* cannot stand in a set of what is known")),
    }
}

fn bound(c: &mut Cursor<'_>) -> Parsed<Bound> {
    if c.eat(b'*') { Ok(Bound::Last) } else { c.nz_number().map(Bound::Number) }
}

/// ```text
/// partial-range       = partial-range-first / partial-range-last                  ; RFC 9394 §4
/// partial-range-first = nz-number ":" nz-number
/// partial-range-last  = MINUS nz-number ":" MINUS nz-number
/// ```
pub(super) fn partial_range(c: &mut Cursor<'_>) -> Parsed<(i64, i64)> {
    let from_end = c.peek() == Some(b'-');
    let from = partial_bound(c, from_end)?;
    c.expect(b':', "a range takes two numbers")?;
    Ok((from, partial_bound(c, from_end)?))
}

fn partial_bound(c: &mut Cursor<'_>, from_end: bool) -> Parsed<i64> {
    if from_end {
        c.expect(b'-', "both ends of the range count from the end, or none does")?;
    }
    let number = i64::from(c.nz_number()?);
    Ok(if from_end { -number } else { number })
}
