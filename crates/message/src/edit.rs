//! Changes to the header of a message, kept apart from its bytes until somebody wants them made.
//!
//! Fields are added above all others or below them, and any field is taken out. So what is in force is always three things:
//! fields above, places of the message that are gone, fields below; however many changes led to it. Bytes come in CRLF form,
//! and those that changes are made to are always the same: those of the message as it came.

use crate::header::Field;
use crate::lines;
use crate::new_field::NewField;
use std::borrow::Cow;
use std::ops::Range;

/// Changes to a message's header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Above the message's own, the topmost first.
    first: Vec<NewField>,
    /// What is taken out of the message: in order, none touching another.
    gone: Vec<Range<usize>>,
    /// Below the message's own.
    last: Vec<NewField>,
}

/// A field of a header with some changes; of no use with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPlace(Place);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    First(usize),
    There(Range<usize>),
    Last(usize),
}

impl HeaderEdits {
    /// None.
    pub const fn new() -> Self {
        HeaderEdits { first: Vec::new(), gone: Vec::new(), last: Vec::new() }
    }

    /// Whether the header is as it came.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty() && self.gone.is_empty() && self.last.is_empty()
    }

    /// Adds a field above all others.
    pub fn add_first(&mut self, field: NewField) {
        self.first.insert(0, field);
    }

    /// Adds a field below all others.
    pub fn add_last(&mut self, field: NewField) {
        self.last.push(field);
    }

    /// The fields of a message as they are with the changes, each with its place; lines that are no field are passed over.
    pub fn fields<'a>(&'a self, crlf: &'a [u8]) -> impl Iterator<Item = (FieldPlace, Field<'a>)> + Clone {
        let there = lines::lines(lines::split(crlf).header).scan(0, |at, line| {
            let start = *at;
            *at += line.raw().len();
            Some((start..*at, line))
        });
        let there = there.filter(|(range, _)| !self.is_gone(range.start));
        let there = there.filter_map(|(range, line)| Some((Place::There(range), Field::of(line)?)));
        let first = self.first.iter().enumerate().filter_map(|(at, field)| Some((Place::First(at), read(field)?)));
        let last = self.last.iter().enumerate().filter_map(|(at, field)| Some((Place::Last(at), read(field)?)));
        first.chain(there).chain(last).map(|(place, field)| (FieldPlace(place), field))
    }

    /// Takes fields out that [`fields`](Self::fields) found with the changes as they are.
    pub fn take_out(&mut self, places: Vec<FieldPlace>) {
        let (mut first, mut last) = (Vec::new(), Vec::new());
        for FieldPlace(place) in places {
            match place {
                Place::First(at) => first.push(at),
                Place::Last(at) => last.push(at),
                Place::There(range) => self.gone.push(range),
            }
        }
        remove(&mut self.first, &first);
        remove(&mut self.last, &last);
        self.gone.sort_unstable_by_key(|range| range.start);
        self.gone.dedup_by(|next, before| {
            let touches = next.start <= before.end;
            if touches {
                before.end = before.end.max(next.end);
            }
            touches
        });
    }

    /// At how many places something is taken out of the message: fields that stand beside each other are one. With as many
    /// grows what the changes take in memory.
    pub fn gaps(&self) -> usize {
        self.gone.len()
    }

    /// The header of a message with the changes, without the empty line at its end, and the length of the one that it
    /// takes the place of.
    pub fn header<'a>(&self, crlf: &'a [u8]) -> (Cow<'a, [u8]>, usize) {
        let header = lines::split(crlf).header;
        if self.is_empty() {
            return (Cow::Borrowed(header), header.len());
        }
        let added: usize = self.first.iter().chain(&self.last).map(|field| field.as_bytes().len()).sum();
        let mut out = Vec::with_capacity(header.len() + added + 2);
        // A line of white space that begins a header must continue nothing that is added: it would be a part of it.
        let begin = if header.first().is_some_and(|b| lines::is_wsp(*b)) {
            lines::lines(header).next().map_or(0, |line| line.raw().len())
        } else {
            0
        };
        out.extend_from_slice(&header[..begin]);
        push(&mut out, &self.first);
        let mut at = begin;
        for gone in &self.gone {
            let (start, end) = (gone.start.clamp(at, header.len()), gone.end.clamp(at, header.len()));
            out.extend_from_slice(&header[at..start]);
            at = end;
        }
        out.extend_from_slice(&header[at..]);
        push(&mut out, &self.last);
        (Cow::Owned(out), header.len())
    }

    /// A message with the changes made.
    pub fn apply<'a>(&self, crlf: &'a [u8]) -> Cow<'a, [u8]> {
        match self.header(crlf) {
            (Cow::Borrowed(_), _) => Cow::Borrowed(crlf),
            (Cow::Owned(mut edited), header_bytes) => {
                edited.extend_from_slice(&crlf[header_bytes..]);
                Cow::Owned(edited)
            }
        }
    }

    fn is_gone(&self, start: usize) -> bool {
        let next = self.gone.partition_point(|gone| gone.end <= start);
        self.gone.get(next).is_some_and(|gone| gone.start <= start)
    }
}

/// What was written is one field.
fn read(field: &NewField) -> Option<Field<'_>> {
    lines::lines(field.as_bytes()).next().and_then(Field::of)
}

fn remove(fields: &mut Vec<NewField>, places: &[usize]) {
    let mut at = 0;
    fields.retain(|_| {
        at += 1;
        !places.contains(&(at - 1))
    });
}

