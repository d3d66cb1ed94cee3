//! The statements of the index, and how rows become types. Plain SQL, values bound.

use super::{delivered, served};
use crate::error::StoreError;
use crate::segment::record::decode_keywords;
use crate::types::{
    Account, AccountId, Blob, BlobId, Item, LineageId, Mailbox, MailboxId, Message, NewMailbox, Origin, Place, Traits,
};
use message::{Digest, Flags, Identity, Keyword, MailboxName, SpecialUse};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::{BTreeSet, HashSet};

type Result<T> = std::result::Result<T, StoreError>;

fn bad(what: &str) -> StoreError {
    StoreError::BadRow(what.to_owned())
}

fn special_use_number(special_use: Option<SpecialUse>) -> Option<i64> {
    special_use.and_then(|u| SpecialUse::ALL.iter().position(|v| *v == u)).map(|n| n as i64)
}

fn special_use_of(number: Option<i64>) -> Option<SpecialUse> {
    number.and_then(|n| SpecialUse::ALL.get(usize::try_from(n).ok()?).copied())
}

pub(super) fn keyword_text(keywords: &[Keyword]) -> Option<String> {
    let words: Vec<&str> = keywords.iter().map(Keyword::as_str).collect();
    Some(words.join(" ")).filter(|t| !t.is_empty())
}

// Notes of the cell.

pub(crate) fn note(db: &Connection, name: &str) -> Result<Option<String>> {
    let mut statement = db.prepare_cached("SELECT value FROM cell WHERE name = ?1")?;
    Ok(statement.query_row([name], |r| r.get(0)).optional()?)
}

pub(crate) fn set_note(db: &Connection, name: &str, value: &str) -> Result<()> {
    let sql = "INSERT INTO cell (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    db.prepare_cached(sql)?.execute([name, value])?;
    Ok(())
}

pub(crate) fn delete_note(db: &Connection, name: &str) -> Result<()> {
    db.prepare_cached("DELETE FROM cell WHERE name = ?1")?.execute([name])?;
    Ok(())
}

/// Deletes notes whose names are a text and digits behind it.
pub(crate) fn delete_numbered_notes(db: &Connection, before: &str) -> Result<()> {
    db.prepare_cached("DELETE FROM cell WHERE name > ?1 AND name < ?1 || ':'")?.execute([before])?;
    Ok(())
}

/// Notes whose names begin with a word that holds no wildcard.
pub(crate) fn notes_like(db: &Connection, prefix: &str) -> Result<Vec<(String, String)>> {
    let mut statement = db.prepare_cached("SELECT name, value FROM cell WHERE name LIKE ?1 || '%' ORDER BY name")?;
    let found = statement.query_map([prefix], |r| Ok((r.get(0)?, r.get(1)?)))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

// Accounts.

fn account_of(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account { id: AccountId(row.get(0)?), lineage: LineageId(row.get(1)?), address: row.get(2)? })
}

pub(crate) fn account(db: &Connection, lineage: LineageId, key: &str) -> Result<Option<Account>> {
    let sql = "SELECT account_id, lineage, address FROM account WHERE lineage = ?1 AND address_key = ?2";
    Ok(db.prepare_cached(sql)?.query_row(params![lineage.0, key], account_of).optional()?)
}

pub(crate) fn account_by_id(db: &Connection, id: AccountId) -> Result<Option<Account>> {
    let sql = "SELECT account_id, lineage, address FROM account WHERE account_id = ?1";
    Ok(db.prepare_cached(sql)?.query_row([id.0], account_of).optional()?)
}

