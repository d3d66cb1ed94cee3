//! A cell: a slice of accounts with its own index and its own segments.
//!
//! One writer at a time, any number of readers beside it. Two ways to write, and no third:
//!
//! * [`Cell::deliver`]: messages. Their records go into a segment and are synced; then the index commits without a
//!   sync of its own, and catches up from the segment when it is opened. Deliveries that wait at the same time share
//!   one sync (group commit).
//! * [`Cell::write`]: everything else. Durable by the index's own synced commit. Messages that it brings into a mailbox,
//!   as a copy or a move does, are in a segment before that too.

mod batch;
mod beside;
mod damage;
mod replay;
mod tx;
mod view;
mod writer;

pub(crate) use replay::{Replay, catch_up, make_inboxes};
pub use tx::Tx;
pub use view::{Journal, View};

use crate::derived::Derived;
use crate::disk::Disk;
use crate::error::StoreError;
use crate::group::{self, Group, fail_all, lock};
use crate::index::{delivered, rows, sqlite};
use crate::readers::Readers;
use crate::segment::log::{Log, Segments};
use crate::segment::payload::Payload;
use crate::segment::record::Kind;
use crate::segment::sweep::Sweep;
use crate::served::{Images, Touched};
use crate::spool::DeliveryId;
use crate::types::{AccountId, Blob, LIVE, LineageId, MailboxId, Origin, Traits};
use crate::writer::{Writer, segments_beside};
use message::{Address, Digest, Examined, Flags, Identity, Keyword};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use tx::Trace;

type Result<T> = std::result::Result<T, StoreError>;

/// zstd level of stored bytes: see `docs/performance.md` for what others cost and save.
pub(crate) const ZSTD_LEVEL: i32 = 1;
/// Manifests are written once per integration and kept for long.
const MANIFEST_ZSTD_LEVEL: i32 = 3;
const INDEX: &str = "index.sqlite";
/// How long a delivery is known by its id: longer than anybody goes on trying.
pub(crate) const ID_LIFETIME_S: i64 = 14 * 86_400;
/// How long an id is remembered whose message was expunged or moved, in seconds. Whoever did not hear an answer has asked
/// again by then; a message that is sent once more later is one that somebody misses.
pub(crate) const GONE_ID_LIFETIME_S: i64 = 86_400;
/// Ids forgotten at a time: who writes beside it waits for so many.
const FORGOTTEN_AT_ONCE: usize = 1024;
/// Before the key of an address that no live account has any more, which the segments have yet to be told.
const REMOVED: &str = "removed ";
/// Before the key of an address whose live account is gone: the highest UIDVALIDITY that was served there. Clients may
/// meet another account at the address.
const SERVED: &str = "served ";

/// A slice of accounts with its own index and segments: the unit of failure, backup and parallel work.
pub struct Cell {
    number: u32,
    dir: PathBuf,
    vfs: Option<String>,
    segments: Arc<Segments>,
    /// `None` where another process writes.
    writer: Option<Mutex<Writer>>,
    /// Deliveries that wait for the next sync.
    group: Group<Vec<Delivery>, Vec<Delivered>>,
    readers: Readers,
    pub(crate) derived: Derived,
    pub(crate) images: Images,
    pub(crate) listener: OnceLock<Listener>,
}

/// Hears of every account that a commit changed, those of hidden lineages too: the cell's number and the account's. It is
/// called on the thread that changed the account, which waits for it.
pub type Listener = Arc<dyn Fn(u32, AccountId) + Send + Sync>;

/// How a cell is opened.
#[derive(Clone)]
pub(crate) struct CellOptions {
    pub(crate) number: u32,
    pub(crate) store: [u8; 16],
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) vfs: Option<String>,
    pub(crate) segment_bytes: u64,
}

/// Message bytes made ready: hashed, packed, checksummed. The part of a delivery that needs no writer.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(crate) digest: Digest,
    identity: Identity,
    message_id: Option<u64>,
    first_field: Option<u64>,
    size_bytes: u64,
    pub(crate) payload: Option<Payload>,
}

impl Prepared {
    /// Packs a message in CRLF form for storing.
    pub fn new(crlf: &[u8], examined: &Examined) -> Self {
        Prepared { payload: Some(Payload::pack(crlf, ZSTD_LEVEL)), ..Self::known(examined) }
    }

