//! Whether mail is what it says it is, and what is done about it.

use crate::world::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use directory::{DkimAlgorithm, NewDkimKey, Secret};
use dns::{Config, Dnssec, Resolver};
use provenance::{Asked, Options, Outcome, Policy, SigningKey, Verifier};
use smtp::{Provenance, Role};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use testkit::dns_server::{DnsServer, Failure, Zones};

/// A DNS server, and what lives as long as it.
struct Names {
    runtime: tokio::runtime::Runtime,
    server: DnsServer,
}

impl Names {
    fn new(zones: Zones) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = runtime.block_on(DnsServer::start(zones)).unwrap();
        Names { runtime, server }
    }

    fn verifier(&self) -> Verifier {
        let _inside = self.runtime.enter();
        Verifier::new(
            Resolver::new(&Config::new(vec![self.server.address()], Dnssec::Off)).unwrap(),
            Options::default(),
        )
    }
}

fn zones() -> Zones {
    Zones::new()
        .txt("good.example.", "v=spf1 ip4:127.0.0.1 -all")
        .txt("_dmarc.good.example.", "v=DMARC1; p=reject")
        .txt("strict.example.", "v=spf1 -all")
        .txt("_dmarc.strict.example.", "v=DMARC1; p=reject")
        .txt("aside.example.", "v=spf1 -all")
        .txt("_dmarc.aside.example.", "v=DMARC1; p=quarantine")
        .txt("_dmarc.undecided.example.", "v=DMARC1; p=reject")
}

/// A key of example.org's own, and the record that would be published.
fn add_key(world: &World) -> String {
    let der = provenance::generate_ed25519().unwrap();
    let record = SigningKey::from_pkcs8(&der).unwrap().dns_record();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der));
    world.change(|tx| {
        let key = NewDkimKey {
            domain: "example.org".into(),
            selector: "s1".into(),
            algorithm: DkimAlgorithm::Ed25519Sha256,
            private_key: Secret::new(pem),
            public_record: record.clone(),
        };
        tx.add_dkim_key(&key, "test")?;
        tx.activate_dkim_key("example.org", "s1", "test").map(drop)
    });
    record
}

fn text(domain: &str) -> String {
    format!(
        "Authentication-Results: mail.example.org; dmarc=pass header.from={domain}\nAuthentication-Results: other.example; none\n\
         Received: by x; now\nFrom: a@{domain}\nSubject: {domain}\n\ntext\n"
    )
}

#[test]
fn what_a_domain_asks_for_is_done() {
    let names = Names::new(zones());
    names.server.fail("undecided.example.", Failure::ServFail);
    let provenance = Arc::new(Provenance::new(names.verifier(), Policy::default()));
    let world = World::queueing(Role::Mx, |settings| settings.provenance = Some(provenance.clone()));
    add_key(&world);
    let mut client = world.hello();
    let mut send = |domain: &str| client.mail(&format!("a@{domain}"), &[ANA], &text(domain));

    assert!(send("good.example").starts_with("250"));
    let message = &world.inbox(ANA)[0];
    let ours = message.split("Authentication-Results: mail.example.org").collect::<Vec<_>>();
    assert_eq!(ours.len(), 2, "ours alone is in our name: {message}");
    assert!(ours[1].contains("spf=pass") && ours[1].contains("dmarc=pass"), "{message}");
    assert!(message.contains("Authentication-Results: other.example; none\r\n"));

    assert!(send("strict.example").starts_with("550 5.7.1"));
    assert!(send("undecided.example").starts_with("451 4.7.1"));
    assert!(send("aside.example").starts_with("250"));
    assert_eq!((world.inbox(ANA).len(), world.mailbox(ANA, "Junk").len()), (1, 1));

    // What is unwanted is filed at most.
    world.script(
        ANA,
        "require [\"reject\", \"fileinto\", \"mailbox\"]; if header :contains \"subject\" \"aside\" \
         { redirect \"out@other.example\"; } else { redirect \"out@other.example\"; }",
    );
    let again = format!("X-Other: 1\n{}", text("aside.example"));
    assert!(world.hello().mail("a@aside.example", &[ANA], &again).starts_with("250"));
    assert_eq!((world.queued().len(), world.mailbox(ANA, "Junk").len()), (0, 2));

    // What is sent on bears what was found, sealed.
    assert!(
        world
            .hello()
            .mail("a@good.example", &[ANA], &format!("X-Other: 1\n{}", text("good.example")))
            .starts_with("250")
    );
    let sent_on = &world.queued()[0].text;
    assert!(sent_on.starts_with("ARC-Seal: ") && sent_on.contains("d=example.org"), "{sent_on}");
    assert!(sent_on.contains("dmarc=pass"));

    let spool = world.spool();
    provenance.flush(world.queue());
    let day = jiff::Timestamp::now().as_second() / 86_400;
    let counted = spool.dmarc_outcomes(day).unwrap();
    let mut counts: Vec<_> = counted
        .iter()
        .map(|outcome| (&outcome.domain[..], format!("{:?}", outcome.disposition), outcome.count))
        .collect();
    counts.sort();
    assert_eq!(
        counts,
        [
            ("aside.example", "Quarantine".to_owned(), 2),
            ("good.example", "None".to_owned(), 2),
            ("strict.example", "Reject".to_owned(), 1)
        ]
    );
    world.finish();
}

