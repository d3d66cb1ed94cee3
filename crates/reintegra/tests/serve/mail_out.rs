//! Mail that goes out: signed, to the next server; back to its sender with the reason where that refuses; and what an
//! operator does with what waits.

use super::outbound::in_own_network;
use super::peers::{
    BETO, EVA, Elsewhere, HOST, Names, Smtp, arrives, as_sent, by_way_of, letter, mailbox, one, python,
};
use super::*;
use serde_json::Value;
use std::collections::BTreeMap;
use testkit::dns_server::Zones;
use testkit::postfix::Postfix;

/// Verifies every signature of a message with the records that are given.
const DKIMPY: &str = r#"
import dkim, json, sys
records = json.loads(sys.argv[1])
message = sys.stdin.buffer.read()
verifier = dkim.DKIM(message)
def record(name, **_):
    return records[name.decode().rstrip(".")].encode()
for index in range(int(sys.argv[2])):
    assert verifier.verify(idx=index, dnsfunc=record), index
    print(verifier.signature_fields[b"a"].decode(), verifier.signature_fields[b"d"].decode())
"#;

/// Makes and activates the keys of a domain; the names and texts of their records.
fn signs(place: &Place) -> BTreeMap<String, String> {
    let said = place.does(&["dkim", "new", "example.org"]);
    let record = |line: &str| line.split_once(". TXT ").map(|(name, text)| (name.to_owned(), text.to_owned()));
    let records: BTreeMap<String, String> = said.lines().filter_map(record).collect();
    assert_eq!(records.len(), 2, "{said}");
    for name in records.keys() {
        place.does(&["dkim", "activate", "example.org", name.split('.').next().unwrap()]);
    }
    records
}

#[test]
fn what_people_send_goes_out_signed() {
    if !Elsewhere::is_there() || !testkit::has_python("dkim") || !testkit::has_python("nacl") {
        return;
    }
    let place = Place::with_people(&[ANA]);
    let records = signs(&place);
    let elsewhere = Elsewhere::start();
    let served = place.serve(&by_way_of(elsewhere.address));
    let message = format!(
        "From: Ana <{ANA}>\r\nTo: {EVA}\r\nBcc: oculta@example.net\r\nSubject: =?utf-8?q?a=C3=B1o?=\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         El año  que viene. \r\n.\r\n\r\n"
    );
    let stuffed = message.replace("\r\n.\r\n", "\r\n..\r\n");
    Smtp::signed_in(served.submission, ANA).takes(ANA, &[EVA, "oculta@example.net"], &stuffed);
    let kept = elsewhere.gets("El año  que viene.");
    for line in [format!("X-Mail-Args: <{ANA}>"), format!("X-Rcpt-Args: <{EVA}>"), format!("X-Helo-Args: {HOST}")] {
        assert!(kept.contains(&line), "{line}: {kept}");
    }
    let sent = as_sent(&kept);
    assert!(sent.ends_with("\r\n\r\nEl año  que viene. \r\n.\r\n\r\n"), "{sent:?}");
    assert!(!sent.contains("oculta"), "{sent}");
    assert_eq!(sent.matches("DKIM-Signature: ").count(), 2, "{sent}");
    assert!(sent.contains("\r\nDate: ") && sent.contains("\r\nMessage-ID: <"), "{sent}");

    // A verifier of others, and our own.
    let verified = python(DKIMPY, &[&serde_json::to_string(&records).unwrap(), "2"], &sent);
    assert!(
        verified.contains("rsa-sha256 example.org") && verified.contains("ed25519-sha256 example.org"),
        "{verified}"
    );
    let zones = records.iter().fold(Zones::new(), |zones, (name, text)| zones.txt(name, text));
    let names = Names::serve(zones.txt("_dmarc.example.org", "v=DMARC1; p=reject"));
    let there = Place::new();
    let platform = Platform::init(&there.data(), 1, OpenOptions::for_purpose("test")).unwrap();
    let domain = Domain { name: "example.net".into(), customer_id: None, disabled: false, created_at: 0 };
    platform.directory.write(|tx| tx.add_domain(&domain)).unwrap();
    let id = platform.directory.write(|tx| tx.add_account(&NewAccount::new(Address::new(EVA).unwrap()))).unwrap();
    platform.directory.change_password(id, PASSWORD.as_bytes()).unwrap();
    drop(platform);
    let receiver = there.serve(&format!("hostname = \"mx.example.net\"\n{}", names.configuration()));
    Smtp::relay(receiver.mx).takes(ANA, &[EVA], &sent.replace("\r\n.\r\n", "\r\n..\r\n"));
    let received = one(&receiver, EVA, "INBOX", "El año  que viene.");
    let results = received.replace("\r\n ", " ").replace("\r\n\t", " ");
    assert!(results.matches("dkim=pass").count() == 2 && results.contains("dmarc=pass"), "{received}");
    stop(receiver);
    stop(served);
    place.is_sound();
}

