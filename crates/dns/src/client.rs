//! One question over the wire: hickory's pool of servers, with or without its validation.

use std::sync::Arc;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverOpts};
use hickory_resolver::net::dnssec::DnssecDnsHandle;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::FirstAnswer;
use hickory_resolver::net::{DnsError, DnsHandle, NetError, RetryDnsHandle};
use hickory_resolver::proto::dnssec::{Proof, TrustAnchors};
use hickory_resolver::proto::op::{DnsRequestOptions, Message, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{NameServerPool, PoolContext, TlsConfig};

use crate::{Config, ConfigError, Dnssec, Error};

/// Validated keys and signatures kept at most (hickory's own default is a million).
const MAX_VALIDATED: usize = 8_192;
/// Tries after the first, over all servers.
const RETRIES: usize = 2;
/// How long a negative answer holds whose zone does not say (no SOA).
const DEFAULT_NEGATIVE_TTL_S: u32 = 30;

type Servers = RetryDnsHandle<NameServerPool<TokioRuntimeProvider>>;

/// Asks one question.
pub(crate) struct Client {
    stack: Stack,
}

enum Stack {
    Plain(Servers),
    TrustAd(Servers),
    Validating(Box<DnssecDnsHandle<Servers>>),
}

/// What the servers said.
pub(crate) enum Reply {
    /// Records, aliases among them.
    Records {
        records: Vec<Record>,
        /// Whether the servers vouch for all of it; with validation each record carries its own proof instead.
        vouched: bool,
    },
    /// Nothing there.
    Absent { error: Error, ttl_s: u32 },
}

impl Client {
    pub(crate) fn new(config: &Config) -> Result<Client, ConfigError> {
        if config.servers.is_empty() {
            return Err(ConfigError::NoServer);
        }
        if config.dnssec == Dnssec::TrustServers
            && let Some(far) = config.servers.iter().find(|server| !server.ip().is_loopback())
        {
            return Err(ConfigError::NotLocal(*far));
        }
        let mut options = ResolverOpts::default();
        options.timeout = config.try_timeout;
        options.attempts = RETRIES;
        options.validate = matches!(config.dnssec, Dnssec::Validate | Dnssec::ValidateFrom(_));
        let tls = TlsConfig { config: no_tls().map_err(|error| ConfigError::Client(error.to_string()))? };
        let servers = config.servers.iter().map(|server| {
            let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
            udp.port = server.port();
            tcp.port = server.port();
            NameServerConfig::new(server.ip(), true, vec![udp, tcp])
        });
        let context = Arc::new(PoolContext::new(options, tls));
        let pool = NameServerPool::from_config(servers, context, TokioRuntimeProvider::default());
        let servers = RetryDnsHandle::new(pool, RETRIES);
        let validating = |anchors| {
            let handle = DnssecDnsHandle::with_trust_anchor(servers.clone(), Arc::new(anchors));
            Stack::Validating(Box::new(handle.validation_cache_size(MAX_VALIDATED)))
        };
        let stack = match &config.dnssec {
            Dnssec::Off => Stack::Plain(servers),
            Dnssec::TrustServers => Stack::TrustAd(servers),
            Dnssec::Validate => validating(TrustAnchors::default()),
            Dnssec::ValidateFrom(keys) => {
                validating(keys.parse().map_err(|error| ConfigError::TrustAnchor(format!("{error}")))?)
            }
        };
        Ok(Client { stack })
    }

    /// Whether each record carries a proof of its own.
    pub(crate) fn proves_records(&self) -> bool {
        matches!(self.stack, Stack::Validating(_))
    }

    /// Asks for the records of one type at one name.
    ///
    /// # Errors
    /// [`Error::Temporary`] and [`Error::Bogus`]; that nothing is there is a [`Reply`].
    pub(crate) async fn ask(&self, name: &Name, kind: RecordType) -> Result<Reply, Error> {
        let query = Query::query(name.clone(), kind);
        let mut options = DnsRequestOptions::default();
        options.use_edns = true;
        options.recursion_desired = true;
        // With DO set a validating resolver answers with AD (RFC 6840 §5.7), and with the signatures to validate.
        options.edns_set_dnssec_ok = !matches!(self.stack, Stack::Plain(_));
        let answer = match &self.stack {
            Stack::Plain(servers) | Stack::TrustAd(servers) => servers.lookup(query, options).first_answer().await,
            Stack::Validating(handle) => handle.lookup(query, options).first_answer().await,
        };
        match answer {
            Ok(response) => self.sort(response.into_message()),
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
                let ttl_s = none.negative_ttl.unwrap_or(DEFAULT_NEGATIVE_TTL_S);
                Ok(Reply::Absent { error: absence(none.response_code, false), ttl_s })
            }
            Err(NetError::Dns(DnsError::Nsec { response, proof, .. })) => match proof {
                Proof::Bogus => Err(Error::Bogus),
                proof => Ok(Reply::Absent {
                    error: absence(response.response_code, proof == Proof::Secure),
                    ttl_s: negative_ttl(&response.authorities),
                }),
            },
            Err(NetError::Dns(DnsError::DnssecBogus)) => Err(Error::Bogus),
            Err(error) => Err(Error::Temporary(error.to_string())),
        }
    }

    fn sort(&self, message: Message) -> Result<Reply, Error> {
        let code = message.metadata.response_code;
        if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
            return Err(Error::Temporary(format!("the server answered {code}")));
        }
        if message.answers.iter().any(|record| record.proof == Proof::Bogus) {
            return Err(Error::Bogus);
        }
        if message.answers.is_empty() {
            let authorities = &message.authorities;
            let secure = !authorities.is_empty() && authorities.iter().all(|record| record.proof == Proof::Secure);
            return Ok(Reply::Absent { error: absence(code, secure), ttl_s: negative_ttl(authorities) });
        }
        let vouched = matches!(self.stack, Stack::TrustAd(_)) && message.metadata.authentic_data;
        Ok(Reply::Records { records: message.answers, vouched })
    }
}

/// The TLS that hickory wants to be given even where no server is asked over it. Its own would read the system's
/// certificates, and fail on a machine that has none.
fn no_tls() -> Result<rustls::ClientConfig, rustls::Error> {
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

fn absence(code: ResponseCode, secure: bool) -> Error {
    match code {
        ResponseCode::NXDomain => Error::NoSuchName { secure },
        ResponseCode::NoError => Error::NoRecords { secure },
        code => Error::Temporary(format!("the server answered {code}")),
    }
}

/// For how long nothing is there (RFC 2308 §5).
fn negative_ttl(authorities: &[Record]) -> u32 {
    let soa = authorities.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
        _ => None,
    });
    soa.unwrap_or(DEFAULT_NEGATIVE_TTL_S)
}
