//! Export: what is served here, as a tree that Dovecot and Postfix open (`docs/design/export.md`).
//!
//! ```text
//! OUT/etc/       domains, dovecot/users, postfix/virtual, virtual_domains, virtual_forwards
//! OUT/mail/      DOMAIN/LOCALPART/Maildir, sieve/, .dovecot.sieve
//! OUT/quarantine/  what nobody may open: accounts/DOMAIN/LOCALPART as above, and what the caller sets aside
//! ```
//! One thread walks through accounts and mailboxes and hands out chunks of rows; workers read the bytes and write the
//! files, so that one large account keeps all of them busy. No file is synced by itself: the file system is, once, at the
//! end. Until then [`MARKER`] stands in the tree.

mod chunk;
mod disk;
mod etc;
mod folder;
mod home;
mod keywords;
mod quarantine;

pub use quarantine::Quarantine;

use crate::platform::Platform;
use crate::progress::Progress;
use crate::select::Selection;
use chunk::{Chunk, Queue};
use directory::{Account, AccountState, DirectoryError};
use disk::Dir;
use etc::{Etc, walking};
use message::Address;
use source::Notice;
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};
use store::{Cell, LIVE, StoreError, View};

/// A file that stands in a tree until all of it is on the disk.
pub const MARKER: &str = "NOT-FINISHED";

const MARKER_TEXT: &str = "This export was not finished: mail is missing. Remove the directory and export again.\n";

/// More workers would only wait for the disk.
const MAX_WORKERS: usize = 16;

/// Chunks that wait for each worker: enough that none ever does.
const CHUNKS_WAITING: usize = 2;

/// What an export came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Accounts written, those under `quarantine/` included.
    pub accounts: u64,
    /// Mailboxes written.
    pub mailboxes: u64,
    /// Messages written.
    pub messages: u64,
    /// Their bytes as they lie in the files.
    pub bytes: u64,
    /// Messages left out because their stored bytes are damaged; a notice names each.
    pub unreadable: u64,
    /// What could not be written as it is kept here, by place.
    pub notices: Vec<Notice>,
}

/// An export did not come to its end. What it wrote stays, with the [`MARKER`] in it.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The directory is not empty.
    #[error("{}: {}", path.display(), occupied(*unfinished))]
    Occupied {
        /// Which.
        path: PathBuf,
        /// Whether an earlier export was stopped in it.
        unfinished: bool,
    },
    /// A file could not be written.
    #[error("{}: {cause}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The directory of accounts.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A thread of the export panicked.
    #[error("a worker of the export stopped; remove what it wrote, export again, and report this")]
    Worker,
}

impl ExportError {
    /// Whether the disk that is written to was full.
    pub fn is_disk_full(&self) -> bool {
        match self {
            ExportError::Io { cause, .. } => {
                matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            _ => false,
        }
    }
}

fn occupied(unfinished: bool) -> &'static str {
    match unfinished {
        true => "an export was stopped in it; remove it or name another directory",
        false => "it is not empty; name a new or an empty directory",
    }
}

type Result<T> = std::result::Result<T, ExportError>;

/// Writes the chosen accounts as a Maildir++ tree into a new or empty directory. When it returns, the tree survives a
/// power loss.
///
/// # Errors
/// When the directory is not empty, the disk fails or is full, or the store or the directory of accounts fails. Damaged
/// messages are notices.
pub fn maildir(platform: &Platform, out: &Path, selection: &Selection, progress: &dyn Progress) -> Result<Exported> {
    maildir_and(platform, out, selection, progress, |_| Ok(()))
}

