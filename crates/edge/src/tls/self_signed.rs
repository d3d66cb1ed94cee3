//! A certificate for a first try, kept so that whoever accepted it once is not asked again.

use super::{CertificateFiles, TlsError, write_durably};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, date_time_ymd};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Files of the certificate and its key.
const CHAIN: &str = "self-signed.crt";
const KEY: &str = "self-signed.key";

/// Finds the certificate in a directory, or makes it there.
pub(super) fn ensure(directory: &Path, names: &[String]) -> Result<CertificateFiles, TlsError> {
    let files = CertificateFiles { chain: directory.join(CHAIN), key: directory.join(KEY) };
    // The certificate is written last: where it is, the key is too.
    if !files.chain.exists() {
        make(directory, &files, names)?;
    }
    Ok(files)
}

fn make(directory: &Path, files: &CertificateFiles, names: &[String]) -> Result<(), TlsError> {
    let mut params = CertificateParams::new(names).map_err(TlsError::Make)?;
    params.distinguished_name = DistinguishedName::new();
    let name = names.first().map_or("localhost", String::as_str);
    params.distinguished_name.push(DnType::CommonName, name);
    // Up to the last year that the short form of dates can say.
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    let key = KeyPair::generate().map_err(TlsError::Make)?;
    let certificate = params.self_signed(&key).map_err(TlsError::Make)?;
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|source| TlsError::Write { path: directory.to_owned(), source })?;
    write(&files.key, key.serialize_pem().as_bytes(), 0o600)?;
    write(&files.chain, certificate.pem().as_bytes(), 0o644)
}

/// Writes a file of a mode whole, or leaves it as it was.
fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), TlsError> {
    write_durably(path, bytes, mode).map_err(|source| TlsError::Write { path: path.to_owned(), source })
}
