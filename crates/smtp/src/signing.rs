//! The keys that domains sign with, and signing with them (DKIM, RFC 6376; ARC, RFC 8617).

use directory::Directory;
use provenance::{Findings, Signer, SigningKey};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long keys are used before the directory is asked again: a key that was made or retired counts after it.
const KNOWN_FOR: Duration = Duration::from_secs(60);
/// Domains whose keys are kept. An RSA key takes some kilobytes.
const KEPT: usize = 10_000;

/// The keys of domains, over all services of one directory.
#[derive(Default)]
pub struct Keys(Mutex<Known>);

/// The signers of domains, and when the directory was asked for them.
type Known = HashMap<String, (Instant, Arc<Vec<Signer>>)>;

impl Keys {
    /// The DKIM-Signature fields for a message that a domain sends; none where it has no keys. Blocks.
    pub(crate) fn sign(&self, directory: &Directory, domain: &str, crlf: &[u8], now_s: i64) -> String {
        let signers = self.of(directory, domain);
        if signers.is_empty() {
            return String::new();
        }
        provenance::sign(&signers, crlf, now_s).unwrap_or_else(|error| {
            tracing::warn!(domain, error = edge::causes(&error), "a message is not signed");
            String::new()
        })
    }

    /// The ARC set for a message that a domain sends on, as what was found of it when it came; none where the domain has no
    /// keys, or the chain may not go on. Blocks.
    pub(crate) fn seal(
        &self,
        directory: &Directory,
        domain: &str,
        crlf: &[u8],
        findings: &Findings,
        host: &str,
        now_s: i64,
    ) -> String {
        let signers = self.of(directory, domain);
        // RSA comes first: few verify anything else in ARC.
        let Some(signer) = signers.first() else { return String::new() };
        signer.seal(crlf, findings, host, now_s).unwrap_or_else(|error| {
            tracing::info!(domain, error = edge::causes(&error), "a message that is sent on is not sealed");
            String::new()
        })
    }

    fn of(&self, directory: &Directory, domain: &str) -> Arc<Vec<Signer>> {
        let now = Instant::now();
        if let Some((at, signers)) = self.lock().get(domain)
            && now.duration_since(*at) < KNOWN_FOR
        {
            return Arc::clone(signers);
        }
        let signers = Arc::new(read(directory, domain));
        let mut kept = self.lock();
        if kept.len() >= KEPT {
            kept.retain(|_, (at, _)| now.duration_since(*at) < KNOWN_FOR);
        }
        if kept.len() < KEPT {
            kept.insert(domain.to_owned(), (now, Arc::clone(&signers)));
        }
        signers
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.lock().len())
    }
}

/// The signers of a domain. A key that cannot be used is passed over: mail goes out without its signature.
fn read(directory: &Directory, domain: &str) -> Vec<Signer> {
    let keys = directory.dkim_signing_keys(domain).unwrap_or_else(|error| {
        tracing::error!(domain, error = edge::causes(&error), "a domain's keys cannot be read: its mail is not signed");
        Vec::new()
    });
    if keys.is_empty() {
        return Vec::new();
    }
    let Ok(ascii) = dns::ascii(domain) else { return Vec::new() };
    let signers =
        keys.into_iter().filter_map(|key| match SigningKey::from_pkcs8(key.private_key.expose().as_bytes()) {
            Ok(read) => {
                Some(Signer { domain: ascii.clone(), selector: key.selector, key: read, expires_after_s: None })
            }
            Err(error) => {
                tracing::error!(domain, selector = key.selector, %error, "a domain's key cannot be used");
                None
            }
        });
    signers.collect()
}
