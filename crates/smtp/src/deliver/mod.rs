//! What becomes of a message: the mailboxes here that it goes into, and what goes to the queue.
//!
//! First all of it is planned (`plan`): who gets it, and what their scripts want done. Then it is carried out (`act`): what
//! goes elsewhere is put into the queue, then each cell of the store gets its copies by one
//! [`Cell::deliver`](store::Cell::deliver), all of them or none, durable when it returns, and on one sync with what other
//! sessions deliver meanwhile. What becomes of a message when one of these fails:
//!
//! * LMTP answers for each recipient by itself (RFC 2033 §4.2): those whom the failure touches are told to come later.
//! * SMTP has one answer. What would fail for good is found out before anything is written, and then nobody gets the
//!   message. Where something fails behind another that did not, the answer is "later".
//!
//! Either way the message comes again, and what was done is not done twice (`ids`).
//!
//! Each account's copy has a Delivered-To field of its own, so that a circle is seen and an orphan can be attributed
//! (`RULES.md 9.3`); what is sent on has one of each who sent it on.

mod act;
mod notice;
mod plan;

pub(crate) use notice::{TooMuch, tell_of_rate};

use crate::checks::Policy;
use crate::ids::Ids;
use crate::inspect::{self, Refusal};
use crate::recipient::{Rejection, Resolved};
use crate::settings::Settings;
use crate::submit;
use crate::syntax::{EnvelopeAddress, MailParameters, RcptParameters};
use crate::trace::Trace;
use directory::Account;
use edge::{Reference, Reservation, Services};
use provenance::Findings;
use std::error::Error;
use std::net::IpAddr;
use store::StoreError;
use store::spool::{DmarcOutcome, Purpose};

/// A message that is to be delivered, and for whom.
#[derive(Debug)]
pub(crate) struct Mail {
    /// Who sent it; `None`: nobody who wants an answer.
    pub(crate) from: Option<EnvelopeAddress>,
    /// What MAIL said besides.
    pub(crate) parameters: MailParameters,
    /// Who gets it.
    pub(crate) recipients: Vec<Accepted>,
    /// What stands above it, in CRLF form.
    pub(crate) head: Vec<u8>,
    /// Its bytes in CRLF form.
    pub(crate) message: Vec<u8>,
    /// How it is called in the log.
    pub(crate) id: String,
    /// What the client called itself.
    pub(crate) helo: String,
    /// Where it came from; `None`: out of the queue.
    pub(crate) client: Option<IpAddr>,
    /// When, in seconds since 1970 UTC.
    pub(crate) at_s: i64,
    /// What it is on its way for, as far as it goes elsewhere because its recipients do.
    pub(crate) purpose: Purpose,
    /// The address of the account that it comes from.
    pub(crate) account: Option<String>,
    /// Who signed in to send it.
    pub(crate) submitter: Option<Box<Account>>,
    /// What was found of where it comes from.
    pub(crate) findings: Option<Box<Findings>>,
    /// What is counted of it for its domain.
    pub(crate) dmarc: Option<Box<DmarcOutcome>>,
    /// Whether it is taken for unwanted.
    pub(crate) unwanted: bool,
    /// Whether each recipient is answered by itself.
    pub(crate) each: bool,
    /// Whether it may be put into the queue for recipients here: what came out of it may not.
    pub(crate) may_wait: bool,
    /// What its deliveries are known by; found out here for what a client brings.
    pub(crate) ids: Option<Ids>,
    /// The memory that it takes.
    pub(crate) _memory: Option<Reservation>,
}

/// A recipient who was accepted.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    /// As RCPT named it.
    pub(crate) address: EnvelopeAddress,
    /// What RCPT said besides.
    pub(crate) parameters: RcptParameters,
    /// Who that is.
    pub(crate) resolved: Resolved,
}

/// Why a recipient did not get a message. The text may be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// Nobody gets such a message.
    #[error("{0}")]
    Refused(Refusal),
    /// The account had it before.
    #[error("the message goes in circles: it was delivered to that address before")]
    Loop,
    /// The recipient does not want it, and says why.
    #[error("{0}")]
    Rejected(String),
    /// Its author is somebody whom the sender is not.
    #[error("the message's author (From) is not you")]
    Author,
    /// What was found about it speaks against it.
    #[error("{}", .0.text)]
    Policy(Policy),
    /// The recipient cannot get it any more.
    #[error("{0}")]
    Recipient(Rejection),
    /// The disk is full.
    #[error("there is no room for the message now")]
    DiskFull,
    /// Store or directory failed; the operator finds it under the reference.
    #[error("the message could not be delivered (reference {reference})")]
    Failed {
        /// Stands in the log too.
        reference: Reference,
    },
}

