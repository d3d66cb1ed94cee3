//! What stands in the log, and what never does.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

const WRONG: &str = "falsch-geheim-Quetzalcoatl";
/// Stands in a message's header, in its body, and in what is searched.
const MARK: &str = "Popocatepetl-7719";
/// What somebody types into the wrong field.
const MISPLACED: &str = "mi-clave-Iztaccihuatl";

/// Signs in by every mechanism; whether the password is the right one, the server's last line must say.
fn by_every_mechanism(served: &Served, password: &str, right: bool) {
    let plain = format!("\0{ANA}\0{password}");
    let imap = |line: String| assert_eq!(line.contains(" OK "), right, "{line}");
    let connect = || {
        let mut client = Client::connect(served.imap);
        client.line();
        client
    };
    imap(connect().ask(&format!("LOGIN {ANA} \"{password}\"")).last().unwrap().clone());
    let mut literal = connect();
    imap(literal.ask(&format!("LOGIN {ANA} {{{}+}}\r\n{password}", password.len())).last().unwrap().clone());
    imap(connect().authenticate("a AUTHENTICATE PLAIN", |_, _| plain.clone()));
    imap(connect().authenticate(&format!("a AUTHENTICATE PLAIN {}", STANDARD.encode(&plain)), |_, _| String::new()));
    imap(connect().authenticate("a AUTHENTICATE LOGIN", |round, _| [ANA, password][round].to_owned()));
    let scram = |mut client: Client, mechanism: &str| {
        let binding = client.binding;
        client.authenticate(&format!("a AUTHENTICATE {mechanism}"), |round, challenge| match round {
            0 => scram::first(ANA, binding),
            1 => scram::last(ANA, password, binding, challenge),
            // The server's own signature is taken note of.
            _ => String::new(),
        })
    };
    imap(scram(connect(), "SCRAM-SHA-256"));
    let (mut over_tls, _) = Client::connect_tls(served.imaps, "localhost");
    over_tls.line();
    assert!(over_tls.binding.is_some());
    imap(scram(over_tls, "SCRAM-SHA-256-PLUS"));
    let pop3 = |line: String| assert_eq!(line.starts_with("+OK"), right, "{line}");
    let connect = || {
        let mut client = Client::connect(served.pop3);
        client.line();
        client
    };
    let mut user = connect();
    user.send(&format!("USER {ANA}"));
    user.line();
    user.send(&format!("PASS {password}"));
    pop3(user.line());
    user.send("QUIT");
    user.rest();
    let mut auth = connect();
    pop3(auth.authenticate("AUTH PLAIN", |_, _| plain.clone()));
    auth.send("QUIT");
    auth.rest();
}

/// Does what people do with mail, and what nobody should.
fn use_everything(served: &Served) {
    by_every_mechanism(served, PASSWORD, true);
    by_every_mechanism(served, WRONG, false);
    let mut misplaced = Client::connect(served.imap);
    misplaced.line();
    misplaced.ask(&format!("LOGIN {MISPLACED} {PASSWORD}"));
    let mut client = Client::imap(served.imap, ANA, PASSWORD);
    let text = format!("Subject: {MARK}\r\n\r\n{MARK} is a mountain.\r\n");
    assert!(client.ask(&format!("APPEND INBOX {{{}+}}\r\n{text}", text.len())).last().unwrap().contains(" OK "));
    client.ask("SELECT INBOX");
    let found = client.ask(&format!("SEARCH TEXT {MARK}"));
    assert!(found.last().unwrap().contains(" OK "), "{found:?}");
    assert!(client.ask("FETCH 1 (BODY[] ENVELOPE)").iter().any(|line| line.contains(MARK)));
    assert!(client.ask(&format!("NONSENSE {MARK}")).last().unwrap().contains(" BAD "));
    client.ask(&format!("CREATE {MARK}"));
    client.ask(&format!("SELECT nowhere-{MARK}"));
    let mut pop3 = Client::connect(served.pop3);
    pop3.line();
    pop3.send(&format!("NONSENSE {MARK}"));
    pop3.line();
    let mut garbage = Client::connect(served.imaps);
    garbage.send(MARK);
    garbage.rest();
}

/// What may not stand in a log, in whatever form it was sent or kept.
fn secrets(place: &Place) -> Vec<String> {
    let mut secrets = vec![MARK.to_owned(), MISPLACED.to_owned()];
    for password in [PASSWORD, WRONG] {
        secrets.push(password.to_owned());
        secrets.push(STANDARD.encode(password));
        secrets.push(STANDARD.encode(format!("\0{ANA}\0{password}")));
    }
    let directory = Platform::open_directory(&place.data()).unwrap();
    let account = directory.account(&Address::new(ANA).unwrap()).unwrap().unwrap();
    let hash = account.password_hash.unwrap();
    secrets.extend(hash.expose().split('$').filter(|part| part.len() > 16).map(str::to_owned));
    assert!(secrets.len() > 8, "the hash has its parts");
    secrets
}

/// The log of everything, in a format, in which no secret may stand.
fn log_of_everything(format: &str) -> String {
    let place = Place::with_ana();
    let served = place.serve(&format!("log.level = \"debug\"\nlog.format = \"{format}\"\n"));
    use_everything(&served);
    let log = stop(served);
    for secret in secrets(&place) {
        assert!(!log.contains(&secret), "{secret} stands in the log:\n{log}");
    }
    // And yet it says who came in and who did not.
    assert!(log.contains("\"signed in\"") || log.contains(": signed in "), "{log}");
    assert!(log.contains("not signed in") && log.contains(ANA), "{log}");
    place.is_sound();
    log
}

#[test]
fn no_secret_and_no_mail_is_in_the_log() {
    log_of_everything("text");
}

#[test]
fn a_log_in_json_is_one_object_a_line() {
    for line in log_of_everything("json").lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        for member in ["timestamp", "level", "target", "message"] {
            assert!(line[member].is_string(), "{member}: {line}");
        }
    }
}

#[test]
fn a_level_leaves_out_what_is_below_it() {
    let place = Place::with_ana();
    let served = place.serve("log.level = \"error\"\n");
    Client::imap(served.imap, ANA, PASSWORD);
    assert_eq!(stop(served), "");
}
