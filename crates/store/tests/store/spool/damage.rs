//! An index that is lost, and records that are damaged.

use std::path::Path;

use store::spool::{Lane, Purpose, Settled, Spool};
use store::{Class, StoreError};

use super::support::{
    NOW, again, assert_sound, contents, mail, open, open_with, put, segments, settle, settlement, texts,
};
use crate::support::{options, scratch};

fn lose_index(dir: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        std::fs::remove_file(dir.join(format!("queue.sqlite{suffix}"))).ok();
    }
}

#[test]
fn without_its_index_all_that_the_segments_hold_waits_again_and_that_is_said() {
    let home = scratch();
    let spool = open(home.path());
    let ids = ["a*10000", "b*10000", "c*10000", "d*10000"].map(|text| put(&spool, text, &["x@one.example"]));
    settle(&spool, ids[0], &[again(NOW + 60)]);
    settle(&spool, ids[1], &[Settled::Done]);
    spool.tidy(NOW).unwrap();
    drop(spool);
    lose_index(home.path());

    let spool = Spool::open(home.path(), options()).unwrap();
    assert!(spool.findings()[0].contains("4 messages"), "{:?}", spool.findings());
    let found = contents(&spool);
    assert_eq!(found.values().map(|(id, _)| *id).collect::<Vec<_>>(), ids);
    assert!(found.values().all(|(_, r)| r[0].attempts == 0 && r[0].due_s == NOW));
    assert_eq!(put(&spool, "b*10000", &["x@one.example"]), ids[1], "keys are in the segments");
    assert!(put(&spool, "e", &["x@one.example"]) > ids[3]);
    assert_sound(&spool);
    drop(spool);
    // It is said once.
    let spool = open(home.path());
    assert_eq!(texts(&spool).len(), 5);
    assert_sound(&spool);
}

#[test]
fn a_key_names_the_later_message_where_what_became_of_the_earlier_is_lost() {
    let home = scratch();
    let spool = open(home.path());
    let first = put(&spool, "a", &["x@one.example"]);
    settle(&spool, first, &[Settled::Failed]);
    let second = put(&spool, "a", &["x@one.example"]);
    assert!(second > first);
    drop(spool);
    lose_index(home.path());

    let spool = Spool::open(home.path(), options()).unwrap();
    assert_eq!(spool.counts().unwrap().messages, 2, "twice rather than never");
    // The one fails again, and the other still waits.
    settle(&spool, first, &[Settled::Failed]);
    assert_eq!((put(&spool, "a", &["x@one.example"]), spool.counts().unwrap().messages), (second, 1));
    settle(&spool, second, &[Settled::Done]);
    assert_eq!((put(&spool, "a", &["x@one.example"]), spool.counts().unwrap().messages), (second, 0));
    assert_sound(&spool);
}

