//! The questions mail asks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::proto::dnssec::Proof;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::time::{Instant, timeout};

use crate::cache::Cache;
use crate::client::{Client, Reply};
use crate::name::{ascii, to_text, to_wire};
use crate::{Answer, Config, ConfigError, Dnssec, Error, MailHosts, Mx, Tlsa};

/// Links of an alias chain that are followed.
const MAX_ALIASES: usize = 8;
/// Records taken from one answer; a domain with more is served as if it had these.
const MAX_RECORDS: usize = 128;
/// No answer is kept longer than a day, and none shorter than lets one delivery ask twice.
const TTL_S: std::ops::RangeInclusive<u32> = 1..=86_400;
/// Nothing-there is kept for minutes only: a domain that mends its zone should not wait.
const NEGATIVE_TTL_S: std::ops::RangeInclusive<u32> = 1..=900;

/// Asks DNS for what mail needs. A clone asks through the same cache.
#[derive(Clone)]
pub struct Resolver {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    cache: Cache,
    deadline: Duration,
}

/// Records of one type, and where they were found.
#[derive(Debug)]
pub(crate) struct Found {
    records: Vec<RData>,
    name: Name,
    secure: bool,
    until: Instant,
}

impl Resolver {
    /// A resolver that asks as configured.
    ///
    /// # Errors
    /// [`ConfigError`], if the configuration asks for what cannot be.
    pub fn new(config: &Config) -> Result<Resolver, ConfigError> {
        let client = Client::new(config)?;
        Ok(Resolver { inner: Arc::new(Inner { client, cache: Cache::default(), deadline: config.deadline }) })
    }

    /// A resolver that asks the servers this system asks.
    ///
    /// # Errors
    /// [`ConfigError`], if the system's configuration cannot be read or names no server.
    pub fn system(dnssec: Dnssec) -> Result<Resolver, ConfigError> {
        Resolver::new(&Config::system(dnssec)?)
    }

    /// Where mail for a domain goes (RFC 5321 §5.1, RFC 7505).
    ///
    /// # Errors
    /// [`Error`]; that a domain exists without MX records is not one.
    pub async fn mx(&self, domain: &str) -> Result<Answer<MailHosts>, Error> {
        let domain = ascii(domain)?;
        let Answer { value, name, secure, ttl_s } = match self.mx_records(&domain).await {
            Ok(answer) => answer,
            Err(Error::NoRecords { secure }) => {
                let value = MailHosts::Implicit(Mx { preference: 0, host: domain.clone() });
                return Ok(Answer { value, name: domain, secure, ttl_s: *TTL_S.start() });
            }
            Err(error) => return Err(error),
        };
        // A null MX beside real ones is a mistake of the zone, and the real ones count.
        let value = if value.is_empty() { MailHosts::Null } else { MailHosts::Listed(value) };
        Ok(Answer { value, name, secure, ttl_s })
    }

