//! The order of steps: what each asks for, and what it refuses.

use crate::{Place, text};

#[test]
fn run_makes_a_data_directory_and_stops_before_accounts_change() {
    let place = Place::with_sample();
    let (before, after) = (place.path("before"), place.path("after"));
    let ran = place.reintegra(&["integrate", "run", "--before", text(&before), "--after", text(&after)]);
    assert_eq!(ran.code(), Some(1), "nobody can be asked here: {}", ran.stderr);
    assert!(ran.stdout.starts_with(&format!("{}: made a data directory\n", place.data().display())), "{}", ran.stdout);
    assert!(ran.stdout.contains("staged and planned, not applied"), "{}", ran.stdout);
    assert_eq!(place.json(&["integrate", "list", "--json"])[1]["state"], "staged");
    let accounts = place.json(&["accounts", "--json"]);
    let restored = accounts.as_array().unwrap().iter().filter(|row| !row["restored"].is_null());
    assert_eq!(restored.count(), 0, "no account of before is there yet");
}

#[test]
fn a_slip_in_a_path_leaves_nothing_behind() {
    let place = Place::with_sample();
    let before = place.path("before");
    let ran = place.reintegra(&["integrate", "run", "--before", text(&before), "--after", "nowhere", "--yes"]);
    assert_eq!(ran.code(), Some(2), "{}", ran.stderr);
    assert!(!place.data().exists());
}

#[test]
fn one_history_is_not_integrated_with_itself() {
    let place = Place::with_sample();
    let before = place.path("before");
    let again = before.join("../before");
    let ran = place.reintegra(&["integrate", "run", "--before", text(&before), "--after", text(&again), "--yes"]);
    assert_eq!(ran.code(), Some(2));
    assert!(ran.stderr.contains("is given for two histories"), "{}", ran.stderr);
}

#[test]
fn without_an_integration_every_step_says_how_to_begin_one() {
    let place = Place::imported();
    let out = place.path("report.json");
    let report = ["report", "--format", "json", "--out", text(&out)];
    for step in [&["plan"][..], &["apply"], &["verify"], &["undo"], &["confirm"], &report] {
        let ran = place.reintegra(&[&["integrate"], step].concat());
        assert_eq!(ran.code(), Some(2), "an import is none: {}", ran.stderr);
        assert_eq!(
            ran.stderr,
            "error: there is no integration to work on\n  \
             now: begin one with `reintegra integrate stage --before SOURCE`\n"
        );
    }
    let ran = place.reintegra(&["integrate", "apply", "--id", "9"]);
    assert_eq!(ran.code(), Some(2));
    assert!(ran.stderr.contains("there is no integration 9"), "{}", ran.stderr);
    assert!(!out.exists());
}

#[test]
fn steps_follow_one_another() {
    let place = Place::imported();
    let before = place.path("before");
    let stage = place.reintegra(&["integrate", "stage", "--before", text(&before), "--label", "the old disk"]);
    assert_eq!(stage.code(), Some(1), "two files cannot be read: {}", stage.stderr);
    assert!(stage.stdout.contains("unreadable"), "{}", stage.stdout);

    let early = place.reintegra(&["integrate", "verify"]);
    assert_eq!(early.code(), Some(2));
    assert!(early.stderr.contains("apply it first"), "{}", early.stderr);

    let plan = place.json(&["integrate", "plan", "--json"]);
    assert!(plan["totals"]["added"].as_u64() > Some(0), "{plan}");
    assert_eq!(plan, place.json(&["integrate", "plan", "--json"]), "a plan changes nothing");

    let one = place.reintegra(&["integrate", "apply", "--account", "lee@taller.example"]);
    assert!(
        one.stdout.starts_with("applied 1 account in "),
        "an account of before alone can be chosen: {}",
        one.stdout
    );
    let all = place.reintegra(&["integrate", "apply"]);
    assert_eq!(all.code(), Some(1), "decisions wait: {}", all.stderr);
    assert!(all.stdout.contains("1 account applied already"), "{}", all.stdout);

    let verified = place.reintegra(&["integrate", "verify"]);
    assert_eq!(verified.code(), Some(1));
    assert!(verified.stdout.contains(": incomplete (unreadable files: 2;"), "{}", verified.stdout);

    let part = place.reintegra(&["integrate", "confirm", "--domain", "taller.example"]);
    assert_eq!(part.code(), Some(2));
    assert!(part.stderr.contains("only a whole integration can be confirmed"), "{}", part.stderr);

    let undone = place.reintegra(&["integrate", "undo"]);
    assert_eq!(undone.code(), Some(0), "{}", undone.stderr);
    assert!(undone.stdout.starts_with("took back 10 accounts in "), "{}", undone.stdout);
    assert_eq!(place.reintegra(&["check"]).code(), Some(0));
}

#[test]
fn policy_options_are_kept_with_the_integration() {
    let place = Place::imported();
    let before = place.path("before");
    let stage = ["integrate", "stage", "--before", text(&before), "--join-twins"];
    assert_eq!(place.reintegra(&stage).code(), Some(1));
    let joined = place.json(&["integrate", "plan", "--json"])["totals"]["result"].as_u64().unwrap();
    let other = Place::imported();
    let before = other.path("before");
    assert_eq!(other.reintegra(&["integrate", "stage", "--before", text(&before)]).code(), Some(1));
    let apart = other.json(&["integrate", "plan", "--json"])["totals"]["result"].as_u64().unwrap();
    assert!(joined < apart, "near twins are one message where that was asked for: {joined}, {apart}");
    let asked = other.json(&["integrate", "plan", "--join-twins", "--json"])["totals"]["result"].as_u64().unwrap();
    assert_eq!(asked, joined, "a plan can be asked for it without deciding");
}

#[test]
fn an_export_goes_into_a_new_directory_only() {
    let place = Place::imported();
    let out = place.path("out");
    let export = ["export", "maildir", "--out", text(&out)];
    let first = place.reintegra(&export);
    assert_eq!(first.code(), Some(0), "{}{}", first.stdout, first.stderr);
    assert!(out.join("mail/panaderia.example/ana/Maildir/cur").is_dir());
    let second = place.reintegra(&export);
    assert_eq!(second.code(), Some(2), "{}", second.stderr);
    assert!(second.stderr.contains("not empty"), "{}", second.stderr);
}
