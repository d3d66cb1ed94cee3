//! Answers to an ACME server that wants to see who has a name: TLS-ALPN-01 (RFC 8737).

use super::TlsError;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, version};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What such a server asks for, and nobody else does (RFC 8737 §6.2).
const PROTOCOL: &[u8] = b"acme-tls/1";

/// The answers that are wanted now.
pub(super) struct Challenges {
    config: Arc<ServerConfig>,
    table: Arc<Table>,
}

/// By name, in lower case.
#[derive(Default)]
struct Table(Mutex<HashMap<String, Arc<CertifiedKey>>>);

/// An answer that is given for as long as this lives.
#[must_use]
pub struct Challenge {
    name: String,
    certified: Arc<CertifiedKey>,
    table: Arc<Table>,
}

impl Challenges {
    pub(super) fn new() -> Result<Self, TlsError> {
        let table = Arc::new(Table::default());
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&table) as _);
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        // Each handshake shows the certificate; none is resumed.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        Ok(Challenges { config: Arc::new(config), table })
    }

    /// The configuration for a client that comes to see an answer, which offers this protocol and no other (RFC 8737 §3).
    pub(super) fn config_for(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        let mut offered = hello.alpn()?;
        (offered.next() == Some(PROTOCOL) && offered.next().is_none()).then(|| Arc::clone(&self.config))
    }

    pub(super) fn answer(&self, name: &str, digest: &[u8; 32]) -> Result<Challenge, TlsError> {
        let name = name.to_ascii_lowercase();
        let certified = Arc::new(certificate(&name, digest)?);
        self.table.lock().insert(name.clone(), Arc::clone(&certified));
        Ok(Challenge { name, certified, table: Arc::clone(&self.table) })
    }
}

/// A certificate for one name with the digest of the key authorization, signed by its own key.
fn certificate(name: &str, digest: &[u8; 32]) -> Result<CertifiedKey, TlsError> {
    let mut params = CertificateParams::new(vec![name.to_owned()]).map_err(TlsError::Make)?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate().map_err(TlsError::Make)?;
    let certificate = params.self_signed(&key).map_err(TlsError::Make)?;
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let signing = default_provider().key_provider.load_private_key(private).map_err(TlsError::Setup)?;
    // Not compared with each other as others are: the library refuses to look at a certificate with this extension.
    Ok(CertifiedKey::new(vec![certificate.der().clone()], signing))
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<CertifiedKey>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesServerCert for Table {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?.to_ascii_lowercase();
        self.lock().get(&name).cloned()
    }
}

impl Drop for Challenge {
    fn drop(&mut self) {
        let mut table = self.table.lock();
        // A later answer for the name stays.
        if table.get(&self.name).is_some_and(|certified| Arc::ptr_eq(certified, &self.certified)) {
            table.remove(&self.name);
        }
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.lock().keys()).finish()
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenge").field("name", &self.name).finish_non_exhaustive()
    }
}
