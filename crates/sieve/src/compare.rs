//! Comparators (RFC 4790) and match types (RFC 5228 §2.7, RFC 5231).

use crate::limits::MAX_CAPTURES;
use memchr::memmem;
use std::borrow::Cow;
use std::cmp::Ordering;
use unicode_normalization::UnicodeNormalization;

/// How two strings compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Comparator {
    Octet,
    #[default]
    AsciiCasemap,
    /// RFC 5051.
    UnicodeCasemap,
    /// Strings that begin with no digit are greater than every number, and equal.
    AsciiNumeric,
}

/// What a key must be to a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum MatchType {
    #[default]
    Is,
    Contains,
    Matches,
    Value(Relation),
    Count(Relation),
}

/// RFC 5231 §4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
}

/// The steps that a run has left.
#[derive(Clone, Debug)]
pub(crate) struct Steps(pub(crate) u64);

/// A run has used up its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfSteps;

impl Steps {
    pub(crate) fn take(&mut self, steps: usize) -> Result<(), OutOfSteps> {
        self.0 = self.0.checked_sub(steps as u64).ok_or(OutOfSteps)?;
        Ok(())
    }

    /// Takes the steps of going through some bytes.
    pub(crate) fn take_bytes(&mut self, bytes: usize) -> Result<(), OutOfSteps> {
        self.take(1 + bytes / 16)
    }
}

impl Relation {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match &name.to_ascii_lowercase()[..] {
            "gt" => Relation::Greater,
            "ge" => Relation::GreaterOrEqual,
            "lt" => Relation::Less,
            "le" => Relation::LessOrEqual,
            "eq" => Relation::Equal,
            "ne" => Relation::NotEqual,
            _ => return None,
        })
    }

    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Relation::Greater => ordering.is_gt(),
            Relation::GreaterOrEqual => ordering.is_ge(),
            Relation::Less => ordering.is_lt(),
            Relation::LessOrEqual => ordering.is_le(),
            Relation::Equal => ordering.is_eq(),
            Relation::NotEqual => ordering.is_ne(),
        }
    }
}

impl Comparator {
    /// The steps of mapping a character: i;unicode-casemap looks each up.
    fn steps_per_char(self) -> usize {
        if self == Comparator::UnicodeCasemap { 16 } else { 1 }
    }

    /// A string in the form whose bytes are compared.
    fn mapped(self, text: &str) -> Cow<'_, str> {
        match self {
            Comparator::AsciiCasemap if text.bytes().any(|b| b.is_ascii_lowercase()) => {
                Cow::Owned(text.to_ascii_uppercase())
            }
            Comparator::UnicodeCasemap => Cow::Owned(message::text::casemap(text)),
            _ => Cow::Borrowed(text),
        }
    }

    fn same(self, a: char, b: char) -> bool {
        a == b
            || match self {
                Comparator::AsciiCasemap => a.eq_ignore_ascii_case(&b),
                Comparator::UnicodeCasemap => {
                    let mapped = |c: char| message::text::casemap(c.encode_utf8(&mut [0; 4]));
                    a.eq_ignore_ascii_case(&b) || !(a.is_ascii() && b.is_ascii()) && mapped(a) == mapped(b)
                }
                Comparator::Octet | Comparator::AsciiNumeric => false,
            }
    }
}

/// RFC 4790 §9.1.
fn compare_numbers(a: &str, b: &str) -> Ordering {
    let number = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        (end > 0).then(|| text[..end].trim_start_matches('0').to_owned())
    };
    match (number(a), number(b)) {
        (Some(a), Some(b)) => (a.len(), a).cmp(&(b.len(), b)),
        (a, b) => a.is_none().cmp(&b.is_none()),
    }
}

/// Whether some key matches some value; under `:matches` also what the wildcards stand for, the whole value first.
pub(crate) fn any_matches(
    comparator: Comparator,
    match_type: MatchType,
    values: &[Cow<'_, str>],
    keys: &[String],
    steps: &mut Steps,
) -> Result<Option<Vec<String>>, OutOfSteps> {
    if let MatchType::Count(relation) = match_type {
        let count = values.len().to_string();
        let holds = keys.iter().any(|key| relation.holds(compare_numbers(&count, key)));
        return Ok(holds.then(Vec::new));
    }
    let mapping = |text: &str| text.len() * comparator.steps_per_char() / 16;
    steps.take(keys.iter().map(|key| mapping(key)).sum())?;
    let mapped_keys: Vec<Cow<'_, str>> = keys.iter().map(|key| comparator.mapped(key)).collect();
    for value in values {
        steps.take(1 + mapping(value))?;
        let mapped = comparator.mapped(value);
        for (key, mapped_key) in keys.iter().zip(&mapped_keys) {
            steps.take_bytes(value.len() + key.len())?;
            let order = || match comparator {
                Comparator::AsciiNumeric => compare_numbers(value, key),
                _ => mapped.as_bytes().cmp(mapped_key.as_bytes()),
            };
            let matched = match match_type {
                MatchType::Matches => {
                    if let Some(captures) = glob(comparator, key, value, steps)? {
                        return Ok(Some(captures));
                    }
                    false
                }
                MatchType::Contains => memmem::find(mapped.as_bytes(), mapped_key.as_bytes()).is_some(),
                MatchType::Is => order().is_eq(),
                MatchType::Value(relation) => relation.holds(order()),
                MatchType::Count(_) => false,
            };
            if matched {
                return Ok(Some(Vec::new()));
            }
        }
    }
    Ok(None)
}

/// A character of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Char(char),
    One,
    Many,
}

