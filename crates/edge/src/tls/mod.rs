//! TLS: the one place where a server's configuration is made (rustls, ring; TLS 1.2 and 1.3).
//!
//! Certificates come from PEM files, chosen by the name that the client asks for, the first being the default. Changed files
//! are taken up by [`Tls::reload`]; what cannot be used leaves the former certificate in force. Others can be
//! [put](Tls::put) beside them at any time; a self-signed one comes after all of them.

mod challenge;
pub mod client;
mod der;
mod expiry;
mod files;
mod inspect;
mod keep;
mod resolver;
mod self_signed;

pub use challenge::Challenge;
pub use expiry::log_expiry;
pub use inspect::{Inspected, inspect, inspect_pem};
pub use keep::write_durably;

use crate::shutdown::Shutdown;
use challenge::Challenges;
use files::{Loaded, Stamps};
use resolver::Resolver;
use rustls::crypto::ring::{Ticketer, default_provider};
use rustls::server::Acceptor;
use rustls::{ServerConfig, version};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fmt, io};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

/// Where a certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate and those that lead to its root, in PEM, its own first.
    pub chain: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

/// Certificates cannot be used. No variant holds a key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No certificate is named.
    #[error("no certificate is configured")]
    None,
    /// A file cannot be read.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is larger than any certificate or key.
    #[error("{}: too large for a certificate or a key", path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
    },
    /// A file holds no certificate.
    #[error("{}: there is no certificate in it", path.display())]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// A file holds no private key that can be used.
    #[error("{}: there is no private key in it that can be used (RSA, ECDSA or Ed25519, not encrypted)", path.display())]
    NoKey {
        /// Which.
        path: PathBuf,
    },
    /// A file is no PEM, or what is in it is no certificate.
    #[error("{}: a certificate in it is damaged", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
    },
    /// Certificate and key are not of each other.
    #[error("{}: not the certificate of the key {}", chain.display(), key.display())]
    Mismatch {
        /// The certificate's file.
        chain: PathBuf,
        /// The key's.
        key: PathBuf,
    },
    /// A certificate cannot be made.
    #[error("a self-signed certificate cannot be made")]
    Make(#[source] rcgen::Error),
    /// A file cannot be written.
    #[error("{}: cannot be written", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The library refuses its own defaults.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

/// A server's TLS.
pub struct Tls {
    config: Arc<ServerConfig>,
    resolver: Arc<Resolver>,
    challenges: Challenges,
    sources: Mutex<Vec<Source>>,
}

/// A pair of files and what was last made of it.
struct Source {
    files: CertificateFiles,
    /// What the files were when they were last looked at, usable or not.
    seen: Stamps,
    loaded: Loaded,
    /// Whether it is for those alone who find no other: it goes last.
    is_last: bool,
    /// When the log was last told that what was made of it ends soon, in seconds since 1970, UTC.
    warned_s: Option<i64>,
}

impl Tls {
    /// Loads certificates; the first is for clients that ask for no name, or for none that is known.
    ///
    /// # Errors
    /// When there is none, or one cannot be used.
    pub fn load(files: Vec<CertificateFiles>) -> Result<Arc<Self>, TlsError> {
        let sources = files.into_iter().map(|files| Source::read(files, false)).collect::<Result<_, _>>()?;
        Self::new(sources)
    }

    fn new(sources: Vec<Source>) -> Result<Arc<Self>, TlsError> {
        let resolver = Arc::new(Resolver::new(sources.iter().map(|s| &s.loaded)).ok_or(TlsError::None)?);
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&resolver) as _);
        // Tickets instead of a cache: thousands of sessions are resumed without memory for each.
        config.ticketer = Ticketer::new().map_err(TlsError::Setup)?;
        sources.iter().for_each(Source::tell);
        let challenges = Challenges::new()?;
        Ok(Arc::new(Tls { config: Arc::new(config), resolver, challenges, sources: Mutex::new(sources) }))
    }

    /// Loads the self-signed certificate kept in a directory, making it there, for these names and addresses, where there
    /// is none. The key's file is its owner's alone.
    ///
    /// # Errors
    /// When it cannot be made, kept or used.
    pub fn self_signed(directory: &Path, names: &[String]) -> Result<Arc<Self>, TlsError> {
        Self::new(vec![Source::read(self_signed::ensure(directory, names)?, true)?])
    }

    /// Loads a certificate beside the others, or again where its files are among them. It comes after those that were there
    /// before, except for a self-signed one.
    ///
    /// # Errors
    /// When it cannot be used; then all stays as it is.
    pub fn put(&self, files: CertificateFiles) -> Result<(), TlsError> {
        let new = Source::read(files, false)?;
        let mut sources = self.lock();
        new.tell();
        match sources.iter().position(|source| source.files == new.files) {
            Some(at) => {
                sources[at].forget_unless(&new.loaded);
                sources[at] = new;
            }
            None => {
                let at = sources.iter().position(|source| source.is_last).unwrap_or(sources.len());
                sources.insert(at, new);
            }
        }
        self.resolver.replace(sources.iter().map(|s| &s.loaded));
        Ok(())
    }

    /// Answers TLS-ALPN-01 for a name (RFC 8737) with the SHA-256 of a key authorization, wherever connections are
    /// [accepted](Self::accept), until what it yields is dropped.
    ///
    /// # Errors
    /// When the certificate for it cannot be made.
    pub fn challenge(&self, name: &str, digest: &[u8; 32]) -> Result<Challenge, TlsError> {
        self.challenges.answer(name, digest)
    }

    /// Shakes hands. An ACME server that comes to see a [challenge](Self::challenge) gets its answer, and nothing more: then
    /// that is the error, of the kind `ConnectionAborted`.
    ///
    /// # Errors
    /// When the handshake fails.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let Some(config) = self.challenges.config_for(&start.client_hello()) else {
            return start.into_stream(self.config()).await;
        };
        start.into_stream(config).await?.shutdown().await?;
        Err(io::Error::new(io::ErrorKind::ConnectionAborted, "an ACME server came to see a challenge"))
    }

    /// The configuration, for handshakes; what is reloaded is in it.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Where the certificates are.
    pub fn files(&self) -> Vec<CertificateFiles> {
        self.lock().iter().map(|s| s.files.clone()).collect()
    }

    /// Takes up files that changed since they were last looked at; yields how many certificates are new, and what is wrong
    /// with the others that changed: they keep their former certificate, and are reported once for each change.
    pub fn reload(&self) -> (usize, Vec<TlsError>) {
        let mut sources = self.lock();
        let (mut taken, mut errors) = (0, Vec::new());
        for source in sources.iter_mut() {
            let now = Stamps::of(&source.files);
            if now == source.seen {
                continue;
            }
            source.seen = now;
            match Loaded::read(&source.files) {
                Ok(loaded) => {
                    source.forget_unless(&loaded);
                    source.loaded = loaded;
                    source.warned_s = None;
                    source.tell();
                    taken += 1;
                }
                Err(error) => errors.push(error),
            }
        }
        if taken > 0 {
            self.resolver.replace(sources.iter().map(|s| &s.loaded));
        }
        (taken, errors)
    }

    /// Reloads again and again until it is time to stop, and logs what it did; likewise, once a day, which certificates
    /// [end soon](Inspected::ends_soon_at).
    pub async fn watch(self: Arc<Self>, every: Duration, mut shutdown: Shutdown) {
        loop {
            let tls = Arc::clone(&self);
            let look = move || {
                let reloaded = tls.reload();
                // A clock that stands before 1970 is not to be believed.
                if let Ok(now) = SystemTime::now().duration_since(UNIX_EPOCH) {
                    tls.log_expiries(now.as_secs().cast_signed());
                }
                reloaded
            };
            // A panic or a runtime that goes down: the next round tries again, or there is none.
            if let Ok((taken, errors)) = tokio::task::spawn_blocking(look).await {
                log_reload(taken, &errors);
            }
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = shutdown.requested() => return,
            }
        }
    }

    /// Logs which certificates end soon, each once a day; how many it told of.
    fn log_expiries(&self, now_s: i64) -> usize {
        let mut told = 0;
        for source in self.lock().iter_mut() {
            let is_known =
                source.warned_s.is_some_and(|warned_s| (warned_s..warned_s + expiry::DAY_S).contains(&now_s));
            if !is_known && log_expiry(&source.files.chain, &source.loaded.inspected, now_s) {
                source.warned_s = Some(now_s);
                told += 1;
            }
        }
        told
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Source>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source {
    fn read(files: CertificateFiles, is_last: bool) -> Result<Self, TlsError> {
        // Before reading: what changes while it is read is looked at again.
        let seen = Stamps::of(&files);
        let loaded = Loaded::read(&files)?;
        Ok(Source { files, seen, loaded, is_last, warned_s: None })
    }

    /// Tells the metrics when it expires.
    fn tell(&self) {
        // Seconds since 1970 stay exact in a float.
        self.gauge().set(self.loaded.inspected.not_after_s as f64);
    }

    /// Takes it out of the metrics if another certificate does not go by the same name there: an old time of expiry would
    /// alarm somebody. A series cannot be removed, but it can say that it says nothing.
    fn forget_unless(&self, other: &Loaded) {
        if other.inspected.names.first() != self.loaded.inspected.names.first() {
            self.gauge().set(f64::NAN);
        }
    }

    fn gauge(&self) -> metrics::Gauge {
        let name = self.loaded.inspected.names.first().cloned().unwrap_or_default();
        let file = self.files.chain.display().to_string();
        metrics::gauge!("reintegra_certificate_expires_seconds", "name" => name, "file" => file)
    }
}

/// Logs what a reload did.
pub fn log_reload(taken: usize, errors: &[TlsError]) {
    if taken > 0 {
        tracing::info!(certificates = taken, "certificates were reloaded");
    }
    for error in errors {
        metrics::counter!("reintegra_certificates_refused_total").increment(1);
        let error = error as &dyn std::error::Error;
        tracing::error!(error, "a changed certificate cannot be used; the former stays in force");
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use expiry::DAY_S;

    #[test]
    fn the_end_of_a_certificate_is_told_of_once_a_day_and_that_of_its_successor_anew() {
        let place = tempfile::tempdir().unwrap();
        let names = ["mail.example.org".to_owned()];
        let tls = Tls::self_signed(place.path(), &names).unwrap();
        let files = tls.files().remove(0);
        let end_s = inspect(&files).unwrap().not_after_s;
        let told = |days_left: i64| tls.log_expiries(end_s - days_left * DAY_S);
        assert_eq!([told(100), told(14), told(13), told(13), told(12)], [0, 0, 1, 0, 1]);
        assert_eq!([told(-1), told(-1), told(-2)], [1, 0, 1], "nor is one forgotten that has expired");
        assert_eq!(told(10), 1, "the clock was set back");

        // In its place comes one that ends at the same time.
        std::fs::remove_file(&files.chain).unwrap();
        let successor = self_signed::ensure(place.path(), &names).unwrap();
        assert_eq!(successor, files);
        assert!(matches!(tls.reload(), (1, errors) if errors.is_empty()));
        assert_eq!([told(10), told(10)], [1, 0]);
    }
}
