//! The configuration of `reintegra serve`: a TOML file, every key of which is explained in `docs/config.md` and shown,
//! commented, in `reintegra.example.toml`.
//!
//! Unknown keys and values that make no sense are errors that name the key and the line. Whatever is left out has the
//! value that the example shows.

use super::words;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, Visitor};
use std::fmt;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use toml::de::{DeTable, DeValue};

/// Longer files are no configuration.
const LIMIT_BYTES: u64 = 1 << 20;

/// How the services are to be run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// The data directory; `--data` goes before it.
    #[serde(deserialize_with = "path_or_none")]
    pub(crate) data: Option<PathBuf>,
    /// What the server calls itself.
    pub(crate) hostname: Hostname,
    pub(crate) tls: Tls,
    pub(crate) imap: Imap,
    pub(crate) pop3: Pop3,
    pub(crate) sign_in: SignIn,
    pub(crate) limits: Limits,
    pub(crate) operator: Operator,
    pub(crate) log: Log,
    pub(crate) search: Search,
}

/// Certificates.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Tls {
    /// None: a self-signed one is made and kept in the data directory.
    pub(crate) certificates: Vec<Certificate>,
}

/// A certificate with its key, both PEM.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Certificate {
    #[serde(deserialize_with = "path")]
    pub(crate) chain: PathBuf,
    #[serde(deserialize_with = "path")]
    pub(crate) key: PathBuf,
}

/// The IMAP service.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Imap {
    /// Where STARTTLS is offered.
    #[serde(deserialize_with = "addresses")]
    pub(crate) listen: Vec<SocketAddr>,
    /// Where TLS comes first (RFC 8314).
    #[serde(deserialize_with = "addresses")]
    pub(crate) listen_tls: Vec<SocketAddr>,
    /// How long a signed-in client may be silent (RFC 9051 §5.4: at least 30 minutes).
    #[serde(deserialize_with = "imap_timeout")]
    pub(crate) idle_timeout: Span,
    /// The largest message that APPEND takes.
    #[serde(deserialize_with = "append_limit")]
    pub(crate) append_limit: Size,
}

/// The POP3 service.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Pop3 {
    #[serde(deserialize_with = "addresses")]
    pub(crate) listen: Vec<SocketAddr>,
    #[serde(deserialize_with = "addresses")]
    pub(crate) listen_tls: Vec<SocketAddr>,
    /// RFC 1939 §3: at least 10 minutes.
    #[serde(deserialize_with = "pop3_timeout")]
    pub(crate) idle_timeout: Span,
    /// What holds for accounts that chose nothing (`RULES.md 5.3`).
    pub(crate) before: Before,
}

/// Whether maildrops list messages of before the incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Before {
    Show,
    Hide,
    SeenHide,
}

/// Who may sign in, and how.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SignIn {
    /// Whether passwords may be sent without TLS from this machine itself.
    pub(crate) loopback_without_tls: bool,
    /// Whether SCRAM is offered.
    pub(crate) scram: Scram,
}

/// When SCRAM is offered; as [`edge::ScramOffer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scram {
    WhenAllCan,
    Always,
    Never,
}

/// Bounds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Connections of all services together.
    pub(crate) connections: NonZeroU32,
    /// Connections from one address.
    pub(crate) connections_per_address: NonZeroU32,
    /// Sessions of one account at once, over all protocols.
    pub(crate) sessions_per_account: NonZeroU32,
    /// The quota of accounts that have none of their own; `None`: none.
    #[serde(deserialize_with = "quota")]
    pub(crate) default_quota: Option<Size>,
    /// How long running sessions have to end when the server goes down.
    pub(crate) shutdown_grace: Span,
}

/// The operator's port: metrics and health.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Operator {
    /// `None` (an empty string): there is none.
    #[serde(deserialize_with = "address_or_none")]
    pub(crate) listen: Option<SocketAddr>,
}

/// What is logged, to standard error.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    pub(crate) level: LogLevel,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// From which level on something is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
}

/// The index for searching texts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Search {
    /// Whether mail is indexed as it comes, and not only when it is searched.
    pub(crate) index_in_background: bool,
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

