//! What SEARCH looks for, made ready: numbers resolved, strings folded, the cheap before the dear.

use crate::session::selected::Selected;
use crate::syntax::set::Numbers;
use crate::syntax::{By, DateOf, SearchKey};
use message::{Flags, Keyword, text::fold};
use store::TextScope;

/// What a message must be like.
#[derive(Debug)]
pub(super) enum Plan {
    All,
    Nothing,
    /// Cheapest first.
    And(Vec<Plan>),
    /// Cheapest first.
    Or(Vec<Plan>),
    Not(Box<Plan>),
    /// One of these UIDs, as ascending ranges.
    Uids(Vec<(u32, u32)>),
    Row(RowTest),
    /// The day that the Date field says.
    Sent(DayTest),
    Header(FieldTest),
    /// `EMAILID`, `THREADID` of RFC 8474.
    EmailId(String),
    ThreadId(String),
    /// Each of these texts.
    Text(Vec<(TextScope, String)>),
}

/// What the image can tell.
#[derive(Debug)]
pub(super) enum RowTest {
    Flag(Flags),
    Keyword(Keyword),
    Internal(DayTest),
    Saved(DayTest),
    Larger(u64),
    Smaller(u64),
    /// INTERNALDATE at or before this second.
    Until(i64),
    /// INTERNALDATE at or after this second.
    From(i64),
    ModSeq(u64),
}

/// A day, in days since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) enum DayTest {
    Before(i64),
    On(i64),
    Since(i64),
}

impl DayTest {
    /// Whether a day is meant.
    pub(super) fn holds(self, day: i64) -> bool {
        match self {
            DayTest::Before(than) => day < than,
            DayTest::On(that) => day == that,
            DayTest::Since(then) => day >= then,
        }
    }
}

/// A header field that has a text in it.
#[derive(Debug)]
pub(super) struct FieldTest {
    /// The field's name.
    pub(super) name: String,
    /// Folded; empty: the field is there.
    pub(super) needle: String,
}

impl Plan {
    /// Makes ready what a client asks, at this time.
    pub(super) fn new(key: &SearchKey, selected: &Selected, now: i64) -> Self {
        let plan = |key| Plan::new(key, selected, now);
        match key {
            SearchKey::All | SearchKey::SaveDateSupported => Plan::All,
            SearchKey::Recent => Plan::Nothing,
            SearchKey::And(keys) => Plan::And(cheapest_first(texts_joined(keys.iter().map(plan)))),
            SearchKey::Or(one, other) => Plan::Or(cheapest_first(vec![plan(one), plan(other)])),
            SearchKey::Not(key) => Plan::Not(Box::new(plan(key))),
            SearchKey::Flag(flag) => Plan::Row(RowTest::Flag(*flag)),
            SearchKey::Keyword(keyword) => Plan::Row(RowTest::Keyword(keyword.clone())),
            SearchKey::Numbers(numbers) => Plan::Uids(uid_ranges(selected, By::Seq, numbers)),
            SearchKey::Uids(numbers) => Plan::Uids(uid_ranges(selected, By::Uid, numbers)),
            SearchKey::Before(date, day) => dated(*date, DayTest::Before(*day)),
            SearchKey::On(date, day) => dated(*date, DayTest::On(*day)),
            SearchKey::Since(date, day) => dated(*date, DayTest::Since(*day)),
            SearchKey::Larger(size) => Plan::Row(RowTest::Larger(*size)),
            SearchKey::Smaller(size) => Plan::Row(RowTest::Smaller(*size)),
            SearchKey::Older(seconds) => Plan::Row(RowTest::Until(now - i64::from(*seconds))),
            SearchKey::Younger(seconds) => Plan::Row(RowTest::From(now - i64::from(*seconds))),
            SearchKey::ModSeq(modseq) => Plan::Row(RowTest::ModSeq(*modseq)),
            SearchKey::Header(name, text) => Plan::Header(FieldTest { name: name.clone(), needle: fold(text) }),
            SearchKey::Text(text) => Plan::Text(vec![(TextScope::Text, text.clone())]),
            SearchKey::Body(text) => Plan::Text(vec![(TextScope::Body, text.clone())]),
            SearchKey::EmailId(id) => Plan::EmailId(id.clone()),
            SearchKey::ThreadId(id) => Plan::ThreadId(id.clone()),
        }
    }

    /// How dear it is to find out, in steps of about a hundred times.
    fn cost(&self) -> u8 {
        match self {
            Plan::All | Plan::Nothing | Plan::Uids(_) | Plan::Row(_) => 0,
            Plan::Sent(_) | Plan::Header(_) | Plan::EmailId(_) | Plan::ThreadId(_) => 1,
            Plan::Text(_) => 2,
            Plan::Not(plan) => plan.cost(),
            // What is left to its last part is few, as a rule.
            Plan::And(plans) => plans.first().map_or(0, Plan::cost),
            Plan::Or(plans) => plans.last().map_or(0, Plan::cost),
        }
    }
}

fn cheapest_first(mut plans: Vec<Plan>) -> Vec<Plan> {
    plans.sort_by_key(Plan::cost);
    plans
}

/// Texts that must all be there are looked for at once, so that no message is read twice.
fn texts_joined(plans: impl Iterator<Item = Plan>) -> Vec<Plan> {
    let (mut joined, mut texts) = (Vec::new(), Vec::new());
    for plan in plans {
        match plan {
            Plan::Text(more) => texts.extend(more),
            other => joined.push(other),
        }
    }
    if !texts.is_empty() {
        joined.push(Plan::Text(texts));
    }
    joined
}

fn dated(date: DateOf, test: DayTest) -> Plan {
    match date {
        DateOf::Internal => Plan::Row(RowTest::Internal(test)),
        DateOf::Saved => Plan::Row(RowTest::Saved(test)),
        DateOf::Sent => Plan::Sent(test),
    }
}

/// The UIDs that numbers name. Numbers beyond the view name nothing: a search for them finds nothing.
fn uid_ranges(selected: &Selected, by: By, numbers: &Numbers) -> Vec<(u32, u32)> {
    let view = &selected.view;
    match (numbers, by) {
        (Numbers::Saved, _) => selected.saved.iter().map(|&uid| (uid, uid)).collect(),
        (Numbers::Set(set), By::Uid) => set.resolve(view.last_uid().unwrap_or(0)),
        (Numbers::Set(set), By::Seq) => {
            let ranges = set.resolve(view.len()).into_iter().filter(|&(low, _)| low <= view.len());
            // What lies between two UIDs of the view and is not in it came later than both: it is not in the view at all.
            ranges.filter_map(|(low, high)| Some((view.uid(low.max(1))?, view.uid(high.min(view.len()))?))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cheap_come_before_the_dear() {
        let text = || Plan::Text(vec![(TextScope::Text, "x".into())]);
        let header = || Plan::Header(FieldTest { name: "From".into(), needle: "x".into() });
        let sorted = cheapest_first(vec![text(), header(), Plan::Not(Box::new(Plan::All))]);
        assert_eq!(sorted.iter().map(Plan::cost).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(Plan::Or(vec![Plan::All, text()]).cost(), 2);
        assert_eq!(Plan::And(vec![Plan::All, text()]).cost(), 0);
    }

    #[test]
    fn days_are_compared_as_days() {
        assert!(DayTest::Before(3).holds(2) && !DayTest::Before(3).holds(3));
        assert!(DayTest::On(3).holds(3) && !DayTest::On(3).holds(4));
        assert!(DayTest::Since(3).holds(3) && !DayTest::Since(3).holds(2));
    }
}
