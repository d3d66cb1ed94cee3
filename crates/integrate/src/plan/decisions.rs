//! What a plan says: the mailboxes and messages of the result, and the fate of every copy.

use super::lineage::{Lineage, Message};
use super::policy::Side;
use message::{Flags, Keyword, MailboxName, SpecialUse};
use std::ops::Range;

/// The plan of one account.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountPlan {
    /// The mailboxes of the result: those of *after* in their order, then those that only *before* has.
    pub mailboxes: Vec<MailboxPlan>,
    /// The messages of the result, mailbox by mailbox, by ascending UID.
    pub placements: Vec<Placement>,
    /// What becomes of each copy of *before*, by mailbox and message as in the lineage.
    pub before: Vec<Vec<Fate>>,
    /// The same for *after*.
    pub after: Vec<Vec<Fate>>,
    /// The same for *base*; empty without one.
    pub base: Vec<Vec<Fate>>,
    /// What a person should know.
    pub findings: Vec<Finding>,
    /// The highest UIDVALIDITY that either lineage served or the result carries: whoever makes a mailbox in this
    /// account later must go above it (`RULES.md G11`).
    pub highest_uidvalidity: u32,
}

impl AccountPlan {
    /// The messages of a mailbox of the result.
    pub fn messages_of(&self, mailbox: &MailboxPlan) -> &[Placement] {
        &self.placements[mailbox.placements.clone()]
    }

    /// Whether the live account already is the result (`RULES.md G4`).
    pub fn changes_nothing(&self) -> bool {
        self.mailboxes.iter().all(|m| !m.changed)
            && self.placements.iter().all(|p| p.change.is_none())
            && self.after.iter().flatten().all(|f| matches!(f.outcome, Outcome::Kept { .. }))
    }

    /// Leaves out the mailboxes that would have to be made, have no message, and of which the caller says, by their
    /// index in *before*, that no history knows them: one that staging made for orphans (`RULES.md 9.3`) is for its
    /// messages.
    pub fn leave_out_empty(&mut self, is_unknown: impl Fn(usize) -> bool) {
        let is_left_out =
            |m: &MailboxPlan| m.after.is_none() && m.placements.is_empty() && m.before.is_some_and(&is_unknown);
        let mut next = 0;
        let new_index: Vec<Option<usize>> = self
            .mailboxes
            .iter()
            .map(|m| {
                let index = (!is_left_out(m)).then_some(next);
                next += usize::from(index.is_some());
                index
            })
            .collect();
        self.mailboxes.retain(|m| !is_left_out(m));
        for placement in &mut self.placements {
            let index = new_index[placement.mailbox as usize].expect("a mailbox with a message is not left out");
            placement.mailbox = u32::try_from(index).expect("an index does not grow");
        }
        self.findings.retain_mut(|finding| match finding.mailbox() {
            Some(mailbox) => new_index[*mailbox].inspect(|index| *mailbox = *index).is_some(),
            None => true,
        });
    }
}

/// A mailbox of the result.
#[derive(Clone, Debug, PartialEq)]
pub struct MailboxPlan {
    /// Its name.
    pub name: MailboxName,
    /// Its special use, by attribute.
    pub special_use: Option<SpecialUse>,
    /// Whether the owner is subscribed (`RULES.md 6.3`).
    pub subscribed: bool,
    /// The mailbox of *before* that goes into it, by its index in the lineage.
    pub before: Option<usize>,
    /// The mailbox of *after* that it continues, by its index in the lineage; `None`: it has to be made.
    pub after: Option<usize>,
    /// Its UIDVALIDITY.
    pub uidvalidity: u32,
    /// Its UIDNEXT.
    pub uidnext: u32,
    /// The highest modification sequence that either lineage served: every row added or changed needs one above it,
    /// and the mailbox must not announce one below it (`RULES.md 5.5`).
    pub modseq_floor: u64,
    /// Whose UIDs it keeps.
    pub keeps: Keeps,
    /// Why its UIDVALIDITY is a new one, where it is.
    pub renewal: Option<Renewal>,
    /// Whether the row of the live mailbox has to be written (always, where there is none).
    pub changed: bool,
    /// Its messages, as a range of [`AccountPlan::placements`].
    pub placements: Range<usize>,
}

