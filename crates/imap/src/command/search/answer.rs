//! How SEARCH and SORT answer: the old lists of numbers, and ESEARCH (RFC 9051 §7.3.4, RFC 4731, RFC 5267, RFC 9394).

use crate::session::core::Core;
use crate::session::selected::Selected;
use crate::syntax::{self, By, SearchReturn};
use std::fmt::Write as _;
use std::ops::Range;
use store::Image;

/// What was asked for, and how.
#[derive(Clone, Copy, Debug)]
pub(in crate::command) struct Asked {
    pub(in crate::command) by: By,
    /// `None`: the old form.
    pub(in crate::command) returns: Option<SearchReturn>,
    /// `SEARCH` or `SORT`: how the old form begins.
    pub(in crate::command) verb: &'static str,
    /// Whether the order of what was found says something.
    pub(in crate::command) sorted: bool,
    /// Whether a key named modification sequences, so that the answer does (RFC 7162 §3.1.5).
    pub(in crate::command) modseq: bool,
}

impl Asked {
    /// Whether the result is to be kept for `$`.
    pub(in crate::command) fn saves(&self) -> bool {
        self.returns.is_some_and(|returns| returns.save)
    }
}

/// Answers with what was found, UIDs in the order of the answer, and keeps the result if that was asked for.
pub(in crate::command) fn answer(core: &mut Core, image: &Image, asked: Asked, found: &[u32], out: &mut Vec<u8>) {
    let Core { selected: Some(selected), tag, .. } = core else { return };
    let Some(returns) = asked.returns else { return write_list(selected, image, asked, found, out) };
    let part = returns.partial.map(|(from, to)| part_of(found.len(), from, to));
    if returns.save {
        selected.saved = saved(returns, found, part.clone());
    }
    if returns == (SearchReturn { save: true, ..SearchReturn::default() }) {
        // RFC 5182 §2.1: only kept, nothing said.
        return;
    }
    let number = |uid: u32| number(selected, asked.by, uid);
    _ = write!(Text(out), "* ESEARCH (TAG \"{tag}\")");
    if asked.by == By::Uid {
        out.extend_from_slice(b" UID");
    }
    if let (true, Some(&first)) = (returns.min, found.first()) {
        _ = write!(Text(out), " MIN {}", number(first));
    }
    if let (true, Some(&last)) = (returns.max, found.last()) {
        _ = write!(Text(out), " MAX {}", number(last));
    }
    let nothing_named = !(returns.min || returns.max || returns.count || returns.partial.is_some());
    if (returns.all || nothing_named) && !found.is_empty() {
        out.extend_from_slice(b" ALL ");
        write_numbers(out, asked, found.iter().map(|&uid| number(uid)));
    }
    if returns.count {
        _ = write!(Text(out), " COUNT {}", found.len());
    }
    if let (Some((from, to)), Some(part)) = (returns.partial, part.clone()) {
        _ = write!(Text(out), " PARTIAL ({from}:{to} ");
        match part.is_empty() {
            true => out.extend_from_slice(b"NIL"),
            false => write_numbers(out, asked, found[part].iter().map(|&uid| number(uid))),
        }
        out.push(b')');
    }
    if let (true, Some(modseq)) = (asked.modseq, highest_modseq(image, returns, found, part)) {
        _ = write!(Text(out), " MODSEQ {modseq}");
    }
    out.extend_from_slice(b"\r\n");
}

/// The answer of RFC 3501.
fn write_list(selected: &Selected, image: &Image, asked: Asked, found: &[u32], out: &mut Vec<u8>) {
    out.extend_from_slice(b"* ");
    out.extend_from_slice(asked.verb.as_bytes());
    for &uid in found {
        _ = write!(Text(out), " {}", number(selected, asked.by, uid));
    }
    let highest = found.iter().filter_map(|&uid| image.position(uid)).map(|index| image.row(index).modseq).max();
    if let (true, Some(modseq)) = (asked.modseq, highest) {
        _ = write!(Text(out), " (MODSEQ {modseq})");
    }
    out.extend_from_slice(b"\r\n");
}

