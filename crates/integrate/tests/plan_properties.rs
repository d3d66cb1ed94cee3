//! The guarantees of `RULES.md` 1 that a plan can keep or break, over generated accounts.
//!
//! Few identities, mailboxes, dates and UIDLs, so that copies collide in every way; lineages that are strangers, that
//! were born from an escrow, and that have a past in common. proptest prints the seed and the smallest account that
//! fails; `PROPTEST_CASES=100000` looks further.
#![allow(clippy::unwrap_used)]

mod plan_support;

use integrate::plan::lineage::{Damage, Lineage, Mailbox, Message};
use integrate::plan::{
    AccountPlan, Change, CopyId, Fate, Keeps, MailboxPlan, Outcome, Placement, Policy, Renewal, Side, Twins, plan,
};
use message::{Flags, Identity, Keyword, MailboxName, SpecialUse};
use plan_support::{carry_out, digest, identity, lineage};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::RangeInclusive;

// ---- Accounts ----

const NAMES: [&str; 6] = ["INBOX", "Sent", "Enviados", "Sent Items", "Trash", "Work"];
/// Messages 0 to 5 are whole; 6 is the beginning of 0, 7 of 1, 8 of nothing that is known.
const WHOLE: u64 = 6;
const MESSAGES: u64 = 9;

#[derive(Clone, Debug)]
struct Account {
    before: Lineage,
    after: Lineage,
    base: Option<Lineage>,
    twins: Twins,
    policy: Policy,
}

impl Account {
    fn plan(&self) -> AccountPlan {
        plan(&self.before, &self.after, self.base.as_ref(), &self.twins, &self.policy)
    }

    fn sides(&self) -> [(&Lineage, Side); 2] {
        [(&self.before, Side::Before), (&self.after, Side::After)]
    }
}

fn keyword(text: &str) -> Keyword {
    Keyword::new(text).unwrap()
}

prop_compose! {
    fn a_message()(
        n in 0..MESSAGES,
        variant in 0..2_u64,
        gap in 1..3_u32,
        served in prop::bool::weighted(0.9),
        flags in 0..64_u8,
        keywords in prop::sample::subsequence(vec!["$Junk", "later", "work"], 0..3),
        internal_date in 0..6_i64,
        uidl in prop::option::of(0..6_u8),
    ) -> (u32, Message) {
        let damaged = (n >= WHOLE).then(|| Damage { whole: [0, 1].get((n - WHOLE) as usize).map(|w| identity(*w)) });
        (gap, Message {
            uid: 0,
            uid_served: served,
            digest: digest(n, variant),
            identity: identity(n),
            flags: Flags::from_bits(flags),
            keywords: keywords.into_iter().map(keyword).collect(),
            internal_date,
            size_bytes: 100 + variant,
            uidl: uidl.map(|u| format!("uidl-{u}")),
            damaged,
        })
    }
}

prop_compose! {
    /// A mailbox whose UIDs begin above `first`.
    fn a_mailbox(name: &'static str, first: u32)(
        special_use in prop::option::weighted(0.3, prop::sample::select(SpecialUse::ALL.to_vec())),
        subscribed: bool,
        uidvalidity in prop_oneof![4 => Just(Some(1_u32)), 4 => Just(Some(2)), 1 => Just(None)],
        messages in prop::collection::vec(a_message(), 0..6),
        expunged in prop::collection::vec((0..12_u32, prop::option::of(0..MESSAGES)), 0..2),
        room in 0..4_u32,
        highest_modseq in 0..20_u64,
    ) -> Mailbox {
        let mut uid = first;
        let messages: Vec<Message> = messages.into_iter().map(|(gap, m)| {
            uid += gap;
            Message { uid, ..m }
        }).collect();
        let expunged: BTreeMap<u32, Option<Identity>> = expunged
            .into_iter()
            .map(|(e, n)| (first + 1 + e, n.map(identity)))
            .filter(|(e, _)| messages.iter().all(|m| m.uid != *e))
            .collect();
        let uidnext = expunged.keys().copied().chain([uid]).max().unwrap() + 1 + room;
        Mailbox {
            name: MailboxName::new(name).unwrap(),
            special_use,
            subscribed,
            uidvalidity,
            uidnext,
            highest_modseq,
            messages,
            expunged: expunged.into_iter().collect(),
        }
    }
}

