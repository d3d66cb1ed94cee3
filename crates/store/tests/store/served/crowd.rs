//! Many sessions in one mailbox, while others look at it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use message::Flags;
use store::{FlagMode, Image};

use super::support::{Served, change, held, new_message, shown};
use crate::support::{assert_sound, delivery};

const ROUNDS: usize = 40;

/// What must be true of two pictures of one mailbox, one taken after the other.
fn follows(earlier: &Image, later: &Image) {
    let (a, b) = (earlier.mailbox(), later.mailbox());
    assert!(a.uidnext <= b.uidnext && a.highest_modseq <= b.highest_modseq);
    for row in later.rows() {
        assert!(row.uid < b.uidnext && row.modseq <= b.highest_modseq);
        match earlier.position(row.uid).map(|index| earlier.row(index)) {
            Some(before) => {
                assert_eq!((before.blob, before.internal_date), (row.blob, row.internal_date));
                let same = (before.flags, before.keywords) == (row.flags, row.keywords);
                assert!(if before.modseq == row.modseq { same } else { row.modseq > a.highest_modseq });
            }
            None => assert!(row.uid >= a.uidnext && row.modseq > a.highest_modseq, "UID {} came back", row.uid),
        }
    }
}

#[test]
fn sessions_that_append_flag_move_and_expunge_explain_every_picture() {
    let served = Served::new();
    let trash = served.create("Trash");
    served.fill(&["a", "b", "c", "d"]);
    let (cell, ana, inbox) = (served.cell(), &served.ana, served.inbox);
    let done = AtomicBool::new(false);
    let given = Mutex::new(BTreeMap::<u32, u32>::new());
    let sequences = Mutex::new(BTreeSet::new());
    let once = |modseq: u64| assert!(sequences.lock().unwrap().insert(modseq), "{modseq} was given twice");
    let told = |uids: &[u32]| uids.iter().for_each(|uid| *given.lock().unwrap().entry(*uid).or_default() += 1);
    std::thread::scope(|scope| {
        let watchers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut last = cell.image(ana.id, inbox).unwrap().unwrap();
                    while !done.load(Ordering::Relaxed) {
                        let next = cell.image(ana.id, inbox).unwrap().unwrap();
                        follows(&last, &next);
                        let usage = cell.served_usage(ana.id).unwrap();
                        assert!(usage.size_bytes >= usage.messages);
                        last = next;
                    }
                })
            })
            .collect();
        let mut workers = Vec::new();
        for worker in 0..2 {
            workers.push(scope.spawn(move || {
                for round in 0..ROUNDS {
                    let new = vec![new_message(&format!("{worker} {round}")), new_message("again")];
                    let appended = cell.append(ana.id, inbox, new).unwrap().unwrap();
                    // Nobody's picture is older than what was just acknowledged.
                    let image = cell.image(ana.id, inbox).unwrap().unwrap();
                    assert!(image.mailbox().uidnext > *appended.uids.last().unwrap());
                    told(&appended.uids);
                    once(appended.modseq);
                }
            }));
        }
        workers.push(scope.spawn(|| {
            for round in 0..ROUNDS {
                told(&[cell.deliver(vec![delivery(ana, inbox, &format!("smtp {round}"))]).unwrap()[0].uid]);
            }
        }));
        workers.push(scope.spawn(|| {
            for round in 0..ROUNDS {
                let image = cell.image(ana.id, inbox).unwrap().unwrap();
                let some: Vec<u32> = image.uids().iter().skip(round % 3).step_by(3).copied().collect();
                let mode = if round % 2 == 0 { FlagMode::Add } else { FlagMode::Remove };
                let asked = change(&some, mode, Flags::FLAGGED | Flags::SEEN, &["$Junk"]);
                let stored = cell.store_flags(ana.id, inbox, asked).unwrap().unwrap();
                let now = cell.image(ana.id, inbox).unwrap().unwrap();
                assert!(now.mailbox().highest_modseq >= stored.modseq);
                if !stored.changed.is_empty() {
                    once(stored.modseq);
                }
            }
        }));
        workers.push(scope.spawn(|| {
            for round in 0..ROUNDS {
                let image = cell.image(ana.id, inbox).unwrap().unwrap();
                let some: Vec<u32> = image.uids().iter().rev().step_by(4).take(3).copied().collect();
                if round % 2 == 0 {
                    let moved = cell.move_messages(ana.id, inbox, &some, trash).unwrap().unwrap();
                    let now = cell.image(ana.id, inbox).unwrap().unwrap();
                    assert!(moved.copied.pairs.iter().all(|(uid, _)| now.position(*uid).is_none()));
                } else {
                    cell.store_flags(ana.id, inbox, change(&some, FlagMode::Add, Flags::DELETED, &[]))
                        .unwrap()
                        .unwrap();
                    let gone = cell.expunge(ana.id, inbox, Some(some)).unwrap().unwrap();
                    let now = cell.image(ana.id, inbox).unwrap().unwrap();
                    assert!(gone.uids.iter().all(|uid| now.position(*uid).is_none()));
                }
            }
        }));
        let ended: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        done.store(true, Ordering::Relaxed);
        watchers.into_iter().for_each(|watcher| watcher.join().unwrap());
        ended.into_iter().for_each(|end| end.unwrap());
    });
    assert!(given.lock().unwrap().values().all(|times| *times == 1), "a UID was given twice");
    assert_eq!(given.lock().unwrap().len(), 5 * ROUNDS);
    let (in_inbox, in_trash) = (held(cell, ana, inbox), held(cell, ana, trash));
    assert_eq!(shown(&served.image(inbox)), in_inbox);
    let expunged = cell.read(|view| view.expunged_since(ana.id, inbox, 0)).unwrap();
    assert_eq!(in_inbox.len() + expunged.len(), 4 + 5 * ROUNDS, "every UID is there or remembered");
    let usage = cell.served_usage(ana.id).unwrap();
    assert_eq!(usage.messages, (in_inbox.len() + in_trash.len()) as u64);
    assert_eq!(usage.size_bytes, in_inbox.values().chain(in_trash.values()).map(|m| m.size_bytes).sum::<u64>());
    assert_sound(&served.store);
}
