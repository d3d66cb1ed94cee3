//! UIDVALIDITY, UIDs and UIDNEXT of each mailbox of the result (`RULES.md 5.1, 5.4, G11`).

use super::copies::{Copies, NONE};
use super::decisions::{Keeps, Renewal};
use super::lineage::{Lineage, Mailbox};
use super::mailboxes::{Joined, Mailboxes};
use super::policy::{Policy, Side};
use message::Identity;
use std::collections::HashSet;

/// How a mailbox of the result is numbered.
pub(super) struct Numbering {
    pub keeps: Keeps,
    pub uidvalidity: u32,
    pub renewal: Option<Renewal>,
    /// One UID may be one message in both lineages: the match looks at UIDs.
    pub shares_uids: bool,
    /// What holds instead, with its UIDVALIDITY, if no message of *after* stays in the mailbox.
    if_empty: Option<(Keeps, u32)>,
    /// UIDs of *before* that *after* served for something else, sorted: a message of *before* may not keep one.
    withheld: Vec<u32>,
    next_before: u64,
    next_after: u64,
    before_is_known: bool,
}

/// A message of the result while its mailbox is being numbered.
pub(super) struct Slot {
    /// Its UID; 0: it gets a new one.
    pub uid: u32,
    /// Its copy of *before*, or [`NONE`].
    pub before: u32,
    /// Its copy of *after*, or [`NONE`].
    pub after: u32,
}

/// A mailbox has no UIDs left for its messages under the UIDVALIDITY that it should keep.
pub(super) struct Exhausted;

impl Numbering {
    /// Decides for every mailbox of the result; those marked exhausted are numbered anew.
    pub(super) fn decide(
        mailboxes: &Mailboxes<'_>,
        copies: &Copies<'_>,
        base: Option<&Lineage>,
        policy: &Policy,
        exhausted: &[bool],
    ) -> Vec<Self> {
        let mut fresh = FreshUidvalidity::new(mailboxes, policy);
        let mut by_rank: Vec<usize> = (0..mailboxes.joined.len()).collect();
        by_rank.sort_unstable_by_key(|&i| mailboxes.joined[i].rank);
        let mut decided: Vec<(usize, Numbering)> = by_rank
            .into_iter()
            .map(|i| (i, Self::of(&mailboxes.joined[i], copies, base, policy, exhausted[i], &mut fresh)))
            .collect();
        decided.sort_unstable_by_key(|&(i, _)| i);
        decided.into_iter().map(|(_, numbering)| numbering).collect()
    }

    fn of(
        j: &Joined<'_>,
        copies: &Copies<'_>,
        base: Option<&Lineage>,
        policy: &Policy,
        exhausted: bool,
        fresh: &mut FreshUidvalidity,
    ) -> Self {
        let (before, after) = (j.before.and_then(known), j.after.and_then(known));
        let mut n = Numbering {
            keeps: Keeps::One(Side::After),
            uidvalidity: 0,
            renewal: None,
            shares_uids: true,
            if_empty: None,
            withheld: Vec::new(),
            next_before: j.before.map_or(1, next),
            next_after: j.after.map_or(1, next),
            before_is_known: before.is_some(),
        };
        let preferred = policy.keep_uids.unwrap_or(Side::After);
        match (before, after) {
            (Some(b), Some(a)) if b == a && j.by_use() => n.uidvalidity = a,
            (Some(b), Some(a)) if b == a => {
                let comparison = compare(j, b, copies, base);
                n.keeps = Keeps::Both;
                n.uidvalidity = b;
                n.withheld = comparison.withheld;
                if let Some(uid) = comparison.clash {
                    n.if_empty = Some((Keeps::Both, b));
                    n.keeps = Keeps::One(preferred);
                    n.renew(Renewal::Clash { uid }, fresh.above(j));
                }
            }
            (Some(b), Some(a)) => {
                n.keeps = Keeps::One(preferred);
                n.uidvalidity = if preferred == Side::Before { b } else { a };
                n.shares_uids = false;
                n.if_empty = policy.keep_uids.is_none().then_some((Keeps::One(Side::Before), b));
            }
            (None, Some(a)) => n.uidvalidity = a,
            (Some(b), None) => {
                n.keeps = Keeps::One(Side::Before);
                n.uidvalidity = b;
            }
            (None, None) => {
                let has_messages = |m: &Mailbox| !m.messages.is_empty();
                let side =
                    if j.after.is_some_and(has_messages) || j.before.is_none() { Side::After } else { Side::Before };
                let both = j.before.zip(j.after).is_some();
                n.keeps = Keeps::One(policy.keep_uids.filter(|_| both).unwrap_or(side));
                n.uidvalidity = fresh.above(j);
                n.renewal = Some(Renewal::Unknown);
            }
        }
        if exhausted {
            n.keeps = Keeps::One(Side::After);
            n.if_empty = None;
            n.renew(Renewal::Exhausted, fresh.above(j));
        }
        n
    }

