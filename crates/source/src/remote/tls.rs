//! TLS as a client: whose certificates are believed.

use crate::SourceError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// The configuration for every connection: TLS 1.2 and 1.3, no certificate of our own.
///
/// # Errors
/// When the file of authorities cannot be read or holds no certificate.
pub(super) fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, SourceError> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let wrong = |message: String| SourceError::Description { path: path.to_owned(), message };
            let pem = std::fs::read(path).map_err(|cause| SourceError::Io { path: path.to_owned(), cause })?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate =
                    certificate.map_err(|e| wrong(format!("it is no file of certificates (PEM): {e}")))?;
                roots.add(certificate).map_err(|e| wrong(format!("a certificate in it cannot be used: {e}")))?;
            }
            if roots.is_empty() {
                return Err(wrong("there is no certificate (PEM) in it".to_owned()));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = versions.expect("ring has the cipher suites of TLS 1.2 and 1.3");
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}
