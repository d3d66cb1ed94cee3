//! A cell that another process writes, to read.

use super::{Cell, CellOptions, INDEX, Result};
use crate::derived::Derived;
use crate::error::StoreError;
use crate::readers::Readers;
use crate::segment::log::Segments;
use std::path::Path;
use std::sync::Arc;

impl Cell {
    /// Opens a cell to read only: nothing is recovered, caught up with or made. Every change is refused, and derived data
    /// is left alone.
    pub(crate) fn open_beside(dir: &Path, options: CellOptions) -> Result<Self> {
        let CellOptions { number, disk, vfs, .. } = options;
        let segments = Arc::new(Segments::new(disk, dir.join("segments")));
        let readers = Readers::beside(dir.join(INDEX), vfs.clone());
        // Whether it can be read is said now, and its files are open from now on.
        readers.read(|_| Ok(()))?;
        Ok(Cell {
            number,
            dir: dir.to_owned(),
            vfs,
            segments,
            writer: None,
            group: Default::default(),
            readers,
            derived: Derived::off(dir),
            images: Default::default(),
            listener: Default::default(),
        })
    }

    /// Refuses what would put files beside the index where another process writes it.
    pub(crate) fn must_be_writer(&self) -> Result<()> {
        self.writer.as_ref().map(|_| ()).ok_or(StoreError::ReadOnly)
    }
}
