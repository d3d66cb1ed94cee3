//! A small platform for tests: a store, a directory, the domain `example.org`, a clock that stands still.

#![allow(clippy::unwrap_used)]

use crate::admission::Admission;
use crate::peer::{ChannelBinding, Peer, Protocol};
use crate::services::{Policy, Services};
use directory::{AccountId, Directory, Domain, NewAccount, Secret};
use message::Address;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use store::{OpenOptions, Store};
use tempfile::TempDir;

pub(crate) const ANA: &str = "ana@example.org";
pub(crate) const PASSWORD: &str = "hierro2602";

/// The platform.
pub(crate) struct Platform {
    pub(crate) services: Arc<Services>,
    now_ms: Arc<AtomicU64>,
    _place: TempDir,
}

impl Platform {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// With another policy than the default, but that failures are answered at once.
    pub(crate) fn with(change: impl FnOnce(&mut Policy)) -> Self {
        let place = tempfile::tempdir().unwrap();
        let store = Store::init(&place.path().join("data"), 2, OpenOptions::for_purpose("test")).unwrap();
        let directory = Directory::open(&place.path().join("directory.sqlite"), None).unwrap();
        let domain = Domain { name: "example.org".into(), customer_id: None, disabled: false, created_at: 0 };
        directory.write(|tx| tx.add_domain(&domain)).unwrap();
        let now_ms = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&now_ms);
        let admission = Admission::with_clock(Arc::new(move || clock.load(Ordering::SeqCst)));
        let mut policy = Policy::new("mail.example.org");
        policy.failure_delay = Duration::ZERO;
        change(&mut policy);
        let services = Services::with_admission(Arc::new(store), Arc::new(directory), policy, admission);
        Platform { services, now_ms, _place: place }
    }

    pub(crate) fn pass_s(&self, seconds: u64) {
        self.now_ms.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// Adds an account whose hash was imported: cheap to verify, and without SCRAM keys.
    pub(crate) fn add_imported(&self, login: &str, password: &str) -> AccountId {
        let mut account = NewAccount::new(Address::new(login).unwrap());
        account.password_hash = Some(Secret::new(format!("{{PLAIN}}{password}")));
        self.services.directory.write(|tx| tx.add_account(&account)).unwrap()
    }

    /// Adds an account whose password was set in plain.
    pub(crate) fn add(&self, login: &str, password: &str) -> AccountId {
        let id = self.add_imported(login, password);
        self.services.directory.change_password(id, password.as_bytes()).unwrap();
        id
    }

    /// Checks directory and store.
    pub(crate) fn check(&self) {
        assert_eq!(self.services.directory.check_consistency().unwrap(), []);
    }
}

/// Somebody at an address, over TLS.
pub(crate) fn peer(address: &str) -> Peer {
    Peer {
        address: (address.parse::<std::net::IpAddr>().unwrap(), 50_000).into(),
        tls: true,
        secure: true,
        channel_binding: Some(ChannelBinding::new([7; 32])),
        protocol: Protocol::Imap,
    }
}
