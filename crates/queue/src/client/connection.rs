//! A connection to a server, from the first packet to QUIT.

use super::capabilities::Capabilities;
use super::reply::{Replies, Reply};
use super::{Credentials, Fault, Step, Times, within};
use crate::policy::{Failure, Requirement, Tls};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use store::spool::TlsFailure;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What is read at once.
const READ_BYTES: usize = 4096;

/// How a connection begins, and whom with.
pub(crate) struct Opening<'a> {
    pub(crate) address: SocketAddr,
    /// The address of ours that it is made from.
    pub(crate) source: Option<IpAddr>,
    /// What the server is called.
    pub(crate) host: &'a str,
    pub(crate) greeting: Greeting<'a>,
    pub(crate) start: TlsStart,
    pub(crate) requirement: &'a Requirement,
    pub(crate) tls: &'a Tls,
    pub(crate) credentials: Option<&'a Credentials>,
    pub(crate) times: &'a Times,
    /// When it is no longer worth it.
    pub(crate) until: Instant,
}

/// How we introduce ourselves.
#[derive(Clone, Copy)]
pub(crate) struct Greeting<'a> {
    pub(crate) hostname: &'a str,
    pub(crate) lmtp: bool,
}

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlsStart {
    /// With STARTTLS.
    Asked,
    /// Before anything is said.
    AtOnce,
}

/// A connection, and what would have kept it from being made under a policy that is enforced.
pub(crate) struct Opened {
    pub(crate) connection: Connection,
    pub(crate) failure: Option<Failure>,
}

/// A connection that has said EHLO.
#[derive(Debug)]
pub(crate) struct Connection {
    wire: Wire,
    replies: Replies,
    pub(crate) can: Capabilities,
    /// What the server is called.
    pub(crate) server: String,
    pub(crate) lmtp: bool,
    /// Messages that it carried.
    pub(crate) messages: u64,
    /// Whether a transaction may be open.
    pub(crate) untidy: bool,
    quit: Duration,
}

#[derive(Debug)]
enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// While it is being changed.
    None,
}

/// Makes a connection, with TLS as far as it must or can be, and signs in where that is asked.
///
/// Where nothing is required, a server whose TLS does not work is talked to without: an attacker who could break the
/// handshake could as well have hidden the offer of it, so that refusing would lose mail and gain nothing (RFC 7435
/// §3).
pub(crate) async fn open(opening: &Opening<'_>) -> Result<Opened, Fault> {
    let first = try_open(opening, true).await;
    match first {
        Err(Fault::Tls(failure)) if !opening.requirement.is_binding() && opening.start == TlsStart::Asked => {
            tracing::debug!(host = opening.host, %failure, "TLS failed where it is not required: going on without it");
            let mut opened = try_open(opening, false).await?;
            opened.failure = Some(failure);
            Ok(opened)
        }
        other => other,
    }
}

async fn try_open(opening: &Opening<'_>, encrypt: bool) -> Result<Opened, Fault> {
    let Opening { times, until, requirement, .. } = *opening;
    let stream = timeout(within(times.connect, until), connect(opening.address, opening.source)).await;
    let stream = stream.map_err(|_| Fault::TimedOut(Step::Connect))?;
    let stream = stream.map_err(|error| Fault::Lost(Step::Connect, error.kind()))?;
    let mut connection = Connection {
        wire: Wire::Plain(stream),
        replies: Replies::default(),
        can: Capabilities::default(),
        server: opening.host.to_owned(),
        lmtp: opening.greeting.lmtp,
        messages: 0,
        untidy: false,
        quit: times.quit,
    };
    let mut failure = None;
    if opening.start == TlsStart::AtOnce {
        failure = connection.start_tls(opening).await?;
    }
    let greeting = connection.reply(Step::Greeting, within(times.greeting, until)).await?;
    if !greeting.is_positive() {
        return Err(connection.refused(Step::Greeting, greeting));
    }
    connection.hello(opening).await?;
    let wanted = encrypt && *requirement != Requirement::Never && opening.start == TlsStart::Asked;
    if wanted {
        failure = match connection.ask_for_tls(opening).await? {
            Asked::Started(failure) => failure,
            Asked::Without(failure) if requirement.is_binding() => return Err(Fault::Tls(failure)),
            Asked::Without(failure) => Some(failure),
        };
    }
    if let Some(credentials) = opening.credentials {
        connection.sign_in(credentials, opening).await?;
    }
    Ok(Opened { connection, failure })
}

