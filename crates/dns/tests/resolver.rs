//! The resolver against a server that answers, fails, lies and hangs.

#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use dns::{Answer, Config, ConfigError, Dnssec, Error, MailHosts, Mx, Resolver, Tlsa};
use testkit::dns_server::{DnsServer, Failure, Zones};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn mx(preference: u16, host: &str) -> Mx {
    Mx { preference, host: host.to_owned() }
}

/// An impatient resolver: what does not answer on loopback within a second will not.
fn resolver(server: &DnsServer, dnssec: Dnssec) -> Resolver {
    let mut config = Config::new(vec![server.address()], dnssec);
    config.try_timeout = Duration::from_millis(500);
    config.deadline = Duration::from_secs(3);
    Resolver::new(&config).unwrap()
}

async fn start(zones: Zones) -> (DnsServer, Resolver) {
    let server = DnsServer::start(zones).await.unwrap();
    let resolver = resolver(&server, Dnssec::Off);
    (server, resolver)
}

async fn start_signed(zones: Zones) -> (DnsServer, Resolver) {
    let server = DnsServer::start(zones.signed()).await.unwrap();
    let anchor = server.trust_anchor().unwrap().to_owned();
    let resolver = resolver(&server, Dnssec::ValidateFrom(anchor));
    (server, resolver)
}

#[tokio::test]
async fn mail_hosts_are_listed_implicit_or_none() {
    let zones = Zones::new()
        .mx("example.test", 20, "backup.example.test")
        .mx("example.test", 10, "MX.example.test")
        .address("implicit.test", ip("127.0.0.9"))
        .mx("null.test", 0, ".")
        .mx("both.test", 0, ".")
        .mx("both.test", 5, "mx.both.test");
    let (_server, resolver) = start(zones).await;

    let listed = resolver.mx("Example.TEST.").await.unwrap();
    assert_eq!(listed.value, MailHosts::Listed(vec![mx(10, "mx.example.test"), mx(20, "backup.example.test")]));
    assert_eq!((listed.name.as_str(), listed.secure), ("example.test", false));
    assert!((1..=60).contains(&listed.ttl_s), "{}", listed.ttl_s);

    let implicit = resolver.mx("implicit.test").await.unwrap().value;
    assert_eq!(implicit, MailHosts::Implicit(mx(0, "implicit.test")));
    assert_eq!(implicit.hosts(), [mx(0, "implicit.test")]);
    assert_eq!(resolver.mx("null.test").await.unwrap().value, MailHosts::Null);
    assert_eq!(resolver.mx("both.test").await.unwrap().value, MailHosts::Listed(vec![mx(5, "mx.both.test")]));
    assert_eq!(resolver.mx("absent.test").await, Err(Error::NoSuchName { secure: false }));
}

#[tokio::test]
async fn addresses_of_both_families_come_together() {
    let zones = Zones::new()
        .address("both.test", ip("127.0.0.5"))
        .address("both.test", ip("::1"))
        .address("six.test", ip("::1"))
        .txt("neither.test", "x");
    let (server, resolver) = start(zones).await;
    assert_eq!(resolver.addresses("both.test").await.unwrap().value, [ip("::1"), ip("127.0.0.5")]);
    assert_eq!(resolver.addresses("six.test").await.unwrap().value, [ip("::1")]);
    assert_eq!(resolver.addresses("neither.test").await, Err(Error::NoRecords { secure: false }));
    let asked = server.questions().len();
    assert_eq!(resolver.addresses("127.0.0.3").await.unwrap().value, [ip("127.0.0.3")]);
    assert_eq!(resolver.addresses("localhost").await.unwrap().value, [ip("::1"), ip("127.0.0.1")]);
    assert_eq!(resolver.addresses("no such host").await, Err(Error::BadName));
    assert_eq!(server.questions().len(), asked, "nothing of this is a question");
}