/// Whose UIDs a mailbox of the result keeps (`RULES.md 5.1`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// Those of both lineages: they share a UIDVALIDITY and contradict each other nowhere.
    Both,
    /// Those of one; messages of the other get new ones.
    One(Side),
}

/// Why a mailbox gets a new UIDVALIDITY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Both lineages served this UID under one UIDVALIDITY and not for the same content (`RULES.md 5.4`).
    Clash {
        /// The lowest UID that clashes.
        uid: u32,
    },
    /// No UID is left below 2^32: every message is numbered anew.
    Exhausted,
    /// Neither lineage has served one that is known.
    Unknown,
}

/// A copy in a lineage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CopyId {
    /// The index of its mailbox in the lineage.
    pub mailbox: u32,
    /// Its index in the mailbox.
    pub message: u32,
}

impl CopyId {
    /// The copy itself.
    ///
    /// # Panics
    /// When the lineage is not the one that was planned.
    pub fn of(self, lineage: &Lineage) -> &Message {
        &lineage.mailboxes[self.mailbox as usize].messages[self.message as usize]
    }
}

/// A message of the result.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    /// The index of its mailbox in [`AccountPlan::mailboxes`].
    pub mailbox: u32,
    /// Its UID.
    pub uid: u32,
    /// The copy of *before* that it is.
    pub before: Option<CopyId>,
    /// The copy of *after* that it is: the live row that goes on. `None`: a row to add.
    pub after: Option<CopyId>,
    /// Whose bytes it has, and with them digest, identity, size and damage (`RULES.md 2.4`); of joined near twins,
    /// *after*'s.
    pub bytes: Side,
    /// Its system flags (`RULES.md 4.1, 4.2`).
    pub flags: Flags,
    /// Its keywords (`RULES.md 4.1`).
    pub keywords: Keywords,
    /// Its INTERNALDATE, seconds since 1970 UTC (`RULES.md 4.3`).
    pub internal_date: i64,
    /// Its POP3 UIDL (`RULES.md 5.2`).
    pub uidl: Uidl,
    /// What differs from the live row.
    pub change: Change,
}

impl Placement {
    /// The copy whose bytes the message has.
    ///
    /// # Panics
    /// When the lineages are not those that were planned.
    pub fn content<'a>(&self, before: &'a Lineage, after: &'a Lineage) -> &'a Message {
        self.copy(self.bytes, before, after).expect("bytes come from a copy that is there")
    }

    /// Its keywords, each once, sorted.
    ///
    /// # Panics
    /// When the lineages are not those that were planned.
    pub fn keywords<'a>(&'a self, before: &'a Lineage, after: &'a Lineage) -> &'a [Keyword] {
        match &self.keywords {
            Keywords::Of(side) => {
                &self.copy(*side, before, after).expect("keywords come from a copy that is there").keywords
            }
            Keywords::Joined(keywords) => keywords,
        }
    }

    /// Its UIDL; `None`: none was ever served for it, so any that names nothing else may be.
    ///
    /// # Panics
    /// When the lineages are not those that were planned.
    pub fn uidl<'a>(&'a self, before: &'a Lineage, after: &'a Lineage) -> Option<&'a str> {
        match &self.uidl {
            Uidl::None => None,
            Uidl::Of(side) => {
                self.copy(*side, before, after).expect("a UIDL comes from a copy that is there").uidl.as_deref()
            }
            Uidl::Fresh(uidl) => Some(uidl),
        }
    }

    fn copy<'a>(&self, side: Side, before: &'a Lineage, after: &'a Lineage) -> Option<&'a Message> {
        match side {
            Side::Before => self.before.map(|c| c.of(before)),
            Side::After => self.after.map(|c| c.of(after)),
        }
    }
}

