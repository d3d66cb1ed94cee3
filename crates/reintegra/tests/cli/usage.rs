//! Wrong use: exit code 2, and words that say what would be right.

use crate::{Place, reintegra, text};

#[test]
fn what_is_no_command_is_wrong_use() {
    let wrong: [&[&str]; 9] = [
        &[],
        &["frobnicate"],
        &["--data"],
        &["integrate"],
        &["integrate", "stage"],
        &["integrate", "report", "--format", "pdf", "--out", "report.pdf"],
        &["--data", "nowhere", "init", "--cells", "0"],
        &["--data", "nowhere", "init", "--cells", "257"],
        &["integrate", "stage", "--before", "nowhere", "--keep-uids", "base"],
    ];
    for arguments in wrong {
        let ran = reintegra(arguments);
        assert_eq!(ran.code(), Some(2), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn help_and_version_are_results() {
    for arguments in [&["--help"][..], &["--version"], &["integrate", "run", "--help"], &["help", "export", "maildir"]]
    {
        let ran = reintegra(arguments);
        assert_eq!(ran.code(), Some(0), "{arguments:?}");
        assert!(ran.stdout.contains("reintegra"), "{arguments:?}: {}", ran.stdout);
    }
}

#[test]
fn exit_codes_stand_in_the_help() {
    let help = reintegra(&["--help"]).stdout;
    for code in ["0  done, and complete", "1  done, but something", "2  wrong use", "3  failed"] {
        assert!(help.contains(code), "{help}");
    }
}

#[test]
fn a_command_that_needs_data_asks_for_it() {
    let ran = reintegra(&["accounts"]);
    assert_eq!(ran.code(), Some(2));
    assert_eq!(
        ran.stderr,
        "error: this command needs a data directory, and none is named\n  now: name it: `reintegra --data DIR …`, or as `data` in a configuration that the command takes\n"
    );
}

#[test]
fn the_data_directory_may_be_named_anywhere() {
    let place = Place::made();
    let ran = reintegra(&["accounts", "--json", "--data", text(&place.data())]);
    assert_eq!((ran.code(), ran.stdout.as_str()), (Some(0), "[\n]\n"));
}

#[test]
fn a_slip_in_a_name_is_told_with_what_may_have_been_meant() {
    let place = Place::imported();
    let out = place.path("out");
    let wrong: [(&[&str], &str); 4] = [
        (&["messages", "ana@panadería.example"], "did you mean ana@panaderia.example?"),
        (&["messages", "ana@panaderia.example", "--mailbox", "Snet"], "did you mean Sent?"),
        (&["export", "maildir", "--out", text(&out), "--domain", "tallr.example"], "did you mean taller.example?"),
        (&["export", "maildir", "--out", text(&out), "--account", "smm@taller.example"], "sam@taller.example"),
    ];
    for (arguments, meant) in wrong {
        let ran = place.reintegra(arguments);
        assert_eq!(ran.code(), Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains(meant), "{}", ran.stderr);
    }
    assert!(!out.exists(), "nothing was begun");
}

#[test]
fn a_source_that_is_not_there_is_wrong_use() {
    let place = Place::made();
    for arguments in [&["import", "nowhere"][..], &["integrate", "stage", "--before", "nowhere"]] {
        let ran = place.reintegra(arguments);
        assert_eq!(ran.code(), Some(2), "{}", ran.stderr);
        assert!(ran.stderr.starts_with("error: the source nowhere cannot be used\n  why: "), "{}", ran.stderr);
    }
}

#[test]
fn a_directory_that_is_no_source_is_wrong_use() {
    let place = Place::made();
    let empty = place.path("empty");
    std::fs::create_dir(&empty).unwrap();
    let ran = place.reintegra(&["import", text(&empty)]);
    assert_eq!(ran.code(), Some(2), "{}", ran.stderr);
}

#[test]
fn a_conflict_or_choice_that_there_is_not_is_wrong_use() {
    let place = Place::made();
    let ran = place.reintegra(&["conflicts", "resolve", "7", "--choice", "both"]);
    assert_eq!(ran.code(), Some(2));
    assert!(ran.stderr.contains("there is no conflict 7"), "{}", ran.stderr);
    assert_eq!(place.reintegra(&["conflicts", "resolve", "7"]).code(), Some(2), "a choice must be named");
}
