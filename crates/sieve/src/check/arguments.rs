//! The arguments of a command or test, tagged ones taken out by name (RFC 5228 §2.6).

use super::Checker;
use crate::compare::{Comparator, MatchType, Relation};
use crate::extension::Extension;
use crate::program::AddressPart;
use crate::syntax::{Argument, Position, Value};

/// What has not been taken of the arguments.
pub(super) struct Arguments<'t> {
    pub(super) at: Position,
    pub(super) name: &'t str,
    slots: Vec<Option<&'t Argument>>,
    /// Behind the last tagged argument that was taken.
    tags_end: usize,
}

impl<'t> Arguments<'t> {
    pub(super) fn new(at: Position, name: &'t str, arguments: &'t [Argument]) -> Self {
        Arguments { at, name, slots: arguments.iter().map(Some).collect(), tags_end: 0 }
    }

    /// Takes a tag and gives where it stands.
    fn take(&mut self, tag: &str) -> Option<(usize, Position)> {
        let is_it =
            |slot: &Option<&Argument>| slot.is_some_and(|a| matches!(&a.value, Value::Tag(name) if name == tag));
        let place = self.slots.iter().position(is_it)?;
        let at = self.slots[place].take()?.at;
        self.tags_end = self.tags_end.max(place + 1);
        Some((place, at))
    }

    /// Takes a tag that has no value; whether it was there.
    pub(super) fn flag(&mut self, checker: &mut Checker, tag: &str, extension: Option<Extension>) -> bool {
        let Some((_, at)) = self.take(tag) else { return false };
        if let Some(extension) = extension {
            checker.need(at, &format!(":{tag}"), extension);
        }
        true
    }

    /// Takes a tag and the value after it.
    pub(super) fn value(
        &mut self,
        checker: &mut Checker,
        tag: &str,
        extension: Option<Extension>,
    ) -> Option<&'t Argument> {
        let (place, at) = self.take(tag)?;
        if let Some(extension) = extension {
            checker.need(at, &format!(":{tag}"), extension);
        }
        let value = self.slots.get_mut(place + 1).and_then(|slot| match slot {
            Some(Argument { value: Value::Tag(_), .. }) | None => None,
            Some(_) => slot.take(),
        });
        self.tags_end = self.tags_end.max(place + 2);
        if value.is_none() {
            checker.error(at, format!(":{tag} needs a value after it"));
        }
        value
    }

    /// Takes one of some tags without a value.
    pub(super) fn one_of<T: Copy>(
        &mut self,
        checker: &mut Checker,
        tags: &[(&str, T, Option<Extension>)],
    ) -> Option<T> {
        let mut found = None;
        for (tag, meaning, extension) in tags {
            let at = self.at;
            if self.flag(checker, tag, *extension) {
                if found.is_some() {
                    checker.error(at, format!(":{tag} of {} excludes another tag beside it", self.name));
                }
                found = Some(*meaning);
            }
        }
        found
    }

    /// Takes the comparator and the match type.
    pub(super) fn matching(&mut self, checker: &mut Checker) -> Option<(Comparator, MatchType)> {
        let comparator = match self.value(checker, "comparator", None) {
            None => Comparator::default(),
            Some(argument) => match &checker.constant(argument)?[..] {
                "i;octet" => Comparator::Octet,
                "i;ascii-casemap" => Comparator::AsciiCasemap,
                "i;unicode-casemap" => {
                    checker.need(argument.at, "i;unicode-casemap", Extension::ComparatorUnicode);
                    Comparator::UnicodeCasemap
                }
                "i;ascii-numeric" => {
                    checker.need(argument.at, "i;ascii-numeric", Extension::ComparatorNumeric);
                    Comparator::AsciiNumeric
                }
                other => {
                    checker.error(argument.at, format!("there is no comparator {other:?} here"));
                    return None;
                }
            },
        };
        let types = [
            ("is", MatchType::Is, None),
            ("contains", MatchType::Contains, None),
            ("matches", MatchType::Matches, None),
        ];
        let mut found = Vec::from_iter(self.one_of(checker, &types));
        for (tag, make) in [("value", MatchType::Value as fn(Relation) -> MatchType), ("count", MatchType::Count)] {
            if let Some(argument) = self.value(checker, tag, Some(Extension::Relational)) {
                let name = checker.constant(argument)?;
                let Some(relation) = Relation::named(&name) else {
                    checker.error(argument.at, format!("{name:?} is none of gt, ge, lt, le, eq, ne"));
                    return None;
                };
                found.push(make(relation));
            }
        }
        if found.len() > 1 {
            checker.error(self.at, format!("{} has more than one match type", self.name));
        }
        let match_type = found.pop().unwrap_or_default();
        if comparator == Comparator::AsciiNumeric && matches!(match_type, MatchType::Contains | MatchType::Matches) {
            checker.error(
                self.at,
                "i;ascii-numeric compares whole numbers: :contains and :matches have no meaning with it",
            );
        }
        Some((comparator, match_type))
    }

    pub(super) fn address_part(&mut self, checker: &mut Checker) -> AddressPart {
        let parts = [
            ("all", AddressPart::All, None),
            ("localpart", AddressPart::LocalPart, None),
            ("domain", AddressPart::Domain, None),
            ("user", AddressPart::User, Some(Extension::Subaddress)),
            ("detail", AddressPart::Detail, Some(Extension::Subaddress)),
        ];
        self.one_of(checker, &parts).unwrap_or(AddressPart::All)
    }

    /// The arguments after the tags, between `least` and `most` of them.
    pub(super) fn rest(self, checker: &mut Checker, least: usize, most: usize) -> Option<Vec<&'t Argument>> {
        let first = self.slots.iter().position(Option::is_some).unwrap_or(self.slots.len());
        let left: Vec<&Argument> = self.slots.into_iter().flatten().collect();
        for argument in &left {
            if let Value::Tag(tag) = &argument.value {
                checker.error(argument.at, format!("{} has no tag :{tag}, or has it twice", self.name));
                return None;
            }
        }
        if !(least..=most).contains(&left.len()) {
            let expected = if least == most { least.to_string() } else { format!("{least} to {most}") };
            let found = left.len();
            checker.error(self.at, format!("{} takes {expected} arguments beside its tags, not {found}", self.name));
            return None;
        }
        if first < self.tags_end {
            checker.error(self.at, format!("the tags of {} must stand before its other arguments", self.name));
            return None;
        }
        Some(left)
    }
}
