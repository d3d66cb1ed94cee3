//! Certificates from an ACME server: who keeps them, and the ports where the server sees that names are ours.

use super::config::Acme;
use super::ports::Ports;
use crate::failure::Problem;
use acme::{Kind, Manager, Pace, Settings, serve_http, serve_tls};
use anyhow::Context as _;
use edge::Shutdown;
use edge::tls::Tls;
use edge::tls::client::Roots;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Where account, certificates and keys are kept, in the data directory.
const DIRECTORY: &str = "tls/acme";

/// Finds out whether certificates could be asked for as far as that can be told without doing it, and whom the ACME
/// server's own certificate must come from.
///
/// # Errors
/// When no challenge could be answered, or the authority cannot be had.
pub(super) fn check(config: &Acme) -> Result<Roots, Problem> {
    if config.listen_http.is_none() && config.listen_tls.is_none() {
        return Err(Problem::wrong_use("`acme` has neither `listen_http` nor `listen_tls`")
            .because("the ACME server asks there whether the names are ours")
            .now("name the address that the world reaches as port 80, or as port 443"));
    }
    match &config.authority {
        Some(path) => super::authorities(path, "acme.authority"),
        None => Ok(Roots::bundled()),
    }
}

/// Keeps certificates.
pub(super) struct Certificates {
    manager: Manager,
    tls: Arc<Tls>,
}

impl Certificates {
    /// Shows the certificates that are kept from now on.
    ///
    /// # Errors
    /// When the configuration asks for what cannot be had, or what is kept cannot be used.
    pub(super) fn new(config: &Acme, data: &Path, tls: &Arc<Tls>) -> anyhow::Result<Self> {
        let roots = check(config)?;
        let http = config.listen_http.map(|_| Kind::Http01);
        let challenges = http.into_iter().chain(config.listen_tls.map(|_| Kind::TlsAlpn01)).collect();
        let settings = Settings {
            directory: config.directory.clone(),
            contact: config.contact.clone(),
            certificates: config
                .certificates
                .iter()
                .map(|names| names.iter().map(|name| name.0.clone()).collect())
                .collect(),
            kept_in: data.join(DIRECTORY),
            roots,
            challenges,
            pace: Pace::default(),
        };
        let manager = Manager::new(settings, Arc::clone(tls)).context("`acme` cannot be used")?;
        Ok(Certificates { manager, tls: Arc::clone(tls) })
    }

    /// Orders and renews them until it is time to stop, and answers on the ports for that.
    ///
    /// # Errors
    /// When a port cannot be used.
    pub(super) fn spawn(self, ports: &mut Ports, tasks: &mut JoinSet<()>, shutdown: &Shutdown) -> anyhow::Result<()> {
        if let Some(listener) = ports.challenges_http.take() {
            tracing::info!(protocol = "acme-http", address = %listener.local_addr()?, "listening");
            let listener = TcpListener::from_std(listener)?;
            tasks.spawn(serve_http(listener, self.manager.responder(), shutdown.clone()));
        }
        if let Some(listener) = ports.challenges_tls.take() {
            tracing::info!(protocol = "acme-tls", address = %listener.local_addr()?, "listening");
            let listener = TcpListener::from_std(listener)?;
            tasks.spawn(serve_tls(listener, self.tls, shutdown.clone()));
        }
        tasks.spawn(self.manager.run(shutdown.clone()));
        Ok(())
    }
}
