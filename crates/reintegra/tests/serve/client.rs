//! A client that sends lines and reads lines, with and without TLS.

use super::PATIENCE;
use base64::Engine as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConnection, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// A connection.
pub(super) struct Client {
    stream: BufReader<Box<dyn Stream>>,
    tags: u32,
    /// The channel binding of TLS 1.3 (RFC 9266), where there is TLS.
    pub(super) binding: Option<[u8; 32]>,
}

impl Client {
    /// Connects in the clear; the greeting is not yet read.
    pub(super) fn connect(server: SocketAddr) -> Self {
        Self::try_connect(server).unwrap()
    }

    /// As [`Client::connect`], to a server that may be gone.
    pub(super) fn try_connect(server: SocketAddr) -> std::io::Result<Self> {
        Ok(Client { stream: BufReader::new(Box::new(tcp(server)?)), tags: 0, binding: None })
    }

    /// Connects with TLS first, asking for a name; gives the certificate that was shown too.
    pub(super) fn connect_tls(server: SocketAddr, name: &str) -> (Self, CertificateDer<'static>) {
        let config = testkit::tls::client(rustls::DEFAULT_VERSIONS);
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut tls = ClientConnection::new(config, name).unwrap();
        let mut tcp = tcp(server).unwrap();
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp).unwrap();
        }
        let certificate = tls.peer_certificates().unwrap()[0].clone().into_owned();
        let binding = tls.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b"")).ok();
        (Client { stream: BufReader::new(Box::new(StreamOwned::new(tls, tcp))), tags: 0, binding }, certificate)
    }

    /// An IMAP client that is signed in.
    pub(super) fn imap(server: SocketAddr, login: &str, password: &str) -> Self {
        let mut client = Self::connect(server);
        client.line();
        let answer = client.ask(&format!("LOGIN {login} {password}"));
        assert!(answer.last().unwrap().contains(" OK "), "{answer:?}");
        client
    }

    /// A POP3 client that is signed in.
    pub(super) fn pop3(server: SocketAddr, login: &str, password: &str) -> Self {
        let mut client = Self::connect(server);
        client.line();
        for command in [format!("USER {login}"), format!("PASS {password}")] {
            client.send(&command);
            let answer = client.line();
            assert!(answer.starts_with("+OK"), "{answer}");
        }
        client
    }

    /// The next line without its ending; empty at the end of the connection.
    pub(super) fn line(&mut self) -> String {
        self.try_line().unwrap_or_default()
    }

    /// As [`Client::line`]; `None` when the connection is broken.
    pub(super) fn try_line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).ok().filter(|length| *length > 0)?;
        Some(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// Everything up to the end of the connection.
    pub(super) fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        // A connection may also end by a reset.
        let _ = self.stream.read_to_end(&mut rest);
        String::from_utf8_lossy(&rest).into_owned()
    }

    pub(super) fn send(&mut self, line: &str) {
        self.try_send(line).unwrap();
    }

    pub(super) fn try_send(&mut self, line: &str) -> std::io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(format!("{line}\r\n").as_bytes())?;
        stream.flush()
    }

    /// Asks an IMAP command and gives every line of the answer, the tagged one last.
    pub(super) fn ask(&mut self, command: &str) -> Vec<String> {
        self.try_ask(command).unwrap_or_default()
    }

    /// As [`Client::ask`]; `None` when the connection broke.
    pub(super) fn try_ask(&mut self, command: &str) -> Option<Vec<String>> {
        self.tags += 1;
        let tag = format!("t{} ", self.tags);
        self.try_send(&format!("{tag}{command}")).ok()?;
        let mut lines = Vec::new();
        loop {
            let line = self.try_line()?;
            let is_last = line.starts_with(&tag);
            lines.push(line);
            if is_last {
                return Some(lines);
            }
        }
    }

    /// A SASL exchange whose client messages are known beforehand or made of the server's, `+ ` and base64 taken off;
    /// gives the server's last line.
    pub(super) fn authenticate(&mut self, command: &str, mut answer: impl FnMut(usize, &str) -> String) -> String {
        let base64 = base64::engine::general_purpose::STANDARD;
        self.send(command);
        for round in 0.. {
            let line = self.line();
            match line.strip_prefix("+ ").or_else(|| (line == "+").then_some("")) {
                Some(challenge) => {
                    let challenge = base64.decode(challenge).map(|bytes| String::from_utf8(bytes).unwrap());
                    let response = answer(round, &challenge.unwrap_or_default());
                    self.send(&base64.encode(response));
                }
                None if line.starts_with("* ") => {}
                None => return line,
            }
        }
        unreachable!("the rounds do not end")
    }
}

fn tcp(server: SocketAddr) -> std::io::Result<TcpStream> {
    let tcp = TcpStream::connect(server)?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}
