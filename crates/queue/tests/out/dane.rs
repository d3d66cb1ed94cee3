//! DANE for SMTP (RFC 7672), in a zone that is signed.

use crate::names::Names;
use crate::server::{Script, Server};
use crate::world::{Authority, Certified, Heard, MESSAGE, deliver, job, job_with, roots, with_resolver, words};
use edge::{Blocking, Shutdown, Stop};
use queue::{Deliver, Outgoing, OutgoingSettings, Queue, QueueSettings, Routes};
use ring::digest::{SHA256, digest};
use std::sync::Arc;
use std::time::Duration;
use store::OpenOptions;
use store::spool::{Purpose, QueueId, Recipient, Spool, State, TlsFailure, TlsPolicy};
use tokio::task::JoinSet;
use tokio::time::sleep;

const HOST: &str = "mx.example.net";

fn names() -> Names {
    Names::default().mx("example.net", 10, HOST).address(HOST, "127.0.0.1")
}

/// A record for a whole certificate.
fn tlsa(names: Names, server: &Server, usage: u8, certificate: &[u8]) -> Names {
    names.tlsa(HOST, server.address.port(), (usage, 0, 1), digest(&SHA256, certificate).as_ref())
}

/// What came of a delivery: the verdict, the messages that the server has, and what was reported last.
async fn outcome(server: &Server, names: Names, secure: bool) -> (String, usize, TlsPolicy, Option<TlsFailure>) {
    let resolver = if secure { names.start_signed().await } else { names.start().await };
    let mut settings = with_resolver(server.address.port(), resolver);
    let heard = Arc::new(Heard::default());
    settings.tls_recorder = Some(Arc::clone(&heard) as _);
    let verdicts = deliver(settings, job("example.net", &["a@example.net"])).await;
    let last = heard.all().pop().unwrap();
    (words(&verdicts).remove(0), server.seen().messages.len(), last.policy, last.failure)
}

async fn serving(certified: &Certified) -> Server {
    Server::start(Script::default().starttls(Arc::clone(&certified.server))).await
}

#[tokio::test]
async fn a_certificate_that_a_record_names_is_good() {
    let authority = Authority::new();
    let certified = authority.certify(&["whatever.example"]);
    let server = serving(&certified).await;
    let relayed = ("relayed 2.0.0".to_owned(), 1, TlsPolicy::Tlsa, None);
    assert_eq!(outcome(&server, tlsa(names(), &server, 3, &certified.der), true).await, relayed);
    let certified = authority.certify(&[HOST]);
    let server = serving(&certified).await;
    assert_eq!(outcome(&server, tlsa(names(), &server, 2, &authority.der()), true).await, relayed);
}

#[tokio::test]
async fn a_certificate_that_no_record_names_is_not() {
    let (authority, other) = (Authority::new(), Authority::new());
    let certified = authority.certify(&["elsewhere.example"]);
    for (usage, record, failure) in [
        (3, other.certify(&[HOST]).der, TlsFailure::ValidationFailure),
        (2, other.der(), TlsFailure::ValidationFailure),
        (2, authority.der(), TlsFailure::CertificateHostMismatch),
    ] {
        let server = serving(&certified).await;
        let names = tlsa(names(), &server, usage, &record);
        let expected = ("later 4.7.5".to_owned(), 0, TlsPolicy::Tlsa, Some(failure));
        assert_eq!(outcome(&server, names, true).await, expected);
    }
}

#[tokio::test]
async fn a_record_demands_tls_even_if_it_cannot_be_used() {
    let certified = Authority::new().certify(&["whatever.example"]);
    let server = serving(&certified).await;
    let names_of = |server: &Server| tlsa(names(), server, 1, &certified.der);
    let relayed = ("relayed 2.0.0".to_owned(), 1, TlsPolicy::Tlsa, None);
    assert_eq!(outcome(&server, names_of(&server), true).await, relayed);
    let plain = Server::start(Script::default()).await;
    let failure = Some(TlsFailure::StarttlsNotSupported);
    let later = ("later 4.7.5".to_owned(), 0, TlsPolicy::Tlsa, failure);
    assert_eq!(outcome(&plain, names_of(&plain), true).await, later);
}

#[tokio::test]
async fn a_record_that_nobody_vouches_for_does_not_count() {
    let certified = Authority::new().certify(&["whatever.example"]);
    let server = serving(&certified).await;
    let names = tlsa(names(), &server, 3, b"another certificate");
    let relayed = ("relayed 2.0.0".to_owned(), 1, TlsPolicy::NoPolicyFound, None);
    assert_eq!(outcome(&server, names, false).await, relayed);
}

#[tokio::test]
async fn without_records_nothing_is_demanded() {
    let server = Server::start(Script::default()).await;
    let relayed = ("relayed 2.0.0".to_owned(), 1, TlsPolicy::NoPolicyFound, None);
    assert_eq!(outcome(&server, names(), true).await, relayed);
}

#[tokio::test]
async fn records_that_cannot_be_had_are_waited_for() {
    let server = Server::start(Script::default()).await;
    let names = names().servfail(&format!("_{}._tcp.{HOST}", server.address.port()));
    let (verdict, messages, policy, failure) = outcome(&server, names, true).await;
    assert!(verdict.starts_with("later 4."), "{verdict}");
    assert_eq!((messages, policy, failure), (0, TlsPolicy::Tlsa, Some(TlsFailure::DnssecInvalid)));
    assert_eq!(server.seen().connections, 0);
}

