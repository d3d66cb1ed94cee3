//! What stands between the manager and the ACME server: it counts requests, and spoils answers on request.

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::ServerName;
use rustls::version::TLS13;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// What goes wrong with requests.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// They are not passed on, and answered like this.
    Answer { status: u16, retry_after_s: Option<u64>, body: String },
    /// They are passed on late.
    Late(Duration),
    /// Another body comes back.
    Body(String),
    /// The connection breaks off.
    BreakOff,
}

/// A running proxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct State {
    address: SocketAddr,
    upstream: Mutex<SocketAddr>,
    /// By the first part of the path.
    faults: Mutex<HashMap<&'static str, Fault>>,
    /// What the server suggests as the time to renew, if it suggests any: between two, as RFC 3339 writes them.
    window: Mutex<Option<(&'static str, &'static str)>>,
    asked: Mutex<Vec<String>>,
}

impl Proxy {
    pub(crate) async fn start(tls: Arc<ServerConfig>, upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            address,
            upstream: Mutex::new(upstream),
            faults: Mutex::default(),
            window: Mutex::default(),
            asked: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        let (acceptor, shared) = (TlsAcceptor::from(tls), Arc::clone(&state));
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, state) = (acceptor.clone(), Arc::clone(&shared));
                connections.spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(|request| answer(Arc::clone(&state), request));
                    // One that breaks off is the client's affair.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Proxy { address, state, _tasks: tasks }
    }

    /// Stands before another server from now on.
    pub(crate) fn turn_to(&self, upstream: SocketAddr) {
        *self.state.upstream.lock().unwrap() = upstream;
    }

    /// From now on, requests whose path begins like this go wrong.
    pub(crate) fn fail(&self, path: &'static str, fault: Fault) {
        self.state.faults.lock().unwrap().insert(path, fault);
    }

    pub(crate) fn mend(&self, path: &'static str) {
        self.state.faults.lock().unwrap().remove(path);
    }

    /// From now on, the server suggests to renew between two times.
    pub(crate) fn suggest(&self, start: &'static str, end: &'static str) {
        *self.state.window.lock().unwrap() = Some((start, end));
    }

    /// How many requests came whose path begins like this.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.state.asked.lock().unwrap().iter().filter(|asked| asked.starts_with(path)).count()
    }
}

/// An error breaks the connection off.
async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let path = request.uri().path().to_owned();
    state.asked.lock().unwrap().push(path.clone());
    let of_path = |(begin, fault): (&&'static str, &Fault)| path.starts_with(*begin).then(|| fault.clone());
    let fault = state.faults.lock().unwrap().iter().find_map(of_path);
    match fault {
        Some(Fault::BreakOff) => return Err(std::io::Error::other("told to break off")),
        Some(Fault::Answer { status, retry_after_s, body }) => {
            let kind = if body.starts_with('{') { "application/problem+json" } else { "text/html" };
            let mut response = Response::builder().status(status).header(CONTENT_TYPE, kind);
            if let Some(seconds) = retry_after_s {
                response = response.header(RETRY_AFTER, seconds);
            }
            return Ok(response.body(Full::from(body)).unwrap());
        }
        Some(Fault::Late(late)) => tokio::time::sleep(late).await,
        Some(Fault::Body(_)) | None => {}
    }
    let window = *state.window.lock().unwrap();
    if let (true, Some((start, end))) = (path.starts_with("/renewal-info/"), window) {
        let body = format!(r#"{{"suggestedWindow":{{"start":"{start}","end":"{end}"}}}}"#);
        let response = Response::builder().header(CONTENT_TYPE, "application/json").header(RETRY_AFTER, 3600);
        return Ok(response.body(Full::from(body)).unwrap());
    }
    let upstream = *state.upstream.lock().unwrap();
    let (mut parts, mut body) = pass_on(upstream, request).await.map_err(std::io::Error::other)?;
    if let Some(Fault::Body(other)) = fault {
        body = Bytes::from(other);
    }
    if path == "/dir" && window.is_some() {
        let mut directory: serde_json::Value = serde_json::from_slice(&body).unwrap();
        directory["renewalInfo"] = format!("https://{}/renewal-info", state.address).into();
        body = Bytes::from(directory.to_string());
    }
    parts.headers.remove(CONTENT_LENGTH);
    Ok(Response::from_parts(parts, Full::new(body)))
}

/// Passes a request on as it is: the server makes its addresses of the host that was asked for.
async fn pass_on(
    upstream: SocketAddr,
    request: Request<Incoming>,
) -> Result<(hyper::http::response::Parts, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let (parts, body) = request.into_parts();
    let body = Full::new(body.collect().await?.to_bytes());
    let connector = TlsConnector::from(testkit::tls::client(&[&TLS13]));
    let stream = connector.connect(ServerName::try_from("localhost")?, TcpStream::connect(upstream).await?).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let (parts, body) = sender.send_request(Request::from_parts(parts, body)).await?.into_parts();
    Ok((parts, body.collect().await?.to_bytes()))
}
