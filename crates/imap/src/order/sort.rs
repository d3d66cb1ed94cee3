//! SORT (RFC 5256 §3): messages by several criteria, the number of a message last.

use super::sort_keys::SortKeys;
use crate::syntax::command::SortKey;

/// Sorts messages. Each becomes one row of bytes that compares as the criteria do, so that sorting compares bytes only.
pub(crate) struct Sorter<'a> {
    /// Each with whether it is reversed, and no key twice: what stands later decides nothing.
    criteria: Vec<&'a (bool, SortKey)>,
    rows: Vec<(std::ops::Range<usize>, u32)>,
    bytes: Vec<u8>,
}

impl<'a> Sorter<'a> {
    /// Sorts by these criteria, each with whether it is reversed.
    pub(crate) fn new(criteria: &'a [(bool, SortKey)]) -> Sorter<'a> {
        let first = |at: &usize| criteria[..*at].iter().all(|(_, before)| *before != criteria[*at].1);
        let criteria = (0..criteria.len()).filter(first).map(|at| &criteria[at]).collect();
        Sorter { criteria, rows: Vec::new(), bytes: Vec::new() }
    }

    /// Whether the criteria look at more than arrival and size, so that [`add`](Sorter::add) needs the keys.
    pub(crate) fn needs_keys(&self) -> bool {
        self.criteria.iter().any(|(_, key)| !matches!(key, SortKey::Arrival | SortKey::Size))
    }

    /// Adds a message by the number that the order is to name it by: its INTERNALDATE in seconds since 1970, its size and
    /// its kept [`SortKeys`] (empty where they are not needed).
    pub(crate) fn add(&mut self, number: u32, internal_date_s: i64, size_bytes: u64, kept: &[u8]) {
        let keys = SortKeys::decode(kept);
        let start = self.bytes.len();
        for at in 0..self.criteria.len() {
            let &(reverse, key) = self.criteria[at];
            let from = self.bytes.len();
            match key {
                SortKey::Arrival => self.push_time(internal_date_s),
                SortKey::Date => self.push_time(keys.sent_s.unwrap_or(internal_date_s)),
                SortKey::Size => self.bytes.extend_from_slice(&size_bytes.to_be_bytes()),
                SortKey::Subject => self.push_text(&keys.subject),
                SortKey::From => self.push_text(&keys.from),
                SortKey::To => self.push_text(&keys.to),
                SortKey::Cc => self.push_text(&keys.cc),
                SortKey::DisplayFrom => self.push_text(&keys.display_from),
                SortKey::DisplayTo => self.push_text(&keys.display_to),
            }
            if reverse {
                self.bytes[from..].iter_mut().for_each(|byte| *byte = !*byte);
            }
        }
        self.rows.push((start..self.bytes.len(), number));
    }

    /// Gives the numbers in order.
    pub(crate) fn finish(mut self) -> Vec<u32> {
        let bytes = &self.bytes;
        self.rows.sort_unstable_by(|(a, a_number), (b, b_number)| {
            bytes[a.clone()].cmp(&bytes[b.clone()]).then(a_number.cmp(b_number))
        });
        self.rows.into_iter().map(|(_, number)| number).collect()
    }

    /// A number with its sign bit turned compares as bytes do.
    fn push_time(&mut self, time_s: i64) {
        self.bytes.extend_from_slice(&(time_s as u64 ^ 1 << 63).to_be_bytes());
    }

    /// A text that ends lower than any that goes on, though another criterion follows on it.
    fn push_text(&mut self, text: &[u8]) {
        for &byte in text {
            self.bytes.push(byte);
            if byte == 0 {
                self.bytes.push(1);
            }
        }
        self.bytes.extend_from_slice(&[0, 0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sorted(criteria: &[(bool, SortKey)], messages: &[(i64, u64, &str)]) -> Vec<u32> {
        let mut sorter = Sorter::new(criteria);
        for ((date_s, size_bytes, header), number) in messages.iter().zip(1..) {
            sorter.add(number, *date_s, *size_bytes, &SortKeys::of(header.as_bytes()).encode());
        }
        sorter.finish()
    }

    #[test]
    fn a_key_that_stands_twice_costs_nothing() {
        let criteria: Vec<(bool, SortKey)> = (0..8_000).map(|at| (at % 2 == 0, SortKey::Subject)).collect();
        assert_eq!(Sorter::new(&criteria).criteria, [&(true, SortKey::Subject)]);
    }

    #[test]
    fn criteria_come_one_after_the_other_and_numbers_last() {
        use SortKey::{Arrival, Date, DisplayFrom, From, Size, Subject};
        let messages = [
            (-5, 10, "Subject: Re: b\r\nFrom: Zoe <a@x>\r\n\r\n"),
            (7, 10, "Subject: A\r\nFrom: b@x\r\nDate: Thu, 1 Jan 1970 00:00:00 +0000\r\n\r\n"),
            (7, 9, "Subject: a\r\nFrom: b@x\r\n\r\n"),
            (6, 10, "Subject: ab\r\n\r\n"),
        ];
        for (criteria, order) in [
            (&[(false, Arrival)][..], [1, 4, 2, 3]),
            (&[(true, Arrival)], [2, 3, 4, 1]),
            (&[(false, Date)], [1, 2, 4, 3]),
            (&[(false, Size), (true, Arrival)], [3, 2, 4, 1]),
            (&[(false, Subject)], [2, 3, 4, 1]),
            (&[(true, Subject)], [1, 4, 2, 3]),
            (&[(false, Subject), (true, Size)], [2, 3, 4, 1]),
            (&[(false, From)], [4, 1, 2, 3]),
            (&[(false, DisplayFrom)], [4, 2, 3, 1]),
        ] {
            assert_eq!(sorted(criteria, &messages), order, "{criteria:?}");
        }
    }

    #[test]
    fn only_some_criteria_need_keys() {
        assert!(!Sorter::new(&[(true, SortKey::Size), (false, SortKey::Arrival)]).needs_keys());
        assert!(Sorter::new(&[(true, SortKey::Size), (false, SortKey::Cc)]).needs_keys());
    }

    proptest! {
        #[test]
        fn rows_compare_as_their_texts_do(texts in proptest::collection::vec(("[\0\u{1}a]{0,3}", "[\0\u{1}a]{0,3}"), 0..12), reverse: bool) {
            let criteria = [(reverse, SortKey::Subject), (false, SortKey::From)];
            let mut sorter = Sorter::new(&criteria);
            for ((subject, from), number) in texts.iter().zip(0..) {
                let keys = SortKeys { subject: subject.clone().into(), from: from.clone().into(), ..SortKeys::default() };
                sorter.add(number, 0, 0, &keys.encode());
            }
            let mut expected: Vec<u32> = (0..texts.len() as u32).collect();
            expected.sort_by(|a, b| {
                let ((a_subject, a_from), (b_subject, b_from)) = (&texts[*a as usize], &texts[*b as usize]);
                let by_subject = a_subject.cmp(b_subject);
                if reverse { by_subject.reverse() } else { by_subject }.then(a_from.cmp(b_from))
            });
            prop_assert_eq!(sorter.finish(), expected);
        }
    }
}
