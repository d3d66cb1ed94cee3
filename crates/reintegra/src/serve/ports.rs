//! The ports of services: what is spoken on each, and the sockets behind them.

use super::config::Config;
use super::sockets::Sockets;
use anyhow::Context as _;
use edge::Protocol;
use edge::listen::Kind;
use std::net::{SocketAddr, TcpListener};

/// A service's port.
pub(super) struct Port {
    pub(super) protocol: Protocol,
    pub(super) kind: Kind,
    pub(super) listener: TcpListener,
    pub(super) address: SocketAddr,
}

/// Every port that is listened on.
pub(super) struct Ports {
    /// Those of services.
    pub(super) services: Vec<Port>,
    /// Where HTTP-01 is answered.
    pub(super) challenges_http: Option<TcpListener>,
    /// Where TLS-ALPN-01 is answered.
    pub(super) challenges_tls: Option<TcpListener>,
    /// The operator's.
    pub(super) operator: Option<TcpListener>,
}

impl Ports {
    /// Binds every port, or takes it where it was handed over; the operator's last: whoever waits for it finds all of them.
    ///
    /// # Errors
    /// When one cannot be had, or one that was handed over is not configured.
    pub(super) fn bind(config: &Config, mut sockets: Sockets) -> anyhow::Result<Self> {
        let mut ports = Ports { services: Vec::new(), challenges_http: None, challenges_tls: None, operator: None };
        for (key, address) in config.addresses() {
            let listener = sockets.take(key, address)?;
            let address = listener.local_addr().with_context(|| format!("{key}: {address}"))?;
            let (protocol, kind) = match key {
                "acme.listen_http" => {
                    ports.challenges_http = Some(listener);
                    continue;
                }
                "acme.listen_tls" => {
                    ports.challenges_tls = Some(listener);
                    continue;
                }
                "operator.listen" => {
                    ports.operator = Some(listener);
                    continue;
                }
                "imap.listen" => (Protocol::Imap, Kind::StartTls),
                "imap.listen_tls" => (Protocol::Imap, Kind::Implicit),
                "pop3.listen" => (Protocol::Pop3, Kind::StartTls),
                "pop3.listen_tls" => (Protocol::Pop3, Kind::Implicit),
                "mx.listen" => (Protocol::Smtp, Kind::StartTls),
                "submission.listen" => (Protocol::Submission, Kind::StartTls),
                "submission.listen_tls" => (Protocol::Submission, Kind::Implicit),
                "lmtp.listen" => (Protocol::Lmtp, Kind::StartTls),
                "managesieve.listen" => (Protocol::ManageSieve, Kind::StartTls),
                other => unreachable!("`{other}` names a port that nothing is spoken on"),
            };
            ports.services.push(Port { protocol, kind, listener, address });
        }
        sockets.none_left()?;
        Ok(ports)
    }
}

/// What one connection too many is told.
pub(super) fn full(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::Imap => b"* BYE [UNAVAILABLE] too many connections\r\n",
        Protocol::Pop3 => b"-ERR [SYS/TEMP] too many connections\r\n",
        Protocol::Smtp | Protocol::Submission | Protocol::Lmtp => b"421 4.3.2 too many connections\r\n",
        Protocol::ManageSieve => b"BYE (TRYLATER) \"too many connections\"\r\n",
    }
}
