//! What the segments say, taken into the index of the spool: when it is opened, after a failure, and when it was lost.

use super::SEGMENTS_OF;
use super::meta::Meta;
use super::rows::{self, Change, Stored};
use super::types::{DeliveryId, QueueId, Queued};
use crate::catch_up::Take;
use crate::cell::ID_LIFETIME_S;
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

impl Taker {
    /// Takes out of an earlier message of the same key a recipient for whom it is put in again: that they had failed there was
    /// known then, and is what a power loss took back. An index that is made anew takes nothing from anybody.
    fn forget_failed(
        &mut self,
        db: &Connection,
        key: DeliveryId,
        address: &str,
        id: QueueId,
        put_s: i64,
    ) -> Result<()> {
        let earlier = rows::by_key(db, key.of_recipient(address))?.filter(|earlier| *earlier < id);
        let Some(stored) = earlier.map_or(Ok(None), |earlier| rows::message(db, earlier))? else { return Ok(()) };
        // Or else its key was forgotten for its age, and it may wait still.
        if put_s.saturating_sub(stored.put_s) >= ID_LIFETIME_S {
            return Ok(());
        }
        let earlier = stored.queued.id;
        for there in rows::recipients(db, earlier)?.iter().filter(|there| there.address == address) {
            if let Some((was, lane)) = rows::recipient(db, earlier, there.number)? {
                rows::delete_recipient(db, earlier, &was, lane, &mut self.change)?;
            }
        }
        rows::delete_if_done(db, earlier, &mut self.change)
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
        if let Some(key) = key.filter(|_| !self.anew()) {
            for recipient in &recipients {
                self.forget_failed(db, key, &recipient.address, id, put_s)?;
            }
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
