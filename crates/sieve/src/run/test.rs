//! Tests, and where they take their values from.

use super::{Fail, RunError, Runner, Seen, body, date};
use crate::compare::{MatchType, any_matches};
use crate::limits::MAX_LIST_BYTES;
use crate::mailbox::{self, Parts};
use crate::program::{AddressPart, BodyTransform, Duplicate, DuplicateId, Index, Matching, Test, TestKind, Zone};
use crate::template::{Template, TooLong};
use message::header::Field;
use message::{SpecialUse, decoded_header, parse_date_and_offset};
use std::borrow::Cow;

/// What it costs to read a field's value, beside a step for four bytes of it.
pub(super) const FIELD_STEPS: usize = 10;

/// What it costs to ask the account for something: a mailbox, of which it may have many, or whether a message was seen.
pub(super) const QUESTION_STEPS: usize = 1_000;

impl Runner<'_> {
    /// Depth is bounded by [`crate::limits::MAX_NESTING`].
    pub(super) fn test(&mut self, test: &Test) -> Result<bool, RunError> {
        let failed = |fail: Fail| RunError { line: test.line, what: fail.0 };
        self.steps.take(1).map_err(|out| failed(out.into()))?;
        match &test.kind {
            TestKind::Not(inner) => Ok(!self.test(inner)?),
            TestKind::AllOf(tests) => {
                for test in tests {
                    if !self.test(test)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            TestKind::AnyOf(tests) => {
                for test in tests {
                    if self.test(test)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            other => self.simple_test(other).map_err(failed),
        }
    }

    fn simple_test(&mut self, kind: &TestKind) -> Result<bool, Fail> {
        match kind {
            // Tests of tests are the caller's.
            TestKind::Not(_) | TestKind::AllOf(_) | TestKind::AnyOf(_) => Ok(false),
            TestKind::Constant(value) => Ok(*value),
            TestKind::Fault(what) => Err(Fail(what.clone())),
            TestKind::Exists(names) => self.exists(names),
            TestKind::Size { over, limit } => {
                self.steps.take_bytes(self.header.bytes(self.delivery))?;
                let size = self.header.message_bytes(self.delivery) as u64;
                Ok(if *over { size > *limit } else { size < *limit })
            }
            TestKind::Header { names, index, matching } => {
                let fields = self.fields(names, *index)?;
                let values = fields.iter().map(|field| Cow::Owned(decoded_header(&field.value()).trim().to_owned()));
                let values = values.collect();
                self.matches(values, matching)
            }
            TestKind::Address { names, part, index, matching } => {
                let fields = self.fields(names, *index)?;
                let addresses = fields.iter().flat_map(|field| mailbox::addresses_of(&field.value()));
                let values = addresses.filter_map(|address| part_of(&address, *part)).map(Cow::Owned).collect();
                self.matches(values, matching)
            }
            TestKind::Envelope { parts, part, matching } => self.envelope(parts, *part, matching),
            TestKind::Body { transform, matching } => self.body(transform, matching),
            TestKind::Text { sources, matching } => {
                let mut values = self.expand_all(sources)?;
                if matches!(matching.match_type, MatchType::Count(_)) {
                    // RFC 5229 §5: an empty string counts for none.
                    values.retain(|value| !value.is_empty());
                }
                self.matches(values.into_iter().map(Cow::Owned).collect(), matching)
            }
            TestKind::HasFlag { variables, matching } => self.has_flag(variables.as_deref(), matching),
            TestKind::Date { header, index, zone, part, matching } => {
                let moment = self.moment(header.as_ref(), *index, zone)?;
                let values = moment.map(|(time_s, offset_s)| Cow::Owned(date::part_of(*part, time_s, offset_s)));
                self.matches(Vec::from_iter(values), matching)
            }
            TestKind::MailboxExists(names) => {
                for name in self.expand_all(names)? {
                    self.steps.take(QUESTION_STEPS)?;
                    let name = self.context.mailbox_name(&name);
                    if !name.is_some_and(|name| self.context.mailbox_exists(&name)) {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            TestKind::MailboxIdExists(ids) => {
                for id in self.expand_all(ids)? {
                    self.steps.take(QUESTION_STEPS)?;
                    if self.context.mailbox_of_id(&id).is_none() {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            TestKind::SpecialUseExists { mailbox, uses } => self.special_use_exists(mailbox.as_ref(), uses),
            TestKind::Environment { item, matching } => {
                let item = self.expand(item)?.to_ascii_lowercase();
                match self.environment(&item) {
                    Some(value) => self.matches(vec![Cow::Owned(value)], matching),
                    None => Ok(false),
                }
            }
            TestKind::Duplicate(duplicate) => self.duplicate(duplicate),
        }
    }

    /// Matches values, and sets the match variables where that succeeds (RFC 5229 §3.2).
    fn matches(&mut self, values: Vec<Cow<'_, str>>, matching: &Matching) -> Result<bool, Fail> {
        let captures = self.captures(&values, matching)?;
        let matched = captures.is_some();
        if let (Some(captures), MatchType::Matches) = (captures, matching.match_type) {
            self.variables.set_captures(captures);
        }
        Ok(matched)
    }

    fn captures(&mut self, values: &[Cow<'_, str>], matching: &Matching) -> Result<Option<Vec<String>>, Fail> {
        let keys = self.expand_all(&matching.keys)?;
        Ok(any_matches(matching.comparator, matching.match_type, values, &keys, &mut self.steps)?)
    }

    /// The fields of some names, those of one name beside each other; with an index, one of each name (RFC 5260 §6). No mail
    /// has as many as would take more than [`MAX_LIST_BYTES`].
    fn fields(&mut self, names: &[Template], index: Option<Index>) -> Result<Vec<Field<'_>>, Fail> {
        let (delivery, header_bytes) = (self.delivery, self.header.bytes(self.delivery));
        let mut found = Vec::new();
        let mut room = MAX_LIST_BYTES;
        let names = self.expand_all(names)?;
        for name in &names {
            self.steps.take_bytes(header_bytes)?;
            let fields = self.header.fields(delivery).filter(|field| field.is(name));
            let (skipped, most) = indexed(index, || fields.clone().count());
            for field in fields.skip(skipped).take(most) {
                let bytes = field.raw_value().len();
                self.steps.take(bytes / 4 + FIELD_STEPS)?;
                let Some(left) = room.checked_sub(bytes + FIELD_STEPS) else { return Ok(found) };
                room = left;
                found.push(field);
            }
        }
        Ok(found)
    }

    fn exists(&mut self, names: &[Template]) -> Result<bool, Fail> {
        for name in self.expand_all(names)? {
            self.steps.take_bytes(self.header.bytes(self.delivery))?;
            if self.header.find(self.delivery, &name).is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn envelope(&mut self, parts: &[Template], part: AddressPart, matching: &Matching) -> Result<bool, Fail> {
        let mut values = Vec::new();
        for name in self.expand_all(parts)? {
            let path = match &name.to_ascii_lowercase()[..] {
                "from" => self.delivery.envelope_from,
                "to" => self.delivery.envelope_to,
                _ => return Err(Fail(format!("the envelope has no part {name:?} here"))),
            };
            values.extend(part_of(&mailbox::of_path(path), part).map(Cow::Owned));
        }
        self.matches(values, matching)
    }

    /// RFC 5173 §6: the match variables stay as they are.
    fn body(&mut self, transform: &BodyTransform, matching: &Matching) -> Result<bool, Fail> {
        let delivery = self.delivery;
        if *transform == BodyTransform::Raw {
            let body = body::raw(delivery);
            return Ok(self.captures(&[body], matching)?.is_some());
        }
        let types = match transform {
            BodyTransform::Content(types) => Some(self.expand_all(types)?),
            _ => None,
        };
        let texts = match self.texts.take() {
            Some(texts) => texts,
            None => {
                self.steps.take_bytes(delivery.crlf.len())?;
                body::texts(delivery)
            }
        };
        let values: Vec<Cow<'_, str>> = texts.iter().filter_map(|text| text.value(types.as_deref())).collect();
        let matched = self.captures(&values, matching).map(|captures| captures.is_some());
        drop(values);
        self.texts = Some(texts);
        matched
    }

    fn has_flag(&mut self, variables: Option<&[Template]>, matching: &Matching) -> Result<bool, Fail> {
        let mut flags = Vec::new();
        match variables {
            None => flags.clone_from(&self.flags),
            Some(names) => {
                let mut room = MAX_LIST_BYTES;
                for name in self.expand_all(names)? {
                    let those = self.flags_of(Some(&name.to_ascii_lowercase()))?;
                    let bytes = those.iter().map(String::len).sum();
                    room = room.checked_sub(bytes).ok_or(TooLong)?;
                    flags.extend(those);
                }
            }
        }
        // A key may hold several flags, as everywhere in RFC 5232.
        let mut keys = Vec::new();
        for key in self.expand_all(&matching.keys)? {
            keys.extend(key.split_ascii_whitespace().map(Template::constant));
        }
        let matching = Matching { keys, ..*matching };
        self.matches(flags.into_iter().map(Cow::Owned).collect(), &matching)
    }

    /// The time of a date test and the zone to show it in; `None` where the header has none.
    fn moment(
        &mut self,
        header: Option<&Template>,
        index: Option<Index>,
        zone: &Zone,
    ) -> Result<Option<(i64, i64)>, Fail> {
        let (time_s, original_s) = match header {
            None => (self.delivery.time_s, self.delivery.zone_offset_s),
            Some(name) => {
                let index = index.unwrap_or(Index { number: 1, last: false });
                let fields = self.fields(std::slice::from_ref(name), Some(index))?;
                let Some(field) = fields.first() else { return Ok(None) };
                let value = field.value();
                // RFC 5260 §4: the date of Received and its like stands behind the last semicolon.
                let date = value.rsplit(|byte| *byte == b';').next().unwrap_or(&value);
                let Some(found) = parse_date_and_offset(date) else { return Ok(None) };
                found
            }
        };
        let offset_s = match zone {
            Zone::Local => self.delivery.zone_offset_s,
            Zone::Original => original_s,
            Zone::Named(zone) => {
                let zone = self.expand(zone)?;
                date::zone_offset(&zone).ok_or_else(|| Fail(format!("{zone:?} is no zone")))?
            }
        };
        Ok(Some((time_s, offset_s)))
    }

    fn special_use_exists(&mut self, mailbox: Option<&Template>, uses: &[Template]) -> Result<bool, Fail> {
        let mailbox = match mailbox {
            Some(name) => {
                let name = self.expand(name)?;
                match self.context.mailbox_name(&name) {
                    Some(name) => Some(name),
                    None => return Ok(false),
                }
            }
            None => None,
        };
        for attribute in self.expand_all(uses)? {
            self.steps.take(QUESTION_STEPS)?;
            let there = SpecialUse::from_attribute(&attribute).and_then(|it| self.context.mailbox_of_use(it));
            if there.is_none_or(|there| mailbox.as_ref().is_some_and(|mailbox| *mailbox != there)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// RFC 5183 §4.
    fn environment(&mut self, item: &str) -> Option<String> {
        match item {
            "name" => Some("Reintegra".to_owned()),
            "version" => Some(env!("CARGO_PKG_VERSION").to_owned()),
            "location" => Some("MDA".to_owned()),
            "phase" => Some("during".to_owned()),
            other => self.context.environment(other),
        }
    }

    /// RFC 7352 §3: true for a message seen before; one that is not is remembered once the script has ended well.
    fn duplicate(&mut self, duplicate: &Duplicate) -> Result<bool, Fail> {
        let handle = match &duplicate.handle {
            Some(handle) => self.expand(handle)?,
            None => String::new(),
        };
        self.steps.take(QUESTION_STEPS)?;
        self.steps.take_bytes(self.header.bytes(self.delivery))?;
        let (kind, unique) = match &duplicate.id {
            DuplicateId::MessageId => ("id", self.first_value("Message-ID")),
            DuplicateId::Header(name) => {
                let name = self.expand(name)?;
                ("id", self.first_value(&name))
            }
            DuplicateId::Unique(text) => ("unique", Some(self.expand(text)?.into_bytes())),
        };
        let Some(unique) = unique.filter(|unique| !unique.is_empty()) else { return Ok(false) };
        let id = crate::vacation::key(&[b"duplicate", handle.as_bytes(), kind.as_bytes(), &unique]);
        let now_s = self.delivery.time_s;
        let seen = self.context.seen_until(&id).is_some_and(|until_s| now_s < until_s);
        if !seen || duplicate.last {
            let seconds = i64::try_from(duplicate.seconds).unwrap_or(i64::MAX);
            self.actions.remember(Seen { id, until_s: now_s.saturating_add(seconds) })?;
        }
        Ok(seen)
    }

    fn first_value(&self, name: &str) -> Option<Vec<u8>> {
        self.header.find(self.delivery, name).map(|field| field.value().into_owned())
    }
}

/// How many fields an index passes over, and how many it takes after them.
pub(super) fn indexed(index: Option<Index>, count: impl FnOnce() -> usize) -> (usize, usize) {
    match index {
        None => (0, usize::MAX),
        Some(Index { number, last }) => {
            let before = usize::try_from(number - 1).unwrap_or(usize::MAX);
            let from_end = || count().checked_sub(before.saturating_add(1));
            let skipped = if last { from_end() } else { Some(before) };
            skipped.map_or((0, 0), |skipped| (skipped, 1))
        }
    }
}

/// A part of an address; `None` where it has none (RFC 5228 §2.7.4, RFC 5233 §4).
fn part_of(address: &Parts, part: AddressPart) -> Option<String> {
    let split = || address.localpart.split_once('+');
    match part {
        AddressPart::All => Some(address.all()),
        AddressPart::LocalPart => Some(address.localpart.clone()),
        AddressPart::Domain => address.domain.clone(),
        AddressPart::User => Some(split().map_or(&address.localpart[..], |(user, _)| user).to_owned()),
        AddressPart::Detail => split().map(|(_, detail)| detail.to_owned()),
    }
}
