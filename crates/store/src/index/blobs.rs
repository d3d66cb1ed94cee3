//! Which numbers messages' bytes have, and which of them messages refer to: what derived data asks.

use crate::types::BlobId;
use rusqlite::Connection;

/// The highest number that the index knows; 0 when it knows none.
pub(crate) fn highest(db: &Connection) -> rusqlite::Result<BlobId> {
    let mut statement = db.prepare_cached("SELECT coalesce(max(blob_id), 0) FROM blob")?;
    statement.query_row([], |r| r.get(0).map(BlobId))
}

/// Up to so many of the numbers in a stretch, the highest ones, descending.
pub(crate) fn highest_between(db: &Connection, first: i64, last: i64, limit: usize) -> rusqlite::Result<Vec<i64>> {
    let sql = "SELECT blob_id FROM blob WHERE blob_id BETWEEN ?1 AND ?2 ORDER BY blob_id DESC LIMIT ?3";
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_map([first, last, i64::try_from(limit).unwrap_or(i64::MAX)], |r| r.get(0))?;
    found.collect()
}

/// Calls for every message with the number of its bytes, and whether its account is live.
pub(crate) fn referred_to(db: &Connection, mut each: impl FnMut(i64, bool)) -> rusqlite::Result<()> {
    let sql = "SELECT m.blob_id, a.lineage = 0 FROM account a JOIN message m ON m.account_id = a.account_id";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        each(row.get(0)?, row.get(1)?);
    }
    Ok(())
}
