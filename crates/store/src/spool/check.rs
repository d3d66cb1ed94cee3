//! The check of the spool. Its invariants (`docs/design/queue.md` lists them):
//!
//! 1. Every record is whole, and its bytes are those that its digest names.
//! 2. Every message's row points to a record of it, of that digest.
//! 3. Every message has a recipient, and every recipient belongs to a message.
//! 4. What is counted, of the whole and of each hop, is what there is.
//! 5. No message has a number that may be given again.

use super::meta::Meta;
use super::replay::has_bytes;
use super::rows::{self, Stored};
use super::types::Report;
use super::{Result, Spool};
use crate::catch_up::{left_over, tail};
use crate::error::{Class, StoreError};
use crate::group::lock;
use crate::index::sqlite;
use crate::segment::log::Found;
use crate::segment::record::{Head, Kind, SEGMENT_HEAD_LEN};
use crate::types::Place;
use rusqlite::Connection;
use std::collections::HashMap;

impl Spool {
    /// Checks every record and every row against each other. Changes nothing.
    ///
    /// # Errors
    /// When the index or a segment cannot be read at all; damage is a problem in the report.
    pub fn check(&self) -> Result<Report> {
        // No segment goes meanwhile.
        let _turn = lock(&self.tidying);
        self.readers.read(|db| {
            let mut check = Check { spool: self, left: left_over(db)?, report: Report::default() };
            let broken = sqlite::integrity(db)?.into_iter().map(|line| format!("queue.sqlite: {line}"));
            check.report.problems.extend(broken);
            let segments = check.segments(db);
            check.survive(segments)?;
            let misfits = rows::misfits(db).map(|found| check.report.problems.extend(found));
            check.survive(misfits)?;
            Ok(check.report)
        })
    }
}

struct Check<'a> {
    spool: &'a Spool,
    /// Segment, from, to.
    left: Vec<(u32, u64, u64)>,
    report: Report,
}

impl Check<'_> {
    /// Turns damage of the index into a problem, and goes on behind it.
    fn survive(&mut self, result: Result<()>) -> Result<()> {
        match result {
            Err(error) if error.class() == Class::Corruption => {
                self.report.problems.push(error.to_string());
                Ok(())
            }
            other => other,
        }
    }

    /// Whether a stretch is one that was reported when the index came upon it.
    fn was_reported(&mut self, number: u32, from: u64, to: u64) -> bool {
        let known = self.left.iter().any(|l| l.0 == number && l.1 <= from && to <= l.2);
        self.report.reported += u64::from(known);
        known
    }

    /// Invariants 1 and 2. Rows come in the order of the segments, so one segment's rows are held at a time.
    fn segments(&mut self, db: &Connection) -> Result<()> {
        let end = tail(db)?;
        let mut numbers = self.spool.segments.numbers()?;
        // What is appended in the meantime is not in what is read.
        numbers.retain(|number| end.is_some_and(|end| *number <= end.segment));
        let mut numbers = numbers.into_iter().peekable();
        let mut held: Vec<Stored> = Vec::new();
        rows::for_each_message(db, |stored| {
            while let Some(number) = numbers.next_if(|n| *n < stored.place.segment) {
                self.segment(number, end, std::mem::take(&mut held))?;
            }
            held.push(stored);
            Ok(())
        })?;
        for number in numbers {
            self.segment(number, end, std::mem::take(&mut held))?;
        }
        held.iter().for_each(|stored| self.no_segment(stored));
        Ok(())
    }

    fn no_segment(&mut self, stored: &Stored) {
        let Stored { queued, place, .. } = stored;
        let text = format!("segment {:08x} is missing; it held message {}", place.segment, queued.id);
        self.report.problems.push(text);
    }

    fn segment(&mut self, number: u32, end: Option<Place>, held: Vec<Stored>) -> Result<()> {
        let segments = &self.spool.segments;
        if let Err(error @ StoreError::Corrupt { .. }) = segments.segment_head(number)
            && !self.was_reported(number, 0, SEGMENT_HEAD_LEN as u64)
        {
            self.report.problems.push(error.to_string());
        }
        let (held, lost): (Vec<_>, Vec<_>) = held.into_iter().partition(|stored| stored.place.segment == number);
        lost.iter().for_each(|stored| self.no_segment(stored));
        let mut expected: HashMap<u64, Stored> = held.into_iter().map(|s| (s.place.position, s)).collect();
        let end = end.filter(|end| end.segment == number).map(|end| end.position);
        let (mut found, mut damaged) = (Vec::new(), Vec::new());
        segments.scan(number, SEGMENT_HEAD_LEN as u64, end.is_none(), |record| {
            match record {
                Found::Record(head, meta) if end.is_none_or(|end| head.position < end) => {
                    let id = Meta::decode(meta).map(|meta| meta.id).ok().filter(|_| head.kind == Kind::Queued);
                    found.push((*head, id));
                }
                Found::Damaged(from, to, why) if end.is_none_or(|end| from < end) => damaged.push((from, to, why)),
                Found::Record(..) | Found::Damaged(..) => {}
            }
            Ok(())
        })?;
        for (from, to, why) in damaged {
            if !self.was_reported(number, from, to) {
                self.report.problems.push(format!("segment {number:08x} from {from} to {to}: {why}"));
            }
        }
        for (head, id) in found {
            self.report.records += 1;
            let stored = expected.remove(&head.position);
            let to = head.position + head.total_len();
            if stored.is_some() || !self.was_reported(number, head.position, to) {
                let at = format!("segment {number:08x} at {}", head.position);
                match id {
                    None => self.report.problems.push(format!("{at}: it describes no message of the queue")),
                    Some(id) => match stored.as_ref().filter(|s| s.queued.id != id || s.queued.digest != head.digest) {
                        Some(other) => {
                            let text = format!("{at}: the index expects message {} here", other.queued.id);
                            self.report.problems.push(text);
                        }
                        None => self.record(&head, stored.is_some(), &at)?,
                    },
                }
            }
        }
        for (position, stored) in expected {
            let text =
                format!("segment {number:08x} at {position}: there is no record of message {}", stored.queued.id);
            self.report.problems.push(text);
        }
        Ok(())
    }

    fn record(&mut self, head: &Head, waits: bool, at: &str) -> Result<()> {
        let place = Place { segment: head.segment, position: head.position };
        match self.spool.segments.verify(place) {
            Ok(()) if !has_bytes(head) => self.report.problems.push(format!("{at}: it has no bytes")),
            Ok(()) => self.report.messages += u64::from(waits),
            Err(StoreError::Corrupt { why, .. }) => self.report.problems.push(format!("{at}: {why}")),
            Err(other) => return Err(other),
        }
        Ok(())
    }
}
