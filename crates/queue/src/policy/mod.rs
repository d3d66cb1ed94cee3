//! What TLS must be for a connection, and whether it is.
//!
//! For each host one of these holds, the first that applies:
//! 1. DANE (RFC 7672), where DNSSEC vouches for the way to the host and for its TLSA records. Records none of which can be
//!    used demand TLS with any certificate, and leave it to what follows to demand more.
//! 2. MTA-STS (RFC 8461), where the domain publishes a policy.
//! 3. Nothing: TLS if the server offers it, with any certificate (RFC 7435).
//!
//! DANE goes first and alone: a certificate that TLSA records vouch for needs nobody else's word, and one that they do
//! not vouch for is not saved by it (RFC 8461 §2).

pub(crate) mod dane;
mod kept;
pub(crate) mod sts;
mod verify;

pub use kept::KeptPolicies;
pub use sts::{MemoryPolicies, PolicyStore, StoredPolicy};
pub(crate) use verify::Tls;

use crate::client::{bounded, printable};
use std::fmt;
use store::spool::TlsFailure;

/// What TLS must be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Requirement {
    /// None: it is not even asked for.
    Never,
    /// As it comes: with any certificate, or none at all.
    Opportunistic,
    /// There must be some, with any certificate: TLSA records say so and none of them can be used (RFC 7672 §2.2).
    Encrypted,
    /// With a certificate of this name that an authority vouches for.
    Pkix {
        /// The name.
        name: String,
        /// Whether anything else ends the connection; otherwise it is only reported.
        enforce: bool,
    },
    /// With a certificate that TLSA records vouch for.
    Dane {
        /// The records that can be used, at least one.
        records: Vec<dns::Tlsa>,
        /// The names that count where an authority is vouched for; the first is told the server (SNI).
        names: Vec<String>,
    },
}

impl Requirement {
    /// Whether a connection that is not as it must be is not used.
    pub(crate) fn is_binding(&self) -> bool {
        match self {
            Requirement::Never | Requirement::Opportunistic => false,
            Requirement::Pkix { enforce, .. } => *enforce,
            Requirement::Encrypted | Requirement::Dane { .. } => true,
        }
    }

    /// Whether it makes sure whom we talk to.
    pub(crate) fn is_authenticated(&self) -> bool {
        matches!(self, Requirement::Dane { .. } | Requirement::Pkix { enforce: true, .. })
    }
}

/// Why TLS is not what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: TlsFailure,
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(kind: TlsFailure, text: &str) -> Self {
        Failure { kind, text: bounded(&printable(text)) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the connection cannot be made safe: {}", self.text)
    }
}
