//! MTA-STS (RFC 8461): a domain says over HTTPS which hosts take its mail, and that they have good certificates.

use super::Failure;
use crate::http::{GetError, Https};
use dns::Resolver;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use store::spool::TlsFailure;

/// The longest time that a policy may ask to be kept (§3.2).
const MAX_AGE_S: i64 = 31_557_600;
/// Patterns of hosts in a policy.
const MAX_PATTERNS: usize = 256;
/// How long a policy that could not be had is not asked for again (§3.3).
const PAUSE_S: i64 = 300;
/// Domains remembered, with a policy or as failed.
pub(super) const MAX_DOMAINS: usize = 10_000;
/// Length of all policies that are remembered together. Of more, the longest go first: so nobody drives out the short ones,
/// which real ones are, with a few that are long.
const MAX_BYTES: usize = 32 << 20;

/// Keeps policies over restarts: an attacker must not be rid of one by waiting for the next update.
///
/// It is asked for every delivery and must not block: answer from memory, and write behind.
pub trait PolicyStore: fmt::Debug + Send + Sync + 'static {
    /// The policy that was kept for a domain, in date or not.
    fn get(&self, domain: &str) -> Option<Arc<StoredPolicy>>;
    /// Keeps a policy, in place of an older one.
    fn put(&self, domain: &str, policy: Arc<StoredPolicy>);
}

/// A policy as it was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPolicy {
    /// What the domain's TXT record called it.
    pub id: String,
    /// Its text.
    pub text: String,
    /// When it was fetched, in seconds since 1970 UTC.
    pub fetched_s: i64,
}

/// Keeps policies in memory, a bounded number of them.
#[derive(Debug, Default)]
pub struct MemoryPolicies(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    policies: HashMap<String, Arc<StoredPolicy>>,
    bytes: usize,
}

impl PolicyStore for MemoryPolicies {
    fn get(&self, domain: &str) -> Option<Arc<StoredPolicy>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).policies.get(domain).map(Arc::clone)
    }

    fn put(&self, domain: &str, policy: Arc<StoredPolicy>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(domain, policy);
    }
}

impl Remembered {
    fn put(&mut self, domain: &str, policy: Arc<StoredPolicy>) {
        self.remove(domain);
        if self.policies.len() >= MAX_DOMAINS {
            self.remove_most(|policy| -policy.fetched_s);
        }
        self.bytes += policy.text.len();
        self.policies.insert(domain.to_owned(), policy);
        while self.bytes > MAX_BYTES {
            self.remove_most(|policy| policy.text.len());
        }
    }

    /// Removes the one of which there is most.
    fn remove_most<K: Ord>(&mut self, of: impl Fn(&StoredPolicy) -> K) {
        let most = self.policies.iter().max_by_key(|(_, policy)| of(policy)).map(|(domain, _)| domain.clone());
        most.into_iter().for_each(|domain| self.remove(&domain));
    }

    fn remove(&mut self, domain: &str) {
        if let Some(policy) = self.policies.remove(domain) {
            self.bytes -= policy.text.len();
        }
    }
}

impl StoredPolicy {
    /// Until when it holds, in seconds since 1970 UTC; `None`: it is no policy.
    pub(super) fn expires_s(&self) -> Option<i64> {
        Some(self.fetched_s.saturating_add(Policy::read(&self.text)?.max_age_s))
    }
}

/// What a domain asks of those who send to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) mode: Mode,
    /// Lower case, A-labels; `*.` stands for one label.
    patterns: Vec<String>,
    max_age_s: i64,
    /// As it was written, line by line.
    pub(crate) lines: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// What does not conform gets no mail.
    Enforce,
    /// What does not conform is reported.
    Testing,
    /// Nothing is asked (any more).
    None,
}

impl Policy {
    /// Reads a policy (§3.2); `None`: it is none.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (mut version, mut mode, mut max_age_s, mut patterns) = (None, None, None, Vec::new());
        let lines: Vec<String> = text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
        for line in &lines {
            let (key, value) = line.split_once(':')?;
            let value = value.trim();
            // What stands twice counts once, the first time; what is not known is passed over.
            match key.trim() {
                "version" => version = version.or(Some(value == "STSv1")),
                "mode" if mode.is_none() => mode = Some(mode_of(value)?),
                "max_age" if max_age_s.is_none() => max_age_s = Some(age_of(value)?),
                "mx" if patterns.len() < MAX_PATTERNS => patterns.push(pattern_of(value)?),
                _ => {}
            }
        }
        let (true, mode, max_age_s) = (version?, mode?, max_age_s?) else { return None };
        (mode == Mode::None || !patterns.is_empty()).then_some(Policy { mode, patterns, max_age_s, lines })
    }

    /// Whether a host may take the domain's mail (§4.1).
    pub(crate) fn allows(&self, host: &str) -> bool {
        self.patterns.iter().any(|pattern| match pattern.strip_prefix("*.") {
            Some(parent) => host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
            None => host == pattern,
        })
    }
}

fn mode_of(value: &str) -> Option<Mode> {
    match value {
        "enforce" => Some(Mode::Enforce),
        "testing" => Some(Mode::Testing),
        "none" => Some(Mode::None),
        _ => None,
    }
}

