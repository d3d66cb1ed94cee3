//! The power is cut, and the disk fails or is full, at every operation of a spool's life. What was put in and
//! acknowledged is there until it is settled; what is sent for a settlement is there before what it is for is gone; and
//! what is done again with its key is done once.

use std::collections::BTreeMap;

use store::spool::{Filter, QueueId, Settled, Settlement, Spool};
use store::{Class, StoreError};
use testkit::crashdisk::{CrashDisk, Failure, Mode};

use super::support::{NOW, again, assert_sound, contents, mail, open_image, settlement};
use crate::support::{options_on, scratch};

type Step = fn(&Spool) -> Result<(), StoreError>;

/// Each may be done again.
const STEPS: [Step; 10] = [
    |spool| put(spool, &["a", "b*2500"]),
    // Two segments come to their end.
    |spool| put(spool, &["c*20000", "d*20000", "e*20000"]),
    |spool| finish(spool, &["a"], Some("dsn of a"), true),
    |spool| finish(spool, &["c*20000", "d*20000"], None, false),
    |spool| try_again(spool, "b*2500"),
    |spool| put(spool, &["f*20000", "g"]),
    tidy,
    |spool| finish(spool, &["b*2500"], Some("dsn of b"), false),
    Spool::sync,
    tidy,
];

/// When a message is put in and when it is settled, by the numbers of the steps, and the step behind which that
/// survives a power loss.
const LIVES: [(&str, usize, usize, usize); 9] = [
    ("a", 0, 2, 2),
    ("b*2500", 0, 7, 8),
    ("c*20000", 1, 3, 8),
    ("d*20000", 1, 3, 8),
    ("dsn of a", 2, NEVER, NEVER),
    ("dsn of b", 7, NEVER, NEVER),
    ("e*20000", 1, NEVER, NEVER),
    ("f*20000", 5, NEVER, NEVER),
    ("g", 5, NEVER, NEVER),
];
const NEVER: usize = usize::MAX;

fn put(spool: &Spool, texts: &[&str]) -> Result<(), StoreError> {
    spool.put(texts.iter().map(|text| mail(text, &["x@one.example", "y@two.example"])).collect()).map(|_| ())
}

fn find(spool: &Spool, text: &str) -> Result<Option<QueueId>, StoreError> {
    let all = spool.list(None, usize::MAX, &Filter::default())?;
    Ok(all.into_iter().find(|(queued, _)| queued.envelope.envelope_id.as_deref() == Some(text)).map(|(q, _)| q.id))
}

/// Settles what is there of some messages, in one call.
fn finish(spool: &Spool, texts: &[&str], then: Option<&str>, durable: bool) -> Result<(), StoreError> {
    let mut settlements = Vec::new();
    for text in texts {
        if let Some(id) = find(spool, text)? {
            let then = then.iter().map(|then| mail(then, &["ana@example.org"])).collect();
            settlements.push(Settlement { then, ..settlement(id, &[Settled::Done, Settled::Done]) });
        }
    }
    spool.settle(settlements, durable).map(|_| ())
}

fn try_again(spool: &Spool, text: &str) -> Result<(), StoreError> {
    let Some(id) = find(spool, text)? else { return Ok(()) };
    spool.settle(vec![settlement(id, &[again(NOW + 60), Settled::Held { until_s: None }])], false).map(|_| ())
}

fn tidy(spool: &Spool) -> Result<(), StoreError> {
    while spool.tidy(NOW)?.more {}
    Ok(())
}

/// What is there after so many steps and an interruption of the next is what must be.
#[track_caller]
fn assert_after(spool: &Spool, done: usize, at: &str) {
    let found = contents(spool);
    for (text, put, settled, durable) in LIVES {
        let there = found.contains_key(text);
        // What the step under way puts in or settles may be there or not.
        if put < done && done < settled {
            assert!(there, "{at}: {text} is lost");
        }
        if done < put || durable < done {
            assert!(!there, "{at}: {text} is there");
        }
    }
    for (text, then) in [("a", "dsn of a"), ("b*2500", "dsn of b")] {
        let known = found.contains_key(text) || found.contains_key(then);
        assert!(done == 0 || known, "{at}: {text} is gone, and nobody was told");
    }
    assert!(found.keys().all(|text| LIVES.iter().any(|life| life.0 == text)), "{at}: {:?}", found.keys());
    assert_sound(spool);
}

