//! The largest, the smallest and the most: records longer than a segment, empty mail, full heads, many messages.

use message::{Flags, Keyword};
use store::{Account, Cell, Delivery, LIVE, MailboxId, NewMailbox, Prepared, Store, StoreError, inbox};
use tempfile::TempDir;

use crate::support::{
    DATE, SMALL_SEGMENT, assert_sound, contents, delivery, digest, live, mailbox, make_account, name, open, options,
    prepared, raw, scratch,
};

fn new_store() -> (TempDir, Store, Account, MailboxId) {
    let home = scratch();
    let store = Store::init(home.path(), 1, options()).unwrap();
    let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
    (home, store, ana, inbox)
}

fn cell(store: &Store) -> &Cell {
    &store.cells()[0]
}

/// Sound, and the same after opening again and after a rebuild from the segments alone.
fn assert_stays(home: TempDir, store: Store) {
    assert_sound(&store);
    let before = live(&store);
    drop(store);
    let store = open(home.path());
    assert_eq!(live(&store), before);
    drop(store);
    let rebuilt = Store::rebuild(home.path(), None, options()).unwrap();
    assert_eq!(rebuilt[0].findings, []);
    let store = open(home.path());
    assert_eq!(contents(&store, &[LIVE]), before);
    assert_sound(&store);
}

#[track_caller]
fn assert_refused(result: Result<impl std::fmt::Debug, StoreError>, why: &str) {
    match result {
        Err(StoreError::Caller(text)) => assert!(text.contains(why), "{text}"),
        other => panic!("{other:?} where {why:?} was expected"),
    }
}

#[test]
fn a_record_longer_than_a_segment_has_one_for_itself() {
    let (home, store, ana, inbox) = new_store();
    let large = format!("large*{}", SMALL_SEGMENT * 5);
    for text in ["a", &large, "b", &large, "c*30000", "d"] {
        cell(&store).deliver(vec![delivery(&ana, inbox, text)]).unwrap();
    }
    let batch = ["e", "largest*400000", "f"].map(|text| delivery(&ana, inbox, text));
    cell(&store).deliver(batch.to_vec()).unwrap();
    assert_stays(home, store);
}

#[test]
fn the_smallest_messages_are_messages() {
    let (home, store, ana, inbox) = new_store();
    let all: [&[u8]; 7] = [b"", b"\r\n", b"\0", b"a", b"Subject:", &[0; 5000], b"RTG1\x01\x01\0\0"];
    let deliveries = all.iter().chain(&all).map(|raw| Delivery { message: prepared(raw), ..delivery(&ana, inbox, "") });
    let delivered = cell(&store).deliver(deliveries.collect()).unwrap();
    assert!(delivered.iter().enumerate().all(|(n, d)| d.new_bytes == (n < all.len())), "{delivered:?}");
    assert_stays(home, store);
}

#[test]
fn a_head_may_be_full_but_not_longer_than_a_reader_takes() {
    let (home, store, ana, inbox_id) = new_store();
    cell(&store).deliver(vec![delivery(&ana, inbox_id, "a")]).unwrap();
    let long_name = format!("{}/{}", "ñ".repeat(250), "x".repeat(500));
    let new = NewMailbox { name: name(&long_name), uidvalidity: Some(u32::MAX - 7), ..inbox() };
    let full = cell(&store).write(|tx| tx.create_mailbox(&ana, &new)).unwrap();
    let keywords =
        |count: usize| -> Vec<Keyword> { (0..count).map(|n| Keyword::new(&format!("{n:0>128}")).unwrap()).collect() };
    let heavy = Delivery {
        uid: Some(u32::MAX - 1),
        flags: Flags::from_bits(63),
        keywords: keywords(8_000),
        internal_date: i64::MIN,
        uidl: Some("u".repeat(7_000)),
        ..delivery(&ana, full, "a")
    };
    let too_heavy = Delivery { uid: Some(5), keywords: keywords(8_200), ..heavy.clone() };
    assert_refused(cell(&store).deliver(vec![delivery(&ana, full, "b"), too_heavy]), "too many keywords");
    let future = Delivery { uid: Some(7), internal_date: i64::MAX, ..heavy.clone() };
    cell(&store).deliver(vec![future, heavy]).unwrap();
    assert_refused(cell(&store).deliver(vec![delivery(&ana, full, "c")]), "no UIDs left");
    assert_stays(home, store);
}