fn age_of(value: &str) -> Option<i64> {
    let digits = (1..=10).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| value.parse::<i64>().ok()).flatten().map(|age| age.min(MAX_AGE_S))
}

fn pattern_of(value: &str) -> Option<String> {
    match value.strip_prefix("*.") {
        Some(parent) => Some(format!("*.{}", dns::ascii(parent).ok()?)),
        None => dns::ascii(value).ok(),
    }
}

/// What the TXT records of `_mta-sts.DOMAIN` call the current policy (§3.1); `None`: there is none.
fn id_of(records: &[String]) -> Option<String> {
    let mut ours = records.iter().filter(|record| {
        record.strip_prefix("v=STSv1").is_some_and(|rest| rest.trim_start_matches([' ', '\t']).starts_with(';'))
    });
    let (Some(record), None) = (ours.next(), ours.next()) else { return None };
    let fields = record.split(';').skip(1).map(str::trim);
    let id = fields.filter_map(|field| field.split_once('=')).find(|(key, _)| key.trim() == "id")?.1.trim();
    let sound = (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
    sound.then(|| id.to_owned())
}

/// What was found for a domain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    pub(crate) policy: Option<Arc<Policy>>,
    /// Why what the domain publishes now could not be had.
    pub(crate) failure: Option<Failure>,
}

