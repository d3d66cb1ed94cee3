//! The tests.

use super::arguments::Arguments;
use super::{Checker, is};
use crate::extension::{self, Extension, Extensions};
use crate::limits::{DEFAULT_DUPLICATE_S, MAX_DUPLICATE_S};
use crate::program::{BodyTransform, DatePart, Duplicate, DuplicateId, Index, Matching, Test, TestKind, Zone};
use crate::syntax::{self, Argument, Tests};

/// The parts of a date (RFC 5260 §4.2).
const DATE_PARTS: [(&str, DatePart); 13] = [
    ("year", DatePart::Year),
    ("month", DatePart::Month),
    ("day", DatePart::Day),
    ("date", DatePart::Date),
    ("julian", DatePart::Julian),
    ("hour", DatePart::Hour),
    ("minute", DatePart::Minute),
    ("second", DatePart::Second),
    ("time", DatePart::Time),
    ("iso8601", DatePart::Iso8601),
    ("std11", DatePart::Std11),
    ("zone", DatePart::Zone),
    ("weekday", DatePart::Weekday),
];

impl Checker {
    pub(super) fn test_kind(&mut self, test: &syntax::Test) -> Option<TestKind> {
        let name = test.name.to_ascii_lowercase();
        let takes_tests = matches!(&name[..], "not" | "allof" | "anyof");
        if !takes_tests && test.tests != Tests::None {
            self.error(test.at, format!("{} takes no test", test.name));
            return None;
        }
        let extension = match &name[..] {
            "not" | "allof" | "anyof" | "true" | "false" | "exists" | "size" | "header" | "address" => None,
            "envelope" => Some(Extension::Envelope),
            "body" => Some(Extension::Body),
            "string" => Some(Extension::Variables),
            "hasflag" => Some(Extension::Imap4Flags),
            "date" | "currentdate" => Some(Extension::Date),
            "mailboxexists" => Some(Extension::Mailbox),
            "mailboxidexists" => Some(Extension::MailboxId),
            "specialuse_exists" => Some(Extension::SpecialUse),
            "environment" => Some(Extension::Environment),
            "duplicate" => Some(Extension::Duplicate),
            "ihave" => Some(Extension::Ihave),
            _ => {
                self.error(test.at, format!("there is no test {} here", test.name));
                return None;
            }
        };
        if let Some(extension) = extension {
            self.need(test.at, &test.name, extension);
        }
        let arguments = Arguments::new(test.at, &test.name, &test.arguments);
        match &name[..] {
            "not" | "allof" | "anyof" => self.combined(test, arguments),
            "true" | "false" => arguments.rest(self, 0, 0).map(|_| TestKind::Constant(name == "true")),
            "exists" => self.one_list(arguments).map(TestKind::Exists),
            "size" => self.size(arguments),
            "header" => self.header(arguments),
            "address" => self.address(arguments),
            "envelope" => self.envelope(arguments),
            "body" => self.body(arguments),
            "string" => self.text(arguments),
            "hasflag" => self.has_flag(arguments),
            "date" | "currentdate" => self.date(arguments, name == "date"),
            "mailboxexists" => self.one_list(arguments).map(TestKind::MailboxExists),
            "mailboxidexists" => self.one_list(arguments).map(TestKind::MailboxIdExists),
            "specialuse_exists" => self.special_use_exists(arguments),
            "environment" => self.environment(arguments),
            "duplicate" => self.duplicate(arguments),
            _ => self.ihave(arguments),
        }
    }

    fn combined(&mut self, test: &syntax::Test, arguments: Arguments<'_>) -> Option<TestKind> {
        arguments.rest(self, 0, 0)?;
        match &test.tests {
            Tests::One(inner) if is(&test.name, "not") => Some(TestKind::Not(Box::new(self.test(inner)))),
            Tests::List(inner) if !is(&test.name, "not") => {
                let inner: Vec<Test> = inner.iter().map(|test| self.test(test)).collect();
                Some(if is(&test.name, "allof") { TestKind::AllOf(inner) } else { TestKind::AnyOf(inner) })
            }
            _ => {
                let expected = if is(&test.name, "not") { "one test" } else { "a list of tests in parentheses" };
                self.error(test.at, format!("{} takes {expected}", test.name));
                None
            }
        }
    }

