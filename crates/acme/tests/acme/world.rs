//! An authority, the names it sees, and the manager.

use crate::proxy::Proxy;
use acme::{Kind, Manager, Pace, Settings, State, serve_http, serve_tls, states};
use edge::tls::client::Roots;
use edge::tls::{CertificateFiles, Tls};
use edge::{Shutdown, Stop};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::TLS13;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use testkit::dns_server::{DnsServer, Zones};
use testkit::process::{Daemon, free_ports};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsConnector;

/// How long something may take; a loaded machine needs a part of it.
const PATIENCE: Duration = Duration::from_secs(90);

/// The names that have an address.
pub(crate) const NAMES: [&str; 4] = ["mail.example.org", "imap.example.org", "mx.example.com", "late.example.org"];

pub(crate) struct World {
    pub(crate) proxy: Proxy,
    pub(crate) dns: DnsServer,
    place: TempDir,
    roots: Roots,
    challenges: Challenges,
    pebble: Pebble,
}

/// Where the authority comes to see.
#[derive(Clone, Copy)]
struct Challenges {
    http: SocketAddr,
    tls: SocketAddr,
}

struct Pebble {
    address: SocketAddr,
    _daemon: Daemon,
}

/// A manager that runs, and a server that shows its certificates.
pub(crate) struct Running {
    service: SocketAddr,
    stop: Stop,
    tasks: Vec<JoinHandle<()>>,
}

/// `None`: there is no such authority here.
pub(crate) async fn world() -> Option<World> {
    world_of(90 * 86_400).await
}

/// As [`world`], and certificates last for some seconds.
pub(crate) async fn world_of_short_lives() -> Option<World> {
    world_of(20).await
}

async fn world_of(life_s: u32) -> Option<World> {
    if !testkit::has_programs(&["pebble"]) {
        return None;
    }
    let place = tempfile::tempdir().unwrap();
    let zones = NAMES.iter().fold(Zones::new(), |zones, name| zones.address(name, Ipv4Addr::LOCALHOST.into()));
    let dns = DnsServer::start(zones).await.unwrap();
    let (roots, files) = own_certificate(place.path());
    let [http, tls] = free_ports().unwrap();
    let challenges = Challenges { http, tls };
    let pebble = Pebble::start(place.path(), &files, challenges, dns.address(), life_s);
    let chain = CertificateDer::pem_file_iter(&files.chain).unwrap().map(Result::unwrap).collect();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(&files.key).unwrap())
        .unwrap();
    let proxy = Proxy::start(Arc::new(config), pebble.address).await;
    Some(World { proxy, dns, place, roots, challenges, pebble })
}

impl World {
    pub(crate) fn kept_in(&self) -> PathBuf {
        self.place.path().join("data/tls/acme")
    }