fn write_numbers(out: &mut Vec<u8>, asked: Asked, numbers: impl Iterator<Item = u32>) {
    match asked.sorted {
        // A range would say that its numbers stand in ascending order.
        true => numbers.enumerate().for_each(|(index, number)| {
            let comma = if index > 0 { "," } else { "" };
            _ = write!(Text(out), "{comma}{number}");
        }),
        false => syntax::write_set(out, &numbers.collect::<Vec<_>>()),
    }
}

fn number(selected: &Selected, by: By, uid: u32) -> u32 {
    match by {
        By::Uid => uid,
        By::Seq => selected.view.seq(uid).unwrap_or(0),
    }
}

/// Which of `count` results a range of RFC 9394 §3.1 names: from 1, or with negative numbers from the end.
pub(in crate::command) fn part_of(count: usize, from: i64, to: i64) -> Range<usize> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let place = |number: i64| if number < 0 { count.saturating_add(number) } else { number - 1 };
    let (one, other) = (place(from), place(to));
    let (low, high) = (one.min(other).max(0), (one.max(other) + 1).min(count));
    match low < high {
        true => usize::try_from(low).unwrap_or(0)..usize::try_from(high).unwrap_or(0),
        false => 0..0,
    }
}

/// What `$` stands for from now on (RFC 5182 §2.1 and §2.4, RFC 9394 §3.2): MIN and MAX without more keep one message each.
fn saved(returns: SearchReturn, found: &[u32], part: Option<Range<usize>>) -> Vec<u32> {
    let mut saved = match part {
        _ if returns.all || returns.count => found.to_vec(),
        // RFC 9394 §3.2: what is told of.
        Some(part) => found[part].to_vec(),
        None if returns.min || returns.max => Vec::new(),
        None => found.to_vec(),
    };
    if returns.min {
        saved.extend(found.first());
    }
    if returns.max {
        saved.extend(found.last());
    }
    saved.sort_unstable();
    saved.dedup();
    saved
}

/// The highest modification sequence of what is told of (RFC 4731 §3.2): the messages that SAVE would keep.
fn highest_modseq(image: &Image, returns: SearchReturn, found: &[u32], part: Option<Range<usize>>) -> Option<u64> {
    let all = saved(SearchReturn { save: true, ..returns }, found, part);
    all.iter().filter_map(|&uid| image.position(uid)).map(|index| image.row(index).modseq).max()
}

/// Writes text into bytes.
struct Text<'a>(&'a mut Vec<u8>);

impl std::fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_counted_from_either_end() {
        assert_eq!(part_of(10, 1, 3), 0..3);
        assert_eq!(part_of(10, 3, 1), 0..3);
        assert_eq!(part_of(10, -1, -3), 7..10);
        assert_eq!(part_of(2, -1, -100), 0..2);
        assert_eq!(part_of(10, 9, 100), 8..10);
        assert_eq!(part_of(10, 11, 20), 0..0);
        assert_eq!(part_of(0, 1, i64::MAX), 0..0);
    }

    #[test]
    fn what_is_saved_is_what_was_asked_for() {
        let of = |returns| saved(returns, &[2, 5, 9], None);
        let none = SearchReturn::default();
        assert_eq!(of(none), [2, 5, 9]);
        assert_eq!(of(SearchReturn { min: true, ..none }), [2]);
        assert_eq!(of(SearchReturn { min: true, max: true, ..none }), [2, 9]);
        assert_eq!(of(SearchReturn { min: true, count: true, ..none }), [2, 5, 9]);
        assert_eq!(saved(SearchReturn { partial: Some((1, 2)), ..none }, &[2, 5, 9], Some(0..2)), [2, 5]);
    }
}
