//! DMARC (RFC 9989): the author's domain, its policy, and whether SPF or DKIM stand behind it.

use std::collections::HashMap;

use dns::Resolver;
use message::header;
use ring::digest::{SHA256, digest};
use tokio::task::JoinSet;

use crate::{Disposition, Dmarc, DmarcRecord, Findings, Identity, Outcome, ReportAddress};

/// Labels from which the walk up the tree goes straight to seven (RFC 9989 §4.10).
const WALK_FROM: usize = 8;
/// Author domains that are looked at. RFC 5322 §3.6.2 lets a message have several authors; honest ones have one domain.
const MAX_AUTHORS: usize = 4;
/// Report addresses of one record that are kept.
const MAX_REPORTS: usize = 10;

/// Finds the policy of each author's domain, and whether the message passes it. Of several the worst counts.
pub(crate) async fn check(resolver: &Resolver, crlf: &[u8], findings: &Findings) -> Dmarc {
    let authors = match authors(crlf) {
        Ok(authors) => authors,
        Err(problem) => {
            return Dmarc {
                outcome: Outcome::PermError,
                disposition: Disposition::Quarantine,
                problem: Some(problem.to_owned()),
                ..Dmarc::default()
            };
        }
    };
    let mut worst: Option<Dmarc> = None;
    for author in authors {
        let mut walks = Walks { resolver, known: HashMap::new() };
        let found = check_author(&mut walks, author, crlf, findings).await;
        if worst.as_ref().is_none_or(|worst| severity(&found) > severity(worst)) {
            worst = Some(found);
        }
    }
    worst.unwrap_or_default()
}

/// How much a result asks for: what is refused before what is suspicious, a failure before what passes.
fn severity(dmarc: &Dmarc) -> (Disposition, u8) {
    let failed = match dmarc.outcome {
        Outcome::Fail => 3,
        Outcome::TempError | Outcome::PermError => 2,
        Outcome::None => 1,
        _ => 0,
    };
    (dmarc.disposition, failed)
}

/// The domains of the authors: of all From fields, since readers differ about which one they show.
fn authors(crlf: &[u8]) -> Result<Vec<String>, &'static str> {
    if header::find(crlf, "From").is_none() {
        return Err("there is no From field");
    }
    let mut domains = Vec::new();
    for address in message::envelope::parse(crlf).from {
        // Groups have no host where they begin, and nothing where they end.
        let Some(host) = address.host else { continue };
        let domain = dns::ascii(&String::from_utf8_lossy(&host)).map_err(|_| "From has an address without a domain")?;
        if !domains.contains(&domain) {
            domains.push(domain);
        }
    }
    match domains.len() {
        0 => Err("From has no address"),
        n if n > MAX_AUTHORS => Err("From has too many domains"),
        _ => Ok(domains),
    }
}

async fn check_author(walks: &mut Walks<'_>, author: String, crlf: &[u8], findings: &Findings) -> Dmarc {
    let mut dmarc = Dmarc { domain: author.clone(), ..Dmarc::default() };
    let undecided = |mut dmarc: Dmarc, problem: &str| {
        dmarc.outcome = Outcome::TempError;
        dmarc.problem = Some(problem.to_owned());
        dmarc
    };
    let Ok(walk) = walks.walk(&author).await else { return undecided(dmarc, "the policy cannot be had now") };
    let organisation = organisational_domain(&walk, &author);
    let own = walk.iter().find(|found| found.domain == author);
    let Some(found) = own.or_else(|| walk.iter().find(|found| found.domain == organisation)).or(walk.last()) else {
        return dmarc;
    };
    let Some(record) = found.published() else { return dmarc };

    let asked = if own.is_some() {
        record.policy
    } else if record.absent_policy != record.subdomain_policy
        && matches!(walks.resolver.ipv4(&author).await, Err(dns::Error::NoSuchName { .. }))
    {
        record.absent_policy
    } else {
        record.subdomain_policy
    };
    let asked = softened(asked, &record, crlf);
    let (strict_spf, strict_dkim) = (record.strict_spf, record.strict_dkim);
    dmarc.record = Some(record);

    // Only the reverse-path counts for DMARC, and the HELO name where that is null (RFC 9989 §4.3).
    let mut undecided_identity = false;
    let spf = &findings.spf;
    if matches!(spf.outcome, Outcome::Pass | Outcome::TempError) && !spf.domain.is_empty() {
        match walks.aligned(&spf.domain, &author, &organisation, strict_spf).await {
            Ok(true) if spf.outcome == Outcome::Pass => dmarc.spf_aligned = true,
            Ok(aligned) => undecided_identity |= aligned,
            Err(()) => undecided_identity = true,
        }
    }
    for dkim in &findings.dkim {
        if dmarc.dkim_aligned || !matches!(dkim.outcome, Outcome::Pass | Outcome::TempError) {
            continue;
        }
        match walks.aligned(&dkim.domain, &author, &organisation, strict_dkim).await {
            Ok(true) if dkim.outcome == Outcome::Pass => dmarc.dkim_aligned = true,
            Ok(aligned) => undecided_identity |= aligned,
            Err(()) => undecided_identity = true,
        }
    }
    if dmarc.spf_aligned || dmarc.dkim_aligned {
        dmarc.outcome = Outcome::Pass;
        return dmarc;
    }
    dmarc.disposition = asked;
    if undecided_identity {
        return undecided(dmarc, "an aligned identity cannot be checked now");
    }
    dmarc.outcome = Outcome::Fail;
    let passes = |outcome: Outcome| outcome == Outcome::Pass;
    let not_aligned = passes(spf.outcome) || findings.dkim.iter().any(|dkim| passes(dkim.outcome));
    if not_aligned {
        dmarc.problem = Some("what passes is not aligned".to_owned());
    } else if spf.identity == Identity::Helo && findings.dkim.is_empty() {
        dmarc.problem = Some("nothing passes for a bounce without a signature".to_owned());
    }
    dmarc
}

