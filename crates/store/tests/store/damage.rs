//! Damage to segments and to rows: the check names it, what is whole goes on being served, and a rebuild keeps all of it.

use std::path::{Path, PathBuf};

use message::Digest;
use rusqlite::Connection;
use store::{Account, Class, LIVE, LineageId, MailboxId, Store, StoreError};
use tempfile::TempDir;

use crate::support::{
    Contents, address, assert_sound, delivery, digest, live, mailbox, make_account, open, options, problems, raw,
    scratch,
};

const ANA: &str = "ana@example.org";
/// Two fill a segment.
const TEXTS: [&str; 7] = ["a", "b*15000", "c", "d*15000", "e*3000", "a", "f"];
const HEAD_BYTES: usize = 80;
const SEGMENT_HEAD_BYTES: usize = 64;

/// A store with a sealed segment and one that is written, closed.
struct Victim {
    home: TempDir,
    before: Contents,
    ana: Account,
    inbox: MailboxId,
}

impl Victim {
    fn new() -> Self {
        let home = scratch();
        let store = Store::init(&home.path().join("whole"), 1, options()).unwrap();
        let (ana, inbox) = make_account(&store, ANA, 1000);
        for text in TEXTS {
            store.cells()[0].deliver(vec![delivery(&ana, inbox, text)]).unwrap();
        }
        let before = live(&store);
        store.settle().unwrap();
        Victim { home, before, ana, inbox }
    }

    /// A copy to damage.
    fn copy(&self) -> TempDir {
        let copy = scratch();
        testkit::files::copy_tree(&self.home.path().join("whole"), copy.path()).unwrap();
        copy
    }

    fn segment(&self, number: u32) -> Vec<u8> {
        std::fs::read(segment_path(&self.home.path().join("whole"), number)).unwrap()
    }

    fn message_count(&self) -> usize {
        self.before[&(LIVE, ANA.to_owned())].mailboxes["INBOX"].messages.len()
    }
}

fn segment_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("cells/00/segments/{number:08x}.seg"))
}

/// Positions of records, and behind the last.
fn record_positions(segment: &[u8]) -> Vec<usize> {
    let mut positions = vec![SEGMENT_HEAD_BYTES];
    while let Some(head) = segment.get(positions[positions.len() - 1]..).filter(|rest| rest.starts_with(b"RTG1")) {
        let meta = u32::from_le_bytes(head[20..24].try_into().unwrap()) as usize;
        let stored = u64::from_le_bytes(head[32..40].try_into().unwrap()) as usize;
        positions.push(positions[positions.len() - 1] + (HEAD_BYTES + meta + stored).next_multiple_of(8));
    }
    positions
}

/// UIDs whose bytes can be read, with their digest; the others fail as damage and as nothing else.
fn readable(store: &Store, account: &Account, mailbox: MailboxId) -> Vec<(u32, Digest)> {
    let mut found = Vec::new();
    store.cells()[0]
        .read(|view| {
            view.for_each_message(account.id, mailbox, |message, blob| {
                match view.bytes(&blob) {
                    Ok(bytes) => found.push((message.uid, digest(&bytes))),
                    Err(error) => assert_eq!(error.class(), Class::Corruption, "{error}"),
                }
                Ok(())
            })
        })
        .unwrap();
    found
}

#[track_caller]
fn assert_named(store: &Store, what: &str, at: &str) {
    let problems = problems(&store.cells()[0]);
    assert!(problems.iter().any(|p| p.contains(what)), "{at}: {what:?} is not among {problems:#?}");
}

/// A message that was not there before is delivered and read.
fn assert_goes_on(store: &Store, ana: &Account, inbox: MailboxId, at: &str) {
    let delivered = store.cells()[0].deliver(vec![delivery(ana, inbox, "new*5000")]).unwrap();
    let found = readable(store, ana, inbox);
    assert!(found.contains(&(delivered[0].uid, digest(&raw("new*5000")))), "{at}");
}