    fn renew(&mut self, why: Renewal, uidvalidity: u32) {
        self.renewal = Some(why);
        self.uidvalidity = uidvalidity;
        self.shares_uids = false;
    }

    /// Whether all messages of a side get new UIDs.
    pub(super) fn renumbers(&self, side: Side) -> bool {
        !matches!(self.keeps, Keeps::Both) && self.keeps != Keeps::One(side)
    }

    /// Gives every message of a mailbox its UID and orders them by it. Returns UIDNEXT.
    ///
    /// Messages that keep a UID come first; the others follow above it, in the order of INTERNALDATE and old UID.
    ///
    /// # Errors
    /// When there are not enough UIDs.
    pub(super) fn assign(&mut self, slots: &mut [Slot], copies: &Copies<'_>) -> Result<u32, Exhausted> {
        if let Some((keeps, uidvalidity)) = self.if_empty
            && slots.iter().all(|s| s.after == NONE)
        {
            self.keeps = keeps;
            self.uidvalidity = uidvalidity;
            self.renewal = None;
            self.shares_uids = keeps == Keeps::Both;
        }
        for slot in slots.iter_mut() {
            slot.uid = self.kept_uid(slot, copies);
        }
        let by_uid = |s: &Slot| (s.uid == 0, s.uid);
        slots.sort_by_key(by_uid);
        if take_repeated_uids(slots) {
            slots.sort_by_key(by_uid);
        }
        let first_new = slots.partition_point(|s| s.uid > 0);
        slots[first_new..].sort_by_cached_key(|s| s.age(copies));
        if self.renewal == Some(Renewal::Exhausted) {
            return Ok(self.number_all(slots));
        }
        let start = self.first_new_uid(slots.len() - first_new).ok_or(Exhausted)?;
        if first_new == slots.len() {
            return u32::try_from(start).map_err(|_| Exhausted);
        }
        number_from(&mut slots[first_new..], start).ok_or(Exhausted)
    }

    /// The UID that a message keeps, or 0.
    fn kept_uid(&self, slot: &Slot, copies: &Copies<'_>) -> u32 {
        let uid = |id: u32| copies.message(id).uid;
        // A pair across mailboxes and a near twin are *after*'s message: no UID of *before* names them here.
        let is_of_before = slot.before != NONE
            && (slot.after == NONE
                || copies.home(slot.before) == copies.home(slot.after)
                    && copies.message(slot.before).identity == copies.message(slot.after).identity);
        match self.keeps {
            Keeps::One(Side::Before) if is_of_before => uid(slot.before),
            Keeps::One(Side::Before) => 0,
            Keeps::One(Side::After) | Keeps::Both if slot.after != NONE => uid(slot.after),
            Keeps::One(Side::After) => 0,
            Keeps::Both => {
                let m = copies.message(slot.before);
                if m.uid_served && self.withheld.binary_search(&m.uid).is_err() { m.uid } else { 0 }
            }
        }
    }

