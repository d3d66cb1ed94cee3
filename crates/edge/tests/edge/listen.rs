//! Connections: how many, over what, and how they end.

use crate::client::{connect, handshake, write_certificate};
use edge::listen::{Caps, Connection, Kind, Limits, Listen, run};
use edge::tls::Tls;
use edge::{Protocol, Shutdown, Stop};
use rustls::version::{TLS12, TLS13};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const FULL: &[u8] = b"* BYE too many connections\r\n";

/// A listener that runs [`talk`] on each connection.
struct Server {
    address: SocketAddr,
    caps: Arc<Caps>,
    stop: Stop,
    task: JoinHandle<()>,
    _place: TempDir,
}

impl Server {
    async fn start(kind: Kind, caps: Arc<Caps>, limits: Limits) -> Self {
        let place = tempfile::tempdir().unwrap();
        let tls = Tls::load(vec![write_certificate(place.path(), "one", &["localhost"])]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, shutdown) = Shutdown::channel();
        let loopback_is_secure = false;
        let listen = Listen { protocol: Protocol::Imap, kind, tls: Some(tls), loopback_is_secure, limits, full: FULL };
        let task = tokio::spawn(run(listener, listen, Arc::clone(&caps), shutdown, talk));
        Server { address, caps, stop, task, _place: place }
    }

