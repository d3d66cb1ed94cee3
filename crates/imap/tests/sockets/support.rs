//! A server on a port of its own, and a client that blocks.

use directory::{Directory, Domain, NewAccount, Secret};
use edge::listen::{Caps, Kind, Limits, Listen, run};
use edge::tls::Tls;
use edge::{Policy, Protocol, ScramOffer, Services, Shutdown, Stop};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use imap::Times;
use message::Address;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use store::{OpenOptions, Store};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// Everybody's password.
pub(crate) const PASSWORD: &str = "hierro-2602";
/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server.
pub(crate) struct Server {
    pub(crate) services: Arc<Services>,
    pub(crate) address: SocketAddr,
    pub(crate) caps: Arc<Caps>,
    certificate: CertificateDer<'static>,
    stop: Option<Stop>,
    running: Option<tokio::task::JoinHandle<()>>,
    runtime: Runtime,
    _place: TempDir,
}

impl Server {
    /// A server for `ana@example.org` that offers STARTTLS and takes loopback for secure.
    pub(crate) fn start() -> Self {
        Self::with(Kind::StartTls, Times::default())
    }

    /// A server.
    pub(crate) fn with(kind: Kind, times: Times) -> Self {
        Self::with_policy(kind, times, |_| {})
    }

    /// A server whose policy is another.
    pub(crate) fn with_policy(kind: Kind, times: Times, change: impl FnOnce(&mut Policy)) -> Self {
        let place = tempfile::tempdir().unwrap();
        let store = Store::init(&place.path().join("data"), 1, OpenOptions::for_purpose("test")).unwrap();
        let directory = Directory::open(&place.path().join("directory.sqlite"), None).unwrap();
        let domain =
            Domain { name: "example.org".into(), customer_id: None, disabled: false, created_at: 1_200_000_000 };
        let mut account = NewAccount::new(Address::new("ana@example.org").unwrap());
        account.password_hash = Some(Secret::new(format!("{{PLAIN}}{PASSWORD}")));
        directory
            .write(|tx| {
                tx.add_domain(&domain)?;
                tx.add_account(&account)
            })
            .unwrap();
        let mut policy = Policy::new("localhost");
        policy.failure_delay = Duration::ZERO;
        policy.scram = ScramOffer::Always;
        policy.max_sessions_per_account = 10_000;
        change(&mut policy);
        let services = Services::new(Arc::new(store), Arc::new(directory), policy);
        let tls = Tls::self_signed(place.path(), &["localhost".to_owned()]).unwrap();
        let certificate = CertificateDer::from_pem_file(&tls.files()[0].chain).unwrap();
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let limits = Limits { handshake: Duration::from_secs(5), grace: Duration::from_secs(5) };
        let full = b"* BYE [UNAVAILABLE] too many connections\r\n";
        let listen = Listen { protocol: Protocol::Imap, kind, tls: Some(tls), loopback_is_secure: true, limits, full };
        let caps = Caps::new(10_000, 10_000, 10_000);
        let (stop, shutdown) = Shutdown::channel();
        let for_all = Arc::clone(&services);
        let handler = move |connection| imap::serve(connection, Arc::clone(&for_all), times);
        let running = runtime.spawn(run(listener, listen, Arc::clone(&caps), shutdown, handler));
        let (stop, running) = (Some(stop), Some(running));
        Server { services, address, caps, certificate, stop, running, runtime, _place: place }
    }

    /// A client that has read the greeting.
    pub(crate) fn connect(&self) -> Client {
        let mut client = Client::over(Box::new(self.socket()));
        assert!(client.line().starts_with("* OK [CAPABILITY "));
        client
    }

    /// A client that is signed in as Ana.
    pub(crate) fn ana(&self) -> Client {
        let mut client = self.connect();
        client.sign_in();
        client
    }

    /// A connection that nothing was done on.
    pub(crate) fn socket(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        socket
    }

    /// Begins TLS on a connection.
    pub(crate) fn shake_hands(&self, socket: TcpStream) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
        shake_hands(socket, self.certificate.clone())
    }

    /// The server's certificate.
    pub(crate) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Asks all sessions to end.
    pub(crate) fn ask_to_stop(&mut self) {
        self.stop.take();
    }

    /// Stops the server and checks the store.
    pub(crate) fn finish(mut self) {
        self.ask_to_stop();
        self.runtime.block_on(self.running.take().unwrap()).unwrap();
        assert_eq!(self.caps.connections(), 0, "every session ended");
        for cell in self.services.store.cells() {
            assert_eq!(cell.check().unwrap().problems, Vec::new());
        }
    }
}

/// Begins TLS on a connection with a server whose certificate is known.
pub(crate) fn shake_hands(
    mut socket: TcpStream,
    certificate: CertificateDer<'static>,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    connection.complete_io(&mut socket)?;
    Ok(StreamOwned::new(connection, socket))
}