pub(crate) fn accounts(db: &Connection, lineage: Option<LineageId>) -> Result<Vec<Account>> {
    let sql = "SELECT account_id, lineage, address FROM account WHERE lineage = ?1 OR ?1 IS NULL ORDER BY address_key";
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_map([lineage.map(|l| l.0)], account_of)?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

pub(crate) fn insert_account(
    db: &Connection,
    id: Option<AccountId>,
    lineage: LineageId,
    key: &str,
    address: &str,
) -> Result<AccountId> {
    let sql = "INSERT INTO account (account_id, lineage, address_key, address, next_mailbox_id, max_uidvalidity, \
               manifest_due) VALUES (?1, ?2, ?3, ?4, 1, 0, 0)";
    db.prepare_cached(sql)?.execute(params![id.map(|i| i.0), lineage.0, key, address])?;
    Ok(AccountId(db.last_insert_rowid()))
}

pub(crate) fn set_address(db: &Connection, id: AccountId, key: &str, address: &str) -> Result<()> {
    let sql = "UPDATE account SET address_key = ?2, address = ?3 WHERE account_id = ?1";
    db.prepare_cached(sql)?.execute(params![id.0, key, address])?;
    Ok(())
}

pub(crate) fn delete_account(db: &Connection, id: AccountId) -> Result<()> {
    delete_content(db, id)?;
    delivered::forget_account(db, id)?;
    db.prepare_cached("DELETE FROM item WHERE account_id = ?1")?.execute([id.0])?;
    db.prepare_cached("DELETE FROM account WHERE account_id = ?1")?.execute([id.0])?;
    Ok(())
}

/// Removes mailboxes and messages, what is remembered of expunged ones, subscriptions and annotations.
pub(crate) fn delete_content(db: &Connection, id: AccountId) -> Result<()> {
    db.prepare_cached("DELETE FROM message WHERE account_id = ?1")?.execute([id.0])?;
    db.prepare_cached("DELETE FROM expunged WHERE account_id = ?1")?.execute([id.0])?;
    db.prepare_cached("DELETE FROM mailbox WHERE account_id = ?1")?.execute([id.0])?;
    db.prepare_cached("DELETE FROM subscription WHERE account_id = ?1")?.execute([id.0])?;
    db.prepare_cached("DELETE FROM annotation WHERE account_id = ?1")?.execute([id.0])?;
    Ok(())
}

pub(crate) fn set_manifest_due(db: &Connection, id: AccountId, due: bool) -> Result<()> {
    // A state in a segment is that of a live account.
    let sql = "UPDATE account SET manifest_due = ?2 WHERE account_id = ?1 AND lineage = 0";
    db.prepare_cached(sql)?.execute(params![id.0, due])?;
    Ok(())
}

pub(crate) fn manifests_due(db: &Connection) -> Result<Vec<AccountId>> {
    let mut statement =
        db.prepare_cached("SELECT account_id FROM account WHERE manifest_due <> 0 ORDER BY account_id")?;
    let found = statement.query_map([], |r| r.get(0).map(AccountId))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// The highest UIDVALIDITY that any mailbox of the account ever had here.
pub(crate) fn max_uidvalidity(db: &Connection, id: AccountId) -> Result<u32> {
    let mut statement = db.prepare_cached("SELECT max_uidvalidity FROM account WHERE account_id = ?1")?;
    Ok(statement.query_row([id.0], |r| r.get(0))?)
}

pub(crate) fn raise_max_uidvalidity(db: &Connection, id: AccountId, to: u32) -> Result<()> {
    let sql = "UPDATE account SET max_uidvalidity = ?2 WHERE account_id = ?1 AND max_uidvalidity < ?2";
    db.prepare_cached(sql)?.execute(params![id.0, to])?;
    Ok(())
}

// Mailboxes.

pub(crate) fn mailboxes(db: &Connection, account: AccountId) -> Result<Vec<Mailbox>> {
    let sql = "SELECT mailbox_id, name, uidvalidity, uidnext, highest_modseq, special_use, subscribed FROM mailbox \
               WHERE account_id = ?1 ORDER BY mailbox_id";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([account.0])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(mailbox_at(account, row)?);
    }
    Ok(found)
}

pub(super) fn mailbox_at(account: AccountId, row: &Row<'_>) -> Result<Mailbox> {
    let (id, name): (i64, String) = (row.get(0)?, row.get(1)?);
    Ok(Mailbox {
        id: MailboxId(id),
        name: MailboxName::new(&name).map_err(|e| bad(&format!("mailbox {id} of account {}: {e}", account.0)))?,
        uidvalidity: row.get(2)?,
        uidnext: row.get(3)?,
        highest_modseq: row.get(4)?,
        special_use: special_use_of(row.get(5)?),
        subscribed: row.get(6)?,
    })
}

pub(crate) fn next_mailbox_id(db: &Connection, account: AccountId) -> Result<MailboxId> {
    let sql = "UPDATE account SET next_mailbox_id = next_mailbox_id + 1 WHERE account_id = ?1 \
               RETURNING next_mailbox_id - 1";
    Ok(MailboxId(db.prepare_cached(sql)?.query_row([account.0], |r| r.get(0))?))
}

/// Writes a mailbox's row, new or changed. It takes over a subscription to its name.
pub(crate) fn put_mailbox(db: &Connection, account: AccountId, id: MailboxId, m: &NewMailbox) -> Result<()> {
    let sql = "INSERT INTO mailbox (account_id, mailbox_id, name, uidvalidity, uidnext, highest_modseq, special_use, \
               subscribed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (account_id, mailbox_id) DO UPDATE SET \
               name = excluded.name, uidvalidity = excluded.uidvalidity, uidnext = excluded.uidnext, \
               highest_modseq = excluded.highest_modseq, special_use = excluded.special_use, \
               subscribed = excluded.subscribed";
    let special_use = special_use_number(m.special_use);
    // A subscription to the name was waiting for it.
    let subscribed = served::delete_subscription(db, account, &m.name)? || m.subscribed;
    let values =
        params![account.0, id.0, m.name.as_str(), m.uidvalidity, m.uidnext, m.highest_modseq, special_use, subscribed];
    db.prepare_cached(sql)?.execute(values)?;
    if let Some(uidvalidity) = m.uidvalidity {
        raise_max_uidvalidity(db, account, uidvalidity)?;
    }
    let floor = "UPDATE account SET next_mailbox_id = ?2 + 1 WHERE account_id = ?1 AND next_mailbox_id <= ?2";
    db.prepare_cached(floor)?.execute(params![account.0, id.0])?;
    Ok(())
}

pub(crate) fn clear_mailbox(db: &Connection, account: AccountId, id: MailboxId) -> Result<()> {
    let at = params![account.0, id.0];
    db.prepare_cached("DELETE FROM message WHERE account_id = ?1 AND mailbox_id = ?2")?.execute(at)?;
    db.prepare_cached("DELETE FROM expunged WHERE account_id = ?1 AND mailbox_id = ?2")?.execute(at)?;
    Ok(())
}

pub(crate) fn delete_mailbox(db: &Connection, account: AccountId, id: MailboxId) -> Result<()> {
    clear_mailbox(db, account, id)?;
    let annotations = "DELETE FROM annotation WHERE account_id = ?1 AND mailbox_id = ?2";
    db.prepare_cached(annotations)?.execute(params![account.0, id.0])?;
    let sql = "DELETE FROM mailbox WHERE account_id = ?1 AND mailbox_id = ?2";
    db.prepare_cached(sql)?.execute(params![account.0, id.0])?;
    Ok(())
}

pub(crate) fn raise_mailbox(
    db: &Connection,
    account: AccountId,
    id: MailboxId,
    uidnext: u32,
    modseq: u64,
) -> Result<()> {
    let sql = "UPDATE mailbox SET uidnext = max(uidnext, ?3), highest_modseq = max(highest_modseq, ?4) \
               WHERE account_id = ?1 AND mailbox_id = ?2";
    db.prepare_cached(sql)?.execute(params![account.0, id.0, uidnext, modseq])?;
    Ok(())
}

/// Leaves a gap of UIDs in every mailbox of a live account: some may have been served that nobody remembers.
pub(crate) fn skip_uids(db: &Connection, count: u64) -> Result<()> {
    let sql = "UPDATE mailbox SET uidnext = min(uidnext + ?1, 4294967295) \
               WHERE account_id IN (SELECT account_id FROM account WHERE lineage = 0)";
    db.prepare_cached(sql)?.execute([count])?;
    Ok(())
}

// Bytes.

macro_rules! select_blob {
    ($tail:literal) => {
        concat!(
            "SELECT blob_id, digest, identity, message_id, first_field, size_bytes, segment, position FROM blob ",
            $tail
        )
    };
}

fn hash(row: &Row<'_>, column: usize) -> rusqlite::Result<[u8; 32]> {
    row.get(column)
}

/// 64-bit hashes are kept as the signed integers that SQL has.
fn word(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(|w| w as u64))
}

