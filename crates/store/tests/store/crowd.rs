//! Many at the same time: deliveries share syncs, readers see one moment, and a check finds nothing half-way.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use store::{Account, Delivery, MailboxId, Store, StoreError};
use testkit::crashdisk::{CrashDisk, Mode};
use testkit::slowdisk::SlowDisk;

use crate::support::{
    assert_sound, delivery, live, mailbox, make_account, open_image, options, options_on, problems, scratch,
};

/// How long a sync takes: enough for others to come meanwhile.
pub(crate) const SYNC: Duration = Duration::from_millis(5);

/// Delivers one at a time from many threads: every thread its own texts, and one that all have.
fn deliver_at_once(store: &Store, account: &Account, mailbox: MailboxId, threads: usize, each: usize) -> Vec<u32> {
    let cell = &store.cells()[0];
    let deliver = |thread: usize| {
        (0..each).map(move |n| {
            let text = if n == 0 { "common".to_owned() } else { format!("{thread} {n}") };
            cell.deliver(vec![delivery(account, mailbox, &text)]).unwrap()[0].uid
        })
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|t| scope.spawn(move || deliver(t).collect::<Vec<_>>())).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn deliveries_that_wait_together_share_a_sync() {
    let home = scratch();
    let disk = SlowDisk::new(SYNC);
    let store = Store::init(home.path(), 1, disk.options("test")).unwrap();
    let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
    let before = disk.syncs();

    let uids = deliver_at_once(&store, &ana, inbox, 8, 20);

    let syncs = disk.syncs() - before;
    assert!(syncs * 2 < uids.len() as u64, "{syncs} syncs for {} deliveries", uids.len());
    assert_eq!(BTreeSet::from_iter(uids), BTreeSet::from_iter(1..=160));
    assert_sound(&store);
}

#[test]
fn what_many_threads_were_told_is_there_when_the_power_goes() {
    for cut in [60, 150, 300, 600] {
        let home = scratch();
        let live_dir = home.path().join("live");
        let store = Store::init(&live_dir, 1, options()).unwrap();
        let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
        drop(store);
        let disk = CrashDisk::new(&live_dir).unwrap();
        let store = Store::open(disk.root(), options_on(&disk)).unwrap();
        disk.stop_after(cut);
        let told: Vec<(u32, String)> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..6)
                .map(|thread| {
                    let (cell, ana) = (&store.cells()[0], &ana);
                    scope.spawn(move || {
                        let texts = (0..100).map(|n| format!("{thread} {n}*{}", n * 30));
                        let deliver = |text: String| {
                            let delivered = cell.deliver(vec![delivery(ana, inbox, &text)]).ok()?;
                            Some((delivered[0].uid, text))
                        };
                        texts.map_while(deliver).collect::<Vec<_>>()
                    })
                })
                .collect();
            running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        drop(store);
        for mode in [Mode::DropAll, Mode::Some(cut), Mode::Some(cut + 1)] {
            let store = open_image(&disk.crash(mode).unwrap());
            let live = live(&store);
            let found = &live.values().next().unwrap().mailboxes["INBOX"].messages;
            for (uid, text) in &told {
                let digest = crate::support::digest(&crate::support::raw(text));
                assert_eq!(found.get(uid).map(|m| m.digest), Some(digest), "cut {cut}, {mode:?}, UID {uid}");
            }
            assert_sound(&store);
        }
    }
}

#[test]
fn one_who_asks_for_what_cannot_be_spoils_nothing_for_the_others() {
    let home = scratch();
    let store = Store::init(home.path(), 1, SlowDisk::new(SYNC).options("test")).unwrap();
    let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
    let nowhere = MailboxId(99);
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let (cell, ana) = (&store.cells()[0], &ana);
            scope.spawn(move || {
                for n in 0..10 {
                    let good = delivery(ana, inbox, &format!("{thread} {n}"));
                    if thread % 2 == 0 {
                        cell.deliver(vec![good]).unwrap();
                    } else {
                        let bad = Delivery { mailbox: nowhere, ..good.clone() };
                        let refused = cell.deliver(vec![good, bad]);
                        assert!(matches!(refused, Err(StoreError::Caller(_))), "{refused:?}");
                    }
                }
            });
        }
    });
    assert_eq!(live(&store).values().next().unwrap().mailboxes["INBOX"].messages.len(), 30);
    assert_sound(&store);
}

