//! Every copy of an account under one number, and all copies of a message side by side.
//!
//! Copies are numbered through: *before*, then *after*, then *base*, each in the order of its lineage. The index is a
//! sorted array, not a hash table: sorting 12-byte entries is faster than filling one, and no choice of identities
//! makes it slow. Its key is the first 8 bytes of the identity, which, as BLAKE3 output, are spread evenly; different
//! identities with one key (2^32 hashes make such a pair) are told apart by the full identity.

use super::decisions::CopyId;
use super::lineage::{Lineage, Message};
use super::mailboxes::Mailboxes;
use super::policy::Side;
use message::Identity;
use std::ops::Range;

/// Stands for "no copy", "no placement" or "no mailbox of the result".
pub(super) const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Entry {
    key: u64,
    id: u32,
}

/// The copies of all lineages of an account.
pub(super) struct Copies<'a> {
    messages: Vec<&'a Message>,
    home: Vec<u32>,
    /// The number of the first copy of each mailbox, by lineage.
    firsts: [Vec<u32>; 2],
    after_from: u32,
    base_from: u32,
    /// Sorted by identity, then by number.
    entries: Vec<Entry>,
    /// Where each identity begins in `entries`, and the end.
    starts: Vec<u32>,
    /// Damaged copies of which a whole one exists, with the group of that one (`RULES.md 9.2`). They are in no group.
    wrecks: Vec<Wreck>,
}

/// A damaged copy of which a whole one exists.
#[derive(Clone, Copy)]
pub(super) struct Wreck {
    pub id: u32,
    /// The group of the whole copies.
    pub group: u32,
}

impl<'a> Copies<'a> {
    pub(super) fn new(
        before: &'a Lineage,
        after: &'a Lineage,
        base: Option<&'a Lineage>,
        mailboxes: &Mailboxes<'_>,
    ) -> Self {
        let total: usize = [Some(before), Some(after), base].into_iter().flatten().map(size).sum();
        let mut messages = Vec::with_capacity(total);
        let mut home = Vec::with_capacity(total);
        let mut firsts = [Vec::new(), Vec::new()];
        for (mailbox, &result) in before.mailboxes.iter().zip(&mailboxes.home_of_before) {
            firsts[0].push(number(messages.len()));
            messages.extend(&mailbox.messages);
            home.resize(messages.len(), result);
        }
        let after_from = number(messages.len());
        for (result, mailbox) in after.mailboxes.iter().enumerate() {
            firsts[1].push(number(messages.len()));
            messages.extend(&mailbox.messages);
            home.resize(messages.len(), number(result));
        }
        let base_from = number(messages.len());
        messages.extend(base.into_iter().flat_map(|b| &b.mailboxes).flat_map(|m| &m.messages));
        home.resize(messages.len(), NONE);
        let (entries, starts, wrecks) = (Vec::new(), Vec::new(), Vec::new());
        let mut copies = Copies { messages, home, firsts, after_from, base_from, entries, starts, wrecks };
        copies.index();
        copies
    }

    /// Fills the index: first with every copy that says of itself that it is whole, or of which no whole one is known;
    /// then the others find theirs, or join the index as they are.
    fn index(&mut self) {
        let mut damaged = Vec::new();
        self.entries.reserve(self.messages.len());
        for (id, m) in (0..).zip(&self.messages) {
            match whole_of(m) {
                Some(whole) => damaged.push((id, whole)),
                None => self.entries.push(Entry { key: key(&m.identity), id }),
            }
        }
        self.sort();
        let (wrecks, alone): (Vec<_>, Vec<_>) =
            damaged.into_iter().partition(|(_, whole)| self.group_of(whole).is_some_and(|g| !self.is_base_only(g)));
        if !alone.is_empty() {
            let messages = &self.messages;
            self.entries.extend(alone.iter().map(|&(id, _)| Entry { key: key(&messages[id as usize].identity), id }));
            self.sort();
        }
        self.wrecks = wrecks
            .into_iter()
            .map(|(id, whole)| Wreck { id, group: self.group_of(whole).expect("a group does not go away") })
            .collect();
    }

    fn sort(&mut self) {
        self.entries.sort_unstable_by_key(|e| (e.key, e.id));
        self.starts.clear();
        let mut start = 0;
        while start < self.entries.len() {
            let key = self.entries[start].key;
            let len = self.entries[start..].iter().take_while(|e| e.key == key).count();
            let run = &mut self.entries[start..start + len];
            let identity = |e: &Entry| &self.messages[e.id as usize].identity;
            if run.windows(2).any(|w| identity(&w[0]) != identity(&w[1])) {
                run.sort_unstable_by_key(|e| (identity(e), e.id));
            }
            for i in 0..len {
                if i == 0 || identity(&run[i - 1]) != identity(&run[i]) {
                    self.starts.push(number(start + i));
                }
            }
            start += len;
        }
        self.starts.push(number(self.entries.len()));
    }

