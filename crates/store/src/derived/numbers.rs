//! Sets of numbers of blobs.

use crate::Cell;
use crate::error::StoreError;
use crate::index::blobs;

/// A set of numbers, one bit each.
#[derive(Default)]
pub(super) struct Numbers(Vec<u64>);

impl Numbers {
    pub(super) fn contains(&self, id: i64) -> bool {
        let Ok(id) = usize::try_from(id) else { return false };
        self.0.get(id / 64).is_some_and(|word| word >> (id % 64) & 1 == 1)
    }

    pub(super) fn insert(&mut self, id: i64) {
        let Ok(id) = usize::try_from(id) else { return };
        if id / 64 >= self.0.len() {
            self.0.resize(id / 64 + 1, 0);
        }
        self.0[id / 64] |= 1 << (id % 64);
    }

    /// Whether every one of them is in the other set too.
    pub(super) fn are_in(&self, other: &Numbers) -> bool {
        let theirs = other.0.iter().copied().chain(std::iter::repeat(0));
        self.0.iter().zip(theirs).all(|(ours, theirs)| ours & !theirs == 0)
    }
}

/// What messages refer to, at one moment.
pub(super) struct ReferredTo {
    /// Nothing is said of numbers above this.
    pub(super) highest: i64,
    pub(super) by_live: Numbers,
    pub(super) by_any: Numbers,
}

impl ReferredTo {
    /// Reads every message's row.
    pub(super) fn in_cell(cell: &Cell) -> Result<Self, StoreError> {
        cell.read(|view| {
            let (mut by_live, mut by_any) = (Numbers::default(), Numbers::default());
            let highest = blobs::highest(view.db)?.0;
            blobs::referred_to(view.db, |id, live| {
                by_any.insert(id);
                if live {
                    by_live.insert(id);
                }
            })?;
            Ok(ReferredTo { highest, by_live, by_any })
        })
    }
}
