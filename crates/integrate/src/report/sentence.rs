//! The one-sentence answer to "what happened to this mailbox?": the same words for its owner, the domain admin and the
//! help desk, computed once.
//!
//! It is built from facts in a fixed order: numbers, what is missing, password, exceptions, what waits. It names
//! nobody, so that it is true whoever reads it. For any account of fewer than ten million messages it is no longer than
//! [`MAX_CHARS`].

use super::model::{AccountReport, Case, PasswordOrigin, Totals};
use super::text::Texts;

/// The longest answer, in characters: what can be read aloud in ten seconds.
const MAX_CHARS: usize = 200;

/// A language of the reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Spanish of Mexico.
    Spanish,
    /// English.
    English,
}

/// Says what happened to an account.
pub fn sentence(account: &AccountReport, language: Language) -> String {
    let texts = Texts::of(language);
    let totals = &account.totals;
    // In the order in which they are said; the number is how soon a clause gives way when there is no room, 0 never.
    let clauses = [
        (0, Some(numbers(totals, texts))),
        (0, (totals.missing > 0).then(|| (texts.clause_missing)(totals.missing))),
        (1, password(account, texts).map(str::to_owned)),
        (3, (totals.unreadable > 0).then(|| (texts.clause_unreadable)(totals.unreadable))),
        (4, (totals.damaged > 0).then(|| (texts.clause_damaged)(totals.damaged))),
        (5, account.over_quota.then(|| texts.clause_over_quota.to_owned())),
        (2, (account.open_decisions > 0).then(|| (texts.clause_open)(account.open_decisions))),
    ];
    let mut clauses: Vec<_> = clauses.into_iter().filter_map(|(yields, text)| Some((yields, text?))).collect();
    let length = |clauses: &[(u8, String)]| clauses.iter().map(|(_, text)| text.chars().count() + 1).sum::<usize>() - 1;
    if length(&clauses) > MAX_CHARS {
        // Leaving a fact out is said; whoever reads it has the numbers beside it.
        clauses.push((0, texts.clause_more.to_owned()));
        while length(&clauses) > MAX_CHARS
            && let Some(first) = (0..clauses.len()).max_by_key(|place| clauses[*place].0)
            && clauses[first].0 > 0
        {
            clauses.remove(first);
        }
    }
    clauses.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(" ")
}

/// The numbers of an account, a domain or the whole, in words that add up.
pub(super) fn numbers(totals: &Totals, texts: &Texts) -> String {
    let Totals { before, after, in_both, result, damaged_replaced, deleted, sealed, unattributed, .. } = *totals;
    if sealed > 0 && sealed == before {
        return (texts.numbers_sealed)(sealed, result);
    }
    match (before, after) {
        (0, 0) => texts.numbers_none.to_owned(),
        (0, after) if after == result => (texts.numbers_after_only)(after),
        (before, 0) if before == result => (texts.numbers_before_only)(before),
        _ => {
            let apart = damaged_replaced.saturating_add(deleted).saturating_add(sealed).saturating_add(unattributed);
            (texts.numbers)(before, after, in_both, apart, result)
        }
    }
}

fn password<'t>(account: &AccountReport, texts: &'t Texts) -> Option<&'t str> {
    match (account.password, account.case) {
        (PasswordOrigin::None, Case::MaildropWithoutAccount) => Some(texts.clause_no_account),
        (PasswordOrigin::None, _) => Some(texts.clause_password_none),
        (PasswordOrigin::After, _) => Some(texts.clause_password_after),
        (PasswordOrigin::Before, _) => Some(texts.clause_password_before),
    }
}
