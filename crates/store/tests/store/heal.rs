//! Damaged bytes of a message: a good copy that comes by takes their place, and the message is as it was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use message::{Flags, Keyword};
use store::{
    Account, Delivery, FlagChange, FlagMode, LIVE, LineageId, MailboxId, NewMessage, Origin, Prepared, Store,
    StoreError, Traits,
};
use tempfile::TempDir;
use testkit::crashdisk::{CrashDisk, Failure, Mode};

use crate::support::{
    Contents, address, assert_sound, contents, delivery, live, mailbox, make_account, open, open_image, options,
    options_on, prepared, problems, raw, scratch,
};

const ANA: &str = "ana@example.org";
const BOB: &str = "bob@example.org";
const STAGED: LineageId = LineageId(7);
const HEAD_BYTES: usize = 80;

/// The one whose record is damaged; Ana has it twice, Bob once, and a hidden lineage too.
const VICTIM: &str = "victim*3000";

/// A closed store, and what it held.
struct Patient {
    home: TempDir,
    before: Contents,
}

/// Where the record lies, and what is done to it.
type Damage = (&'static str, fn(&mut Vec<u8>, std::ops::Range<usize>));

const DAMAGES: [Damage; 7] = [
    ("its stored bytes", |segment, at| segment[at.end - 100] ^= 1),
    ("the first of its stored bytes", |segment, at| {
        let meta = u32::from_le_bytes(segment[at.start + 20..at.start + 24].try_into().unwrap()) as usize;
        segment[at.start + HEAD_BYTES + meta] ^= 0x80;
    }),
    ("its magic", |segment, at| segment[at.start] ^= 1),
    ("its length", |segment, at| segment[at.start + 33] ^= 4),
    ("its description", |segment, at| segment[at.start + HEAD_BYTES + 5] ^= 1),
    ("all of it", |segment, at| segment[at].fill(0)),
    ("its length, to more than any memory holds", |segment, at| segment[at.start + 36] ^= 0x80),
];

impl Patient {
    fn new() -> Self {
        let home = scratch();
        let store = Store::init(&home.path().join("whole"), 1, options()).unwrap();
        let cell = &store.cells()[0];
        let (ana, inbox) = make_account(&store, ANA, 1000);
        let (bob, bobs) = make_account(&store, BOB, 2000);
        let other = cell.write(|tx| tx.create_mailbox(&ana, &mailbox("Otra", 1001))).unwrap();
        let (shadow, shadows) = shadow(&store);
        for text in ["a", "b*2000"] {
            cell.deliver(vec![delivery(&ana, inbox, text)]).unwrap();
        }
        let victim = Delivery {
            keywords: vec![Keyword::new("$NotJunk").unwrap()],
            uidl: Some("uidl-of-victim".into()),
            traits: Traits::OF_BEFORE,
            ..delivery(&ana, inbox, VICTIM)
        };
        cell.deliver(vec![victim]).unwrap();
        cell.deliver(vec![staged(&shadow, shadows, VICTIM)]).unwrap();
        cell.deliver(vec![delivery(&bob, bobs, "c"), delivery(&bob, bobs, VICTIM)]).unwrap();
        cell.deliver(vec![delivery(&ana, inbox, "d*2000")]).unwrap();
        cell.copy(ana.id, inbox, &[3], other).unwrap().unwrap();
        let (mode, flags, keywords) = (FlagMode::Add, Flags::ANSWERED, vec![]);
        let change = FlagChange { uids: vec![3], unchanged_since: None, mode, flags, keywords };
        cell.store_flags(ana.id, inbox, change).unwrap().unwrap();
        let before = all(&store);
        store.settle().unwrap();
        Patient { home, before }
    }

    /// A damaged copy, and the damaged bytes' stretch of its first segment.
    fn damaged(&self, damage: Damage) -> TempDir {
        let copy = scratch();
        testkit::files::copy_tree(&self.home.path().join("whole"), copy.path()).unwrap();
        hurt(copy.path(), damage);
        copy
    }
}

fn hurt(dir: &Path, damage: Damage) {
    let path = segment(dir, 1);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = record_of(&bytes, VICTIM);
    damage.1(&mut bytes, at);
    std::fs::write(path, bytes).unwrap();
}

fn segment(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("cells/00/segments/{number:08x}.seg"))
}