    fn one_list(&mut self, arguments: Arguments<'_>) -> Option<Vec<crate::template::Template>> {
        let rest = arguments.rest(self, 1, 1)?;
        self.strings(rest[0])
    }

    fn size(&mut self, mut arguments: Arguments<'_>) -> Option<TestKind> {
        let at = arguments.at;
        let over = arguments.one_of(self, &[("over", true, None), ("under", false, None)]);
        let rest = arguments.rest(self, 1, 1)?;
        let limit = self.number(rest[0])?;
        if over.is_none() {
            self.error(at, "size takes :over or :under");
        }
        Some(TestKind::Size { over: over?, limit })
    }

    /// Which of several fields of a name; `extension` is what that needs.
    pub(super) fn index(&mut self, arguments: &mut Arguments<'_>, extension: Option<Extension>) -> Option<Index> {
        let at = arguments.at;
        let number = arguments.value(self, "index", extension);
        let number = number.and_then(|argument| self.number(argument));
        let last = arguments.flag(self, "last", extension);
        if number == Some(0) {
            self.error(at, ":index counts from 1");
        }
        if last && number.is_none() {
            self.error(at, ":last needs :index");
        }
        number.map(|number| Index { number, last })
    }

    /// The comparator, the match type and the keys, which stand last.
    pub(super) fn keys(
        &mut self,
        (comparator, match_type): (crate::compare::Comparator, crate::compare::MatchType),
        argument: &Argument,
    ) -> Option<Matching> {
        Some(Matching { comparator, match_type, keys: self.strings(argument)? })
    }

    fn header(&mut self, mut arguments: Arguments<'_>) -> Option<TestKind> {
        let how = arguments.matching(self)?;
        let index = self.index(&mut arguments, Some(Extension::Index));
        let rest = arguments.rest(self, 2, 2)?;
        Some(TestKind::Header { names: self.strings(rest[0])?, index, matching: self.keys(how, rest[1])? })
    }

    fn address(&mut self, mut arguments: Arguments<'_>) -> Option<TestKind> {
        let how = arguments.matching(self)?;
        let index = self.index(&mut arguments, Some(Extension::Index));
        let part = arguments.address_part(self);
        let rest = arguments.rest(self, 2, 2)?;
        Some(TestKind::Address { names: self.strings(rest[0])?, part, index, matching: self.keys(how, rest[1])? })
    }

    fn envelope(&mut self, mut arguments: Arguments<'_>) -> Option<TestKind> {
        let how = arguments.matching(self)?;
        let part = arguments.address_part(self);
        let rest = arguments.rest(self, 2, 2)?;
        let parts = self.strings(rest[0])?;
        for name in parts.iter().filter_map(|part| part.as_constant()) {
            if !is(name, "from") && !is(name, "to") {
                self.error(rest[0].at, format!("the envelope has no part {name:?} here: from and to are known"));
            }
        }
        Some(TestKind::Envelope { parts, part, matching: self.keys(how, rest[1])? })
    }

    fn body(&mut self, mut arguments: Arguments<'_>) -> Option<TestKind> {
        let at = arguments.at;
        let how = arguments.matching(self)?;
        let raw = arguments.flag(self, "raw", None);
        let text = arguments.flag(self, "text", None);
        let content = arguments.value(self, "content", None).and_then(|argument| self.strings(argument));
        if usize::from(raw) + usize::from(text) + usize::from(content.is_some()) > 1 {
            self.error(at, ":raw, :content and :text exclude each other");
        }
        let rest = arguments.rest(self, 1, 1)?;
        let transform = match content {
            Some(types) => BodyTransform::Content(types),
            None if raw => BodyTransform::Raw,
            None => BodyTransform::Text,
        };
        Some(TestKind::Body { transform, matching: self.keys(how, rest[0])? })
    }

    fn text(&mut self, mut arguments: Arguments<'_>) -> Option<TestKind> {
        let how = arguments.matching(self)?;
        let rest = arguments.rest(self, 2, 2)?;
        Some(TestKind::Text { sources: self.strings(rest[0])?, matching: self.keys(how, rest[1])? })
    }

    fn has_flag(&mut self, mut arguments: Arguments<'_>) -> Option<TestKind> {
        let at = arguments.at;
        let how = arguments.matching(self)?;
        let rest = arguments.rest(self, 1, 2)?;
        let (variables, keys) = match rest[..] {
            [variables, keys] => {
                self.need(at, "a flag variable", Extension::Variables);
                (Some(self.strings(variables)?), keys)
            }
            _ => (None, rest[0]),
        };
        Some(TestKind::HasFlag { variables, matching: self.keys(how, keys)? })
    }

