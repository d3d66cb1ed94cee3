//! What moves mail, put together: names, the queue and its two ways out, and what the services that take mail in share.

use super::config::{self, Config, Dmarc, Dnssec, OnFailure, Size, SmartHostTls, Span, Submission};
use crate::exit::Exit;
use crate::failure::Problem;
use anyhow::Context as _;
use directory::{Directory, DirectoryError};
use dns::Resolver;
use edge::tls::client::Roots;
use edge::{Blocking, Memory, Protocol, Services, Shutdown};
use provenance::Verifier;
use queue::{
    Credentials, KeptPolicies, Lifetimes, Outgoing, OutgoingSettings, PoolLimits, Queue, QueueLimits, QueueSettings,
    Routes, Schedule, SmartHost, Srs, TlsRecorder,
};
use smtp::{Local, Provenance, RateLimits, Rates, Role, Scripts};
use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::OpenOptions;
use store::spool::{Spool, TlsOutcome};
use tokio::sync::mpsc;

/// Where the queue lies, in the data directory.
pub(crate) const QUEUE: &str = "queue";
/// Calls of the queue that may block at once.
const QUEUE_CALLS: usize = 16;
/// What came of TLS and is not yet written down: more is let go, since it is for statistics.
const OUTCOMES: usize = 4096;
/// How often that is written down.
const OUTCOMES_EVERY: Duration = Duration::from_secs(5);
/// Memory for messages that come in, of each service that takes mail.
const MESSAGES_BYTES: u64 = 512 * 1024 * 1024;
/// How long rspamd may take: it asks lists on the network itself.
const RSPAMD_TIMEOUT: Duration = Duration::from_secs(20);
const DAY_S: i64 = 86_400;
/// A longer file is no password.
const MAX_PASSWORD_BYTES: u64 = 1024;

/// What the services that take mail in share, and the queue that they fill.
pub(super) struct Mail {
    mx: Arc<smtp::Settings>,
    submission: Arc<smtp::Settings>,
    lmtp: Arc<smtp::Settings>,
    /// What ManageSieve is to be.
    pub(super) managesieve: managesieve::Settings,
    queue: Arc<Queue>,
    policies: Arc<KeptPolicies>,
}

/// What sends the queue's mail on.
pub(super) struct Mover {
    queue: Arc<Queue>,
    policies: Arc<KeptPolicies>,
    routes: Routes,
    control: PathBuf,
    provenance: Option<Arc<Provenance>>,
    outcomes: mpsc::Receiver<TlsOutcome>,
}

impl Mail {
    /// Opens the queue and puts together what is needed to take mail in and to send it. Inside the runtime.
    ///
    /// # Errors
    /// When the queue cannot be opened, nobody can be asked for names, or the password of the smart host cannot be read.
    pub(super) fn new(config: &Config, services: &Arc<Services>, data: &Path) -> anyhow::Result<(Self, Mover)> {
        warn_of_postmaster(config);
        let directory = data.join(QUEUE);
        let spool = Spool::open(&directory, OpenOptions::for_purpose("reintegra serve"));
        let spool = Arc::new(spool.context("the queue cannot be opened")?);
        for finding in spool.findings() {
            tracing::warn!(finding, "the queue was not as it was left");
        }
        let queue = Queue::new(spool, queue_settings(config, srs(config, &services.directory)?));
        let policies = KeptPolicies::load(&queue).context("the policies of MTA-STS that were kept cannot be read")?;
        let policies = Arc::new(policies);
        let resolver = resolver(config)?;
        let (recorder, outcomes) = mpsc::channel(OUTCOMES);
        let provenance = provenance(config, &resolver);
        let features = config.sieve.features();
        let base = smtp::Settings {
            scripts: Arc::new(Scripts::new(features)),
            postmaster: config.postmaster.as_ref().map(|postmaster| postmaster.0.clone()),
            queue: Some(queue.clone()),
            provenance: provenance.clone(),
            rspamd: config.rspamd.as_ref().map(rspamd),
            rate: Some(Arc::new(Rates::new(rate_limits(config)))),
            ..smtp::Settings::new(Role::Lmtp)
        };
        let of = |role: Role, message_limit: Size| {
            let limits = smtp::Limits { message_bytes: message_limit.0 as usize, ..base.limits };
            // Each its own: strangers who send large mail slowly keep nobody from sending.
            let memory = Memory::new(MESSAGES_BYTES.max(message_limit.0.saturating_mul(4)));
            Arc::new(smtp::Settings { role, limits, memory, parts: Arc::default(), ..base.clone() })
        };
        let lmtp = of(Role::Lmtp, config.lmtp.message_limit);
        let local = Arc::new(Local::new(services.clone(), lmtp.clone()));
        let is_local = local.clone();
        let out = Outgoing::new(outgoing_settings(config, resolver, policies.clone(), recorder)?)?;
        let routes = Routes { is_local: Arc::new(move |hop| is_local.is_hosted(hop)), local, out: Arc::new(out) };
        let mail = Mail {
            mx: of(Role::Mx, config.mx.message_limit),
            submission: of(Role::Submission, config.submission.message_limit),
            lmtp,
            managesieve: managesieve::Settings { features, ..managesieve::Settings::default() },
            queue: queue.clone(),
            policies: policies.clone(),
        };
        let control = directory.join(queue::control::SOCKET);
        Ok((mail, Mover { queue, policies, routes, control, provenance, outcomes }))
    }