/// An address as the world has them: nothing goes to those of loopback because DNS says so.
const NEXT: &str = "11.0.0.25";
/// One where nobody is.
const AWAY: &str = "11.0.0.26";

#[test]
fn mail_goes_to_the_servers_that_dns_names() {
    if !Elsewhere::is_there() || !in_own_network("mail_out::mail_goes_to_the_servers_that_dns_names", &[NEXT]) {
        return;
    }
    let zones = Zones::new()
        .mx("example.net", 5, "away.example.net")
        .mx("example.net", 10, "mx.example.net")
        .address("away.example.net", AWAY.parse().unwrap())
        .address("mx.example.net", NEXT.parse().unwrap())
        .address("old.example", NEXT.parse().unwrap())
        .mx("silent.example", 0, ".");
    let names = Names::serve(zones);
    let place = Place::with_people(&[ANA]);
    let elsewhere = Elsewhere::at(format!("{NEXT}:25").parse().unwrap(), &[]);
    let served = place.serve(&format!("hostname = \"{HOST}\"\nmx.dmarc = \"off\"\n{}", names.configuration()));
    let mut smtp = Smtp::signed_in(served.submission, ANA);
    let [old, silent, unknown] = ["maria@old.example", "maria@silent.example", "maria@unknown.example"];
    for to in [EVA, old, silent, unknown] {
        smtp.takes(ANA, &[to], &letter(ANA, to, &format!("to {to}")));
    }
    for to in [EVA, old] {
        let kept = elsewhere.gets(&format!("Subject: to {to}\n"));
        assert!(kept.contains(&format!("X-Rcpt-Args: <{to}>")), "{kept}");
        assert!(kept.contains(&format!("X-Helo-Args: {HOST}\n")), "{kept}");
    }
    // RFC 7505: one that says it takes no mail; and one that there is not.
    for (to, status, words) in
        [(silent, "5.1.10", "ese dominio no recibe correo"), (unknown, "5.1.2", "el dominio de la dirección no existe")]
    {
        let said = python(REPORT, &[], &arrives(&served, ANA, &format!("Subject: to {to}")));
        assert!(said.contains(&format!("| failed | {status} |")) && said.contains(words), "{said}");
    }
    assert_eq!(elsewhere.mail().len(), 2);
    assert!(names.server.questions().contains(&("example.net".to_owned(), "MX".to_owned())));
    await_that("nothing waits", || waiting(&place).is_empty());
    stop(served);
    place.is_sound();
}