fn a_lineage(first: u32) -> impl Strategy<Value = Lineage> {
    prop::sample::subsequence(NAMES.to_vec(), 0..=4)
        .prop_flat_map(move |names| names.into_iter().map(|name| a_mailbox(name, first)).collect::<Vec<_>>())
        .prop_map(lineage)
}

/// A lineage with few UIDs left, or with many.
fn near_the_end() -> impl Strategy<Value = Lineage> {
    prop_oneof![a_lineage(0), a_lineage(u32::MAX - 17)]
}

/// What became of a lineage: some messages expunged, some with other flags, some new, under the same UIDVALIDITY.
fn a_descendant(parent: Lineage, gap: u32) -> impl Strategy<Value = Lineage> {
    let mailboxes = parent.mailboxes.into_iter().map(move |m| {
        let n = m.messages.len();
        let fates = prop::collection::vec((0..4_u8, 0..64_u8), n..=n);
        (Just(m), fates, prop::collection::vec(a_message(), 0..3), any::<bool>()).prop_map(
            move |(mut m, fates, new, tells)| {
                let mut kept = Vec::new();
                for (mut message, (fate, flags)) in std::mem::take(&mut m.messages).into_iter().zip(fates) {
                    match fate {
                        0 => m.expunged.push((message.uid, tells.then_some(message.identity))),
                        1 => {
                            message.flags = Flags::from_bits(flags);
                            kept.push(message);
                        }
                        _ => kept.push(message),
                    }
                }
                m.uidnext += gap;
                for (_, message) in new {
                    kept.push(Message { uid: m.uidnext, ..message });
                    m.uidnext += 1;
                }
                m.messages = kept;
                m
            },
        )
    });
    mailboxes.collect::<Vec<_>>().prop_map(lineage)
}

/// Two lineages and their base, if they have one.
fn lineages() -> impl Strategy<Value = (Lineage, Lineage, Option<Lineage>)> {
    let strangers = (a_lineage(0), a_lineage(0), prop::option::of(a_lineage(0)));
    let escrow = (a_lineage(0), a_lineage(100)).prop_map(|(before, mut after)| {
        for m in &mut after.mailboxes {
            let twin = before.mailboxes.iter().find(|b| b.name == m.name);
            m.uidvalidity = twin.and_then(|b| b.uidvalidity).or(m.uidvalidity);
        }
        (before, after, None)
    });
    let family = (a_lineage(0), any::<bool>()).prop_flat_map(|(base, tells)| {
        let before = a_descendant(base.clone(), 0);
        let after = a_descendant(base.clone(), 20);
        (before, after, Just(tells.then_some(base)))
    });
    prop_oneof![strangers, escrow, family]
}

prop_compose! {
    fn an_account()(
        (before, after, base) in lineages(),
        lonely in 0..8_u8,
        pairs in prop::collection::vec((0..MESSAGES, 0..MESSAGES), 0..4),
        join_twins: bool,
        honour_deletions: bool,
        keep_uids in prop_oneof![6 => Just(None), 1 => Just(Some(Side::Before)), 1 => Just(Some(Side::After))],
        fresh_uidvalidity in prop_oneof![Just(1_u32), Just(50)],
    ) -> Account {
        let none = Lineage::default;
        let (before, after) = match lonely {
            0 => (before, none()),
            1 => (none(), after),
            _ => (before, after),
        };
        // Near twins are whole messages: two that differ in what they are the beginning of have different bodies.
        let pairs = pairs.into_iter().map(|(b, a)| (identity(b % WHOLE), identity(a % WHOLE))).collect();
        let policy = Policy { join_twins, honour_deletions, keep_uids, fresh_uidvalidity };
        Account { before, after, base, twins: Twins { pairs }, policy }
    }
}

// ---- The oracle: what is one message, said as plainly as possible ----

struct Oracle<'a> {
    account: &'a Account,
    /// Identities that a message of *before* or *after* has which is no wreck.
    whole: HashSet<Identity>,
}

impl<'a> Oracle<'a> {
    fn new(account: &'a Account) -> Self {
        let messages = account.sides().map(|(l, _)| l).into_iter().flat_map(|l| &l.mailboxes).flat_map(|m| &m.messages);
        let whole =
            messages.filter(|m| m.damaged.as_ref().is_none_or(|d| d.whole.is_none())).map(|m| m.identity).collect();
        Oracle { account, whole }
    }

