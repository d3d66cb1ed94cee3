//! Searching the text of messages for what it holds, exactly; the index only makes it fast.

use super::covered::Covered;
use super::disposable::Layout;
use super::fill::Batch;
use super::text::{Query, Unpacker};
use super::{ascending, runs};
use crate::Cell;
use crate::error::StoreError;
use crate::types::BlobId;
use rusqlite::{Connection, OptionalExtension};

pub use super::text::TextScope;

type Result<T> = std::result::Result<T, StoreError>;

/// Up to so many messages are looked through without asking which of them can hold the needle: the lists of a common
/// trigram are as long as the cell has messages.
const FEW: usize = 128;
/// Texts read at a time.
const READ_AT_ONCE: usize = 32;

pub(super) const LAYOUT: Layout = Layout {
    file: "search.sqlite",
    // Also raised when `message::text` gives another text for the same bytes.
    version: 1,
    // Two tables beside the index of trigrams, so that asking what is indexed does not read what is kept. FTS5 gathers in
    // memory what a batch of messages brings, and merges less eagerly than it would: a tenth of the time.
    schema: "CREATE TABLE indexed (blob_id INTEGER PRIMARY KEY, whole INTEGER NOT NULL);
             CREATE TABLE kept (blob_id INTEGER PRIMARY KEY, packed BLOB NOT NULL);
             CREATE TABLE covered (first INTEGER PRIMARY KEY, last INTEGER NOT NULL);
             CREATE VIRTUAL TABLE trigram USING fts5 (
                 text, tokenize = 'trigram case_sensitive 1', detail = none, content = '', contentless_delete = 1
             );
             INSERT INTO trigram (trigram, rank) VALUES ('hashsize', 8388608), ('automerge', 8);",
    cut,
};

/// What is known of a message before its text is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It is not indexed.
    Unknown,
    /// It may match; all of its text is kept.
    Candidate,
    /// It may match; more than what is kept must be looked at where that does not.
    Long,
    No,
}

