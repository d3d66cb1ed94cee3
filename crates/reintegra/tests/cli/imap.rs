//! Mail servers: as a source, and as what is compared with the ledger.

use crate::{Place, text};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use testkit::dovecot::Dovecot;

/// Writes passwords for these accounts; Dovecot takes any.
fn passwords(place: &Place, addresses: &[&str]) -> std::path::PathBuf {
    let path = place.path("passwords");
    let lines: String = addresses.iter().map(|address| format!("{address}:any-secret\n")).collect();
    std::fs::write(&path, lines).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// Describes a server over the sample's live history.
fn describe(place: &Place, dovecot: &Dovecot) -> std::path::PathBuf {
    let path = place.path("server.toml");
    let users = place.path("after/etc/dovecot/users");
    let lines = format!(
        "format = \"imap\"\nurl = \"imap://{}\"\naccounts = {:?}\ncredentials = \"passwords\"\n",
        dovecot.imap(),
        text(&users)
    );
    std::fs::write(&path, lines).unwrap();
    path
}

fn account_lines(users: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(users).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#') && line.contains('@'));
    lines.map(|line| line.split(':').next().unwrap().to_owned()).collect()
}

#[test]
fn a_server_is_imported_checked_and_compared() {
    let place = Place::with_sample();
    let Some(dovecot) = Dovecot::start(&place.path("after"), None).unwrap() else { return };
    let addresses = account_lines(&place.path("after/etc/dovecot/users"));
    let passwords = passwords(&place, &addresses.iter().map(String::as_str).collect::<Vec<_>>());
    let server = describe(&place, &dovecot);
    assert_eq!(place.reintegra(&["init"]).code(), Some(0));
    let ran = place.reintegra(&["import", text(&server)]);
    assert_eq!(ran.code(), Some(0), "{}{}\n{}", ran.stdout, ran.stderr, dovecot.log());
    assert!(!ran.stdout.contains("any-secret") && !ran.stderr.contains("any-secret"));
    assert_eq!(place.reintegra(&["check"]).code(), Some(0));
    let ran = place.reintegra(&["import", text(&server)]);
    assert_eq!(ran.code(), Some(0), "again: {}", ran.stderr);
    assert!(ran.stdout.starts_with("staged 0 messages"), "nothing is fetched twice: {}", ran.stdout);

    // The recovered history is integrated, verified against the server as source, and compared with what is served.
    let before = place.path("before");
    let ran = place.reintegra(&["integrate", "run", "--before", text(&before), "--yes"]);
    assert!(matches!(ran.code(), Some(0 | 1)), "{}{}", ran.stdout, ran.stderr);
    assert!(!ran.stdout.contains("wrong:"), "{}", ran.stdout);
    assert_eq!(place.reintegra(&["check"]).code(), Some(0));
    let out = place.path("export");
    let exported = place.reintegra(&["export", "maildir", "--out", text(&out)]);
    assert!(matches!(exported.code(), Some(0 | 1)), "{}", exported.stderr);
    let Some(result) = Dovecot::start(&out, None).unwrap() else { return };
    let accounts = place.json(&["accounts", "--json"]);
    let all: Vec<&str> = accounts.as_array().unwrap().iter().map(|row| row["address"].as_str().unwrap()).collect();
    self::passwords(&place, &all);
    for url in [format!("imap://{}", result.imap()), format!("pop3://{}", result.pop3())] {
        let ran = place.reintegra(&["verify", "--over", &url, "--credentials", text(&passwords)]);
        assert_eq!(ran.code(), Some(0), "{}{}\n{}", ran.stdout, ran.stderr, result.log());
        assert!(ran.stdout.contains("complete: it is served as the ledger says"), "{}", ran.stdout);
    }
    // What is served is the server of after alone: much is missing.
    let url = format!("imap://{}", dovecot.imap());
    let ran = place.reintegra(&["verify", "--over", &url, "--credentials", text(&passwords)]);
    assert_eq!(ran.code(), Some(1), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("wrong: ") && ran.stdout.contains("incomplete"), "{}", ran.stdout);
}

#[test]
fn what_cannot_be_compared_is_said() {
    let place = Place::imported();
    let passwords = passwords(&place, &["ana@panaderia.example"]);
    let verify = |url: &str, more: &[&str]| {
        place.reintegra(&[&["verify", "--over", url, "--credentials", text(&passwords)], more].concat())
    };
    let ran = verify("http://x", &["--id", "1"]);
    assert_eq!(ran.code(), Some(2), "{}", ran.stderr);
    let ran = verify("imap://ana:clave@x", &["--id", "1"]);
    assert!(ran.code() == Some(2) && !ran.stderr.contains("clave"), "{}", ran.stderr);
    let ran = verify("imap://127.0.0.1:1", &["--id", "1"]);
    assert_eq!(ran.code(), Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("integrate verify --id 1"), "{}", ran.stderr);
    assert!(matches!(place.reintegra(&["integrate", "verify", "--id", "1"]).code(), Some(0 | 1)));
    let ran = verify("imap://127.0.0.1:1", &["--id", "1"]);
    assert_eq!(ran.code(), Some(2), "passwords are missing: {}", ran.stderr);
    assert!(ran.stderr.contains("no password of"), "{}", ran.stderr);
    let ran = verify("imap://127.0.0.1:1", &["--id", "1", "--account", "ana@panaderia.example"]);
    assert_eq!(ran.code(), Some(3), "nobody listens there: {}", ran.stderr);
    assert_eq!(place.reintegra(&["verify", "--over", "imap://127.0.0.1:1"]).code(), Some(2), "no passwords");
    std::fs::set_permissions(&passwords, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ran = verify("imap://127.0.0.1:1", &["--id", "1"]);
    assert_eq!(ran.code(), Some(2));
    assert!(ran.stderr.contains("chmod 600"), "{}", ran.stderr);
}