    /// The identity of the message that a copy is a copy of.
    fn content(&self, m: &Message) -> Identity {
        let whole = m.damaged.as_ref().and_then(|d| d.whole);
        whole.filter(|w| self.whole.contains(w)).unwrap_or(m.identity)
    }

    fn is_wreck(&self, m: &Message) -> bool {
        self.content(m) != m.identity
    }

    /// The identities that are one message with this one.
    fn class(&self, of: Identity) -> BTreeSet<Identity> {
        let mut class = BTreeSet::from([of]);
        if !self.account.policy.join_twins {
            return class;
        }
        loop {
            let size = class.len();
            for (b, a) in &self.account.twins.pairs {
                if class.contains(b) || class.contains(a) {
                    class.extend([*b, *a]);
                }
            }
            if class.len() == size {
                return class;
            }
        }
    }

    fn count(&self, lineage: &Lineage, class: &BTreeSet<Identity>) -> usize {
        copies(lineage).filter(|m| class.contains(&m.identity) && !self.is_wreck(m)).count()
    }

    fn has_wreck(&self, lineage: &Lineage, class: &BTreeSet<Identity>) -> bool {
        copies(lineage).any(|m| class.contains(&self.content(m)) && self.is_wreck(m))
    }

    /// How many copies of a message the result has: from so many to so many. (Which of several near twins stands for
    /// another, and so which were deleted, the oracle does not know.)
    fn expected(&self, class: &BTreeSet<Identity>) -> RangeInclusive<usize> {
        let (before, after) = (&self.account.before, &self.account.after);
        let (b, a) = (self.count(before, class), self.count(after, class));
        let base = self.account.base.as_ref().filter(|_| self.account.policy.honour_deletions);
        let Some(base) = base else { return b.max(a)..=b.max(a) };
        if class.len() > 1 {
            return b.min(a)..=b.max(a);
        }
        let of_base = self.count(base, class);
        let has = |l: &Lineage, i: Identity| copies(l).any(|m| m.identity == i && !self.is_wreck(m));
        let in_base = || copies(base).filter(|m| !self.is_wreck(m)).map(|m| m.identity);
        let descends = |l: &Lineage| in_base().any(|i| has(l, i) && has(before, i));
        let deleted = |own: usize, other: &Lineage| own <= of_base && descends(other) && !self.has_wreck(other, class);
        let count = match b.cmp(&a) {
            std::cmp::Ordering::Greater if deleted(b, after) => a,
            std::cmp::Ordering::Less if deleted(a, before) => b,
            _ => b.max(a),
        };
        count..=count
    }
}

fn copies(lineage: &Lineage) -> impl Iterator<Item = &Message> {
    lineage.mailboxes.iter().flat_map(|m| &m.messages)
}

fn fates<'a>(lineage: &'a Lineage, fates: &'a [Vec<Fate>]) -> impl Iterator<Item = (usize, &'a Message, &'a Fate)> {
    assert_eq!(lineage.mailboxes.len(), fates.len());
    lineage.mailboxes.iter().zip(fates).enumerate().flat_map(|(i, (m, fates))| {
        assert_eq!(m.messages.len(), fates.len());
        m.messages.iter().zip(fates).map(move |(message, fate)| (i, message, fate))
    })
}

fn result<'a>(plan: &'a AccountPlan, account: &'a Account) -> impl Iterator<Item = (&'a Placement, &'a Message)> {
    plan.placements.iter().map(|p| (p, p.content(&account.before, &account.after)))
}

