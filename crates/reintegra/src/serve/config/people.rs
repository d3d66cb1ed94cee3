//! The tables for people who read their mail, and for the operator.

use super::values::{
    Size, Span, address_or_none, addresses, append_limit, at_least_one, imap_timeout, loopback, path, pop3_timeout,
    quota,
};
use serde::Deserialize;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

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
