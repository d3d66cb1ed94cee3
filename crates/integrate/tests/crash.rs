//! The power is cut at many points of a whole integration (`RULES.md` G5). Every account is as it was before the step
//! under way or as it is after it; the steps are taken again, and what comes out is what an uninterrupted run gives.
#![allow(clippy::unwrap_used)]

mod support_faults;

use integrate::{IntegrationError, Platform};
use support_faults::state::{State, assert_same};
use support_faults::{apply, assert_proven, assert_sound, import, init, stage, undo};
use tempfile::TempDir;
use testkit::crashdisk::{CrashDisk, Mode};

const CELLS: u32 = 2;
/// Import, stage, apply, undo, apply again.
const STEPS: usize = 5;

/// The sample incident, an empty platform, and what each step leaves when nothing stops it.
struct Scenario {
    home: TempDir,
    /// The live mail before the first step and after each.
    states: Vec<State>,
    /// Operations on the disk up to the end of each step.
    ops: Vec<u64>,
}

fn open(disk: &CrashDisk) -> Platform {
    Platform::open(disk.root(), disk.options("crash test")).unwrap()
}

impl Scenario {
    fn new() -> Self {
        let home = TempDir::new().unwrap();
        testkit::sample::lay_out(&home.path().join("incident")).unwrap();
        init(&home.path().join("empty"), CELLS).store.settle().unwrap();
        let mut scenario = Scenario { home, states: Vec::new(), ops: Vec::new() };
        let (_home, disk) = scenario.disk();
        let platform = open(&disk);
        scenario.states.push(State::of(&platform));
        for step in 0..STEPS {
            scenario.step(&platform, step).unwrap();
            scenario.states.push(State::of(&platform));
            scenario.ops.push(disk.op_count());
        }
        scenario
    }

    /// An empty platform on a disk of its own.
    fn disk(&self) -> (TempDir, CrashDisk) {
        let home = TempDir::new().unwrap();
        testkit::files::copy_tree(&self.home.path().join("empty"), &home.path().join("live")).unwrap();
        let disk = CrashDisk::new(&home.path().join("live")).unwrap();
        (home, disk)
    }

    fn step(&self, platform: &Platform, step: usize) -> Result<(), IntegrationError> {
        let incident = self.home.path().join("incident");
        match step {
            0 => import(platform, &incident.join("after")).map(|_| ()),
            1 => stage(platform, &incident.join("before")).map(|_| ()),
            3 => undo(platform, integrate::newest(platform)?).map(|_| ()),
            _ => apply(platform, integrate::newest(platform)?).map(|_| ()),
        }
    }

    /// Takes the steps until the power goes; says how many are done.
    fn run(&self, disk: &CrashDisk) -> usize {
        let Ok(platform) = Platform::open(disk.root(), disk.options("crash test")) else { return 0 };
        (0..STEPS).find(|step| self.step(&platform, *step).is_err()).unwrap_or(STEPS)
    }

    /// Takes the steps from one on; each leaves what it always leaves.
    #[track_caller]
    fn resume(&self, platform: &Platform, from: usize, at: &str) {
        for step in from..STEPS {
            self.step(platform, step).unwrap();
            assert_same(&State::of(platform), &self.states[step + 1], &format!("{at}, then step {step}"));
        }
    }

    /// Asserts that every account's mail is as one step left it or as the next does.
    #[track_caller]
    fn assert_between(&self, found: &State, done: usize, at: &str) {
        let (before, after) = (&self.states[done], &self.states[(done + 1).min(STEPS)]);
        for account in before.mail.keys().chain(found.mail.keys()) {
            let states = [before, after].map(|s| s.mail.get(account));
            let mail = found.mail.get(account);
            assert!(states.contains(&mail), "{at}: {account} is neither as before the step nor as after it: {mail:#?}");
        }
    }

    /// Cuts the power after a number of operations, looks at what is left, goes on, and looks again.
    fn cut(&self, cut: u64, mode: Mode) {
        let (_home, disk) = self.disk();
        disk.stop_after(cut);
        let done = self.run(&disk);
        let at = format!("cut after {cut} operations, {mode:?}, {done} steps done");
        let image = CrashDisk::new(&disk.crash(mode).unwrap()).unwrap();
        let platform = open(&image);
        self.assert_between(&State::of(&platform), done, &at);
        assert_sound(&platform, &at);
        self.resume(&platform, done, &at);
        drop(platform);

        // Once more, so that what the resumed steps acknowledged is looked at too.
        let left = CrashDisk::new(&image.crash(Mode::DropAll).unwrap()).unwrap();
        let platform = open(&left);
        assert_same(&State::of(&platform), &self.states[STEPS], &at);
        assert_proven(&platform, integrate::newest(&platform).unwrap(), &at);
        assert_sound(&platform, &at);
    }

    /// Cuts spread evenly over some steps, each with a different part of what was not synced kept.
    fn cuts(&self, from: u64, to: u64, count: u64) {
        assert!(to - from > count, "there is something to cut");
        for n in 0..count {
            let cut = from + (to - from) * n / count;
            let mode = if n % 2 == 0 { Mode::DropAll } else { Mode::Some(cut) };
            self.cut(cut, mode);
        }
    }
}

#[test]
fn a_run_cut_while_it_imports_and_stages_goes_on_to_the_same_end() {
    let scenario = Scenario::new();
    scenario.cuts(0, scenario.ops[1], 20);
}

#[test]
fn a_run_cut_while_it_applies_goes_on_to_the_same_end() {
    let scenario = Scenario::new();
    scenario.cuts(scenario.ops[1], scenario.ops[2], 14);
}

#[test]
fn a_run_cut_while_it_undoes_and_applies_again_goes_on_to_the_same_end() {
    let scenario = Scenario::new();
    scenario.cuts(scenario.ops[2], scenario.ops[3], 16);
    scenario.cuts(scenario.ops[3], scenario.ops[4], 4);
}

#[test]
fn what_was_synced_twice_within_a_second_is_durable() {
    let scenario = Scenario::new();
    let (_home, disk) = scenario.disk();
    let platform = open(&disk);
    let address = message::Address::new("ana@example.org").unwrap();
    let cell = platform.store.cell_of(&address);
    for lineage in [1, 2, 3].map(store::LineageId) {
        cell.write_unsynced(|tx| tx.create_account(lineage, &address)).unwrap();
        cell.sync().unwrap();
        let image = CrashDisk::new(&disk.crash(Mode::DropAll).unwrap()).unwrap();
        let left = open(&image);
        let found = left.store.cell_of(&address).read(|view| view.account(lineage, &address)).unwrap();
        assert!(found.is_some(), "{lineage:?}");
        assert_sound(&left, "synced");
    }
}
