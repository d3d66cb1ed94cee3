//! Whether a server's certificate is what it must be: a verifier for each connection.

use super::{Failure, Requirement, dane};
use edge::tls::TlsError;
use edge::tls::client::{self, Roots};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use store::spool::TlsFailure;

/// What every handshake needs.
#[derive(Debug)]
pub(crate) struct Tls {
    roots: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
}

impl Tls {
    /// # Errors
    /// When there are no roots.
    pub(crate) fn new(roots: &Roots) -> Result<Self, TlsError> {
        Ok(Tls { roots: roots.verifier()?, provider: client::provider() })
    }

    /// Prepares a handshake with a host.
    ///
    /// Nothing is resumed from an earlier one: a resumed session shows no certificate, and connections are kept anyway.
    pub(crate) fn handshake(&self, requirement: &Requirement, host: &str, ip: IpAddr) -> Result<Handshake, Failure> {
        let asked = match requirement {
            Requirement::Dane { names, .. } => names.first().map_or(host, String::as_str),
            Requirement::Pkix { name, .. } => name,
            _ => host,
        };
        // A host that has no name that TLS knows (an address in brackets, an underscore) is asked for by its address.
        let server_name = ServerName::try_from(asked.to_owned()).unwrap_or(ServerName::IpAddress(ip.into()));
        let verifier = Arc::new(Verifier {
            requirement: requirement.clone(),
            roots: Arc::clone(&self.roots),
            provider: Arc::clone(&self.provider),
            objection: Mutex::new(None),
        });
        let config = client::config(Arc::clone(&verifier) as Arc<dyn ServerCertVerifier>);
        let config = config.map_err(|error| Failure::new(TlsFailure::ValidationFailure, &error.to_string()))?;
        Ok(Handshake { config: Arc::new(config), server_name, verifier })
    }
}

/// One handshake.
#[derive(Debug)]
pub(crate) struct Handshake {
    config: Arc<ClientConfig>,
    server_name: ServerName<'static>,
    verifier: Arc<Verifier>,
}

impl Handshake {
    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    pub(crate) fn server_name(&self) -> ServerName<'static> {
        self.server_name.clone()
    }

    /// What there is against the certificate where nothing is enforced.
    pub(crate) fn objection(&self) -> Option<Failure> {
        self.verifier.objection.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Why it failed.
    pub(crate) fn failed(&self, error: &io::Error) -> Failure {
        if let Some(objection) = self.objection() {
            return objection;
        }
        let text = format!("the TLS handshake failed: {error}");
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(inner) => Failure::new(kind_of(inner), &text),
            None => Failure::new(TlsFailure::ValidationFailure, &text),
        }
    }
}

#[derive(Debug)]
struct Verifier {
    requirement: Requirement,
    roots: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
    objection: Mutex<Option<Failure>>,
}

impl Verifier {
    fn check(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<(), Failure> {
        match &self.requirement {
            Requirement::Never | Requirement::Opportunistic | Requirement::Encrypted => Ok(()),
            Requirement::Pkix { name, .. } => {
                let name = ServerName::try_from(name.as_str()).map_err(|_| {
                    Failure::new(TlsFailure::CertificateHostMismatch, "the host's name cannot stand in a certificate")
                })?;
                let verified = self.roots.verify_server_cert(certificate, intermediates, &name, ocsp, now);
                verified.map(drop).map_err(|error| Failure::new(kind_of(&error), &error.to_string()))
            }
            Requirement::Dane { records, names } => {
                let algorithms = self.provider.signature_verification_algorithms.all;
                dane::check(records, names, algorithms, certificate, intermediates, now)
            }
        }
    }

    /// Whether the key of a handshake is worth looking at: where no certificate counts, neither does its key, and some
    /// old ones cannot even be read.
    fn looks_at_keys(&self) -> bool {
        matches!(self.requirement, Requirement::Pkix { .. } | Requirement::Dane { .. })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _asked: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Err(failure) = self.check(certificate, intermediates, ocsp, now) {
            *self.objection.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
            if self.requirement.is_binding() {
                return Err(CertificateError::ApplicationVerificationFailure.into());
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if !self.looks_at_keys() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if !self.looks_at_keys() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What RFC 8460 §4.3 calls an error of TLS.
fn kind_of(error: &Error) -> TlsFailure {
    let Error::InvalidCertificate(error) = error else { return TlsFailure::ValidationFailure };
    match error {
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => TlsFailure::CertificateExpired,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsFailure::CertificateHostMismatch
        }
        CertificateError::UnknownIssuer
        | CertificateError::BadSignature
        | CertificateError::Revoked
        | CertificateError::Other(_) => TlsFailure::CertificateNotTrusted,
        _ => TlsFailure::ValidationFailure,
    }
}
