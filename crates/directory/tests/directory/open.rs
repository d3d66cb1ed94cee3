//! Opening: what is refused, what survives, who may read the file.

use crate::{Fixture, address, domain, open};
use directory::{Directory, DirectoryError, ErrorClass, NewAccount};
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc;

#[test]
fn what_was_written_is_there_after_opening_again() {
    let fixture = Fixture::new();
    let id = fixture.add("ana@example.org");
    let fixture = fixture.reopen();
    assert_eq!(fixture.directory.account(&address("ana@example.org")).unwrap().unwrap().id, id);
    assert_eq!(fixture.directory.check_consistency().unwrap(), []);
}

#[test]
fn the_file_and_its_log_are_for_the_owner_alone() {
    let fixture = Fixture::new();
    for name in ["directory.db", "directory.db-wal", "directory.db-shm"] {
        let mode = std::fs::metadata(fixture.place.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_failed_transaction_leaves_no_trace() {
    let fixture = Fixture::new();
    let error = fixture.directory.write(|tx| {
        tx.add_account(&NewAccount::new(address("ana@example.org")))?;
        Err::<(), _>(DirectoryError::caller("changed my mind"))
    });
    assert!(matches!(error, Err(DirectoryError::Caller(_))));
    assert_eq!(fixture.directory.account(&address("ana@example.org")).unwrap(), None);
    assert_eq!(fixture.directory.check_consistency().unwrap(), []);
}

#[test]
fn a_panic_in_a_transaction_leaves_no_trace_and_the_directory_usable() {
    let fixture = Fixture::new();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        fixture.directory.write::<()>(|tx| {
            tx.add_account(&NewAccount::new(address("ana@example.org")))?;
            panic!("in the middle");
        })
    }));
    assert!(outcome.is_err());
    assert_eq!(fixture.directory.account(&address("ana@example.org")).unwrap(), None);
    fixture.add("ana@example.org");
    assert_eq!(fixture.directory.check_consistency().unwrap(), []);
}

#[test]
fn readers_see_what_is_committed_while_a_writer_works() {
    let fixture = Fixture::new();
    let (ask, asked) = mpsc::channel();
    let (answer, answered) = mpsc::channel();
    std::thread::scope(|scope| {
        let directory = &fixture.directory;
        scope.spawn(move || {
            for () in asked {
                answer.send(directory.account(&address("ana@example.org")).unwrap().is_some()).unwrap();
            }
        });
        directory
            .write(|tx| {
                tx.add_account(&NewAccount::new(address("ana@example.org")))?;
                assert!(tx.account(&address("ana@example.org"))?.is_some(), "the writer sees its own work");
                ask.send(()).unwrap();
                assert!(!answered.recv().unwrap(), "a reader does not see it yet");
                Ok(())
            })
            .unwrap();
        ask.send(()).unwrap();
        assert!(answered.recv().unwrap(), "a reader sees it now");
        drop(ask);
    });
    assert_eq!(fixture.directory.check_consistency().unwrap(), []);
}

#[test]
fn a_read_inside_a_read_does_not_wait() {
    let fixture = Fixture::new();
    fixture.add("ana@example.org");
    let directory = &fixture.directory;
    let mut depth = 0;
    let ana = address("ana@example.org");
    directory
        .for_each_account(|_| {
            directory.for_each_account(|_| {
                directory.for_each_account(|_| {
                    depth += directory.account(&ana)?.map_or(0, |_| 1);
                    Ok(())
                })
            })
        })
        .unwrap();
    assert_eq!(depth, 1);
}

#[test]
fn two_processes_may_have_it_open() {
    let fixture = Fixture::new();
    let other = open(&fixture.place);
    other.write(|tx| tx.add_domain(&domain("example.com"))).unwrap();
    assert!(fixture.directory.domain("example.com").unwrap().is_some());
    assert_eq!(fixture.directory.check_consistency().unwrap(), []);
}

#[test]
fn a_later_schema_is_refused() {
    let fixture = Fixture::new();
    fixture.raw().execute("INSERT INTO schema_migration VALUES (1000, 'from the future', '', 0)", []).unwrap();
    let error = Directory::open(&fixture.place.path().join("directory.db"), None).unwrap_err();
    assert!(matches!(error, DirectoryError::NewerSchema { found: 1000, known: 3 }), "{error}");
    assert_eq!(error.class(), ErrorClass::Permanent);
    assert!(error.to_string().contains("use the later release"));
}

#[test]
fn an_edited_migration_is_refused() {
    let fixture = Fixture::new();
    fixture.raw().execute("UPDATE schema_migration SET checksum = 'another' WHERE number = 1", []).unwrap();
    let error = Directory::open(&fixture.place.path().join("directory.db"), None).unwrap_err();
    assert!(matches!(error, DirectoryError::ChangedMigration { number: 1 }), "{error}");
    assert_eq!(error.class(), ErrorClass::Corruption);
}

