//! Which numbers of blobs the indexer has been through: a handful of stretches, since it works from the newest down.

use rusqlite::Connection;

/// Stretches of numbers, first and last, ascending and apart from each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Covered(Vec<(i64, i64)>);

impl Covered {
    pub(super) fn load(db: &Connection) -> rusqlite::Result<Self> {
        let mut statement = db.prepare_cached("SELECT first, last FROM covered ORDER BY first")?;
        let mut covered = Covered::default();
        for stretch in statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))? {
            let (first, last) = stretch?;
            covered.add(first, last);
        }
        Ok(covered)
    }

    pub(super) fn store(&self, db: &Connection) -> rusqlite::Result<()> {
        db.execute("DELETE FROM covered", [])?;
        let mut insert = db.prepare_cached("INSERT INTO covered (first, last) VALUES (?1, ?2)")?;
        self.0.iter().try_for_each(|(first, last)| insert.execute([first, last]).map(|_| ()))
    }

    /// The highest stretch up to a number that is not covered.
    pub(super) fn highest_gap(&self, highest: i64) -> Option<(i64, i64)> {
        let mut last = highest;
        for (from, to) in self.0.iter().rev().filter(|(from, _)| *from <= highest) {
            if *to < last {
                return Some((to + 1, last));
            }
            last = from - 1;
        }
        (last >= 1).then_some((1, last))
    }

    pub(super) fn add(&mut self, mut first: i64, mut last: i64) {
        if first > last {
            return;
        }
        // Those that touch the new one become one with it.
        self.0.retain(|(from, to)| {
            let apart = *to < first.saturating_sub(1) || *from > last.saturating_add(1);
            if !apart {
                (first, last) = (first.min(*from), last.max(*to));
            }
            apart
        });
        let at = self.0.partition_point(|(from, _)| *from < first);
        self.0.insert(at, (first, last));
    }

    /// Forgets what is above a number.
    pub(super) fn cut(&mut self, highest: i64) {
        self.0.retain(|(first, _)| *first <= highest);
        if let Some((_, last)) = self.0.last_mut() {
            *last = highest.min(*last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covered(stretches: &[(i64, i64)]) -> Covered {
        let mut covered = Covered::default();
        stretches.iter().for_each(|(first, last)| covered.add(*first, *last));
        covered
    }

    #[test]
    fn stretches_that_touch_or_overlap_are_one() {
        assert_eq!(covered(&[(5, 9), (1, 4)]), Covered(vec![(1, 9)]));
        assert_eq!(covered(&[(1, 4), (6, 9)]), Covered(vec![(1, 4), (6, 9)]));
        assert_eq!(covered(&[(1, 4), (6, 9), (12, 14), (3, 12)]), Covered(vec![(1, 14)]));
        assert_eq!(covered(&[(7, 6)]), Covered(vec![]));
    }

    #[test]
    fn the_highest_gap_comes_first() {
        assert_eq!(covered(&[]).highest_gap(0), None);
        assert_eq!(covered(&[]).highest_gap(7), Some((1, 7)));
        assert_eq!(covered(&[(3, 7)]).highest_gap(7), Some((1, 2)));
        assert_eq!(covered(&[(3, 7)]).highest_gap(9), Some((8, 9)));
        assert_eq!(covered(&[(1, 2), (5, 9)]).highest_gap(9), Some((3, 4)));
        assert_eq!(covered(&[(1, 9)]).highest_gap(9), None);
        assert_eq!(covered(&[(1, 3), (8, 20)]).highest_gap(9), Some((4, 7)));
    }

    #[test]
    fn what_is_above_a_number_is_forgotten() {
        let mut both = covered(&[(1, 4), (6, 9)]);
        both.cut(7);
        assert_eq!(both, Covered(vec![(1, 4), (6, 7)]));
        both.cut(5);
        assert_eq!(both, Covered(vec![(1, 4)]));
        both.cut(0);
        assert_eq!(both, Covered(vec![]));
    }
}
