//! Space is given back, and what is remembered for some days is forgotten then.

use store::spool::{QueueId, Settled, Spool, Tidied};

use super::support::{NOW, again, assert_sound, contents, open, put, segments, settle, settlement, texts};
use crate::support::scratch;

const DAY: i64 = 86_400;

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.unwrap().as_secs()).unwrap()
}

/// Tidies until there is nothing to do any more. Gives segments removed and messages moved.
fn tidy_all(spool: &Spool) -> (usize, usize) {
    let mut sum = (0, 0);
    loop {
        let Tidied { segments, moved, more, damaged, .. } = spool.tidy(NOW).unwrap();
        assert_eq!(damaged, []);
        sum = (sum.0 + segments, sum.1 + moved);
        if !more {
            return sum;
        }
    }
}

#[test]
fn segments_in_which_nothing_waits_go_and_all_but_empty_ones_are_emptied() {
    let home = scratch();
    let spool = open(home.path());
    // Of 10,000 bytes each: three to a segment.
    let ids: Vec<QueueId> = (0..15).map(|n| put(&spool, &format!("{n:02}*10000"), &["x@one.example"])).collect();
    let small = put(&spool, "small", &["x@one.example", "y@two.example"]);
    assert_eq!(segments(home.path()).len(), 5);
    assert_eq!(spool.tidy(NOW).unwrap(), Tidied::default());

    // The first two segments, and two thirds of the third: too much lives in that.
    spool.settle(ids[..8].iter().map(|id| settlement(*id, &[Settled::Done])).collect(), false).unwrap();
    assert_eq!(tidy_all(&spool), (2, 0));
    assert_eq!(segments(home.path()).len(), 3);
    assert_sound(&spool);

    // The last one has more in it now, and is sealed; all of its big ones go.
    settle(&spool, small, &[again(NOW + 60)]);
    let more: Vec<QueueId> = (0..3).map(|n| put(&spool, &format!("more {n}*10000"), &["x@one.example"])).collect();
    let others = ids[8..].iter().chain(&more[..2]);
    spool.settle(others.map(|id| settlement(*id, &[Settled::Done])).collect(), false).unwrap();
    let before = contents(&spool);
    assert_eq!(before.keys().collect::<Vec<_>>(), ["more 2*10000", "small"]);
    assert_eq!(tidy_all(&spool), (3, 1));
    assert_eq!(contents(&spool), before, "it has its number, its recipients and its bytes");
    assert_eq!(segments(home.path()), ["00000006.seg"]);
    assert_sound(&spool);
    drop(spool);

    let spool = open(home.path());
    assert_eq!(contents(&spool), before);
    assert_sound(&spool);
    drop(spool);
    // What was put anew says itself what became of it.
    for suffix in ["", "-wal", "-shm"] {
        std::fs::remove_file(home.path().join(format!("queue.sqlite{suffix}"))).ok();
    }
    let spool = Spool::open(home.path(), crate::support::options()).unwrap();
    let after = contents(&spool);
    assert_eq!(after["small"].1[0].attempts, before["small"].1[0].attempts);
    assert_eq!((after["small"].0, after["small"].1[0].due_s), (small, NOW + 60));
}

#[test]
fn keys_are_forgotten_after_fourteen_days_piece_by_piece() {
    let home = scratch();
    let spool = open(home.path());
    let mails = |from: usize| -> Vec<_> {
        (from..from + 1500).map(|n| super::support::mail(&format!("{n}"), &["x@one.example"])).collect()
    };
    let ids = spool.put(mails(0)).unwrap();
    spool.settle(ids.iter().map(|id| settlement(*id, &[Settled::Done])).collect(), true).unwrap();
    assert_eq!(spool.tidy(now() + 13 * DAY).unwrap().forgotten, 0);
    assert_eq!(spool.put(mails(0)).unwrap(), ids);

    let first = spool.tidy(now() + 15 * DAY).unwrap();
    assert!(first.more && first.forgotten > 0 && first.forgotten < 1500, "{first:?}");
    let second = spool.tidy(now() + 15 * DAY).unwrap();
    assert_eq!((second.more, first.forgotten + second.forgotten), (false, 1500));
    let anew = spool.put(mails(0)).unwrap();
    assert!(anew.iter().all(|id| *id > ids[1499]));
    assert_eq!(texts(&spool).len(), 1500);
    assert_sound(&spool);
}
