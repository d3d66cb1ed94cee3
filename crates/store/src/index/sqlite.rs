//! The SQLite engine of the index: how a database is opened, and what its durability settings are.
//!
//! The index is in WAL mode. Deliveries commit without a sync of their own (`synchronous=NORMAL`): their records are
//! already durable in a segment, and the index catches up from there. Everything else commits with
//! `synchronous=FULL`, which syncs the whole WAL, earlier deliveries included, before it returns. So what survives a
//! power loss is always a prefix of what was committed, and the tail position in it is true.

use crate::error::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The first SQLite in which two connections that write and checkpoint at once cannot lose committed data.
pub(crate) const LEAST_VERSION: i32 = 3_051_003;
/// What makes each version of a schema out of the one before. Never edited: indexes of every version are about.
type Schema = [&'static str];

/// Of a cell's index.
pub(crate) const CELL: &Schema =
    &[include_str!("schema.sql"), include_str!("schema_2.sql"), include_str!("schema_3.sql")];
/// Of the queue's.
pub(crate) const QUEUE: &Schema = &[
    include_str!("../spool/schema.sql"),
    include_str!("../spool/schema_2.sql"),
    include_str!("../spool/schema_3.sql"),
];
/// Pages of the WAL after which it is written back: 32 MiB, so that bulk work is not interrupted all the time.
const WRITE_BACK_PAGES: i64 = 8192;
/// SQLite's own checkpoints are off: they hide a sync that failed, behind which nothing would be durable any more.
const SET_UP_WRITER: &str = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0; \
                             PRAGMA cache_size=-16384; PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=ON;";
const SET_UP_READER: &str = "PRAGMA query_only=ON; PRAGMA cache_size=-4096; PRAGMA temp_store=MEMORY;";

/// What is said of an empty database where there must be an index.
const LOST: &str = "the index is lost; make it anew with `reintegra rebuild`";

/// Opens the one writing connection; makes the schema in an empty database, where that is nothing lost.
pub(crate) fn open_writer(
    path: &Path,
    vfs: Option<&str>,
    schema: &Schema,
    may_make: bool,
) -> Result<Connection, StoreError> {
    if rusqlite::version_number() < LEAST_VERSION {
        let message = format!("SQLite {} can lose data; 3.51.3 or later is needed", rusqlite::version());
        return Err(StoreError::Directory { path: path.to_owned(), message });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = open(path, flags, vfs)?;
    connection.execute_batch(SET_UP_WRITER)?;
    let made = is_made(&connection)?;
    if !made && !may_make {
        return Err(StoreError::Directory { path: path.to_owned(), message: LOST.to_owned() });
    }
    let version = match made {
        false => "0".to_owned(),
        true => self::version(&connection)?,
    };
    let Some(missing) = version.parse().ok().and_then(|v: usize| schema.get(v..)) else {
        let message = newer(&version, schema.len());
        return Err(StoreError::Directory { path: path.to_owned(), message });
    };
    if !missing.is_empty() {
        upgrade(&mut connection, missing, schema.len())?;
    }
    Ok(connection)
}

/// Whether a database holds an index, rather than nothing.
fn is_made(connection: &Connection) -> Result<bool, StoreError> {
    let sql = "SELECT count(*) FROM sqlite_master WHERE name = 'cell'";
    Ok(connection.query_row(sql, [], |r| r.get::<_, i64>(0))? != 0)
}

/// Makes an index of an earlier version, or an empty one, one of this version; in one transaction.
fn upgrade(connection: &mut Connection, missing: &[&str], version: usize) -> Result<(), StoreError> {
    full_sync(connection, true)?;
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    missing.iter().try_for_each(|sql| tx.execute_batch(sql))?;
    let sql = "INSERT INTO cell (name, value) VALUES ('schema', ?1) \
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    tx.execute(sql, [version.to_string()])?;
    tx.commit()?;
    full_sync(connection, false)
}

/// Opens a connection that only reads.
pub(crate) fn open_reader(path: &Path, vfs: Option<&str>) -> Result<Connection, StoreError> {
    // Not SQLITE_OPEN_READ_ONLY: a reader of a WAL must be able to make the shared index; query_only keeps it honest.
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX, vfs)?;
    connection.execute_batch(SET_UP_READER)?;
    Ok(connection)
}

/// Opens a connection to a cell's index that another process writes. It can write nothing but the index's shared memory: not
/// even the log is written back when it is closed last.
pub(crate) fn open_beside(path: &Path, vfs: Option<&str>) -> Result<Connection, StoreError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX, vfs)?;
    connection.execute_batch(SET_UP_READER)?;
    let wrong = |message: String| StoreError::Directory { path: path.to_owned(), message };
    if !is_made(&connection)? {
        return Err(wrong(LOST.into()));
    }
    let version = version(&connection)?;
    let known = CELL.len();
    match version.parse::<usize>() {
        Ok(version) if version == known => Ok(connection),
        Ok(version) if version < known => {
            let by = "the process that has it open is of an earlier release";
            Err(wrong(format!(
                "the index has format {version}, this program reads {known}: {by}; use that, or stop it"
            )))
        }
        _ => Err(wrong(newer(&version, known))),
    }
}

