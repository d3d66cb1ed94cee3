//! A group of deliveries: what is checked before, appended to the log, and put into the index behind it.

use super::damage::Moves;
use super::{Delivered, Delivery, GONE_ID_LIFETIME_S, Prepared, Result};
use crate::error::StoreError;
use crate::index::delivered::{self, Seen};
use crate::index::{rows, served};
use crate::segment::log::{Log, Segments};
use crate::segment::payload::Payload;
use crate::segment::record::{self, Kind, MAX_META_LEN};
use crate::served::Touched;
use crate::spool::DeliveryId;
use crate::types::{
    Account, AccountId, Blob, BlobId, Item, LIVE, LineageId, Mailbox, MailboxId, Message, Origin, Place, Traits,
};
use message::{Digest, Keyword};
use rusqlite::Connection;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

/// More than the fixed fields and the numbers of a delivery's meta take.
const META_ROOM: usize = 512;

/// A mailbox as a group of deliveries uses it.
struct Slot {
    account: Account,
    mailbox: Mailbox,
    /// The highest UID that a message has in the index.
    highest_uid: u32,
}

/// A group of deliveries on its way: what was appended and must be indexed.
#[derive(Default)]
pub(super) struct Batch {
    slots: HashMap<(AccountId, MailboxId), Slot>,
    /// UIDs given in this batch, with their digest.
    taken: HashMap<(AccountId, MailboxId, u32), Digest>,
    blobs: HashMap<Digest, BlobRef>,
    /// Bytes whose record is damaged, and the whole one that was appended.
    healed: Vec<(Blob, Place)>,
    /// Deliveries of this batch by their ids.
    ids: HashMap<(AccountId, DeliveryId), Seen>,
    rows: Vec<BatchRow>,
}

#[derive(Clone, Copy)]
enum BlobRef {
    Known(BlobId),
    New(Blob),
    /// The index knows them, and their record is damaged.
    Damaged(Blob),
}

struct BatchRow {
    account: AccountId,
    mailbox: MailboxId,
    live: bool,
    size_bytes: u64,
    digest: Digest,
    message: Message,
    item: Option<(i64, u8, Origin)>,
    id: Option<(DeliveryId, Seen)>,
}

/// For each delivery of a ticket: its UID, or that it is there already.
pub(super) enum Admitted {
    At(u32),
    /// Its row, where its bytes are damaged and these are not: the message is written once more, as it is by now.
    There(u32, Option<Box<Message>>),
    /// By its id.
    Repeated(Seen),
}

impl Batch {
    /// A batch of messages whose bytes the caller has met in the index just now.
    pub(super) fn knowing(bytes: impl IntoIterator<Item = (Digest, BlobId)>) -> Self {
        let blobs = bytes.into_iter().map(|(digest, id)| (digest, BlobRef::Known(id))).collect();
        Batch { blobs, ..Batch::default() }
    }

    /// Notes what indexing the batch touches of live accounts.
    pub(super) fn note(&self, touched: &mut Touched) {
        for row in self.rows.iter().filter(|row| row.live) {
            touched.mailbox(row.account, row.mailbox);
            touched.usage(row.account, 1, row.size_bytes as i64);
        }
    }

    /// Places of damaged records whose bytes the batch brings anew.
    pub(super) fn healed(&self) -> Vec<Place> {
        self.healed.iter().map(|(blob, _)| blob.place).collect()
    }

