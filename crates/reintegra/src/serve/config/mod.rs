//! The configuration of `reintegra serve`: a TOML file, every key of which is explained in `docs/config.md` and shown,
//! commented, in `reintegra.example.toml`.
//!
//! Unknown keys and values that make no sense are errors that name the key and the line. Whatever is left out has the
//! value that the example shows.

mod mail;
mod people;
mod place;
mod values;

pub(crate) use mail::*;
pub(crate) use people::*;
pub(crate) use values::{Size, Span};

use super::words;
use place::{Part, Place, parts};
use serde::Deserialize;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use values::{Hostname, Mailbox, path_or_none};

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
    /// Who gets mail to `postmaster` where nobody has that address, and what is returned and nobody takes.
    pub(crate) postmaster: Option<Mailbox>,
    pub(crate) tls: Tls,
    pub(crate) imap: Imap,
    pub(crate) pop3: Pop3,
    pub(crate) mx: Mx,
    pub(crate) submission: Submission,
    pub(crate) lmtp: Lmtp,
    pub(crate) managesieve: ManageSieve,
    pub(crate) sieve: Sieve,
    pub(crate) delivery: Delivery,
    pub(crate) dns: Dns,
    /// `None`: nobody is asked.
    pub(crate) rspamd: Option<Rspamd>,
    /// `None`: certificates come from files alone.
    pub(crate) acme: Option<Acme>,
    pub(crate) sign_in: SignIn,
    pub(crate) limits: Limits,
    pub(crate) operator: Operator,
    pub(crate) log: Log,
    pub(crate) search: Search,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            data: None,
            hostname: Hostname("localhost".to_owned()),
            postmaster: None,
            tls: Tls::default(),
            imap: Imap::default(),
            pop3: Pop3::default(),
            mx: Mx::default(),
            submission: Submission::default(),
            lmtp: Lmtp::default(),
            managesieve: ManageSieve::default(),
            sieve: Sieve::default(),
            delivery: Delivery::default(),
            dns: Dns::default(),
            rspamd: None,
            acme: None,
            sign_in: SignIn::default(),
            limits: Limits::default(),
            operator: Operator::default(),
            log: Log::default(),
            search: Search::default(),
        }
    }
}

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
        let secret = config.delivery.smart_host.iter_mut().filter_map(|host| host.password_file.as_mut());
        let authority = config.acme.iter_mut().filter_map(|acme| acme.authority.as_mut());
        let authorities = config.delivery.authorities.iter_mut();
        secret.chain(authority).chain(authorities).for_each(|path| *path = beside.join(&*path));
        Ok(config)
    }

    fn parse(text: &str) -> Result<Self, (Place, String)> {
        let place = |span: Option<Range<usize>>| span.map_or_else(Place::default, |span| Place::at(text, span.start));
        let config: Config = toml::from_str(text).map_err(|error| (place(error.span()), words::of(error.message())))?;
        if config.services().next().is_none() {
            let none = "no service has a port: name one in imap.listen, imap.listen_tls, mx.listen or another";
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
            ("mx.listen", &self.mx.listen),
            ("submission.listen", &self.submission.listen),
            ("submission.listen_tls", &self.submission.listen_tls),
            ("lmtp.listen", &self.lmtp.listen),
            ("managesieve.listen", &self.managesieve.listen),
        ];
        services.into_iter().flat_map(|(key, list)| list.iter().map(move |address| (key, *address)))
    }

    /// Every address that is listened on, with its key.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> + '_ {
        let acme = self.acme.iter();
        let challenges = acme.flat_map(|acme| {
            let http = acme.listen_http.map(|address| ("acme.listen_http", address));
            http.into_iter().chain(acme.listen_tls.map(|address| ("acme.listen_tls", address)))
        });
        self.services().chain(challenges).chain(self.operator.listen.map(|address| ("operator.listen", address)))
    }
}

/// Whether two addresses cannot be listened on by one machine.
fn clash(one: SocketAddr, other: SocketAddr) -> bool {
    let wide = one.ip().is_unspecified() || other.ip().is_unspecified();
    // Port 0 is another port each time; `[::]` is IPv6 alone.
    one.port() == other.port() && one.port() != 0 && (one == other || wide && one.is_ipv4() == other.is_ipv4())
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
    use super::values::{Size, Span};
    use super::*;

    #[test]
    fn the_example_is_what_holds_when_nothing_is_said() {
        let example = include_str!("../../../../../reintegra.example.toml");
        assert_eq!(format!("{:?}", Config::parse(example).unwrap()), format!("{:?}", Config::default()));
        // And with every comment sign taken off, every key in it is known.
        let all: String =
            example.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line).to_owned() + "\n").collect();
        let config = Config::parse(&all).unwrap();
        assert_eq!((config.tls.certificates.len(), config.limits.default_quota), (1, Some(Size(10 << 30))));
        assert!(config.delivery.smart_host.is_some() && config.rspamd.is_some() && config.acme.is_some());
    }

    #[test]
    fn a_mistake_is_told_with_key_and_line() {
        let cases = [
            ("[imap]\n\nlisten_tsl = []\n", 3, "imap.listen_tsl", "there is no such key; did you mean `listen_tls`?"),
            ("everything = 1\n", 1, "everything", "there is no such key; there are `data`, `hostname`"),
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
            ("mx.message_limit = \"2 GiB\"\n", 1, "mx.message_limit", "between 64 KiB and 256 MiB"),
            ("[mx]\ndmarc = \"reject\"\n", 2, "mx.dmarc", "one of `enforce`, `record`, `off` is expected"),
            ("rspamd.address = \"localhost\"\n", 1, "rspamd.address", "no address and port"),
            ("sieve.editheader = \"yes\"\n", 1, "sieve.editheader", "`true` or `false` is expected"),
            ("postmaster = \"nobody\"\n", 1, "postmaster", "no address of somebody"),
            ("[delivery.smart_host]\naddress = \"a:25\"\ntls = \"no\"\n", 3, "delivery.smart_host.tls", "one of"),
            ("[acme]\ncertificates = [[\"a b\"]]\n", 2, "acme.certificates", "no host name"),
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
        let keys =
            ["imap.listen", "imap.listen_tls", "pop3.listen", "pop3.listen_tls", "mx.listen", "submission.listen"];
        let others = ["submission.listen_tls", "managesieve.listen"];
        let none: String = keys.iter().chain(&others).map(|key| format!("{key} = []\n")).collect();
        let (place, what) = Config::parse(&none).unwrap_err();
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
