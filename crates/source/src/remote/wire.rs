//! The connection itself: bytes in and out, with a limit on every length and an end to every wait.

use super::{RemoteError, Server};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is read at once.
const CHUNK_BYTES: usize = 32 * 1024;

/// The slowest pace at which a literal may arrive, beyond the timeout.
const SLOWEST_BYTES_A_SECOND: u64 = 1024;

/// How many timeouts a command may take in all: a cold index of a large mailbox takes minutes.
pub(super) const COMMAND_TIMEOUTS: u32 = 30;

/// A connection to a server.
pub(super) struct Wire {
    stream: Stream,
    buffer: Vec<u8>,
    /// How much of the buffer is read.
    at: usize,
    timeout: Duration,
    /// When what is being done must be over.
    deadline: Instant,
    doing: &'static str,
    pub(super) server: Server,
    name: String,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<Tls>),
}

struct Tls {
    session: ClientConnection,
    socket: TcpStream,
}

impl Wire {
    /// Connects, and makes TLS where the server's address says so.
    pub(super) fn connect(server: &Server) -> Result<Wire, RemoteError> {
        let (url, timeout) = (&server.url, server.timeout);
        let lost = |cause| RemoteError::Lost { server: url.to_string(), cause };
        let mut failure = io::Error::new(ErrorKind::NotFound, "its name has no address");
        let mut socket = None;
        for address in (url.host.as_str(), url.port).to_socket_addrs().map_err(lost)? {
            match TcpStream::connect_timeout(&address, timeout) {
                Ok(connected) => {
                    socket = Some(connected);
                    break;
                }
                Err(error) => failure = error,
            }
        }
        let socket = socket.ok_or(failure).map_err(lost)?;
        socket.set_nodelay(true).map_err(lost)?;
        socket.set_write_timeout(Some(timeout)).map_err(lost)?;
        let mut wire = Wire {
            stream: Stream::Plain(socket),
            buffer: Vec::new(),
            at: 0,
            timeout,
            deadline: Instant::now() + timeout,
            doing: "connecting",
            name: url.to_string(),
            server: server.clone(),
        };
        if url.tls {
            wire = wire.start_tls()?;
        }
        Ok(wire)
    }

