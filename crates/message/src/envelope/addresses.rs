//! Address lists (RFC 5322 §3.4 and §4.4) as IMAP shows them.
//!
//! ```text
//! address = mailbox / group
//! mailbox = [phrase] "<" [route] addr-spec ">" / addr-spec
//! route   = "@" domain *("," "@" domain) ":"
//! group   = phrase ":" *(mailbox ",") ";"
//! ```
//!
//! A comment after an address without a phrase is its name, as mail before RFC 822 wrote it. What is no address is still
//! shown: what is missing of it is said in its place, because an absent host would make it the beginning of a group.

use crate::mime::scan::{Scanner, is_atext};

/// The most addresses read from one message's field: far more than anything sends.
const MAX_ADDRESSES: usize = 10_000;

/// Stands where an address has no localpart.
const MISSING_MAILBOX: &[u8] = b"MISSING_MAILBOX";
/// Stands where an address has no domain.
const MISSING_DOMAIN: &[u8] = b"MISSING_DOMAIN";
/// Stands where a source route does not end.
const INVALID_ROUTE: &[u8] = b"INVALID_ROUTE";
/// Stands as the domain where what is between angle brackets is no address.
const SYNTAX_ERROR: &[u8] = b"SYNTAX_ERROR";

/// One address in the form of RFC 9051 §7.5.2. A group begins with one that has a mailbox (the group's name) and no host,
/// and ends with one that has neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailAddress {
    /// The display name.
    pub name: Option<Vec<u8>>,
    /// The source route (`@a,@b`).
    pub route: Option<Vec<u8>>,
    /// The localpart, without quotes.
    pub mailbox: Option<Vec<u8>>,
    /// The domain.
    pub host: Option<Vec<u8>>,
}

/// Reads an unfolded address list and appends its addresses.
pub(super) fn addresses(value: &[u8], list: &mut Vec<MailAddress>) {
    let mut scanner = Scanner::new(value);
    let mut in_group = false;
    scanner.skip_space();
    while !scanner.at_end() && list.len() < MAX_ADDRESSES {
        if in_group && scanner.take(b';') {
            list.push(MailAddress::default());
            in_group = false;
        } else if scanner.take(b',') || scanner.take(b';') {
            // An empty place in the list (RFC 5322 §4.4), or the `;` that some write for a comma.
        } else {
            in_group |= entry(&mut scanner, in_group, list);
        }
        scanner.skip_space();
    }
    if in_group {
        list.push(MailAddress::default());
    }
}

/// Reads one mailbox, or the beginning of a group: then `true`.
fn entry(scanner: &mut Scanner<'_>, in_group: bool, list: &mut Vec<MailAddress>) -> bool {
    scanner.take_comment();
    let start = scanner.clone();
    let mut phrase = Phrase::read(scanner);
    if phrase.words == 0 && !matches!(scanner.peek(), Some(b':' | b'<' | b'@')) {
        // Nothing that may stand here: `[List] <ana@example.org>`.
        phrase.text = scanner.take_while(|byte| !matches!(byte, b',' | b';' | b'<')).to_vec();
        phrase.is_none = true;
    }
    match scanner.peek() {
        Some(b':') if !in_group => {
            scanner.bump();
            list.push(MailAddress { mailbox: Some(phrase.text), ..MailAddress::default() });
            return true;
        }
        Some(b'<') => list.push(MailAddress { name: shown(&phrase.text), ..angle_address(scanner) }),
        _ => {
            let end = std::mem::replace(scanner, start);
            match bare_address(scanner, &phrase) {
                Some(address) => list.push(address),
                None => {
                    // Words only, or nothing but a comment.
                    *scanner = end;
                    let name = shown(&phrase.text);
                    list.extend(name.map(|name| missing((!phrase.is_none).then_some(name))));
                }
            }
        }
    }
    // What stands before the next comma is none of ours.
    scanner.take_while(|byte| !matches!(byte, b',' | b';'));
    false
}

/// Words with single spaces between them; quoted strings unquoted. Dots are taken too (RFC 5322 §4.1).
struct Phrase {
    text: Vec<u8>,
    words: usize,
    /// Whether one of them was quoted.
    quoted: bool,
    /// Whether the text is no phrase.
    is_none: bool,
}

impl Phrase {
    fn read(scanner: &mut Scanner<'_>) -> Phrase {
        let mut phrase = Phrase { text: Vec::new(), words: 0, quoted: false, is_none: false };
        loop {
            let quoted = scanner.peek() == Some(b'"');
            let word = match quoted {
                true => scanner.quoted_string(),
                false => scanner.take_while(|byte| is_atext(byte) || byte == b'.').to_vec(),
            };
            if word.is_empty() && !quoted {
                return phrase;
            }
            if phrase.words > 0 {
                phrase.text.push(b' ');
            }
            phrase.words += 1;
            phrase.quoted |= quoted;
            phrase.text.extend(word);
            scanner.skip_space();
        }
    }
}

