//! The spool: messages that wait to be handed on, durably.
//!
//! Their bytes and envelopes are records in segments, as deliveries are in a cell; what became of their recipients is in an
//! index. `docs/design/queue.md` says what is durable when. One writer at a time, any number of readers beside it:
//!
//! * [`Spool::put`]: a record is in a segment and synced before it returns; those who put at the same time share a sync.
//! * [`Spool::settle`]: rows only, but for the messages that are sent in consequence, which are put first.

mod batch;
mod check;
mod meta;
mod outcomes;
mod policies;
mod replay;
mod rows;
mod tidy;
mod types;

pub use outcomes::{Disposition, DkimSeen, DmarcOutcome, SpfSeen, TlsFailure, TlsOutcome, TlsPolicy};
pub use policies::StsPolicy;
pub use types::{
    Counts, DeliveryId, DueHop, Envelope, Filter, Lane, NewMail, NewRecipient, NoQueueId, Notify, Purpose, QueueId,
    Queued, Recipient, Report, Return, Settled, Settlement, State, Tidied,
};

use crate::catch_up::{catch_up, set_tail};
use crate::error::StoreError;
use crate::group::{self, Group, fail_all, lock};
use crate::index::sqlite;
use crate::lock::Lock;
use crate::readers::Readers;
use crate::segment::log::{Log, Segments};
use crate::segment::record::{Kind, RecordError};
use crate::store::{OpenOptions, read_format};
use crate::types::Place;
use crate::writer::{Writer, segments_beside};
use batch::Batch;
use replay::Taker;
use rows::Change;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

type Result<T> = std::result::Result<T, StoreError>;
type Ticket = group::Ticket<Vec<NewMail>, Vec<QueueId>>;

/// The number that stands in the heads of the spool's segments where a cell's have the cell's.
const SEGMENTS_OF: u32 = u32::MAX;
const INDEX: &str = "queue.sqlite";
/// Longest text kept of what was said at a try, in bytes: a reply of some lines.
const MAX_SAID_BYTES: usize = 2048;

/// Messages that wait to be handed on. One process at a time has a spool open.
pub struct Spool {
    segments: Arc<Segments>,
    pen: Mutex<Pen>,
    /// Messages that wait for the next sync.
    group: Group<Vec<NewMail>, Vec<QueueId>>,
    readers: Readers,
    /// Segments are being removed, or must not be.
    tidying: Mutex<()>,
    findings: Vec<String>,
    _lock: Lock,
}

/// The writer, and what it knows without asking.
struct Pen {
    writer: Writer,
    /// The number of the next message.
    next_id: i64,
    /// How many different outcomes there are, by day and kind.
    outcomes: HashMap<(i64, u8), u64>,
}

impl Spool {
    /// Opens the spool in a directory, making it where there is none, and lets its index catch up with its segments. An
    /// index that was lost is made anew: then everything that the segments still hold waits again, and there is a finding.
    ///
    /// # Errors
    /// [`StoreError::InUse`] naming the process that holds it; those of the disk and of the index.
    pub fn open(dir: &Path, options: OpenOptions) -> Result<Self> {
        let OpenOptions { disk, vfs, purpose, segment_bytes } = options;
        disk.create_dir_all(dir).map_err(StoreError::io(dir))?;
        let _lock = Lock::take(dir, &purpose)?;
        let index = dir.join(INDEX);
        let segments = segments_beside(&disk, dir, &index)?;
        let db = sqlite::open_writer(&index, vfs.as_deref(), sqlite::QUEUE, true)?;
        disk.sync_dir(dir).map_err(StoreError::io(dir))?;
        let begun = rows::is_begun(&db)?;
        let lost = !begun && !segments.numbers()?.is_empty();
        if !begun && !lost {
            sqlite::full_sync(&db, true)?;
            rows::begin(&db, first_id())?;
            sqlite::full_sync(&db, false)?;
        }
        let mut findings = Vec::new();
        let mut taker = Taker::new(lost.then(first_id));
        let end = catch_up(&db, &segments, &mut taker, |text| findings.push(text))?;
        // A spool beside a store bears its number.
        let store = dir.parent().and_then(|dir| read_format(dir).ok()).map_or([0; 16], |format| format.store);
        let log = Log::open(segments.clone(), SEGMENTS_OF, store, segment_bytes, end)?;
        let next_id = rows::next_id(&db)?;
        let mut pen = Pen { writer: Writer::new(db, log, &index), next_id, outcomes: HashMap::new() };
        if lost {
            pen.writer.sync()?;
            let count = rows::counts(&pen.writer.db)?.messages;
            let text = format!(
                "the index of the queue was lost; {count} messages that its segments hold wait again, also those that \
                 were handed on already"
            );
            findings.insert(0, text);
        }
        let readers = Readers::new(index, vfs);
        let (group, tidying) = (Group::default(), Mutex::default());
        Ok(Spool { segments, pen: Mutex::new(pen), group, readers, tidying, findings, _lock })
    }