/// What is asked once test mode (RFC 9989 §4.7) and sampling (RFC 7489 §6.6.4) have had their say: one step less.
fn softened(asked: Disposition, record: &DmarcRecord, crlf: &[u8]) -> Disposition {
    let first = digest(&SHA256, crlf).as_ref().first_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    let sampled = first % 100 < u32::from(record.percent);
    match asked {
        asked if sampled && !record.testing => asked,
        Disposition::Reject => Disposition::Quarantine,
        Disposition::Quarantine | Disposition::None => Disposition::None,
    }
}

/// A record of the walk, with what only the walk needs to know.
#[derive(Clone, Debug)]
struct Found {
    domain: String,
    record: DmarcRecord,
    has_policy: bool,
    psd: Option<bool>,
}

impl Found {
    /// The record, if it can be applied: without a policy it asks for nothing, and only counts at all if somebody wants
    /// reports (RFC 9989 §4.10.1).
    fn published(&self) -> Option<DmarcRecord> {
        (self.has_policy || !self.record.aggregate_reports.is_empty()).then(|| self.record.clone())
    }
}

/// Walks up the tree of names, each of which is asked for once.
struct Walks<'a> {
    resolver: &'a Resolver,
    known: HashMap<String, Option<Found>>,
}

impl Walks<'_> {
    /// The records from a domain up to its top, nearest first, ending with one that says where an organisation begins
    /// (RFC 9989 §4.10).
    async fn walk(&mut self, domain: &str) -> Result<Vec<Found>, ()> {
        let labels: Vec<&str> = domain.split('.').collect();
        let names = (0..labels.len()).map(|from| labels[from..].join("."));
        let names: Vec<String> = names
            .enumerate()
            .filter(|(from, _)| *from == 0 || labels.len() - from < WALK_FROM)
            .map(|(_, name)| name)
            .collect();
        let mut questions = JoinSet::new();
        for name in names.iter().filter(|name| !self.known.contains_key(*name)) {
            let (resolver, name) = (self.resolver.clone(), name.clone());
            questions.spawn(async move {
                let texts = resolver.txt(&format!("_dmarc.{name}")).await;
                (name, texts)
            });
        }
        let mut failed = Vec::new();
        while let Some(answer) = questions.join_next().await {
            let Ok((name, texts)) = answer else { return Err(()) };
            match texts {
                Ok(texts) => {
                    let found = parse_only(&texts.value, &name);
                    self.known.insert(name, found);
                }
                Err(error) if error.is_temporary() => failed.push(name),
                Err(_) => {
                    self.known.insert(name, None);
                }
            }
        }
        let mut walk = Vec::new();
        for name in names {
            if failed.contains(&name) {
                return Err(());
            }
            if let Some(found) = self.known.get(&name).cloned().flatten() {
                let stop = found.psd.is_some();
                walk.push(found);
                if stop {
                    break;
                }
            }
        }
        Ok(walk)
    }

    /// Whether a domain that passed stands for the author's (RFC 9989 §4.10.2).
    async fn aligned(&mut self, domain: &str, author: &str, organisation: &str, strict: bool) -> Result<bool, ()> {
        let Ok(domain) = dns::ascii(domain) else { return Ok(false) };
        if domain == author {
            return Ok(true);
        }
        let below = domain.strip_suffix(organisation).is_some_and(|front| front.is_empty() || front.ends_with('.'));
        if strict || !below {
            return Ok(false);
        }
        let walk = self.walk(&domain).await?;
        Ok(organisational_domain(&walk, &domain) == organisation)
    }
}