    /// Puts the queue to rest, when nothing uses it any more.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn close(&self) -> anyhow::Result<()> {
        let written = self.policies.write(&self.queue).context("the policies of MTA-STS cannot be written down");
        self.queue.spool().close().context("the queue cannot be put to rest").and(written)
    }

    /// What a service that takes mail in is to be.
    pub(super) fn settings(&self, protocol: Protocol) -> &Arc<smtp::Settings> {
        match protocol {
            Protocol::Submission => &self.submission,
            Protocol::Lmtp => &self.lmtp,
            _ => &self.mx,
        }
    }
}

impl Mover {
    /// Sends what is due until the shutdown, answers operators, and keeps what was learnt.
    pub(super) async fn run(self, shutdown: Shutdown) {
        let Mover { queue, policies, routes, control, provenance, outcomes } = self;
        let blocking = Blocking::new(QUEUE_CALLS);
        let operators = async {
            if let Err(error) = queue::control::serve(queue.clone(), blocking.clone(), &control, shutdown.clone()).await
            {
                tracing::error!(%error, "`reintegra queue` cannot be answered");
            }
        };
        tokio::join!(
            queue.clone().run(blocking.clone(), routes, shutdown.clone()),
            operators,
            write_down(queue.clone(), blocking.clone(), outcomes, provenance, shutdown.clone()),
            policies.run(queue.clone(), blocking.clone(), shutdown.clone())
        );
    }
}

/// Finds out whether mail could be moved as far as that can be told without doing it.
///
/// # Errors
/// When the smart host's password or the authorities cannot be had, or nobody can be asked for names.
pub(super) fn check(config: &Config) -> anyhow::Result<()> {
    warn_of_postmaster(config);
    if config.dns.dnssec == Dnssec::Trust
        && let Some(far) = config.dns.servers.iter().find(|server| !server.ip().is_loopback())
    {
        return Err(nobody_to_ask(dns::ConfigError::NotLocal(*far)).into());
    }
    config.delivery.smart_host.as_ref().map(smart_host).transpose()?;
    roots(config)?;
    Ok(())
}

/// Strangers can make us return mail to people who are not there: where nobody gets that, it is held, and the queue grows.
fn warn_of_postmaster(config: &Config) {
    if config.postmaster.is_none() && config.mx.listen.iter().any(|address| !address.ip().is_loopback()) {
        tracing::warn!("`postmaster` names nobody: notices that nobody takes are held in the queue for a week");
    }
}

/// The queue of a data directory that no server holds: for looking at it and acting on it.
///
/// # Errors
/// When a process holds it, or it cannot be opened.
pub(crate) fn queue_at_rest(config: &Config, data: &Path, directory: &Directory) -> anyhow::Result<Arc<Queue>> {
    let spool = Spool::open(&data.join(QUEUE), OpenOptions::for_purpose("reintegra queue"));
    let spool = spool.context("the queue cannot be opened")?;
    Ok(Queue::new(Arc::new(spool), queue_settings(config, srs(config, directory)?)))
}

fn srs(config: &Config, directory: &Directory) -> Result<Arc<Srs>, DirectoryError> {
    Ok(Arc::new(Srs::new(&config.hostname.0, &directory.key_for("sender rewriting")?)))
}