    /// What opening found that is not as it should be, one sentence each without a full stop.
    pub fn findings(&self) -> &[String] {
        &self.findings
    }

    /// Puts messages in: all of them or none. When it returns, they survive a power loss. One with a key is put in for those
    /// of its recipients for whom it was not put in before, or who failed since; where there are none, nothing is done, and it
    /// has the number that it got then for the first of them.
    ///
    /// # Errors
    /// [`StoreError::Caller`] when one cannot be kept, and then nothing was put in; [`StoreError::Write`] when the disk fails or
    /// is full: what of it is in the spool is then not known to the caller.
    pub fn put(&self, mail: Vec<NewMail>) -> Result<Vec<QueueId>> {
        if mail.is_empty() {
            return Ok(Vec::new());
        }
        self.group.join(mail, || {
            let pen = self.ready_pen();
            let group = self.group.take();
            match pen {
                Ok(mut pen) => pen.put(&group),
                Err(error) => fail_all(&group, error),
            }
        })
    }

    /// Writes down what became of recipients, all of it or nothing, and puts in what is sent for that, which survives a power
    /// loss before any of the rest does. With `durable` all of it does when this returns; without it a power loss may take
    /// what became of recipients back, so that they are tried again, until the next [`Spool::sync`]. The end of the process
    /// takes nothing back.
    ///
    /// Recipients that are in the spool no more are passed over. So is what is sent for a settlement none of whose recipients
    /// is there: whoever settled them has sent it. Gives the numbers of what is sent, in order.
    ///
    /// # Errors
    /// As [`Spool::put`]. After an error what is sent may be in the spool already: with a key it is not sent twice.
    pub fn settle(&self, settlements: Vec<Settlement>, durable: bool) -> Result<Vec<QueueId>> {
        self.ready_pen()?.settle(&settlements, durable)
    }

    /// Makes everything that was ever settled durable.
    ///
    /// # Errors
    /// Those of the disk and of the index.
    pub fn sync(&self) -> Result<()> {
        self.ready_pen()?.writer.sync()
    }

