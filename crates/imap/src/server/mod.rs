//! The driver: sockets, time-outs, and nothing that decides about mail.
//!
//! It cuts what comes in into commands, calls the [`Session`] on the blocking pool, and sends what that says. A session's
//! call never waits for the client: a long answer is made in steps, and the next step begins when the client has taken
//! the one before. Between calls nothing of the core is held.

mod deflate;
mod wire;

use crate::session::{Bye, Next, Session};
use crate::syntax::{Frame, Framer, FramerLimits};
use edge::listen::Connection;
use edge::{ANSWER_BYTES, Dialogue, Services, WaitError, Watch};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use wire::Wire;

/// The slowest pace at which a command may come, beyond [`Times::unfinished`]: slower than any line that somebody sends mail
/// over, and no client keeps memory for days by a byte a minute.
const LEAST_BYTES_A_SECOND: u64 = 1024;

/// How long is waited for what.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// For a command of somebody who is not signed in. Whoever wants to be begins at once.
    pub stranger: Duration,
    /// For somebody to sign in at all, after which they are to begin again.
    pub sign_in: Duration,
    /// For a command, or `DONE`, of somebody who is signed in: RFC 9051 §5.4 wants 30 minutes at least.
    pub signed_in: Duration,
    /// For more of a command that has begun: a literal that was announced, the end of a line. For all of it, as long and a
    /// second for each KiB.
    pub unfinished: Duration,
    /// For the client to take something of an answer.
    pub unread: Duration,
    /// Until a silent session gives back memory that it needs only while there is something to do.
    pub rest: Duration,
    /// Until it is looked again whether whoever is signed in may stay.
    pub look_again: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Times {
            stranger: Duration::from_secs(60),
            sign_in: Duration::from_secs(300),
            signed_in: Duration::from_secs(31 * 60),
            unfinished: Duration::from_secs(120),
            unread: Duration::from_secs(300),
            rest: Duration::from_secs(5),
            look_again: Duration::from_secs(60),
        }
    }
}

/// Why a session ends.
#[derive(Debug)]
enum End {
    /// The client or the session wants it so.
    Closed,
    /// The connection failed.
    Failed(io::Error),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        End::Failed(error)
    }
}

/// What a waiting session is woken by.
enum Event {
    Bytes,
    Gone,
    Change,
}

/// Serves a connection until it ends: the handler for [`edge::listen::run`].
pub fn serve(connection: Connection, services: Arc<Services>, times: Times) -> impl Future<Output = ()> + Send {
    // Boxed, because thousands of these wait at once.
    Box::pin(async move {
        let _counted = Counted::new();
        let address = connection.peer.address;
        if let End::Failed(error) = Driver::begin(connection, services, times).await.run().await {
            tracing::debug!(peer = %address, %error, "an IMAP connection failed");
        }
    })
}

/// A session, counted for as long as it lives.
struct Counted;

impl Counted {
    fn new() -> Self {
        metrics::counter!("reintegra_imap_sessions_total").increment(1);
        metrics::gauge!("reintegra_imap_sessions").increment(1.0);
        Counted
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        metrics::gauge!("reintegra_imap_sessions").decrement(1.0);
    }
}

struct Driver {
    services: Arc<Services>,
    times: Times,
    wire: Wire,
    framer: Framer,
    dialogue: Dialogue<Session>,
    /// Hears of changes from the moment somebody is signed in.
    watch: Option<Watch>,
    /// When whoever is not signed in must be.
    sign_in_by: Instant,
    /// Since when nothing has come from the client and nothing was to be told to it.
    silent_since: Instant,
    /// The command that comes in.
    coming: Option<Coming>,
}

/// A command that has begun and whose end is awaited.
struct Coming {
    since: Instant,
    bytes: u64,
}

impl Coming {
    /// When it must be there, as far as it has come by now.
    fn due(&self, unfinished: Duration) -> Instant {
        self.since + unfinished + Duration::from_secs(self.bytes / LEAST_BYTES_A_SECOND)
    }
}

