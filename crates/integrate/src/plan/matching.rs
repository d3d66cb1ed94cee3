//! Which copies are one message (`RULES.md` 2.3, 2.5, 3.1 to 3.5, 9.2).

use super::copies::{Copies, NONE};
use super::decisions::Finding;
use super::mailboxes::Mailboxes;
use super::numbering::Numbering;
use super::policy::{Policy, Side, Twins};
use message::Identity;
use std::cmp::Reverse;

/// What the match says of each copy of *before* and *after*.
pub(super) struct Matching {
    /// The copy of the other lineage that it is one message with, or [`NONE`].
    pub partner: Vec<u32>,
    pub standing: Vec<Standing>,
    pub findings: Vec<Finding>,
}

/// Whether a copy is a message of the result.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is, alone or with its partner.
    Lives,
    /// It is, although the other lineage deleted it (`RULES.md 3.5`, default).
    Spared,
    /// It is not: the other lineage deleted it.
    Deleted,
    /// It is not: a whole copy stands for it (`RULES.md 9.2`).
    Wreck,
}

/// Matches the copies of every message: the same identity in one mailbox, then across mailboxes; then, if near twins
/// are to be joined, the same with those.
///
/// The order in which copies are taken is what makes a second plan find what the first one did (`RULES.md G4`): a copy
/// of *before* that the first plan adds is, in the second, matched with what was made of it and with nothing else.
/// In a mailbox, *before* goes by INTERNALDATE and old UID, the order in which added messages get their UIDs, and
/// *after* goes by UID. Copies that go to other mailboxes are taken from the end.
pub(super) fn match_copies(
    copies: &Copies<'_>,
    mailboxes: &Mailboxes<'_>,
    numbering: &[Numbering],
    twins: &Twins,
    policy: &Policy,
) -> Matching {
    let mut matcher = Matcher {
        copies,
        mailboxes,
        numbering,
        joins_twins: policy.join_twins,
        deletions: Deletions::new(copies, policy),
        matching: Matching {
            partner: vec![NONE; copies.of_both().len()],
            standing: vec![Standing::Lives; copies.of_both().len()],
            findings: Vec::new(),
        },
    };
    for wreck in copies.wrecks().iter().filter(|w| copies.side(w.id).is_some()) {
        matcher.matching.standing[wreck.id as usize] = Standing::Wreck;
    }
    let classes = matcher.twin_classes(twins);
    let mut in_a_class: Vec<u32> = classes.concat();
    in_a_class.sort_unstable();
    let mut in_a_class = in_a_class.into_iter().peekable();
    for group in 0..copies.groups() {
        if in_a_class.next_if_eq(&group).is_none() {
            matcher.settle_group(group);
        }
    }
    for class in classes {
        matcher.settle(&class);
    }
    matcher.deletions.report(&mut matcher.matching.findings);
    matcher.matching
}

struct Matcher<'a> {
    copies: &'a Copies<'a>,
    mailboxes: &'a Mailboxes<'a>,
    numbering: &'a [Numbering],
    joins_twins: bool,
    deletions: Deletions,
    matching: Matching,
}

