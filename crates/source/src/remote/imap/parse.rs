//! Responses of an IMAP server taken apart (RFC 9051 §9, RFC 3501 §9): what a reader of mailboxes asks for, and of
//! everything else that it is something else.
//!
//! No I/O: a response comes whole, its literals in place behind their announcements, without its last CRLF.
//!
//! ```text
//! response      = "+" text / "*" SP ( status / data ) / tag SP status
//! status        = ( "OK" / "NO" / "BAD" / "BYE" / "PREAUTH" ) SP [ "[" code "]" SP ] text
//! data          = number SP ( "EXISTS" / "EXPUNGE" / "FETCH" SP list ) / name *( SP value )
//! value         = list / quoted / literal / "NIL" / atom
//! list          = "(" [ value *( SP value ) ] ")"
//! literal       = [ "~" ] "{" number [ "+" ] "}" CRLF *OCTET
//! ```

use std::borrow::Cow;

/// Lists within lists: the deepest that is asked for, a namespace, has three.
const MAX_DEPTH: usize = 10;

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Response<'a> {
    /// `+`: the server waits for the rest of a command.
    Continue(&'a [u8]),
    /// The end of a command.
    Tagged { tag: &'a [u8], status: Status<'a> },
    /// News of the session.
    Untagged(Status<'a>),
    /// What the server can.
    Capability(Vec<&'a [u8]>),
    /// A mailbox, by LIST or LSUB.
    List(Listed<'a>),
    /// Namespaces: prefix and separator of personal, other people's and shared ones.
    Namespace([Vec<Namespace<'a>>; 3]),
    /// Messages of the mailbox that is open.
    Exists(u32),
    /// A message of it went.
    Expunge(u32),
    /// What a message has, by name.
    Fetch { number: u32, items: Vec<(&'a [u8], Value<'a>)> },
    /// Anything else.
    Other,
}

/// OK, NO, BAD, BYE or PREAUTH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Status<'a> {
    pub(super) kind: Kind,
    /// The response code: its name and what follows.
    pub(super) code: Option<(&'a [u8], &'a [u8])>,
    pub(super) text: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ok,
    No,
    Bad,
    Bye,
    Preauth,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed<'a> {
    /// By LSUB.
    pub(super) lsub: bool,
    pub(super) attributes: Vec<&'a [u8]>,
    /// `None`: there are no levels.
    pub(super) separator: Option<u8>,
    pub(super) name: Cow<'a, [u8]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Namespace<'a> {
    pub(super) prefix: Cow<'a, [u8]>,
    pub(super) separator: Option<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Nil,
    Atom(&'a [u8]),
    /// A quoted string or a literal.
    Text(Cow<'a, [u8]>),
    List(Vec<Value<'a>>),
}

/// What is wrong with a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

/// How many bytes follow on a line that ends in the announcement of a literal; `None` where it ends in none.
///
/// `first` is the response's first line: what people read ends in nothing of the kind, whatever it looks like.
pub(super) fn announced(first: &[u8], line: &[u8]) -> Option<u64> {
    let inner = line.strip_suffix(b"}")?;
    let start = memchr::memrchr(b'{', inner)?;
    if inner.len() - start > 20 || is_text(first) {
        return None;
    }
    number(inner[start + 1..].strip_suffix(b"+").unwrap_or(&inner[start + 1..]))
}

/// Whether a response ends in words for people.
fn is_text(first: &[u8]) -> bool {
    let mut words = first.split(|b| *b == b' ');
    let (tag, status) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    tag == b"+" || kind_of(status).is_some()
}

/// Takes a response apart.
///
/// # Errors
/// When it is none that the protocol knows.
pub(super) fn parse(response: &[u8]) -> Result<Response<'_>, Malformed> {
    if let Some(text) = response.strip_prefix(b"+") {
        return Ok(Response::Continue(text.trim_ascii_start()));
    }
    let (tag, rest) = word(response);
    if tag != b"*" {
        let is_tag = !tag.is_empty() && tag.iter().all(|b| b.is_ascii_alphanumeric());
        let status = status(rest).filter(|_| is_tag).ok_or(Malformed("a line is neither tagged nor untagged"))?;
        return Ok(Response::Tagged { tag, status });
    }
    if let Some(status) = status(rest) {
        return Ok(Response::Untagged(status));
    }
    let (name, rest) = word(rest);
    if let Some(number) = number(name) {
        let number = u32::try_from(number).map_err(|_| Malformed("a number of a message is beyond 32 bits"))?;
        return numbered(number, rest);
    }
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    if is("CAPABILITY") {
        return Ok(Response::Capability(words(rest)));
    }
    if is("LIST") || is("LSUB") || is("XLIST") {
        return listed(rest, is("LSUB"));
    }
    if is("NAMESPACE") {
        return namespaces(rest);
    }
    Ok(Response::Other)
}

/// The words of a code's argument, or of a line.
pub(super) fn words(text: &[u8]) -> Vec<&[u8]> {
    text.split(|b| *b == b' ').filter(|word| !word.is_empty()).collect()
}

/// A number of decimal digits.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.len() <= 20 && text.iter().all(u8::is_ascii_digit);
    if digits { std::str::from_utf8(text).ok()?.parse().ok() } else { None }
}

fn word(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b' ', text) {
        Some(space) => (&text[..space], &text[space + 1..]),
        None => (text, b""),
    }
}

fn kind_of(word: &[u8]) -> Option<Kind> {
    let known =
        [("OK", Kind::Ok), ("NO", Kind::No), ("BAD", Kind::Bad), ("BYE", Kind::Bye), ("PREAUTH", Kind::Preauth)];
    known.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes())).map(|(_, kind)| *kind)
}

fn status(rest: &[u8]) -> Option<Status<'_>> {
    let (name, text) = word(rest);
    let kind = kind_of(name)?;
    let bracketed = text.strip_prefix(b"[").and_then(|inner| {
        let end = memchr::memchr(b']', inner)?;
        Some((word(&inner[..end]), inner[end + 1..].trim_ascii_start()))
    });
    Some(match bracketed {
        Some((code, text)) => Status { kind, code: Some(code), text },
        None => Status { kind, code: None, text },
    })
}

fn numbered(number: u32, rest: &[u8]) -> Result<Response<'_>, Malformed> {
    let (name, rest) = word(rest);
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    if is("EXISTS") {
        return Ok(Response::Exists(number));
    }
    if is("EXPUNGE") {
        return Ok(Response::Expunge(number));
    }
    if !is("FETCH") {
        return Ok(Response::Other);
    }
    let mut scanner = Scanner { rest };
    let Value::List(values) = scanner.value(0)? else { return Err(Malformed("FETCH has no list")) };
    if number == 0 || !scanner.rest.is_empty() || values.len() % 2 == 1 {
        return Err(Malformed("FETCH is no list of pairs for a message"));
    }
    let mut items = Vec::with_capacity(values.len() / 2);
    let mut values = values.into_iter();
    while let (Some(name), Some(value)) = (values.next(), values.next()) {
        let Value::Atom(name) = name else { return Err(Malformed("an item of FETCH has no name")) };
        items.push((name, value));
    }
    Ok(Response::Fetch { number, items })
}

fn listed(rest: &[u8], lsub: bool) -> Result<Response<'_>, Malformed> {
    let mut scanner = Scanner { rest };
    let Value::List(values) = scanner.value(0)? else { return Err(Malformed("LIST has no attributes")) };
    let separator = separator(scanner.spaced()?)?;
    let name = text(scanner.spaced()?).ok_or(Malformed("LIST has no name"))?;
    // What LIST-EXTENDED adds behind the name (RFC 5258 §6) is not asked for.
    let attribute = |value| match value {
        Value::Atom(atom) => Some(atom),
        _ => None,
    };
    let attributes = values.into_iter().filter_map(attribute).collect();
    Ok(Response::List(Listed { lsub, attributes, separator, name }))
}

