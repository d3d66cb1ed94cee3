//! Connections that are kept for the next message, and how many a server gets at once.
//!
//! A connection is used again only for what it would be made for anew: the same address and host, under the same
//! requirement of TLS.

use crate::client::Connection;
use crate::policy::Requirement;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// How much of a server is used at once, and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Connections in use to one address at once.
    pub per_address: usize,
    /// Messages that a connection carries.
    pub messages: u64,
    /// How long a connection waits for the next message.
    pub idle: Duration,
    /// Connections that wait, over all servers.
    pub idle_connections: usize,
    /// How long a message waits for its turn at an address.
    pub turn: Duration,
}

impl Default for PoolLimits {
    fn default() -> Self {
        PoolLimits {
            per_address: 10,
            messages: 100,
            idle: Duration::from_secs(10),
            idle_connections: 200,
            turn: Duration::from_secs(60),
        }
    }
}

/// Goodbyes that are said at once; beyond, connections are closed without.
const GOODBYES: usize = 64;
/// Addresses that are counted before those nobody uses are forgotten.
const ADDRESSES: usize = 1024;

/// What a connection is made for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) address: SocketAddr,
    pub(crate) host: String,
    pub(crate) requirement: Requirement,
}

#[derive(Debug)]
pub(crate) struct Pool {
    limits: PoolLimits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    idle: HashMap<Key, Vec<Idle>>,
    count: usize,
    turns: HashMap<IpAddr, Arc<Semaphore>>,
    swept: bool,
    goodbyes: JoinSet<()>,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

impl Pool {
    pub(crate) fn new(limits: PoolLimits) -> Arc<Self> {
        Arc::new(Pool { limits, state: Mutex::default() })
    }

    /// Waits for a turn at an address, in the order of asking; `None`: it took too long.
    pub(crate) async fn turn(&self, address: IpAddr) -> Option<OwnedSemaphorePermit> {
        let turns = {
            let mut state = self.lock();
            if state.turns.len() >= ADDRESSES {
                state.turns.retain(|_, turns| Arc::strong_count(turns) > 1);
            }
            let new = || Arc::new(Semaphore::new(self.limits.per_address.max(1)));
            Arc::clone(state.turns.entry(address).or_insert_with(new))
        };
        timeout(self.limits.turn, turns.acquire_owned()).await.ok()?.ok()
    }

    /// A connection that waits: the one that was used last, since it is the likeliest to be alive.
    pub(crate) fn take(&self, key: &Key) -> Option<Connection> {
        let mut state = self.lock();
        let waiting = state.idle.get_mut(key)?;
        let idle = waiting.pop()?;
        if waiting.is_empty() {
            state.idle.remove(key);
        }
        state.count -= 1;
        if idle.since.elapsed() < self.limits.idle {
            return Some(idle.connection);
        }
        state.dismiss(idle.connection);
        None
    }

    /// Whether a connection may carry another message.
    pub(crate) fn is_fresh(&self, connection: &Connection) -> bool {
        let limit = connection.can.mail_max.map_or(self.limits.messages, |theirs| theirs.min(self.limits.messages));
        connection.messages < limit.max(1)
    }

    /// Keeps a connection that nothing was wrong with.
    pub(crate) fn put(self: &Arc<Self>, key: Key, connection: Connection) {
        let mut state = self.lock();
        if !self.is_fresh(&connection) || state.count >= self.limits.idle_connections {
            state.dismiss(connection);
            return;
        }
        state.idle.entry(key).or_default().push(Idle { connection, since: Instant::now() });
        state.count += 1;
        if !std::mem::replace(&mut state.swept, true) {
            state.goodbyes.spawn(sweep(Arc::downgrade(self), self.limits.idle));
        }
    }

    /// Takes leave of a connection without waiting for it.
    pub(crate) fn dismiss(&self, connection: Connection) {
        self.lock().dismiss(connection);
    }

    /// Dismisses what has waited too long; yields whether something still waits.
    fn sweep(&self) -> bool {
        let mut state = self.lock();
        let mut old = Vec::new();
        for waiting in state.idle.values_mut() {
            // In the order in which they began to wait.
            let young = waiting.partition_point(|idle| idle.since.elapsed() >= self.limits.idle);
            old.extend(waiting.drain(..young));
        }
        state.idle.retain(|_, waiting| !waiting.is_empty());
        state.count -= old.len();
        for idle in old {
            state.dismiss(idle.connection);
        }
        state.swept = state.count > 0;
        state.swept
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn dismiss(&mut self, connection: Connection) {
        while self.goodbyes.try_join_next().is_some() {}
        // Called from a try, which runs on a runtime; `Connection` cannot be made elsewhere.
        if self.goodbyes.len() < GOODBYES {
            self.goodbyes.spawn(connection.quit());
        }
    }
}

/// Looks after connections that wait, as long as there are any.
async fn sweep(pool: Weak<Pool>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(pool) = pool.upgrade() else { return };
        if !pool.sweep() {
            return;
        }
    }
}