    /// Checks a ticket's deliveries before anything of it is written.
    pub(super) fn admit(
        &mut self,
        db: &Connection,
        segments: &Segments,
        deliveries: &[Delivery],
    ) -> Result<Vec<Admitted>> {
        let mut next: HashMap<(AccountId, MailboxId), u32> = HashMap::new();
        let mut taken: HashMap<(AccountId, MailboxId, u32), Digest> = HashMap::new();
        let mut ids: HashMap<(AccountId, DeliveryId), Seen> = HashMap::new();
        let mut admitted = Vec::with_capacity(deliveries.len());
        let gone_since_s = crate::now().saturating_sub(GONE_ID_LIFETIME_S);
        for d in deliveries {
            let at = (d.account, d.mailbox);
            // Before all else: the mailbox that it went to at first may be gone since.
            if let Some(id) = d.id {
                let name = (d.account, id);
                let seen = match ids.get(&name).or_else(|| self.ids.get(&name)) {
                    Some(seen) => Some(*seen),
                    None => delivered::seen(db, d.account, id, gone_since_s)?,
                };
                if let Some(seen) = seen {
                    admitted.push(Admitted::Repeated(seen));
                    continue;
                }
            }
            let slot = match self.slots.entry(at) {
                Entry::Occupied(slot) => slot.into_mut(),
                Entry::Vacant(empty) => {
                    let missing = || StoreError::Caller(format!("account {} has no mailbox {}", at.0.0, at.1.0));
                    let account = rows::account_by_id(db, d.account)?.ok_or_else(missing)?;
                    let mailbox = served::mailbox(db, d.account, d.mailbox)?.ok_or_else(missing)?;
                    let highest_uid = served::highest_uid(db, d.account, d.mailbox)?;
                    empty.insert(Slot { account, mailbox, highest_uid })
                }
            };
            if meta_bound(slot, d, &d.keywords, d.uidl.as_ref()) > MAX_META_LEN {
                let text = format!("a delivery to mailbox {} of account {} has too many keywords", at.1.0, at.0.0);
                return Err(StoreError::Caller(text));
            }
            let digest = d.message.digest;
            if let Entry::Vacant(unknown) = self.blobs.entry(digest) {
                match rows::blob_by_digest(db, &digest)? {
                    Some(known) if segments.is_damaged(&known) => _ = unknown.insert(BlobRef::Damaged(known)),
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
            let mut row = None;
            let there = match taken.get(&name).or_else(|| self.taken.get(&name)) {
                Some(digest) => Some(*digest),
                None if uid > slot.highest_uid => None,
                None => {
                    row = rows::message(db, at.0, at.1, uid)?.map(Box::new);
                    let blob = row.as_ref().map_or(Ok(None), |row| rows::blob_by_id(db, row.blob))?;
                    blob.map(|b| b.digest)
                }
            };
            match there {
                Some(digest) if digest == d.message.digest => {
                    let fits = |m: &Message| meta_bound(slot, d, &m.keywords, m.uidl.as_ref()) <= MAX_META_LEN;
                    let row = row.filter(|row| heals(&self.blobs, &d.message) && fits(row));
                    admitted.push(Admitted::There(uid, row));
                }
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
                    if let Some(id) = d.id {
                        let seen = Seen { mailbox: d.mailbox, uid, uidvalidity: slot.mailbox.uidvalidity };
                        ids.insert((d.account, id), seen);
                    }
                    *uidnext = (*uidnext).max(uid + 1);
                    admitted.push(Admitted::At(uid));
                }
            }
        }
        Ok(admitted)
    }

    pub(super) fn append(
        &mut self,
        log: &mut Log,
        deliveries: &[Delivery],
        plan: Vec<Admitted>,
    ) -> Result<Vec<Delivered>> {
        let save_date = crate::now();
        let mut delivered = Vec::with_capacity(deliveries.len());
        // What is delivered to a mailbox together is one change of it.
        let mut raised = HashSet::new();
        for (d, admitted) in deliveries.iter().zip(plan) {
            let p = &d.message;
            let at = (d.account, d.mailbox);
            let invariant = "admitted deliveries have a slot";
            let uid = match admitted {
                Admitted::At(uid) => uid,
                Admitted::There(uid, row) => {
                    let slot = self.slots.get(&at).expect(invariant);
                    let Mailbox { uidvalidity, highest_modseq: modseq, .. } = slot.mailbox;
                    // Another of the batch may have brought them by now.
                    if let Some(row) = row.filter(|_| heals(&self.blobs, p)) {
                        let meta = meta_of_row(slot, d, *row).encode();
                        self.append_bytes(log, p, &meta)?;
                    }
                    delivered.push(Delivered { uid, uidvalidity, modseq, new_bytes: false, repeated: false });
                    continue;
                }
                Admitted::Repeated(Seen { uid, uidvalidity, .. }) => {
                    delivered.push(Delivered { uid, uidvalidity, modseq: 0, new_bytes: false, repeated: true });
                    continue;
                }
            };
            let slot = self.slots.get_mut(&at).expect(invariant);
            let uidvalidity = slot.mailbox.uidvalidity;
            let live = slot.account.lineage == LIVE;
            if counts(slot.account.lineage, d.traits) {
                slot.mailbox.uidnext = slot.mailbox.uidnext.max(uid + 1);
            }
            if live && raised.insert(at) {
                slot.mailbox.highest_modseq += 1;
            }
            let modseq = if live { slot.mailbox.highest_modseq } else { 0 };
            let meta = meta_of(slot, d, uid, modseq, save_date);
            let new_bytes = !self.blobs.contains_key(&p.digest);
            let place = self.append_bytes(log, p, &meta.encode())?;
            if new_bytes {
                self.blobs.insert(p.digest, BlobRef::New(blob_of(&meta, p.digest, p.size_bytes, place)));
            }
            self.taken.insert((d.account, d.mailbox, uid), p.digest);
            let (message, item) = (message_of(&meta, &d.keywords), d.item.clone());
            let (account, mailbox) = at;
            let (digest, size_bytes) = (p.digest, p.size_bytes);
            let id = d.id.map(|id| (id, Seen { mailbox, uid, uidvalidity }));
            if let Some((id, seen)) = id {
                self.ids.insert((account, id), seen);
            }
            self.rows.push(BatchRow { account, mailbox, live, size_bytes, digest, message, item, id });
            delivered.push(Delivered { uid, uidvalidity, modseq, new_bytes, repeated: false });
        }
        Ok(delivered)
    }

    /// Appends a record of a message: with its bytes where the cell has none of them that are good.
    fn append_bytes(&mut self, log: &mut Log, p: &Prepared, meta: &[u8]) -> Result<Place> {
        let wanted = matches!(self.blobs.get(&p.digest), None | Some(BlobRef::Damaged(_)));
        let elsewhere = Payload::elsewhere(p.size_bytes);
        let payload = p.payload.as_ref().filter(|_| wanted).unwrap_or(&elsewhere);
        let place = log.append(Kind::Delivery, p.digest, payload, meta)?;
        if let Some(BlobRef::Damaged(blob)) = self.blobs.get(&p.digest).copied().filter(|_| p.payload.is_some()) {
            self.healed.push((blob, place));
            self.blobs.insert(p.digest, BlobRef::Known(blob.id));
        }
        Ok(place)
    }

    pub(super) fn index(mut self, db: &Connection, segments: &Segments) -> Result<()> {
        let mut moves = Moves::default();
        // In the order in which they lay: neighbours that are damaged together are looked for once.
        self.healed.sort_unstable_by_key(|(blob, _)| blob.place);
        for (blob, place) in &self.healed {
            moves.add(db, segments, blob, *place)?;
        }
        for mut row in self.rows {
            let blob = match self.blobs[&row.digest] {
                BlobRef::Known(id) | BlobRef::Damaged(Blob { id, .. }) => id,
                BlobRef::New(blob) => {
                    let id = rows::insert_blob(db, &blob)?;
                    self.blobs.insert(row.digest, BlobRef::Known(id));
                    id
                }
            };
            row.message.blob = blob;
            rows::put_message(db, row.account, row.mailbox, &row.message)?;
            if let Some((id, seen)) = row.id {
                delivered::put(db, row.account, id, seen, row.message.save_date)?;
            }
            if let Some((number, kind, origin)) = row.item {
                let item = staged_item(kind, origin, row.mailbox, row.message.uid);
                rows::put_item(db, row.account, number, &item)?;
            }
        }
        for ((account, mailbox), slot) in &self.slots {
            rows::raise_mailbox(db, *account, *mailbox, slot.mailbox.uidnext, slot.mailbox.highest_modseq)?;
        }
        // Behind the rows: a message of this batch may stand in the segment before the bytes that it was given by another.
        moves.describe_holders(db)
    }
}

/// Whether a message's UID is one that UIDNEXT must be above: not one that staging made up.
pub(super) fn counts(lineage: LineageId, traits: Traits) -> bool {
    lineage == LIVE || !traits.contains(Traits::UID_MADE_UP)
}

/// Whether a message brings bytes whose record is damaged, which no other of the batch has brought before.
fn heals(blobs: &HashMap<Digest, BlobRef>, message: &Prepared) -> bool {
    message.payload.is_some() && matches!(blobs.get(&message.digest), Some(BlobRef::Damaged(_)))
}

/// A message as it is delivered.
fn meta_of(slot: &Slot, d: &Delivery, uid: u32, modseq: u64, save_date: i64) -> record::Delivery {
    record::Delivery {
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
        identity: d.message.identity,
        message_id: d.message.message_id,
        first_field: d.message.first_field,
        item: d.item.clone(),
        id: d.id,
    }
}

/// A message as its row says that it is by now.
fn meta_of_row(slot: &Slot, d: &Delivery, row: Message) -> record::Delivery {
    let Message { uid, modseq, internal_date, save_date, flags, keywords, uidl, traits, .. } = row;
    let traits = traits.0;
    let meta = meta_of(slot, d, uid, modseq, save_date);
    record::Delivery { internal_date, flags, keywords, uidl, traits, id: None, ..meta }
}

/// At least the length of a delivery's meta.
fn meta_bound(slot: &Slot, d: &Delivery, keywords: &[Keyword], uidl: Option<&String>) -> usize {
    let keywords: usize = keywords.iter().map(|k| k.as_str().len() + 1).sum();
    let item = d.item.as_ref().map_or(0, |(_, _, o)| o.path.len() + o.mended.as_ref().map_or(0, String::len));
    let names = slot.account.address.len() + slot.mailbox.name.as_str().len() + uidl.map_or(0, String::len);
    META_ROOM + names + keywords + item
}

pub(super) fn blob_of(meta: &record::Delivery, digest: Digest, size_bytes: u64, place: Place) -> Blob {
    let record::Delivery { identity, message_id, first_field, .. } = *meta;
    Blob { id: BlobId(0), digest, identity, message_id, first_field, size_bytes, place }
}

pub(super) fn message_of(meta: &record::Delivery, keywords: &[Keyword]) -> Message {
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

pub(super) fn staged_item(kind: u8, origin: Origin, mailbox: MailboxId, uid: u32) -> Item {
    Item { origin, kind, message: Some((mailbox, uid)), mailbox_name: None, listed_uid: None, reason: None }
}