impl Driver {
    async fn begin(connection: Connection, services: Arc<Services>, times: Times) -> Self {
        let (asked, peer) = (Arc::clone(&services), connection.peer.clone());
        let can_start_tls = connection.tls.is_some() && !connection.stream.is_tls();
        let (session, out) = services
            .run(move || {
                let mut out = Vec::new();
                (Session::new(asked, peer, can_start_tls, &mut out), out)
            })
            .await;
        let dialogue = Dialogue::new(Arc::clone(&services), session, out);
        Driver {
            services,
            times,
            wire: Wire::new(connection),
            framer: Framer::new(FramerLimits::BEFORE_SIGN_IN),
            dialogue,
            watch: None,
            sign_in_by: Instant::now() + times.sign_in,
            silent_since: Instant::now(),
            coming: None,
        }
    }

    async fn run(mut self) -> End {
        let mut next = Next::Command;
        loop {
            match self.go_on(next).await {
                Ok(after) => next = after,
                Err(end) => return end,
            }
        }
    }

    /// Does what the session waits for.
    async fn go_on(&mut self, next: Next) -> Result<Next, End> {
        Ok(match next {
            Next::Command | Next::Line => {
                if !self.dialogue.may_stay().await {
                    return Err(self.bye(Bye::Out).await);
                }
                let is_line = matches!(next, Next::Line);
                self.framer.expect_line(is_line);
                match self.framer.next() {
                    Some(frame) => self.frame(frame, next).await?,
                    None => match self.wire.take()? {
                        Some(bytes) => {
                            self.framer.push(&bytes);
                            if let Some(coming) = &mut self.coming {
                                coming.bytes += bytes.len() as u64;
                            }
                            next
                        }
                        None => self.wait(next).await?,
                    },
                }
            }
            Next::Step => {
                if self.wire.connection().shutdown.is_requested() {
                    return Err(self.bye(Bye::Shutdown).await);
                }
                if !self.dialogue.may_stay().await {
                    return Err(self.bye(Bye::Out).await);
                }
                self.step().await?
            }
            Next::SignIn(attempt) => {
                self.flush().await?;
                let outcome = self.dialogue.sign_in(&self.wire.connection().peer, attempt).await;
                let next = self.dialogue.call(move |session, out| session.signed_in(outcome, out)).await;
                self.settle_in();
                next
            }
            Next::StartTls => {
                self.flush().await?;
                self.framer.take_unread();
                self.wire.start_tls().await?;
                let peer = self.wire.connection().peer.clone();
                self.dialogue.session().tls_began(peer);
                Next::Command
            }
            Next::Compress => {
                self.flush().await?;
                let packed = self.framer.take_unread();
                self.wire.compress(packed);
                Next::Command
            }
            Next::Close => {
                self.flush().await?;
                self.wire.close(self.times.unread).await;
                return Err(End::Closed);
            }
        })
    }

    async fn frame(&mut self, frame: Frame, waiting: Next) -> Result<Next, End> {
        if self.dialogue.is_full() {
            self.flush().await?;
        }
        if let Some(watch) = &mut self.watch {
            // The session looks at the store after this: what happened until now is no news then.
            watch.take_change();
        }
        if !matches!(frame, Frame::ContinuationNeeded) {
            self.coming = None;
        }
        Ok(match frame {
            Frame::ContinuationNeeded => {
                self.dialogue.out.extend_from_slice(b"+ go on\r\n");
                waiting
            }
            Frame::Command(command) => self.dialogue.call(move |session, out| session.command(&command, out)).await,
            Frame::Line(line) => {
                let next = self.dialogue.call(move |session, out| session.line(&line, out)).await;
                self.settle_in();
                next
            }
            Frame::Refused(refused) => self.dialogue.call(move |session, out| session.refused(&refused, out)).await,
        })
    }

