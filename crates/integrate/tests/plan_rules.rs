//! One story per rule of `RULES.md` 2 to 6 and 9.2, named by it; and what other tools were measured to get wrong.
#![allow(clippy::unwrap_used)]

mod plan_support;

use integrate::plan::lineage::{Lineage, Mailbox, Message};
use integrate::plan::{
    AccountPlan, Change, CopyId, Fate, Finding, Keeps, Outcome, Placement, Policy, Renewal, Side, Twins, plan,
};
use message::{Flags, SpecialUse};
use plan_support::{Dressed, carry_out, copy, digest, identity, lineage, mailbox, rows, with_use, wreck};

const A_YEAR: i64 = 31_536_000;

fn by_default(before: &Lineage, after: &Lineage) -> AccountPlan {
    plan(before, after, None, &Twins::default(), &Policy::default())
}

fn inbox(uidvalidity: u32, messages: Vec<Message>) -> Lineage {
    lineage(vec![mailbox("INBOX", uidvalidity, messages)])
}

fn uids(plan: &AccountPlan, name: &str) -> Vec<u32> {
    rows(plan, name).into_iter().map(|(uid, _)| uid).collect()
}

/// What is in a mailbox of the result: UID, and which message.
fn contents(plan: &AccountPlan, name: &str, before: &Lineage, after: &Lineage) -> Vec<(u32, u64)> {
    let m = plan.mailboxes.iter().find(|m| m.name.as_str() == name).unwrap();
    let called = |p: &Placement| (0..100).find(|n| identity(*n) == p.content(before, after).identity).unwrap();
    plan.messages_of(m).iter().map(|p| (p.uid, called(p))).collect()
}

fn names(plan: &AccountPlan) -> Vec<&str> {
    plan.mailboxes.iter().map(|m| m.name.as_str()).collect()
}

fn rule_numbers(fate: Fate) -> Vec<&'static str> {
    fate.rules.numbers().collect()
}

fn id(mailbox: u32, message: u32) -> CopyId {
    CopyId { mailbox, message }
}

// ---- 2: the same message ----

#[test]
fn rule_2_3_other_identity_is_another_message() {
    let (before, after) = (inbox(1, vec![copy(1, 10), copy(2, 11)]), inbox(2, vec![copy(1, 12), copy(2, 13)]));
    let plan = by_default(&before, &after);
    assert_eq!(contents(&plan, "INBOX", &before, &after), [(1, 12), (2, 13), (4, 10), (5, 11)]);
}

#[test]
fn rule_2_4_the_bytes_of_before_are_kept() {
    let (before, after) = (inbox(1, vec![copy(1, 10).written(1)]), inbox(2, vec![copy(1, 10).written(2)]));
    let plan = by_default(&before, &after);
    let [only] = &plan.placements[..] else { panic!("one message: {plan:?}") };
    assert_eq!(only.bytes, Side::Before);
    assert_eq!(only.content(&before, &after).digest, digest(10, 1));
    assert_eq!(only.change, Change::BYTES, "and the live row keeps all else");
    assert_eq!(rule_numbers(plan.after[0][0]), ["2.4", "3.3"]);
}

#[test]
fn rule_2_5_near_twins_both_stay_and_are_listed() {
    let (before, after) = (inbox(1, vec![copy(1, 10)]), inbox(2, vec![copy(1, 11)]));
    let twins = Twins { pairs: vec![(identity(10), identity(11))] };
    let plan = plan(&before, &after, None, &twins, &Policy::default());
    assert_eq!(contents(&plan, "INBOX", &before, &after), [(1, 11), (3, 10)]);
    assert_eq!(plan.findings, [Finding::NearTwins { before: id(0, 0), after: id(0, 0), joined: false }]);
}

#[test]
fn rule_2_5_joined_near_twins_are_the_live_message() {
    let before = inbox(1, vec![copy(1, 10).flags(Flags::SEEN).dated(7).uidl("old")]);
    let after = inbox(2, vec![copy(7, 11).uidl("new")]);
    let twins = Twins { pairs: vec![(identity(10), identity(11))] };
    let policy = Policy { join_twins: true, ..Policy::default() };
    let plan = plan(&before, &after, None, &twins, &policy);
    assert_eq!(contents(&plan, "INBOX", &before, &after), [(7, 11)]);
    assert_eq!(plan.placements[0].change, Change::FLAGS);
    assert_eq!(plan.placements[0].uidl(&before, &after), Some("new"));
    assert_eq!(plan.before[0][0].outcome, Outcome::SameAs { placement: 0 });
    assert_eq!(rule_numbers(plan.before[0][0]), ["2.5", "3.3", "5.1", "5.2"], "and its row says why");
}

