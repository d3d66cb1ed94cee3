//! The audit log: adds, and never forgets.

use crate::{Fixture, collect, now, set_now};
use directory::{Audit, DirectoryError};

#[test]
fn entries_are_numbered_without_a_gap_and_dated_without_going_back() {
    let Fixture { directory, place: _place } = Fixture::new();
    let begin = now();
    let audit = |subject: &str| directory.write(|tx| tx.audit("op", "domain.disable", subject, "{\"why\":\"asked\"}"));
    assert_eq!(audit("example.org").unwrap(), 1);
    let failed: Result<(), _> = directory.write(|tx| {
        tx.audit("op", "domain.disable", "example.org", "{}")?;
        Err(DirectoryError::caller("no"))
    });
    assert!(failed.is_err());
    set_now(begin - 3600);
    assert_eq!(audit("example.com").unwrap(), 2, "what was rolled back leaves no gap");
    set_now(begin + 60);
    assert_eq!(audit("example.org").unwrap(), 3);

    let entry = |number, at, subject: &str| Audit {
        number,
        at,
        actor: "op".to_owned(),
        action: "domain.disable".to_owned(),
        subject: subject.to_owned(),
        detail: "{\"why\":\"asked\"}".to_owned(),
    };
    let all = [entry(1, begin, "example.org"), entry(2, begin, "example.com"), entry(3, begin + 60, "example.org")];
    assert_eq!(collect!(directory, for_each_audit, 0), all);
    assert_eq!(collect!(directory, for_each_audit, 2), all[2..]);
    assert_eq!(collect!(directory, for_each_audit_of, "example.com"), all[1..2]);
    let wrong = directory.write(|tx| tx.audit("op", "x", "y", "{"));
    assert!(matches!(wrong, Err(DirectoryError::Invalid { what: "audit entry", .. })));
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn the_schema_itself_refuses_to_change_an_entry() {
    let fixture = Fixture::new();
    fixture.directory.write(|tx| tx.audit("op", "a", "b", "{}")).unwrap();
    let raw = fixture.raw();
    for sql in [
        "UPDATE audit SET actor = 'nobody'",
        "DELETE FROM audit",
        "INSERT OR REPLACE INTO audit VALUES (1, 0, 'nobody', 'a', 'b', '{}')",
    ] {
        let error = raw.execute(sql, []).unwrap_err().to_string();
        assert!(error.contains("append-only"), "{sql}: {error}");
    }
    assert_eq!(collect!(fixture.directory, for_each_audit, 0)[0].actor, "op");
    assert_eq!(fixture.directory.check_consistency().unwrap(), []);
}
