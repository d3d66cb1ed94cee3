//! Mail that comes in: from every kind of client, over every port, to everybody who may be meant by an address.

use super::peers::{
    BETO, EVA, Elsewhere, HOST, Names, Smtp, arrives, by_way_of, letter, mailbox, one, python, succeeds,
};
use super::*;
use std::os::unix::fs::PermissionsExt as _;
use testkit::dns_server::{Failure, Zones};
use testkit::postfix::Postfix;

/// Somebody at yet another server.
const CARLOS: &str = "carlos@example.com";
const DORA: &str = "dora@example.org";

/// Python's client over every port: with STARTTLS and with TLS first, with the certificate verified.
const SMTPLIB: &str = r#"
import smtplib, ssl, sys
mx, lmtp, submission, submissions, authority, login, password, other, to = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
def send(client, sender, subject):
    text = f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\n\r\n.\r\n..\r\n.punto\r\n"
    assert client.sendmail(sender, [to], text) == {}
with smtplib.SMTP("localhost", int(mx)) as client:
    client.starttls(context=context)
    send(client, other, "smtplib to MX")
with smtplib.LMTP("localhost", int(lmtp)) as client:
    send(client, other, "smtplib to LMTP")
with smtplib.SMTP("localhost", int(submission)) as client:
    client.starttls(context=context)
    client.login(login, password)
    send(client, login, "smtplib to submission")
with smtplib.SMTP_SSL("localhost", int(submissions), context=context) as client:
    client.login(login, password)
    send(client, login, "smtplib to submissions")
"#;

/// The port of an address.
fn port(address: std::net::SocketAddr) -> String {
    address.port().to_string()
}

/// A message of ours as it lies in its mailbox: above it stand who sent it, whom it reached, and how it came.
#[track_caller]
fn came(served: &Served, to: &str, subject: &str, from: &str, with: &str) -> String {
    let text = one(served, to, "INBOX", &format!("Subject: {subject}\r\n"));
    let trace = format!("Return-Path: <{from}>\r\nDelivered-To: {to}\r\nReceived: from ");
    assert!(text.starts_with(&trace), "{text}");
    let received = text.split("Received: from ").nth(1).unwrap();
    let said = format!(" by {HOST} (");
    assert!(received.contains(&said) && received.contains(&format!(" with {with}\r\n")), "{text}");
    assert!(received.contains(&format!(" for <{to}>;\r\n")), "{text}");
    text
}

#[test]
fn smtplib_brings_mail_over_every_port() {
    if !testkit::has_programs(&["python3"]) {
        return;
    }
    let place = Place::with_people(&[ANA, BETO]);
    let served = place.serve(&format!("hostname = \"{HOST}\"\nmx.dmarc = \"off\"\n"));
    let authority = place.data().join("tls/self-signed.crt");
    let ports = [served.mx, served.lmtp, served.submission, served.submissions].map(port);
    let mut arguments: Vec<&str> = ports.iter().map(String::as_str).collect();
    arguments.extend([authority.to_str().unwrap(), ANA, PASSWORD, EVA, BETO]);
    python(SMTPLIB, &arguments, "");
    for (way, from, with) in
        [("MX", EVA, "ESMTPS"), ("LMTP", EVA, "LMTP"), ("submission", ANA, "ESMTPSA"), ("submissions", ANA, "ESMTPSA")]
    {
        let text = came(&served, BETO, &format!("smtplib to {way}"), from, with);
        assert!(text.ends_with("\r\n\r\n.\r\n..\r\n.punto\r\n"), "dots are dots: {text}");
    }
    stop(served);
    place.is_sound();
}