/// The organisation a domain belongs to, from its walk (RFC 9989 §4.10.2).
fn organisational_domain(walk: &[Found], domain: &str) -> String {
    for found in walk {
        match found.psd {
            Some(false) => return found.domain.clone(),
            // One label below the public suffix.
            Some(true) if found.domain != domain => {
                let front = domain.strip_suffix(&found.domain).unwrap_or_default().trim_end_matches('.');
                let label = front.rsplit('.').next().unwrap_or_default();
                return format!("{label}.{}", found.domain);
            }
            _ => {}
        }
    }
    walk.last().map_or(domain, |found| &found.domain).to_owned()
}

/// The one DMARC record among the texts at a name; several are none (RFC 9989 §4.10).
fn parse_only(texts: &[String], domain: &str) -> Option<Found> {
    let mut records = texts.iter().filter_map(|text| parse(text, domain));
    let record = records.next()?;
    records.next().is_none().then_some(record)
}

/// Reads a record: `dmarc-version *(";" tag "=" value)` (RFC 9989 §4.8). A tag that cannot be read is as if it were absent.
fn parse(text: &str, domain: &str) -> Option<Found> {
    let mut tags = text.split(';').map(|tag| {
        let (name, value) = tag.split_once('=').unwrap_or((tag, ""));
        (name.trim().to_ascii_lowercase(), value.trim())
    });
    if tags.next().is_none_or(|(name, value)| name != "v" || value != "DMARC1") {
        return None;
    }
    let (mut policy, mut subdomain, mut absent) = (None, None, None);
    let mut found = Found {
        domain: domain.to_owned(),
        record: DmarcRecord {
            domain: domain.to_owned(),
            policy: Disposition::None,
            subdomain_policy: Disposition::None,
            absent_policy: Disposition::None,
            strict_spf: false,
            strict_dkim: false,
            percent: 100,
            testing: false,
            aggregate_reports: Vec::new(),
            failure_reports: Vec::new(),
        },
        has_policy: false,
        psd: None,
    };
    for (name, value) in tags {
        let lower = value.to_ascii_lowercase();
        let record = &mut found.record;
        match name.as_str() {
            "p" => policy = disposition(&lower).or(policy),
            "sp" => subdomain = disposition(&lower).or(subdomain),
            "np" => absent = disposition(&lower).or(absent),
            "aspf" => record.strict_spf = lower == "s",
            "adkim" => record.strict_dkim = lower == "s",
            "t" => record.testing = lower == "y",
            "pct" => record.percent = lower.parse().ok().filter(|percent| *percent <= 100).unwrap_or(100),
            "psd" => {
                found.psd = match lower.as_str() {
                    "y" => Some(true),
                    "n" => Some(false),
                    _ => None,
                }
            }
            "rua" => record.aggregate_reports = report_addresses(value),
            "ruf" => record.failure_reports = report_addresses(value),
            _ => {}
        }
    }
    found.has_policy = policy.is_some();
    found.record.policy = policy.unwrap_or_default();
    found.record.subdomain_policy = subdomain.unwrap_or(found.record.policy);
    found.record.absent_policy = absent.unwrap_or(found.record.subdomain_policy);
    Some(found)
}

fn disposition(word: &str) -> Option<Disposition> {
    match word {
        "none" => Some(Disposition::None),
        "quarantine" => Some(Disposition::Quarantine),
        "reject" => Some(Disposition::Reject),
        _ => None,
    }
}

/// Addresses to report to: `mailto:` URIs with commas between, each maybe with a size (`!10m`, RFC 7489 §6.2).
fn report_addresses(list: &str) -> Vec<ReportAddress> {
    let address = |uri: &str| {
        let uri = uri.trim();
        let rest = uri.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("mailto:")).and(uri.get(7..))?;
        let (address, size) = rest.split_once('!').map_or((rest, None), |(address, size)| (address, Some(size)));
        let sound = |c: char| c.is_ascii_graphic() && !"<>\"()\\;:?".contains(c);
        let (local, domain) = address.rsplit_once('@')?;
        if local.is_empty() || !local.chars().all(sound) || dns::ascii(domain).is_err() {
            return None;
        }
        Some(ReportAddress { address: address.to_owned(), max_bytes: size.and_then(size_bytes) })
    };
    list.split(',').filter_map(address).take(MAX_REPORTS).collect()
}

