//! The record (RFC 7208 §4.6, §5 and §12).
//!
//! ```text
//! record      = version terms *SP
//! version     = "v=spf1"
//! terms       = *( 1*SP ( directive / modifier ) )
//! directive   = [ qualifier ] mechanism
//! modifier    = redirect / explanation / unknown-modifier
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::macros::MacroString;
use crate::Outcome;

/// Terms a record may have; a TXT record holds some thousands at most, and no check needs as many.
const MAX_TERMS: usize = 1_000;

/// A record that was read.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) directives: Vec<Directive>,
    pub(super) redirect: Option<MacroString>,
    pub(super) explanation: Option<MacroString>,
}

/// A mechanism, and the result if it matches.
#[derive(Debug)]
pub(super) struct Directive {
    pub(super) outcome: Outcome,
    pub(super) mechanism: Mechanism,
}

#[derive(Debug)]
pub(super) enum Mechanism {
    All,
    Include(MacroString),
    A(Target),
    Mx(Target),
    Ptr(Option<MacroString>),
    Ip(Network),
    Exists(MacroString),
}

/// A name whose addresses count, and how much of them.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) name: Option<MacroString>,
    v4_bits: u8,
    v6_bits: u8,
}

impl Target {
    pub(super) fn network(&self, address: IpAddr) -> Network {
        let bits = if address.is_ipv4() { self.v4_bits } else { self.v6_bits };
        Network { address, bits }
    }
}

/// An address, and how many of its bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    pub(super) fn contains(&self, client: IpAddr) -> bool {
        match (self.address, client) {
            (IpAddr::V4(own), IpAddr::V4(client)) => {
                let differing = u32::from(own) ^ u32::from(client);
                differing.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(own), IpAddr::V6(client)) => {
                let differing = u128::from(own) ^ u128::from(client);
                differing.leading_zeros() >= u32::from(self.bits)
            }
            _ => false,
        }
    }
}

/// What follows the version, if a text is an SPF record at all.
pub(super) fn terms_of(text: &str) -> Option<&str> {
    let version = text.get(..6).filter(|version| version.eq_ignore_ascii_case("v=spf1"))?;
    let terms = &text[version.len()..];
    (terms.is_empty() || terms.starts_with(' ')).then_some(terms)
}

/// Reads the terms of a record. One that cannot be read spoils all of it (RFC 7208 §4.6).
pub(super) fn parse(terms: &str) -> Result<Record, &'static str> {
    let mut record = Record { directives: Vec::new(), redirect: None, explanation: None };
    for (number, term) in terms.split(' ').filter(|term| !term.is_empty()).enumerate() {
        if number == MAX_TERMS {
            return Err("the record has too many terms");
        }
        match modifier(term) {
            Some((name, value)) if name.eq_ignore_ascii_case("redirect") => {
                let value = MacroString::domain(value).ok_or("redirect cannot be read")?;
                if record.redirect.replace(value).is_some() {
                    return Err("redirect stands twice");
                }
            }
            Some((name, value)) if name.eq_ignore_ascii_case("exp") => {
                let value = MacroString::domain(value).ok_or("exp cannot be read")?;
                if record.explanation.replace(value).is_some() {
                    return Err("exp stands twice");
                }
            }
            Some((_, value)) => {
                MacroString::text(value).ok_or("an unknown modifier cannot be read")?;
            }
            None => record.directives.push(directive(term)?),
        }
    }
    Ok(record)
}

/// `name "=" macro-string`; a name begins with a letter.
fn modifier(term: &str) -> Option<(&str, &str)> {
    let end = term.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)))?;
    let name = &term[..end];
    let value = term[end..].strip_prefix('=')?;
    name.starts_with(|c: char| c.is_ascii_alphabetic()).then_some((name, value))
}

fn directive(term: &str) -> Result<Directive, &'static str> {
    let (outcome, term) = match term.as_bytes().first() {
        Some(b'+') => (Outcome::Pass, &term[1..]),
        Some(b'-') => (Outcome::Fail, &term[1..]),
        Some(b'~') => (Outcome::SoftFail, &term[1..]),
        Some(b'?') => (Outcome::Neutral, &term[1..]),
        _ => (Outcome::Pass, term),
    };
    let end = term.find([':', '/']).unwrap_or(term.len());
    let (name, rest) = term.split_at(end);
    let argument = rest.strip_prefix(':');
    let mechanism = match name.to_ascii_lowercase().as_str() {
        "all" if rest.is_empty() => Mechanism::All,
        "include" => Mechanism::Include(argument.and_then(MacroString::domain).ok_or("include cannot be read")?),
        "exists" => Mechanism::Exists(argument.and_then(MacroString::domain).ok_or("exists cannot be read")?),
        "a" => Mechanism::A(target(rest).ok_or("a cannot be read")?),
        "mx" => Mechanism::Mx(target(rest).ok_or("mx cannot be read")?),
        "ptr" if rest.is_empty() => Mechanism::Ptr(None),
        "ptr" => Mechanism::Ptr(Some(argument.and_then(MacroString::domain).ok_or("ptr cannot be read")?)),
        "ip4" => Mechanism::Ip(argument.and_then(ip4).ok_or("ip4 cannot be read")?),
        "ip6" => Mechanism::Ip(argument.and_then(ip6).ok_or("ip6 cannot be read")?),
        _ => return Err("the record has an unknown mechanism"),
    };
    Ok(Directive { outcome, mechanism })
}

