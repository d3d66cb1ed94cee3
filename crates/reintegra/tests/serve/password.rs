//! `password set`: a password comes from standard input, counts at once, and opens what was locked.

use super::beside::opens;
use super::*;
use directory::AccountState;
use std::io::Write as _;
use std::process::Stdio;

const NEW: &str = "nuevo9107-Pátzcuaro";

/// Runs `password set` with a standard input.
fn set(place: &Place, address: &str, input: &str) -> Ran {
    let mut command = place.command(&["password", "set", address]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Who is refused before may have ended.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Adds an account in a state, without a password.
fn add(place: &Place, address: &str, state: AccountState) {
    let platform = Platform::open(&place.data(), OpenOptions::for_purpose("test")).unwrap();
    let account = NewAccount { state, ..NewAccount::new(Address::new(address).unwrap()) };
    platform.directory.write(|tx| tx.add_account(&account)).unwrap();
}

#[test]
fn a_password_that_is_set_beside_the_service_is_the_one_that_counts() {
    let place = Place::with_ana();
    let served = place.serve("sign_in.scram = \"always\"\n");
    assert_eq!(opens(&served, PASSWORD), [true, true]);
    let ran = set(&place, ANA, &format!("{NEW}\n"));
    assert_eq!((ran.code(), ran.stdout.as_str()), (Some(0), ""), "{}", ran.stderr);
    assert_eq!(ran.stderr, format!("the password of {ANA} is set\n"));
    assert!(Client::connect(served.imap).line().contains("AUTH=SCRAM-SHA-256"), "as the configuration says");
    let mut imap = Client::connect(served.imap);
    imap.line();
    let literal = format!("LOGIN {ANA} {{{}+}}\r\n{NEW}", NEW.len());
    assert!(imap.ask(&literal).last().unwrap().contains(" OK "));
    assert_eq!(opens(&served, PASSWORD), [false, false]);
    let log = stop(served);
    assert!(!log.contains(NEW) && !log.contains(PASSWORD), "{log}");
    let accounts = Platform::open_directory(&place.data()).unwrap();
    let mut audited = Vec::new();
    let each = |row: directory::Audit| {
        audited.push((row.action, row.subject));
        Ok(())
    };
    accounts.for_each_audit(0, each).unwrap();
    assert!(audited.contains(&("password.set".to_owned(), ANA.to_owned())), "{audited:?}");
    place.is_sound();
}

#[test]
fn a_locked_account_opens_and_others_are_told() {
    let place = Place::with_ana();
    add(&place, "bea@example.org", AccountState::Locked);
    add(&place, "eva@example.org", AccountState::Disabled);
    let refused = place.reintegra(&["app-password", "add", "bea@example.org", "--label", "x"]);
    assert_eq!(refused.code(), Some(2), "{}", refused.stderr);
    for word in ["bea@example.org is locked", "now: `reintegra password set bea@example.org`"] {
        assert!(refused.stderr.contains(word), "{word}: {}", refused.stderr);
    }
    let ran = set(&place, "bea@example.org", NEW);
    assert_eq!(ran.code(), Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("was locked, and is open"), "{}", ran.stderr);
    let added = place.reintegra(&["app-password", "add", "bea@example.org", "--label", "x"]);
    assert_eq!(added.code(), Some(0), "{}", added.stderr);

    let refused = place.reintegra(&["app-password", "add", "eva@example.org", "--label", "x"]);
    assert!(refused.stderr.contains("eva@example.org is disabled"), "{}", refused.stderr);
    assert_eq!((refused.code(), refused.stdout.as_str()), (Some(2), ""));
    let ran = set(&place, "eva@example.org", NEW);
    assert!(ran.stderr.contains("is disabled: nobody signs in to it all the same"), "{}", ran.stderr);
    place.is_sound();
}

#[test]
fn what_cannot_be_a_password_changes_nothing() {
    let place = Place::with_ana();
    let served = place.serve("");
    for (input, why) in [("", "fewer than 8"), ("corta77\n", "fewer than 8"), ("tab\ttab\ttab\n", "control")] {
        let ran = set(&place, ANA, input);
        assert_eq!(ran.code(), Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
    }
    assert_eq!(set(&place, "nobody@example.org", NEW).code(), Some(2));
    assert_eq!(opens(&served, PASSWORD), [true, true]);
    stop(served);
}
