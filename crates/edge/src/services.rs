//! What protocols ask: the store, the directory, who watches what, who may come in.

use crate::admission::{Admission, Means, SessionSlot, SignInError};
use crate::blocking::{Blocking, CALLS, CALLS_OF_ACCOUNT, CALLS_OF_CELL, acquire};
use crate::hub::Hub;
use crate::memory::Memory;
use crate::peer::Peer;
use crate::reference::causes;
use crate::sasl;
use directory::{AppPasswordId, Directory, DirectoryError};
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use store::{Cell, Store, StoreError};
use tokio::sync::Semaphore;

/// How long it is taken for granted that not everybody has SCRAM keys: it takes everybody's next sign-in to change.
const NOT_EVERYBODY_FOR: Duration = Duration::from_secs(600);
/// How long it is taken for granted that everybody has: an account that comes by an integration has none, and its clients are
/// kept out as long as they are offered SCRAM. Finding out walks through accounts.
const EVERYBODY_FOR: Duration = Duration::from_secs(30);

/// What protocols ask.
pub struct Services {
    /// The mail.
    pub store: Arc<Store>,
    /// The accounts.
    pub directory: Arc<Directory>,
    /// Who watches which account.
    pub hub: Arc<Hub>,
    /// Who may come in.
    pub admission: Arc<Admission>,
    /// What the operator chose.
    pub policy: Policy,
    blocking: Blocking,
    /// Calls of the accounts of each cell, by its place among the store's.
    calls_of_cells: Vec<Arc<Semaphore>>,
    uploads: Arc<Memory>,
    everybody_has_scram: Mutex<Option<(Instant, bool)>>,
}

/// What the operator chose.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The name of this host, as greetings give it.
    pub hostname: String,
    /// The name of this program, as greetings give it.
    pub software: String,
    /// Whether a connection must be [secure](Peer::secure) before anybody signs in on it.
    pub require_tls: bool,
    /// Whether a connection from this machine to itself is taken as secure without TLS.
    pub loopback_is_secure: bool,
    /// The quota of accounts that have none of their own; `None`: no limit.
    pub quota_default_bytes: Option<u64>,
    /// The largest message that a client may put into a mailbox.
    pub append_limit_bytes: u64,
    /// Memory for messages on their way into mailboxes, over all sessions; three of the largest always fit.
    pub upload_memory_bytes: u64,
    /// Sessions of one account at once, over all protocols. A mail program opens five or ten, a household has several.
    pub max_sessions_per_account: usize,
    /// How long the answer to a wrong password takes: nothing to a person, and much to somebody who guesses.
    pub failure_delay: Duration,
    /// Whether SCRAM is offered.
    pub scram: ScramOffer,
}

/// Whether SCRAM is offered. A server that offers it to clients whose account has no keys keeps them out: they do not try
/// another mechanism. Accounts whose hash was imported have none until they sign in with PLAIN or LOGIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScramOffer {
    /// As soon as every open account with a password has keys; before that, to those who ask unasked.
    WhenAllCan,
    /// Always.
    Always,
    /// Never, and no keys are made.
    Never,
}

/// Somebody who is in.
#[derive(Debug)]
pub struct SignedIn {
    /// Who, as the directory knows them.
    pub account: directory::Account,
    /// Their mail, as the store knows it.
    pub mail: store::Account,
    /// The cell it is in.
    pub cell: CellHandle,
    /// Capabilities that are not offered to them, in capitals.
    pub switched_off: Vec<String>,
    pass: Arc<Pass>,
}

/// What somebody is in by, and what their sessions share.
#[derive(Debug)]
pub(crate) struct Pass {
    /// The account as it was when they came.
    account: directory::Account,
    /// The app password that they came with, if it was one.
    app: Option<AppPasswordId>,
    means: Means,
    calls_of_cell: Arc<Semaphore>,
    /// The session is over when nothing of it runs any more.
    _slot: SessionSlot,
}

/// A cell of a shared store.
#[derive(Clone)]
pub struct CellHandle {
    store: Arc<Store>,
    /// Its place among the store's cells.
    place: usize,
}

