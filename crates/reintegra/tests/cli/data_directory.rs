//! Making a data directory, and who may open it.

use crate::{Place, text};
use integrate::Platform;
use store::OpenOptions;

#[test]
fn a_data_directory_is_made_once() {
    let place = Place::new();
    let first = place.reintegra(&["init", "--cells", "2"]);
    assert_eq!(first.code(), Some(0), "{}", first.stderr);
    assert_eq!(first.stdout, format!("{}: a data directory with 2 cells\n", place.data().display()));
    let second = place.reintegra(&["init"]);
    assert_eq!(second.code(), Some(2));
    assert!(second.stderr.contains("it is a data directory already"), "{}", second.stderr);
}

#[test]
fn what_holds_other_files_does_not_become_one() {
    let place = Place::new();
    std::fs::create_dir(place.data()).unwrap();
    std::fs::write(place.data().join("letters"), "mine").unwrap();
    let ran = place.reintegra(&["init"]);
    assert_eq!(ran.code(), Some(2));
    assert!(ran.stderr.contains("not empty"), "{}", ran.stderr);
    assert_eq!(std::fs::read_dir(place.data()).unwrap().count(), 1, "nothing was put in it");
}

#[test]
fn where_there_is_none_every_command_says_how_to_make_one() {
    let place = Place::new();
    let export = place.path("out");
    let commands: [&[&str]; 8] = [
        &["accounts"],
        &["aliases", "--json"],
        &["messages", "ana@panaderia.example"],
        &["conflicts"],
        &["check"],
        &["rebuild"],
        &["integrate", "plan"],
        &["export", "maildir", "--out", text(&export)],
    ];
    for command in commands {
        let ran = place.reintegra(command);
        assert_eq!(ran.code(), Some(2), "{command:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(&format!("`reintegra --data {} init`", place.data().display())), "{}", ran.stderr);
        assert!(ran.stdout.is_empty());
    }
    assert!(!place.data().exists());
}

#[test]
fn a_newer_format_is_refused() {
    let place = Place::made();
    let format = place.data().join("format");
    let newer = std::fs::read_to_string(&format).unwrap().replacen("reintegra-data 1", "reintegra-data 2", 1);
    std::fs::write(&format, newer).unwrap();
    for command in [&["accounts"][..], &["rebuild"]] {
        let ran = place.reintegra(command);
        assert_eq!(ran.code(), Some(3), "{}", ran.stderr);
        assert!(ran.stderr.contains("use a newer Reintegra"), "{}", ran.stderr);
    }
}

#[test]
fn a_second_process_that_writes_is_refused_and_told_of_the_first() {
    let place = Place::with_sample();
    assert_eq!(place.reintegra(&["init"]).code(), Some(0));
    let first = Platform::open(&place.data(), OpenOptions::for_purpose("a test that holds it")).unwrap();
    let (source, out) = (place.path("after"), place.path("out"));
    let commands: [&[&str]; 7] = [
        &["check"],
        &["rebuild"],
        &["import", text(&source)],
        &["integrate", "apply"],
        &["integrate", "verify"],
        &["conflicts", "resolve", "1", "--choice", "account"],
        &["export", "maildir", "--out", text(&out)],
    ];
    for command in commands {
        let ran = place.reintegra(command);
        assert_eq!(ran.code(), Some(3), "{command:?}: {}", ran.stderr);
        let holder = format!("is in use by process {} (a test that holds it); wait for it", std::process::id());
        assert!(ran.stderr.contains(&holder), "{}", ran.stderr);
        assert!(ran.stderr.contains("now: run the command again when that process has ended"), "{}", ran.stderr);
    }
    drop(first);
    assert_eq!(place.reintegra(&["check"]).code(), Some(0));
}

#[test]
fn a_sound_directory_checks_clean_before_and_after_a_rebuild() {
    let place = Place::imported();
    let check = place.reintegra(&["check"]);
    assert_eq!(check.code(), Some(0), "{}", check.stdout);
    assert!(check.stdout.contains("no problem"), "{}", check.stdout);
    let before = place.json(&["messages", "ana@panaderia.example", "--json"]);
    let rebuilt = place.reintegra(&["rebuild"]);
    assert_eq!(rebuilt.code(), Some(0), "{}", rebuilt.stderr);
    assert_eq!(rebuilt.stdout.matches(", from ").count(), 4, "it says of each cell from what: {}", rebuilt.stdout);
    assert_eq!(place.json(&["messages", "ana@panaderia.example", "--json"]), before);
    assert_eq!(place.reintegra(&["check"]).code(), Some(0));
}

#[test]
fn one_cell_is_rebuilt_alone_and_one_that_is_not_there_is_wrong_use() {
    let place = Place::made();
    let rebuilt = place.reintegra(&["rebuild", "--cell", "1"]);
    assert_eq!(rebuilt.code(), Some(0));
    assert!(rebuilt.stdout.starts_with("cell 01: "), "{}", rebuilt.stdout);
    let wrong = place.reintegra(&["rebuild", "--cell", "9"]);
    assert_eq!(wrong.code(), Some(2));
    assert!(wrong.stderr.contains("there is no cell 9"), "{}", wrong.stderr);
}

#[test]
fn damage_is_told_line_by_line() {
    let place = Place::imported();
    let mut damaged = 0;
    for cell in std::fs::read_dir(place.data().join("cells")).unwrap() {
        for segment in std::fs::read_dir(cell.unwrap().path().join("segments")).unwrap() {
            let path = segment.unwrap().path();
            let mut bytes = std::fs::read(&path).unwrap();
            // Behind the segment's own head, in the first record.
            if let Some(byte) = bytes.get_mut(200).filter(|byte| **byte != 0) {
                *byte ^= 0x55;
                std::fs::write(&path, bytes).unwrap();
                damaged += 1;
            }
        }
    }
    assert!(damaged > 0, "there is a record to damage");
    let check = place.reintegra(&["check"]);
    assert_eq!(check.code(), Some(1), "{}{}", check.stdout, check.stderr);
    assert!(check.stdout.lines().filter(|line| line.starts_with("cell ")).count() >= damaged, "{}", check.stdout);
}

/// Removes the directory of accounts with its log.
fn lose_directory(place: &Place) {
    for name in ["directory.sqlite", "directory.sqlite-wal", "directory.sqlite-shm"] {
        let _ = std::fs::remove_file(place.data().join(name));
    }
}

#[test]
fn a_lost_directory_of_accounts_is_refused_and_not_made_anew() {
    let place = Place::imported();
    lose_directory(&place);
    let lost = place.data().join("directory.sqlite");
    let commands: [&[&str]; 4] =
        [&["check"], &["accounts"], &["serve"], &["app-password", "list", "ana@panaderia.example"]];
    for command in commands {
        let ran = place.reintegra(command);
        assert_eq!(ran.code(), Some(3), "{command:?}: {}{}", ran.stdout, ran.stderr);
        let why = format!("{} is missing: accounts, passwords and integrations are in it", lost.display());
        assert!(ran.stderr.contains(&why), "{command:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("now: put it back from a backup"), "{command:?}: {}", ran.stderr);
        assert!(!lost.exists(), "{command:?}");
    }
    std::fs::write(&lost, "").unwrap();
    let ran = place.reintegra(&["check"]);
    assert_eq!(ran.code(), Some(3), "{}", ran.stdout);
    assert!(ran.stderr.contains("directory.sqlite is empty"), "{}", ran.stderr);
}

#[test]
fn staged_mail_alone_keeps_a_lost_directory_from_being_made_anew() {
    let place = Place::with_sample();
    assert_eq!(place.reintegra(&["init"]).code(), Some(0));
    assert!(matches!(
        place.reintegra(&["integrate", "stage", "--before", text(&place.path("before"))]).code(),
        Some(0 | 1)
    ));
    lose_directory(&place);
    assert_eq!(place.reintegra(&["check"]).code(), Some(3));
}

#[test]
fn an_init_that_was_killed_before_its_directory_of_accounts_was_made_is_finished() {
    let place = Place::made();
    lose_directory(&place);
    assert_eq!(
        place.reintegra(&["app-password", "list", "ana@panaderia.example"]).code(),
        Some(3),
        "it opens no mail to look"
    );
    assert_eq!(place.reintegra(&["check"]).code(), Some(0));
    assert!(place.data().join("directory.sqlite").exists());
}

#[test]
fn a_damaged_directory_of_accounts_comes_back_from_a_backup_alone() {
    let place = Place::imported();
    std::fs::write(place.data().join("directory.sqlite"), "no database".repeat(1000)).unwrap();
    let ran = place.reintegra(&["accounts"]);
    assert_eq!(ran.code(), Some(3), "{}", ran.stdout);
    assert!(ran.stderr.contains("now: put directory.sqlite back from a backup"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("rebuild"), "{}", ran.stderr);
}

#[test]
fn mail_of_accounts_that_the_directory_does_not_know_is_named() {
    let (place, other) = (Place::imported(), Place::made());
    lose_directory(&place);
    // That of another data directory, in its place.
    std::fs::copy(other.data().join("directory.sqlite"), place.data().join("directory.sqlite")).unwrap();
    let check = place.reintegra(&["check"]);
    assert_eq!(check.code(), Some(1), "{}{}", check.stdout, check.stderr);
    let line = "ana@panaderia.example has mailboxes, and the directory of accounts has no such account";
    assert!(check.stdout.contains(line), "{}", check.stdout);
}

#[test]
fn a_data_directory_is_no_source_of_its_own() {
    let place = Place::imported();
    let data = place.data();
    let around = data.join("cells/..");
    let commands: [&[&str]; 4] = [
        &["import", text(&data)],
        &["import", text(&around)],
        &["integrate", "stage", "--before", text(&data)],
        &["integrate", "run", "--yes", "--before", text(&data)],
    ];
    for command in commands {
        let ran = place.reintegra(command);
        assert_eq!(ran.code(), Some(2), "{command:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("cannot be imported into itself"), "{command:?}: {}", ran.stderr);
    }
}