fn newer(version: &str, known: usize) -> String {
    format!("the index has format {version}, this program knows up to {known}: use a newer one")
}

fn version(connection: &Connection) -> rusqlite::Result<String> {
    connection.query_row("SELECT value FROM cell WHERE name = 'schema'", [], |r| r.get(0))
}

fn open(path: &Path, flags: OpenFlags, vfs: Option<&str>) -> Result<Connection, StoreError> {
    let connection = match vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs)?,
        None => Connection::open_with_flags(path, flags)?,
    };
    connection.busy_timeout(Duration::from_secs(30))?;
    connection.set_prepared_statement_cache_capacity(64);
    // Without it SQLite prepares a statement anew whenever a bound value might make another plan the better one, which for
    // ours it never does: a fifth of an apply went there.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

/// Chooses whether the next commits sync.
pub(crate) fn full_sync(connection: &Connection, full: bool) -> Result<(), StoreError> {
    Ok(connection.execute_batch(if full { "PRAGMA synchronous=FULL" } else { "PRAGMA synchronous=NORMAL" })?)
}

/// Writes the WAL back into the database when it has grown long.
pub(crate) fn write_back_if_due(connection: &Connection) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached("PRAGMA wal_checkpoint(NOOP)")?;
    let pages: i64 = statement.query_row([], |r| Ok(r.get::<_, i64>(1)? - r.get::<_, i64>(2)?))?;
    if pages >= WRITE_BACK_PAGES { write_back(connection) } else { Ok(()) }
}

/// Writes back as much of the WAL as no reader needs.
pub(crate) fn write_back(connection: &Connection) -> Result<(), StoreError> {
    Ok(connection.execute_batch("PRAGMA wal_checkpoint(PASSIVE)")?)
}

/// The file in which commits stand until they are written back.
pub(crate) fn wal_path(index: &Path) -> PathBuf {
    let mut name = index.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// Writes a consistent copy of a database, as one SQLite file. On a connection of its own: it must not be in a
/// transaction.
pub(crate) fn copy(from: &Path, vfs: Option<&str>, to: &Path) -> Result<(), StoreError> {
    let text = to.to_str().ok_or_else(|| StoreError::Caller(format!("{} is not UTF-8", to.display())))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    open(from, flags, vfs)?.execute("VACUUM INTO ?1", [text])?;
    Ok(())
}

/// What SQLite itself finds wrong with the database file.
pub(crate) fn integrity(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare("PRAGMA integrity_check")?;
    let lines = statement.query_map([], |r| r.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    Ok(lines.into_iter().filter(|l| l != "ok").collect())
}
