//! What people and operators change while the server runs: forwarding, answers, scripts by command line and by
//! ManageSieve, keys and what a zone needs. It counts for the next message.

use super::peers::{EVA, Elsewhere, HOST, Smtp, as_sent, by_way_of, letter, mailbox, one, succeeds};
use super::*;

const CARLOS: &str = "carlos@example.com";

#[test]
fn forwarding_and_answers_count_for_the_next_message() {
    if !Elsewhere::is_there() {
        return;
    }
    let place = Place::with_people(&[ANA]);
    let elsewhere = Elsewhere::start();
    let served = place.serve(&by_way_of(elsewhere.address));
    let mut smtp = Smtp::relay(served.mx);
    let mut brings = |subject: &str| smtp.takes(CARLOS, &[ANA], &letter(CARLOS, ANA, subject));
    let stays = |subject: &str| mailbox(&served, ANA, "INBOX").iter().any(|text| text.contains(subject));

    brings("before all");
    assert!(place.does(&["forward", "show", ANA]).contains("stays there"));
    place.does(&["forward", "set", ANA, "--to", EVA]);
    assert!(place.does(&["forward", "show", ANA]).starts_with(&format!("{EVA}\n")));
    brings("on to Eva");
    elsewhere.gets("Subject: on to Eva\n");
    place.does(&["forward", "set", ANA, "--to", EVA, "--keep-copy"]);
    brings("to Eva and here");
    elsewhere.gets("Subject: to Eva and here\n");
    place.does(&["forward", "remove", ANA]);

    let set = ["vacation", "set", ANA, "--subject", "Fuera de la oficina", "--days", "1"];
    place.is_told(&set, "Estoy en Tepoztlán.\n");
    assert!(place.does(&["vacation", "show", ANA]).contains("Estoy en Tepoztlán."));
    brings("are you there?");
    let answer = elsewhere.gets("Estoy en Tepoztl");
    assert!(answer.contains(&format!("X-Rcpt-Args: <{CARLOS}>")) && answer.contains("X-Mail-Args: <>"), "{answer}");
    assert!(answer.contains("\nSubject: Fuera de la oficina\n"), "{answer}");
    place.does(&["vacation", "remove", ANA]);
    assert!(place.does(&["vacation", "show", ANA]).contains("nobody who writes"));
    brings("after all");
    assert!(stays("before all") && stays("to Eva and here") && stays("are you there?") && stays("after all"));
    assert!(!stays("on to Eva"));
    assert_eq!(elsewhere.mail().len(), 3);

    // A day that is over answers nobody, and what makes no sense is refused.
    place.is_told(&["vacation", "set", ANA, "--until", "2026-01-01"], "Vuelvo en febrero.");
    brings("long after");
    assert!(stays("long after"));
    for wrong in [
        &["vacation", "set", ANA, "--from", "2026-12-24", "--until", "2026-12-01"][..],
        &["vacation", "set", ANA, "--subject", "Fuera\nde la oficina"],
        &["sieve", "put", ANA, ""],
        &["forward", "set", ANA, "--to", "nobody"],
        &["forward", "set", ANA, "--to", "eva y@example.net b"],
        &["forward", "set", ANA, "--to", ANA],
        &["forward", "set", "nobody@example.org", "--to", EVA],
    ] {
        let ran = place.reintegra(wrong);
        assert_eq!(ran.code(), Some(2), "{wrong:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("\n  now: "), "{wrong:?}: {}", ran.stderr);
    }
    stop(served);
    assert_eq!(elsewhere.mail().len(), 3, "nobody was answered any more");
    place.is_sound();
}

/// A script that files everything into one mailbox.
fn filing_into(mailbox: &str) -> String {
    format!("require [\"fileinto\", \"mailbox\"];\r\nfileinto :create \"{mailbox}\";\r\n")
}

#[test]
fn scripts_are_changed_by_the_operator() {
    let place = Place::with_people(&[ANA]);
    let served = place.serve("mx.dmarc = \"off\"\n");
    let mut smtp = Smtp::relay(served.mx);
    let mut brings = |subject: &str| smtp.takes(CARLOS, &[ANA], &letter(CARLOS, ANA, subject));
    place.is_told(&["sieve", "put", ANA, "uno"], &filing_into("Uno"));
    place.is_told(&["sieve", "put", ANA, "dos"], &filing_into("Dos"));
    brings("no script runs");
    place.does(&["sieve", "activate", ANA, "uno"]);
    brings("the first runs");
    place.does(&["sieve", "activate", ANA, "dos"]);
    brings("the second runs");
    place.is_told(&["sieve", "put", ANA, "dos"], &filing_into("Tres"));
    brings("it is another now");
    let listed = place.does(&["sieve", "list", ANA, "--json"]);
    let listed: Vec<serde_json::Value> = serde_json::from_str(&listed).unwrap();
    let active: Vec<&str> = listed.iter().filter(|s| s["active"] == true).filter_map(|s| s["name"].as_str()).collect();
    assert_eq!((listed.len(), &active[..]), (2, &["dos"][..]));
    assert_eq!(place.does(&["sieve", "show", ANA, "dos"]), filing_into("Tres"));
    assert_eq!(place.reintegra(&["sieve", "remove", ANA, "dos"]).code(), Some(2), "it runs");
    place.does(&["sieve", "deactivate", ANA]);
    place.does(&["sieve", "remove", ANA, "dos"]);
    brings("none runs any more");
    for (subject, mailbox) in [
        ("no script runs", "INBOX"),
        ("the first runs", "Uno"),
        ("the second runs", "Dos"),
        ("it is another now", "Tres"),
        ("none runs any more", "INBOX"),
    ] {
        one(&served, ANA, mailbox, &format!("Subject: {subject}\r\n"));
    }
    stop(served);
    place.is_sound();
}

#[test]
fn scripts_are_changed_by_their_owner_with_sieve_connect() {
    if !testkit::has_programs(&["sieve-connect"]) {
        return;
    }
    let place = Place::with_people(&[ANA]);
    let served = place.serve("mx.dmarc = \"off\"\n");
    place.write("filtro", &filing_into("Filtrado"));
    place.write("malo", "fileinto;\r\n");
    let connect = |password: &str, arguments: &[&str]| {
        let mut command = Command::new("sieve-connect");
        command.args(["--server", "127.0.0.1", "--port", &served.managesieve.port().to_string(), "--user", ANA]);
        command.args(["--passwordfd", "0", "--authmech", "PLAIN", "--notlsverify"]).args(arguments);
        command.current_dir(place.root.path());
        (command, format!("{password}\n"))
    };
    let does = |arguments: &[&str]| {
        let (mut command, password) = connect(PASSWORD, arguments);
        succeeds(&mut command, &password)
    };
    does(&["--upload", "--localsieve", "filtro", "--remotesieve", "filtro"]);
    does(&["--activate", "--remotesieve", "filtro"]);
    assert!(does(&["--list"]).contains("\"filtro\" ACTIVE"));
    Smtp::relay(served.mx).takes(CARLOS, &[ANA], &letter(CARLOS, ANA, "filed"));
    one(&served, ANA, "Filtrado", "Subject: filed\r\n");
    assert!(place.does(&["sieve", "list", ANA]).contains("runs"));
    // What the operator put there its owner reads.
    place.is_told(&["sieve", "put", ANA, "otro"], &filing_into("Otro"));
    does(&["--download", "--remotesieve", "otro", "--localsieve", "copia"]);
    assert_eq!(std::fs::read_to_string(place.path("copia")).unwrap(), filing_into("Otro"));
    for (password, arguments) in
        [(PASSWORD, &["--upload", "--localsieve", "malo", "--remotesieve", "filtro"][..]), ("equivocada", &["--list"])]
    {
        let (mut command, password) = connect(password, arguments);
        let mut child =
            command.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).spawn().unwrap();
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), password.as_bytes()).unwrap();
        assert!(!child.wait().unwrap().success(), "{arguments:?}");
    }
    assert_eq!(place.does(&["sieve", "show", ANA, "filtro"]), filing_into("Filtrado"), "what was right stays");
    stop(served);
    place.is_sound();
}