#[test]
fn rule_2_5_twins_in_one_lineage_are_never_joined() {
    let (before, after) = (inbox(1, vec![copy(1, 10), copy(2, 11)]), inbox(2, vec![copy(1, 11)]));
    let twins = Twins { pairs: vec![(identity(10), identity(11))] };
    let policy = Policy { join_twins: true, ..Policy::default() };
    let plan = plan(&before, &after, None, &twins, &policy);
    assert_eq!(contents(&plan, "INBOX", &before, &after), [(1, 11), (4, 10)], "equal ones first, and two stay two");
}

// ---- 3: where a message goes ----

#[test]
fn rule_3_1_the_same_mailbox_comes_first() {
    let before = lineage(vec![mailbox("INBOX", 1, vec![copy(1, 10)]), mailbox("Work", 1, vec![copy(1, 10)])]);
    let after = lineage(vec![mailbox("INBOX", 2, vec![]), mailbox("Work", 2, vec![copy(5, 10)])]);
    let plan = by_default(&before, &after);
    assert_eq!(contents(&plan, "INBOX", &before, &after), [(1, 10)]);
    assert_eq!(contents(&plan, "Work", &before, &after), [(5, 10)]);
    assert_eq!(rule_numbers(plan.before[1][0]), ["3.3", "5.1"]);
}

#[test]
fn rule_3_2_an_unmatched_copy_goes_into_its_own_mailbox() {
    let (before, after) = (lineage(vec![mailbox("Work", 1, vec![copy(3, 10)])]), inbox(2, vec![copy(1, 11)]));
    let plan = by_default(&before, &after);
    assert_eq!(contents(&plan, "Work", &before, &after), [(3, 10)]);
    assert_eq!(plan.before[0][0].outcome, Outcome::Kept { placement: 1 });
    assert_eq!(rule_numbers(plan.before[0][0]), ["3.2"]);
    assert_eq!(rows(&plan, "INBOX"), [(1, Change::NONE)], "and what is live is not touched");
}

#[test]
fn rule_3_3_a_pair_in_one_mailbox_is_one_message() {
    let (before, after) = (inbox(1, vec![copy(3, 10)]), inbox(2, vec![copy(3, 10)]));
    let plan = by_default(&before, &after);
    assert_eq!(rows(&plan, "INBOX"), [(3, Change::NONE)]);
    assert_eq!(plan.before[0][0].outcome, Outcome::SameAs { placement: 0 });
    assert_eq!(plan.after[0][0].outcome, Outcome::Kept { placement: 0 });
    assert!(plan.changes_nothing());
}

#[test]
fn rule_3_4_a_pair_in_two_mailboxes_is_where_after_has_it() {
    let before = inbox(1, vec![copy(3, 10)]);
    let after = lineage(vec![mailbox("INBOX", 2, vec![]), mailbox("Archive/2025", 2, vec![copy(8, 10)])]);
    let plan = by_default(&before, &after);
    assert!(uids(&plan, "INBOX").is_empty());
    assert_eq!(uids(&plan, "Archive/2025"), [8]);
    assert_eq!(plan.placements[0].before, Some(id(0, 0)), "the ledger can say where it was");
    assert_eq!(rule_numbers(plan.before[0][0]), ["3.4", "5.1"]);
}

#[test]
fn rule_3_5_by_default_what_was_deleted_stays() {
    let base = inbox(1, vec![copy(1, 10), copy(2, 11)]);
    let (before, after) = (base.clone(), inbox(1, vec![copy(1, 10)]));
    let plan = plan(&before, &after, Some(&base), &Twins::default(), &Policy::default());
    assert_eq!(contents(&plan, "INBOX", &before, &after), [(1, 10), (2, 11)]);
    assert_eq!(rule_numbers(plan.before[0][1]), ["3.2", "3.5"]);
    assert_eq!(plan.base[0][1].outcome, Outcome::SameAs { placement: 1 });
}

#[test]
fn rule_3_5_deletions_can_be_honoured_in_either_lineage() {
    let base = inbox(1, vec![copy(1, 10), copy(2, 11), copy(3, 12), copy(4, 13)]);
    let before = inbox(1, vec![copy(1, 10), copy(2, 11), copy(5, 20)]);
    let after = inbox(1, vec![copy(1, 10), copy(3, 12), copy(9, 30)]);
    let policy = Policy { honour_deletions: true, ..Policy::default() };
    let plan = plan(&before, &after, Some(&base), &Twins::default(), &policy);
    assert_eq!(contents(&plan, "INBOX", &before, &after), [(1, 10), (5, 20), (9, 30)], "what is new since stays");
    assert_eq!(plan.before[0][1].outcome, Outcome::Deleted);
    assert_eq!(plan.after[0][1].outcome, Outcome::Deleted);
    let of_base: Vec<Outcome> = plan.base[0].iter().map(|f| f.outcome).collect();
    assert_eq!(of_base, [Outcome::SameAs { placement: 0 }, Outcome::Deleted, Outcome::Deleted, Outcome::Gone]);
}