fn size_bytes(size: &str) -> Option<u64> {
    let size = size.trim().to_ascii_lowercase();
    let digits = size.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &size[digits.len()..] {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_record_is_read() {
        let text = "v=DMARC1; p=reject ;sp=Quarantine; np=bad; adkim=s; pct=25; t=y; psd=n; \
                    rua=mailto:a@b.test!10m, mailto:c@d.test,https://e.test, mailto:<x>@b.test; ruf=mailto:f@g.test; x=y";
        let found = parse(text, "example.test").unwrap();
        let record = found.record;
        assert_eq!(record.policy, Disposition::Reject);
        assert_eq!(record.subdomain_policy, Disposition::Quarantine);
        assert_eq!(record.absent_policy, Disposition::Quarantine, "np is sp where it cannot be read");
        assert!(record.strict_dkim && !record.strict_spf && record.testing);
        assert_eq!(record.percent, 25);
        assert_eq!(found.psd, Some(false));
        let addresses: Vec<_> = record.aggregate_reports.iter().map(|to| (&to.address[..], to.max_bytes)).collect();
        assert_eq!(addresses, [("a@b.test", Some(10 << 20)), ("c@d.test", None)]);
        assert_eq!(record.failure_reports.len(), 1);
    }

    #[test]
    fn what_is_no_record_or_two_is_none() {
        for text in ["", "v=spf1 -all", "p=reject; v=DMARC1", "v=DMARC2; p=none", "v=dmarc1; p=none", "v"] {
            assert!(parse(text, "example.test").is_none(), "{text}");
        }
        let two = ["v=DMARC1; p=none".to_owned(), "v=DMARC1; p=reject".to_owned()];
        assert!(parse_only(&two, "example.test").is_none());
        let mixed = ["v=spf1 -all".to_owned(), "v=DMARC1; p=reject".to_owned()];
        assert!(parse_only(&mixed, "example.test").is_some());
    }

    #[test]
    fn a_record_without_a_policy_counts_only_for_reports() {
        assert!(parse("v=DMARC1", "a.test").unwrap().published().is_none());
        assert!(parse("v=DMARC1; p=often", "a.test").unwrap().published().is_none());
        let record = parse("v=DMARC1; rua=mailto:a@b.test", "a.test").unwrap().published().unwrap();
        assert_eq!(record.policy, Disposition::None);
    }

    #[test]
    fn the_organisation_is_found_as_the_records_say() {
        let found = |domain: &str, tags: &str| parse(&format!("v=DMARC1; p=none{tags}"), domain).unwrap();
        let table: [(Vec<Found>, &str); 5] = [
            (vec![], "a.mail.example.test"),
            (vec![found("mail.example.test", ""), found("example.test", "")], "example.test"),
            (vec![found("mail.example.test", "; psd=n")], "mail.example.test"),
            (vec![found("test", "; psd=y")], "example.test"),
            (vec![found("a.mail.example.test", "; psd=y")], "a.mail.example.test"),
        ];
        for (walk, expected) in table {
            assert_eq!(organisational_domain(&walk, "a.mail.example.test"), expected);
        }
    }

    #[test]
    fn tests_and_samples_ask_for_one_step_less() {
        let record = |tags: &str| parse(&format!("v=DMARC1; p=reject; {tags}"), "a.test").unwrap().record;
        assert_eq!(softened(Disposition::Reject, &record("pct=100"), b""), Disposition::Reject);
        assert_eq!(softened(Disposition::Reject, &record("pct=0"), b""), Disposition::Quarantine);
        assert_eq!(softened(Disposition::Quarantine, &record("t=y"), b""), Disposition::None);
        let hit = (0..1_000_u32)
            .filter(|n| softened(Disposition::Reject, &record("pct=30"), &n.to_be_bytes()) == Disposition::Reject)
            .count();
        assert!((200..400).contains(&hit), "{hit} of 1000 for pct=30");
    }

    #[test]
    fn every_author_counts() {
        assert_eq!(authors(b"From: A <a@x.test>, b@X.test\r\n\r\n").unwrap(), ["x.test"]);
        assert_eq!(authors(b"From: a@x.test\r\nFrom: b@y.test\r\n\r\n").unwrap(), ["x.test", "y.test"]);
        assert_eq!(authors("From: a@bücher.test\r\n\r\n".as_bytes()).unwrap(), ["xn--bcher-kva.test"]);
        for bad in ["To: a@b.test\r\n\r\n", "From: \r\n\r\n", "From: g:;\r\n\r\n"] {
            assert!(authors(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(authors(b"From: a@a.test, a@b.test, a@c.test, a@d.test, a@e.test\r\n\r\n").is_err());
    }
}