/// What a client speaks over.
pub(crate) trait Transport: Read + Write + Send {}
impl<T: Read + Write + Send> Transport for T {}

/// A client that blocks.
pub(crate) struct Client {
    transport: Box<dyn Transport>,
    deflate: Option<(Compress, Decompress)>,
    buffer: Vec<u8>,
    packed: Vec<u8>,
    commands: u32,
}

impl Client {
    /// A client over some transport.
    pub(crate) fn over(transport: Box<dyn Transport>) -> Self {
        Client { transport, deflate: None, buffer: Vec::new(), packed: Vec::new(), commands: 0 }
    }

    /// Signs Ana in.
    pub(crate) fn sign_in(&mut self) {
        let answer = self.send(&format!("LOGIN ana@example.org {PASSWORD}"));
        assert!(answer.last().unwrap().starts_with("OK "), "{answer:?}");
    }

    /// Speaks DEFLATE from here on.
    pub(crate) fn begin_deflate(&mut self) {
        self.deflate = Some((Compress::new(Compression::default(), false), Decompress::new(false)));
    }

    /// The transport again.
    pub(crate) fn into_transport(self) -> Box<dyn Transport> {
        self.transport
    }

    /// Writes bytes as they are.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.try_write(bytes).unwrap();
    }

    /// Writes bytes as they are, if the server takes them.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.deflate {
            None => self.transport.write_all(bytes)?,
            Some((compress, _)) => {
                let mut packed = Vec::with_capacity(bytes.len() + 1024);
                compress.compress_vec(bytes, &mut packed, FlushCompress::Sync).unwrap();
                self.transport.write_all(&packed)?;
            }
        }
        self.transport.flush()
    }

    /// Sends a command that must succeed, and gives the responses before the tagged one.
    #[track_caller]
    pub(crate) fn ok(&mut self, command: &str) -> Vec<String> {
        let mut answer = self.send(command);
        let last = answer.pop().unwrap();
        assert!(last.starts_with("OK "), "{command}: {last}");
        answer
    }

    /// Sends a command and gives its responses, the last being the tagged one without its tag.
    pub(crate) fn send(&mut self, command: &str) -> Vec<String> {
        self.commands += 1;
        let tag = format!("t{}", self.commands);
        self.write(format!("{tag} {command}\r\n").as_bytes());
        self.until(&tag)
    }

    /// Reads responses up to the one with a tag, which comes without it.
    pub(crate) fn until(&mut self, tag: &str) -> Vec<String> {
        let mut answer = Vec::new();
        loop {
            let line = self.line();
            match line.strip_prefix(tag).and_then(|rest| rest.strip_prefix(' ')) {
                Some(rest) => {
                    answer.push(rest.to_owned());
                    return answer;
                }
                None => answer.push(line),
            }
        }
    }

    /// Reads a response with its literals.
    pub(crate) fn line(&mut self) -> String {
        self.try_line().unwrap().expect("the server closed the connection")
    }

    /// Reads a response; `None` at the end of the stream.
    pub(crate) fn try_line(&mut self) -> io::Result<Option<String>> {
        let mut from = 0;
        loop {
            let found = self.buffer[from..].windows(2).position(|pair| pair == b"\r\n").map(|at| from + at);
            let Some(end) = found else {
                if !self.fill()? {
                    return Ok(None);
                }
                continue;
            };
            match literal_at_end(&self.buffer[..end]) {
                Some(bytes) => {
                    from = end + 2 + bytes;
                    while self.buffer.len() < from {
                        if !self.fill()? {
                            return Ok(None);
                        }
                    }
                }
                None => {
                    let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                    self.buffer.drain(..end + 2);
                    return Ok(Some(line));
                }
            }
        }
    }

    fn fill(&mut self) -> io::Result<bool> {
        let mut bytes = [0; 16 * 1024];
        let length = self.transport.read(&mut bytes)?;
        let bytes = &bytes[..length];
        match &mut self.deflate {
            None => self.buffer.extend_from_slice(bytes),
            Some((_, decompress)) => {
                self.packed.extend_from_slice(bytes);
                loop {
                    let mut plain = Vec::with_capacity(64 * 1024);
                    let before = decompress.total_in();
                    decompress.decompress_vec(&self.packed, &mut plain, FlushDecompress::Sync).unwrap();
                    let taken = usize::try_from(decompress.total_in() - before).unwrap();
                    self.packed.drain(..taken);
                    if plain.is_empty() && taken == 0 {
                        break;
                    }
                    self.buffer.extend(plain);
                }
            }
        }
        Ok(length > 0)
    }
}

fn literal_at_end(line: &[u8]) -> Option<usize> {
    let digits = line.strip_suffix(b"}")?.rsplit(|byte| *byte == b'{').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// An APPEND without waiting for `+`.
pub(crate) fn append(mailbox: &str, flags: &str, message: &str) -> String {
    format!("APPEND {mailbox} ({flags}) {{{}+}}\r\n{message}", message.len())
}
