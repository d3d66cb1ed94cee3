//! Stage: a source becomes a hidden lineage in the store.
//!
//! Runs for hours beside live service. Bytes go into segments, mailboxes and messages into shadow accounts that nobody
//! can open. It can be stopped at any point and started again: what is there already is recognised, by path and stamp
//! without reading it, by its digest where a file was moved or copied. Staging the same source twice changes nothing
//! (`RULES.md` G4).
//!
//! One thread lists maildrops and compares them with what is staged; workers read, hash and pack; each cell's writer
//! makes a batch of messages durable at once.

mod heal;
mod maildrop;
mod orphans;
mod worker;

pub(crate) use maildrop::GONE;
pub(crate) use maildrop::MADE_UP_UIDS;
pub(crate) use orphans::ORPHAN_UIDS;
pub(crate) use orphans::nobody;
pub use orphans::{UNATTRIBUTED, recovered_name};
pub(crate) use worker::nothing_in;

use crate::platform::Platform;
use crate::progress::Progress;
use source::{ReadError, Source, SourceError};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a staged item is: [`store::Item::kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum StagedKind {
    /// A message, in the shadow account.
    Message = 0,
    /// An unfinished delivery (`RULES.md 9.5`).
    Unfinished = 1,
    /// No message (`RULES.md 9.5`).
    NotAMessage = 2,
    /// A UID listed without a file (`RULES.md 9.5`).
    ListedNoFile = 3,
    /// Empty, zeros, or not to be read (`RULES.md 9.1`).
    Unreadable = 4,
    /// An orphan that its owner's mailboxes hold already (`RULES.md 9.3`).
    HeldAlready = 5,
    /// An orphan that was given to its owner: the owner's account has its item; this one only says so.
    Attributed = 6,
}

impl StagedKind {
    const ALL: [StagedKind; 7] = [
        StagedKind::Message,
        StagedKind::Unfinished,
        StagedKind::NotAMessage,
        StagedKind::ListedNoFile,
        StagedKind::Unreadable,
        StagedKind::HeldAlready,
        StagedKind::Attributed,
    ];

    /// The kind of a stored number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// What a staging came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Staged {
    /// Maildrops looked at.
    pub maildrops: u64,
    /// Items of the source, of every kind: its own count (`RULES.md` G8).
    pub items: u64,
    /// Messages that were read and staged now.
    pub staged: u64,
    /// Messages that were there already, unchanged.
    pub unchanged: u64,
    /// Messages whose file was found moved, renamed or copied.
    pub moved: u64,
    /// Messages staged earlier whose file is no longer there; they stay.
    pub gone: u64,
    /// Items that could not be read, by reason.
    pub unreadable: BTreeMap<String, u64>,
    /// Maildrops whose server does not let their account in, in words: nothing of them is staged.
    pub refused: Vec<String>,
    /// Bytes read from the source now.
    pub read_bytes: u64,
    /// Orphans given to their owners.
    pub attributed: u64,
    /// Orphans that nobody can be found for.
    pub unattributed: u64,
    /// Messages that were there already, whose bytes were damaged in the store and were read again.
    pub healed: u64,
}

impl Staged {
    /// Whether anything of the source was new: files, or places of files.
    pub fn changed(&self) -> bool {
        self.staged > 0 || self.moved > 0 || self.attributed > 0 || self.unattributed > 0
    }

    /// Adds what another staging came to.
    pub(crate) fn add(&mut self, other: &Staged) {
        self.maildrops += other.maildrops;
        self.items += other.items;
        self.staged += other.staged;
        self.unchanged += other.unchanged;
        self.moved += other.moved;
        self.gone += other.gone;
        for (reason, count) in &other.unreadable {
            *self.unreadable.entry(reason.clone()).or_default() += count;
        }
        self.refused.extend_from_slice(&other.refused);
        self.read_bytes += other.read_bytes;
        self.attributed += other.attributed;
        self.unattributed += other.unattributed;
        self.healed += other.healed;
    }
}

/// Staging stopped. What was staged stays, and staging again goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The source.
    #[error("the source cannot be read: {0}")]
    Source(#[from] SourceError),
    /// The store.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// The directory.
    #[error(transparent)]
    Directory(#[from] directory::DirectoryError),
    /// A thread of staging panicked.
    #[error("a worker of staging stopped; run the command again to go on, and report this")]
    Worker,
}

/// Stages a source as a lineage. When it returns, everything staged survives a power loss.
///
/// # Errors
/// When the source as a whole, the store or the directory fails; single files never stop it (`RULES.md 9`), nor does an
/// account whose sign-in a server refuses.
pub fn stage(
    platform: &Platform,
    source: &dyn Source,
    lineage: directory::LineageId,
    progress: &dyn Progress,
) -> Result<Staged, StageError> {
    let listed = source.directory()?;
    platform.directory.write(|tx| crate::accounts::stage_directory(tx, lineage, &listed))?;
    let maildrops = source.maildrops()?;
    let run = Run::new(platform, source, lineage, progress);
    // One more than there are cores: while a batch waits for the disk, the cores have others to read.
    let workers = std::thread::available_parallelism().map_or(2, |n| n.get()) + 1;
    let (jobs, queue) = std::sync::mpsc::sync_channel(workers * 2);
    let queue = Mutex::new(queue);
    let listing = std::thread::scope(|scope| {
        let pool: Vec<_> = (0..workers).map(|_| scope.spawn(|| worker::work(&run, &queue))).collect();
        let mut listing = maildrop::Listing::new(&run, jobs);
        let listed = maildrops.iter().filter(|m| m.address.is_some()).try_for_each(|m| listing.maildrop(m));
        let flushed = listed.and_then(|()| listing.flush());
        if flushed.is_err() {
            run.stop.store(true, Ordering::Relaxed);
        }
        let finished = listing.finish();
        let panicked = pool.into_iter().map(|p| p.join()).any(|r| r.is_err());
        flushed.map(|()| finished).and_then(|f| if panicked { Err(StageError::Worker) } else { Ok(f) })
    });
    drop(queue);
    if let Some(error) = run.failure.lock().unwrap_or_else(|e| e.into_inner()).take() {
        return Err(error);
    }
    let mut notices = listing?;
    // Orphans come last: an orphan that its owner's mailboxes hold is no second copy of anything.
    let heaps = maildrops.iter().filter(|m| m.address.is_none());
    let mut owners = orphans::Owners::new(platform, &listed, &maildrops)?;
    for (index, heap) in heaps.enumerate() {
        notices.extend(orphans::stage(&run, &mut owners, heap, index)?);
    }
    heal::heal(&run)?;
    for cell in platform.store.cells() {
        cell.sync()?;
    }
    platform.directory.write(|tx| crate::accounts::finish_staging(tx, lineage, &listed.notices, &notices))?;
    let staged = run.result.into_inner().unwrap_or_else(|e| e.into_inner());
    Ok(staged)
}

/// What every part of one staging shares.
struct Run<'a> {
    platform: &'a Platform,
    source: &'a dyn Source,
    lineage: directory::LineageId,
    progress: &'a dyn Progress,
    result: Mutex<Staged>,
    failure: Mutex<Option<StageError>>,
    stop: AtomicBool,
}

impl<'a> Run<'a> {
    fn new(
        platform: &'a Platform,
        source: &'a dyn Source,
        lineage: directory::LineageId,
        progress: &'a dyn Progress,
    ) -> Self {
        let (result, failure, stop) = (Mutex::default(), Mutex::default(), AtomicBool::new(false));
        Run { platform, source, lineage, progress, result, failure, stop }
    }

    fn count(&self, add: impl FnOnce(&mut Staged)) {
        add(&mut self.result.lock().unwrap_or_else(|e| e.into_inner()));
    }

    fn fail(&self, error: StageError) {
        self.failure.lock().unwrap_or_else(|e| e.into_inner()).get_or_insert(error);
        self.stop.store(true, Ordering::Relaxed);
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn store_lineage(&self) -> store::LineageId {
        store::LineageId(self.lineage.get())
    }
}

/// The reason of a failed read, as the ledger says it; without numbers that would differ from run to run.
pub(crate) fn reason(error: &ReadError) -> String {
    match error {
        ReadError::Io(e) => match e.kind() {
            std::io::ErrorKind::PermissionDenied => "permission denied".into(),
            _ => e.to_string(),
        },
        other => other.to_string(),
    }
}
