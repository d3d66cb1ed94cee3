//! Damaged bytes of messages: what a check found is noted, and a good copy that comes by takes their place.
//!
//! Only the writer writes notes. A reader that meets damage says so in memory (`segment::damaged`), from where it comes into
//! the index when the cell is left alone.

use super::{Cell, Result, View};
use crate::catch_up::note_left_over;
use crate::check::CheckReport;
use crate::error::StoreError;
use crate::index::rows;
use crate::segment::log::Segments;
use crate::types::{Blob, BlobId, Place};
use message::Digest;
use rusqlite::Connection;
use std::collections::HashSet;

/// Before segment and position of a record that is damaged and whose bytes no other record was known to have.
const DAMAGED: &str = "damaged ";

impl Cell {
    /// Whether the cell has good bytes of this digest, as far as it knows: then they need not be stored again.
    ///
    /// # Errors
    /// Those of the index.
    pub fn has(&self, digest: &Digest) -> Result<bool> {
        self.read(|view| view.has(digest))
    }

    /// Notes which bytes a check found damaged, in place of what was noted before: [`Cell::deliver`] then stores a good copy
    /// anew when one comes by, with a new message or with one that is there. When it returns, the notes survive a power loss.
    ///
    /// # Errors
    /// Those of the disk and of the index; good copies are then passed over as before.
    pub fn note_damage(&self, checked: &CheckReport) -> Result<()> {
        if checked.damaged.is_empty() && self.read(|view| noted(view.db))?.is_empty() {
            return Ok(());
        }
        self.ready_writer()?.transact(true, |db, _| {
            rows::delete_numbered_notes(db, DAMAGED)?;
            checked.damaged.iter().try_for_each(|place| note(db, *place))
        })?;
        self.segments.damaged.set_noted(checked.damaged.iter().copied());
        Ok(())
    }

    /// Notes what readers met since the last time. Not durable by itself: it will be met again.
    pub(super) fn note_what_readers_met(&self) -> Result<()> {
        let met = self.segments.damaged.unnoted();
        if met.is_empty() {
            return Ok(());
        }
        self.ready_writer()?.transact(false, |db, _| met.iter().try_for_each(|place| note(db, *place)))?;
        self.segments.damaged.now_noted(&met);
        Ok(())
    }
}

impl View<'_> {
    /// As [`Cell::has`].
    ///
    /// # Errors
    /// Those of the index.
    pub fn has(&self, digest: &Digest) -> Result<bool> {
        Ok(self.blob(digest)?.is_some_and(|blob| !self.segments.damaged.holds(blob.place)))
    }

    /// Places of records that are known to be damaged: bytes that lie there ([`Blob::place`]) are worth reading again where
    /// they came from.
    pub fn damaged(&self) -> HashSet<Place> {
        self.segments.damaged.all()
    }
}

fn note(db: &Connection, place: Place) -> Result<()> {
    rows::set_note(db, &format!("{DAMAGED}{} {}", place.segment, place.position), "")
}

/// Of what the index has notes.
pub(super) fn noted(db: &Connection) -> Result<Vec<Place>> {
    let parse = |name: &str| {
        let (segment, position) = name.strip_prefix(DAMAGED)?.split_once(' ')?;
        Some(Place { segment: segment.parse().ok()?, position: position.parse().ok()? })
    };
    let notes = rows::notes_like(db, DAMAGED)?;
    notes.iter().map(|(name, _)| parse(name).ok_or_else(|| StoreError::BadRow(format!("note {name:?}")))).collect()
}

/// Bytes that come to be those of other records, one after the other.
#[derive(Default)]
pub(super) struct Moves {
    moved: HashSet<BlobId>,
    /// Segment, from, to: what was last noted as left. Neighbours that are damaged together lie in it too.
    left: Option<(u32, u64, u64)>,
}

impl Moves {
    /// Lets bytes be those of another record, a whole one that is synced. What is left of the old one concerns nobody any
    /// more: where it is damaged, later checks count it as reported.
    pub(super) fn add(&mut self, db: &Connection, segments: &Segments, blob: &Blob, to: Place) -> Result<()> {
        let Place { segment, position } = blob.place;
        rows::move_blob(db, blob.id, to)?;
        rows::delete_note(db, &format!("{DAMAGED}{segment} {position}"))?;
        self.moved.insert(blob.id);
        let noted = self.left.is_some_and(|(number, from, end)| number == segment && (from..end).contains(&position));
        if !noted
            && segments.verify(blob.place).is_err()
            && let Some((from, end)) = segments.stretch_at(blob.place)
        {
            note_left_over(db, segment, from, end, "its bytes were damaged, and lie elsewhere now")?;
            self.left = Some((segment, from, end));
        }
        Ok(())
    }

    /// Asks for the states of the live accounts that have messages of what was moved, once their rows are there. With its
    /// head a damaged record may have lost which UID it was of, and who has a copy: from their states an index is made
    /// anew with all of them. Goes through all messages.
    pub(super) fn describe_holders(&self, db: &Connection) -> Result<()> {
        if self.moved.is_empty() {
            return Ok(());
        }
        rows::holders(db, &self.moved)?.into_iter().try_for_each(|account| rows::set_manifest_due(db, account, true))
    }
}
