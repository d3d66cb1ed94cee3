//! The power is cut at every operation of what people do in their mailboxes. What was acknowledged is there, a move leaves
//! no message nowhere, and no UID that was ever given comes to name anything else.

use std::collections::{BTreeMap, BTreeSet};

use message::{Digest, Flags};
use store::{Account, Cell, FlagMode, LIVE, MailboxId, Store, StoreError};
use testkit::crashdisk::{CrashDisk, Mode};

use super::support::{change, new_message};
use crate::support::{address, assert_sound, name, options, options_on, scratch};

type Done = Result<(), StoreError>;

const ANA: &str = "ana@example.org";
const INBOX: MailboxId = MailboxId(1);
const A: MailboxId = MailboxId(2);

const STEPS: [fn(&Cell, &Account) -> Done; 7] = [
    |cell, ana| {
        let messages = ["a", "b*900", "c"].map(new_message).into();
        cell.append(ana.id, INBOX, messages).map(|appended| assert_eq!(appended.unwrap().uids, [1, 2, 3]))
    },
    |cell, ana| cell.copy(ana.id, INBOX, &[1, 3], A).map(|copied| assert!(copied.is_ok())),
    |cell, ana| cell.move_messages(ana.id, INBOX, &[2], A).map(|moved| assert!(moved.is_ok())),
    |cell, ana| cell.replace(ana.id, INBOX, 1, INBOX, new_message("d")).map(|replaced| assert!(replaced.is_ok())),
    |cell, ana| {
        let deleted = change(&[3], FlagMode::Add, Flags::DELETED, &["Uno"]);
        cell.store_flags(ana.id, INBOX, deleted).map(|stored| assert!(stored.is_ok()))
    },
    |cell, ana| cell.expunge(ana.id, INBOX, None).map(|expunged| assert_eq!(expunged.unwrap().uids, [3])),
    |cell, ana| cell.rename(ana.id, &name("INBOX"), &name("Viejo")).map(|renamed| assert!(renamed.is_ok())),
];

/// Steps after which a message is somewhere that was somewhere before.
const KEEP_ALL: [bool; 7] = [true, true, true, false, true, false, true];

/// Bytes and flags by mailbox and UID.
type Mail = BTreeMap<(String, u32), (Digest, u8)>;

fn ana(cell: &Cell) -> Account {
    cell.read(|view| view.account(LIVE, &address(ANA))).unwrap().unwrap()
}

fn mail(cell: &Cell) -> Mail {
    let account = ana(cell);
    let mut all = Mail::new();
    cell.read(|view| {
        for mailbox in view.mailboxes(account.id)? {
            view.for_each_message(account.id, mailbox.id, |m, blob| {
                all.insert((mailbox.name.to_string(), m.uid), (blob.digest, m.flags.bits()));
                Ok(())
            })?;
        }
        Ok(())
    })
    .unwrap();
    all
}

fn digests(mail: &Mail) -> BTreeSet<[u8; 32]> {
    mail.values().map(|(digest, _)| *digest.as_bytes()).collect()
}

/// Does the steps until something fails; says how many are done.
fn run(disk: &CrashDisk) -> usize {
    let Ok(store) = Store::open(disk.root(), options_on(disk)) else { return 0 };
    let cell = &store.cells()[0];
    let account = ana(cell);
    STEPS.iter().position(|step| step(cell, &account).is_err()).unwrap_or(STEPS.len())
}

#[test]
fn what_people_did_survives_and_no_uid_names_anything_else() {
    let home = scratch();
    let start = home.path().join("start");
    let store = Store::init(&start, 1, options()).unwrap();
    let account = store.cells()[0].open_served(&address(ANA)).unwrap();
    let made = store.cells()[0].create_served(account.id, &name("a"), None).unwrap().unwrap();
    assert_eq!(made.mailbox.id, A);
    drop(store);
    let disk = || {
        let home = scratch();
        testkit::files::copy_tree(&start, &home.path().join("live")).unwrap();
        let disk = CrashDisk::new(&home.path().join("live")).unwrap();
        (home, disk)
    };
    let (_home, whole) = disk();
    let mut after = Vec::new();
    {
        let store = Store::open(whole.root(), options_on(&whole)).unwrap();
        let cell = &store.cells()[0];
        after.push(mail(cell));
        for step in STEPS {
            step(cell, &ana(cell)).unwrap();
            after.push(mail(cell));
        }
    }
    assert!(whole.op_count() > 40, "there is something to cut");

    for cut in 0..whole.op_count() {
        let (_home, disk) = disk();
        disk.stop_after(cut);
        let done = run(&disk);
        for mode in [Mode::DropAll, Mode::Some(cut), Mode::Some(cut + 1_000_000)] {
            let at = format!("cut {cut}, {mode:?}, {done} steps done");
            let image = CrashDisk::new(&disk.crash(mode).unwrap()).unwrap();
            let store = Store::open(image.root(), options_on(&image)).unwrap();
            let cell = &store.cells()[0];
            let (before, then) = (&after[done], after.get(done + 1).unwrap_or(&after[done]));
            let found = mail(cell);
            for (place, what) in &found {
                assert!(before.get(place) == Some(what) || then.get(place) == Some(what), "{at}: {place:?}");
            }
            for (place, what) in before.iter().filter(|(place, what)| then.get(*place) == Some(*what)) {
                assert_eq!(found.get(place), Some(what), "{at}: {place:?}");
            }
            if KEEP_ALL.get(done).is_none_or(|all| *all) {
                assert!(digests(before).is_subset(&digests(&found)), "{at}: a message is nowhere");
            }
            let account = ana(cell);
            for mailbox in cell.read(|view| view.mailboxes(account.id)).unwrap() {
                let new = cell.append(account.id, mailbox.id, vec![new_message("new")]).unwrap().unwrap();
                let place = (mailbox.name.to_string(), new.uids[0]);
                assert!(
                    after[..=done].iter().all(|mail| !mail.contains_key(&place)),
                    "{at}: {place:?} was given before"
                );
            }
            assert_sound(&store);
        }
    }
}
