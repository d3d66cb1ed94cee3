//! Whether mail is what it says it is, and the counts of it that domains ask for.

use crate::deliver::Mail;
use provenance::{Action, DmarcRecord, Findings, Outcome, Policy, Verifier};
use queue::Queue;
use std::fmt;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use store::spool::{Disposition, DkimSeen, DmarcOutcome, SpfSeen};

/// Outcomes that wait to be written together. Those of a process that is killed are lost: they are statistics.
const BATCH: usize = 50;
const DAY_S: i64 = 86_400;

/// Finds out whether mail is what it says it is, and what is done about it. One for all services.
pub struct Provenance {
    pub(super) verifier: Verifier,
    pub(super) policy: Policy,
    counted: Mutex<Vec<DmarcOutcome>>,
}

impl Provenance {
    /// Asks `verifier`, and does about it what `policy` says.
    pub fn new(verifier: Verifier, policy: Policy) -> Self {
        Provenance { verifier, policy, counted: Mutex::default() }
    }

    /// Writes the outcomes that wait into the spool of a queue. Blocks.
    pub fn flush(&self, queue: &Queue) {
        write(queue, mem::take(&mut *self.lock()));
    }

    /// Counts what became of a message. Blocks now and then.
    pub(crate) fn count(&self, queue: &Queue, outcome: DmarcOutcome) {
        let full = {
            let mut counted = self.lock();
            counted.push(outcome);
            if counted.len() >= BATCH { mem::take(&mut *counted) } else { Vec::new() }
        };
        write(queue, full);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<DmarcOutcome>> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provenance")
            .field("verifier", &self.verifier)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

fn write(queue: &Queue, outcomes: Vec<DmarcOutcome>) {
    if outcomes.is_empty() {
        return;
    }
    let day = jiff::Timestamp::now().as_second().div_euclid(DAY_S);
    if let Err(error) = queue.spool().record_dmarc(day, outcomes) {
        tracing::warn!(error = edge::causes(&error), "what became of DMARC cannot be counted");
    }
}

/// What became of a message, where its domain has a policy.
pub(super) fn outcome(mail: &Mail, findings: &Findings, action: &Action) -> Option<DmarcOutcome> {
    let dmarc = &findings.dmarc;
    let record = dmarc.record.as_ref()?;
    // What is asked for again is counted when it is decided.
    let disposition = match action {
        Action::Accept => Disposition::None,
        Action::Quarantine => Disposition::Quarantine,
        Action::Reject(_) => Disposition::Reject,
        Action::Later(_) => return None,
    };
    let failed = dmarc.outcome == Outcome::Fail;
    let asked = dmarc.disposition != provenance::Disposition::None;
    let reason = (failed && asked && disposition == Disposition::None)
        .then(|| if findings.is_vouched() { "trusted_forwarder" } else { "local_policy" });
    let dkim = findings.dkim.iter().map(|dkim| DkimSeen {
        domain: dkim.domain.clone(),
        selector: dkim.selector.clone(),
        result: dkim.outcome.as_str().to_owned(),
    });
    let spf = &findings.spf;
    Some(DmarcOutcome {
        domain: record.domain.clone(),
        policy: written(record),
        source_ip: mail.client?,
        disposition,
        reason: reason.map(str::to_owned),
        dkim_aligned: dmarc.dkim_aligned,
        spf_aligned: dmarc.spf_aligned,
        header_from: dmarc.domain.clone(),
        envelope_from: mail.from.as_ref().map(|from| from.domain().to_owned()).unwrap_or_default(),
        envelope_to: mail.recipients.first().map(|first| first.address.domain().to_owned()),
        dkim: dkim.collect(),
        spf: Some(SpfSeen { domain: spf.domain.clone(), result: spf.outcome.as_str().to_owned() }),
        count: 1,
    })
}

/// A policy as a report tells it.
fn written(record: &DmarcRecord) -> String {
    let alignment = |strict| if strict { "s" } else { "r" };
    let mut text = format!(
        "v=DMARC1; p={}; sp={}; np={}; adkim={}; aspf={}",
        record.policy.as_str(),
        record.subdomain_policy.as_str(),
        record.absent_policy.as_str(),
        alignment(record.strict_dkim),
        alignment(record.strict_spf),
    );
    if record.percent < 100 {
        text.push_str(&format!("; pct={}", record.percent));
    }
    if record.testing {
        text.push_str("; t=y");
    }
    let rua: Vec<String> = record.aggregate_reports.iter().map(|report| format!("mailto:{}", report.address)).collect();
    if !rua.is_empty() {
        text.push_str(&format!("; rua={}", rua.join(",")));
    }
    text
}