#[test]
fn rule_3_5_a_message_that_was_copied_since_is_not_deleted() {
    let base = inbox(1, vec![copy(1, 10), copy(2, 11)]);
    let before = inbox(1, vec![copy(1, 10), copy(2, 11), copy(3, 11)]);
    let after = inbox(1, vec![copy(1, 10)]);
    let policy = Policy { honour_deletions: true, ..Policy::default() };
    let plan = plan(&before, &after, Some(&base), &Twins::default(), &policy);
    assert_eq!(uids(&plan, "INBOX"), [1, 2, 3]);
}

#[test]
fn rule_3_5_a_server_set_up_empty_has_deleted_nothing() {
    let base = inbox(1, vec![copy(1, 10), copy(2, 11)]);
    let (before, after) = (base.clone(), inbox(1, vec![copy(101, 20)]));
    let policy = Policy { honour_deletions: true, ..Policy::default() };
    let plan = plan(&before, &after, Some(&base), &Twins::default(), &policy);
    assert_eq!(uids(&plan, "INBOX"), [1, 2, 101]);
    assert_eq!(plan.findings, [Finding::DeletionsRefused { side: Side::After }]);
}

// ---- 4: flags and dates ----

#[test]
fn rule_4_1_flags_and_keywords_are_those_of_either() {
    let before = inbox(1, vec![copy(1, 10).flags(Flags::SEEN | Flags::FORWARDED).keywords(&["$label1", "work"])]);
    let after = inbox(2, vec![copy(1, 10).flags(Flags::FLAGGED).keywords(&["$Label1", "later"])]);
    let plan = by_default(&before, &after);
    let p = &plan.placements[0];
    assert_eq!(p.flags, Flags::SEEN | Flags::FORWARDED | Flags::FLAGGED);
    let keywords: Vec<&str> = p.keywords(&before, &after).iter().map(|k| k.as_str()).collect();
    assert_eq!(keywords, ["$Label1", "later", "work"], "case makes no difference, and the live spelling stays");
    assert!(p.change.contains(Change::FLAGS) && p.change.contains(Change::KEYWORDS));
}

#[test]
fn rule_4_1_an_unread_copy_does_not_make_a_read_one_unread() {
    for (of_before, of_after) in [(Flags::SEEN, Flags::NONE), (Flags::NONE, Flags::SEEN)] {
        let plan =
            by_default(&inbox(1, vec![copy(1, 10).flags(of_before)]), &inbox(2, vec![copy(1, 10).flags(of_after)]));
        assert_eq!(plan.placements[0].flags, Flags::SEEN);
    }
}

#[test]
fn rule_4_2_deleted_and_draft_are_as_in_after() {
    let before = inbox(1, vec![copy(1, 10).flags(Flags::DELETED | Flags::DRAFT), copy(2, 11).flags(Flags::DELETED)]);
    let after = inbox(2, vec![copy(1, 10)]);
    let plan = by_default(&before, &after);
    assert_eq!(plan.placements[0].flags, Flags::NONE);
    assert_eq!(plan.placements[1].flags, Flags::DELETED, "as in before where after has it not");
}

#[test]
fn rule_4_3_the_earlier_date_counts() {
    let before = inbox(1, vec![copy(1, 10).dated(A_YEAR), copy(2, 11).dated(3 * A_YEAR)]);
    let after = inbox(2, vec![copy(1, 10).dated(2 * A_YEAR), copy(2, 11).dated(2 * A_YEAR)]);
    let plan = by_default(&before, &after);
    assert_eq!(plan.placements[0].internal_date, A_YEAR);
    assert_eq!(rows(&plan, "INBOX"), [(1, Change::DATE), (2, Change::NONE)]);
}

// ---- 5: UIDs and UIDLs ----

#[test]
fn rule_5_1_lineages_born_from_an_escrow_keep_every_uid() {
    let before = inbox(7, vec![copy(1, 10), copy(5, 11)]);
    let after = inbox(7, vec![copy(1001, 20), copy(1002, 21)]);
    let plan = by_default(&before, &after);
    let m = &plan.mailboxes[0];
    assert_eq!((m.keeps, m.uidvalidity, m.uidnext), (Keeps::Both, 7, 1003));
    assert_eq!(contents(&plan, "INBOX", &before, &after), [(1, 10), (5, 11), (1001, 20), (1002, 21)]);
}

