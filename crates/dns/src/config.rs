//! Whom to ask, and whom to believe.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::config::ProtocolConfig;
use hickory_resolver::system_conf::read_system_conf;
use thiserror::Error;

/// How a resolver asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The recursive servers, by address and port, each over UDP and TCP.
    pub servers: Vec<SocketAddr>,
    /// Where the word *secure* comes from.
    pub dnssec: Dnssec,
    /// How long one server may take over one try.
    pub try_timeout: Duration,
    /// How long one question may take in all, retries and aliases included.
    pub deadline: Duration,
}

/// Where the word *secure* comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dnssec {
    /// Nowhere: every answer is insecure, and DANE does not apply.
    Off,
    /// From the AD bit of the servers, which must be validating resolvers on this machine (RFC 6840 §5.8).
    TrustServers,
    /// From validation here, from the root's keys that are built in.
    Validate,
    /// From validation here, from these keys alone: DNSKEY records in presentation format, one a line.
    ValidateFrom(String),
}

/// Why a resolver cannot be made.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// There is no server to ask.
    #[error("no DNS server is configured")]
    NoServer,
    /// The AD bit says nothing when anyone on the way can set it.
    #[error("the DNS server {0} is not on this machine, so its word on DNSSEC cannot be trusted")]
    NotLocal(SocketAddr),
    /// The keys to validate from cannot be read.
    #[error("the DNSSEC trust anchor cannot be read: {0}")]
    TrustAnchor(String),
    /// The system's configuration cannot be read.
    #[error("the system's DNS configuration cannot be read: {0}")]
    System(String),
    /// The client cannot be set up.
    #[error("the DNS client cannot be set up: {0}")]
    Client(String),
}

impl Config {
    /// A configuration that asks `servers`, with the usual patience.
    pub fn new(servers: Vec<SocketAddr>, dnssec: Dnssec) -> Config {
        Config { servers, dnssec, try_timeout: Duration::from_secs(3), deadline: Duration::from_secs(12) }
    }

    /// A configuration that asks the servers this system asks (`/etc/resolv.conf`).
    ///
    /// # Errors
    /// [`ConfigError::System`] if that cannot be read.
    pub fn system(dnssec: Dnssec) -> Result<Config, ConfigError> {
        let (system, _) = read_system_conf().map_err(|error| ConfigError::System(error.to_string()))?;
        let servers = system
            .name_servers()
            .iter()
            .filter_map(|server| {
                let udp = server.connections.iter().find(|link| matches!(link.protocol, ProtocolConfig::Udp))?;
                Some(SocketAddr::new(server.ip, udp.port))
            })
            .collect();
        Ok(Config::new(servers, dnssec))
    }
}