#[test]
fn postfix_takes_what_goes_out_over_tls_and_passes_it_on() {
    if !Elsewhere::is_there() {
        return;
    }
    let place = Place::with_people(&[ANA]);
    let made = rcgen::generate_simple_self_signed(vec!["relay.example.net".to_owned()]).unwrap();
    let chain = place.write("relay.pem", &format!("{}{}", made.signing_key.serialize_pem(), made.cert.pem()));
    let elsewhere = Elsewhere::start();
    let more = format!(
        "smtpd_tls_security_level = may\nsmtpd_tls_chain_files = {}\nsmtpd_tls_received_header = yes\n",
        chain.display()
    );
    let Some(postfix) = Postfix::start(elsewhere.address, &more).unwrap() else { return };
    let served = place.serve(&by_way_of(postfix.smtp));
    let mut smtp = Smtp::signed_in(served.submission, ANA);
    for number in 0..20 {
        smtp.takes(ANA, &[EVA, "otra@example.com"], &letter(ANA, EVA, &format!("through a relay, no. {number}")));
    }
    for number in 0..20 {
        let text = format!("Subject: through a relay, no. {number}\n");
        let both = || {
            let kept: Vec<String> = elsewhere.mail().into_iter().filter(|kept| kept.contains(&text)).collect();
            kept.iter().map(|kept| kept.matches("X-Rcpt-Args: ").count()).sum::<usize>() == 2
        };
        await_that("it reaches both, each once", both);
    }
    let kept = elsewhere.mail().remove(0);
    assert!(kept.contains(&format!("Received: from {HOST} ")) && kept.contains("(using TLSv1.3"), "{kept}");
    await_that("nothing waits", || waiting(&place).is_empty());
    stop(served);
    place.is_sound();
}

/// Reads a notification as a mail program does, and prints what it says to people and to programs.
const REPORT: &str = r#"
import email, email.policy, sys
report = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
assert report.get_content_type() == "multipart/report", report.get_content_type()
assert report.get_param("report-type") == "delivery-status"
text, status, original = report.iter_parts()
assert not report.defects and not text.defects and not status.defects
assert text.get_content_type() == "text/plain" and status.get_content_type() == "message/delivery-status"
assert original.get_content_type() in ("message/rfc822", "text/rfc822-headers"), original.get_content_type()
whole, recipient = status.get_payload()
print(text.get_content())
print("|", recipient["Final-Recipient"], "|", recipient["Action"], "|", recipient["Status"], "|",
    recipient["Diagnostic-Code"], "|", whole["Reporting-MTA"], "|")
print(original.as_string())
"#;

#[test]
fn who_wrote_to_somebody_unknown_is_told_in_both_languages() {
    if !Elsewhere::is_there() || !testkit::has_programs(&["python3"]) {
        return;
    }
    let place = Place::with_people(&[ANA]);
    let refusing = Elsewhere::with(&["-f", "rcpt", "-B", "550 5.1.1 nobody of that name"]);
    let served = place.serve(&by_way_of(refusing.address));
    Smtp::signed_in(served.submission, ANA).takes(ANA, &[EVA], &letter(ANA, EVA, "a nadie"));
    let report = arrives(&served, ANA, "report-type=");
    assert!(report.starts_with(&format!("Return-Path: <>\r\nDelivered-To: {ANA}\r\n")), "{report}");
    assert!(report.contains("\r\nSubject: No se pudo entregar tu mensaje / Your message could not be delivered\r\n"));
    assert!(report.contains("\r\nAuto-Submitted: auto-replied"), "{report}");
    let said = python(REPORT, &[], &report);
    for words in [
        "Tu mensaje no se pudo entregar a:",
        "Your message could not be delivered to:",
        "la dirección no existe en el servidor de destino",
        "the address does not exist at its server",
        "nobody of that name",
        &format!("| rfc822;{EVA} | failed | 5.1.1 | smtp;550 5.1.1 nobody of that name | dns;{HOST} |"),
        "Subject: a nadie",
    ] {
        assert!(said.replace("; ", ";").contains(&words.replace("; ", ";")), "{words}: {said}");
    }
    await_that("nothing waits", || waiting(&place).is_empty());
    assert!(refusing.mail().is_empty());
    stop(served);
    place.is_sound();
}