    /// Waits for the client, or for something to tell it.
    async fn wait(&mut self, next: Next) -> Result<Next, End> {
        self.flush().await?;
        self.dialogue.out.shrink_to(ANSWER_BYTES);
        let silent_by = self.silent_since + self.patience();
        let by = if self.dialogue.session().is_signed_in() { silent_by } else { silent_by.min(self.sign_in_by) };
        let due = self.framer.is_inside().then(|| {
            let coming = self.coming.get_or_insert(Coming { since: Instant::now(), bytes: 0 });
            coming.due(self.times.unfinished)
        });
        let by = due.map_or(by, |due| by.min(due));
        let rest_at = (Instant::now() + self.times.rest).min(by);
        let mut event = self.event(rest_at).await;
        if matches!(event, Err(WaitError::Silence)) && rest_at < by {
            self.rest();
            event = self.event(by).await;
        }
        if event.is_ok() {
            self.silent_since = Instant::now();
        }
        match event {
            Ok(Event::Bytes) => Ok(next),
            Ok(Event::Gone) => Err(End::Closed),
            Ok(Event::Change) => Ok(self.dialogue.call(|session, out| session.changed(out)).await),
            Err(WaitError::Silence) if due.is_some_and(|due| due <= Instant::now()) => Err(self.bye(Bye::Slow).await),
            Err(WaitError::Silence) => Err(self.bye(Bye::Silence).await),
            Err(WaitError::Out) => Err(self.bye(Bye::Out).await),
            Err(WaitError::Shutdown) => Err(self.bye(Bye::Shutdown).await),
            Err(WaitError::Io(error)) => Err(End::Failed(error)),
        }
    }

    fn patience(&mut self) -> Duration {
        match (self.dialogue.session().is_signed_in(), self.framer.is_inside()) {
            (false, _) => self.times.stranger,
            (true, true) => self.times.unfinished,
            (true, false) => self.times.signed_in,
        }
    }

    async fn event(&mut self, by: Instant) -> Result<Event, WaitError> {
        let watches = self.dialogue.session().watches();
        let shutdown = self.wire.connection().shutdown.clone();
        let Driver { wire, watch, dialogue, .. } = self;
        let changed = async {
            match watch.as_mut().filter(|_| watches) {
                Some(watch) => watch.changed().await,
                None => std::future::pending().await,
            }
        };
        let coming = async {
            tokio::select! {
                read = wire.read() => Ok(if read? { Event::Bytes } else { Event::Gone }),
                () = changed => Ok(Event::Change),
            }
        };
        dialogue.wait(coming, &shutdown, by).await
    }

    /// Makes the next part of a long answer while the one before is on its way. The part after it waits for both, so
    /// that a client who does not read has two parts made for it and no more.
    async fn step(&mut self) -> io::Result<Next> {
        let ready = std::mem::take(&mut self.dialogue.out);
        let making = self.dialogue.call(Session::step);
        let sending =
            async { if ready.is_empty() { Ok(()) } else { self.wire.write(&ready, self.times.unread).await } };
        let (sent, next) = tokio::join!(sending, making);
        sent.map(|()| next)
    }

    /// Whoever has just signed in may send more, and hears of changes.
    fn settle_in(&mut self) {
        if self.watch.is_some() {
            return;
        }
        self.dialogue.settle(self.times.look_again, Session::user);
        if let Some(user) = self.dialogue.session().user() {
            self.watch = Some(self.services.hub.watch(user.cell.number(), user.mail.id));
            self.framer.set_limits(FramerLimits::signed_in(self.services.policy.append_limit_bytes));
            self.framer.set_memory(user.memory().reserve());
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        if self.dialogue.out.is_empty() {
            return Ok(());
        }
        self.wire.write(&self.dialogue.out, self.times.unread).await?;
        self.dialogue.out.clear();
        Ok(())
    }

    /// Gives back what a silent session does not need.
    fn rest(&mut self) {
        self.dialogue.out = Vec::new();
        self.wire.rest();
    }

    /// Says why the session ends, and ends it.
    async fn bye(&mut self, why: Bye) -> End {
        self.dialogue.say(|session, out| session.bye(why, out));
        match self.flush().await {
            Ok(()) => {
                self.wire.close(self.times.unread).await;
                End::Closed
            }
            Err(error) => End::Failed(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_keeps_a_pace_has_time() {
        let (since, unfinished) = (Instant::now(), Duration::from_secs(120));
        for (bytes, seconds) in [(0, 120), (1023, 120), (60 * 1024, 180), (64 * 1024 * 1024, 120 + 65_536)] {
            assert_eq!(Coming { since, bytes }.due(unfinished) - since, Duration::from_secs(seconds));
        }
    }
}
