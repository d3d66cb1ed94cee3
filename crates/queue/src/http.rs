//! Fetching a small text over HTTPS, as MTA-STS needs it: one request, no redirects, everything bounded.

use crate::route::Reach;
use dns::Resolver;
use edge::tls::TlsError;
use edge::tls::client::{Roots, verified};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long all of it may take (RFC 8461 §3.3).
const LIMIT: Duration = Duration::from_secs(60);
/// How long one address may take to be connected to.
const CONNECT: Duration = Duration::from_secs(10);
/// The largest body (RFC 8461 §3.2 suggests it).
const MAX_BODY_BYTES: usize = 64 * 1024;
/// The largest header of an answer.
const MAX_HEADER_BYTES: usize = 32 * 1024;
/// Addresses of a host that are tried.
const MAX_ADDRESSES: usize = 4;

/// Why there is no text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GetError {
    #[error("the host's address is not known: {0}")]
    Name(#[from] dns::Error),
    #[error("the host cannot be connected to: {0}")]
    Connect(#[source] io::Error),
    #[error("the certificate is not what it must be: {0}")]
    Certificate(#[source] io::Error),
    #[error("the answer cannot be read: {0}")]
    Http(#[from] hyper::Error),
    #[error("the request cannot be made")]
    Request,
    #[error("the answer is {0} and not 200")]
    Status(StatusCode),
    #[error("the answer is no plain text")]
    Kind,
    #[error("the answer is too long or was broken off")]
    Body,
    #[error("it took too long")]
    TimedOut,
}

/// Fetches texts.
#[derive(Debug)]
pub(crate) struct Https {
    tls: Arc<ClientConfig>,
    port: u16,
    reach: Reach,
}

impl Https {
    /// # Errors
    /// When there are no roots.
    pub(crate) fn new(roots: &Roots, port: u16, reach: Reach) -> Result<Self, TlsError> {
        let mut tls = verified(roots)?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Https { tls: Arc::new(tls), port, reach })
    }

    /// The text at a path of a host.
    pub(crate) async fn get(&self, resolver: &Resolver, host: &str, path: &str) -> Result<Vec<u8>, GetError> {
        timeout(LIMIT, self.exchange(resolver, host, path)).await.map_err(|_| GetError::TimedOut)?
    }

    async fn exchange(&self, resolver: &Resolver, host: &str, path: &str) -> Result<Vec<u8>, GetError> {
        let stream = self.connect(resolver, host).await?;
        let request = Request::get(path)
            .header(HOST, host)
            .header(ACCEPT, "text/plain")
            .header(USER_AGENT, "reintegra")
            .body(Empty::<Bytes>::new())
            .map_err(|_| GetError::Request)?;
        let builder = http1::Builder::new().max_buf_size(MAX_HEADER_BYTES).to_owned();
        let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        let mut exchange = pin!(async move {
            let answer = sender.send_request(request).await?;
            // Redirects are not followed (RFC 8461 §3.3).
            if answer.status() != StatusCode::OK {
                return Err(GetError::Status(answer.status()));
            }
            let kind = answer.headers().get(CONTENT_TYPE).map(|kind| kind.as_bytes().to_ascii_lowercase());
            if !kind.is_some_and(|kind| kind.starts_with(b"text/plain")) {
                return Err(GetError::Kind);
            }
            let body = Limited::new(answer.into_body(), MAX_BODY_BYTES).collect().await;
            Ok(body.map_err(|_| GetError::Body)?.to_bytes().to_vec())
        });
        // The connection moves the exchange on; when it ends first, what has been read is still good.
        tokio::select! {
            biased;
            text = &mut exchange => text,
            _ = connection => exchange.await,
        }
    }

    async fn connect(&self, resolver: &Resolver, host: &str) -> Result<TlsStream<TcpStream>, GetError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| GetError::Name(dns::Error::BadName))?;
        let addresses = resolver.addresses(host).await?.value;
        let reachable = addresses.into_iter().filter(|address| self.reach.allows(*address)).take(MAX_ADDRESSES);
        let mut last = GetError::Connect(io::ErrorKind::AddrNotAvailable.into());
        for address in reachable {
            match self.connect_to(address, name.clone()).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn connect_to(&self, address: IpAddr, name: ServerName<'static>) -> Result<TlsStream<TcpStream>, GetError> {
        let address = SocketAddr::new(address, self.port);
        let stream = timeout(CONNECT, TcpStream::connect(address)).await;
        let stream = stream.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(GetError::Connect)?;
        let shaken = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await;
        shaken.map_err(|error| {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            match inner {
                Some(rustls::Error::InvalidCertificate(_)) => GetError::Certificate(error),
                _ => GetError::Connect(error),
            }
        })
    }
}
