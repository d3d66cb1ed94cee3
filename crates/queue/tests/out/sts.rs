//! MTA-STS (RFC 8461).

use crate::names::Names;
use crate::server::{Script, Server};
use crate::world::{Authority, Heard, deliver, job, job_with, roots, with_resolver, words};
use dns::Resolver;
use queue::{KeptPolicies, MemoryPolicies, OutgoingSettings, PolicyStore, Queue, QueueSettings, StoredPolicy};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use store::OpenOptions;
use store::spool::{Spool, TlsFailure, TlsPolicy};
use testkit::web::Web;

fn ok(policy: &str) -> String {
    let length = policy.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\r\n{policy}")
}

fn policy(mode: &str) -> String {
    format!("version: STSv1\nmode: {mode}\nmx: mx.example.net\nmax_age: 86400\n")
}

/// `example.net` with a mail server, a policy, and an authority that everybody believes.
struct World {
    authority: Authority,
    web: Web,
    heard: Arc<Heard>,
}

impl World {
    async fn new(answer: String) -> World {
        let authority = Authority::new();
        let web = Web::start_at(
            SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            authority.certify(&["mta-sts.example.net"]).server,
            answer,
        )
        .await;
        World { authority, web, heard: Arc::default() }
    }

    fn names() -> Names {
        Names::default().mx("example.net", 10, "mx.example.net").address("mx.example.net", "127.0.0.1")
    }

    fn published() -> Names {
        World::names().txt("_mta-sts.example.net", "v=STSv1; id=20261122;").address("mta-sts.example.net", "127.0.0.1")
    }

    async fn settings(&self, server: &Server, names: Names) -> OutgoingSettings {
        self.settings_with(server, names.start().await)
    }

    fn settings_with(&self, server: &Server, resolver: Resolver) -> OutgoingSettings {
        let mut settings = with_resolver(server.address.port(), resolver);
        settings.https_port = self.web.address.port();
        settings.roots = roots(&self.authority);
        settings.tls_recorder = Some(Arc::clone(&self.heard) as _);
        settings
    }

    /// What came of a delivery: the verdict, the messages that the server has, and what was reported last.
    async fn deliver(&self, script: Script) -> (String, usize, Option<TlsFailure>) {
        let server = Server::start(script).await;
        let settings = self.settings(&server, World::published()).await;
        let verdicts = deliver(settings, job("example.net", &["a@example.net"])).await;
        let last = self.heard.all().pop().and_then(|outcome| outcome.failure);
        (words(&verdicts).remove(0), server.seen().messages.len(), last)
    }
}

