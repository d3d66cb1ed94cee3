//! Dovecot's answers and ours about every message of the corpus: BODY, BODYSTRUCTURE, ENVELOPE, SORT, THREAD, and the
//! texts of parts. [`argued`] lists the messages on which they differ, and why ours stays; any other difference fails, and
//! so does a listed one that is none.
//!
//! Compared are values, not their form: a string may be quoted here and a literal there.

#![allow(clippy::unwrap_used)]

mod argued;
pub(crate) mod wire;

use super::{SortKeys, Sorter, ThreadKeys, Threader};
use crate::syntax::body_structure::write_body;
use crate::syntax::command::{SortKey, ThreadAlgorithm};
use crate::syntax::envelope::write_envelope;
use message::mime::{self, Content, Part, SectionText};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};
use testkit::corpus::Mail;
use testkit::dovecot::Dovecot;
use wire::{Client, Value, values};

/// When the first message came in; each came a second after the one before.
pub(crate) const FIRST_DATE_S: i64 = 1_300_000_000;

pub(crate) const LOGIN: &str = "ana@example.org";

/// A message as served.
struct Served {
    name: String,
    crlf: Vec<u8>,
    part: Part,
    internal_date_s: i64,
}

#[test]
fn dovecot_answers_the_same() {
    let Some(corpus) = testkit::incident::require() else { return };
    let mails = testkit::corpus::read(&corpus).unwrap();
    let place = tempfile::tempdir().unwrap();
    lay_out(&mails, place.path());
    let Some(dovecot) = Dovecot::start(place.path(), None).unwrap() else { return };
    let mut client = Client::connect(dovecot.imap(), LOGIN);
    let messages: Vec<Served> = mails.into_iter().zip(FIRST_DATE_S..).map(Served::new).collect();

    let mut found = Differences::default();
    structures(&mut client, &messages, &mut found);
    texts(&mut client, &messages, &mut found);
    orders(&mut client, &messages, &mut found);
    threads(&mut client, &messages, &mut found);

    eprintln!("{} answers compared on {} messages; {} differ", found.compared, messages.len(), found.by_message.len());
    let expected: BTreeSet<(&str, &str)> = argued::all().map(|(aspect, name, _)| (aspect, name)).collect();
    let differing: BTreeSet<(&str, &str)> =
        found.by_message.keys().map(|(aspect, name)| (aspect.as_str(), name.as_str())).collect();
    let unexpected = found.by_message.iter().filter(|((aspect, name), _)| !expected.contains(&(aspect, name)));
    let unexpected: Vec<String> = unexpected.map(|((aspect, name), what)| format!("{aspect} {name}\n{what}")).collect();
    assert!(unexpected.is_empty(), "differences without a reason:\n{}", unexpected.join("\n\n"));
    let stale: Vec<_> = expected.difference(&differing).collect();
    assert!(stale.is_empty(), "listed, and no difference: {stale:?}");
}

/// What differs, by aspect and message, with the two answers.
#[derive(Default)]
struct Differences {
    compared: usize,
    by_message: BTreeMap<(String, String), String>,
}

impl Differences {
    fn add(&mut self, aspect: &str, name: &str, what: String) {
        self.by_message.insert((aspect.to_owned(), name.to_owned()), what);
    }

    /// Compares two answers that are wholly about one message.
    fn compare(&mut self, aspect: &str, name: &str, theirs: &[Value], ours: &[Value]) {
        self.compared += 1;
        if theirs != ours {
            self.add(aspect, name, format!("theirs {theirs:?}\nours   {ours:?}"));
        }
    }
}

impl Served {
    fn new((mail, internal_date_s): (Mail, i64)) -> Served {
        let crlf = message::to_crlf(&mail.raw).into_owned();
        Served { name: mail.name, part: mime::parse(&crlf), crlf, internal_date_s }
    }
}