    /// Gives back reserved room and writes logs back. Dropping a spool without it loses nothing.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn close(&self) -> Result<()> {
        self.ready_pen()?.writer.settle()
    }

    /// Hops for which something is due in a lane, those due first before others; behind one, where one is named.
    ///
    /// # Errors
    /// Those of the index.
    pub fn due_hops(&self, lane: Lane, now_s: i64, after: Option<&DueHop>, limit: usize) -> Result<Vec<DueHop>> {
        self.readers.read(|db| rows::due_hops(db, lane, now_s, after, limit))
    }

    /// Messages of a lane that are due at a hop, those due first before others, each with its recipients that are due there.
    ///
    /// # Errors
    /// Those of the index.
    pub fn due(&self, hop: &str, lane: Lane, now_s: i64, limit: usize) -> Result<Vec<(Queued, Vec<Recipient>)>> {
        self.readers.read(|db| rows::due(db, hop, lane, now_s, limit))
    }

    /// Messages with recipients that were held until a time that is over, the longest over first, with these recipients; of up
    /// to so many recipients.
    ///
    /// # Errors
    /// Those of the index.
    pub fn ended(&self, now_s: i64, limit: usize) -> Result<Vec<(Queued, Vec<Recipient>)>> {
        self.readers.read(|db| rows::ended(db, now_s, limit))
    }

    /// When the next recipient is due; `None`: nothing waits.
    ///
    /// # Errors
    /// Those of the index.
    pub fn next_due(&self) -> Result<Option<i64>> {
        self.readers.read(rows::next_due)
    }

    /// A message, and every recipient that it has still to reach.
    ///
    /// # Errors
    /// Those of the index.
    pub fn message(&self, id: QueueId) -> Result<Option<(Queued, Vec<Recipient>)>> {
        self.readers.read(|db| {
            let Some(stored) = rows::message(db, id)? else { return Ok(None) };
            Ok(Some((stored.queued, rows::recipients(db, id)?)))
        })
    }

    /// The bytes of a message, in CRLF form; they are checked against their digest.
    ///
    /// # Errors
    /// [`StoreError::Caller`] when it is in the spool no more, [`StoreError::Corrupt`] when its record is damaged; those of
    /// the disk.
    pub fn bytes(&self, message: &Queued) -> Result<Vec<u8>> {
        let mut before: Option<Place> = None;
        loop {
            let stored = self.readers.read(|db| rows::message(db, message.id))?;
            let gone = || StoreError::Caller(format!("message {} is in the queue no more", message.id));
            let place = stored.ok_or_else(gone)?.place;
            match self.segments.read(place) {
                Ok((head, raw)) if head.kind == Kind::Queued && head.digest == message.digest => return Ok(raw),
                Ok(_) => return Err(StoreError::Corrupt { place, why: RecordError::Content }),
                // It was put anew since its row was read, and its segment is gone.
                Err(StoreError::Io { cause, .. })
                    if cause.kind() == std::io::ErrorKind::NotFound && before != Some(place) =>
                {
                    before = Some(place);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Messages behind one, in the order in which they were put in, that a filter lets through; up to so many. With a filter
    /// that lets few through, it may go through all of them.
    ///
    /// # Errors
    /// Those of the index.
    pub fn list(&self, after: Option<QueueId>, limit: usize, filter: &Filter) -> Result<Vec<(Queued, Vec<Recipient>)>> {
        self.readers.read(|db| rows::list(db, after, limit, filter))
    }

    /// What there is. Costs the same, however much that is.
    ///
    /// # Errors
    /// Those of the index.
    pub fn counts(&self) -> Result<Counts> {
        self.readers.read(rows::counts)
    }

    /// The writer, after it has made good what a failure left.
    fn ready_pen(&self) -> Result<MutexGuard<'_, Pen>> {
        let mut pen = lock(&self.pen);
        if pen.writer.failed {
            let segments = &self.segments;
            pen.writer.recover(segments, |db| catch_up(db, segments, &mut Taker::new(None), |_| ()).map(|_| ()))?;
            pen.next_id = pen.next_id.max(rows::next_id(&pen.writer.db)?);
        }
        Ok(pen)
    }
}

/// The number of the first message in an index that begins, from the millisecond: above those of every index before it,
/// since names of deliveries are made from it, and a delivery whose name came again would be mail lost.
fn first_id() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now_ms = since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX));
    now_ms.clamp(0, i64::MAX >> 16) << 8
}

impl Pen {
    /// Puts in what a group asks for.
    fn put(&mut self, group: &[Arc<Ticket>]) {
        self.writer.failed = true;
        match self.try_put(group) {
            Ok(()) => self.writer.failed = false,
            Err(error) => fail_all(group, error),
        }
        self.writer.write_back();
    }