    /// The MX records at a name, which may hold more than domains may, sorted; those of a null MX (RFC 7505) are left out.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn mx_records(&self, name: &str) -> Result<Answer<Vec<Mx>>, Error> {
        let found = self.find(name, RecordType::MX).await?;
        let mut listed: Vec<Mx> = found.pick(|data| match data {
            RData::MX(mx) if !mx.exchange.is_root() => {
                Some(Mx { preference: mx.preference, host: to_text(&mx.exchange) })
            }
            _ => None,
        });
        listed.sort();
        listed.dedup();
        Ok(found.answer(listed))
    }

    /// The addresses of a host, IPv6 first; an address in text is its own answer.
    ///
    /// # Errors
    /// [`Error`], if neither family has one. What one family gives is enough when the other fails.
    pub async fn addresses(&self, host: &str) -> Result<Answer<Vec<IpAddr>>, Error> {
        if let Some(answer) = Self::known(host) {
            return Ok(answer);
        }
        let host = ascii(host)?;
        let (v6, v4) = tokio::join!(self.find(&host, RecordType::AAAA), self.find(&host, RecordType::A));
        let address = |data: &RData| match data {
            RData::AAAA(v6) => Some(IpAddr::V6(v6.0)),
            RData::A(v4) => Some(IpAddr::V4(v4.0)),
            _ => None,
        };
        match (v6, v4) {
            (Ok(v6), Ok(v4)) => {
                let mut value = v6.pick(address);
                value.extend(v4.pick(address));
                let mut answer = v6.answer(value);
                answer.secure &= v4.secure;
                answer.ttl_s = answer.ttl_s.min(v4.ttl_s());
                Ok(answer)
            }
            (Ok(only), Err(_)) | (Err(_), Ok(only)) => Ok(only.answer(only.pick(address))),
            (Err(v6), Err(v4)) => Err(worse(v6, v4)),
        }
    }

    /// The IPv4 addresses of a host.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn ipv4(&self, host: &str) -> Result<Answer<Vec<Ipv4Addr>>, Error> {
        let found = self.find(host, RecordType::A).await?;
        Ok(found.answer(found.pick(|data| match data {
            RData::A(v4) => Some(v4.0),
            _ => None,
        })))
    }

    /// The IPv6 addresses of a host.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn ipv6(&self, host: &str) -> Result<Answer<Vec<Ipv6Addr>>, Error> {
        let found = self.find(host, RecordType::AAAA).await?;
        Ok(found.answer(found.pick(|data| match data {
            RData::AAAA(v6) => Some(v6.0),
            _ => None,
        })))
    }

    /// The TLSA records of a service on TCP (RFC 6698 §3, RFC 7672 §2.2): worth anything only if the answer is secure.
    ///
    /// # Errors
    /// [`Error`]; [`Error::Bogus`] and [`Error::Temporary`] mean that nothing may be sent now.
    pub async fn tlsa(&self, host: &str, port: u16) -> Result<Answer<Vec<Tlsa>>, Error> {
        let name = format!("_{port}._tcp.{}", ascii(host)?);
        let found = self.find(&name, RecordType::TLSA).await?;
        Ok(found.answer(found.pick(|data| match data {
            RData::TLSA(tlsa) => Some(Tlsa {
                usage: tlsa.cert_usage.into(),
                selector: tlsa.selector.into(),
                matching: tlsa.matching.into(),
                data: tlsa.cert_data.clone(),
            }),
            _ => None,
        })))
    }

    /// The TXT records at a name, the strings of each joined; what is not UTF-8 is replaced.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn txt(&self, name: &str) -> Result<Answer<Vec<String>>, Error> {
        let found = self.find(name, RecordType::TXT).await?;
        Ok(found.answer(found.pick(|data| match data {
            RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
            _ => None,
        })))
    }

    /// The names an address claims; a claim is worth something when the name resolves back.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn ptr(&self, address: IpAddr) -> Result<Answer<Vec<String>>, Error> {
        let mut name = Name::from(address);
        name.set_fqdn(true);
        let found = self.find_wire(name, RecordType::PTR).await?;
        Ok(found.answer(found.pick(|data| match data {
            RData::PTR(host) if !host.0.is_root() => Some(to_text(&host.0)),
            _ => None,
        })))
    }

    /// Hosts that need no question: addresses in text, and `localhost` (RFC 6761 §6.3).
    fn known(host: &str) -> Option<Answer<Vec<IpAddr>>> {
        let value = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) if host.trim_end_matches('.').eq_ignore_ascii_case("localhost") => {
                vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]
            }
            Err(_) => return None,
        };
        Some(Answer { value, name: host.to_owned(), secure: false, ttl_s: *TTL_S.end() })
    }

    async fn find(&self, name: &str, kind: RecordType) -> Result<Arc<Found>, Error> {
        self.find_wire(to_wire(name)?, kind).await
    }

    async fn find_wire(&self, name: Name, kind: RecordType) -> Result<Arc<Found>, Error> {
        if let Some(outcome) = self.inner.cache.get(&name, kind) {
            return outcome;
        }
        let asked = self.inner.follow(name.clone(), kind);
        let (outcome, ttl_s) = match timeout(self.inner.deadline, asked).await {
            Ok(outcome) => outcome?,
            Err(_) => return Err(Error::Temporary("the deadline passed".to_owned())),
        };
        let until = Instant::now() + Duration::from_secs(ttl_s.into());
        let outcome = outcome.map(|mut found| {
            found.until = until;
            Arc::new(found)
        });
        self.inner.cache.put(name, kind, outcome.clone(), until);
        outcome
    }
}

