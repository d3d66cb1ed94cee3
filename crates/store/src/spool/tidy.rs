//! Space and age: segments in which nothing waits any more go, and what is remembered for some days is forgotten.

use super::batch::append;
use super::outcomes;
use super::policies;
use super::rows;
use super::types::{QueueId, Tidied};
use super::{Result, Spool};
use crate::catch_up::{forget_left_over, set_tail, tail};
use crate::cell::{ID_LIFETIME_S, ZSTD_LEVEL};
use crate::error::{Class, StoreError};
use crate::group::lock;
use crate::segment::log::Segments;
use crate::segment::payload::Payload;
use rusqlite::Connection;

/// Rows forgotten at a time: who writes beside it waits for so many.
const FORGOTTEN_AT_ONCE: usize = 1024;
/// Messages put anew at a time, and how many bytes of records.
const MOVED_AT_ONCE: usize = 256;
const MOVED_BYTES: u64 = 8 << 20;
/// A segment is emptied when no more than one part in so many of it is of messages that wait.
const SPARSE: u64 = 4;

impl Spool {
    /// Does a piece of what there is to tidy: removes segments in which nothing waits any more, puts messages anew that keep
    /// a segment all but empty, and forgets keys older than 14 days, outcomes older than 60, and policies that have ended.
    ///
    /// # Errors
    /// Those of the disk and of the index; what was done until then stays done.
    pub fn tidy(&self, now_s: i64) -> Result<Tidied> {
        let _turn = lock(&self.tidying);
        let mut tidied = Tidied::default();
        self.forget(now_s, &mut tidied)?;
        let numbers = self.segments.numbers()?;
        // Where records are put, and where the index ends, nothing is removed.
        let sealed = |db: &Connection| {
            let end = tail(db)?.map_or(0, |tail| tail.segment).min(numbers.last().copied().unwrap_or(0));
            let sealed: Vec<u32> = numbers.iter().copied().filter(|n| *n < end).collect();
            sealed.into_iter().map(|n| Ok((n, rows::lives(db, n)?))).collect::<Result<Vec<_>>>()
        };
        let (lived_in, empty): (Vec<_>, Vec<_>) = self.readers.read(sealed)?.into_iter().partition(|(_, lives)| *lives);
        if !empty.is_empty() {
            self.remove(empty.iter().map(|(number, _)| *number), &mut tidied)?;
        }
        for (number, _) in lived_in {
            let length = self.segments.length(number)?;
            let living = self.readers.read(|db| rows::living(db, number, usize::MAX, length / SPARSE))?.1;
            if living < length / SPARSE && self.move_from(number, &mut tidied)? {
                break;
            }
        }
        tidied.more |= tidied.moved > 0;
        Ok(tidied)
    }

    fn forget(&self, now_s: i64, tidied: &mut Tidied) -> Result<()> {
        let keys_before = now_s.saturating_sub(ID_LIFETIME_S);
        let days_before = outcomes::first_day_kept(now_s);
        let old = |db: &Connection| {
            let key = rows::oldest_key(db)?.is_some_and(|oldest| oldest < keys_before);
            let policy = policies::first_end(db)?.is_some_and(|first| first <= now_s);
            Ok(key || policy || outcomes::oldest_day(db)?.is_some_and(|oldest| oldest < days_before))
        };
        // Nobody waits for the writer for nothing.
        if self.readers.read(old)? {
            let mut pen = self.ready_pen()?;
            let forgotten = pen.writer.transact(false, |db, _| {
                let keys = rows::forget_keys(db, keys_before, FORGOTTEN_AT_ONCE)?;
                let outcomes = outcomes::forget(db, days_before, FORGOTTEN_AT_ONCE)?;
                Ok((keys, outcomes, policies::forget(db, now_s)?))
            })?;
            pen.outcomes.retain(|(day, _), _| *day >= days_before);
            tidied.forgotten = forgotten.0 + forgotten.1 + forgotten.2;
            tidied.more = forgotten.0 == FORGOTTEN_AT_ONCE || forgotten.1 == FORGOTTEN_AT_ONCE;
        }
        Ok(())
    }

    /// Removes segments that no message needs.
    fn remove(&self, numbers: impl Iterator<Item = u32> + Clone, tidied: &mut Tidied) -> Result<()> {
        let mut pen = self.ready_pen()?;
        pen.writer.transact(false, |db, _| numbers.clone().try_for_each(|number| forget_left_over(db, number)))?;
        // A power loss must not bring rows back that need them.
        pen.writer.sync()?;
        for number in numbers {
            self.segments.remove(number)?;
            tidied.segments += 1;
        }
        self.segments.sync_names()
    }

    /// Puts messages of a segment anew, with the numbers that they have. Gives whether there were any.
    fn move_from(&self, number: u32, tidied: &mut Tidied) -> Result<bool> {
        let mut pen = self.ready_pen()?;
        let writer = &mut pen.writer;
        let ids = rows::living(&writer.db, number, MOVED_AT_ONCE, MOVED_BYTES)?.0;
        let mut taken = Vec::new();
        for id in ids {
            match take_up(&writer.db, &self.segments, id) {
                Ok(Some(record)) => taken.push(record),
                Ok(None) => {}
                Err(error) if error.class() == Class::Corruption => tidied.damaged.push(id),
                Err(error) => return Err(error),
            }
        }
        if taken.is_empty() {
            return Ok(false);
        }
        let (places, tail) = writer.append(|log| {
            let put = |(_, digest, payload, meta): &Record| append(log, *digest, payload, meta);
            taken.iter().map(put).collect::<Result<Vec<_>>>()
        })?;
        let moved = writer.transact(false, |db, _| {
            for ((id, ..), (place, record_bytes)) in taken.iter().zip(places) {
                rows::set_place(db, *id, place, record_bytes)?;
            }
            tail.map_or(Ok(()), |tail| set_tail(db, tail))
        });
        writer.failed |= moved.is_err();
        moved?;
        tidied.moved += taken.len();
        Ok(true)
    }
}

type Record = (QueueId, message::Digest, Payload, Vec<u8>);

/// The record of a message as it is to be written now.
fn take_up(db: &Connection, segments: &Segments, id: QueueId) -> Result<Option<Record>> {
    let Some(stored) = rows::message(db, id)? else { return Ok(None) };
    let (head, raw) = segments.read(stored.place)?;
    if head.digest != stored.queued.digest {
        let (place, why) = (stored.place, crate::segment::record::RecordError::Content);
        return Err(StoreError::Corrupt { place, why });
    }
    let meta = rows::meta(db, &stored)?.encode();
    Ok(Some((id, head.digest, Payload::pack(&raw, ZSTD_LEVEL), meta)))
}
