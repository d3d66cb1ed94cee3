//! Mail that rotted on the disk: what `check` says of it, and that bringing it by once more mends it.

use crate::{Place, text};
use std::path::Path;
use testkit::segments::{self, Record};

const ANA: [&str; 3] = ["messages", "ana@panaderia.example", "--json"];

/// Flips a bit in the stored bytes of every record of a message. Gives how many.
fn rot(data: &Path) -> u64 {
    let mut rotten = 0;
    for cell in std::fs::read_dir(data.join("cells")).unwrap() {
        for segment in std::fs::read_dir(cell.unwrap().path().join("segments")).unwrap() {
            let path = segment.unwrap().path();
            let mut bytes = std::fs::read(&path).unwrap();
            for record in segments::records(&bytes).into_iter().filter(Record::has_message) {
                bytes[record.stored.start + record.stored.len() / 2] ^= 0x20;
                rotten += 1;
            }
            std::fs::write(path, bytes).unwrap();
        }
    }
    rotten
}

#[test]
fn what_check_finds_rotten_is_mended_by_importing_it_once_more() {
    let place = Place::imported();
    let before = place.json(&ANA);
    assert!(rot(&place.data()) > 3, "there are records to damage");

    for _ in 0..2 {
        let check = place.reintegra(&["check"]);
        assert_eq!(check.code(), Some(1), "{}{}", check.stdout, check.stderr);
        assert!(check.stdout.contains("the checksum of its bytes is wrong"), "{}", check.stdout);
        let names = check.stdout.lines().filter(|l| l.contains("ana@panaderia.example") && l.ends_with("are damaged"));
        assert!(names.count() > 0, "it says whose: {}", check.stdout);
        assert!(check.stdout.contains("  messages whose bytes are damaged: "), "{}", check.stdout);
        let source = format!("  lineage 1 was read from {}\n", text(&place.path("after").canonicalize().unwrap()));
        assert!(check.stdout.contains(&source), "it says where good copies may be: {}", check.stdout);
        assert!(check.stdout.contains("  now: bring good copies by, and check again"), "{}", check.stdout);
    }

    let imported = place.reintegra(&["import", text(&place.path("after"))]);
    assert_eq!(imported.code(), Some(0), "{}", imported.stderr);
    assert!(imported.stdout.contains("0 messages came in"), "{}", imported.stdout);
    assert!(imported.stdout.contains("  read again, since their bytes were damaged here: "), "{}", imported.stdout);
    let check = place.reintegra(&["check"]);
    assert_eq!(check.code(), Some(0), "{}{}", check.stdout, check.stderr);
    assert!(check.stdout.contains("no problem") && !check.stdout.contains("now:"), "{}", check.stdout);
    assert_eq!(place.json(&ANA), before);

    // What is dead is told of, and costs nothing.
    assert_eq!(place.reintegra(&["rebuild"]).code(), Some(0));
    assert_eq!(place.json(&ANA), before);
    assert_eq!(place.reintegra(&["check"]).code(), Some(0));
}