fn at_least_one(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

impl Default for Config {
    fn default() -> Self {
        Config {
            data: None,
            hostname: Hostname("localhost".to_owned()),
            tls: Tls::default(),
            imap: Imap::default(),
            pop3: Pop3::default(),
            sign_in: SignIn::default(),
            limits: Limits::default(),
            operator: Operator::default(),
            log: Log::default(),
            search: Search::default(),
        }
    }
}

impl Default for Imap {
    fn default() -> Self {
        Imap {
            listen: vec![loopback(1143)],
            listen_tls: vec![loopback(1993)],
            idle_timeout: Span(Duration::from_secs(30 * 60)),
            append_limit: Size(64 << 20),
        }
    }
}

impl Default for Pop3 {
    fn default() -> Self {
        Pop3 {
            listen: vec![loopback(1110)],
            listen_tls: vec![loopback(1995)],
            idle_timeout: Span(Duration::from_secs(10 * 60)),
            before: Before::SeenHide,
        }
    }
}

impl Default for SignIn {
    fn default() -> Self {
        SignIn { loopback_without_tls: false, scram: Scram::WhenAllCan }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: at_least_one(10_000),
            connections_per_address: at_least_one(200),
            sessions_per_account: at_least_one(100),
            default_quota: None,
            shutdown_grace: Span(Duration::from_secs(10)),
        }
    }
}

impl Default for Operator {
    fn default() -> Self {
        Operator { listen: Some(loopback(1080)) }
    }
}

impl Default for Log {
    fn default() -> Self {
        Log { format: LogFormat::Text, level: LogLevel::Info }
    }
}

impl Default for Search {
    fn default() -> Self {
        Search { index_in_background: true }
    }
}

/// A length of time: a number and `s`, `min`, `h` or `d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

/// A number of bytes: a number and `B`, `KiB`, `MiB`, `GiB` or `TiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

/// An address with a port.
struct Address(SocketAddr);

/// A name of this server, as certificates and greetings hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hostname(pub(crate) String);

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
        let no_address = |_| format!("{text:?} is no address and port, such as 127.0.0.1:143 or [::]:143");
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
read_as_text!(Span, Size, Address, Hostname);

/// A configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        path: PathBuf,
        #[source]
        cause: std::io::Error,
    },
    /// It is no TOML, has an unknown key, or a value that makes no sense.
    #[error("{}: {place}{text}", path.display())]
    Wrong { path: PathBuf, place: Place, text: String },
}

/// Where in the file, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    line: Option<usize>,
    /// With the tables it is in: `imap.listen`.
    key: Option<String>,
}

impl Place {
    /// The place of a byte of a text.
    fn at(text: &str, at: usize) -> Self {
        let line = 1 + text.as_bytes()[..at.min(text.len())].iter().filter(|&&b| b == b'\n').count();
        // The innermost of what holds the byte; a text that is no TOML has none.
        let holding = parts(text).into_iter().filter(|part| part.at.contains(&at));
        let key = holding.min_by_key(|part| part.at.len()).map(|part| part.key);
        Place { line: Some(line), key }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        match &self.key {
            Some(key) => write!(f, "`{key}`: "),
            None => Ok(()),
        }
    }
}

/// A key or a value of a file, and where it stands.
struct Part {
    key: String,
    at: Range<usize>,
    /// A value's text, where it is one.
    text: Option<String>,
}

/// Every key and every value of a file; none of one that is no TOML.
fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    if let Ok(table) = DeTable::parse(text) {
        parts_of_table("", table.get_ref(), &mut parts);
    }
    parts
}

fn parts_of_table(within: &str, table: &DeTable<'_>, parts: &mut Vec<Part>) {
    for (name, value) in table {
        let dot = if within.is_empty() { "" } else { "." };
        let key = format!("{within}{dot}{}", name.get_ref());
        parts.push(Part { key: key.clone(), at: name.span(), text: None });
        parts_of_value(&key, value.span(), value.get_ref(), parts);
    }
}

fn parts_of_value(key: &str, at: Range<usize>, value: &DeValue<'_>, parts: &mut Vec<Part>) {
    parts.push(Part { key: key.to_owned(), at, text: value.as_str().map(str::to_owned) });
    match value {
        DeValue::Table(table) => parts_of_table(key, table, parts),
        DeValue::Array(items) => {
            items.iter().for_each(|item| parts_of_value(key, item.span(), item.get_ref(), parts));
        }
        _ => {}
    }
}

