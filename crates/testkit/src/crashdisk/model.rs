//! The one state machine under segments and SQLite: every operation is admitted, done to the live file and recorded
//! under one lock, so that a crash always sees a moment between two of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Mode;
use super::gate::{Gate, Op, Refusal};
use super::image::Image;
use super::inode::Inode;
use super::random::Random;

/// Why an operation did not happen, or not wholly; `E` is how the live file's own layer reports.
pub(super) enum Trouble<E> {
    Refused(Refusal),
    Live(E),
    /// A file that the disk did not know could not be read.
    Unreadable(io::Error),
}

impl<E> From<Refusal> for Trouble<E> {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Trouble<io::Error>> for io::Error {
    fn from(trouble: Trouble<io::Error>) -> Self {
        match trouble {
            Trouble::Refused(refusal) => refusal.into(),
            Trouble::Live(error) | Trouble::Unreadable(error) => error,
        }
    }
}

/// A tree of live files and the durable image of it. Keys are paths relative to the root.
pub(super) struct Model {
    root: PathBuf,
    state: Mutex<State>,
}

pub(super) struct State {
    pub(super) gate: Gate,
    names: BTreeMap<PathBuf, Name>,
    /// Directories whose names are durable, the root (the empty key) among them.
    dirs: BTreeSet<PathBuf>,
    crashes: u32,
}

/// What a name leads to; `None` is no file.
#[derive(Default)]
struct Name {
    durable: Option<Arc<Inode>>,
    /// What it led to since the last sync of its directory, newest last.
    since: Vec<Option<Arc<Inode>>>,
}

impl Model {
    /// Takes a directory as it stands for durable; makes it where it is missing.
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(root)?;
        let root = root.canonicalize()?;
        let mut state =
            State { gate: Gate::default(), names: BTreeMap::new(), dirs: BTreeSet::from([PathBuf::new()]), crashes: 0 };
        let mut unvisited = vec![PathBuf::new()];
        while let Some(dir) = unvisited.pop() {
            for entry in std::fs::read_dir(root.join(&dir))? {
                let entry = entry?;
                let key = dir.join(entry.file_name());
                if entry.file_type()?.is_dir() {
                    state.dirs.insert(key.clone());
                    unvisited.push(key);
                } else {
                    let inode = Arc::new(Inode::durable(Image::load(&entry.path())?));
                    state.names.insert(key, Name { durable: Some(inode), since: Vec::new() });
                }
            }
        }
        Ok(Self { root, state: Mutex::new(state) })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key of a file, which need not exist, in a directory, which must.
    pub(super) fn file_key(&self, path: &Path) -> io::Result<PathBuf> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(self.dir_key(parent)?.join(name))
    }