/// A name as it is shown: runs of white space are one space, and nothing is no name.
fn shown(name: &[u8]) -> Option<Vec<u8>> {
    Some(super::one_space(name)).filter(|name| !name.is_empty())
}

/// What is shown of something that is no address.
fn missing(name: Option<Vec<u8>>) -> MailAddress {
    MailAddress { name, route: None, mailbox: Some(MISSING_MAILBOX.to_vec()), host: Some(MISSING_DOMAIN.to_vec()) }
}

/// Reads what stands between angle brackets; the `<` comes next.
fn angle_address(scanner: &mut Scanner<'_>) -> MailAddress {
    let mut address = MailAddress::default();
    scanner.bump();
    scanner.skip_space();
    if scanner.peek() == Some(b'@') {
        address.route = Some(route(scanner));
    }
    address.mailbox = Some(or(localpart(scanner), MISSING_MAILBOX));
    let host = if scanner.take(b'@') { domain(scanner) } else { Vec::new() };
    address.host = Some(match scanner.take(b'>') {
        true => or(host, MISSING_DOMAIN),
        false => {
            // A group between angle brackets: `<undisclosed-recipients:;>`.
            scanner.take_while(|byte| !matches!(byte, b',' | b'>'));
            scanner.take(b'>');
            SYNTAX_ERROR.to_vec()
        }
    });
    address
}

/// Reads a source route and the `:` at its end.
fn route(scanner: &mut Scanner<'_>) -> Vec<u8> {
    let start = scanner.clone();
    let text = scanner.take_while(|byte| byte.is_ascii_whitespace() || is_atext(byte) || b"@,.[]".contains(&byte));
    let route = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if scanner.take(b':') {
        scanner.skip_space();
        return route;
    }
    // It does not end: what begins the address is behind the first word.
    *scanner = start;
    scanner.take_while(|byte| is_atext(byte) || b"@,.[]".contains(&byte));
    scanner.skip_space();
    INVALID_ROUTE.to_vec()
}

/// Reads an address without angle brackets, whose words are also read as a phrase; `None` where there is none.
fn bare_address(scanner: &mut Scanner<'_>, phrase: &Phrase) -> Option<MailAddress> {
    let mailbox = localpart(scanner);
    let host = match scanner.take(b'@') {
        true => domain(scanner),
        false if phrase.words == 1 && !phrase.quoted => Vec::new(),
        false => return None,
    };
    let name = scanner.take_comment().and_then(|comment| shown(&unescaped(comment)));
    Some(MailAddress {
        name,
        route: None,
        mailbox: Some(or(mailbox, MISSING_MAILBOX)),
        host: Some(or(host, MISSING_DOMAIN)),
    })
}

/// Words joined by dots, about which white space may stand (RFC 5322 §4.4).
fn localpart(scanner: &mut Scanner<'_>) -> Vec<u8> {
    dotted(scanner, |scanner| match scanner.peek() {
        Some(b'"') => scanner.quoted_string(),
        _ => scanner.take_while(is_atext).to_vec(),
    })
}

/// A domain or an address literal.
fn domain(scanner: &mut Scanner<'_>) -> Vec<u8> {
    scanner.skip_space();
    if scanner.peek() == Some(b'[') {
        let mut literal = scanner.take_while(|byte| !matches!(byte, b']' | b'>' | b',')).to_vec();
        if scanner.take(b']') {
            literal.push(b']');
        }
        scanner.skip_space();
        return literal;
    }
    dotted(scanner, |scanner| scanner.take_while(is_atext).to_vec())
}

fn dotted<'a>(scanner: &mut Scanner<'a>, word: impl Fn(&mut Scanner<'a>) -> Vec<u8>) -> Vec<u8> {
    let mut words = Vec::new();
    loop {
        words.extend(word(scanner));
        scanner.skip_space();
        if !scanner.take(b'.') {
            return words;
        }
        words.push(b'.');
        scanner.skip_space();
    }
}

fn or(text: Vec<u8>, absent: &[u8]) -> Vec<u8> {
    if text.is_empty() { absent.to_vec() } else { text }
}

