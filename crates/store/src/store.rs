//! A data directory: its format, its lock, its cells.
//!
//! ```text
//! DIR/format             "reintegra-data 1" and the store's own random number
//! DIR/lock               held while a process writes here; says which, and whether others may read beside it
//! DIR/directory.sqlite   accounts and aliases (the directory crate's)
//! DIR/keys/              the key that signs ledgers
//! DIR/integrations/      reports
//! DIR/cells/00/          index.sqlite, segments/, snapshots/
//! DIR/queue/             queue.sqlite, segments/, and a lock of its own
//! ```

use crate::cell::{Cell, CellOptions, Finding, Listener};
use crate::disk::{Disk, RealDisk};
use crate::error::StoreError;
use crate::lock::Lock;
use crate::rebuild::{Rebuilt, rebuild};
use crate::segment::log::SEGMENT_BYTES;
use message::Address;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

type Result<T> = std::result::Result<T, StoreError>;

/// The version of the data directory's layout that this program writes.
pub const FORMAT_VERSION: u32 = 1;
/// Cells of a new data directory where no number is asked for; `docs/performance.md` says why.
pub const DEFAULT_CELLS: u32 = 4;
/// More cells than one machine can use.
pub const MAX_CELLS: u32 = 256;
const FORMAT_WORD: &str = "reintegra-data";

/// A data directory that is open: to change it, or beside the process that does so, to read only.
pub struct Store {
    dir: PathBuf,
    cells: Vec<Cell>,
    findings: Vec<Finding>,
    /// `None`: open to read only.
    lock: Option<Lock>,
}

/// How a store is opened: what tests put under it.
#[derive(Clone)]
pub struct OpenOptions {
    /// The file layer under segments.
    pub disk: Arc<dyn Disk>,
    /// A SQLite VFS registered in this process, for the indexes.
    pub vfs: Option<String>,
    /// What the lock says of this process to another that finds it held.
    pub purpose: String,
    /// Length at which a segment is sealed and the next one begun.
    pub segment_bytes: u64,
}

impl OpenOptions {
    /// The operating system's files.
    pub fn for_purpose(purpose: &str) -> Self {
        OpenOptions { disk: Arc::new(RealDisk), vfs: None, purpose: purpose.to_owned(), segment_bytes: SEGMENT_BYTES }
    }
}

pub(crate) struct Format {
    pub(crate) store: [u8; 16],
    cells: u32,
}

impl Store {
    /// Makes a data directory with a number of cells. When it returns, the directory survives a power loss.
    ///
    /// # Errors
    /// When there is one already, or something else; those of the disk.
    pub fn init(dir: &Path, cells: u32, options: OpenOptions) -> Result<Self> {
        let wrong = |message: String| StoreError::Directory { path: dir.to_owned(), message };
        if !(1..=MAX_CELLS).contains(&cells) {
            return Err(wrong(format!("a data directory has 1 to {MAX_CELLS} cells, not {cells}")));
        }
        if dir.join("format").exists() {
            return Err(wrong("it is a data directory already; use it, or name another".into()));
        }
        let occupied = dir.is_dir()
            && std::fs::read_dir(dir).map_err(StoreError::io(dir))?.any(|e| {
                // What an earlier attempt that did not finish may have left.
                e.is_ok_and(|e| !["lock", "cells", "format.new"].iter().any(|n| e.file_name() == *n))
            });
        if occupied {
            return Err(wrong("it is not empty, and no data directory; name a new or an empty one".into()));
        }
        options.disk.create_dir_all(dir).map_err(StoreError::io(dir))?;
        let lock = Lock::take(dir, &options.purpose)?;
        let mut store = [0; 16];
        getrandom::fill(&mut store).map_err(|e| wrong(format!("no random numbers: {e}")))?;
        let hex: String = store.iter().map(|b| format!("{b:02x}")).collect();
        for number in 0..cells {
            open_cell(dir, number, store, &options)?;
        }
        // The format file comes last: a directory without it is not yet a data directory.
        let text = format!("{FORMAT_WORD} {FORMAT_VERSION}\nstore {hex}\ncells {cells}\n");
        write_durably(&dir.join("format"), text.as_bytes())?;
        Self::open_locked(dir, options, lock)
    }