fn queue_settings(config: &Config, srs: Arc<Srs>) -> QueueSettings {
    let defaults = QueueSettings::new(config.hostname.0.clone());
    let seconds = |span: Span| i64::try_from(span.0.as_secs()).unwrap_or(i64::MAX);
    let lifetime_s = seconds(config.delivery.lifetime);
    QueueSettings {
        postmaster: config.postmaster.as_ref().map(|postmaster| postmaster.0.as_str().to_owned()),
        schedule: Schedule { delay_notice_s: seconds(config.delivery.tell_delay_after), ..defaults.schedule },
        lifetimes: Lifetimes { submission_s: lifetime_s, forward_s: lifetime_s, ..defaults.lifetimes },
        limits: QueueLimits {
            jobs: config.delivery.connections.get() as usize,
            jobs_per_hop: config.delivery.connections_per_destination.get() as usize,
            grace: config.limits.shutdown_grace.0,
            ..defaults.limits
        },
        srs: Some(srs),
        ..defaults
    }
}

/// What finds out whether mail is what it says it is; `None` where nobody is to look.
fn provenance(config: &Config, resolver: &Resolver) -> Option<Arc<Provenance>> {
    let honour_dmarc = match config.mx.dmarc {
        Dmarc::Enforce => true,
        Dmarc::Record => false,
        Dmarc::Off => return None,
    };
    let options = provenance::Options {
        trusted_sealers: config.mx.trusted_sealers.iter().map(|sealer| sealer.0.clone()).collect(),
        ..provenance::Options::default()
    };
    let policy = provenance::Policy { honour_dmarc, ..provenance::Policy::default() };
    Some(Arc::new(Provenance::new(Verifier::new(resolver.clone(), options), policy)))
}

fn rspamd(rspamd: &config::Rspamd) -> smtp::Rspamd {
    smtp::Rspamd {
        address: rspamd.address,
        timeout: RSPAMD_TIMEOUT,
        junk_score: Some(rspamd.junk_score),
        reject_score: None,
        on_failure: match rspamd.on_failure {
            OnFailure::Accept => smtp::OnFailure::Accept,
            OnFailure::Later => smtp::OnFailure::Later,
        },
    }
}

/// The limits that are configured; a day's messages and an hour's recipients follow from them.
fn rate_limits(config: &Config) -> RateLimits {
    let Submission { messages_per_hour, recipients_per_day, sent_on_per_hour, .. } = &config.submission;
    let (messages, recipients) = (messages_per_hour.get(), recipients_per_day.get());
    RateLimits {
        network_connections_per_minute: config.mx.connections_per_minute_and_network,
        network_messages_per_hour: config.mx.messages_per_hour_and_network,
        account_messages_per_hour: messages,
        account_messages_per_day: messages.saturating_mul(24),
        account_recipients_per_hour: recipients,
        account_recipients_per_day: recipients,
        account_sent_on_per_hour: sent_on_per_hour.get(),
        ..RateLimits::default()
    }
}

fn resolver(config: &Config) -> anyhow::Result<Resolver> {
    let dnssec = match config.dns.dnssec {
        Dnssec::Validate => dns::Dnssec::Validate,
        Dnssec::Trust => dns::Dnssec::TrustServers,
        Dnssec::Off => dns::Dnssec::Off,
    };
    let made = match config.dns.servers.is_empty() {
        true => Resolver::system(dnssec),
        false => Resolver::new(&dns::Config::new(config.dns.servers.clone(), dnssec)),
    };
    Ok(made.map_err(nobody_to_ask)?)
}

fn nobody_to_ask(error: dns::ConfigError) -> Problem {
    let now = match error {
        dns::ConfigError::NotLocal(_) => {
            "name a server on this machine in `dns.servers`, or let `dns.dnssec` be \"validate\""
        }
        _ => "name a DNS server in `dns.servers`",
    };
    Problem::new(Exit::WrongUse, "nobody can be asked for names").because(error.to_string()).now(now)
}

fn outgoing_settings(
    config: &Config,
    resolver: Resolver,
    policies: Arc<KeptPolicies>,
    recorder: mpsc::Sender<TlsOutcome>,
) -> anyhow::Result<OutgoingSettings> {
    let defaults = OutgoingSettings::new(resolver, &config.hostname.0);
    let per_address = config.delivery.connections_per_destination.get() as usize;
    let v4 = config.delivery.from.iter().find_map(|from| if let IpAddr::V4(v4) = from { Some(*v4) } else { None });
    let v6 = config.delivery.from.iter().find_map(|from| if let IpAddr::V6(v6) = from { Some(*v6) } else { None });
    Ok(OutgoingSettings {
        own_addresses: config.delivery.from.clone(),
        smart_host: config.delivery.smart_host.as_ref().map(smart_host).transpose()?,
        source_v4: v4,
        source_v6: v6,
        pool: PoolLimits { per_address, ..defaults.pool },
        policies,
        tls_recorder: Some(Arc::new(Recorder(recorder))),
        roots: roots(config)?,
        ..defaults
    })
}

