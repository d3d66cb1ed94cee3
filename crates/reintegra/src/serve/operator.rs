//! The operator's port: `/metrics` for Prometheus, `/health/live` and `/health/ready` for whoever restarts or routes.
//!
//! It answers until everything else has ended, so that an end is seen.

use super::readiness::Readiness;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use edge::Services;
use metrics::Unit;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use store::Store;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// Connections at once: a few programs watch, and keep theirs open.
const CONNECTIONS: usize = 64;
/// How long a connection may move no byte: longer than the usual minute between two looks.
const SILENCE: Duration = Duration::from_secs(90);

/// What the port tells of.
#[derive(Clone)]
pub(crate) struct Operator {
    metrics: PrometheusHandle,
    ready: Arc<AtomicBool>,
    /// From when there is something to look at.
    served: Arc<OnceLock<Served>>,
}

/// What is looked at when somebody asks.
struct Served {
    readiness: Readiness,
    store: Arc<Store>,
}

impl Operator {
    /// Begins to count. Once a process.
    ///
    /// # Errors
    /// When something counts already.
    pub(crate) fn install() -> anyhow::Result<Self> {
        // Seconds: from a command that needs no disk to a search through everything.
        let buckets = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
        let metrics = PrometheusBuilder::new().set_buckets(&buckets)?.install_recorder()?;
        describe();
        metrics::gauge!("reintegra_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        Ok(Operator { metrics, ready: Arc::default(), served: Arc::default() })
    }

    /// Looks at what is served when somebody asks how it fares, and whether it is ready. Once a process.
    pub(crate) fn look_at(&self, services: &Services) {
        let store = &services.store;
        let readiness = || Readiness::new(store, &services.directory);
        self.served.get_or_init(|| Served { readiness: readiness(), store: Arc::clone(store) });
    }

    /// Whether connections are taken.
    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }

    /// Lets go of what no longer counts; to be called now and then.
    pub(crate) fn upkeep(&self) {
        self.metrics.run_upkeep();
    }

    /// Answers for as long as it is polled.
    ///
    /// # Errors
    /// Those of the socket.
    pub(crate) async fn serve(self, listener: std::net::TcpListener) -> io::Result<()> {
        let router = Router::new()
            .route("/metrics", get(metrics))
            .route("/health/live", get(|| async { "alive\n" }))
            .route("/health/ready", get(ready))
            .with_state(self);
        let inner = TcpListener::from_std(listener)?;
        axum::serve(Listener { inner, places: Arc::new(Semaphore::new(CONNECTIONS)) }, router).await
    }
}

