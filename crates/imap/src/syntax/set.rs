//! Sets of message numbers (RFC 9051 §9, `sequence-set`).

/// The numbers that a command names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// A set as written.
    Set(SequenceSet),
    /// `$`: the result that was saved last (RFC 5182).
    Saved,
}

/// A set of numbers as written: ranges in the order given, `*` not yet resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SequenceSet(pub(crate) Vec<(Bound, Bound)>);

/// One end of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// A number, at least 1.
    Number(u32),
    /// `*`: the highest in use.
    Last,
}

impl Bound {
    fn resolve(self, last: u32) -> u32 {
        match self {
            Bound::Number(number) => number,
            Bound::Last => last,
        }
    }
}

impl SequenceSet {
    /// The set as ranges of numbers, each with its lower end first; ascending and apart from one another, so that no
    /// number stands twice. `*` is `last`, and `*:5` and `5:*` are the same, whichever is greater.
    ///
    /// In an empty mailbox `last` is 0 for sequence numbers, so that a range with `*` shows 0, which is no message: RFC
    /// 9051 §9 wants `BAD` for it. For UIDs it is 0 there too, and names nothing.
    pub(crate) fn resolve(&self, last: u32) -> Vec<(u32, u32)> {
        let resolved = |&(one, other): &(Bound, Bound)| {
            let (one, other) = (one.resolve(last), other.resolve(last));
            (one.min(other), one.max(other))
        };
        let mut ranges: Vec<(u32, u32)> = self.0.iter().map(resolved).collect();
        ranges.sort_unstable();
        ranges.dedup_by(|next, range| {
            let joins = next.0 <= range.1.saturating_add(1);
            if joins {
                range.1 = range.1.max(next.1);
            }
            joins
        });
        ranges
    }

    /// How many numbers the set names, when it names no `*` and none twice.
    pub(crate) fn count(&self) -> Option<u64> {
        let mut count = 0_u64;
        for range in &self.0 {
            let (Bound::Number(one), Bound::Number(other)) = range else { return None };
            count += u64::from(one.abs_diff(*other)) + 1;
        }
        Some(count)
    }
}

/// Whether ascending ranges, as [`SequenceSet::resolve`] gives them, hold a number.
pub(crate) fn holds(ranges: &[(u32, u32)], number: u32) -> bool {
    let after = ranges.partition_point(|&(low, _)| low <= number);
    after.checked_sub(1).is_some_and(|index| number <= ranges[index].1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Bound::{Last, Number};
    use proptest::prelude::*;

    fn set(ranges: &[(Bound, Bound)]) -> SequenceSet {
        SequenceSet(ranges.to_vec())
    }

    /// The examples of RFC 9051 §9 (`seq-range`, `sequence-set`), for a mailbox of 15 messages.
    #[test]
    fn ranges_are_resolved_as_the_rfc_says() {
        let example =
            set(&[(Number(2), Number(2)), (Number(4), Number(7)), (Number(9), Number(9)), (Number(12), Last)]);
        assert_eq!(example.resolve(15), [(2, 2), (4, 7), (9, 9), (12, 15)]);
        let overlapping = set(&[(Last, Number(4)), (Number(5), Number(7))]);
        assert_eq!(overlapping.resolve(10), [(4, 10)]);
        assert_eq!(set(&[(Number(2), Number(4))]).resolve(9), set(&[(Number(4), Number(2))]).resolve(9));
    }

    #[test]
    fn a_star_is_the_last_message_whatever_stands_beside_it() {
        assert_eq!(set(&[(Last, Last)]).resolve(7), [(7, 7)]);
        assert_eq!(set(&[(Number(9), Last)]).resolve(7), [(7, 9)]);
        assert_eq!(set(&[(Last, Number(5))]).resolve(7), [(5, 7)]);
        assert_eq!(set(&[(Number(1), Last)]).resolve(0), [(0, 1)], "there is no last message");
        assert_eq!(set(&[(Last, Last)]).resolve(0), [(0, 0)]);
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let all = set(&[(Number(1), Number(u32::MAX)), (Number(u32::MAX), Last)]);
        assert_eq!(all.resolve(u32::MAX), [(1, u32::MAX)]);
        assert_eq!(set(&[(Number(1), Number(u32::MAX))]).count(), Some(u64::from(u32::MAX)));
    }

    #[test]
    fn only_sets_without_star_can_be_counted() {
        assert_eq!(set(&[(Number(5), Number(3)), (Number(9), Number(9))]).count(), Some(4));
        assert_eq!(set(&[(Number(5), Last)]).count(), None);
    }

    fn bound() -> impl Strategy<Value = Bound> {
        prop_oneof![8 => (1_u32..40).prop_map(Number), 1 => Just(Last)]
    }

    proptest! {
        #[test]
        fn a_set_names_what_its_ranges_name(
            ranges in prop::collection::vec((bound(), bound()), 1..6),
            last in 0_u32..40,
        ) {
            let naive = |number: u32| ranges.iter().any(|(one, other)| {
                let (one, other) = (one.resolve(last), other.resolve(last));
                (one.min(other)..=one.max(other)).contains(&number)
            });
            let resolved = set(&ranges).resolve(last);
            prop_assert!(resolved.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "{resolved:?}");
            for number in 0..60 {
                prop_assert_eq!(holds(&resolved, number), naive(number), "{}", number);
            }
        }
    }
}
