//! What segments hold behind the place up to which an index knows them, taken into it: when it is opened, after a
//! failure, and when it is made anew.

use crate::error::StoreError;
use crate::index::rows;
use crate::segment::log::{Found, ScanEnd, Segments};
use crate::segment::record::{HEAD_LEN, Head, SEGMENT_HEAD_LEN};
use crate::types::Place;
use rusqlite::Connection;

type Result<T> = std::result::Result<T, StoreError>;

const TAIL: &str = "tail";
/// Before segment and position of a stretch that could not be taken into the index, and was reported as that.
const LEFT: &str = "left ";

/// Takes records into an index.
pub(crate) trait Take {
    /// The number that the heads of its segments bear.
    fn owner(&self) -> u32;

    /// Whether the index is being made anew.
    fn anew(&self) -> bool;

    /// Comes before the first record.
    fn begin(&mut self, _db: &Connection) -> Result<()> {
        Ok(())
    }

    /// Takes one record into the index; gives a text when it cannot be taken.
    fn record(
        &mut self,
        db: &Connection,
        segments: &Segments,
        place: Place,
        head: &Head,
        meta: &[u8],
    ) -> Result<Option<String>>;

    /// All that can be read is taken in; at most so many records were in stretches that cannot.
    fn finish(&mut self, db: &Connection, unseen: u64) -> Result<()>;
}

pub(crate) fn set_tail(db: &Connection, tail: Place) -> Result<()> {
    rows::set_note(db, TAIL, &format!("{} {}", tail.segment, tail.position))
}

/// Up to where the index knows the segments.
pub(crate) fn tail(db: &Connection) -> Result<Option<Place>> {
    let Some(text) = rows::note(db, TAIL)? else { return Ok(None) };
    let parsed = text.split_once(' ').and_then(|(s, p)| Some((s.parse().ok()?, p.parse().ok()?)));
    let (segment, position) = parsed.ok_or_else(|| StoreError::BadRow(format!("tail {text:?}")))?;
    Ok(Some(Place { segment, position }))
}

/// Brings an index up to the end of the segments, and notes what is not as it should be. Returns where they end.
///
/// # Errors
/// Those of the disk and of the index; damage is noted.
pub(crate) fn catch_up(
    db: &Connection,
    segments: &Segments,
    take: &mut impl Take,
    mut note: impl FnMut(String),
) -> Result<Option<(u32, ScanEnd)>> {
    let from = tail(db)?;
    let mut end = from.map(|f| (f.segment, ScanEnd { tail: f.position, clean: false }));
    let tx = rusqlite::Transaction::new_unchecked(db, rusqlite::TransactionBehavior::Immediate)?;
    take.begin(&tx)?;
    let numbers = segments.numbers()?;
    if let Some(from) = from.filter(|f| !numbers.contains(&f.segment)) {
        note(format!("segment {:08x} is missing; the index knows it up to {}", from.segment, from.position));
    }
    let last = numbers.last().copied();
    // At most so many records were in damaged stretches.
    let mut unseen = 0;
    for number in numbers.into_iter().filter(|n| from.is_none_or(|f| *n >= f.segment)) {
        let start = from.filter(|f| f.segment == number).map_or(SEGMENT_HEAD_LEN as u64, |f| f.position);
        let head = match segments.segment_head(number) {
            Ok(head) if head.cell == take.owner() => Ok(()),
            Ok(head) => {
                note(format!("segment {number:08x} belongs to cell {}, and was left alone", head.cell));
                continue;
            }
            Err(StoreError::Corrupt { why, .. }) => Err(why),
            Err(error) => return Err(error),
        };
        let mut scanned = segments.scan(number, start, Some(number) != last, |found| {
            let (from, to, text) = match found {
                Found::Record(head, meta) => {
                    let place = Place { segment: number, position: head.position };
                    let Some(text) = take.record(&tx, segments, place, head, meta)? else { return Ok(()) };
                    note(format!("segment {number:08x} at {}: {text}", head.position));
                    (head.position, head.position + head.total_len(), text)
                }
                Found::Damaged(from, to, why) => {
                    note(format!("segment {number:08x} from {from} to {to}: {why}; that stretch was stepped over"));
                    unseen += (to - from) / HEAD_LEN as u64 + 1;
                    (from, to, why.to_string())
                }
            };
            note_left_over(&tx, number, from, to, &text)
        })?;
        if let Err(why) = head {
            if scanned == (ScanEnd { tail: SEGMENT_HEAD_LEN as u64, clean: true }) && !take.anew() {
                // Made and never used: its maker was stopped before the head was written.
                segments.remove(number)?;
                continue;
            }
            // A damaged head does not hide records, but no more are put behind it.
            note(format!("segment {number:08x}: its head is damaged ({why})"));
            if take.anew() {
                note_left_over(&tx, number, 0, SEGMENT_HEAD_LEN as u64, &why.to_string())?;
            }
            scanned.clean = false;
        }
        // A segment was synced before the next was begun.
        let written = if take.anew() && Some(number) != last { scanned.tail } else { start };
        segments.write_again(number, written, scanned.tail)?;
        end = Some((number, scanned));
    }
    if let Some((segment, scanned)) = end
        && from != Some(Place { segment, position: scanned.tail })
    {
        set_tail(&tx, Place { segment, position: scanned.tail })?;
    }
    take.finish(&tx, unseen)?;
    tx.commit()?;
    Ok(end)
}

/// Notes a stretch of a segment that nothing can be made of: checks need not report it again.
pub(crate) fn note_left_over(db: &Connection, segment: u32, from: u64, to: u64, why: &str) -> Result<()> {
    rows::set_note(db, &format!("{LEFT}{segment} {from}"), &format!("{to} {why}"))
}

/// Stretches of segments that could not be taken into the index and were reported as that: segment, from, to.
pub(crate) fn left_over(db: &Connection) -> Result<Vec<(u32, u64, u64)>> {
    let parse = |name: &str, value: &str| {
        let (segment, from) = name.strip_prefix(LEFT)?.split_once(' ')?;
        let (to, _) = value.split_once(' ')?;
        Some((segment.parse().ok()?, from.parse().ok()?, to.parse().ok()?))
    };
    let notes = rows::notes_like(db, LEFT)?;
    let parsed = notes.iter().map(|(n, v)| parse(n, v).ok_or_else(|| StoreError::BadRow(format!("note {n:?}"))));
    parsed.collect()
}

/// Forgets what was reported of a segment that is removed.
pub(crate) fn forget_left_over(db: &Connection, segment: u32) -> Result<()> {
    rows::delete_numbered_notes(db, &format!("{LEFT}{segment} "))
}