impl Cell {
    /// Tells of each message whether every needle is in its text, without regard to case and accents. An empty needle
    /// is in every text. A message whose bytes are damaged holds nothing.
    ///
    /// A message that is not indexed yet is read, and indexed on the way unless the indexer is writing just then.
    /// `progress` is called now and then with how many of how many messages are decided, and stops the search by `false`:
    /// then there is no answer (`None`).
    ///
    /// # Errors
    /// Those of the disk and of the index.
    pub fn search_text(
        &self,
        blobs: &[BlobId],
        needles: &[(TextScope, &str)],
        progress: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Option<Vec<bool>>> {
        let query = Query::new(needles);
        if query.is_empty() {
            return Ok(Some(vec![true; blobs.len()]));
        }
        let ids = ascending(blobs);
        let matching = self.matching(&query, &ids, progress)?;
        Ok(matching.map(|m| blobs.iter().map(|blob| m.binary_search(&blob.0).is_ok()).collect()))
    }

    /// Those of ascending numbers whose messages match, ascending.
    fn matching(
        &self,
        query: &Query,
        ids: &[i64],
        progress: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Option<Vec<i64>>> {
        let standing = self.derived.search.read(|db| standing(db, query, ids));
        let standing = standing.unwrap_or_else(|| vec![Standing::Unknown; ids.len()]);
        let standing = ids.iter().copied().zip(standing).filter(|(_, s)| *s != Standing::No);
        let (mut unread, candidates): (Vec<_>, Vec<_>) = standing.partition(|(_, s)| *s == Standing::Unknown);
        let mut left = candidates.len();
        let mut matching = Vec::new();

        let mut unpacker = Unpacker::new().map_err(StoreError::io("zstd"))?;
        for chunk in candidates.chunks(READ_AT_ONCE) {
            if !progress(ids.len() - left - unread.len(), ids.len()) {
                return Ok(None);
            }
            let chunk_ids: Vec<i64> = chunk.iter().map(|(id, _)| *id).collect();
            let kept = self.derived.search.read(|db| kept(db, &chunk_ids)).unwrap_or_default();
            let mut kept = kept.iter().peekable();
            for (id, standing) in chunk {
                let packed = kept.next_if(|(of, _)| of == id).map(|(_, packed)| packed);
                match packed.and_then(|packed| unpacker.unpack(packed)) {
                    Some(text) if query.matches(text) => matching.push(*id),
                    Some(_) if *standing == Standing::Candidate => {}
                    Some(_) => unread.push((*id, Standing::Long)),
                    None => unread.push((*id, Standing::Unknown)),
                }
            }
            left -= chunk.len();
        }

        let mut batch = Batch::new()?;
        for (n, (id, standing)) in unread.iter().enumerate() {
            if !progress(ids.len() - unread.len() + n, ids.len()) {
                // What was read is not lost.
                batch.offer(&self.derived.search);
                return Ok(None);
            }
            let Some(text) = self.text_of(BlobId(*id))? else { continue };
            if query.matches(text.as_bytes()) {
                matching.push(*id);
            }
            if *standing == Standing::Unknown {
                batch.push(*id, &text)?;
            }
            if batch.is_full() {
                batch.offer(&self.derived.search);
            }
        }
        batch.offer(&self.derived.search);
        matching.sort_unstable();
        Ok(Some(matching))
    }
}

/// What the database knows of messages without looking at their texts, in one state of it.
fn standing(db: &Connection, query: &Query, ids: &[i64]) -> rusqlite::Result<Vec<Standing>> {
    let expression = query.expression().filter(|_| ids.len() > FEW);
    let known = if expression.is_some() { Standing::No } else { Standing::Candidate };
    let mut standing = vec![Standing::Unknown; ids.len()];
    let mut at = 0;
    let mut between = db.prepare_cached("SELECT blob_id, whole FROM indexed WHERE blob_id BETWEEN ?1 AND ?2")?;
    for run in runs(ids) {
        let mut rows = between.query([run[0], run[run.len() - 1]])?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            at += ids[at..].iter().take_while(|i| **i < id).count();
            if ids.get(at) == Some(&id) {
                standing[at] = if row.get(1)? { known } else { Standing::Long };
            }
        }
    }
    let (Some(expression), Some(first), Some(last)) = (expression, ids.first(), ids.last()) else {
        return Ok(standing);
    };
    let sql = "SELECT rowid FROM trigram WHERE trigram MATCH ?1 AND rowid BETWEEN ?2 AND ?3 ORDER BY rowid";
    let mut matches = db.prepare_cached(sql)?;
    let mut rows = matches.query((expression, first, last))?;
    let mut at = 0;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        at += ids[at..].partition_point(|i| *i < id);
        if ids.get(at) == Some(&id) && standing[at] == Standing::No {
            standing[at] = Standing::Candidate;
        }
    }
    Ok(standing)
}

/// The packed texts of messages, ascending.
fn kept(db: &Connection, ids: &[i64]) -> rusqlite::Result<Vec<(i64, Vec<u8>)>> {
    let mut one = db.prepare_cached("SELECT packed FROM kept WHERE blob_id = ?1")?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        if let Some(packed) = one.query_row([id], |r| r.get(0)).optional()? {
            found.push((*id, packed));
        }
    }
    Ok(found)
}

/// Takes a message out of the database.
pub(super) fn remove(db: &Connection, id: i64) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM indexed WHERE blob_id = ?1")?.execute([id])?;
    db.prepare_cached("DELETE FROM kept WHERE blob_id = ?1")?.execute([id])?;
    db.prepare_cached("DELETE FROM trigram WHERE rowid = ?1")?.execute([id])?;
    Ok(())
}

fn cut(db: &Connection, highest: BlobId) -> rusqlite::Result<()> {
    let mut above = db.prepare("SELECT blob_id FROM indexed WHERE blob_id > ?1")?;
    let above = above.query_map([highest.0], |r| r.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
    above.into_iter().try_for_each(|id| remove(db, id))?;
    let mut covered = Covered::load(db)?;
    let before = covered.clone();
    covered.cut(highest.0);
    if covered != before { covered.store(db) } else { Ok(()) }
}
