//! Reading certificates and keys from PEM files.

use super::inspect::Inspected;
use super::{CertificateFiles, TlsError, der};
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
    pub(super) inspected: Inspected,
}

impl Loaded {
    pub(super) fn read(files: &CertificateFiles) -> Result<Self, TlsError> {
        let CertificateFiles { chain, key } = files;
        let chain_pem = read_bounded(chain)?;
        let key_pem = read_bounded(key)?;
        warn_of_open_key(key);
        Loaded::parse(files, &chain_pem, &key_pem)
    }

    /// Makes of what was in files, which errors name.
    pub(super) fn parse(files: &CertificateFiles, chain_pem: &[u8], key_pem: &[u8]) -> Result<Self, TlsError> {
        let CertificateFiles { chain, key } = files;
        let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain_pem)
            .collect::<Result<_, _>>()
            .map_err(|_| TlsError::Damaged { path: chain.clone() })?;
        let first = certificates.first().ok_or_else(|| TlsError::NoCertificate { path: chain.clone() })?;
        let inspected = inspected(first).ok_or_else(|| TlsError::Damaged { path: chain.clone() })?;
        let private = PrivateKeyDer::from_pem_slice(key_pem).map_err(|_| TlsError::NoKey { path: key.clone() })?;
        let certified = CertifiedKey::from_der(certificates, private, &default_provider());
        let certified = certified.map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch { chain: chain.clone(), key: key.clone() },
            rustls::Error::InvalidCertificate(_) => TlsError::Damaged { path: chain.clone() },
            _ => TlsError::NoKey { path: key.clone() },
        })?;
        Ok(Loaded { certified: Arc::new(certified), inspected })
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

fn inspected(certificate: &CertificateDer<'_>) -> Option<Inspected> {
    let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
    let fields = der::read(certificate)?;
    Some(Inspected {
        names: parsed.valid_dns_names().map(str::to_ascii_lowercase).collect(),
        not_before_s: fields.not_before_s,
        not_after_s: fields.not_after_s,
        serial: fields.serial.to_vec(),
        authority_key_identifier: fields.authority_key_identifier.map(<[u8]>::to_vec),
    })
}

/// A key that everybody on the machine can read is everybody's.
fn warn_of_open_key(path: &Path) {
    if fs::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o004 != 0) {
        tracing::warn!(path = %path.display(), "everybody on this machine can read the private key");
    }
}
