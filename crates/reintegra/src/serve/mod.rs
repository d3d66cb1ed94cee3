//! `reintegra serve`: configuration, sockets, services, and the end.
//!
//! ```text
//! config/          the TOML file
//! words.rs         what is wrong with it, for people
//! log.rs           what is logged, and how
//! sockets.rs       systemd's sockets, or our own
//! ports.rs         what is spoken on which
//! listeners.rs     which service answers on which port
//! acme.rs          certificates from an ACME server
//! mail.rs          what moves mail, put together
//! operator.rs      metrics and health
//! readiness.rs     whether what is served can be read
//! manager.rs       what systemd is told
//! upkeep.rs        what is forgotten in time
//! indexer.rs       texts are indexed behind the services' backs
//! ```

mod acme;
mod config;
mod indexer;
mod listeners;
mod log;
mod mail;
mod manager;
mod operator;
mod ports;
mod readiness;
mod sockets;
mod upkeep;
mod words;

pub(crate) use config::{Config, ConfigError};
pub(crate) use mail::{QUEUE, queue_at_rest};
pub(crate) use sockets::SocketError;

use crate::exit::Exit;
use crate::failure::Problem;
use anyhow::Context as _;
use config::Scram;
use edge::listen::Limits;
use edge::tls::client::Roots;
use edge::tls::{CertificateFiles, Tls};
use edge::{Policy, ScramOffer, Services, Shutdown};
use integrate::Platform;
use listeners::Listeners;
use mail::{Mail, Mover};
use operator::Operator;
use ports::Ports;
use sockets::Sockets;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

/// How often certificates are looked at.
const CERTIFICATES_EVERY: Duration = Duration::from_secs(60);
/// How often metrics let go of what no longer counts.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// Where a self-signed certificate is kept, in the data directory.
const TLS_DIRECTORY: &str = "tls";
/// What a self-signed certificate is for, beside the host's name: those who try the program out on their own machine.
const LOOPBACK_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// Threads that may block at once, for the services' calls and for password hashing beside them.
const BLOCKING_THREADS: usize = 96;

/// A server that logs, counts and holds what was handed over to it, and serves nothing yet.
pub(crate) struct Server<'a> {
    config: &'a Config,
    sockets: Sockets,
    operator: Operator,
}

impl<'a> Server<'a> {
    /// Begins to log and to count. Once a process, while it has one thread.
    ///
    /// # Errors
    /// When a socket that was handed over cannot be used.
    pub(crate) fn begin(config: &'a Config) -> anyhow::Result<Self> {
        let sockets = Sockets::from_systemd()?;
        log::install(&config.log)?;
        let operator = Operator::install()?;
        crate::descriptors::check(config.limits.connections);
        Ok(Server { config, sockets, operator })
    }

    /// Serves until it is told to end.
    ///
    /// # Errors
    /// When the certificates or the ports cannot be had; those of the store at its end.
    pub(crate) fn run(self, platform: Platform) -> anyhow::Result<()> {
        let Server { config, sockets, operator } = self;
        let tls = match certificates(config)? {
            Some(tls) => tls,
            None => self_signed(config, platform.dir())?,
        };
        let acme = config.acme.as_ref();
        let kept = acme.map(|acme| acme::Certificates::new(acme, platform.dir(), &tls)).transpose()?;
        let data = platform.dir().to_owned();
        let Platform { store, directory } = platform;
        let services = Services::new(Arc::new(store), Arc::new(directory), policy(config));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_name("network")
            .max_blocking_threads(BLOCKING_THREADS)
            .build()
            .context("the network cannot be begun")?;
        // Before anybody can connect: whoever does may take it for granted that we end well when we are told to.
        let signals = runtime.block_on(async { Signals::new() })?;
        let ports = Ports::bind(config, sockets)?;
        let indexer = config.search.index_in_background.then(|| indexer::Indexer::start(services.store.clone()));
        let mail = runtime.block_on(async { Mail::new(config, &services, &data) });
        let (mail, served) = match mail {
            Ok((mail, mover)) => {
                let outside = Outside { ports, operator, signals };
                let served = runtime.block_on(serve(config, &services, &mail, mover, tls, kept, outside));
                (Ok(mail), served)
            }
            Err(error) => (Err(error), Ok(())),
        };
        // No session runs any more; a call that still blocks is waited for, so that the store is at rest.
        drop(runtime);
        drop(indexer);
        services.store.settle().context("the store cannot be put to rest")?;
        mail?.close()?;
        served
    }
}

/// Finds out whether a configuration can be used as far as that can be told without serving; warnings are logged.
///
/// # Errors
/// When a certificate cannot be used or is not valid now, the password of the smart host cannot be had, or a table asks for
/// what cannot be.
pub(crate) fn check(config: &Config) -> anyhow::Result<()> {
    log::install(&config.log)?;
    mail::check(config)?;
    config.acme.as_ref().map(acme::check).transpose()?;
    certificates(config)?;
    let now_s = jiff::Timestamp::now().as_second();
    for file in certificate_files(config) {
        let inspected = edge::tls::inspect(&file)?;
        if !inspected.is_valid_at(now_s) {
            let time = |at| crate::figures::rfc3339(at).unwrap_or_else(|| "a time that no calendar has".to_owned());
            let (from, until) = (time(inspected.not_before_s), time(inspected.not_after_s));
            return Err(Problem::wrong_use(format!("the certificate {} is not valid now", file.chain.display()))
                .because(format!("it is valid from {from} until {until}"))
                .now("name one that is, or set the clock")
                .into());
        }
        edge::tls::log_expiry(&file.chain, &inspected, now_s);
    }
    Ok(())
}