    /// A message whose bytes the cell is known to have ([`Cell::has`]).
    pub fn known(examined: &Examined) -> Self {
        Prepared {
            digest: examined.digest,
            identity: examined.identity,
            message_id: examined.message_id,
            first_field: examined.first_field,
            size_bytes: examined.size_bytes,
            payload: None,
        }
    }

    /// A message whose bytes the index knows.
    pub(crate) fn of(blob: &Blob) -> Self {
        let Blob { digest, identity, message_id, first_field, size_bytes, .. } = *blob;
        Prepared { digest, identity, message_id, first_field, size_bytes, payload: None }
    }

    /// Length in CRLF form.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Bytes that this takes in memory and will take in a segment.
    pub fn stored_bytes(&self) -> u64 {
        self.payload.as_ref().map_or(0, |p| p.stored.len() as u64)
    }
}

/// A message to put into a mailbox.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Whose.
    pub account: AccountId,
    /// Where.
    pub mailbox: MailboxId,
    /// `None`: the next UID. A given UID that already names the same bytes there is no delivery again.
    pub uid: Option<u32>,
    /// The bytes.
    pub message: Prepared,
    /// System flags.
    pub flags: Flags,
    /// Keywords, each once, sorted.
    pub keywords: Vec<Keyword>,
    /// INTERNALDATE, seconds since 1970 UTC.
    pub internal_date: i64,
    /// POP3 UIDL where it is not what the rule makes.
    pub uidl: Option<String>,
    /// Marks.
    pub traits: Traits,
    /// For a staged message: its number among the account's items, what it is, and where it lies.
    pub item: Option<(i64, u8, Origin)>,
    /// Names it, where it may be tried again by somebody who does not know what came of it: what the account has under
    /// this id already is not delivered again, to whichever mailbox. Once it is not where it was put any more, that holds for
    /// a day: who sends it again after that sends it because it is gone.
    pub id: Option<DeliveryId>,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Its UID.
    pub uid: u32,
    /// UIDVALIDITY of its mailbox; only a staged one may have none.
    pub uidvalidity: Option<u32>,
    /// Its modification sequence, which it shares with what was delivered to the mailbox in the same call; of one that
    /// was there already, the mailbox's. 0 in a hidden lineage.
    pub modseq: u64,
    /// Whether its bytes were new to the cell.
    pub new_bytes: bool,
    /// Whether the account had it by its [`DeliveryId`] already, so that nothing was done: UID and UIDVALIDITY are then
    /// those that it was given at first.
    pub repeated: bool,
}

type Ticket = group::Ticket<Vec<Delivery>, Vec<Delivered>>;

/// What catching up found that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// In which cell.
    pub cell: u32,
    /// What, one sentence without a full stop.
    pub text: String,
}

impl Cell {
    /// Opens a cell, making it in an empty directory, and lets its index catch up with its segments.
    pub(crate) fn open(dir: &Path, options: CellOptions) -> Result<(Self, Vec<Finding>)> {
        let index = dir.join(INDEX);
        let segments = segments_beside(&options.disk, dir, &index)?;
        let db = sqlite::open_writer(&index, options.vfs.as_deref(), sqlite::CELL, segments.numbers()?.is_empty())?;
        options.disk.sync_dir(dir).map_err(StoreError::io(dir))?;
        let CellOptions { number, store, vfs, segment_bytes, .. } = options;
        let (derived, found) = Derived::open(dir, vfs.as_deref(), &db)?;
        let mut findings: Vec<Finding> = found.into_iter().map(|text| Finding { cell: number, text }).collect();
        let end = catch_up(&db, &segments, number, Replay::Deliveries, &mut findings)?;
        segments.damaged.set_noted(damage::noted(&db)?);
        let log = Log::open(segments.clone(), number, store, segment_bytes, end)?;
        let writer = Some(Mutex::new(Writer::new(db, log, &index)));
        let (group, readers) = (Group::default(), Readers::new(index, vfs.clone()));
        let (images, listener) = Default::default();
        let cell =
            Cell { number, dir: dir.to_owned(), vfs, segments, writer, group, readers, derived, images, listener };
        match cell.flush_manifests() {
            // What is there can be read for all that.
            Err(full) if full.is_disk_full() => {
                let text = format!("the segments could not be told of every account: {full}");
                findings.push(Finding { cell: number, text });
            }
            flushed => flushed?,
        }
        Ok((cell, findings))
    }

