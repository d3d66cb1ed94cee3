//! The driver: sockets, time-outs, and nothing that decides about scripts.

use crate::session::{Next, Session};
use crate::syntax::{Frame, Framer, Lost, MAX_NAME_BYTES};
use edge::listen::Connection;
use edge::{Dialogue, Services, WaitError};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};

/// What is said to a connection that is one too many ([`edge::listen::Listen::full`]).
pub const FULL: &[u8] = b"BYE (TRYLATER) \"too many connections: try again in a moment\"\r\n";

/// How much is read at once. Each connection that waits has a buffer of it.
const READ_BYTES: usize = 4 * 1024;

/// How long texts may be while nobody is in: what SASL says fits twice.
const MAX_STRANGERS_TEXT_BYTES: usize = 8 * 1024;

/// How often somebody who is not signed in may use the time for a command up: who keeps a connection with commands that lead
/// nowhere keeps somebody else out.
const STRANGER_WAITS: u32 = 3;

/// How long is waited for what.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// For a command of somebody who is not signed in; for all of them, three times as long.
    pub stranger: Duration,
    /// For a command of somebody who is: RFC 5804 §1.2 wants 30 minutes at least.
    pub signed_in: Duration,
    /// For the rest of a command that has begun, its script included.
    pub unfinished: Duration,
    /// For the client to take something of an answer.
    pub unread: Duration,
    /// Until it is looked again whether whoever is signed in may stay.
    pub look_again: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Times {
            stranger: Duration::from_secs(60),
            signed_in: Duration::from_secs(30 * 60),
            unfinished: Duration::from_secs(300),
            unread: Duration::from_secs(300),
            look_again: Duration::from_secs(60),
        }
    }
}

/// How many scripts an account may keep, and how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// One script, in bytes: more than [`sieve::limits::MAX_SCRIPT_BYTES`] cannot run.
    pub script_bytes: usize,
    /// How many.
    pub scripts: usize,
    /// All of them, in bytes.
    pub account_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        // Pigeonhole's default for one is 1 MiB too; it bounds neither number nor sum, and a directory of this server is
        // no place to keep files in.
        Limits { script_bytes: sieve::limits::MAX_SCRIPT_BYTES, scripts: 100, account_bytes: 8 * 1024 * 1024 }
    }
}

/// What the service is to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// How long is waited for what.
    pub times: Times,
    /// How many scripts an account may keep.
    pub limits: Limits,
    /// What scripts may do, as those who run them know it: a script that may not run is not taken.
    pub features: sieve::Features,
}

/// Serves a connection until it ends: the handler for [`edge::listen::run`].
pub fn serve(connection: Connection, services: Arc<Services>, settings: Settings) -> impl Future<Output = ()> + Send {
    // Boxed, because many of these wait at once.
    Box::pin(async move {
        let address = connection.peer.address;
        metrics::counter!("reintegra_managesieve_sessions_total").increment(1);
        if let Err(error) = Driver::begin(connection, services, settings).await.run().await {
            tracing::debug!(peer = %address, %error, "a ManageSieve connection failed");
        }
    })
}

struct Driver {
    settings: Settings,
    /// When somebody must be signed in.
    in_by: Instant,
    connection: Connection,
    framer: Framer,
    dialogue: Dialogue<Session>,
}

/// What comes from the client.
enum Event {
    Frame(Frame),
    Lost(Lost),
    Gone,
}

impl Driver {
    async fn begin(connection: Connection, services: Arc<Services>, settings: Settings) -> Self {
        let (asked, peer) = (Arc::clone(&services), connection.peer.clone());
        let can_start_tls = connection.tls.is_some() && !connection.stream.is_tls();
        let greet = move || {
            let mut out = Vec::new();
            let session = Session::new(asked, settings.limits, settings.features, peer, can_start_tls, &mut out);
            (session, out)
        };
        let (session, out) = services.run(greet).await;
        let dialogue = Dialogue::new(services, session, out);
        let in_by = Instant::now() + settings.times.stranger * STRANGER_WAITS;
        let framer = Framer::new(MAX_STRANGERS_TEXT_BYTES);
        Driver { settings, in_by, connection, framer, dialogue }
    }

