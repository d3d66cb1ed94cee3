//! The driver: sockets, time-outs, and nothing that decides about mail.
//!
//! It cuts what comes in into lines and bodies, calls the [`Session`], asks directory and store for it on the blocking pool,
//! and sends what it says. Replies to commands that came together are sent together (RFC 2920 §3.2).

use crate::checks;
use crate::deliver;
use crate::recipient;
use crate::session::{Next, Session};
use crate::settings::{Role, Settings, Times};
use crate::syntax::{Cut, cut};
use edge::listen::Connection;
use edge::{Dialogue, Services, Stream, WaitError};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};

/// How much is read at once of commands. Each connection that waits has a buffer of it.
const READ_BYTES: usize = 4 * 1024;
/// How much is read at once of a message.
const BODY_READ_BYTES: usize = 64 * 1024;
/// How long a client has to hear the last reply, and how often what it sends meanwhile is read.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_READS: u32 = 64;

/// Serves a connection until it ends: the handler for [`edge::listen::run`].
pub fn serve(
    connection: Connection,
    services: Arc<Services>,
    settings: Arc<Settings>,
) -> impl Future<Output = ()> + Send {
    // Boxed, because many of these wait at once.
    Box::pin(async move {
        let address = connection.peer.address;
        metrics::counter!("reintegra_smtp_sessions_total").increment(1);
        if let Err(error) = Driver::begin(connection, services, settings).run().await {
            tracing::debug!(peer = %address, %error, "an SMTP connection failed");
        }
    })
}

struct Driver {
    services: Arc<Services>,
    settings: Arc<Settings>,
    connection: Connection,
    /// What came in and was not looked at yet.
    input: Vec<u8>,
    /// Until when the message that comes must have come.
    message_by: Option<Instant>,
    /// The session and what it said.
    dialogue: Dialogue<Session>,
}

impl Driver {
    fn begin(connection: Connection, services: Arc<Services>, settings: Arc<Settings>) -> Self {
        let can_start_tls = connection.tls.is_some() && !connection.stream.is_tls();
        let (asked, chosen) = (Arc::clone(&services), Arc::clone(&settings));
        let tls = tls_of(&connection.stream);
        let session = Session::new(asked, chosen, connection.peer.clone(), tls, can_start_tls);
        let dialogue = Dialogue::new(Arc::clone(&services), session, Vec::new());
        Driver { services, settings, connection, input: Vec::new(), message_by: None, dialogue }
    }

    async fn run(mut self) -> io::Result<()> {
        let spoke_first = self.spoke_first().await?;
        let mut next = self.dialogue.say(|session, out| session.greet(spoke_first, out));
        loop {
            next = match next {
                Next::Line => match self.line().await? {
                    Some(next) => next,
                    None => return Ok(()),
                },
                Next::Body => match self.body().await? {
                    Some(next) => next,
                    None => return Ok(()),
                },
                Next::Deliver(mail) => {
                    let (services, settings) = (Arc::clone(&self.services), Arc::clone(&self.settings));
                    // Boxed, because sessions that wait are many, and this is large.
                    let (mail, found) = Box::pin(checks::check(&services, &settings, *mail)).await;
                    self.dialogue
                        .call(move |session, out| {
                            let outcomes = match found {
                                Ok(()) => deliver::deliver(&services, &settings, mail),
                                Err(failure) => deliver::refuse(&settings, mail, &failure),
                            };
                            session.delivered(&outcomes, out)
                        })
                        .await
                }
                Next::Sender(_) | Next::Recipient(_) => {
                    let services = Arc::clone(&self.services);
                    self.dialogue.call(move |session, out| ask(&services, session, next, out)).await
                }
                Next::SignIn(attempt) => {
                    self.flush().await?;
                    let outcome = self.dialogue.sign_in(&self.connection.peer, attempt).await;
                    let next = self.dialogue.call(move |session, out| session.signed_in(outcome, out)).await;
                    self.dialogue.settle(self.settings.times.look_again, Session::user);
                    next
                }
                Next::StartTls => {
                    self.flush().await?;
                    // RFC 3207 §4.2: what came before the handshake was sent by nobody knows whom.
                    self.input = Vec::new();
                    self.connection = self.connection.start_tls().await?;
                    let (peer, tls) = (self.connection.peer.clone(), tls_of(&self.connection.stream));
                    self.dialogue.session().tls_began(peer, tls);
                    Next::Line
                }
                Next::Close => {
                    self.flush().await?;
                    return self.end().await;
                }
            };
        }
    }