    /// Opens a data directory for reading and writing and lets the indexes catch up.
    ///
    /// # Errors
    /// [`StoreError::InUse`] naming the process that holds it; [`StoreError::Directory`] when it is none, or of a newer
    /// version; those of the disk.
    pub fn open(dir: &Path, options: OpenOptions) -> Result<Self> {
        read_format(dir)?;
        let lock = Lock::take(dir, &options.purpose)?;
        Self::open_locked(dir, options, lock)
    }

    /// As [`Store::open`], on the way to [`Store::into_reader`]: who wants to open it meanwhile waits for that instead of
    /// being refused.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_in_passing(dir: &Path, options: OpenOptions) -> Result<Self> {
        read_format(dir)?;
        let lock = Lock::take_in_passing(dir, &options.purpose)?;
        Self::open_locked(dir, options, lock)
    }

    fn open_locked(dir: &Path, options: OpenOptions, lock: Lock) -> Result<Self> {
        let format = read_format(dir)?;
        let (mut cells, mut findings) = (Vec::new(), Vec::new());
        for number in 0..format.cells {
            must_be_there(dir, number)?;
            let (cell, found) = open_cell(dir, number, format.store, &options)?;
            findings.extend(found);
            cells.push(cell);
        }
        Ok(Store { dir: dir.to_owned(), cells, findings, lock: Some(lock) })
    }

    /// Lets other processes read the data directory beside this one ([`Store::open_beside`]): it has caught up, and
    /// everything in it is of the form that this program knows. Nothing that they do is waited for.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn admit_readers(&self) -> Result<()> {
        self.lock.as_ref().map_or(Ok(()), Lock::admit_readers)
    }

    /// Opens a data directory to read only, beside the process that holds its lock: nothing is recovered, brought up to
    /// date or made, and every change is refused with [`StoreError::ReadOnly`]. What was acknowledged is seen; each
    /// [`Cell::read`] sees one state. SQLite may touch the shared memory (`-shm`) of an index, and makes it and an empty
    /// log again where the last process closes the index at this moment.
    ///
    /// `None` when no process holds it that admits readers ([`Store::admit_readers`]), or another does by now.
    ///
    /// # Errors
    /// [`StoreError::Directory`] when it is none, or of another version; those of the disk and of the indexes.
    pub fn open_beside(dir: &Path, options: &OpenOptions) -> Result<Option<Self>> {
        let format = read_format(dir)?;
        let Some(holder) = Lock::who_admits(dir)? else { return Ok(None) };
        let cells = open_cells_beside(dir, &format, options);
        // Who came after the holder may have put other files in the place of some of those that were opened.
        if Lock::who_admits(dir)?.as_ref() != Some(&holder) {
            return Ok(None);
        }
        Ok(Some(Store { dir: dir.to_owned(), cells: cells?, findings: Vec::new(), lock: None }))
    }

    /// Closes the cells, opens them to read only and gives the lock back: who wants to write need not wait for a reader.
    /// What opening found stays known.
    ///
    /// # Errors
    /// As [`Store::open_beside`].
    pub fn into_reader(self, options: &OpenOptions) -> Result<Self> {
        let Store { dir, cells, findings, lock } = self;
        drop(cells);
        let cells = open_cells_beside(&dir, &read_format(&dir)?, options)?;
        drop(lock);
        Ok(Store { dir, cells, findings, lock: None })
    }

    /// Makes the indexes of some or all cells anew; see `docs/formats/segment.md`.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn rebuild(dir: &Path, only: Option<u32>, options: OpenOptions) -> Result<Vec<Rebuilt>> {
        let format = read_format(dir)?;
        let _lock = Lock::take(dir, &options.purpose)?;
        if let Some(number) = only.filter(|n| *n >= format.cells) {
            let message = format!("there is no cell {number}; the last is {}", format.cells - 1);
            return Err(StoreError::Directory { path: dir.to_owned(), message });
        }
        let chosen = (0..format.cells).filter(|n| only.is_none_or(|o| o == *n));
        chosen.map(|n| rebuild(&cell_dir(dir, n), &cell_options(n, format.store, &options))).collect()
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The cells by number.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// What catching up found that is not as it should be.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The cell that an address belongs to: the same for every lineage, so that histories meet in one cell.
    pub fn cell_of(&self, address: &Address) -> &Cell {
        let hash = blake3::hash(address.key().as_bytes());
        let word = hash.as_bytes().first_chunk().map_or(0, |c| u64::from_le_bytes(*c));
        &self.cells[(word % self.cells.len() as u64) as usize]
    }

    /// Has every account told that a commit changed, behind the commit and outside every lock; once in the store's life.
    /// Gives whether this was the first time: a second listener is not taken.
    pub fn on_change(&self, listener: Listener) -> bool {
        self.cells.iter().all(|cell| cell.listener.set(listener.clone()).is_ok())
    }

    /// Gives back reserved room and writes logs back. Dropping a store without it loses nothing.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn settle(&self) -> Result<()> {
        self.cells.iter().try_for_each(Cell::settle)
    }
}

