//! Which message of the INBOX each line of a POP3 server's list is (`RULES.md 5.2`): by order and size.
//!
//! POP3 knows no UIDs. A server lists the same mailbox in the same order, as a rule, and says the same sizes. Where that
//! leaves no doubt, a message gets the UIDL that was served; where it leaves one, it gets none rather than another's.

use crate::remote::pop3::Entry;
use std::collections::HashMap;

/// What a list of POP3 came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tied {
    /// The UIDL of each message, where it is sure.
    pub(super) uidls: Vec<Option<String>>,
    /// Lines that no message could be found for.
    pub(super) loose: usize,
    /// Messages without a line.
    pub(super) bare: usize,
}

/// Ties the lines of a list to messages, given by their sizes in the order of the mailbox.
pub(super) fn tie(sizes: &[u64], entries: &[Entry]) -> Tied {
    let mut tied = Tied { uidls: vec![None; sizes.len()], loose: 0, bare: 0 };
    let mut repeated: HashMap<&str, usize> = HashMap::new();
    entries.iter().for_each(|entry| *repeated.entry(&entry.uidl).or_default() += 1);
    for (message, entry) in pairs(sizes, entries) {
        // A UIDL that stands twice names nothing.
        if repeated[entries[entry].uidl.as_str()] == 1 {
            tied.uidls[message] = Some(entries[entry].uidl.clone());
        }
    }
    let found = tied.uidls.iter().flatten().count();
    (tied.loose, tied.bare) = (entries.len() - found, sizes.len() - found);
    tied
}

/// Pairs of a message and a line, both by index.
fn pairs(sizes: &[u64], entries: &[Entry]) -> Vec<(usize, usize)> {
    let same = |messages: std::ops::Range<usize>, lines: std::ops::Range<usize>| {
        messages.len() == lines.len() && messages.zip(lines).all(|(m, l)| sizes[m] == entries[l].size_bytes)
    };
    if same(0..sizes.len(), 0..entries.len()) {
        return (0..sizes.len()).map(|index| (index, index)).collect();
    }
    // Sizes that one message and one line alone have, and between two of them as many messages as lines, of the same sizes.
    let mut by_size: HashMap<u64, [Vec<usize>; 2]> = HashMap::new();
    sizes.iter().enumerate().for_each(|(m, size)| by_size.entry(*size).or_default()[0].push(m));
    entries.iter().enumerate().for_each(|(l, entry)| by_size.entry(entry.size_bytes).or_default()[1].push(l));
    let mut anchors: Vec<(usize, usize)> = by_size
        .values()
        .filter_map(|[messages, lines]| match (&messages[..], &lines[..]) {
            ([message], [line]) => Some((*message, *line)),
            _ => None,
        })
        .collect();
    anchors.sort_unstable();
    let mut found = Vec::new();
    let mut last = (0, 0);
    for (message, line) in anchors.into_iter().chain([(sizes.len(), entries.len())]) {
        if line >= last.1 && same(last.0..message, last.1..line) {
            found.extend((last.0..message).zip(last.1..line));
        }
        if message < sizes.len() {
            found.push((message, line));
            last = (message + 1, line + 1);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tied(sizes: &[u64], listed: &[(&str, u64)]) -> (Vec<String>, usize, usize) {
        let entry = |(index, (uidl, size)): (usize, &(&str, u64))| Entry {
            number: index as u32 + 1,
            uidl: (*uidl).to_owned(),
            size_bytes: *size,
        };
        let tied = tie(sizes, &listed.iter().enumerate().map(entry).collect::<Vec<_>>());
        (tied.uidls.into_iter().map(Option::unwrap_or_default).collect(), tied.loose, tied.bare)
    }

    #[test]
    fn lists_of_one_order_are_tied_by_it() {
        let same = [("a", 10), ("b", 10), ("c", 30)];
        assert_eq!(tied(&[10, 10, 30], &same), (vec!["a".into(), "b".into(), "c".into()], 0, 0));
        assert_eq!(tied(&[], &[]), (vec![], 0, 0));
    }

    #[test]
    fn what_leaves_a_doubt_is_not_tied() {
        let none = String::new;
        // One of two of the same size is not listed: which, nobody knows; the others are sure.
        assert_eq!(
            tied(&[5, 10, 10, 30], &[("z", 5), ("a", 10), ("c", 30)]),
            (vec!["z".into(), none(), none(), "c".into()], 1, 2)
        );
        // Between sure ones, order counts.
        assert_eq!(
            tied(&[5, 10, 10, 30, 40], &[("z", 5), ("a", 10), ("b", 10), ("c", 30)]),
            (vec!["z".into(), "a".into(), "b".into(), "c".into(), none()], 0, 1)
        );
        // Another order.
        assert_eq!(tied(&[1, 2, 3], &[("c", 3), ("a", 1)]), (vec!["a".into(), none(), "c".into()], 0, 1));
        // A UIDL that stands twice.
        assert_eq!(tied(&[1, 2], &[("a", 1), ("a", 2)]), (vec![none(), none()], 2, 2));
        assert_eq!(tied(&[1], &[("a", 2)]), (vec![none()], 1, 1));
    }
}
