//! Values that layers above the store computed from messages' bytes, and would not compute again.

use super::disposable::Layout;
use super::{ascending, runs};
use crate::Cell;
use crate::types::BlobId;
use rusqlite::{Connection, OptionalExtension, params};

/// A value longer than this is not kept: what is computed from it anew costs less than the room.
const MAX_VALUE_BYTES: usize = 256 << 10;
/// Values read at a time: few enough to lie in memory, and the callers' work is done without the database.
const READ_AT_ONCE: usize = 1024;
/// Values written in one transaction: others who write wait for so many.
const WRITE_AT_ONCE: usize = 1024;

pub(super) const LAYOUT: Layout = Layout {
    file: "cached.sqlite",
    version: 1,
    schema: "CREATE TABLE cached (
                 kind    INTEGER NOT NULL,
                 blob_id INTEGER NOT NULL,
                 version INTEGER NOT NULL,
                 value   BLOB NOT NULL,
                 PRIMARY KEY (kind, blob_id)
             ) WITHOUT ROWID;",
    cut,
};

/// What a kept value is: a pure function of a message's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheKind {
    /// Which function.
    pub number: u8,
    /// Raised whenever the function gives something else for the same bytes. A value of another version is as good as
    /// absent.
    pub version: u32,
}

impl Cell {
    /// Calls once for each index into `blobs`, in ascending order of [`BlobId`], with the value kept for it, if any.
    ///
    /// No database is open and no lock is held while `each` runs.
    pub fn cached(&self, kind: CacheKind, blobs: &[BlobId], mut each: impl FnMut(usize, Option<&[u8]>)) {
        let mut order: Vec<usize> = (0..blobs.len()).collect();
        if !blobs.is_sorted() {
            order.sort_by_key(|index| blobs[*index]);
        }
        let mut order = order.into_iter().peekable();
        let mut values = Values::default();
        for ids in ascending(blobs).chunks(READ_AT_ONCE) {
            values.clear();
            // What was read before it failed is true.
            _ = self.derived.cached.read(|db| read(db, kind, ids, &mut values));
            let mut found = values.iter().peekable();
            for id in ids {
                let value = found.next_if(|(of, _)| of == id).map(|(_, value)| value);
                while let Some(index) = order.next_if(|index| blobs[*index].0 == *id) {
                    each(index, value);
                }
            }
        }
    }

    /// Keeps values of messages, as far as that goes: on a full disk they are not kept, and nobody is told.
    pub fn put_cached(&self, kind: CacheKind, mut values: Vec<(BlobId, Vec<u8>)>) {
        values.sort_by_key(|(blob, _)| *blob);
        for chunk in values.chunks(WRITE_AT_ONCE) {
            let kept = self.derived.cached.write(|db| {
                let sql = "INSERT INTO cached (kind, blob_id, version, value) VALUES (?1, ?2, ?3, ?4) \
                           ON CONFLICT (kind, blob_id) DO UPDATE SET version = excluded.version, value = excluded.value";
                let mut put = db.prepare_cached(sql)?;
                for (blob, value) in chunk.iter().filter(|(_, v)| v.len() <= MAX_VALUE_BYTES) {
                    put.execute(params![kind.number, blob.0, kind.version, value])?;
                }
                Ok(())
            });
            if kept.is_none() {
                return;
            }
        }
    }
}

/// Values by ascending number, their bytes in one buffer.
#[derive(Default)]
struct Values {
    bytes: Vec<u8>,
    /// Number, and where its bytes end.
    ends: Vec<(i64, usize)>,
}

impl Values {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn push(&mut self, id: i64, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.ends.push((id, self.bytes.len()));
    }

    fn iter(&self) -> impl Iterator<Item = (i64, &[u8])> {
        self.ends.iter().scan(0, |from, (id, end)| {
            let value = &self.bytes[*from..*end];
            *from = *end;
            Some((*id, value))
        })
    }
}

fn read(db: &Connection, kind: CacheKind, ids: &[i64], values: &mut Values) -> rusqlite::Result<()> {
    let one = "SELECT value FROM cached WHERE kind = ?1 AND blob_id = ?2 AND version = ?3";
    let between = "SELECT blob_id, value FROM cached WHERE kind = ?1 AND blob_id BETWEEN ?2 AND ?3 AND version = ?4 \
                   ORDER BY blob_id";
    let (mut one, mut between) = (db.prepare_cached(one)?, db.prepare_cached(between)?);
    for run in runs(ids) {
        let (first, last) = (run[0], run[run.len() - 1]);
        if first == last {
            let mut rows = one.query(params![kind.number, first, kind.version])?;
            if let Some(row) = rows.next()? {
                values.push(first, row.get_ref(0)?.as_blob()?);
            }
            continue;
        }
        let mut wanted = run.iter().copied().peekable();
        let mut rows = between.query(params![kind.number, first, last, kind.version])?;
        while let Some(row) = rows.next()? {
            let id = row.get(0)?;
            while wanted.next_if(|w| *w < id).is_some() {}
            if wanted.next_if_eq(&id).is_some() {
                values.push(id, row.get_ref(1)?.as_blob()?);
            }
        }
    }
    Ok(())
}

/// The kinds that values are kept of.
pub(super) fn kinds(db: &Connection) -> rusqlite::Result<Vec<u8>> {
    let mut next = db.prepare_cached("SELECT kind FROM cached WHERE kind > ?1 ORDER BY kind LIMIT 1")?;
    let (mut kinds, mut behind) = (Vec::new(), -1);
    while let Some(kind) = next.query_row([behind], |r| r.get::<_, u8>(0)).optional()? {
        kinds.push(kind);
        behind = i64::from(kind);
    }
    Ok(kinds)
}

fn cut(db: &Connection, highest: BlobId) -> rusqlite::Result<()> {
    let mut delete = db.prepare_cached("DELETE FROM cached WHERE kind = ?1 AND blob_id > ?2")?;
    kinds(db)?.into_iter().try_for_each(|kind| delete.execute(params![kind, highest.0]).map(|_| ()))
}
