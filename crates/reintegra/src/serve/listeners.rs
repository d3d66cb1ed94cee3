//! Which service answers on which port.

use super::config::{Before, Config};
use super::mail::Mail;
use super::ports::{Port, full};
use directory::Pop3Before;
use edge::listen::{Caps, Connection, Kind, Limits, Listen, run};
use edge::tls::Tls;
use edge::{Protocol, Services, Shutdown};
use std::sync::Arc;
use tokio::task::JoinSet;

/// The services, ready to answer.
pub(super) struct Listeners<'a> {
    services: &'a Arc<Services>,
    mail: &'a Mail,
    tls: &'a Arc<Tls>,
    loopback_is_secure: bool,
    limits: Limits,
    caps: Arc<Caps>,
    imap: imap::Times,
    pop3: pop3::Settings,
}

impl<'a> Listeners<'a> {
    pub(super) fn new(
        config: &Config,
        services: &'a Arc<Services>,
        mail: &'a Mail,
        tls: &'a Arc<Tls>,
        limits: Limits,
    ) -> Self {
        let connections = config.limits.connections.get() as usize;
        Listeners {
            services,
            mail,
            tls,
            loopback_is_secure: config.sign_in.loopback_without_tls,
            limits,
            caps: Caps::new(connections, connections, config.limits.connections_per_address.get() as usize),
            imap: imap::Times { signed_in: config.imap.idle_timeout.0, ..imap::Times::default() },
            pop3: pop3::Settings {
                times: pop3::Times { signed_in: config.pop3.idle_timeout.0, ..pop3::Times::default() },
                before: match config.pop3.before {
                    Before::Show => Pop3Before::Show,
                    Before::Hide => Pop3Before::Hide,
                    Before::SeenHide => Pop3Before::SeenHide,
                },
                locks: pop3::Locks::default(),
            },
        }
    }

    /// Answers on a port until the shutdown.
    ///
    /// # Errors
    /// When the runtime cannot take the socket.
    pub(super) fn listen(&self, port: Port, tasks: &mut JoinSet<()>, shutdown: &Shutdown) -> anyhow::Result<()> {
        let Port { protocol, kind, listener, address } = port;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        tracing::info!(protocol = protocol.as_str(), %address, tls_first = kind == Kind::Implicit, "listening");
        let listen = Listen {
            protocol,
            kind,
            tls: Some(self.tls.clone()),
            loopback_is_secure: self.loopback_is_secure,
            limits: self.limits,
            full: full(protocol),
        };
        let (caps, shutdown, services) = (self.caps.clone(), shutdown.clone(), self.services.clone());
        match protocol {
            Protocol::Imap => {
                let times = self.imap;
                let handler = move |connection: Connection| imap::serve(connection, services.clone(), times);
                tasks.spawn(run(listener, listen, caps, shutdown, handler));
            }
            Protocol::Pop3 => {
                let settings = self.pop3.clone();
                let handler = move |connection: Connection| pop3::serve(connection, services.clone(), settings.clone());
                tasks.spawn(run(listener, listen, caps, shutdown, handler));
            }
            Protocol::Smtp | Protocol::Submission | Protocol::Lmtp => {
                let settings = self.mail.settings(protocol).clone();
                let handler = move |connection: Connection| smtp::serve(connection, services.clone(), settings.clone());
                tasks.spawn(run(listener, listen, caps, shutdown, handler));
            }
            Protocol::ManageSieve => {
                let settings = self.mail.managesieve;
                let handler = move |connection: Connection| managesieve::serve(connection, services.clone(), settings);
                tasks.spawn(run(listener, listen, caps, shutdown, handler));
            }
        }
        Ok(())
    }
}
