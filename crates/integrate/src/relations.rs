//! What can only be told by reading messages: near twins (`RULES.md 2.5`), the same Message-ID on different content
//! (`RULES.md 2.3`), and which whole message a damaged one is the beginning of (`RULES.md 9.2`).
//!
//! The index narrows each question to a few messages by hashes of the Message-ID and of the first header field; only
//! those are read.

use crate::load::Loaded;
use crate::plan::Twins;
use message::{Identity, is_beginning_of, twin_key};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use store::{Blob, StoreError, View};

/// A whole message is looked for among this many candidates: more would be a mailbox made to keep us busy.
const MAX_CANDIDATES: usize = 4096;
/// Pairs that the report lists of one account.
const MAX_LISTED: usize = 1000;
/// Messages of one Message-ID that are looked at: as many copies of one mail as anybody has.
const MAX_GROUP: usize = 256;

/// What was found by reading.
#[derive(Debug, Default)]
pub(crate) struct Relations {
    /// For the plan.
    pub(crate) twins: Twins,
    /// From a damaged message to the whole one.
    pub(crate) wholes: HashMap<Identity, Identity>,
    /// Pairs of one Message-ID and different content that are no near twins.
    pub(crate) same_message_id: Vec<(Identity, Identity)>,
}

impl Relations {
    /// Compares the lineages of an account.
    pub(crate) fn find(view: &View<'_>, lineages: &[&Loaded]) -> Result<Self, StoreError> {
        let mut relations = Relations::default();
        relations.find_wholes(view, lineages)?;
        if let [before, after, ..] = lineages {
            relations.find_twins(view, before, after)?;
        }
        Ok(relations)
    }

    fn find_wholes(&mut self, view: &View<'_>, lineages: &[&Loaded]) -> Result<(), StoreError> {
        let damaged: BTreeMap<Identity, &Blob> = lineages
            .iter()
            .flat_map(|l| l.rows.iter().flatten())
            .filter(|(row, _)| row.traits.damaged())
            .map(|(_, blob)| (blob.identity, blob))
            .collect();
        if damaged.is_empty() {
            return Ok(());
        }
        let whole: BTreeMap<Identity, &Blob> = lineages
            .iter()
            .flat_map(|l| l.rows.iter().flatten())
            .filter(|(row, blob)| !row.traits.damaged() && !damaged.contains_key(&blob.identity))
            .map(|(_, blob)| (blob.identity, blob))
            .collect();
        for (identity, blob) in &damaged {
            let may_be = |w: &&&Blob| match blob.message_id {
                Some(id) => w.message_id == Some(id),
                // The cut may be before the Message-ID; the first field is there or nothing is.
                None => blob.first_field.is_some() && w.first_field == blob.first_field,
            };
            let beginning = read(view, blob)?;
            for candidate in whole.values().filter(may_be).take(MAX_CANDIDATES) {
                if beginning.as_ref().zip(read(view, candidate)?).is_some_and(|(b, w)| is_beginning_of(b, &w)) {
                    self.wholes.insert(*identity, candidate.identity);
                    break;
                }
            }
        }
        Ok(())
    }

    fn find_twins(&mut self, view: &View<'_>, before: &Loaded, after: &Loaded) -> Result<(), StoreError> {
        let by_message_id = |l: &Loaded| {
            let mut groups: HashMap<u64, BTreeMap<Identity, Blob>> = HashMap::new();
            for blob in l.blobs() {
                if let Some(id) = blob.message_id {
                    groups.entry(id).or_default().insert(blob.identity, *blob);
                }
            }
            groups
        };
        let (old, new) = (by_message_id(before), by_message_id(after));
        let ids: BTreeSet<u64> = old.keys().chain(new.keys()).copied().collect();
        let none = BTreeMap::new();
        for id in ids {
            let (old, new) = (old.get(&id).unwrap_or(&none), new.get(&id).unwrap_or(&none));
            let all: BTreeMap<Identity, Blob> = old.iter().chain(new).take(MAX_GROUP).map(|(i, b)| (*i, *b)).collect();
            if all.len() < 2 {
                continue;
            }
            let mut keys = Vec::new();
            for (identity, blob) in &all {
                keys.push((*identity, read(view, blob)?.and_then(|m| twin_key(&m))));
            }
            for (index, (a, a_key)) in keys.iter().enumerate() {
                for (b, b_key) in &keys[index + 1..] {
                    // A whole copy stands for a damaged one (`RULES.md 9.2`): that is no other content.
                    let stands_for = |m| self.wholes.get(m).unwrap_or(m);
                    if stands_for(a) == stands_for(b) {
                        continue;
                    }
                    if a_key.is_none() || a_key != b_key {
                        self.same_message_id.push((*a, *b));
                        continue;
                    }
                    for (before, after) in [(a, b), (b, a)] {
                        if old.contains_key(before) && new.contains_key(after) {
                            self.twins.pairs.push((*before, *after));
                        }
                    }
                }
            }
        }
        self.same_message_id.truncate(MAX_LISTED);
        Ok(())
    }
}

/// A message's bytes; `None` where its record is damaged: then it is compared with nothing.
fn read(view: &View<'_>, blob: &Blob) -> Result<Option<Vec<u8>>, StoreError> {
    match view.bytes(blob) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(StoreError::Corrupt { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}