#[test]
fn who_asks_for_it_is_told_that_it_arrived() {
    if !Elsewhere::is_there() || !testkit::has_programs(&["python3"]) {
        return;
    }
    let place = Place::with_people(&[ANA, BETO]);
    let elsewhere = Elsewhere::start();
    let served = place.serve(&by_way_of(elsewhere.address));
    let mut smtp = Smtp::signed_in(served.submission, ANA);
    smtp.is(&format!("MAIL FROM:<{ANA}> RET=HDRS ENVID=carta-7"), "250");
    smtp.is(&format!("RCPT TO:<{BETO}> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;{BETO}"), "250");
    smtp.is(&format!("RCPT TO:<{EVA}> NOTIFY=SUCCESS"), "250");
    smtp.is("DATA", "354");
    smtp.is(&format!("{}.", letter(ANA, BETO, "con acuse")), "250");
    // The next server says that it tells of success itself, and so we do not.
    let kept = elsewhere.gets("Subject: con acuse\n");
    assert!(kept.contains("ENVID=carta-7") && kept.contains(&format!("X-Rcpt-Args: <{EVA}> NOTIFY=SUCCESS")), "{kept}");
    let said = python(REPORT, &[], &arrives(&served, ANA, "report-type="));
    assert!(said.contains("Tu mensaje fue entregado a:") && said.contains("Your message was delivered to:"), "{said}");
    assert!(said.contains("| delivered | 2.") && said.contains(BETO) && !said.contains(EVA), "{said}");
    assert!(!said.contains("Hola, con acuse."), "the header alone was asked for: {said}");
    let arrived = one(&served, BETO, "INBOX", "Subject: con acuse\r\n");
    assert!(arrived.contains(&format!("Return-Path: <{ANA}>\r\nDelivered-To: {BETO}\r\n")), "{arrived}");
    await_that("nothing waits", || waiting(&place).is_empty());
    assert_eq!(mailbox(&served, ANA, "INBOX").len(), 1);
    stop(served);
    place.is_sound();
}

/// What waits: the recipient of each message, and the message.
pub(super) fn waiting(place: &Place) -> BTreeMap<String, Value> {
    let ran = place.reintegra(&["queue", "list", "--json"]);
    assert_eq!(ran.code(), Some(0), "{}", ran.stderr);
    let listed: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap();
    let recipient = |entry: &Value| entry["recipients"][0]["address"].as_str().unwrap().to_owned();
    listed.into_iter().map(|entry| (recipient(&entry), entry)).collect()
}

/// What an operator was told, all of it: nobody may take it for word of mail in mailboxes.
struct Words<'a> {
    place: &'a Place,
    said: String,
}

impl Words<'_> {
    #[track_caller]
    fn of(&mut self, arguments: &[&str], code: i32, words: &str) {
        let ran = self.place.reintegra(&[&["queue"], arguments].concat());
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
        self.said += &said;
    }
}

