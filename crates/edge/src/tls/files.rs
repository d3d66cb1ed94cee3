//! Reading certificates and keys from PEM files.

use super::{CertificateFiles, TlsError};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

/// The largest file read: chains are of some kilobytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// A certificate that can be used.
pub(super) struct Loaded {
    pub(super) certified: Arc<CertifiedKey>,
    /// The DNS names it is for, in lower case; `*.` stands for one label.
    pub(super) names: Vec<String>,
}

impl Loaded {
    pub(super) fn read(files: &CertificateFiles) -> Result<Self, TlsError> {
        let CertificateFiles { chain, key } = files;
        let pem = read_bounded(chain)?;
        let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<_, _>>()
            .map_err(|_| TlsError::Damaged { path: chain.clone() })?;
        let first = certificates.first().ok_or_else(|| TlsError::NoCertificate { path: chain.clone() })?;
        let names = names_of(first).ok_or_else(|| TlsError::Damaged { path: chain.clone() })?;
        let pem = read_bounded(key)?;
        warn_of_open_key(key);
        let private = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| TlsError::NoKey { path: key.clone() })?;
        let certified = CertifiedKey::from_der(certificates, private, &default_provider());
        let certified = certified.map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch { chain: chain.clone(), key: key.clone() },
            rustls::Error::InvalidCertificate(_) => TlsError::Damaged { path: chain.clone() },
            _ => TlsError::NoKey { path: key.clone() },
        })?;
        Ok(Loaded { certified: Arc::new(certified), names })
    }
}

/// What tells that a pair of files is another than before.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Stamps([Option<Stamp>; 2]);

/// Inode, length, and time of change: that of the inode, since a file that could not be read may be made readable.
type Stamp = (u64, u64, i64, i64);

impl Stamps {
    pub(super) fn of(files: &CertificateFiles) -> Self {
        let stamp = |path: &Path| {
            let metadata = fs::metadata(path).ok()?;
            Some((metadata.ino(), metadata.len(), metadata.ctime(), metadata.ctime_nsec()))
        };
        Stamps([stamp(&files.chain), stamp(&files.key)])
    }
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES { Err(TlsError::TooLarge { path: path.to_owned() }) } else { Ok(bytes) }
}

fn names_of(certificate: &CertificateDer<'_>) -> Option<Vec<String>> {
    let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
    Some(parsed.valid_dns_names().map(str::to_ascii_lowercase).collect())
}

/// A key that everybody on the machine can read is everybody's.
fn warn_of_open_key(path: &Path) {
    if fs::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o004 != 0) {
        tracing::warn!(path = %path.display(), "everybody on this machine can read the private key");
    }
}