    pub(crate) fn settings(&self, certificates: &[&[&str]], challenges: &[Kind]) -> Settings {
        let owned = |names: &&[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Settings {
            directory: format!("https://{}/dir", self.proxy.address),
            contact: Some("postmaster@example.org".to_owned()),
            certificates: certificates.iter().map(owned).collect(),
            kept_in: self.kept_in(),
            roots: self.roots.clone(),
            challenges: challenges.to_vec(),
            pace: Pace {
                first_retry: Duration::from_secs(1),
                longest_retry: Duration::from_secs(2),
                limited: Duration::from_secs(1),
                request: Duration::from_secs(20),
                validation: Duration::from_secs(40),
                renewal_info: Duration::from_secs(1),
            },
        }
    }

    /// Runs a manager, whose service shows a certificate of its own at first.
    pub(crate) async fn run(&self, settings: Settings) -> Running {
        let kinds = settings.challenges.clone();
        self.run_with(settings, &kinds).await
    }

    /// As [`run`](Self::run), and only these challenges can be seen.
    pub(crate) async fn run_with(&self, settings: Settings, kinds: &[Kind]) -> Running {
        let tls = Tls::self_signed(&self.place.path().join("data/tls"), &["localhost".to_owned()]).unwrap();
        let manager = Manager::new(settings, Arc::clone(&tls)).unwrap();
        let (stop, shutdown) = Shutdown::channel();
        let mut tasks = Vec::new();
        if kinds.contains(&Kind::Http01) {
            let listener = TcpListener::bind(self.challenges.http).await.unwrap();
            tasks.push(tokio::spawn(serve_http(listener, manager.responder(), shutdown.clone())));
        }
        if kinds.contains(&Kind::TlsAlpn01) {
            let listener = TcpListener::bind(self.challenges.tls).await.unwrap();
            tasks.push(tokio::spawn(serve_tls(listener, Arc::clone(&tls), shutdown.clone())));
        }
        // Any TLS of ours shows certificates as every service does.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = listener.local_addr().unwrap();
        tasks.push(tokio::spawn(serve_tls(listener, Arc::clone(&tls), shutdown.clone())));
        tasks.push(tokio::spawn(manager.run(shutdown)));
        Running { service, stop, tasks }
    }

    /// What is kept, as soon as it is as it should be.
    pub(crate) async fn states_when(&self, what: &str, good: impl Fn(&[State]) -> bool) -> Vec<State> {
        let patient_until = Instant::now() + PATIENCE;
        loop {
            let states = states(&self.kept_in()).unwrap();
            if good(&states) {
                return states;
            }
            assert!(Instant::now() < patient_until, "{what}: {states:#?}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The authority loses its memory.
    pub(crate) fn replace_authority(&mut self) {
        let files = self.own_files();
        self.pebble = Pebble::start(self.place.path(), &files, self.challenges, self.dns.address(), 90 * 86_400);
        self.proxy.turn_to(self.pebble.address);
    }

    fn own_files(&self) -> CertificateFiles {
        CertificateFiles { chain: self.place.path().join("own.crt"), key: self.place.path().join("own.key") }
    }
}

impl Running {
    /// The certificate that a client gets who asks for a name.
    pub(crate) async fn shows(&self, name: &str) -> CertificateDer<'static> {
        let connector = TlsConnector::from(testkit::tls::client(&[&TLS13]));
        let stream = TcpStream::connect(self.service).await.unwrap();
        let stream = connector.connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone()
    }

    pub(crate) async fn end(self) {
        self.stop.request();
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

impl Pebble {
    fn start(place: &Path, own: &CertificateFiles, challenges: Challenges, dns: SocketAddr, life_s: u32) -> Self {
        loop {
            let [address, management] = free_ports().unwrap();
            let config = serde_json::json!({ "pebble": {
                "listenAddress": address.to_string(),
                "managementListenAddress": management.to_string(),
                "certificate": own.chain,
                "privateKey": own.key,
                "httpPort": challenges.http.port(),
                "tlsPort": challenges.tls.port(),
                "certificateValidityPeriod": life_s,
            }});
            let path = place.join(format!("pebble-{}.json", address.port()));
            std::fs::write(&path, config.to_string()).unwrap();
            let log_path = path.with_extension("log");
            let log = std::fs::File::create(&log_path).unwrap();
            let mut command = Command::new("pebble");
            command
                .arg("-config")
                .arg(&path)
                .args(["-dnsserver", &dns.to_string(), "-strict"])
                // Every fifth nonce is refused, though it is good: a client must bear that (RFC 8555 §6.5).
                .envs([("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_WFE_NONCEREJECT", "20"), ("PEBBLE_AUTHZREUSE", "50")])
                .stdout(log.try_clone().unwrap())
                .stderr(log)
                .stdin(Stdio::null());
            let mut daemon = Daemon::spawn(&mut command).unwrap();
            let log = || std::fs::read_to_string(&log_path).unwrap();
            if daemon.listens(&[address, management], log, "address already in use").unwrap() {
                return Pebble { address, _daemon: daemon };
            }
        }
    }
}

/// A certificate for the authority's own server, and who signed it.
fn own_certificate(place: &Path) -> (Roots, CertificateFiles) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "authority of a test");
    let key = KeyPair::generate().unwrap();
    let root = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let names = ["localhost", "127.0.0.1"].map(str::to_owned);
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    let files = CertificateFiles { chain: place.join("own.crt"), key: place.join("own.key") };
    std::fs::write(&files.chain, own.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    (Roots::of([root.der().clone()]), files)
}