// ---- The guarantees ----

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(1000)))]

    #[test]
    fn g1_every_message_is_in_the_result(account in an_account()) {
        let plan = account.plan();
        let oracle = Oracle::new(&account);
        for ((lineage, _), of) in account.sides().into_iter().zip([&plan.before, &plan.after]) {
            for (_, message, fate) in fates(lineage, of) {
                let Some(i) = fate.outcome.placement() else {
                    prop_assert!(account.policy.honour_deletions && account.base.is_some());
                    prop_assert_eq!(fate.outcome, Outcome::Deleted);
                    prop_assert!(fate.rules.numbers().any(|n| n == "3.5"));
                    continue;
                };
                let content = plan.placements[i].content(&account.before, &account.after);
                prop_assert!(oracle.class(oracle.content(message)).contains(&content.identity));
                if matches!(fate.outcome, Outcome::Kept { .. }) && oracle.class(message.identity).len() == 1 {
                    prop_assert_eq!(message.identity, content.identity);
                }
            }
        }
    }

    #[test]
    fn g2_every_message_of_the_result_is_a_copy_of_its_mailboxes(account in an_account()) {
        let plan = account.plan();
        let mut seen = HashSet::new();
        for p in &plan.placements {
            prop_assert!(p.before.is_some() || p.after.is_some());
            let mailbox = &plan.mailboxes[p.mailbox as usize];
            prop_assert!(p.before.is_none_or(|id| seen.insert((Side::Before, id))));
            prop_assert!(p.after.is_none_or(|id| seen.insert((Side::After, id))));
            match (p.before, p.after) {
                (_, Some(id)) => prop_assert_eq!(mailbox.after, Some(id.mailbox as usize)),
                (Some(id), None) => prop_assert_eq!(mailbox.before, Some(id.mailbox as usize)),
                (None, None) => {}
            }
        }
    }

    #[test]
    fn g3_the_copies_of_a_message_are_the_larger_number(account in an_account()) {
        let plan = account.plan();
        let oracle = Oracle::new(&account);
        let classes: BTreeSet<BTreeSet<Identity>> = account.sides().into_iter()
            .flat_map(|(l, _)| copies(l))
            .filter(|m| !oracle.is_wreck(m))
            .map(|m| oracle.class(m.identity))
            .collect();
        for class in &classes {
            let found = result(&plan, &account).filter(|(_, m)| class.contains(&m.identity)).count();
            prop_assert!(oracle.expected(class).contains(&found), "{found} of {class:?}");
        }
        prop_assert!(result(&plan, &account).all(|(_, m)| classes.iter().any(|c| c.contains(&m.identity))));
    }

    #[test]
    fn g4_a_second_plan_changes_nothing(account in an_account()) {
        let is_renewed = |m: &MailboxPlan| matches!(m.renewal, Some(Renewal::Clash { .. } | Renewal::Exhausted));
        let mut account = account;
        if account.policy.keep_uids == Some(Side::Before) && account.plan().mailboxes.iter().any(is_renewed) {
            // Said again, `--keep-uids before` takes back a UIDVALIDITY that had to be renewed: docs/design/plan.md.
            account.policy.keep_uids = None;
        }
        let first = account.plan();
        let live = carry_out(&first, &account.before, &account.after);
        let again = Account { after: live, ..account.clone() };
        let second = again.plan();
        prop_assert!(second.changes_nothing(), "{:#?}\n{:#?}", first, second);
        prop_assert_eq!(carry_out(&second, &again.before, &again.after), again.after);
    }

    #[test]
    fn g6_an_account_of_one_lineage_comes_out_as_it_was(
        lone in a_lineage(0),
        policy_of in an_account(),
        is_before: bool,
    ) {
        let mut sides = [lone.clone(), Lineage::default()];
        sides.rotate_right(usize::from(!is_before));
        let [before, after] = sides;
        let account = Account { before, after, base: None, ..policy_of };
        let plan = account.plan();
        let oracle = Oracle::new(&account);
        prop_assert_eq!(plan.mailboxes.len(), lone.mailboxes.len());
        for (m, was) in plan.mailboxes.iter().zip(&lone.mailboxes) {
            prop_assert_eq!((&m.name, m.special_use, m.subscribed), (&was.name, was.special_use, was.subscribed));
            prop_assert_eq!((m.uidnext, m.modseq_floor), (was.uidnext, was.highest_modseq));
            prop_assert!(was.uidvalidity.is_none_or(|v| v == m.uidvalidity));
            let whole: Vec<&Message> = was.messages.iter().filter(|m| !oracle.is_wreck(m)).collect();
            prop_assert_eq!(plan.messages_of(m).len(), whole.len());
            for (p, was) in plan.messages_of(m).iter().zip(whole) {
                prop_assert_eq!((p.uid, p.content(&account.before, &account.after).digest), (was.uid, was.digest));
                let has_wreck = copies(&lone).any(|w| oracle.is_wreck(w) && oracle.content(w) == was.identity);
                if !has_wreck {
                    let keywords = p.keywords(&account.before, &account.after);
                    prop_assert_eq!((p.flags, p.internal_date), (was.flags, was.internal_date));
                    prop_assert_eq!(keywords, &*was.keywords);
                }
            }
        }
    }

    #[test]
    fn g7_clients_of_the_lineage_kept_download_nothing_again(account in an_account()) {
        let plan = account.plan();
        for m in &plan.mailboxes {
            let before = m.before.map(|i| &account.before.mailboxes[i]);
            let Some(after) = m.after.map(|i| &account.after.mailboxes[i]) else {
                let before = before.unwrap();
                prop_assert!(before.uidvalidity.is_none_or(|v| v == m.uidvalidity));
                prop_assert!(plan.messages_of(m).iter().all(|p| p.uid == p.before.unwrap().of(&account.before).uid));
                continue;
            };
            let shares = before.is_some_and(|b| b.uidvalidity == after.uidvalidity);
            let takes_before = before.is_some_and(|b| b.uidvalidity.is_some()) && !shares
                && (after.uidvalidity.is_none() || account.policy.keep_uids == Some(Side::Before)
                    || account.policy.keep_uids.is_none() && plan.messages_of(m).iter().all(|p| p.after.is_none()));
            if takes_before {
                prop_assert_eq!(m.keeps, Keeps::One(Side::Before));
                prop_assert_eq!(before.unwrap().uidvalidity, Some(m.uidvalidity));
                let is_of_before = |p: &&Placement| {
                    p.bytes == Side::Before && p.before.is_some_and(|id| Some(id.mailbox as usize) == m.before)
                };
                for p in plan.messages_of(m).iter().filter(is_of_before) {
                    prop_assert_eq!(p.uid, p.before.unwrap().of(&account.before).uid);
                }
            } else if !matches!(m.renewal, Some(Renewal::Clash { .. })) && after.uidvalidity.is_some() {
                prop_assert_eq!(after.uidvalidity, Some(m.uidvalidity));
                for p in plan.messages_of(m).iter().filter(|p| p.after.is_some()) {
                    prop_assert!(!p.change.contains(Change::UID));
                    let (was, is) = (p.after.unwrap().of(&account.after), p.content(&account.before, &account.after));
                    prop_assert_eq!(was.identity, is.identity);
                }
            }
        }
    }

    #[test]
    fn g11_a_uid_names_one_thing(account in an_account()) {
        let plan = account.plan();
        let oracle = Oracle::new(&account);
        for m in &plan.mailboxes {
            let names: HashMap<u32, &Message> = plan.messages_of(m).iter()
                .map(|p| (p.uid, p.content(&account.before, &account.after)))
                .collect();
            prop_assert_eq!(names.len(), plan.messages_of(m).len(), "a UID is given twice");
            for (lineage, side) in account.sides() {
                let is_it = |s: &&Mailbox| s.name == m.name && s.uidvalidity == Some(m.uidvalidity);
                let Some(served) = lineage.mailboxes.iter().find(is_it) else { continue };
                for was in served.messages.iter().filter(|was| was.uid_served) {
                    if let Some(is) = names.get(&was.uid) {
                        prop_assert!([was.identity, oracle.content(was)].contains(&is.identity));
                    }
                }
                for (uid, was) in &served.expunged {
                    if let Some(is) = names.get(uid) {
                        let agrees = was.map_or(account.base.is_some(), |was| was == is.identity);
                        prop_assert!(agrees, "{uid} was expunged");
                    }
                }
                let expunged = served.expunged.iter().map(|e| e.0);
                let listed: HashSet<u32> = served.messages.iter().map(|m| m.uid).chain(expunged).collect();
                if side == Side::Before && account.base.is_none() {
                    prop_assert!(names.keys().all(|uid| *uid >= served.uidnext || listed.contains(uid)));
                }
            }
        }
    }

    #[test]
    fn g11_a_uidl_names_one_thing(account in an_account()) {
        let plan = account.plan();
        let oracle = Oracle::new(&account);
        let served = |lineage: &Lineage, uidl: &str| -> Vec<Identity> {
            copies(lineage).filter(|m| m.uidl.as_deref() == Some(uidl)).map(|m| oracle.content(m)).collect()
        };
        let mut seen = HashSet::new();
        for (p, content) in result(&plan, &account) {
            let Some(uidl) = p.uidl(&account.before, &account.after) else {
                let has_uidl = |m: &Message| m.uidl.is_some() && m.identity == content.identity;
                let of_copy = p.before.is_some_and(|id| has_uidl(id.of(&account.before)))
                    || p.after.is_some_and(|id| has_uidl(id.of(&account.after)));
                prop_assert!(!of_copy || !plan.mailboxes[p.mailbox as usize].name.is_inbox());
                continue;
            };
            prop_assert!(seen.insert(uidl), "{uidl} is given twice");
            let of_before = served(&account.before, uidl);
            let of_after = served(&account.after, uidl);
            // Where the lineages contradict each other, 5.2 decides for *before*.
            let names = if of_before.is_empty() { of_after } else { of_before };
            prop_assert!(names.is_empty() || names.contains(&content.identity));
        }
    }

    #[test]
    fn flags_and_dates_are_those_of_all_copies(account in an_account()) {
        let plan = account.plan();
        let oracle = Oracle::new(&account);
        for (i, p) in plan.placements.iter().enumerate() {
            let mut of_message = Vec::new();
            for (lineage, of) in [(&account.before, &plan.before), (&account.after, &plan.after)] {
                let here = fates(lineage, of).filter(|(.., f)| f.outcome.placement() == Some(i));
                of_message.extend(here.map(|(_, m, _)| m));
            }
            let all = of_message.iter().fold(Flags::NONE, |all, m| all | m.flags);
            let single = Flags::DELETED | Flags::DRAFT;
            let live = p.after.map(|id| id.of(&account.after)).or(p.before.map(|id| id.of(&account.before))).unwrap();
            prop_assert_eq!(p.flags.without(single), all.without(single), "4.1");
            prop_assert_eq!(p.flags.intersection(single), live.flags.intersection(single), "4.2");
            let keywords: BTreeSet<&Keyword> = of_message.iter().flat_map(|m| &m.keywords).collect();
            let of_result: Vec<&Keyword> = p.keywords(&account.before, &account.after).iter().collect();
            prop_assert_eq!(of_result, keywords.into_iter().collect::<Vec<_>>(), "4.1");
            prop_assert_eq!(Some(p.internal_date), of_message.iter().map(|m| m.internal_date).min(), "4.3");
            let content = p.content(&account.before, &account.after).identity;
            prop_assert!(of_message.iter().all(|m| oracle.class(oracle.content(m)).contains(&content)));
        }
    }

    #[test]
    fn uidnext_is_above_every_uid_and_never_goes_down(account in an_account()) {
        let plan = account.plan();
        for m in &plan.mailboxes {
            prop_assert!(plan.messages_of(m).is_sorted_by_key(|p| p.uid));
            prop_assert!(plan.messages_of(m).iter().all(|p| 0 < p.uid && p.uid < m.uidnext));
            prop_assert!(m.uidvalidity > 0);
            let joined = [m.before.map(|i| &account.before.mailboxes[i]), m.after.map(|i| &account.after.mailboxes[i])];
            for was in joined.into_iter().flatten() {
                let is_same = was.name == m.name && was.uidvalidity == Some(m.uidvalidity);
                prop_assert!(!is_same || m.uidnext >= was.uidnext);
                prop_assert!(m.modseq_floor >= was.highest_modseq);
                prop_assert!(m.subscribed || !was.subscribed);
                if matches!(m.renewal, Some(Renewal::Clash { .. })) {
                    prop_assert!(was.uidvalidity.is_none_or(|v| m.uidvalidity > v));
                }
            }
            let new = |p: &&Placement| {
                let keeps = |id: Option<CopyId>, l: &Lineage| id.is_some_and(|id| id.of(l).uid == p.uid);
                !keeps(p.before, &account.before) && !keeps(p.after, &account.after)
            };
            for p in plan.messages_of(m).iter().filter(new) {
                prop_assert!(joined.into_iter().flatten().all(|was| p.uid > was.uidnext), "a UIDNEXT was announced");
            }
            let new: Vec<_> = plan.messages_of(m).iter().filter(new).filter(|p| p.after.is_none()).collect();
            let age = |was: &Message| (was.internal_date, was.uid);
            prop_assert!(new.is_sorted_by_key(|p| age(p.before.unwrap().of(&account.before))));
        }
    }

    #[test]
    fn every_mailbox_and_every_copy_is_accounted_for(account in an_account()) {
        let plan = account.plan();
        let names: HashSet<&MailboxName> = plan.mailboxes.iter().map(|m| &m.name).collect();
        prop_assert_eq!(names.len(), plan.mailboxes.len(), "names are unique");
        let by_index = |i: fn(&MailboxPlan) -> Option<usize>| -> BTreeSet<usize> {
            plan.mailboxes.iter().filter_map(i).collect()
        };
        prop_assert_eq!(by_index(|m| m.before).len(), account.before.mailboxes.len());
        prop_assert_eq!(by_index(|m| m.after).len(), account.after.mailboxes.len());
        let mut kept = vec![0; plan.placements.len()];
        for (lineage, of) in [(&account.before, &plan.before), (&account.after, &plan.after)] {
            for (.., fate) in fates(lineage, of) {
                if let Outcome::Kept { placement } = fate.outcome {
                    kept[placement as usize] += 1;
                }
            }
        }
        prop_assert!(kept.iter().all(|k| *k == 1), "each message of the result is one copy's");
        if let Some(base) = &account.base {
            let is_kept = |f: &Fate| matches!(f.outcome, Outcome::Kept { .. });
            prop_assert!(fates(base, &plan.base).all(|(.., f)| !is_kept(f)));
        }
    }

    #[test]
    fn the_order_of_mailboxes_does_not_matter(account in an_account()) {
        let mut turned = account.clone();
        for l in [Some(&mut turned.before), Some(&mut turned.after), turned.base.as_mut()].into_iter().flatten() {
            l.mailboxes.reverse();
        }
        let by_name = |account: &Account| {
            let mut live = carry_out(&account.plan(), &account.before, &account.after);
            live.mailboxes.sort_by(|x, y| x.name.cmp(&y.name));
            live
        };
        prop_assert_eq!(by_name(&account), by_name(&turned));
    }

    #[test]
    fn the_end_of_the_uids_is_no_end(
        (before, after) in (near_the_end(), near_the_end()),
        mut account in an_account(),
    ) {
        account.before = before;
        account.after = after;
        account.policy.keep_uids = None;
        let first = account.plan();
        for m in &first.mailboxes {
            prop_assert!(first.messages_of(m).is_sorted_by(|x, y| x.uid < y.uid));
            prop_assert!(first.messages_of(m).iter().all(|p| 0 < p.uid && p.uid < m.uidnext));
        }
        let live = carry_out(&first, &account.before, &account.after);
        let again = Account { after: live, ..account };
        prop_assert!(again.plan().changes_nothing(), "{:#?}", first);
    }

    #[test]
    fn broken_promises_of_a_source_break_nothing(
        mut account in an_account(),
        uids in prop::collection::vec(prop_oneof![0..4_u32, u32::MAX - 3..=u32::MAX], 40),
    ) {
        let mut uids = uids.into_iter().cycle();
        for l in [&mut account.before, &mut account.after] {
            for m in l.mailboxes.iter_mut().flat_map(|m| &mut m.messages) {
                m.uid = uids.next().unwrap();
            }
            for m in &mut l.mailboxes {
                m.uidnext = uids.next().unwrap();
            }
        }
        let plan = account.plan();
        for m in &plan.mailboxes {
            prop_assert!(plan.messages_of(m).is_sorted_by(|x, y| x.uid < y.uid));
            prop_assert!(plan.messages_of(m).iter().all(|p| 0 < p.uid && p.uid < m.uidnext));
        }
        let oracle = Oracle::new(&account);
        for m in account.sides().into_iter().flat_map(|(l, _)| copies(l)).filter(|m| !oracle.is_wreck(m)) {
            let class = oracle.class(m.identity);
            let found = result(&plan, &account).filter(|(_, m)| class.contains(&m.identity)).count();
            prop_assert!(oracle.expected(&class).contains(&found));
        }
    }
}
