//! A DNS server in the test's own process: zones as the test wants them, signed if it wants, and failures on request.
//!
//! It is a recursive server to those who ask it: whatever is in its zones it answers, and nothing else exists. It listens
//! on loopback, on one port for UDP and TCP.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use hickory_server::Server;
use hickory_server::dnssec::NxProofKind;
use hickory_server::net::runtime::TokioRuntimeProvider;
use hickory_server::proto::dnssec::crypto::EcdsaSigningKey;
use hickory_server::proto::dnssec::rdata::DNSKEY;
use hickory_server::proto::dnssec::{Algorithm, DnssecSigner, SigningKey};
use hickory_server::proto::op::{Message, ResponseCode};
use hickory_server::proto::rr::rdata::{A, AAAA, CNAME, MX, NS, PTR, SOA, TLSA, TXT};
use hickory_server::proto::rr::{LowerName, Name, RData, Record, RecordType};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneHandler, ZoneType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How long records may be kept, in seconds.
const TTL_S: u32 = 60;
/// Octets of a datagram.
const MAX_DATAGRAM: usize = 4_096;

/// What a server knows.
#[derive(Clone, Debug, Default)]
pub struct Zones {
    records: Vec<Record>,
    signed: bool,
    insecure: Vec<Name>,
    vouched: bool,
    error: Option<String>,
}

/// What goes wrong with questions for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The server says that it has failed.
    ServFail,
    /// The server refuses.
    Refused,
    /// The server says that there is no such name.
    NoSuchName,
    /// The server never answers.
    Silent,
    /// The answer comes late.
    Slow(Duration),
    /// The answer has another id, as a forger who guesses has.
    OtherId,
    /// The answer is to another question.
    OtherName,
    /// Answers over UDP are cut short; TCP has all of them.
    Truncated,
    /// Answers are cut short everywhere.
    TruncatedEverywhere,
    /// The records have no signatures, as if somebody had taken them off.
    Unsigned,
    /// The answer is no DNS message.
    Garbage,
}

/// A running server; it stops when it is dropped.
#[derive(Debug)]
pub struct DnsServer {
    address: SocketAddr,
    trust_anchor: Option<String>,
    state: Arc<State>,
    _tasks: JoinSet<()>,
    _server: Running,
}

#[derive(Debug, Default)]
struct State {
    failures: Mutex<BTreeMap<String, Failure>>,
    asked: Mutex<Vec<(String, String)>>,
}

/// hickory's servers, which end when they are dropped.
struct Running {
    _all: Server<Catalog>,
    _root: Server<Catalog>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Running")
    }
}

impl Zones {
    /// No names at all.
    pub fn new() -> Zones {
        Zones::default()
    }

    /// Signs everything but what is [`insecure`](Self::insecure).
    #[must_use]
    pub fn signed(mut self) -> Zones {
        self.signed = true;
        self
    }

    /// Sets the AD bit, as a validating resolver does for those who ask with the DO bit.
    #[must_use]
    pub fn vouched(mut self) -> Zones {
        self.vouched = true;
        self
    }

    /// Delegates a domain without signatures.
    #[must_use]
    pub fn insecure(mut self, domain: &str) -> Zones {
        match name(domain) {
            Ok(domain) => self.insecure.push(domain),
            Err(error) => self.error = Some(format!("{error:#}")),
        }
        self
    }