/// Adds fields behind lines, the last of which may lack its end.
fn push(out: &mut Vec<u8>, fields: &[NewField]) {
    if !fields.is_empty() && !out.is_empty() && !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    fields.iter().for_each(|field| out.extend_from_slice(field.as_bytes()));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    fn field(name: &str, value: &str) -> NewField {
        NewField::new(name, value).unwrap()
    }

    /// Takes out the fields of a name.
    fn delete(edits: &mut HeaderEdits, message: &[u8], name: &str) {
        let places = edits.fields(message).filter(|(_, field)| field.is(name)).map(|(place, _)| place).collect();
        edits.take_out(places);
    }

    fn applied(edits: &HeaderEdits, message: &str) -> String {
        String::from_utf8(edits.apply(message.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn changes_follow_on_each_other() {
        let message = "A: 1\r\nB: 2\r\n folded\r\nno field\r\nA: 3\r\n\r\nA: body\r\n";
        let mut edits = HeaderEdits::default();
        assert!(edits.is_empty() && matches!(edits.apply(message.as_bytes()), Cow::Borrowed(_)));
        edits.add_first(field("X", "1"));
        edits.add_first(field("X", "2"));
        edits.add_last(field("A", "4"));
        edits.add_last(field("Y", "5"));
        assert_eq!(
            applied(&edits, message),
            "X: 2\r\nX: 1\r\nA: 1\r\nB: 2\r\n folded\r\nno field\r\nA: 3\r\nA: 4\r\nY: 5\r\n\r\nA: body\r\n"
        );
        delete(&mut edits, message.as_bytes(), "a");
        assert_eq!(applied(&edits, message), "X: 2\r\nX: 1\r\nB: 2\r\n folded\r\nno field\r\nY: 5\r\n\r\nA: body\r\n");
        assert_eq!((edits.fields(message.as_bytes()).count(), edits.gaps()), (4, 2));
        for name in ["b", "x", "y", "a", "none"] {
            delete(&mut edits, message.as_bytes(), name);
        }
        assert_eq!(applied(&edits, message), "no field\r\n\r\nA: body\r\n");
        // What was added and taken out again leaves nothing.
        let mut edits = HeaderEdits::default();
        edits.add_first(field("X", "1"));
        delete(&mut edits, message.as_bytes(), "X");
        assert!(edits.is_empty());
    }

    #[test]
    fn odd_headers_by_table() {
        for (message, expected) in [
            ("", "F: 1\r\nL: 2\r\n"),
            ("\r\nbody", "F: 1\r\nL: 2\r\n\r\nbody"),
            ("S: cut", "F: 1\r\nS: cut\r\nL: 2\r\n"),
            // What seems to continue a field continues none that was added.
            (" evil\r\nS: x\r\n\r\n", " evil\r\nF: 1\r\nS: x\r\nL: 2\r\n\r\n"),
            (" evil", " evil\r\nF: 1\r\nL: 2\r\n"),
        ] {
            let mut edits = HeaderEdits::default();
            edits.add_first(field("F", "1"));
            edits.add_last(field("L", "2"));
            assert_eq!(applied(&edits, message), expected, "{message:?}");
        }
    }

    /// One change.
    #[derive(Clone, Debug)]
    enum Change {
        First(String),
        Last(String),
        /// Of one name, the field of a number.
        Delete(String, usize),
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            "[A-C]".prop_map(Change::First),
            "[A-C]".prop_map(Change::Last),
            ("[A-C]", 0_usize..3).prop_map(|(name, number)| Change::Delete(name, number)),
        ]
    }

    proptest! {
        /// As if every change had been made to a list of fields.
        #[test]
        fn changes_are_those_of_a_list(
            names in prop::collection::vec("[A-C]", 0..6),
            changes in prop::collection::vec(change(), 0..12),
        ) {
            let mut list: Vec<(String, String)> =
                names.iter().enumerate().map(|(number, name)| (name.clone(), number.to_string())).collect();
            let written = |list: &[(String, String)]| -> String {
                list.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect::<String>() + "\r\nA: b\r\n"
            };
            let message = written(&list);
            let mut edits = HeaderEdits::default();
            for (number, change) in changes.into_iter().enumerate() {
                let value = format!("new {number}");
                match change {
                    Change::First(name) => {
                        edits.add_first(field(&name, &value));
                        list.insert(0, (name, value));
                    }
                    Change::Last(name) => {
                        edits.add_last(field(&name, &value));
                        list.push((name, value));
                    }
                    Change::Delete(name, number) => {
                        let mut places = edits.fields(message.as_bytes()).filter(|(_, field)| field.is(&name));
                        let place = places.nth(number).map(|(place, _)| place);
                        drop(places);
                        edits.take_out(Vec::from_iter(place));
                        let mut same = list.iter().enumerate().filter(|(_, (other, _))| *other == name);
                        if let Some(at) = same.nth(number).map(|(at, _)| at) {
                            list.remove(at);
                        }
                    }
                }
                prop_assert_eq!(applied(&edits, &message), written(&list));
            }
        }

        #[test]
        fn any_bytes_have_a_header_to_change(
            message in prop::collection::vec(prop::sample::select(&b"A: \t\r\n\xff"[..]), 0..40),
        ) {
            let message = crate::to_crlf(&message);
            let mut edits = HeaderEdits::default();
            edits.add_first(field("F", "1"));
            edits.add_last(field("L", "2"));
            let edited = edits.apply(&message).into_owned();
            let count = |bytes: &[u8]| crate::header::fields(bytes).count();
            prop_assert_eq!(count(&edited), count(&message) + 2);
            prop_assert_eq!(edits.fields(&message).count(), count(&edited));
            for name in ["F", "L"] {
                delete(&mut edits, &message, name);
            }
            prop_assert!(edits.is_empty());
        }
    }
}
