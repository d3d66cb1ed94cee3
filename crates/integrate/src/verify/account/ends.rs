//! Where the copies of an account ended, by the journal.

use super::{AccountWork, At};
use crate::journal::{CopyFate, FateKind, Fates, Progressed};
use crate::ledger::LineageRole;
use crate::plan::Rules;
use std::collections::HashMap;

/// Where a copy ended, by the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Result {
        at: At,
        kept: bool,
        rules: Rules,
    },
    Deleted(Rules),
    /// Its owner expunged it between the import and the integration.
    ExpungedEarlier,
    /// Neither lineage has what the base had.
    Gone,
    Sealed,
    Unattributed,
    NoMessage,
    /// The journal does not know it.
    Unknown,
}

/// From a staged copy's place to where it ended.
pub(super) struct Ends<'f> {
    first: HashMap<At, CopyFate>,
    first_boxes: Vec<i64>,
    /// For an import: what the integration did with what the import made.
    second: Option<(&'f HashMap<At, CopyFate>, Vec<i64>, bool)>,
    state: Option<Progressed>,
    base: bool,
}

impl<'f> Ends<'f> {
    pub(super) fn new(work: &'f AccountWork<'_>, role: LineageRole, own: bool, imported: Option<&Fates>) -> Self {
        let boxes = |f: &Fates| f.mailboxes.iter().map(|m| m.id).collect::<Vec<_>>();
        let own_boxes = work.fates.as_ref().map(boxes).unwrap_or_default();
        let base = role == LineageRole::Base;
        let (first, first_boxes, second) = match own {
            true => {
                let copies = work.fates.as_ref().map(|f| if base { &f.base } else { &f.before });
                (copies.map(|c| Fates::by_copy(c)).unwrap_or_default(), own_boxes, None)
            }
            false => (
                imported.map(|f| Fates::by_copy(&f.before)).unwrap_or_default(),
                imported.map(boxes).unwrap_or_default(),
                Some((&work.after_fates, own_boxes, work.fates.is_some())),
            ),
        };
        Ends { first, first_boxes, second, state: work.state, base }
    }

    pub(super) fn of(&self, at: At) -> End {
        if self.second.is_none() && !self.base && matches!(self.state, Some(Progressed::Sealed | Progressed::Moved)) {
            return End::Sealed;
        }
        let Some(fate) = self.first.get(&at) else { return End::Unknown };
        let first = end(fate, &self.first_boxes);
        let (Some((second, boxes, integrated)), End::Result { at, .. }) = (&self.second, first) else { return first };
        match second.get(&at) {
            Some(fate) => end(fate, boxes),
            None if *integrated => End::ExpungedEarlier,
            None => first,
        }
    }

    /// What an import made of it.
    pub(super) fn live(&self, at: At) -> Option<At> {
        self.second.as_ref()?;
        match end(self.first.get(&at)?, &self.first_boxes) {
            End::Result { at, .. } => Some(at),
            _ => None,
        }
    }
}

pub(super) fn end(fate: &CopyFate, boxes: &[i64]) -> End {
    let at = fate.target.and_then(|(index, uid)| boxes.get(index).map(|id| (*id, uid)));
    match (fate.outcome, at) {
        (FateKind::Kept, Some(at)) => End::Result { at, kept: true, rules: fate.rules },
        (FateKind::SameAs, Some(at)) => End::Result { at, kept: false, rules: fate.rules },
        (FateKind::Deleted, _) => End::Deleted(fate.rules),
        (FateKind::Gone, _) => End::Gone,
        _ => End::Unknown,
    }
}

/// Whether, by these rules, a different message may stand for a copy: the whole of a damaged one, or its near twin.
pub(super) fn another_may_stand(rules: Rules) -> bool {
    rules.contains(Rules::DAMAGED) || rules.contains(Rules::TWINS)
}
