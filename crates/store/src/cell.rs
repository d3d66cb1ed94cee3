//! A cell: a slice of accounts with its own index and its own segments.
//!
//! One writer at a time, any number of readers beside it. Two ways to write, and no third:
//!
//! * [`Cell::deliver`]: messages. Their records go into a segment and are synced; then the index commits without a
//!   sync of its own, and catches up from the segment when it is opened. Deliveries that wait at the same time share
//!   one sync (group commit).
//! * [`Cell::write`]: everything else. Durable by the index's own synced commit.

use crate::disk::Disk;
use crate::error::StoreError;
use crate::index::{rows, sqlite};
use crate::manifest::{AccountState, MailboxState, Manifest};
use crate::segment::log::{Found, Log, ScanEnd, Segments, write_file_again};
use crate::segment::record::{self, Codec, HEAD_LEN, Head, Kind, MAX_META_LEN, Payload, SEGMENT_HEAD_LEN};
use crate::types::{
    Account, AccountId, Blob, BlobId, Item, LIVE, LineageId, Mailbox, MailboxId, Message, NewMailbox, Origin, Place,
    Traits,
};
use message::{Address, Digest, Examined, Flags, Identity, Keyword, MailboxName};
use rusqlite::Connection;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

type Result<T> = std::result::Result<T, StoreError>;

/// zstd level of stored bytes: see `docs/performance.md` for what others cost and save.
const ZSTD_LEVEL: i32 = 1;
/// Manifests are written once per integration and kept for long.
const MANIFEST_ZSTD_LEVEL: i32 = 3;
/// Idle readers kept open.
const IDLE_READERS: usize = 4;
const INDEX: &str = "index.sqlite";
const TAIL: &str = "tail";
/// How often the cell was told to make everything durable.
const SYNCED: &str = "synced";
/// Before the key of an address that no live account has any more, which the segments have yet to be told.
const REMOVED: &str = "removed ";
/// Before the key of an address whose live account is gone: the highest UIDVALIDITY that was served there. Clients may
/// meet another account at the address.
const SERVED: &str = "served ";
/// Before segment and position of a stretch that could not be taken into the index, and was reported as that.
const LEFT: &str = "left ";
/// More than the fixed fields and the numbers of a delivery's meta take.
const META_ROOM: usize = 512;

/// A slice of accounts with its own index and segments: the unit of failure, backup and parallel work.
pub struct Cell {
    number: u32,
    dir: PathBuf,
    vfs: Option<String>,
    segments: Arc<Segments>,
    writer: Mutex<Writer>,
    queue: Mutex<Queue>,
    turn: Condvar,
    readers: Mutex<Vec<Connection>>,
}

/// How a cell is opened.
#[derive(Clone)]
pub(crate) struct CellOptions {
    pub(crate) number: u32,
    pub(crate) store: [u8; 16],
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) vfs: Option<String>,
    pub(crate) segment_bytes: u64,
}

struct Writer {
    db: Connection,
    log: Log,
    cell: u32,
    wal: PathBuf,
    /// Something failed half-way: what is in segment and index must be compared before anything else is written.
    failed: bool,
}

/// Message bytes made ready: hashed, packed, checksummed. The part of a delivery that needs no writer.
#[derive(Clone, Debug)]
pub struct Prepared {
    digest: Digest,
    identity: Identity,
    message_id: Option<u64>,
    first_field: Option<u64>,
    size_bytes: u64,
    payload: Option<Payload>,
}

impl Prepared {
    /// Packs a message in CRLF form for storing.
    pub fn new(crlf: &[u8], examined: &Examined) -> Self {
        Prepared { payload: Some(Payload::pack(crlf, ZSTD_LEVEL)), ..Self::known(examined) }
    }

    /// A message whose bytes the cell is known to have ([`Cell::knows`]).
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
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Its UID.
    pub uid: u32,
    /// Whether its bytes were new to the cell.
    pub new_bytes: bool,
}

struct Ticket {
    deliveries: Vec<Delivery>,
    done: Mutex<Option<Result<Vec<Delivered>>>>,
}

/// Deliveries that wait for the next sync.
#[derive(Default)]
struct Queue {
    tickets: Vec<Arc<Ticket>>,
    /// One of those who wait is writing for all.
    led: bool,
}

/// Hands over to the next leader, also when a panic ends this one.
struct Leader<'a>(&'a Cell);

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        lock(&self.0.queue).led = false;
        self.0.turn.notify_all();
    }
}

/// A mailbox as a group of deliveries uses it.
struct Slot {
    account: Account,
    mailbox: Mailbox,
}

/// What catching up found that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// In which cell.
    pub cell: u32,
    /// What, one sentence without a full stop.
    pub text: String,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while the lock was held is covered by `Writer::failed`; the data behind it is still true.
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

impl Cell {
    /// Opens a cell, making it in an empty directory, and lets its index catch up with its segments.
    pub(crate) fn open(dir: &Path, options: CellOptions) -> Result<(Self, Vec<Finding>)> {
        let segment_dir = dir.join("segments");
        options.disk.create_dir_all(&segment_dir).map_err(StoreError::io(&segment_dir))?;
        let segments = Arc::new(Segments::new(options.disk.clone(), segment_dir));
        segments.sync_names()?;
        let index = dir.join(INDEX);
        let wal = sqlite::wal_path(&index);
        // Before anything is believed that stands in it: see `Segments::write_again`.
        write_file_again(&*options.disk, &wal)?;
        let db = sqlite::open_writer(&index, options.vfs.as_deref(), segments.numbers()?.is_empty())?;
        options.disk.sync_dir(dir).map_err(StoreError::io(dir))?;
        let CellOptions { number, store, vfs, segment_bytes, .. } = options;
        let mut findings = Vec::new();
        let end = catch_up(&db, &segments, number, Replay::Deliveries, &mut findings)?;
        let log = Log::open(segments.clone(), number, store, segment_bytes, end)?;
        let writer = Mutex::new(Writer { db, log, cell: number, wal, failed: false });
        let (queue, turn, readers) = (Mutex::default(), Condvar::new(), Mutex::default());
        let cell = Cell { number, dir: dir.to_owned(), vfs, segments, writer, queue, turn, readers };
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
        let idle = lock(&self.readers).pop();
        let mut db = match idle {
            Some(db) => db,
            None => sqlite::open_reader(&self.dir.join(INDEX), self.vfs.as_deref())?,
        };
        let tx = db.transaction()?;
        let result = body(&View { db: &tx, segments: &self.segments });
        tx.rollback()?;
        let mut readers = lock(&self.readers);
        if readers.len() < IDLE_READERS {
            readers.push(db);
        }
        result
    }

