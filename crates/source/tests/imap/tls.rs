//! TLS: from the first byte, or by STARTTLS; by certificates that are believed, and by others.

use super::scripted::usual;
use super::{ANA, Described, scan};
use message::Address;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use source::remote::{Access, LoginForm, RemoteError, Security, Server, pop3};
use source::{MaildropScan, SourceError};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// A server with a certificate for `127.0.0.1`, signed by itself.
struct Secure {
    address: SocketAddr,
    certificate: String,
}

impl Secure {
    /// `begin` speaks on the bare connection; what it returns says whether TLS follows.
    fn start(begin: impl Fn(&mut TcpStream) -> std::io::Result<bool> + Send + 'static) -> Secure {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let chain = vec![CertificateDer::from(made.cert.der().to_vec())];
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                // Clients that go away in the midst of it are part of the tests.
                if !begin(&mut stream).unwrap_or(false) {
                    continue;
                }
                let session = ServerConnection::new(Arc::clone(&config)).unwrap();
                std::thread::spawn(move || serve(StreamOwned::new(session, stream)));
            }
        });
        Secure { address, certificate: made.cert.pem() }
    }

    fn scanned(&self, scheme: &str, more: &str) -> Result<MaildropScan, SourceError> {
        let described = Described::of(&[ANA]);
        std::fs::write(described.path("ca.pem"), &self.certificate).unwrap();
        let url = format!("url = \"{scheme}://{}\"\ncredentials = \"credentials\"\n", self.address);
        let source = described.try_open(&format!("{url}timeout_s = 5\npatience_s = 0\n{more}"))?;
        scan(&*source, ANA)
    }
}

fn serve(mut stream: impl Read + Write) -> std::io::Result<()> {
    let mut tag = String::new();
    let mut command = String::new();
    loop {
        stream.write_all(usual(&command).replace("TAG", &tag).as_bytes())?;
        let mut line = String::new();
        // A byte at a time, so that nothing of the next line is lost.
        if BufReader::with_capacity(1, &mut stream).read_line(&mut line)? == 0 {
            return Ok(());
        }
        let (this_tag, this_command) = line.trim_end().split_once(' ').unwrap_or_default();
        (tag, command) = (this_tag.to_owned(), this_command.to_owned());
    }
}

/// Says the greeting and takes STARTTLS, with something after its answer.
fn starttls(stream: &mut TcpStream, capabilities: &str, after: &str) -> std::io::Result<bool> {
    write!(stream, "* OK [CAPABILITY {capabilities}] hello\r\n")?;
    let mut line = String::new();
    BufReader::with_capacity(1, &mut *stream).read_line(&mut line)?;
    let Some(tag) = line.trim_end().strip_suffix(" STARTTLS") else { return Ok(false) };
    write!(stream, "{tag} OK go on\r\n{after}")?;
    Ok(true)
}

#[test]
fn tls_from_the_first_byte() {
    let server = Secure::start(|_| Ok(true));
    let scan = server.scanned("imaps", "ca_file = \"ca.pem\"\n").unwrap();
    assert_eq!(scan.mailboxes[0].items.len(), 2);
    let error = server.scanned("imaps", "").unwrap_err().to_string();
    assert!(error.contains("no TLS") && error.contains("certificate"), "{error}");
}

#[test]
fn another_servers_certificate_is_not_believed() {
    let (one, other) = (Secure::start(|_| Ok(true)), Secure::start(|_| Ok(true)));
    let crossed = Secure { address: one.address, certificate: other.certificate };
    let error = crossed.scanned("imaps", "ca_file = \"ca.pem\"\n").unwrap_err().to_string();
    assert!(error.contains("no TLS"), "{error}");
}

#[test]
fn tls_by_starttls() {
    // The greeting after TLS has begun is what a test server says first; a real one says nothing.
    let server = Secure::start(|stream| starttls(stream, "IMAP4rev1 STARTTLS", ""));
    let lines = "ca_file = \"ca.pem\"\ntls = \"starttls\"\n";
    assert_eq!(server.scanned("imap", lines).unwrap().mailboxes[0].items.len(), 2);
}

