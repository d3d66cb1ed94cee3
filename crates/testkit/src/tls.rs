//! A client's side of TLS that takes any certificate: which one a server shows is what a test looks at.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme, SupportedProtocolVersion};
use std::sync::Arc;

/// Settings of a client that speaks these versions and takes any certificate whose key the server has.
///
/// # Panics
/// When there are no versions.
pub fn client(versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
    Arc::new(taking_any(versions, true))
}

/// As [`client`], without asking for the key either: the library looks for no key in a certificate that answers a challenge
/// (RFC 8737 §3), since it does not know that extension, which is critical.
///
/// # Panics
/// When there are no versions.
pub fn onlooker(versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    taking_any(versions, false)
}

fn taking_any(versions: &[&'static SupportedProtocolVersion], verifies_key: bool) -> ClientConfig {
    let provider = Arc::new(default_provider());
    let any = AnyCertificate { algorithms: provider.signature_verification_algorithms, verifies_key };
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("there is a version")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(any))
        .with_no_client_auth()
}

#[derive(Debug)]
struct AnyCertificate {
    algorithms: WebPkiSupportedAlgorithms,
    /// Whether the server has to show that it has the certificate's key.
    verifies_key: bool,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match self.verifies_key {
            true => rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms),
            false => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match self.verifies_key {
            true => rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms),
            false => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
