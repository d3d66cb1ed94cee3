//! Set-up that the tests share.

use std::net::IpAddr;
use std::time::Duration;

use dns::{Config, Dnssec, Resolver};
use provenance::{Asked, Findings, Options, Outcome, Signer, SigningKey, Verifier, generate_ed25519, generate_rsa};
use testkit::dns_server::{DnsServer, Zones};

/// Some day in 2026, in seconds since 1970.
pub(crate) const NOW_S: i64 = 1_790_000_000;

/// A verifier and the DNS that it asks.
pub(crate) struct World {
    pub(crate) server: DnsServer,
    pub(crate) verifier: Verifier,
}

impl World {
    pub(crate) async fn new(zones: Zones) -> World {
        World::with(zones, Options::default()).await
    }

    pub(crate) async fn with(zones: Zones, options: Options) -> World {
        let server = DnsServer::start(zones).await.unwrap();
        let mut config = Config::new(vec![server.address()], Dnssec::Off);
        config.try_timeout = Duration::from_millis(700);
        config.deadline = Duration::from_secs(3);
        let verifier = Verifier::new(Resolver::new(&config).unwrap(), options);
        World { server, verifier }
    }

    /// Verifies a message that came from 192.0.2.1 with ana@example.test as its sender.
    pub(crate) async fn verify(&self, message: &[u8]) -> Findings {
        self.verifier.verify(&asked("ana@example.test", message)).await
    }
}

pub(crate) fn asked<'a>(reverse_path: &'a str, message: &'a [u8]) -> Asked<'a> {
    Asked { client: ip("192.0.2.1"), helo: "mail.example.test", reverse_path, hostname: "mx.our.test", message }
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A signer and the record of its key.
pub(crate) fn ed25519(domain: &str) -> (Signer, String) {
    signer(domain, "ed", &generate_ed25519().unwrap())
}

/// The same with RSA.
pub(crate) fn rsa(domain: &str) -> (Signer, String) {
    signer(domain, "rsa", &generate_rsa(2048).unwrap())
}

fn signer(domain: &str, selector: &str, der: &[u8]) -> (Signer, String) {
    let key = SigningKey::from_pkcs8(der).unwrap();
    let record = key.dns_record();
    (Signer { domain: domain.to_owned(), selector: selector.to_owned(), key, expires_after_s: None }, record)
}

/// Where the record of a signer's key stands.
pub(crate) fn key_name(signer: &Signer) -> String {
    format!("{}._domainkey.{}", signer.selector, signer.domain)
}

pub(crate) fn outcomes(findings: &Findings) -> Vec<Outcome> {
    findings.dkim.iter().map(|dkim| dkim.outcome).collect()
}