    /// Changes anything that is no delivery, in one transaction. When it returns, the change survives a power loss.
    ///
    /// # Errors
    /// Those of `body`, which then changed nothing; those of the index.
    pub fn write<T>(&self, body: impl FnOnce(&Tx<'_>) -> Result<T>) -> Result<T> {
        let mut writer = self.ready_writer()?;
        let segments = &self.segments;
        writer.transact(true, |db| body(&Tx { view: View { db, segments } }))
    }

    /// As [`Cell::write`], but a power loss may take the change back, together with everything that came after it in
    /// this cell's index and is no delivery. For work that is done again when it is found undone (staging).
    ///
    /// # Errors
    /// As [`Cell::write`].
    pub fn write_unsynced<T>(&self, body: impl FnOnce(&Tx<'_>) -> Result<T>) -> Result<T> {
        let mut writer = self.ready_writer()?;
        let segments = &self.segments;
        writer.transact(false, |db| body(&Tx { view: View { db, segments } }))
    }

    /// Puts messages into mailboxes: all of them or none. When it returns, they survive a power loss.
    ///
    /// # Errors
    /// [`StoreError::Caller`] when a mailbox does not exist or a UID is taken, and then nothing was delivered;
    /// [`StoreError::Write`] when the disk fails or is full: what of it is in the cell is then not known to the
    /// caller, and delivering again with the same UIDs is harmless.
    pub fn deliver(&self, deliveries: Vec<Delivery>) -> Result<Vec<Delivered>> {
        if deliveries.is_empty() {
            return Ok(Vec::new());
        }
        let ticket = Arc::new(Ticket { deliveries, done: Mutex::new(None) });
        let mut queue = lock(&self.queue);
        queue.tickets.push(ticket.clone());
        // Not on the writer's lock: who waits there for its turn to hear that it is done holds up the next group.
        while queue.led {
            queue = self.turn.wait(queue).unwrap_or_else(|e| e.into_inner());
            if let Some(done) = lock(&ticket.done).take() {
                return done;
            }
        }
        queue.led = true;
        drop(queue);
        let _leader = Leader(self);
        let mut writer = self.ready_writer();
        let group = std::mem::take(&mut lock(&self.queue).tickets);
        match &mut writer {
            Ok(writer) => writer.deliver(&group),
            Err(e) => fail_all(&group, std::mem::replace(e, StoreError::Stopped)),
        }
        drop(writer);
        lock(&ticket.done).take().unwrap_or(Err(StoreError::Stopped))
    }

    /// Makes everything that was ever written to the cell durable.
    ///
    /// # Errors
    /// Those of the disk and of the index.
    pub fn sync(&self) -> Result<()> {
        // Only a commit with changes syncs the index's log, and it syncs all of it.
        let mut writer = self.ready_writer()?;
        writer.transact(true, |db| {
            // A value that stands there already would be no change: the time of day is one twice in a second.
            let count: u64 = rows::note(db, SYNCED)?.and_then(|n| n.parse().ok()).unwrap_or(0);
            rows::set_note(db, SYNCED, &count.wrapping_add(1).to_string())
        })
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

    /// What the cell knows of bytes with this digest: they need not be stored again.
    ///
    /// # Errors
    /// Those of the index.
    pub fn knows(&self, digest: &Digest) -> Result<Option<Blob>> {
        self.read(|view| view.blob(digest))
    }

    /// Writes the state of every account that asked for it ([`Tx::describe`]) into the segments.
    ///
    /// # Errors
    /// Those of the disk and of the index. The accounts stay marked, and the next opening tries again.
    pub fn flush_manifests(&self) -> Result<()> {
        let mut writer = self.ready_writer()?;
        let due = rows::manifests_due(&writer.db)?;
        // One sync for a handful of accounts: few enough that their states fit in memory.
        for chunk in due.chunks(16) {
            writer.append_manifests(chunk, &self.segments)?;
        }
        writer.append_removals()
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
        writer.transact(true, |db| accounts.iter().try_for_each(|account| rows::delete_account(db, account.id)))
    }

    /// Gives back reserved room and writes the WAL back: the store is about to be left alone.
    pub(crate) fn settle(&self) -> Result<()> {
        let mut writer = self.ready_writer()?;
        writer.log.trim()?;
        let written = sqlite::write_back(&writer.db);
        writer.failed = written.is_err();
        written
    }

    /// The writer, after it has made good what a failure left.
    fn ready_writer(&self) -> Result<MutexGuard<'_, Writer>> {
        let mut writer = lock(&self.writer);
        if writer.failed {
            writer.recover(&self.segments)?;
        }
        Ok(writer)
    }
}

fn fail_all(group: &[Arc<Ticket>], error: StoreError) {
    let error = Arc::new(error);
    for ticket in group {
        lock(&ticket.done).get_or_insert_with(|| Err(StoreError::Write(error.clone())));
    }
}

impl Writer {
    fn recover(&mut self, segments: &Segments) -> Result<()> {
        if !self.db.is_autocommit() {
            self.db.execute_batch("ROLLBACK")?;
        }
        self.log.recover()?;
        // A failed sync of the WAL may have left a hole in it, behind which nothing would survive.
        write_file_again(segments.disk(), &self.wal)?;
        let mut findings = Vec::new();
        catch_up(&self.db, segments, self.cell, Replay::Deliveries, &mut findings)?;
        self.failed = false;
        Ok(())
    }

    fn transact<T>(&mut self, durable: bool, body: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        if durable {
            sqlite::full_sync(&self.db, true)?;
        }
        self.failed = true;
        let mut commit_failed = false;
        let result = (|| {
            let tx = rusqlite::Transaction::new(&mut self.db, rusqlite::TransactionBehavior::Immediate)?;
            match body(&tx) {
                Ok(value) => {
                    let committed = tx.commit();
                    commit_failed = committed.is_err();
                    Ok(committed.map(|()| value)?)
                }
                Err(error) => tx.rollback().map_err(StoreError::from).and(Err(error)),
            }
        })();
        // A transaction that was rolled back whole leaves nothing to make good, unless it was at the disk already.
        self.failed = commit_failed || !self.db.is_autocommit();
        self.write_back();
        if durable {
            sqlite::full_sync(&self.db, false)?;
        }
        result
    }

    /// Writes the WAL back when that is due. A failure fails nobody: what was committed is in the WAL.
    fn write_back(&mut self) {
        if !self.failed && sqlite::write_back_if_due(&self.db).is_err_and(|e| !e.is_disk_full()) {
            self.failed = true;
        }
    }

    fn deliver(&mut self, group: &[Arc<Ticket>]) {
        self.failed = true;
        match self.try_deliver(group) {
            Ok(()) => self.failed = false,
            Err(error) => fail_all(group, error),
        }
        self.write_back();
    }

    fn try_deliver(&mut self, group: &[Arc<Ticket>]) -> Result<()> {
        let mut batch = Batch::default();
        let mut results: Vec<Result<Vec<Delivered>>> = Vec::with_capacity(group.len());
        for ticket in group {
            results.push(match batch.admit(&self.db, &ticket.deliveries) {
                Ok(plan) => Ok(batch.append(&mut self.log, &ticket.deliveries, plan)?),
                Err(error @ StoreError::Caller(_)) => Err(error),
                Err(error) => return Err(error),
            });
        }
        let tail = self.log.commit()?;
        let tx = rusqlite::Transaction::new(&mut self.db, rusqlite::TransactionBehavior::Immediate)?;
        batch.index(&tx)?;
        if let Some(tail) = tail {
            set_tail(&tx, tail)?;
        }
        tx.commit()?;
        for (ticket, result) in group.iter().zip(results) {
            *lock(&ticket.done) = Some(result);
        }
        Ok(())
    }

    fn append_manifests(&mut self, accounts: &[AccountId], segments: &Segments) -> Result<()> {
        let mut manifests = Vec::new();
        for id in accounts {
            let view = View { db: &self.db, segments };
            let Some(account) = rows::account_by_id(&self.db, *id)? else { continue };
            let state = Some(view.account_state(*id)?);
            manifests.push(Manifest { account: id.0, address: account.address, state });
        }
        self.append_other(|log| {
            for manifest in &manifests {
                append_manifest(log, manifest)?;
            }
            Ok(())
        })?;
        self.transact(false, |db| accounts.iter().try_for_each(|id| rows::set_manifest_due(db, *id, false)))
    }

    fn append_removals(&mut self) -> Result<()> {
        let removed = rows::notes_like(&self.db, REMOVED)?;
        if removed.is_empty() {
            return Ok(());
        }
        self.append_other(|log| {
            for (name, id) in &removed {
                let account = id.parse().map_err(|_| StoreError::BadRow(format!("note {name:?}")))?;
                append_manifest(log, &Manifest { account, address: name[REMOVED.len()..].to_owned(), state: None })?;
            }
            Ok(())
        })?;
        self.transact(false, |db| removed.iter().try_for_each(|(name, _)| rows::delete_note(db, name)))
    }

    /// Appends records that are no deliveries, durably, and moves the tail behind them.
    fn append_other(&mut self, append: impl FnOnce(&mut Log) -> Result<()>) -> Result<()> {
        self.failed = true;
        append(&mut self.log)?;
        let tail = self.log.commit()?;
        self.failed = false;
        self.transact(false, |db| tail.map_or(Ok(()), |tail| set_tail(db, tail)))
    }
}

fn append_manifest(log: &mut Log, manifest: &Manifest) -> Result<()> {
    let raw = manifest.state.as_ref().map(AccountState::encode).unwrap_or_default();
    let digest = Digest::from(blake3::hash(&raw));
    log.append(Kind::Manifest, digest, &Payload::pack(&raw, MANIFEST_ZSTD_LEVEL), &manifest.meta()).map(|_| ())
}

fn set_tail(db: &Connection, tail: Place) -> Result<()> {
    rows::set_note(db, TAIL, &format!("{} {}", tail.segment, tail.position))
}

/// Up to where the index knows the segments.
pub(crate) fn tail(db: &Connection) -> Result<Option<Place>> {
    let Some(text) = rows::note(db, TAIL)? else { return Ok(None) };
    let parsed = text.split_once(' ').and_then(|(s, p)| Some((s.parse().ok()?, p.parse().ok()?)));
    let (segment, position) = parsed.ok_or_else(|| StoreError::BadRow(format!("tail {text:?}")))?;
    Ok(Some(Place { segment, position }))
}

/// A group of deliveries on its way: what was appended and must be indexed.
#[derive(Default)]
struct Batch {
    slots: HashMap<(AccountId, MailboxId), Slot>,
    /// UIDs given in this batch, with their digest.
    taken: HashMap<(AccountId, MailboxId, u32), Digest>,
    blobs: HashMap<Digest, BlobRef>,
    rows: Vec<BatchRow>,
}

#[derive(Clone, Copy)]
enum BlobRef {
    Known(BlobId),
    New(Blob),
}

struct BatchRow {
    account: AccountId,
    mailbox: MailboxId,
    digest: Digest,
    message: Message,
    item: Option<(i64, u8, Origin)>,
}

/// For each delivery of a ticket: its UID, or that it is there already.
enum Admitted {
    At(u32),
    There(u32),
}

impl Batch {
    /// Checks a ticket's deliveries before anything of it is written.
    fn admit(&mut self, db: &Connection, deliveries: &[Delivery]) -> Result<Vec<Admitted>> {
        let mut next: HashMap<(AccountId, MailboxId), u32> = HashMap::new();
        let mut taken: HashMap<(AccountId, MailboxId, u32), Digest> = HashMap::new();
        let mut admitted = Vec::with_capacity(deliveries.len());
        for d in deliveries {
            let at = (d.account, d.mailbox);
            let slot = match self.slots.entry(at) {
                Entry::Occupied(slot) => slot.into_mut(),
                Entry::Vacant(empty) => {
                    let missing = || StoreError::Caller(format!("account {} has no mailbox {}", at.0.0, at.1.0));
                    let account = rows::account_by_id(db, d.account)?.ok_or_else(missing)?;
                    let found = rows::mailboxes(db, d.account)?.into_iter().find(|m| m.id == d.mailbox);
                    empty.insert(Slot { account, mailbox: found.ok_or_else(missing)? })
                }
            };
            if meta_bound(slot, d) > MAX_META_LEN {
                let text = format!("a delivery to mailbox {} of account {} has too many keywords", at.1.0, at.0.0);
                return Err(StoreError::Caller(text));
            }
            let digest = d.message.digest;
            if let Entry::Vacant(unknown) = self.blobs.entry(digest) {
                match rows::blob_by_digest(db, &digest)? {
                    Some(known) => _ = unknown.insert(BlobRef::Known(known.id)),
                    None if d.message.payload.is_some() => {}
                    None => return Err(StoreError::Caller(format!("the cell has no bytes of {digest}"))),
                }
            }
            let uidnext = next.entry(at).or_insert(slot.mailbox.uidnext);
            let uid = d.uid.unwrap_or(*uidnext);
            if uid == 0 || uid == u32::MAX {
                return Err(StoreError::Caller(format!("mailbox {} of account {} has no UIDs left", at.1.0, at.0.0)));
            }
            let name = (at.0, at.1, uid);
            let there = match taken.get(&name).or_else(|| self.taken.get(&name)) {
                Some(digest) => Some(*digest),
                None => match rows::message(db, at.0, at.1, uid)? {
                    Some(row) => rows::blob_by_id(db, row.blob)?.map(|b| b.digest),
                    None => None,
                },
            };
            match there {
                Some(digest) if digest == d.message.digest => admitted.push(Admitted::There(uid)),
                Some(_) => {
                    let text = format!("UID {uid} of mailbox {} of account {} is taken", at.1.0, at.0.0);
                    return Err(StoreError::Caller(text));
                }
                None if uid < slot.mailbox.uidnext && rows::is_expunged(db, at.0, at.1, uid)? => {
                    let text = format!("UID {uid} of mailbox {} of account {} is expunged", at.1.0, at.0.0);
                    return Err(StoreError::Caller(text));
                }
                None => {
                    taken.insert(name, digest);
                    *uidnext = (*uidnext).max(uid + 1);
                    admitted.push(Admitted::At(uid));
                }
            }
        }
        Ok(admitted)
    }

    fn append(&mut self, log: &mut Log, deliveries: &[Delivery], plan: Vec<Admitted>) -> Result<Vec<Delivered>> {
        let save_date = crate::now();
        let mut delivered = Vec::with_capacity(deliveries.len());
        for (d, admitted) in deliveries.iter().zip(plan) {
            let uid = match admitted {
                Admitted::At(uid) => uid,
                Admitted::There(uid) => {
                    delivered.push(Delivered { uid, new_bytes: false });
                    continue;
                }
            };
            let p = &d.message;
            let slot = self.slots.get_mut(&(d.account, d.mailbox)).expect("admitted deliveries have a slot");
            let live = slot.account.lineage == LIVE;
            if counts(slot.account.lineage, d.traits) {
                slot.mailbox.uidnext = slot.mailbox.uidnext.max(uid + 1);
            }
            if live {
                slot.mailbox.highest_modseq += 1;
            }
            let modseq = if live { slot.mailbox.highest_modseq } else { 0 };
            let meta = record::Delivery {
                lineage: slot.account.lineage.0,
                account: d.account.0,
                address: slot.account.address.clone(),
                mailbox: d.mailbox.0,
                mailbox_name: slot.mailbox.name.clone(),
                uidvalidity: slot.mailbox.uidvalidity,
                uid,
                modseq,
                internal_date: d.internal_date,
                save_date,
                flags: d.flags,
                keywords: d.keywords.clone(),
                uidl: d.uidl.clone(),
                traits: d.traits.0,
                identity: p.identity,
                message_id: p.message_id,
                first_field: p.first_field,
                item: d.item.clone(),
            };
            let new_bytes = !self.blobs.contains_key(&p.digest);
            let elsewhere = Payload::elsewhere(p.size_bytes);
            let payload = p.payload.as_ref().filter(|_| new_bytes).unwrap_or(&elsewhere);
            let place = log.append(Kind::Delivery, p.digest, payload, &meta.encode())?;
            if new_bytes {
                self.blobs.insert(p.digest, BlobRef::New(blob_of(&meta, p.digest, p.size_bytes, place)));
            }
            self.taken.insert((d.account, d.mailbox, uid), p.digest);
            let (message, item) = (message_of(&meta, &d.keywords), d.item.clone());
            let (account, mailbox) = (d.account, d.mailbox);
            self.rows.push(BatchRow { account, mailbox, digest: p.digest, message, item });
            delivered.push(Delivered { uid, new_bytes });
        }
        Ok(delivered)
    }

    fn index(mut self, db: &Connection) -> Result<()> {
        for mut row in self.rows {
            let blob = match self.blobs[&row.digest] {
                BlobRef::Known(id) => id,
                BlobRef::New(blob) => {
                    let id = rows::insert_blob(db, &blob)?;
                    self.blobs.insert(row.digest, BlobRef::Known(id));
                    id
                }
            };
            row.message.blob = blob;
            rows::put_message(db, row.account, row.mailbox, &row.message)?;
            if let Some((number, kind, origin)) = row.item {
                let item = staged_item(kind, origin, row.mailbox, row.message.uid);
                rows::put_item(db, row.account, number, &item)?;
            }
        }
        for ((account, mailbox), slot) in &self.slots {
            rows::raise_mailbox(db, *account, *mailbox, slot.mailbox.uidnext, slot.mailbox.highest_modseq)?;
        }
        Ok(())
    }
}

/// Whether a message's UID is one that UIDNEXT must be above: not one that staging made up.
fn counts(lineage: LineageId, traits: Traits) -> bool {
    lineage == LIVE || !traits.contains(Traits::UID_MADE_UP)
}

/// At least the length of a delivery's meta.
fn meta_bound(slot: &Slot, d: &Delivery) -> usize {
    let keywords: usize = d.keywords.iter().map(|k| k.as_str().len() + 1).sum();
    let item = d.item.as_ref().map_or(0, |(_, _, o)| o.path.len() + o.mended.as_ref().map_or(0, String::len));
    let names = slot.account.address.len() + slot.mailbox.name.as_str().len() + d.uidl.as_ref().map_or(0, String::len);
    META_ROOM + names + keywords + item
}

fn blob_of(meta: &record::Delivery, digest: Digest, size_bytes: u64, place: Place) -> Blob {
    let record::Delivery { identity, message_id, first_field, .. } = *meta;
    Blob { id: BlobId(0), digest, identity, message_id, first_field, size_bytes, place }
}

fn message_of(meta: &record::Delivery, keywords: &[Keyword]) -> Message {
    Message {
        uid: meta.uid,
        blob: BlobId(0),
        flags: meta.flags,
        keywords: keywords.to_vec(),
        internal_date: meta.internal_date,
        save_date: meta.save_date,
        modseq: meta.modseq,
        uidl: meta.uidl.clone(),
        traits: Traits(meta.traits),
    }
}

fn staged_item(kind: u8, origin: Origin, mailbox: MailboxId, uid: u32) -> Item {
    Item { origin, kind, message: Some((mailbox, uid)), mailbox_name: None, listed_uid: None, reason: None }
}

/// Which records a pass over segments takes into the index.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replay {
    /// Deliveries only: everything else was durable in the index before it was written to a segment.
    Deliveries,
    /// Everything: the index is being made anew.
    Everything,
}

/// Brings an index up to the end of the segments. Returns where they end.
///
/// # Errors
/// Those of the disk and of the index; damage is a finding.
pub(crate) fn catch_up(
    db: &Connection,
    segments: &Segments,
    cell: u32,
    replay: Replay,
    findings: &mut Vec<Finding>,
) -> Result<Option<(u32, ScanEnd)>> {
    let from = tail(db)?;
    let mut end = from.map(|f| (f.segment, ScanEnd { tail: f.position, clean: false }));
    let mut note = |text: String| findings.push(Finding { cell, text });
    let tx = rusqlite::Transaction::new_unchecked(db, rusqlite::TransactionBehavior::Immediate)?;
    let numbers = segments.numbers()?;
    if let Some(from) = from.filter(|f| !numbers.contains(&f.segment)) {
        note(format!("segment {:08x} is missing; the index knows it up to {}", from.segment, from.position));
    }
    let last = numbers.last().copied();
    // At most so many records, with UIDs that were served, were in damaged stretches.
    let mut unseen = 0;
    for number in numbers.into_iter().filter(|n| from.is_none_or(|f| *n >= f.segment)) {
        let start = from.filter(|f| f.segment == number).map_or(SEGMENT_HEAD_LEN as u64, |f| f.position);
        let head = match segments.segment_head(number) {
            Ok(head) if head.cell == cell => Ok(()),
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
                    let Some(text) = replay_record(&tx, segments, place, head, meta, replay)? else { return Ok(()) };
                    note(format!("segment {number:08x} at {}: {text}", head.position));
                    (head.position, head.position + head.total_len(), text)
                }
                Found::Damaged(from, to, why) => {
                    note(format!("segment {number:08x} from {from} to {to}: {why}; that stretch was stepped over"));
                    unseen += (to - from) / HEAD_LEN as u64 + 1;
                    (from, to, why.to_string())
                }
            };
            rows::set_note(&tx, &format!("{LEFT}{number} {from}"), &format!("{to} {text}"))
        })?;
        if let Err(why) = head {
            if scanned == (ScanEnd { tail: SEGMENT_HEAD_LEN as u64, clean: true }) && replay == Replay::Deliveries {
                // Made and never used: its maker was stopped before the head was written.
                segments.remove(number)?;
                continue;
            }
            // A damaged head does not hide records, but no more are put behind it.
            note(format!("segment {number:08x}: its head is damaged ({why})"));
            if replay == Replay::Everything {
                rows::set_note(&tx, &format!("{LEFT}{number} 0"), &format!("{SEGMENT_HEAD_LEN} {why}"))?;
            }
            scanned.clean = false;
        }
        let written = if replay == Replay::Deliveries { start } else { scanned.tail };
        segments.write_again(number, written, scanned.tail)?;
        end = Some((number, scanned));
    }
    if let Some((segment, scanned)) = end
        && from != Some(Place { segment, position: scanned.tail })
    {
        set_tail(&tx, Place { segment, position: scanned.tail })?;
    }
    if replay == Replay::Everything && unseen > 0 {
        rows::skip_uids(&tx, unseen)?;
    }
    tx.commit()?;
    Ok(end)
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