/// A first line of white space would be a part of the last field that is put above it.
#[test]
fn nothing_is_added_to_what_was_found() {
    let names = Names::new(zones());
    let provenance = Arc::new(Provenance::new(names.verifier(), Policy::default()));
    let world = World::queueing(Role::Mx, |settings| settings.provenance = Some(provenance.clone()));
    let lines = " ; dmarc=pass header.from=bank.example\n\tspf=pass\nFrom: a@bank.example\n";
    assert!(world.hello().mail("a@none.example", &[ANA], &format!("{lines}Subject: a\n\ntext\n")).starts_with("250"));
    // What comes behind is none of its header, so it has no author, as unwanted mail may have none.
    let (message, _) = &world.mailbox(ANA, "Junk")[0];
    let ours = message::header::find(message.as_bytes(), "Authentication-Results").unwrap();
    let ours = String::from_utf8(ours.value().into_owned()).unwrap();
    assert!(ours.starts_with("mail.example.org;") && !ours.contains("bank") && !ours.contains("=pass"), "{ours}");
    // Nothing of it is lost.
    assert!(message.ends_with(&format!("\n\n{lines}Subject: a\n\ntext\n").replace('\n', "\r\n")), "{message}");
    world.finish();
}

#[test]
fn what_people_here_send_is_signed_by_their_domain() {
    let world = World::queueing(Role::Submission, |_| {});
    let record = add_key(&world);
    let mut client = world.client();
    client.is("EHLO [192.0.2.1]", "250");
    client.is(&format!("AUTH PLAIN {}", STANDARD.encode(format!("\0{ANA}\0{PASSWORD}"))), "235");
    client.is(&format!("MAIL FROM:<{ANA}>"), "250");
    client.is("RCPT TO:<a@other.example>", "250");
    client.is("DATA", "354");
    client.send(format!("From: {ANA}\r\nSubject: a\r\n\r\ntext\r\n.\r\n"));
    client.says("250");
    let sent = &world.queued()[0].text;
    let names = Names::new(Zones::new().txt("s1._domainkey.example.org.", &record));
    let asked = Asked {
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        helo: "mail.example.org",
        reverse_path: ANA,
        hostname: "mx.other.example",
        message: sent.as_bytes(),
    };
    let verifier = names.verifier();
    let findings = names.runtime.block_on(verifier.verify(&asked));
    assert_eq!(findings.dkim.len(), 1, "{sent}");
    assert_eq!((findings.dkim[0].outcome, &findings.dkim[0].domain[..]), (Outcome::Pass, "example.org"), "{sent}");
    world.finish();
}