impl Config {
    /// Reads a configuration. Relative paths in it are relative to the file.
    ///
    /// # Errors
    /// When it cannot be read or used.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = read_bounded(path).map_err(|cause| ConfigError::Read { path: path.to_owned(), cause })?;
        let wrong = |(place, text)| ConfigError::Wrong { path: path.to_owned(), place, text };
        let mut config = Self::parse(&text).map_err(wrong)?;
        let beside = path.parent().unwrap_or(Path::new(""));
        config.data = config.data.map(|data| beside.join(data));
        for certificate in &mut config.tls.certificates {
            certificate.chain = beside.join(&certificate.chain);
            certificate.key = beside.join(&certificate.key);
        }
        Ok(config)
    }

    fn parse(text: &str) -> Result<Self, (Place, String)> {
        let place = |span: Option<Range<usize>>| span.map_or_else(Place::default, |span| Place::at(text, span.start));
        let config: Config = toml::from_str(text).map_err(|error| (place(error.span()), words::of(error.message())))?;
        if config.services().next().is_none() {
            let none =
                "no service has a port: name one in imap.listen, imap.listen_tls, pop3.listen or pop3.listen_tls";
            return Err((Place::default(), none.to_owned()));
        }
        config.agrees().map_err(|(key, address, what)| {
            let is_it =
                |part: &Part| part.key == key && part.text.as_deref().and_then(|t| t.parse().ok()) == Some(address);
            (place(parts(text).into_iter().rfind(is_it).map(|part| part.at)), what)
        })?;
        Ok(config)
    }

    /// Whether the addresses go together; else the key and the address that do not, and why.
    fn agrees(&self) -> Result<(), (&'static str, SocketAddr, String)> {
        let mut seen: Vec<(SocketAddr, &str)> = Vec::new();
        for (key, address) in self.addresses() {
            if let Some((known, other)) = seen.iter().find(|(known, _)| clash(*known, address)) {
                let what = match *known == address {
                    true => format!("{address} stands in `{other}` too"),
                    false => {
                        let (all, one) =
                            if known.ip().is_unspecified() { (*known, address) } else { (address, *known) };
                        format!("{all} is every address, {one} too: `{other}` has {known}")
                    }
                };
                return Err((key, address, what));
            }
            seen.push((address, key));
        }
        Ok(())
    }

    /// Every address of a service, with its key.
    fn services(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> + '_ {
        let services = [
            ("imap.listen", &self.imap.listen),
            ("imap.listen_tls", &self.imap.listen_tls),
            ("pop3.listen", &self.pop3.listen),
            ("pop3.listen_tls", &self.pop3.listen_tls),
        ];
        services.into_iter().flat_map(|(key, list)| list.iter().map(move |address| (key, *address)))
    }

    /// Every address that is listened on, with its key.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> + '_ {
        self.services().chain(self.operator.listen.map(|address| ("operator.listen", address)))
    }
}

/// Whether two addresses cannot be listened on by one machine.
fn clash(one: SocketAddr, other: SocketAddr) -> bool {
    let wide = one.ip().is_unspecified() || other.ip().is_unspecified();
    // Port 0 is another port each time; `[::]` is IPv6 alone.
    one.port() == other.port() && one.port() != 0 && (one == other || wide && one.is_ipv4() == other.is_ipv4())
}

fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SocketAddr>, D::Error> {
    Ok(Vec::<Address>::deserialize(deserializer)?.into_iter().map(|Address(address)| address).collect())
}

fn append_limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
    let size = Size::deserialize(deserializer)?;
    // More than 4 GiB - 1 no client can know of: RFC 7889 has a number of 32 bits.
    match (1 << 10..1 << 32).contains(&size.0) {
        true => Ok(size),
        false => Err(D::Error::custom("between 1 KiB and 4 GiB - 1 B is expected")),
    }
}

fn quota<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Size>, D::Error> {
    let size = Size::deserialize(deserializer)?;
    match size.0 >= 1 << 20 {
        true => Ok(Some(size)),
        false => Err(D::Error::custom("1 MiB at least is expected; leave the key out for no quota")),
    }
}