    /// Records as a zone file has them, one a line: `NAME TYPE DATA`. All names are absolute and end with a dot.
    #[must_use]
    pub fn text(mut self, lines: &str) -> Zones {
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(';')) {
            match parse_line(line) {
                Ok(record) => self.records.push(record),
                Err(error) => self.error = Some(format!("{line}: {error:#}")),
            }
        }
        self
    }

    /// A mail host of a domain; `.` for a domain that takes no mail.
    #[must_use]
    pub fn mx(self, domain: &str, preference: u16, host: &str) -> Zones {
        let exchange = name(host);
        self.with(domain, exchange.map(|exchange| RData::MX(MX::new(preference, exchange))))
    }

    /// An address of a host.
    #[must_use]
    pub fn address(self, host: &str, address: IpAddr) -> Zones {
        let data = match address {
            IpAddr::V4(v4) => RData::A(A(v4)),
            IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
        };
        self.with(host, Ok(data))
    }

    /// A text, cut into strings of 255 octets.
    #[must_use]
    pub fn txt(self, owner: &str, text: &str) -> Zones {
        let strings: Vec<&[u8]> = text.as_bytes().chunks(255).collect();
        self.with(owner, Ok(RData::TXT(TXT::from_bytes(strings))))
    }

    /// A TXT record of these strings, which may be none and hold any octets.
    #[must_use]
    pub fn strings(self, owner: &str, strings: &[Vec<u8>]) -> Zones {
        let strings = strings.iter().map(Vec::as_slice).collect();
        self.with(owner, Ok(RData::TXT(TXT::from_bytes(strings))))
    }

    /// A TLSA record of a service on TCP.
    #[must_use]
    pub fn tlsa(self, host: &str, port: u16, usage: u8, selector: u8, matching: u8, data: &[u8]) -> Zones {
        let tlsa = TLSA::new(usage.into(), selector.into(), matching.into(), data.to_vec());
        self.with(&format!("_{port}._tcp.{host}"), Ok(RData::TLSA(tlsa)))
    }

    /// An alias.
    #[must_use]
    pub fn cname(self, alias: &str, target: &str) -> Zones {
        let target = name(target);
        self.with(alias, target.map(|target| RData::CNAME(CNAME(target))))
    }

    /// The name of an address.
    #[must_use]
    pub fn ptr(mut self, address: IpAddr, host: &str) -> Zones {
        let mut owner = Name::from(address);
        owner.set_fqdn(true);
        match name(host) {
            Ok(host) => self.records.push(Record::from_rdata(owner, TTL_S, RData::PTR(PTR(host)))),
            Err(error) => self.error = Some(format!("{error:#}")),
        }
        self
    }

    fn with(mut self, owner: &str, data: anyhow::Result<RData>) -> Zones {
        match name(owner).and_then(|owner| Ok(Record::from_rdata(owner, TTL_S, data?))) {
            Ok(record) => self.records.push(record),
            Err(error) => self.error = Some(format!("{owner}: {error:#}")),
        }
        self
    }
}