/// Lays out a Maildir whose UIDs are the messages' order.
pub(crate) fn lay_out(mails: &[Mail], root: &Path) {
    let maildir = root.join("mail/example.org/ana/Maildir");
    for name in ["cur", "new", "tmp"] {
        std::fs::create_dir_all(maildir.join(name)).unwrap();
    }
    let mut uidlist = format!("3 V1 N{} G00000000000000000000000000000001\n", mails.len() + 1);
    for (mail, at) in mails.iter().zip(0_u64..) {
        let base = format!("{at:06}.example");
        uidlist += &format!("{} :{base}\n", at + 1);
        let path = maildir.join(format!("cur/{base}:2,"));
        std::fs::write(&path, &mail.raw).unwrap();
        let date = UNIX_EPOCH + Duration::from_secs(FIRST_DATE_S.unsigned_abs() + at);
        std::fs::File::options().append(true).open(path).unwrap().set_modified(date).unwrap();
    }
    std::fs::write(maildir.join("dovecot-uidlist"), uidlist).unwrap();
}

/// BODY, BODYSTRUCTURE and ENVELOPE of every message.
fn structures(client: &mut Client, messages: &[Served], found: &mut Differences) {
    let answers = client.ask("FETCH 1:* (BODY BODYSTRUCTURE ENVELOPE)");
    assert_eq!(answers.len(), messages.len());
    for (answer, message) in answers.iter().zip(messages) {
        let fetched = values(answer);
        let items = fetched[3].list();
        assert_eq!(items.len(), 6);
        for pair in items.chunks_exact(2) {
            let Value::Atom(name) = &pair[0] else { panic!("{pair:?}") };
            let mut ours = Vec::new();
            match &name[..] {
                "ENVELOPE" => write_envelope(&mut ours, &message::envelope::parse(&message.crlf)),
                _ => write_body(&mut ours, &message.crlf, &message.part, name == "BODYSTRUCTURE"),
            }
            let (theirs, ours) = (trimmed(&pair[1..]), trimmed(&values(&ours)));
            found.compare(name, &message.name, &plain_in_lower_case(theirs), &plain_in_lower_case(ours));
        }
    }
}

/// A structure with its type and charset in lower case where it is plain text in US-ASCII: of that Dovecot may remember no
/// more than that it is.
fn plain_in_lower_case(structure: Vec<Value>) -> Vec<Value> {
    let lower = format!("{structure:?}").to_ascii_lowercase();
    if !lower.starts_with(r#"[["text", "plain", ["charset", "us-ascii"], nil, nil, "7bit", "#) {
        return structure;
    }
    structure.iter().map(Value::in_lower_case).collect()
}

/// Strings without white space at their ends: Dovecot keeps the space of a fold that a value begins with, which is none of
/// the value (` <id@example.org>` is no Message-ID that a reply could name).
fn trimmed(list: &[Value]) -> Vec<Value> {
    let one = |value: &Value| match value {
        Value::Text(text) => Value::Text(text.trim_ascii().to_vec()),
        Value::List(list) => Value::List(trimmed(list)),
        Value::Atom(_) => value.clone(),
    };
    list.iter().map(one).collect()
}

/// The texts of all parts of every odd message and of every thirtieth.
fn texts(client: &mut Client, messages: &[Served], found: &mut Differences) {
    for (at, message) in messages.iter().enumerate() {
        if at % 30 != 0 && !message.name.starts_with("odd/") {
            continue;
        }
        let header = &message.crlf[message.part.header.clone()];
        let names = ["Subject", "Received", "From", "X-No-Such"];
        for (word, not) in [("HEADER.FIELDS", false), ("HEADER.FIELDS.NOT", true)] {
            let ours = mime::header_fields(header, &names, not);
            let section = format!("{word} ({})", names.join(" "));
            compare_text(client, at, message, &section, Some(&ours), found);
        }
        let mut numbers = vec![Vec::new()];
        push_numbers(&message.part, &mut Vec::new(), true, &mut numbers);
        for part in &numbers {
            let dotted = part.iter().map(u32::to_string).collect::<Vec<_>>().join(".");
            for (text, word) in [
                (SectionText::All, ""),
                (SectionText::Header, "HEADER"),
                (SectionText::Text, "TEXT"),
                (SectionText::Mime, "MIME"),
            ] {
                if part.is_empty() && text == SectionText::Mime {
                    continue;
                }
                let section = [&dotted, word].into_iter().filter(|word| !word.is_empty()).map(AsRef::as_ref);
                let section = section.collect::<Vec<&str>>().join(".");
                let ours = message.part.section(part, text).map(|range| &message.crlf[range]);
                compare_text(client, at, message, &section, ours, found);
            }
        }
    }
}

