//! The messages of the result: where each goes, with which bytes, flags and dates (`RULES.md` 2.4, 3.2 to 3.4, 4).

use super::copies::{Copies, NONE, number};
use super::decisions::{Change, CopyId, Keywords, Placement, Uidl};
use super::lineage::Message;
use super::mailboxes::Mailboxes;
use super::matching::{Matching, Standing};
use super::numbering::{Numbering, Slot};
use super::policy::Side;
use message::{Flags, Keyword};
use std::ops::Range;

/// The messages of the result, mailbox by mailbox.
pub(super) struct Placed {
    pub placements: Vec<Placement>,
    /// By placement: its copy of *before* and of *after*, or [`NONE`].
    pub ids: Vec<[u32; 2]>,
    /// By mailbox of the result: its placements.
    pub ranges: Vec<Range<usize>>,
    /// By mailbox of the result: UIDNEXT.
    pub uidnexts: Vec<u32>,
    /// Mailboxes that ran out of UIDs; if there are any, nothing else here counts.
    pub exhausted: Vec<usize>,
}

/// Places every message that stays: each copy of *after* where it is, with its partner in it; then each copy of
/// *before* that has none, in its own mailbox.
pub(super) fn place(
    copies: &Copies<'_>,
    mailboxes: &Mailboxes<'_>,
    numbering: &mut [Numbering],
    matching: &Matching,
) -> Placed {
    let mut placed = Placed {
        placements: Vec::with_capacity(copies.of_both().len()),
        ids: Vec::with_capacity(copies.of_both().len()),
        ranges: Vec::with_capacity(mailboxes.joined.len()),
        uidnexts: Vec::with_capacity(mailboxes.joined.len()),
        exhausted: Vec::new(),
    };
    let lives = |id: &u32| matches!(matching.standing[*id as usize], Standing::Lives | Standing::Spared);
    let mut slots = Vec::new();
    for (home, j) in mailboxes.joined.iter().enumerate() {
        slots.clear();
        let of_after = j.after_index.map_or(0..0, |m| copies.of_mailbox(Side::After, m));
        slots.extend(of_after.filter(lives).map(|after| Slot {
            uid: 0,
            before: matching.partner[after as usize],
            after,
        }));
        let of_before = j.before_index.map_or(0..0, |m| copies.of_mailbox(Side::Before, m));
        let alone = of_before.filter(|b| lives(b) && matching.partner[*b as usize] == NONE);
        slots.extend(alone.map(|before| Slot { uid: 0, before, after: NONE }));

        let Ok(uidnext) = numbering[home].assign(&mut slots, copies) else {
            placed.exhausted.push(home);
            continue;
        };
        let start = placed.placements.len();
        for slot in &slots {
            placed.placements.push(placement(slot, home, copies));
            placed.ids.push([slot.before, slot.after]);
        }
        placed.ranges.push(start..placed.placements.len());
        placed.uidnexts.push(uidnext);
    }
    placed
}

/// A message of the result from its one or two copies. Its UIDL is not decided here.
fn placement(slot: &Slot, home: usize, copies: &Copies<'_>) -> Placement {
    let copy = |id: u32| (id != NONE).then(|| (copies.message(id), copies.copy_id(id)));
    let (b, a) = (copy(slot.before), copy(slot.after));
    let mut placement = match (b, a) {
        (Some((b, b_id)), Some((a, a_id))) => {
            // Of near twins, the live one stays as it is: no UID and no UIDL of its comes to name other content (G11).
            let bytes = if b.identity == a.identity { Side::Before } else { Side::After };
            let mut placement = alone(a, Side::After, None);
            placement.before = Some(b_id);
            placement.after = Some(a_id);
            placement.bytes = bytes;
            placement.flags = a.flags.union(joined_flags(b.flags));
            placement.keywords = join_keywords(&a.keywords, &b.keywords).map_or(placement.keywords, Keywords::Joined);
            placement.internal_date = a.internal_date.min(b.internal_date);
            placement
        }
        (Some((b, id)), None) => alone(b, Side::Before, Some(id)),
        (None, Some((a, id))) => alone(a, Side::After, Some(id)),
        (None, None) => unreachable!("a slot has a copy"),
    };
    placement.mailbox = number(home);
    placement.uid = slot.uid;
    placement
}