/// The authorities that a key of the configuration names.
fn authorities(path: &Path, key: &str) -> Result<Roots, Problem> {
    Roots::from_file(path).map_err(|error| {
        Problem::wrong_use(format!("`{key}` cannot be used"))
            .because(edge::causes(&error))
            .now("name a PEM file of authorities' certificates, readable by this user, or leave the key out")
    })
}

fn certificate_files(config: &Config) -> Vec<CertificateFiles> {
    let files = config.tls.certificates.iter();
    files.map(|file| CertificateFiles { chain: file.chain.clone(), key: file.key.clone() }).collect()
}

/// The certificates of a configuration; `None` where it names none.
fn certificates(config: &Config) -> anyhow::Result<Option<Arc<Tls>>> {
    let files = certificate_files(config);
    if files.is_empty() {
        return Ok(None);
    }
    Ok(Some(Tls::load(files).context("the certificates cannot be used")?))
}

fn self_signed(config: &Config, data: &Path) -> anyhow::Result<Arc<Tls>> {
    let mut names = vec![config.hostname.0.clone()];
    names.extend(LOOPBACK_NAMES.iter().filter(|name| **name != config.hostname.0).map(|name| (*name).to_owned()));
    let directory = data.join(TLS_DIRECTORY);
    let tls = Tls::self_signed(&directory, &names).map_err(|error| {
        let error = anyhow::Error::from(error);
        Problem::new(Exit::Failed, "there is no self-signed certificate, and none can be made")
            .because(format!("{error:#}"))
            .now(format!("remove {} to have a new one made, or name one in `tls.certificates`", directory.display()))
    })?;
    if config.acme.is_none() {
        tracing::warn!("no certificate is configured: clients are shown a self-signed one, which they will not trust");
    }
    Ok(tls)
}

fn policy(config: &Config) -> Policy {
    Policy {
        loopback_is_secure: config.sign_in.loopback_without_tls,
        quota_default_bytes: config.limits.default_quota.map(|size| size.0),
        max_sessions_per_account: config.limits.sessions_per_account.get() as usize,
        scram: match config.sign_in.scram {
            Scram::WhenAllCan => ScramOffer::WhenAllCan,
            Scram::Always => ScramOffer::Always,
            Scram::Never => ScramOffer::Never,
        },
        append_limit_bytes: config.imap.append_limit.0,
        ..Policy::new(config.hostname.0.clone())
    }
}

/// What the world reaches the process by.
struct Outside {
    ports: Ports,
    operator: Operator,
    signals: Signals,
}

async fn serve(
    config: &Config,
    services: &Arc<Services>,
    mail: &Mail,
    mover: Mover,
    tls: Arc<Tls>,
    kept: Option<acme::Certificates>,
    outside: Outside,
) -> anyhow::Result<()> {
    let Outside { mut ports, operator, mut signals } = outside;
    let (stop, shutdown) = Shutdown::channel();
    let mut tasks = JoinSet::new();
    let limits = Limits { handshake: HANDSHAKE, grace: config.limits.shutdown_grace.0 };
    if let Some(kept) = kept {
        kept.spawn(&mut ports, &mut tasks, &shutdown)?;
    }
    let listeners = Listeners::new(config, services, mail, &tls, limits);
    for port in ports.services {
        listeners.listen(port, &mut tasks, &shutdown)?;
    }
    tasks.spawn(mover.run(shutdown.clone()));
    tasks.spawn(upkeep::forget(services.clone(), shutdown.clone()));
    tasks.spawn(tls.clone().watch(CERTIFICATES_EVERY, shutdown.clone()));
    // Both go on until everything else has ended, and end with the runtime.
    tokio::spawn(keep_up(operator.clone()));
    if let Some(listener) = ports.operator {
        tracing::info!(protocol = "operator", address = %listener.local_addr()?, "listening");
        let operator = operator.clone();
        tokio::spawn(async move {
            if let Err(error) = operator.serve(listener).await {
                tracing::error!(%error, "the operator's port fails");
            }
        });
    }
    operator.look_at(services);
    operator.set_ready(true);
    manager::ready();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "serving");
    signals.end(&tls).await;
    operator.set_ready(false);
    manager::stopping(limits.grace);
    tracing::info!("ending");
    stop.request();
    end(tasks, &mut signals, &tls).await;
    tracing::info!("ended");
    Ok(())
}

/// Waits for every session, or until it is told once more.
async fn end(mut tasks: JoinSet<()>, signals: &mut Signals, tls: &Tls) {
    let all = async { while tasks.join_next().await.is_some() {} };
    tokio::select! {
        () = all => return,
        () = signals.end(tls) => {}
    }
    tracing::warn!("told to end once more: sessions are cut off");
    tasks.shutdown().await;
}

/// The signals that are heard.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// From here on, none of them kills the process.
    fn new() -> anyhow::Result<Self> {
        let on = |kind: SignalKind| signal(kind).context("signals cannot be heard");
        Ok(Signals {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            hang_up: on(SignalKind::hangup())?,
        })
    }

    /// Waits for one to end, and does what others ask for meanwhile.
    async fn end(&mut self, tls: &Tls) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => {
                    manager::reloading();
                    let (taken, errors) = tls.reload();
                    edge::tls::log_reload(taken, &errors);
                    manager::ready();
                }
            }
        }
    }
}

/// What is to be done now and then: metrics, and word to the watchdog that the runtime still runs tasks.
async fn keep_up(operator: Operator) {
    let watchdog = manager::watchdog();
    let mut interval = tokio::time::interval(watchdog.map_or(UPKEEP_EVERY, |every| UPKEEP_EVERY.min(every)));
    loop {
        interval.tick().await;
        operator.upkeep();
        if watchdog.is_some() {
            manager::alive();
        }
    }
}
