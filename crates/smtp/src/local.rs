//! Mail out of the queue for the mailboxes here: DSNs, answers, and what anybody sends on to an address that is hosted.

use crate::answer;
use crate::deliver::{self, Accepted, Failure, Mail};
use crate::ids::Ids;
use crate::recipient::{self, Question};
use crate::settings::Settings;
use crate::syntax::{EnvelopeAddress, MailParameters, RcptParameters};
use edge::Services;
use queue::{Addressee, Deliver, Job, Said, Verdict};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use store::spool::Purpose;

/// Delivers mail out of the queue to the mailboxes here, by the same scripts as mail that comes in.
pub struct Local {
    services: Arc<Services>,
    settings: Arc<Settings>,
}

impl Local {
    /// Delivers by these settings; of their limits and times none has a meaning here.
    pub fn new(services: Arc<Services>, settings: Arc<Settings>) -> Self {
        Local { services, settings }
    }

    /// Whether a hop of the queue is a domain that is hosted here, or stands for one. What cannot be found out now is: then
    /// its mail waits here. Blocks.
    pub fn is_hosted(&self, hop: &str) -> bool {
        let directory = &self.services.directory;
        let hosted = || {
            for form in std::iter::once(hop.to_owned()).chain(recipient::other_forms(hop)) {
                if directory.domain(&form)?.is_some() || directory.domain_alias(&form)?.is_some() {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        hosted().unwrap_or_else(|error: directory::DirectoryError| {
            tracing::error!(hop, error = edge::causes(&error), "a domain cannot be looked up");
            true
        })
    }
}

impl Deliver for Local {
    fn deliver(&self, job: Job) -> Pin<Box<dyn Future<Output = Vec<Verdict>> + Send + '_>> {
        let (services, settings) = (Arc::clone(&self.services), Arc::clone(&self.settings));
        Box::pin(async move { self.services.run(move || deliver_job(&services, &settings, &job)).await })
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").finish_non_exhaustive()
    }
}

fn deliver_job(services: &Services, settings: &Settings, job: &Job) -> Vec<Verdict> {
    let asked: Vec<Result<Accepted, Failure>> =
        job.recipients.iter().map(|addressee| accept(services, settings, job, addressee)).collect();
    let recipients = asked.iter().flatten().cloned().collect();
    let mail = Mail {
        from: EnvelopeAddress::parse(&job.envelope.reverse_path),
        parameters: MailParameters {
            utf8: job.envelope.smtputf8,
            require_tls: job.envelope.require_tls,
            envid: job.envelope.envelope_id.clone(),
            ..MailParameters::default()
        },
        recipients,
        head: Vec::new(),
        message: job.message.to_vec(),
        id: job.id.to_string(),
        helo: String::new(),
        client: None,
        at_s: jiff::Timestamp::now().as_second(),
        purpose: Purpose::Forward,
        account: job.envelope.account.clone(),
        submitter: None,
        findings: None,
        dmarc: None,
        unwanted: false,
        each: true,
        may_wait: false,
        ids: Some(Ids::of_queue(job.id, job.envelope.arrived_s, &job.message)),
        _memory: None,
    };
    let goes_on: Vec<bool> = mail.recipients.iter().map(|accepted| accepted.resolved.local.is_empty()).collect();
    let outcomes = if goes_on.is_empty() { Vec::new() } else { deliver::deliver(services, settings, mail) };
    let mut outcomes = outcomes.into_iter().zip(goes_on);
    let verdicts = asked.iter().map(|asked| match asked {
        Err(failure) => verdict_of(failure),
        Ok(_) => match outcomes.next() {
            Some((Ok(()), true)) => {
                let said = Said { server: None, status: (2, 0, 0), text: "an alias sends it on".to_owned() };
                Verdict::Relayed { said, tells: false }
            }
            Some((Err(failure), _)) => verdict_of(&failure),
            Some((Ok(()), _)) | None => Verdict::Delivered,
        },
    });
    verdicts.collect()
}

/// Who an addressee is.
fn accept(services: &Services, settings: &Settings, job: &Job, addressee: &Addressee) -> Result<Accepted, Failure> {
    let address =
        EnvelopeAddress::parse(&addressee.address).ok_or(Failure::Recipient(recipient::Rejection::Misconfigured))?;
    let question = Question {
        address: address.clone(),
        size_bytes: job.message.len() as u64,
        anywhere: false,
        postmaster: settings.postmaster.clone(),
        srs: settings.queue.as_ref().and_then(|queue| queue.settings().srs.clone()),
    };
    let resolved = recipient::resolve(services, &question).map_err(Failure::Recipient)?;
    if settings.queue.is_none() && !resolved.remote.is_empty() {
        return Err(Failure::Recipient(recipient::Rejection::Elsewhere));
    }
    let original = addressee.original.as_ref().and_then(|text| text.split_once(';'));
    let parameters =
        RcptParameters { notify: None, orcpt: original.map(|(kind, address)| (kind.to_owned(), address.to_owned())) };
    Ok(Accepted { address, parameters, resolved })
}

/// What a failure is to the queue.
fn verdict_of(failure: &Failure) -> Verdict {
    let reply = answer::to_failure(failure);
    let said = Said { server: None, status: reply.enhanced(), text: failure.to_string() };
    if reply.is_temporary() { Verdict::Later(said) } else { Verdict::Never(said) }
}