    /// The key of a directory, which must exist.
    pub(super) fn dir_key(&self, dir: &Path) -> io::Result<PathBuf> {
        match dir.canonicalize()?.strip_prefix(&self.root) {
            Ok(key) => Ok(key.to_owned()),
            Err(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "the path is outside the crash disk")),
        }
    }

    /// Says whether something that changes nothing may be done.
    pub(super) fn may_read(&self) -> Result<(), Refusal> {
        self.lock().gate.admit(Op::Read)
    }

    /// Opens a file by its live layer; where `create` is set and it is missing, that layer makes it.
    pub(super) fn open<T, E>(
        &self,
        key: &Path,
        create: bool,
        live: impl FnOnce() -> Result<T, E>,
    ) -> Result<(Arc<Inode>, T), Trouble<E>> {
        let mut state = self.lock();
        let path = self.root.join(key);
        if path.symlink_metadata().is_err() {
            state.gate.admit(if create { Op::Name { made: true } } else { Op::Read })?;
            let opened = live().map_err(Trouble::Live)?;
            let inode = Arc::new(Inode::default());
            state.name(key, Some(Arc::clone(&inode)));
            return Ok((inode, opened));
        }
        state.gate.admit(Op::Read)?;
        if let Some(inode) = state.live(key) {
            return Ok((inode, live().map_err(Trouble::Live)?));
        }
        // Read before the live layer opens it: closing any descriptor of a file drops SQLite's locks on it.
        let inode = Arc::new(Inode::unsynced(std::fs::read(&path).map_err(Trouble::Unreadable)?));
        let opened = live().map_err(Trouble::Live)?;
        state.name(key, Some(Arc::clone(&inode)));
        Ok((inode, opened))
    }

    /// Writes. An injected failure leaves the first half written, as a full disk does.
    pub(super) fn write<E>(
        &self,
        inode: &Inode,
        offset: u64,
        bytes: &[u8],
        live: impl FnOnce(&[u8]) -> Result<(), E>,
    ) -> Result<(), Trouble<E>> {
        let mut state = self.lock();
        let grows = offset + bytes.len() as u64 > inode.length();
        let verdict = state.gate.admit(Op::Write { grows });
        let part = match verdict {
            Ok(()) => bytes,
            Err(Refusal::Injected(_)) => &bytes[..bytes.len() / 2],
            Err(refusal) => return Err(refusal.into()),
        };
        live(part).map_err(Trouble::Live)?;
        inode.wrote(offset, part);
        Ok(verdict?)
    }

    /// Cuts or extends a file; with `reserve` only extends. An injected failure changes nothing.
    pub(super) fn resize<E>(
        &self,
        inode: &Inode,
        length: u64,
        reserve: bool,
        live: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), Trouble<E>> {
        let mut state = self.lock();
        let grows = length > inode.length();
        state.gate.admit(Op::Write { grows })?;
        if grows || !reserve {
            live().map_err(Trouble::Live)?;
            inode.resized(length);
        }
        Ok(())
    }

    /// Makes a file's content and length durable. The live file is not synced: nobody pulls its plug.
    pub(super) fn sync(&self, inode: &Inode) -> Result<(), Refusal> {
        let mut state = self.lock();
        match state.gate.admit(Op::Sync) {
            Ok(()) => inode.synced(),
            Err(refusal) => {
                if let Refusal::Injected(_) = refusal {
                    inode.sync_failed();
                }
                return Err(refusal);
            }
        }
        state.gate.syncs += 1;
        Ok(())
    }

    /// Makes the names in a directory durable, those of its directories too.
    pub(super) fn sync_dir(&self, dir: &Path) -> Result<(), Trouble<io::Error>> {
        let mut state = self.lock();
        let mut subdirs = Vec::new();
        for entry in std::fs::read_dir(self.root.join(dir)).map_err(Trouble::Live)? {
            let entry = entry.map_err(Trouble::Live)?;
            if entry.file_type().map_err(Trouble::Live)?.is_dir() {
                subdirs.push(dir.join(entry.file_name()));
            }
        }
        state.gate.admit(Op::Sync)?;
        state.dirs.extend(subdirs);
        state.names.retain(|key, name| {
            if key.parent() == Some(dir) {
                name.settle();
            }
            name.durable.is_some() || !name.since.is_empty()
        });
        state.gate.syncs += 1;
        Ok(())
    }

    /// Makes one directory; durable after [`Model::sync_dir`] of the one above.
    pub(super) fn create_dir(&self, dir: &Path) -> Result<(), Trouble<io::Error>> {
        let mut state = self.lock();
        state.gate.admit(Op::Name { made: true })?;
        match std::fs::create_dir(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(Trouble::Live(error)),
            _ => Ok(()),
        }
    }

    /// Removes a name; the removal is durable after [`Model::sync_dir`].
    pub(super) fn remove<E>(&self, key: &Path, live: impl FnOnce() -> Result<(), E>) -> Result<(), Trouble<E>> {
        let mut state = self.lock();
        state.gate.admit(Op::Name { made: false })?;
        live().map_err(Trouble::Live)?;
        state.name(key, None);
        Ok(())
    }

    /// Writes what a loss of power at this moment would leave into a fresh directory beside the root.
    pub(super) fn crash(&self, mode: Mode) -> io::Result<PathBuf> {
        let mut state = self.lock();
        state.crashes += 1;
        let mut target = self.root.clone().into_os_string();
        target.push(format!(".crash-{}", state.crashes));
        let target = PathBuf::from(target);
        std::fs::create_dir(&target)?;
        for dir in state.durable_dirs() {
            std::fs::create_dir_all(target.join(dir))?;
        }
        let mut random = match mode {
            Mode::DropAll => None,
            Mode::Some(seed) => Some(Random::new(seed)),
        };
        for (key, name) in &state.names {
            if !state.is_reachable(key) {
                continue;
            }
            let image = match &mut random {
                None => name.durable.as_ref().map(|inode| inode.certain()),
                Some(random) => name.possible(random).map(|inode| inode.possible(random)),
            };
            if let Some(image) = image {
                image.store(&target.join(key))?;
            }
        }
        Ok(target)
    }
}

impl State {
    /// The file that a name leads to now.
    fn live(&self, key: &Path) -> Option<Arc<Inode>> {
        self.names.get(key)?.live()
    }

    fn name(&mut self, key: &Path, inode: Option<Arc<Inode>>) {
        self.names.entry(key.to_owned()).or_default().since.push(inode);
    }

    fn durable_dirs(&self) -> impl Iterator<Item = &PathBuf> {
        self.dirs.iter().filter(|dir| self.is_reachable(dir))
    }

    /// Whether every directory above is durable: a name in one that is not is lost with it.
    fn is_reachable(&self, key: &Path) -> bool {
        key.ancestors().skip(1).all(|dir| self.dirs.contains(dir))
    }
}

impl Name {
    fn live(&self) -> Option<Arc<Inode>> {
        self.since.last().unwrap_or(&self.durable).clone()
    }

    fn settle(&mut self) {
        self.durable = self.live();
        self.since.clear();
    }

    /// What it may lead to after a crash: any of what it led to since the directory was synced.
    fn possible(&self, random: &mut Random) -> Option<Arc<Inode>> {
        match random.below(self.since.len() as u64 + 1) as usize {
            0 => self.durable.clone(),
            n => self.since[n - 1].clone(),
        }
    }
}
