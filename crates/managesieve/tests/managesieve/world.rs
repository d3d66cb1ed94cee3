//! A server of one directory, and a client that knows nothing of it.

use directory::{AccountId, Directory, Domain, NewAccount};
use edge::listen::{Caps, Connection, Kind, Limits, Listen};
use edge::tls::Tls;
use edge::{Policy, Protocol, ScramOffer, Services, Shutdown, Stop};
use managesieve::Settings;
use message::Address;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use store::{OpenOptions, Store};

pub(crate) const ANA: &str = "ana@example.org";
pub(crate) const PASSWORD: &str = "hierro-2602 dos";

/// A running server.
pub(crate) struct World {
    pub(crate) services: Arc<Services>,
    pub(crate) address: SocketAddr,
    pub(crate) ana: AccountId,
    stop: Stop,
    runtime: tokio::runtime::Runtime,
    serving: tokio::task::JoinHandle<()>,
    place: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(true, Settings::default())
    }

    /// With or without the right to send passwords in the clear.
    pub(crate) fn with(loopback_is_secure: bool, settings: Settings) -> Self {
        let place = tempfile::tempdir().unwrap();
        let store = Store::init(&place.path().join("data"), 1, OpenOptions::for_purpose("test")).unwrap();
        let directory = Directory::open(&place.path().join("directory.sqlite"), None).unwrap();
        let domain = Domain { name: "example.org".into(), customer_id: None, disabled: false, created_at: 0 };
        let ana = NewAccount::new(Address::new(ANA).unwrap());
        let added = directory.write(|tx| {
            tx.add_domain(&domain)?;
            tx.add_account(&ana)
        });
        let ana = added.unwrap();
        directory.change_password(ana, PASSWORD.as_bytes()).unwrap();
        let policy = Policy {
            failure_delay: Duration::ZERO,
            scram: ScramOffer::Always,
            loopback_is_secure,
            ..Policy::new("mail.example.org")
        };
        let services = Services::new(Arc::new(store), Arc::new(directory), policy);
        let tls = Tls::self_signed(&place.path().join("tls"), &["mail.example.org".to_owned()]).unwrap();
        let listen = Listen {
            protocol: Protocol::ManageSieve,
            kind: Kind::StartTls,
            tls: Some(tls),
            loopback_is_secure,
            limits: Limits::default(),
            full: managesieve::FULL,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, shutdown) = Shutdown::channel();
        let asked = services.clone();
        let handler = move |connection: Connection| managesieve::serve(connection, asked.clone(), settings);
        let serving = runtime.spawn(edge::listen::run(listener, listen, Caps::new(100, 100, 100), shutdown, handler));
        World { services, address, ana, stop, runtime, serving, place }
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.services.directory
    }

    /// A client that has heard the greeting.
    pub(crate) fn client(&self) -> Client<TcpStream> {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut client = Client { stream: BufReader::new(stream) };
        assert!(client.answer().ends_with("OK \"mail.example.org ready\"\r\n"));
        client
    }

    /// A client that is in.
    pub(crate) fn signed_in(&self) -> Client<TcpStream> {
        let mut client = self.client();
        client.ok(&plain(ANA, PASSWORD));
        client
    }

    /// The names of Ana's scripts, with a star at the active one.
    pub(crate) fn names(&self) -> Vec<String> {
        let sizes = self.directory().script_sizes(self.ana).unwrap();
        sizes.into_iter().map(|s| format!("{}{}", s.name, if s.active { "*" } else { "" })).collect()
    }

    /// Asks the server to end.
    pub(crate) fn request_stop(&self) {
        self.stop.request();
    }

    /// Ends the server and checks all that it left.
    pub(crate) fn finish(self) {
        self.stop.request();
        self.runtime.block_on(self.serving).unwrap();
        drop(self.runtime);
        assert_eq!(self.services.directory.check_consistency().unwrap(), []);
        drop(self.place);
    }
}

/// The command that signs in with PLAIN.
pub(crate) fn plain(login: &str, password: &str) -> String {
    use base64::Engine as _;
    let initial = base64::engine::general_purpose::STANDARD.encode(format!("\0{login}\0{password}"));
    format!("AUTHENTICATE \"PLAIN\" \"{initial}\"")
}

/// A client.
pub(crate) struct Client<S: Read + Write> {
    pub(crate) stream: BufReader<S>,
}

impl Client<TcpStream> {
    /// The same client inside TLS, which the server was asked for.
    pub(crate) fn start_tls(self) -> Client<StreamOwned<ClientConnection, TcpStream>> {
        let config = testkit::tls::client(&[&rustls::version::TLS13]);
        let name = ServerName::try_from("mail.example.org").unwrap();
        let connection = ClientConnection::new(config, name).unwrap();
        Client { stream: BufReader::new(StreamOwned::new(connection, self.stream.into_inner())) }
    }
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
        self.stream.get_mut().flush().unwrap();
    }

    /// An answer to its end, as it came; what there was, at the end of the connection.
    pub(crate) fn answer(&mut self) -> String {
        let mut all = Vec::new();
        loop {
            let begin = all.len();
            loop {
                let line_begin = all.len();
                if self.stream.read_until(b'\n', &mut all).unwrap() == 0 {
                    return String::from_utf8(all).unwrap();
                }
                let Some(bytes) = literal(&all[line_begin..]) else { break };
                let literal_begin = all.len();
                all.resize(literal_begin + bytes, 0);
                self.stream.read_exact(&mut all[literal_begin..]).unwrap();
            }
            if [&b"OK "[..], b"NO ", b"BYE "].iter().any(|verdict| all[begin..].starts_with(verdict)) {
                return String::from_utf8(all).unwrap();
            }
        }
    }

    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n").as_bytes());
        self.answer()
    }

    /// Asks, and takes no for no answer.
    pub(crate) fn ok(&mut self, command: &str) -> String {
        let answer = self.ask(command);
        assert!(answer.starts_with("OK ") || answer.contains("\r\nOK "), "{command}: {answer}");
        answer
    }

    /// Asks, and expects a refusal that begins so.
    pub(crate) fn no(&mut self, command: &str, begins: &str) -> String {
        let answer = self.ask(command);
        assert!(answer.starts_with(&format!("NO {begins}")), "{command}: {answer}");
        answer
    }

    /// Sends a script as a literal and gives the answer.
    pub(crate) fn put(&mut self, name: &str, script: &str) -> String {
        self.ask(&format!("PUTSCRIPT \"{name}\" {{{}+}}\r\n{script}", script.len()))
    }

    /// Whether the server has closed the connection.
    pub(crate) fn is_over(&mut self) -> bool {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).is_ok() && rest.is_empty()
    }
}

/// How long the literal is that a line ends with.
fn literal(line: &[u8]) -> Option<usize> {
    let digits = line.strip_suffix(b"}\r\n")?;
    let at = digits.iter().rposition(|b| *b == b'{')?;
    std::str::from_utf8(&digits[at + 1..]).ok()?.parse().ok()
}