/// Gives every live account that has none an INBOX: segments alone do not tell of one without mail.
pub(crate) fn make_inboxes(db: &Connection) -> Result<()> {
    for account in rows::accounts(db, Some(LIVE))? {
        if !rows::mailboxes(db, account.id)?.iter().any(|m| m.name.is_inbox()) {
            let new = NewMailbox { uidvalidity: Some(fresh_uidvalidity(db, account.id)?), ..inbox() };
            rows::put_mailbox(db, account.id, rows::next_mailbox_id(db, account.id)?, &new)?;
        }
    }
    Ok(())
}

fn fresh_uidvalidity(db: &Connection, account: AccountId) -> Result<u32> {
    let now = u32::try_from(crate::now()).unwrap_or(u32::MAX - 1);
    Ok(now.max(rows::max_uidvalidity(db, account)?.saturating_add(1)))
}

/// Takes one record into the index; gives a text when it cannot be taken.
fn replay_record(
    db: &Connection,
    segments: &Segments,
    place: Place,
    head: &Head,
    meta: &[u8],
    replay: Replay,
) -> Result<Option<String>> {
    let whole = segments.payload_is_whole(head)?;
    match head.kind {
        Kind::Delivery => match record::Delivery::decode(meta) {
            Ok(delivery) => replay_delivery(db, place, head, delivery, whole, replay),
            Err(_) => Ok(Some("its description is malformed".into())),
        },
        _ if !whole => Ok(Some(record::RecordError::PayloadChecksum.to_string())),
        Kind::Manifest | Kind::Forget if replay == Replay::Deliveries => Ok(None),
        Kind::Forget => {
            let said = meta.split_first_chunk().map(|(bytes, kept)| (LineageId(i64::from_le_bytes(*bytes)), kept));
            let Some((lineage, kept)) = said.filter(|(lineage, _)| *lineage != LIVE) else {
                return Ok(Some("its description is malformed".into()));
            };
            for account in rows::accounts(db, Some(lineage))?.iter().filter(|a| a.address.as_bytes() != kept) {
                rows::delete_account(db, account.id)?;
            }
            Ok(None)
        }
        Kind::Manifest => {
            let raw = match segments.read(place) {
                Ok((_, raw)) => raw,
                Err(StoreError::Corrupt { why, .. }) => return Ok(Some(why.to_string())),
                Err(other) => return Err(other),
            };
            let Ok(manifest) = Manifest::decode(meta, &raw) else {
                return Ok(Some("the account's state in it is malformed".into()));
            };
            replay_manifest(db, manifest)
        }
    }
}