    async fn plain(kind: Kind) -> Self {
        Self::start(kind, Caps::new(100, 100, 100), Limits::default()).await
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

/// Answers each byte: `s` says whether the connection is secure and bound, `t` begins TLS, `p` panics, `q` ends, `h` hangs
/// whatever happens; a shutdown ends it with `B`.
async fn talk(mut connection: Connection) {
    loop {
        let mut shutdown = connection.shutdown.clone();
        let read = tokio::select! {
            read = connection.stream.read_u8() => read,
            () = shutdown.requested() => {
                let _ = connection.stream.write_all(b"B").await;
                return;
            }
        };
        let Ok(byte) = read else { return };
        let answer: &[u8] = match byte {
            b's' => match (connection.peer.secure, connection.peer.channel_binding.is_some()) {
                (true, true) => b"secure, bound\n",
                (true, false) => b"secure\n",
                _ => b"open\n",
            },
            b't' => {
                let Ok(secured) = connection.start_tls().await else { return };
                connection = secured;
                continue;
            }
            b'p' => panic!("as asked"),
            b'h' => std::future::pending().await,
            _ => return,
        };
        if connection.stream.write_all(answer).await.is_err() || connection.stream.flush().await.is_err() {
            return;
        }
    }
}

async fn ask(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin), what: &[u8]) -> String {
    stream.write_all(what).await.unwrap();
    let mut answer = String::new();
    while !answer.ends_with('\n') {
        answer.push(char::from(stream.read_u8().await.unwrap()));
    }
    answer
}

/// All that comes until the end.
async fn rest(stream: &mut (impl AsyncReadExt + Unpin)) -> Vec<u8> {
    let mut rest = Vec::new();
    // A connection that was cut off may end in an error.
    let _ = stream.read_to_end(&mut rest).await;
    rest
}

/// Waits until so many connections are left.
async fn settle(caps: &Caps, connections: usize) {
    while caps.connections() != connections {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn tls_begins_at_once_or_when_the_client_asks() {
    let server = Server::plain(Kind::Implicit).await;
    let mut stream = connect(server.address, "localhost", &[&TLS13]).await.unwrap();
    assert_eq!(ask(&mut stream, b"s").await, "secure, bound\n");
    let mut stream = connect(server.address, "localhost", &[&TLS12]).await.unwrap();
    assert_eq!(ask(&mut stream, b"s").await, "secure\n");

    let server = Server::plain(Kind::StartTls).await;
    let mut stream = server.connect().await;
    assert_eq!(ask(&mut stream, b"s").await, "open\n");
    stream.write_all(b"t").await.unwrap();
    let mut stream = handshake(stream, "localhost", &[&TLS13]).await.unwrap();
    assert_eq!(ask(&mut stream, b"s").await, "secure, bound\n");
}

#[tokio::test]
async fn garbage_instead_of_a_handshake_ends_that_connection_alone() {
    let server = Server::plain(Kind::Implicit).await;
    let mut good = connect(server.address, "localhost", &[&TLS13]).await.unwrap();
    for garbage in
        [&b"a1 LOGIN ana hierro\r\n"[..], b"GET / HTTP/1.1\r\n\r\n", &[0; 4096], &[0x16, 3, 1, 0xff, 0xff, 1]]
    {
        let mut stream = server.connect().await;
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.len() < 100, "an alert at most");
    }
    drop(server.connect().await);
    settle(&server.caps, 1).await;
    assert_eq!(ask(&mut good, b"s").await, "secure, bound\n");
}

#[tokio::test]
async fn a_half_open_connection_is_dropped() {
    let limits = Limits { handshake: Duration::from_millis(50), ..Limits::default() };
    let server = Server::start(Kind::Implicit, Caps::new(100, 100, 100), limits).await;
    let mut silent = server.connect().await;
    let mut slow = server.connect().await;
    slow.write_all(&[0x16, 3, 1, 2, 0, 1]).await.unwrap();
    assert_eq!(rest(&mut silent).await, b"");
    assert_eq!(rest(&mut slow).await, b"");

    let server = Server::start(Kind::StartTls, Caps::new(100, 100, 100), limits).await;
    let mut silent = server.connect().await;
    silent.write_all(b"t").await.unwrap();
    assert_eq!(rest(&mut silent).await, b"");
    settle(&server.caps, 0).await;
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let server = Server::start(Kind::StartTls, Caps::new(2, 2, 1), Limits::default()).await;
    let (mut one, mut two) = (server.connect().await, server.connect().await);
    assert_eq!((ask(&mut one, b"s").await, ask(&mut two, b"s").await), ("open\n".into(), "open\n".into()));
    let mut three = server.connect().await;
    assert_eq!(rest(&mut three).await, FULL);
    one.write_all(b"q").await.unwrap();
    assert_eq!(rest(&mut one).await, b"");
    settle(&server.caps, 1).await;
    let mut four = server.connect().await;
    assert_eq!(ask(&mut four, b"s").await, "open\n");
}

#[tokio::test]
async fn a_panic_ends_one_session() {
    let server = Server::plain(Kind::StartTls).await;
    let (mut one, mut two) = (server.connect().await, server.connect().await);
    assert_eq!(ask(&mut two, b"s").await, "open\n");
    one.write_all(b"p").await.unwrap();
    assert_eq!(rest(&mut one).await, b"");
    settle(&server.caps, 1).await;
    assert_eq!(ask(&mut two, b"s").await, "open\n");
    assert_eq!(ask(&mut server.connect().await, b"s").await, "open\n");
}

#[tokio::test]
async fn a_shutdown_lets_sessions_end() {
    let server = Server::plain(Kind::StartTls).await;
    let mut session = server.connect().await;
    assert_eq!(ask(&mut session, b"s").await, "open\n");
    server.stop.request();
    assert_eq!(rest(&mut session).await, b"B");
    server.task.await.unwrap();
    assert_eq!(server.caps.connections(), 0);
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens");
}

#[tokio::test]
async fn a_session_that_does_not_end_is_cut_off() {
    let limits = Limits { grace: Duration::from_millis(50), ..Limits::default() };
    let server = Server::start(Kind::StartTls, Caps::new(100, 100, 100), limits).await;
    let mut session = server.connect().await;
    assert_eq!(ask(&mut session, b"s").await, "open\n");
    session.write_all(b"h").await.unwrap();
    server.stop.request();
    server.task.await.unwrap();
    assert_eq!(server.caps.connections(), 0);
    rest(&mut session).await;
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_handshakes() {
    let server = Server::plain(Kind::Implicit).await;
    let mut silent = server.connect().await;
    settle(&server.caps, 1).await;
    server.stop.request();
    server.task.await.unwrap();
    assert_eq!(rest(&mut silent).await, b"");
}