/// A comment's text without its escapes.
fn unescaped(comment: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(comment.len());
    let mut bytes = comment.iter().copied();
    while let Some(byte) = bytes.next() {
        text.extend(if byte == b'\\' { bytes.next() } else { Some(byte) });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses as `name|route|mailbox|host`, `-` for what is absent.
    fn read(value: &str) -> Vec<String> {
        let mut list = Vec::new();
        addresses(value.as_bytes(), &mut list);
        let text = |part: &Option<Vec<u8>>| {
            part.as_ref().map_or("-".into(), |part| String::from_utf8_lossy(part).into_owned())
        };
        list.iter().map(|a| [&a.name, &a.route, &a.mailbox, &a.host].map(text).join("|")).collect()
    }

    #[test]
    fn address_lists_by_table() {
        const MISSING: &str = "-|-|MISSING_MAILBOX|MISSING_DOMAIN";
        let table: [(&str, &[&str]); 41] = [
            ("", &[]),
            // RFC 5322 appendix A.1.
            ("John Doe <jdoe@machine.example>", &["John Doe|-|jdoe|machine.example"]),
            (
                "Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
                &["Mary Smith|-|mary|x.test", "-|-|jdoe|example.org", "Who?|-|one|y.test"],
            ),
            (
                "<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
                &["-|-|boss|nil.test", "Giant; \"Big\" Box|-|sysservices|example.net"],
            ),
            (
                "A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
                &["-|-|A Group|-", "Ed Jones|-|c|a.test", "-|-|joe|where.test", "John|-|jdoe|one.test", "-|-|-|-"],
            ),
            ("Undisclosed recipients:;", &["-|-|Undisclosed recipients|-", "-|-|-|-"]),
            // Appendix A.5 and A.6.
            ("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", &["Pete|-|pete|silly.test"]),
            ("Joe Q. Public <john.q.public@example.com>", &["Joe Q. Public|-|john.q.public|example.com"]),
            (
                "Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
                &["Mary Smith|@node.test|mary|example.net", "-|-|jdoe|test.example"],
            ),
            // Mail before RFC 822.
            ("ana@x (Ana  Gil)", &["Ana Gil|-|ana|x"]),
            ("(c) ana@x (a \\(b) (d)", &["d|-|ana|x"]),
            // Groups.
            ("g: a@b, c@d; z@z", &["-|-|g|-", "-|-|a|b", "-|-|c|d", "-|-|-|-", "-|-|z|z"]),
            ("g: a@b", &["-|-|g|-", "-|-|a|b", "-|-|-|-"]),
            ("g:;h:c@d;", &["-|-|g|-", "-|-|-|-", "-|-|h|-", "-|-|c|d", "-|-|-|-"]),
            // Names.
            ("\"a\" b.c \"\" <d@e>", &["a b.c|-|d|e"]),
            ("\"\" <d@e>", &["-|-|d|e"]),
            ("=?utf-8?q?a?= <d@e>", &["=?utf-8?q?a?=|-|d|e"]),
            ("[List] <d@e>", &["[List]|-|d|e"]),
            ("n<a@b>m<c@d>, e@f", &["n|-|a|b", "-|-|e|f"]),
            // Localparts and domains.
            ("\"a b\"@c, a@[192.0.2.1]", &["-|-|a b|c", "-|-|a|[192.0.2.1]"]),
            ("a!b%c@d, .a.@b, \"x\".y@z", &["-|-|a!b%c|d", "-|-|.a.|b", "-|-|x.y|z"]),
            ("<a @ b . c>", &["-|-|a|b.c"]),
            ("<@a,@b:c@d>", &["-|@a,@b|c|d"]),
            ("<@a b@c>", &["-|INVALID_ROUTE|b|c"]),
            // What is missing.
            ("foo", &["-|-|foo|MISSING_DOMAIN"]),
            ("foo@, @bar", &["-|-|foo|MISSING_DOMAIN", "-|-|MISSING_MAILBOX|bar"]),
            ("foo bar", &["foo bar|-|MISSING_MAILBOX|MISSING_DOMAIN"]),
            ("\"foo\"", &["foo|-|MISSING_MAILBOX|MISSING_DOMAIN"]),
            ("foo b@c, d@e", &["foo b|-|MISSING_MAILBOX|MISSING_DOMAIN", "-|-|d|e"]),
            ("<>", &[MISSING]),
            ("n <a>", &["n|-|a|MISSING_DOMAIN"]),
            ("n <a@b, c@d>", &["n|-|a|SYNTAX_ERROR", "-|-|c|d"]),
            ("n <a b@c>, d@e", &["n|-|a|SYNTAX_ERROR", "-|-|d|e"]),
            ("<a@\"b\">", &["-|-|a|SYNTAX_ERROR"]),
            ("(only)", &[]),
            (",;, ,", &[]),
            ("a@b; c@d", &["-|-|a|b", "-|-|c|d"]),
            ("a@b\\, c@d", &["-|-|a|b", "-|-|c|d"]),
            ("[x]@y, a@b", &[MISSING, "-|-|a|b"]),
            ("<undisclosed-recipients:;>, a@b", &["-|-|undisclosed-recipients|SYNTAX_ERROR", "-|-|a|b"]),
            ("\"open <a@b>", &["open <a@b>|-|MISSING_MAILBOX|MISSING_DOMAIN"]),
        ];
        for (value, expected) in table {
            assert_eq!(read(value), expected, "{value}");
        }
    }

    #[test]
    fn a_list_is_bounded() {
        assert_eq!(read(&"a,".repeat(MAX_ADDRESSES * 2)).len(), MAX_ADDRESSES);
    }
}