#[test]
fn a_reader_sees_one_moment_while_others_write() {
    let home = scratch();
    let store = Store::init(home.path(), 1, options()).unwrap();
    let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
    let cell = &store.cells()[0];
    let copies = cell.write(|tx| tx.create_mailbox(&ana, &mailbox("Copias", 1001))).unwrap();
    let writing = AtomicBool::new(true);
    let seen = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut moments = BTreeSet::new();
                    while writing.load(Ordering::Relaxed) {
                        moments.insert(assert_one_moment(cell, &ana, inbox, copies));
                    }
                    moments.len()
                })
            })
            .collect();
        for n in 0..120 {
            let text = format!("{n}*{}", n * 20);
            // Both or neither; every third pair goes again, both or neither.
            cell.deliver(vec![delivery(&ana, inbox, &text), delivery(&ana, copies, &text)]).unwrap();
            if n % 3 == 0 {
                cell.write(|tx| {
                    for mut m in tx.mailboxes(ana.id)? {
                        m.highest_modseq += 1;
                        tx.put_mailbox(ana.id, &m)?;
                        tx.expunge(ana.id, m.id, n + 1, m.highest_modseq)?;
                    }
                    Ok(())
                })
                .unwrap();
            }
        }
        writing.store(false, Ordering::Relaxed);
        readers.into_iter().map(|r| r.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(seen.iter().all(|moments| *moments > 1), "readers ran beside the writer: {seen:?}");
    assert_eq!(assert_one_moment(cell, &ana, inbox, copies), (120, 80));
    assert_sound(&store);
}

/// Both mailboxes hold the same, and every message can be read. Gives the last UID and the number of messages.
fn assert_one_moment(cell: &store::Cell, ana: &Account, inbox: MailboxId, copies: MailboxId) -> (u32, usize) {
    cell.read(|view| {
        let boxes = view.mailboxes(ana.id)?;
        let mut held = Vec::new();
        for id in [inbox, copies] {
            let mut uids = Vec::new();
            view.for_each_message(ana.id, id, |message, blob| {
                assert_eq!(view.bytes(&blob)?.len() as u64, blob.size_bytes);
                uids.push(message.uid);
                Ok(())
            })?;
            held.push(uids);
        }
        assert_eq!(held[0], held[1]);
        assert_eq!(boxes[0].uidnext, boxes[1].uidnext);
        assert_eq!(view.expunged(ana.id, inbox)?.len() + held[0].len() + 1, boxes[0].uidnext as usize);
        Ok((boxes[0].uidnext - 1, held[0].len()))
    })
    .unwrap()
}

#[test]
fn a_check_and_a_snapshot_beside_deliveries_find_nothing_wrong() {
    let home = scratch();
    let store = Store::init(home.path(), 1, options()).unwrap();
    let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
    let cell = &store.cells()[0];
    std::thread::scope(|scope| {
        let checker = scope.spawn(|| {
            for _ in 0..10 {
                assert_eq!(problems(cell), [""; 0]);
                cell.snapshot().unwrap();
            }
        });
        let mut n = 0;
        while !checker.is_finished() {
            n += 1;
            cell.deliver(vec![delivery(&ana, inbox, &format!("{n}*{}", n % 7 * 900))]).unwrap();
        }
        checker.join().unwrap();
    });
    let before = live(&store);
    drop(store);
    let rebuilt = Store::rebuild(home.path(), None, options()).unwrap();
    assert!(rebuilt[0].snapshot.is_some() && rebuilt[0].findings.is_empty(), "{rebuilt:?}");
    let store = crate::support::open(home.path());
    assert_eq!(live(&store), before);
    assert_sound(&store);
}