fn namespaces(rest: &[u8]) -> Result<Response<'_>, Malformed> {
    let mut scanner = Scanner { rest };
    let first = scanner.value(0)?;
    let mut kinds = [Vec::new(), Vec::new(), Vec::new()];
    for (index, kind) in [first, scanner.spaced()?, scanner.spaced()?].into_iter().enumerate() {
        let Value::List(spaces) = kind else { continue };
        for space in spaces {
            let Value::List(parts) = space else { return Err(Malformed("a namespace is no list")) };
            let mut parts = parts.into_iter();
            let prefix = parts.next().and_then(text).ok_or(Malformed("a namespace has no prefix"))?;
            let separator = separator(parts.next().unwrap_or(Value::Nil))?;
            kinds[index].push(Namespace { prefix, separator });
        }
    }
    Ok(Response::Namespace(kinds))
}

fn separator(value: Value<'_>) -> Result<Option<u8>, Malformed> {
    match value {
        Value::Nil => Ok(None),
        Value::Text(text) => match &text[..] {
            [] => Ok(None),
            [byte] => Ok(Some(*byte)),
            _ => Err(Malformed("a separator has more than one character")),
        },
        _ => Err(Malformed("a separator is neither a string nor NIL")),
    }
}

/// A string, which an atom may stand for.
pub(super) fn text(value: Value<'_>) -> Option<Cow<'_, [u8]>> {
    match value {
        Value::Atom(atom) => Some(Cow::Borrowed(atom)),
        Value::Text(text) => Some(text),
        Value::Nil | Value::List(_) => None,
    }
}

/// Goes over a response from value to value.
struct Scanner<'a> {
    rest: &'a [u8],
}