#[test]
fn swaks_brings_mail_over_every_port() {
    if !testkit::has_programs(&["swaks"]) {
        return;
    }
    let place = Place::with_people(&[ANA, BETO]);
    let served = place.serve(&format!("hostname = \"{HOST}\"\nmx.dmarc = \"off\"\n"));
    let sign_in = ["--auth", "PLAIN", "--auth-user", ANA, "--auth-password", PASSWORD];
    for (subject, server, from, with, more) in [
        ("swaks to MX", served.mx, EVA, "ESMTP", &["--pipeline"][..]),
        ("swaks to MX over TLS", served.mx, EVA, "ESMTPS", &["--tls"]),
        ("swaks to LMTP", served.lmtp, EVA, "LMTP", &["--protocol", "LMTP"]),
        ("swaks to submission", served.submission, ANA, "ESMTPSA", &[&["--tls"][..], &sign_in].concat()),
        ("swaks to submissions", served.submissions, ANA, "ESMTPSA", &[&["--tlsc"][..], &sign_in].concat()),
    ] {
        let mut swaks = Command::new("swaks");
        swaks.args(["--server", &server.to_string(), "--from", from, "--to", BETO]).args(more);
        succeeds(swaks.args(["--header", &format!("Subject: {subject}")]), "");
        came(&served, BETO, subject, from, with);
    }
    stop(served);
    place.is_sound();
}

