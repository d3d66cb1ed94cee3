//! Certificates and a client for tests.

use edge::tls::CertificateFiles;
use rcgen::{CertificateParams, KeyPair};
use rustls::SupportedProtocolVersion;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Writes a certificate for names, and its key.
pub(crate) fn write_certificate(directory: &Path, file: &str, names: &[&str]) -> CertificateFiles {
    let files =
        CertificateFiles { chain: directory.join(format!("{file}.crt")), key: directory.join(format!("{file}.key")) };
    let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    std::fs::write(&files.chain, certificate.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    files
}

/// The certificate in a file.
pub(crate) fn certificate(files: &CertificateFiles) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(&files.chain).unwrap()
}

/// Connects and shakes hands, asking for a name; takes whatever certificate comes.
pub(crate) async fn connect(
    address: SocketAddr,
    name: &str,
    versions: &[&'static SupportedProtocolVersion],
) -> io::Result<TlsStream<TcpStream>> {
    handshake(TcpStream::connect(address).await?, name, versions).await
}

/// Shakes hands on a connection.
pub(crate) async fn handshake(
    stream: TcpStream,
    name: &str,
    versions: &[&'static SupportedProtocolVersion],
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(testkit::tls::client(versions)).connect(name, stream).await
}

/// The certificate that a server showed.
pub(crate) fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone()
}