/// As [`maildir`]; `set_aside` puts what belongs to no account into the quarantine of the same tree.
///
/// # Errors
/// As [`maildir`]; those of `set_aside`.
pub fn maildir_and(
    platform: &Platform,
    out: &Path,
    selection: &Selection,
    progress: &dyn Progress,
    set_aside: impl FnOnce(&mut Quarantine<'_>) -> Result<()>,
) -> Result<Exported> {
    let tree = Tree::begin(out)?;
    progress.begin("export");
    let run = Run { platform, selection, progress, stop: AtomicBool::new(false), told: Mutex::default() };
    run.announce()?;
    let written = run.write(&tree).and_then(|()| set_aside(&mut Quarantine::new(&tree.quarantine)));
    progress.end();
    written?;
    tree.finish()?;
    let Told { mut exported, .. } = run.told.into_inner().unwrap_or_else(|e| e.into_inner());
    exported.notices.sort_by(|a, b| (&a.place, a.rule, &a.text).cmp(&(&b.place, b.rule, &b.text)));
    Ok(exported)
}

/// The directories of a tree.
struct Tree {
    root: Dir,
    mail: Dir,
    etc: Dir,
    quarantine: Dir,
}

impl Tree {
    fn begin(out: &Path) -> Result<Tree> {
        std::fs::create_dir_all(out).map_err(disk::error(out))?;
        let entries = std::fs::read_dir(out).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
        let entries = entries.map_err(disk::error(out))?;
        if !entries.is_empty() {
            let unfinished = entries.iter().any(|entry| entry.file_name() == MARKER);
            return Err(ExportError::Occupied { path: out.to_owned(), unfinished });
        }
        let root = Dir::open(out)?;
        root.write_file(MARKER, MARKER_TEXT.as_bytes(), None)?;
        let (mail, etc, quarantine) = (root.make("mail")?, root.make("etc")?, root.make("quarantine")?);
        Ok(Tree { root, mail, etc, quarantine })
    }

    /// Makes everything durable, and only then takes the marker away.
    fn finish(self) -> Result<()> {
        self.root.sync_file_system()?;
        self.root.remove(MARKER)?;
        self.root.sync()
    }
}

/// An export on its way.
struct Run<'a> {
    platform: &'a Platform,
    selection: &'a Selection,
    progress: &'a dyn Progress,
    /// Set when a worker has failed: the others need not go on.
    stop: AtomicBool,
    told: Mutex<Told>,
}

/// What threads tell of what they did.
#[derive(Default)]
struct Told {
    exported: Exported,
    /// The first failure of a worker.
    failure: Option<ExportError>,
}

