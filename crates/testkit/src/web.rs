//! A web server that answers everything with one answer, over TLS.

use rustls::ServerConfig;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// A running server; it ends when it is dropped.
#[derive(Debug)]
pub struct Web {
    /// Where it listens.
    pub address: SocketAddr,
    seen: Arc<Seen>,
    _tasks: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Seen {
    asked: AtomicUsize,
    requests: Mutex<String>,
}

impl Web {
    /// One at an address, which gives this answer, header and all.
    ///
    /// # Panics
    /// When the address is not to be had.
    pub async fn start_at(address: SocketAddr, tls: Arc<ServerConfig>, answer: String) -> Web {
        let listener = TcpListener::bind(address).await.expect("the address is to be had");
        let address = listener.local_addr().expect("it is bound");
        let seen = Arc::new(Seen::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, TlsAcceptor::from(tls), answer, Arc::clone(&seen)));
        Web { address, seen, _tasks: tasks }
    }

    /// How often somebody came as far as TLS.
    pub fn asked(&self) -> usize {
        self.seen.asked.load(Ordering::SeqCst)
    }

    /// What was asked, one request behind the other.
    pub fn requests(&self) -> String {
        self.seen.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, answer: String, seen: Arc<Seen>) {
    while let Ok((stream, _)) = listener.accept().await {
        let Ok(mut stream) = acceptor.accept(stream).await else { continue };
        seen.asked.fetch_add(1, Ordering::SeqCst);
        let mut request = vec![0; 4096];
        let Ok(length) = stream.read(&mut request).await else { continue };
        let text = String::from_utf8_lossy(&request[..length]);
        seen.requests.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
        // The client may have gone.
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
    }
}
