//! What became of every copy, and by which rules.

use super::copies::{Copies, NONE, Wreck, number};
use super::decisions::{Fate, MailboxPlan, Outcome, Renewal, Rules};
use super::lineage::{Lineage, Mailbox};
use super::mailboxes::Mailboxes;
use super::matching::{Matching, Standing};
use super::placing::{Placed, joined_flags, single_flags};
use super::policy::Side;

/// The message of the result that each copy of *before* and *after* is or is the same as, or [`NONE`].
pub(super) struct Survivors(Vec<u32>);

impl Survivors {
    /// Finds them, and gives the flags of damaged copies to the whole ones that stand for them.
    ///
    /// The message that stands for a damaged copy is one of the same mailbox if there is one, else the first by mailbox
    /// and UID. That choice hangs on nothing but the result, so that a second plan makes the same one.
    pub(super) fn find(copies: &Copies<'_>, mailboxes: &Mailboxes<'_>, placed: &mut Placed) -> Self {
        let mut survivors = vec![NONE; copies.of_both().len()];
        for (i, ids) in placed.ids.iter().enumerate() {
            for &id in ids.iter().filter(|id| **id != NONE) {
                survivors[id as usize] = number(i);
            }
        }
        let mut wrecks: Vec<Wreck> = copies.wrecks().iter().filter(|w| copies.side(w.id).is_some()).copied().collect();
        wrecks.sort_unstable_by_key(|w| (w.group, w.id));
        for of_one in wrecks.chunk_by(|x, y| x.group == y.group) {
            let of_both = copies.group(of_one[0].group).filter(|&id| copies.side(id).is_some());
            let found = of_both.map(|id| survivors[id as usize]).filter(|&i| i != NONE);
            let place = |i: u32| (placed.placements[i as usize].mailbox, placed.placements[i as usize].uid);
            let mut whole: Vec<((u32, u32), u32)> = found.map(|i| (place(i), i)).collect();
            whole.sort_unstable();
            let Some(&first) =
                whole.iter().min_by_key(|((home, uid), _)| (mailboxes.joined[*home as usize].rank, *uid))
            else {
                continue;
            };
            for wreck in of_one {
                let home = copies.home(wreck.id);
                let here = whole.get(whole.partition_point(|((mailbox, _), _)| *mailbox < home));
                let (_, i) = *here.filter(|((mailbox, _), _)| *mailbox == home).unwrap_or(&first);
                survivors[wreck.id as usize] = i;
                placed.join_wreck(i as usize, copies.message(wreck.id), copies);
            }
        }
        Survivors(survivors)
    }
}

/// What the fates are told from.
pub(super) struct Fates<'a> {
    pub copies: &'a Copies<'a>,
    pub placed: &'a Placed,
    pub matching: &'a Matching,
    pub mailboxes: &'a [MailboxPlan],
    pub survivors: &'a Survivors,
}

