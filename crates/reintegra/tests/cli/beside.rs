//! What only reads, beside a process that has the data directory open.

use crate::{Place, text};
use integrate::Platform;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use store::{OpenOptions, Store};
use testkit::files::{Tree, tree};
use testkit::process::run;

const ANA: &str = "ana@panaderia.example";

fn options() -> OpenOptions {
    OpenOptions::for_purpose("a test that holds it")
}

/// A place with an integration that is applied and verified, and decisions that wait.
fn integrated() -> Place {
    let place = Place::imported();
    let before = place.path("before");
    let run = place.reintegra(&["integrate", "run", "--before", text(&before), "--yes"]);
    assert_eq!(run.code(), Some(1), "decisions wait: {}", run.stderr);
    place
}

/// What every command that only reads says; reports are written outside the data directory.
fn everything(place: &Place) -> Vec<String> {
    let commands: [&[&str]; 12] = [
        &["accounts"],
        &["accounts", "--json"],
        &["aliases"],
        &["aliases", "--json"],
        &["messages", ANA],
        &["messages", ANA, "--json"],
        &["messages", ANA, "--mailbox", "Sent", "--json"],
        &["conflicts"],
        &["conflicts", "--json"],
        &["integrate", "list"],
        &["integrate", "list", "--json"],
        &["integrate", "plan", "--json"],
    ];
    let mut said = Vec::new();
    for command in commands {
        let ran = place.reintegra(command);
        assert_eq!(ran.code(), Some(0), "{command:?}: {}", ran.stderr);
        assert!(!ran.stdout.is_empty(), "{command:?}");
        said.push(ran.stdout);
    }
    for format in ["json", "html", "ledger-jsonl", "ledger-csv"] {
        let out = place.path("report");
        let ran = place.reintegra(&["integrate", "report", "--format", format, "--out", text(&out)]);
        assert_eq!(ran.code(), Some(0), "{format}: {}", ran.stderr);
        said.push(std::fs::read_to_string(&out).unwrap());
    }
    said
}

/// Everything in the data directory but the memory that SQLite shares between processes, where who reads notes that it does.
fn files(place: &Place, copy: &str) -> Tree {
    // Not read by this process, which has the databases open: see `tree`.
    let copy = place.path(copy);
    let copied = run(Command::new("cp").arg("-a").arg(place.data()).arg(&copy)).unwrap();
    assert!(copied.status.success(), "{}", copied.stderr);
    let mut tree = tree(&copy).unwrap();
    tree.retain(|path, _| !path.to_string_lossy().ends_with("-shm"));
    assert!(tree.contains_key(Path::new("cells/00/index.sqlite-wal")), "what is written would be seen");
    tree
}

#[test]
fn it_says_what_it_says_alone_and_changes_nothing() {
    let place = integrated();
    let alone = everything(&place);
    let holder = Platform::open(&place.data(), options()).unwrap();
    let before = files(&place, "before lists");
    assert_eq!(everything(&place), alone);
    assert_eq!(files(&place, "behind lists"), before);
    drop(holder);
    assert_eq!(everything(&place), alone);
    let checked = place.reintegra(&["check"]);
    assert_eq!(checked.code(), Some(0), "{}{}", checked.stdout, checked.stderr);
}

#[test]
fn an_integration_is_applied_while_lists_are_read() {
    let place = Place::imported();
    let before = place.path("before");
    let mut run = place.command(&["integrate", "run", "--before", text(&before), "--yes"]);
    let mut run = run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (mut last, mut under_way) = (0, 0);
    let status = loop {
        let ended = run.try_wait().unwrap();
        let listed = place.json(&["messages", ANA, "--json"]).as_array().unwrap().len();
        assert!(listed >= last, "an account changes in one transaction, and mail comes back: {listed} after {last}");
        last = listed;
        place.json(&["accounts", "--json"]);
        place.json(&["conflicts", "--json"]);
        if let Some(status) = ended {
            break status;
        }
        under_way += 1;
    };
    assert_eq!(status.code(), Some(1), "decisions wait");
    assert!(under_way > 0);
    let alone = everything(&place);
    let checked = place.reintegra(&["check"]);
    assert_eq!(checked.code(), Some(0), "{}{}", checked.stdout, checked.stderr);
    assert_eq!(everything(&place), alone);
}

#[test]
fn a_name_that_there_is_not_is_told_as_ever() {
    let place = Place::imported();
    let holder = Platform::open(&place.data(), options()).unwrap();
    let ran = place.reintegra(&["messages", "anna@panaderia.example"]);
    assert_eq!(ran.code(), Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("did you mean {ANA}? `reintegra accounts` lists them")), "{}", ran.stderr);
    let ran = place.reintegra(&["messages", ANA, "--mailbox", "Snet", "--json"]);
    assert_eq!(ran.code(), Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("did you mean Sent?"), "{}", ran.stderr);
    assert_eq!(ran.stdout, "", "no half of a list");
    drop(holder);
    assert_eq!(place.reintegra(&["check"]).code(), Some(0));
}

#[test]
fn a_process_that_is_still_opening_it_is_waited_for() {
    let place = Place::imported();
    let alone = place.reintegra(&["accounts", "--json"]).stdout;
    // A store alone lets nobody read: the directory of accounts may be yet to come.
    let opening = Store::open(&place.data(), options()).unwrap();
    let listed = std::thread::scope(|scope| {
        let listing = scope.spawn(|| place.reintegra(&["accounts", "--json"]));
        // Long enough that it has looked, whether or not this is true of a machine that has much to do.
        std::thread::sleep(Duration::from_millis(300));
        opening.admit_readers().unwrap();
        listing.join().unwrap()
    });
    assert_eq!((listed.code(), listed.stdout), (Some(0), alone), "{}", listed.stderr);
    drop(opening);
    assert_eq!(place.reintegra(&["check"]).code(), Some(0));
}

#[test]
fn beside_who_lets_nobody_read_a_list_is_refused_in_the_end() {
    let place = Place::imported();
    let holder = Store::open(&place.data(), OpenOptions::for_purpose("reintegra rebuild")).unwrap();
    let ran = place.reintegra(&["accounts"]);
    assert_eq!(ran.code(), Some(3), "{}", ran.stdout);
    let who = format!("is in use by process {} (reintegra rebuild); wait for it", std::process::id());
    assert!(ran.stderr.contains(&who), "{}", ran.stderr);
    assert!(ran.stderr.contains("now: run the command again when that process has ended"), "{}", ran.stderr);
    drop(holder);
    assert_eq!(place.reintegra(&["check"]).code(), Some(0));
}
