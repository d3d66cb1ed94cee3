//! Whether what was issued can be shown to clients.

use crate::error::IssueError;
use edge::tls::client::Roots;
use edge::tls::{Inspected, inspect_pem};
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use std::path::Path;

/// Finds out whether a certificate is for the key beside it and for these names, is valid now, and is signed by those that
/// come after it, the last of which is believed: whom clients believe is for the operator to choose with the server.
pub(crate) fn check(path: &Path, pem: &[u8], names: &[String], now: UnixTime) -> Result<Inspected, IssueError> {
    let inspected = inspect_pem(path, pem).map_err(IssueError::Chain)?;
    let chain: Vec<CertificateDer<'_>> = CertificateDer::pem_slice_iter(pem).flatten().collect();
    let leaf_and_above = chain.split_first().and_then(|(leaf, above)| Some((leaf, above.split_last()?)));
    let verifier = match leaf_and_above {
        // An authority's own key signed it: there is nothing to follow.
        None => None,
        Some((leaf, (last, between))) => {
            let last = last.clone().into_owned();
            Some((leaf, between, Roots::of([last]).verifier().map_err(IssueError::Chain)?))
        }
    };
    let is_now = inspected.is_valid_at(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
    for name in names {
        let server = ServerName::try_from(name.as_str()).map_err(|_| IssueError::NotOurs(name.clone()))?;
        let is_signed = verifier.as_ref().is_none_or(|(leaf, between, verifier)| {
            verifier.verify_server_cert(leaf, between, &server, &[], now).is_ok()
        });
        if !is_now || !is_signed || !inspected.covers(name) {
            return Err(IssueError::NotOurs(name.clone()));
        }
    }
    Ok(inspected)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
    use std::time::Duration;

    struct Authority {
        certificate: Certificate,
        issuer: Issuer<'static, KeyPair>,
    }

    fn authority(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Authority { certificate, issuer: Issuer::new(params, key) }
    }

    /// 1 January 2026.
    fn now() -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(1_767_225_600))
    }

    /// A chain and its key, valid in a year.
    fn chain(names: &[&str], year: i32, signer: &Authority, shown: &[&Authority]) -> String {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(year, 1, 1), date_time_ymd(year, 12, 31));
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &signer.issuer).unwrap();
        let above: String = shown.iter().map(|authority| authority.certificate.pem()).collect();
        format!("{}{}{above}", key.serialize_pem(), leaf.pem())
    }

    #[test]
    fn only_what_clients_can_use_is_taken() {
        let (ours, other) = (authority("ours"), authority("other"));
        let names = ["mail.example.org".to_owned(), "imap.example.org".to_owned()];
        let both = ["mail.example.org", "imap.example.org"];
        let checked = |pem: String| check(Path::new("x.pem"), pem.as_bytes(), &names, now());
        let good = checked(chain(&both, 2026, &ours, &[&ours])).unwrap();
        assert_eq!(good.names, both);
        checked(chain(&["*.example.org"], 2026, &ours, &[&ours])).unwrap();
        checked(chain(&both, 2026, &ours, &[])).unwrap();
        for (what, pem) in [
            ("another signed it", chain(&both, 2026, &ours, &[&other])),
            ("a name is missing", chain(&["mail.example.org"], 2026, &ours, &[&ours])),
            ("not valid any more", chain(&both, 2025, &ours, &[&ours])),
            ("not valid yet", chain(&both, 2027, &ours, &[&ours])),
            ("not valid, and alone", chain(&both, 2025, &ours, &[])),
        ] {
            assert!(matches!(checked(pem), Err(IssueError::NotOurs(_))), "{what}");
        }
        let key_of_another = KeyPair::generate().unwrap().serialize_pem();
        let leaf = chain(&both, 2026, &ours, &[&ours]).split_once("-----END PRIVATE KEY-----").unwrap().1.to_owned();
        assert!(matches!(checked(format!("{key_of_another}{leaf}")), Err(IssueError::Chain(_))));
        assert!(matches!(checked("no PEM".to_owned()), Err(IssueError::Chain(_))));
    }
}
