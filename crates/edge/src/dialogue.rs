//! A protocol's session in the hands of its driver: called where blocking is allowed, waited for, and looked after for as long
//! as it lasts.

use crate::admission::SignInError;
use crate::peer::Peer;
use crate::sasl::Attempt;
use crate::services::{Pass, Services, SignedIn};
use crate::shutdown::Shutdown;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};

/// Answers to pipelined commands are sent together, up to so many bytes (RFC 2449 §6.8, RFC 2920 §3.2).
pub const ANSWER_BYTES: usize = 64 * 1024;

/// A session, what it said that nobody has sent yet, and whose it is.
#[derive(Debug)]
pub struct Dialogue<S> {
    services: Arc<Services>,
    /// Away while a call runs. Boxed, since it goes from thread to thread.
    session: Option<Box<S>>,
    /// What it said that nobody has sent yet.
    pub out: Vec<u8>,
    owner: Option<Owner>,
}

/// Whose a session is.
#[derive(Debug)]
struct Owner {
    pass: Arc<Pass>,
    look_again: Duration,
    look_again_at: Instant,
}

/// What was waited for will not come.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// It did not come in time.
    #[error("nothing came in time")]
    Silence,
    /// Whoever is in [may not stay](Dialogue::may_stay).
    #[error("whoever is in may not stay")]
    Out,
    /// It is time to stop.
    #[error("the server is going down")]
    Shutdown,
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl<S: Send + 'static> Dialogue<S> {
    /// A session that is nobody's yet, and what it said already.
    pub fn new(services: Arc<Services>, session: S, out: Vec<u8>) -> Self {
        Dialogue { services, session: Some(Box::new(session)), out, owner: None }
    }

    /// The session, for what does not block.
    pub fn session(&mut self) -> &mut S {
        self.session.as_mut().expect("the session is back when its call has ended")
    }

    /// The session and what it says, for what does not block.
    pub fn say<T>(&mut self, work: impl FnOnce(&mut S, &mut Vec<u8>) -> T) -> T {
        let session = self.session.as_mut().expect("the session is back when its call has ended");
        work(session, &mut self.out)
    }

    /// Whether so much was said that it is to be sent before more is.
    pub fn is_full(&self) -> bool {
        self.out.len() >= ANSWER_BYTES
    }

    /// Sends what was said, if anything was, and returns how many bytes that were when the stream has taken all of it.
    ///
    /// # Errors
    /// Those of the stream; when each [`ANSWER_BYTES`] of it are not taken within `unread`.
    ///
    /// # Cancel safety
    /// Dropped, nobody knows how much was sent: the connection is lost.
    pub async fn send(&mut self, stream: &mut (impl AsyncWrite + Unpin), unread: Duration) -> io::Result<usize> {
        let out = std::mem::take(&mut self.out);
        if out.is_empty() {
            return Ok(0);
        }
        for piece in out.chunks(ANSWER_BYTES) {
            timeout(unread, stream.write_all(piece)).await??;
        }
        timeout(unread, stream.flush()).await??;
        Ok(out.len())
    }

    /// Decides about somebody who wants in, as [`Admission::sign_in`](crate::Admission::sign_in) does.
    ///
    /// # Errors
    /// Why they may not.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn sign_in(&mut self, peer: &Peer, attempt: Attempt) -> Result<SignedIn, SignInError> {
        // Boxed, because sessions that wait are many, and few of them for this.
        Box::pin(self.services.admission.sign_in(&self.services, peer, attempt)).await
    }

    /// Calls the session where blocking is allowed, out of its owner's share of such calls.
    ///
    /// # Cancel safety
    /// Dropped, the session is lost.
    pub async fn call<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut S, &mut Vec<u8>) -> T + Send + 'static,
    ) -> T {
        let mut session = self.session.take().expect("the session is back when its call has ended");
        let mut out = std::mem::take(&mut self.out);
        let work = move || {
            let value = work(&mut session, &mut out);
            (session, out, value)
        };
        let (session, out, value) = self.services.run_for(self.pass().as_ref(), work).await;
        (self.session, self.out) = (Some(session), out);
        value
    }

    /// Notes whose session it is as soon as it is somebody's, and how often it is looked again whether they may stay;
    /// whether that is news.
    pub fn settle(&mut self, look_again: Duration, user: impl FnOnce(&S) -> Option<&SignedIn>) -> bool {
        let session = self.session.as_deref().expect("the session is back when its call has ended");
        if self.owner.is_none()
            && let Some(user) = user(session)
        {
            let look_again_at = Instant::now() + look_again;
            self.owner = Some(Owner { pass: Arc::clone(user.pass()), look_again, look_again_at });
            return true;
        }
        false
    }

    /// Whether whoever is in may stay, looked at when it is time: their account and its domain are open, the password is
    /// the one that was set when they came, and the app password that they came with, if any, is there. While the
    /// directory cannot be asked they stay, as a full disk keeps nobody from their mail.
    pub async fn may_stay(&mut self) -> bool {
        let Some(owner) = self.owner.as_mut().filter(|owner| owner.look_again_at <= Instant::now()) else {
            return true;
        };
        owner.look_again_at = Instant::now() + owner.look_again;
        let (services, pass) = (Arc::clone(&self.services), Arc::clone(&owner.pass));
        self.services.run(move || services.may_stay(&pass)).await
    }

    /// Waits until `by` for something to come, most often a read of the stream. Before and meanwhile it is looked, whenever it
    /// is time, whether whoever is in [may stay](Self::may_stay). What was said should be [sent](Self::send) before: the client may wait for it.
    ///
    /// # Errors
    /// Why it will not come; those of `coming` itself. Then `coming` was dropped.
    ///
    /// # Cancel safety
    /// That of `coming`.
    pub async fn wait<T>(
        &mut self,
        coming: impl Future<Output = io::Result<T>>,
        shutdown: &Shutdown,
        by: Instant,
    ) -> Result<T, WaitError> {
        let (mut coming, mut shutdown) = (pin!(coming), shutdown.clone());
        loop {
            // Before what is there already: somebody may never cease to send.
            if !self.may_stay().await {
                return Err(WaitError::Out);
            }
            let look_again_at = self.owner.as_ref().map(|owner| owner.look_again_at);
            let awake_at = look_again_at.map_or(by, |look_again_at| look_again_at.min(by));
            // In no order of their own, for the same reason: they hear of the shutdown too.
            tokio::select! {
                came = timeout_at(awake_at, &mut coming) => match came {
                    Ok(came) => return Ok(came?),
                    Err(_) if awake_at < by => {}
                    Err(_) => return Err(WaitError::Silence),
                },
                () = shutdown.requested() => return Err(WaitError::Shutdown),
            }
        }
    }

    fn pass(&self) -> Option<Arc<Pass>> {
        self.owner.as_ref().map(|owner| Arc::clone(&owner.pass))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::blocking::{CALLS, CALLS_OF_ACCOUNT, CALLS_OF_CELL};
    use crate::fixture::{ANA, PASSWORD, Platform, peer};
    use directory::AccountState;
    use message::Address;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Condvar, Mutex};
    use tokio::io::AsyncReadExt as _;

    const MINUTE: Duration = Duration::from_secs(60);

    impl Platform {
        /// A session of somebody who signed in with a password.
        async fn dialogue(&self, login: &str, password: &str) -> Dialogue<SignedIn> {
            let attempt = Attempt::plain(login, password);
            let user = self.services.admission.sign_in(&self.services, &peer("198.51.100.7"), attempt).await.unwrap();
            let mut dialogue = Dialogue::new(Arc::clone(&self.services), user, Vec::new());
            assert!(dialogue.settle(MINUTE, |user| Some(user)));
            dialogue
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_may_not_stay_is_out_within_the_minute() {
        let platform = Platform::new();
        let id = platform.add_imported(ANA, PASSWORD);
        let mut stranger = Dialogue::new(Arc::clone(&platform.services), (), Vec::new());
        assert!(stranger.may_stay().await);
        let mut ana = platform.dialogue(ANA, PASSWORD).await;
        platform.services.directory.write(|tx| tx.set_account_state(id, AccountState::Disabled)).unwrap();
        assert!(ana.may_stay().await, "it is not time to look");
        tokio::time::advance(MINUTE).await;
        assert!(!ana.may_stay().await);
        platform.services.directory.write(|tx| tx.set_account_state(id, AccountState::Open)).unwrap();
        tokio::time::advance(MINUTE).await;
        assert!(ana.may_stay().await);
        platform.services.directory.change_password(id, b"another").unwrap();
        tokio::time::advance(MINUTE).await;
        assert!(!ana.may_stay().await);
    }

    #[tokio::test(start_paused = true)]
    async fn an_app_password_that_is_removed_ends_its_own_sessions() {
        let platform = Platform::new();
        let id = platform.add(ANA, PASSWORD);
        let (telephone, secret) = platform.services.directory.add_app_password(id, "Teléfono", ANA).unwrap();
        let (_, kept) = platform.services.directory.add_app_password(id, "Portátil", ANA).unwrap();
        let mut sessions = Vec::new();
        for password in [PASSWORD, kept.expose(), secret.expose()] {
            sessions.push(platform.dialogue(ANA, password).await);
        }
        platform.services.directory.remove_app_password(telephone, ANA).unwrap();
        tokio::time::advance(MINUTE).await;
        let mut stay = Vec::new();
        for session in &mut sessions {
            stay.push(session.may_stay().await);
        }
        assert_eq!(stay, [true, true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_in_time_is_waited_for_and_nothing_else_is() {
        let platform = Platform::new();
        let (_stop, shutdown) = Shutdown::channel();
        let mut stranger = Dialogue::new(Arc::clone(&platform.services), (), Vec::new());
        let soon = || Instant::now() + MINUTE;
        let came = async {
            tokio::time::sleep(MINUTE / 2).await;
            Ok(7)
        };
        assert_eq!(stranger.wait(came, &shutdown, soon()).await.unwrap(), 7);
        let begun = Instant::now();
        let never = std::future::pending::<io::Result<()>>;
        assert!(matches!(stranger.wait(never(), &shutdown, soon()).await, Err(WaitError::Silence)));
        assert_eq!(begun.elapsed(), MINUTE, "it is waited until then");
        // What is there already needs no time.
        let there = std::future::ready(Ok(8));
        assert_eq!(stranger.wait(there, &shutdown, Instant::now()).await.unwrap(), 8);
        let broken = std::future::ready(io::Result::<()>::Err(io::ErrorKind::ConnectionReset.into()));
        let error = stranger.wait(broken, &shutdown, soon()).await.unwrap_err();
        assert!(matches!(error, WaitError::Io(error) if error.kind() == io::ErrorKind::ConnectionReset));
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_ends_every_wait() {
        let platform = Platform::new();
        let (stop, shutdown) = Shutdown::channel();
        let mut stranger = Dialogue::new(Arc::clone(&platform.services), (), Vec::new());
        let never = std::future::pending::<io::Result<()>>;
        let asks = async {
            tokio::time::sleep(MINUTE / 2).await;
            stop.request();
        };
        let by = Instant::now() + MINUTE;
        let (ended, ()) = tokio::join!(stranger.wait(never(), &shutdown, by), asks);
        assert!(matches!(ended, Err(WaitError::Shutdown)));
        // Asked for before somebody waits.
        let ended = stranger.wait(never(), &shutdown, by).await;
        assert!(matches!(ended, Err(WaitError::Shutdown)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_looked_at_meanwhile_and_one_wait_goes_on() {
        let platform = Platform::new();
        let id = platform.add_imported(ANA, PASSWORD);
        let (_stop, shutdown) = Shutdown::channel();
        let mut ana = platform.dialogue(ANA, PASSWORD).await;
        let begun = Instant::now();
        // Five looks find nothing wrong, and what comes is no less there.
        let came = async {
            tokio::time::sleep(MINUTE * 5 + MINUTE / 2).await;
            Ok(7)
        };
        assert_eq!(ana.wait(came, &shutdown, begun + MINUTE * 10).await.unwrap(), 7);
        assert_eq!(begun.elapsed(), MINUTE * 5 + MINUTE / 2);

        platform.services.directory.write(|tx| tx.set_account_state(id, AccountState::Disabled)).unwrap();
        let never = std::future::pending::<io::Result<()>>;
        let closed = Instant::now();
        assert!(matches!(ana.wait(never(), &shutdown, closed + MINUTE * 10).await, Err(WaitError::Out)));
        assert!(closed.elapsed() <= MINUTE);
        // Nor is somebody heard who never ceases to send.
        tokio::time::advance(MINUTE).await;
        let there = std::future::ready(Ok(8));
        assert!(matches!(ana.wait(there, &shutdown, Instant::now() + MINUTE).await, Err(WaitError::Out)));
        platform.check();
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_an_answer_slowly_has_time_for_each_piece_and_who_takes_nothing_has_none() {
        let platform = Platform::new();
        let answer = vec![b'a'; 3 * ANSWER_BYTES];
        let (mut stream, mut client) = tokio::io::duplex(ANSWER_BYTES / 2);
        let mut dialogue = Dialogue::new(Arc::clone(&platform.services), (), answer.clone());
        assert!(dialogue.is_full());
        let slow = async {
            let (mut taken, mut part) = (Vec::new(), vec![0; ANSWER_BYTES / 2]);
            while taken.len() < answer.len() {
                tokio::time::sleep(MINUTE / 3).await;
                client.read_exact(&mut part).await.unwrap();
                taken.extend_from_slice(&part);
            }
            taken
        };
        let (sent, taken) = tokio::join!(dialogue.send(&mut stream, MINUTE), slow);
        assert_eq!((sent.unwrap(), taken), (answer.len(), answer.clone()));
        assert!(!dialogue.is_full() && dialogue.out.is_empty());
        assert_eq!(dialogue.send(&mut stream, MINUTE).await.unwrap(), 0);

        dialogue.out = answer;
        let refused = dialogue.send(&mut stream, MINUTE).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
    }

    /// Sessions whose calls wait until the gate opens, and how many of them wait now.
    struct Greedy {
        tasks: tokio::task::JoinSet<()>,
        waiting: Arc<AtomicUsize>,
        gate: Arc<(Mutex<bool>, Condvar)>,
    }

    impl Greedy {
        fn new() -> Self {
            Greedy { tasks: tokio::task::JoinSet::new(), waiting: Arc::default(), gate: Arc::default() }
        }

        fn call(&mut self, mut session: Dialogue<SignedIn>) {
            let (waiting, gate) = (Arc::clone(&self.waiting), Arc::clone(&self.gate));
            self.tasks.spawn(async move {
                let wait = move |_: &mut SignedIn, _: &mut Vec<u8>| {
                    waiting.fetch_add(1, Ordering::SeqCst);
                    drop(gate.1.wait_while(gate.0.lock().unwrap(), |open| !*open).unwrap());
                };
                session.call(wait).await;
            });
        }

        /// How many calls run when no more of them begin.
        async fn most(&self) -> usize {
            let mut before = usize::MAX;
            loop {
                tokio::time::sleep(Duration::from_millis(50)).await;
                let now = self.waiting.load(Ordering::SeqCst);
                if now > 0 && now == before {
                    return now;
                }
                before = now;
            }
        }

        async fn end(self) {
            *self.gate.0.lock().unwrap() = true;
            self.gate.1.notify_all();
            self.tasks.join_all().await;
        }
    }

    #[tokio::test]
    async fn no_account_takes_every_call() {
        let platform = Platform::new();
        for login in [ANA, "eva@example.org"] {
            platform.add_imported(login, PASSWORD);
        }
        let mut greedy = Greedy::new();
        for _ in 0..3 * CALLS_OF_ACCOUNT {
            greedy.call(platform.dialogue(ANA, PASSWORD).await);
        }
        assert_eq!(greedy.most().await, CALLS_OF_ACCOUNT);
        assert_eq!(platform.dialogue("eva@example.org", PASSWORD).await.call(|_, _| 7).await, 7);
        greedy.end().await;
    }

    #[tokio::test]
    async fn a_cell_that_hangs_leaves_calls_to_the_others() {
        let platform = Platform::new();
        let logins: Vec<String> = (0..40).map(|number| format!("user{number}@example.org")).collect();
        let cell_of = |login: &String| platform.services.store.cell_of(&Address::new(login).unwrap()).number();
        let (hanging, others): (Vec<_>, Vec<_>) = logins.iter().partition(|login| cell_of(login) == 0);
        assert!(hanging.len() * CALLS_OF_ACCOUNT > CALLS && !others.is_empty(), "both cells have accounts");
        let mut greedy = Greedy::new();
        for login in hanging {
            platform.add_imported(login, PASSWORD);
            for _ in 0..CALLS_OF_ACCOUNT {
                greedy.call(platform.dialogue(login, PASSWORD).await);
            }
        }
        assert_eq!(greedy.most().await, CALLS_OF_CELL);
        platform.add_imported(others[0], PASSWORD);
        assert_eq!(platform.dialogue(others[0], PASSWORD).await.call(|_, _| 7).await, 7);
        greedy.end().await;
    }
}