fn find_or_make_account(db: &Connection, lineage: LineageId, id: i64, address: &str) -> Result<AccountId> {
    let key = address.to_lowercase();
    if let Some(account) = rows::account(db, lineage, &key)? {
        return Ok(account.id);
    }
    let free = rows::account_by_id(db, AccountId(id))?.is_none();
    rows::insert_account(db, free.then_some(AccountId(id)), lineage, &key, address)
}

fn replay_delivery(
    db: &Connection,
    place: Place,
    head: &Head,
    d: record::Delivery,
    whole: bool,
    replay: Replay,
) -> Result<Option<String>> {
    let lineage = LineageId(d.lineage);
    let blob = match rows::blob_by_digest(db, &head.digest)? {
        Some(blob) => Ok(blob.id),
        None if head.codec == Codec::Elsewhere && head.raw_len > 0 => {
            Err(format!("its bytes {} are not in the cell", head.digest))
        }
        None if !whole => Err(record::RecordError::PayloadChecksum.to_string()),
        None => Ok(rows::insert_blob(db, &blob_of(&d, head.digest, head.raw_len, place))?),
    };
    // Catching up, an account that is gone was removed on purpose: a removal is durable in the index at once.
    let gone = rows::account(db, lineage, &d.address.to_lowercase())?.is_none();
    if gone && replay == Replay::Deliveries {
        return Ok(blob.err());
    }
    let account = find_or_make_account(db, lineage, d.account, &d.address)?;
    let boxes = rows::mailboxes(db, account)?;
    let mailbox = match replay {
        Replay::Deliveries => {
            let by_id = boxes.iter().find(|m| m.id.0 == d.mailbox);
            match by_id.or_else(|| boxes.iter().find(|m| m.name == d.mailbox_name)) {
                Some(found) => found.id,
                None => return Ok(blob.err()),
            }
        }
        Replay::Everything => find_or_make_mailbox(db, account, &boxes, &d)?,
    };
    // Also without its bytes: the UID may have been served, and must not come to name another message.
    let uidnext = if counts(lineage, Traits(d.traits)) { d.uid.saturating_add(1) } else { 1 };
    rows::raise_mailbox(db, account, mailbox, uidnext, d.modseq)?;
    let blob = match blob {
        Ok(blob) => blob,
        Err(text) => return Ok(Some(text)),
    };
    if let Some(there) = rows::message(db, account, mailbox, d.uid)? {
        let same = there.blob == blob;
        return Ok((!same).then(|| format!("UID {} of mailbox {} is taken by another message", d.uid, mailbox.0)));
    }
    let keywords = d.keywords.clone();
    rows::put_message(db, account, mailbox, &Message { blob, ..message_of(&d, &keywords) })?;
    if let Some((number, kind, origin)) = d.item {
        rows::put_item(db, account, number, &staged_item(kind, origin, mailbox, d.uid))?;
    }
    Ok(None)
}