#[tokio::test]
async fn a_server_that_conforms_gets_the_mail() {
    for mode in ["enforce", "testing"] {
        let world = World::new(ok(&policy(mode))).await;
        let good = world.authority.certify(&["mx.example.net"]);
        let outcome = world.deliver(Script::default().starttls(good.server)).await;
        assert_eq!(outcome, ("relayed 2.0.0".to_owned(), 1, None));
        let heard = world.heard.all().pop().unwrap();
        assert_eq!((heard.policy, heard.mx.as_deref()), (TlsPolicy::Sts, Some("mx.example.net")));
        assert_eq!(heard.policy_text, policy(mode).lines().collect::<Vec<_>>());
        let request = world.web.requests().to_ascii_lowercase();
        assert!(request.starts_with("get /.well-known/mta-sts.txt http/1.1\r\n"), "{request}");
        assert!(request.contains("host: mta-sts.example.net\r\n"), "{request}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_conform_gets_it_in_tests_only() {
    let world = World::new(ok(&policy("enforce"))).await;
    let tested = World::new(ok(&policy("testing"))).await;
    let old = |params: &mut rcgen::CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    };
    let scripts = |authority: &Authority| {
        [
            (Script::default(), TlsFailure::StarttlsNotSupported),
            (
                Script::default().starttls(authority.certify(&["other.example.net"]).server),
                TlsFailure::CertificateHostMismatch,
            ),
            (
                Script::default().starttls(authority.certify_with(&["mx.example.net"], old).server),
                TlsFailure::CertificateExpired,
            ),
            (
                Script::default().starttls(Authority::new().certify(&["mx.example.net"]).server),
                TlsFailure::CertificateNotTrusted,
            ),
            (Script::with(&["STARTTLS"]), TlsFailure::ValidationFailure),
        ]
    };
    for (script, failure) in scripts(&world.authority) {
        assert_eq!(world.deliver(script).await, ("later 4.7.5".to_owned(), 0, Some(failure)));
    }
    for (script, failure) in scripts(&tested.authority) {
        assert_eq!(tested.deliver(script).await, ("relayed 2.0.0".to_owned(), 1, Some(failure)));
    }
}

#[tokio::test]
async fn a_host_that_is_not_listed_gets_it_in_tests_only() {
    for (mode, verdict, messages) in [("enforce", "later 4.7.5", 0), ("testing", "relayed 2.0.0", 1)] {
        let policy = policy(mode).replace("mx.example.net", "*.mail.example.net");
        let world = World::new(ok(&policy)).await;
        let good = world.authority.certify(&["mx.example.net"]);
        let server = Server::start(Script::default().starttls(good.server)).await;
        let settings = world.settings(&server, World::published()).await;
        let verdicts = deliver(settings, job("example.net", &["a@example.net"])).await;
        assert_eq!((words(&verdicts), server.seen().messages.len()), (vec![verdict.to_owned()], messages));
        assert_eq!(server.seen().connections, messages);
        let reported = |outcome: &store::spool::TlsOutcome| {
            outcome.policy == TlsPolicy::Sts && outcome.failure == Some(TlsFailure::ValidationFailure)
        };
        assert!(world.heard.all().iter().any(reported));
    }
}

#[tokio::test]
async fn a_policy_of_none_asks_for_nothing() {
    let world = World::new(ok("version: STSv1\nmode: none\nmax_age: 1\n")).await;
    let outcome = world.deliver(Script::default()).await;
    assert_eq!(outcome, ("relayed 2.0.0".to_owned(), 1, None));
    assert_eq!(world.heard.all().pop().unwrap().policy, TlsPolicy::NoPolicyFound);
}

#[tokio::test]
async fn a_policy_is_fetched_once_and_holds_when_it_is_hidden() {
    let world = World::new(ok(&policy("enforce"))).await;
    let good = world.authority.certify(&["mx.example.net"]);
    let server = Server::start(Script::default().starttls(good.server)).await;
    let policies = Arc::new(MemoryPolicies::default());
    for _ in 0..2 {
        let mut settings = world.settings(&server, World::published()).await;
        settings.policies = Arc::clone(&policies) as _;
        let verdicts = deliver(settings, job("example.net", &["a@example.net"])).await;
        assert_eq!(words(&verdicts), ["relayed 2.0.0"]);
    }
    assert_eq!(world.web.asked(), 1);
    // An attacker takes the record away and stands in for the server: the policy outlives both.
    let attacker = Server::start(Script::default()).await;
    for names in [World::names(), World::names().servfail("_mta-sts.example.net")] {
        let mut settings = world.settings(&attacker, names).await;
        settings.policies = Arc::clone(&policies) as _;
        let verdicts = deliver(settings, job("example.net", &["a@example.net"])).await;
        assert_eq!(words(&verdicts), ["later 4.7.5"]);
    }
    assert!(attacker.seen().messages.is_empty());
}

#[tokio::test]
async fn a_policy_that_was_kept_holds_after_a_restart() {
    let world = World::new(ok(&policy("enforce"))).await;
    let good = world.authority.certify(&["mx.example.net"]);
    let server = Server::start(Script::default().starttls(good.server)).await;
    let directory = tempfile::tempdir().unwrap();
    let open = || {
        let spool = Spool::open(directory.path(), OpenOptions::for_purpose("a test")).unwrap();
        let queue = Queue::new(Arc::new(spool), QueueSettings::new("out.example.org".to_owned()));
        let policies = Arc::new(KeptPolicies::load(&queue).unwrap());
        (queue, policies)
    };
    let (queue, policies) = open();
    let mut settings = world.settings(&server, World::published()).await;
    settings.policies = Arc::clone(&policies) as _;
    assert_eq!(words(&deliver(settings, job("example.net", &["a@example.net"])).await), ["relayed 2.0.0"]);
    policies.write(&queue).unwrap();
    drop((queue, policies));

    let (_queue, policies) = open();
    // An attacker publishes another one, keeps us from fetching it, and stands in for the server.
    let attacker = Server::start(Script::default()).await;
    let names = World::names().txt("_mta-sts.example.net", "v=STSv1; id=1;").servfail("mta-sts.example.net");
    let mut settings = world.settings(&attacker, names).await;
    settings.policies = policies as _;
    assert_eq!(words(&deliver(settings, job("example.net", &["a@example.net"])).await), ["later 4.7.5"]);
    assert_eq!((attacker.seen().messages.len(), world.web.asked()), (0, 1));
}

#[tokio::test]
async fn a_policy_whose_time_is_over_is_fetched_again_or_does_not_hold() {
    let world = World::new(ok(&policy("enforce"))).await;
    let now_s = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let policies = Arc::new(MemoryPolicies::default());
    let keep = |age_s| {
        let stored = StoredPolicy { id: "20261122".to_owned(), text: policy("enforce"), fetched_s: now_s - age_s };
        policies.put("example.net", Arc::new(stored));
    };
    let plain = Server::start(Script::default()).await;
    let outcome = async |names| {
        let mut settings = world.settings(&plain, names).await;
        settings.policies = Arc::clone(&policies) as _;
        words(&deliver(settings, job("example.net", &["a@example.net"])).await).remove(0)
    };
    // In its last hour it is not asked for.
    keep(86_400 - 3_600);
    assert_eq!((outcome(World::published()).await.as_str(), world.web.asked()), ("later 4.7.5", 0));
    keep(86_401);
    assert_eq!((outcome(World::published()).await.as_str(), world.web.asked()), ("later 4.7.5", 1));
    assert!(policies.get("example.net").unwrap().fetched_s >= now_s);
    // And when it is published no more, that is its end.
    keep(86_401);
    assert_eq!((outcome(World::names()).await.as_str(), world.web.asked()), ("relayed 2.0.0", 1));
}

/// RFC 8461 §2: DANE is not overridden, whether it is for a server or against it.
#[tokio::test]
async fn dane_outweighs_a_policy_that_says_otherwise() {
    let stranger = Authority::new();
    let other = policy("enforce").replace("mx.example.net", "*.mail.example.net");
    for (known, matching, policy, expected) in
        [(false, true, other, ("relayed 2.0.0", 1)), (true, false, policy("enforce"), ("later 4.7.5", 0))]
    {
        let world = World::new(ok(&policy)).await;
        let certifying = if known { &world.authority } else { &stranger };
        let certified = certifying.certify(&["mx.example.net"]);
        let server = Server::start(Script::default().starttls(Arc::clone(&certified.server))).await;
        let named: &[u8] = if matching { &certified.der } else { b"another certificate" };
        let names = World::published().tlsa("mx.example.net", server.address.port(), (3, 0, 0), named);
        let settings = world.settings_with(&server, names.start_signed().await);
        let verdicts = deliver(settings, job("example.net", &["a@example.net"])).await;
        assert_eq!((words(&verdicts)[0].as_str(), server.seen().messages.len()), expected);
        let heard = world.heard.all().pop().unwrap();
        assert_eq!((heard.policy, world.web.asked()), (TlsPolicy::Tlsa, 1));
    }
}

#[tokio::test]
async fn a_policy_counts_where_no_tlsa_record_can_be_used() {
    for (mode, expected) in
        [("enforce", ("later 4.7.5", TlsPolicy::Sts)), ("testing", ("relayed 2.0.0", TlsPolicy::Tlsa))]
    {
        let world = World::new(ok(&policy(mode))).await;
        let stranger = Authority::new().certify(&["mx.example.net"]);
        let server = Server::start(Script::default().starttls(Arc::clone(&stranger.server))).await;
        // For a public authority, which is not used with SMTP.
        let names = World::published().tlsa("mx.example.net", server.address.port(), (1, 0, 0), &stranger.der);
        let settings = world.settings_with(&server, names.start_signed().await);
        let verdicts = deliver(settings, job("example.net", &["a@example.net"])).await;
        assert_eq!((words(&verdicts)[0].as_str(), world.heard.all().pop().unwrap().policy), expected);
    }
}

#[tokio::test]
async fn a_policy_that_cannot_be_had_is_reported_and_not_asked_for_again_at_once() {
    let body = policy("enforce");
    let huge = format!("{body}{}", "x: y\n".repeat(100_000));
    for (answer, failure) in [
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(), TlsFailure::StsPolicyFetchError),
        (
            "HTTP/1.1 301 Moved\r\nLocation: https://mta-sts.example.net/x\r\nContent-Length: 0\r\n\r\n".to_owned(),
            TlsFailure::StsPolicyFetchError,
        ),
        (ok(&body).replace("text/plain", "text/html"), TlsFailure::StsPolicyFetchError),
        (ok(&huge), TlsFailure::StsPolicyFetchError),
        (ok(&body).replace("Content-Length: ", "Content-Length: 1"), TlsFailure::StsPolicyFetchError),
        ("rubbish\r\n\r\n".to_owned(), TlsFailure::StsPolicyFetchError),
        (ok(&body.replace("enforce", "always")), TlsFailure::StsPolicyInvalid),
    ] {
        let world = World::new(answer.clone()).await;
        let server = Server::start(Script::default()).await;
        let outgoing = queue::Outgoing::new(world.settings(&server, World::published()).await).unwrap();
        for _ in 0..2 {
            let verdicts = queue::Deliver::deliver(&outgoing, job("example.net", &["a@example.net"])).await;
            assert_eq!(words(&verdicts), ["relayed 2.0.0"]);
        }
        assert_eq!(world.web.asked(), 1);
        let heard = world.heard.all();
        assert_eq!((heard[0].policy, heard[0].failure), (TlsPolicy::Sts, Some(failure)), "{answer:.60}");
    }
}