impl Failure {
    /// Something failed here.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let reference = Reference::unique();
        tracing::error!(%reference, error = edge::causes(error), "a message could not be delivered");
        Failure::Failed { reference }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if error.is_disk_full() {
            tracing::error!(error = edge::causes(&error), "a message could not be delivered");
            return Failure::DiskFull;
        }
        Failure::of(&error)
    }
}

impl From<directory::DirectoryError> for Failure {
    fn from(error: directory::DirectoryError) -> Self {
        Failure::of(&error)
    }
}

impl Mail {
    /// The Received field and what else comes first, for a message that came in.
    pub(crate) fn received(trace: &Trace, recipients: &[Accepted]) -> Vec<u8> {
        let only = match recipients {
            [only] => Some(&only.address),
            _ => None,
        };
        trace.received(only).into_bytes()
    }

    /// The reverse-path without its angle brackets; empty for a null one.
    pub(crate) fn reverse_path(&self) -> String {
        self.from.as_ref().map(ToString::to_string).unwrap_or_default()
    }
}

/// Delivers a message; what became of it for each recipient. Blocks.
pub(crate) fn deliver(services: &Services, settings: &Settings, mut mail: Mail) -> Vec<Result<(), Failure>> {
    if let Err(failure) = prepare(services, settings, &mut mail) {
        return refuse(settings, mail, &failure);
    }
    count(settings, &mut mail);
    let mail = &mail;
    let mut plan = plan::plan(services, settings, mail);
    for (id, address) in &plan.too_much {
        tell_of_rate(services, settings, *id, address, TooMuch::SentOn);
    }
    if mail.each || plan.outcomes.iter().all(Result::is_ok) {
        act::act(services, settings, mail, &mut plan);
    }
    log(mail, &plan.outcomes);
    plan.outcomes
}

/// Delivers a message to nobody.
pub(crate) fn refuse(settings: &Settings, mut mail: Mail, failure: &Failure) -> Vec<Result<(), Failure>> {
    count(settings, &mut mail);
    let outcomes = vec![Err(failure.clone()); mail.recipients.len()];
    log(&mail, &outcomes);
    outcomes
}

/// Counts a message for its domain.
fn count(settings: &Settings, mail: &mut Mail) {
    if let (Some(outcome), Some(provenance), Some(queue)) = (mail.dmarc.take(), &settings.provenance, &settings.queue) {
        provenance.count(queue, *outcome);
    }
}

/// Looks at a message before it is anybody's, and completes one that is submitted.
fn prepare(services: &Services, settings: &Settings, mail: &mut Mail) -> Result<(), Failure> {
    inspect::inspect(&mail.message, &settings.structure).map_err(Failure::Refused)?;
    if mail.client.is_some() {
        // Before it is completed: what is added says the time.
        mail.ids = Ids::of_message(mail.from.as_ref(), &mail.message);
    }
    match mail.submitter.take() {
        Some(account) => submit::complete(services, settings, &account, mail),
        None => Ok(()),
    }
}

/// Says what became of a message, for those who look for it.
fn log(mail: &Mail, outcomes: &[Result<(), Failure>]) {
    let delivered = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let failed = outcomes.len() - delivered;
    let count = |outcome, count: usize| {
        metrics::counter!("reintegra_deliveries_total", "outcome" => outcome).increment(count as u64);
    };
    count("delivered", delivered);
    count("failed", failed);
    let Mail { id, client, unwanted, .. } = mail;
    let (from, size_bytes) = (mail.from.as_ref().map(tracing::field::display), mail.message.len());
    let client = client.as_ref().map(tracing::field::display);
    tracing::info!(id, client, from, size_bytes, unwanted, delivered, failed, "a message came in");
    for (recipient, outcome) in mail.recipients.iter().zip(outcomes) {
        let accounts =
            recipient.resolved.local.iter().map(|local| local.account.as_str()).collect::<Vec<_>>().join(" ");
        let failure = outcome.as_ref().err().map(|failure| match failure {
            // What a script says is its owner's word to the sender, and nobody else's to read.
            Failure::Rejected(_) => "the recipient does not want it".to_owned(),
            failure => failure.to_string(),
        });
        tracing::debug!(id, to = %recipient.address, accounts, failure, "a recipient of a message");
    }
}
