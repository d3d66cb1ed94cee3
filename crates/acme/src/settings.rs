//! What is wanted, and whether it can be had.

use crate::error::SetupError;
use edge::tls::client::Roots;
use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

/// Names that one certificate may have: what the largest authority allows.
const MOST_NAMES: usize = 100;
/// Octets of a name: it names files too, whose names have at most 255 octets with what is added.
const MOST_OCTETS: usize = 240;

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The directory of the ACME server, an `https` address.
    pub directory: String,
    /// Whom the server writes to: a mail address.
    pub contact: Option<String>,
    /// The names of each certificate; its first also names it.
    pub certificates: Vec<Vec<String>>,
    /// Where account, certificates and keys are kept; made where it is not there.
    pub kept_in: PathBuf,
    /// Who is believed to sign the server's own certificate.
    pub roots: Roots,
    /// How names can be shown to be ours; the first is tried first, and after a failure the next.
    pub challenges: Vec<Kind>,
    /// How fast all of it goes.
    pub pace: Pace,
}

/// How a name is shown to be ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// By a file over HTTP at port 80 (RFC 8555 §8.3).
    Http01,
    /// By a certificate at port 443 (RFC 8737).
    TlsAlpn01,
}

/// How fast all of it goes. The default is what an authority's limits allow for (Let's Encrypt: five failures for a name and
/// hour, five certificates for the same names and week).
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// After how long a failed attempt is repeated; twice as long after each further one. No certificate is ordered again
    /// sooner, whatever else says so.
    pub first_retry: Duration,
    /// After how long it is repeated at most.
    pub longest_retry: Duration,
    /// After how long it is repeated at least when the server says that there were too many.
    pub limited: Duration,
    /// How long one request may take.
    pub request: Duration,
    /// How long the server may take to look at the challenges of one order, and to issue.
    pub validation: Duration,
    /// For how long the server's word on when to renew is good, at least.
    pub renewal_info: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            first_retry: Duration::from_secs(15 * 60),
            longest_retry: Duration::from_secs(8 * 3600),
            limited: Duration::from_secs(3 * 3600),
            request: Duration::from_secs(30),
            validation: Duration::from_secs(180),
            renewal_info: Duration::from_secs(6 * 3600),
        }
    }
}

impl Settings {
    /// Finds out whether what is wanted can be had, and writes names in lower case without a final dot.
    pub(crate) fn checked(mut self) -> Result<Self, SetupError> {
        if !self.directory.parse::<hyper::Uri>().is_ok_and(|url| url.scheme_str() == Some("https")) {
            return Err(SetupError::Directory { url: self.directory });
        }
        if self.challenges.is_empty() {
            return Err(SetupError::NoChallenge);
        }
        let mut seen = HashSet::new();
        for names in &mut self.certificates {
            if !(1..=MOST_NAMES).contains(&names.len()) {
                return Err(SetupError::Count { count: names.len(), most: MOST_NAMES });
            }
            for name in names {
                *name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
                if !is_host(name) {
                    return Err(SetupError::Name { name: name.clone() });
                }
                if !seen.insert(name.clone()) {
                    return Err(SetupError::Twice { name: name.clone() });
                }
            }
        }
        Ok(self)
    }
}

/// Whether a name is a host's: labels of letters, digits and hyphens, and no address.
fn is_host(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let last = name.rsplit('.').next().unwrap_or(name);
    name.len() <= MOST_OCTETS && name.split('.').all(is_label) && !last.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn settings(certificates: &[&[&str]]) -> Settings {
        let owned = |names: &&[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Settings {
            directory: "https://ca.example.net/directory".to_owned(),
            contact: None,
            certificates: certificates.iter().map(owned).collect(),
            kept_in: PathBuf::new(),
            roots: Roots::bundled(),
            challenges: vec![Kind::Http01],
            pace: Pace::default(),
        }
    }

    #[test]
    fn names_are_brought_into_one_form() {
        let checked = settings(&[&["Mail.Example.ORG.", "xn--bcher-kva.example"], &["a.example"]]).checked().unwrap();
        assert_eq!(checked.certificates[0], ["mail.example.org", "xn--bcher-kva.example"]);
    }

    #[test]
    fn what_no_certificate_can_be_had_for_is_refused() {
        let long = format!("{}.example", "a.".repeat(130));
        for name in
            ["", "*.example.org", "192.0.2.1", "a..b", "-a.example", "a_b.example", "bücher.example", "../x", &long]
        {
            let error = settings(&[&["mail.example.org", name]]).checked().unwrap_err();
            assert!(matches!(error, SetupError::Name { .. }), "{name}: {error}");
        }
        let twice = settings(&[&["a.example"], &["b.example", "A.example."]]).checked();
        assert!(matches!(twice, Err(SetupError::Twice { name }) if name == "a.example"));
        assert!(matches!(settings(&[&[]]).checked(), Err(SetupError::Count { count: 0, .. })));
        let directory = |url: &str| Settings { directory: url.to_owned(), ..settings(&[&["a.example"]]) }.checked();
        for url in ["http://ca.example.net/", "ca.example.net", "", "https://"] {
            assert!(matches!(directory(url), Err(SetupError::Directory { .. })), "{url}");
        }
        let none = Settings { challenges: Vec::new(), ..settings(&[&["a.example"]]) };
        assert!(matches!(none.checked(), Err(SetupError::NoChallenge)));
    }
}