#[tokio::test]
async fn a_policy_from_a_stranger_does_not_count() {
    let mut world = World::new(ok(&policy("enforce"))).await;
    world.web = Web::start_at(
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        Authority::new().certify(&["mta-sts.example.net"]).server,
        ok(&policy("enforce")),
    )
    .await;
    let outcome = world.deliver(Script::default()).await;
    assert_eq!((outcome.0.as_str(), outcome.1), ("relayed 2.0.0", 1));
    assert_eq!(world.heard.all()[0].failure, Some(TlsFailure::StsWebpkiInvalid));
}

#[tokio::test]
async fn a_sender_may_put_arrival_before_secrecy() {
    let world = World::new(ok(&policy("enforce"))).await;
    let server = Server::start(Script::default()).await;
    let mut job = job("example.net", &["a@example.net"]);
    job.message = Arc::new(b"tls-required: NO \r\nSubject: the certificate has expired\r\n\r\n".to_vec());
    let verdicts = deliver(world.settings(&server, World::published()).await, job).await;
    assert_eq!(words(&verdicts), ["relayed 2.0.0"]);
}

#[tokio::test]
async fn a_policy_vouches_for_tls_all_the_way() {
    let world = World::new(ok(&policy("testing"))).await;
    let good = world.authority.certify(&["mx.example.net"]);
    let server = Server::start(Script::with(&["REQUIRETLS"]).starttls(good.server)).await;
    let wanted = || job_with("example.net", &["a@example.net"], |envelope| envelope.require_tls = true);
    let verdicts = deliver(world.settings(&server, World::published()).await, wanted()).await;
    assert_eq!(words(&verdicts), ["relayed 2.0.0"]);
    assert!(server.envelope().iter().any(|line| line == "MAIL FROM:<ana@example.org> REQUIRETLS"));
    let stranger = Authority::new().certify(&["mx.example.net"]);
    let server = Server::start(Script::with(&["REQUIRETLS"]).starttls(stranger.server)).await;
    let verdicts = deliver(world.settings(&server, World::published()).await, wanted()).await;
    assert_eq!(words(&verdicts), ["later 4.7.5"]);
    let addresses = SocketAddr::from((Ipv4Addr::LOCALHOST, server.address.port()));
    assert_eq!((server.address, server.seen().messages.len()), (addresses, 0));
}