/// Somebody's mail cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("the account's mail cannot be opened")]
    Store(#[from] StoreError),
    #[error("the account cannot be read")]
    Directory(#[from] DirectoryError),
}

impl Policy {
    /// The defaults, for a host of that name.
    pub fn new(hostname: impl Into<String>) -> Self {
        Policy {
            hostname: hostname.into(),
            software: "Reintegra".to_owned(),
            require_tls: true,
            loopback_is_secure: false,
            quota_default_bytes: None,
            append_limit_bytes: 64 * 1024 * 1024,
            upload_memory_bytes: 512 * 1024 * 1024,
            max_sessions_per_account: 100,
            failure_delay: Duration::from_secs(2),
            scram: ScramOffer::WhenAllCan,
        }
    }
}

impl Policy {
    /// What one account may have on its way at once: three of the largest messages, two of them in one command.
    fn uploads_of_account_bytes(&self) -> u64 {
        self.append_limit_bytes.saturating_mul(3).max(self.upload_memory_bytes / 4)
    }
}

impl SignedIn {
    /// Their share of the memory for what comes in.
    pub fn memory(&self) -> &Arc<Memory> {
        &self.pass.means.memory
    }

    pub(crate) fn pass(&self) -> &Arc<Pass> {
        &self.pass
    }
}

impl Services {
    /// Puts the services together, and lets the hub hear of what the store commits: once for each store.
    pub fn new(store: Arc<Store>, directory: Arc<Directory>, policy: Policy) -> Arc<Self> {
        Self::with_admission(store, directory, policy, Admission::new())
    }

    /// As [`Services::new`], with an admission of the caller's.
    pub(crate) fn with_admission(
        store: Arc<Store>,
        directory: Arc<Directory>,
        policy: Policy,
        admission: Arc<Admission>,
    ) -> Arc<Self> {
        let hub = Hub::new();
        let told = Arc::clone(&hub);
        if !store.on_change(Arc::new(move |cell, account| told.notify(cell, account))) {
            tracing::error!("another hub hears of this store's changes: sessions here do not see one another's");
        }
        let calls_of_cell = if store.cells().len() > 1 { CALLS_OF_CELL } else { CALLS };
        let calls_of_cells = store.cells().iter().map(|_| Arc::new(Semaphore::new(calls_of_cell))).collect();
        let uploads = Memory::new(policy.upload_memory_bytes.max(policy.uploads_of_account_bytes()));
        Arc::new(Services {
            store,
            directory,
            hub,
            admission,
            policy,
            blocking: Blocking::default(),
            calls_of_cells,
            uploads,
            everybody_has_scram: Mutex::new(None),
        })
    }

    /// Calls the core, on a thread that may block, when there is room.
    ///
    /// # Cancel safety
    /// That of [`Blocking::run`].
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        self.blocking.run(work).await
    }

    /// As [`Services::run`], out of somebody's share: no account, and no cell among several, takes every call.
    pub(crate) async fn run_for<T: Send + 'static>(
        &self,
        pass: Option<&Arc<Pass>>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let Some(pass) = pass else { return self.run(work).await };
        // The narrowest first: whoever waits for their own calls holds nothing that others wait for.
        let own = acquire(&pass.means.calls).await;
        let of_cell = acquire(&pass.calls_of_cell).await;
        self.blocking.run_with((own, of_cell, Arc::clone(pass)), work).await
    }

    /// The SASL mechanisms offered on a connection, strongest first; none where nobody may sign in. May read the
    /// directory, now and then.
    pub fn mechanisms(&self, peer: &Peer) -> Vec<&'static str> {
        if self.policy.require_tls && !peer.secure {
            return Vec::new();
        }
        let scram = self.offers_scram();
        let plus = scram && peer.channel_binding.is_some();
        [(sasl::SCRAM_PLUS, plus), (sasl::SCRAM, scram), (sasl::PLAIN, true), (sasl::LOGIN, true)]
            .into_iter()
            .filter_map(|(name, offered)| offered.then_some(name))
            .collect()
    }

    /// Whether a client that asks for SCRAM unasked gets it.
    pub(crate) fn takes_scram(&self) -> bool {
        self.policy.scram != ScramOffer::Never
    }

    fn offers_scram(&self) -> bool {
        match self.policy.scram {
            ScramOffer::Never => false,
            ScramOffer::Always => true,
            ScramOffer::WhenAllCan => {
                let mut known = self.everybody_has_scram.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((at, answer)) = *known
                    && at.elapsed() < if answer { EVERYBODY_FOR } else { NOT_EVERYBODY_FOR }
                {
                    return answer;
                }
                // What cannot be found out is not offered.
                let answer = self.directory.everybody_has_scram_keys().unwrap_or(false);
                *known = Some((Instant::now(), answer));
                answer
            }
        }
    }

    /// Opens the mail of an account that was let in by other means, as a session of its own. Blocks.
    ///
    /// # Errors
    /// When there are too many sessions, or the mail cannot be opened.
    pub fn open(&self, account: directory::Account) -> Result<SignedIn, SignInError> {
        self.open_with(account, None)
    }

    /// As [`Services::open`], for somebody who came with an app password, if it was one.
    pub(crate) fn open_with(
        &self,
        account: directory::Account,
        app: Option<AppPasswordId>,
    ) -> Result<SignedIn, SignInError> {
        let means = || Means {
            calls: Arc::new(Semaphore::new(CALLS_OF_ACCOUNT)),
            memory: self.uploads.part(self.policy.uploads_of_account_bytes()),
        };
        let (slot, means) = self.admission.slot(account.id, self.policy.max_sessions_per_account, means)?;
        self.open_mail(account, app, slot, means).map_err(SignInError::failed)
    }

    fn open_mail(
        &self,
        account: directory::Account,
        app: Option<AppPasswordId>,
        slot: SessionSlot,
        means: Means,
    ) -> Result<SignedIn, OpenError> {
        let number = self.store.cell_of(&account.address).number();
        let place = self.store.cells().iter().position(|c| c.number() == number).expect("a store's cell is among them");
        let cell = CellHandle { store: Arc::clone(&self.store), place };
        let mail = cell.open_served(&account.address)?;
        let switched_off = self.directory.switched_off(account.id)?;
        let calls_of_cell = Arc::clone(&self.calls_of_cells[place]);
        let pass = Arc::new(Pass { account: account.clone(), app, means, calls_of_cell, _slot: slot });
        Ok(SignedIn { account, mail, cell, switched_off, pass })
    }

    /// Whether somebody may stay who came in by a pass. Blocks.
    pub(crate) fn may_stay(&self, pass: &Pass) -> bool {
        let app_stands = |stays| match pass.app {
            Some(app) if stays => Ok(self.directory.app_password(app)?.is_some_and(|a| a.account == pass.account.id)),
            _ => Ok(stays),
        };
        self.directory.may_stay(&pass.account).and_then(app_stands).unwrap_or_else(|error| {
            tracing::warn!(cause = causes(&error), "whether a session may stay cannot be looked at");
            true
        })
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl Deref for CellHandle {
    type Target = Cell;

    fn deref(&self) -> &Cell {
        &self.store.cells()[self.place]
    }
}

impl fmt::Debug for CellHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CellHandle({})", self.number())
    }
}
