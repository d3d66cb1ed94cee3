//! Which records are known to be damaged: what readers met, and what a check noted.
//!
//! They are known by their place, so that nothing need be forgotten when good bytes of a message come to lie elsewhere: the
//! index then names another place, and the old one concerns nobody.

use super::log::Segments;
use crate::error::StoreError;
use crate::types::{Blob, Place};
use std::collections::{HashMap, HashSet};
use std::sync::RwLock;

/// Places that readers may add: one that is left out is met again, and a check adds it in any case.
const MOST_MET: usize = 1 << 16;

/// Places of damaged records, each with whether the index has a note of it.
#[derive(Default)]
pub(crate) struct Damaged(RwLock<HashMap<Place, bool>>);

impl Damaged {
    /// A reader met one.
    pub(super) fn met(&self, place: Place) {
        let mut places = self.0.write().unwrap_or_else(|e| e.into_inner());
        if places.len() < MOST_MET {
            places.entry(place).or_insert(false);
        }
    }

    /// The index has notes of these now.
    pub(crate) fn now_noted(&self, places: &[Place]) {
        let mut known = self.0.write().unwrap_or_else(|e| e.into_inner());
        places.iter().for_each(|place| _ = known.entry(*place).and_modify(|noted| *noted = true));
    }

    /// Takes these, of which the index has notes, for all that there are.
    pub(crate) fn set_noted(&self, noted: impl IntoIterator<Item = Place>) {
        *self.0.write().unwrap_or_else(|e| e.into_inner()) = noted.into_iter().map(|place| (place, true)).collect();
    }

    pub(crate) fn forget(&self, place: Place) {
        self.0.write().unwrap_or_else(|e| e.into_inner()).remove(&place);
    }

    pub(crate) fn holds(&self, place: Place) -> bool {
        self.0.read().unwrap_or_else(|e| e.into_inner()).contains_key(&place)
    }

    pub(crate) fn all(&self) -> HashSet<Place> {
        self.0.read().unwrap_or_else(|e| e.into_inner()).keys().copied().collect()
    }

    /// Those of which the index has no note.
    pub(crate) fn unnoted(&self) -> Vec<Place> {
        let places = self.0.read().unwrap_or_else(|e| e.into_inner());
        places.iter().filter(|(_, noted)| !**noted).map(|(place, _)| *place).collect()
    }
}

impl Segments {
    /// Notes that a reader met damage, and hands the result on.
    pub(super) fn noting<T>(&self, place: Place, read: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Corrupt { .. }) = read {
            self.damaged.met(place);
        }
        read
    }

    /// Whether bytes are known to be damaged, and still are: a segment may have been put back from a backup.
    pub(crate) fn is_damaged(&self, blob: &Blob) -> bool {
        if !self.damaged.holds(blob.place) {
            return false;
        }
        let damaged = self.bytes(blob).is_err();
        if !damaged {
            self.damaged.forget(blob.place);
        }
        damaged
    }
}
