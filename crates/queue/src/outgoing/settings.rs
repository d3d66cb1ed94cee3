//! How mail leaves: what an operator chooses, and what a test needs.

use crate::client::{Credentials, Times};
use crate::policy::{MemoryPolicies, PolicyStore};
use crate::pool::PoolLimits;
use dns::Resolver;
use edge::tls::client::Roots;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use store::spool::TlsOutcome;

/// How mail leaves.
#[derive(Clone)]
pub struct OutgoingSettings {
    /// Who is asked for names.
    pub resolver: Resolver,
    /// The name of this host, as it introduces itself; MX records with it lead to us.
    pub hostname: String,
    /// Addresses of this host: MX records that lead to one lead to us.
    pub own_addresses: Vec<IpAddr>,
    /// The server that gets all mail; `None`: the hosts of each domain.
    pub smart_host: Option<SmartHost>,
    /// The address of ours that connections over IPv4 are made from.
    pub source_v4: Option<Ipv4Addr>,
    /// The address of ours that connections over IPv6 are made from.
    pub source_v6: Option<Ipv6Addr>,
    /// Whether IPv4 is tried before IPv6.
    pub ipv4_first: bool,
    /// Whether DNS may lead to loopback and private addresses.
    pub private_addresses: bool,
    /// The port of other servers: 25.
    pub port: u16,
    /// The port of MTA-STS policies: 443.
    pub https_port: u16,
    /// Addresses that are tried for a message at once.
    pub max_addresses: usize,
    /// Recipients of one transaction; others follow on the same connection.
    pub max_recipients: usize,
    /// How long servers may take.
    pub times: Times,
    /// How connections are used again.
    pub pool: PoolLimits,
    /// The authorities that MTA-STS and a smart host are checked with.
    pub roots: Roots,
    /// Keeps MTA-STS policies.
    pub policies: Arc<dyn PolicyStore>,
    /// Hears what came of TLS.
    pub tls_recorder: Option<Arc<dyn TlsRecorder>>,
}

impl OutgoingSettings {
    /// What is right for a server on the internet.
    pub fn new(resolver: Resolver, hostname: &str) -> Self {
        OutgoingSettings {
            resolver,
            hostname: hostname.to_owned(),
            own_addresses: Vec::new(),
            smart_host: None,
            source_v4: None,
            source_v6: None,
            ipv4_first: false,
            private_addresses: false,
            port: 25,
            https_port: 443,
            max_addresses: 6,
            max_recipients: 100,
            times: Times::default(),
            pool: PoolLimits::default(),
            roots: Roots::bundled(),
            policies: Arc::new(MemoryPolicies::default()),
            tls_recorder: None,
        }
    }
}

/// A server that gets all mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmartHost {
    /// Its name, or its address. It is the operator's word: it may be anywhere.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What TLS must be.
    pub tls: SmartHostTls,
    /// How we sign in; only inside TLS.
    pub credentials: Option<Credentials>,
    /// Whether it speaks LMTP (RFC 2033).
    pub lmtp: bool,
}

/// What TLS to a smart host must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmartHostTls {
    /// From the first byte, with a good certificate (RFC 8314 §3.3).
    Implicit,
    /// By STARTTLS, with a good certificate.
    StartTls,
    /// By STARTTLS if it is offered, with any certificate.
    Opportunistic,
    /// None: for one on this machine or behind the same walls.
    Never,
}

/// Hears what came of TLS, session by session, for the reports that domains ask for (RFC 8460). It must not block.
pub trait TlsRecorder: Send + Sync + 'static {
    /// A session came to be or did not, or a policy could not be had.
    fn record(&self, outcome: TlsOutcome);
}