fn signs(pattern: &str) -> Vec<Sign> {
    let mut chars = pattern.chars();
    let mut signs = Vec::with_capacity(pattern.len());
    while let Some(c) = chars.next() {
        signs.push(match c {
            '*' => Sign::Many,
            '?' => Sign::One,
            '\\' => Sign::Char(chars.next().unwrap_or('\\')),
            c => Sign::Char(c),
        });
    }
    signs
}

/// Matches a value with a pattern of `*` and `?`, each wildcard as short as it can be, the leftmost first.
///
/// What stands between two `*` is taken where it first occurs: a later place could only make the wildcard before it longer.
/// So nothing is tried twice, and the work is at most the length of the pattern times that of the value, in steps.
fn glob(
    comparator: Comparator,
    pattern: &str,
    value: &str,
    steps: &mut Steps,
) -> Result<Option<Vec<String>>, OutOfSteps> {
    steps.take((pattern.len() + value.len()) / 4)?;
    let normal = |text: &str| match comparator {
        // One character of the one is one of the other, however it is composed.
        Comparator::UnicodeCasemap => text.nfc().collect(),
        _ => text.to_owned(),
    };
    let (pattern, value) = (signs(&normal(pattern)), normal(value));
    let places: Vec<(usize, char)> = value.char_indices().collect();
    let place = |at: usize| places.get(at).map_or(value.len(), |(place, _)| *place);
    let fits_at = |segment: &[Sign], at: usize, steps: &mut Steps| -> Result<bool, OutOfSteps> {
        let Some(there) = places.get(at..at + segment.len()) else { return Ok(false) };
        for (sign, (_, c)) in segment.iter().zip(there) {
            steps.take(comparator.steps_per_char())?;
            if matches!(sign, Sign::Char(expected) if !comparator.same(*expected, *c)) {
                return Ok(false);
            }
        }
        Ok(true)
    };

    let segments: Vec<&[Sign]> = pattern.split(|sign| *sign == Sign::Many).collect();
    // Where each segment begins, in characters.
    let mut begins = Vec::with_capacity(segments.len());
    let mut at = 0;
    for (number, segment) in segments.iter().enumerate() {
        let is_last = number + 1 == segments.len();
        let begin = if number == 0 {
            (!is_last || segment.len() == places.len()).then_some(0).filter(|_| segment.len() <= places.len())
        } else if is_last {
            places.len().checked_sub(segment.len()).filter(|begin| *begin >= at)
        } else {
            let mut found = None;
            for begin in at..=places.len().saturating_sub(segment.len()) {
                steps.take(1)?;
                if fits_at(segment, begin, steps)? {
                    found = Some(begin);
                    break;
                }
            }
            found
        };
        let Some(begin) = begin else { return Ok(None) };
        if (number == 0 || is_last) && !fits_at(segment, begin, steps)? {
            return Ok(None);
        }
        begins.push(begin);
        at = begin + segment.len();
    }

    let mut captures = vec![value.clone()];
    let mut end_before = 0;
    for (number, (segment, begin)) in segments.iter().zip(begins).enumerate() {
        if number > 0 {
            captures.push(value[place(end_before)..place(begin)].to_owned());
        }
        for (offset, _) in segment.iter().enumerate().filter(|(_, sign)| **sign == Sign::One) {
            captures.push(value[place(begin + offset)..place(begin + offset + 1)].to_owned());
        }
        end_before = begin + segment.len();
        if captures.len() >= MAX_CAPTURES {
            captures.truncate(MAX_CAPTURES);
            break;
        }
    }
    Ok(Some(captures))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    fn matched(comparator: Comparator, pattern: &str, value: &str) -> Option<Vec<String>> {
        glob(comparator, pattern, value, &mut Steps(1_000_000)).unwrap()
    }

    /// What RFC 5229 §3.2 says, tried one after the other: each wildcard as short as it can be, the leftmost first.
    fn tried(signs: &[Sign], value: &[char]) -> Option<Vec<String>> {
        let Some((first, rest)) = signs.split_first() else { return value.is_empty().then(Vec::new) };
        let with = |taken: usize| {
            let mut captures = tried(rest, &value[taken..])?;
            captures.insert(0, value[..taken].iter().collect());
            Some(captures)
        };
        match first {
            Sign::Many => (0..=value.len()).find_map(with),
            Sign::One if value.is_empty() => None,
            Sign::One => with(1),
            Sign::Char(c) => tried(rest, value.strip_prefix(&[*c])?),
        }
    }

    proptest! {
        #[test]
        fn patterns_match_as_if_all_were_tried(pattern in "[ab*?]{0,8}", value in "[abñ]{0,10}") {
            let chars: Vec<char> = value.chars().collect();
            let expected = tried(&signs(&pattern), &chars).map(|mut captures| {
                captures.insert(0, value.clone());
                captures
            });
            prop_assert_eq!(matched(Comparator::Octet, &pattern, &value), expected);
        }
    }

    #[test]
    fn characters_that_are_composed_otherwise_match() {
        let captures = matched(Comparator::UnicodeCasemap, "SE\u{F1}?L", "sen\u{303}al").unwrap();
        assert_eq!(captures, ["se\u{F1}al", "a"]);
        assert_eq!(matched(Comparator::AsciiCasemap, "Ñ*", "ñu"), None);
        assert_eq!(matched(Comparator::AsciiCasemap, "a\\", "A\\"), Some(vec!["A\\".to_owned()]));
    }

    #[test]
    fn only_the_first_wildcards_are_kept() {
        let captures = matched(Comparator::Octet, &"?".repeat(100), &"a".repeat(100)).unwrap();
        assert_eq!(captures.len(), MAX_CAPTURES);
    }

    #[test]
    fn work_beyond_the_steps_is_refused() {
        assert_eq!(glob(Comparator::Octet, "*aaab*", &"a".repeat(1000), &mut Steps(1000)), Err(OutOfSteps));
    }
}