#[test]
fn rule_5_1_otherwise_those_of_after_and_new_ones_by_date_above_either_uidnext() {
    let before = inbox(1, vec![copy(1, 10).dated(30), copy(2, 11).dated(10), copy(90, 12).dated(10)]);
    let after = inbox(2, vec![copy(4, 20), copy(6, 21)]);
    let plan = by_default(&before, &after);
    let m = &plan.mailboxes[0];
    assert_eq!((m.keeps, m.uidvalidity, m.uidnext), (Keeps::One(Side::After), 2, 95));
    // 91 was announced as before's UIDNEXT: it stays free too.
    assert_eq!(contents(&plan, "INBOX", &before, &after), [(4, 20), (6, 21), (92, 11), (93, 12), (94, 10)]);
    assert_eq!(rule_numbers(plan.before[0][0]), ["3.2", "5.1"]);
}

#[test]
fn rule_5_1_an_empty_mailbox_of_after_takes_the_uids_of_before() {
    let before = inbox(9, vec![copy(3, 10), copy(4, 11)]);
    let after = lineage(vec![Mailbox { uidnext: 50, ..mailbox("INBOX", 2, vec![]) }]);
    let plan = by_default(&before, &after);
    let m = &plan.mailboxes[0];
    assert_eq!((m.keeps, m.uidvalidity, m.uidnext), (Keeps::One(Side::Before), 9, 50));
    assert_eq!(uids(&plan, "INBOX"), [3, 4]);
}

#[test]
fn rule_5_1_a_mailbox_in_which_nothing_of_after_stays_is_empty_too() {
    let before = lineage(vec![mailbox("INBOX", 9, vec![copy(3, 10)]), mailbox("Work", 9, vec![copy(8, 11)])]);
    let after = lineage(vec![
        Mailbox { uidnext: 5, ..mailbox("INBOX", 2, vec![]) },
        mailbox("Work", 2, vec![wreck(1, 50, Some(11))]),
        mailbox("Archive", 2, vec![copy(1, 10)]),
    ]);
    let plan = by_default(&before, &after);
    let of: Vec<_> = plan.mailboxes.iter().map(|m| (m.uidvalidity, m.uidnext)).collect();
    assert_eq!(of, [(9, 5), (9, 9), (2, 2)]);
    assert_eq!((uids(&plan, "INBOX"), uids(&plan, "Work")), (vec![], vec![8]));
}

#[test]
fn rule_5_1_the_operator_can_say_whose_uids_are_kept() {
    let (before, after) = (inbox(1, vec![copy(3, 10), copy(4, 11)]), inbox(2, vec![copy(1, 10), copy(2, 20)]));
    let policy = Policy { keep_uids: Some(Side::Before), ..Policy::default() };
    let of_before = plan(&before, &after, None, &Twins::default(), &policy);
    assert_eq!(of_before.mailboxes[0].uidvalidity, 1);
    assert_eq!(contents(&of_before, "INBOX", &before, &after), [(3, 10), (4, 11), (6, 20)]);

    let policy = Policy { keep_uids: Some(Side::After), ..Policy::default() };
    let of_after = plan(&before, &inbox(2, vec![]), None, &Twins::default(), &policy);
    assert_eq!(of_after.mailboxes[0].uidvalidity, 2, "even of an empty mailbox");
}

#[test]
fn rule_5_1_a_uidvalidity_that_is_not_known_yields_to_one_that_is() {
    let unknown = |messages| lineage(vec![Mailbox { uidvalidity: None, ..mailbox("INBOX", 1, messages) }]);
    let known = |messages| inbox(5, messages);
    let policy = Policy { fresh_uidvalidity: 1000, ..Policy::default() };
    let uidvalidity = |before: &Lineage, after: &Lineage| {
        plan(before, after, None, &Twins::default(), &policy).mailboxes[0].uidvalidity
    };
    assert_eq!(uidvalidity(&unknown(vec![copy(1, 10)]), &known(vec![copy(1, 20)])), 5);
    assert_eq!(uidvalidity(&known(vec![copy(1, 10)]), &unknown(vec![copy(1, 20)])), 5);
    assert_eq!(uidvalidity(&unknown(vec![copy(1, 10)]), &unknown(vec![copy(1, 20)])), 1000);
}

#[test]
fn rule_5_1_uids_that_staging_made_up_are_not_kept_where_they_could_clash() {
    let before = inbox(7, vec![copy(1, 10).unserved(), copy(2, 11)]);
    let after = inbox(7, vec![copy(1001, 20)]);
    let plan = by_default(&before, &after);
    assert_eq!(contents(&plan, "INBOX", &before, &after), [(2, 11), (1001, 20), (1003, 10)]);
}

