//! The built program is killed (SIGKILL) at many moments of a whole run, started again, and ends where one that was left
//! alone ends (`RULES.md` G5). A killed process shows no missing sync: that is what `crates/integrate/tests/crash.rs` is for.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "../../integrate/tests/support_faults/state.rs"]
#[allow(dead_code, reason = "one of several suites that compare states")]
mod state;

use integrate::{Platform, Selection, Silent};
use state::{State, assert_same};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use store::OpenOptions;
use tempfile::TempDir;
use testkit::process::{KillAt, Ran, run, run_and_kill};

/// Runs that are killed at least once.
const ROUNDS: u32 = 30;

/// The whole run as a person would start it.
fn command(incident: &Path, data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reintegra"));
    command.arg("--data").arg(data).args(["integrate", "run", "--yes"]);
    command.arg("--before").arg(incident.join("before")).arg("--after").arg(incident.join("after"));
    command
}

fn open(data: &Path) -> Platform {
    Platform::open(data, OpenOptions::for_purpose("test")).unwrap()
}

/// Opens a platform, checks it whole, and gives its state.
#[track_caller]
fn sound_state(data: &Path, at: &str) -> State {
    let platform = open(data);
    for cell in platform.store.cells() {
        assert_eq!(cell.check().unwrap().problems, [], "{at}");
    }
    assert_eq!(platform.directory.check_consistency().unwrap(), [], "{at}");
    State::of(&platform)
}

fn was_killed(ran: &Ran) -> bool {
    ran.code().is_none()
}

#[test]
fn a_run_that_is_killed_anywhere_and_started_again_ends_as_one_that_was_not() {
    let home = TempDir::new().unwrap();
    let incident = home.path().join("incident");
    testkit::sample::lay_out(&incident).unwrap();
    let whole = home.path().join("whole");
    let begun = Instant::now();
    let ran = run(&mut command(&incident, &whole)).unwrap();
    let took = begun.elapsed();
    // The sample has damage and decisions to make: done, and incomplete.
    assert_eq!(ran.code(), Some(1), "{}", ran.stderr);
    let expected = sound_state(&whole, "uninterrupted");
    let imported = {
        let data = home.path().join("imported");
        let platform = Platform::init(&data, 1, OpenOptions::for_purpose("test")).unwrap();
        let path = incident.join("after");
        let source = integrate::open_source(&path).unwrap();
        let named = integrate::Named { path: path.to_str().unwrap(), source: &*source };
        integrate::import(&platform, &named, &Silent).unwrap();
        State::of(&platform)
    };

    let (mut killed, mut killed_later) = (0, 0);
    for round in 0..ROUNDS {
        let data = home.path().join(format!("round-{round}"));
        let delay = took * round / ROUNDS + Duration::from_millis(1);
        let at = format!("round {round}, killed after {delay:?}");
        let ran = run_and_kill(&mut command(&incident, &data), &KillAt::Delay(delay)).unwrap();
        killed += u32::from(was_killed(&ran));
        if was_killed(&ran) && data.join("format").is_file() {
            killed_later += 1;
            let state = sound_state(&data, &at);
            if ran.stdout.contains("imported 7 accounts") {
                for (account, mail) in &imported.mail {
                    let found = state.mail.get(account);
                    let integrated = expected.mail.get(account);
                    assert!(found == Some(mail) || found == integrated, "{at}: {account} is neither: {found:#?}");
                }
            }
        }
        // Every other one is killed again on its second way.
        if round % 2 == 1 {
            run_and_kill(&mut command(&incident, &data), &KillAt::Delay(took / 3)).unwrap();
        }
        let ran = run(&mut command(&incident, &data)).unwrap();
        assert_eq!(ran.code(), Some(1), "{at}: {}{}", ran.stdout, ran.stderr);
        assert_same(&sound_state(&data, &at), &expected, &at);
        let platform = open(&data);
        let id = integrate::newest(&platform).unwrap();
        let verified = integrate::verify(&platform, id, &Selection::default(), &Silent).unwrap();
        assert_eq!(verified.problems, Vec::<String>::new(), "{at}");
        drop(platform);
        std::fs::remove_dir_all(&data).unwrap();
    }
    assert!(killed_later > 0, "of {ROUNDS} runs {killed} were killed, and none with a data directory made");
}

#[test]
fn a_run_that_is_killed_at_what_it_says_goes_on() {
    let home = TempDir::new().unwrap();
    let incident = home.path().join("incident");
    testkit::sample::lay_out(&incident).unwrap();
    let whole = home.path().join("whole");
    let said = run(&mut command(&incident, &whole)).unwrap().stdout;
    let expected = sound_state(&whole, "uninterrupted");
    for (n, step) in ["staged", "imported", "planned", "applied", "verified"].iter().enumerate() {
        assert!(said.contains(step), "{said}");
        let data = home.path().join(format!("step-{n}"));
        run_and_kill(&mut command(&incident, &data), &KillAt::Text((*step).to_owned())).unwrap();
        let ran = run(&mut command(&incident, &data)).unwrap();
        assert_eq!(ran.code(), Some(1), "{step}: {}{}", ran.stdout, ran.stderr);
        assert_same(&sound_state(&data, step), &expected, step);
    }
}
