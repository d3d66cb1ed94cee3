//! Looking at a message that came in.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use dns::Resolver;
use tokio::time::{Instant, timeout_at};

use crate::dkim::Checker;
use crate::{Dmarc, Findings, Identity, Iprev, Outcome, Spf, dmarc, iprev, spf};

/// How messages are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long all of it may take; what is not known then is a temporary error.
    pub deadline: Duration,
    /// DKIM signatures that are verified, from the top of the header.
    pub max_signatures: usize,
    /// Sets of an ARC chain that are verified (RFC 8617 §4.2.1 has at most 50).
    pub max_arc_sets: usize,
    /// Octets of a header whose signatures are verified.
    pub max_header_bytes: usize,
    /// Domains whose word about a message that they forwarded is believed: if their seals hold and they say that DMARC
    /// passed when it came to them, its failure now is not held against it.
    pub trusted_sealers: Vec<String>,
    /// Whether the client's name is looked up from its address.
    pub iprev: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            deadline: Duration::from_secs(20),
            max_signatures: 10,
            max_arc_sets: 50,
            max_header_bytes: 256 * 1024,
            trusted_sealers: Vec::new(),
            iprev: false,
        }
    }
}

/// A message, and how it came.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The address of the client.
    pub client: IpAddr,
    /// The name that the client gave itself.
    pub helo: &'a str,
    /// The reverse-path without its angle brackets; empty if it is null.
    pub reverse_path: &'a str,
    /// Our own name, which SPF macros may ask for.
    pub hostname: &'a str,
    /// The message in CRLF form.
    pub message: &'a [u8],
}

/// Finds out whether mail is what it says it is. One for the whole server.
pub struct Verifier {
    resolver: Resolver,
    options: Options,
    checker: Checker,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Verifier {
    /// A verifier that asks `resolver`.
    pub fn new(resolver: Resolver, options: Options) -> Verifier {
        Verifier { resolver, options, checker: Checker::new() }
    }

    /// Finds what there is to find, within the deadline. Nothing is an error: what could not be found out is among the
    /// findings.
    ///
    /// # Cancel safety
    /// It may be dropped at any time.
    pub async fn verify(&self, asked: &Asked<'_>) -> Findings {
        let until = Instant::now() + self.options.deadline;
        // DMARC rests on the others, so it is left a part of the time for itself.
        let first = Instant::now() + self.options.deadline.mul_f32(0.7);
        let (spf_helo, spf_from, checked, iprev) = tokio::join!(
            timeout_at(first, spf::check_helo(&self.resolver, asked)),
            timeout_at(first, spf::check_mail_from(&self.resolver, asked)),
            self.checker.check(&self.resolver, asked.message, &self.options, first),
            async {
                match self.options.iprev {
                    true => timeout_at(first, iprev::check(&self.resolver, asked.client)).await.ok().or(Some(Iprev {
                        outcome: Outcome::TempError,
                        address: asked.client,
                        name: None,
                    })),
                    false => None,
                }
            }
        );
        let spf_helo = spf_helo.unwrap_or_else(|_| late_spf(Identity::Helo, asked.helo));
        let spf = match spf_from {
            Ok(Some(spf)) => spf,
            // A null reverse-path: the identity is postmaster at the HELO name (RFC 7208 §2.4).
            Ok(None) => spf_helo.clone(),
            Err(_) => late_spf(Identity::MailFrom, asked.reverse_path),
        };
        let mut findings =
            Findings { spf_helo, spf, dkim: checked.dkim, arc: checked.arc, dmarc: Dmarc::default(), iprev };
        let late =
            || Dmarc { outcome: Outcome::TempError, problem: Some("DNS took too long".to_owned()), ..Dmarc::default() };
        let dmarc = timeout_at(until, dmarc::check(&self.resolver, asked.message, &findings)).await;
        findings.dmarc = dmarc.unwrap_or_else(|_| late());
        findings
    }
}

fn late_spf(identity: Identity, sender: &str) -> Spf {
    Spf {
        outcome: Outcome::TempError,
        identity,
        domain: sender.rsplit_once('@').map_or(sender, |(_, domain)| domain).to_owned(),
        sender: sender.to_owned(),
        problem: Some("DNS took too long".to_owned()),
        explanation: None,
    }
}