#[test]
fn a_loopback_server_that_takes_no_password_without_tls_gets_it() {
    let strict = "IMAP4rev1 STARTTLS LOGINDISABLED";
    let server = Secure::start(move |stream| starttls(stream, strict, ""));
    assert_eq!(server.scanned("imap", "ca_file = \"ca.pem\"\n").unwrap().mailboxes[0].items.len(), 2);
    // By the same rules for certificates as elsewhere.
    let error = server.scanned("imap", "").unwrap_err();
    assert!(matches!(&error, SourceError::Remote(RemoteError::Certificate { .. })), "{error}");
    let error = server.scanned("imap", "tls = \"none\"\n").unwrap_err();
    assert!(matches!(&error, SourceError::Remote(RemoteError::Tls { .. })), "{error}");
    assert!(error.to_string().contains("tls = \"starttls\" (--tls starttls)"), "{error}");
    let without = Secure::start(|stream| starttls(stream, "IMAP4rev1 LOGINDISABLED", ""));
    let error = without.scanned("imap", "").unwrap_err();
    assert!(matches!(&error, SourceError::Remote(RemoteError::Tls { .. })), "{error}");
    assert!(error.to_string().contains("offers no STARTTLS"), "{error}");
}

#[test]
fn a_loopback_pop3_server_that_takes_no_password_without_tls_gets_it() {
    let (heard, commands) = mpsc::channel();
    let server = Secure::start(move |stream| {
        stream.write_all(b"+OK hello\r\n")?;
        loop {
            let mut line = String::new();
            if BufReader::with_capacity(1, &mut *stream).read_line(&mut line)? == 0 {
                return Ok(false);
            }
            let command = line.trim_end().to_owned();
            heard.send(command.clone()).unwrap();
            match command.as_str() {
                "CAPA" => stream.write_all(b"+OK here\r\nUIDL\r\nSTLS\r\n.\r\n")?,
                _ => return stream.write_all(b"+OK go on\r\n").map(|()| true),
            }
        }
    });
    let described = Described::of(&[ANA]);
    let access = Access::each(&described.path("credentials"), LoginForm::default()).unwrap();
    let sign_in = access.sign_in(&Address::new(ANA).unwrap()).unwrap();
    let url = format!("pop3://{}", server.address).parse().unwrap();
    let asked = Server::new(url, Security::Usual, None, Duration::from_secs(5)).unwrap();
    let error = pop3::Session::open(&asked, &sign_in).unwrap_err();
    assert!(matches!(error, RemoteError::Certificate { .. }), "TLS had begun: {error}");
    assert_eq!(commands.try_iter().collect::<Vec<_>>(), ["CAPA", "STLS"], "no password went before it");
}

#[test]
fn what_is_said_before_tls_is_not_believed() {
    let lines = "ca_file = \"ca.pem\"\ntls = \"starttls\"\n";
    let injected = Secure::start(|stream| starttls(stream, "IMAP4rev1 STARTTLS", "* OK injected\r\n"));
    let error = injected.scanned("imap", lines).unwrap_err().to_string();
    assert!(error.contains("before TLS"), "{error}");
    let stripped = Secure::start(|stream| starttls(stream, "IMAP4rev1", ""));
    let error = stripped.scanned("imap", lines).unwrap_err().to_string();
    assert!(error.contains("offers no TLS"), "{error}");
}

#[test]
fn garbage_instead_of_tls_ends_in_an_error() {
    let server = Secure::start(|stream| stream.write_all(b"* OK no TLS here\r\n").map(|()| false));
    let error = server.scanned("imaps", "ca_file = \"ca.pem\"\n").unwrap_err().to_string();
    assert!(error.contains("this port does not begin with TLS: imap:// is meant?"), "{error}");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Secure { address: silent.local_addr().unwrap(), certificate: server.certificate };
    let lines = "ca_file = \"ca.pem\"\ntimeout_s = 1\n";
    let described = Described::of(&[ANA]);
    std::fs::write(described.path("ca.pem"), &server.certificate).unwrap();
    let url = format!("url = \"imaps://{}\"\ncredentials = \"credentials\"\npatience_s = 0\n", server.address);
    let source = described.try_open(&(url + lines)).unwrap();
    let error = scan(&*source, ANA).unwrap_err().to_string();
    assert!(error.contains("did not answer in 1 seconds (making TLS)"), "{error}");
}