/// The mailbox that a delivery went to, as far as the segments tell. One number and one UIDVALIDITY is one mailbox; a
/// name alone is not, since it may have been given to another after a removal or a renaming.
fn find_or_make_mailbox(
    db: &Connection,
    account: AccountId,
    boxes: &[Mailbox],
    d: &record::Delivery,
) -> Result<MailboxId> {
    let same = |m: &&Mailbox| m.uidvalidity == d.uidvalidity;
    let free = |name: &MailboxName| boxes.iter().all(|m| m.name != *name);
    let by_id = boxes.iter().find(|m| m.id.0 == d.mailbox);
    if let Some(found) = by_id.filter(same) {
        if free(&d.mailbox_name) {
            rows::put_mailbox(
                db,
                account,
                found.id,
                &NewMailbox { name: d.mailbox_name.clone(), ..found.unnumbered() },
            )?;
        }
        return Ok(found.id);
    }
    if let Some(found) = boxes.iter().filter(same).find(|m| m.name == d.mailbox_name) {
        return Ok(found.id);
    }
    let id = match by_id {
        None => MailboxId(d.mailbox),
        Some(_) => rows::next_mailbox_id(db, account)?,
    };
    let beside = format!("{} ({})", d.mailbox_name, d.uidvalidity.unwrap_or(0));
    let names = std::iter::once(beside).chain((id.0..).map(|n| format!("Recovered {n}")));
    let name = std::iter::once(d.mailbox_name.clone()).chain(names.flat_map(|n| MailboxName::new(&n))).find(free);
    let name = name.expect("an account has fewer mailboxes than there are numbers");
    let made = NewMailbox { name, uidvalidity: d.uidvalidity, ..inbox() };
    rows::put_mailbox(db, account, id, &made)?;
    Ok(id)
}

