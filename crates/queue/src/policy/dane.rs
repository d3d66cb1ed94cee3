//! DANE for SMTP (RFC 7672): certificates that TLSA records vouch for.
//!
//! The records are believed only because DNSSEC vouches for them; whoever calls has made sure of that.

use super::{Failure, Requirement};
use dns::Tlsa;
use ring::digest;
use rustls::pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use store::spool::TlsFailure;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// Certificate usages (RFC 6698 §2.1.1). Those for public authorities, 0 and 1, are not used with SMTP (RFC 7672
/// §3.1.3).
const TRUST_ANCHOR: u8 = 2;
const END_ENTITY: u8 = 3;
/// Selectors (§2.1.2).
const WHOLE: u8 = 0;
const PUBLIC_KEY: u8 = 1;
/// Matching types (§2.1.3).
const EXACT: u8 = 0;
const SHA256: u8 = 1;
const SHA512: u8 = 2;

/// What secure TLSA records demand of a host: at least TLS, even if none of them can be used (RFC 7672 §2.2).
pub(crate) fn requirement(records: Vec<Tlsa>, names: Vec<String>) -> Requirement {
    let mut usable: Vec<Tlsa> = records.into_iter().filter(is_usable).collect();
    // Of several digests of the same things only the best counts (RFC 7671 §9).
    let best = usable.clone();
    usable.retain(|record| {
        let alike = |other: &&Tlsa| (other.usage, other.selector) == (record.usage, record.selector);
        record.matching == EXACT || best.iter().filter(alike).all(|other| other.matching <= record.matching)
    });
    if usable.is_empty() { Requirement::Encrypted } else { Requirement::Dane { records: usable, names } }
}

fn is_usable(record: &Tlsa) -> bool {
    let length = match record.matching {
        EXACT => !record.data.is_empty(),
        SHA256 => record.data.len() == digest::SHA256_OUTPUT_LEN,
        SHA512 => record.data.len() == digest::SHA512_OUTPUT_LEN,
        _ => false,
    };
    length && matches!(record.usage, TRUST_ANCHOR | END_ENTITY) && matches!(record.selector, WHOLE | PUBLIC_KEY)
}

/// Whether one of the records vouches for a certificate.
pub(super) fn check(
    records: &[Tlsa],
    names: &[String],
    algorithms: &[&dyn SignatureVerificationAlgorithm],
    certificate: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    now: UnixTime,
) -> Result<(), Failure> {
    // Neither names nor times of the certificate matter here: the record says both (RFC 7672 §3.1.1).
    if records.iter().any(|record| record.usage == END_ENTITY && matches(record, certificate)) {
        return Ok(());
    }
    let anchors = anchors(records, intermediates);
    if anchors.is_empty() {
        return Err(Failure::new(TlsFailure::ValidationFailure, "no TLSA record matches the server's certificate"));
    }
    check_chain(&anchors, names, algorithms, certificate, intermediates, now)
}

/// The authorities that records vouch for: among the certificates that were shown, or in a record as a whole.
fn anchors<'a>(records: &'a [Tlsa], shown: &'a [CertificateDer<'a>]) -> Vec<CertificateDer<'a>> {
    let of_anchor = || records.iter().filter(|record| record.usage == TRUST_ANCHOR);
    let among = shown.iter().filter(|shown| of_anchor().any(|record| matches(record, shown)));
    let whole = of_anchor().filter(|record| (record.selector, record.matching) == (WHOLE, EXACT));
    among
        .map(|shown| CertificateDer::from(shown.as_ref()))
        .chain(whole.map(|record| CertificateDer::from(record.data.as_slice())))
        .collect()
}

fn check_chain(
    anchors: &[CertificateDer<'_>],
    names: &[String],
    algorithms: &[&dyn SignatureVerificationAlgorithm],
    certificate: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    now: UnixTime,
) -> Result<(), Failure> {
    let failure = |kind, error: &dyn std::fmt::Display| {
        Failure::new(kind, &format!("a TLSA record names an authority, and the certificate is not of it: {error}"))
    };
    let damaged = |error: webpki::Error| failure(TlsFailure::ValidationFailure, &error);
    let anchors: Vec<TrustAnchor<'_>> =
        anchors.iter().filter_map(|anchor| anchor_from_trusted_cert(anchor).ok()).collect();
    let certificate = EndEntityCert::try_from(certificate).map_err(damaged)?;
    let usage = KeyUsage::server_auth();
    certificate.verify_for_usage(algorithms, &anchors, intermediates, now, usage, None, None).map_err(|error| {
        let kind = match error {
            webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. } => TlsFailure::CertificateExpired,
            _ => TlsFailure::CertificateNotTrusted,
        };
        failure(kind, &error)
    })?;
    let is_for = |name: &String| {
        let name = ServerName::try_from(name.as_str());
        name.is_ok_and(|name| certificate.verify_is_valid_for_subject_name(&name).is_ok())
    };
    if names.iter().any(is_for) {
        return Ok(());
    }
    Err(Failure::new(TlsFailure::CertificateHostMismatch, "the certificate is for another host"))
}