#[tokio::test]
async fn texts_names_and_tlsa_records_are_read() {
    let long = "x".repeat(600);
    let zones = Zones::new()
        .txt("example.test", &long)
        .ptr(ip("192.0.2.7"), "seven.test")
        .ptr(ip("2001:db8::7"), "seven.test")
        .tlsa("mx.test", 25, 3, 1, 1, &[7; 32])
        .text("quoted.test. TXT \"a b\"");
    let (_server, resolver) = start(zones).await;
    assert_eq!(resolver.txt("example.test").await.unwrap().value, [long]);
    assert_eq!(resolver.txt("quoted.test").await.unwrap().value, ["a b"]);
    assert_eq!(resolver.ptr(ip("192.0.2.7")).await.unwrap().value, ["seven.test"]);
    assert_eq!(resolver.ptr(ip("2001:db8::7")).await.unwrap().value, ["seven.test"]);
    let tlsa = resolver.tlsa("mx.test", 25).await.unwrap();
    assert_eq!(tlsa.value, [Tlsa { usage: 3, selector: 1, matching: 1, data: vec![7; 32] }]);
    assert!(!tlsa.secure);
}

#[tokio::test]
async fn aliases_are_followed_as_far_as_is_sane() {
    let mut zones = Zones::new()
        .cname("www.test", "host.test")
        .address("host.test", ip("127.0.0.4"))
        .cname("nowhere.test", "gone.test")
        .cname("ping.test", "pong.test")
        .cname("pong.test", "ping.test")
        .address("c20.test", ip("127.0.0.4"));
    for number in 0..20 {
        zones = zones.cname(&format!("c{number}.test"), &format!("c{}.test", number + 1));
    }
    let (_server, resolver) = start(zones).await;
    let answer = resolver.addresses("www.test").await.unwrap();
    assert_eq!((answer.value, answer.name.as_str()), (vec![ip("127.0.0.4")], "host.test"));
    assert!(resolver.addresses("nowhere.test").await.unwrap_err().is_absent());
    assert!(resolver.addresses("ping.test").await.unwrap_err().is_temporary());
    assert!(resolver.addresses("c0.test").await.unwrap_err().is_temporary());
    assert!(resolver.addresses("c15.test").await.is_ok());
}

#[tokio::test]
async fn every_failure_has_its_error() {
    let zones = Zones::new().txt("fails.test", "found");
    let table = [
        (Failure::ServFail, "temporary"),
        (Failure::Refused, "temporary"),
        (Failure::Silent, "temporary"),
        (Failure::Garbage, "temporary"),
        (Failure::OtherId, "temporary"),
        (Failure::OtherName, "temporary"),
        (Failure::TruncatedEverywhere, "temporary"),
        (Failure::NoSuchName, "absent"),
        (Failure::Truncated, "found"),
        (Failure::Slow(Duration::from_millis(100)), "found"),
    ];
    let server = DnsServer::start(zones).await.unwrap();
    for (failure, expected) in table {
        server.fail("fails.test", failure);
        let outcome = resolver(&server, Dnssec::Off).txt("fails.test").await;
        let told = match &outcome {
            Ok(answer) => answer.value[0].as_str(),
            Err(error) if error.is_temporary() => "temporary",
            Err(_) => "absent",
        };
        assert_eq!(told, expected, "{failure:?}: {outcome:?}");
    }
    server.mend("fails.test");
    assert!(resolver(&server, Dnssec::Off).txt("fails.test").await.is_ok());
}

#[tokio::test]
async fn one_family_that_fails_does_not_hide_the_other() {
    let zones = Zones::new().address("half.test", ip("127.0.0.4"));
    let (server, resolver) = start(zones).await;
    server.fail("dead.test", Failure::ServFail);
    assert!(resolver.addresses("dead.test").await.unwrap_err().is_temporary());
    assert_eq!(resolver.addresses("half.test").await.unwrap().value, [ip("127.0.0.4")]);
}

#[tokio::test]
async fn answers_are_remembered_and_failures_are_not() {
    let (server, resolver) = start(Zones::new().txt("a.test", "x").address("b.test", ip("127.0.0.1"))).await;
    for _ in 0..3 {
        resolver.txt("A.test").await.unwrap();
        resolver.clone().txt("absent.test").await.unwrap_err();
    }
    assert_eq!(server.questions().len(), 2, "{:?}", server.questions());
    server.fail("b.test", Failure::ServFail);
    assert!(resolver.ipv4("b.test").await.unwrap_err().is_temporary());
    server.mend("b.test");
    assert_eq!(resolver.ipv4("b.test").await.unwrap().value.len(), 1);
}

