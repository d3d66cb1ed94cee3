//! The one place where a client's configuration is made: the same versions and the same provider as a server's.

use super::TlsError;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore, version};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, LazyLock};

/// The largest file of roots that is read: a system's has a quarter of a megabyte.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(default_provider()));

/// The authorities whose certificates are believed.
#[derive(Clone, Debug)]
pub struct Roots(Arc<RootCertStore>);

impl Roots {
    /// Those that Mozilla believes, as of the build.
    pub fn bundled() -> Self {
        Roots(Arc::new(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }))
    }

    /// Those of a PEM file, such as the system's own. What is in it and cannot be used is passed over.
    ///
    /// # Errors
    /// When it cannot be read, or holds none that can be used.
    pub fn from_file(path: &Path) -> Result<Self, TlsError> {
        let failed = |source| TlsError::Read { path: path.to_owned(), source };
        let mut pem = Vec::new();
        File::open(path).map_err(failed)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut pem).map_err(failed)?;
        if pem.len() as u64 > MAX_FILE_BYTES {
            return Err(TlsError::TooLarge { path: path.to_owned() });
        }
        let roots = Roots::of(CertificateDer::pem_slice_iter(&pem).flatten());
        if roots.0.is_empty() { Err(TlsError::NoCertificate { path: path.to_owned() }) } else { Ok(roots) }
    }

    /// These certificates. What cannot be used is passed over.
    pub fn of(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(certificates);
        Roots(Arc::new(store))
    }

    /// A verifier of chains that lead to them.
    ///
    /// # Errors
    /// When there are none.
    pub fn verifier(&self) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
        let builder = WebPkiServerVerifier::builder_with_provider(Arc::clone(&self.0), provider());
        builder.build().map_err(|_| TlsError::None)
    }
}

/// The provider of every configuration.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}

/// A configuration that believes what a verifier believes.
///
/// # Errors
/// When the library refuses its own defaults.
pub fn config(verifier: Arc<dyn ServerCertVerifier>) -> Result<ClientConfig, TlsError> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .map_err(TlsError::Setup)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(config)
}

/// A configuration that believes chains which lead to some roots, for the name that is connected to.
///
/// # Errors
/// When there are no roots, or the library refuses its own defaults.
pub fn verified(roots: &Roots) -> Result<ClientConfig, TlsError> {
    config(roots.verifier()?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn roots_come_from_the_build_and_from_files() {
        assert!(verified(&Roots::bundled()).is_ok());
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("roots.pem");
        let root = rcgen::generate_simple_self_signed(["root.example.org".to_owned()]).unwrap();
        let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        fs::write(&path, format!("{damaged}{}", root.cert.pem())).unwrap();
        assert_eq!(Roots::from_file(&path).unwrap().0.len(), 1);
        fs::write(&path, damaged).unwrap();
        assert!(matches!(Roots::from_file(&path), Err(TlsError::NoCertificate { .. })));
        assert!(matches!(Roots::from_file(&place.path().join("none")), Err(TlsError::Read { .. })));
    }

    #[test]
    fn without_roots_nothing_is_believed() {
        assert!(matches!(verified(&Roots::of([])), Err(TlsError::None)));
    }
}