/// Damages a copy, and asserts what must be true of it whatever was damaged.
fn attack(victim: &Victim, number: u32, at: &str, damage: impl FnOnce(&mut Vec<u8>)) {
    let copy = victim.copy();
    let path = segment_path(copy.path(), number);
    let mut bytes = std::fs::read(&path).unwrap();
    damage(&mut bytes);
    std::fs::write(&path, bytes).unwrap();

    let store = open(copy.path());
    assert_named(&store, &format!("segment {number:08x}"), at);
    let right: Vec<Digest> = TEXTS.iter().map(|t| digest(&raw(t))).collect();
    let found = readable(&store, &victim.ana, victim.inbox);
    assert!(found.len() >= victim.message_count() - 3, "{at}: {found:?}");
    assert!(found.iter().all(|(uid, d)| right[*uid as usize - 1] == *d), "{at}: wrong bytes");
    assert_goes_on(&store, &victim.ana, victim.inbox, at);
    drop(store);

    // A rebuild keeps everything whose record, and whose bytes, are whole.
    let rebuilt = Store::rebuild(copy.path(), None, options()).unwrap().remove(0);
    assert!(rebuilt.findings.iter().any(|f| f.text.contains(&format!("segment {number:08x}"))), "{at}: {rebuilt:?}");
    let store = open(copy.path());
    assert_sound(&store);
    let after = live(&store);
    let after = &after[&(LIVE, ANA.to_owned())].mailboxes["INBOX"];
    let before = &victim.before[&(LIVE, ANA.to_owned())].mailboxes["INBOX"];
    // The bytes of UID 6 stand in the record of UID 1: with its own record, only the index knows it.
    for (uid, _) in found.into_iter().filter(|(uid, _)| *uid != 6 || after.messages.contains_key(uid)) {
        assert_eq!(after.messages.get(&uid), Some(&before.messages[&uid]), "{at}: UID {uid} after the rebuild");
    }
    assert_eq!(after.messages.len() as u64, rebuilt.messages, "{at}");
    assert_goes_on(&store, &victim.ana, victim.inbox, at);
}

#[test]
fn a_flipped_bit_anywhere_in_a_segment_is_named_and_costs_at_most_its_record() {
    let victim = Victim::new();
    for number in [1, 2] {
        let segment = victim.segment(number);
        let positions = record_positions(&segment);
        assert!(positions.len() >= 3, "there are records in both");
        let used = positions[positions.len() - 1];
        // Heads and metas densely, stored bytes here and there.
        let dense = positions.iter().flat_map(|p| (*p..*p + 200).step_by(13));
        let spots = (0..SEGMENT_HEAD_BYTES).step_by(9).chain(dense).chain((0..used).step_by(1999));
        for spot in spots.filter(|s| *s < used && !is_padding(&segment, &positions, *s)) {
            // The head's reserved bytes are covered by its checksum too.
            attack(&victim, number, &format!("segment {number}, byte {spot}"), |bytes| bytes[spot] ^= 0x20);
        }
    }
}

#[test]
fn a_uid_whose_record_is_lost_is_not_given_again() {
    let victim = Victim::new();
    let positions = record_positions(&victim.segment(2));
    for spot in [positions[positions.len() - 2] + 30, positions[positions.len() - 2] + HEAD_BYTES + 8] {
        let copy = victim.copy();
        let path = segment_path(copy.path(), 2);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[spot] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let rebuilt = Store::rebuild(copy.path(), None, options()).unwrap().remove(0);
        assert_eq!((rebuilt.messages, rebuilt.findings.len()), (6, 1), "{rebuilt:?}");
        let store = open(copy.path());
        let delivered = store.cells()[0].deliver(vec![delivery(&victim.ana, victim.inbox, "new")]).unwrap();
        assert!(delivered[0].uid > 7, "UID {} was the lost message's", delivered[0].uid);
        assert_sound(&store);
    }
}

/// Whether a byte is one of the zeros behind a record, which mean nothing.
fn is_padding(segment: &[u8], positions: &[usize], spot: usize) -> bool {
    let next = positions.iter().find(|p| **p > spot).copied().unwrap_or(usize::MAX);
    let zeros = next.checked_sub(8).is_some_and(|from| spot >= from) && next <= segment.len();
    zeros && segment[spot..next].iter().all(|b| *b == 0)
}

#[test]
fn a_stretch_of_zeros_is_named_and_what_stands_behind_it_is_found() {
    let victim = Victim::new();
    for number in [1, 2] {
        let positions = record_positions(&victim.segment(number));
        for pair in positions.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            for (from, to) in [(from, to), (from, from + 40), (from + 40, from + 120), (to - 16, to)] {
                let at = format!("segment {number}, zeros from {from} to {to}");
                attack(&victim, number, &at, |bytes| bytes[from..to].fill(0));
            }
        }
    }
}

