//! Deliveries by their ids: what makes a second try of one do nothing.

use crate::error::StoreError;
use crate::spool::DeliveryId;
use crate::types::{AccountId, MailboxId};
use rusqlite::{Connection, OptionalExtension, params};

type Result<T> = std::result::Result<T, StoreError>;

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) mailbox: MailboxId,
    pub(crate) uid: u32,
    pub(crate) uidvalidity: Option<u32>,
}

/// What became of the account's delivery of an id: of one that is not where it was put any more only since a time.
pub(crate) fn seen(db: &Connection, account: AccountId, id: DeliveryId, gone_since_s: i64) -> Result<Option<Seen>> {
    let sql = "SELECT mailbox_id, uid, uidvalidity FROM delivered d WHERE account_id = ?1 AND delivery_id = ?2 \
               AND (seen_s >= ?3 OR EXISTS (SELECT 1 FROM message m WHERE m.account_id = d.account_id \
               AND m.mailbox_id = d.mailbox_id AND m.uid = d.uid))";
    let seen =
        |r: &rusqlite::Row<'_>| Ok(Seen { mailbox: MailboxId(r.get(0)?), uid: r.get(1)?, uidvalidity: r.get(2)? });
    Ok(db.prepare_cached(sql)?.query_row(params![account.0, id.0, gone_since_s], seen).optional()?)
}

/// Remembers a delivery; the last of an id stays.
pub(crate) fn put(db: &Connection, account: AccountId, id: DeliveryId, seen: Seen, seen_s: i64) -> Result<()> {
    let sql = "INSERT OR REPLACE INTO delivered (account_id, delivery_id, mailbox_id, uid, uidvalidity, seen_s) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let Seen { mailbox, uid, uidvalidity } = seen;
    db.prepare_cached(sql)?.execute(params![account.0, id.0, mailbox.0, uid, uidvalidity, seen_s])?;
    Ok(())
}

/// When the oldest was delivered.
pub(crate) fn oldest(db: &Connection) -> Result<Option<i64>> {
    Ok(db.prepare_cached("SELECT min(seen_s) FROM delivered")?.query_row([], |r| r.get(0))?)
}

/// Forgets up to so many of those from before a time. Gives how many.
pub(crate) fn forget(db: &Connection, before_s: i64, limit: usize) -> Result<usize> {
    let sql = "DELETE FROM delivered WHERE (account_id, delivery_id) IN (SELECT account_id, delivery_id FROM delivered \
               WHERE seen_s < ?1 ORDER BY seen_s LIMIT ?2)";
    Ok(db.prepare_cached(sql)?.execute(params![before_s, limit as i64])?)
}

/// Forgets all of an account.
pub(crate) fn forget_account(db: &Connection, account: AccountId) -> Result<()> {
    db.prepare_cached("DELETE FROM delivered WHERE account_id = ?1")?.execute([account.0])?;
    Ok(())
}