#[test]
fn rule_5_1_no_uids_left_numbers_the_mailbox_anew() {
    let before = inbox(7, vec![copy(1, 10).dated(5)]);
    let after = inbox(9, vec![copy(3, 20), copy(u32::MAX - 1, 21)]);
    let plan = by_default(&before, &after);
    let m = &plan.mailboxes[0];
    assert_eq!((m.renewal, m.uidvalidity, m.uidnext), (Some(Renewal::Exhausted), 10, 4));
    assert_eq!(contents(&plan, "INBOX", &before, &after), [(1, 20), (2, 21), (3, 10)]);
    assert_eq!(plan.findings, [Finding::UidvalidityRenewed { mailbox: 0, why: Renewal::Exhausted }]);
}

#[test]
fn rule_5_1_a_broken_uidnext_of_the_other_lineage_costs_nobody_their_uids() {
    let before = lineage(vec![Mailbox { uidnext: u32::MAX, ..mailbox("INBOX", 7, vec![copy(1, 10)]) }]);
    let after = inbox(9, vec![copy(3, 20)]);
    let plan = by_default(&before, &after);
    assert_eq!((plan.mailboxes[0].renewal, plan.mailboxes[0].uidvalidity), (None, 9));
    assert_eq!(contents(&plan, "INBOX", &before, &after), [(3, 20), (4, 10)]);
}

#[test]
fn rule_5_2_a_pair_keeps_the_uidl_of_after_and_others_their_own() {
    let before = inbox(1, vec![copy(1, 10).uidl("b10"), copy(2, 11).uidl("b11"), copy(3, 12).uidl("b12")]);
    let after = inbox(2, vec![copy(1, 10).uidl("a10"), copy(2, 11)]);
    let plan = by_default(&before, &after);
    let uidls: Vec<_> = plan.placements.iter().map(|p| p.uidl(&before, &after)).collect();
    assert_eq!(uidls, [Some("a10"), Some("b11"), Some("b12")]);
    assert_eq!(rows(&plan, "INBOX")[..2], [(1, Change::NONE), (2, Change::UIDL)]);
}

#[test]
fn rule_5_2_a_uidl_that_stands_twice_stays_with_before() {
    let (before, after) = (inbox(1, vec![copy(1, 10).uidl("x")]), inbox(1, vec![copy(1, 20).uidl("x")]));
    let plan = by_default(&before, &after);
    let of_message = |n: u64| {
        let p = plan.placements.iter().find(|p| p.content(&before, &after).identity == identity(n)).unwrap();
        p.uidl(&before, &after).unwrap()
    };
    assert_eq!(of_message(10), "x");
    let fresh = of_message(20);
    assert!(fresh != "x" && fresh.len() <= 70 && fresh.bytes().all(|b| (0x21..=0x7e).contains(&b)), "{fresh}");
    assert!(plan.findings.contains(&Finding::UidlRenewed { placement: 0, served_by: Side::After }));
    assert_eq!(by_default(&before, &after), plan, "a fresh UIDL is the same each time");
}

#[test]
fn rule_5_2_within_before_the_earlier_message_keeps_it() {
    let before = inbox(1, vec![copy(1, 10).dated(9).uidl("x"), copy(2, 11).dated(3).uidl("x")]);
    let after = lineage(vec![]);
    let plan = by_default(&before, &after);
    let uidls: Vec<_> = plan.placements.iter().map(|p| p.uidl(&before, &after).unwrap()).collect();
    assert_eq!(uidls[1], "x");
    assert_ne!(uidls[0], "x");
}

#[test]
fn rule_5_4_uids_that_clash_get_a_new_uidvalidity() {
    let before = inbox(7, vec![copy(1, 10), copy(2, 11)]);
    let after = lineage(vec![mailbox("INBOX", 7, vec![copy(1, 10), copy(2, 20)]), mailbox("Work", 8, vec![])]);
    let plan = by_default(&before, &after);
    let m = &plan.mailboxes[0];
    assert_eq!(m.renewal, Some(Renewal::Clash { uid: 2 }));
    assert_eq!(m.uidvalidity, 9, "greater than either, and no other mailbox's");
    assert_eq!(contents(&plan, "INBOX", &before, &after), [(1, 10), (2, 20), (4, 11)], "live rows keep their numbers");
    assert_eq!(plan.highest_uidvalidity, 9);
    assert!(rule_numbers(plan.after[0][1]).contains(&"5.4"));
}

#[test]
fn rule_5_4_a_uid_that_after_expunged_does_not_come_back_as_something_else() {
    let before = inbox(7, vec![copy(5, 10)]);
    for (what, uid) in [(Some(identity(10)), 5), (Some(identity(11)), 11), (None, 11)] {
        let after = lineage(vec![Mailbox { expunged: vec![(5, what)], ..mailbox("INBOX", 7, vec![copy(9, 20)]) }]);
        let plan = by_default(&before, &after);
        assert_eq!(plan.mailboxes[0].renewal, None, "and for that no client has to fetch the mailbox again");
        let found = contents(&plan, "INBOX", &before, &after).into_iter().find(|(_, n)| *n == 10);
        assert_eq!(found, Some((uid, 10)), "{what:?}");
    }
}