pub(super) fn blob_at(row: &Row<'_>, first: usize) -> rusqlite::Result<Blob> {
    Ok(Blob {
        id: BlobId(row.get(first)?),
        digest: Digest(hash(row, first + 1)?),
        identity: Identity(hash(row, first + 2)?),
        message_id: word(row, first + 3)?,
        first_field: word(row, first + 4)?,
        size_bytes: row.get(first + 5)?,
        place: Place { segment: row.get(first + 6)?, position: row.get(first + 7)? },
    })
}

pub(crate) fn blob_by_digest(db: &Connection, digest: &Digest) -> Result<Option<Blob>> {
    let sql = select_blob!("WHERE digest = ?1");
    Ok(db.prepare_cached(sql)?.query_row([&digest.as_bytes()[..]], |r| blob_at(r, 0)).optional()?)
}

pub(crate) fn blob_by_id(db: &Connection, id: BlobId) -> Result<Option<Blob>> {
    let sql = select_blob!("WHERE blob_id = ?1");
    Ok(db.prepare_cached(sql)?.query_row([id.0], |r| blob_at(r, 0)).optional()?)
}

pub(crate) fn insert_blob(db: &Connection, b: &Blob) -> Result<BlobId> {
    let sql = "INSERT INTO blob (digest, identity, message_id, first_field, size_bytes, segment, position) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    db.prepare_cached(sql)?.execute(params![
        &b.digest.as_bytes()[..],
        &b.identity.as_bytes()[..],
        b.message_id.map(|w| w as i64),
        b.first_field.map(|w| w as i64),
        b.size_bytes,
        b.place.segment,
        b.place.position,
    ])?;
    Ok(BlobId(db.last_insert_rowid()))
}

