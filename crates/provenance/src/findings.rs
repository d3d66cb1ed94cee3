//! What was found about a message, and what follows from it.

use std::net::IpAddr;

/// The result of a method, in the words of RFC 8601 §2.7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// There is nothing to check.
    #[default]
    None,
    /// Nothing is claimed, or nothing that could be checked.
    Neutral,
    /// It is what it says.
    Pass,
    /// It is not what it says.
    Fail,
    /// It probably is not.
    SoftFail,
    /// It would have passed, and we do not accept the way.
    Policy,
    /// It could not be checked now.
    TempError,
    /// It cannot be checked, now or later.
    PermError,
}

impl Outcome {
    /// The word as Authentication-Results has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::None => "none",
            Outcome::Neutral => "neutral",
            Outcome::Pass => "pass",
            Outcome::Fail => "fail",
            Outcome::SoftFail => "softfail",
            Outcome::Policy => "policy",
            Outcome::TempError => "temperror",
            Outcome::PermError => "permerror",
        }
    }
}

/// Everything that was found about a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// SPF of the name that the client gave itself.
    pub spf_helo: Spf,
    /// SPF of the reverse-path; of the HELO name where that is null (RFC 7208 §2.4).
    pub spf: Spf,
    /// Each DKIM signature in the order of the header, up to the limit.
    pub dkim: Vec<Dkim>,
    /// The ARC chain.
    pub arc: Chain,
    /// DMARC.
    pub dmarc: Dmarc,
    /// Whether the client's address and name agree; `None` unless asked for.
    pub iprev: Option<Iprev>,
}

/// What SPF says (RFC 7208).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spf {
    /// The result.
    pub outcome: Outcome,
    /// Which identity was checked.
    pub identity: Identity,
    /// The domain that was checked.
    pub domain: String,
    /// The address or name as it was given.
    pub sender: String,
    /// What is wrong, for people who look for the cause.
    pub problem: Option<String>,
    /// What the domain says about a failure: foreign text, printable ASCII.
    pub explanation: Option<String>,
}

/// The identities of SPF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Identity {
    /// The domain of the reverse-path.
    #[default]
    MailFrom,
    /// The name that the client gave itself.
    Helo,
}

/// What one DKIM signature says (RFC 6376).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dkim {
    /// The result.
    pub outcome: Outcome,
    /// Who signed (d=); empty if the signature cannot be read.
    pub domain: String,
    /// The key's name (s=).
    pub selector: String,
    /// The algorithm (a=).
    pub algorithm: &'static str,
    /// The beginning of the signature, which tells it from others of the same signer (RFC 6008).
    pub signature_start: String,
    /// What is wrong.
    pub problem: Option<String>,
}

/// What the ARC chain says (RFC 8617).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// `Pass`, `Fail`, `None` without a chain, or `TempError` if keys could not be had.
    pub outcome: Outcome,
    /// How many sets there are.
    pub instances: u32,
    /// Who sealed, oldest first; only of a chain that passes.
    pub sealers: Vec<String>,
    /// The oldest message signature that still holds; 0 if all do (RFC 8617 §5.2).
    pub oldest_pass: u32,
    /// The word of a sealer that the operator trusts.
    pub vouched: Option<Vouched>,
    /// What is wrong.
    pub problem: Option<String>,
    /// Whether nothing may be added to it: the last set says that it had failed (RFC 8617 §5.1).
    pub(crate) ended: bool,
}

/// A trusted sealer's word that the message passed DMARC when it came to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// Who says so.
    pub sealer: String,
    /// For which domain, where it says that.
    pub from: Option<String>,
}

/// What DMARC says (RFC 9989).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dmarc {
    /// The result.
    pub outcome: Outcome,
    /// The domain of the author.
    pub domain: String,
    /// The record that applies.
    pub record: Option<DmarcRecord>,
    /// What is to be done with this message if it fails, sampling and test mode applied. A message whose authors cannot be
    /// told is suspicious without anybody asking: it would be the way round every policy.
    pub disposition: Disposition,
    /// Whether SPF passes for a domain that is aligned with the author's.
    pub spf_aligned: bool,
    /// Whether DKIM does.
    pub dkim_aligned: bool,
    /// What is wrong.
    pub problem: Option<String>,
}

