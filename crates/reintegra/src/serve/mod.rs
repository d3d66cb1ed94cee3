//! `reintegra serve`: configuration, sockets, services, and the end.
//!
//! ```text
//! config.rs        the TOML file
//! words.rs         what is wrong with it, for people
//! log.rs           what is logged, and how
//! sockets.rs       systemd's sockets, or our own
//! descriptors.rs   how many files may be open
//! operator.rs      metrics and health
//! manager.rs       what systemd is told
//! indexer.rs       texts are indexed behind the services' backs
//! ```

mod config;
mod descriptors;
mod indexer;
mod log;
mod manager;
mod operator;
mod sockets;
mod words;

pub(crate) use config::{Config, ConfigError};
pub(crate) use sockets::SocketError;

use crate::exit::Exit;
use crate::failure::Problem;
use anyhow::Context as _;
use config::{Before, Scram};
use directory::Pop3Before;
use edge::listen::{Caps, Connection, Kind, Limits, Listen};
use edge::tls::{CertificateFiles, Tls};
use edge::{Policy, Protocol, ScramOffer, Services, Shutdown};
use integrate::Platform;
use operator::Operator;
use sockets::Sockets;
use std::net::{SocketAddr, TcpListener};
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

/// A service's port.
struct Port {
    protocol: Protocol,
    kind: Kind,
    listener: TcpListener,
    address: SocketAddr,
}

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
        descriptors::raise(config.limits.connections);
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
        let (ports, operators_port) = bind(config, sockets)?;
        let Platform { store, directory } = platform;
        let services = Services::new(Arc::new(store), Arc::new(directory), policy(config));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_name("network")
            .max_blocking_threads(BLOCKING_THREADS)
            .build()
            .context("the network cannot be begun")?;
        let indexer = config.search.index_in_background.then(|| indexer::Indexer::start(services.store.clone()));
        let served = runtime.block_on(serve(config, &services, tls, ports, operators_port, operator));
        // No session runs any more; a call that still blocks is waited for, so that the store is at rest.
        drop(runtime);
        drop(indexer);
        services.store.settle().context("the store cannot be put to rest")?;
        served
    }
}

/// Finds out whether a configuration can be used as far as that can be told without serving; warnings are logged.
///
/// # Errors
/// When a certificate cannot be used.
pub(crate) fn check(config: &Config) -> anyhow::Result<()> {
    log::install(&config.log)?;
    certificates(config).map(|_| ())
}

/// The certificates of a configuration; `None` where it names none.
fn certificates(config: &Config) -> anyhow::Result<Option<Arc<Tls>>> {
    let files = config.tls.certificates.iter();
    let files: Vec<_> = files.map(|c| CertificateFiles { chain: c.chain.clone(), key: c.key.clone() }).collect();
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
    tracing::warn!("no certificate is configured: clients are shown a self-signed one, which they will not trust");
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

/// Every port, the operator's last: whoever waits for it finds all of them.
fn bind(config: &Config, mut sockets: Sockets) -> anyhow::Result<(Vec<Port>, Option<TcpListener>)> {
    let mut ports = Vec::new();
    let mut operators_port = None;
    for (key, address) in config.addresses() {
        let listener = sockets.take(key, address)?;
        let (protocol, kind) = match key {
            "imap.listen" => (Protocol::Imap, Kind::StartTls),
            "imap.listen_tls" => (Protocol::Imap, Kind::Implicit),
            "pop3.listen" => (Protocol::Pop3, Kind::StartTls),
            "pop3.listen_tls" => (Protocol::Pop3, Kind::Implicit),
            _ => {
                operators_port = Some(listener);
                continue;
            }
        };
        let address = listener.local_addr().with_context(|| format!("{key}: {address}"))?;
        ports.push(Port { protocol, kind, listener, address });
    }
    sockets.none_left()?;
    Ok((ports, operators_port))
}

async fn serve(
    config: &Config,
    services: &Arc<Services>,
    tls: Arc<Tls>,
    ports: Vec<Port>,
    operators_port: Option<TcpListener>,
    operator: Operator,
) -> anyhow::Result<()> {
    let (stop, shutdown) = Shutdown::channel();
    let mut tasks = JoinSet::new();
    let connections = config.limits.connections.get() as usize;
    let caps = Caps::new(connections, connections, config.limits.connections_per_address.get() as usize);
    let limits = Limits { handshake: HANDSHAKE, grace: config.limits.shutdown_grace.0 };
    let imap_times = imap::Times { signed_in: config.imap.idle_timeout.0, ..imap::Times::default() };
    let pop3_settings = pop3::Settings {
        times: pop3::Times { signed_in: config.pop3.idle_timeout.0, ..pop3::Times::default() },
        before: match config.pop3.before {
            Before::Show => Pop3Before::Show,
            Before::Hide => Pop3Before::Hide,
            Before::SeenHide => Pop3Before::SeenHide,
        },
        locks: pop3::Locks::default(),
    };
    for Port { protocol, kind, listener, address } in ports {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let full: &[u8] = match protocol {
            Protocol::Imap => b"* BYE [UNAVAILABLE] too many connections\r\n",
            _ => b"-ERR [SYS/TEMP] too many connections\r\n",
        };
        let loopback_is_secure = config.sign_in.loopback_without_tls;
        let listen = Listen { protocol, kind, tls: Some(tls.clone()), loopback_is_secure, limits, full };
        tracing::info!(protocol = protocol.as_str(), %address, tls_first = kind == Kind::Implicit, "listening");
        let (caps, shutdown, services) = (caps.clone(), shutdown.clone(), services.clone());
        match protocol {
            Protocol::Imap => {
                let handler = move |connection: Connection| imap::serve(connection, services.clone(), imap_times);
                tasks.spawn(edge::listen::run(listener, listen, caps, shutdown, handler));
            }
            _ => {
                let settings = pop3_settings.clone();
                let handler = move |connection: Connection| pop3::serve(connection, services.clone(), settings.clone());
                tasks.spawn(edge::listen::run(listener, listen, caps, shutdown, handler));
            }
        }
    }
    tasks.spawn(tls.clone().watch(CERTIFICATES_EVERY, shutdown.clone()));
    // Both go on until everything else has ended, and end with the runtime.
    tokio::spawn(keep_up(operator.clone()));
    if let Some(listener) = operators_port {
        tracing::info!(protocol = "operator", address = %listener.local_addr()?, "listening");
        let operator = operator.clone();
        tokio::spawn(async move {
            if let Err(error) = operator.serve(listener).await {
                tracing::error!(%error, "the operator's port fails");
            }
        });
    }
    // Before anybody is told that we serve: whoever is told may send one.
    let mut signals = Signals::new()?;
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