pub(crate) fn move_blob(db: &Connection, id: BlobId, to: Place) -> Result<()> {
    let sql = "UPDATE blob SET segment = ?2, position = ?3 WHERE blob_id = ?1";
    db.prepare_cached(sql)?.execute(params![id.0, to.segment, to.position])?;
    Ok(())
}

/// Live accounts that have messages of some bytes. Goes through all messages: there is no index for what is rare.
pub(crate) fn holders(db: &Connection, blobs: &HashSet<BlobId>) -> Result<BTreeSet<AccountId>> {
    let sql = "SELECT m.account_id, m.blob_id FROM account a JOIN message m ON m.account_id = a.account_id \
               WHERE a.lineage = 0";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut found = BTreeSet::new();
    while let Some(row) = rows.next()? {
        if blobs.contains(&BlobId(row.get(1)?)) {
            found.insert(AccountId(row.get(0)?));
        }
    }
    Ok(found)
}

pub(crate) fn for_each_blob(db: &Connection, mut each: impl FnMut(Blob) -> Result<()>) -> Result<()> {
    let mut statement = db.prepare_cached(select_blob!("ORDER BY segment, position"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        each(blob_at(row, 0)?)?;
    }
    Ok(())
}

// Messages.

pub(super) fn keywords_at(row: &Row<'_>, column: usize) -> Result<Vec<Keyword>> {
    let text = row.get_ref(column)?.as_str_or_null().map_err(|_| bad("keywords that are no text"))?;
    text.map_or(Ok(Vec::new()), decode_keywords).map_err(|_| bad("malformed keywords"))
}

pub(super) fn message_at(row: &Row<'_>) -> Result<Message> {
    Ok(Message {
        uid: row.get(0)?,
        blob: BlobId(row.get(1)?),
        flags: Flags::from_bits(row.get(2)?),
        keywords: keywords_at(row, 3)?,
        internal_date: row.get(4)?,
        save_date: row.get(5)?,
        modseq: row.get(6)?,
        uidl: row.get(7)?,
        traits: Traits(row.get(8)?),
    })
}

/// Calls for every message of a mailbox by ascending UID, with what is known of its bytes.
pub(crate) fn for_each_message(
    db: &Connection,
    account: AccountId,
    mailbox: MailboxId,
    mut each: impl FnMut(Message, Blob) -> Result<()>,
) -> Result<()> {
    let sql = "SELECT m.uid, m.blob_id, m.flags, m.keywords, m.internal_date, m.save_date, m.modseq, m.uidl, m.traits, \
               b.blob_id, b.digest, b.identity, b.message_id, b.first_field, b.size_bytes, b.segment, b.position \
               FROM message m LEFT JOIN blob b ON b.blob_id = m.blob_id \
               WHERE m.account_id = ?1 AND m.mailbox_id = ?2 ORDER BY m.uid";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([account.0, mailbox.0])?;
    while let Some(row) = rows.next()? {
        let message = message_at(row)?;
        // Passing it over would lose it without a word.
        if row.get::<_, Option<i64>>(9)?.is_none() {
            let at = format!("UID {} of mailbox {} of account {}", message.uid, mailbox.0, account.0);
            return Err(bad(&format!(
                "there are no bytes for {at}: `reintegra check` names all such, `rebuild` mends it"
            )));
        }
        each(message, blob_at(row, 9)?)?;
    }
    Ok(())
}

/// As [`for_each_message`], without the bytes: a message whose bytes the index does not know is seen too.
pub(crate) fn for_each_message_row(
    db: &Connection,
    account: AccountId,
    mailbox: MailboxId,
    mut each: impl FnMut(Message) -> Result<()>,
) -> Result<()> {
    let sql = "SELECT uid, blob_id, flags, keywords, internal_date, save_date, modseq, uidl, traits FROM message \
               WHERE account_id = ?1 AND mailbox_id = ?2 ORDER BY uid";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([account.0, mailbox.0])?;
    while let Some(row) = rows.next()? {
        each(message_at(row)?)?;
    }
    Ok(())
}

pub(crate) fn message(db: &Connection, account: AccountId, mailbox: MailboxId, uid: u32) -> Result<Option<Message>> {
    let sql = "SELECT uid, blob_id, flags, keywords, internal_date, save_date, modseq, uidl, traits FROM message \
               WHERE account_id = ?1 AND mailbox_id = ?2 AND uid = ?3";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params![account.0, mailbox.0, uid])?;
    rows.next()?.map(message_at).transpose()
}

