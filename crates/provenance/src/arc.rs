//! Sealing what is forwarded (RFC 8617 §5.1).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use message::header::{self, Field};
use thiserror::Error;

use crate::sign::{Folded, body, signed_fields};
use crate::{Findings, Outcome, SignError, Signer, canonical, results};

/// Sets that a chain may have (RFC 8617 §4.2.1).
const MAX_INSTANCES: u32 = 50;
/// What the message signature of a set covers, and no more than occurs: the next hop may add to it. ARC fields and
/// Authentication-Results must not be among them (RFC 8617 §4.1.2).
const SIGNED: [&str; 14] = [
    "From",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "DKIM-Signature",
    "List-ID",
];

/// Why a message is not sealed. It may be sent all the same.
#[derive(Debug, Error)]
pub enum SealError {
    /// A chain that was found broken before is not continued (RFC 8617 §5.1).
    #[error("the ARC chain had ended")]
    Ended,
    /// The chain has as many sets as may be.
    #[error("the ARC chain is full")]
    Full,
    /// The keys of those who sealed before could not be had, so whether the chain holds is not known.
    #[error("whether the ARC chain holds cannot be told now")]
    Undecided,
    /// The message cannot be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl Signer {
    /// The three fields of an ARC set for a message in CRLF form, to be put before it.
    ///
    /// The findings are those of this very message, as it came in, and what is sealed is the message as it goes out: it may
    /// have been changed in between, and that is what ARC is for. `now_s` is in seconds since 1970 UTC. Use an RSA key: few
    /// verify anything else in ARC.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal(&self, crlf: &[u8], findings: &Findings, authserv_id: &str, now_s: i64) -> Result<String, SealError> {
        self.check()?;
        let chain = &findings.arc;
        let validation = match chain.outcome {
            _ if chain.ended => return Err(SealError::Ended),
            Outcome::None => "none",
            Outcome::Pass => "pass",
            Outcome::TempError => return Err(SealError::Undecided),
            _ => "fail",
        };
        let instance = chain.instances + 1;
        if instance > MAX_INSTANCES {
            return Err(SealError::Full);
        }
        let algorithm = self.key.algorithm().as_str();

        let told = findings.write_results("ARC-Authentication-Results", Some(instance), authserv_id);
        let fields = signed_fields(crlf, &[], &SIGNED)?;
        let start = format!("i={instance}; a={algorithm};");
        let signature = self.sign_fields(
            "ARC-Message-Signature",
            &start,
            &fields,
            &canonical::body_digest(canonical::Body::Relaxed, body(crlf)),
            now_s,
        )?;

        let mut seal = Folded::new("ARC-Seal");
        for word in [
            format!("i={instance};"),
            format!("a={algorithm};"),
            format!("d={};", self.domain),
            format!("s={};", self.selector),
            format!("t={};", now_s.max(0)),
            format!("cv={validation};"),
            "b=".to_owned(),
        ] {
            seal.word(&word);
        }
        let mut covered = Vec::new();
        // A chain that fails is not vouched for: the seal covers its own set alone (RFC 8617 §5.1.2).
        if validation == "pass" {
            for set in sets(crlf, chain.instances) {
                for field in set {
                    canonical::field(field.name(), field.raw_value(), &mut covered);
                    covered.extend_from_slice(b"\r\n");
                }
            }
        }
        for field in [&told, &signature] {
            let (name, value) = field.split_once(':').unwrap_or_default();
            canonical::field(name.as_bytes(), value.as_bytes(), &mut covered);
            covered.extend_from_slice(b"\r\n");
        }
        canonical::field(b"ARC-Seal", seal.value().as_bytes(), &mut covered);
        seal.chunks(&STANDARD.encode(self.key.sign(&covered).map_err(SignError::from)?));
        Ok(format!("{}{signature}{told}", seal.finish()))
    }
}

/// The fields of each set, oldest first, in the order in which seals cover them (RFC 8617 §5.1.1). The chain passes, so each
/// set is whole.
fn sets(crlf: &[u8], instances: u32) -> Vec<Vec<Field<'_>>> {
    const NAMES: [&str; 3] = ["ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal"];
    let mut sets = vec![Vec::new(); instances as usize];
    for name in NAMES {
        for field in header::fields(crlf).filter(|field| field.is(name)) {
            let number = results::instance(&field.value());
            if let Some(set) = number.checked_sub(1).and_then(|at| sets.get_mut(at as usize)) {
                set.push(field);
            }
        }
    }
    sets
}
