//! A connection's bytes on their way in and out.

use super::deflate::Deflate;
use edge::listen::Connection;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// What is read at once from a client that sends little, and kept while it is silent.
const SMALL_READ_BYTES: usize = 1024;
/// What is read at once from a client that sends much.
const LARGE_READ_BYTES: usize = 64 * 1024;

/// A connection, and DEFLATE over it if that is on.
pub(super) struct Wire {
    /// Away while TLS begins.
    connection: Option<Connection>,
    deflate: Option<Box<Deflate>>,
    buffer: Vec<u8>,
    /// The client sends much.
    large: bool,
}

impl Wire {
    /// The bytes of a connection.
    pub(super) fn new(connection: Connection) -> Self {
        Wire { connection: Some(connection), deflate: None, buffer: Vec::new(), large: false }
    }

    /// The connection itself.
    pub(super) fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("a connection that is lost while TLS begins ends its session")
    }

    /// Begins TLS; what was read before counts for nothing.
    ///
    /// # Errors
    /// When the handshake fails.
    pub(super) async fn start_tls(&mut self) -> io::Result<()> {
        let connection = self.connection.take().expect("TLS begins once at a time");
        self.connection = Some(Box::pin(connection.start_tls()).await?);
        self.buffer = Vec::new();
        Ok(())
    }

    /// Begins DEFLATE; these bytes were read already and are packed.
    pub(super) fn compress(&mut self, packed: Vec<u8>) {
        self.deflate = Some(Box::new(Deflate::new(packed)));
    }

    /// Waits for bytes. `false`: the client has closed its side.
    ///
    /// # Errors
    /// Those of the connection.
    ///
    /// # Cancel safety
    /// Dropped, nothing is lost: what was read is in [`Wire::take`].
    pub(super) async fn read(&mut self) -> io::Result<bool> {
        self.buffer.clear();
        self.buffer.reserve(if self.large { LARGE_READ_BYTES } else { SMALL_READ_BYTES });
        let connection = self.connection.as_mut().expect("a connection that is lost while TLS begins ends its session");
        let length = connection.stream.read_buf(&mut self.buffer).await?;
        self.large = length >= SMALL_READ_BYTES;
        metrics::counter!("reintegra_imap_bytes_total", "direction" => "in").increment(length as u64);
        Ok(length > 0)
    }

    /// Takes what was read, a bounded part at a time; `None` when there is nothing more.
    ///
    /// # Errors
    /// When it is no DEFLATE though it should be.
    pub(super) fn take(&mut self) -> io::Result<Option<Vec<u8>>> {
        let read = std::mem::take(&mut self.buffer);
        match &mut self.deflate {
            Some(deflate) => {
                if !read.is_empty() {
                    deflate.take_in(&read);
                }
                deflate.unpack()
            }
            None => Ok((!read.is_empty()).then_some(read)),
        }
    }

    /// Sends, and returns when the connection has taken all of it.
    ///
    /// # Errors
    /// Those of the connection; when the client takes nothing for as long as `patience`.
    pub(super) async fn write(&mut self, plain: &[u8], patience: Duration) -> io::Result<()> {
        let packed = match &mut self.deflate {
            Some(deflate) => Some(deflate.pack(plain)?),
            None => None,
        };
        let stream = &mut self.connection().stream;
        let mut rest = packed.as_deref().unwrap_or(plain);
        metrics::counter!("reintegra_imap_bytes_total", "direction" => "out").increment(rest.len() as u64);
        let slow = |_| io::Error::new(io::ErrorKind::TimedOut, "the client does not read");
        while !rest.is_empty() {
            let length = timeout(patience, stream.write(rest)).await.map_err(slow)??;
            if length == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            rest = &rest[length..];
        }
        timeout(patience, stream.flush()).await.map_err(slow)?
    }

    /// Says that nothing more will be said.
    pub(super) async fn close(&mut self, patience: Duration) {
        // The peer may be gone already, which is what closing is for.
        let _ = timeout(patience, self.connection().stream.shutdown()).await;
    }

    /// Gives back what a silent session does not need.
    pub(super) fn rest(&mut self) {
        self.buffer = Vec::new();
        if let Some(deflate) = &mut self.deflate {
            deflate.rest();
        }
    }
}
