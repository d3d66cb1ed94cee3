//! What a cell keeps of its messages beside the truth: values that the layers above computed, and an index for searching
//! their text. See `docs/design/search.md`.
//!
//! Two databases beside the index, `cached.sqlite` and `search.sqlite`. Everything in them can be computed again from the
//! segments and the index, so they may be deleted at any time, are thrown away when they are damaged, and never are a
//! reason for an error. Two, and not one, so that who keeps a value never waits for the text of a hundred messages to be
//! indexed, and the damage of one does not cost the other.
//!
//! Both tell messages by [`BlobId`]. An index that is made anew gives other numbers, so each database is stamped with the
//! *generation* of the index, a random word that a rebuild leaves out, and one of another generation is not used. And
//! after a power loss the index may have lost its last numbers and give them again; what is kept above the highest number
//! that the index knows when it is opened is taken out before the index catches up. Rows of bytes are never removed
//! from an index; who comes to do so must let the numbers be (`docs/design/search.md`).

mod cached;
mod covered;
mod disposable;
mod fill;
mod numbers;
mod search;
mod text;
mod tidy;

use crate::error::StoreError;
use crate::index::{blobs, rows};
use crate::types::BlobId;
use disposable::Disposable;
use numbers::ReferredTo;
use rusqlite::Connection;
use std::path::Path;
use std::sync::Mutex;

pub use cached::CacheKind;
pub use search::TextScope;
pub use tidy::Tidied;

/// The note of the index that says its generation. A rebuild must leave it out.
pub(crate) const GENERATION: &str = "generation";
/// Numbers that lie no further apart than this are read in one pass over what lies between them.
const GAP: i64 = 4;

/// The derived data of a cell.
pub(crate) struct Derived {
    cached: Disposable,
    search: Disposable,
    /// Read while a long stretch is being indexed.
    referred_to: Mutex<Option<ReferredTo>>,
}

/// How the derived data of a cell fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DerivedHealth {
    /// Databases thrown away because they were damaged, since the cell was opened.
    pub thrown_away: u64,
    /// Reads and writes of them that failed for another reason, such as a full disk.
    pub failed: u64,
}

impl Derived {
    /// Opens what there is. Must come before the index catches up with the segments: it may give numbers again that it
    /// gave before a power loss.
    pub(crate) fn open(dir: &Path, vfs: Option<&str>, index: &Connection) -> Result<(Self, Vec<String>), StoreError> {
        let generation = generation(index)?;
        let highest = blobs::highest(index)?;
        let mut findings = Vec::new();
        let mut open = |layout| match &generation {
            Some(generation) => {
                let (opened, finding) = Disposable::open(dir, vfs, layout, generation, highest);
                findings.extend(finding);
                opened
            }
            None => Disposable::off(dir, layout),
        };
        let (cached, search) = (open(&cached::LAYOUT), open(&search::LAYOUT));
        Ok((Derived { cached, search, referred_to: Mutex::default() }, findings))
    }

    /// Derived data that is neither read nor made: of a cell that another process writes.
    pub(crate) fn off(dir: &Path) -> Self {
        let [cached, search] = [&cached::LAYOUT, &search::LAYOUT].map(|layout| Disposable::off(dir, layout));
        Derived { cached, search, referred_to: Mutex::default() }
    }

    fn health(&self) -> DerivedHealth {
        let both = [&self.cached, &self.search].map(Disposable::health);
        DerivedHealth {
            thrown_away: both.iter().map(|h| h.thrown_away).sum(),
            failed: both.iter().map(|h| h.failed).sum(),
        }
    }
}

impl crate::Cell {
    /// How the cell's derived data fares.
    pub fn derived_health(&self) -> DerivedHealth {
        self.derived.health()
    }
}

/// The index's generation, given where there is none; `None` when that fails, as on a full disk.
fn generation(index: &Connection) -> Result<Option<String>, StoreError> {
    if let Some(generation) = rows::note(index, GENERATION)? {
        return Ok(Some(generation));
    }
    let mut word = [0; 16];
    if getrandom::fill(&mut word).is_err() {
        return Ok(None);
    }
    let generation: String = word.iter().map(|b| format!("{b:02x}")).collect();
    Ok(rows::set_note(index, GENERATION, &generation).is_ok().then_some(generation))
}

/// Distinct numbers, ascending.
fn ascending(blobs: &[BlobId]) -> Vec<i64> {
    let mut ids: Vec<i64> = blobs.iter().map(|b| b.0).collect();
    if !ids.is_sorted() {
        ids.sort_unstable();
    }
    ids.dedup();
    ids
}

/// Stretches of ascending numbers that are best read in one pass.
fn runs(ids: &[i64]) -> impl Iterator<Item = &[i64]> {
    ids.chunk_by(|a, b| b.saturating_sub(*a) <= GAP)
}