fn replay_manifest(db: &Connection, manifest: Manifest) -> Result<Option<String>> {
    let account = find_or_make_account(db, LIVE, manifest.account, &manifest.address)?;
    match manifest.state {
        None => rows::delete_account(db, account).map(|()| None),
        Some(state) => {
            rows::set_address(db, account, &manifest.address.to_lowercase(), &manifest.address)?;
            put_state(db, account, &state)
        }
    }
}

/// Makes an account's content what a state says. Bytes that are not in the cell are named.
fn put_state(db: &Connection, account: AccountId, state: &AccountState) -> Result<Option<String>> {
    rows::delete_content(db, account)?;
    let mut missing = 0;
    for MailboxState { mailbox, messages, expunged } in &state.mailboxes {
        rows::put_mailbox(db, account, mailbox.id, &mailbox.unnumbered())?;
        for (message, digest) in messages {
            match rows::blob_by_digest(db, digest)? {
                Some(blob) => {
                    rows::put_message(db, account, mailbox.id, &Message { blob: blob.id, ..message.clone() })?;
                }
                None => missing += 1,
            }
        }
        for (uid, modseq, identity) in expunged {
            rows::put_expunged(db, account, mailbox.id, *uid, *modseq, identity.as_ref())?;
        }
    }
    Ok((missing > 0).then(|| format!("the bytes of {missing} messages of account {} are not in the cell", account.0)))
}

/// A consistent state of a cell, to read.
pub struct View<'a> {
    pub(crate) db: &'a Connection,
    pub(crate) segments: &'a Segments,
}