#[test]
fn msmtp_sends_with_the_certificate_it_trusts_and_not_without() {
    if !testkit::has_programs(&["msmtp"]) {
        return;
    }
    let place = Place::with_people(&[ANA, BETO]);
    let served = place.serve(&format!("hostname = \"{HOST}\"\n"));
    let authority = place.data().join("tls/self-signed.crt");
    let configuration = |server: std::net::SocketAddr, starttls: &str, trust: &str| {
        let text = format!(
            "account default\nhost localhost\nport {}\nfrom {ANA}\nauth plain\nuser {ANA}\npassword \"{PASSWORD}\"\n\
             tls on\ntls_starttls {starttls}\n{trust}\n",
            server.port()
        );
        let path = place.write("msmtprc", &text);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    let trust = format!("tls_trust_file {}", authority.display());
    for (way, server, starttls) in [("submission", served.submission, "on"), ("submissions", served.submissions, "off")]
    {
        let subject = format!("msmtp to {way}");
        let text = format!("From: {ANA}\nTo: {BETO}\nBcc: {EVA}\nSubject: {subject}\n\n.dot\n");
        let mut msmtp = Command::new("msmtp");
        succeeds(msmtp.arg("-C").arg(configuration(server, starttls, &trust)).arg(BETO), &text);
        let text = came(&served, BETO, &subject, ANA, "ESMTPSA");
        assert!(text.ends_with("\r\n\r\n.dot\r\n") && !text.contains("Bcc"), "{text}");
        assert!(text.contains("\r\nDate: ") && text.contains("\r\nMessage-ID: <"), "what it lacks is added: {text}");
    }
    let mut distrustful = Command::new("msmtp");
    let ran = run(distrustful.arg("-C").arg(configuration(served.submissions, "off", "tls_fingerprint")).arg(BETO));
    let ran = ran.unwrap();
    assert!(ran.code() != Some(0) && ran.stderr.to_lowercase().contains("certificate"), "{}", ran.stderr);
    assert_eq!(mailbox(&served, BETO, "INBOX").len(), 2);
    stop(served);
    place.is_sound();
}

#[test]
fn smtp_source_and_postfix_bring_many() {
    if !testkit::has_programs(&["smtp-source"]) {
        return;
    }
    let place = Place::with_people(&[ANA, BETO]);
    let served = place.serve(&format!("hostname = \"{HOST}\"\nmx.dmarc = \"off\"\n"));
    for (way, server, options) in [("MX", served.mx, &[][..]), ("LMTP", served.lmtp, &["-L"])] {
        let mut source = Command::new("smtp-source");
        source.args(options).args(["-s", "4", "-m", "20", "-l", "4096", "-f", EVA, "-t", BETO]);
        succeeds(source.args(["-S", &format!("smtp-source to {way}"), &format!("inet:{server}")]), "");
        let holding = |text: &String| text.contains(&format!("Subject: smtp-source to {way}"));
        assert_eq!(mailbox(&served, BETO, "INBOX").iter().filter(|text| holding(text)).count(), 20);
    }
    if let Some(postfix) = Postfix::start(served.mx, "").unwrap() {
        let mut smtp = Smtp::relay(postfix.smtp);
        for number in 0..10 {
            smtp.takes(EVA, &[ANA, BETO], &letter(EVA, ANA, &format!("by Postfix, no. {number}")));
        }
        for person in [ANA, BETO] {
            for number in 0..10 {
                let text = arrives(&served, person, &format!("Subject: by Postfix, no. {number}\r\n"));
                assert!(text.contains("Received: from relay.example.net ([127.0.0.1])\r\n"), "{text}");
            }
        }
        assert_eq!(postfix.queued().unwrap(), 0, "{}", postfix.log());
    }
    stop(served);
    place.is_sound();
}

/// The Authentication-Results field of a message, unfolded.
fn results(text: &str) -> Vec<String> {
    let head = text.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ").replace("\r\n\t", " ");
    let fields = head.split("\r\n").filter(|field| field.starts_with("Authentication-Results: "));
    fields.map(str::to_owned).collect()
}

#[test]
fn what_mail_says_of_itself_is_verified() {
    let zones = Zones::new()
        .txt("good.example", "v=spf1 ip4:127.0.0.1 -all")
        .txt("_dmarc.good.example", "v=DMARC1; p=reject")
        .txt("strict.example", "v=spf1 -all")
        .txt("_dmarc.strict.example", "v=DMARC1; p=reject")
        .txt("doubtful.example", "v=spf1 -all")
        .txt("_dmarc.doubtful.example", "v=DMARC1; p=quarantine");
    let names = Names::serve(zones);
    let place = Place::with_people(&[ANA, BETO]);
    let served = place.serve(&format!("hostname = \"{HOST}\"\n{}", names.configuration()));
    let mut smtp = Smtp::relay(served.mx);

    // What claims to be found here already is no word of ours.
    let forged = format!("Authentication-Results: {HOST}; dmarc=pass (forged)\r\n");
    for (domain, subject) in [("good.example", "verified"), ("plain.example", "of nobody knows whom")] {
        let from = format!("maria@{domain}");
        smtp.takes(&from, &[ANA], &format!("{forged}{}", letter(&from, ANA, subject)));
    }
    let good = one(&served, ANA, "INBOX", "Subject: verified\r\n");
    let [found] = &results(&good)[..] else { panic!("one field is ours: {good}") };
    assert!(found.starts_with(&format!("Authentication-Results: {HOST};")), "{found}");
    assert!(found.contains("spf=pass") && found.contains("dmarc=pass") && !found.contains("forged"), "{found}");
    let plain = one(&served, ANA, "INBOX", "Subject: of nobody knows whom\r\n");
    let [found] = &results(&plain)[..] else { panic!("one field is ours: {plain}") };
    assert!(found.contains("spf=none") && found.contains("dmarc=none"), "{found}");

    let refused = smtp.bring("maria@strict.example", &[ANA], &letter("maria@strict.example", ANA, "a lie")).unwrap();
    assert!(refused.starts_with("550 5.7."), "{refused}");
    smtp.takes("maria@doubtful.example", &[ANA], &letter("maria@doubtful.example", ANA, "a doubt"));
    let doubt = one(&served, ANA, "Junk", "Subject: a doubt\r\n");
    assert!(results(&doubt)[0].contains("dmarc=fail"), "{doubt}");
    assert!(!mailbox(&served, ANA, "INBOX").iter().any(|text| text.contains("a lie") || text.contains("a doubt")));
    assert!(names.server.questions().iter().any(|(name, _)| name == "_dmarc.strict.example"));

    // Whoever is inside is believed.
    Smtp::lmtp(served.lmtp).takes("maria@strict.example", &[BETO], &letter("maria@strict.example", BETO, "inside"));
    assert_eq!(results(&one(&served, BETO, "INBOX", "Subject: inside\r\n")), Vec::<String>::new());
    stop(served);
    place.is_sound();
}

#[test]
fn names_that_cannot_be_had_put_off_their_own_mail_alone() {
    let domains = ["shaky.example", "silent.example", "good.example"];
    let zones = domains.iter().fold(Zones::new(), |zones, domain| {
        zones.txt(domain, "v=spf1 ip4:127.0.0.1 -all").txt(&format!("_dmarc.{domain}"), "v=DMARC1; p=reject")
    });
    let names = Names::serve(zones);
    names.server.fail("shaky.example", Failure::ServFail);
    names.server.fail("silent.example", Failure::Silent);
    let place = Place::with_people(&[ANA]);
    let served = place.serve(&format!("hostname = \"{HOST}\"\n{}", names.configuration()));
    let bring = |domain: &str| {
        let from = format!("maria@{domain}");
        Smtp::relay(served.mx).bring(&from, &[ANA], &letter(&from, ANA, &format!("of {domain}"))).unwrap()
    };
    std::thread::scope(|scope| {
        let silent = scope.spawn(|| bring("silent.example"));
        assert!(bring("good.example").starts_with("250"));
        let shaky = bring("shaky.example");
        assert!(shaky.starts_with("451 4.7.1"), "{shaky}");
        let silent = silent.join().unwrap();
        assert!(silent.starts_with("451 4.7.1"), "{silent}");
    });
    for domain in ["shaky.example", "silent.example"] {
        names.server.mend(domain);
        await_that(&format!("mail of {domain} is taken"), || bring(domain).starts_with("250"));
    }
    for domain in domains {
        assert!(results(&one(&served, ANA, "INBOX", &format!("Subject: of {domain}\r\n")))[0].contains("dmarc=pass"));
    }
    stop(served);
    place.is_sound();
}

#[test]
fn an_address_leads_to_whom_it_means_here_and_elsewhere() {
    if !Elsewhere::is_there() {
        return;
    }
    let place = Place::with_people(&[ANA, BETO, DORA]);
    place.alias("ventas@example.org", &[BETO, EVA]);
    place.alias("@example.org", &[ANA]);
    place.does(&["forward", "set", BETO, "--to", EVA, "--keep-copy"]);
    place.does(&["forward", "set", DORA, "--to", EVA]);
    let elsewhere = Elsewhere::start();
    let served = place.serve(&by_way_of(elsewhere.address));
    let mut smtp = Smtp::relay(served.mx);
    let mut brings = |to: &str, subject: &str| smtp.takes(CARLOS, &[to], &letter(CARLOS, to, subject));

    brings("ana+facturas@example.org", "to a subaddress");
    assert!(one(&served, ANA, "INBOX", "to a subaddress\r\n").contains("for <ana+facturas@example.org>;"));
    brings("quien.sea@example.org", "to anybody");
    assert!(one(&served, ANA, "INBOX", "to anybody\r\n").contains("Delivered-To: ana@example.org\r\n"));

    // What is sent on has a sender that SPF lets pass and that leads back here.
    let rewritten = |kept: &str| {
        let sender = kept.lines().find_map(|line| line.strip_prefix("X-Mail-Args: <")?.split('>').next());
        let sender = sender.unwrap_or_else(|| panic!("no sender: {kept}")).to_owned();
        assert!(sender.starts_with("SRS0=") && sender.ends_with(&format!("=carlos@{HOST}")), "{sender}");
        assert!(kept.contains(&format!("X-Rcpt-Args: <{EVA}>")), "{kept}");
        sender
    };
    brings(DORA, "sent on");
    let sender = rewritten(&elsewhere.gets("Subject: sent on\n"));
    assert_eq!(mailbox(&served, DORA, "INBOX"), Vec::<String>::new(), "no copy stays");
    brings(BETO, "sent on with a copy");
    let kept = elsewhere.gets("Subject: sent on with a copy\n");
    rewritten(&kept);
    assert!(kept.contains(&format!("\nDelivered-To: {BETO}\n")), "{kept}");
    one(&served, BETO, "INBOX", "sent on with a copy\r\n");
    brings("ventas@example.org", "to an alias");
    one(&served, BETO, "INBOX", "to an alias\r\n");
    await_that("Eva has it from the alias and from Beto", || {
        elsewhere.mail().iter().filter(|kept| kept.contains("Subject: to an alias\n")).count() == 2
    });

    // What cannot be delivered there finds back to who wrote it; what somebody made up goes nowhere.
    let report = "From: mailer-daemon@example.net\r\nSubject: undeliverable\r\n\r\nNo.\r\n";
    smtp.takes("", &[&sender], report);
    let back = elsewhere.gets("Subject: undeliverable\n");
    assert!(back.contains("X-Mail-Args: <>\n") && back.contains(&format!("X-Rcpt-Args: <{CARLOS}>\n")), "{back}");
    let forged = sender.replacen("SRS0=", "SRS0=A", 1);
    let refused = smtp.bring("", &[&forged], report).unwrap();
    assert!(refused.starts_with("550 5.1.1"), "{refused}");
    for stranger in [EVA, CARLOS] {
        let refused = smtp.bring(CARLOS, &[stranger], &letter(CARLOS, stranger, "through here")).unwrap();
        assert!(refused.starts_with("550 5.7.1"), "nobody's mail is passed through: {refused}");
    }
    stop(served);
    place.is_sound();
}

const SCRIPT: &str = r#"require ["fileinto", "mailbox", "imap4flags", "vacation", "reject", "copy", "subaddress", "envelope"];
if header :contains "Subject" "factura" {
  fileinto :create :flags "\\Flagged" "Facturas";
} elsif envelope :detail "to" "listas" {
  fileinto :create "Listas";
} elsif header :is "Subject" "propaganda" {
  reject "No, gracias.";
} elsif header :is "Subject" "basura" {
  discard;
} elsif header :is "Subject" "para Eva" {
  redirect "eva@example.net";
} elsif header :is "Subject" "para las dos" {
  redirect :copy "eva@example.net";
} elsif header :contains "Subject" "¿estás?" {
  vacation :days 3 :subject "No estoy" "Vuelvo el lunes.";
}
"#;

#[test]
fn a_script_decides() {
    if !Elsewhere::is_there() {
        return;
    }
    let place = Place::with_people(&[ANA]);
    place.script(ANA, SCRIPT);
    let elsewhere = Elsewhere::start();
    let served = place.serve(&by_way_of(elsewhere.address));
    let mut smtp = Smtp::relay(served.mx);
    let mut brings = |to: &str, subject: &str| smtp.bring(CARLOS, &[to], &letter(CARLOS, to, subject)).unwrap();

    assert!(brings(ANA, "su factura").starts_with("250"));
    let mailboxes = served.account(ANA, PASSWORD).unwrap();
    let facturas = mailboxes.iter().find(|mailbox| mailbox.name == "Facturas").unwrap();
    assert_eq!(facturas.messages[0].flags, ["\\Flagged"]);
    assert!(brings("ana+listas@example.org", "a la lista").starts_with("250"));
    one(&served, ANA, "Listas", "Subject: a la lista\r\n");
    let refused = brings(ANA, "propaganda");
    assert!(refused.starts_with("550") && refused.contains("No, gracias."), "{refused}");
    assert!(brings(ANA, "basura").starts_with("250"));
    assert!(brings(ANA, "para Eva").starts_with("250"));
    assert!(
        elsewhere
            .gets("Subject: para Eva\n")
            .contains(&format!("X-Rcpt-Args: <{EVA}> NOTIFY=FAILURE ORCPT=rfc822;{ANA}\n"))
    );
    assert!(brings(ANA, "para las dos").starts_with("250"));
    elsewhere.gets("Subject: para las dos\n");
    // RFC 5230 §4.2: nobody is answered twice in these days.
    for question in ["=?utf-8?q?=C2=BFest=C3=A1s=3F?=", "=?utf-8?q?Ana=2C_=C2=BFest=C3=A1s=3F?="] {
        assert!(brings(ANA, question).starts_with("250"));
    }
    let reply = elsewhere.gets("Vuelvo el lunes.");
    assert!(reply.contains("X-Mail-Args: <>\n") && reply.contains(&format!("X-Rcpt-Args: <{CARLOS}>")), "{reply}");
    assert!(reply.contains("\nSubject: No estoy\n") && reply.contains("\nAuto-Submitted: auto-replied"), "{reply}");

    let inbox = mailbox(&served, ANA, "INBOX");
    let has = |subject: &str| inbox.iter().any(|text| text.contains(&format!("Subject: {subject}\r\n")));
    assert!(inbox.len() == 3 && has("para las dos"), "and the two questions: {inbox:#?}");
    let log = stop(served);
    let tried: Vec<&str> = log.lines().filter(|line| line.contains("a message of the queue was tried")).collect();
    assert!(tried.len() >= 3 && tried.iter().all(|line| line.contains("relayed") && line.contains("250")), "{log}");
    assert!(!log.contains("a script failed"), "{log}");
    place.is_sound();
}