#[test]
fn a_segment_that_was_cut_is_named_and_what_stands_before_the_cut_is_served() {
    let victim = Victim::new();
    for number in [1, 2] {
        let positions = record_positions(&victim.segment(number));
        let last_with_bytes = if number == 1 { positions.len() - 2 } else { 1 };
        for cut in [positions[last_with_bytes], positions[last_with_bytes] + 40, positions[last_with_bytes] + 300] {
            let copy = victim.copy();
            let path = segment_path(copy.path(), number);
            std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(cut as u64).unwrap();
            let at = format!("segment {number} cut at {cut}");
            let store = open(copy.path());
            assert_eq!(store.findings().is_empty(), number == 1, "{at}: the tail is looked at when it is opened");
            assert_named(&store, &format!("segment {number:08x}"), &at);
            let found = readable(&store, &victim.ana, victim.inbox);
            assert!(found.len() >= 2, "{at}: {found:?}");
            assert_goes_on(&store, &victim.ana, victim.inbox, &at);
            // Nothing was put where the index believes older messages to be.
            assert!(std::fs::metadata(&path).unwrap().len() <= positions[positions.len() - 1] as u64, "{at}");
        }
    }
}

#[test]
fn a_missing_segment_is_named_and_its_number_is_not_given_again() {
    let victim = Victim::new();
    for number in [1, 2] {
        let copy = victim.copy();
        std::fs::remove_file(segment_path(copy.path(), number)).unwrap();
        let at = format!("without segment {number}");
        let store = open(copy.path());
        assert_eq!(store.findings().is_empty(), number == 1, "{at}");
        assert_named(&store, &format!("segment {number:08x} is missing"), &at);
        let error = store.cells()[0].read(|view| {
            let mut result = Ok(vec![]);
            view.for_each_message(victim.ana.id, victim.inbox, |_, blob| {
                if blob.place.segment == number {
                    result = view.bytes(&blob);
                }
                Ok(())
            })?;
            result
        });
        assert!(matches!(error, Err(StoreError::Io { .. })), "{at}: {error:?}");
        store.cells()[0].deliver(vec![delivery(&victim.ana, victim.inbox, "new")]).unwrap();
        assert!(!segment_path(copy.path(), number).exists(), "{at}");
    }
}

#[test]
fn a_segment_of_another_cell_is_left_alone() {
    let home = scratch();
    let store = Store::init(home.path(), 2, options()).unwrap();
    let (ana, inbox) = make_account(&store, ANA, 1000);
    let cell = store.cell_of(&address(ANA));
    cell.deliver(vec![delivery(&ana, inbox, "a")]).unwrap();
    let (own, other) = (cell.number(), 1 - cell.number());
    let before = live(&store);
    drop(store);
    let segments = |cell: u32| home.path().join(format!("cells/{cell:02}/segments"));
    std::fs::copy(segments(own).join("00000001.seg"), segments(other).join("00000001.seg")).unwrap();
    let store = open(home.path());
    assert_eq!(store.findings().len(), 1);
    assert!(store.findings()[0].text.contains(&format!("belongs to cell {own}")), "{:?}", store.findings());
    assert_eq!(live(&store), before);
}

