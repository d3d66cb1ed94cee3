//! Indexes of earlier versions become ones of this version where they lie.

use std::path::Path;

use rusqlite::Connection;
use store::Store;

use crate::support::{assert_sound, delivery, live, make_account, name, open, options, scratch};

/// Makes an index one of version 1.
fn downgrade(index: &Path) {
    let db = Connection::open(index).unwrap();
    db.execute_batch(
        "BEGIN; DROP TABLE delivered; DROP INDEX message_by_modseq; DROP INDEX expunged_by_modseq; DROP TABLE subscription; \
         DROP TABLE annotation; UPDATE cell SET value = '1' WHERE name = 'schema'; COMMIT; \
         PRAGMA wal_checkpoint(TRUNCATE);",
    )
    .unwrap();
}

fn schema(index: &Path) -> (String, Vec<String>) {
    let db = Connection::open(index).unwrap();
    let version = db.query_row("SELECT value FROM cell WHERE name = 'schema'", [], |r| r.get(0)).unwrap();
    let mut statement = db.prepare("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY sql").unwrap();
    let all = statement.query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect();
    (version, all)
}

#[test]
fn an_index_of_version_1_is_upgraded_when_it_is_opened() {
    let home = scratch();
    let store = Store::init(home.path(), 1, options()).unwrap();
    let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
    store.cells()[0].deliver(vec![delivery(&ana, inbox, "a"), delivery(&ana, inbox, "b")]).unwrap();
    store.cells()[0].write(|tx| tx.expunge(ana.id, inbox, 1, 1)).unwrap();
    let before = live(&store);
    drop(store);
    let index = home.path().join("cells/00/index.sqlite");
    let of_today = schema(&index);
    downgrade(&index);
    assert_ne!(schema(&index), of_today);

    let store = open(home.path());
    assert_eq!(schema(&index), of_today);
    assert_eq!(live(&store), before);
    let cell = &store.cells()[0];
    assert_eq!(cell.read(|view| view.expunged_since(ana.id, inbox, 0)).unwrap(), [1]);
    cell.subscribe(ana.id, &name("Listas"), true).unwrap().unwrap();
    assert_sound(&store);

    // A snapshot of that version is as good.
    let snapshot = cell.snapshot().unwrap();
    let after = live(&store);
    drop(store);
    downgrade(&snapshot);
    let rebuilt = Store::rebuild(home.path(), None, options()).unwrap();
    assert!(rebuilt[0].snapshot.is_some() && rebuilt[0].findings.is_empty(), "{rebuilt:?}");
    assert_eq!(schema(&index), of_today);
    let store = open(home.path());
    assert_eq!(live(&store), after);
    assert_sound(&store);
}

#[test]
fn an_index_of_a_later_version_or_of_none_is_refused() {
    let home = scratch();
    drop(Store::init(home.path(), 1, options()).unwrap());
    for version in ["4", "99999999999999999999", "x", "-1"] {
        let db = Connection::open(home.path().join("cells/00/index.sqlite")).unwrap();
        db.execute("UPDATE cell SET value = ?1 WHERE name = 'schema'", [version]).unwrap();
        drop(db);
        let Err(refused) = Store::open(home.path(), options()) else { panic!("{version} was opened") };
        assert!(refused.to_string().contains(&format!("format {version},")), "{refused}");
    }
}