fn compare_text(
    client: &mut Client,
    at: usize,
    message: &Served,
    section: &str,
    ours: Option<&[u8]>,
    found: &mut Differences,
) {
    let answers = client.ask(&format!("FETCH {} BODY.PEEK[{section}]", at + 1));
    let fetched = values(&answers[0]);
    let theirs = match fetched[3].list().last() {
        Some(Value::Text(text)) => Some(&text[..]),
        _ => None,
    };
    found.compared += 1;
    // A text that a part does not have is NIL here; Dovecot gives an empty one.
    if theirs.unwrap_or_default() != ours.unwrap_or_default() {
        let show = |text: Option<&[u8]>| text.map(|text| text[..text.len().min(400)].escape_ascii().to_string());
        found.add("BODY[]", &message.name, format!("{section}\ntheirs {:?}\nours   {:?}", show(theirs), show(ours)));
    }
}

/// The numbers of all parts inside one.
fn push_numbers(part: &Part, number: &mut Vec<u32>, is_message: bool, numbers: &mut Vec<Vec<u32>>) {
    match &part.content {
        Content::Multipart(children) => {
            for (child, at) in children.iter().zip(1..) {
                number.push(at);
                numbers.push(number.clone());
                push_numbers(child, number, false, numbers);
                number.pop();
            }
        }
        _ if is_message => {
            number.push(1);
            numbers.push(number.clone());
            push_numbers(part, number, false, numbers);
            number.pop();
        }
        Content::Message(inner) => push_numbers(inner, number, true, numbers),
        Content::Leaf => {}
    }
}

/// SORT by each key alone.
fn orders(client: &mut Client, messages: &[Served], found: &mut Differences) {
    let keys: Vec<Vec<u8>> = messages.iter().map(|message| SortKeys::of(&message.crlf).encode()).collect();
    for (key, word) in [
        (SortKey::Arrival, "ARRIVAL"),
        (SortKey::Cc, "CC"),
        (SortKey::Date, "DATE"),
        (SortKey::From, "FROM"),
        (SortKey::Size, "SIZE"),
        (SortKey::Subject, "SUBJECT"),
        (SortKey::To, "TO"),
        (SortKey::DisplayFrom, "DISPLAYFROM"),
        (SortKey::DisplayTo, "DISPLAYTO"),
    ] {
        let criteria = [(false, key)];
        let mut sorter = Sorter::new(&criteria);
        for ((message, keys), number) in messages.iter().zip(&keys).zip(1..) {
            sorter.add(number, message.internal_date_s, message.crlf.len() as u64, keys);
        }
        let ours = sorter.finish();
        let theirs = numbers(&client.ask(&format!("SORT ({word}) UTF-8 ALL")).concat());
        assert_eq!((theirs.len(), ours.len()), (messages.len(), messages.len()));
        found.compared += messages.len();

        // Where the listed messages stand differs, and nothing else does.
        let listed: BTreeSet<u32> = listed(messages, argued::of(word));
        let without = |order: &[u32]| -> Vec<u32> { order.iter().copied().filter(|n| !listed.contains(n)).collect() };
        for (their, our) in without(&theirs).into_iter().zip(without(&ours)).filter(|(a, b)| a != b).take(20) {
            let name = &messages[their as usize - 1].name;
            found.add(word, name, format!("{their} {name} where ours is {our} {}", messages[our as usize - 1].name));
        }
        for &number in &listed {
            let place = |order: &[u32]| {
                let kept = order.iter().filter(|n| **n == number || !listed.contains(n));
                kept.copied().take_while(|n| *n != number).count()
            };
            if place(&theirs) != place(&ours) {
                found.add(word, &messages[number as usize - 1].name, "another place".into());
            }
        }
    }
}