#[test]
fn rows_changed_by_hand_are_named() {
    let victim = Victim::new();
    let cases: [(&str, &str); 26] = [
        ("UPDATE blob SET digest = zeroblob(32) WHERE blob_id = 1", "the index expects 0000"),
        ("UPDATE blob SET identity = zeroblob(32) WHERE blob_id = 2", "describes other bytes"),
        ("UPDATE blob SET size_bytes = 1 WHERE blob_id = 2", "describes other bytes"),
        ("UPDATE blob SET message_id = 1 WHERE blob_id = 2", "describes other bytes"),
        ("UPDATE blob SET position = position + 8 WHERE blob_id = 2", "there is no record of"),
        ("UPDATE blob SET segment = 9 WHERE blob_id = 2", "segment 00000009 is missing"),
        ("DELETE FROM blob WHERE blob_id = 2", "UID 2: the index has no bytes for it"),
        ("UPDATE message SET blob_id = 99 WHERE uid = 3", "UID 3: the index has no bytes for it"),
        ("UPDATE message SET uid = 700 WHERE uid = 3", "UID 700 is not below UIDNEXT 8"),
        ("UPDATE message SET modseq = 700 WHERE uid = 3", "UID 3 has a modification sequence above"),
        ("UPDATE message SET modseq = 0 WHERE uid = 3", "UID 3 has no modification sequence"),
        ("INSERT INTO subscription VALUES (1, 'INBOX')", "INBOX: it is subscribed to as if it were not there"),
        ("INSERT INTO subscription VALUES (5, 'a')", "subscriptions of account 5 belong to nothing"),
        ("INSERT INTO annotation VALUES (1, 0, '/other/x', x'')", "annotation \"/other/x\" has no name of one"),
        ("INSERT INTO annotation VALUES (1, 9, '/shared/x', x'')", "mailbox 9 of account 1 belong to nothing"),
        ("UPDATE message SET keywords = 'no(keyword' WHERE uid = 3", "malformed keywords"),
        ("UPDATE message SET flags = 'no number' WHERE uid = 3", "ana@example.org INBOX"),
        ("UPDATE message SET uidl = '00000001000003e8' WHERE uid = 3", "UIDs 1 and 3 have one UIDL"),
        ("UPDATE message SET account_id = 5 WHERE uid = 3", "messages in mailbox 1 of account 5 belong to nothing"),
        ("INSERT INTO expunged VALUES (1, 1, 3, 1, NULL)", "UID 3 is there and expunged"),
        ("INSERT INTO expunged VALUES (1, 1, 30, 1, NULL)", "an expunged UID or its sequence is above"),
        ("UPDATE mailbox SET uidvalidity = 2000", "UIDVALIDITY 2000 cannot be"),
        ("UPDATE mailbox SET uidvalidity = NULL", "it has no UIDVALIDITY"),
        ("UPDATE mailbox SET name = 'Otro'", "there is not exactly one INBOX"),
        ("UPDATE mailbox SET name = 'a' || char(10)", "control characters"),
        ("DELETE FROM account", "mailbox 1 of account 1 belong to nothing"),
    ];
    for (sql, expected) in cases {
        let copy = victim.copy();
        let db = Connection::open(copy.path().join("cells/00/index.sqlite")).unwrap();
        assert!(db.execute(sql, []).unwrap() > 0, "{sql}");
        drop(db);
        let store = open(copy.path());
        assert_named(&store, expected, sql);
        drop(store);
        // None of it is in the segments.
        let rebuilt = Store::rebuild(copy.path(), None, options()).unwrap();
        assert_eq!(rebuilt[0].findings, [], "{sql}");
        let store = open(copy.path());
        assert_sound(&store);
        assert_eq!(live(&store), victim.before, "{sql}");
    }
}

#[test]
fn a_staged_item_whose_message_is_gone_is_named() {
    let victim = Victim::new();
    let store = open(&victim.home.path().join("whole"));
    let staged = store.cells()[0].write(|tx| {
        tx.create_account(LineageId(1), &address(ANA))?;
        let account = tx.account(LineageId(1), &address(ANA))?.unwrap();
        Ok((account.clone(), tx.create_mailbox(&account, &mailbox("INBOX", 5))?))
    });
    let (account, inbox) = staged.unwrap();
    let origin = store::Origin {
        path: b"mbox".to_vec(),
        range: Some((0, 5)),
        length_bytes: 5,
        modified_ns: 0,
        changed_ns: 0,
        inode: 0,
        mended: None,
    };
    let one = store::Delivery { item: Some((1, 1, origin)), ..delivery(&account, inbox, "g") };
    store.cells()[0].deliver(vec![one]).unwrap();
    assert_sound(&store);
    store.cells()[0].write(|tx| tx.remove_message(account.id, inbox, 1)).unwrap();
    assert_named(&store, "1 staged items point to messages that are not there", "an item");
}

#[test]
fn a_damaged_index_is_refused_as_that_or_named_and_made_anew() {
    let victim = Victim::new();
    let index = |dir: &Path| dir.join("cells/00/index.sqlite");
    let length = std::fs::metadata(index(&victim.home.path().join("whole"))).unwrap().len();
    for page in 0..length / 4096 {
        let copy = victim.copy();
        let mut bytes = std::fs::read(index(copy.path())).unwrap();
        let from = (page * 4096) as usize;
        bytes[from..from + 4096].fill(0xa5);
        std::fs::write(index(copy.path()), bytes).unwrap();
        match Store::open(copy.path(), options()) {
            Err(refused) => assert_eq!(refused.class(), Class::Corruption, "page {page}: {refused}"),
            Ok(store) => match store.cells()[0].check() {
                Err(refused) => assert_eq!(refused.class(), Class::Corruption, "page {page}: {refused}"),
                Ok(report) => assert_ne!(report.problems, [], "page {page}"),
            },
        }
        let rebuilt = Store::rebuild(copy.path(), None, options()).unwrap();
        assert_eq!(rebuilt[0].findings, [], "page {page}");
        let store = open(copy.path());
        assert_eq!(live(&store), victim.before, "page {page}");
        assert_sound(&store);
    }
}
