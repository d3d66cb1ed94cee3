//! Mail servers over the network: a small, patient and distrustful client of IMAP and POP3.
//!
//! It only reads: mailboxes are opened by EXAMINE, bytes are fetched by BODY.PEEK, nothing is deleted. What a server
//! says is hostile input: lines, literals, counts and times are bounded, and what breaks the protocol is an error that
//! says so. Passwords are in no message and in no `Debug`.
//!
//! Every wait ends: a response must begin within the server's timeout and arrive at some pace, and a whole command has a
//! limit of its own, so that a server that drips bytes holds nobody up for long.

mod access;
mod error;
pub mod imap;
pub mod pop3;
mod tls;
mod url;
mod wire;

pub use access::{Access, LoginForm, MasterForm, SignIn};
pub use error::RemoteError;
pub use url::{Protocol, Url};

use crate::SourceError;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a server may stay silent where nothing else is said.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);

/// Whether a connection that begins without TLS gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Security {
    /// STARTTLS or STLS; for a server on the loopback only where it lets nobody in without.
    #[default]
    Usual,
    /// STARTTLS or STLS, wherever the server is.
    Always,
    /// None: passwords and mail can be read on the way.
    Never,
}

/// A server and how it is spoken to.
#[derive(Clone)]
pub struct Server {
    url: Url,
    tls: Arc<rustls::ClientConfig>,
    security: Security,
    timeout: Duration,
}

impl Server {
    /// A server; `ca_file` has the certificates (PEM) of the authorities that are believed instead of the public ones.
    ///
    /// # Errors
    /// When the file cannot be read or holds no certificate.
    pub fn new(url: Url, security: Security, ca_file: Option<&Path>, timeout: Duration) -> Result<Server, SourceError> {
        Ok(Server { url, tls: tls::client_config(ca_file)?, security, timeout })
    }

    /// Where it is.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Whether a connection without TLS gets it before anybody signs in.
    fn wants_start_tls(&self) -> bool {
        match self.security {
            Security::Usual => !self.url.is_loopback(),
            Security::Always => true,
            Security::Never => false,
        }
    }

    /// Whether a connection without TLS gets it where the server lets nobody in without.
    fn allows_start_tls(&self) -> bool {
        self.security != Security::Never
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("url", &self.url).field("security", &self.security).finish_non_exhaustive()
    }
}
