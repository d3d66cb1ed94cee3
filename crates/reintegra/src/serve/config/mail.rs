//! The tables for mail that comes in and goes out.

use super::values::{
    Hostname, Size, Span, Target, address, address_or_none, addresses, at_least_one, loopback, message_limit,
    path_or_none,
};
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

/// Mail for hosted domains, from other servers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Mx {
    #[serde(deserialize_with = "addresses")]
    pub(crate) listen: Vec<SocketAddr>,
    /// The largest message, as SIZE says it (RFC 1870).
    #[serde(deserialize_with = "message_limit")]
    pub(crate) message_limit: Size,
    /// What becomes of mail that fails its domain's DMARC policy.
    pub(crate) dmarc: Dmarc,
    /// Domains whose ARC seals are believed (RFC 8617): mailing lists, forwarders.
    pub(crate) trusted_sealers: Vec<Hostname>,
    /// Connections that one network may make in a minute; 0: as many as it likes.
    pub(crate) connections_per_minute_and_network: u32,
    /// Messages that one network may begin in an hour; 0: as many as it likes.
    pub(crate) messages_per_hour_and_network: u32,
}

/// What becomes of mail that fails its domain's DMARC policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Dmarc {
    /// What the policy says: it is refused, or goes to \Junk.
    Enforce,
    /// It is delivered, and its Authentication-Results says so.
    Record,
    /// Nobody looks: neither SPF nor DKIM, DMARC or ARC are verified.
    Off,
}

/// Mail of people who sign in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Submission {
    #[serde(deserialize_with = "addresses")]
    pub(crate) listen: Vec<SocketAddr>,
    #[serde(deserialize_with = "addresses")]
    pub(crate) listen_tls: Vec<SocketAddr>,
    #[serde(deserialize_with = "message_limit")]
    pub(crate) message_limit: Size,
    /// Messages of one account in an hour.
    pub(crate) messages_per_hour: NonZeroU32,
    /// Recipients of one account in a day.
    pub(crate) recipients_per_day: NonZeroU32,
    /// Messages that one account's forwarding, filters and automatic answers send in an hour, each address counted.
    pub(crate) sent_on_per_hour: NonZeroU32,
}

/// Mail for hosted domains from another server of ours.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Lmtp {
    #[serde(deserialize_with = "addresses")]
    pub(crate) listen: Vec<SocketAddr>,
    #[serde(deserialize_with = "message_limit")]
    pub(crate) message_limit: Size,
}

/// People's Sieve scripts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ManageSieve {
    #[serde(deserialize_with = "addresses")]
    pub(crate) listen: Vec<SocketAddr>,
}

/// What people's Sieve scripts may do.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Sieve {
    /// Whether they may change the header of a message (RFC 5293).
    pub(crate) editheader: bool,
}

impl Sieve {
    /// The same for those who run them.
    pub(crate) fn features(&self) -> sieve::Features {
        sieve::Features { editheader: self.editheader }
    }
}

/// Mail on its way to other servers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Delivery {
    /// Where all of it goes instead of to its recipients' servers.
    pub(crate) smart_host: Option<SmartHost>,
    /// PEM of authorities that are believed instead of the public ones, about the smart host and MTA-STS.
    #[serde(deserialize_with = "path_or_none")]
    pub(crate) authorities: Option<PathBuf>,
    /// The addresses of this machine that connections come from.
    pub(crate) from: Vec<IpAddr>,
    /// How long a message is tried.
    pub(crate) lifetime: Span,
    /// After how long its sender is told that it takes long.
    pub(crate) tell_delay_after: Span,
    /// Connections to one destination at once.
    pub(crate) connections_per_destination: NonZeroU32,
    /// Deliveries at once, to all destinations.
    pub(crate) connections: NonZeroU32,
}

/// Another server that takes what goes out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SmartHost {
    /// A host and a port.
    pub(crate) address: Target,
    /// How it is spoken to.
    #[serde(default)]
    pub(crate) tls: SmartHostTls,
    /// Who signs in; needs `password_file`.
    pub(crate) user: Option<String>,
    /// A file that holds the password and nothing else.
    #[serde(default, deserialize_with = "path_or_none")]
    pub(crate) password_file: Option<PathBuf>,
}