    /// Makes TLS on the connection. What the server sent ahead of it is an attack or a mistake.
    pub(super) fn start_tls(mut self) -> Result<Wire, RemoteError> {
        if self.at < self.buffer.len() {
            return Err(self.protocol("it sent something before TLS began"));
        }
        let Stream::Plain(socket) = self.stream else {
            return Err(self.protocol("it wants TLS within TLS"));
        };
        let url = &self.server.url;
        let no_tls = |text: String| RemoteError::Tls { server: url.to_string(), text };
        let host = ServerName::try_from(url.host.clone());
        let host = host.map_err(|_| no_tls("no certificate can be for such a host name".to_owned()))?;
        let session = ClientConnection::new(Arc::clone(&self.server.tls), host);
        let mut session = session.map_err(|e| no_tls(format!("no TLS: {e}")))?;
        session.set_buffer_limit(None);
        let mut tls = Box::new(Tls { session, socket });
        let deadline = Instant::now() + self.timeout;
        if let Err(error) = tls.handshake(deadline) {
            // What rustls says of a certificate comes wrapped.
            let timeout_s = self.timeout.as_secs();
            let why = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            return Err(match why {
                Some(rustls::Error::InvalidCertificate(why)) => RemoteError::Certificate {
                    server: self.name,
                    text: format!("its certificate is not believed: {why}"),
                },
                Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)) => {
                    no_tls(match url.tls {
                        true => format!("this port does not begin with TLS: {}:// is meant?", url.scheme_without_tls()),
                        false => "no TLS: what it answers is none".to_owned(),
                    })
                }
                Some(why) => no_tls(format!("no TLS: {why}")),
                None if is_timeout(&error) => RemoteError::Silent { server: self.name, timeout_s, doing: "making TLS" },
                None => RemoteError::Lost { server: self.name, cause: error },
            });
        }
        self.stream = Stream::Tls(tls);
        Ok(self)
    }

    /// Begins something that must be over in so many timeouts.
    pub(super) fn begin(&mut self, doing: &'static str, timeouts: u32) {
        self.doing = doing;
        self.deadline = Instant::now() + self.timeout * timeouts;
    }

    /// Whether TLS protects it.
    pub(super) fn is_secure(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), RemoteError> {
        let written = match &mut self.stream {
            Stream::Plain(socket) => socket.write_all(bytes),
            Stream::Tls(tls) => tls.session.writer().write_all(bytes).and_then(|()| tls.flush()),
        };
        written.map_err(|e| self.io(e))
    }

    /// Appends a line without its CRLF (a lone LF is taken for one).
    ///
    /// # Errors
    /// When it has more than `limit_bytes`, does not arrive in time, or the connection ends.
    pub(super) fn line(&mut self, limit_bytes: usize, into: &mut Vec<u8>) -> Result<(), RemoteError> {
        let deadline = self.deadline.min(Instant::now() + self.timeout);
        let mut taken = 0;
        loop {
            let new = &self.buffer[self.at..];
            let end = memchr::memchr(b'\n', new);
            let piece = &new[..end.unwrap_or(new.len())];
            taken += piece.len();
            if taken > limit_bytes {
                return Err(self.protocol(&format!("a line is longer than {limit_bytes} bytes")));
            }
            into.extend_from_slice(piece);
            self.at += piece.len();
            if end.is_some() {
                self.at += 1;
                if taken > 0 && into.last() == Some(&b'\r') {
                    into.pop();
                }
                return Ok(());
            }
            self.fill(deadline)?;
        }
    }

    /// Appends so many bytes.
    ///
    /// # Errors
    /// When they do not arrive at a bearable pace, or the connection ends.
    pub(super) fn exact(&mut self, count: u64, into: &mut Vec<u8>) -> Result<(), RemoteError> {
        let pace = Duration::from_secs(count / SLOWEST_BYTES_A_SECOND);
        let deadline = Instant::now() + self.timeout + pace;
        self.deadline = self.deadline.max(deadline);
        let mut left = count;
        while left > 0 {
            if self.at == self.buffer.len() {
                self.fill(deadline)?;
            }
            let new = &self.buffer[self.at..];
            let piece = &new[..new.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
            // Room is made as bytes arrive: an announcement alone costs nothing.
            into.extend_from_slice(piece);
            self.at += piece.len();
            left -= piece.len() as u64;
        }
        Ok(())
    }

    /// Reads what there is, and waits for it until the deadline at most.
    fn fill(&mut self, deadline: Instant) -> Result<(), RemoteError> {
        if self.at == self.buffer.len() {
            self.buffer.clear();
            self.at = 0;
        }
        let end = self.buffer.len();
        self.buffer.resize(end + CHUNK_BYTES, 0);
        let read = self.stream.read(&mut self.buffer[end..], deadline);
        self.buffer.truncate(end + read.as_ref().map_or(0, |n| *n));
        match read {
            Ok(0) => {
                let text = format!("it closed the connection ({})", self.doing);
                Err(self.io(io::Error::new(ErrorKind::UnexpectedEof, text)))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(self.io(error)),
        }
    }

    pub(super) fn protocol(&self, what: &str) -> RemoteError {
        RemoteError::Protocol { server: self.name.clone(), what: what.to_owned() }
    }

    /// The server's name in messages.
    pub(super) fn name(&self) -> String {
        self.name.clone()
    }

    fn io(&self, error: io::Error) -> RemoteError {
        if is_timeout(&error) {
            let timeout_s = self.timeout.as_secs();
            return RemoteError::Silent { server: self.name.clone(), timeout_s, doing: self.doing };
        }
        RemoteError::Lost { server: self.name.clone(), cause: error }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Lets the next read of a socket last until a deadline.
fn limit(socket: &TcpStream, deadline: Instant) -> io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(ErrorKind::TimedOut.into());
    }
    socket.set_read_timeout(Some(left))
}

impl Stream {
    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => loop {
                limit(socket, deadline)?;
                match socket.read(buffer) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    other => return other,
                }
            },
            Stream::Tls(tls) => tls.read(buffer, deadline),
        }
    }
}

impl Tls {
    fn handshake(&mut self, deadline: Instant) -> io::Result<()> {
        while self.session.is_handshaking() {
            self.flush()?;
            if self.session.is_handshaking() {
                self.receive(deadline)?;
            }
        }
        self.flush()
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        loop {
            match self.session.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                other => return other,
            }
            self.flush()?;
            self.receive(deadline)?;
        }
    }

    /// Takes in what there is of a record. Every part of one is waited for under the same deadline.
    fn receive(&mut self, deadline: Instant) -> io::Result<()> {
        limit(&self.socket, deadline)?;
        match self.session.read_tls(&mut self.socket) {
            Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "it closed the connection within TLS")),
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other?,
        };
        if let Err(error) = self.session.process_new_packets() {
            // The alert tells the server why; that it cannot be sent adds nothing.
            let _ = self.flush();
            return Err(io::Error::new(ErrorKind::InvalidData, error));
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            self.session.write_tls(&mut self.socket)?;
        }
        Ok(())
    }
}