    /// How many groups (different identities) there are.
    pub(super) fn groups(&self) -> u32 {
        number(self.starts.len() - 1)
    }

    /// The copies of a group, ascending.
    pub(super) fn group(&self, group: u32) -> impl ExactSizeIterator<Item = u32> + Clone + '_ {
        self.entries_of(group).iter().map(|e| e.id)
    }

    /// The group of an identity, if there is a copy with it that is no wreck.
    pub(super) fn group_of(&self, identity: &Identity) -> Option<u32> {
        let at = self.starts.partition_point(|&s| match self.entries.get(s as usize) {
            Some(e) => (e.key, &self.messages[e.id as usize].identity) < (key(identity), identity),
            None => false,
        });
        let first = self.entries.get(*self.starts.get(at)? as usize)?;
        (self.messages[first.id as usize].identity == *identity).then(|| number(at))
    }

    /// The first copy of a group that is of a side.
    pub(super) fn first_of(&self, group: u32, side: Side) -> Option<u32> {
        let from = match side {
            Side::Before => 0,
            Side::After => self.after_from,
        };
        let entries = self.entries_of(group);
        let first = entries.get(entries.partition_point(|e| e.id < from))?.id;
        (self.side(first) == Some(side)).then_some(first)
    }

    /// Whether *base* has a copy in a group.
    pub(super) fn has_base(&self, group: u32) -> bool {
        self.entries_of(group).last().is_some_and(|e| self.side(e.id).is_none())
    }

    fn is_base_only(&self, group: u32) -> bool {
        self.entries_of(group).first().is_some_and(|e| self.side(e.id).is_none())
    }

    fn entries_of(&self, group: u32) -> &[Entry] {
        &self.entries[self.starts[group as usize] as usize..self.starts[group as usize + 1] as usize]
    }

    pub(super) fn wrecks(&self) -> &[Wreck] {
        &self.wrecks
    }

    pub(super) fn message(&self, id: u32) -> &'a Message {
        self.messages[id as usize]
    }

    /// The mailbox of the result into which the copy's own mailbox goes.
    pub(super) fn home(&self, id: u32) -> u32 {
        self.home[id as usize]
    }

    /// Whose a copy is; `None`: of the base.
    pub(super) fn side(&self, id: u32) -> Option<Side> {
        match id {
            id if id < self.after_from => Some(Side::Before),
            id if id < self.base_from => Some(Side::After),
            _ => None,
        }
    }

    /// The copies of *base*.
    pub(super) fn of_base(&self) -> Range<u32> {
        self.base_from..number(self.messages.len())
    }

    /// The copies of *before* and *after*.
    pub(super) fn of_both(&self) -> Range<u32> {
        0..self.base_from
    }

    /// The copies of a mailbox of a lineage.
    pub(super) fn of_mailbox(&self, side: Side, mailbox: usize) -> Range<u32> {
        let firsts = &self.firsts[side as usize];
        let end = match side {
            Side::Before => self.after_from,
            Side::After => self.base_from,
        };
        firsts[mailbox]..firsts.get(mailbox + 1).copied().unwrap_or(end)
    }

    /// Where a copy of *before* or *after* is in its lineage.
    pub(super) fn copy_id(&self, id: u32) -> CopyId {
        let firsts = &self.firsts[usize::from(id >= self.after_from)];
        let mailbox = firsts.partition_point(|&first| first <= id) - 1;
        CopyId { mailbox: number(mailbox), message: id - firsts[mailbox] }
    }

    /// The identity of the content that a lineage served under the copy's UID and UIDL: of a wreck, that of the whole
    /// message, for a clash with the message itself is none.
    pub(super) fn served_identity(&self, m: &'a Message) -> &'a Identity {
        match whole_of(m) {
            Some(whole) if self.group_of(whole).is_some_and(|g| !self.is_base_only(g)) => whole,
            _ => &m.identity,
        }
    }
}

/// The identity of the whole message that a damaged copy is the beginning of.
fn whole_of(m: &Message) -> Option<&Identity> {
    m.damaged.as_ref().and_then(|d| d.whole.as_ref()).filter(|whole| **whole != m.identity)
}

fn size(lineage: &Lineage) -> usize {
    lineage.mailboxes.iter().map(|m| m.messages.len()).sum()
}

fn key(identity: &Identity) -> u64 {
    let (first, _) = identity.0.split_first_chunk().expect("an identity has more than 8 bytes");
    u64::from_be_bytes(*first)
}

pub(super) fn number(i: usize) -> u32 {
    u32::try_from(i).ok().filter(|n| *n != NONE).expect("2^32 messages of one account do not fit in memory")
}
