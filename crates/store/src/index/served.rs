//! The statements of served mailboxes. Plain SQL, values bound.

use super::rows::{blob_at, keyword_text, mailbox_at, message_at};
use crate::error::StoreError;
use crate::types::{AccountId, Annotation, Blob, BlobId, Mailbox, MailboxId, Message, Traits};
use message::{Flags, Keyword, MailboxName};
use rusqlite::{Connection, Row, params};

type Result<T> = std::result::Result<T, StoreError>;

// Mailboxes.

pub(crate) fn mailbox(db: &Connection, account: AccountId, id: MailboxId) -> Result<Option<Mailbox>> {
    let sql = "SELECT mailbox_id, name, uidvalidity, uidnext, highest_modseq, special_use, subscribed FROM mailbox \
               WHERE account_id = ?1 AND mailbox_id = ?2";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([account.0, id.0])?;
    rows.next()?.map(|row| mailbox_at(account, row)).transpose()
}

pub(crate) fn mailbox_by_name(db: &Connection, account: AccountId, name: &MailboxName) -> Result<Option<Mailbox>> {
    let sql = "SELECT mailbox_id, name, uidvalidity, uidnext, highest_modseq, special_use, subscribed FROM mailbox \
               WHERE account_id = ?1 AND name = ?2";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params![account.0, name.as_str()])?;
    rows.next()?.map(|row| mailbox_at(account, row)).transpose()
}

pub(crate) fn count_mailboxes(db: &Connection, account: AccountId) -> Result<usize> {
    let sql = "SELECT count(*) FROM mailbox WHERE account_id = ?1";
    Ok(db.prepare_cached(sql)?.query_row([account.0], |r| r.get(0))?)
}

// Subscriptions to names without a mailbox.