#[test]
fn rule_5_4_a_uid_that_before_expunged_and_after_gave_to_something_else_is_a_clash() {
    let after = inbox(7, vec![copy(5, 10)]);
    for (what, clashes) in [(Some(identity(10)), false), (Some(identity(11)), true), (None, true)] {
        let expunged = Mailbox { expunged: vec![(5, what)], uidnext: 6, ..mailbox("INBOX", 7, vec![]) };
        let plan = by_default(&lineage(vec![expunged]), &after);
        assert_eq!(plan.mailboxes[0].renewal.is_some(), clashes, "{what:?}");
    }
}

#[test]
fn rule_5_4_a_uid_that_before_served_and_forgot_is_a_clash_unless_the_base_knows_it() {
    let before = lineage(vec![Mailbox { uidnext: 10, ..mailbox("INBOX", 7, vec![copy(1, 10)]) }]);
    let after = inbox(7, vec![copy(1, 10), copy(4, 11)]);
    assert_eq!(by_default(&before, &after).mailboxes[0].renewal, Some(Renewal::Clash { uid: 4 }));
    let with_base = |base: &Lineage| plan(&before, &after, Some(base), &Twins::default(), &Policy::default());
    assert_eq!(with_base(&inbox(7, vec![copy(1, 10), copy(4, 11)])).mailboxes[0].renewal, None);
    assert_eq!(
        with_base(&inbox(7, vec![copy(1, 10), copy(4, 12)])).mailboxes[0].renewal,
        Some(Renewal::Clash { uid: 4 })
    );
}

#[test]
fn rule_5_5_the_floor_of_modification_sequences_is_the_higher_one() {
    let with_modseq = |m: Mailbox, highest_modseq| lineage(vec![Mailbox { highest_modseq, ..m }]);
    let before = with_modseq(mailbox("INBOX", 7, vec![copy(1, 10)]), 900);
    let after = with_modseq(mailbox("INBOX", 7, vec![copy(101, 20)]), 12);
    assert_eq!(by_default(&before, &after).mailboxes[0].modseq_floor, 900);
}

// ---- 6: mailboxes ----

#[test]
fn rule_6_1_names_are_compared_with_case() {
    let before = lineage(vec![mailbox("inbox", 1, vec![]), mailbox("Work", 1, vec![])]);
    let after = lineage(vec![mailbox("INBOX", 2, vec![]), mailbox("work", 2, vec![])]);
    assert_eq!(names(&by_default(&before, &after)), ["INBOX", "work", "Work"]);
}

#[test]
fn rule_6_2_mailboxes_of_one_use_are_one_under_the_name_of_after() {
    for (of_before, of_after) in [("Enviados", "Sent"), ("Papelera", "Deleted Items"), ("Correo no deseado", "Junk")] {
        let before = lineage(vec![mailbox(of_before, 1, vec![copy(1, 10)])]);
        let after = lineage(vec![mailbox(of_after, 2, vec![copy(1, 20)])]);
        let plan = by_default(&before, &after);
        assert_eq!(names(&plan), [of_after]);
        assert_eq!(contents(&plan, of_after, &before, &after), [(1, 20), (3, 10)]);
        assert_eq!(plan.findings, [Finding::SpecialUseJoined { mailbox: 0 }]);
        assert!(rule_numbers(plan.before[0][0]).contains(&"6.2"));
    }
}

#[test]
fn rule_6_2_an_attribute_beats_a_name_and_a_name_beats_size() {
    let before = lineage(vec![
        mailbox("Sent Items", 1, vec![copy(1, 10), copy(2, 11)]),
        with_use(mailbox("Gesendet", 1, vec![copy(1, 12)]), SpecialUse::Sent),
    ]);
    let after = lineage(vec![mailbox("Sent", 2, vec![copy(1, 20)])]);
    let plan = by_default(&before, &after);
    assert_eq!(names(&plan), ["Sent", "Sent Items"], "two of one lineage stay two");
    assert_eq!(plan.mailboxes[0].before, Some(1));
    assert_eq!(plan.mailboxes[0].special_use, Some(SpecialUse::Sent));

    let before = lineage(vec![mailbox("Sent", 1, vec![]), mailbox("Enviados", 1, vec![copy(1, 10)])]);
    let plan = by_default(&before, &after);
    assert_eq!(plan.mailboxes[0].before, Some(0), "namesakes come first");
}