#[test]
fn what_is_put_off_waits_for_the_operator_with_and_without_a_server() {
    if !Elsewhere::is_there() {
        return;
    }
    let place = Place::with_people(&[ANA]);
    let to = |number: u32| format!("espera{number}@example.net");
    let [address] = free_ports().unwrap();
    let busy = Elsewhere::at(address, &["-r", "rcpt", "-b", "451 4.2.1 come back later"]);
    let served = place.serve(&by_way_of(address));
    let mut smtp = Smtp::signed_in(served.submission, ANA);
    for number in 1..=6 {
        smtp.takes(ANA, &[&to(number)], &letter(ANA, &to(number), &format!("espera no. {number}")));
    }
    drop(smtp);
    await_that("all were tried", || {
        let waiting = waiting(&place);
        let tried = |entry: &Value| {
            let line = &entry["recipients"][0];
            line["attempts"].as_u64() >= Some(1) && line["state"] == "waiting"
        };
        waiting.len() == 6 && waiting.values().all(tried)
    });
    let listed = waiting(&place);
    let id = |number: u32| listed[&to(number)]["id"].as_str().unwrap().to_owned();
    let state = |number: u32| waiting(&place).get(&to(number)).map(|e| e["recipients"][0]["state"].clone());
    assert_eq!(listed[&to(1)]["sender"], ANA);
    assert!(listed[&to(1)]["recipients"][0]["last"].as_str().unwrap().contains("come back later"), "{listed:?}");

    let mut words = Words { place: &place, said: String::new() };
    words.of(&["list"], 0, "6 messages waiting");
    words.of(&["list", "--recipient", &to(2)], 0, "1 message waiting");
    words.of(&["show", &id(1)], 0, "next try 20");
    words.of(&["hold", &id(1)], 0, "1 message to 1 recipient: held until released");
    assert_eq!(state(1).unwrap(), "held");
    words.of(&["retry", &id(1)], 0, "0 messages to 0 recipients: tried at once");
    words.of(&["bounce", &id(2), "--why", "el dominio ya no existe"], 0, "given up; the senders get word");
    let report = arrives(&served, ANA, "report-type=");
    assert!(report.contains("el dominio ya no existe") && report.contains(&to(2)), "{report}");
    words.of(&["drop", &id(3)], 2, "say --yes, or `reintegra queue bounce` to give up and tell the senders");
    assert_eq!(state(3).unwrap(), "waiting");
    words.of(&["drop", &id(3), "--yes"], 0, "1 message to 1 recipient: destroyed");
    assert_eq!(state(3), None);
    words.of(&["drop"], 2, "nothing is selected");
    for verb in ["retry", "hold", "release"] {
        words.of(&[verb, &id(3)], 2, "no message");
    }
    words.of(&["bounce", &id(3), "--why", "no"], 2, "it was handed on, given up, or never there");
    words.of(&["drop", &id(3), "--yes"], 2, "now: `reintegra queue list` lists what waits");
    words.of(&["show", &id(3)], 2, "it was handed on, given up, or never there");
    stop(served);

    // Without a server the queue is as it was left.
    words.of(&["list"], 0, "4 messages waiting");
    assert_eq!(state(1).unwrap(), "held");
    words.of(&["hold", "--recipient", &to(4)], 0, "held until released");
    words.of(&["release", "--recipient", &to(4)], 0, "no server runs: it goes on when one does");
    words.of(&["bounce", &id(5), "--why", "no"], 2, "now: name it with --config, or start the server");
    words.of(&["drop", &id(5), "--yes"], 0, "destroyed");
    words.of(&["retry", "--domain", "example.net"], 0, "no server runs: it is tried when one does");
    let config = place.write("queue.toml", &format!("hostname = \"{HOST}\"\n"));
    words.of(&["bounce", &id(6), "--why", "nadie", "--config", config.to_str().unwrap()], 0, "the senders get word");

    drop(busy);
    let elsewhere = Elsewhere::at(address, &[]);
    let served = place.serve(&by_way_of(address));
    elsewhere.gets("Subject: espera no. 4\n");
    await_that("Ana hears of the sixth", || mailbox(&served, ANA, "INBOX").iter().any(|text| text.contains(&to(6))));
    assert_eq!(state(1).unwrap(), "held");
    words.of(&["release", "--all"], 0, "1 message to 1 recipient: let go on");
    elsewhere.gets("Subject: espera no. 1\n");
    await_that("nothing waits", || waiting(&place).is_empty());
    words.of(&["list"], 0, "0 messages waiting");
    for number in [2, 3, 5, 6] {
        assert!(!elsewhere.has(&format!("Subject: espera no. {number}\n")), "it was given up");
    }
    assert_eq!(mailbox(&served, ANA, "INBOX").len(), 2, "word of the second and the sixth");
    let said = words.said.to_lowercase();
    assert!(!said.contains("delete") && !said.contains("remove") && !said.contains("purge"), "{said}");
    stop(served);
    place.is_sound();
}

#[test]
fn a_server_that_is_away_gets_everything_once_when_it_is_back() {
    if !Elsewhere::is_there() {
        return;
    }
    let place = Place::with_people(&[ANA]);
    let [address] = free_ports().unwrap();
    let served = place.serve(&by_way_of(address));
    let mut smtp = Smtp::signed_in(served.submission, ANA);
    for number in 0..30 {
        smtp.takes(ANA, &[EVA], &letter(ANA, EVA, &format!("while it is away, no. {number}")));
    }
    served.kill().unwrap();
    let elsewhere = Elsewhere::at(address, &[]);
    let served = place.serve(&by_way_of(address));
    await_that("all go out", || {
        place.reintegra(&["queue", "retry", "--all"]);
        elsewhere.mail().len() >= 30
    });
    for number in 0..30 {
        elsewhere.gets(&format!("Subject: while it is away, no. {number}\n"));
    }
    await_that("nothing waits", || waiting(&place).is_empty());
    assert_eq!(elsewhere.mail().len(), 30);
    stop(served);
    place.is_sound();
}
