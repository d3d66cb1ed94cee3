//! Delivery to other servers: where a message goes, over what, and what came of it.
//!
//! # Implementation notes
//! * A host that cannot be reached, greets with a refusal, breaks off, or refuses the sender for now is passed over for
//!   the next one. What it says of a recipient or of the message is final for this try: the next host would be asked
//!   the same.
//! * A refusal for good by every host that was reached (5yz in place of a greeting) is one: the sender learns in
//!   minutes what they would otherwise learn in days.
//! * After the final dot nothing is tried elsewhere: see `client`.
//! * Hosts under a policy that they do not meet are passed over too; if all are, the message waits (RFC 8461 §5,
//!   RFC 7672 §2.1).

mod settings;

pub use settings::{OutgoingSettings, SmartHost, SmartHostTls, TlsRecorder};

use crate::client::{Connection, Fault, Greeting, Mail, Opened, Opening, TlsStart, open, transact};
use crate::http::Https;
use crate::job::{Addressee, Deliver, Job, Said, Verdict};
use crate::policy::sts::{Found, Mode, Sts};
use crate::policy::{Failure, Requirement, Tls, dane};
use crate::pool::{Key, Pool};
use crate::route::{self, NoWay, Reach, Route};
use edge::tls::TlsError;
use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use store::spool::{TlsFailure, TlsOutcome, TlsPolicy};
use tokio::time::Instant;

/// Delivers to other servers.
pub struct Outgoing {
    settings: OutgoingSettings,
    tls: Tls,
    sts: Sts,
    pool: Arc<Pool>,
}

impl Outgoing {
    /// Delivers as it is told to.
    ///
    /// # Errors
    /// When the roots hold nothing.
    pub fn new(settings: OutgoingSettings) -> Result<Self, TlsError> {
        let reach = Reach { private: settings.private_addresses };
        let https = Https::new(&settings.roots, settings.https_port, reach)?;
        Ok(Outgoing {
            tls: Tls::new(&settings.roots)?,
            sts: Sts::new(Arc::clone(&settings.policies), https),
            pool: Pool::new(settings.pool.clone()),
            settings,
        })
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OutgoingSettings { hostname, smart_host, .. } = &self.settings;
        f.debug_struct("Outgoing").field("hostname", hostname).field("smart_host", smart_host).finish_non_exhaustive()
    }
}

impl Deliver for Outgoing {
    /// # Cancel safety
    /// Dropped, what was in flight may have arrived: it is tried again and may arrive twice (RFC 1047).
    fn deliver(&self, job: Job) -> Pin<Box<dyn Future<Output = Vec<Verdict>> + Send + '_>> {
        Box::pin(async move {
            let mut attempt = Attempt::new(self, &job);
            attempt.run().await;
            attempt.verdicts()
        })
    }
}

/// A server that may be tried.
#[derive(Clone, Debug)]
struct Target {
    host: String,
    address: SocketAddr,
    requirement: Requirement,
    start: TlsStart,
    /// What is reported of a session with it.
    policy: TlsPolicy,
    policy_text: Vec<String>,
}

/// A try of one job.
struct Attempt<'a> {
    outgoing: &'a Outgoing,
    job: &'a Job,
    eight_bit: bool,
    verdicts: Vec<Option<Verdict>>,
    /// Why those without a verdict have none: the last that was said for now, else for good.
    trouble: Option<NoWay>,
    until: Instant,
    tries_left: usize,
}

impl<'a> Attempt<'a> {
    fn new(outgoing: &'a Outgoing, job: &'a Job) -> Self {
        Attempt {
            outgoing,
            job,
            eight_bit: !job.message.is_ascii(),
            verdicts: vec![None; job.recipients.len()],
            trouble: None,
            until: Instant::now() + outgoing.settings.times.before_message,
            tries_left: outgoing.settings.max_addresses.max(1),
        }
    }

    async fn run(&mut self) {
        match self.outgoing.settings.smart_host.clone() {
            Some(smart_host) => self.by_smart_host(&smart_host).await,
            None => match route::literal(&self.job.hop) {
                Some(address) => self.by_literal(address).await,
                None => self.by_hosts().await,
            },
        }
    }