pub(crate) fn subscriptions(db: &Connection, account: AccountId) -> Result<Vec<MailboxName>> {
    let sql = "SELECT name FROM subscription WHERE account_id = ?1 ORDER BY name";
    let mut statement = db.prepare_cached(sql)?;
    let names = statement.query_map([account.0], |r| r.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let checked =
        names.iter().map(|n| MailboxName::new(n).map_err(|e| StoreError::BadRow(format!("subscription: {e}"))));
    checked.collect()
}

pub(crate) fn count_subscriptions(db: &Connection, account: AccountId) -> Result<usize> {
    let sql = "SELECT count(*) FROM subscription WHERE account_id = ?1";
    Ok(db.prepare_cached(sql)?.query_row([account.0], |r| r.get(0))?)
}

pub(crate) fn put_subscription(db: &Connection, account: AccountId, name: &MailboxName) -> Result<bool> {
    let sql = "INSERT INTO subscription (account_id, name) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    Ok(db.prepare_cached(sql)?.execute(params![account.0, name.as_str()])? == 1)
}

pub(crate) fn delete_subscription(db: &Connection, account: AccountId, name: &MailboxName) -> Result<bool> {
    let sql = "DELETE FROM subscription WHERE account_id = ?1 AND name = ?2";
    Ok(db.prepare_cached(sql)?.execute(params![account.0, name.as_str()])? == 1)
}

// Annotations.

/// The number that stands for the server itself in annotations.
fn place(mailbox: Option<MailboxId>) -> i64 {
    mailbox.map_or(0, |m| m.0)
}

pub(crate) fn annotations(
    db: &Connection,
    account: AccountId,
    mailbox: Option<MailboxId>,
) -> Result<Vec<(String, Vec<u8>)>> {
    let sql = "SELECT entry, value FROM annotation WHERE account_id = ?1 AND mailbox_id = ?2 ORDER BY entry";
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_map([account.0, place(mailbox)], |r| Ok((r.get(0)?, r.get(1)?)))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

pub(crate) fn all_annotations(db: &Connection, account: AccountId) -> Result<Vec<Annotation>> {
    let sql = "SELECT mailbox_id, entry, value FROM annotation WHERE account_id = ?1 ORDER BY mailbox_id, entry";
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_map([account.0], |r| {
        let mailbox: i64 = r.get(0)?;
        Ok(Annotation { mailbox: (mailbox != 0).then_some(MailboxId(mailbox)), entry: r.get(1)?, value: r.get(2)? })
    })?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// Sets an entry, or removes it. Gives whether that changed anything.
pub(crate) fn put_annotation(
    db: &Connection,
    account: AccountId,
    mailbox: Option<MailboxId>,
    entry: &str,
    value: Option<&[u8]>,
) -> Result<bool> {
    let place = place(mailbox);
    let changed = match value {
        Some(value) => {
            let sql = "INSERT INTO annotation (account_id, mailbox_id, entry, value) VALUES (?1, ?2, ?3, ?4) \
                       ON CONFLICT DO UPDATE SET value = excluded.value WHERE value <> excluded.value";
            db.prepare_cached(sql)?.execute(params![account.0, place, entry, value])?
        }
        None => {
            let sql = "DELETE FROM annotation WHERE account_id = ?1 AND mailbox_id = ?2 AND entry = ?3";
            db.prepare_cached(sql)?.execute(params![account.0, place, entry])?
        }
    };
    Ok(changed > 0)
}

// What changed behind a modification sequence.

/// Calls for every message with a modification sequence above one, by UID.
pub(crate) fn changed_since(
    db: &Connection,
    account: AccountId,
    mailbox: MailboxId,
    modseq: u64,
    mut each: impl FnMut(Message) -> Result<()>,
) -> Result<()> {
    let sql = "SELECT uid, blob_id, flags, keywords, internal_date, save_date, modseq, uidl, traits FROM message \
               INDEXED BY message_by_modseq \
               WHERE account_id = ?1 AND mailbox_id = ?2 AND modseq > ?3 AND modseq > 0 ORDER BY uid";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params![account.0, mailbox.0, signed(modseq)])?;
    while let Some(row) = rows.next()? {
        each(message_at(row)?)?;
    }
    Ok(())
}

/// UIDs that were expunged behind a modification sequence, ascending.
pub(crate) fn expunged_since(db: &Connection, account: AccountId, mailbox: MailboxId, modseq: u64) -> Result<Vec<u32>> {
    let sql = "SELECT uid FROM expunged INDEXED BY expunged_by_modseq \
               WHERE account_id = ?1 AND mailbox_id = ?2 AND modseq > ?3 AND modseq > 0 ORDER BY uid";
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_map(params![account.0, mailbox.0, signed(modseq)], |r| r.get(0))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// A client may name any 63 bits, and a careless one 64 (RFC 7162 §3.1): none is above the highest that SQL has.
fn signed(modseq: u64) -> i64 {
    i64::try_from(modseq).unwrap_or(i64::MAX)
}

// Images.

/// A message as an image takes it.
pub(crate) struct ImageRow<'a> {
    pub(crate) uid: u32,
    pub(crate) blob: BlobId,
    pub(crate) flags: Flags,
    /// As they stand in the row.
    pub(crate) keywords: &'a str,
    pub(crate) internal_date: i64,
    pub(crate) save_date: i64,
    pub(crate) modseq: u64,
    pub(crate) traits: Traits,
    /// 0 where the index has no bytes for it.
    pub(crate) size_bytes: u64,
}

fn image_row<'a>(row: &'a Row<'_>) -> Result<ImageRow<'a>> {
    let keywords = row.get_ref(3)?.as_str_or_null();
    Ok(ImageRow {
        uid: row.get(0)?,
        blob: BlobId(row.get(1)?),
        flags: Flags::from_bits(row.get(2)?),
        keywords: keywords.map_err(|_| StoreError::BadRow("keywords that are no text".into()))?.unwrap_or(""),
        internal_date: row.get(4)?,
        save_date: row.get(5)?,
        modseq: row.get(6)?,
        traits: Traits(row.get(7)?),
        size_bytes: row.get::<_, Option<u64>>(8)?.unwrap_or(0),
    })
}

/// Calls for every message of a mailbox by UID; `since` leaves out those whose modification sequence is not above it.
pub(crate) fn for_each_image_row(
    db: &Connection,
    account: AccountId,
    mailbox: MailboxId,
    since: Option<u64>,
    mut each: impl FnMut(ImageRow<'_>) -> Result<()>,
) -> Result<()> {
    let all = "SELECT m.uid, m.blob_id, m.flags, m.keywords, m.internal_date, m.save_date, m.modseq, m.traits, \
               b.size_bytes FROM message m LEFT JOIN blob b ON b.blob_id = m.blob_id \
               WHERE m.account_id = ?1 AND m.mailbox_id = ?2 AND ?3 < 0 ORDER BY m.uid";
    let changed = "SELECT m.uid, m.blob_id, m.flags, m.keywords, m.internal_date, m.save_date, m.modseq, m.traits, \
                   b.size_bytes FROM message m INDEXED BY message_by_modseq LEFT JOIN blob b ON b.blob_id = m.blob_id \
                   WHERE m.account_id = ?1 AND m.mailbox_id = ?2 AND m.modseq > ?3 AND m.modseq > 0 ORDER BY m.uid";
    let (sql, since) = since.map_or((all, -1), |since| (changed, signed(since)));
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params![account.0, mailbox.0, since])?;
    while let Some(row) = rows.next()? {
        each(image_row(row)?)?;
    }
    Ok(())
}

// Messages by ranges of UIDs.

/// Calls for every message in a range of UIDs: UID, flags, keywords, modification sequence.
pub(crate) fn for_each_marks(
    db: &Connection,
    account: AccountId,
    mailbox: MailboxId,
    (from, to): (u32, u32),
    mut each: impl FnMut(u32, Flags, Vec<Keyword>, u64) -> Result<()>,
) -> Result<()> {
    let sql = "SELECT uid, flags, keywords, modseq FROM message \
               WHERE account_id = ?1 AND mailbox_id = ?2 AND uid BETWEEN ?3 AND ?4 ORDER BY uid";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params![account.0, mailbox.0, from, to])?;
    while let Some(row) = rows.next()? {
        each(row.get(0)?, Flags::from_bits(row.get(1)?), super::rows::keywords_at(row, 2)?, row.get(3)?)?;
    }
    Ok(())
}

/// Calls for every message in a range of UIDs, with what the index knows of its bytes.
pub(crate) fn for_each_between(
    db: &Connection,
    account: AccountId,
    mailbox: MailboxId,
    (from, to): (u32, u32),
    mut each: impl FnMut(Message, Option<Blob>) -> Result<()>,
) -> Result<()> {
    let sql = "SELECT m.uid, m.blob_id, m.flags, m.keywords, m.internal_date, m.save_date, m.modseq, m.uidl, m.traits, \
               b.blob_id, b.digest, b.identity, b.message_id, b.first_field, b.size_bytes, b.segment, b.position \
               FROM message m LEFT JOIN blob b ON b.blob_id = m.blob_id \
               WHERE m.account_id = ?1 AND m.mailbox_id = ?2 AND m.uid BETWEEN ?3 AND ?4 ORDER BY m.uid";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params![account.0, mailbox.0, from, to])?;
    while let Some(row) = rows.next()? {
        let blob = row.get::<_, Option<i64>>(9)?.map(|_| blob_at(row, 9)).transpose()?;
        each(message_at(row)?, blob)?;
    }
    Ok(())
}

