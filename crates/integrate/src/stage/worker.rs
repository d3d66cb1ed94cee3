//! Workers of staging: read, look, hash, pack, deliver a batch.

use super::{Run, StageError, StagedKind, reason};
use message::{DamageKind, Examined, Flags, Keyword, damage_of, examine, push_crlf};
use source::{Locator, ReadError, SourceError};
use std::sync::Mutex;
use std::sync::mpsc::Receiver;
use store::{AccountId, Cell, Delivery, Item, MailboxId, Origin, Prepared, StoreError, Traits, View};

/// Messages of one cell that are made durable together.
pub(super) struct Job<'a> {
    pub(super) cell: &'a Cell,
    pub(super) tasks: Vec<Task>,
}

/// One message to read and stage.
pub(super) struct Task {
    pub(super) account: AccountId,
    pub(super) mailbox: MailboxId,
    pub(super) mailbox_name: String,
    /// Its number among the account's items.
    pub(super) number: i64,
    pub(super) uid: u32,
    pub(super) listed_uid: Option<u32>,
    pub(super) uidl: Option<String>,
    pub(super) flags: Flags,
    pub(super) keywords: Vec<Keyword>,
    pub(super) internal_date: i64,
    pub(super) locator: Locator,
    pub(super) origin: Origin,
    pub(super) promised_size: Option<u64>,
    pub(super) promised_crlf_size: Option<u64>,
}

/// Buffers that a worker uses again and again.
#[derive(Default)]
pub(super) struct Buffers {
    raw: Vec<u8>,
    crlf: Vec<u8>,
}

/// What reading a source's file came to.
pub(super) enum Outcome {
    Message(Examined, Traits),
    Unreadable(String),
}

pub(super) fn work(run: &Run<'_>, queue: &Mutex<Receiver<Job<'_>>>) {
    let mut buffers = Buffers::default();
    loop {
        let next = queue.lock().unwrap_or_else(|e| e.into_inner()).recv();
        let Ok(job) = next else { return };
        // The queue is emptied even after a failure, so that the listing thread never waits for nobody.
        if !run.stopped()
            && let Err(error) = stage_job(run, job, &mut buffers)
        {
            run.fail(error);
        }
    }
}

fn stage_job(run: &Run<'_>, job: Job<'_>, buffers: &mut Buffers) -> Result<(), StageError> {
    let cell = job.cell;
    let Read { deliveries, unreadable, messages, bytes, away } =
        cell.read(|known| Ok(read_job(run, job, known, buffers)))??;
    let delivered = deliveries.len() as u64;
    cell.deliver(deliveries)?;
    if !unreadable.is_empty() {
        cell.write_unsynced(|tx| {
            unreadable.iter().try_for_each(|(task, why)| tx.put_item(task.account, task.number, &task.unreadable(why)))
        })?;
    }
    run.count(|staged| {
        staged.staged += delivered;
        staged.read_bytes += bytes;
        for (_, why) in &unreadable {
            *staged.unreadable.entry(why.clone()).or_default() += 1;
        }
    });
    run.progress.done(messages, bytes);
    away.map_or(Ok(()), |error| Err(error.into()))
}

/// What was read of a job.
#[derive(Default)]
struct Read {
    deliveries: Vec<Delivery>,
    unreadable: Vec<(Task, String)>,
    messages: u64,
    bytes: u64,
    /// The source went away; what was read until then is staged.
    away: Option<SourceError>,
}

/// Reads and packs what a job asks for. What the cell `known` has by then need not be packed again.
fn read_job(run: &Run<'_>, job: Job<'_>, known: &View<'_>, buffers: &mut Buffers) -> Result<Read, StoreError> {
    let mut done = Read { deliveries: Vec::with_capacity(job.tasks.len()), ..Read::default() };
    for task in job.tasks {
        let outcome = match read(run, &task, buffers) {
            Ok(outcome) => outcome,
            Err(error) => {
                done.away = Some(error);
                break;
            }
        };
        done.messages += 1;
        match outcome {
            Outcome::Message(seen, traits) => {
                let message = prepare(known.has(&seen.digest)?, &seen, buffers);
                done.bytes += buffers.read_bytes();
                done.deliveries.push(task.delivery(message, traits));
            }
            Outcome::Unreadable(why) => done.unreadable.push((task, why)),
        }
    }
    Ok(done)
}

/// Reads a message and looks at it, leaving its bytes in the buffers.
///
/// # Errors
/// When the source as a whole is away: that says nothing of the message.
pub(super) fn read(run: &Run<'_>, task: &Task, buffers: &mut Buffers) -> Result<Outcome, SourceError> {
    match run.source.read(&task.locator, &mut buffers.raw) {
        Ok(()) => {}
        Err(ReadError::Away(error)) => return Err(error.into()),
        Err(error) => {
            buffers.raw.clear();
            return Ok(Outcome::Unreadable(reason(&error)));
        }
    }
    if let Some(why) = nothing_in(&buffers.raw) {
        return Ok(Outcome::Unreadable(why.into()));
    }
    buffers.crlf.clear();
    push_crlf(&buffers.raw, &mut buffers.crlf);
    let seen = examine(&buffers.crlf);
    // A promise that another one contradicts is a wrong name, not missing bytes.
    let believed = task.promised_crlf_size.is_none_or(|w| w != seen.size_bytes);
    let promised = task.promised_size.filter(|_| believed);
    let mut traits = match damage_of(buffers.raw.len() as u64, promised, &seen) {
        None => Traits::default(),
        Some(DamageKind::EndsEarly) => Traits::ENDS_EARLY,
        Some(DamageKind::EndsInZeros) => Traits::ENDS_IN_ZEROS,
    };
    if task.listed_uid.is_none() {
        traits = traits.with(Traits::UID_MADE_UP);
    }
    Ok(Outcome::Message(seen, traits))
}

/// Makes what was read last ready for a cell: bytes that it is known to have are not packed again.
pub(super) fn prepare(known: bool, seen: &Examined, buffers: &Buffers) -> Prepared {
    if known { Prepared::known(seen) } else { Prepared::new(&buffers.crlf, seen) }
}

/// Why bytes are no message at all (`RULES.md 9.1`).
pub(crate) fn nothing_in(raw: &[u8]) -> Option<&'static str> {
    if raw.is_empty() {
        Some("it is empty")
    } else if raw.iter().all(|b| *b == 0) {
        Some("it is filled with zeros")
    } else {
        None
    }
}

impl Buffers {
    /// The message last read, in CRLF form.
    pub(super) fn crlf(&self) -> &[u8] {
        &self.crlf
    }

    /// Room for bytes as they lie.
    pub(super) fn raw_mut(&mut self) -> &mut Vec<u8> {
        &mut self.raw
    }

    /// How many bytes were read last.
    pub(super) fn read_bytes(&self) -> u64 {
        self.raw.len() as u64
    }
}

impl Task {
    pub(super) fn delivery(self, message: Prepared, traits: Traits) -> Delivery {
        Delivery {
            account: self.account,
            mailbox: self.mailbox,
            uid: Some(self.uid),
            message,
            flags: self.flags,
            keywords: self.keywords,
            internal_date: self.internal_date,
            uidl: self.uidl,
            traits,
            item: Some((self.number, StagedKind::Message as u8, self.origin)),
            id: None,
        }
    }

    fn unreadable(&self, why: &str) -> Item {
        Item {
            origin: self.origin.clone(),
            kind: StagedKind::Unreadable as u8,
            message: None,
            mailbox_name: Some(self.mailbox_name.clone()),
            listed_uid: self.listed_uid,
            reason: Some(why.to_owned()),
        }
    }
}
