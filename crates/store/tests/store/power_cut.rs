//! The power is cut at every operation of a store's life. What was acknowledged is there, nothing is there by half, and
//! the store goes on.

use std::path::Path;

use store::Store;
use store::disk::Disk;
use store::segment::record::SEGMENT_HEAD_LEN;
use testkit::crashdisk::{CrashDisk, Mode};

use crate::scenario::{STEPS, Scenario, segment_count};
use crate::support::{assert_sound, live, open_image, options_on, scratch};

/// Opens a store and does the steps from one on until something fails; says how many are done.
fn run(disk: &CrashDisk, from: usize) -> usize {
    let Ok(store) = Store::open(disk.root(), options_on(disk)) else { return from };
    let failed = STEPS[from..].iter().position(|(_, step)| step(&store).is_err());
    failed.map_or(STEPS.len(), |n| from + n)
}

#[test]
fn a_store_cut_at_every_operation_keeps_what_it_acknowledged_and_goes_on() {
    let scenario = Scenario::new();
    let (_home, whole) = scenario.disk();
    assert_eq!(run(&whole, 0), STEPS.len());
    assert!(segment_count(whole.root()) >= 3, "segments were filled");
    assert!(whole.op_count() > 60, "there is something to cut");

    for cut in 0..whole.op_count() {
        let (_home, disk) = scenario.disk();
        disk.stop_after(cut);
        let done = run(&disk, 0);
        for mode in [Mode::DropAll, Mode::Some(cut), Mode::Some(cut + 1_000_000)] {
            let at = format!("cut {cut}, {mode:?}, {done} steps done");
            let image = CrashDisk::new(&disk.crash(mode).unwrap()).unwrap();
            let store = Store::open(image.root(), options_on(&image)).unwrap();
            scenario.assert_after(&live(&store), done, &at);
            assert_sound(&store);
            drop(store);

            // The step under way is done again and the rest follows; then the power goes once more.
            assert_eq!(run(&image, done), STEPS.len(), "{at}");
            let store = open_image(&image.crash(Mode::DropAll).unwrap());
            assert_eq!(&live(&store), scenario.at_the_end(), "{at}, and again at the end");
            assert_sound(&store);
        }
    }
}

#[test]
fn the_power_may_fail_again_while_a_store_recovers() {
    let scenario = Scenario::new();
    let (_home, whole) = scenario.disk();
    run(&whole, 0);
    for cut in (0..whole.op_count()).step_by(11) {
        let (_home, disk) = scenario.disk();
        disk.stop_after(cut);
        let done = run(&disk, 0);
        let torn = disk.crash(Mode::Some(cut)).unwrap();
        for second_cut in 0.. {
            let home = scratch();
            testkit::files::copy_tree(&torn, &home.path().join("live")).unwrap();
            let again = CrashDisk::new(&home.path().join("live")).unwrap();
            again.stop_after(second_cut);
            let opened = Store::open(again.root(), options_on(&again)).is_ok();
            let store = open_image(&again.crash(Mode::Some(second_cut)).unwrap());
            scenario.assert_after(&live(&store), done, &format!("cut {cut}, and {second_cut} into opening"));
            assert_sound(&store);
            if opened {
                break;
            }
        }
    }
}

#[test]
fn what_a_killed_process_left_unsynced_is_made_durable_before_it_is_believed() {
    let scenario = Scenario::new();
    let (_home, whole) = scenario.disk();
    let segment = Path::new("cells/00/segments/00000001.seg");
    let store = Store::open(whole.root(), options_on(&whole)).unwrap();
    STEPS[0].1(&store).unwrap();
    let written = std::fs::read(whole.root().join(segment)).unwrap();

    // Killed when it had made the segment, and when it had written the first delivery.
    for (length, seen) in [(SEGMENT_HEAD_LEN, 0), (written.len(), 1)] {
        let (_home, disk) = scenario.disk();
        disk.open(&disk.root().join(segment), true).unwrap().write_all_at(&written[..length], 0).unwrap();
        let store = Store::open(disk.root(), options_on(&disk)).unwrap();
        assert_eq!(live(&store), scenario.after[seen]);
        if seen == 0 {
            STEPS[0].1(&store).unwrap();
        }
        let after = open_image(&disk.crash(Mode::DropAll).unwrap());
        assert_eq!(live(&after), scenario.after[1], "{length} bytes were written");
        assert_sound(&after);
    }
}