#[test]
fn the_database_of_another_program_is_refused_and_left_alone() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("other.db");
    rusqlite::Connection::open(&path).unwrap().execute("CREATE TABLE theirs (x)", []).unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(Directory::open(&path, None), Err(DirectoryError::Foreign { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn what_is_no_database_or_cannot_be_made_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("noise.db");
    std::fs::write(&path, "this is no database, and long enough to be asked about it: ".repeat(20)).unwrap();
    let error = Directory::open(&path, None).unwrap_err();
    assert!(matches!(error, DirectoryError::Open { .. }), "{error}");
    assert_eq!(error.class(), ErrorClass::Corruption);
    let nowhere = place.path().join("nowhere/directory.db");
    assert!(matches!(Directory::open(&nowhere, None), Err(DirectoryError::Create { .. })));
    assert!(matches!(Directory::open(&path, Some("no such layer")), Err(DirectoryError::Open { .. })));
}

#[test]
fn a_directory_goes_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Directory>();
}

fn to_read(fixture: &Fixture) -> Result<Directory, DirectoryError> {
    Directory::open_to_read(&fixture.place.path().join("directory.db"), None)
}

/// The bytes and times of the database and its log.
fn files(fixture: &Fixture) -> Vec<(Vec<u8>, std::time::SystemTime)> {
    let of = |name: &str| {
        let path = fixture.place.path().join(name);
        (std::fs::read(&path).unwrap(), std::fs::metadata(&path).unwrap().modified().unwrap())
    };
    vec![of("directory.db"), of("directory.db-wal")]
}

#[test]
fn one_that_is_open_to_read_sees_what_is_committed_and_writes_nothing() {
    let fixture = Fixture::new();
    let before = files(&fixture);
    let reader = to_read(&fixture).unwrap();
    assert!(reader.domain("example.org").unwrap().is_some());
    let refused = reader.write(|tx| tx.add_domain(&domain("example.com")));
    assert!(matches!(refused, Err(DirectoryError::ReadOnly)), "{refused:?}");
    assert_eq!(files(&fixture), before);
    let id = fixture.add("ana@example.org");
    assert_eq!(reader.account(&address("ana@example.org")).unwrap().unwrap().id, id, "what came since, too");
    let before = files(&fixture);
    drop(reader);
    assert_eq!(files(&fixture), before);
    assert_eq!(fixture.directory.check_consistency().unwrap(), []);
}

#[test]
fn one_that_is_open_to_read_stays_so_when_the_writer_has_ended() {
    let fixture = Fixture::new();
    fixture.add("ana@example.org");
    let reader = to_read(&fixture).unwrap();
    let Fixture { directory, place } = fixture;
    drop(directory);
    assert!(reader.account(&address("ana@example.org")).unwrap().is_some());
    drop(reader);
    let path = place.path().join("directory.db");
    let alone = Directory::open_to_read(&path, None).unwrap();
    assert!(alone.account(&address("ana@example.org")).unwrap().is_some(), "also where nobody writes");
    drop(alone);
    let directory = open(&place);
    assert!(directory.account(&address("ana@example.org")).unwrap().is_some());
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn a_view_is_one_state_whatever_is_written_meanwhile() {
    let fixture = Fixture::new();
    fixture.add("ana@example.org");
    let reader = to_read(&fixture).unwrap();
    for directory in [&reader, &fixture.directory] {
        let addresses = |view: &directory::View<'_>| {
            let mut list = Vec::new();
            view.for_each_account(|account| {
                list.push(account.address.to_string());
                Ok(())
            })?;
            Ok::<_, DirectoryError>(list)
        };
        let (first, second) = directory
            .read(|view| {
                let first = addresses(view)?;
                // The writer does not wait for the reader.
                let number = first.len();
                fixture.add(&format!("b{number}@example.org"));
                Ok((first, addresses(view)?))
            })
            .unwrap();
        assert_eq!(first, second);
        assert_eq!(directory.read(addresses).unwrap().len(), first.len() + 1);
    }
    assert_eq!(fixture.directory.check_consistency().unwrap(), []);
}

#[test]
fn a_schema_of_another_release_is_not_read_and_not_brought_up_to_date() {
    let forget = "DELETE FROM schema_migration WHERE number = 3";
    let later = "INSERT INTO schema_migration VALUES (1000, 'from the future', '', 0)";
    let edited = "UPDATE schema_migration SET checksum = 'another' WHERE number = 1";
    for (change, expected) in [(forget, "earlier release"), (later, "later release"), (edited, "migration 1")] {
        let fixture = Fixture::new();
        fixture.raw().execute(change, []).unwrap();
        let before = files(&fixture);
        let error = to_read(&fixture).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(files(&fixture), before);
        assert_eq!(fixture.directory.check_consistency().unwrap(), []);
    }
}

#[test]
fn what_is_no_directory_is_not_read_and_not_made() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("nothing.db");
    assert!(matches!(Directory::open_to_read(&path, None), Err(DirectoryError::Open { .. })));
    assert!(!path.exists());
    rusqlite::Connection::open(&path).unwrap().execute("CREATE TABLE theirs (x)", []).unwrap();
    assert!(matches!(Directory::open_to_read(&path, None), Err(DirectoryError::Foreign { .. })));
    std::fs::write(&path, "").unwrap();
    assert!(matches!(Directory::open_to_read(&path, None), Err(DirectoryError::OlderSchema { found: 0, known: 3 })));
}

#[test]
fn opening_what_is_up_to_date_needs_no_room_on_the_disk() {
    let fixture = Fixture::new();
    fixture.add("ana@example.org");
    let log = fixture.place.path().join("directory.db-wal");
    let written = std::fs::metadata(&log).unwrap().len();
    assert!(written > 0);
    drop(open(&fixture.place));
    assert_eq!(std::fs::metadata(&log).unwrap().len(), written);
    assert_eq!(fixture.directory.check_consistency().unwrap(), []);
}