fn cell_dir(dir: &Path, number: u32) -> PathBuf {
    dir.join("cells").join(format!("{number:02}"))
}

fn cell_options(number: u32, store: [u8; 16], options: &OpenOptions) -> CellOptions {
    let OpenOptions { disk, vfs, segment_bytes, .. } = options.clone();
    CellOptions { number, store, disk, vfs, segment_bytes }
}

fn must_be_there(dir: &Path, number: u32) -> Result<()> {
    if cell_dir(dir, number).is_dir() {
        return Ok(());
    }
    let message = format!("its cell {number:02} is missing; put it back before anything is delivered");
    Err(StoreError::Directory { path: dir.to_owned(), message })
}

fn open_cells_beside(dir: &Path, format: &Format, options: &OpenOptions) -> Result<Vec<Cell>> {
    let open = |number| {
        must_be_there(dir, number)?;
        Cell::open_beside(&cell_dir(dir, number), cell_options(number, format.store, options))
    };
    (0..format.cells).map(open).collect()
}

fn open_cell(dir: &Path, number: u32, store: [u8; 16], options: &OpenOptions) -> Result<(Cell, Vec<Finding>)> {
    Cell::open(&cell_dir(dir, number), cell_options(number, store, options))
}

pub(crate) fn read_format(dir: &Path) -> Result<Format> {
    let path = dir.join("format");
    let wrong = |message: String| StoreError::Directory { path: dir.to_owned(), message };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let text = "it is no data directory (there is no file `format` in it); make one with `reintegra init`";
            return Err(wrong(text.into()));
        }
        Err(e) => return Err(StoreError::io(path)(e)),
    };
    let mut words = text.split_ascii_whitespace();
    let version = words.next().filter(|w| *w == FORMAT_WORD).and_then(|_| words.next()?.parse::<u32>().ok());
    let version = version.ok_or_else(|| wrong("its file `format` is not one of ours".into()))?;
    if version > FORMAT_VERSION {
        let text = format!("it has format {version}, this program knows up to {FORMAT_VERSION}: use a newer Reintegra");
        return Err(wrong(text));
    }
    let field = |name: &str| {
        let mut lines = text.lines().filter_map(|l| l.split_once(' '));
        lines.find(|(n, _)| *n == name).map(|(_, v)| v.to_owned())
    };
    let store = field("store").and_then(|hex| u128::from_str_radix(&hex, 16).ok()).map(u128::to_be_bytes);
    let cells = field("cells").and_then(|n| n.parse().ok()).filter(|n| (1..=MAX_CELLS).contains(n));
    match (store, cells) {
        (Some(store), Some(cells)) => Ok(Format { store, cells }),
        _ => Err(wrong("its file `format` is damaged: it must hold the lines `store` and `cells`".into())),
    }
}

/// Writes a small file so that after a power loss it is there whole, or as it was.
///
/// # Errors
/// Those of the disk.
pub fn write_durably(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(StoreError::io(path))
}
