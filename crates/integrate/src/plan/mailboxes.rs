//! Which mailboxes are one (`RULES.md 6.1, 6.2, 6.3`).

use super::decisions::Finding;
use super::lineage::{Lineage, Mailbox};
use message::{MailboxName, SpecialUse};
use std::collections::{HashMap, HashSet};

/// A mailbox of the result, as far as names decide it.
pub(super) struct Joined<'a> {
    pub name: &'a MailboxName,
    pub before: Option<&'a Mailbox>,
    pub before_index: Option<usize>,
    pub after: Option<&'a Mailbox>,
    pub after_index: Option<usize>,
    pub special_use: Option<SpecialUse>,
    /// Its place when the mailboxes of the result are ordered by name, the INBOX first: an order that does not depend
    /// on how a lineage lists its mailboxes.
    pub rank: u32,
}

impl Joined<'_> {
    /// Whether special use, not the name, made two mailboxes one.
    pub(super) fn by_use(&self) -> bool {
        self.before.zip(self.after).is_some_and(|(b, a)| b.name != a.name)
    }
}

/// The mailboxes of the result, and where each mailbox of a lineage goes.
pub(super) struct Mailboxes<'a> {
    pub joined: Vec<Joined<'a>>,
    /// By index in *before*: the index in `joined`. A mailbox of *after* has the same index in both.
    pub home_of_before: Vec<u32>,
    pub findings: Vec<Finding>,
}

impl<'a> Mailboxes<'a> {
    /// Joins by equal name, then by special use: for each use, the one mailbox of either lineage that stands for it,
    /// where neither has found its namesake. Two mailboxes of one lineage are never joined.
    pub(super) fn join(before: &'a Lineage, after: &'a Lineage) -> Self {
        let partner = pair_up(before, after);
        let mut joined: Vec<Joined<'a>> = after
            .mailboxes
            .iter()
            .enumerate()
            .map(|(i, m)| Joined {
                name: &m.name,
                before: None,
                before_index: None,
                after: Some(m),
                after_index: Some(i),
                special_use: m.special_use,
                rank: 0,
            })
            .collect();
        let mut home_of_before = Vec::with_capacity(before.mailboxes.len());
        for (i, m) in before.mailboxes.iter().enumerate() {
            let home = partner[i].unwrap_or(joined.len());
            home_of_before.push(index(home));
            if home == joined.len() {
                joined.push(Joined {
                    name: &m.name,
                    before: None,
                    before_index: None,
                    after: None,
                    after_index: None,
                    special_use: None,
                    rank: 0,
                });
            }
            joined[home].before = Some(m);
            joined[home].before_index = Some(i);
        }
        let findings = settle_uses(&mut joined);
        let mut by_name: Vec<usize> = (0..joined.len()).collect();
        by_name.sort_by_key(|&i| (!joined[i].name.is_inbox(), joined[i].name));
        for (rank, i) in by_name.into_iter().enumerate() {
            joined[i].rank = index(rank);
        }
        Mailboxes { joined, home_of_before, findings }
    }
}

/// For each mailbox of *before*, the mailbox of *after* that is the same.
fn pair_up(before: &Lineage, after: &Lineage) -> Vec<Option<usize>> {
    let named: HashMap<&MailboxName, usize> = after.mailboxes.iter().enumerate().map(|(i, m)| (&m.name, i)).collect();
    let mut partner: Vec<Option<usize>> = before.mailboxes.iter().map(|m| named.get(&m.name).copied()).collect();
    let mut taken: HashSet<usize> = HashSet::new();
    for p in &mut partner {
        *p = p.filter(|a| taken.insert(*a));
    }
    for special_use in SpecialUse::ALL {
        if let (Some(b), Some(a)) = (stands_for(before, special_use), stands_for(after, special_use))
            && partner[b].is_none()
            && taken.insert(a)
        {
            partner[b] = Some(a);
        }
    }
    partner
}

/// The mailbox of a lineage that stands for a use: one with the attribute (by name, if there are several), else the one
/// with a known name and the most messages.
///
/// Only mailboxes without the attribute are compared by size. A join gives the attribute to the mailbox of the result,
/// so that the choice does not change with the messages that the join itself brings (`RULES.md G4`).
fn stands_for(lineage: &Lineage, special_use: SpecialUse) -> Option<usize> {
    let has_attribute = |m: &Mailbox| m.special_use == Some(special_use);
    let serves = |m: &Mailbox| {
        has_attribute(m) || m.special_use.is_none() && SpecialUse::of_known_name(&m.name) == Some(special_use)
    };
    let candidates = lineage.mailboxes.iter().enumerate().filter(|(_, m)| !m.name.is_inbox() && serves(m));
    candidates
        .min_by_key(|(_, m)| {
            let messages = if has_attribute(m) { 0 } else { m.messages.len() };
            (!has_attribute(m), std::cmp::Reverse(messages), &m.name)
        })
        .map(|(i, _)| i)
}

/// Decides who carries which attribute: *after*'s mailboxes keep theirs, a join by use gets it, and a mailbox of
/// *before* brings its own only where the result would have none.
fn settle_uses(joined: &mut [Joined<'_>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (mailbox, j) in joined.iter_mut().enumerate().filter(|(_, j)| j.by_use()) {
        findings.push(Finding::SpecialUseJoined { mailbox });
        let known = || SpecialUse::of_known_name(j.name);
        j.special_use = j.special_use.or_else(|| j.before.and_then(|b| b.special_use)).or_else(known);
    }
    let settled: HashSet<SpecialUse> = joined.iter().filter_map(|j| j.special_use).collect();
    for (mailbox, j) in joined.iter_mut().enumerate().filter(|(_, j)| j.special_use.is_none()) {
        let Some(wanted) = j.before.and_then(|b| b.special_use) else { continue };
        if settled.contains(&wanted) {
            findings.push(Finding::SpecialUseYielded { mailbox, special_use: wanted });
        } else {
            j.special_use = Some(wanted);
        }
    }
    findings
}

fn index(i: usize) -> u32 {
    u32::try_from(i).expect("a lineage with 2^32 mailboxes does not fit in memory")
}