#[test]
fn rule_6_2_of_two_with_known_names_the_larger_joins() {
    let before = lineage(vec![mailbox("Enviados", 1, vec![]), mailbox("Sent Items", 1, vec![copy(1, 10)])]);
    let after = lineage(vec![mailbox("Sent", 2, vec![])]);
    let plan = by_default(&before, &after);
    assert_eq!(names(&plan), ["Sent", "Enviados"]);
    assert_eq!(plan.mailboxes[0].before, Some(1));
}

#[test]
fn rule_6_2_the_attribute_stays_with_the_mailbox_of_after() {
    let before = lineage(vec![
        with_use(mailbox("Bin", 1, vec![]), SpecialUse::Trash),
        with_use(mailbox("Trash", 1, vec![]), SpecialUse::Trash),
    ]);
    let after = lineage(vec![with_use(mailbox("Trash", 2, vec![]), SpecialUse::Trash)]);
    let plan = by_default(&before, &after);
    assert_eq!(names(&plan), ["Trash", "Bin"]);
    assert_eq!(plan.mailboxes[1].special_use, None);
    assert_eq!(plan.findings, [Finding::SpecialUseYielded { mailbox: 1, special_use: SpecialUse::Trash }]);
}

#[test]
fn rule_6_2_what_lies_below_a_joined_mailbox_keeps_its_name() {
    let before = lineage(vec![mailbox("Enviados", 1, vec![]), mailbox("Enviados/2012", 1, vec![copy(1, 10)])]);
    let after = lineage(vec![mailbox("Sent", 2, vec![])]);
    assert_eq!(names(&by_default(&before, &after)), ["Sent", "Enviados/2012"]);
}

#[test]
fn rule_6_3_subscriptions_are_those_of_either_and_empty_mailboxes_stay() {
    let subscribed = |m: Mailbox| Mailbox { subscribed: true, ..m };
    let before = lineage(vec![subscribed(mailbox("Work", 1, vec![])), mailbox("Empty", 1, vec![])]);
    let after = lineage(vec![mailbox("Work", 2, vec![]), subscribed(mailbox("New", 2, vec![]))]);
    let plan = by_default(&before, &after);
    let of: Vec<_> = plan.mailboxes.iter().map(|m| (m.name.as_str(), m.subscribed)).collect();
    assert_eq!(of, [("Work", true), ("New", true), ("Empty", false)]);
}

// ---- 9.2: damage ----

#[test]
fn rule_9_2_a_damaged_copy_is_the_same_as_a_whole_one_anywhere_in_the_account() {
    let before = lineage(vec![mailbox("INBOX", 1, vec![copy(1, 10).flags(Flags::SEEN)])]);
    let after = lineage(vec![mailbox("Work", 2, vec![wreck(4, 50, Some(10)).flags(Flags::FLAGGED)])]);
    let plan = by_default(&before, &after);
    assert_eq!(contents(&plan, "INBOX", &before, &after), [(1, 10)], "the whole copy, where it was");
    assert!(uids(&plan, "Work").is_empty(), "and the damaged one goes");
    assert_eq!(plan.after[0][0].outcome, Outcome::SameAs { placement: 0 });
    assert!(rule_numbers(plan.after[0][0]).contains(&"9.2"));
    assert_eq!(plan.placements[0].flags, Flags::SEEN | Flags::FLAGGED, "what its owner did with it counts");
}

#[test]
fn rule_9_2_a_damaged_copy_never_adds_one() {
    let before = inbox(1, vec![copy(1, 10), wreck(2, 50, Some(10))]);
    let after = inbox(2, vec![copy(1, 10)]);
    let plan = by_default(&before, &after);
    assert_eq!(rows(&plan, "INBOX"), [(1, Change::NONE)]);
}

#[test]
fn rule_9_2_a_uid_that_named_a_damaged_copy_does_not_come_to_name_the_whole() {
    let (before, after) = (inbox(7, vec![copy(3, 10)]), inbox(7, vec![wreck(3, 50, Some(10)), copy(4, 20)]));
    let plan = by_default(&before, &after);
    assert_eq!(plan.mailboxes[0].renewal, None, "it is no clash");
    assert_eq!(contents(&plan, "INBOX", &before, &after), [(4, 20), (6, 10)], "but the client fetches the whole one");
}

#[test]
fn rule_9_2_a_damaged_copy_without_a_whole_one_stays() {
    let before = inbox(1, vec![wreck(1, 50, None), wreck(2, 51, Some(10))]);
    let plan = by_default(&before, &inbox(2, vec![copy(1, 20)]));
    assert_eq!(uids(&plan, "INBOX"), [1, 4, 5], "also when the whole one is not there after all");
}