#[test]
fn a_uid_names_one_message_for_ever() {
    let (home, store, ana, inbox) = new_store();
    let at = |uid, text| Delivery { uid: Some(uid), ..delivery(&ana, inbox, text) };
    for uid in [0, u32::MAX] {
        assert_refused(cell(&store).deliver(vec![at(uid, "a")]), "no UIDs left");
    }
    assert_refused(cell(&store).deliver(vec![at(5, "a"), at(5, "b")]), "UID 5 of mailbox 1 of account 1 is taken");
    let once = cell(&store).deliver(vec![at(5, "a"), at(5, "a"), delivery(&ana, inbox, "b"), at(6, "b")]).unwrap();
    assert_eq!(once.iter().map(|d| d.uid).collect::<Vec<_>>(), [5, 5, 6, 6]);
    assert_refused(cell(&store).deliver(vec![delivery(&ana, inbox, "c"), at(7, "d")]), "UID 7");
    assert_eq!(cell(&store).deliver(vec![at(5, "a")]).unwrap()[0].uid, 5);
    assert_refused(cell(&store).deliver(vec![at(5, "b")]), "is taken");
    cell(&store)
        .write(|tx| {
            let mut boxes = tx.mailboxes(ana.id)?;
            boxes[0].highest_modseq += 1;
            tx.put_mailbox(ana.id, &boxes[0])?;
            tx.expunge(ana.id, inbox, 5, boxes[0].highest_modseq)
        })
        .unwrap();
    assert_refused(cell(&store).deliver(vec![at(5, "a")]), "is expunged");
    cell(&store).write(|tx| tx.describe(ana.id)).unwrap();
    cell(&store).flush_manifests().unwrap();
    assert_stays(home, store);
}

#[test]
fn an_account_and_its_successor_never_share_a_uidvalidity() {
    let (_home, store, ana, _) = new_store();
    let future = u32::MAX - 10;
    cell(&store).write(|tx| tx.create_mailbox(&ana, &mailbox("Futuro", future))).unwrap();
    cell(&store).write(|tx| tx.remove_account(&ana)).unwrap();
    let (successor, _) = make_account(&store, "ANA@example.org", 5);
    let made = cell(&store).write(|tx| {
        tx.create_mailbox(&successor, &NewMailbox { name: name("Otro"), ..inbox() })?;
        tx.mailboxes(successor.id)
    });
    assert_eq!(made.unwrap()[1].uidvalidity, Some(future + 1));
    assert_sound(&store);
}

#[test]
fn bytes_that_the_cell_does_not_have_are_not_taken_on_trust() {
    let (home, store, ana, inbox) = new_store();
    let examined = message::examine(&raw("a"));
    let unknown = Delivery { message: Prepared::known(&examined), ..delivery(&ana, inbox, "a") };
    assert_refused(cell(&store).deliver(vec![unknown.clone()]), "no bytes of");
    assert_eq!(cell(&store).knows(&examined.digest).unwrap(), None);
    cell(&store).deliver(vec![delivery(&ana, inbox, "a")]).unwrap();
    assert_eq!(cell(&store).knows(&digest(&raw("a"))).unwrap().unwrap().size_bytes, raw("a").len() as u64);
    assert!(!cell(&store).deliver(vec![unknown]).unwrap()[0].new_bytes);
    assert_stays(home, store);
}

#[test]
fn an_account_of_a_hundred_thousand_messages_is_an_account() {
    let home = scratch();
    let store = Store::init(home.path(), 1, store::OpenOptions::for_purpose("test")).unwrap();
    let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
    for batch in 0..100 {
        let messages = (0..1000).map(|n| {
            let raw = format!("Message-ID: <{batch}.{n}@example.org>\r\n\r\n.\r\n");
            Delivery { message: prepared(raw.as_bytes()), internal_date: DATE + n, ..delivery_of_nothing(&ana, inbox) }
        });
        cell(&store).deliver(messages.collect()).unwrap();
    }
    assert_eq!(cell(&store).read(|v| v.usage(ana.id)).unwrap().0, 100_000);
    cell(&store).write(|tx| tx.describe(ana.id)).unwrap();
    cell(&store).flush_manifests().unwrap();
    let state = cell(&store).read(|v| v.account_state(ana.id)).unwrap();
    let again = store::AccountState::decode(&state.encode()).unwrap();
    assert_eq!(again.mailboxes[0].messages.len(), 100_000);
    assert_eq!(again.mailboxes[0].messages[99_999].1, state.mailboxes[0].messages[99_999].1);
    assert_sound(&store);
}

fn delivery_of_nothing(account: &Account, mailbox: MailboxId) -> Delivery {
    delivery(account, mailbox, "")
}