/// How a smart host is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SmartHostTls {
    /// STARTTLS, with a certificate that is verified.
    #[default]
    Starttls,
    /// TLS first, with a certificate that is verified.
    Implicit,
    /// TLS where it is offered, verified or not: for a server in a network of one's own.
    Opportunistic,
}

/// Names on the network.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Dns {
    /// Who is asked; none: those of the system.
    #[serde(deserialize_with = "addresses")]
    pub(crate) servers: Vec<SocketAddr>,
    /// Who checks signatures.
    pub(crate) dnssec: Dnssec,
}

/// Who checks the signatures of names (RFC 4033).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Dnssec {
    /// This program.
    Validate,
    /// The servers that are asked, which must be on this machine.
    Trust,
    /// Nobody: no DANE.
    Off,
}

/// A spam filter that is asked about mail that comes in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rspamd {
    /// Its normal worker.
    #[serde(deserialize_with = "address")]
    pub(crate) address: SocketAddr,
    /// From which score on mail goes to \Junk.
    #[serde(default = "junk_score")]
    pub(crate) junk_score: f64,
    /// What becomes of mail when it does not answer.
    #[serde(default)]
    pub(crate) on_failure: OnFailure,
}

fn junk_score() -> f64 {
    6.0
}

/// What becomes of mail when the filter does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OnFailure {
    /// It is delivered as if nobody had been asked.
    #[default]
    Accept,
    /// Its sender is told to come later.
    Later,
}

/// Certificates from an ACME server (RFC 8555).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Acme {
    /// The server's directory.
    #[serde(default = "lets_encrypt")]
    pub(crate) directory: String,
    /// Whom the server writes to.
    pub(crate) contact: Option<String>,
    /// The names of each certificate.
    pub(crate) certificates: Vec<Vec<Hostname>>,
    /// Where HTTP-01 is answered: port 80 as the world sees it. `None`: nowhere.
    #[serde(default, deserialize_with = "address_or_none")]
    pub(crate) listen_http: Option<SocketAddr>,
    /// Where TLS-ALPN-01 is answered: port 443 as the world sees it. `None`: nowhere.
    #[serde(default, deserialize_with = "address_or_none")]
    pub(crate) listen_tls: Option<SocketAddr>,
    /// PEM of an authority that signs the server's own certificate, where that is not a public one.
    #[serde(default, deserialize_with = "path_or_none")]
    pub(crate) authority: Option<PathBuf>,
}

fn lets_encrypt() -> String {
    "https://acme-v02.api.letsencrypt.org/directory".to_owned()
}

impl Default for Mx {
    fn default() -> Self {
        Mx {
            listen: vec![loopback(1025)],
            message_limit: Size(64 << 20),
            dmarc: Dmarc::Enforce,
            trusted_sealers: Vec::new(),
            connections_per_minute_and_network: 3_000,
            messages_per_hour_and_network: 20_000,
        }
    }
}

impl Default for Submission {
    fn default() -> Self {
        Submission {
            listen: vec![loopback(1587)],
            listen_tls: vec![loopback(1465)],
            message_limit: Size(64 << 20),
            messages_per_hour: at_least_one(300),
            recipients_per_day: at_least_one(3000),
            sent_on_per_hour: at_least_one(1000),
        }
    }
}

impl Default for Lmtp {
    fn default() -> Self {
        Lmtp { listen: Vec::new(), message_limit: Size(64 << 20) }
    }
}

impl Default for ManageSieve {
    fn default() -> Self {
        ManageSieve { listen: vec![loopback(4190)] }
    }
}

impl Default for Delivery {
    fn default() -> Self {
        Delivery {
            smart_host: None,
            authorities: None,
            from: Vec::new(),
            lifetime: Span(Duration::from_secs(5 * 86_400)),
            tell_delay_after: Span(Duration::from_secs(4 * 3600)),
            connections_per_destination: at_least_one(10),
            connections: at_least_one(200),
        }
    }
}

impl Default for Dns {
    fn default() -> Self {
        Dns { servers: Vec::new(), dnssec: Dnssec::Validate }
    }
}