    /// The first of so many new UIDs, above the UIDNEXT of both lineages; with none, the UIDNEXT. `None`: no room.
    ///
    /// The UIDNEXT that the other lineage announced is left free too. If it leaves no room (a broken list may say 2^32)
    /// and its UIDs are not valid here anyway, it is set aside rather than have every client download the mailbox
    /// again.
    fn first_new_uid(&self, count: usize) -> Option<u64> {
        let both = self.next_before.max(self.next_after);
        let kept = match self.keeps {
            Keeps::Both => both,
            Keeps::One(Side::Before) => self.next_before,
            Keeps::One(Side::After) => self.next_after,
        };
        let fits = |start: u64| start + count as u64 <= u64::from(u32::MAX);
        let candidates = match (count, self.keeps) {
            (0, Keeps::One(Side::After)) => [kept, kept],
            (0, _) => [both, kept],
            (_, _) if self.shares_uids => [both + 1, both + 1],
            (_, _) => [both + 1, kept],
        };
        candidates.into_iter().find(|&start| fits(start))
    }

    /// Numbers a mailbox anew, from 1 up: *after*'s messages in their order, then the others. (Where *before* served no
    /// UIDs, from above those that were made up for it, so that a later plan does not take a number in common for a
    /// message in common.)
    fn number_all(&self, slots: &mut [Slot]) -> u32 {
        let above = if self.before_is_known { None } else { number_from(slots, self.next_before + 1) };
        above.or_else(|| number_from(slots, 1)).expect("an account has fewer than 2^32 - 1 messages")
    }
}

impl Slot {
    /// The order in which messages get new UIDs (`RULES.md 5.1`).
    fn age(&self, copies: &Copies<'_>) -> (i64, u32, u32) {
        let id = if self.after == NONE { self.before } else { self.after };
        let m = copies.message(id);
        (m.internal_date, m.uid, id)
    }
}

/// Takes a UID that a lineage says twice, which it should not, from all but the first message. Says whether any was.
fn take_repeated_uids(slots: &mut [Slot]) -> bool {
    let (mut last, mut any) = (0, false);
    for slot in slots.iter_mut().filter(|s| s.uid > 0) {
        if slot.uid == last {
            slot.uid = 0;
            any = true;
        } else {
            last = slot.uid;
        }
    }
    any
}

/// Numbers messages from a UID up; returns the one after the last, if it is one.
fn number_from(slots: &mut [Slot], start: u64) -> Option<u32> {
    let end = u32::try_from(start + slots.len() as u64).ok()?;
    for (slot, uid) in slots.iter_mut().zip(u32::try_from(start).ok()?..) {
        slot.uid = uid;
    }
    Some(end)
}

/// A mailbox's UIDVALIDITY, if it is one (RFC 9051 §2.3.1.1: not 0).
fn known(mailbox: &Mailbox) -> Option<u32> {
    mailbox.uidvalidity.filter(|v| *v != 0)
}

/// The lowest UID that a mailbox neither served nor holds.
fn next(mailbox: &Mailbox) -> u64 {
    let uids = mailbox.messages.iter().map(|m| m.uid).chain(mailbox.expunged.iter().map(|e| e.0));
    uids.map(|uid| u64::from(uid) + 1).max().unwrap_or(1).max(u64::from(mailbox.uidnext))
}

/// What the UIDs of a mailbox say that both lineages served under one UIDVALIDITY.
struct Comparison {
    /// The lowest UID of a live message that *before* served for something else.
    clash: Option<u32>,
    /// UIDs that may not name a message of *before*: *after* served them for something else, or for a damaged copy.
    withheld: Vec<u32>,
}

/// What a lineage served under a UID.
struct Served<'a> {
    uid: u32,
    /// Its identity; `None`: nobody knows.
    identity: Option<&'a Identity>,
    /// The identity of the message that it is, if it is the beginning of one; else its own.
    content: Option<&'a Identity>,
    is_message: bool,
    /// A client saw it: any message of *after*, whoever gave it its UID, and what *before* says so of.
    was_seen: bool,
    is_wreck: bool,
}