#[test]
fn keys_sign_from_the_next_start_on_and_stand_in_the_zone() {
    if !Elsewhere::is_there() {
        return;
    }
    let place = Place::with_people(&[ANA]);
    let elsewhere = Elsewhere::start();
    let sends = |served: &Served, subject: &str| {
        Smtp::signed_in(served.submission, ANA).takes(ANA, &[EVA], &letter(ANA, EVA, subject));
        as_sent(&elsewhere.gets(&format!("Subject: {subject}\n")))
    };
    let served = place.serve(&by_way_of(elsewhere.address));
    assert!(!sends(&served, "without a key").contains("DKIM-Signature: "));
    let said = place.does(&["dkim", "new", "example.org", "--kind", "ed25519", "--selector", "uno"]);
    assert!(said.contains("uno._domainkey.example.org. TXT v=DKIM1; k=ed25519; p="), "{said}");
    let record = said.lines().find_map(|line| line.split_once(". TXT ")).unwrap().1;
    place.does(&["dkim", "activate", "example.org", "uno"]);
    stop(served);

    let served = place.serve(&by_way_of(elsewhere.address));
    assert!(sends(&served, "with a key").contains("s=uno;"));
    place.does(&["dkim", "new", "example.org", "--kind", "ed25519", "--selector", "dos"]);
    place.does(&["dkim", "activate", "example.org", "dos"]);
    let refused = place.reintegra(&["dkim", "remove", "example.org", "dos"]);
    assert!(refused.code() == Some(2) && refused.stderr.contains("`reintegra dkim retire"), "{}", refused.stderr);
    stop(served);
    let served = place.serve(&by_way_of(elsewhere.address));
    let sent = sends(&served, "with another key");
    assert!(sent.contains("s=dos;") && !sent.contains("s=uno;"), "{sent}");
    let listed: Vec<serde_json::Value> = serde_json::from_str(&place.does(&["dkim", "list", "--json"])).unwrap();
    let state = |selector: &str| &listed.iter().find(|key| key["selector"] == selector).unwrap()["state"];
    assert_eq!((state("uno"), state("dos")), (&"retired".into(), &"active".into()));
    assert!(!format!("{listed:?}").contains("PRIVATE"), "a private key is shown to nobody");

    let config = place.write("zone.toml", &format!("hostname = \"{HOST}\"\ndelivery.from = [\"192.0.2.7\"]\n"));
    let ran = place.reintegra(&["dns", "example.org", "--config", config.to_str().unwrap()]);
    assert_eq!(ran.code(), Some(0), "{}", ran.stderr);
    for line in [
        &format!("example.org. IN MX 10 {HOST}."),
        "example.org. IN TXT \"v=spf1 mx ip4:192.0.2.7 -all\"",
        &format!("uno._domainkey.example.org. IN TXT \"{record}\""),
        "dos._domainkey.example.org. IN TXT \"v=DKIM1; k=ed25519; p=",
        "_dmarc.example.org. IN TXT \"v=DMARC1;",
        "_smtp._tls.example.org. IN TXT \"v=TLSRPTv1;",
        &format!("_submissions._tcp.example.org. IN SRV 0 1 465 {HOST}."),
    ] {
        assert!(ran.stdout.contains(line), "{line}: {}", ran.stdout);
    }
    assert!(!ran.stderr.contains("localhost"), "{}", ran.stderr);
    let ran = place.reintegra(&["dns", "example.org", "--reports", "nobody", "--config", config.to_str().unwrap()]);
    assert!(ran.code() == Some(2) && ran.stderr.contains("leave --reports out"), "{}", ran.stderr);
    let nameless = place.write("nameless.toml", "hostname = \"localhost\"\n");
    let ran = place.reintegra(&["dns", "example.org", "--config", nameless.to_str().unwrap()]);
    assert!(ran.code() == Some(0) && ran.stderr.contains("lead nobody here"), "{}", ran.stderr);
    stop(served);
    place.is_sound();
}
