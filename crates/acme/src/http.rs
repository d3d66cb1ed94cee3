//! Requests to the ACME server: over TLS, one connection for each, bounded in time and size.

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};
use rustls::ClientConfig;
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use std::error::Error as StdError;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Octets of a response: chains have some thousand.
const RESPONSE_BYTES: usize = 256 * 1024;
/// Addresses of the server that are tried.
const ADDRESSES: usize = 6;
/// How long one of them may take before the next is tried.
const CONNECT: Duration = Duration::from_secs(8);

/// A request that came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("{0}: not an https address")]
    Address(Uri),
    #[error("no server has this name")]
    Name(#[from] InvalidDnsNameError),
    #[error("it has no address")]
    NoAddress,
    #[error("it cannot be reached")]
    Connect(#[source] io::Error),
    #[error("the exchange broke off")]
    Exchange(#[from] hyper::Error),
    #[error("it answered with more than can be meant, or broke off")]
    Body(#[source] Box<dyn StdError + Send + Sync>),
    #[error("it answered with status {0}")]
    Status(u16),
    #[error("it took too long")]
    TooLong,
}

/// A client of one server. Cloned, it is the same.
#[derive(Clone)]
pub(crate) struct Https {
    tls: Arc<ClientConfig>,
    limit: Duration,
    asked_to_wait: Arc<Mutex<Option<Duration>>>,
}

impl Https {
    /// A client whose requests take no longer than `limit`.
    pub(crate) fn new(tls: ClientConfig, limit: Duration) -> Self {
        Https { tls: Arc::new(tls), limit, asked_to_wait: Arc::default() }
    }

    /// How long the server asked to wait when it last refused something (Retry-After, RFC 8555 §6.6), once.
    pub(crate) fn take_asked_to_wait(&self) -> Option<Duration> {
        self.asked_to_wait.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn exchange(&self, mut request: Request<BodyWrapper<Bytes>>) -> Result<Response<Full<Bytes>>, HttpError> {
        let uri = request.uri().clone();
        let not_https = || HttpError::Address(uri.clone());
        if uri.scheme_str() != Some("https") {
            return Err(not_https());
        }
        let authority = uri.authority().ok_or_else(not_https)?;
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| not_https())?;
        request.headers_mut().insert(HOST, host);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = path.parse().map_err(|_| not_https())?;
        let stream = self.connect(authority.host(), authority.port_u16().unwrap_or(443)).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with this exchange, whatever becomes of that.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let response = sender.send_request(request).await?;
        self.received(response).await
    }

    async fn connect(&self, host: &str, port: u16) -> Result<TlsStream<TcpStream>, HttpError> {
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(host.to_owned())?;
        let addresses = lookup_host((host, port)).await.map_err(HttpError::Connect)?;
        let mut failed = HttpError::NoAddress;
        for address in addresses.take(ADDRESSES) {
            let connector = TlsConnector::from(Arc::clone(&self.tls));
            let name = name.clone();
            let attempt = async move { connector.connect(name, TcpStream::connect(address).await?).await };
            match timeout(CONNECT, attempt).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => failed = HttpError::Connect(error),
                Err(_) => failed = HttpError::TooLong,
            }
        }
        Err(failed)
    }

    async fn received(&self, response: Response<Incoming>) -> Result<Response<Full<Bytes>>, HttpError> {
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, RESPONSE_BYTES).collect().await.map_err(HttpError::Body)?.to_bytes();
        let refused = parts.status.is_client_error() || parts.status.is_server_error();
        if refused {
            let wait = parts.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
            if let Some(seconds) = wait {
                let mut asked = self.asked_to_wait.lock().unwrap_or_else(PoisonError::into_inner);
                *asked = Some(Duration::from_secs(seconds));
            }
            // What stands before a server answers with a page of its own instead of a problem.
            if !body.trim_ascii_start().starts_with(b"{") {
                return Err(HttpError::Status(parts.status.as_u16()));
            }
        }
        Ok(Response::from_parts(parts, Full::new(body)))
    }
}

impl HttpClient for Https {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let client = self.clone();
        Box::pin(async move {
            let exchanged = timeout(client.limit, client.exchange(request)).await;
            match exchanged.unwrap_or(Err(HttpError::TooLong)) {
                Ok(response) => Ok(BytesResponse::from(response)),
                Err(error) => Err(instant_acme::Error::Other(Box::new(error))),
            }
        })
    }
}