/// A message of the result that is one copy.
fn alone(m: &Message, side: Side, id: Option<CopyId>) -> Placement {
    Placement {
        mailbox: 0,
        uid: 0,
        before: id.filter(|_| side == Side::Before),
        after: id.filter(|_| side == Side::After),
        bytes: side,
        flags: m.flags,
        keywords: Keywords::Of(side),
        internal_date: m.internal_date,
        uidl: Uidl::None,
        change: Change::NONE,
    }
}

/// Of a copy's flags, those that are set if they are set in any copy (`RULES.md 4.1`).
pub(super) fn joined_flags(flags: Flags) -> Flags {
    flags.without(Flags::DELETED | Flags::DRAFT)
}

/// Of a copy's flags, those that are as in one copy: the live one if there is one (`RULES.md 4.2`).
pub(super) fn single_flags(flags: Flags) -> Flags {
    flags.intersection(Flags::DELETED | Flags::DRAFT)
}

/// The keywords `own` with those of `others`, where there are any that are not among them. A spelling of `own` stays.
fn join_keywords(own: &[Keyword], others: &[Keyword]) -> Option<Vec<Keyword>> {
    if others.is_empty() || own == others {
        return None;
    }
    let mut joined: Vec<&Keyword> = own.iter().chain(others).collect();
    joined.sort();
    joined.dedup();
    (joined.len() > own.len()).then(|| joined.into_iter().cloned().collect())
}

impl Placed {
    /// The keywords of a message.
    pub(super) fn keywords<'a>(&'a self, i: usize, copies: &Copies<'a>) -> &'a [Keyword] {
        match &self.placements[i].keywords {
            Keywords::Of(side) => &copies.message(self.ids[i][*side as usize]).keywords,
            Keywords::Joined(keywords) => keywords,
        }
    }

    /// The UIDL of a message.
    pub(super) fn uidl<'a>(&'a self, i: usize, copies: &Copies<'a>) -> Option<&'a str> {
        match &self.placements[i].uidl {
            Uidl::None => None,
            Uidl::Of(side) => copies.message(self.ids[i][*side as usize]).uidl.as_deref(),
            Uidl::Fresh(uidl) => Some(uidl),
        }
    }

    /// Joins the flags, keywords and date of a damaged copy to the message that stands for it (`RULES.md 9.2, 4.1,
    /// 4.3`).
    pub(super) fn join_wreck(&mut self, i: usize, wreck: &Message, copies: &Copies<'_>) {
        let keywords = join_keywords(self.keywords(i, copies), &wreck.keywords);
        let placement = &mut self.placements[i];
        if let Some(keywords) = keywords {
            placement.keywords = Keywords::Joined(keywords);
        }
        placement.flags = placement.flags.union(joined_flags(wreck.flags));
        placement.internal_date = placement.internal_date.min(wreck.internal_date);
    }

    /// Says of every message what differs from its live row.
    pub(super) fn note_changes(&mut self, copies: &Copies<'_>) {
        for (placement, [before, after]) in self.placements.iter_mut().zip(&self.ids) {
            if *after == NONE {
                placement.change = Change::ADDED;
                continue;
            }
            let a = copies.message(*after);
            let change = &mut placement.change;
            change.set(Change::UID, placement.uid != a.uid);
            change.set(Change::FLAGS, placement.flags != a.flags);
            change.set(Change::DATE, placement.internal_date != a.internal_date);
            change.set(Change::KEYWORDS, matches!(placement.keywords, Keywords::Joined(_)));
            let is_other = |side: Side| side == Side::Before && copies.message(*before).digest != a.digest;
            change.set(Change::BYTES, is_other(placement.bytes));
            let uidl = if a.uidl.is_some() { Uidl::Of(Side::After) } else { Uidl::None };
            change.set(Change::UIDL, placement.uidl != uidl);
        }
    }
}
