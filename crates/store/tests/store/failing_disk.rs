//! A disk that fails, once or for a while, at every write and sync. Who asked is told; nothing acknowledged is lost,
//! whether the process goes on or is started again, and even if the power goes afterwards.

use rusqlite::ErrorCode::CannotOpen;
use store::{Class, Store, StoreError};
use testkit::crashdisk::{CrashDisk, Failure, Mode};

use crate::scenario::{STEPS, Scenario};
use crate::support::{Contents, assert_sound, live, open_image, options_on};

/// What is done about a failure.
#[derive(Clone, Copy, Debug)]
enum Then {
    TryAgain,
    StartAgain,
}

/// Opens a store and does every step, again where it fails; the disk is healed first. At the end everything is there,
/// also if the power went. Gives the errors.
fn live_through(disk: &CrashDisk, scenario: &Scenario, then: Then, at: &str) -> Vec<StoreError> {
    let mut errors = Vec::new();
    let mut heal = |error| {
        errors.push(error);
        disk.heal();
    };
    let open = || Store::open(disk.root(), options_on(disk));
    let mut store = open().or_else(|error| {
        heal(error);
        open()
    });
    for (done, (_, step)) in STEPS.iter().enumerate() {
        if let Err(error) = step(store.as_ref().unwrap()) {
            // Readers are served while the disk fails; what they see was acknowledged, or is under way.
            scenario.assert_after(&live(store.as_ref().unwrap()), done, at);
            heal(error);
            if let Then::StartAgain = then {
                // It ends without tidying up.
                disk.fail_from(1, Failure::Io);
                drop(store);
                disk.heal();
                store = open();
            }
            step(store.as_ref().unwrap()).unwrap();
            assert_durable(disk, &scenario.after[done + 1], at);
        }
    }
    let store = store.unwrap();
    assert_eq!(&live(&store), scenario.at_the_end(), "{at}");
    assert_sound(&store);
    disk.heal();
    // While it is open: closing it would write everything back.
    assert_durable(disk, scenario.at_the_end(), at);
    errors
}

/// A power loss now would leave just this.
fn assert_durable(disk: &CrashDisk, expected: &Contents, at: &str) {
    let image = disk.crash(Mode::DropAll).unwrap();
    let store = open_image(&image);
    assert_eq!(&live(&store), expected, "{at}, after a power loss");
    assert_sound(&store);
}

/// Writes and syncs that an undisturbed life takes; some more than fail, since names are counted too.
fn operations(scenario: &Scenario) -> u64 {
    let (_home, disk) = scenario.disk();
    assert!(live_through(&disk, scenario, Then::TryAgain, "undisturbed").is_empty());
    disk.op_count()
}

#[test]
fn one_failure_anywhere_is_told_and_costs_nothing() {
    let scenario = Scenario::new();
    let mut told = 0;
    for n in 1..=operations(&scenario) {
        for (failure, then) in [
            (Failure::Io, Then::TryAgain),
            (Failure::Io, Then::StartAgain),
            (Failure::NoSpace, if n % 2 == 0 { Then::TryAgain } else { Then::StartAgain }),
        ] {
            let at = format!("{failure:?} at {n}, {then:?}");
            let (_home, disk) = scenario.disk();
            disk.fail_after(n, failure);
            let errors = live_through(&disk, &scenario, then, &at);
            assert!(errors.len() <= 1, "{at}: {errors:?}");
            told += errors.len();
        }
    }
    assert!(told > 100, "failures strike where somebody is waiting: {told}");
}

#[test]
fn a_full_disk_is_named_as_that_until_there_is_room() {
    let scenario = Scenario::new();
    for n in 1..=operations(&scenario) {
        let at = format!("full from {n} on");
        let (_home, disk) = scenario.disk();
        disk.fail_from(n, Failure::NoSpace);
        let errors = live_through(&disk, &scenario, Then::TryAgain, &at);
        // SQLite does not say why it could not make a file.
        let cannot_open =
            |e: &&StoreError| matches!(e, StoreError::Sql(e) if e.sqlite_error_code() == Some(CannotOpen));
        for error in errors.iter().filter(|e| !cannot_open(e)) {
            assert!(error.is_disk_full(), "{at}: {error}");
            assert_eq!(error.class(), Class::Temporary, "{at}: {error}");
        }
    }
}

#[test]
fn a_disk_that_stays_broken_is_refused_again_and_again_and_read_all_the_while() {
    let scenario = Scenario::new();
    let (_home, disk) = scenario.disk();
    let store = Store::open(disk.root(), options_on(&disk)).unwrap();
    STEPS[0].1(&store).unwrap();
    disk.fail_from(1, Failure::Io);
    for _ in 0..3 {
        // Nothing is delivered to an account that could not be made.
        for (_, step) in [&STEPS[1], &STEPS[5]] {
            let error = step(&store).unwrap_err();
            assert!(!error.is_disk_full(), "{error}");
            scenario.assert_after(&live(&store), 1, "while it is broken");
        }
    }
    disk.heal();
    for (_, step) in &STEPS[1..] {
        step(&store).unwrap();
    }
    assert_eq!(&live(&store), scenario.at_the_end());
    assert_sound(&store);
    assert_durable(&disk, scenario.at_the_end(), "healed");
}
