//! Reports and ledgers, written and checked.

use crate::{Place, reintegra, text};
use std::path::PathBuf;

/// The sample, integrated, with its ledger exported.
fn ledger(format: &str) -> (Place, PathBuf) {
    let place = Place::with_sample();
    let (before, after) = (place.path("before"), place.path("after"));
    let ran = place.reintegra(&["integrate", "run", "--before", text(&before), "--after", text(&after), "--yes"]);
    assert_eq!(ran.code(), Some(1), "{}", ran.stderr);
    let file = place.path("ledger");
    let ran = place.reintegra(&["integrate", "report", "--format", format, "--out", text(&file)]);
    assert_eq!(ran.code(), Some(0), "{}", ran.stderr);
    (place, file)
}

#[test]
fn a_ledger_of_either_form_is_whole() {
    for format in ["ledger-jsonl", "ledger-csv"] {
        let (place, file) = ledger(format);
        let key = place.data().join("keys/ledger.pub");
        let alone = reintegra(&["ledger", "check", text(&file)]);
        assert_eq!(alone.code(), Some(0), "{}", alone.stderr);
        assert!(alone.stdout.contains("The key was not compared"), "{}", alone.stdout);
        let compared = reintegra(&["ledger", "check", text(&file), "--key", text(&key)]);
        assert_eq!(compared.code(), Some(0), "{}", compared.stderr);
        assert!(!compared.stdout.contains("not compared"), "{}", compared.stdout);
    }
}

#[test]
fn a_changed_ledger_is_told_by_its_first_wrong_line() {
    let (_place, file) = ledger("ledger-jsonl");
    let whole = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, whole.replacen("\"uid\":1,", "\"uid\":3,", 1)).unwrap();
    let ran = reintegra(&["ledger", "check", text(&file)]);
    assert_eq!(ran.code(), Some(1), "the check is done, and the ledger is not as it was");
    assert!(ran.stderr.contains(&format!("error: {}: line ", file.display())), "{}", ran.stderr);
    assert!(ran.stderr.contains("\n  why: ") && ran.stderr.contains("\n  now: "), "{}", ran.stderr);
}

#[test]
fn what_is_no_ledger_or_no_key_is_wrong_use() {
    let place = Place::new();
    let file = place.path("letter");
    std::fs::write(&file, "Dear Ana,\n").unwrap();
    assert_eq!(reintegra(&["ledger", "check", text(&file)]).code(), Some(2));
    let ran = reintegra(&["ledger", "check", text(&file), "--key", "abc"]);
    assert_eq!(ran.code(), Some(2));
    assert!(ran.stderr.contains("the public key cannot be read"), "{}", ran.stderr);
    let missing = place.path("nowhere");
    assert_eq!(reintegra(&["ledger", "check", text(&missing)]).code(), Some(3));
}

#[test]
fn the_report_lies_where_it_is_said_and_where_it_is_asked_for() {
    let (place, _) = ledger("ledger-jsonl");
    for name in ["report.html", "report.json"] {
        assert!(place.data().join("integrations/2").join(name).is_file(), "{name}");
    }
    let out = place.path("report.html");
    let ran = place.reintegra(&["integrate", "report", "--format", "html", "--out", text(&out)]);
    assert_eq!(ran.code(), Some(0), "{}", ran.stderr);
    assert!(std::fs::read_to_string(&out).unwrap().starts_with("<!"), "a page");
    let nowhere = place.path("no/such/directory/report.html");
    let ran = place.reintegra(&["integrate", "report", "--format", "html", "--out", text(&nowhere)]);
    assert_eq!(ran.code(), Some(3));
    assert!(ran.stderr.starts_with("error: the report could not be written\n  why: "), "{}", ran.stderr);
}
