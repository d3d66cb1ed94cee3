//! Accepting connections: how many, from where, over what, and until when.
//!
//! Each connection is a task of its own, owned by [`run`]: a panic in it ends it alone, and a shutdown waits for it.

mod refused;

use crate::peer::{Network, Networks, Peer, Protocol};
use crate::shutdown::Shutdown;
use crate::stream::Stream;
use crate::tls::Tls;
use refused::Refused;
use rustix::net::sockopt;
use std::collections::HashMap;
use std::hash::Hash;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

/// How long nothing is accepted after the system ran out of something: sessions that end free it.
const OUT_OF_RESOURCES: Duration = Duration::from_millis(500);
/// A peer that is silent for so long is asked whether it is there; IMAP clients idle for half an hour.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(300);
/// How often it is asked.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);
/// How many times before it is taken for gone.
const KEEPALIVE_PROBES: u32 = 5;

/// What a listener speaks and how.
#[derive(Clone, Debug)]
pub struct Listen {
    /// What is spoken.
    pub protocol: Protocol,
    /// When TLS begins.
    pub kind: Kind,
    /// Its TLS.
    pub tls: Option<Arc<Tls>>,
    /// Whether a connection of this machine with itself is [secure](Peer::secure) without TLS.
    pub loopback_is_secure: bool,
    /// Times.
    pub limits: Limits,
    /// What is said, unless TLS begins at once, to a connection that is one too many.
    pub full: &'static [u8],
}

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// At once; there must be [`Listen::tls`].
    Implicit,
    /// When the client asks, if there is [`Listen::tls`].
    StartTls,
}

/// Times that a listener keeps.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// How long sessions have to end after a shutdown was asked for.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { handshake: Duration::from_secs(30), grace: Duration::from_secs(10) }
    }
}

/// A connection for a driver.
#[derive(Debug)]
pub struct Connection {
    /// Its bytes.
    pub stream: Stream,
    /// The other end.
    pub peer: Peer,
    /// The TLS that it may begin.
    pub tls: Option<Arc<Tls>>,
    /// How long a handshake may take.
    pub handshake: Duration,
    /// Says when it is time to end.
    pub shutdown: Shutdown,
    loopback_is_secure: bool,
    _place: Place,
}

impl Connection {
    /// Begins TLS, once what was said is flushed; what was read before must not be looked at again. The peer is then
    /// secure, and has a channel binding where there is one.
    ///
    /// # Errors
    /// When there is no TLS, or the handshake fails or takes too long.
    pub async fn start_tls(mut self) -> io::Result<Connection> {
        let none = || io::Error::new(io::ErrorKind::Unsupported, "there is no TLS here");
        let tls = self.tls.clone().ok_or_else(none)?;
        self.stream = self.stream.start_tls(&tls, self.handshake).await?;
        self.peer = peer_of(&self.stream, self.peer.address, self.peer.protocol, self.loopback_is_secure);
        Ok(self)
    }
}

/// How many connections there may be, over all listeners that share it.
#[derive(Debug)]
pub struct Caps {
    total: usize,
    per_network: usize,
    per_wide_network: usize,
    per_protocol: usize,
    counts: Mutex<Counts>,
    refused: Mutex<Refused>,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    networks: HashMap<Network, usize>,
    protocols: HashMap<Protocol, usize>,
}

/// A connection's place among those that may be; dropped, it is free.
#[derive(Debug)]
struct Place {
    caps: Arc<Caps>,
    networks: Networks,
    protocol: Protocol,
}

impl Caps {
    /// So many in all, for one protocol, and from one narrow network; from a wide one half of all, since whoever has a /48 has
    /// thousands of narrow ones. This machine itself has as many as it likes.
    pub fn new(total: usize, per_protocol: usize, per_network: usize) -> Arc<Self> {
        let per_wide_network = per_network.max(total / 2);
        Arc::new(Caps {
            total,
            per_network,
            per_wide_network,
            per_protocol,
            counts: Mutex::default(),
            refused: Mutex::default(),
        })
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.lock().total
    }