fn matches(record: &Tlsa, certificate: &CertificateDer<'_>) -> bool {
    let selected = match record.selector {
        WHOLE => certificate.to_vec(),
        PUBLIC_KEY => match EndEntityCert::try_from(certificate) {
            Ok(parsed) => parsed.subject_public_key_info().to_vec(),
            Err(_) => return false,
        },
        _ => return false,
    };
    match record.matching {
        EXACT => record.data == selected,
        SHA256 => record.data == digest::digest(&digest::SHA256, &selected).as_ref(),
        SHA512 => record.data == digest::digest(&digest::SHA512, &selected).as_ref(),
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use edge::tls::client::provider;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PublicKeyData};
    use std::time::Duration;

    /// An authority, and a certificate of it for `mx.example.net`.
    struct Chain {
        authority: CertificateDer<'static>,
        authority_key: Vec<u8>,
        host: CertificateDer<'static>,
        host_key: Vec<u8>,
    }

    impl Chain {
        fn new() -> Self {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate().unwrap();
            let authority_key = key.subject_public_key_info();
            let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
            let key = KeyPair::generate().unwrap();
            let host =
                CertificateParams::new(vec!["mx.example.net".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
            let host_key = key.subject_public_key_info();
            Chain { authority: issuer.der().clone(), authority_key, host: host.der().clone(), host_key }
        }

        fn check(&self, records: Vec<Tlsa>, name: &str) -> Result<(), TlsFailure> {
            let Requirement::Dane { records, names } = requirement(records, vec![name.to_owned()]) else {
                panic!("none of the records can be used");
            };
            let algorithms = provider().signature_verification_algorithms.all;
            let now = UnixTime::since_unix_epoch(Duration::from_secs(1_790_000_000));
            let shown = [self.authority.clone()];
            check(&records, &names, algorithms, &self.host, &shown, now).map_err(|failure| failure.kind)
        }
    }

    fn record(usage: u8, selector: u8, matching: u8, data: &[u8]) -> Tlsa {
        let data = match matching {
            SHA256 => digest::digest(&digest::SHA256, data).as_ref().to_vec(),
            SHA512 => digest::digest(&digest::SHA512, data).as_ref().to_vec(),
            _ => data.to_vec(),
        };
        Tlsa { usage, selector, matching, data }
    }

    #[test]
    fn every_selector_and_matching_type_counts() {
        let chain = Chain::new();
        for matching in [EXACT, SHA256, SHA512] {
            for (selector, host, authority) in
                [(WHOLE, &chain.host[..], &chain.authority[..]), (PUBLIC_KEY, &chain.host_key, &chain.authority_key)]
            {
                let name = "mx.example.net";
                assert_eq!(chain.check(vec![record(3, selector, matching, host)], name), Ok(()));
                assert_eq!(chain.check(vec![record(2, selector, matching, authority)], name), Ok(()));
                // Usages are not each other's.
                assert!(chain.check(vec![record(3, selector, matching, authority)], name).is_err());
                assert!(chain.check(vec![record(2, selector, matching, host)], name).is_err());
                // What is off by a bit.
                let mut wrong = record(3, selector, matching, host);
                wrong.data[7] ^= 1;
                assert_eq!(chain.check(vec![wrong], name), Err(TlsFailure::ValidationFailure));
            }
        }
    }

    #[test]
    fn names_count_for_authorities_only() {
        let chain = Chain::new();
        assert_eq!(chain.check(vec![record(3, 1, 1, &chain.host_key)], "other.example.net"), Ok(()));
        let mismatch = chain.check(vec![record(2, 1, 1, &chain.authority_key)], "other.example.net");
        assert_eq!(mismatch, Err(TlsFailure::CertificateHostMismatch));
    }

    #[test]
    fn an_authority_that_signed_nothing_here_is_none() {
        let (chain, other) = (Chain::new(), Chain::new());
        let whole = vec![record(2, WHOLE, EXACT, &other.authority)];
        assert_eq!(chain.check(whole, "mx.example.net"), Err(TlsFailure::CertificateNotTrusted));
    }

    #[test]
    fn records_that_cannot_be_used_still_demand_tls() {
        let chain = Chain::new();
        let mut short = record(3, 1, 1, &chain.host_key);
        short.data.pop();
        let unusable = vec![
            record(0, 0, 1, &chain.host),
            record(1, 1, 1, &chain.host_key),
            record(3, 2, 1, &chain.host),
            record(3, 1, 3, &chain.host),
            record(3, 1, 0, b""),
            short,
        ];
        assert_eq!(requirement(unusable, Vec::new()), Requirement::Encrypted);
        assert_eq!(requirement(Vec::new(), Vec::new()), Requirement::Encrypted);
    }

    #[test]
    fn the_best_digest_counts_alone() {
        let chain = Chain::new();
        let stale = record(3, 1, 2, b"another key");
        let current = record(3, 1, 1, &chain.host_key);
        assert!(chain.check(vec![stale.clone(), current.clone()], "mx.example.net").is_err());
        // Of another selector, it is not in its way.
        let whole = record(3, 0, 1, &chain.host);
        assert_eq!(chain.check(vec![stale, whole], "mx.example.net"), Ok(()));
    }
}
