//! Values of a configuration that are written as text, and what they may be.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, Visitor};
use std::fmt;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// A length of time: a number and `s`, `min`, `h` or `d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

/// A number of bytes: a number and `B`, `KiB`, `MiB`, `GiB` or `TiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

/// An address with a port.
pub(super) struct Address(SocketAddr);

/// A name of this server, as certificates and greetings hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hostname(pub(crate) String);

/// A host, by name or address, and a port: of another server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// The address of somebody here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mailbox(pub(crate) message::Address);

/// Splits `30 min` into its number and its unit's factor.
fn measured(text: &str, units: &[(&str, u64)]) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = (text[..digits].parse::<u64>(), text[digits..].trim());
    let factor = units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    match (number, factor) {
        (Ok(number), Some(factor)) => {
            number.checked_mul(factor).ok_or_else(|| format!("{text:?} is more than can be counted"))
        }
        _ => {
            let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
            Err(format!("{text:?} is not a whole number and a unit ({})", names.join(", ")))
        }
    }
}

impl FromStr for Span {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let seconds = measured(text, &[("s", 1), ("min", 60), ("h", 3600), ("d", 86_400)])?;
        // A year: what is longer is a slip of the finger, and would overflow clocks.
        match (1..=366 * 86_400).contains(&seconds) {
            true => Ok(Span(Duration::from_secs(seconds))),
            false => Err(format!("{text:?} is not between 1 s and 366 d")),
        }
    }
}

impl FromStr for Size {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let units = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];
        measured(text, &units).map(Size)
    }
}

impl FromStr for Address {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let no_address = |_| format!("{text:?} is no address and port, such as 127.0.0.1:PORT or [::1]:PORT");
        text.parse().map(Address).map_err(no_address)
    }
}

impl FromStr for Hostname {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        match text.len() <= 253 && text.split('.').all(is_label) {
            true => Ok(Hostname(text.to_ascii_lowercase())),
            false => Err(format!("{text:?} is no host name: letters, digits and hyphens between dots are expected")),
        }
    }
}

impl FromStr for Target {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let no_target = || format!("{text:?} is no host and port, such as relay.example.org:587 or [::1]:587");
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Target { host: address.ip().to_string(), port: address.port() });
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(no_target)?;
        let Hostname(host) = host.parse().map_err(|_| no_target())?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(no_target)?;
        Ok(Target { host, port })
    }
}

impl FromStr for Mailbox {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        message::Address::new(text).map(Mailbox).map_err(|_| format!("{text:?} is no address of somebody"))
    }
}

/// Reads a text by the rules of its type while the reader still knows where it stands, in a list too.
struct AsText<T>(PhantomData<T>);

impl<T: FromStr<Err = String>> Visitor<'_> for AsText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

/// Reads a text by its own rules, so that the error knows the line.
macro_rules! read_as_text {
    ($($type:ty),*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(AsText(PhantomData))
            }
        }
    )*};
}
read_as_text!(Span, Size, Address, Hostname, Target, Mailbox);

pub(super) fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SocketAddr>, D::Error> {
    Ok(Vec::<Address>::deserialize(deserializer)?.into_iter().map(|Address(address)| address).collect())
}

pub(super) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    Address::deserialize(deserializer).map(|Address(address)| address)
}

pub(super) fn append_limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
    let size = Size::deserialize(deserializer)?;
    // More than 4 GiB - 1 no client can know of: RFC 7889 has a number of 32 bits.
    match (1 << 10..1 << 32).contains(&size.0) {
        true => Ok(size),
        false => Err(D::Error::custom("between 1 KiB and 4 GiB - 1 B is expected")),
    }
}

pub(super) fn message_limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
    let size = Size::deserialize(deserializer)?;
    // RFC 5321 §4.5.3.1.7 asks for 64 KiB; a message is in memory while it comes in, and others beside it.
    match (1 << 16..=256 << 20).contains(&size.0) {
        true => Ok(size),
        false => Err(D::Error::custom("between 64 KiB and 256 MiB is expected")),
    }
}

pub(super) fn quota<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Size>, D::Error> {
    let size = Size::deserialize(deserializer)?;
    match size.0 >= 1 << 20 {
        true => Ok(Some(size)),
        false => Err(D::Error::custom("1 MiB at least is expected; leave the key out for no quota")),
    }
}

/// A length of time that a standard sets a least value for.
pub(super) fn at_least<'de, D: Deserializer<'de>>(deserializer: D, least: u64, rfc: &str) -> Result<Span, D::Error> {
    let span = Span::deserialize(deserializer)?;
    match span.0.as_secs() >= least {
        true => Ok(span),
        false => Err(D::Error::custom(format!("at least {} min are asked for by {rfc}", least / 60))),
    }
}

pub(super) fn imap_timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    at_least(deserializer, 30 * 60, "RFC 9051 §5.4")
}

pub(super) fn pop3_timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    at_least(deserializer, 10 * 60, "RFC 1939 §3")
}

pub(super) fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    match path.as_os_str().is_empty() {
        true => Err(D::Error::custom("an empty text is no path")),
        false => Ok(path),
    }
}

pub(super) fn path_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    path(deserializer).map(Some)
}

pub(super) fn address_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.is_empty() {
        true => Ok(None),
        false => text.parse().map(|Address(address)| Some(address)).map_err(D::Error::custom),
    }
}

/// A port of this machine alone.
pub(super) const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

pub(super) fn at_least_one(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}
