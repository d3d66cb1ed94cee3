//! Taking out what is kept of messages that are gone.

use super::covered::Covered;
use super::numbers::{Numbers, ReferredTo};
use super::{cached, search};
use crate::Cell;
use crate::error::StoreError;
use rusqlite::{Connection, params};

/// Rows looked at, and removed, at a time: who writes beside it waits for so many.
const AT_ONCE: usize = 1024;

/// What a tidying took out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tidied {
    /// Values.
    pub cached: usize,
    /// Messages' texts.
    pub indexed: usize,
}

impl Cell {
    /// Drops what is kept of messages that no account has any more, and sees to it that [`Cell::index_pending`] comes to
    /// those that have come to a live account since it passed them over. Reads every message's row: for once a day.
    ///
    /// # Errors
    /// Those of the index.
    pub fn tidy_derived(&self) -> Result<Tidied, StoreError> {
        // Anything above was made in the meantime.
        let referred_to = ReferredTo::in_cell(self)?;
        let mut tidied = Tidied::default();
        let gone = |id: &i64| *id <= referred_to.highest && !referred_to.by_any.contains(*id);

        for kind in self.derived.cached.read(cached::kinds).unwrap_or_default() {
            let page = |db: &Connection, behind: i64| {
                let sql = "SELECT blob_id FROM cached WHERE kind = ?1 AND blob_id > ?2 ORDER BY blob_id LIMIT ?3";
                ids(db.prepare_cached(sql)?.query(params![kind, behind, AT_ONCE as i64])?)
            };
            let mut behind = 0;
            while let Some(ids) = self.derived.cached.read(|db| page(db, behind)).filter(|ids| !ids.is_empty()) {
                behind = ids[ids.len() - 1];
                let gone: Vec<i64> = ids.into_iter().filter(gone).collect();
                if gone.is_empty() {
                    continue;
                }
                let removed = self.derived.cached.write(|db| {
                    let mut delete = db.prepare_cached("DELETE FROM cached WHERE kind = ?1 AND blob_id = ?2")?;
                    gone.iter().try_for_each(|id| delete.execute(params![kind, id]).map(|_| ()))
                });
                tidied.cached += removed.map_or(0, |()| gone.len());
            }
        }

        let mut indexed = Numbers::default();
        let page = |db: &Connection, behind: i64| {
            let sql = "SELECT blob_id FROM indexed WHERE blob_id > ?1 ORDER BY blob_id LIMIT ?2";
            ids(db.prepare_cached(sql)?.query([behind, AT_ONCE as i64])?)
        };
        let mut behind = 0;
        while let Some(ids) = self.derived.search.read(|db| page(db, behind)).filter(|ids| !ids.is_empty()) {
            behind = ids[ids.len() - 1];
            ids.iter().for_each(|id| indexed.insert(*id));
            let gone: Vec<i64> = ids.into_iter().filter(gone).collect();
            if gone.is_empty() {
                continue;
            }
            let removed = self.derived.search.write(|db| gone.iter().try_for_each(|id| search::remove(db, *id)));
            tidied.indexed += removed.map_or(0, |()| gone.len());
        }
        if !referred_to.by_live.are_in(&indexed) {
            // It goes through all of them again, and finds the most of them done.
            self.derived.search.write(|db| Covered::default().store(db));
        }
        Ok(tidied)
    }
}

fn ids(mut rows: rusqlite::Rows<'_>) -> rusqlite::Result<Vec<i64>> {
    let mut ids = Vec::new();
    while let Some(row) = rows.next()? {
        ids.push(row.get(0)?);
    }
    Ok(ids)
}
