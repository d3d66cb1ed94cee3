//! The crash disk itself: what it must keep, what it must lose, and that SQLite stands on it as on a real disk.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::ffi::ErrorCode;
use rusqlite::{Connection, OpenFlags};
use store::disk::{Disk, DiskFile};
use tempfile::TempDir;
use testkit::crashdisk::{CrashDisk, Failure, Mode};

const SECTOR: usize = 512;

// Set-up.

fn new_disk() -> (TempDir, CrashDisk) {
    let home = tempfile::tempdir().unwrap();
    let disk = CrashDisk::new(&home.path().join("live")).unwrap();
    (home, disk)
}

/// A file whose name is durable.
fn named_file(disk: &CrashDisk, name: &str) -> Arc<dyn DiskFile> {
    let file = disk.open(&disk.root().join(name), true).unwrap();
    disk.sync_dir(disk.root()).unwrap();
    file
}

/// A file with this content, all of it durable.
fn durable_file(disk: &CrashDisk, name: &str, content: &[u8]) -> Arc<dyn DiskFile> {
    let file = named_file(disk, name);
    file.write_all_at(content, 0).unwrap();
    file.sync_data().unwrap();
    file
}

fn content_after(disk: &CrashDisk, mode: Mode, name: &str) -> Option<Vec<u8>> {
    let image = disk.crash(mode).unwrap();
    let content = std::fs::read(image.join(name)).ok();
    std::fs::remove_dir_all(image).unwrap();
    content
}

fn connect(disk: &CrashDisk, synchronous: &str) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags_and_vfs(disk.root().join("db"), OpenFlags::default(), disk.vfs())?;
    db.busy_timeout(std::time::Duration::from_secs(60))?;
    db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    db.pragma_update(None, "synchronous", synchronous)?;
    Ok(db)
}

/// A WAL database with an empty table, all of it durable, and a connection to it.
fn database(disk: &CrashDisk, synchronous: &str) -> Connection {
    let db = connect(disk, "FULL").unwrap();
    db.execute_batch("CREATE TABLE mail (id INTEGER PRIMARY KEY, body BLOB) STRICT").unwrap();
    db.pragma_update(None, "synchronous", synchronous).unwrap();
    db
}

/// One transaction; its row is larger than a page for every third id.
fn insert(db: &Connection, id: i64) -> rusqlite::Result<()> {
    let body = vec![id as u8; if id % 3 == 0 { 6000 } else { 300 }];
    db.execute("INSERT INTO mail VALUES (?1, ?2)", (id, body)).map(|_| ())
}