/// Compares what the two lineages served under each UID.
///
/// A UID of *after* below *before*'s UIDNEXT that *before* does not list was served there for something unknown: it
/// clashes, unless the base says what it was. The reverse does not hold: a server that was set up from an escrow starts
/// above every UID of *before* and never served those.
fn compare(j: &Joined<'_>, uidvalidity: u32, copies: &Copies<'_>, base: Option<&Lineage>) -> Comparison {
    let (Some(before), Some(after)) = (j.before, j.after) else {
        return Comparison { clash: None, withheld: Vec::new() };
    };
    let common = base.and_then(|b| b.mailboxes.iter().find(|m| m.name == *j.name && known(m) == Some(uidvalidity)));
    let common = common.map_or(Vec::new(), |m| served(m, copies, false));
    let in_common = |uid: u32| common.binary_search_by_key(&uid, |s| s.uid).ok().and_then(|i| common[i].content);
    let before_served = served(before, copies, false);
    let after_served = served(after, copies, true);
    let seen = before_served.iter().filter(|s| s.was_seen).map(|s| s.uid.saturating_add(1)).max();
    let before_next = before.uidnext.max(seen.unwrap_or(1));

    let mut comparison = Comparison { clash: None, withheld: Vec::new() };
    let mut theirs = before_served.iter().peekable();
    for a in &after_served {
        while theirs.next_if(|b| b.uid < a.uid).is_some() {}
        let b = theirs.next_if(|b| b.uid == a.uid);
        let of_after = a.content.or_else(|| in_common(a.uid));
        let of_before = b.map_or_else(|| in_common(a.uid), |b| b.content.or_else(|| in_common(a.uid)));
        let is_same_copy = b.is_some_and(|b| b.identity.is_some() && b.identity == a.identity);
        let agree = is_same_copy || of_after.is_some() && of_after == of_before;
        let was_served = b.map_or(a.uid < before_next, |b| b.was_seen);
        // What *after* expunged need not be anywhere: then only a message of *before* has to take another UID.
        if was_served && !agree && a.is_message {
            comparison.clash.get_or_insert(a.uid);
        }
        if b.is_some_and(|b| b.is_message) && (!agree || a.is_wreck) {
            comparison.withheld.push(a.uid);
        }
    }
    comparison
}

/// What a mailbox served, by UID. What it says twice and differently is unknown.
fn served<'a>(mailbox: &'a Mailbox, copies: &Copies<'a>, is_after: bool) -> Vec<Served<'a>> {
    let messages = mailbox.messages.iter().map(|m| {
        let content = copies.served_identity(m);
        let was_seen = is_after || m.uid_served;
        let is_wreck = *content != m.identity;
        Served { uid: m.uid, identity: Some(&m.identity), content: Some(content), is_message: true, was_seen, is_wreck }
    });
    let expunged = mailbox.expunged.iter().map(|(uid, identity)| Served {
        uid: *uid,
        identity: identity.as_ref(),
        content: identity.as_ref(),
        is_message: false,
        was_seen: true,
        is_wreck: false,
    });
    let mut all: Vec<Served<'a>> = messages.chain(expunged).collect();
    all.sort_by_key(|s| s.uid);
    all.dedup_by(|twice, first| {
        let same_uid = twice.uid == first.uid;
        if same_uid {
            first.identity = first.identity.filter(|_| first.identity == twice.identity);
            first.content = first.content.filter(|_| first.content == twice.content);
            first.was_seen |= twice.was_seen;
        }
        same_uid
    });
    all
}

/// Gives out UIDVALIDITYs that no mailbox of the account ever had.
struct FreshUidvalidity {
    lowest: u32,
    used: HashSet<u32>,
}

impl FreshUidvalidity {
    fn new(mailboxes: &Mailboxes<'_>, policy: &Policy) -> Self {
        let of_both = mailboxes.joined.iter().flat_map(|j| [j.before, j.after]).flatten();
        FreshUidvalidity { lowest: policy.fresh_uidvalidity.max(1), used: of_both.filter_map(known).collect() }
    }

    /// One greater than either of a mailbox. Above the greatest there is none: then the lowest that is free.
    fn above(&mut self, j: &Joined<'_>) -> u32 {
        let of_either = [j.before, j.after].into_iter().flatten().filter_map(known).max().unwrap_or(0);
        let above = self.lowest.max(of_either.saturating_add(1));
        let uidvalidity = (above..=u32::MAX)
            .chain(1..above)
            .find(|v| !self.used.contains(v))
            .expect("an account has fewer than 2^32 - 1 mailboxes");
        self.used.insert(uidvalidity);
        if above == self.lowest {
            self.lowest = uidvalidity;
        }
        uidvalidity
    }
}