/// Where the keywords of a message come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Keywords {
    /// They are those of one copy.
    Of(Side),
    /// They are those of several, each once, sorted.
    Joined(Vec<Keyword>),
}

/// Where the UIDL of a message comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Uidl {
    /// None was served for it.
    None,
    /// It is that of one copy.
    Of(Side),
    /// It is a new one: those that its copies had name other content, or another copy.
    Fresh(Box<str>),
}

/// What differs between a message of the result and its live row.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Change(u8);

impl Change {
    /// Nothing: the row is left alone.
    pub const NONE: Change = Change(0);
    /// There is no live row.
    pub const ADDED: Change = Change(1);
    /// The UID.
    pub const UID: Change = Change(2);
    /// The system flags.
    pub const FLAGS: Change = Change(4);
    /// The keywords.
    pub const KEYWORDS: Change = Change(8);
    /// The INTERNALDATE.
    pub const DATE: Change = Change(16);
    /// The bytes, and with them digest and size.
    pub const BYTES: Change = Change(32);
    /// The UIDL.
    pub const UIDL: Change = Change(64);

    /// Whether nothing differs.
    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Whether everything in `other` differs.
    pub fn contains(self, other: Change) -> bool {
        self.0 & other.0 == other.0
    }

    pub(super) fn set(&mut self, what: Change, differs: bool) {
        self.0 = if differs { self.0 | what.0 } else { self.0 & !what.0 };
    }
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const NAMES: [&str; 7] = ["added", "uid", "flags", "keywords", "date", "bytes", "uidl"];
        let names: Vec<_> = NAMES.iter().enumerate().filter(|(i, _)| self.0 >> i & 1 == 1).map(|(_, n)| *n).collect();
        write!(f, "Change({})", names.join(" "))
    }
}

/// What became of a copy, and by which rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// What became of it.
    pub outcome: Outcome,
    /// The rules that decided; none for a live copy that goes on as it is.
    pub rules: Rules,
}

/// What became of a copy. Placements are given by their index in [`AccountPlan::placements`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is a message of the result; of a matched pair, this is the live copy.
    Kept {
        /// Which.
        placement: u32,
    },
    /// It is the same as a message of the result.
    SameAs {
        /// Which.
        placement: u32,
    },
    /// One lineage deleted it since the base, and that was to be honoured (`RULES.md 3.5`).
    Deleted,
    /// Only of a copy of *base*: neither lineage has the message, so it is no part of the result.
    Gone,
}

impl Outcome {
    /// The message of the result that the copy is, or is the same as.
    pub fn placement(self) -> Option<usize> {
        match self {
            Outcome::Kept { placement } | Outcome::SameAs { placement } => Some(placement as usize),
            Outcome::Deleted | Outcome::Gone => None,
        }
    }
}

/// A set of rules of `RULES.md`, by number.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Rules(u16);

/// The number of each rule, by bit.
const RULE_NUMBERS: [&str; 14] =
    ["2.4", "2.5", "3.2", "3.3", "3.4", "3.5", "4.1", "4.2", "4.3", "5.1", "5.2", "5.4", "6.2", "9.2"];