/// The stretch of the record that has a message's bytes.
fn record_of(segment: &[u8], text: &str) -> std::ops::Range<usize> {
    let digest = crate::support::digest(&raw(text));
    let found = testkit::segments::records(segment)
        .into_iter()
        .find(|record| record.digest == digest.as_bytes()[..] && !record.stored.is_empty());
    found.unwrap_or_else(|| panic!("there is no record of {text}")).whole
}

fn all(store: &Store) -> Contents {
    contents(store, &[LIVE, STAGED])
}

fn account(store: &Store, lineage: LineageId, text: &str) -> Account {
    store.cells()[0].read(|view| view.account(lineage, &address(text))).unwrap().unwrap()
}

fn inbox_of(store: &Store, account: &Account) -> MailboxId {
    store.cells()[0].read(|view| view.mailboxes(account.id)).unwrap()[0].id
}

/// The account of a hidden lineage, made where it is missing.
fn shadow(store: &Store) -> (Account, MailboxId) {
    let made = store.cells()[0].write(|tx| {
        let account = tx.account_or_new(STAGED, &address(ANA))?;
        let inbox = match tx.mailboxes(account.id)?.first() {
            Some(found) => found.id,
            None => tx.create_mailbox(&account, &mailbox("INBOX", 5))?,
        };
        Ok((account, inbox))
    });
    made.unwrap()
}

fn staged(shadow: &Account, inbox: MailboxId, text: &str) -> Delivery {
    let origin = Origin {
        path: b"Maildir/cur/1".to_vec(),
        range: None,
        length_bytes: 5,
        modified_ns: 0,
        changed_ns: 0,
        inode: 0,
        mended: None,
    };
    Delivery { uid: Some(9), item: Some((1, 0, origin)), ..delivery(shadow, inbox, text) }
}

/// Checks, and notes what was found; gives how many messages have damaged bytes.
fn note(store: &Store) -> usize {
    let cell = &store.cells()[0];
    let report = cell.check().unwrap();
    cell.note_damage(&report).unwrap();
    report.damaged_messages.len()
}