/// What came of asking for TLS: it began (and is not what a policy wants), or the server does not do it.
enum Asked {
    Started(Option<Failure>),
    Without(Failure),
}

async fn connect(address: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    let stream = socket.connect(address).await?;
    // Replies are waited for after every group of commands: holding the last packet back delays all of them.
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Connection {
    /// Whether it is inside TLS.
    pub(crate) fn is_encrypted(&self) -> bool {
        matches!(self.wire, Wire::Tls(_))
    }

    /// Ends whatever transaction is open. Yields whether the connection can be used again.
    pub(crate) async fn tidy(&mut self, limit: Duration) -> Result<(), Fault> {
        if self.untidy {
            self.send(Step::Reset, b"RSET\r\n", limit).await?;
            let reply = self.reply(Step::Reset, limit).await?;
            if !reply.is_positive() {
                return Err(self.refused(Step::Reset, reply));
            }
            self.untidy = false;
        }
        Ok(())
    }

    /// Takes leave; nothing depends on the answer.
    pub(crate) async fn quit(mut self) {
        let limit = self.quit;
        if self.send(Step::Quit, b"QUIT\r\n", limit).await.is_ok() {
            // What the server answers to this changes nothing.
            let _ = self.reply(Step::Quit, limit).await;
        }
    }

    /// Sends bytes, all of them within the limit.
    pub(super) async fn send(&mut self, step: Step, bytes: &[u8], limit: Duration) -> Result<(), Fault> {
        let sent = timeout(limit, async {
            match &mut self.wire {
                Wire::Plain(stream) => stream.write_all(bytes).await,
                Wire::Tls(stream) => {
                    stream.write_all(bytes).await?;
                    stream.flush().await
                }
                Wire::None => Err(io::ErrorKind::NotConnected.into()),
            }
        });
        let sent = sent.await.map_err(|_| Fault::TimedOut(step))?;
        sent.map_err(|error| Fault::Lost(step, error.kind()))
    }

    /// Reads a reply, all of it within the limit.
    pub(super) async fn reply(&mut self, step: Step, limit: Duration) -> Result<Reply, Fault> {
        timeout(limit, self.read_reply(step)).await.map_err(|_| Fault::TimedOut(step))?
    }

    /// Whether the server has said something that nobody asked for, as far as has been read.
    pub(super) fn has_unread(&self) -> bool {
        !self.replies.is_empty()
    }

    /// A fault by what the server answered.
    pub(super) fn refused(&self, step: Step, reply: Reply) -> Fault {
        if reply.code >= 400 { Fault::Refused(step, reply) } else { Fault::Unexpected(step, reply) }
    }

    async fn read_reply(&mut self, step: Step) -> Result<Reply, Fault> {
        let mut bytes = [0; READ_BYTES];
        loop {
            if let Some(reply) = self.replies.next().map_err(|error| Fault::Protocol(step, error))? {
                return Ok(reply);
            }
            let read = match &mut self.wire {
                Wire::Plain(stream) => stream.read(&mut bytes).await,
                Wire::Tls(stream) => stream.read(&mut bytes).await,
                Wire::None => Err(io::ErrorKind::NotConnected.into()),
            };
            match read {
                Ok(0) => return Err(Fault::Lost(step, io::ErrorKind::UnexpectedEof)),
                Ok(length) => self.replies.feed(&bytes[..length]),
                Err(error) => return Err(Fault::Lost(step, error.kind())),
            }
        }
    }

    /// EHLO, or HELO where that is not known (RFC 5321 §3.2); LHLO for LMTP.
    async fn hello(&mut self, opening: &Opening<'_>) -> Result<(), Fault> {
        let limit = || within(opening.times.command, opening.until);
        let hostname = opening.greeting.hostname;
        let verb = if self.lmtp { "LHLO" } else { "EHLO" };
        self.send(Step::Hello, format!("{verb} {hostname}\r\n").as_bytes(), limit()).await?;
        let reply = self.reply(Step::Hello, limit()).await?;
        if reply.is_positive() {
            self.can = Capabilities::of(&reply);
            return Ok(());
        }
        self.can = Capabilities::default();
        if self.lmtp || !reply.is_permanent() {
            return Err(self.refused(Step::Hello, reply));
        }
        self.send(Step::Hello, format!("HELO {hostname}\r\n").as_bytes(), limit()).await?;
        let reply = self.reply(Step::Hello, limit()).await?;
        if reply.is_positive() { Ok(()) } else { Err(self.refused(Step::Hello, reply)) }
    }

    async fn ask_for_tls(&mut self, opening: &Opening<'_>) -> Result<Asked, Fault> {
        let limit = || within(opening.times.command, opening.until);
        if !self.can.starttls {
            return Ok(Asked::Without(Failure::new(TlsFailure::StarttlsNotSupported, "STARTTLS is not offered")));
        }
        self.send(Step::StartTls, b"STARTTLS\r\n", limit()).await?;
        let reply = self.reply(Step::StartTls, limit()).await?;
        if reply.closes() {
            return Err(Fault::Refused(Step::StartTls, reply));
        }
        if !reply.is_positive() {
            let text = format!("STARTTLS is offered and refused: {}", reply.text());
            return Ok(Asked::Without(Failure::new(TlsFailure::StarttlsNotSupported, &text)));
        }
        // Whatever came in the clear behind the answer was put there by somebody else (RFC 3207 §6).
        if self.has_unread() {
            let text = "something was said between STARTTLS and the handshake";
            return Err(Fault::Tls(Failure::new(TlsFailure::ValidationFailure, text)));
        }
        let failure = self.start_tls(opening).await?;
        self.hello(opening).await?;
        Ok(Asked::Started(failure))
    }

    /// The handshake; yields what a policy that is only tested has against the certificate.
    async fn start_tls(&mut self, opening: &Opening<'_>) -> Result<Option<Failure>, Fault> {
        let Wire::Plain(stream) = std::mem::replace(&mut self.wire, Wire::None) else {
            return Err(Fault::Lost(Step::Handshake, io::ErrorKind::NotConnected));
        };
        self.replies = Replies::default();
        let handshake = opening.tls.handshake(opening.requirement, opening.host, opening.address.ip());
        let handshake = handshake.map_err(Fault::Tls)?;
        let connector = TlsConnector::from(handshake.config());
        let shaken =
            timeout(within(opening.times.handshake, opening.until), connector.connect(handshake.server_name(), stream));
        match shaken.await {
            Err(_) => Err(Fault::Tls(Failure::new(TlsFailure::ValidationFailure, "the TLS handshake took too long"))),
            Ok(Err(error)) => Err(Fault::Tls(handshake.failed(&error))),
            Ok(Ok(stream)) => {
                self.wire = Wire::Tls(Box::new(stream));
                Ok(handshake.objection())
            }
        }
    }

    /// AUTH PLAIN (RFC 4616, RFC 4954), inside TLS only.
    async fn sign_in(&mut self, credentials: &Credentials, opening: &Opening<'_>) -> Result<(), Fault> {
        let Credentials { login, password } = credentials;
        let lines = match (self.can.auth_plain, self.can.auth_login) {
            _ if !self.is_encrypted() => return Err(Fault::CannotSignIn),
            (true, _) => vec![format!("AUTH PLAIN {}", BASE64_STANDARD.encode(format!("\0{login}\0{password}")))],
            // What the server asks for in between is the same everywhere, and nothing that could be checked.
            (false, true) => {
                vec!["AUTH LOGIN".to_owned(), BASE64_STANDARD.encode(login), BASE64_STANDARD.encode(password)]
            }
            (false, false) => return Err(Fault::CannotSignIn),
        };
        let limit = || within(opening.times.command, opening.until);
        let last = lines.len() - 1;
        for (place, line) in lines.into_iter().enumerate() {
            self.send(Step::SignIn, format!("{line}\r\n").as_bytes(), limit()).await?;
            let reply = self.reply(Step::SignIn, limit()).await?;
            let goes_on = if place == last { reply.is_positive() } else { reply.is_intermediate() };
            if !goes_on {
                return Err(self.refused(Step::SignIn, reply));
            }
        }
        Ok(())
    }
}