    fn place(self: &Arc<Self>, networks: Networks, protocol: Protocol) -> Result<Place, &'static str> {
        let mut counts = self.lock();
        let of = |count: Option<&usize>| count.copied().unwrap_or(0);
        if counts.total >= self.total {
            return Err("total");
        }
        if of(counts.protocols.get(&protocol)) >= self.per_protocol {
            return Err("protocol");
        }
        let Networks { narrow, wide } = networks;
        let is_full = of(counts.networks.get(&narrow)) >= self.per_network
            || of(counts.networks.get(&wide)) >= self.per_wide_network;
        if is_full && !narrow.is_loopback() {
            return Err("network");
        }
        counts.total += 1;
        *counts.networks.entry(narrow).or_insert(0) += 1;
        *counts.networks.entry(wide).or_insert(0) += 1;
        *counts.protocols.entry(protocol).or_insert(0) += 1;
        metrics::gauge!("reintegra_connections", "protocol" => protocol.as_str()).increment(1);
        Ok(Place { caps: Arc::clone(self), networks, protocol })
    }

    /// Tells of a connection that was one too many: now and then, with those of its network since the last time.
    fn refuse(&self, network: Network, protocol: Protocol, limit: &'static str) {
        let protocol = protocol.as_str();
        metrics::counter!("reintegra_connections_refused_total", "protocol" => protocol, "limit" => limit).increment(1);
        let told = self.refused.lock().unwrap_or_else(PoisonError::into_inner).count(network, Instant::now());
        if let Some(connections) = told {
            tracing::info!(protocol, %network, limit, connections, "connections are one too many");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.caps.lock();
        counts.total -= 1;
        count_down(&mut counts.networks, &self.networks.narrow);
        count_down(&mut counts.networks, &self.networks.wide);
        count_down(&mut counts.protocols, &self.protocol);
        metrics::gauge!("reintegra_connections", "protocol" => self.protocol.as_str()).decrement(1);
    }
}

fn count_down<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// Accepts connections and runs `handler` on each, until it is time to stop; then accepts none and waits for those there are,
/// which hear of it through their own [`Shutdown`]. Those that take longer than the grace period are cut off.
pub async fn run<H, F>(listener: TcpListener, listen: Listen, caps: Arc<Caps>, mut shutdown: Shutdown, handler: H)
where
    H: Fn(Connection) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let mut sessions = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.requested() => break,
            Some(ended) = sessions.join_next() => {
                log_end(ended, listen.protocol);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => admit(stream, address, &listen, &caps, &shutdown, &handler, &mut sessions),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // Descriptors or memory have run out: going on at once would only burn the processor.
                tracing::error!(protocol = listen.protocol.as_str(), %error, "no connection can be accepted");
                metrics::counter!("reintegra_accept_errors_total").increment(1);
                tokio::select! {
                    () = tokio::time::sleep(OUT_OF_RESOURCES) => {}
                    () = shutdown.requested() => break,
                }
            }
        }
    }
    // New connections are refused from here on, rather than left waiting.
    drop(listener);
    let ended = timeout(listen.limits.grace, async {
        while let Some(ended) = sessions.join_next().await {
            log_end(ended, listen.protocol);
        }
    });
    if ended.await.is_err() {
        let (protocol, sessions) = (listen.protocol.as_str(), sessions.len());
        tracing::warn!(protocol, sessions, "sessions did not end in time and are cut off");
    }
    sessions.shutdown().await;
}

fn admit<H, F>(
    stream: TcpStream,
    address: SocketAddr,
    listen: &Listen,
    caps: &Arc<Caps>,
    shutdown: &Shutdown,
    handler: &H,
    sessions: &mut JoinSet<()>,
) where
    H: Fn(Connection) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let protocol = listen.protocol;
    let networks = Networks::of(address.ip());
    let place = match caps.place(networks, protocol) {
        Ok(place) => place,
        Err(limit) => {
            caps.refuse(networks.narrow, protocol, limit);
            if listen.kind == Kind::StartTls {
                // As far as it fits into the socket's buffer, and nobody waits for it.
                let _ = stream.try_write(listen.full);
            }
            return;
        }
    };
    metrics::counter!("reintegra_connections_total", "protocol" => protocol.as_str()).increment(1);
    if let Err(error) = set_options(&stream) {
        tracing::debug!(%address, %error, "options of a socket cannot be set");
    }
    let (listen, shutdown, handler) = (listen.clone(), shutdown.clone(), handler.clone());
    sessions.spawn(async move {
        let Some(stream) = begin(stream, &listen, shutdown.clone()).await else { return };
        let peer = peer_of(&stream, address, protocol, listen.loopback_is_secure);
        let Listen { tls, limits, loopback_is_secure, .. } = listen;
        let handshake = limits.handshake;
        let connection = Connection { stream, peer, tls, handshake, shutdown, loopback_is_secure, _place: place };
        handler(connection).await;
    });
}