/// An outcome that may be kept, and for how many seconds.
type Kept = (Result<Found, Error>, u32);

impl Inner {
    /// Asks, and follows aliases to the records.
    ///
    /// # Errors
    /// Those that must not be kept: [`Error::Temporary`] and [`Error::Bogus`].
    async fn follow(&self, start: Name, kind: RecordType) -> Result<Kept, Error> {
        let mut name = start;
        let mut secure = true;
        let mut ttl_s = u32::MAX;
        let mut aliases = 0;
        loop {
            let (records, vouched) = match self.client.ask(&name, kind).await? {
                Reply::Records { records, vouched } => (records, vouched),
                Reply::Absent { error, ttl_s: holds_s } => return absent(error, secure, ttl_s.min(holds_s)),
            };
            let mut trust = |record: &hickory_resolver::proto::rr::Record| {
                secure &= if self.client.proves_records() { record.proof == Proof::Secure } else { vouched };
                ttl_s = ttl_s.min(record.ttl);
            };
            let asked = name.clone();
            // The aliases of one message, in whatever order the server put them.
            while let Some((record, target)) = records.iter().find_map(|record| match &record.data {
                RData::CNAME(target) if record.name == name => Some((record, &target.0)),
                _ => None,
            }) {
                trust(record);
                aliases += 1;
                if aliases > MAX_ALIASES {
                    return Err(Error::Temporary("the chain of aliases does not end".to_owned()));
                }
                name = target.to_lowercase();
            }
            let mut data = Vec::new();
            for record in records.iter().filter(|record| record.name == name && record.record_type() == kind) {
                trust(record);
                data.push(record.data.clone());
            }
            data.truncate(MAX_RECORDS);
            if !data.is_empty() {
                let until = Instant::now();
                let found = Found { records: data, name, secure, until };
                return Ok((Ok(found), ttl_s.clamp(*TTL_S.start(), *TTL_S.end())));
            }
            if name == asked {
                // Records, and none of them an answer to the question: the server is confused, or lies.
                return Err(Error::Temporary("the server answered something else".to_owned()));
            }
        }
    }
}

fn absent(error: Error, secure: bool, ttl_s: u32) -> Result<Kept, Error> {
    let error = match error {
        Error::NoSuchName { secure: proven } => Error::NoSuchName { secure: proven && secure },
        Error::NoRecords { secure: proven } => Error::NoRecords { secure: proven && secure },
        error => return Err(error),
    };
    Ok((Err(error), ttl_s.clamp(*NEGATIVE_TTL_S.start(), *NEGATIVE_TTL_S.end())))
}

/// Which of two failures says more about a host: what may pass counts before what is final.
fn worse(one: Error, other: Error) -> Error {
    let weight = |error: &Error| match error {
        Error::Bogus => 4,
        Error::Temporary(_) => 3,
        Error::NoRecords { .. } => 2,
        Error::NoSuchName { .. } => 1,
        Error::BadName => 0,
    };
    if weight(&other) > weight(&one) { other } else { one }
}

impl Found {
    fn pick<T>(&self, one: impl FnMut(&RData) -> Option<T>) -> Vec<T> {
        self.records.iter().filter_map(one).collect()
    }

    fn ttl_s(&self) -> u32 {
        let left = self.until.saturating_duration_since(Instant::now()).as_secs();
        u32::try_from(left).unwrap_or(*TTL_S.end())
    }

    fn answer<T>(&self, value: T) -> Answer<T> {
        Answer { value, name: to_text(&self.name), secure: self.secure, ttl_s: self.ttl_s() }
    }
}