impl<'a> Scanner<'a> {
    /// The next value, behind a space.
    fn spaced(&mut self) -> Result<Value<'a>, Malformed> {
        self.skip_spaces();
        self.value(0)
    }

    fn skip_spaces(&mut self) {
        while let [b' ', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>, Malformed> {
        match self.rest {
            [b'(', rest @ ..] => {
                self.rest = rest;
                self.list(depth + 1)
            }
            [b'"', rest @ ..] => {
                self.rest = rest;
                self.quoted()
            }
            [b'{', rest @ ..] | [b'~', b'{', rest @ ..] => {
                self.rest = rest;
                self.literal()
            }
            _ => self.atom(),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value<'a>, Malformed> {
        if depth > MAX_DEPTH {
            return Err(Malformed("lists stand too deep in one another"));
        }
        let mut values = Vec::new();
        loop {
            self.skip_spaces();
            match self.rest {
                [] => return Err(Malformed("a list has no end")),
                [b')', rest @ ..] => {
                    self.rest = rest;
                    return Ok(Value::List(values));
                }
                _ => values.push(self.value(depth)?),
            }
        }
    }

    fn quoted(&mut self) -> Result<Value<'a>, Malformed> {
        let inner = self.rest;
        let mut unescaped: Option<Vec<u8>> = None;
        let mut at = 0;
        loop {
            let end = memchr::memchr2(b'"', b'\\', &inner[at..]).ok_or(Malformed("a quoted string has no end"))? + at;
            if inner[end] == b'"' {
                self.rest = &inner[end + 1..];
                return Ok(Value::Text(match unescaped {
                    None => Cow::Borrowed(&inner[..end]),
                    Some(mut text) => {
                        text.extend_from_slice(&inner[at..end]);
                        Cow::Owned(text)
                    }
                }));
            }
            let escaped = inner.get(end + 1).ok_or(Malformed("a quoted string has no end"))?;
            let text = unescaped.get_or_insert_default();
            text.extend_from_slice(&inner[at..end]);
            text.push(*escaped);
            at = end + 2;
        }
    }

    fn literal(&mut self) -> Result<Value<'a>, Malformed> {
        const WRONG: Malformed = Malformed("a literal is not as announced");
        let end = memchr::memchr(b'}', self.rest).ok_or(WRONG)?;
        let digits = self.rest[..end].strip_suffix(b"+").unwrap_or(&self.rest[..end]);
        let size = number(digits).and_then(|n| usize::try_from(n).ok()).ok_or(WRONG)?;
        let bytes = self.rest[end + 1..].strip_prefix(b"\r\n").ok_or(WRONG)?;
        if bytes.len() < size {
            return Err(WRONG);
        }
        let (text, rest) = bytes.split_at(size);
        self.rest = rest;
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    /// An atom; a section in brackets belongs to it (`BODY[HEADER.FIELDS (DATE)]`).
    fn atom(&mut self) -> Result<Value<'a>, Malformed> {
        let mut end = 0;
        let mut brackets = false;
        for byte in self.rest {
            match byte {
                b'[' => brackets = true,
                b']' => brackets = false,
                b' ' | b'(' | b')' | b'"' if !brackets => break,
                b'\r' | b'\n' => return Err(Malformed("a line ends within a value")),
                _ => {}
            }
            end += 1;
        }
        let (atom, rest) = self.rest.split_at(end);
        self.rest = rest;
        match atom {
            [] => Err(Malformed("a value is missing")),
            _ if atom.eq_ignore_ascii_case(b"NIL") => Ok(Value::Nil),
            _ => Ok(Value::Atom(atom)),
        }
    }
}