/// Opens an image with SQLite's own VFS, asserts that it is sound, and lists the ids that are left.
fn ids_after(image: &Path) -> Vec<i64> {
    let db = Connection::open(image.join("db")).unwrap();
    let verdict: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    if tables == 0 {
        return Vec::new();
    }
    let mut query = db.prepare("SELECT id FROM mail ORDER BY id").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

// Files.

#[test]
fn what_is_not_synced_is_lost_and_what_is_synced_stays() {
    let (_home, disk) = new_disk();
    let file = durable_file(&disk, "a", b"durable");

    file.write_all_at(b"lost", 7).unwrap();

    let mut live = [0; 11];
    file.read_exact_at(&mut live, 0).unwrap();
    assert_eq!(&live, b"durablelost");
    assert_eq!(std::fs::read(disk.root().join("a")).unwrap(), b"durablelost");
    assert_eq!(content_after(&disk, Mode::DropAll, "a").unwrap(), b"durable");

    file.sync_data().unwrap();
    assert_eq!(content_after(&disk, Mode::DropAll, "a").unwrap(), b"durablelost");
}

#[test]
fn a_synced_file_vanishes_when_its_directory_was_not_synced() {
    let (_home, disk) = new_disk();
    let other = disk.root().join("other");
    disk.create_dir_all(&other).unwrap();
    let file = disk.open(&disk.root().join("a"), true).unwrap();
    file.write_all_at(b"data", 0).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir(&other).unwrap();
    assert_eq!(content_after(&disk, Mode::DropAll, "a"), None);

    disk.sync_dir(disk.root()).unwrap();
    assert_eq!(content_after(&disk, Mode::DropAll, "a").unwrap(), b"data");
}

#[test]
fn a_removed_file_comes_back_when_its_directory_was_not_synced() {
    let (_home, disk) = new_disk();
    durable_file(&disk, "a", b"old");

    disk.remove(&disk.root().join("a")).unwrap();
    assert_eq!(disk.list(disk.root()).unwrap(), Vec::<std::ffi::OsString>::new());
    assert_eq!(content_after(&disk, Mode::DropAll, "a").unwrap(), b"old");

    let replaced = disk.open(&disk.root().join("a"), true).unwrap();
    replaced.write_all_at(b"new", 0).unwrap();
    replaced.sync_data().unwrap();
    assert_eq!(content_after(&disk, Mode::DropAll, "a").unwrap(), b"old");
    let seen: BTreeSet<_> = (0..100).map(|seed| content_after(&disk, Mode::Some(seed), "a")).collect();
    assert_eq!(seen, BTreeSet::from([None, Some(b"new".to_vec()), Some(b"old".to_vec())]));

    disk.sync_dir(disk.root()).unwrap();
    assert_eq!(content_after(&disk, Mode::DropAll, "a").unwrap(), b"new");
}

#[test]
fn directories_made_by_the_disk_are_durable_and_those_made_beside_it_are_not() {
    let (_home, disk) = new_disk();
    let ours = disk.root().join("cell/segments");
    disk.create_dir_all(&ours).unwrap();
    let beside = disk.root().join("beside");
    std::fs::create_dir(&beside).unwrap();
    for dir in [&ours, &beside] {
        disk.open(&dir.join("a"), true).unwrap().sync_data().unwrap();
        disk.sync_dir(dir).unwrap();
    }

    let image = disk.crash(Mode::DropAll).unwrap();
    assert!(image.join("cell/segments/a").exists());
    assert!(!image.join("beside").exists());

    disk.sync_dir(disk.root()).unwrap();
    assert!(disk.crash(Mode::DropAll).unwrap().join("beside/a").exists());
}

#[test]
fn a_length_is_durable_only_with_a_sync() {
    let (_home, disk) = new_disk();
    let file = durable_file(&disk, "a", &[7; 5000]);

    file.allocate(100_000).unwrap();
    file.allocate(10).unwrap();
    assert_eq!(file.len().unwrap(), 100_000);
    assert_eq!(content_after(&disk, Mode::DropAll, "a").unwrap(), [7; 5000]);

    file.set_len(4500).unwrap();
    file.set_len(4700).unwrap();
    file.sync_data().unwrap();
    assert_eq!(content_after(&disk, Mode::DropAll, "a").unwrap(), [vec![7; 4500], vec![0; 200]].concat());
}

#[test]
fn a_random_crash_keeps_any_subset_of_sectors() {
    let (_home, disk) = new_disk();
    let file = durable_file(&disk, "a", &[0; 3 * SECTOR]);
    file.write_all_at(&[1; 3 * SECTOR], 0).unwrap();

    let mut seen = BTreeSet::new();
    for seed in 0..400 {
        let content = content_after(&disk, Mode::Some(seed), "a").unwrap();
        assert_eq!(content, content_after(&disk, Mode::Some(seed), "a").unwrap(), "seed {seed} gives one image");
        let sectors: Vec<u8> = content.chunks(SECTOR).map(|sector| sector[0]).collect();
        for (sector, first) in content.chunks(SECTOR).zip(&sectors) {
            assert!(sector.iter().all(|byte| byte == first), "seed {seed} tears a sector");
        }
        seen.insert(sectors);
    }
    assert_eq!(seen.len(), 8, "every subset of three sectors is seen: {seen:?}");
}

#[test]
fn a_random_crash_keeps_any_version_of_a_sector_but_no_mixture() {
    let (_home, disk) = new_disk();
    let file = durable_file(&disk, "a", b"......");
    file.write_all_at(b"111", 0).unwrap();
    file.write_all_at(b"222", 2).unwrap();

    let seen: BTreeSet<_> = (0..100).map(|seed| content_after(&disk, Mode::Some(seed), "a").unwrap()).collect();

    assert_eq!(seen, BTreeSet::from([b"......".to_vec(), b"111...".to_vec(), b"11222.".to_vec()]));
}

#[test]
fn a_random_crash_keeps_any_length_since_the_last_sync() {
    let (_home, disk) = new_disk();
    let file = durable_file(&disk, "a", &[1; 100]);
    file.set_len(50).unwrap();
    file.write_all_at(&[1; 10], 90).unwrap();
    file.allocate(2000).unwrap();

    let lengths: BTreeSet<_> =
        (0..100).map(|seed| content_after(&disk, Mode::Some(seed), "a").unwrap().len()).collect();

    assert_eq!(lengths, BTreeSet::from([50, 100, 2000]));
}

#[test]
fn a_disk_made_of_an_image_takes_it_for_durable() {
    let (_home, disk) = new_disk();
    durable_file(&disk, "a", &[vec![0; 9000], b"tail".to_vec()].concat());

    let again = CrashDisk::new(&disk.crash(Mode::DropAll).unwrap()).unwrap();
    let file = again.open(&again.root().join("a"), false).unwrap();
    file.write_all_at(b"lost", 0).unwrap();

    let content = content_after(&again, Mode::DropAll, "a").unwrap();
    assert_eq!(content, [vec![0; 9000], b"tail".to_vec()].concat());
}

#[test]
fn what_is_written_beside_the_disk_is_lost_until_synced_through_it() {
    let (_home, disk) = new_disk();
    std::fs::write(disk.root().join("a"), b"beside").unwrap();
    disk.sync_dir(disk.root()).unwrap();
    assert_eq!(content_after(&disk, Mode::DropAll, "a"), None);

    disk.open(&disk.root().join("a"), false).unwrap().sync_data().unwrap();
    disk.sync_dir(disk.root()).unwrap();
    assert_eq!(content_after(&disk, Mode::DropAll, "a").unwrap(), b"beside");
}

#[test]
fn paths_outside_the_root_are_refused() {
    let (home, disk) = new_disk();
    let refused = |result: io::Result<()>| result.unwrap_err().kind() == io::ErrorKind::InvalidInput;
    assert!(refused(disk.open(&home.path().join("a"), true).map(|_| ())));
    assert!(refused(disk.create_dir_all(&home.path().join("b"))));
    assert!(refused(disk.sync_dir(home.path())));
    assert!(Connection::open_with_flags_and_vfs(home.path().join("db"), OpenFlags::default(), disk.vfs()).is_err());
}

// Failures.

#[test]
fn the_nth_write_or_sync_fails_and_only_that() {
    let (_home, disk) = new_disk();
    let file = durable_file(&disk, "a", b"");

    disk.fail_after(2, Failure::NoSpace);
    file.write_all_at(b"1234", 0).unwrap();
    assert_eq!(file.write_all_at(b"5678", 4).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(file.len().unwrap(), 6, "the first half of the write that failed is there");

    disk.fail_after(1, Failure::Io);
    assert!(file.allocate(100).is_err());
    assert_eq!(file.len().unwrap(), 6);
    disk.fail_after(1, Failure::Io);
    assert!(disk.sync_dir(disk.root()).is_err());

    file.write_all_at(b"5678", 4).unwrap();
    file.sync_data().unwrap();
    assert_eq!(content_after(&disk, Mode::DropAll, "a").unwrap(), b"12345678");
}

#[test]
fn a_sync_that_failed_loses_its_data_for_good() {
    let (_home, disk) = new_disk();
    let file = durable_file(&disk, "a", b"....");
    file.write_all_at(b"lost", 4).unwrap();
    disk.fail_after(1, Failure::Io);
    assert!(file.sync_data().is_err());

    file.write_all_at(b"kept", 8).unwrap();
    file.sync_data().unwrap();

    assert_eq!(std::fs::read(disk.root().join("a")).unwrap(), b"....lostkept");
    assert_eq!(content_after(&disk, Mode::DropAll, "a").unwrap(), b"....\0\0\0\0kept");
}

#[test]
fn a_full_disk_takes_what_needs_no_room_until_it_is_healed() {
    let (_home, disk) = new_disk();
    let file = durable_file(&disk, "a", b"1234");

    disk.fail_from(1, Failure::NoSpace);
    for _ in 0..2 {
        assert_eq!(file.allocate(100).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(disk.open(&disk.root().join("b"), true).is_err());
        file.write_all_at(b"5678", 0).unwrap();
        file.sync_data().unwrap();
    }
    assert_eq!(disk.list(disk.root()).unwrap(), ["a"]);

    disk.heal();
    file.allocate(100).unwrap();
}

#[test]
fn without_power_nothing_is_read_written_or_made_durable() {
    let (_home, disk) = new_disk();
    let file = durable_file(&disk, "a", b"1234");
    let ops = disk.op_count();
    let syncs = disk.sync_count();

    disk.stop_after(1);
    file.write_all_at(b"5678", 0).unwrap();

    assert!(file.sync_data().is_err());
    assert!(file.write_all_at(b"9", 0).is_err());
    assert!(file.read_exact_at(&mut [0], 0).is_err());
    assert!(disk.remove(&disk.root().join("a")).is_err());
    assert!(disk.open(&disk.root().join("a"), false).is_err());
    assert!(disk.sync_dir(disk.root()).is_err());
    assert_eq!((disk.op_count(), disk.sync_count()), (ops + 1, syncs));
    assert_eq!(content_after(&disk, Mode::DropAll, "a").unwrap(), b"1234");
}

#[test]
fn a_log_cut_at_every_operation_keeps_what_it_acknowledged() {
    fn append_until_it_fails(disk: &CrashDisk, acknowledged: &mut usize) -> io::Result<()> {
        disk.create_dir_all(&disk.root().join("cell"))?;
        let file = disk.open(&disk.root().join("cell/log"), true)?;
        file.allocate(64 * 1024)?;
        disk.sync_dir(&disk.root().join("cell"))?;
        for record in 0..8 {
            file.write_all_at(&[record as u8 + 1; 1000], record as u64 * 1000)?;
            file.sync_data()?;
            *acknowledged = record + 1;
        }
        Ok(())
    }
    let (_home, whole) = new_disk();
    append_until_it_fails(&whole, &mut 0).unwrap();

    for cut in 0..whole.op_count() {
        let (_home, disk) = new_disk();
        disk.stop_after(cut);
        let mut acknowledged = 0;
        append_until_it_fails(&disk, &mut acknowledged).unwrap_err();

        for mode in [Mode::DropAll, Mode::Some(cut)] {
            let log = content_after(&disk, mode, "cell/log").unwrap_or_default();
            for record in 0..acknowledged {
                let stored = &log[record * 1000..(record + 1) * 1000];
                assert!(stored.iter().all(|byte| *byte == record as u8 + 1), "cut {cut}, {mode:?}, record {record}");
            }
        }
    }
}

// SQLite.

#[test]
fn a_commit_with_synchronous_full_survives() {
    let (_home, disk) = new_disk();
    let db = database(&disk, "FULL");
    insert(&db, 1).unwrap();
    assert_eq!(ids_after(&disk.crash(Mode::DropAll).unwrap()), [1]);
}

#[test]
fn a_commit_that_was_not_synced_is_lost_and_the_database_is_sound() {
    for synchronous in ["OFF", "NORMAL"] {
        let (_home, disk) = new_disk();
        let db = database(&disk, synchronous);
        let syncs = disk.sync_count();
        insert(&db, 1).unwrap();
        assert_eq!(disk.sync_count(), syncs, "{synchronous} commits without a sync");
        assert_eq!(ids_after(&disk.crash(Mode::DropAll).unwrap()), [0; 0], "{synchronous}");
        for seed in 0..20 {
            ids_after(&disk.crash(Mode::Some(seed)).unwrap());
        }
    }
}

#[test]
fn a_checkpoint_makes_normal_commits_durable() {
    let (_home, disk) = new_disk();
    let db = database(&disk, "NORMAL");
    insert(&db, 1).unwrap();
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    assert_eq!(ids_after(&disk.crash(Mode::DropAll).unwrap()), [1]);

    insert(&db, 2).unwrap();
    drop(db);
    assert_eq!(ids_after(&disk.crash(Mode::DropAll).unwrap()), [1, 2], "closing checkpoints too");
}

#[test]
fn a_checkpoint_without_syncs_is_seen_to_corrupt() {
    let is_sound = |image: &Path| {
        let db = Connection::open(image.join("db")).unwrap();
        db.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).is_ok_and(|verdict| verdict == "ok")
    };
    let (_home, disk) = new_disk();
    let db = database(&disk, "OFF");
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    for id in 1..30 {
        insert(&db, id).unwrap();
    }
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();

    let corrupted = (0..50).filter(|seed| !is_sound(&disk.crash(Mode::Some(*seed)).unwrap())).count();

    assert!(corrupted > 0, "some order of writes has to show that SQLite was told not to sync");
}

#[test]
fn a_rollback_journal_needs_its_removal_synced() {
    for (synchronous, survivors) in [("FULL", vec![1]), ("EXTRA", vec![1, 2])] {
        let (_home, disk) = new_disk();
        let db = database(&disk, synchronous);
        db.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).unwrap();
        insert(&db, 1).unwrap();
        insert(&db, 2).unwrap();
        assert_eq!(ids_after(&disk.crash(Mode::DropAll).unwrap()), survivors, "{synchronous}");
    }
}

#[test]
fn a_random_crash_leaves_a_sound_database_with_all_that_was_durable() {
    for seed in 0..200_i64 {
        let (_home, disk) = new_disk();
        let full = database(&disk, "FULL");
        let normal = connect(&disk, "NORMAL").unwrap();
        for db in [&full, &normal] {
            db.pragma_update(None, "wal_autocheckpoint", 2 + seed % 7).unwrap();
        }
        let mut durable = 0;
        let last = 4 + seed % 11;
        for id in 1..=last {
            if (seed + id * id) % 3 == 0 {
                insert(&full, id).unwrap();
                durable = id;
            } else {
                insert(&normal, id).unwrap();
            }
        }

        let ids = ids_after(&disk.crash(Mode::Some(seed as u64)).unwrap());

        assert_eq!(ids, Vec::from_iter(1..=ids.len() as i64), "seed {seed}: commits are lost from the end only");
        assert!(ids.len() as i64 >= durable, "seed {seed}: {durable} was durable, {ids:?} are left");
    }
}

#[test]
fn a_database_cut_at_every_operation_keeps_what_it_committed() {
    fn insert_until_it_fails(disk: &CrashDisk, committed: &mut Vec<i64>) -> rusqlite::Result<()> {
        let db = connect(disk, "FULL")?;
        db.pragma_update(None, "wal_autocheckpoint", 5)?;
        db.execute_batch("CREATE TABLE mail (id INTEGER PRIMARY KEY, body BLOB) STRICT")?;
        for id in 1..=6 {
            insert(&db, id)?;
            committed.push(id);
        }
        db.close().map_err(|(_, error)| error)
    }
    let (_home, whole) = new_disk();
    insert_until_it_fails(&whole, &mut Vec::new()).unwrap();
    assert!(whole.op_count() > 50, "there is something to cut");

    for cut in 0..whole.op_count() {
        let (_home, disk) = new_disk();
        disk.stop_after(cut);
        let mut committed = Vec::new();
        // Where the cut falls into the clean-up of closing, SQLite has nobody to tell.
        let result = insert_until_it_fails(&disk, &mut committed);
        assert!(result.is_err() || committed.len() == 6, "cut {cut}");

        for mode in [Mode::DropAll, Mode::Some(cut), Mode::Some(cut + 1000)] {
            let ids = ids_after(&disk.crash(mode).unwrap());
            assert!(ids.starts_with(&committed), "cut {cut}, {mode:?}: {committed:?} committed, {ids:?} left");
            assert!(ids.len() <= committed.len() + 1, "cut {cut}, {mode:?}: at most the one in flight besides");
        }
    }
}

#[test]
fn sqlite_reports_failures_and_keeps_what_it_commits_afterwards() {
    let (_home, disk) = new_disk();
    let db = database(&disk, "FULL");
    disk.fail_after(1, Failure::NoSpace);
    assert_eq!(insert(&db, 1).unwrap_err().sqlite_error_code(), Some(ErrorCode::DiskFull));
    disk.fail_after(1, Failure::Io);
    assert_eq!(insert(&db, 1).unwrap_err().sqlite_error_code(), Some(ErrorCode::SystemIoFailure));
    insert(&db, 1).unwrap();
    assert_eq!(ids_after(&disk.crash(Mode::DropAll).unwrap()), [1]);

    disk.fail_from(1, Failure::Io);
    assert_eq!(insert(&db, 2).unwrap_err().sqlite_error_code(), Some(ErrorCode::SystemIoFailure));
    assert_eq!(insert(&db, 2).unwrap_err().sqlite_error_code(), Some(ErrorCode::SystemIoFailure));
    disk.heal();
    insert(&db, 2).unwrap();
    assert_eq!(ids_after(&disk.crash(Mode::DropAll).unwrap()), [1, 2]);
}

#[test]
fn sqlite_with_one_failure_anywhere_keeps_what_it_commits() {
    for (failure, n) in [Failure::NoSpace, Failure::Io].into_iter().flat_map(|f| (1..60).map(move |n| (f, n))) {
        let (_home, disk) = new_disk();
        let db = database(&disk, "FULL");
        db.pragma_update(None, "wal_autocheckpoint", 4).unwrap();
        disk.fail_after(n, failure);
        let committed: Vec<i64> = (1..=10).filter(|id| insert(&db, *id).is_ok()).collect();
        assert!(committed.len() >= 9, "{failure:?} {n}: only one operation failed");

        for mode in [Mode::DropAll, Mode::Some(n)] {
            let ids = BTreeSet::from_iter(ids_after(&disk.crash(mode).unwrap()));
            assert!(
                committed.iter().all(|id| ids.contains(id)),
                "{failure:?} {n} {mode:?}: {committed:?}, {ids:?} left"
            );
        }
    }
}

#[test]
fn threads_share_a_database_while_the_power_fails() {
    let mut committed_by_all = 0;
    for seed in 0..10 {
        let (_home, disk) = new_disk();
        let db = database(&disk, "FULL");
        disk.stop_after(40 + seed * 20);

        let committed: Vec<i64> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..3)
                .map(|writer| {
                    let disk = disk.clone();
                    scope.spawn(move || {
                        let Ok(db) = connect(&disk, "FULL") else { return Vec::new() };
                        let ids = (0..40).map(|n| n * 3 + writer);
                        ids.take_while(|id| insert(&db, *id).is_ok()).collect()
                    })
                })
                .collect();
            writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
        });
        drop(db);
        committed_by_all += committed.len();

        for mode in [Mode::DropAll, Mode::Some(seed)] {
            let ids = BTreeSet::from_iter(ids_after(&disk.crash(mode).unwrap()));
            assert!(committed.iter().all(|id| ids.contains(id)), "seed {seed}, {mode:?}: {committed:?}, {ids:?} left");
        }
    }
    assert!(committed_by_all > 50, "the power stayed on long enough to commit: {committed_by_all}");
}

#[test]
fn two_disks_do_not_meet_and_a_connection_outlives_its_disk() {
    let (_one_home, one) = new_disk();
    let (_two_home, two) = new_disk();
    assert_ne!(one.vfs(), two.vfs());
    let db = database(&one, "FULL");
    let name = one.vfs().to_owned();
    let path: PathBuf = one.root().join("db");
    drop(one);

    insert(&db, 1).unwrap();
    assert!(Connection::open_with_flags_and_vfs(path, OpenFlags::default(), name.as_str()).is_err());
    assert_eq!(two.op_count(), 0);
}
