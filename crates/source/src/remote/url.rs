//! Addresses of servers: `imaps://mail.example.org:993` (RFC 5092, RFC 2384; of both the server alone).
//!
//! ```text
//! url = ( "imap" / "imaps" / "pop3" / "pop3s" ) "://" host [ ":" port ] [ "/" ]
//! ```

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// IMAP.
    Imap,
    /// POP3.
    Pop3,
}

/// Where a server is, and what it speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// What it speaks.
    pub protocol: Protocol,
    /// Whether TLS comes first.
    pub tls: bool,
    /// A name or an address, an IPv6 address without its brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Schemes with protocol, whether TLS comes first, and usual port.
const SCHEMES: [(&str, Protocol, bool, u16); 4] = [
    ("imap", Protocol::Imap, false, 143),
    ("imaps", Protocol::Imap, true, 993),
    ("pop3", Protocol::Pop3, false, 110),
    ("pop3s", Protocol::Pop3, true, 995),
];

impl Url {
    /// Whether the server is on the loopback by what is written, no name but `localhost` being looked up.
    pub fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost") || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// The scheme of the same protocol that begins without TLS.
    pub(super) fn scheme_without_tls(&self) -> &'static str {
        self.scheme_with(false).0
    }

    fn scheme(&self) -> (&'static str, u16) {
        self.scheme_with(self.tls)
    }

    fn scheme_with(&self, tls: bool) -> (&'static str, u16) {
        let found = SCHEMES.iter().find(|(_, protocol, with, _)| (*protocol, *with) == (self.protocol, tls));
        found.map(|(name, .., port)| (*name, *port)).expect("every protocol has a scheme with and without TLS")
    }
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Url, String> {
        let expected = "an address such as imaps://mail.example.org or imap://mail.example.org:143 is expected";
        let (scheme, rest) = text.split_once("://").ok_or_else(|| expected.to_owned())?;
        let known = SCHEMES.iter().find(|(name, ..)| name.eq_ignore_ascii_case(scheme));
        let Some((_, protocol, tls, usual)) = known else {
            return Err("its scheme is none of imap, imaps, pop3 and pop3s".to_owned());
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains('@') {
            return Err("names and passwords do not belong into an address; they are said in a file".to_owned());
        }
        let (host, port) = match authority.strip_prefix('[').map(|rest| rest.split_once(']')) {
            Some(Some((host, port))) if host.parse::<std::net::Ipv6Addr>().is_ok() => (host, port),
            Some(_) => return Err(format!("what stands in brackets is no IPv6 address; {expected}")),
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => *usual,
            Some(digits) => digits.parse().ok().filter(|p| *p > 0).ok_or("its port is no number from 1 to 65535")?,
            None => return Err(expected.to_owned()),
        };
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
        if host.is_empty() || !host.bytes().all(is_plain) {
            return Err(format!("its host is no name (international ones in their xn-- form); {expected}"));
        }
        Ok(Url { protocol: *protocol, tls: *tls, host: host.to_owned(), port })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, usual) = self.scheme();
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]", self.host)?,
            false => write!(f, "{scheme}://{}", self.host)?,
        }
        if self.port == usual { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for (text, host, port, tls) in [
            ("imaps://mail.example.org", "mail.example.org", 993, true),
            ("imap://10.0.0.1:1143", "10.0.0.1", 1143, false),
            ("imap://[::1]:1143", "::1", 1143, false),
            ("pop3s://x", "x", 995, true),
        ] {
            let url: Url = text.parse().unwrap();
            assert_eq!((url.host.as_str(), url.port, url.tls), (host, port, tls), "{text}");
            assert_eq!(url.to_string(), text);
        }
        assert_eq!("IMAPS://h:993/".parse::<Url>().unwrap().to_string(), "imaps://h");
        assert!("imap://127.0.0.1".parse::<Url>().unwrap().is_loopback());
        assert!("imap://[::1]".parse::<Url>().unwrap().is_loopback());
        assert!(!"imap://127.0.0.1.example.org".parse::<Url>().unwrap().is_loopback());
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "mail.example.org",
            "http://x",
            "imap://",
            "imap://x:0",
            "imap://x:99999",
            "imap://x:",
            "imap://[x]",
            "imap://[::1]x",
            "imap://x/y",
            "imap://a b",
            "imap://ñ.es",
            "imap://x\r\n",
        ] {
            assert!(text.parse::<Url>().is_err(), "{text:?}");
        }
        let why = "imap://ana:secreta@x".parse::<Url>().unwrap_err();
        assert!(!why.contains("secreta"), "{why}");
    }
}