impl Matcher<'_> {
    /// Settles a message that is no twin; the cases that nearly every message is are quick.
    fn settle_group(&mut self, group: u32) {
        let mut ids = self.copies.group(group);
        let sides = [(); 3].map(|()| ids.next().map(|id| (id, self.copies.side(id))));
        match sides {
            [_, None, None] => {}
            [Some((b, Some(Side::Before))), Some((a, Some(Side::After))), None | Some((_, None))] => self.pair(b, a),
            _ => self.settle(&[group]),
        }
    }

    /// Settles the messages of a class: one, or near twins that are to be joined.
    fn settle(&mut self, class: &[u32]) {
        let (mut left_b, mut left_a) = (Vec::new(), Vec::new());
        for &group in class {
            let ids = self.copies.group(group);
            let mut bs: Vec<u32> = ids.clone().filter(|&id| self.copies.side(id) == Some(Side::Before)).collect();
            let mut as_: Vec<u32> = ids.filter(|&id| self.copies.side(id) == Some(Side::After)).collect();
            if !bs.is_empty() && !as_.is_empty() {
                self.pair_equal_uids(&mut bs, &mut as_);
                self.sort_before(&mut bs);
                self.sort_after(&mut as_);
                self.pair_in_mailboxes(&mut bs, &mut as_);
                self.sort_before_from_end(&mut bs);
                self.pair_all(&mut bs, &mut as_);
            }
            left_b.append(&mut bs);
            left_a.append(&mut as_);
        }
        if class.len() > 1 {
            self.sort_before_from_end(&mut left_b);
            self.sort_after(&mut left_a);
            self.pair_in_mailboxes(&mut left_b, &mut left_a);
            self.pair_all(&mut left_b, &mut left_a);
        }
        if self.deletions.has_base && !(left_b.is_empty() && left_a.is_empty()) {
            for &group in class {
                self.judge_deletions(group);
            }
        }
    }

    /// Decides on the copies of a message that only one lineage has.
    fn judge_deletions(&mut self, group: u32) {
        for side in [Side::Before, Side::After] {
            let of_side = || self.copies.group(group).filter(|&id| self.copies.side(id) == Some(side));
            let left: Vec<u32> = of_side().filter(|&id| self.matching.partner[id as usize] == NONE).collect();
            let of_base = self.copies.group(group).filter(|&id| self.copies.side(id).is_none()).count();
            if left.is_empty() || of_side().count() > of_base {
                continue;
            }
            if let Some(standing) = self.deletions.judge(group, side) {
                for id in left {
                    self.matching.standing[id as usize] = standing;
                }
            }
        }
    }

    fn pair(&mut self, b: u32, a: u32) {
        self.matching.partner[b as usize] = a;
        self.matching.partner[a as usize] = b;
    }

    /// Where a mailbox has the same UIDs in both lineages, a UID and an identity in common are one copy for certain.
    fn pair_equal_uids(&mut self, bs: &mut Vec<u32>, as_: &mut Vec<u32>) {
        let at = |id: u32| (self.copies.home(id), self.copies.message(id).uid);
        if !bs.iter().any(|&b| self.numbering[self.copies.home(b) as usize].shares_uids) {
            return;
        }
        bs.sort_unstable_by_key(|&b| (at(b), b));
        as_.sort_unstable_by_key(|&a| (at(a), a));
        let (mut pairs, mut i) = (Vec::new(), 0);
        for &b in bs.iter().filter(|&&b| self.numbering[self.copies.home(b) as usize].shares_uids) {
            while as_.get(i).is_some_and(|&a| at(a) < at(b)) {
                i += 1;
            }
            if let Some(&a) = as_.get(i).filter(|&&a| at(a) == at(b)) {
                pairs.push((b, a));
                i += 1;
            }
        }
        self.take(pairs, bs, as_);
    }

    /// Pairs within each mailbox, in the order given; both lists go by mailbox.
    fn pair_in_mailboxes(&mut self, bs: &mut Vec<u32>, as_: &mut Vec<u32>) {
        let (mut pairs, mut i) = (Vec::new(), 0);
        for &b in bs.iter() {
            while as_.get(i).is_some_and(|&a| self.rank(a) < self.rank(b)) {
                i += 1;
            }
            if let Some(&a) = as_.get(i).filter(|&&a| self.rank(a) == self.rank(b)) {
                pairs.push((b, a));
                i += 1;
            }
        }
        self.take(pairs, bs, as_);
    }

    /// Pairs in the order given, wherever the copies are.
    fn pair_all(&mut self, bs: &mut Vec<u32>, as_: &mut Vec<u32>) {
        let pairs = bs.iter().copied().zip(as_.iter().copied()).collect();
        self.take(pairs, bs, as_);
    }

    fn take(&mut self, pairs: Vec<(u32, u32)>, bs: &mut Vec<u32>, as_: &mut Vec<u32>) {
        for (b, a) in pairs {
            self.pair(b, a);
        }
        bs.retain(|&b| self.matching.partner[b as usize] == NONE);
        as_.retain(|&a| self.matching.partner[a as usize] == NONE);
    }

    fn rank(&self, id: u32) -> u32 {
        self.mailboxes.joined[self.copies.home(id) as usize].rank
    }

    fn sort_before(&self, bs: &mut [u32]) {
        bs.sort_unstable_by_key(|&b| (self.rank(b), self.age(b)));
    }

    fn sort_before_from_end(&self, bs: &mut [u32]) {
        bs.sort_unstable_by_key(|&b| (self.rank(b), Reverse(self.age(b))));
    }

    /// By UID; where *after*'s messages will get new ones, as those will be.
    fn sort_after(&self, as_: &mut [u32]) {
        as_.sort_unstable_by_key(|&a| {
            let (date, uid, a) = self.age(a);
            let renumbered = self.numbering[self.copies.home(a) as usize].renumbers(Side::After);
            (self.rank(a), if renumbered { date } else { 0 }, uid, a)
        });
    }

    /// The order in which added messages get their UIDs (`RULES.md 5.1`).
    fn age(&self, id: u32) -> (i64, u32, u32) {
        let m = self.copies.message(id);
        (m.internal_date, m.uid, id)
    }

    /// Lists the near twins, and says which messages are one if they are to be joined.
    fn twin_classes(&mut self, twins: &Twins) -> Vec<Vec<u32>> {
        let mut listed = Vec::new();
        for (before, after) in twins.pairs.iter().filter(|(before, after)| before != after) {
            let first = |identity, side| self.copies.group_of(identity).and_then(|g| self.copies.first_of(g, side));
            listed.extend(first(before, Side::Before).zip(first(after, Side::After)));
        }
        listed.sort_unstable();
        listed.dedup();
        for (b, a) in listed {
            let (before, after) = (self.copies.copy_id(b), self.copies.copy_id(a));
            self.matching.findings.push(Finding::NearTwins { before, after, joined: self.joins_twins });
        }
        if !self.joins_twins {
            return Vec::new();
        }
        let groups = |class: Vec<&Identity>| class.into_iter().filter_map(|i| self.copies.group_of(i)).collect();
        connected(&twins.pairs).into_iter().map(groups).collect()
    }
}