/// Begins TLS where it begins at once; `None` when that failed or it is time to stop.
async fn begin(stream: TcpStream, listen: &Listen, mut shutdown: Shutdown) -> Option<Stream> {
    let stream = Stream::Plain(stream);
    if listen.kind == Kind::StartTls {
        return Some(stream);
    }
    let tls = listen.tls.as_ref()?;
    tokio::select! {
        stream = stream.start_tls(tls, listen.limits.handshake) => stream.ok(),
        () = shutdown.requested() => None,
    }
}

fn peer_of(stream: &Stream, address: SocketAddr, protocol: Protocol, loopback_is_secure: bool) -> Peer {
    let tls = stream.is_tls();
    let secure = tls || loopback_is_secure && address.ip().to_canonical().is_loopback();
    Peer { address, tls, secure, channel_binding: stream.channel_binding(), protocol }
}

/// Sends answers at once, and finds out when a peer is gone without a word.
fn set_options(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(stream, KEEPALIVE_PROBES)?;
    Ok(())
}

/// Whether an error of accepting says something of the one connection that was to be accepted, which is gone.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionAborted | K::ConnectionReset | K::ConnectionRefused | K::Interrupted)
}

fn log_end(ended: Result<(), JoinError>, protocol: Protocol) {
    if ended.is_err_and(|error| error.is_panic()) {
        // What it said went to the panic hook; the message may hold what a client sent.
        metrics::counter!("reintegra_session_panics_total", "protocol" => protocol.as_str()).increment(1);
        tracing::error!(protocol = protocol.as_str(), "a session panicked and was ended");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn networks(address: &str) -> Networks {
        Networks::of(address.parse().unwrap())
    }

    #[test]
    fn connections_are_counted_by_all_by_protocol_and_by_network() {
        let caps = Caps::new(5, 4, 2);
        let place = |from: &str, protocol| caps.place(networks(from), protocol);
        let one = place("192.0.2.1", Protocol::Imap).unwrap();
        let _two = place("192.0.2.1", Protocol::Pop3).unwrap();
        assert_eq!(place("192.0.2.1", Protocol::Imap).unwrap_err(), "network");
        let _three = place("198.51.100.2", Protocol::Imap).unwrap();
        let _four = place("127.0.0.1", Protocol::Imap).unwrap();
        let _five = place("127.0.0.1", Protocol::Imap).unwrap();
        assert_eq!(place("192.0.2.3", Protocol::Imap).unwrap_err(), "total");
        drop(one);
        let _six = place("192.0.2.1", Protocol::Imap).unwrap();

        let caps = Caps::new(100, 2, 100);
        let places: Vec<_> = (0..2).map(|_| caps.place(networks("192.0.2.1"), Protocol::Imap).unwrap()).collect();
        assert_eq!(caps.place(networks("192.0.2.2"), Protocol::Imap).unwrap_err(), "protocol");
        assert!(caps.place(networks("::1"), Protocol::Pop3).is_ok());
        drop(places);
        assert_eq!(caps.connections(), 0);
        assert!(caps.lock().networks.is_empty() && caps.lock().protocols.is_empty());
    }

    #[test]
    fn a_wide_network_leaves_room_for_others_however_many_narrow_ones_it_has() {
        let caps = Caps::new(20, 20, 3);
        let from = |subnet: usize| caps.place(networks(&format!("2001:db8:1:{subnet:x}::1")), Protocol::Imap);
        let places: Vec<_> = (0..20).map_while(|subnet| from(subnet).ok()).collect();
        assert_eq!(places.len(), 10);
        assert_eq!(from(99).unwrap_err(), "network");
        assert!(caps.place(networks("2001:db8:2::1"), Protocol::Imap).is_ok());
        drop(places);
        assert!(caps.lock().networks.is_empty());
    }

    #[test]
    fn only_an_error_of_one_connection_is_passed_over() {
        let error = |errno: rustix::io::Errno| io::Error::from(errno);
        assert!(is_of_one_connection(&error(rustix::io::Errno::CONNABORTED)));
        for errno in [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE, rustix::io::Errno::NOBUFS] {
            assert!(!is_of_one_connection(&error(errno)), "{errno:?}: going on at once would burn the processor");
        }
    }
}
