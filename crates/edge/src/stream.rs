//! A connection's bytes: plain, or inside TLS.

use crate::peer::ChannelBinding;
use crate::tls::Tls;
use rustls::ProtocolVersion;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

/// The label of `tls-exporter` (RFC 9266 §3).
const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// A connection's bytes: plain, or inside TLS.
#[derive(Debug)]
pub enum Stream {
    /// Plain.
    Plain(TcpStream),
    /// Inside TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Begins TLS: what was read before must not be looked at again, and what was written must be flushed.
    ///
    /// # Errors
    /// When the handshake fails or takes longer than `limit`, or TLS has begun before.
    pub async fn start_tls(self, tls: &Tls, limit: Duration) -> io::Result<Stream> {
        let Stream::Plain(plain) = self else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "TLS has begun before"));
        };
        let accepted = timeout(limit, tls.accept(plain)).await;
        let stream = accepted.map_err(|_| io::Error::from(io::ErrorKind::TimedOut)).flatten();
        if let Err(error) = &stream {
            metrics::counter!("reintegra_tls_handshakes_failed_total").increment(1);
            tracing::debug!(%error, "a TLS handshake failed");
        }
        Ok(Stream::Tls(Box::new(stream?)))
    }

    /// Whether it is inside TLS.
    pub fn is_tls(&self) -> bool {
        matches!(self, Stream::Tls(_))
    }

    /// What a SCRAM exchange on it can be bound to. TLS 1.2 has none here: its exporter names one connection only with
    /// the extended master secret (RFC 9266 §4.2), and whether that is in use is not told.
    pub fn channel_binding(&self) -> Option<ChannelBinding> {
        let Stream::Tls(stream) = self else { return None };
        let (_, connection) = stream.get_ref();
        if connection.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
            return None;
        }
        let exported = connection.export_keying_material([0; 32], EXPORTER_LABEL, Some(&[])).ok()?;
        Some(ChannelBinding::new(exported))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
