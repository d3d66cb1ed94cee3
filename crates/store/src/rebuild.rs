//! Index snapshots, and making an index anew: losing the database is an inconvenience, not an incident.

use crate::cell::{CellOptions, Finding, Replay, catch_up, make_inboxes};
use crate::derived::GENERATION;
use crate::disk::{Disk, RealDisk};
use crate::error::StoreError;
use crate::index::{rows, sqlite};
use crate::segment::log::Segments;
use crate::{Cell, now};
use std::path::{Path, PathBuf};
use std::sync::Arc;

type Result<T> = std::result::Result<T, StoreError>;

/// Index snapshots kept per cell.
const SNAPSHOTS_KEPT: usize = 2;

/// What an index was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// In which cell.
    pub cell: u32,
    /// The index snapshot that it began with; `None`: from the segments alone.
    pub snapshot: Option<PathBuf>,
    /// Messages in the new index.
    pub messages: u64,
    /// What could not be taken into it.
    pub findings: Vec<Finding>,
}

impl Cell {
    /// Writes a copy of the index beside it, as one SQLite file, and keeps the two newest.
    /// When it returns, the copy survives a power loss.
    ///
    /// # Errors
    /// Those of the disk and of the index.
    pub fn snapshot(&self) -> Result<PathBuf> {
        self.must_be_writer()?;
        let dir = self.dir().join("snapshots");
        let io = |path: &Path| StoreError::io(path.to_owned());
        RealDisk.create_dir_all(&dir).map_err(io(&dir))?;
        let newest = snapshots(self.dir())?.first().map_or(0, |(number, _)| *number);
        let number = (newest + 1).max(now().max(0) as u64);
        let (temporary, path) = (dir.join("unfinished"), dir.join(format!("{number:012}.sqlite")));
        // Made here, emptied of what an earlier attempt left: SQLite would not say that a full disk is why it cannot.
        std::fs::File::create(&temporary).map_err(io(&temporary))?;
        self.copy_index(&temporary)?;
        std::fs::File::open(&temporary).and_then(|f| f.sync_all()).map_err(io(&temporary))?;
        std::fs::rename(&temporary, &path).map_err(io(&path))?;
        std::fs::File::open(&dir).and_then(|d| d.sync_all()).map_err(io(&dir))?;
        for (_, old) in snapshots(self.dir())?.into_iter().skip(SNAPSHOTS_KEPT) {
            std::fs::remove_file(&old).map_err(io(&old))?;
        }
        Ok(path)
    }
}

/// Snapshots of a cell, newest first.
fn snapshots(cell_dir: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let dir = cell_dir.join("snapshots");
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&dir).map_err(StoreError::io(&dir))? {
        let path = entry.map_err(StoreError::io(&dir))?.path();
        let number = path.file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse().ok());
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|e| e == "sqlite")) {
            found.push((number, path));
        }
    }
    found.sort_by(|a, b| b.cmp(a));
    Ok(found)
}

/// Makes a cell's index anew, from the newest snapshot that is whole and the segments behind it, or from the segments
/// alone. The old index stays until the new one is durable, and is then kept beside it as `index.sqlite.replaced`.
///
/// # Errors
/// Those of the disk; damage in segments is a finding, not an error.
pub(crate) fn rebuild(dir: &Path, options: &CellOptions) -> Result<Rebuilt> {
    let io = |path: &Path| StoreError::io(path.to_owned());
    let disk: Arc<dyn Disk> = options.disk.clone();
    let segments = Segments::new(disk, dir.join("segments"));
    let fresh = dir.join("index.sqlite.rebuilding");
    remove_database(&fresh)?;
    let mut findings = Vec::new();
    let mut used = None;
    for (_, snapshot) in snapshots(dir)? {
        std::fs::copy(&snapshot, &fresh).map_err(io(&fresh))?;
        let sound = sqlite::open_writer(&fresh, None, sqlite::CELL, false).and_then(|db| sqlite::integrity(&db));
        match sound {
            Ok(problems) if problems.is_empty() => {
                used = Some(snapshot);
                break;
            }
            _ => {
                let text = format!("snapshot {} is damaged and was not used", snapshot.display());
                findings.push(Finding { cell: options.number, text });
                remove_database(&fresh)?;
            }
        }
    }
    let db = sqlite::open_writer(&fresh, None, sqlite::CELL, true)?;
    catch_up(&db, &segments, options.number, Replay::Everything, &mut findings)?;
    make_inboxes(&db)?;
    // It gives messages' bytes other numbers: see `derived`.
    rows::delete_note(&db, GENERATION)?;
    let messages = rows::count_messages(&db)?;
    db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    db.close().map_err(|(_, e)| e)?;
    std::fs::File::open(&fresh).and_then(|f| f.sync_all()).map_err(io(&fresh))?;
    let (index, replaced) = (dir.join("index.sqlite"), dir.join("index.sqlite.replaced"));
    remove_database(&replaced)?;
    // The index goes first: should this stop half-way, opening finds none and asks for a rebuild.
    for suffix in ["", "-wal", "-shm"] {
        let (from, to) = (with_suffix(&index, suffix), with_suffix(&replaced, suffix));
        if from.exists() {
            std::fs::rename(&from, &to).map_err(io(&from))?;
        }
    }
    std::fs::rename(&fresh, &index).map_err(io(&index))?;
    remove_database(&fresh)?;
    std::fs::File::open(dir).and_then(|d| d.sync_all()).map_err(io(dir))?;
    Ok(Rebuilt { cell: options.number, snapshot: used, messages, findings })
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn remove_database(path: &Path) -> Result<()> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let file = with_suffix(path, suffix);
        if file.exists() {
            std::fs::remove_file(&file).map_err(StoreError::io(&file))?;
        }
    }
    Ok(())
}