/// Writes a message's row, new or changed.
pub(crate) fn put_message(db: &Connection, account: AccountId, mailbox: MailboxId, m: &Message) -> Result<()> {
    let sql = "INSERT INTO message (account_id, mailbox_id, uid, blob_id, flags, keywords, internal_date, save_date, \
               modseq, uidl, traits) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
               ON CONFLICT (account_id, mailbox_id, uid) DO UPDATE SET blob_id = excluded.blob_id, \
               flags = excluded.flags, keywords = excluded.keywords, internal_date = excluded.internal_date, \
               save_date = excluded.save_date, modseq = excluded.modseq, uidl = excluded.uidl, \
               traits = excluded.traits";
    db.prepare_cached(sql)?.execute(params![
        account.0,
        mailbox.0,
        m.uid,
        m.blob.0,
        m.flags.bits(),
        keyword_text(&m.keywords),
        m.internal_date,
        m.save_date,
        m.modseq,
        m.uidl,
        m.traits.0,
    ])?;
    Ok(())
}

pub(crate) fn delete_message(db: &Connection, account: AccountId, mailbox: MailboxId, uid: u32) -> Result<bool> {
    let sql = "DELETE FROM message WHERE account_id = ?1 AND mailbox_id = ?2 AND uid = ?3";
    Ok(db.prepare_cached(sql)?.execute(params![account.0, mailbox.0, uid])? == 1)
}