/// `[ ":" domain-spec ] [ "/" ip4-cidr ] [ "//" ip6-cidr ]`
fn target(rest: &str) -> Option<Target> {
    let (rest, v6_bits) = match rest.rsplit_once("//") {
        Some((front, length)) if is_digits(length) => (front, bits(length, 128)?),
        _ => (rest, 128),
    };
    let (rest, v4_bits) = match rest.rsplit_once('/') {
        Some((front, length)) if is_digits(length) => (front, bits(length, 32)?),
        _ => (rest, 32),
    };
    let name = match rest.strip_prefix(':') {
        Some(name) => Some(MacroString::domain(name)?),
        None if rest.is_empty() => None,
        None => return None,
    };
    Some(Target { name, v4_bits, v6_bits })
}

fn ip4(argument: &str) -> Option<Network> {
    let (address, length) = argument.split_once('/').map_or((argument, None), |(a, l)| (a, Some(l)));
    let address: Ipv4Addr = address.parse().ok()?;
    Some(Network { address: address.into(), bits: length.map_or(Some(32), |length| bits(length, 32))? })
}

fn ip6(argument: &str) -> Option<Network> {
    let (address, length) = argument.split_once('/').map_or((argument, None), |(a, l)| (a, Some(l)));
    let address: Ipv6Addr = address.parse().ok()?;
    Some(Network { address: address.into(), bits: length.map_or(Some(128), |length| bits(length, 128))? })
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A prefix length, without leading zeros.
fn bits(text: &str, most: u8) -> Option<u8> {
    if !is_digits(text) || (text.len() > 1 && text.starts_with('0')) {
        return None;
    }
    text.parse().ok().filter(|bits| *bits <= most)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_version_ends_with_a_space_or_the_record() {
        assert_eq!(terms_of("v=spf1"), Some(""));
        assert_eq!(terms_of("V=SPF1 -all"), Some(" -all"));
        for other in ["v=spf10 -all", "v=spf1-all", " v=spf1", "v=spf", "v=spf1\t-all"] {
            assert_eq!(terms_of(other), None, "{other}");
        }
    }

    #[test]
    fn records_that_can_be_read() {
        for record in [
            "",
            " a mx ptr -all",
            " A:example.com/24//64 MX//96 ?ip4:192.0.2.0/24 ip6:::1 ip6:::ffff:1.2.3.4/96",
            " include:%{d}.example.com ~exists:%{ir}.%{v}._spf.%{d2} redirect=_spf.example.com exp=e.%{d}",
            " a/0 a//0 a/32//128 unknown=%{s}%%x other-mod.2=",
            " a:a/b.example.com/8 a:example.com. ip4:1.2.3.4/0",
        ] {
            assert!(parse(record).is_ok(), "{record}: {:?}", parse(record).err());
        }
    }

    #[test]
    fn records_that_cannot() {
        for record in [
            " all:x",
            " all/8",
            " a:",
            " a/33",
            " a//129",
            " a/024",
            " a:example.com:8080",
            " include",
            " include:",
            " include:example",
            " exists:%{x}.example.com",
            " ip4:1.2.3",
            " ip4:1.2.3.4/",
            " ip4",
            " ip6:1.2.3.4",
            " ip6:::1/129",
            " foo",
            " -foo:bar.example.com",
            " redirect=",
            " redirect=a.example redirect=b.example",
            " exp=a.example exp=b.example",
            " x=%",
            " a\tmx",
            " mx:example.com/64//",
            " ++all",
            " =x",
            " é",
        ] {
            assert!(parse(record).is_err(), "{record}");
        }
    }

    #[test]
    fn networks_contain_what_shares_their_bits() {
        let contains = |network: Network, client: &str| network.contains(client.parse().unwrap());
        assert!(contains(ip4("192.0.2.128/25").unwrap(), "192.0.2.255"));
        assert!(!contains(ip4("192.0.2.128/25").unwrap(), "192.0.2.1"));
        assert!(contains(ip4("192.0.2.1/0").unwrap(), "10.0.0.1"));
        assert!(contains(ip6("2001:db8::/32").unwrap(), "2001:db8:ffff::1"));
        assert!(!contains(ip6("::/0").unwrap(), "1.2.3.4"));
    }
}