    fn verdicts(self) -> Vec<Verdict> {
        let unreached = || Said::ours((4, 4, 1), format!("no server of {} could be tried in time", self.job.hop));
        let trouble = self.trouble.unwrap_or_else(|| NoWay { said: unreached(), permanent: false });
        let rest = if trouble.permanent { Verdict::Never(trouble.said) } else { Verdict::Later(trouble.said) };
        self.verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(|| rest.clone())).collect()
    }

    /// Remembers why a server was passed over. What may change outweighs what does not.
    fn pass_over(&mut self, why: NoWay) {
        if self.trouble.as_ref().is_none_or(|before| before.permanent || !why.permanent) {
            self.trouble = Some(why);
        }
    }

    async fn by_smart_host(&mut self, smart_host: &SmartHost) {
        let SmartHost { host, port, tls, .. } = smart_host;
        let name = route::literal(host).map_or_else(|| host.clone(), |address| address.to_string());
        let addresses = match self.outgoing.settings.resolver.addresses(&name).await {
            Ok(answer) => answer.value,
            // The operator's mistake is mended by the operator, and no mail is returned for it.
            Err(error) => return self.pass_over(route::no_way(&name, &error).for_now()),
        };
        let (requirement, start) = match tls {
            SmartHostTls::Implicit => (Requirement::Pkix { name: name.clone(), enforce: true }, TlsStart::AtOnce),
            SmartHostTls::StartTls => (Requirement::Pkix { name: name.clone(), enforce: true }, TlsStart::Asked),
            SmartHostTls::Opportunistic => (Requirement::Opportunistic, TlsStart::Asked),
            SmartHostTls::Never => (Requirement::Never, TlsStart::Asked),
        };
        if self.job.envelope.require_tls && !requirement.is_authenticated() {
            return self.pass_over(no_require_tls());
        }
        for address in route::by_turns(addresses, self.outgoing.settings.ipv4_first) {
            let target = Target {
                host: name.clone(),
                address: SocketAddr::new(address, *port),
                requirement: requirement.clone(),
                start,
                policy: TlsPolicy::NoPolicyFound,
                policy_text: Vec::new(),
            };
            self.try_target(&target).await;
            if self.is_over() {
                return;
            }
        }
    }

    async fn by_literal(&mut self, address: IpAddr) {
        let host = self.job.hop.clone();
        if self.job.envelope.require_tls {
            return self.pass_over(no_require_tls());
        }
        if self.is_us(&host, &[address]) {
            return self.pass_over(route::looped(&host));
        }
        let Some(address) = self.reachable(&host, vec![address]).first().copied() else { return };
        let target = Target {
            host,
            address: SocketAddr::new(address, self.outgoing.settings.port),
            requirement: Requirement::Opportunistic,
            start: TlsStart::Asked,
            policy: TlsPolicy::NoPolicyFound,
            policy_text: Vec::new(),
        };
        self.try_target(&target).await;
    }

    async fn by_hosts(&mut self) {
        let resolver = &self.outgoing.settings.resolver;
        let route = match route::find(resolver, &self.job.hop, |host| self.is_us(host, &[])).await {
            Ok(route) => route,
            Err(no_way) => return self.pass_over(no_way),
        };
        let found = if self.wants_no_policy() {
            Found::default()
        } else {
            self.outgoing.sts.find(resolver, &self.job.hop, now_s()).await
        };
        if let Some(failure) = &found.failure {
            self.record(None, None, TlsPolicy::Sts, policy_text(&found), Some(failure));
        }
        for (place, group) in route.groups.iter().enumerate() {
            let mut hosts = Vec::new();
            for host in group {
                match resolver.addresses(host).await {
                    // We are not beaten by name only: those of our own preference and worse would hand the mail back.
                    Ok(answer) if self.is_us(host, &answer.value) => {
                        if place == 0 {
                            self.pass_over(route::looped(&self.job.hop));
                        }
                        return;
                    }
                    Ok(answer) => hosts.push((host, answer)),
                    Err(error) => self.pass_over(route::no_way(host, &error)),
                }
            }
            for (host, answer) in hosts {
                self.try_host(host, answer, &route, &found).await;
                if self.is_over() {
                    return;
                }
            }
        }
    }

    async fn try_host(&mut self, host: &str, answer: dns::Answer<Vec<IpAddr>>, route: &Route, found: &Found) {
        let (requirement, policy, policy_text) = match self.requirement(host, &answer, route, found).await {
            Ok(requirement) => requirement,
            Err(no_way) => return self.pass_over(no_way),
        };
        for address in self.reachable(host, answer.value) {
            let target = Target {
                host: host.to_owned(),
                address: SocketAddr::new(address, self.outgoing.settings.port),
                requirement: requirement.clone(),
                start: TlsStart::Asked,
                policy,
                policy_text: policy_text.clone(),
            };
            self.try_target(&target).await;
            if self.is_over() {
                return;
            }
        }
    }

    /// What TLS with a host must be, and by which policy.
    async fn requirement(
        &self,
        host: &str,
        addresses: &dns::Answer<Vec<IpAddr>>,
        route: &Route,
        found: &Found,
    ) -> Result<(Requirement, TlsPolicy, Vec<String>), NoWay> {
        if self.wants_no_policy() {
            return Ok((Requirement::Opportunistic, TlsPolicy::NoPolicyFound, Vec::new()));
        }
        // What is demanded where MTA-STS demands no more.
        let (mut least, mut policy, mut policy_text) =
            (Requirement::Opportunistic, TlsPolicy::NoPolicyFound, Vec::new());
        if route.secure && addresses.secure {
            match self.tlsa(host, addresses).await {
                Ok(Some((records, names))) => {
                    policy = TlsPolicy::Tlsa;
                    policy_text = records.iter().map(tlsa_text).collect();
                    least = dane::requirement(records, names);
                    if least.is_authenticated() {
                        return Ok((least, policy, policy_text));
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    let failure = Failure::new(TlsFailure::DnssecInvalid, "the TLSA records cannot be had");
                    self.record(Some(host), None, TlsPolicy::Tlsa, Vec::new(), Some(&failure));
                    return Err(route::no_way(host, &error));
                }
            }
        }
        let Some(sts) = found.policy.as_ref().filter(|policy| policy.mode != Mode::None) else {
            // RFC 8689 §4.2.1: the way to the host must be vouched for, and the host by an authority.
            let requirement = match self.job.envelope.require_tls {
                true if route.secure => Requirement::Pkix { name: host.to_owned(), enforce: true },
                true => return Err(no_require_tls()),
                false => least,
            };
            return Ok((requirement, policy, policy_text));
        };
        let enforce = sts.mode == Mode::Enforce || self.job.envelope.require_tls;
        if !sts.allows(host) {
            let failure =
                Failure::new(TlsFailure::ValidationFailure, "the host is not among those of the MTA-STS policy");
            self.record(Some(host), None, TlsPolicy::Sts, sts.lines.clone(), Some(&failure));
            if enforce {
                let text = format!("{host} is not among the hosts that the domain's MTA-STS policy allows");
                return Err(NoWay { said: Said::ours((4, 7, 5), text), permanent: false });
            }
            return Ok((least, policy, policy_text));
        }
        if !enforce && least.is_binding() {
            return Ok((least, policy, policy_text));
        }
        Ok((Requirement::Pkix { name: host.to_owned(), enforce }, TlsPolicy::Sts, sts.lines.clone()))
    }

    /// The secure TLSA records of a host, and the names that count with them: at the end of its aliases, or at its own
    /// name (RFC 7672 §2.2.3).
    async fn tlsa(
        &self,
        host: &str,
        addresses: &dns::Answer<Vec<IpAddr>>,
    ) -> Result<Option<(Vec<dns::Tlsa>, Vec<String>)>, dns::Error> {
        let OutgoingSettings { resolver, port, .. } = &self.outgoing.settings;
        let mut bases = vec![addresses.name.as_str(), host];
        bases.dedup();
        for base in bases {
            match resolver.tlsa(base, *port).await {
                Ok(answer) if answer.secure && !answer.value.is_empty() => {
                    let mut names = vec![base.to_owned(), self.job.hop.clone()];
                    names.dedup();
                    return Ok(Some((answer.value, names)));
                }
                Ok(_) => {}
                Err(error) if error.is_absent() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Tries a server for all recipients that have no verdict yet.
    async fn try_target(&mut self, target: &Target) {
        self.tries_left = self.tries_left.saturating_sub(1);
        let Some(_turn) = self.outgoing.pool.turn(target.address.ip()).await else {
            // It is there: the domain's other mail need not wait for that.
            let said = Said {
                server: Some(target.host.clone()),
                status: (4, 4, 5),
                text: "there are as many connections to the server as it gets".to_owned(),
            };
            return self.pass_over(NoWay { said, permanent: false });
        };
        let key = Key { address: target.address, host: target.host.clone(), requirement: target.requirement.clone() };
        let mut kept = self.outgoing.pool.take(&key);
        while !self.is_done() {
            let reused = kept.is_some();
            let connection = match kept.take() {
                Some(connection) => Ok(connection),
                None => self.connect(target).await,
            };
            let result = match connection {
                Ok(connection) => self.use_up(&key, connection).await,
                Err(fault) => Err(fault),
            };
            match result {
                Ok(()) => {}
                // It may have died while it waited. Whatever had no verdict was not committed.
                Err(_) if reused => {}
                Err(fault) => {
                    let said = fault.said_by(&target.host);
                    return self.pass_over(NoWay { permanent: fault.is_permanent(), said });
                }
            }
        }
    }

    async fn connect(&mut self, target: &Target) -> Result<Connection, Fault> {
        let settings = &self.outgoing.settings;
        let smart_host = settings.smart_host.as_ref();
        let source = match target.address {
            SocketAddr::V4(_) => settings.source_v4.map(IpAddr::V4),
            SocketAddr::V6(_) => settings.source_v6.map(IpAddr::V6),
        };
        let opened = open(&Opening {
            address: target.address,
            source,
            host: &target.host,
            greeting: Greeting {
                hostname: &settings.hostname,
                lmtp: smart_host.is_some_and(|smart_host| smart_host.lmtp),
            },
            start: target.start,
            requirement: &target.requirement,
            tls: &self.outgoing.tls,
            credentials: smart_host.and_then(|smart_host| smart_host.credentials.as_ref()),
            times: &settings.times,
            until: self.until,
        })
        .await;
        self.count(target, &opened);
        opened.map(|opened| opened.connection)
    }

    /// Uses a connection for recipients without a verdict until there are none, it fails, or it has carried enough.
    async fn use_up(&mut self, key: &Key, mut connection: Connection) -> Result<(), Fault> {
        let OutgoingSettings { times, max_recipients, .. } = &self.outgoing.settings;
        while !self.is_done() {
            if !self.outgoing.pool.is_fresh(&connection) {
                self.outgoing.pool.dismiss(connection);
                return Ok(());
            }
            connection.tidy(times.quit).await?;
            let theirs = connection.can.recipients_max.unwrap_or(u64::MAX);
            let at_once = usize::try_from(theirs).unwrap_or(usize::MAX).min((*max_recipients).max(1));
            let places: Vec<usize> =
                (0..self.verdicts.len()).filter(|place| self.verdicts[*place].is_none()).take(at_once).collect();
            let recipients: Vec<&Addressee> = places.iter().map(|place| &self.job.recipients[*place]).collect();
            let envelope = &self.job.envelope;
            let mail = Mail { envelope, message: &self.job.message, eight_bit: self.eight_bit, recipients };
            let told = transact(&mut connection, &mail, times, self.until).await;
            connection.messages += 1;
            for (place, verdict) in places.iter().zip(told.verdicts) {
                self.verdicts[*place] = verdict;
            }
            if let Some(fault) = told.ended {
                // A server that answers is taken leave of; one that does not is left.
                if matches!(fault, Fault::Refused(..) | Fault::NoRequireTls) {
                    self.outgoing.pool.dismiss(connection);
                }
                return Err(fault);
            }
        }
        self.outgoing.pool.put(key.clone(), connection);
        Ok(())
    }

    /// The addresses of a host that we may talk to, in the order they are tried.
    fn reachable(&mut self, host: &str, addresses: Vec<IpAddr>) -> Vec<IpAddr> {
        let OutgoingSettings { private_addresses, ipv4_first, .. } = self.outgoing.settings;
        let reach = Reach { private: private_addresses };
        let allowed: Vec<IpAddr> = addresses.into_iter().filter(|address| reach.allows(*address)).collect();
        if allowed.is_empty() {
            let text = format!("{host} has no address that can be reached from the internet");
            self.pass_over(NoWay { said: Said::ours((5, 4, 4), text), permanent: true });
        }
        route::by_turns(allowed, ipv4_first)
    }

    /// Whether a host is this one.
    fn is_us(&self, host: &str, addresses: &[IpAddr]) -> bool {
        let OutgoingSettings { hostname, own_addresses, .. } = &self.outgoing.settings;
        host.eq_ignore_ascii_case(hostname) || addresses.iter().any(|address| own_addresses.contains(address))
    }

    /// Whether the sender puts arrival before secrecy: `TLS-Required: No` (RFC 8689 §5). What the envelope demands
    /// outweighs it.
    fn wants_no_policy(&self) -> bool {
        let field = || message::header::find(&self.job.message, "TLS-Required");
        !self.job.envelope.require_tls
            && field().is_some_and(|field| field.value().trim_ascii().eq_ignore_ascii_case(b"no"))
    }

    fn is_done(&self) -> bool {
        self.verdicts.iter().all(Option::is_some)
    }

    /// Whether no other server is tried.
    fn is_over(&self) -> bool {
        self.is_done() || self.tries_left == 0 || Instant::now() >= self.until
    }

    /// Counts a session for the reports: one that came to be, or one that TLS kept from it.
    fn count(&self, target: &Target, opened: &Result<Opened, Fault>) {
        let failure = match opened {
            Ok(opened) => {
                let tls = if opened.connection.is_encrypted() { "yes" } else { "no" };
                metrics::counter!("reintegra_queue_connections_total", "tls" => tls).increment(1);
                opened.failure.as_ref()
            }
            Err(Fault::Tls(failure)) => Some(failure),
            Err(_) => return,
        };
        if self.outgoing.settings.smart_host.is_none() {
            let failure = failure.filter(|_| target.policy != TlsPolicy::NoPolicyFound);
            let (host, ip) = (Some(target.host.as_str()), Some(target.address.ip()));
            self.record(host, ip, target.policy, target.policy_text.clone(), failure);
        }
    }

    /// Tells what became of TLS with a server, or of a policy before one was tried.
    fn record(
        &self,
        mx: Option<&str>,
        mx_ip: Option<IpAddr>,
        policy: TlsPolicy,
        policy_text: Vec<String>,
        failure: Option<&Failure>,
    ) {
        let OutgoingSettings { tls_recorder, source_v4, source_v6, .. } = &self.outgoing.settings;
        let Some(recorder) = tls_recorder else { return };
        let sending_ip = match mx_ip {
            Some(IpAddr::V4(_)) => source_v4.map(IpAddr::V4),
            Some(IpAddr::V6(_)) => source_v6.map(IpAddr::V6),
            None => None,
        };
        recorder.record(TlsOutcome {
            domain: self.job.hop.clone(),
            policy,
            policy_text,
            mx: mx.map(str::to_owned),
            mx_ip,
            sending_ip,
            failure: failure.map(|failure| failure.kind),
            reason: failure.map(|failure| failure.text.clone()),
            count: 1,
        });
    }
}

/// The way is not as the sender demands (RFC 8689 §4.2.1).
fn no_require_tls() -> NoWay {
    let text = "the sender demands TLS all the way (REQUIRETLS), and nothing vouches for the way to the server";
    NoWay { said: Said::ours((5, 7, 30), text), permanent: true }
}

fn policy_text(found: &Found) -> Vec<String> {
    found.policy.as_ref().map(|policy| policy.lines.clone()).unwrap_or_default()
}

/// A record in presentation form (RFC 6698 §2.2), as reports give it (RFC 8460 §4.4).
fn tlsa_text(record: &dns::Tlsa) -> String {
    let data: String = record.data.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{} {} {} {data}", record.usage, record.selector, record.matching)
}

fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
