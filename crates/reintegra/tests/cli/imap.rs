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
    // Nobody asks for the passwords of accounts that are not open, nor, once it is confirmed, for its number.
    let is_open = |row: &&serde_json::Value| row["state"] == "open";
    let open = accounts.as_array().unwrap().iter().filter(is_open).map(|row| row["address"].as_str().unwrap());
    let open: Vec<&str> = open.collect();
    assert!(open.len() < all.len());
    self::passwords(&place, &open);
    assert_eq!(place.reintegra(&["integrate", "confirm"]).code(), Some(0));
    let url = format!("imap://{}", result.imap());
    let ran = place.reintegra(&["verify", "--over", &url, "--credentials", text(&passwords)]);
    assert_eq!(ran.code(), Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("not open to anybody, and not looked at"), "{}", ran.stdout);
    self::passwords(&place, &all);
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
    assert!(ran.stderr.ends_with("now: run the command again when the server answers\n"), "{}", ran.stderr);
    let absent = place.path("absent");
    let ran = place.reintegra(&["verify", "--over", "imap://127.0.0.1:1", "--credentials", text(&absent)]);
    assert_eq!(ran.code(), Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("now: name a file of lines address:password"), "{}", ran.stderr);
    assert_eq!(place.reintegra(&["verify", "--over", "imap://127.0.0.1:1"]).code(), Some(2), "no passwords");
    std::fs::set_permissions(&passwords, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ran = verify("imap://127.0.0.1:1", &["--id", "1"]);
    assert_eq!(ran.code(), Some(2));
    assert!(ran.stderr.contains(&format!("`chmod 600 {}`", passwords.display())), "{}", ran.stderr);
    assert!(!ran.stderr.contains("source-toml"), "{}", ran.stderr);
}

