//! What the segments say, taken into the index of the spool: when it is opened, after a failure, and when it was lost.

use super::SEGMENTS_OF;
use super::meta::Meta;
use super::rows::{self, Change, Stored};
use super::types::Queued;
use crate::catch_up::Take;
use crate::error::StoreError;
use crate::segment::log::Segments;
use crate::segment::record::{Codec, Head, Kind, RecordError};
use crate::types::Place;
use rusqlite::Connection;

type Result<T> = std::result::Result<T, StoreError>;

/// Whether a record has its bytes with it, as every one of the queue has.
pub(super) fn has_bytes(head: &Head) -> bool {
    head.codec != Codec::Elsewhere || head.raw_len == 0
}

/// How the index of the spool takes records in.
pub(super) struct Taker {
    /// The index was lost and begins again, with this number for the next message.
    anew_from: Option<i64>,
    change: Change,
}

impl Taker {
    pub(super) fn new(anew_from: Option<i64>) -> Self {
        Taker { anew_from, change: Change::default() }
    }
}

impl Take for Taker {
    fn owner(&self) -> u32 {
        SEGMENTS_OF
    }

    fn anew(&self) -> bool {
        self.anew_from.is_some()
    }

    fn begin(&mut self, db: &Connection) -> Result<()> {
        self.anew_from.map_or(Ok(()), |next_id| rows::begin(db, next_id))
    }

    fn record(
        &mut self,
        db: &Connection,
        segments: &Segments,
        place: Place,
        head: &Head,
        meta: &[u8],
    ) -> Result<Option<String>> {
        if head.kind != Kind::Queued {
            return Ok(Some("it is one of a cell's, not of the queue's".into()));
        }
        if !has_bytes(head) || !segments.payload_is_whole(head)? {
            return Ok(Some(RecordError::PayloadChecksum.to_string()));
        }
        let Ok(Meta { id, key, put_s, envelope, recipients }) = Meta::decode(meta) else {
            return Ok(Some(RecordError::Meta.to_string()));
        };
        if let Some(there) = rows::message(db, id)? {
            // It was put anew, so that its segment may go.
            if place > there.place && head.digest == there.queued.digest {
                rows::set_place(db, id, place, head.total_len())?;
            }
            return Ok(None);
        }
        let queued = Queued { id, envelope, digest: head.digest, size_bytes: head.raw_len };
        let stored = Stored { queued, place, record_bytes: head.total_len(), key, put_s };
        rows::insert(db, &stored, &recipients, &mut self.change)?;
        Ok(None)
    }

    fn finish(&mut self, db: &Connection, _unseen: u64) -> Result<()> {
        std::mem::take(&mut self.change).apply(db)
    }
}