impl View<'_> {
    /// Accounts of a lineage by address.
    ///
    /// # Errors
    /// Those of the index, as for every method here.
    pub fn accounts(&self, lineage: LineageId) -> Result<Vec<Account>> {
        rows::accounts(self.db, Some(lineage))
    }

    /// The account of an address in a lineage.
    ///
    /// # Errors
    /// Those of the index.
    pub fn account(&self, lineage: LineageId, address: &Address) -> Result<Option<Account>> {
        rows::account(self.db, lineage, address.key())
    }

    /// An account's mailboxes by number.
    ///
    /// # Errors
    /// Those of the index.
    pub fn mailboxes(&self, account: AccountId) -> Result<Vec<Mailbox>> {
        rows::mailboxes(self.db, account)
    }

    /// The highest UIDVALIDITY that any mailbox of the account ever had here.
    ///
    /// # Errors
    /// Those of the index.
    pub fn max_uidvalidity(&self, account: AccountId) -> Result<u32> {
        rows::max_uidvalidity(self.db, account)
    }

    /// Calls for every message of a mailbox by UID.
    ///
    /// # Errors
    /// Those of `each`; those of the index.
    pub fn for_each_message(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        each: impl FnMut(Message, Blob) -> Result<()>,
    ) -> Result<()> {
        rows::for_each_message(self.db, account, mailbox, each)
    }

    /// One message of a mailbox.
    ///
    /// # Errors
    /// Those of the index.
    pub fn message(&self, account: AccountId, mailbox: MailboxId, uid: u32) -> Result<Option<Message>> {
        rows::message(self.db, account, mailbox, uid)
    }

    /// UIDs of a mailbox that are gone: UID, modification sequence of that, identity.
    ///
    /// # Errors
    /// Those of the index.
    pub fn expunged(&self, account: AccountId, mailbox: MailboxId) -> Result<Vec<(u32, u64, Option<Identity>)>> {
        rows::expunged(self.db, account, mailbox)
    }

    /// Number and size in bytes of an account's messages.
    ///
    /// # Errors
    /// Those of the index.
    pub fn usage(&self, account: AccountId) -> Result<(u64, u64)> {
        rows::usage(self.db, account)
    }

    /// Number of an account's messages, and the latest INTERNALDATE among them.
    ///
    /// # Errors
    /// Those of the index.
    pub fn newest(&self, account: AccountId) -> Result<(u64, Option<i64>)> {
        rows::newest(self.db, account)
    }

    /// Calls for every item of a staged account, by number.
    ///
    /// # Errors
    /// Those of `each`; those of the index.
    pub fn for_each_item(&self, account: AccountId, each: impl FnMut(i64, Item) -> Result<()>) -> Result<()> {
        rows::for_each_item(self.db, account, each)
    }

    /// Items of a lineage's accounts, but for those of one kind.
    ///
    /// # Errors
    /// Those of the index.
    pub fn count_items(&self, lineage: LineageId, except_kind: u8) -> Result<u64> {
        rows::count_items(self.db, lineage, except_kind)
    }

    /// What is known of bytes with a digest.
    ///
    /// # Errors
    /// Those of the index.
    pub fn blob(&self, digest: &Digest) -> Result<Option<Blob>> {
        rows::blob_by_digest(self.db, digest)
    }

    /// What is known of bytes by their number.
    ///
    /// # Errors
    /// Those of the index.
    pub fn blob_by_id(&self, id: BlobId) -> Result<Option<Blob>> {
        rows::blob_by_id(self.db, id)
    }

    /// Reads a message's bytes in CRLF form; they are checked against their digest.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the record is damaged; those of the disk.
    pub fn bytes(&self, blob: &Blob) -> Result<Vec<u8>> {
        self.segments.bytes(blob)
    }

    /// An account with all that is in it.
    ///
    /// # Errors
    /// Those of the index.
    pub fn account_state(&self, account: AccountId) -> Result<AccountState> {
        let mut state = AccountState::default();
        for mailbox in self.mailboxes(account)? {
            let mut messages = Vec::new();
            self.for_each_message(account, mailbox.id, |message, blob| {
                messages.push((message, blob.digest));
                Ok(())
            })?;
            let expunged = self.expunged(account, mailbox.id)?;
            state.mailboxes.push(MailboxState { mailbox, messages, expunged });
        }
        Ok(state)
    }

    /// What an integration wrote of an account.
    ///
    /// # Errors
    /// Those of the index.
    pub fn journal(&self, integration: i64, address: &Address) -> Result<Option<Journal>> {
        let Some(row) = rows::journal(self.db, integration, address.key())? else { return Ok(None) };
        Ok(Some(Journal { state: row.state, was: row.was, became: row.became, fates: row.fates }))
    }

    /// Address keys and states of every account in an integration's journal.
    ///
    /// # Errors
    /// Those of the index.
    pub fn journal_states(&self, integration: i64) -> Result<Vec<(String, String)>> {
        rows::journal_states(self.db, integration)
    }
}

/// What an integration keeps of an account in the cell, in the same transaction as its mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// The integrator's word for how far it is.
    pub state: String,
    /// The account before ([`AccountState::encode`], packed by the integrator).
    pub was: Option<Vec<u8>>,
    /// The account after.
    pub became: Option<Vec<u8>>,
    /// What became of every message.
    pub fates: Option<Vec<u8>>,
}

/// A transaction on a cell: reads what it has written.
pub struct Tx<'a> {
    view: View<'a>,
}

impl<'a> std::ops::Deref for Tx<'a> {
    type Target = View<'a>;

    fn deref(&self) -> &View<'a> {
        &self.view
    }
}

