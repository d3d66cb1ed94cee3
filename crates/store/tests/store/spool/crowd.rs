//! Many at the same time: messages share syncs, and one who is alone has one for each.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use store::spool::{Filter, NewMail, QueueId, Settled, Spool};
use testkit::slowdisk::SlowDisk;

use super::support::{NOW, assert_sound, mail, open_with, settlement};
use crate::crowd::SYNC;
use crate::support::scratch;

fn slow(dir: &Path) -> (Spool, SlowDisk) {
    let disk = SlowDisk::new(SYNC);
    (open_with(dir, disk.options("test")), disk)
}

#[test]
fn twenty_who_put_share_syncs_and_one_alone_has_one_before_each_answer() {
    let home = scratch();
    let (spool, disk) = slow(home.path());
    // The first makes a segment.
    spool.put(vec![mail("first", &["x@one.example"])]).unwrap();

    let before = disk.syncs();
    let put = |thread: usize| {
        let put = |n| spool.put(vec![mail(&format!("{thread} {n}"), &["x@one.example"])]).unwrap()[0];
        (0..15).map(put).collect::<Vec<QueueId>>()
    };
    let ids: Vec<QueueId> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..20).map(|thread| scope.spawn(move || put(thread))).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let shared = disk.syncs() - before;
    assert!(shared * 3 < ids.len() as u64, "{shared} syncs for {} messages", ids.len());
    assert_eq!(BTreeSet::from_iter(&ids).len(), 300);

    for n in 0..10 {
        let before = disk.syncs();
        spool.put(vec![mail(&format!("alone {n}"), &["x@one.example"])]).unwrap();
        assert_eq!(disk.syncs() - before, 1);
    }
    assert_eq!(spool.counts().unwrap().messages, 311);
    assert_sound(&spool);
}

#[test]
fn messages_are_put_settled_moved_and_read_at_the_same_time() {
    let home = scratch();
    let (spool, _) = slow(home.path());
    drop(spool);
    let spool = open_with(home.path(), crate::support::options());
    let busy = AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while busy.load(Ordering::Relaxed) {
                spool.tidy(NOW).unwrap();
            }
        });
        scope.spawn(|| {
            while busy.load(Ordering::Relaxed) {
                for (queued, _) in spool.list(None, 100, &Filter::default()).unwrap() {
                    // It may be gone meanwhile; if it is there, it is whole.
                    let read = spool.bytes(&queued);
                    let gone = spool.message(queued.id).unwrap().is_none();
                    assert!(gone || read.is_ok_and(|bytes| bytes.len() as u64 == queued.size_bytes));
                }
            }
        });
        let workers: Vec<_> = (0..3)
            .map(|thread| {
                let spool = &spool;
                scope.spawn(move || {
                    for n in 0..60 {
                        let text = format!("{thread} {n}*3000");
                        let id = spool.put(vec![NewMail { key: None, ..mail(&text, &["x@one.example"]) }]).unwrap()[0];
                        if n % 10 != 0 {
                            spool.settle(vec![settlement(id, &[Settled::Done])], n % 2 == 0).unwrap();
                        }
                    }
                })
            })
            .collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        busy.store(false, Ordering::Relaxed);
    });
    assert_eq!(spool.counts().unwrap().messages, 18);
    assert_eq!(super::support::texts(&spool).len(), 18);
    assert_sound(&spool);
}
