//! A delivery that has an id is delivered once, however often and to whichever mailbox it is tried.

use store::spool::DeliveryId;
use store::{Account, Delivery, MailboxId, Store};
use testkit::crashdisk::{CrashDisk, Mode};

use crate::support::{
    assert_sound, delivery, live, mailbox, make_account, open, open_image, options, options_on, scratch,
};

const DAY: i64 = 86_400;

fn named(account: &Account, mailbox: MailboxId, text: &str, id: u8) -> Delivery {
    Delivery { id: Some(DeliveryId([id; 16])), ..delivery(account, mailbox, text) }
}

/// UIDs, and whether each was a repetition.
fn deliver(store: &Store, deliveries: Vec<Delivery>) -> Vec<(u32, bool)> {
    let delivered = store.cells()[0].deliver(deliveries).unwrap();
    assert!(delivered.iter().all(|d| d.uidvalidity == Some(1000)));
    delivered.iter().map(|d| (d.uid, d.repeated)).collect()
}

fn messages(store: &Store, account: &str) -> usize {
    let live = live(store);
    let of = live.iter().find(|((_, address), _)| address == account).unwrap().1;
    of.mailboxes.values().map(|m| m.messages.len()).sum()
}

#[test]
fn a_repetition_does_nothing_and_says_where_the_first_went() {
    let home = scratch();
    let store = Store::init(home.path(), 1, options()).unwrap();
    let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
    let (bob, bobs) = make_account(&store, "bob@example.org", 1000);
    let cell = &store.cells()[0];
    let junk = cell.write(|tx| tx.create_mailbox(&ana, &mailbox("Junk", 1001))).unwrap();

    // Two of one id in one call, one of another account, and one without an id that has the same bytes.
    let first = vec![
        named(&ana, inbox, "a", 1),
        named(&ana, junk, "a", 1),
        named(&bob, bobs, "a", 1),
        delivery(&ana, inbox, "a"),
    ];
    assert_eq!(deliver(&store, first.clone()), [(1, false), (1, true), (1, false), (2, false)]);
    assert_eq!(deliver(&store, first[..3].to_vec()), [(1, true), (1, true), (1, true)]);
    assert_eq!((messages(&store, "ana@example.org"), messages(&store, "bob@example.org")), (2, 1));
    // An id says more than the bytes do.
    assert_eq!(deliver(&store, vec![named(&ana, inbox, "b", 1), named(&ana, inbox, "b", 2)]), [(1, true), (3, false)]);

    // Expunged, moved away and its mailbox removed, it stays delivered.
    cell.write(|tx| tx.expunge(ana.id, inbox, 1, 1)).unwrap();
    let third = vec![named(&ana, junk, "c", 3)];
    assert_eq!(cell.deliver(third.clone()).unwrap()[0].uidvalidity, Some(1001));
    cell.write(|tx| tx.remove_mailbox(ana.id, junk)).unwrap();
    let again = cell.deliver(third).unwrap()[0];
    assert!(again.repeated && again.uidvalidity == Some(1001) && !again.new_bytes);
    assert_eq!(deliver(&store, vec![named(&ana, inbox, "a", 1)]), [(1, true)]);
    let before = live(&store);
    drop(store);

    let store = open(home.path());
    assert_eq!(deliver(&store, vec![named(&ana, inbox, "a", 1), named(&ana, inbox, "b", 2)]), [(1, true), (3, true)]);
    assert_eq!(live(&store), before);
    assert_sound(&store);
}

#[test]
fn a_refused_call_leaves_no_id_behind() {
    let home = scratch();
    let store = Store::init(home.path(), 1, options()).unwrap();
    let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
    let nowhere = named(&ana, MailboxId(99), "b", 2);
    assert!(store.cells()[0].deliver(vec![named(&ana, inbox, "a", 1), nowhere]).is_err());
    assert_eq!(deliver(&store, vec![named(&ana, inbox, "a", 1)]), [(1, false)]);
    assert_sound(&store);
}

#[test]
fn ids_are_made_anew_from_the_segments() {
    let home = scratch();
    let store = Store::init(home.path(), 1, options()).unwrap();
    let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
    deliver(&store, vec![named(&ana, inbox, "a", 1), named(&ana, inbox, "b", 2)]);
    drop(store);
    Store::rebuild(home.path(), None, options()).unwrap();
    let store = open(home.path());
    assert_eq!(deliver(&store, vec![named(&ana, inbox, "a", 1), named(&ana, inbox, "c", 3)]), [(1, true), (3, false)]);
    assert_sound(&store);
}