/// The authorities that are believed about the smart host and MTA-STS.
fn roots(config: &Config) -> Result<Roots, Problem> {
    match &config.delivery.authorities {
        Some(path) => super::authorities(path, "delivery.authorities"),
        None => Ok(Roots::bundled()),
    }
}

fn smart_host(host: &config::SmartHost) -> anyhow::Result<SmartHost> {
    let credentials = match (&host.user, &host.password_file) {
        // Anybody on the way could put a certificate of their own before it.
        (Some(_), Some(_)) if host.tls == SmartHostTls::Opportunistic => {
            return Err(Problem::wrong_use("`delivery.smart_host` would show its password to anybody")
                .because("`tls` is \"opportunistic\": the certificate is not verified")
                .now("say \"starttls\" or \"implicit\", or leave out `user` and `password_file`")
                .into());
        }
        (Some(login), Some(file)) => Some(Credentials { login: login.clone(), password: password(file)? }),
        (None, None) => None,
        _ => {
            return Err(Problem::wrong_use(
                "`delivery.smart_host` has one of `user` and `password_file` without the other",
            )
            .now("name both, or neither")
            .into());
        }
    };
    Ok(SmartHost {
        host: host.address.host.clone(),
        port: host.address.port,
        tls: match host.tls {
            SmartHostTls::Starttls => queue::SmartHostTls::StartTls,
            SmartHostTls::Implicit => queue::SmartHostTls::Implicit,
            SmartHostTls::Opportunistic => queue::SmartHostTls::Opportunistic,
        },
        credentials,
        lmtp: false,
    })
}

/// The password that a file holds, without the end of its line.
fn password(path: &Path) -> anyhow::Result<String> {
    let refused = |why: String| {
        Problem::wrong_use("the password of `delivery.smart_host` cannot be had")
            .because(format!("{}: {why}", path.display()))
            .now("the file holds the password and nothing else, and nobody but its owner and group can read it")
    };
    let mut text = String::new();
    let file = File::open(path).map_err(|error| refused(error.to_string()))?;
    let mode = file.metadata().map_err(|error| refused(error.to_string()))?.mode() & 0o777;
    if mode & 0o007 != 0 {
        return Err(refused(format!("its mode {mode:03o} is for everybody; chmod 600 it")).into());
    }
    file.take(MAX_PASSWORD_BYTES + 1).read_to_string(&mut text).map_err(|error| refused(error.to_string()))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() || text.len() as u64 > MAX_PASSWORD_BYTES || password.contains(['\r', '\n', '\0']) {
        return Err(refused("it is empty, longer than 1 KiB, or has several lines".to_owned()).into());
    }
    Ok(password.to_owned())
}

/// Takes what came of TLS off the hands of those who deliver.
struct Recorder(mpsc::Sender<TlsOutcome>);

impl TlsRecorder for Recorder {
    fn record(&self, outcome: TlsOutcome) {
        // Nobody waits for statistics.
        if self.0.try_send(outcome).is_err() {
            metrics::counter!("reintegra_tls_outcomes_lost_total").increment(1);
        }
    }
}

/// Writes down what came of TLS and of DMARC, a batch at a time, until the shutdown.
async fn write_down(
    queue: Arc<Queue>,
    blocking: Blocking,
    mut outcomes: mpsc::Receiver<TlsOutcome>,
    provenance: Option<Arc<Provenance>>,
    mut shutdown: Shutdown,
) {
    let mut every = tokio::time::interval(OUTCOMES_EVERY);
    loop {
        let last = tokio::select! {
            _ = every.tick() => false,
            () = shutdown.requested() => true,
        };
        let batch: Vec<TlsOutcome> = std::iter::from_fn(|| outcomes.try_recv().ok()).collect();
        let (queue, provenance) = (queue.clone(), provenance.clone());
        let write = move || {
            let day = jiff::Timestamp::now().as_second().div_euclid(DAY_S);
            if !batch.is_empty()
                && let Err(error) = queue.spool().record_tls(day, batch)
            {
                tracing::error!(error = edge::causes(&error), "what came of TLS cannot be written down");
            }
            if let Some(provenance) = provenance {
                provenance.flush(&queue);
            }
        };
        blocking.run(write).await;
        if last {
            return;
        }
    }
}