impl Run<'_> {
    /// Says how much there is to do.
    fn announce(&self) -> Result<()> {
        for cell in self.platform.store.cells() {
            reading(cell, |view| {
                for account in view.accounts(LIVE)? {
                    if self.selection.has(&address_of(&account)?) {
                        let (messages, bytes) = view.usage(account.id)?;
                        self.progress.found(messages, bytes);
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Writes everything but what the caller sets aside.
    fn write(&self, tree: &Tree) -> Result<()> {
        let workers = std::thread::available_parallelism().map_or(2, |n| n.get()).min(MAX_WORKERS);
        let (jobs, queue) = sync_channel::<Chunk>(workers * CHUNKS_WAITING);
        let queue: Queue = Arc::new(Mutex::new(queue));
        let (walked, panicked) = std::thread::scope(|scope| {
            // Each worker holds the queue: should all of them panic, nobody waits to send.
            let pool: Vec<_> = (0..workers).map(|_| queue.clone()).map(|q| scope.spawn(|| self.work(q))).collect();
            drop(queue);
            let walked = self.walk(tree, &jobs);
            drop(jobs);
            (walked, pool.into_iter().filter_map(|worker| worker.join().err()).count() > 0)
        });
        if panicked {
            return Err(ExportError::Worker);
        }
        self.told().failure.take().map_or(walked, Err)
    }

    fn work(&self, queue: Queue) {
        loop {
            let next = lock(&queue).recv();
            let Ok(chunk) = next else { return };
            // After a failure the queue is emptied, so that the walk is not kept waiting.
            if self.stop.load(Ordering::Relaxed) {
                continue;
            }
            if let Err(error) = chunk.write(self) {
                self.told().failure.get_or_insert(error);
                self.stop.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Writes accounts and their mailboxes, and hands out their messages.
    fn walk(&self, tree: &Tree, jobs: &SyncSender<Chunk>) -> Result<()> {
        let directory = &self.platform.directory;
        let mut etc = Etc::begin(self, &tree.etc)?;
        let shut = etc.domains()?;
        let aside = tree.quarantine.make("accounts")?;
        walking(
            |each| directory.for_each_account(each),
            |account| match self.selection.has(&account.address) {
                true => self.account(&account, &shut, (&tree.mail, &aside), &mut etc, jobs),
                false => Ok(()),
            },
        )?;
        etc.maps()?;
        self.mail_without_account(&aside, jobs)
    }

    fn account(
        &self,
        account: &Account,
        shut: &HashSet<String>,
        (mail, aside): (&Dir, &Dir),
        etc: &mut Etc<'_>,
        jobs: &SyncSender<Chunk>,
    ) -> Result<()> {
        let closed = matches!(account.state, AccountState::Closed | AccountState::Sealed);
        let barred = account.state != AccountState::Open || shut.contains(account.address.domain());
        etc.account(account, closed, barred)?;
        let home = home::make(if closed { aside } else { mail }, &account.address)?;
        let directory = &self.platform.directory;
        let scripts = directory.scripts_with_vacation(account.id)?;
        if directory.vacation(account.id)?.is_some() && directory.active_script(account.id)?.is_some() {
            self.notice("6.4", &account.address, "its vacation is a script that does not run, since another does");
        }
        home::write_scripts(self, &home, &account.address, &scripts)?;
        self.mail(&home, &account.address, jobs)
    }

    /// Mail whose account the directory does not know is nobody's, and not lost for that.
    fn mail_without_account(&self, aside: &Dir, jobs: &SyncSender<Chunk>) -> Result<()> {
        for cell in self.platform.store.cells() {
            let accounts = reading(cell, |view| Ok(view.accounts(LIVE)?))?;
            for account in &accounts {
                let address = address_of(account)?;
                if !self.selection.has(&address) || self.platform.directory.account(&address)?.is_some() {
                    continue;
                }
                self.notice("7.9", &address, "there is mail and no account; it is under quarantine/accounts");
                let home = home::make(aside, &address)?;
                self.mail(&home, &address, jobs)?;
            }
        }
        Ok(())
    }

    /// An account's Maildir.
    fn mail(&self, home: &Dir, address: &Address, jobs: &SyncSender<Chunk>) -> Result<()> {
        let maildir = home.make("Maildir")?;
        maildir.make_all(&["cur", "new", "tmp"])?;
        let cell = self.platform.store.cell_of(address);
        let mailboxes = reading(cell, |view| match view.account(LIVE, address)? {
            Some(account) => home::write_mailboxes(self, view, (cell, &account), &maildir, jobs),
            None => Ok(0),
        })?;
        let exported = &mut self.told().exported;
        exported.accounts += 1;
        exported.mailboxes += mailboxes;
        Ok(())
    }

    fn notice(&self, rule: &'static str, place: impl std::fmt::Display, text: impl Into<String>) {
        let notice = Notice { rule, place: place.to_string(), text: text.into() };
        self.told().exported.notices.push(notice);
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        lock(&self.told)
    }
}

fn address_of(account: &store::Account) -> Result<Address> {
    Ok(Address::new(&account.address).map_err(|error| StoreError::BadRow(error.to_string()))?)
}

/// Reads a cell with a body that can also fail otherwise than the store does.
fn reading<T>(cell: &Cell, body: impl FnOnce(&View<'_>) -> Result<T>) -> Result<T> {
    let mut result = None;
    cell.read(|view| {
        result = Some(body(view));
        Ok(())
    })?;
    result.expect("a read that succeeds has run its body")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind the locks here is whole at every moment, also after a panic elsewhere.
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
