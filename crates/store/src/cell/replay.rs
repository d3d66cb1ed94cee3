//! What the segments say, taken into the index: when a cell is opened, after a failure, and when an index is made anew.

use super::batch::{blob_of, counts, message_of, staged_item};
use super::{Finding, LEFT, Result, TAIL};
use crate::error::StoreError;
use crate::index::{rows, served};
use crate::manifest::{AccountState, MailboxState, Manifest};
use crate::segment::log::{Found, ScanEnd, Segments};
use crate::segment::record::{self, Codec, HEAD_LEN, Head, Kind, SEGMENT_HEAD_LEN};
use crate::types::{
    AccountId, Annotation, LIVE, LineageId, Mailbox, MailboxId, Message, NewMailbox, Place, Traits, inbox,
};
use message::MailboxName;
use rusqlite::Connection;

pub(super) fn set_tail(db: &Connection, tail: Place) -> Result<()> {
    rows::set_note(db, TAIL, &format!("{} {}", tail.segment, tail.position))
}

/// Up to where the index knows the segments.
pub(crate) fn tail(db: &Connection) -> Result<Option<Place>> {
    let Some(text) = rows::note(db, TAIL)? else { return Ok(None) };
    let parsed = text.split_once(' ').and_then(|(s, p)| Some((s.parse().ok()?, p.parse().ok()?)));
    let (segment, position) = parsed.ok_or_else(|| StoreError::BadRow(format!("tail {text:?}")))?;
    Ok(Some(Place { segment, position }))
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

pub(super) fn fresh_uidvalidity(db: &Connection, account: AccountId) -> Result<u32> {
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