/// Reads INTERNALDATE as seconds since 1970 UTC.
///
/// ```text
/// date-time = ( SP DIGIT / 2DIGIT / DIGIT ) "-" month "-" 4DIGIT SP 2DIGIT ":" 2DIGIT ":" 2DIGIT SP ( "+" / "-" ) 4DIGIT
/// ```
pub(super) fn date_time(text: &[u8]) -> Option<i64> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let text = std::str::from_utf8(text).ok()?;
    let [date, clock, zone] = exactly(text.trim().split(' '))?;
    let [day, month, year] = exactly(date.split('-'))?;
    let [hour, minute, second] = exactly(clock.split(':'))?;
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))? + 1;
    let day = if day.len() == 1 { digits(day, 1) } else { digits(day, 2) }?;
    let (hour, minute, second) = (digits(hour, 2)?, digits(minute, 2)?, digits(second, 2)?);
    let (sign, zone) = zone.split_at_checked(1)?;
    let zone = i64::from(digits(zone, 4)?);
    let east = (zone / 100 * 60 + zone % 100) * 60;
    let east = match sign {
        "+" => east,
        "-" => -east,
        _ => return None,
    };
    let small = |n: i16| i8::try_from(n).ok();
    // A leap second is the second after it.
    let (second, leap) = if second == 60 { (59, 1) } else { (second, 0) };
    let month = i8::try_from(month).ok()?;
    let (day, hour, minute, second) = (small(day)?, small(hour)?, small(minute)?, small(second)?);
    let civil = jiff::civil::DateTime::new(digits(year, 4)?, month, day, hour, minute, second, 0).ok()?;
    let utc = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(utc.timestamp().as_second() + leap - east)
}

/// The parts, where they are so many.
fn exactly<'a, const N: usize>(parts: impl Iterator<Item = &'a str>) -> Option<[&'a str; N]> {
    parts.take(N + 1).collect::<Vec<_>>().try_into().ok()
}

