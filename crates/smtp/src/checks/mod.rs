//! What is found out about a message that anybody may have sent, before it is anybody's: whether it is what it says it is
//! (SPF, DKIM, DMARC, ARC), and whether it is wanted (rspamd).
//!
//! Both are asked at once, and both within a time of their own. What they say stands in the message's header; what others
//! wrote there in our name, or in that of a filter, is taken out.

mod dmarc;
mod rspamd;

pub use dmarc::Provenance;
pub use rspamd::{OnFailure, Rspamd};

use crate::deliver::{Failure, Mail};
use crate::settings::{Role, Settings};
use edge::Services;
use hyper::body::Bytes;
use message::header;
use provenance::{Action, Asked, Refusal};
use rspamd::Word;
use std::borrow::Cow;
use std::mem;

/// A refusal that is decided here, as SMTP says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// The reply code.
    pub(crate) code: u16,
    /// RFC 3463.
    pub(crate) enhanced: (u8, u16, u16),
    /// What the sender is told.
    pub(crate) text: String,
}

/// Looks at a message. It comes back with what was found in its header.
///
/// # Cancel safety
/// Dropped, nothing was done.
pub(crate) async fn check(services: &Services, settings: &Settings, mail: Mail) -> (Mail, Result<(), Failure>) {
    let mut mail = mail;
    let host = &services.policy.hostname;
    let Some(client) = mail.client.filter(|_| settings.role == Role::Mx) else {
        // What another server of ours hands over by LMTP may say what it found, in the name that it shares with us.
        if settings.role == Role::Submission {
            take_out_forged(&mut mail, host);
        }
        return (mail, Ok(()));
    };
    let message = Bytes::from(mem::take(&mut mail.message));
    let reverse_path = mail.reverse_path();
    let asked = Asked { client, helo: &mail.helo, reverse_path: &reverse_path, hostname: host, message: &message };
    let (findings, word) = tokio::join!(
        async {
            match &settings.provenance {
                Some(provenance) => Some(provenance.verifier.verify(&asked).await),
                None => None,
            }
        },
        async {
            match &settings.rspamd {
                Some(rspamd) => Some(rspamd.ask(&mail, client, message.clone()).await),
                None => None,
            }
        }
    );
    mail.message = Vec::from(message);
    // Whether anything was found out or not (RFC 8601 §5).
    take_out_forged(&mut mail, host);
    let mut verdict = Ok(());
    if let Some(word) = word {
        take_out(&mut mail, rspamd::is_mark);
        mail.unwanted |= word.is_unwanted();
        mail.head.extend_from_slice(word.fields().as_bytes());
        if let Word::Refused(policy) = word {
            verdict = Err(Failure::Policy(policy));
        }
    }
    if let (Some(findings), Some(provenance)) = (findings, &settings.provenance) {
        mail.head.extend_from_slice(findings.authentication_results(host).as_bytes());
        let action = findings.action(&provenance.policy);
        mail.dmarc = dmarc::outcome(&mail, &findings, &action).map(Box::new);
        match action {
            Action::Accept => {}
            Action::Quarantine => mail.unwanted = true,
            Action::Reject(refusal) => verdict = Err(Failure::Policy(policy_of(refusal))),
            // What is refused for good by one is not asked for again because of the other.
            Action::Later(refusal) if verdict.is_ok() => verdict = Err(Failure::Policy(policy_of(refusal))),
            Action::Later(_) => {}
        }
        mail.findings = Some(Box::new(findings));
    }
    (mail, verdict)
}

fn take_out(mail: &mut Mail, is_gone: impl Fn(&[u8]) -> bool) {
    if let Cow::Owned(rest) = header::without(&mail.message, is_gone) {
        mail.message = rest;
    }
}

/// Takes out what others wrote in our name.
fn take_out_forged(mail: &mut Mail, host: &str) {
    if let Cow::Owned(rest) = provenance::remove_forged(&mail.message, host) {
        mail.message = rest;
    }
}

fn policy_of(refusal: Refusal) -> Policy {
    let mut numbers = refusal.enhanced.split('.').map(str::parse);
    let mut next = || numbers.next().and_then(Result::ok).unwrap_or(0);
    let enhanced = (
        u8::try_from(refusal.code / 100).unwrap_or(5),
        {
            next();
            next()
        },
        next(),
    );
    Policy { code: refusal.code, enhanced, text: refusal.text }
}