    /// Closes the connection. What the client sent meanwhile is read and thrown away: left unread, it would make the system
    /// take back what was said last.
    async fn end(mut self) -> io::Result<()> {
        timeout(self.settings.times.unread, self.connection.stream.shutdown()).await??;
        let by = Instant::now() + LINGER;
        let mut shutdown = self.connection.shutdown.clone();
        for _ in 0..LINGER_READS {
            self.input.clear();
            self.input.reserve(BODY_READ_BYTES);
            let count = tokio::select! {
                read = timeout_at(by, self.connection.stream.read_buf(&mut self.input)) => read.unwrap_or(Ok(0))?,
                () = shutdown.requested() => 0,
            };
            if count == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Whether somebody talks who must listen. Within TLS nobody can be asked to: what comes may be a part of it.
    async fn spoke_first(&mut self) -> io::Result<bool> {
        if self.settings.role != Role::Mx || self.connection.stream.is_tls() {
            return Ok(false);
        }
        self.input.reserve(READ_BYTES);
        let greeting = self.settings.times.greeting;
        match timeout(greeting, self.connection.stream.read_buf(&mut self.input)).await {
            Ok(count) => Ok(count? > 0),
            Err(_) => Ok(false),
        }
    }

    /// The next command, and what it leads to; `None`: the client is gone.
    async fn line(&mut self) -> io::Result<Option<Next>> {
        self.message_by = None;
        let by = Instant::now() + self.settings.times.command;
        loop {
            if self.dialogue.is_full() {
                self.flush().await?;
            }
            match cut(&self.input) {
                // Somebody whose password was changed, or whose account was closed, is heard no more.
                Cut::Line(_) if !self.dialogue.may_stay().await => {
                    return Ok(Some(self.out()));
                }
                Cut::Line(end) => {
                    let line = self.input[..end].to_vec();
                    self.input.drain(..end + 2);
                    let (more, services) = (!self.input.is_empty(), Arc::clone(&self.services));
                    let next = self.dialogue.call(move |session, out| {
                        let next = session.line(&line, more, out);
                        ask(&services, session, next, out)
                    });
                    return Ok(Some(next.await));
                }
                Cut::BareEnding => return Ok(Some(self.bad_line("lines end in CR LF"))),
                Cut::TooLong => return Ok(Some(self.bad_line("that line is too long"))),
                Cut::More => {}
            }
            if let Some(next) = self.wait(by, READ_BYTES).await? {
                return Ok(next);
            }
        }
    }

    /// More of a message, and what it leads to; `None`: the client is gone.
    async fn body(&mut self) -> io::Result<Option<Next>> {
        let Times { block, message, .. } = self.settings.times;
        let now = Instant::now();
        let message_by = *self.message_by.get_or_insert(now + message);
        if self.input.is_empty()
            && let Some(next) = self.wait(message_by.min(now + block), BODY_READ_BYTES).await?
        {
            return Ok(next);
        }
        let input = std::mem::take(&mut self.input);
        let mut used = 0;
        let next = self.dialogue.say(|session, out| {
            let (count, next) = session.body(&input, out);
            used = count;
            next
        });
        self.input = input;
        self.input.drain(..used);
        Ok(Some(next))
    }

    /// Sends what was said and waits for input; the end of the session otherwise, `Some(None)`: the client is gone.
    async fn wait(&mut self, by: Instant, read_bytes: usize) -> io::Result<Option<Option<Next>>> {
        self.flush().await?;
        self.input.reserve(read_bytes);
        let read = self.connection.stream.read_buf(&mut self.input);
        Ok(match self.dialogue.wait(read, &self.connection.shutdown, by).await {
            Ok(0) => Some(None),
            Ok(_) => None,
            Err(WaitError::Silence) => Some(Some(self.bye((4, 4, 2), "there was nothing to do for too long"))),
            Err(WaitError::Out) => Some(Some(self.out())),
            Err(WaitError::Shutdown) => Some(Some(self.bye((4, 3, 2), "is going down"))),
            Err(WaitError::Io(error)) => return Err(error),
        })
    }

    fn out(&mut self) -> Next {
        self.bye((4, 7, 0), "does not let you stay: sign in again")
    }

    fn bye(&mut self, enhanced: (u8, u16, u16), why: &str) -> Next {
        self.dialogue.say(|session, out| session.bye(enhanced, why, out))
    }

    fn bad_line(&mut self, why: &str) -> Next {
        self.dialogue.say(|session, out| session.bad_line(why, out))
    }

    /// Sends what was said.
    async fn flush(&mut self) -> io::Result<()> {
        self.dialogue.send(&mut self.connection.stream, self.settings.times.unread).await.map(drop)
    }
}

/// Asks the directory what a session wants to know of it.
fn ask(services: &Services, session: &mut Session, next: Next, out: &mut Vec<u8>) -> Next {
    match next {
        Next::Sender(from) => {
            let may = session.sender().map(|account| recipient::may_send_as(&services.directory, account, &from));
            let may = may.transpose().unwrap_or_else(|error| {
                tracing::error!(error = &error as &dyn std::error::Error, "a sender cannot be looked up");
                None
            });
            session.sender_checked(may, out)
        }
        Next::Recipient(question) => session.recipient_checked(recipient::resolve(services, &question), out),
        other => other,
    }
}

/// Version and cipher of a connection's TLS.
fn tls_of(stream: &Stream) -> Option<String> {
    let Stream::Tls(stream) = stream else { return None };
    let (_, connection) = stream.get_ref();
    let (version, suite) = (connection.protocol_version()?, connection.negotiated_cipher_suite()?);
    Some(format!("{version:?} {:?}", suite.suite()))
}