/// A number of so many digits.
fn digits(text: &str, count: usize) -> Option<i16> {
    let fits = text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn status(kind: Kind, code: Option<(&'static str, &'static str)>, text: &'static str) -> Status<'static> {
        let code = code.map(|(name, rest)| (name.as_bytes(), rest.as_bytes()));
        Status { kind, code, text: text.as_bytes() }
    }

    #[test]
    fn statuses_have_codes() {
        for (line, expected) in [
            ("* OK [UIDVALIDITY 3857529045] UIDs valid", ("UIDVALIDITY", "3857529045", "UIDs valid")),
            ("* OK [ALERT] {5}", ("ALERT", "", "{5}")),
        ] {
            let expected = status(Kind::Ok, Some((expected.0, expected.1)), expected.2);
            assert_eq!(parse(line.as_bytes()), Ok(Response::Untagged(expected)), "{line}");
        }
        let no = status(Kind::No, None, "[no end");
        assert_eq!(parse(b"a7 no [no end"), Ok(Response::Tagged { tag: b"a7", status: no }));
        assert_eq!(parse(b"* BYE"), Ok(Response::Untagged(status(Kind::Bye, None, ""))));
        assert_eq!(parse(b"+ go on"), Ok(Response::Continue(b"go on")));
        assert_eq!(parse(b"+"), Ok(Response::Continue(b"")));
    }

    #[test]
    fn mailboxes_have_attributes_separator_and_name() {
        let listed = |lsub, attributes: &[&'static [u8]], separator, name: &'static [u8]| {
            Response::List(Listed { lsub, attributes: attributes.to_vec(), separator, name: Cow::Borrowed(name) })
        };
        let table: [(&[u8], Response<'_>); 5] = [
            (
                br#"* LIST (\HasNoChildren \Sent) "." "INBOX.Sent""#,
                listed(false, &[b"\\HasNoChildren", b"\\Sent"], Some(b'.'), b"INBOX.Sent"),
            ),
            (br#"* LIST () NIL INBOX"#, listed(false, &[], None, b"INBOX")),
            (br#"* lsub () "\\" "a \"b\"""#, listed(true, &[], Some(b'\\'), br#"a "b""#)),
            (b"* LIST () \"/\" {5}\r\na\r\nbc", listed(false, &[], Some(b'/'), b"a\r\nbc")),
            (br#"* LIST () "/" a ("CHILDINFO" ("SUBSCRIBED"))"#, listed(false, &[], Some(b'/'), b"a")),
        ];
        for (line, expected) in table {
            assert_eq!(parse(line), Ok(expected));
        }
        for wrong in [&br#"* LIST (\Noselect) "/" NIL"#[..], br#"* LIST a "/" b"#, br#"* LIST () "//" b"#, b"* LIST ()"]
        {
            assert!(parse(wrong).is_err());
        }
    }

    #[test]
    fn namespaces_come_in_three_kinds() {
        // RFC 2342 §5.
        let line = br##"* NAMESPACE (("" "/")("#mh/" "/" "X-PARAM" ("FLAG1"))) NIL (("Public Folders/" "/"))"##;
        let space =
            |prefix: &'static str| Namespace { prefix: Cow::Borrowed(prefix.as_bytes()), separator: Some(b'/') };
        let expected = [vec![space(""), space("#mh/")], vec![], vec![space("Public Folders/")]];
        assert_eq!(parse(line), Ok(Response::Namespace(expected)));
    }

    #[test]
    fn messages_have_items_in_pairs() {
        let line =
            b"* 12 FETCH (UID 7 FLAGS (\\Seen $Forwarded) BODY[HEADER.FIELDS (DATE FROM)]<0> {3}\r\n)\r\n X NIL)";
        let Ok(Response::Fetch { number: 12, items }) = parse(line) else { panic!() };
        let names: Vec<_> = items.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, [&b"UID"[..], b"FLAGS", b"BODY[HEADER.FIELDS (DATE FROM)]<0>", b"X"]);
        assert_eq!(items[2].1, Value::Text(Cow::Borrowed(b")\r\n")));
        assert_eq!(parse(b"* 3 EXISTS"), Ok(Response::Exists(3)));
        assert_eq!(parse(b"* 3 expunge"), Ok(Response::Expunge(3)));
        for wrong in [
            &b"* 0 FETCH (UID 7)"[..],
            b"* 1 FETCH (UID)",
            b"* 1 FETCH UID 7",
            b"* 1 FETCH (UID 7",
            b"* 1 FETCH (UID 7) x",
            b"* 1 FETCH (UID {9}\r\nx)",
            b"* 1 FETCH (\"UID\" 7)",
            b"* 1 FETCH ((((((((((((UID 7))))))))))))",
            b"* 99999999999 EXISTS",
            b"a\"7 OK x",
            b"",
            b"hello",
        ] {
            assert!(parse(wrong).is_err(), "{:?}", wrong.escape_ascii().to_string());
        }
    }

    #[test]
    fn literals_are_announced_at_the_end_of_data() {
        let of = |line: &[u8]| announced(line, line);
        assert_eq!(of(b"* 1 FETCH (BODY[] {12}"), Some(12));
        assert_eq!(of(b"* 1 FETCH (BODY[] ~{12+}"), Some(12));
        assert_eq!(of(b"* LIST () NIL {0}"), Some(0));
        for none in [&b"* OK {12}"[..], b"a1 NO {12}", b"+ {12}", b"* 1 FETCH (X {x}", b"* X }", b"* X {12} "] {
            assert_eq!(of(none), None);
        }
        assert_eq!(announced(b"* 1 FETCH (A {1}", b" B {2}"), Some(2));
    }

    #[test]
    fn dates_are_seconds() {
        for (text, expected) in [
            ("17-Jul-1996 02:44:25 -0700", Some(837_596_665)),
            (" 1-Jan-1970 00:00:00 +0000", Some(0)),
            ("1-Jan-1970 00:00:00 +0000", Some(0)),
            ("01-Mar-2024 00:30:00 +0100", Some(1_709_249_400)),
            ("31-Dec-1998 23:59:60 +0000", Some(915_148_800)),
            ("31-Feb-1998 23:59:59 +0000", None),
            ("17-Jul-96 02:44:25 -0700", None),
            ("17-Jul-1996 02:44:25", None),
            ("17-Jul-1996 02:44 -0700", None),
            ("1-Jan-1970 00:00:00 +00ñ", None),
            ("", None),
        ] {
            assert_eq!(date_time(text.as_bytes()), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
            let _ = date_time(&bytes);
            let _ = parse(&[b"* 1 FETCH (", &bytes[..]].concat());
            let _ = announced(&bytes, &bytes);
        }

        #[test]
        fn strings_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let literal = [format!("* LIST () NIL {{{}}}\r\n", bytes.len()).as_bytes(), &bytes].concat();
            let Ok(Response::List(listed)) = parse(&literal) else { panic!() };
            prop_assert_eq!(&listed.name[..], &bytes[..]);
            let escaped: Vec<u8> = bytes.iter().flat_map(|b| match b {
                b'"' | b'\\' => vec![b'\\', *b],
                b => vec![*b],
            }).collect();
            let quoted = [b"* LIST () NIL \"", &escaped[..], b"\""].concat();
            let Ok(Response::List(listed)) = parse(&quoted) else { panic!() };
            prop_assert_eq!(&listed.name[..], &bytes[..]);
        }
    }
}