#[track_caller]
fn assert_at_the_end(spool: &Spool, at: &str) {
    let last: Vec<&str> = LIVES.iter().filter(|life| life.2 == NEVER).map(|life| life.0).collect();
    assert_eq!(contents(spool).into_keys().collect::<Vec<_>>(), last, "{at}");
    assert_sound(spool);
}

fn disk() -> (tempfile::TempDir, CrashDisk) {
    let home = scratch();
    std::fs::create_dir(home.path().join("live")).unwrap();
    let disk = CrashDisk::new(&home.path().join("live")).unwrap();
    (home, disk)
}

/// Opens a spool and does the steps from one on until something fails; says how many are done.
fn run(disk: &CrashDisk, from: usize) -> usize {
    let Ok(spool) = Spool::open(disk.root(), options_on(disk)) else { return from };
    let failed = STEPS[from..].iter().position(|step| step(&spool).is_err());
    failed.map_or(STEPS.len(), |n| from + n)
}

#[test]
fn a_spool_cut_at_every_operation_keeps_what_it_acknowledged_and_goes_on() {
    let (_home, whole) = disk();
    assert_eq!(run(&whole, 0), STEPS.len());
    assert!(whole.op_count() > 60, "there is something to cut");
    for cut in 0..whole.op_count() {
        let (_home, disk) = disk();
        disk.stop_after(cut);
        let done = run(&disk, 0);
        for mode in [Mode::DropAll, Mode::Some(cut), Mode::Some(cut + 1_000_000)] {
            let at = format!("cut {cut}, {mode:?}, {done} steps done");
            let image = CrashDisk::new(&disk.crash(mode).unwrap()).unwrap();
            let spool = Spool::open(image.root(), options_on(&image)).unwrap();
            assert_after(&spool, done, &at);
            drop(spool);

            // The step under way is done again and the rest follows, also what a power loss may have taken back; then the
            // power goes once more.
            assert_eq!(run(&image, done.min(3)), STEPS.len(), "{at}");
            assert_at_the_end(&open_image(&image.crash(Mode::DropAll).unwrap()), &at);
        }
    }
}

#[test]
fn who_failed_gets_what_comes_again_and_only_once_wherever_the_power_fails() {
    let come = |spool: &Spool| spool.put(vec![mail("a", &["x@one.example"])]).map(|ids| ids[0]);
    let end = |spool: &Spool, id, settled, durable| spool.settle(vec![settlement(id, &[settled])], durable);
    // How much was acknowledged: it came, it failed, it came again, it is there.
    let live = |disk: &CrashDisk| -> usize {
        let Ok(spool) = Spool::open(disk.root(), options_on(disk)) else { return 0 };
        let Ok(first) = come(&spool) else { return 0 };
        let Ok(_) = end(&spool, first, Settled::Failed, false) else { return 1 };
        let Ok(second) = come(&spool) else { return 2 };
        assert_ne!(first, second);
        end(&spool, second, Settled::Done, true).map_or(3, |_| 4)
    };
    let (_home, whole) = disk();
    assert_eq!(live(&whole), 4);
    for cut in 0..whole.op_count() {
        let (_home, disk) = disk();
        disk.stop_after(cut);
        let done = live(&disk);
        for mode in [Mode::DropAll, Mode::Some(cut), Mode::Some(cut + 1_000_000)] {
            let at = format!("cut {cut}, {mode:?}, {done} steps done");
            let spool = open_image(&disk.crash(mode).unwrap());
            let ids = || -> Vec<QueueId> {
                spool.list(None, 9, &Filter::default()).unwrap().into_iter().map(|(queued, _)| queued.id).collect()
            };
            let waiting = ids();
            assert!(done != 3 || !waiting.is_empty(), "{at}: it is lost");
            assert!(waiting.len() <= usize::from(done < 4), "{at}: it comes twice");
            // It comes once more, and is put in where nobody has it and nobody waits for it.
            come(&spool).unwrap();
            assert!(waiting.is_empty() || ids() == waiting, "{at}: {:?} beside {waiting:?}", ids());
            assert!(done != 4 || ids().is_empty(), "{at}: it comes twice");
            // The earlier fails again, the later arrives: then it is known.
            let (last, earlier) = match ids().split_last() {
                Some((last, earlier)) => (Some(*last), earlier.to_vec()),
                None => (None, Vec::new()),
            };
            earlier.into_iter().for_each(|id| _ = end(&spool, id, Settled::Failed, true).unwrap());
            last.into_iter().for_each(|id| _ = end(&spool, id, Settled::Done, true).unwrap());
            come(&spool).unwrap();
            assert!(ids().is_empty(), "{at}: it comes twice");
            assert_sound(&spool);
        }
    }
}