/// A published DMARC policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DmarcRecord {
    /// Where it was found.
    pub domain: String,
    /// For the domain itself.
    pub policy: Disposition,
    /// For its subdomains.
    pub subdomain_policy: Disposition,
    /// For subdomains that do not exist.
    pub absent_policy: Disposition,
    /// Whether SPF must match exactly.
    pub strict_spf: bool,
    /// Whether DKIM must match exactly.
    pub strict_dkim: bool,
    /// How many of a hundred messages the policy is for (RFC 7489 §6.3).
    pub percent: u8,
    /// Whether the owner is only testing.
    pub testing: bool,
    /// Where aggregate reports go. Addresses in other domains are to be confirmed before a report is sent.
    pub aggregate_reports: Vec<ReportAddress>,
    /// Where failure reports go.
    pub failure_reports: Vec<ReportAddress>,
}

/// Where reports go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportAddress {
    /// The address.
    pub address: String,
    /// The size beyond which a report is not wanted.
    pub max_bytes: Option<u64>,
}

/// What a domain's owner asks to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// Nothing.
    #[default]
    None,
    /// To be treated as suspicious.
    Quarantine,
    /// Not to be accepted.
    Reject,
}

impl Disposition {
    /// The word as a policy has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Disposition::None => "none",
            Disposition::Quarantine => "quarantine",
            Disposition::Reject => "reject",
        }
    }
}

/// Whether an address has a name that leads back to it (RFC 8601 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Iprev {
    /// The result.
    pub outcome: Outcome,
    /// The address.
    pub address: IpAddr,
    /// The name that leads back.
    pub name: Option<String>,
}

/// What the operator wants done about findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether what the owners of domains ask for is done.
    pub honour_dmarc: bool,
    /// Whether a message waits if DMARC cannot be decided now and its domain asks for more than nothing.
    pub defer_when_undecided: bool,
    /// Whether a failure of SPF alone is refused. Forwarders break SPF: few should.
    pub refuse_spf_failure: bool,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy { honour_dmarc: true, defer_when_undecided: true, refuse_spf_failure: false }
    }
}

/// What to do with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Take it.
    Accept,
    /// Take it, and put it where suspicious mail goes.
    Quarantine,
    /// Refuse it for good.
    Reject(Refusal),
    /// Refuse it for now.
    Later(Refusal),
}

/// A refusal as SMTP says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reply code.
    pub code: u16,
    /// The enhanced status code.
    pub enhanced: &'static str,
    /// One line of printable ASCII.
    pub text: String,
}

impl Findings {
    /// What to do with the message.
    pub fn action(&self, policy: &Policy) -> Action {
        let asked = self.dmarc.disposition;
        if policy.honour_dmarc && !self.is_vouched() {
            match (self.dmarc.outcome, asked) {
                (Outcome::Fail, Disposition::Reject) => {
                    let text = format!("the policy of {} (DMARC) refuses this message", said(&self.dmarc.domain));
                    return Action::Reject(Refusal { code: 550, enhanced: "5.7.1", text });
                }
                (Outcome::Fail | Outcome::PermError, Disposition::Quarantine) => return Action::Quarantine,
                (Outcome::TempError, Disposition::Reject | Disposition::Quarantine) if policy.defer_when_undecided => {
                    let text = format!("DMARC of {} cannot be checked now", said(&self.dmarc.domain));
                    return Action::Later(Refusal { code: 451, enhanced: "4.7.1", text });
                }
                _ => {}
            }
        }
        if policy.refuse_spf_failure && self.spf.outcome == Outcome::Fail && self.dmarc.outcome != Outcome::Pass {
            let mut text = format!("{} does not let this client send for it (SPF)", said(&self.spf.domain));
            if let Some(explanation) = &self.spf.explanation {
                text.push_str("; it says: ");
                text.push_str(&said(explanation));
            }
            return Action::Reject(Refusal { code: 550, enhanced: "5.7.23", text });
        }
        Action::Accept
    }

