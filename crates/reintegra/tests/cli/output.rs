//! Standard output that nobody reads, and figures for measuring.

use crate::{Place, text};
use serde_json::Value;
use std::process::Stdio;

#[test]
fn a_reader_that_hangs_up_is_no_failure() {
    let place = Place::imported();
    for list in [&["accounts"][..], &["accounts", "--json"], &["messages", "ana@panaderia.example"]] {
        let mut child = place.command(list).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(0));
        assert_eq!(String::from_utf8(ended.stderr).unwrap(), "", "no panic, no word");
    }
}

#[test]
fn a_step_goes_on_when_nobody_reads_what_it_says() {
    let place = Place::with_sample();
    let (before, after) = (place.path("before"), place.path("after"));
    let arguments = ["integrate", "run", "--before", text(&before), "--after", text(&after), "--yes"];
    let mut child = place.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(1), "decisions wait, as they do with a reader");
    assert_eq!(place.json(&["integrate", "list", "--json"])[1]["state"], "applied");
}

#[test]
fn a_full_disk_under_the_output_is_a_failure() {
    let place = Place::imported();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let ended = place.command(&["accounts"]).stdout(full).output().unwrap();
    assert_eq!(ended.status.code(), Some(3));
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.starts_with("error: the results could not be written\n  why: "), "{said}");
}

#[test]
fn steps_are_timed_for_programs() {
    let place = Place::with_sample();
    let (before, after, timings) = (place.path("before"), place.path("after"), place.path("timings.json"));
    let ran = place.reintegra(&[
        "--timings",
        text(&timings),
        "integrate",
        "run",
        "--before",
        text(&before),
        "--after",
        text(&after),
        "--yes",
    ]);
    assert_eq!(ran.code(), Some(1), "{}", ran.stderr);
    let steps: Value = serde_json::from_slice(&std::fs::read(timings).unwrap()).unwrap();
    let steps = steps.as_array().unwrap();
    assert!(steps.iter().all(|step| crate::names(step) == ["bytes", "messages", "seconds", "step"]));
    let whole: Vec<&str> =
        steps.iter().map(|step| step["step"].as_str().unwrap()).filter(|name| !name.contains('/')).collect();
    assert_eq!(whole, ["import", "stage", "plan", "apply", "verify", "report"]);
    assert!(steps.iter().any(|step| step["step"] == "stage" && step["messages"].as_u64() > Some(0)));
}
