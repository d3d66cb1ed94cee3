//! For whom a message that lies about was meant (`RULES.md 9.3`).

use crate::address::Address;
use crate::charset;
use crate::encoded_word::decoded_header;
use crate::header::{self, Field};

/// Where the evidence stands, strongest first, in the order of the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evidence {
    /// Delivered-To.
    DeliveredTo,
    /// X-Original-To.
    XOriginalTo,
    /// Envelope-To.
    EnvelopeTo,
    /// The `for` of a Received field (RFC 5321 §4.4).
    ReceivedFor,
    /// To and Cc. Believed only for hosted domains, which the caller knows.
    ToCc,
}

/// The fields that each evidence is taken from.
const FIELDS: [(Evidence, &[&str]); 5] = [
    (Evidence::DeliveredTo, &["Delivered-To"]),
    (Evidence::XOriginalTo, &["X-Original-To"]),
    (Evidence::EnvelopeTo, &["Envelope-To"]),
    (Evidence::ReceivedFor, &["Received"]),
    (Evidence::ToCc, &["To", "Cc"]),
];

/// The most addresses given for one message, all evidence together: a list of hundreds names nobody.
const MAX_ADDRESSES: usize = 200;
/// How much of a field's value is looked at, in bytes: room for more addresses than are given.
const LIMIT_BYTES: usize = 64 * 1024;

/// Stands for a character of a quoted string that would mean something outside of it. No address may hold it.
const QUOTED: char = '\u{1}';

/// The addresses that a message in CRLF form gives as its recipients, by evidence in the order of the rule.
///
/// Within one evidence they stand in the order of the header, each once; evidence without an address is left out. At
/// most 200 addresses in all. What a hosted address cannot be (see [`Address::new`]) is passed over.
pub fn recipients(crlf: &[u8]) -> Vec<(Evidence, Vec<Address>)> {
    let mut left = MAX_ADDRESSES;
    let mut found = Vec::new();
    for (evidence, names) in FIELDS {
        let mut addresses: Vec<Address> = Vec::new();
        for field in header::fields(crlf).filter(|field| names.iter().any(|name| field.is(name))) {
            for address in addresses_of(evidence, &field) {
                if addresses.len() < left && !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
            if addresses.len() == left {
                break;
            }
        }
        left -= addresses.len();
        if !addresses.is_empty() {
            found.push((evidence, addresses));
        }
    }
    found
}

fn addresses_of(evidence: Evidence, field: &Field<'_>) -> Vec<Address> {
    let value = field.value();
    let value = &value[..value.len().min(LIMIT_BYTES)];
    if evidence == Evidence::ReceivedFor {
        return received_for(&charset::guess(value)).into_iter().collect();
    }
    let addresses = address_list(&charset::guess(value));
    if addresses.is_empty() {
        // Some clients encode the whole of the field, addresses included.
        return address_list(&decoded_header(value));
    }
    addresses
}

/// The address after the word `for` of a Received field, outside comments.
fn received_for(value: &str) -> Option<Address> {
    let clauses = outside_comments(value);
    let mut words = clauses.split(';').next()?.split_whitespace();
    words.find(|word| word.eq_ignore_ascii_case("for"))?;
    address_list(words.next()?).into_iter().next()
}

/// A value with its comments as spaces.
fn outside_comments(value: &str) -> String {
    scan(value)
        .map(|token| match token {
            Token::Plain(c) | Token::Quoted(c) => c,
            Token::Comment => ' ',
        })
        .collect()
}

/// The addresses of an address list (RFC 5322 §3.4), or of what passes for one.
fn address_list(value: &str) -> Vec<Address> {
    let mut addresses = Vec::new();
    let mut entry = Entry::default();
    for token in scan(value) {
        match token {
            // The commas of a source route (RFC 5322 §4.4) part no addresses.
            Token::Plain(',') if entry.in_angle && entry.angle_starts_with_at() => entry.push(','),
            Token::Plain(',' | ';') => entry.finish(&mut addresses),
            Token::Plain('<') => {
                if entry.angle.is_some() {
                    entry.finish(&mut addresses);
                }
                entry.in_angle = true;
                entry.angle = Some(String::new());
            }
            Token::Plain('>') => entry.in_angle = false,
            // The name of a group ends, or `mailto:`.
            Token::Plain(':') if !entry.in_angle => entry.bare.clear(),
            Token::Plain(c) | Token::Quoted(c) => entry.push(c),
            Token::Comment => entry.push(' '),
        }
        if addresses.len() >= MAX_ADDRESSES {
            return addresses;
        }
    }
    entry.finish(&mut addresses);
    addresses
}

/// What stands between two commas of an address list.
#[derive(Default)]
struct Entry {
    /// Outside angle brackets.
    bare: String,
    /// Inside of them, once there were any.
    angle: Option<String>,
    /// Whether the bracket is still open.
    in_angle: bool,
}

impl Entry {
    fn push(&mut self, c: char) {
        match &mut self.angle {
            Some(angle) if self.in_angle => angle.push(c),
            _ => self.bare.push(c),
        }
    }

    fn angle_starts_with_at(&self) -> bool {
        self.angle.as_ref().is_some_and(|angle| angle.trim_start().starts_with('@'))
    }

    /// Gives the addresses of the entry and starts the next one.
    fn finish(&mut self, addresses: &mut Vec<Address>) {
        let Entry { bare, angle, .. } = std::mem::take(self);
        match angle {
            Some(angle) if !angle.is_empty() => addresses.extend(address_of_angle(&angle)),
            _ => addresses.extend(addresses_of_words(&bare)),
        }
    }
}

/// The address between angle brackets: after a source route or `mailto:`, without white space.
fn address_of_angle(text: &str) -> Option<Address> {
    let text: String = text.rsplit(':').next()?.chars().filter(|c| !c.is_whitespace()).collect();
    address(&text)
}

/// The addresses among bare words.
fn addresses_of_words(text: &str) -> Vec<Address> {
    // RFC 5322 §4.4: white space may stand about the `@`.
    let joined = text.split('@').map(str::trim).collect::<Vec<_>>().join("@");
    joined.split_whitespace().filter_map(|word| address(word.trim_matches('\''))).collect()
}

fn address(text: &str) -> Option<Address> {
    let address = Address::new(text).ok()?;
    // `=?utf-8?q?ana@example.org?=` is an encoded word, not an address.
    (!address.domain().contains(['?', '='])).then_some(address)
}

/// Goes through a structured value character by character, quoted strings and comments told apart.
fn scan(value: &str) -> Scanner<'_> {
    let after_comments = value.rfind(')').map_or(usize::MAX, |last| value.len() - last - 1);
    Scanner { rest: value.chars(), in_quotes: false, after_comments }
}

