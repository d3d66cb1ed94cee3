//! What goes wrong, at the start and with an order.

use crate::http::HttpError;
use edge::tls::TlsError;
use std::error::Error as _;
use std::io;
use std::path::PathBuf;

/// Certificates cannot be kept at all.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The directory is no address that can be asked.
    #[error("{url}: not an https address of an ACME server's directory")]
    Directory {
        /// What it is.
        url: String,
    },
    /// A certificate has no names, or too many for one.
    #[error("a certificate has {count} names: there must be 1 to {most}")]
    Count {
        /// How many.
        count: usize,
        /// How many there may be.
        most: usize,
    },
    /// A name cannot be shown to be ours by the challenges there are.
    #[error("{name}: no certificate can be ordered for this name (a host name in ASCII without `*`, no address)")]
    Name {
        /// Which.
        name: String,
    },
    /// A name stands in two places.
    #[error("{name}: stands twice among the names of certificates")]
    Twice {
        /// Which.
        name: String,
    },
    /// Nothing could be shown to the server.
    #[error("there is neither a port for HTTP-01 nor one for TLS-ALPN-01")]
    NoChallenge,
    /// What is kept cannot be read or written.
    #[error("{}: cannot be used", path.display())]
    Keep {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A client for the server cannot be set up.
    #[error("the connection to the ACME server cannot be set up")]
    Client(#[source] TlsError),
}

/// An attempt failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IssueError {
    #[error("the ACME server cannot be used")]
    Server(#[source] instant_acme::Error),
    #[error("the ACME server is of the opinion that there are too many orders: {0}")]
    Limited(String),
    #[error("it took too long")]
    TooLong,
    #[error("the order is {0:?} and cannot be finished")]
    Order(instant_acme::OrderStatus),
    #[error("a key or a request cannot be made")]
    Key(#[source] rcgen::Error),
    #[error("a challenge cannot be answered")]
    Answer(#[source] TlsError),
    #[error("what the ACME server issued cannot be used")]
    Chain(#[source] TlsError),
    #[error("what the ACME server issued is not for {0}, or not signed by what comes with it")]
    NotOurs(String),
    #[error("{}: cannot be read or written", path.display())]
    Keep {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl From<instant_acme::Error> for IssueError {
    fn from(error: instant_acme::Error) -> Self {
        use instant_acme::Error as E;
        match &error {
            E::Api(problem) if is_of_type(problem, "rateLimited") => IssueError::Limited(said(problem)),
            E::Other(inner) => match inner.downcast_ref::<HttpError>() {
                Some(HttpError::Status(429)) => IssueError::Limited("429".to_owned()),
                _ => IssueError::Server(error),
            },
            E::Timeout(_) => IssueError::TooLong,
            _ => IssueError::Server(error),
        }
    }
}

impl IssueError {
    /// The problem that the server gave as the reason, if it gave one.
    pub(crate) fn is_problem(&self, kind: &str) -> bool {
        matches!(self, IssueError::Server(instant_acme::Error::Api(problem)) if is_of_type(problem, kind))
    }

    /// The error and its causes, for people, in one line that is not too long.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(error) = source {
            let cause = error.to_string();
            // Some errors of others repeat their source.
            if !text.ends_with(&cause) {
                text = format!("{text}: {cause}");
            }
            source = error.source();
        }
        one_line(&text)
    }
}

/// What a server says of a problem, for people.
pub(crate) fn said(problem: &instant_acme::Problem) -> String {
    let kind = problem.r#type.as_deref().map(|kind| kind.rsplit(':').next().unwrap_or(kind));
    one_line(
        match (&problem.detail, kind) {
            (Some(detail), Some(kind)) => format!("{detail} ({kind})"),
            (Some(detail), None) => detail.clone(),
            (None, kind) => kind.unwrap_or("no reason was given").to_owned(),
        }
        .as_str(),
    )
}

/// Whether a problem is one of those that RFC 8555 §6.7 names.
fn is_of_type(problem: &instant_acme::Problem, kind: &str) -> bool {
    let named = problem.r#type.as_deref().and_then(|named| named.strip_prefix("urn:ietf:params:acme:error:"));
    named == Some(kind)
}

/// What a server sent, without what would break a line of the log, and cut.
fn one_line(text: &str) -> String {
    const MOST: usize = 400;
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use instant_acme::Problem;

    fn problem(kind: &str, detail: Option<&str>) -> Problem {
        let kind = Some(format!("urn:ietf:params:acme:error:{kind}"));
        Problem { r#type: kind, detail: detail.map(str::to_owned), status: None, subproblems: Vec::new() }
    }

    #[test]
    fn a_problem_is_said_in_one_short_line() {
        assert_eq!(said(&problem("dns", Some("no\r\nsuch\u{1b}[31m name"))), "no  such [31m name (dns)");
        assert_eq!(said(&problem("dns", None)), "dns");
        assert!(said(&problem("dns", Some(&"x".repeat(10_000)))).len() <= 400);
    }

    #[test]
    fn limits_are_told_from_other_problems() {
        let error = |kind| IssueError::from(instant_acme::Error::Api(problem(kind, Some("why"))));
        assert!(matches!(error("rateLimited"), IssueError::Limited(why) if why == "why (rateLimited)"));
        assert!(error("accountDoesNotExist").is_problem("accountDoesNotExist"));
        assert!(!error("malformed").is_problem("accountDoesNotExist"));
        let http = |status| IssueError::from(instant_acme::Error::Other(Box::new(HttpError::Status(status))));
        assert!(matches!(http(429), IssueError::Limited(_)));
        assert!(matches!(http(503), IssueError::Server(_)));
        assert_eq!(http(503).chain(), "the ACME server cannot be used: it answered with status 503");
    }
}