    fn date(&mut self, mut arguments: Arguments<'_>, of_header: bool) -> Option<TestKind> {
        let at = arguments.at;
        let how = arguments.matching(self)?;
        let index = if of_header { self.index(&mut arguments, Some(Extension::Index)) } else { None };
        let zone = arguments.value(self, "zone", None).and_then(|argument| self.string(argument));
        let original = of_header && arguments.flag(self, "originalzone", None);
        let zone = match zone {
            Some(_) if original => {
                self.error(at, ":zone and :originalzone exclude each other");
                return None;
            }
            Some(zone) => {
                if let Some(text) = zone.as_constant()
                    && crate::run::zone_offset(text).is_none()
                {
                    self.error(at, format!("{text:?} is no zone: + or - and four digits are expected"));
                }
                Zone::Named(zone)
            }
            None if original => Zone::Original,
            None => Zone::Local,
        };
        let positional = if of_header { 3 } else { 2 };
        let rest = arguments.rest(self, positional, positional)?;
        let header = if of_header { Some(self.string(rest[0])?) } else { None };
        let part = rest[positional - 2];
        let name = self.constant(part)?;
        let Some((_, part)) = DATE_PARTS.iter().find(|(known, _)| is(known, &name)) else {
            self.error(part.at, format!("a date has no part {name:?}"));
            return None;
        };
        Some(TestKind::Date { header, index, zone, part: *part, matching: self.keys(how, rest[positional - 1])? })
    }

    fn special_use_exists(&mut self, arguments: Arguments<'_>) -> Option<TestKind> {
        let rest = arguments.rest(self, 1, 2)?;
        let mailbox = match rest[..] {
            [mailbox, _] => Some(self.string(mailbox)?),
            _ => None,
        };
        Some(TestKind::SpecialUseExists { mailbox, uses: self.strings(rest[rest.len() - 1])? })
    }

    fn environment(&mut self, mut arguments: Arguments<'_>) -> Option<TestKind> {
        let how = arguments.matching(self)?;
        let rest = arguments.rest(self, 2, 2)?;
        Some(TestKind::Environment { item: self.string(rest[0])?, matching: self.keys(how, rest[1])? })
    }

    fn duplicate(&mut self, mut arguments: Arguments<'_>) -> Option<TestKind> {
        let at = arguments.at;
        let handle = arguments.value(self, "handle", None).and_then(|argument| self.string(argument));
        let header = arguments.value(self, "header", None).and_then(|argument| self.string(argument));
        let unique = arguments.value(self, "uniqueid", None).and_then(|argument| self.string(argument));
        let seconds = arguments.value(self, "seconds", None).and_then(|argument| self.number(argument));
        let last = arguments.flag(self, "last", None);
        let id = match (header, unique) {
            (Some(_), Some(_)) => {
                self.error(at, ":header and :uniqueid exclude each other");
                return None;
            }
            (Some(header), None) => DuplicateId::Header(header),
            (None, Some(unique)) => DuplicateId::Unique(unique),
            (None, None) => DuplicateId::MessageId,
        };
        arguments.rest(self, 0, 0)?;
        let seconds = seconds.unwrap_or(DEFAULT_DUPLICATE_S).min(MAX_DUPLICATE_S);
        Some(TestKind::Duplicate(Box::new(Duplicate { handle, id, seconds, last })))
    }

    /// Whether extensions are here is known now; what a script asks for and gets, it need not require
    /// (RFC 5463 §4).
    fn ihave(&mut self, arguments: Arguments<'_>) -> Option<TestKind> {
        let at = arguments.at;
        let names = self.one_list(arguments)?;
        let mut asked = Extensions::default();
        for name in &names {
            let Some(name) = name.as_constant() else {
                self.error(at, "no variable may stand in the list of ihave");
                return None;
            };
            match extension::named(name, self.features) {
                Ok(Some(extension)) => asked.add(extension),
                Ok(None) => {}
                Err(_) => return Some(TestKind::Constant(false)),
            }
        }
        self.required.add_all(asked);
        Some(TestKind::Constant(true))
    }
}
