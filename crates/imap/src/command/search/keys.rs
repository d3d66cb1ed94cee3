//! What SORT and THREAD need of messages: which were found, and their keys.

use super::{Finder, Reports};
use crate::answer::Refusal;
use crate::cache::{Kind, Values};
use crate::session::core::Core;
use edge::SignedIn;
use std::sync::Arc;
use store::Image;

/// How many messages' keys are read in a step: where none are kept yet, each of these messages is read whole.
const BATCH: usize = 256;

/// Messages being found, and then their keys being gathered.
pub(in crate::command) struct Gathering {
    kind: Option<Kind>,
    stage: Stage,
    missed_some: bool,
    reports: Reports,
}

enum Stage {
    Find(Finder),
    Gather(Keys),
}

impl Gathering {
    /// Begins to look for messages, of which a kind of keys is wanted, or none.
    pub(in crate::command) fn new(kind: Option<Kind>, finder: Finder) -> Self {
        Gathering { kind, stage: Stage::Find(finder), missed_some: false, reports: Reports::new() }
    }

    /// Goes on for a while, and tells of progress. Whether it is done.
    ///
    /// # Errors
    /// Those of the store.
    pub(in crate::command) fn step(&mut self, core: &mut Core, out: &mut Vec<u8>) -> Result<bool, Refusal> {
        let (user, selected) = core.selected()?;
        let progress = match &mut self.stage {
            Stage::Find(finder) => {
                if finder.step(user, selected)? {
                    self.missed_some = finder.missed_some(selected);
                    let (found, image) = finder.take_found();
                    self.stage = Stage::Gather(Keys::new(self.kind, found, image));
                    return Ok(false);
                }
                finder.progress()
            }
            Stage::Gather(keys) => {
                if keys.step(user)? {
                    return Ok(true);
                }
                keys.progress()
            }
        };
        self.reports.tell(core, progress, out);
        Ok(false)
    }

    /// The keys, once some are gathered.
    pub(in crate::command) fn keys(&self) -> Option<&Keys> {
        match &self.stage {
            Stage::Find(_) => None,
            Stage::Gather(keys) => Some(keys),
        }
    }

    /// Whether messages that the client knows of were gone.
    pub(in crate::command) fn missed_some(&self) -> bool {
        self.missed_some
    }
}

/// Keys being gathered.
pub(in crate::command) struct Keys {
    kind: Option<Kind>,
    /// UIDs ascending.
    found: Vec<u32>,
    image: Arc<Image>,
    values: Values,
}

impl Keys {
    fn new(kind: Option<Kind>, found: Vec<u32>, image: Arc<Image>) -> Self {
        Keys { kind, found, image, values: Values::default() }
    }

    /// Gathers more. Whether that is all.
    ///
    /// # Errors
    /// Those of the store.
    fn step(&mut self, user: &SignedIn) -> Result<bool, Refusal> {
        let Some(kind) = self.kind else { return Ok(true) };
        let from = self.values.len();
        let batch = &self.found[from..self.found.len().min(from + BATCH)];
        let rows = batch.iter().filter_map(|&uid| self.image.position(uid)).map(|index| self.image.row(index).blob);
        self.values.extend(&user.cell, kind, &rows.collect::<Vec<_>>())?;
        Ok(self.values.len() >= self.found.len())
    }

    /// How many messages are done, of how many.
    fn progress(&self) -> (usize, usize) {
        (self.values.len(), self.found.len())
    }

    /// Each message that was found, ascending, with its key: empty where its bytes are damaged.
    pub(in crate::command) fn iter(&self) -> impl Iterator<Item = (store::Row<'_>, &[u8])> {
        let rows = self.found.iter().filter_map(|&uid| self.image.position(uid)).map(|index| self.image.row(index));
        rows.enumerate().map(|(index, row)| (row, self.values.get(index).unwrap_or_default()))
    }

    /// The mailbox that they are of.
    pub(in crate::command) fn image(&self) -> &Image {
        &self.image
    }
}
