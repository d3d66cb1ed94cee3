//! POP3 UIDLs of the result (`RULES.md 5.2, G11`).

use super::copies::{Copies, NONE, number};
use super::decisions::{Finding, Placement, Uidl};
use super::lineage::{Lineage, Message};
use super::mailboxes::Mailboxes;
use super::placing::Placed;
use super::policy::Side;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

/// A UIDL that a lineage served.
struct Claim {
    /// The copy whose content it names: the first of *before*'s maildrop with it, else the first of *after*'s.
    owner: u32,
    /// Whether a message of the result has it.
    is_taken: bool,
}

/// Who may have which UIDL.
struct Claims<'a> {
    copies: &'a Copies<'a>,
    claims: Vec<Claim>,
    /// The claim that each copy makes, or [`NONE`].
    of_copy: Vec<u32>,
}

/// Gives each message of the result its UIDL: that of its live copy, else that of its copy of *before*, if it named
/// this content first and no other message has it.
///
/// The INBOX, which is what POP3 shows, chooses first, and a message there whose UIDLs are all refused gets a fresh
/// one. A message elsewhere goes without: nobody is served its UIDL, and should it come to the INBOX it will need one
/// that names nothing else.
pub(super) fn assign(
    placed: &mut Placed,
    copies: &Copies<'_>,
    mailboxes: &Mailboxes<'_>,
    lineages: &[&Lineage],
    findings: &mut Vec<Finding>,
) {
    let mut claims = Claims::new(copies, mailboxes);
    if claims.claims.is_empty() {
        return;
    }
    let mut by_rank: Vec<_> = mailboxes.joined.iter().zip(placed.ranges.clone()).collect();
    by_rank.sort_unstable_by_key(|(j, _)| j.rank);
    let elsewhere = by_rank.partition_point(|(j, _)| j.name.is_inbox());
    let mut ranges: Vec<Range<usize>> = by_rank.into_iter().map(|(_, range)| range).collect();
    let elsewhere = ranges.split_off(elsewhere);
    let inbox = ranges.pop().unwrap_or(0..0);
    claims.settle(placed, std::slice::from_ref(&inbox));
    let mut fresh = None;
    for i in inbox {
        let (placement, ids) = (&mut placed.placements[i], placed.ids[i]);
        let refused = [Side::After, Side::Before].into_iter().find(|&side| claims.of(placement, ids, side).is_some());
        let Some(served_by) = refused.filter(|_| placement.uidl == Uidl::None) else { continue };
        let content = copies.message(ids[placement.bytes as usize]);
        let fresh = fresh.get_or_insert_with(|| FreshUidls::new(lineages));
        placement.uidl = Uidl::Fresh(fresh.make(content, placement.uid));
        findings.push(Finding::UidlRenewed { placement: i, served_by });
    }
    claims.settle(placed, &elsewhere);
}

impl<'a> Claims<'a> {
    /// Collects the UIDLs of both lineages, sorted by a hash. They are the text of sources, which anyone may have made
    /// up: the standard hasher, which is keyed, spreads them evenly. Nothing depends on its key but the time that this
    /// takes.
    fn new(copies: &'a Copies<'a>, mailboxes: &Mailboxes<'_>) -> Self {
        let keyed = RandomState::new();
        let uidl = |id: u32| copies.message(id).uidl.as_deref();
        let mut named: Vec<(u64, u32)> =
            copies.of_both().filter_map(|id| uidl(id).map(|uidl| (keyed.hash_one(uidl), id))).collect();
        named.sort_unstable();
        // The order of the maildrop: by INTERNALDATE within *before*, then *after*; what is in no maildrop comes later.
        let order = |id: u32| {
            let m = copies.message(id);
            let home = &mailboxes.joined[copies.home(id) as usize];
            (copies.side(id) == Some(Side::After), home.rank, m.internal_date, m.uid, id)
        };
        let mut claims: Vec<Claim> = Vec::with_capacity(named.len());
        let mut of_copy = vec![NONE; if named.is_empty() { 0 } else { copies.of_both().len() }];
        for same_hash in named.chunk_by_mut(|x, y| x.0 == y.0) {
            same_hash.sort_unstable_by_key(|&(_, id)| (uidl(id), id));
            for same in same_hash.chunk_by(|x, y| uidl(x.1) == uidl(y.1)) {
                let owner = same.iter().map(|&(_, id)| id).min_by_key(|&id| order(id)).expect("a chunk is not empty");
                for &(_, id) in same {
                    of_copy[id as usize] = number(claims.len());
                }
                claims.push(Claim { owner, is_taken: false });
            }
        }
        Claims { copies, claims, of_copy }
    }

    /// The claim of one of a message's copies, if that was served for the content that the message has.
    fn of(&self, placement: &Placement, ids: [u32; 2], side: Side) -> Option<u32> {
        let id = ids[side as usize];
        let claim = *self.of_copy.get(id as usize).filter(|c| **c != NONE)?;
        let content = self.copies.message(ids[placement.bytes as usize]);
        (self.copies.message(id).identity == content.identity).then_some(claim)
    }

    /// Gives messages the UIDLs of their copies: first those of live copies, then those of *before*.
    fn settle(&mut self, placed: &mut Placed, ranges: &[Range<usize>]) {
        for side in [Side::After, Side::Before] {
            for i in ranges.iter().cloned().flatten() {
                let (placement, ids) = (&mut placed.placements[i], placed.ids[i]);
                if placement.uidl == Uidl::None && self.take(placement, ids, side) {
                    placement.uidl = Uidl::Of(side);
                }
            }
        }
    }

    /// Takes the UIDL of one of a message's copies for the message, if it may have it.
    fn take(&mut self, placement: &Placement, ids: [u32; 2], side: Side) -> bool {
        let Some(claim) = self.of(placement, ids, side) else { return false };
        let content: &Message = self.copies.message(ids[placement.bytes as usize]);
        let claim = &mut self.claims[claim as usize];
        let names_content = *self.copies.served_identity(self.copies.message(claim.owner)) == content.identity;
        let may_take = names_content && !claim.is_taken;
        claim.is_taken |= may_take;
        may_take
    }
}

/// Makes UIDLs that no lineage ever served.
struct FreshUidls<'a> {
    used: HashSet<&'a str>,
    made: HashSet<Box<str>>,
}

impl<'a> FreshUidls<'a> {
    fn new(lineages: &[&'a Lineage]) -> Self {
        let messages = lineages.iter().flat_map(|l| &l.mailboxes).flat_map(|m| &m.messages);
        FreshUidls { used: messages.filter_map(|m| m.uidl.as_deref()).collect(), made: HashSet::new() }
    }

    /// A UIDL for a message: 33 characters (RFC 1939 §7 allows 70), the same whenever the same plan is made.
    fn make(&mut self, content: &Message, uid: u32) -> Box<str> {
        for attempt in 0_u64.. {
            let mut hasher = blake3::Hasher::new_derive_key("reintegra 2026-01 fresh UIDL");
            hasher.update(content.identity.as_bytes()).update(&uid.to_le_bytes()).update(&attempt.to_le_bytes());
            let uidl = format!("r{}", &hasher.finalize().to_hex()[..32]).into_boxed_str();
            if !self.used.contains(&*uidl) && self.made.insert(uidl.clone()) {
                return uidl;
            }
        }
        unreachable!("2^64 attempts cannot all be taken by the messages of an account")
    }
}