#[test]
fn an_account_that_a_server_does_not_let_in_holds_up_no_other() {
    let place = Place::with_sample();
    let users = place.path("after/etc/dovecot/users");
    let Some(dovecot) = Dovecot::start(&place.path("after"), Some(&users)).unwrap() else { return };
    let expected = testkit::sample::expected().unwrap().accounts;
    let known: Vec<(String, String)> = expected
        .into_iter()
        .filter(|account| account.password.origin == "after")
        .filter_map(|account| Some((account.address.to_string(), account.password.plain?)))
        .collect();
    assert!(known.len() > 1);
    let write = |wrong: Option<&str>| {
        let path = place.path("passwords");
        let line = |(address, password): &(String, String)| {
            let password = if wrong == Some(address.as_str()) { "wrong" } else { password };
            format!("{address}:{password}\n")
        };
        std::fs::write(&path, known.iter().map(line).collect::<String>()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    let server = place.path("server.toml");
    let lines = format!("format = \"imap\"\nurl = \"imap://{}\"\ncredentials = \"passwords\"\n", dovecot.imap());
    std::fs::write(&server, lines).unwrap();
    assert_eq!(place.reintegra(&["init"]).code(), Some(0));
    let messages = |address: &str| place.json(&["messages", address, "--json"]).as_array().unwrap().len();

    let (first, other) = (known[0].0.as_str(), known[1].0.as_str());
    write(Some(first));
    let ran = place.reintegra(&["import", text(&server)]);
    assert_eq!(ran.code(), Some(1), "{}{}\n{}", ran.stdout, ran.stderr, dovecot.log());
    assert!(ran.stdout.contains(&format!("  not let in: {first}: ")), "{}", ran.stdout);
    assert!(ran.stdout.contains("check their logins and passwords, and run the command again"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("wrong"), "{}", ran.stdout);
    let locked = format!("{} accounts are locked: the source gave no password", known.len() - 1);
    assert!(ran.stdout.contains(&locked), "a server shows no password: {}", ran.stdout);
    assert!(messages(other) > 0);
    let accounts = place.json(&["accounts", "--json"]);
    assert!(accounts.as_array().unwrap().iter().all(|row| row["address"] != first), "{accounts}");

    // An integration does not go on with half a history.
    let before = place.path("before");
    let run = ["integrate", "run", "--yes", "--before", text(&before), "--after", text(&server)];
    let ran = place.reintegra(&run);
    assert_eq!(ran.code(), Some(1), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("the integration waits: the server did not let 1 account in"), "{}", ran.stderr);

    write(None);
    let ran = place.reintegra(&["import", text(&server)]);
    assert_eq!(ran.code(), Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(messages(first) > 0, "running it again takes it up: {}", ran.stdout);
    assert_eq!(place.reintegra(&["check"]).code(), Some(0));
}

#[test]
fn what_tls_needs_is_said_as_the_command_line_has_it() {
    let place = Place::imported();
    assert!(matches!(place.reintegra(&["integrate", "verify", "--id", "1"]).code(), Some(0 | 1)));
    let passwords = passwords(&place, &["ana@panaderia.example"]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // Clients that go away in the midst of it are part of the test.
            let _ = std::io::Write::write_all(&mut stream.unwrap(), b"* OK hello\r\n");
        }
    });
    let url = format!("imaps://{address}");
    let arguments = ["verify", "--over", &url, "--id", "1", "--account", "ana@panaderia.example", "--credentials"];
    let ran = place.reintegra(&[&arguments[..], &[text(&passwords)]].concat());
    assert_eq!(ran.code(), Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("this port does not begin with TLS: imap:// is meant?"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("source-toml"), "{}", ran.stderr);
}

/// A running `serve`, ended when it is dropped.
struct Serving(std::process::Child);

impl Serving {
    /// Serves the data directory on this port alone, as it does where nothing else is configured.
    fn at(place: &Place, address: std::net::SocketAddr) -> Serving {
        let configuration = place.path("serve.toml");
        let lines = format!(
            "imap.listen = [\"{address}\"]\nimap.listen_tls = []\npop3.listen = []\npop3.listen_tls = []\n\
             mx.listen = []\nsubmission.listen = []\nsubmission.listen_tls = []\nmanagesieve.listen = []\n"
        );
        std::fs::write(&configuration, lines).unwrap();
        let log = std::fs::File::create(place.path("serve.log")).unwrap();
        let mut command = place.command(&["serve", "--config", text(&configuration)]);
        let mut serving = Serving(command.stdout(std::process::Stdio::null()).stderr(log).spawn().unwrap());
        while std::net::TcpStream::connect(address).is_err() {
            let ended = serving.0.try_wait().unwrap();
            assert!(ended.is_none(), "{}", std::fs::read_to_string(place.path("serve.log")).unwrap());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        serving
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

#[test]
fn our_own_server_is_compared_over_the_tls_that_it_asks_for() {
    let place = Place::imported();
    assert!(matches!(place.reintegra(&["integrate", "verify", "--id", "1"]).code(), Some(0 | 1)));
    let expected = testkit::sample::expected().unwrap().accounts;
    let ana = expected.into_iter().find(|account| account.address.as_str() == "ana@panaderia.example").unwrap();
    let passwords = passwords(&place, &["ana@panaderia.example"]);
    std::fs::write(&passwords, format!("ana@panaderia.example:{}\n", ana.password.plain.unwrap())).unwrap();
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _serving = Serving::at(&place, address);
    let url = format!("imap://{address}");
    let arguments = ["verify", "--over", &url, "--id", "1", "--account", "ana@panaderia.example", "--credentials"];
    let verify = |more: &[&str]| place.reintegra(&[&arguments[..], &[text(&passwords)], more].concat());

    let ran = verify(&[]);
    assert_eq!(ran.code(), Some(2), "{}{}", ran.stdout, ran.stderr);
    let own = place.data().join("tls/self-signed.crt");
    assert!(ran.stderr.contains(&format!("--ca-file FILE ({} ", own.display())), "{}", ran.stderr);
    let ran = verify(&["--tls", "none"]);
    assert_eq!(ran.code(), Some(2), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("it takes passwords over TLS only"), "{}", ran.stderr);
    let ran = verify(&["--ca-file", text(&own)]);
    assert_eq!(ran.code(), Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("complete: it is served as the ledger says"), "{}", ran.stdout);
}