/// Makes an index what the version before would have made: without lanes.
fn make_older(dir: &Path) {
    let sql = "DROP INDEX recipient_due; DROP INDEX recipient_ends; ALTER TABLE recipient DROP COLUMN lane; \
               CREATE INDEX recipient_due ON recipient (hop, state, due_s); DROP TABLE hop; \
               CREATE TABLE hop (hop TEXT NOT NULL PRIMARY KEY, due_s INTEGER NOT NULL, waiting INTEGER NOT NULL) \
               WITHOUT ROWID; CREATE INDEX hop_due ON hop (due_s); \
               INSERT INTO hop SELECT hop, min(due_s), count(*) FROM recipient WHERE state = 0 GROUP BY hop; \
               UPDATE cell SET value = '2' WHERE name = 'schema';";
    rusqlite::Connection::open(dir.join("queue.sqlite")).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn an_older_index_becomes_what_the_segments_would_make() {
    let home = scratch();
    let spool = open(home.path());
    let of = |text: &str, purpose, hops: &[&str]| {
        let addresses: Vec<String> = hops.iter().map(|hop| format!("x@{hop}")).collect();
        let mut mail = mail(text, &addresses.iter().map(String::as_str).collect::<Vec<_>>());
        mail.envelope.purpose = purpose;
        mail
    };
    spool
        .put(vec![
            of("a", Purpose::Submission, &["one.example", "two.example"]),
            of("b", Purpose::Notification, &["one.example"]),
            of("c", Purpose::Reply, &["three.example"]),
            of("d", Purpose::Forward, &["two.example"]),
        ])
        .unwrap();
    let seen = |spool: &Spool| {
        assert_sound(spool);
        let hops = Lane::ALL.map(|lane| spool.due_hops(lane, NOW, None, 9).unwrap());
        (contents(spool), hops, spool.next_due().unwrap(), spool.counts().unwrap())
    };
    let before = seen(&spool);
    assert_eq!(before.1.each_ref().map(Vec::len), [2, 2]);
    drop(spool);
    make_older(home.path());
    let spool = open(home.path());
    assert_eq!(seen(&spool), before);
    // It goes on: what is settled, put in and held is where it belongs.
    let id = before.0["b"].0;
    settle(&spool, id, &[Settled::Held { until_s: Some(NOW) }]);
    assert_eq!(
        (spool.ended(NOW, 9).unwrap().len(), spool.due_hops(Lane::Automatic, NOW, None, 9).unwrap().len()),
        (1, 1)
    );
    settle(&spool, id, &[Settled::Released]);
    assert_eq!(seen(&spool), before);
    drop(spool);
    lose_index(home.path());
    assert_eq!(seen(&Spool::open(home.path(), options()).unwrap()), before);
}

#[test]
fn a_number_is_not_given_again_though_index_and_segments_are_lost() {
    let home = scratch();
    let spool = open(home.path());
    let first = put(&spool, "a", &["x@one.example"]);
    drop(spool);
    lose_index(home.path());
    std::fs::remove_file(home.path().join("segments/00000001.seg")).unwrap();
    // The numbers of an index come from the millisecond in which it was made.
    std::thread::sleep(std::time::Duration::from_millis(2));
    let spool = open(home.path());
    assert!(put(&spool, "a", &["x@one.example"]) > first);
}

#[test]
fn a_damaged_record_costs_its_own_message_and_keeps_its_segment() {
    let home = scratch();
    let spool = open(home.path());
    let ids = ["a*10000", "b*10000", "c*10000", "d*10000"].map(|text| put(&spool, text, &["x@one.example"]));
    let small = put(&spool, "small", &["x@one.example"]);
    settle(&spool, ids[2], &[Settled::Done]);
    spool.close().unwrap();
    drop(spool);
    let path = home.path().join("segments").join(&segments(home.path())[0]);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[5000] ^= 1;
    std::fs::write(&path, bytes).unwrap();

    let spool = open(home.path());
    let of = |id| spool.message(id).unwrap().unwrap().0;
    let damaged = spool.bytes(&of(ids[0])).unwrap_err();
    assert!(matches!(damaged, StoreError::Corrupt { .. }) && damaged.class() == Class::Corruption);
    assert!(spool.bytes(&of(ids[1])).is_ok() && spool.bytes(&of(small)).is_ok());
    let problems = spool.check().unwrap().problems;
    assert!(problems.len() == 1 && problems[0].contains("checksum"), "{problems:?}");

    // Its segment stays as long as it waits, and goes when it is given up.
    spool.settle(vec![settlement(ids[1], &[Settled::Done])], true).unwrap();
    spool.tidy(NOW).unwrap();
    assert!(segments(home.path()).contains(&"00000001.seg".to_owned()));
    settle(&spool, ids[0], &[Settled::Done]);
    assert_eq!(spool.tidy(NOW).unwrap().segments, 1);
    assert_sound(&spool);
}

#[test]
fn a_check_finds_rows_that_do_not_fit() {
    for (sql, expected) in [
        ("DELETE FROM recipient", "has no recipient"),
        ("DELETE FROM message", "belong to nothing"),
        ("UPDATE total SET next_id = 1", "may be given again"),
        ("UPDATE total SET waiting = 7", "what is counted"),
        ("UPDATE hop SET due_s = 7", "hops"),
        ("UPDATE hop SET waiting = 7", "hops"),
        ("DELETE FROM hop", "hops"),
        ("UPDATE message SET digest = zeroblob(32)", "the index expects message"),
        ("UPDATE message SET position = position + 8", "there is no record of"),
        ("UPDATE message SET segment = 9", "is missing"),
        ("UPDATE message SET purpose = 9", "is for nothing"),
    ] {
        let home = scratch();
        let spool = open(home.path());
        put(&spool, "a", &["x@one.example"]);
        drop(spool);
        rusqlite::Connection::open(home.path().join("queue.sqlite")).unwrap().execute_batch(sql).unwrap();
        let problems = open(home.path()).check().unwrap().problems;
        assert!(problems.iter().any(|p| p.contains(expected)), "{sql}: {problems:?}");
    }
}

#[test]
fn a_cells_segment_in_a_spool_is_left_alone() {
    let home = scratch();
    let store = store::Store::init(&home.path().join("data"), 1, options()).unwrap();
    let (ana, inbox) = crate::support::make_account(&store, "ana@example.org", 1000);
    store.cells()[0].deliver(vec![crate::support::delivery(&ana, inbox, "a")]).unwrap();
    store.settle().unwrap();
    let queue = home.path().join("data/queue");
    drop(open(&queue));
    std::fs::copy(home.path().join("data/cells/00/segments/00000001.seg"), queue.join("segments/00000001.seg"))
        .unwrap();
    let spool = Spool::open(&queue, options()).unwrap();
    assert!(spool.findings()[0].contains("was left alone"), "{:?}", spool.findings());
    put(&spool, "b", &["x@one.example"]);
    assert_eq!(
        (texts(&spool), segments(&queue)),
        (vec!["b".into()], vec!["00000001.seg".into(), "00000002.seg".into()])
    );
    drop(spool);
    let spool = open_with(&queue, options());
    assert_eq!(texts(&spool), ["b"]);
    // The store's number stands in its head.
    let head = |dir: &Path, file: &str| std::fs::read(dir.join(file)).unwrap()[16..32].to_vec();
    assert_eq!(head(&queue, "segments/00000002.seg"), head(&queue, "segments/00000001.seg"));
}