pub(crate) fn highest_uid(db: &Connection, account: AccountId, mailbox: MailboxId) -> Result<u32> {
    let sql = "SELECT coalesce(max(uid), 0) FROM message WHERE account_id = ?1 AND mailbox_id = ?2";
    Ok(db.prepare_cached(sql)?.query_row([account.0, mailbox.0], |r| r.get(0))?)
}

pub(crate) fn set_marks(
    db: &Connection,
    account: AccountId,
    mailbox: MailboxId,
    uid: u32,
    flags: Flags,
    keywords: &[Keyword],
    modseq: u64,
) -> Result<()> {
    let sql = "UPDATE message SET flags = ?4, keywords = ?5, modseq = ?6 \
               WHERE account_id = ?1 AND mailbox_id = ?2 AND uid = ?3";
    let values = params![account.0, mailbox.0, uid, flags.bits(), keyword_text(keywords), modseq];
    db.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// Number of the messages in a mailbox.
pub(crate) fn count_messages(db: &Connection, account: AccountId, mailbox: MailboxId) -> Result<u64> {
    let sql = "SELECT count(*) FROM message WHERE account_id = ?1 AND mailbox_id = ?2";
    Ok(db.prepare_cached(sql)?.query_row([account.0, mailbox.0], |r| r.get(0))?)
}

/// Size of the messages in a range of UIDs.
pub(crate) fn size_between(
    db: &Connection,
    account: AccountId,
    mailbox: MailboxId,
    (from, to): (u32, u32),
) -> Result<u64> {
    let sql = "SELECT coalesce(sum(b.size_bytes), 0) FROM message m JOIN blob b ON b.blob_id = m.blob_id \
               WHERE m.account_id = ?1 AND m.mailbox_id = ?2 AND m.uid BETWEEN ?3 AND ?4";
    let within = params![account.0, mailbox.0, from, to];
    Ok(db.prepare_cached(sql)?.query_row(within, |r| r.get(0))?)
}

/// Expunges every message in a range of UIDs.
pub(crate) fn expunge_between(
    db: &Connection,
    account: AccountId,
    mailbox: MailboxId,
    (from, to): (u32, u32),
    modseq: u64,
) -> Result<()> {
    let remember = "INSERT INTO expunged (account_id, mailbox_id, uid, modseq, identity) \
                    SELECT m.account_id, m.mailbox_id, m.uid, ?5, b.identity FROM message m LEFT JOIN blob b \
                    ON b.blob_id = m.blob_id WHERE m.account_id = ?1 AND m.mailbox_id = ?2 AND m.uid BETWEEN ?3 AND ?4 \
                    ORDER BY m.uid ON CONFLICT DO UPDATE SET modseq = excluded.modseq, identity = excluded.identity";
    db.prepare_cached(remember)?.execute(params![account.0, mailbox.0, from, to, modseq])?;
    let delete = "DELETE FROM message WHERE account_id = ?1 AND mailbox_id = ?2 AND uid BETWEEN ?3 AND ?4";
    db.prepare_cached(delete)?.execute(params![account.0, mailbox.0, from, to])?;
    Ok(())
}