/// Messages whose bytes the index does not know: account, mailbox, UID.
pub(crate) fn messages_without_bytes(db: &Connection) -> Result<Vec<(AccountId, MailboxId, u32)>> {
    let sql = "SELECT account_id, mailbox_id, uid FROM message m \
               WHERE NOT EXISTS (SELECT 1 FROM blob b WHERE b.blob_id = m.blob_id) ORDER BY 1, 2, 3";
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_map([], |r| Ok((AccountId(r.get(0)?), MailboxId(r.get(1)?), r.get(2)?)))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// Rows that belong to no mailbox, and mailboxes and items that belong to no account, as text.
pub(crate) fn strays(db: &Connection) -> Result<Vec<String>> {
    let sql = "SELECT DISTINCT 'messages in mailbox ' || mailbox_id || ' of account ' || account_id FROM message m \
               WHERE NOT EXISTS (SELECT 1 FROM mailbox b WHERE b.account_id = m.account_id \
               AND b.mailbox_id = m.mailbox_id) \
               UNION ALL SELECT DISTINCT 'expunged UIDs in mailbox ' || mailbox_id || ' of account ' || account_id \
               FROM expunged e WHERE NOT EXISTS (SELECT 1 FROM mailbox b WHERE b.account_id = e.account_id \
               AND b.mailbox_id = e.mailbox_id) \
               UNION ALL SELECT 'mailbox ' || mailbox_id || ' of account ' || account_id FROM mailbox b \
               WHERE NOT EXISTS (SELECT 1 FROM account a WHERE a.account_id = b.account_id) \
               UNION ALL SELECT DISTINCT 'items of account ' || account_id FROM item i \
               WHERE NOT EXISTS (SELECT 1 FROM account a WHERE a.account_id = i.account_id) \
               UNION ALL SELECT DISTINCT 'delivery ids of account ' || account_id FROM delivered d \
               WHERE NOT EXISTS (SELECT 1 FROM account a WHERE a.account_id = d.account_id) \
               UNION ALL SELECT DISTINCT 'subscriptions of account ' || account_id FROM subscription s \
               WHERE NOT EXISTS (SELECT 1 FROM account a WHERE a.account_id = s.account_id) \
               UNION ALL SELECT DISTINCT 'annotations of mailbox ' || mailbox_id || ' of account ' || account_id \
               FROM annotation n WHERE NOT EXISTS (SELECT 1 FROM account a WHERE a.account_id = n.account_id) \
               OR (mailbox_id <> 0 AND NOT EXISTS (SELECT 1 FROM mailbox b WHERE b.account_id = n.account_id \
               AND b.mailbox_id = n.mailbox_id))";
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_map([], |r| r.get(0))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// Number of messages, and their size, in an account.
pub(crate) fn usage(db: &Connection, account: AccountId) -> Result<(u64, u64)> {
    let sql = "SELECT count(*), coalesce(sum(b.size_bytes), 0) FROM message m JOIN blob b ON b.blob_id = m.blob_id \
               WHERE m.account_id = ?1";
    Ok(db.prepare_cached(sql)?.query_row([account.0], |r| Ok((r.get(0)?, r.get(1)?)))?)
}

/// Number of messages in an account, and the latest INTERNALDATE.
pub(crate) fn newest(db: &Connection, account: AccountId) -> Result<(u64, Option<i64>)> {
    let sql = "SELECT count(*), max(internal_date) FROM message WHERE account_id = ?1";
    Ok(db.prepare_cached(sql)?.query_row([account.0], |r| Ok((r.get(0)?, r.get(1)?)))?)
}

// Expunged UIDs.

pub(crate) fn put_expunged(
    db: &Connection,
    account: AccountId,
    mailbox: MailboxId,
    uid: u32,
    modseq: u64,
    identity: Option<&Identity>,
) -> Result<()> {
    let sql = "INSERT INTO expunged (account_id, mailbox_id, uid, modseq, identity) VALUES (?1, ?2, ?3, ?4, ?5) \
               ON CONFLICT (account_id, mailbox_id, uid) DO UPDATE SET modseq = excluded.modseq";
    let identity = identity.map(|i| &i.as_bytes()[..]);
    db.prepare_cached(sql)?.execute(params![account.0, mailbox.0, uid, modseq, identity])?;
    Ok(())
}

pub(crate) fn is_expunged(db: &Connection, account: AccountId, mailbox: MailboxId, uid: u32) -> Result<bool> {
    let sql = "SELECT count(*) FROM expunged WHERE account_id = ?1 AND mailbox_id = ?2 AND uid = ?3";
    Ok(db.prepare_cached(sql)?.query_row(params![account.0, mailbox.0, uid], |r| r.get(0))?)
}

pub(crate) fn delete_expunged(db: &Connection, account: AccountId, mailbox: MailboxId, uid: u32) -> Result<()> {
    let sql = "DELETE FROM expunged WHERE account_id = ?1 AND mailbox_id = ?2 AND uid = ?3";
    db.prepare_cached(sql)?.execute(params![account.0, mailbox.0, uid])?;
    Ok(())
}

pub(crate) fn expunged(
    db: &Connection,
    account: AccountId,
    mailbox: MailboxId,
) -> Result<Vec<(u32, u64, Option<Identity>)>> {
    let sql = "SELECT uid, modseq, identity FROM expunged WHERE account_id = ?1 AND mailbox_id = ?2 ORDER BY uid";
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_map([account.0, mailbox.0], |r| {
        Ok((r.get(0)?, r.get(1)?, r.get::<_, Option<[u8; 32]>>(2)?.map(Identity)))
    })?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

// Items of sources.

pub(crate) fn put_item(db: &Connection, account: AccountId, number: i64, i: &Item) -> Result<()> {
    let sql = "INSERT INTO item (account_id, item_no, kind, mailbox_id, uid, mailbox_name, listed_uid, path, \
               range_offset, range_length, length_bytes, modified_ns, changed_ns, inode, mended, reason) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) \
               ON CONFLICT (account_id, item_no) DO UPDATE SET kind = excluded.kind, \
               mailbox_id = excluded.mailbox_id, uid = excluded.uid, mailbox_name = excluded.mailbox_name, \
               listed_uid = excluded.listed_uid, path = excluded.path, range_offset = excluded.range_offset, \
               range_length = excluded.range_length, length_bytes = excluded.length_bytes, \
               modified_ns = excluded.modified_ns, changed_ns = excluded.changed_ns, inode = excluded.inode, \
               mended = excluded.mended, reason = excluded.reason";
    db.prepare_cached(sql)?.execute(params![
        account.0,
        number,
        i.kind,
        i.message.map(|m| m.0.0),
        i.message.map(|m| m.1),
        i.mailbox_name,
        i.listed_uid,
        i.origin.path,
        i.origin.range.map(|r| r.0),
        i.origin.range.map(|r| r.1),
        i.origin.length_bytes,
        i.origin.modified_ns,
        i.origin.changed_ns,
        i.origin.inode as i64,
        i.origin.mended,
        i.reason,
    ])?;
    Ok(())
}

pub(crate) fn delete_item(db: &Connection, account: AccountId, number: i64) -> Result<()> {
    db.prepare_cached("DELETE FROM item WHERE account_id = ?1 AND item_no = ?2")?.execute([account.0, number])?;
    Ok(())
}

pub(crate) fn for_each_item(
    db: &Connection,
    account: AccountId,
    mut each: impl FnMut(i64, Item) -> Result<()>,
) -> Result<()> {
    let sql = "SELECT item_no, kind, mailbox_id, uid, mailbox_name, listed_uid, path, range_offset, range_length, \
               length_bytes, modified_ns, changed_ns, inode, mended, reason FROM item WHERE account_id = ?1 \
               ORDER BY item_no";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([account.0])?;
    while let Some(r) = rows.next()? {
        let mailbox: Option<i64> = r.get(2)?;
        let range: (Option<u64>, Option<u64>) = (r.get(7)?, r.get(8)?);
        let item = Item {
            kind: r.get(1)?,
            message: mailbox.map(MailboxId).zip(r.get(3)?),
            mailbox_name: r.get(4)?,
            listed_uid: r.get(5)?,
            origin: Origin {
                path: r.get(6)?,
                range: range.0.zip(range.1),
                length_bytes: r.get(9)?,
                modified_ns: r.get(10)?,
                changed_ns: r.get(11)?,
                inode: r.get::<_, i64>(12)? as u64,
                mended: r.get(13)?,
            },
            reason: r.get(14)?,
        };
        each(r.get(0)?, item)?;
    }
    Ok(())
}

pub(crate) fn count_items(db: &Connection, lineage: LineageId, except_kind: u8) -> Result<u64> {
    let sql = "SELECT count(*) FROM item i JOIN account a ON a.account_id = i.account_id \
               WHERE a.lineage = ?1 AND i.kind <> ?2";
    Ok(db.prepare_cached(sql)?.query_row(params![lineage.0, except_kind], |r| r.get(0))?)
}

// The journal of integrations.

/// An entry of the journal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JournalRow {
    pub(crate) state: String,
    pub(crate) was: Option<Vec<u8>>,
    pub(crate) became: Option<Vec<u8>>,
    pub(crate) fates: Option<Vec<u8>>,
}

pub(crate) fn journal(db: &Connection, integration: i64, key: &str) -> Result<Option<JournalRow>> {
    let sql = "SELECT state, was, became, fates FROM journal WHERE integration = ?1 AND address_key = ?2";
    let row = |r: &Row<'_>| Ok(JournalRow { state: r.get(0)?, was: r.get(1)?, became: r.get(2)?, fates: r.get(3)? });
    Ok(db.prepare_cached(sql)?.query_row(params![integration, key], row).optional()?)
}

pub(crate) fn put_journal(db: &Connection, integration: i64, key: &str, j: &JournalRow) -> Result<()> {
    let sql = "INSERT INTO journal (integration, address_key, state, was, became, fates) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (integration, address_key) DO UPDATE SET \
               state = excluded.state, was = excluded.was, became = excluded.became, fates = excluded.fates";
    db.prepare_cached(sql)?.execute(params![integration, key, j.state, j.was, j.became, j.fates])?;
    Ok(())
}

pub(crate) fn journal_states(db: &Connection, integration: i64) -> Result<Vec<(String, String)>> {
    let sql = "SELECT address_key, state FROM journal WHERE integration = ?1 ORDER BY address_key";
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_map([integration], |r| Ok((r.get(0)?, r.get(1)?)))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

pub(crate) fn delete_journal(db: &Connection, integration: i64) -> Result<()> {
    db.prepare_cached("DELETE FROM journal WHERE integration = ?1")?.execute([integration])?;
    Ok(())
}

/// Messages of served accounts.
pub(crate) fn count_messages(db: &Connection) -> Result<u64> {
    let sql = "SELECT count(*) FROM message m JOIN account a ON a.account_id = m.account_id WHERE a.lineage = 0";
    Ok(db.prepare_cached(sql)?.query_row([], |r| r.get(0))?)
}