#[test]
fn the_power_may_fail_again_while_a_spool_recovers() {
    let (_home, whole) = disk();
    run(&whole, 0);
    for cut in (0..whole.op_count()).step_by(9) {
        let (_home, disk) = disk();
        disk.stop_after(cut);
        let done = run(&disk, 0);
        let torn = disk.crash(Mode::Some(cut)).unwrap();
        for second_cut in 0.. {
            let home = scratch();
            testkit::files::copy_tree(&torn, &home.path().join("live")).unwrap();
            let again = CrashDisk::new(&home.path().join("live")).unwrap();
            again.stop_after(second_cut);
            let opened = Spool::open(again.root(), options_on(&again)).is_ok();
            let spool = open_image(&again.crash(Mode::Some(second_cut)).unwrap());
            assert_after(&spool, done, &format!("cut {cut}, and {second_cut} into opening"));
            if opened {
                break;
            }
        }
    }
}

/// Opens a spool and does every step, again where it fails; the disk is healed first. Gives the errors.
fn live_through(disk: &CrashDisk, start_again: bool, at: &str) -> Vec<StoreError> {
    let mut errors = Vec::new();
    let mut heal = |error| {
        errors.push(error);
        disk.heal();
    };
    let open = || Spool::open(disk.root(), options_on(disk));
    let mut spool = open().or_else(|error| {
        heal(error);
        open()
    });
    for (done, step) in STEPS.iter().enumerate() {
        if let Err(error) = step(spool.as_ref().unwrap()) {
            heal(error);
            if start_again {
                // It ends without tidying up.
                disk.fail_from(1, Failure::Io);
                drop(spool);
                disk.heal();
                spool = open();
            }
            assert_after(spool.as_ref().unwrap(), done, at);
            step(spool.as_ref().unwrap()).unwrap();
            // A power loss now would leave just this.
            assert_after(&open_image(&disk.crash(Mode::DropAll).unwrap()), done + 1, at);
        }
    }
    disk.heal();
    assert_at_the_end(spool.as_ref().unwrap(), at);
    assert_at_the_end(&open_image(&disk.crash(Mode::DropAll).unwrap()), at);
    errors
}

/// Writes and syncs that an undisturbed life takes; some more than fail, since names are counted too.
fn operations() -> u64 {
    let (_home, disk) = disk();
    assert!(live_through(&disk, false, "undisturbed").is_empty());
    disk.op_count()
}

#[test]
fn one_failure_anywhere_is_told_and_costs_nothing() {
    let mut told = 0;
    for n in 1..=operations() {
        for (failure, start_again) in [(Failure::Io, false), (Failure::Io, true), (Failure::NoSpace, n % 2 == 0)] {
            let at = format!("{failure:?} at {n}, started again: {start_again}");
            let (_home, disk) = disk();
            disk.fail_after(n, failure);
            let errors = live_through(&disk, start_again, &at);
            assert!(errors.len() <= 1, "{at}: {errors:?}");
            told += errors.len();
        }
    }
    assert!(told > 60, "failures strike where somebody is waiting: {told}");
}

#[test]
fn a_full_disk_is_named_as_that_until_there_is_room() {
    let mut told: BTreeMap<bool, usize> = BTreeMap::new();
    for n in 1..=operations() {
        let at = format!("full from {n} on");
        let (_home, disk) = disk();
        disk.fail_from(n, Failure::NoSpace);
        for error in live_through(&disk, false, &at) {
            // SQLite does not say why it could not make a file.
            let cannot_open = matches!(&error, StoreError::Sql(e)
                if e.sqlite_error_code() == Some(rusqlite::ErrorCode::CannotOpen));
            assert!(cannot_open || error.is_disk_full() && error.class() == Class::Temporary, "{at}: {error}");
            *told.entry(cannot_open).or_default() += 1;
        }
    }
    assert!(told[&false] > 10, "{told:?}");
}
