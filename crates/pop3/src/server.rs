//! The driver: sockets, time-outs, and nothing that decides about mail.
//!
//! It cuts what comes in into lines, calls the [`Session`] on the blocking pool, and sends what that says. A long answer
//! is made in steps, and the next step begins when the client has taken the one before.

use crate::command::MAX_LINE_BYTES;
use crate::lock::Locks;
use crate::session::{Next, Session};
use directory::Pop3Before;
use edge::listen::Connection;
use edge::{Dialogue, Services, WaitError};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};

/// How much is read at once: many pipelined commands. Each connection that waits has a buffer of it.
const READ_BYTES: usize = 4 * 1024;

/// How often somebody who is not signed in may use the time for a command up: who keeps a connection with commands that lead
/// nowhere keeps somebody else out.
const STRANGER_WAITS: u32 = 3;

/// How long is waited for what.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// For a command of somebody who is not signed in; for all of them, three times as long.
    pub stranger: Duration,
    /// For a command of somebody who is: RFC 1939 §3 wants 10 minutes at least.
    pub signed_in: Duration,
    /// For the client to take something of an answer.
    pub unread: Duration,
    /// Until it is looked again whether whoever is signed in may stay.
    pub look_again: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Times {
            stranger: Duration::from_secs(60),
            signed_in: Duration::from_secs(10 * 60),
            unread: Duration::from_secs(300),
            look_again: Duration::from_secs(60),
        }
    }
}

/// What the service is to be.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long is waited for what.
    pub times: Times,
    /// What holds for accounts that chose nothing (`RULES.md 5.3`).
    pub before: Pop3Before,
    /// The maildrops that are open, over all listeners of one store.
    pub locks: Locks,
}

/// Serves a connection until it ends: the handler for [`edge::listen::run`].
pub fn serve(connection: Connection, services: Arc<Services>, settings: Settings) -> impl Future<Output = ()> + Send {
    // Boxed, because many of these wait at once.
    Box::pin(async move {
        let address = connection.peer.address;
        metrics::counter!("reintegra_pop3_sessions_total").increment(1);
        if let Err(error) = Driver::begin(connection, services, settings).await.run().await {
            tracing::debug!(peer = %address, %error, "a POP3 connection failed");
        }
    })
}

struct Driver {
    times: Times,
    /// When somebody must be signed in.
    in_by: Instant,
    connection: Connection,
    /// What came in and is not yet a line.
    input: Vec<u8>,
    /// Where in `input` no line ends before.
    searched: usize,
    dialogue: Dialogue<Session>,
}

/// What comes from the client.
enum Event {
    Line(Vec<u8>),
    TooLong,
    Gone,
}

impl Driver {
    async fn begin(connection: Connection, services: Arc<Services>, settings: Settings) -> Self {
        let (asked, peer) = (Arc::clone(&services), connection.peer.clone());
        let can_start_tls = connection.tls.is_some() && !connection.stream.is_tls();
        let Settings { times, before, locks } = settings;
        let mut out = Vec::new();
        let session = Session::new(asked, locks, before, peer, can_start_tls, &mut out);
        let dialogue = Dialogue::new(services, session, out);
        let in_by = Instant::now() + times.stranger * STRANGER_WAITS;
        Driver { times, in_by, connection, input: Vec::new(), searched: 0, dialogue }
    }

    async fn run(mut self) -> io::Result<()> {
        let mut next = Next::Line;
        loop {
            next = match next {
                Next::Line => match self.line().await {
                    Ok(Event::Line(line)) => self.call(move |session, out| session.line(&line, out)).await,
                    Ok(Event::TooLong) => self.bye("that line is too long"),
                    Ok(Event::Gone) => return Ok(()),
                    Err(WaitError::Silence) => self.bye("there was nothing to do for too long"),
                    Err(WaitError::Out) => self.bye("[AUTH] the account or its password was changed; sign in again"),
                    Err(WaitError::Shutdown) => self.bye("[SYS/TEMP] the server is going down"),
                    Err(WaitError::Io(error)) => return Err(error),
                },
                Next::Step => {
                    self.flush().await?;
                    if self.connection.shutdown.is_requested() || !self.dialogue.may_stay().await {
                        return self.connection.stream.shutdown().await;
                    }
                    self.call(Session::step).await
                }
                Next::SignIn(attempt) => {
                    self.flush().await?;
                    let outcome = self.dialogue.sign_in(&self.connection.peer, attempt).await;
                    self.call(move |session, out| session.signed_in(outcome, out)).await
                }
                Next::StartTls => {
                    self.flush().await?;
                    // RFC 2595 §4: what came before the handshake was sent by nobody knows whom.
                    (self.input, self.searched) = (Vec::new(), 0);
                    self.connection = self.connection.start_tls().await?;
                    let peer = self.connection.peer.clone();
                    self.dialogue.session().tls_began(peer);
                    Next::Line
                }
                Next::Close => {
                    self.flush().await?;
                    return timeout(self.times.unread, self.connection.stream.shutdown()).await.unwrap_or(Ok(()));
                }
            };
        }
    }

    /// The next line, without its ending.
    async fn line(&mut self) -> Result<Event, WaitError> {
        let mut by = None;
        loop {
            if self.dialogue.is_full() {
                self.flush().await?;
            }
            if !self.dialogue.may_stay().await {
                return Err(WaitError::Out);
            }
            if let Some(at) = memchr::memchr(b'\n', &self.input[self.searched..]) {
                let end = self.searched + at;
                if end > MAX_LINE_BYTES {
                    return Ok(Event::TooLong);
                }
                let mut line: Vec<u8> = self.input.drain(..=end).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                self.searched = 0;
                return Ok(Event::Line(line));
            }
            self.searched = self.input.len();
            if self.input.len() > MAX_LINE_BYTES {
                return Ok(Event::TooLong);
            }
            self.flush().await?;
            let by = match by {
                Some(by) => by,
                None => *by.insert(self.patience()),
            };
            self.input.reserve(READ_BYTES);
            let read = self.connection.stream.read_buf(&mut self.input);
            if self.dialogue.wait(read, &self.connection.shutdown, by).await? == 0 {
                return Ok(Event::Gone);
            }
        }
    }

    /// Until when a command is waited for.
    fn patience(&mut self) -> Instant {
        match self.dialogue.session().is_signed_in() {
            true => Instant::now() + self.times.signed_in,
            false => self.in_by.min(Instant::now() + self.times.stranger),
        }
    }

    /// Calls the session, and notes whose it is once it is somebody's.
    async fn call(&mut self, work: impl FnOnce(&mut Session, &mut Vec<u8>) -> Next + Send + 'static) -> Next {
        let next = self.dialogue.call(work).await;
        self.dialogue.settle(self.times.look_again, |session| session.user());
        next
    }

    /// Sends what was said.
    async fn flush(&mut self) -> io::Result<()> {
        let Times { stranger, unread, .. } = self.times;
        let unread = if self.dialogue.session().is_signed_in() { unread } else { unread.min(stranger) };
        let sent = self.dialogue.send(&mut self.connection.stream, unread).await?;
        metrics::counter!("reintegra_pop3_bytes_total", "direction" => "out").increment(sent as u64);
        Ok(())
    }

    fn bye(&mut self, why: &str) -> Next {
        self.dialogue.say(|session, out| session.bye(why, out));
        Next::Close
    }
}