impl DnsServer {
    /// Starts a server with these zones.
    ///
    /// # Errors
    /// If a record cannot be read, or no port is to be had.
    pub async fn start(zones: Zones) -> anyhow::Result<DnsServer> {
        if let Some(error) = zones.error {
            bail!("a zone cannot be served: {error}");
        }
        let mut root = zone(Name::root(), zones.signed);
        let mut children = Vec::new();
        for origin in &zones.insecure {
            insert(&mut root, Record::from_rdata(origin.clone(), TTL_S, RData::NS(NS(server_name()))))?;
            children.push((origin.clone(), zone(origin.clone(), false)));
        }
        for record in zones.records {
            let child = children.iter_mut().find(|(origin, _)| origin.zone_of(&record.name));
            insert(child.map_or(&mut root, |(_, zone)| zone), record)?;
        }
        let trust_anchor = if zones.signed { Some(sign(&mut root)?) } else { None };

        // A question for DS is for the parent of a zone, which a catalog of all zones would not ask.
        let root: Vec<Arc<dyn ZoneHandler>> = vec![Arc::new(root)];
        let (mut all, mut parents) = (Catalog::new(), Catalog::new());
        all.upsert(LowerName::new(&Name::root()), root.clone());
        parents.upsert(LowerName::new(&Name::root()), root);
        for (origin, zone) in children {
            all.upsert(LowerName::new(&origin), vec![Arc::new(zone)]);
        }
        let (all, all_address) = serve(all).await?;
        let (parents, parents_address) = serve(parents).await?;

        let (udp, tcp) = bind().await?;
        let address = udp.local_addr()?;
        let state = Arc::new(State::default());
        let front = Front { state: state.clone(), all: all_address, parents: parents_address, vouched: zones.vouched };
        let mut tasks = JoinSet::new();
        tasks.spawn(front.clone().run_udp(Arc::new(udp)));
        tasks.spawn(front.run_tcp(tcp));
        let server = Running { _all: all, _root: parents };
        Ok(DnsServer { address, trust_anchor, state, _tasks: tasks, _server: server })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The key to validate from, as a DNSKEY record; `None` if nothing is signed.
    pub fn trust_anchor(&self) -> Option<&str> {
        self.trust_anchor.as_deref()
    }

    /// From now on, questions for this name fail in this way.
    pub fn fail(&self, name: &str, failure: Failure) {
        lock(&self.state.failures).insert(key(name), failure);
    }

    /// Questions for this name are answered again.
    pub fn mend(&self, name: &str) {
        lock(&self.state.failures).remove(&key(name));
    }

    /// The questions that came, as name and type, oldest first.
    pub fn questions(&self) -> Vec<(String, String)> {
        lock(&self.state.asked).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What stands before hickory: it counts questions and spoils answers.
#[derive(Clone)]
struct Front {
    state: Arc<State>,
    all: SocketAddr,
    parents: SocketAddr,
    vouched: bool,
}

impl Front {
    async fn run_udp(self, socket: Arc<UdpSocket>) {
        let mut tasks = JoinSet::new();
        let mut buffer = [0; MAX_DATAGRAM];
        loop {
            let Ok((length, client)) = socket.recv_from(&mut buffer).await else { continue };
            let (front, socket, question) = (self.clone(), socket.clone(), buffer[..length].to_vec());
            tasks.spawn(async move {
                if let Some(answer) = front.answer(&question, false).await {
                    // A client that has gone is no matter.
                    let _ = socket.send_to(&answer, client).await;
                }
            });
            while tasks.try_join_next().is_some() {}
        }
    }

    async fn run_tcp(self, listener: TcpListener) {
        let mut tasks = JoinSet::new();
        loop {
            let Ok((mut stream, _)) = listener.accept().await else { continue };
            let front = self.clone();
            tasks.spawn(async move {
                while let Ok(question) = read_framed(&mut stream).await {
                    let Some(answer) = front.answer(&question, true).await else { return };
                    if write_framed(&mut stream, &answer).await.is_err() {
                        return;
                    }
                }
            });
            while tasks.try_join_next().is_some() {}
        }
    }

    /// The answer to a question, spoilt as the test wants; `None` for silence.
    async fn answer(&self, question: &[u8], tcp: bool) -> Option<Vec<u8>> {
        let asked = Message::from_vec(question).ok()?;
        let query = asked.queries.first()?;
        let owner = key(&query.name().to_ascii());
        let kind = query.query_type();
        lock(&self.state.asked).push((owner.clone(), kind.to_string()));
        let failure = lock(&self.state.failures).get(&owner).copied();

        let bare = |code: ResponseCode| {
            let mut answer = asked.clone().into_response();
            answer.metadata.response_code = code;
            answer.metadata.recursion_available = true;
            answer.to_vec().ok()
        };
        match failure {
            Some(Failure::ServFail) => return bare(ResponseCode::ServFail),
            Some(Failure::Refused) => return bare(ResponseCode::Refused),
            Some(Failure::NoSuchName) => return bare(ResponseCode::NXDomain),
            Some(Failure::Silent) => return None,
            Some(Failure::Garbage) => return Some(question.iter().take(2).copied().chain([0xff; 9]).collect()),
            Some(Failure::Slow(time)) => sleep(time).await,
            _ => {}
        }
        let server = if kind == RecordType::DS { self.parents } else { self.all };
        let answer = relay(server, question).await.ok()?;
        // What hickory serves and cannot read itself is as the test wants it.
        let Ok(mut message) = Message::from_vec(&answer) else { return Some(answer) };
        message.metadata.recursion_available = true;
        // hickory answers from a zone; to our client we are a server that asks others.
        message.metadata.authoritative = false;
        let wants_dnssec = asked.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok);
        message.metadata.authentic_data = self.vouched && wants_dnssec;
        match failure {
            Some(Failure::OtherId) => message.metadata.id = message.metadata.id.wrapping_add(1),
            Some(Failure::OtherName) => {
                for query in &mut message.queries {
                    query.set_name(Name::from_ascii("other.invalid.").ok()?);
                }
            }
            Some(Failure::Unsigned) => {
                message.answers.retain(|record| record.record_type() != RecordType::RRSIG);
                message.authorities.clear();
            }
            _ => {}
        }
        let cut = failure == Some(Failure::TruncatedEverywhere) || (failure == Some(Failure::Truncated) && !tcp);
        let length = message.to_vec().ok()?.len();
        let room = message.edns.as_ref().map_or(512, |edns| usize::from(edns.max_payload()));
        if cut || (!tcp && length > room) {
            message.metadata.truncation = true;
            message.answers.clear();
            message.authorities.clear();
        }
        message.to_vec().ok()
    }
}

/// Asks hickory, over TCP so that nothing is cut short on the way.
async fn relay(server: SocketAddr, question: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    write_framed(&mut stream, question).await?;
    read_framed(&mut stream).await
}

async fn read_framed(stream: &mut TcpStream) -> anyhow::Result<Vec<u8>> {
    let mut message = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

async fn write_framed(stream: &mut TcpStream, message: &[u8]) -> anyhow::Result<()> {
    let mut framed = u16::try_from(message.len())?.to_be_bytes().to_vec();
    framed.extend_from_slice(message);
    stream.write_all(&framed).await?;
    Ok(())
}

/// One port for UDP and TCP.
async fn bind() -> anyhow::Result<(UdpSocket, TcpListener)> {
    for _ in 0..50 {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr()?).await {
            return Ok((udp, tcp));
        }
    }
    bail!("no port is free for both UDP and TCP")
}

async fn serve(catalog: Catalog) -> anyhow::Result<(Server<Catalog>, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let mut server = Server::new(catalog);
    server.register_listener(listener, Duration::from_secs(30), 64);
    Ok((server, address))
}

type Zone = InMemoryZoneHandler<TokioRuntimeProvider>;

/// An empty zone.
fn zone(origin: Name, signed: bool) -> Zone {
    let proof = signed.then_some(NxProofKind::Nsec);
    let mut zone = Zone::empty(origin.clone(), ZoneType::Primary, AxfrPolicy::Deny, proof);
    let soa = SOA::new(server_name(), server_name(), 1, 600, 60, 3_600, TTL_S);
    zone.upsert_mut(Record::from_rdata(origin.clone(), TTL_S, RData::SOA(soa)), 1);
    zone.upsert_mut(Record::from_rdata(origin, TTL_S, RData::NS(NS(server_name()))), 1);
    zone
}

fn insert(zone: &mut Zone, record: Record) -> anyhow::Result<()> {
    let what = format!("{} {}", record.name, record.record_type());
    ensure!(zone.upsert_mut(record, 1), "{what} does not go with what the zone has");
    Ok(())
}

/// Signs a zone with a new key, and gives the key as a DNSKEY record.
fn sign(zone: &mut Zone) -> anyhow::Result<String> {
    let algorithm = Algorithm::ECDSAP256SHA256;
    let der = EcdsaSigningKey::generate_pkcs8(algorithm).map_err(|error| anyhow!("{error}"))?;
    let key = EcdsaSigningKey::from_pkcs8(&der, algorithm).map_err(|error| anyhow!("{error}"))?;
    let dnskey = DNSKEY::from_key(&key.to_public_key().map_err(|error| anyhow!("{error}"))?);
    let anchor = format!(". 3600 IN DNSKEY {dnskey}\n");
    let signer = DnssecSigner::new(dnskey, Box::new(key), Name::root(), Duration::from_secs(86_400));
    zone.add_zone_signing_key_mut(signer).map_err(|error| anyhow!("{error}"))?;
    zone.secure_zone_mut().map_err(|error| anyhow!("{error}"))?;
    Ok(anchor)
}

fn parse_line(line: &str) -> anyhow::Result<Record> {
    let mut words = line.splitn(3, char::is_whitespace);
    let (Some(owner), Some(kind), Some(data)) = (words.next(), words.next(), words.next()) else {
        bail!("a record is NAME TYPE DATA");
    };
    let kind: RecordType = kind.parse().map_err(|error| anyhow!("{error}"))?;
    let data = RData::try_from_str(kind, data.trim()).map_err(|error| anyhow!("{error}"))?;
    Ok(Record::from_rdata(name(owner)?, TTL_S, data))
}

fn server_name() -> Name {
    Name::from_ascii("ns.invalid.").expect("the server's own name is a name")
}

/// A name, absolute whether or not it ends with a dot. Labels are taken literally.
fn name(text: &str) -> anyhow::Result<Name> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let labels = text.split('.').filter(|label| !label.is_empty()).map(str::as_bytes);
    let mut name = Name::from_labels(labels).with_context(|| format!("{text} is no name"))?;
    name.set_fqdn(true);
    Ok(name)
}

fn key(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}