/// See [`scan`].
struct Scanner<'a> {
    rest: std::str::Chars<'a>,
    in_quotes: bool,
    /// How many bytes follow on the last `)`.
    after_comments: usize,
}

/// What [`scan`] finds.
#[derive(Clone, Copy)]
enum Token {
    /// A character that means what it does.
    Plain(char),
    /// A character of a quoted string; [`QUOTED`] for those that would mean something as plain ones.
    Quoted(char),
    /// A comment, however long and deep.
    Comment,
}

impl Iterator for Scanner<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            let c = self.rest.next()?;
            match (c, self.in_quotes) {
                ('"', true) => self.in_quotes = false,
                // What does not end quotes nothing, and is no comment.
                ('"', false) => self.in_quotes = self.rest.as_str().contains('"'),
                ('\\', true) => return Some(Token::Quoted(quoted(self.rest.next()?))),
                (c, true) => return Some(Token::Quoted(quoted(c))),
                ('(', false) if self.rest.as_str().len() > self.after_comments => {
                    self.skip_comment();
                    return Some(Token::Comment);
                }
                (c, false) => return Some(Token::Plain(c)),
            }
        }
    }
}

impl Scanner<'_> {
    /// Passes over a comment whose `(` is behind; one that does not end goes on to the end.
    fn skip_comment(&mut self) {
        let mut depth = 1_u32;
        while depth > 0 {
            match self.rest.next() {
                None => return,
                Some('\\') => drop(self.rest.next()),
                Some('(') => depth += 1,
                Some(')') => depth -= 1,
                Some(_) => {}
            }
        }
    }
}

fn quoted(c: char) -> char {
    if c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c) { c } else { QUOTED }
}