impl Fates<'_> {
    /// The fates of the copies of a side.
    pub(super) fn of_side(&self, side: Side, lineage: &Lineage) -> Vec<Vec<Fate>> {
        let of_mailbox = |(i, mailbox): (usize, &Mailbox)| {
            let ids = self.copies.of_mailbox(side, i);
            ids.map(|id| self.of_copy(side, id, mailbox)).collect()
        };
        lineage.mailboxes.iter().enumerate().map(of_mailbox).collect()
    }

    fn of_copy(&self, side: Side, id: u32, mailbox: &Mailbox) -> Fate {
        let standing = self.matching.standing[id as usize];
        let survivor = self.survivors.0[id as usize];
        let rules = Rules::NONE
            .with(Rules::DAMAGED, standing == Standing::Wreck)
            .with(Rules::DELETION, matches!(standing, Standing::Spared | Standing::Deleted) || survivor == NONE);
        if survivor == NONE {
            return Fate { outcome: Outcome::Deleted, rules };
        }
        let is_pair = self.matching.partner[id as usize] != NONE;
        let is_kept = standing != Standing::Wreck && (side == Side::After || !is_pair);
        let outcome =
            if is_kept { Outcome::Kept { placement: survivor } } else { Outcome::SameAs { placement: survivor } };
        Fate { outcome, rules: self.rules(side, id, mailbox, survivor as usize, rules) }
    }

    /// Adds the rules by which the message of the result differs from a copy of it.
    fn rules(&self, side: Side, id: u32, mailbox: &Mailbox, survivor: usize, rules: Rules) -> Rules {
        let m = self.copies.message(id);
        let placement = &self.placed.placements[survivor];
        let home = &self.mailboxes[placement.mailbox as usize];
        let [b, a] = self.placed.ids[survivor];
        let is_pair = b != NONE && a != NONE && (b == id || a == id);
        let is_one_identity = is_pair && self.copies.message(b).identity == self.copies.message(a).identity;
        let is_across = is_pair && self.copies.home(b) != self.copies.home(a);
        let has_other_bytes = is_pair && self.copies.message(b).digest != self.copies.message(a).digest;
        let is_alone = !is_pair && !rules.contains(Rules::DAMAGED);
        let is_renamed = side == Side::Before && !is_across && mailbox.name != home.name;

        let other_joined_flags = joined_flags(m.flags) != joined_flags(placement.flags);
        let other_single_flags = single_flags(m.flags) != single_flags(placement.flags);
        let other_keywords = self.placed.keywords(survivor, self.copies) != m.keywords;
        let other_uid = placement.uid != m.uid || mailbox.uidvalidity != Some(home.uidvalidity);
        let other_uidl = m.uidl.is_some() && self.placed.uidl(survivor, self.copies) != m.uidl.as_deref();
        rules
            .with(Rules::BYTES, has_other_bytes && is_one_identity)
            .with(Rules::TWINS, is_pair && !is_one_identity)
            .with(Rules::OWN_MAILBOX, side == Side::Before && is_alone)
            .with(Rules::PAIR, is_pair && !is_across)
            .with(Rules::PAIR_ACROSS, is_across)
            .with(Rules::FLAGS, other_joined_flags || other_keywords)
            .with(Rules::DELETED_DRAFT, other_single_flags)
            .with(Rules::DATE, m.internal_date != placement.internal_date)
            .with(Rules::UID, other_uid)
            .with(Rules::UIDL, other_uidl)
            .with(Rules::CLASH, matches!(home.renewal, Some(Renewal::Clash { .. })))
            .with(Rules::SPECIAL_USE, is_renamed)
    }

    /// The fates of the copies of *base*: what its message is in the result, if it is there.
    pub(super) fn of_base(&self, base: &Lineage) -> Vec<Vec<Fate>> {
        let ids = self.copies.of_base();
        let mut outcomes = vec![Outcome::Gone; ids.len()];
        let of_groups: Vec<Outcome> = (0..self.copies.groups()).map(|group| self.of_group(group)).collect();
        let whole = (0..self.copies.groups()).flat_map(|group| self.copies.group(group).map(move |id| (id, group)));
        let wrecks = self.copies.wrecks().iter().map(|w| (w.id, w.group));
        for (id, group) in whole.chain(wrecks).filter(|(id, _)| ids.contains(id)) {
            outcomes[(id - ids.start) as usize] = of_groups[group as usize];
        }
        let mut outcomes = outcomes.into_iter();
        let fate = |outcome: Outcome| {
            let is_gone = outcome.placement().is_none();
            Fate { outcome, rules: Rules::NONE.with(Rules::DELETION, is_gone) }
        };
        base.mailboxes.iter().map(|m| outcomes.by_ref().take(m.messages.len()).map(fate).collect()).collect()
    }

    /// What became of a message of which a group are the copies.
    fn of_group(&self, group: u32) -> Outcome {
        let mut of_both = self.copies.group(group).filter(|&id| self.copies.side(id).is_some()).peekable();
        let was_there = of_both.peek().is_some();
        match of_both.map(|id| self.survivors.0[id as usize]).find(|&i| i != NONE) {
            Some(placement) => Outcome::SameAs { placement },
            None if was_there => Outcome::Deleted,
            None => Outcome::Gone,
        }
    }
}