/// Finds the policies of domains.
#[derive(Debug)]
pub(crate) struct Sts {
    store: Arc<dyn PolicyStore>,
    https: Https,
    /// Policies that could not be had: which, and until when they are not asked for again.
    failed: Mutex<HashMap<String, (String, i64, Failure)>>,
    /// Domains whose policy is being fetched: the others wait for it.
    fetching: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Sts {
    pub(crate) fn new(store: Arc<dyn PolicyStore>, https: Https) -> Self {
        Sts { store, https, failed: Mutex::default(), fetching: Mutex::default() }
    }

    /// The policy that holds for a domain.
    ///
    /// One that was found before holds until its time is over, whatever DNS and HTTPS say meanwhile (§5.1): an attacker
    /// can take both away.
    pub(crate) async fn find(&self, resolver: &Resolver, domain: &str, now_s: i64) -> Found {
        let published = match resolver.txt(&format!("_mta-sts.{domain}")).await {
            Ok(answer) => id_of(&answer.value),
            Err(error) => {
                tracing::trace!(domain, %error, "no MTA-STS record");
                None
            }
        };
        let Some(id) = published else { return Found { policy: self.kept(domain, None, now_s), failure: None } };
        if let Some(policy) = self.kept(domain, Some(&id), now_s) {
            return Found { policy: Some(policy), failure: None };
        }
        let turn = self.turn(domain);
        let _alone = turn.lock().await;
        // Somebody else may have had it meanwhile.
        let found = match self.kept(domain, Some(&id), now_s) {
            Some(policy) => Found { policy: Some(policy), failure: None },
            None => match self.fetch(resolver, domain, &id, now_s).await {
                Ok(policy) => Found { policy: Some(policy), failure: None },
                Err(failure) => Found { policy: self.kept(domain, None, now_s), failure: Some(failure) },
            },
        };
        self.done(domain, &turn);
        found
    }

    /// What is kept for a domain and in date; with an id, only that.
    fn kept(&self, domain: &str, id: Option<&str>, now_s: i64) -> Option<Arc<Policy>> {
        let stored = self.store.get(domain).filter(|stored| id.is_none_or(|id| stored.id == id))?;
        let policy = Policy::read(&stored.text)?;
        (now_s < stored.fetched_s.saturating_add(policy.max_age_s)).then(|| Arc::new(policy))
    }

    async fn fetch(&self, resolver: &Resolver, domain: &str, id: &str, now_s: i64) -> Result<Arc<Policy>, Failure> {
        if let Some((failed, until_s, failure)) = self.lock_failed().get(domain)
            && failed == id
            && now_s < *until_s
        {
            return Err(failure.clone());
        }
        let fetched = self.https.get(resolver, &format!("mta-sts.{domain}"), "/.well-known/mta-sts.txt").await;
        let read = fetched.map_err(|error| failure_of(&error)).and_then(|body| {
            let text = String::from_utf8(body).ok();
            let policy = text.as_deref().and_then(Policy::read);
            let invalid = || Failure::new(TlsFailure::StsPolicyInvalid, "the policy of MTA-STS is malformed");
            Ok((text.ok_or_else(invalid)?, policy.ok_or_else(invalid)?))
        });
        match read {
            Ok((text, policy)) => {
                self.lock_failed().remove(domain);
                self.store.put(domain, Arc::new(StoredPolicy { id: id.to_owned(), text, fetched_s: now_s }));
                Ok(Arc::new(policy))
            }
            Err(failure) => {
                tracing::info!(domain, %failure, "the MTA-STS policy cannot be had");
                let mut failed = self.lock_failed();
                if failed.len() >= MAX_DOMAINS {
                    failed.clear();
                }
                failed.insert(domain.to_owned(), (id.to_owned(), now_s.saturating_add(PAUSE_S), failure.clone()));
                Err(failure)
            }
        }
    }

    fn turn(&self, domain: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut fetching = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(fetching.entry(domain.to_owned()).or_default())
    }

    fn done(&self, domain: &str, turn: &Arc<tokio::sync::Mutex<()>>) {
        let mut fetching = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        // The map's and ours: nobody waits. Whoever was dropped while waiting leaves an entry to the next.
        if Arc::strong_count(turn) <= 2 {
            fetching.remove(domain);
        }
    }

    fn lock_failed(&self) -> std::sync::MutexGuard<'_, HashMap<String, (String, i64, Failure)>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failure_of(error: &GetError) -> Failure {
    let kind = match error {
        GetError::Certificate(_) => TlsFailure::StsWebpkiInvalid,
        _ => TlsFailure::StsPolicyFetchError,
    };
    Failure::new(kind, &format!("the policy of MTA-STS cannot be had: {error}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const GOOD: &str =
        "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.Example.net\r\nmax_age: 604800\r\n";

    #[test]
    fn the_policy_of_the_standard_is_read() {
        let policy = Policy::read(GOOD).unwrap();
        assert_eq!((policy.mode, policy.max_age_s, policy.lines.len()), (Mode::Enforce, 604_800, 5));
        for (host, allowed) in [
            ("mail.example.com", true),
            ("a.mail.example.com", false),
            ("mx.example.net", true),
            ("example.net", false),
            ("a.b.example.net", false),
            (".example.net", false),
            ("mx.example.net.evil.example", false),
        ] {
            assert_eq!(policy.allows(host), allowed, "{host}");
        }
    }

    #[test]
    fn first_lines_count_and_unknown_ones_do_not() {
        let text =
            "version:STSv1\nmode:\ttesting\nmode: enforce\nnew_thing: 7\nmx: a.example\nmax_age:1\nmax_age: 2\n\n";
        let policy = Policy::read(text).unwrap();
        assert_eq!((policy.mode, policy.max_age_s), (Mode::Testing, 1));
        assert_eq!(Policy::read("version: STSv1\nmode: none\nmax_age: 99999999999").map(|_| ()), None);
        assert_eq!(Policy::read("version: STSv1\nmode: none\nmax_age: 9999999999").unwrap().max_age_s, MAX_AGE_S);
    }

    #[test]
    fn what_is_no_policy_is_none() {
        for bad in [
            "",
            "version: STSv2\nmode: enforce\nmx: a.example\nmax_age: 1",
            "mode: enforce\nmx: a.example\nmax_age: 1",
            "version: STSv1\nmode: maybe\nmx: a.example\nmax_age: 1",
            "version: STSv1\nmode: enforce\nmax_age: 1",
            "version: STSv1\nmode: enforce\nmx: a.example",
            "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: -1",
            "version: STSv1\nmode: enforce\nmx: *\nmax_age: 1",
            "version: STSv1\nmode: enforce\nmx: a.*.example\nmax_age: 1",
            "<html>\nnot found",
        ] {
            assert_eq!(Policy::read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn one_record_names_the_policy() {
        let id = |records: &[&str]| id_of(&records.iter().map(|record| (*record).to_owned()).collect::<Vec<_>>());
        assert_eq!(id(&["v=STSv1; id=20160831085700Z;"]).as_deref(), Some("20160831085700Z"));
        assert_eq!(id(&["v=spf1 -all", "v=STSv1 ;x=y;id=1"]).as_deref(), Some("1"));
        for bad in [
            &[][..],
            &["v=STSv1"],
            &["v=STSv10; id=1"],
            &["v=STSv1; id="],
            &["v=STSv1; id=a-b"],
            &["v=STSv1; id=123456789012345678901234567890123"],
            &["id=1; v=STSv1;"],
            &["v=STSv1; id=1", "v=STSv1; id=2"],
        ] {
            assert_eq!(id(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let memory = MemoryPolicies::default();
        for number in 0..=MAX_DOMAINS {
            let policy = StoredPolicy { id: String::new(), text: String::new(), fetched_s: number as i64 };
            memory.put(&number.to_string(), Arc::new(policy));
        }
        assert!(memory.get("0").is_none() && memory.get("1").is_some());
        assert_eq!(memory.0.lock().unwrap().policies.len(), MAX_DOMAINS);
    }

    #[test]
    fn of_too_much_the_longest_go() {
        let memory = MemoryPolicies::default();
        let put = |domain: &str, length| {
            let policy = StoredPolicy { id: String::new(), text: "x".repeat(length), fetched_s: 0 };
            memory.put(domain, Arc::new(policy));
        };
        let half = MAX_BYTES / 2;
        for (domain, length) in [("short", 1), ("long", half), ("longer", half + 1), ("long", half + 1), ("long", half)]
        {
            put(domain, length);
        }
        let held = |domain| memory.get(domain).map(|policy| policy.text.len());
        assert_eq!((held("short"), held("long"), held("longer")), (Some(1), Some(half), None));
        assert_eq!(memory.0.lock().unwrap().bytes, half + 1);
    }
}