    /// Whether a trusted forwarder says that the message passed DMARC before it touched it.
    pub fn is_vouched(&self) -> bool {
        self.arc.vouched.as_ref().is_some_and(|vouched| {
            vouched.from.as_ref().is_none_or(|from| from.eq_ignore_ascii_case(&self.dmarc.domain))
        })
    }
}

/// Foreign words in a reply: short, and nothing but printable ASCII.
fn said(text: &str) -> String {
    text.chars().filter(|c| matches!(c, ' '..='~')).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(outcome: Outcome, disposition: Disposition) -> Findings {
        let record = DmarcRecord {
            domain: "example.test".into(),
            policy: disposition,
            subdomain_policy: disposition,
            absent_policy: disposition,
            strict_spf: false,
            strict_dkim: false,
            percent: 100,
            testing: false,
            aggregate_reports: Vec::new(),
            failure_reports: Vec::new(),
        };
        let dmarc =
            Dmarc { outcome, domain: "example.test".into(), record: Some(record), disposition, ..Dmarc::default() };
        Findings { dmarc, ..Findings::default() }
    }

    /// Every pair of what DMARC says and what its owner asks, with what is done.
    #[test]
    fn each_finding_has_its_action() {
        use Disposition::{None, Quarantine, Reject};
        let table = [
            (Outcome::Pass, Reject, "accept"),
            (Outcome::Fail, None, "accept"),
            (Outcome::Fail, Quarantine, "quarantine"),
            (Outcome::Fail, Reject, "550 5.7.1"),
            (Outcome::TempError, None, "accept"),
            (Outcome::TempError, Quarantine, "451 4.7.1"),
            (Outcome::TempError, Reject, "451 4.7.1"),
            (Outcome::None, None, "accept"),
            (Outcome::PermError, None, "accept"),
            (Outcome::PermError, Quarantine, "quarantine"),
        ];
        for (outcome, asked, expected) in table {
            let done = match findings(outcome, asked).action(&Policy::default()) {
                Action::Accept => "accept".to_owned(),
                Action::Quarantine => "quarantine".to_owned(),
                Action::Reject(refusal) | Action::Later(refusal) => format!("{} {}", refusal.code, refusal.enhanced),
            };
            assert_eq!(done, expected, "{outcome:?} {asked:?}");
        }
    }

    #[test]
    fn the_operator_may_overrule_and_a_trusted_sealer_too() {
        let mut findings = findings(Outcome::Fail, Disposition::Reject);
        assert_eq!(findings.action(&Policy { honour_dmarc: false, ..Policy::default() }), Action::Accept);
        findings.arc.vouched = Some(Vouched { sealer: "lists.test".into(), from: Some("other.test".into()) });
        assert!(matches!(findings.action(&Policy::default()), Action::Reject(_)), "vouched for another domain");
        findings.arc.vouched = Some(Vouched { sealer: "lists.test".into(), from: Some("Example.test".into()) });
        assert_eq!(findings.action(&Policy::default()), Action::Accept);
    }

    #[test]
    fn an_spf_failure_is_refused_only_where_the_operator_wants_it() {
        let spf = Spf {
            outcome: Outcome::Fail,
            domain: "example.test".into(),
            explanation: Some("go\r\n250 away".into()),
            ..Spf::default()
        };
        let findings = Findings { spf, ..Findings::default() };
        assert_eq!(findings.action(&Policy::default()), Action::Accept);
        let Action::Reject(refusal) = findings.action(&Policy { refuse_spf_failure: true, ..Policy::default() }) else {
            panic!("an SPF failure is to be refused");
        };
        assert_eq!(refusal.enhanced, "5.7.23");
        assert!(refusal.text.ends_with("it says: go250 away"), "{}", refusal.text);
    }
}
