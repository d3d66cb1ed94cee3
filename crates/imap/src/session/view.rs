//! What a client takes for the content of its mailbox: which message sequence number stands for which UID.
//!
//! Kept as runs of consecutive UIDs, because a mailbox is mostly that, and thousands of idle sessions hold one each.

/// UIDs in ascending order, numbered from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UidView {
    /// Ascending, never empty, never touching one another.
    runs: Vec<Run>,
}

/// Consecutive UIDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    first: u32,
    last: u32,
    /// How many UIDs stand before it.
    before: u32,
}

impl Run {
    fn len(self) -> u32 {
        self.last - self.first + 1
    }
}

impl UidView {
    /// The view of these UIDs, which ascend.
    pub(crate) fn new(uids: &[u32]) -> Self {
        let mut view = UidView::default();
        for &uid in uids {
            view.push(uid);
        }
        view
    }

    /// Adds a message at the end; its UID is greater than every other.
    pub(crate) fn push(&mut self, uid: u32) {
        let before = self.len();
        match self.runs.last_mut() {
            Some(run) if run.last.checked_add(1) == Some(uid) => run.last = uid,
            Some(run) if run.last >= uid => debug_assert!(false, "UIDs ascend"),
            _ => self.runs.push(Run { first: uid, last: uid, before }),
        }
    }

    /// How many messages there are.
    pub(crate) fn len(&self) -> u32 {
        self.runs.last().map_or(0, |run| run.before + run.len())
    }

    /// The highest UID.
    pub(crate) fn last_uid(&self) -> Option<u32> {
        self.runs.last().map(|run| run.last)
    }

    /// The UID of a message sequence number.
    pub(crate) fn uid(&self, seq: u32) -> Option<u32> {
        let index = seq.checked_sub(1)?;
        let run = self.runs[..self.runs.partition_point(|run| run.before <= index)].last()?;
        let offset = index - run.before;
        (offset < run.len()).then(|| run.first + offset)
    }

    /// The message sequence number of a UID.
    pub(crate) fn seq(&self, uid: u32) -> Option<u32> {
        let run = self.runs[..self.runs.partition_point(|run| run.first <= uid)].last()?;
        (uid <= run.last).then(|| run.before + (uid - run.first) + 1)
    }

    /// Every UID, ascending.
    pub(crate) fn uids(&self) -> impl DoubleEndedIterator<Item = u32> + '_ {
        self.runs.iter().flat_map(|run| run.first..=run.last)
    }

    /// Whether these UIDs, which ascend, are the view's: looked at run by run, since as many UIDs between the first and the
    /// last of a run as it has are the run.
    pub(crate) fn is(&self, uids: &[u32]) -> bool {
        let has = |run: &Run| {
            let (from, len) = (run.before as usize, run.len() as usize);
            uids.get(from..from + len).is_some_and(|these| these[0] == run.first && these[len - 1] == run.last)
        };
        uids.len() == self.len() as usize && self.runs.iter().all(has)
    }

    /// The UIDs from one to another, both included, ascending.
    pub(crate) fn uids_between(&self, low: u32, high: u32) -> impl Iterator<Item = u32> + '_ {
        let from = self.runs.partition_point(|run| run.last < low);
        let runs = self.runs[from..].iter().take_while(move |run| run.first <= high);
        runs.flat_map(move |run| run.first.max(low)..=run.last.min(high))
    }

    /// Takes these UIDs out, which ascend; those that are not there are left alone.
    pub(crate) fn remove(&mut self, uids: &[u32]) {
        let mut gone = uids.iter().copied().peekable();
        let mut kept = UidView::default();
        for run in std::mem::take(&mut self.runs) {
            let mut next = run.first;
            while let Some(&uid) = gone.peek() {
                if uid > run.last {
                    break;
                }
                gone.next();
                if uid >= next {
                    kept.push_run(next, uid - 1);
                    next = uid + 1;
                }
            }
            kept.push_run(next, run.last);
        }
        *self = kept;
    }

    fn push_run(&mut self, first: u32, last: u32) {
        if first > last {
            return;
        }
        let before = self.len();
        match self.runs.last_mut() {
            Some(run) if run.last.checked_add(1) == Some(first) => run.last = last,
            _ => self.runs.push(Run { first, last, before }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_go_up_one_by_one_and_uids_as_they_are() {
        let view = UidView::new(&[3, 4, 5, 9, 10, 20]);
        assert_eq!((view.len(), view.runs.len(), view.last_uid()), (6, 3, Some(20)));
        assert_eq!([1, 3, 4, 6, 7].map(|seq| view.uid(seq)), [Some(3), Some(5), Some(9), Some(20), None]);
        assert_eq!([2, 3, 9, 11, 20].map(|uid| view.seq(uid)), [None, Some(1), Some(4), None, Some(6)]);
        assert_eq!(view.uid(0), None);
    }

    proptest! {
        #[test]
        fn a_view_is_a_sorted_list(
            all in prop::collection::btree_set(1u32..200, 0..120),
            gone in prop::collection::btree_set(1u32..200, 0..120),
            low in 0u32..210, high in 0u32..210,
        ) {
            let all: Vec<u32> = all.into_iter().collect();
            let gone: Vec<u32> = gone.into_iter().collect();
            let mut view = UidView::new(&all);
            view.remove(&gone);
            let rest: Vec<u32> = all.iter().copied().filter(|uid| !gone.contains(uid)).collect();
            prop_assert_eq!(view.uids().collect::<Vec<_>>(), rest.clone());
            prop_assert_eq!(view.len() as usize, rest.len());
            prop_assert_eq!(&view, &UidView::new(&rest));
            prop_assert!(view.is(&rest));
            prop_assert_eq!(view.is(&all), rest == all);
            prop_assert_eq!(view.is(&gone), rest == gone);
            for (index, &uid) in rest.iter().enumerate() {
                let seq = u32::try_from(index + 1).unwrap();
                prop_assert_eq!((view.uid(seq), view.seq(uid)), (Some(uid), Some(seq)));
            }
            let between: Vec<u32> = rest.iter().copied().filter(|uid| (low..=high).contains(uid)).collect();
            prop_assert_eq!(view.uids_between(low, high).collect::<Vec<_>>(), between);
        }
    }
}