/// How a good copy comes by.
type Cure = (&'static str, fn(&Store) -> Result<(), StoreError>);

const CURES: [Cure; 5] = [
    ("staged again, and there", stage_again),
    ("delivered to somebody", |store| {
        let bob = account(store, LIVE, BOB);
        let wanted = Delivery { uid: Some(50), ..delivery(&bob, inbox_of(store, &bob), VICTIM) };
        store.cells()[0].deliver(vec![wanted]).map(|_| ())
    }),
    ("delivered among others", |store| {
        let bob = account(store, LIVE, BOB);
        let inbox = inbox_of(store, &bob);
        let one = |uid, text| Delivery { uid: Some(uid), ..delivery(&bob, inbox, text) };
        let group = vec![one(49, "new"), one(50, VICTIM), one(51, VICTIM), one(52, "new*40000")];
        store.cells()[0].deliver(group).map(|_| ())
    }),
    ("appended by a mail program", |store| {
        let bob = account(store, LIVE, BOB);
        let bytes = prepared(&raw(VICTIM));
        let message = NewMessage { bytes, flags: Flags::SEEN, keywords: vec![], internal_date: Some(1) };
        store.cells()[0].append(bob.id, inbox_of(store, &bob), vec![message]).map(|appended| _ = appended.unwrap())
    }),
    ("put in the place of another", |store| {
        let bob = account(store, LIVE, BOB);
        let inbox = inbox_of(store, &bob);
        let bytes = prepared(&raw(VICTIM));
        let message = NewMessage { bytes, flags: Flags::SEEN, keywords: vec![], internal_date: Some(1) };
        store.cells()[0].replace(bob.id, inbox, 1, inbox, message).map(|replaced| _ = replaced.unwrap())
    }),
];

fn stage_again(store: &Store) -> Result<(), StoreError> {
    let shadow = account(store, STAGED, ANA);
    let again = Delivery { flags: Flags::DRAFT, ..staged(&shadow, inbox_of(store, &shadow), VICTIM) };
    let delivered = store.cells()[0].deliver(vec![again])?;
    assert_eq!((delivered[0].uid, delivered[0].new_bytes), (9, false));
    Ok(())
}

/// Asserts that every message of `before` is in `after`, as it was.
#[track_caller]
fn assert_kept(before: &Contents, after: &Contents, lineage: LineageId, at: &str) {
    for ((_, name), account) in before.iter().filter(|((of, _), _)| *of == lineage) {
        let found = &after[&(lineage, name.clone())];
        for (mailbox, was) in &account.mailboxes {
            let is = &found.mailboxes[mailbox];
            assert_eq!((is.id, is.uidvalidity), (was.id, was.uidvalidity), "{at}: {name} {mailbox}");
            for (uid, message) in &was.messages {
                let gone = is.expunged.contains(uid);
                assert!(gone || is.messages.get(uid) == Some(message), "{at}: {name} {mailbox} UID {uid}: {is:?}");
            }
        }
    }
}

#[test]
fn a_good_copy_that_comes_by_heals_what_was_damaged() {
    let patient = Patient::new();
    for damage in DAMAGES {
        for cure in CURES {
            let at = format!("{}, {}", damage.0, cure.0);
            let dir = patient.damaged(damage);
            let store = open(dir.path());
            assert_eq!(note(&store), 4, "{at}: in two mailboxes of Ana's, with Bob, and staged");
            let report = store.cells()[0].check().unwrap();
            let named: Vec<String> = report.damaged_messages.into_iter().map(|m| m.text).collect();
            assert!(named.contains(&format!("{ANA} INBOX (lineage 0): the bytes of UID 3 are damaged")), "{named:#?}");
            assert!((1..=2).contains(&report.problems.len()), "{at}: {:#?}", report.problems);
            assert!(!store.cells()[0].has(&crate::support::digest(&raw(VICTIM))).unwrap(), "{at}");
            drop(store);

            // The note is there for whoever comes next.
            let store = open(dir.path());
            cure.1(&store).unwrap();
            let healed = all(&store);
            assert_kept(&patient.before, &healed, LIVE, &at);
            assert_kept(&patient.before, &healed, STAGED, &at);
            assert!(store.cells()[0].has(&crate::support::digest(&raw(VICTIM))).unwrap(), "{at}");
            assert_sound(&store);
            assert_eq!(store.cells()[0].check().unwrap().reported, 1, "{at}: the dead record");

            // Nothing is stored again once it is good.
            let length = std::fs::metadata(segment(dir.path(), 1)).unwrap().len();
            stage_again(&store).unwrap();
            store.settle().unwrap();
            assert!(std::fs::metadata(segment(dir.path(), 1)).unwrap().len() <= length, "{at}");
            assert_eq!(all(&store), healed, "{at}");
            assert_eq!(note(&store), 0, "{at}");
            // As staging does at its end, a server every hour, and the next opening.
            store.cells()[0].flush_manifests().unwrap();
            drop(store);

            // An index from segments alone has all of it too; of hidden lineages what can be staged again may be missing.
            Store::rebuild(dir.path(), None, options()).unwrap();
            let store = open(dir.path());
            assert_made_anew(live(&store), &of(&healed, LIVE), &at);
            if cure.0.starts_with("staged") {
                assert_made_anew(all(&store), &healed, &at);
            }
            assert_sound(&store);
            drop(store);

            // As often as one likes.
            Store::rebuild(dir.path(), None, options()).unwrap();
            let store = open(dir.path());
            assert_made_anew(live(&store), &of(&healed, LIVE), &at);
            assert_sound(&store);
        }
    }
}

/// Where a head was lost, an index that is made anew leaves a gap behind the UIDs that there are. Else it is the same.
#[track_caller]
fn assert_made_anew(mut found: Contents, expected: &Contents, at: &str) {
    for (name, account) in &mut found {
        for (mailbox, is) in &mut account.mailboxes {
            let was = expected[name].mailboxes[mailbox].uidnext;
            assert!((was..was + 100).contains(&is.uidnext), "{at}: {mailbox}: UIDNEXT {} for {was}", is.uidnext);
            is.uidnext = was;
        }
    }
    assert_eq!(&found, expected, "{at}, made anew");
}

fn of(contents: &Contents, lineage: LineageId) -> Contents {
    contents.iter().filter(|((of, _), _)| *of == lineage).map(|(k, v)| (k.clone(), v.clone())).collect()
}

#[test]
fn a_snapshot_from_before_the_healing_comes_to_the_healed_state() {
    let patient = Patient::new();
    for damage in DAMAGES {
        let dir = patient.damaged(damage);
        let store = open(dir.path());
        note(&store);
        store.cells()[0].snapshot().unwrap();
        stage_again(&store).unwrap();
        let healed = all(&store);
        drop(store);
        let rebuilt = Store::rebuild(dir.path(), None, options()).unwrap().remove(0);
        assert!(rebuilt.snapshot.is_some(), "{}: {rebuilt:?}", damage.0);
        assert_eq!(rebuilt.findings, [], "{}", damage.0);
        let store = open(dir.path());
        assert_eq!(all(&store), healed, "{}", damage.0);
        assert_sound(&store);
    }
}

#[test]
fn what_a_reader_met_is_healed_without_a_check() {
    let patient = Patient::new();
    for damage in DAMAGES {
        for reopened in [false, true] {
            let dir = patient.damaged(damage);
            let mut store = open(dir.path());
            let ana = account(&store, LIVE, ANA);
            let read = |store: &Store| {
                store.cells()[0].read(|view| {
                    let row = view.message(ana.id, inbox_of(store, &ana), 3)?.unwrap();
                    view.bytes(&view.blob_by_id(row.blob)?.unwrap())
                })
            };
            // Nobody knows: the good bytes are passed over.
            stage_again(&store).unwrap();
            assert_eq!(read(&store).unwrap_err().class(), store::Class::Corruption, "{}", damage.0);
            if reopened {
                store.settle().unwrap();
                drop(store);
                store = open(dir.path());
            }
            stage_again(&store).unwrap();
            assert_eq!(read(&store).unwrap(), raw(VICTIM), "{}", damage.0);
            assert_eq!(all(&store), patient.before, "{}", damage.0);
            assert_sound(&store);
        }
    }
}

#[test]
fn a_segment_that_is_put_back_is_believed_again() {
    let patient = Patient::new();
    let dir = patient.damaged(DAMAGES[0]);
    let store = open(dir.path());
    assert_eq!(note(&store), 4);
    drop(store);
    std::fs::copy(segment(&patient.home.path().join("whole"), 1), segment(dir.path(), 1)).unwrap();
    let length = std::fs::metadata(segment(dir.path(), 1)).unwrap().len();
    let store = open(dir.path());
    stage_again(&store).unwrap();
    assert_eq!(all(&store), patient.before);
    store.settle().unwrap();
    assert_eq!(std::fs::metadata(segment(dir.path(), 1)).unwrap().len(), length, "nothing was stored again");
    assert_eq!(note(&store), 0);
    assert!(store.cells()[0].has(&crate::support::digest(&raw(VICTIM))).unwrap());
    assert_sound(&store);
}

#[test]
fn neighbours_that_are_damaged_together_are_healed_one_by_one() {
    let patient = Patient::new();
    // "b*2000" stands before the victim.
    for first in ["b*2000", VICTIM] {
        let dir = patient.damaged(DAMAGES[5]);
        let path = segment(dir.path(), 1);
        let mut bytes = std::fs::read(&path).unwrap();
        let at = record_of(&bytes, "b*2000");
        bytes[at].fill(0);
        std::fs::write(&path, bytes).unwrap();
        let store = open(dir.path());
        assert_eq!(note(&store), 5, "{first} first");
        let bob = account(&store, LIVE, BOB);
        let inbox = inbox_of(&store, &bob);
        for (text, left) in [(first, true), (if first == VICTIM { "b*2000" } else { VICTIM }, false)] {
            store.cells()[0].deliver(vec![delivery(&bob, inbox, text)]).unwrap();
            assert_eq!(!problems(&store.cells()[0]).is_empty(), left, "{first} first, then {text}");
        }
        assert_kept(&patient.before, &all(&store), LIVE, first);
        let healed = live(&store);
        store.cells()[0].flush_manifests().unwrap();
        drop(store);
        Store::rebuild(dir.path(), None, options()).unwrap();
        let store = open(dir.path());
        assert_made_anew(live(&store), &healed, first);
        assert_sound(&store);
    }
}

#[test]
fn a_missing_segment_is_healed_message_by_message() {
    let patient = Patient::new();
    let home = scratch();
    testkit::files::copy_tree(&patient.home.path().join("whole"), home.path()).unwrap();
    // Another segment, so that the first is not the one that is written.
    let store = open(home.path());
    let bob = account(&store, LIVE, BOB);
    let inbox = inbox_of(&store, &bob);
    store.cells()[0].deliver(vec![delivery(&bob, inbox, "long*40000")]).unwrap();
    let before = all(&store);
    drop(store);
    std::fs::remove_file(segment(home.path(), 1)).unwrap();

    let store = open(home.path());
    assert!(note(&store) > 4);
    let again: Vec<Delivery> = ["a", "b*2000", VICTIM, "c", "d*2000"].map(|t| delivery(&bob, inbox, t)).into();
    store.cells()[0].deliver(again).unwrap();
    assert_kept(&before, &all(&store), LIVE, "without its first segment");
    assert_kept(&before, &all(&store), STAGED, "without its first segment");
    assert_sound(&store);
    let healed = live(&store);
    store.cells()[0].flush_manifests().unwrap();
    drop(store);
    Store::rebuild(home.path(), None, options()).unwrap();
    let store = open(home.path());
    assert_made_anew(live(&store), &healed, "without its first segment");
    assert_sound(&store);
}

#[test]
fn an_empty_message_whose_record_is_damaged_is_healed() {
    let home = scratch();
    let store = Store::init(home.path(), 1, options()).unwrap();
    let (ana, inbox) = make_account(&store, ANA, 1000);
    let empty = || Delivery { message: prepared(b""), ..delivery(&ana, inbox, "a") };
    for one in [delivery(&ana, inbox, "a"), empty(), delivery(&ana, inbox, "b")] {
        store.cells()[0].deliver(vec![one]).unwrap();
    }
    let before = live(&store);
    store.settle().unwrap();
    drop(store);
    let path = segment(home.path(), 1);
    let mut bytes = std::fs::read(&path).unwrap();
    let digest = crate::support::digest(b"");
    let at = bytes.windows(32).position(|w| w == digest.as_bytes()).unwrap() - 40;
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let store = open(home.path());
    assert_eq!(note(&store), 1);
    store.cells()[0].snapshot().unwrap();
    store.cells()[0].deliver(vec![Delivery { uid: Some(2), ..empty() }]).unwrap();
    assert_eq!(live(&store), before);
    assert_sound(&store);
    drop(store);
    let rebuilt = Store::rebuild(home.path(), None, options()).unwrap().remove(0);
    assert!(rebuilt.snapshot.is_some(), "{rebuilt:?}");
    let store = open(home.path());
    assert_eq!(live(&store), before);
    assert_sound(&store);
    drop(store);
    std::fs::remove_dir_all(home.path().join("cells/00/snapshots")).unwrap();
    Store::rebuild(home.path(), None, options()).unwrap();
    let store = open(home.path());
    assert_made_anew(live(&store), &before, "an empty message");
    assert_sound(&store);
}

#[test]
fn a_copy_that_is_not_packed_heals_nothing_and_other_bytes_at_a_taken_uid_are_refused() {
    let patient = Patient::new();
    let dir = patient.damaged(DAMAGES[0]);
    let store = open(dir.path());
    assert_eq!(note(&store), 4);
    let (shadow, shadows) = shadow(&store);
    let other = staged(&shadow, shadows, "other");
    assert!(matches!(store.cells()[0].deliver(vec![other]), Err(StoreError::Caller(_))));
    let known = Prepared::known(&message::examine(&raw(VICTIM)));
    let without = Delivery { message: known, ..staged(&shadow, shadows, VICTIM) };
    store.cells()[0].deliver(vec![without]).unwrap();
    assert_eq!(note(&store), 4);
    stage_again(&store).unwrap();
    assert_eq!(all(&store), patient.before);
    assert_sound(&store);
}

#[test]
fn a_message_that_stands_before_the_bytes_which_heal_it_comes_back_from_segments_alone() {
    let patient = Patient::new();
    for damage in DAMAGES {
        let dir = patient.damaged(damage);
        let store = open(dir.path());
        assert_eq!(note(&store), 4);
        let (carla, inbox) = make_account(&store, "carla@example.org", 3000);
        let known = Prepared::known(&message::examine(&raw(VICTIM)));
        let (shadow, shadows) = shadow(&store);
        let group =
            vec![Delivery { message: known, ..delivery(&carla, inbox, VICTIM) }, staged(&shadow, shadows, VICTIM)];
        store.cells()[0].deliver(group).unwrap();
        let healed = live(&store);
        assert_sound(&store);
        store.cells()[0].flush_manifests().unwrap();
        drop(store);
        Store::rebuild(dir.path(), None, options()).unwrap();
        let store = open(dir.path());
        assert_made_anew(live(&store), &healed, damage.0);
        assert_sound(&store);
    }
}

/// A record with the right checksums and the digest of another message, as who can place bytes in a damaged stretch might
/// make one.
#[test]
fn a_record_whose_bytes_are_not_those_it_names_takes_the_place_of_none() {
    let patient = Patient::new();
    for from_snapshot in [false, true] {
        let dir = patient.damaged(DAMAGES[0]);
        let store = open(dir.path());
        assert_eq!(note(&store), 4);
        if from_snapshot {
            store.cells()[0].snapshot().unwrap();
        }
        let bob = account(&store, LIVE, BOB);
        let forged = Prepared::new(b"Subject: forged\r\n\r\n", &message::examine(&raw(VICTIM)));
        let wanted = Delivery { uid: Some(50), message: forged, ..delivery(&bob, inbox_of(&store, &bob), "") };
        store.cells()[0].deliver(vec![wanted]).unwrap();
        store.settle().unwrap();
        drop(store);
        // The good one is there again.
        hurt(dir.path(), DAMAGES[0]);
        let rebuilt = Store::rebuild(dir.path(), None, options()).unwrap().remove(0);
        assert_eq!(rebuilt.findings.len(), 1, "{rebuilt:?}");
        let store = open(dir.path());
        assert_kept(&patient.before, &all(&store), STAGED, "forged");
        let bobs = &live(&store)[&(LIVE, BOB.to_owned())];
        assert!(!bobs.mailboxes["INBOX"].messages.contains_key(&50), "{bobs:?}");
        assert_sound(&store);
    }
}

/// What stands in the way of a healing: nothing that was there is lost, and it is healed or it is not.
fn assert_healed_or_not(store: &Store, patient: &Patient, acknowledged: bool, at: &str) {
    let cell = &store.cells()[0];
    let report = cell.check().unwrap();
    let texts: Vec<&str> = report.problems.iter().map(|p| &*p.text).collect();
    match report.damaged_messages.len() {
        0 => {
            assert_eq!(texts, [""; 0], "{at}");
            assert_eq!(all(store), patient.before, "{at}");
        }
        4 => {
            assert!(!acknowledged, "{at}: it was healed");
            assert!((1..=2).contains(&texts.len()) && report.damaged.len() == 1, "{at}: {texts:#?}");
            assert_eq!(readable(store), readable_of(&patient.before), "{at}");
        }
        half => panic!("{at}: {half} messages are damaged: {texts:#?}"),
    }
}

/// UIDs by account and mailbox whose bytes can be read.
fn readable(store: &Store) -> BTreeMap<(String, String), Vec<u32>> {
    let mut found = BTreeMap::new();
    store.cells()[0]
        .read(|view| {
            for account in view.accounts(LIVE)? {
                for mailbox in view.mailboxes(account.id)? {
                    let uids: &mut Vec<u32> =
                        found.entry((account.address.clone(), mailbox.name.to_string())).or_default();
                    view.for_each_message(account.id, mailbox.id, |message, blob| {
                        uids.extend(view.bytes(&blob).is_ok().then_some(message.uid));
                        Ok(())
                    })?;
                }
            }
            Ok(())
        })
        .unwrap();
    found
}

/// As [`readable`], of what was there before: all but the victim.
fn readable_of(before: &Contents) -> BTreeMap<(String, String), Vec<u32>> {
    let victim = crate::support::digest(&raw(VICTIM));
    let mut found = BTreeMap::new();
    for ((_, address), account) in before.iter().filter(|((of, _), _)| *of == LIVE) {
        for (name, mailbox) in &account.mailboxes {
            let good = mailbox.messages.iter().filter(|(_, m)| m.digest != victim).map(|(uid, _)| *uid);
            found.insert((address.clone(), name.clone()), good.collect());
        }
    }
    found
}

/// A damaged store with the note of it, on a crash disk of its own in a fresh directory.
fn on_a_disk(patient: &Patient, damage: Damage) -> (TempDir, CrashDisk) {
    let home = scratch();
    testkit::files::copy_tree(&patient.home.path().join("whole"), &home.path().join("live")).unwrap();
    hurt(&home.path().join("live"), damage);
    let store = open(&home.path().join("live"));
    assert_eq!(note(&store), 4);
    drop(store);
    let disk = CrashDisk::new(&home.path().join("live")).unwrap();
    (home, disk)
}

#[test]
fn a_power_cut_leaves_a_message_healed_or_not_and_it_is_healed_again() {
    let patient = Patient::new();
    for damage in [DAMAGES[0], DAMAGES[2], DAMAGES[5]] {
        let heal = |disk: &CrashDisk| {
            let store = Store::open(disk.root(), options_on(disk))?;
            stage_again(&store)
        };
        let (_home, whole) = on_a_disk(&patient, damage);
        heal(&whole).unwrap();
        assert!(whole.op_count() > 5, "there is something to cut");
        for cut in 0..=whole.op_count() {
            let (_home, disk) = on_a_disk(&patient, damage);
            disk.stop_after(cut);
            let acknowledged = heal(&disk).is_ok();
            for mode in [Mode::DropAll, Mode::Some(cut), Mode::Some(cut + 1_000_000)] {
                let at = format!("{}, cut {cut}, {mode:?}", damage.0);
                let image = disk.crash(mode).unwrap();
                let store = open_image(&image);
                assert_healed_or_not(&store, &patient, acknowledged, &at);
                stage_again(&store).unwrap();
                assert_healed_or_not(&store, &patient, true, &at);
                assert_sound(&store);
            }
        }
    }
}

#[test]
fn a_disk_that_fails_while_a_message_is_healed_costs_nothing() {
    let patient = Patient::new();
    let (_home, whole) = on_a_disk(&patient, DAMAGES[2]);
    let store = Store::open(whole.root(), options_on(&whole)).unwrap();
    let opened = whole.op_count();
    stage_again(&store).unwrap();
    for n in 1..=whole.op_count() - opened {
        for failure in [Failure::Io, Failure::NoSpace] {
            let at = format!("{failure:?} at {n}");
            let (_home, disk) = on_a_disk(&patient, DAMAGES[2]);
            let store = Store::open(disk.root(), options_on(&disk)).unwrap();
            disk.fail_after(n, failure);
            let told = stage_again(&store).is_err();
            disk.heal();
            assert_healed_or_not(&store, &patient, !told, &at);
            stage_again(&store).unwrap();
            assert_eq!(all(&store), patient.before, "{at}");
            assert_sound(&store);
            let store = open_image(&disk.crash(Mode::DropAll).unwrap());
            assert_eq!(all(&store), patient.before, "{at}, after a power loss");
            assert_sound(&store);
        }
    }
}
