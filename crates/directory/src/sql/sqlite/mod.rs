//! SQLite: opening, pragmas, migrations, and the checks that the engine itself can do.

mod forward;

use crate::error::DirectoryError;
use crate::sql::migration;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};
use sha2::{Digest, Sha256};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// The first SQLite without the WAL-reset race.
const OLDEST_SQLITE: i32 = 3_051_003;
/// Marks the file as ours (`PRAGMA application_id`): "RDir".
const APPLICATION_ID: i32 = 0x5244_6972;
/// How long a statement waits for another process that writes (a backup, a shell).
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Prepared statements kept per connection: more than there are statements.
const STATEMENT_CACHE: usize = 224;

/// A numbered step of the schema. A released one is never edited: its checksum is in every database.
struct Migration {
    number: i64,
    name: &'static str,
    sql: &'static str,
    /// What SQL alone cannot do, after it.
    then: fn(&Connection) -> Result<(), DirectoryError>,
}

const MIGRATIONS: &[Migration] = &[
    Migration { number: 1, name: "directory", sql: include_str!("0001_directory.sql"), then: |_| Ok(()) },
    Migration { number: 2, name: "sign in", sql: include_str!("0002_sign_in.sql"), then: |_| Ok(()) },
    Migration {
        number: 3,
        name: "moving mail",
        sql: include_str!("0003_moving_mail.sql"),
        then: forward::move_to_scripts,
    },
];

const LEDGER: &str = "CREATE TABLE IF NOT EXISTS schema_migration (
    number INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT";