    fn try_put(&mut self, group: &[Arc<Ticket>]) -> Result<()> {
        let Writer { db, log, .. } = &mut self.writer;
        let mut batch = Batch::new(self.next_id);
        let mut results = Vec::with_capacity(group.len());
        for ticket in group {
            results.push(match batch.admit(db, &ticket.asked) {
                Ok(plan) => Ok(batch.append(log, &ticket.asked, plan)?),
                Err(error @ StoreError::Caller(_)) => Err(error),
                Err(error) => return Err(error),
            });
        }
        let tail = log.commit()?;
        self.next_id = batch.next_id();
        let tx = rusqlite::Transaction::new(db, rusqlite::TransactionBehavior::Immediate)?;
        let mut change = Change::default();
        batch.index(&tx, &mut change)?;
        change.apply(&tx)?;
        if let Some(tail) = tail {
            set_tail(&tx, tail)?;
        }
        tx.commit()?;
        group.iter().zip(results).for_each(|(ticket, result)| ticket.answer(result));
        Ok(())
    }

    fn settle(&mut self, settlements: &[Settlement], durable: bool) -> Result<Vec<QueueId>> {
        let db = &self.writer.db;
        let mut mail: Vec<&NewMail> = Vec::new();
        for Settlement { id, recipients, then } in settlements.iter().filter(|s| !s.then.is_empty()) {
            let mut there = recipients.is_empty();
            for (number, _) in recipients {
                there = there || rows::recipient(db, *id, *number)?.is_some();
            }
            mail.extend(then.iter().filter(|_| there));
        }
        let mut batch = Batch::new(self.next_id);
        let plan = batch.admit(db, &mail)?;
        let (ids, tail) = match mail.is_empty() {
            true => (Vec::new(), None),
            false => self.writer.append(|log| batch.append(log, &mail, plan))?,
        };
        self.next_id = batch.next_id();
        let settled = self.writer.transact(durable, |db, _| {
            let mut change = Change::default();
            batch.index(db, &mut change)?;
            for Settlement { id, recipients, .. } in settlements {
                for (number, settled) in recipients {
                    settle(db, *id, *number, settled, &mut change)?;
                }
                rows::delete_if_done(db, *id, &mut change)?;
            }
            change.apply(db)?;
            tail.map_or(Ok(()), |tail| set_tail(db, tail))
        });
        // Records without their rows: the index must catch up with them.
        self.writer.failed |= tail.is_some() && settled.is_err();
        settled.map(|()| ids)
    }
}

/// Writes down what became of one recipient, if it is there.
fn settle(db: &rusqlite::Connection, id: QueueId, number: u32, settled: &Settled, change: &mut Change) -> Result<()> {
    let Some((was, lane)) = rows::recipient(db, id, number)? else { return Ok(()) };
    let is = match settled {
        Settled::Done => return rows::delete_recipient(db, id, &was, lane, change),
        Settled::Failed => {
            rows::forget_key(db, id, &was.address)?;
            return rows::delete_recipient(db, id, &was, lane, change);
        }
        // One that an operator holds meanwhile stays held.
        Settled::Again { due_s, said, delay_told } => Recipient {
            due_s: if was.ends { was.due_s } else { *due_s },
            attempts: was.attempts.saturating_add(1),
            last: Some(said[..said.floor_char_boundary(MAX_SAID_BYTES)].to_owned()),
            delay_told: was.delay_told || *delay_told,
            ..was.clone()
        },
        Settled::Held { until_s } => Recipient {
            state: State::Held,
            ends: until_s.is_some(),
            due_s: until_s.unwrap_or(was.due_s),
            ..was.clone()
        },
        Settled::Released => {
            let arrived_s = rows::message(db, id)?.map_or(was.due_s, |stored| stored.queued.envelope.arrived_s);
            Recipient { state: State::Waiting, ends: false, due_s: was.due_s.min(arrived_s), ..was.clone() }
        }
    };
    rows::change_recipient(db, id, &was, &is, lane, change)
}