    /// The cell's number.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The cell's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn segments(&self) -> &Segments {
        &self.segments
    }

    /// Reads a consistent state of the cell. Readers never wait for the writer, nor it for them.
    ///
    /// # Errors
    /// Those of `body`; those of the index.
    pub fn read<T>(&self, body: impl FnOnce(&View<'_>) -> Result<T>) -> Result<T> {
        self.readers.read(|db| body(&View { db, segments: &self.segments }))
    }

    /// Changes anything that is no delivery, in one transaction. When it returns, the change survives a power loss.
    ///
    /// # Errors
    /// Those of `body`, which then changed nothing; those of the index.
    pub fn write<T>(&self, body: impl FnOnce(&Tx<'_>) -> Result<T>) -> Result<T> {
        self.change(true, body)
    }

    /// As [`Cell::write`], but a power loss may take the change back, together with everything that came after it in
    /// this cell's index and is no delivery. For work that is done again when it is found undone (staging).
    ///
    /// # Errors
    /// As [`Cell::write`].
    pub fn write_unsynced<T>(&self, body: impl FnOnce(&Tx<'_>) -> Result<T>) -> Result<T> {
        self.change(false, body)
    }

    fn change<T>(&self, durable: bool, body: impl FnOnce(&Tx<'_>) -> Result<T>) -> Result<T> {
        let mut writer = self.ready_writer()?;
        let (mut trace, mut began) = (Trace::default(), false);
        let result = writer.transact(durable, |db, log| {
            let tx = Tx::new(View { db, segments: &self.segments }, log);
            let result = body(&tx);
            trace = tx.into_trace();
            if result.is_ok() {
                self.images.begin(&trace.touched);
                began = true;
            }
            result
        });
        if began {
            self.images.end(&trace.touched, result.is_ok());
        }
        // Records without their rows: the index must catch up with them.
        writer.failed |= trace.appended && result.is_err();
        if result.is_ok() {
            trace.healed.iter().for_each(|place| self.segments.damaged.forget(*place));
        }
        drop(writer);
        if result.is_ok() {
            self.tell(&trace.touched);
        }
        result
    }

    /// Tells who listens. Without any lock: who is told may ask the cell at once.
    fn tell(&self, touched: &Touched) {
        if let Some(listener) = self.listener.get() {
            touched.iter().for_each(|(account, _)| listener(self.number, account));
        }
    }

    /// Puts messages into mailboxes: all of them or none. When it returns, they survive a power loss.
    ///
    /// Bytes that are known to be damaged here ([`Cell::note_damage`]) are stored anew, for every message that has them, if
    /// this brings them; also for one that is no delivery because it is there already.
    ///
    /// # Errors
    /// [`StoreError::Caller`] when a mailbox does not exist or a UID is taken, and then nothing was delivered;
    /// [`StoreError::Write`] when the disk fails or is full: what of it is in the cell is then not known to the
    /// caller, and delivering again with the same UIDs is harmless.
    pub fn deliver(&self, deliveries: Vec<Delivery>) -> Result<Vec<Delivered>> {
        if deliveries.is_empty() {
            return Ok(Vec::new());
        }
        let mut touched = Touched::default();
        let delivered = self.group.join(deliveries, || {
            let writer = self.ready_writer();
            let group = self.group.take();
            match writer {
                Ok(mut writer) => touched = writer.deliver(&group, &self.segments, &self.images),
                Err(error) => fail_all(&group, error),
            }
        });
        self.tell(&touched);
        delivered
    }

    /// Makes everything that was ever written to the cell durable.
    ///
    /// # Errors
    /// Those of the disk and of the index.
    pub fn sync(&self) -> Result<()> {
        self.ready_writer()?.sync()
    }

    /// Forgets ids of deliveries ([`DeliveryId`]) that are older than 14 days at a time in seconds since 1970 UTC: up to 1024
    /// of them. Gives how many, so that a caller goes on while there are some.
    ///
    /// # Errors
    /// Those of the index.
    pub fn forget_delivery_ids(&self, now_s: i64) -> Result<usize> {
        let before = now_s.saturating_sub(ID_LIFETIME_S);
        // Nobody waits for the writer for nothing.
        if self.readers.read(delivered::oldest)?.is_none_or(|oldest| oldest >= before) {
            return Ok(0);
        }
        self.ready_writer()?.transact(false, |db, _| delivered::forget(db, before, FORGOTTEN_AT_ONCE))
    }

    pub(crate) fn copy_index(&self, to: &Path) -> Result<()> {
        sqlite::copy(&self.dir.join(INDEX), self.vfs.as_deref(), to)
    }

    /// Reads a message's bytes in CRLF form without asking the index; they are checked against their digest.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the record is damaged; those of the disk.
    pub fn bytes(&self, blob: &Blob) -> Result<Vec<u8>> {
        self.segments.bytes(blob)
    }

    /// As [`Cell::bytes`], for a reader of many messages: in stretches, and from the disk itself where the system can, so
    /// that what stands there is what was read.
    ///
    /// # Errors
    /// As [`Cell::bytes`].
    pub fn bytes_swept<'c>(&'c self, blob: &Blob, sweep: &mut Sweep<'c>) -> Result<Vec<u8>> {
        self.segments.bytes_swept(blob, sweep)
    }

    /// What the cell knows of bytes with this digest, whether they are damaged or not: see [`Cell::has`].
    ///
    /// # Errors
    /// Those of the index.
    pub fn knows(&self, digest: &Digest) -> Result<Option<Blob>> {
        self.read(|view| view.blob(digest))
    }

    /// Writes the state of every account into the segments that asked for it ([`Tx::describe`]), or that has messages
    /// whose damaged bytes were stored anew ([`Cell::deliver`]).
    ///
    /// # Errors
    /// Those of the disk and of the index. The accounts stay marked, and the next opening tries again.
    pub fn flush_manifests(&self) -> Result<()> {
        let due = rows::manifests_due(&self.ready_writer()?.db)?;
        // One sync for a handful of accounts: few enough that their states fit in memory. Between them others may write.
        for chunk in due.chunks(16) {
            self.ready_writer()?.append_manifests(chunk, &self.segments)?;
        }
        self.ready_writer()?.append_removals()
    }

    /// Drops a hidden lineage: its accounts, messages and items. The bytes stay until they are compacted.
    ///
    /// # Errors
    /// [`StoreError::Caller`] for the live lineage; those of the disk and of the index.
    pub fn forget_lineage(&self, lineage: LineageId) -> Result<()> {
        self.forget_lineage_but(lineage, None)
    }

    /// As [`Cell::forget_lineage`], but for one account of it, which stays hidden and readable.
    ///
    /// # Errors
    /// As [`Cell::forget_lineage`].
    pub fn forget_lineage_but(&self, lineage: LineageId, kept: Option<&Address>) -> Result<()> {
        if lineage == LIVE {
            return Err(StoreError::Caller("the live lineage cannot be forgotten".into()));
        }
        let mut writer = self.ready_writer()?;
        let mut accounts = rows::accounts(&writer.db, Some(lineage))?;
        accounts.retain(|a| Some(a.address.as_str()) != kept.map(Address::as_str));
        if accounts.is_empty() {
            return Ok(());
        }
        // The segments first: stopped in between, the index still has it, and it is forgotten again.
        let mut meta = lineage.0.to_le_bytes().to_vec();
        meta.extend_from_slice(kept.map_or("", Address::as_str).as_bytes());
        let digest = Digest::from(blake3::hash(&[]));
        writer.append_other(|log| log.append(Kind::Forget, digest, &Payload::elsewhere(0), &meta).map(|_| ()))?;
        writer.transact(true, |db, _| accounts.iter().try_for_each(|account| rows::delete_account(db, account.id)))
    }

    /// Gives back reserved room and writes the WAL back: the store is about to be left alone.
    pub(crate) fn settle(&self) -> Result<()> {
        let noted = self.note_what_readers_met();
        self.ready_writer()?.settle()?;
        match noted {
            // It will be met again.
            Err(full) if full.is_disk_full() => Ok(()),
            noted => noted,
        }
    }

    /// The writer, after it has made good what a failure left.
    fn ready_writer(&self) -> Result<MutexGuard<'_, Writer>> {
        let mut writer = lock(self.writer.as_ref().ok_or(StoreError::ReadOnly)?);
        if writer.failed {
            let segments = &self.segments;
            writer.recover(segments, |db| {
                catch_up(db, segments, self.number, Replay::Deliveries, &mut Vec::new()).map(|_| ())
            })?;
            self.images.forget();
        }
        Ok(writer)
    }
}