#[test]
fn rule_9_3_a_mailbox_for_orphans_that_are_all_elsewhere_can_be_left_out() {
    let before = lineage(vec![
        mailbox("Recuperados", 1, vec![copy(1, 10)]),
        mailbox("Empty", 1, vec![]),
        with_use(mailbox("Bin", 1, vec![copy(1, 11)]), SpecialUse::Trash),
    ]);
    let after = lineage(vec![
        mailbox("Work", 2, vec![copy(1, 10)]),
        with_use(mailbox("Rubbish", 2, vec![]), SpecialUse::Trash),
    ]);
    let mut plan = by_default(&before, &after);
    assert_eq!(names(&plan), ["Work", "Rubbish", "Recuperados", "Empty"]);
    plan.leave_out_empty(|mailbox| mailbox == 0);
    assert_eq!(names(&plan), ["Work", "Rubbish", "Empty"], "and what was empty in its history stays");
    assert_eq!(contents(&plan, "Rubbish", &before, &after), [(1, 11)]);

    let orphans = lineage(vec![mailbox("Orphans", 1, vec![]), mailbox("Later", 1, vec![copy(1, 12)])]);
    let mut plan = by_default(&orphans, &lineage(vec![]));
    plan.leave_out_empty(|_| true);
    assert_eq!(names(&plan), ["Later"]);
    assert_eq!(plan.placements[0].mailbox, 0, "the others move up");
}

// ---- What other tools get wrong ----

#[test]
fn peers_twenty_one_identical_copies_in_one_mailbox_stay_twenty_one() {
    let many = |n: u32| (1..=n).map(|uid| copy(uid, 10)).collect::<Vec<_>>();
    for (of_before, of_after) in [(21, 0), (21, 1), (21, 20), (20, 21), (1, 21), (21, 21)] {
        let (before, after) = (inbox(1, many(of_before)), inbox(2, many(of_after)));
        let plan = by_default(&before, &after);
        assert_eq!(plan.placements.len(), 21);
        let live = carry_out(&plan, &before, &after);
        assert!(by_default(&before, &live).changes_nothing());
    }
}

/// A copy of a message that is written out.
fn mail(uid: u32, text: &str) -> Message {
    let examined = message::examine(&message::to_crlf(text.as_bytes()));
    Message { digest: examined.digest, identity: examined.identity, ..copy(uid, 0) }
}

#[test]
fn peers_what_a_header_has_in_common_makes_no_two_messages_one() {
    let pairs = [
        ("no Message-ID", "Subject: hi\n\none\n", "Subject: hi\n\ntwo\n"),
        (
            "the same Message-ID and Received, another body",
            "Received: by mx.example.org; 1 Jan 2026 00:00:00 +0000\nMessage-ID: <1@example.org>\n\none\n",
            "Received: by mx.example.org; 1 Jan 2026 00:00:00 +0000\nMessage-ID: <1@example.org>\n\ntwo\n",
        ),
        ("ids that differ by case", "Message-ID: <a@example.org>\n\nsame\n", "Message-ID: <A@example.org>\n\nsame\n"),
        (
            "ids that differ by an accent",
            "Message-ID: <a@example.org>\n\nsame\n",
            "Message-ID: <á@example.org>\n\nsame\n",
        ),
    ];
    for (what, one, two) in pairs {
        for (before, after) in [
            (inbox(1, vec![mail(1, one), mail(2, two)]), inbox(2, vec![])),
            (inbox(1, vec![mail(1, one)]), inbox(2, vec![mail(1, two)])),
            (inbox(1, vec![mail(1, one), mail(2, two)]), inbox(2, vec![mail(1, two)])),
        ] {
            assert_eq!(by_default(&before, &after).placements.len(), 2, "{what}");
        }
    }
}

#[test]
fn peers_uids_never_name_other_content_after_a_merge() {
    // Both servers began at UID 1 under one UIDVALIDITY: a merge that keeps either UID misleads the other's clients.
    let before = inbox(1, (1..=1500).map(|uid| copy(uid, u64::from(uid))).collect());
    let after = inbox(1, (1..=1500).map(|uid| copy(uid, u64::from(uid) + 5000)).collect());
    let plan = by_default(&before, &after);
    assert_eq!(plan.mailboxes[0].uidvalidity, 2);
    assert_eq!(plan.placements.len(), 3000);
}

#[test]
fn a_policy_can_be_written_down_and_read_back() {
    let policy = Policy { keep_uids: Some(Side::Before), join_twins: true, ..Policy::default() };
    let text = serde_json::to_string(&policy).unwrap();
    assert!(text.contains("\"keep_uids\":\"before\""), "{text}");
    assert_eq!(serde_json::from_str::<Policy>(&text).unwrap(), policy);
    assert_eq!(serde_json::from_str::<Policy>("{}").unwrap(), Policy::default());
    assert!(
        serde_json::from_str::<Policy>("{\"honor_deletions\":true}").is_err(),
        "a misspelt choice is not a default"
    );
}