/// Both algorithms of THREAD.
fn threads(client: &mut Client, messages: &[Served], found: &mut Differences) {
    let keys: Vec<Vec<u8>> = messages.iter().map(|message| ThreadKeys::of(&message.crlf).encode()).collect();
    for (algorithm, word) in
        [(ThreadAlgorithm::References, "REFERENCES"), (ThreadAlgorithm::OrderedSubject, "ORDEREDSUBJECT")]
    {
        let mut threader = Threader::new(&algorithm).unwrap();
        for ((message, keys), number) in messages.iter().zip(&keys).zip(1..) {
            threader.add(number, message.internal_date_s, keys);
        }
        let mut ours = Vec::new();
        threader.finish().write(&mut ours);
        let theirs = client.ask(&format!("THREAD {word} UTF-8 ALL")).concat();
        let theirs = values(theirs.strip_prefix(b"* THREAD ").unwrap());
        let ours = values(&ours);
        found.compared += ours.len();

        // A thread with a listed message may be another; all others are the same, and in the same order.
        let listed = listed(messages, argued::of(word));
        let plain = |threads: &[Value]| -> Vec<Value> {
            threads.iter().filter(|thread| members(thread).is_disjoint(&listed)).cloned().collect()
        };
        let (their_plain, our_plain) = (plain(&theirs), plain(&ours));
        let theirs_only = their_plain.iter().filter(|thread| !our_plain.contains(thread));
        let ours_only = our_plain.iter().filter(|thread| !their_plain.contains(thread));
        for (whose, thread) in
            theirs_only.map(|thread| ("theirs", thread)).chain(ours_only.map(|thread| ("ours", thread)))
        {
            let members = members(thread);
            let name = members.iter().map(|number| &*messages[*number as usize - 1].name).next().unwrap_or_default();
            found.add(word, name, format!("{whose}: {members:?}"));
        }
        if let Some((their, our)) = their_plain.iter().zip(&our_plain).find(|(their, our)| their != our) {
            found.add(word, "order", format!("theirs {their:?}\nours   {our:?}"));
        }
        for &number in &listed {
            // Its thread, and how many of those that are the same stand before it.
            let of = |threads: &[Value]| {
                let at = threads.iter().position(|thread| members(thread).contains(&number)).unwrap();
                (threads[at].clone(), plain(&threads[..at]).len())
            };
            if of(&theirs) != of(&ours) {
                found.add(word, &messages[number as usize - 1].name, "another thread or place".into());
            }
        }
    }
}

/// The numbers of the messages that are named.
fn listed<'a>(messages: &[Served], names: impl Iterator<Item = &'a str>) -> BTreeSet<u32> {
    let names: BTreeSet<&str> = names.collect();
    let named = messages.iter().zip(1..).filter(|(message, _)| names.contains(&*message.name));
    let numbers: BTreeSet<u32> = named.map(|(_, number)| number).collect();
    assert_eq!(numbers.len(), names.len(), "each listed message is in the corpus: {names:?}");
    numbers
}

/// The numbers in an answer.
fn numbers(answer: &[u8]) -> Vec<u32> {
    String::from_utf8_lossy(answer).split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// The messages of a thread.
fn members(thread: &Value) -> BTreeSet<u32> {
    match thread {
        Value::List(values) => values.iter().flat_map(members).collect(),
        Value::Atom(number) => number.parse().into_iter().collect(),
        Value::Text(_) => BTreeSet::new(),
    }
}