/// A length of time that a standard sets a least value for.
fn at_least<'de, D: Deserializer<'de>>(deserializer: D, least: u64, rfc: &str) -> Result<Span, D::Error> {
    let span = Span::deserialize(deserializer)?;
    match span.0.as_secs() >= least {
        true => Ok(span),
        false => Err(D::Error::custom(format!("at least {} min are asked for by {rfc}", least / 60))),
    }
}

fn imap_timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    at_least(deserializer, 30 * 60, "RFC 9051 §5.4")
}

fn pop3_timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    at_least(deserializer, 10 * 60, "RFC 1939 §3")
}

fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    match path.as_os_str().is_empty() {
        true => Err(D::Error::custom("an empty text is no path")),
        false => Ok(path),
    }
}

fn path_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    path(deserializer).map(Some)
}

fn address_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.is_empty() {
        true => Ok(None),
        false => text.parse().map(|Address(address)| Some(address)).map_err(D::Error::custom),
    }
}

fn read_bounded(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?.take(LIMIT_BYTES + 1).read_to_string(&mut text)?;
    match text.len() as u64 > LIMIT_BYTES {
        true => Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "it is longer than 1 MiB")),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_example_is_what_holds_when_nothing_is_said() {
        let example = include_str!("../../../../reintegra.example.toml");
        assert_eq!(format!("{:?}", Config::parse(example).unwrap()), format!("{:?}", Config::default()));
        // And with every comment sign taken off, every key in it is known.
        let all: String =
            example.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line).to_owned() + "\n").collect();
        let config = Config::parse(&all).unwrap();
        assert_eq!((config.tls.certificates.len(), config.limits.default_quota), (1, Some(Size(10 << 30))));
    }

    #[test]
    fn a_mistake_is_told_with_key_and_line() {
        let cases = [
            ("[imap]\n\nlisten_tsl = []\n", 3, "imap.listen_tsl", "there is no such key; did you mean `listen_tls`?"),
            ("serve = 1\n", 1, "serve", "there is no such key; there are `data`, `hostname`"),
            ("hostnam = \"a\"\n", 1, "hostnam", "did you mean `hostname`?"),
            ("hostname = \"mail_\"\n", 1, "hostname", "no host name"),
            ("data = \"\"\n", 1, "data", "no path"),
            ("[limits]\nconnections = \"many\"\n", 2, "limits.connections", "a whole number from 1 on is expected"),
            ("[limits]\nconnections = 0\n", 2, "limits.connections", "a whole number from 1 on is expected"),
            ("limits.sessions_per_account = -1\n", 1, "limits.sessions_per_account", "a whole number from 1 on"),
            ("limits.connections = 99999999999\n", 1, "limits.connections", "a whole number from 1 on is expected"),
            ("limits = 3\n", 1, "limits", "a table is expected"),
            ("hostname = 3\n", 1, "hostname", "a text is expected, in quotes"),
            ("search.index_in_background = \"no\"\n", 1, "search.index_in_background", "`true` or `false` is expected"),
            ("imap.listen = \"0.0.0.0:143\"\n", 1, "imap.listen", "a list is expected: [\"0.0.0.0:143\"]"),
            ("imap.append_limit = \"1023 B\"\n", 1, "imap.append_limit", "between 1 KiB and 4 GiB"),
            ("imap.append_limit = \"4 GiB\"\n", 1, "imap.append_limit", "between 1 KiB and 4 GiB"),
            ("limits.default_quota = \"1023 KiB\"\n", 1, "limits.default_quota", "1 MiB at least"),
            ("sign_in.scram = \"yes\"\n", 1, "sign_in.scram", "one of `when-all-can`, `always`, `never` is expected"),
            ("pop3.before = 1\n", 1, "pop3.before", "a text is expected, in quotes"),
            ("[imap]\nidle_timeout = \"30\"\n", 2, "imap.idle_timeout", "whole number and a unit"),
            ("[imap]\nidle_timeout = \"29 min\"\n", 2, "imap.idle_timeout", "RFC 9051"),
            ("[pop3]\nidle_timeout = \"9 min\"\n", 2, "pop3.idle_timeout", "RFC 1939"),
            ("[imap]\nappend_limit = \"99999999999 TiB\"\n", 2, "imap.append_limit", "more than can be counted"),
            (
                "[imap]\nlisten = [\n  \"127.0.0.1:1\",\n  \"localhost:2\",\n]\n",
                4,
                "imap.listen",
                "\"localhost:2\" is no address and port, such as",
            ),
            ("[operator]\nlisten = \"1080\"\n", 2, "operator.listen", "no address and port"),
            ("[log]\nlevel = \"loud\"\n", 2, "log.level", "one of `error`, `warn`, `info`, `debug` is expected"),
            ("[[tls.certificates]]\nchain = \"a\"\nkey = 3\n", 3, "tls.certificates.key", "a text is expected"),
            ("[[tls.certificates]]\nchain = \"a\"\n", 1, "tls.certificates", "`key`"),
            (
                "imap.listen = [\"[::0]:1\"]\n# not [::]:1\n[pop3]\nlisten = [\"[::]:2\", \"[::]:1\"]\n# nor [::]:1\n",
                4,
                "pop3.listen",
                "`imap.listen` too",
            ),
            (
                "imap.listen = [\"127.0.0.1:5\"]\npop3.listen = [\"0.0.0.0:5\"]\n",
                2,
                "pop3.listen",
                "0.0.0.0:5 is every address, 127.0.0.1:5 too: `imap.listen` has 127.0.0.1:5",
            ),
            (
                "imap.listen = [\"[::]:5\", \"127.0.0.1:5\"]\npop3.listen = [\"[::1]:5\"]\n",
                2,
                "pop3.listen",
                "`imap.listen` has [::]:5",
            ),
        ];
        for (text, line, key, word) in cases {
            let (place, what) = Config::parse(text).unwrap_err();
            assert_eq!(place, Place { line: Some(line), key: Some(key.to_owned()) }, "{text}: {what}");
            assert!(what.contains(word), "{text}: {what}");
            let name = key.rsplit('.').next().unwrap();
            assert!(!what.contains(&format!("`{name}`")) || word == "`key`", "named twice: {text}: {what}");
        }
        // What is no TOML has a line and no key.
        for text in ["[log\n", "\nhostname = a\n", "[log]\n[log]\n", "\u{feff}\u{0}"] {
            let (place, what) = Config::parse(text).unwrap_err();
            assert!(place.line.is_some() && !what.is_empty(), "{text}: {what}");
        }
    }

    #[test]
    fn a_server_without_a_port_is_a_mistake() {
        let none = "imap.listen = []\nimap.listen_tls = []\npop3.listen = []\npop3.listen_tls = []\n";
        let (place, what) = Config::parse(none).unwrap_err();
        assert_eq!(place, Place::default());
        assert!(what.contains("no service has a port"), "{what}");
    }

    #[test]
    fn what_goes_together_is_taken() {
        let text = "imap.listen = [\"0.0.0.0:5\", \"[::]:5\", \"127.0.0.1:0\", \"0.0.0.0:0\"]\n\
                    imap.append_limit = \"4294967295 B\"\nlimits.default_quota = \"1 MiB\"\nsign_in.scram = \"always\"\n";
        let config = Config::parse(text).unwrap();
        assert_eq!((config.imap.append_limit, config.sign_in.scram), (Size(u32::MAX.into()), Scram::Always));
    }

    #[test]
    fn lengths_and_sizes_are_a_number_and_a_unit() {
        let span = |text: &str| text.parse::<Span>().map(|span| span.0.as_secs());
        assert_eq!(["90 s", "2min", " 1 h ", "366 d"].map(|t| span(t).unwrap()), [90, 120, 3600, 366 * 86_400]);
        for wrong in ["", "s", "1.5 h", "-1 s", "0 s", "367 d", "1 m", "1 H", "99999999999999999999 s"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
        let size = |text: &str| text.parse::<Size>().map(|size| size.0);
        assert_eq!(["0 B", "3KiB", "16777215 TiB"].map(|t| size(t).unwrap()), [0, 3072, 16_777_215 << 40]);
        for wrong in ["1 MB", "1", "16777216 TiB", "1 KiB KiB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