impl Tx<'_> {
    /// Makes an account without mailboxes.
    ///
    /// # Errors
    /// [`StoreError::Caller`] when the lineage has one of that address.
    pub fn create_account(&self, lineage: LineageId, address: &Address) -> Result<AccountId> {
        if self.account(lineage, address)?.is_some() {
            return Err(StoreError::Caller(format!("there is an account {address} already")));
        }
        let account = rows::insert_account(self.db, None, lineage, address.key(), address.as_str())?;
        if lineage == LIVE {
            self.takes_over(account, address)?;
        }
        Ok(account)
    }

    /// What the segments still hold of an earlier account at an address must not come back with the new one: instead
    /// of the removal they are told the state of the new account.
    fn takes_over(&self, account: AccountId, address: &Address) -> Result<()> {
        if let Some(served) = rows::note(self.db, &format!("{SERVED}{}", address.key()))? {
            let served = served.parse().map_err(|_| StoreError::BadRow(format!("UIDVALIDITY {served:?}")))?;
            rows::raise_max_uidvalidity(self.db, account, served)?;
        }
        let removed = format!("{REMOVED}{}", address.key());
        if rows::note(self.db, &removed)?.is_some() {
            rows::delete_note(self.db, &removed)?;
            rows::set_manifest_due(self.db, account, true)?;
        }
        Ok(())
    }

    fn note_removal(&self, account: &Account) -> Result<()> {
        let key = account.address.to_lowercase();
        let served = self.max_uidvalidity(account.id)?;
        rows::set_note(self.db, &format!("{SERVED}{key}"), &served.to_string())?;
        rows::set_note(self.db, &format!("{REMOVED}{key}"), &account.id.0.to_string())
    }

    /// The account of an address in a lineage, made where there is none.
    ///
    /// # Errors
    /// Those of the index.
    pub fn account_or_new(&self, lineage: LineageId, address: &Address) -> Result<Account> {
        match self.account(lineage, address)? {
            Some(account) => Ok(account),
            None => {
                let id = self.create_account(lineage, address)?;
                Ok(Account { id, lineage, address: address.as_str().to_owned() })
            }
        }
    }

    /// Gives an account another address, or another spelling of it.
    ///
    /// # Errors
    /// Those of the index, also when the address is taken.
    pub fn set_address(&self, account: AccountId, address: &Address) -> Result<()> {
        let old = rows::account_by_id(self.db, account)?.filter(|a| a.lineage == LIVE);
        rows::set_address(self.db, account, address.key(), address.as_str())?;
        if let Some(old) = old.filter(|a| a.address.to_lowercase() != address.key()) {
            self.note_removal(&old)?;
            self.takes_over(account, address)?;
            rows::set_manifest_due(self.db, account, true)?;
        }
        Ok(())
    }

    /// Removes an account with all its mailboxes, messages and items.
    ///
    /// # Errors
    /// Those of the index.
    pub fn remove_account(&self, account: &Account) -> Result<()> {
        if account.lineage == LIVE {
            self.note_removal(account)?;
        }
        rows::delete_account(self.db, account.id)
    }

    /// Makes a mailbox. A live one without UIDVALIDITY gets one that its account never had.
    ///
    /// # Errors
    /// Those of the index, also when the name is taken.
    pub fn create_mailbox(&self, account: &Account, new: &NewMailbox) -> Result<MailboxId> {
        let id = rows::next_mailbox_id(self.db, account.id)?;
        let mut new = new.clone();
        if account.lineage == LIVE && new.uidvalidity.is_none() {
            new.uidvalidity = Some(self.fresh_uidvalidity(account.id)?);
        }
        new.uidnext = new.uidnext.max(1);
        rows::put_mailbox(self.db, account.id, id, &new)?;
        Ok(id)
    }

    /// A UIDVALIDITY greater than any that the account ever had here, and not before now.
    ///
    /// # Errors
    /// Those of the index.
    pub fn fresh_uidvalidity(&self, account: AccountId) -> Result<u32> {
        fresh_uidvalidity(self.db, account)
    }

    /// Writes a mailbox's row as given, name, UIDVALIDITY and UIDNEXT included: the integrator's own rules decide.
    ///
    /// # Errors
    /// Those of the index, also when the name is taken.
    pub fn put_mailbox(&self, account: AccountId, mailbox: &Mailbox) -> Result<()> {
        rows::put_mailbox(self.db, account, mailbox.id, &mailbox.unnumbered())
    }

    /// Sees to it that no mailbox of the account is ever given a UIDVALIDITY that was served: none up to this one.
    ///
    /// # Errors
    /// Those of the index.
    pub fn raise_max_uidvalidity(&self, account: AccountId, to: u32) -> Result<()> {
        rows::raise_max_uidvalidity(self.db, account, to)
    }

    /// Takes every message out of a mailbox, and forgets which UIDs are gone: it is about to get another UIDVALIDITY.
    ///
    /// # Errors
    /// Those of the index.
    pub fn clear_mailbox(&self, account: AccountId, mailbox: MailboxId) -> Result<()> {
        rows::clear_mailbox(self.db, account, mailbox)
    }

    /// Removes a mailbox with its messages.
    ///
    /// # Errors
    /// Those of the index.
    pub fn remove_mailbox(&self, account: AccountId, mailbox: MailboxId) -> Result<()> {
        rows::delete_mailbox(self.db, account, mailbox)
    }

    /// Writes a message's row as given, new or changed. Its bytes must be in the cell.
    ///
    /// # Errors
    /// Those of the index.
    pub fn put_message(&self, account: AccountId, mailbox: MailboxId, message: &Message) -> Result<()> {
        rows::put_message(self.db, account, mailbox, message)
    }

    /// Takes a message out of a mailbox without a trace: only for UIDs that no client was ever told.
    ///
    /// # Errors
    /// Those of the index.
    pub fn remove_message(&self, account: AccountId, mailbox: MailboxId, uid: u32) -> Result<bool> {
        rows::delete_message(self.db, account, mailbox, uid)
    }

    /// Expunges a message: its UID is remembered with the modification sequence given (RFC 7162 §3.2.10).
    ///
    /// # Errors
    /// Those of the index.
    pub fn expunge(&self, account: AccountId, mailbox: MailboxId, uid: u32, modseq: u64) -> Result<bool> {
        let Some(row) = rows::message(self.db, account, mailbox, uid)? else { return Ok(false) };
        let identity = self.blob_by_id(row.blob)?.map(|b| b.identity);
        rows::delete_message(self.db, account, mailbox, uid)?;
        rows::put_expunged(self.db, account, mailbox, uid, modseq, identity.as_ref())?;
        Ok(true)
    }

    /// Remembers a UID as served and gone.
    ///
    /// # Errors
    /// Those of the index.
    pub fn put_expunged(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        uid: u32,
        modseq: u64,
        identity: Option<&Identity>,
    ) -> Result<()> {
        rows::put_expunged(self.db, account, mailbox, uid, modseq, identity)
    }

    /// Forgets that a UID is gone: it is about to name the same message again.
    ///
    /// # Errors
    /// Those of the index.
    pub fn remove_expunged(&self, account: AccountId, mailbox: MailboxId, uid: u32) -> Result<()> {
        rows::delete_expunged(self.db, account, mailbox, uid)
    }

    /// Makes an account's content what a state says, numbers of mailboxes included.
    ///
    /// # Errors
    /// [`StoreError::Caller`] when bytes of it are not in the cell; those of the index.
    pub fn put_state(&self, account: AccountId, state: &AccountState) -> Result<()> {
        put_state(self.db, account, state)?.map_or(Ok(()), |text| Err(StoreError::Caller(text)))
    }

    /// Writes an item of a staged account.
    ///
    /// # Errors
    /// Those of the index.
    pub fn put_item(&self, account: AccountId, number: i64, item: &Item) -> Result<()> {
        rows::put_item(self.db, account, number, item)
    }

    /// Removes an item of a staged account.
    ///
    /// # Errors
    /// Those of the index.
    pub fn remove_item(&self, account: AccountId, number: i64) -> Result<()> {
        rows::delete_item(self.db, account, number)
    }

    /// Asks for a live account's state to be written into the segments after this transaction
    /// ([`Cell::flush_manifests`]). Of a hidden account nothing is written but its deliveries: it can be staged again.
    ///
    /// # Errors
    /// Those of the index.
    pub fn describe(&self, account: AccountId) -> Result<()> {
        rows::set_manifest_due(self.db, account, true)
    }

    /// Writes an integration's journal of an account.
    ///
    /// # Errors
    /// Those of the index.
    pub fn put_journal(&self, integration: i64, address: &Address, journal: &Journal) -> Result<()> {
        let Journal { state, was, became, fates } = journal.clone();
        rows::put_journal(self.db, integration, address.key(), &rows::JournalRow { state, was, became, fates })
    }

    /// Drops an integration's journal.
    ///
    /// # Errors
    /// Those of the index.
    pub fn forget_journal(&self, integration: i64) -> Result<()> {
        rows::delete_journal(self.db, integration)
    }
}

/// The name that every live account has a mailbox of.
pub fn inbox() -> NewMailbox {
    NewMailbox {
        name: MailboxName::inbox(),
        uidvalidity: None,
        uidnext: 1,
        highest_modseq: 0,
        special_use: None,
        subscribed: true,
    }
}
