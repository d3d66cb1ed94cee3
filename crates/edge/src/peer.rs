//! Who is at the other end of a connection.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// A protocol that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// IMAP.
    Imap,
    /// POP3.
    Pop3,
    /// SMTP between servers.
    Smtp,
    /// Message submission.
    Submission,
    /// LMTP.
    Lmtp,
    /// ManageSieve.
    ManageSieve,
}

/// The other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where it is.
    pub address: SocketAddr,
    /// Whether it is inside TLS.
    pub tls: bool,
    /// Whether nobody in between can listen: TLS, or a loopback connection where that is allowed.
    pub secure: bool,
    /// What a SCRAM exchange can be bound to.
    pub channel_binding: Option<ChannelBinding>,
    /// What is spoken.
    pub protocol: Protocol,
}

/// The `tls-exporter` channel binding of a TLS connection (RFC 9266).
#[derive(Clone, PartialEq, Eq)]
pub struct ChannelBinding([u8; 32]);

/// A network by its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

/// The networks that an address is counted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Networks {
    /// What one subscriber has: an IPv4 address, or the /64 of an IPv6 one.
    pub narrow: Network,
    /// What one owner of many addresses may have: /24, or /48.
    pub wide: Network,
}

impl Protocol {
    /// Its name in logs, metrics and the directory.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Imap => "imap",
            Protocol::Pop3 => "pop3",
            Protocol::Smtp => "smtp",
            Protocol::Submission => "submission",
            Protocol::Lmtp => "lmtp",
            Protocol::ManageSieve => "managesieve",
        }
    }
}

impl Peer {
    /// The networks it is counted under.
    pub fn networks(&self) -> Networks {
        Networks::of(self.address.ip())
    }
}

impl ChannelBinding {
    /// Takes the exported bytes.
    pub fn new(exported: [u8; 32]) -> Self {
        ChannelBinding(exported)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for ChannelBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChannelBinding(..)")
    }
}

impl Networks {
    /// The networks of an address. An IPv4 address that was mapped into IPv6 is an IPv4 address.
    pub fn of(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let (narrow, wide) = if address.is_ipv4() { (32, 24) } else { (64, 48) };
        Networks { narrow: Network::of(address, narrow), wide: Network::of(address, wide) }
    }
}

impl Network {
    fn of(address: IpAddr, prefix: u8) -> Self {
        let first = match address {
            IpAddr::V4(a) => IpAddr::V4((a.to_bits() & mask(prefix, 32) as u32).into()),
            IpAddr::V6(a) => IpAddr::V6((a.to_bits() & mask(prefix, 128)).into()),
        };
        Network { first, prefix }
    }

    /// Whether it is this machine.
    pub fn is_loopback(&self) -> bool {
        self.first.is_loopback() || self.first == IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

/// The leading `prefix` of the last `width` bits.
fn mask(prefix: u8, width: u8) -> u128 {
    (u128::MAX >> (128 - u32::from(width))) & !(u128::MAX.checked_shr(128 - u32::from(width - prefix)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_address_is_counted_under_its_networks() {
        for (address, narrow, wide) in [
            ("192.0.2.77", "192.0.2.77/32", "192.0.2.0/24"),
            ("::ffff:192.0.2.77", "192.0.2.77/32", "192.0.2.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ] {
            let networks = Networks::of(address.parse().unwrap());
            assert_eq!((networks.narrow.to_string(), networks.wide.to_string()), (narrow.to_owned(), wide.to_owned()));
        }
    }

    #[test]
    fn a_channel_binding_never_prints() {
        assert_eq!(format!("{:?}", ChannelBinding::new([7; 32])), "ChannelBinding(..)");
    }
}
