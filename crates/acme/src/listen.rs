//! Two small servers that show what an ACME server comes to see, and nothing else.

use crate::responder::Responder;
use edge::Shutdown;
use edge::tls::Tls;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Connections at once; others wait in the system's queue. An authority comes from a handful of places.
const CONNECTIONS: usize = 64;
/// How long a connection may last, all in all.
const LASTS: Duration = Duration::from_secs(10);
/// Octets of a request up to its empty line.
const REQUEST_BYTES: usize = 8 * 1024;
/// How long nothing is accepted after the system ran out of something.
const OUT_OF_RESOURCES: Duration = Duration::from_millis(500);

/// Answers HTTP-01 on a port until it is time to stop. Whatever else is asked for is not found.
pub async fn serve_http(listener: TcpListener, responder: Responder, shutdown: Shutdown) {
    serve(listener, shutdown, move |stream| answer_http(stream, responder.clone())).await;
}

/// Answers TLS-ALPN-01 on a port until it is time to stop. With whomever else comes it shakes hands, and no more.
pub async fn serve_tls(listener: TcpListener, tls: Arc<Tls>, shutdown: Shutdown) {
    serve(listener, shutdown, move |stream| {
        let tls = Arc::clone(&tls);
        async move { tls.accept(stream).await?.shutdown().await }
    })
    .await;
}

async fn serve<H, F>(listener: TcpListener, mut shutdown: Shutdown, handler: H)
where
    H: Fn(TcpStream) -> F,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, address)) => {
                    let handled = timeout(LASTS, handler(stream));
                    connections.spawn(async move {
                        let ended = handled.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut)).flatten();
                        if let Err(error) = ended {
                            tracing::debug!(%address, %error, "a visitor of the challenges' port");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "no connection to the challenges' port can be accepted");
                    tokio::time::sleep(OUT_OF_RESOURCES).await;
                }
            }
        }
    }
}

async fn answer_http(mut stream: TcpStream, responder: Responder) -> io::Result<()> {
    let Some(request) = read_request(&mut stream).await? else {
        return respond(&mut stream, "400 Bad Request", "", true).await;
    };
    match Request::of(&request) {
        Some(Request { path, with_body }) => match responder.look_up(path) {
            Some(answer) => respond(&mut stream, "200 OK", &answer, with_body).await,
            None => respond(&mut stream, "404 Not Found", "", with_body).await,
        },
        None => respond(&mut stream, "400 Bad Request", "", true).await,
    }
}

/// Reads up to the empty line; `None`: there is none.
async fn read_request(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut request = Vec::new();
    let mut limited = stream.take(REQUEST_BYTES as u64);
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        if limited.read_buf(&mut request).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(request))
}

/// The first line of a request, as far as it matters.
struct Request<'a> {
    path: &'a str,
    with_body: bool,
}

impl<'a> Request<'a> {
    /// `None`: it is none, or has a method that no page here has.
    fn of(request: &'a [u8]) -> Option<Self> {
        let line = request.split(|b| *b == b'\r').next()?;
        let mut words = std::str::from_utf8(line).ok()?.split(' ');
        let (method, path, version) = (words.next()?, words.next()?, words.next()?);
        let with_body = match method {
            "GET" => true,
            "HEAD" => false,
            _ => return None,
        };
        (version.starts_with("HTTP/1.") && words.next().is_none()).then_some(Request { path, with_body })
    }
}

async fn respond(stream: &mut TcpStream, status: &str, body: &str, with_body: bool) -> io::Result<()> {
    let mut response = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    if with_body {
        response.push_str(body);
    }
    stream.write_all(response.as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Sends a request and gives what comes, which may be cut off where the request said too much.
    async fn ask(address: std::net::SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let (mut response, mut chunk) = (Vec::new(), [0; 512]);
        if stream.write_all(request).await.is_ok() && stream.shutdown().await.is_ok() {
            while let Ok(length @ 1..) = stream.read(&mut chunk).await {
                response.extend_from_slice(&chunk[..length]);
            }
        }
        String::from_utf8(response).unwrap()
    }

    #[tokio::test]
    async fn what_is_no_answer_is_not_found() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let responder = Responder::default();
        let _answer = responder.answer("abc", "abc.thumb");
        let (stop, shutdown) = Shutdown::channel();
        let server = tokio::spawn(serve_http(listener, responder, shutdown));
        for (request, status, body) in [
            ("GET /.well-known/acme-challenge/abc HTTP/1.1\r\nHost: a\r\n\r\n", "200 OK", "abc.thumb"),
            ("GET /.well-known/acme-challenge/abc HTTP/1.0\r\n\r\n", "200 OK", "abc.thumb"),
            ("HEAD /.well-known/acme-challenge/abc HTTP/1.1\r\n\r\n", "200 OK", ""),
            ("GET /.well-known/acme-challenge/abd HTTP/1.1\r\n\r\n", "404 Not Found", ""),
            ("GET /.well-known/acme-challenge/../x HTTP/1.1\r\n\r\n", "404 Not Found", ""),
            ("GET / HTTP/1.1\r\n\r\n", "404 Not Found", ""),
            ("POST /.well-known/acme-challenge/abc HTTP/1.1\r\n\r\n", "400 Bad Request", ""),
            ("GET /.well-known/acme-challenge/abc\r\n\r\n", "400 Bad Request", ""),
            ("\u{16}\u{3}\u{1}\r\n\r\n", "400 Bad Request", ""),
            ("GET / HTTP/1.1\r\n", "400 Bad Request", ""),
        ] {
            let response = ask(address, request.as_bytes()).await;
            assert!(response.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request}: {response}");
            assert_eq!(response.split_once("\r\n\r\n").unwrap().1, body, "{request}");
        }
        let long = format!("GET /.well-known/acme-challenge/abc HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(REQUEST_BYTES));
        assert!(!ask(address, long.as_bytes()).await.contains("abc.thumb"), "it was never read to its end");
        stop.request();
        server.await.unwrap();
    }
}