#[tokio::test]
async fn signed_answers_are_secure() {
    let zones = Zones::new()
        .mx("example.test", 10, "mx.example.test")
        .address("mx.example.test", ip("127.0.0.4"))
        .tlsa("mx.example.test", 25, 3, 1, 1, &[1; 32])
        .cname("alias.test", "mx.example.test");
    let (_server, resolver) = start_signed(zones).await;
    assert!(resolver.mx("example.test").await.unwrap().secure);
    assert!(resolver.tlsa("mx.example.test", 25).await.unwrap().secure);
    assert!(resolver.addresses("alias.test").await.unwrap().secure);
    assert!(resolver.addresses("alias.test").await.unwrap().secure, "out of the cache too");
    assert_eq!(resolver.tlsa("example.test", 25).await, Err(Error::NoSuchName { secure: true }));
    assert_eq!(resolver.ipv4("example.test").await, Err(Error::NoRecords { secure: true }));
}

#[tokio::test]
async fn a_zone_without_signatures_is_insecure_and_answers() {
    let zones = Zones::new()
        .insecure("plain.test")
        .mx("plain.test", 10, "mx.plain.test")
        .address("mx.plain.test", ip("127.0.0.4"))
        .cname("signed.test", "mx.plain.test");
    let (_server, resolver) = start_signed(zones).await;
    let answer: Answer<MailHosts> = resolver.mx("plain.test").await.unwrap();
    assert!(!answer.secure);
    let mixed = resolver.addresses("signed.test").await.unwrap();
    assert_eq!((mixed.value, mixed.secure), (vec![ip("127.0.0.4")], false), "a chain is as secure as its weakest link");
}

#[tokio::test]
async fn signatures_that_are_taken_off_are_noticed() {
    let (server, resolver) = start_signed(Zones::new().tlsa("mx.test", 25, 3, 1, 1, &[1; 32])).await;
    server.fail("_25._tcp.mx.test", Failure::Unsigned);
    let outcome = resolver.tlsa("mx.test", 25).await;
    assert_eq!(outcome, Err(Error::Bogus));
    assert!(Error::Bogus.is_temporary());
    server.mend("_25._tcp.mx.test");
    assert!(resolver.tlsa("mx.test", 25).await.unwrap().secure);
}

#[tokio::test]
async fn the_word_of_a_validating_resolver_counts_only_where_it_is_trusted() {
    let server = DnsServer::start(Zones::new().vouched().cname("b.test", "a.test").txt("a.test", "x")).await.unwrap();
    assert!(resolver(&server, Dnssec::TrustServers).txt("b.test").await.unwrap().secure);
    assert!(!resolver(&server, Dnssec::Off).txt("b.test").await.unwrap().secure);
    let silent = DnsServer::start(Zones::new().txt("a.test", "x")).await.unwrap();
    assert!(!resolver(&silent, Dnssec::TrustServers).txt("a.test").await.unwrap().secure);
}

#[tokio::test]
async fn a_zone_that_is_signed_by_somebody_else_is_bogus() {
    let stranger = DnsServer::start(Zones::new().signed()).await.unwrap();
    let server = DnsServer::start(Zones::new().signed().txt("a.test", "x")).await.unwrap();
    let resolver = resolver(&server, Dnssec::ValidateFrom(stranger.trust_anchor().unwrap().to_owned()));
    assert_eq!(resolver.txt("a.test").await, Err(Error::Bogus));
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    let made = |servers: &[&str], dnssec| {
        let servers: Vec<SocketAddr> = servers.iter().map(|server| server.parse().unwrap()).collect();
        Resolver::new(&Config::new(servers, dnssec)).map(|_| ())
    };
    assert!(matches!(made(&[], Dnssec::Off), Err(ConfigError::NoServer)));
    let far = made(&["127.0.0.1:53", "192.0.2.1:53"], Dnssec::TrustServers);
    assert!(matches!(far, Err(ConfigError::NotLocal(_))), "{far:?}");
    assert!(made(&["127.0.0.1:53"], Dnssec::TrustServers).is_ok());
    let keys = made(&["127.0.0.1:53"], Dnssec::ValidateFrom("no key".to_owned()));
    assert!(matches!(keys, Err(ConfigError::TrustAnchor(_))), "{keys:?}");
}