/// The classes of near twins. To be one passes on (2.5 asks for the same Message-ID, body and other header fields), so
/// a chain of pairs is one class.
fn connected(pairs: &[(Identity, Identity)]) -> Vec<Vec<&Identity>> {
    fn root(above: &mut [usize], mut i: usize) -> usize {
        while above[i] != i {
            above[i] = above[above[i]];
            i = above[i];
        }
        i
    }
    let mut members: Vec<&Identity> = pairs.iter().flat_map(|(b, a)| [b, a]).collect();
    members.sort_unstable();
    members.dedup();
    let mut above: Vec<usize> = (0..members.len()).collect();
    for (b, a) in pairs {
        let [b, a] = [b, a].map(|i| members.binary_search(&i).expect("each end of a pair is a member"));
        let (b, a) = (root(&mut above, b), root(&mut above, a));
        above[b.max(a)] = b.min(a);
    }
    let mut classes: Vec<Vec<&Identity>> = vec![Vec::new(); members.len()];
    for (i, member) in members.into_iter().enumerate() {
        classes[root(&mut above, i)].push(member);
    }
    classes.retain(|class| !class.is_empty());
    classes
}

/// What the base says about copies that only one lineage has (`RULES.md 3.5`).
///
/// The other lineage deleted them if the base has the message and their own lineage made no copies of it since: of a
/// message that someone copied, all stay. (Counting copy by copy instead would delete one and then, planned again, miss
/// it: `RULES.md G4`.)
struct Deletions {
    has_base: bool,
    honours: bool,
    /// Whether the lineage descends from the base, by side.
    descends: [bool; 2],
    /// Groups of which a side has a wreck, sorted.
    wrecked: Vec<(u32, u8)>,
    /// Whether a deletion was refused because the side that lacks the copy does not descend from the base.
    refused: [bool; 2],
}

impl Deletions {
    fn new(copies: &Copies<'_>, policy: &Policy) -> Self {
        let has_base = !copies.of_base().is_empty();
        let mut wrecked = Vec::new();
        let mut descends = [false; 2];
        if has_base {
            wrecked.extend(copies.wrecks().iter().filter_map(|w| Some((w.group, copies.side(w.id)? as u8))));
            wrecked.sort_unstable();
            descends = [Side::Before, Side::After].map(|side| descends_from_base(copies, side));
        }
        Deletions { has_base, honours: policy.honour_deletions, descends, wrecked, refused: [false; 2] }
    }

    /// Decides on the copies of a message that `side` and the base have and the other lineage has not.
    ///
    /// A damaged copy is still a copy: who has one did not delete the message.
    fn judge(&mut self, group: u32, side: Side) -> Option<Standing> {
        let other = match side {
            Side::Before => Side::After,
            Side::After => Side::Before,
        };
        let descends = self.descends[other as usize];
        if self.wrecked.binary_search(&(group, other as u8)).is_ok() {
            return None;
        }
        if self.honours && !descends {
            self.refused[other as usize] = true;
        }
        descends.then_some(if self.honours { Standing::Deleted } else { Standing::Spared })
    }

    fn report(&self, findings: &mut Vec<Finding>) {
        for side in [Side::Before, Side::After] {
            if self.refused[side as usize] {
                findings.push(Finding::DeletionsRefused { side });
            }
        }
    }
}

/// Whether a lineage descends from the base: it has a message of it. A server that was set up empty lacks the base's
/// messages without having deleted any.
///
/// Of *after*, only a message counts that *before* has too: no deletion takes that away, so that a second plan decides
/// alike (`RULES.md G4`).
fn descends_from_base(copies: &Copies<'_>, side: Side) -> bool {
    let has = |group, side| copies.first_of(group, side).is_some();
    (0..copies.groups()).any(|g| copies.has_base(g) && has(g, side) && has(g, Side::Before))
}