    async fn run(mut self) -> io::Result<()> {
        let mut next = Next::Frame;
        loop {
            next = match next {
                Next::Frame => match self.event().await {
                    Ok(Event::Frame(frame)) => self.call(move |session, out| session.frame(frame, out)).await,
                    Ok(Event::Lost(why)) => self.bye(false, &why.to_string()),
                    Ok(Event::Gone) => return Ok(()),
                    Err(WaitError::Silence) => self.bye(false, "there was nothing to do for too long"),
                    Err(WaitError::Out) => self.bye(false, "the account or its password was changed; sign in again"),
                    Err(WaitError::Shutdown) => self.bye(true, "the server is going down"),
                    Err(WaitError::Io(error)) => return Err(error),
                },
                Next::SignIn(attempt) => {
                    self.flush().await?;
                    let outcome = self.dialogue.sign_in(&self.connection.peer, attempt).await;
                    self.call(move |session, out| session.signed_in(outcome, out)).await
                }
                Next::StartTls => {
                    self.flush().await?;
                    // RFC 5804 §2.2: what came before the handshake was sent by nobody knows whom.
                    self.framer = Framer::new(MAX_STRANGERS_TEXT_BYTES);
                    self.connection = self.connection.start_tls().await?;
                    let peer = self.connection.peer.clone();
                    self.call(move |session, out| session.tls_began(peer, out)).await
                }
                Next::Close => {
                    self.flush().await?;
                    let close = self.connection.stream.shutdown();
                    return timeout(self.settings.times.unread, close).await.unwrap_or(Ok(()));
                }
            };
        }
    }

    /// The next command, or what came in its place.
    async fn event(&mut self) -> Result<Event, WaitError> {
        let silent_since = Instant::now();
        let mut begun_at = None;
        loop {
            if self.dialogue.is_full() {
                self.flush().await?;
            }
            if !self.dialogue.may_stay().await {
                return Err(WaitError::Out);
            }
            match self.framer.next() {
                Ok(Some(frame)) => return Ok(Event::Frame(frame)),
                Ok(None) => {}
                Err(why) => return Ok(Event::Lost(why)),
            }
            self.flush().await?;
            if self.framer.is_inside() {
                begun_at.get_or_insert_with(Instant::now);
            }
            let by = self.patience(silent_since, begun_at);
            let read = self.connection.stream.read_buf(self.framer.room(READ_BYTES));
            if self.dialogue.wait(read, &self.connection.shutdown, by).await? == 0 {
                return Ok(Event::Gone);
            }
        }
    }

    /// Until when a command is waited for, or its rest.
    fn patience(&mut self, silent_since: Instant, begun_at: Option<Instant>) -> Instant {
        let times = self.settings.times;
        let is_in = self.dialogue.session().user().is_some();
        let silent_by = silent_since + if is_in { times.signed_in } else { times.stranger };
        let done_by = begun_at.map(|begun_at| begun_at + times.unfinished);
        let by = done_by.map_or(silent_by, |done_by| if is_in { done_by } else { done_by.min(silent_by) });
        if is_in { by } else { by.min(self.in_by) }
    }

    /// Calls the session, and notes whose it is once it is somebody's.
    async fn call(&mut self, work: impl FnOnce(&mut Session, &mut Vec<u8>) -> Next + Send + 'static) -> Next {
        let next = self.dialogue.call(work).await;
        if self.dialogue.settle(self.settings.times.look_again, |session| session.user()) {
            self.framer.set_max_text_bytes(self.settings.limits.script_bytes + MAX_NAME_BYTES);
        }
        next
    }

    /// Sends what was said.
    async fn flush(&mut self) -> io::Result<()> {
        let Times { stranger, unread, .. } = self.settings.times;
        let unread = if self.dialogue.session().user().is_some() { unread } else { unread.min(stranger) };
        self.dialogue.send(&mut self.connection.stream, unread).await.map(drop)
    }

    fn bye(&mut self, try_later: bool, why: &str) -> Next {
        self.dialogue.say(|session, out| session.bye(try_later, why, out));
        Next::Close
    }
}
