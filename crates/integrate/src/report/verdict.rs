//! The one word, the grades, and the sum that must add up (`RULES.md 10.3`, 10.5).

use super::model::Totals;
use serde::{Deserialize, Serialize};

/// One word, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The word.
    pub word: VerdictWord,
    /// Why it is not *complete*; empty when it is.
    pub reasons: Vec<Reason>,
}

/// The word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictWord {
    /// Every row of every source is kept or the same as a named survivor, and verify says so.
    Complete,
    /// Not every one.
    Incomplete,
}

/// One reason, and how many rows or messages it concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// What.
    pub kind: ReasonKind,
    /// How many.
    pub count: u64,
}

/// Why an integration is incomplete, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonKind {
    /// Readable messages are not in the result.
    Missing,
    /// The numbers do not add up; the count is the difference.
    DoesNotAddUp,
    /// Verify has not passed over it.
    NotVerified,
    /// Files could not be read.
    Unreadable,
    /// Messages are sealed.
    Sealed,
    /// Messages belong to nobody.
    Unattributed,
    /// Messages were left out as deleted.
    Deleted,
    /// UIDs are listed without a file.
    ListedNoFile,
    /// Deliveries were not finished.
    Unfinished,
    /// Files are no message.
    NotAMessage,
}

/// What a person has to do about a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Nothing.
    Perfect,
    /// Nothing: only damage that the source had, listed.
    Good,
    /// Decisions wait.
    Look,
    /// Readable mail is missing, or the numbers do not add up.
    Poor,
}

/// Whether the numbers add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AddingUp {
    /// What the result should hold: before + after − in both − damaged replaced − deleted − sealed − unattributed.
    pub expected: i64,
    /// What it holds beyond that, or lacks where negative.
    pub difference: i64,
    /// Whether there is no difference.
    pub holds: bool,
}

impl Verdict {
    /// Decides by `RULES.md 10.5`: *complete* only when every row of every source is kept or the same as a survivor.
    pub fn judge(totals: &Totals, verified: bool) -> Verdict {
        let candidates = [
            (ReasonKind::Missing, totals.missing),
            (ReasonKind::DoesNotAddUp, totals.adding_up().difference.unsigned_abs()),
            (ReasonKind::NotVerified, u64::from(!verified)),
            (ReasonKind::Unreadable, totals.unreadable),
            (ReasonKind::Sealed, totals.sealed),
            (ReasonKind::Unattributed, totals.unattributed),
            (ReasonKind::Deleted, totals.deleted),
            (ReasonKind::ListedNoFile, totals.listed_no_file),
            (ReasonKind::Unfinished, totals.unfinished),
            (ReasonKind::NotAMessage, totals.not_a_message),
        ];
        let reasons: Vec<_> = candidates
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(kind, count)| Reason { kind, count })
            .collect();
        let word = if reasons.is_empty() { VerdictWord::Complete } else { VerdictWord::Incomplete };
        Verdict { word, reasons }
    }
}

impl Grade {
    /// Decides by `RULES.md 10.5`. Files that are no message (indexes) ask nothing of anybody and cost no grade.
    pub fn judge(totals: &Totals, open_decisions: u64) -> Grade {
        if totals.missing > 0 || !totals.adding_up().holds {
            Grade::Poor
        } else if open_decisions > 0 {
            Grade::Look
        } else if [totals.damaged, totals.unreadable, totals.listed_no_file, totals.unfinished].iter().any(|n| *n > 0) {
            Grade::Good
        } else {
            Grade::Perfect
        }
    }
}

impl Totals {
    /// Adds up what the result should hold and compares.
    pub fn adding_up(&self) -> AddingUp {
        let Totals { before, after, in_both, damaged_replaced, deleted, sealed, unattributed, .. } = *self;
        let plus = i128::from(before) + i128::from(after);
        let minus = [in_both, damaged_replaced, deleted, sealed, unattributed].map(i128::from).iter().sum::<i128>();
        let clamp = |number: i128| number.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        let difference = i128::from(self.result) - (plus - minus);
        AddingUp { expected: clamp(plus - minus), difference: clamp(difference), holds: difference == 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn even() -> Totals {
        Totals { before: 10, after: 4, in_both: 2, result: 12, added: 8, ..Totals::default() }
    }

    #[test]
    fn complete_needs_every_row_kept_and_verified() {
        assert_eq!(Verdict::judge(&even(), true), Verdict { word: VerdictWord::Complete, reasons: vec![] });
        assert_eq!(
            Verdict::judge(&even(), false).reasons,
            [Reason { kind: ReasonKind::NotVerified, count: 1 }],
            "what verify has not seen is not proven"
        );
        type Spoil = fn(&mut Totals);
        let spoil: [(Spoil, ReasonKind); 9] = [
            (|t| t.missing = 3, ReasonKind::Missing),
            (|t| t.result -= 3, ReasonKind::DoesNotAddUp),
            (|t| t.unreadable = 3, ReasonKind::Unreadable),
            (|t| (t.sealed, t.result) = (3, 9), ReasonKind::Sealed),
            (|t| (t.unattributed, t.result) = (3, 9), ReasonKind::Unattributed),
            (|t| (t.deleted, t.result) = (3, 9), ReasonKind::Deleted),
            (|t| t.listed_no_file = 3, ReasonKind::ListedNoFile),
            (|t| t.unfinished = 3, ReasonKind::Unfinished),
            (|t| t.not_a_message = 3, ReasonKind::NotAMessage),
        ];
        for (spoil, kind) in spoil {
            let mut totals = even();
            spoil(&mut totals);
            let verdict = Verdict::judge(&totals, true);
            assert_eq!(verdict.word, VerdictWord::Incomplete);
            assert_eq!(verdict.reasons, [Reason { kind, count: 3 }]);
        }
    }

    #[test]
    fn the_grade_is_what_a_person_has_to_do() {
        assert_eq!(Grade::judge(&even(), 0), Grade::Perfect);
        assert_eq!(Grade::judge(&Totals { not_a_message: 1, ..even() }, 0), Grade::Perfect);
        assert_eq!(Grade::judge(&Totals { unreadable: 1, ..even() }, 0), Grade::Good);
        assert_eq!(Grade::judge(&Totals { unreadable: 1, ..even() }, 1), Grade::Look);
        assert_eq!(Grade::judge(&Totals { missing: 1, ..even() }, 1), Grade::Poor);
        assert_eq!(Grade::judge(&Totals { result: 11, ..even() }, 0), Grade::Poor);
    }

    #[test]
    fn sums_that_overflow_do_not_add_up_and_do_not_panic() {
        let totals = Totals { before: u64::MAX, after: u64::MAX, ..Totals::default() };
        assert!(!totals.adding_up().holds);
    }
}