impl Rules {
    /// No rule.
    pub const NONE: Rules = Rules(0);
    /// The bytes of *before* are kept, and are others than those of *after*.
    pub const BYTES: Rules = Rules(1);
    /// Near twins were joined.
    pub const TWINS: Rules = Rules(1 << 1);
    /// A copy of *before* goes into its own mailbox.
    pub const OWN_MAILBOX: Rules = Rules(1 << 2);
    /// A pair in one mailbox.
    pub const PAIR: Rules = Rules(1 << 3);
    /// A pair in two mailboxes: it is in that of *after*.
    pub const PAIR_ACROSS: Rules = Rules(1 << 4);
    /// One lineage deleted it since the base.
    pub const DELETION: Rules = Rules(1 << 5);
    /// Flags or keywords were joined.
    pub const FLAGS: Rules = Rules(1 << 6);
    /// \Deleted or \Draft differ from this copy's.
    pub const DELETED_DRAFT: Rules = Rules(1 << 7);
    /// The INTERNALDATE is another copy's.
    pub const DATE: Rules = Rules(1 << 8);
    /// UIDVALIDITY or UID are not this copy's.
    pub const UID: Rules = Rules(1 << 9);
    /// The UIDL is not this copy's.
    pub const UIDL: Rules = Rules(1 << 10);
    /// The mailbox has a new UIDVALIDITY because UIDs clashed.
    pub const CLASH: Rules = Rules(1 << 11);
    /// The mailbox was joined with one of another name by its special use.
    pub const SPECIAL_USE: Rules = Rules(1 << 12);
    /// A damaged copy is the same as a whole one.
    pub const DAMAGED: Rules = Rules(1 << 13);

    /// Whether every rule of `other` is in the set.
    pub fn contains(self, other: Rules) -> bool {
        self.0 & other.0 == other.0
    }

    /// The set as it is kept in a journal.
    pub fn bits(self) -> u16 {
        self.0
    }

    /// The set of a journal's bits; bits of no rule are dropped.
    pub fn from_bits(bits: u16) -> Self {
        Rules(bits & ((1 << RULE_NUMBERS.len()) - 1))
    }

    /// The numbers of the rules, as `RULES.md` writes them, ascending.
    pub fn numbers(self) -> impl Iterator<Item = &'static str> {
        RULE_NUMBERS.iter().enumerate().filter(move |(bit, _)| self.0 >> bit & 1 == 1).map(|(_, number)| *number)
    }

    pub(super) fn with(self, rule: Rules, applies: bool) -> Self {
        if applies { Rules(self.0 | rule.0) } else { self }
    }
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rules({})", self.numbers().collect::<Vec<_>>().join(" "))
    }
}

/// Something that a person should know. Mailboxes are given by their index in [`AccountPlan::mailboxes`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Two mailboxes of different names are one by their special use (`RULES.md 6.2`).
    SpecialUseJoined {
        /// The mailbox of the result, under the name of *after*.
        mailbox: usize,
    },
    /// A mailbox of *before* lost its attribute to that of the same use in *after*.
    SpecialUseYielded {
        /// The mailbox of the result.
        mailbox: usize,
        /// The use that it had.
        special_use: SpecialUse,
    },
    /// Clients will download the mailbox again: its UIDs clashed or were used up (`RULES.md 5.4`).
    UidvalidityRenewed {
        /// The mailbox of the result.
        mailbox: usize,
        /// Why.
        why: Renewal,
    },
    /// A message has a new UIDL: the one that was served for it is another message's (`RULES.md 5.2`).
    UidlRenewed {
        /// The message, by its index in [`AccountPlan::placements`].
        placement: usize,
        /// The copy whose UIDL could not stay.
        served_by: Side,
    },
    /// A pair of near twins (`RULES.md 2.5`), by the first copy of each.
    NearTwins {
        /// A copy in *before*.
        before: CopyId,
        /// A copy in *after*.
        after: CopyId,
        /// Whether they were taken for one message.
        joined: bool,
    },
    /// Deletions were to be honoured, but this lineage has nothing in common with the base: it does not descend from
    /// it, and what it lacks was not deleted there (`RULES.md 3.5`).
    DeletionsRefused {
        /// The lineage.
        side: Side,
    },
}

impl Finding {
    /// The mailbox that it is about, if it is about one.
    fn mailbox(&mut self) -> Option<&mut usize> {
        match self {
            Finding::SpecialUseJoined { mailbox }
            | Finding::SpecialUseYielded { mailbox, .. }
            | Finding::UidvalidityRenewed { mailbox, .. } => Some(mailbox),
            Finding::UidlRenewed { .. } | Finding::NearTwins { .. } | Finding::DeletionsRefused { .. } => None,
        }
    }
}
