//! What a question brings: answers, and the ways in which there is none.

use thiserror::Error;

/// What was found, and how far it may be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// What was found.
    pub value: T,
    /// The name that holds the records: the name asked for, or what its aliases (CNAME) lead to. Lower case, A-labels, no
    /// dot at the end.
    pub name: String,
    /// Whether DNSSEC vouches for all of it, every alias on the way included.
    pub secure: bool,
    /// For how many seconds it may be kept.
    pub ttl_s: u32,
}

/// One mail exchanger of a domain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mx {
    /// Lower is tried first (RFC 5321 §5.1).
    pub preference: u16,
    /// The host, lower case, A-labels, no dot at the end.
    pub host: String,
}

/// Where mail for a domain goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailHosts {
    /// The domain's MX records, lowest preference first, never empty.
    Listed(Vec<Mx>),
    /// The domain exists and has no MX record: the domain itself is its mail host, if it has addresses (RFC 5321 §5.1).
    Implicit(Mx),
    /// The domain says that it takes no mail (RFC 7505 §3).
    Null,
}

impl MailHosts {
    /// The hosts in the order of their preference; empty for a null MX.
    pub fn hosts(&self) -> &[Mx] {
        match self {
            MailHosts::Listed(hosts) => hosts,
            MailHosts::Implicit(host) => std::slice::from_ref(host),
            MailHosts::Null => &[],
        }
    }
}

/// One TLSA record, its numbers as they stand on the wire (RFC 6698 §2.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tlsa {
    /// Certificate usage: 2 is DANE-TA, 3 is DANE-EE.
    pub usage: u8,
    /// Selector: 0 is the whole certificate, 1 its public key.
    pub selector: u8,
    /// Matching type: 0 is the data itself, 1 its SHA-256, 2 its SHA-512.
    pub matching: u8,
    /// The certificate association data.
    pub data: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// The name cannot exist: a label too long or empty, or not a valid internationalised name.
    #[error("not a name that DNS can hold")]
    BadName,
    /// The name does not exist (NXDOMAIN).
    #[error("the name does not exist")]
    NoSuchName {
        /// Whether DNSSEC proves that it does not.
        secure: bool,
    },
    /// The name exists and has no records of the type asked for.
    #[error("the name has no such records")]
    NoRecords {
        /// Whether DNSSEC proves that there are none.
        secure: bool,
    },
    /// No server gave a usable answer in time; asking later may help. The text is for the operator.
    #[error("no answer from DNS: {0}")]
    Temporary(String),
    /// DNSSEC says that the answer is forged or the zone broken. Never fall back to an insecure way because of it; asking
    /// later may help (RFC 7672 §2.1.1).
    #[error("DNSSEC validation failed")]
    Bogus,
}

impl Error {
    /// Whether the same question may be answered later: mail waits for it rather than bouncing.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Error::Temporary(_) | Error::Bogus)
    }

    /// Whether the answer is that nothing is there.
    pub fn is_absent(&self) -> bool {
        matches!(self, Error::NoSuchName { .. } | Error::NoRecords { .. } | Error::BadName)
    }
}
