//! Sessions that are shared: few at a time, each used for as long as it lives, and made anew with patience.

use crate::remote::imap::Session;
use crate::remote::{RemoteError, Server, SignIn};
use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The first pause before a server that is away is asked again; each one after it is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The longest of these pauses.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Sessions with one server.
pub(super) struct Pool {
    server: Server,
    limits: Limits,
    state: Mutex<State>,
    freed: Condvar,
}

/// How much of a server is taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Sessions at a time.
    pub(super) connections: usize,
    /// Before every use of one.
    pub(super) pause: Duration,
    /// How long a server that is away is waited for.
    pub(super) patience: Duration,
}

#[derive(Default)]
struct State {
    idle: Vec<Idle>,
    /// Sessions that are there, idle or not.
    open: usize,
    /// Until then nobody waits for the server again: it was waited for in vain.
    given_up_until: Option<Instant>,
}

struct Idle {
    account: String,
    held: Held,
}

/// A session, and messages that it read ahead of being asked for them.
pub(super) struct Held {
    pub(super) session: Session,
    pub(super) ahead: HashMap<u32, Vec<u8>>,
}

impl Held {
    fn has_open(&self, mailbox: &[u8]) -> bool {
        self.session.opened().is_some_and(|opened| opened.name == mailbox)
    }
}

/// What a session is wanted for, so that the best one is taken.
#[derive(Clone, Copy)]
pub(super) struct Wish<'a> {
    pub(super) mailbox: &'a [u8],
    pub(super) uid: Option<u32>,
}

impl Pool {
    pub(super) fn new(server: Server, limits: Limits) -> Pool {
        Pool { server, limits, state: Mutex::default(), freed: Condvar::new() }
    }

    /// Does something with a session of an account. While the server is away it is tried again, for as long as patience
    /// lasts: so nothing may be done by halves.
    ///
    /// # Errors
    /// The last failure.
    pub(super) fn with<T>(
        &self,
        account: &str,
        sign_in: &SignIn,
        wish: Option<Wish<'_>>,
        mut work: impl FnMut(&mut Held) -> Result<T, RemoteError>,
    ) -> Result<T, RemoteError> {
        let in_vain = || self.lock().given_up_until.is_some_and(|until| Instant::now() < until);
        let done = patiently(self.limits.patience, in_vain, || self.once(account, sign_in, wish, &mut work));
        match &done {
            Ok(_) => self.lock().given_up_until = None,
            Err(error) if error.is_temporary() => {
                self.lock().given_up_until = Some(Instant::now() + LONGEST_WAIT);
            }
            // The server is there.
            Err(_) => {}
        }
        done
    }

    /// Does something with a session of an account, without patience.
    ///
    /// # Errors
    /// Any failure.
    pub(super) fn once<T>(
        &self,
        account: &str,
        sign_in: &SignIn,
        wish: Option<Wish<'_>>,
        work: impl FnOnce(&mut Held) -> Result<T, RemoteError>,
    ) -> Result<T, RemoteError> {
        let idle = self.take(account, wish);
        // Whatever happens, a panic too, its place is free again.
        let mut place = Place { pool: self, account, held: None };
        if !self.limits.pause.is_zero() {
            std::thread::sleep(self.limits.pause);
        }
        let mut held = match idle {
            Some(held) => held,
            None => Held { session: Session::open(&self.server, sign_in)?, ahead: HashMap::new() },
        };
        let done = work(&mut held);
        if done.as_ref().err().is_none_or(RemoteError::spares_session) {
            place.held = Some(held);
        }
        done
    }

    /// Waits for a session or for room to make one, which is what `None` says.
    fn take(&self, account: &str, wish: Option<Wish<'_>>) -> Option<Held> {
        let mut state = self.lock();
        loop {
            let fitness = |idle: &Idle| {
                let wished = wish.filter(|wish| idle.held.has_open(wish.mailbox));
                let ahead = wished.is_some_and(|w| w.uid.is_some_and(|uid| idle.held.ahead.contains_key(&uid)));
                (idle.account == account).then_some(usize::from(wished.is_some()) + usize::from(ahead))
            };
            let best = (0..state.idle.len()).filter_map(|i| Some((fitness(&state.idle[i])?, i))).max();
            if let Some((_, best)) = best {
                return Some(state.idle.remove(best).held);
            }
            if state.open < self.limits.connections {
                state.open += 1;
                return None;
            }
            if !state.idle.is_empty() {
                // The one that was left alone for the longest.
                let other = state.idle.remove(0);
                drop(state);
                other.held.session.log_out();
                return None;
            }
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does something again while the server is away, for as long as patience lasts and it is not known to be in vain.
///
/// # Errors
/// The last failure.
pub(super) fn patiently<T>(
    patience: Duration,
    in_vain: impl Fn() -> bool,
    mut work: impl FnMut() -> Result<T, RemoteError>,
) -> Result<T, RemoteError> {
    let begun = Instant::now();
    let mut wait = FIRST_WAIT;
    loop {
        match work() {
            Err(error) if error.is_temporary() && begun.elapsed() + wait <= patience && !in_vain() => {
                std::thread::sleep(wait);
                wait = (wait * 2).min(LONGEST_WAIT);
            }
            done => return done,
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.idle.drain(..).for_each(|idle| idle.held.session.log_out());
    }
}

/// The place of a session that is in use.
struct Place<'p> {
    pool: &'p Pool,
    account: &'p str,
    /// The session, where it can be used again.
    held: Option<Held>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        match self.held.take() {
            Some(held) => state.idle.push(Idle { account: self.account.to_owned(), held }),
            None => state.open -= 1,
        }
        drop(state);
        self.pool.freed.notify_one();
    }
}