/// Opens the connection that writes, makes the file where there is none, and brings the schema up to date.
pub(crate) fn open_writer(path: &Path, vfs: Option<&str>, now: i64) -> Result<Connection, DirectoryError> {
    check_version(rusqlite::version_number())?;
    if vfs.is_none() {
        create_private(path)?;
    }
    let opened = |source| DirectoryError::Open { path: path.to_owned(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = connect(path, flags, vfs).map_err(opened)?;
    check_ours(&connection, path)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(opened)?;
    if mode != "wal" {
        return Err(DirectoryError::NoWal { path: path.to_owned(), mode });
    }
    // FULL: an account change is on the disk when the call returns. Secure delete: a forgotten hash is overwritten.
    connection
        .execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;")
        .map_err(opened)?;
    migrate(&mut connection, now)?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(crate) fn open_reader(path: &Path, vfs: Option<&str>) -> Result<Connection, DirectoryError> {
    let opened = |source| DirectoryError::Open { path: path.to_owned(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = connect(path, flags, vfs).map_err(opened)?;
    // Read-only by pragma: a connection opened read-only could not recover the log after a crash.
    connection.execute_batch("PRAGMA query_only = ON;").map_err(opened)?;
    Ok(connection)
}

/// Opens a connection to the database of a process that may be writing. It can write nothing but the shared memory of the
/// log: not even the log is written back when it is closed last.
pub(crate) fn open_beside(path: &Path, vfs: Option<&str>) -> Result<Connection, DirectoryError> {
    let opened = |source| DirectoryError::Open { path: path.to_owned(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = connect(path, flags, vfs).map_err(opened)?;
    connection.execute_batch("PRAGMA query_only = ON;").map_err(opened)?;
    check_ours(&connection, path)?;
    let made = "SELECT COUNT(*) FROM sqlite_master WHERE name = 'schema_migration'";
    let applied = match connection.query_row(made, [], |row| row.get::<_, i64>(0)).map_err(opened)? {
        0 => 0,
        _ => applied(&connection, MIGRATIONS)?,
    };
    match (applied, newest(MIGRATIONS)) {
        (found, known) if found < known => Err(DirectoryError::OlderSchema { found, known }),
        _ => Ok(connection),
    }
}

/// Begins a transaction that writes, at once, so that it never fails half way for a lock.
pub(crate) fn begin(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// Runs the migrations that a database has not seen, all in one transaction.
pub(crate) fn migrate(connection: &mut Connection, now: i64) -> Result<(), DirectoryError> {
    migrate_by(MIGRATIONS, connection, now)
}

fn migrate_by(migrations: &[Migration], connection: &mut Connection, now: i64) -> Result<(), DirectoryError> {
    // One process after the other: the second finds the work done.
    let transaction = begin(connection)?;
    transaction.execute_batch(LEDGER)?;
    let applied = applied(&transaction, migrations)?;
    for step in migrations.iter().filter(|step| step.number > applied) {
        transaction.execute_batch(step.sql)?;
        (step.then)(&transaction)?;
        transaction.execute(migration::INSERT, params![step.number, step.name, checksum_of(step), now])?;
    }
    // Only where it is not there yet: opening what is up to date writes nothing, and needs no room on the disk.
    if application_id(&transaction)? != APPLICATION_ID {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    Ok(transaction.commit()?)
}

/// The number of the last of the migrations that a database has seen.
fn applied(connection: &Connection, migrations: &[Migration]) -> Result<i64, DirectoryError> {
    let known = newest(migrations);
    let applied = connection
        .prepare(migration::LIST)?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<Vec<(i64, String)>>>()?;
    let last = applied.last().map_or(0, |(number, _)| *number);
    if last > known {
        return Err(DirectoryError::NewerSchema { found: last, known });
    }
    for (position, (number, checksum)) in applied.iter().enumerate() {
        let ours = migrations.get(position).filter(|m| m.number == *number && checksum_of(m) == *checksum);
        if ours.is_none() {
            return Err(DirectoryError::ChangedMigration { number: *number });
        }
    }
    Ok(last)
}

fn newest(migrations: &[Migration]) -> i64 {
    migrations.last().map_or(0, |m| m.number)
}

/// What the engine finds wrong with the file: pages, indexes, references.
pub(crate) fn engine_problems(connection: &Connection) -> rusqlite::Result<Vec<(&'static str, String)>> {
    let mut problems = Vec::new();
    let mut statement = connection.prepare("PRAGMA integrity_check")?;
    for line in statement.query_map([], |row| row.get::<_, String>(0))? {
        let line = line?;
        if line != "ok" {
            problems.push(("integrity", line));
        }
    }
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    for row in statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(2)?)))? {
        let (table, parent) = row?;
        problems.push(("references", format!("a row of {table} names a row of {parent} that is not there")));
    }
    Ok(problems)
}

fn connect(path: &Path, flags: OpenFlags, vfs: Option<&str>) -> rusqlite::Result<Connection> {
    let connection = match vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs)?,
        None => Connection::open_with_flags(path, flags)?,
    };
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    connection.pragma_update(None, "trusted_schema", false)?;
    // A bound value never makes another plan the better one here, and no statement is prepared anew for it.
    connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

fn check_version(number: i32) -> Result<(), DirectoryError> {
    if number < OLDEST_SQLITE { Err(DirectoryError::OldSqlite { found: rusqlite::version() }) } else { Ok(()) }
}

/// Refuses the database of another program; an empty file is nobody's.
fn check_ours(connection: &Connection, path: &Path) -> Result<(), DirectoryError> {
    let opened = |source| DirectoryError::Open { path: path.to_owned(), source };
    let id = application_id(connection).map_err(opened)?;
    let tables: i64 =
        connection.query_row("SELECT COUNT(*) FROM sqlite_master", [], |row| row.get(0)).map_err(opened)?;
    if id == APPLICATION_ID || tables == 0 { Ok(()) } else { Err(DirectoryError::Foreign { path: path.to_owned() }) }
}

fn application_id(connection: &Connection) -> rusqlite::Result<i32> {
    connection.query_row("PRAGMA application_id", [], |row| row.get(0))
}

/// Makes the file for its owner alone, since it holds password hashes (SQLite gives its log the same mode), and its
/// name durable.
fn create_private(path: &Path) -> Result<(), DirectoryError> {
    let failed = |source| DirectoryError::Create { path: path.to_owned(), source };
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(file) => file.sync_all().map_err(failed)?,
    }
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(parent).and_then(|dir| dir.sync_all()).map_err(failed)
}

fn checksum_of(migration: &Migration) -> String {
    Sha256::digest(migration.sql).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::ids::AccountId;
    use crate::settings::Forward;

    #[test]
    fn the_bundled_sqlite_is_late_enough_and_an_older_one_is_refused() {
        assert!(check_version(rusqlite::version_number()).is_ok());
        assert!(matches!(check_version(3_051_002), Err(DirectoryError::OldSqlite { .. })));
    }

    #[test]
    fn what_is_written_is_synced_checked_and_wiped() {
        let place = tempfile::tempdir().expect("a temporary directory can be made");
        let path = place.path().join("directory.db");
        let writer = open_writer(&path, None, 0).expect("a new directory opens");
        let number = |pragma: &str| {
            writer.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).expect("the pragma has a value")
        };
        assert_eq!((number("synchronous"), number("foreign_keys"), number("secure_delete")), (2, 1, 1));
        let reader = open_reader(&path, None).expect("it opens for reading");
        assert!(reader.execute("DELETE FROM domain", []).is_err(), "a reader cannot write");
    }

    #[test]
    fn forwards_of_before_become_scripts_and_nothing_of_them_is_lost() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("directory.db");
        create_private(&path).unwrap();
        let mut former = Connection::open(&path).unwrap();
        migrate_by(&MIGRATIONS[..2], &mut former, 0).unwrap();
        let account = "INSERT INTO account (id, key, address, domain, state, created_at)
            VALUES ($1, $2, $2, 'example.org', 'open', 0)";
        former.execute("INSERT INTO domain VALUES ('example.org', NULL, 0, 0)", []).unwrap();
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let forwards = [
            (3, Forward { targets: texts(&["ana@x.example"]), keep_copy: true }),
            (5, Forward { targets: texts(&["B@X.example", "|/bin/p \"a\"", "b@x.example", "root"]), keep_copy: false }),
            (9, Forward { targets: (0..3000).map(|n| format!("a{n}@x.example")).collect(), keep_copy: false }),
        ];
        for (id, forward) in &forwards {
            former.execute(account, params![id, format!("a{id}@example.org")]).unwrap();
            let targets = crate::query::texts_json(&forward.targets);
            former.execute("INSERT INTO forward VALUES ($1, $2, $3)", params![id, targets, forward.keep_copy]).unwrap();
        }
        drop(former);

        let directory = crate::Directory::open(&path, None).unwrap();
        let mut moved = Vec::new();
        directory
            .for_each_forward(|id, forward| {
                moved.push((id.get(), forward));
                Ok(())
            })
            .unwrap();
        assert_eq!(moved, forwards);
        let script = directory.settings_script(AccountId::new_unchecked(3)).unwrap().unwrap();
        assert!(sieve::parse(&script).is_ok());
        assert_eq!(directory.check_consistency().unwrap(), []);
    }

    #[test]
    fn migrations_are_numbered_from_one_without_a_gap() {
        for (position, migration) in MIGRATIONS.iter().enumerate() {
            assert_eq!(usize::try_from(migration.number), Ok(position + 1), "{}", migration.name);
        }
    }
}