#[test]
fn ids_are_forgotten_after_fourteen_days_and_with_their_account() {
    let home = scratch();
    let store = Store::init(home.path(), 1, options()).unwrap();
    let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
    let many = |account: &Account| -> Vec<Delivery> {
        let id = |n: u32| DeliveryId([n.to_le_bytes(); 4].as_flattened().try_into().unwrap());
        (0..1200).map(|n| Delivery { id: Some(id(n)), ..delivery(account, inbox, "a") }).collect()
    };
    assert!(deliver(&store, many(&ana)).iter().all(|(_, repeated)| !repeated));
    let cell = &store.cells()[0];
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = i64::try_from(since.as_secs()).unwrap();
    assert_eq!(cell.forget_delivery_ids(now + 13 * DAY).unwrap(), 0);
    assert!(deliver(&store, many(&ana)).iter().all(|(_, repeated)| *repeated));
    let pieces: Vec<usize> = (0..3).map(|_| cell.forget_delivery_ids(now + 15 * DAY).unwrap()).collect();
    assert_eq!(pieces, [1024, 176, 0]);
    assert!(deliver(&store, many(&ana)[..1].to_vec()).iter().all(|(_, repeated)| !repeated));

    cell.write(|tx| tx.remove_account(&ana)).unwrap();
    let (ana, _) = make_account(&store, "ana@example.org", 2000);
    assert!(!cell.deliver(many(&ana)[..1].to_vec()).unwrap()[0].repeated);
    assert_sound(&store);
}

/// As when it was so many days ago that anything was delivered.
fn pass_days(home: &std::path::Path, days: i64) {
    let db = rusqlite::Connection::open(home.join("cells/00/index.sqlite")).unwrap();
    db.execute("UPDATE delivered SET seen_s = seen_s - ?1", [days * DAY]).unwrap();
}

#[test]
fn what_is_gone_for_a_day_may_come_again() {
    let home = scratch();
    let store = Store::init(home.path(), 1, options()).unwrap();
    let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
    let cell = &store.cells()[0];
    let both = || vec![named(&ana, inbox, "a", 1), named(&ana, inbox, "b", 2)];
    assert_eq!(deliver(&store, both()), [(1, false), (2, false)]);
    cell.write(|tx| tx.expunge(ana.id, inbox, 1, 1)).unwrap();
    assert_eq!(deliver(&store, both()), [(1, true), (2, true)], "a relay did not hear the answer");
    pass_days(home.path(), 2);
    assert_eq!(deliver(&store, both()), [(3, false), (2, true)], "somebody sends again what she threw away");
    assert_eq!(deliver(&store, both()), [(3, true), (2, true)], "and that is known again");
    cell.write(|tx| tx.expunge(ana.id, inbox, 3, 2)).unwrap();
    assert_eq!(deliver(&store, both()), [(3, true), (2, true)]);
    drop(store);
    Store::rebuild(home.path(), None, options()).unwrap();
    assert_eq!(deliver(&open(home.path()), both()), [(3, true), (2, true)]);
}

#[test]
fn what_is_tried_again_after_a_power_loss_is_there_once() {
    let tries = |disk: &CrashDisk| {
        let store = Store::open(disk.root(), options_on(disk)).ok()?;
        let account = store.cells()[0].read(|view| view.accounts(store::LIVE)).ok()?.remove(0);
        let inbox = store.cells()[0].read(|view| view.mailboxes(account.id)).ok()?[0].id;
        (1..=4).try_for_each(|n| {
            let text = format!("{n}*9000");
            store.cells()[0].deliver(vec![named(&account, inbox, &text, n)]).ok().map(|_| ())
        })
    };
    let disk = || {
        let home = scratch();
        let store = Store::init(&home.path().join("live"), 1, options()).unwrap();
        make_account(&store, "ana@example.org", 1000);
        drop(store);
        let disk = CrashDisk::new(&home.path().join("live")).unwrap();
        (home, disk)
    };
    let (_home, whole) = disk();
    tries(&whole).unwrap();
    for cut in 0..whole.op_count() {
        let (_home, disk) = disk();
        disk.stop_after(cut);
        tries(&disk);
        for mode in [Mode::DropAll, Mode::Some(cut)] {
            let image = CrashDisk::new(&disk.crash(mode).unwrap()).unwrap();
            tries(&image).unwrap();
            let store = open_image(&image.crash(Mode::DropAll).unwrap());
            assert_eq!(messages(&store, "ana@example.org"), 4, "cut {cut}, {mode:?}");
            assert_sound(&store);
        }
    }
}