#[tokio::test]
async fn records_stand_at_the_end_of_aliases_or_at_the_name() {
    let certified = Authority::new().certify(&["whatever.example"]);
    for owner in ["alias.example.net", HOST] {
        let server = serving(&certified).await;
        let names = Names::default().mx("example.net", 10, "alias.example.net");
        let names = names.cname("alias.example.net", HOST).address(HOST, "127.0.0.1");
        let data = digest(&SHA256, b"another certificate");
        let names = names.tlsa(owner, server.address.port(), (3, 0, 1), data.as_ref());
        let later = ("later 4.7.5".to_owned(), 0, TlsPolicy::Tlsa, Some(TlsFailure::ValidationFailure));
        assert_eq!(outcome(&server, names, true).await, later, "{owner}");
    }
}

#[tokio::test]
async fn a_record_vouches_for_tls_all_the_way() {
    let certified = Authority::new().certify(&["whatever.example"]);
    let server = Server::start(Script::with(&["REQUIRETLS"]).starttls(Arc::clone(&certified.server))).await;
    let names = tlsa(names(), &server, 3, &certified.der);
    let settings = with_resolver(server.address.port(), names.start_signed().await);
    let wanted = job_with("example.net", &["a@example.net"], |envelope| envelope.require_tls = true);
    assert_eq!(words(&deliver(settings, wanted).await), ["relayed 2.0.0"]);
    assert!(server.envelope().iter().any(|line| line == "MAIL FROM:<ana@example.org> REQUIRETLS"));
}

/// RFC 8689 §4.2.1: DNSSEC vouches for the way to the host, and an authority for the host.
#[tokio::test]
async fn where_no_record_can_be_used_an_authority_vouches_for_tls_all_the_way() {
    let authority = Authority::new();
    for (certifying, host, expected) in [
        (&authority, HOST, "relayed 2.0.0"),
        (&authority, "elsewhere.example", "later 4.7.5"),
        (&Authority::new(), HOST, "later 4.7.5"),
    ] {
        let certified = certifying.certify(&[host]);
        let server = Server::start(Script::with(&["REQUIRETLS"]).starttls(Arc::clone(&certified.server))).await;
        let names = tlsa(names(), &server, 1, &certified.der);
        let mut settings = with_resolver(server.address.port(), names.start_signed().await);
        settings.roots = roots(&authority);
        let wanted = job_with("example.net", &["a@example.net"], |envelope| envelope.require_tls = true);
        assert_eq!(words(&deliver(settings, wanted).await), [expected]);
    }
}

/// The whole way through the queue: what DNSSEC disproves is not believed, nobody is connected to, and the mail waits.
#[tokio::test]
async fn mail_waits_while_names_are_forged() {
    let server = Server::start(Script::default()).await;
    let with_record = || tlsa(names(), &server, 3, b"a certificate");
    let tlsa_name = format!("_{}._tcp.{HOST}", server.address.port());
    for forged in ["example.net", HOST, &tlsa_name] {
        let settings = with_resolver(server.address.port(), with_record().unsigned(forged).start_signed().await);
        let recipient = Queued::start(settings).await.tried().await;
        assert_eq!((recipient.state, recipient.attempts), (State::Waiting, 1), "{forged}");
        assert!(recipient.last.is_some_and(|said| said.contains("4.7.5")), "{forged}");
    }
    assert_eq!(server.seen().connections, 0);
    // The same names, unforged, lead to the server.
    let settings = with_resolver(server.address.port(), names().start_signed().await);
    Queued::start(settings).await.delivered().await;
    assert_eq!(server.seen().messages.len(), 1);
}

/// A running queue with one message for `a@example.net`.
struct Queued {
    queue: Arc<Queue>,
    id: QueueId,
    _running: JoinSet<()>,
    _stop: Stop,
    _directory: tempfile::TempDir,
}

impl Queued {
    async fn start(settings: OutgoingSettings) -> Queued {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::open(directory.path(), OpenOptions::for_purpose("a test")).unwrap();
        let queue = Queue::new(Arc::new(spool), QueueSettings::new("out.example.org".to_owned()));
        let envelope = queue.envelope(Purpose::Submission, "ana@example.org");
        let recipients = vec![queue::recipient("a@example.net").unwrap()];
        let id = queue.put(vec![Queue::mail(None, envelope, recipients, MESSAGE.as_bytes())]).unwrap()[0];
        let out: Arc<dyn Deliver> = Arc::new(Outgoing::new(settings).unwrap());
        let routes = Routes { is_local: Arc::new(|_| false), local: Arc::clone(&out), out };
        let (stop, shutdown) = Shutdown::channel();
        let mut running = JoinSet::new();
        running.spawn(Arc::clone(&queue).run(Blocking::default(), routes, shutdown));
        Queued { queue, id, _running: running, _stop: stop, _directory: directory }
    }

    fn recipient(&self) -> Option<Recipient> {
        self.queue.spool().message(self.id).unwrap().map(|(_, mut recipients)| recipients.remove(0))
    }

    /// The recipient after its first try.
    async fn tried(&self) -> Recipient {
        loop {
            let recipient = self.recipient().unwrap();
            if recipient.attempts > 0 {
                return recipient;
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn delivered(&self) {
        while self.recipient().is_some() {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn a_sender_may_put_arrival_before_secrecy() {
    let server = Server::start(Script::default()).await;
    let names = tlsa(names(), &server, 3, b"another certificate");
    let settings = with_resolver(server.address.port(), names.start_signed().await);
    let mut job = job("example.net", &["a@example.net"]);
    job.message = Arc::new(b"TLS-Required: No\r\n\r\n".to_vec());
    assert_eq!(words(&deliver(settings, job).await), ["relayed 2.0.0"]);
}
