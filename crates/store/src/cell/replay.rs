//! What the segments say, taken into the index: when a cell is opened, after a failure, and when an index is made anew.

use super::batch::{blob_of, counts, message_of, staged_item};
use super::damage::Moves;
use super::{Finding, ID_LIFETIME_S, Result};
use crate::catch_up::Take;
use crate::error::StoreError;
use crate::index::delivered::{self, Seen};
use crate::index::{rows, served};
use crate::manifest::{AccountState, MailboxState, Manifest};
use crate::segment::log::{ScanEnd, Segments};
use crate::segment::record::{self, Codec, Head, Kind, RecordError};
use crate::types::{
    AccountId, Annotation, BlobId, LIVE, LineageId, Mailbox, MailboxId, Message, NewMailbox, Place, Traits, inbox,
};
use message::MailboxName;
use rusqlite::Connection;

/// Which records a pass over segments takes into the index.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replay {
    /// Deliveries only: everything else was durable in the index before it was written to a segment.
    Deliveries,
    /// Everything: the index is being made anew.
    Everything,
}

/// How a cell's index takes records in.
struct Taker {
    cell: u32,
    replay: Replay,
    /// Bytes that another record has than the index knew.
    moves: Moves,
}

impl Take for Taker {
    fn owner(&self) -> u32 {
        self.cell
    }

    fn anew(&self) -> bool {
        self.replay == Replay::Everything
    }

    fn record(
        &mut self,
        db: &Connection,
        segments: &Segments,
        place: Place,
        head: &Head,
        meta: &[u8],
    ) -> Result<Option<String>> {
        replay_record(self, db, segments, place, head, meta)
    }

    fn finish(&mut self, db: &Connection, unseen: u64) -> Result<()> {
        self.moves.describe_holders(db)?;
        // UIDs that stood in damaged stretches may have been served.
        if self.anew() && unseen > 0 { rows::skip_uids(db, unseen) } else { Ok(()) }
    }
}

/// Brings a cell's index up to the end of the segments. Returns where they end.
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
    let mut taker = Taker { cell, replay, moves: Moves::default() };
    crate::catch_up::catch_up(db, segments, &mut taker, |text| findings.push(Finding { cell, text }))
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

pub(super) fn fresh_uidvalidity(db: &Connection, account: AccountId) -> Result<u32> {
    let now = u32::try_from(crate::now()).unwrap_or(u32::MAX - 1);
    Ok(now.max(rows::max_uidvalidity(db, account)?.saturating_add(1)))
}

/// Takes one record into the index; gives a text when it cannot be taken.
fn replay_record(
    taker: &mut Taker,
    db: &Connection,
    segments: &Segments,
    place: Place,
    head: &Head,
    meta: &[u8],
) -> Result<Option<String>> {
    let replay = taker.replay;
    let whole = segments.payload_is_whole(head)?;
    match head.kind {
        Kind::Delivery => match record::Delivery::decode(meta) {
            Ok(delivery) => {
                let torn = head.codec != Codec::Elsewhere && !whole;
                let blob = bytes_of(taker, db, segments, place, head, &delivery, torn)?;
                let taken = replay_delivery(db, delivery, blob, replay)?;
                // Taken in by bytes that lie elsewhere: what is here is no good for all that.
                Ok(taken.or_else(|| torn.then(|| format!("{}; they lie elsewhere", RecordError::PayloadChecksum))))
            }
            Err(_) => Ok(Some("its description is malformed".into())),
        },
        _ if !whole => Ok(Some(RecordError::PayloadChecksum.to_string())),
        Kind::Queued => Ok(Some("it is one of the queue's, not of a cell's".into())),
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

/// The bytes of a delivery's record, or why there are none. Of several records with the same bytes the last whole one counts:
/// they are written again only where the one before was damaged.
fn bytes_of(
    taker: &mut Taker,
    db: &Connection,
    segments: &Segments,
    place: Place,
    head: &Head,
    d: &record::Delivery,
    torn: bool,
) -> Result<std::result::Result<BlobId, String>> {
    let replay = taker.replay;
    let torn_bytes = || Err(RecordError::PayloadChecksum.to_string());
    // No bytes at all are in every record of them.
    let brings = |known: Place| match head.codec {
        Codec::Elsewhere => head.raw_len == 0 && segments.verify(known).is_err(),
        _ => !torn,
    };
    Ok(match rows::blob_by_digest(db, &head.digest)? {
        Some(blob) if blob.place != place && brings(blob.place) => match segments.verify(place) {
            Ok(()) => {
                taker.moves.add(db, segments, &blob, place)?;
                Ok(blob.id)
            }
            // A checksum alone is no reason to give up bytes that may be good: what looks like a record in a damaged
            // stretch may be what a sender made to look like one.
            Err(StoreError::Corrupt { why, .. }) => Err(why.to_string()),
            Err(other) => return Err(other),
        },
        // It was being written and was not acknowledged: none of it is there.
        Some(_) if torn && replay == Replay::Deliveries => torn_bytes(),
        Some(blob) => Ok(blob.id),
        None if head.codec == Codec::Elsewhere && head.raw_len > 0 => {
            Err(format!("its bytes {} are not in the cell", head.digest))
        }
        None if torn => torn_bytes(),
        None => Ok(rows::insert_blob(db, &blob_of(d, head.digest, head.raw_len, place))?),
    })
}

/// Takes a delivery into the index, by its bytes; gives a text when it cannot be taken.
fn replay_delivery(
    db: &Connection,
    d: record::Delivery,
    blob: std::result::Result<BlobId, String>,
    replay: Replay,
) -> Result<Option<String>> {
    let lineage = LineageId(d.lineage);
    // Catching up, an account that is gone was removed on purpose: a removal is durable in the index at once.
    let gone = rows::account(db, lineage, &d.address.to_lowercase())?.is_none();
    if gone && replay == Replay::Deliveries {
        return Ok(blob.err());
    }
    let account = find_or_make_account(db, lineage, d.account, &d.address)?;
    // Whatever became of its mailbox since: it was delivered. One without its bytes was not, and may be tried again.
    if let (Some(id), true) = (d.id, blob.is_ok() && d.save_date >= crate::now() - ID_LIFETIME_S) {
        let seen = Seen { mailbox: MailboxId(d.mailbox), uid: d.uid, uidvalidity: d.uidvalidity };
        delivered::put(db, account, id, seen, d.save_date)?;
    }
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
pub(super) fn put_state(db: &Connection, account: AccountId, state: &AccountState) -> Result<Option<String>> {
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
    for name in state.subscriptions.iter().filter(|n| state.mailboxes.iter().all(|m| m.mailbox.name != **n)) {
        served::put_subscription(db, account, name)?;
    }
    for Annotation { mailbox, entry, value } in &state.annotations {
        if mailbox.is_none_or(|id| state.mailboxes.iter().any(|m| m.mailbox.id == id)) {
            served::put_annotation(db, account, *mailbox, entry, Some(value))?;
        }
    }
    Ok((missing > 0).then(|| format!("the bytes of {missing} messages of account {} are not in the cell", account.0)))
}
