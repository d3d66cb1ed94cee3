//! What a certificate says of itself.

use super::files::Loaded;
use super::{CertificateFiles, TlsError};
use std::path::Path;

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// The DNS names it is for, in lower case; `*.` stands for one label.
    pub names: Vec<String>,
    /// From when it is valid, in seconds since 1970, UTC.
    pub not_before_s: i64,
    /// Until when it is valid, in seconds since 1970, UTC.
    pub not_after_s: i64,
    /// Its serial number: the content of the DER integer.
    pub serial: Vec<u8>,
    /// Which key of its authority signed it, where it says so.
    pub authority_key_identifier: Option<Vec<u8>>,
}

impl Inspected {
    /// Whether it is for a host (RFC 6125 §6.4.3: `*` is one whole label).
    pub fn covers(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        let parent = host.split_once('.').map(|(_, parent)| parent);
        self.names.iter().any(|name| match name.strip_prefix("*.") {
            Some(wild) => parent.is_some_and(|parent| parent.eq_ignore_ascii_case(wild)),
            None => name.eq_ignore_ascii_case(host),
        })
    }

    /// Whether it is valid at a time.
    pub fn is_valid_at(&self, now_s: i64) -> bool {
        (self.not_before_s..=self.not_after_s).contains(&now_s)
    }
}

/// Reads a certificate and its key, finds out whether they can be used, and tells what the certificate says of itself.
///
/// # Errors
/// When they cannot be used.
pub fn inspect(files: &CertificateFiles) -> Result<Inspected, TlsError> {
    Ok(Loaded::read(files)?.inspected)
}

/// As [`inspect`], of the PEM of a file that holds both, and that is to be at `path`.
///
/// # Errors
/// When they cannot be used.
pub fn inspect_pem(path: &Path, pem: &[u8]) -> Result<Inspected, TlsError> {
    let files = CertificateFiles { chain: path.to_owned(), key: path.to_owned() };
    Ok(Loaded::parse(&files, pem, pem)?.inspected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_one_label() {
        let inspected = Inspected {
            names: vec!["example.org".to_owned(), "*.example.com".to_owned()],
            not_before_s: 10,
            not_after_s: 20,
            serial: vec![1],
            authority_key_identifier: None,
        };
        for (host, covered) in [
            ("example.org", true),
            ("EXAMPLE.org.", true),
            ("mail.example.org", false),
            ("mail.example.com", true),
            ("Mail.Example.com", true),
            ("a.mail.example.com", false),
            ("example.com", false),
            ("com", false),
        ] {
            assert_eq!(inspected.covers(host), covered, "{host}");
        }
        assert!(inspected.is_valid_at(10) && inspected.is_valid_at(20));
        assert!(!inspected.is_valid_at(9) && !inspected.is_valid_at(21));
    }
}