/// Says what is counted, for `# HELP`.
fn describe() {
    let counters = [
        ("reintegra_accept_errors_total", "Times that no connection could be accepted for want of something"),
        ("reintegra_acme_attempts_total", "Attempts to have a certificate issued, by what became of them"),
        ("reintegra_certificates_refused_total", "Changed certificates that could not be used"),
        ("reintegra_connections_refused_total", "Connections that were one too many, by the limit"),
        ("reintegra_connections_total", "Connections that were taken"),
        ("reintegra_deliveries_total", "Recipients of messages that came in, by what became of them"),
        ("reintegra_derived_failures_total", "Reads and writes of derived data that failed, as on a full disk"),
        ("reintegra_derived_thrown_away_total", "Databases of derived data that were damaged and are made anew"),
        ("reintegra_imap_bytes_total", "Bytes of IMAP, before compression and TLS"),
        ("reintegra_imap_sessions_total", "IMAP sessions that began"),
        ("reintegra_managesieve_sessions_total", "ManageSieve sessions that began"),
        ("reintegra_panics_total", "Mistakes in the program that were met"),
        ("reintegra_pop3_bytes_total", "Bytes of POP3, before TLS"),
        ("reintegra_pop3_deleted_total", "Messages that POP3 clients deleted"),
        ("reintegra_pop3_sessions_total", "POP3 sessions that began"),
        ("reintegra_queue_connections_total", "Connections to other servers, by whether they are encrypted"),
        ("reintegra_queue_faults_total", "Deliveries to others that ended by a mistake of ours or took too long"),
        ("reintegra_queue_notifications_total", "Notifications to senders, by their kind"),
        ("reintegra_queue_recipients_total", "Recipients that the queue tried, by what became of them"),
        ("reintegra_queue_untold_total", "Messages held because nobody can be told that they failed"),
        ("reintegra_rspamd_failures_total", "Messages that rspamd was asked about in vain"),
        ("reintegra_search_indexed_total", "Messages that were indexed for text search in the background"),
        ("reintegra_session_panics_total", "Sessions that ended by a mistake in the program"),
        ("reintegra_sieve_faults_total", "Sieve scripts that failed on a message"),
        ("reintegra_sign_ins_total", "Attempts to sign in, by outcome"),
        ("reintegra_smtp_early_talkers_total", "SMTP clients that did not wait for the greeting"),
        ("reintegra_smtp_rates_exceeded_total", "Times that an SMTP client was told to come later for its rate"),
        ("reintegra_smtp_sessions_total", "SMTP and LMTP sessions that began"),
        ("reintegra_tls_handshakes_failed_total", "TLS handshakes that failed"),
        ("reintegra_tls_outcomes_lost_total", "Outcomes of TLS that are missing from reports"),
    ];
    for (name, text) in counters {
        metrics::describe_counter!(name, text);
    }
    let gauges = [
        ("reintegra_acme_failures", "Attempts for a certificate that failed since the last good one"),
        ("reintegra_build_info", "Always 1; its labels say what runs"),
        (
            "reintegra_certificate_expires_seconds",
            "When a certificate expires, in seconds since 1970; NaN for one that is gone",
        ),
        ("reintegra_connections", "Connections now"),
        ("reintegra_imap_sessions", "IMAP sessions now"),
        ("reintegra_queue_bytes", "Bytes of messages in the queue"),
        ("reintegra_queue_hops_out_of_reach", "Destinations that cannot be reached now"),
        ("reintegra_queue_jobs", "Deliveries to others under way"),
        ("reintegra_queue_messages", "Messages in the queue"),
        ("reintegra_queue_oldest_seconds", "Age of the oldest message in the queue"),
        ("reintegra_queue_recipients", "Recipients in the queue, by their state"),
        ("reintegra_sign_ins_waiting", "Sign-ins that wait for their password to be hashed"),
    ];
    for (name, text) in gauges {
        metrics::describe_gauge!(name, text);
    }
    metrics::describe_histogram!("reintegra_imap_command_seconds", Unit::Seconds, "How long IMAP commands take");
}

async fn metrics(State(operator): State<Operator>) -> Response {
    if let Some(Served { store, .. }) = operator.served.get() {
        count_derived(store);
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], operator.metrics.render()).into_response()
}

/// Counts what befell the derived data of each cell: it is made good without an error to anybody, and a disk that fails shows
/// there first.
fn count_derived(store: &Store) {
    for cell in store.cells() {
        let (health, number) = (cell.derived_health(), cell.number().to_string());
        metrics::counter!("reintegra_derived_thrown_away_total", "cell" => number.clone()).absolute(health.thrown_away);
        metrics::counter!("reintegra_derived_failures_total", "cell" => number).absolute(health.failed);
    }
}

async fn ready(State(operator): State<Operator>) -> Response {
    let troubles = match operator.served.get() {
        Some(Served { readiness, .. }) if operator.ready.load(Ordering::Relaxed) => readiness.troubles().await,
        _ => return (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response(),
    };
    match troubles.is_empty() {
        true => "ready\n".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", troubles.join(", "))).into_response(),
    }
}

/// Accepts a bounded number of connections, none of which is silent for long.
struct Listener {
    inner: TcpListener,
    places: Arc<Semaphore>,
}

impl axum::serve::Listener for Listener {
    type Io = Watched;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Watched, SocketAddr) {
        let place = Arc::clone(&self.places).acquire_owned().await.expect("the semaphore is never closed");
        // Its own way with errors: it passes over those of one connection and waits after the others.
        let (stream, address) = axum::serve::Listener::accept(&mut self.inner).await;
        (Watched { stream, silent_until: Box::pin(sleep(SILENCE)), _place: place }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

/// A connection that fails when it moves no byte for too long.
struct Watched {
    stream: TcpStream,
    silent_until: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Watched {
    /// Passes a result on, unless there is none and time is up.
    fn watch<T>(&mut self, context: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.silent_until.as_mut().reset(Instant::now() + SILENCE);
            return result;
        }
        ready!(self.silent_until.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.watch(context, result)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
