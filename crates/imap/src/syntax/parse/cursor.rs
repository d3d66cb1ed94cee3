//! A place in a command, and the words that every command is made of (RFC 9051 §4 and §9).

use super::quirk::Quirk;
use super::{ParseContext, ParseErrorKind};
use crate::syntax::chars::{is_astring_char, is_atom_char};
use std::borrow::Cow;

/// Why parsing stopped, and where.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: ParseErrorKind,
    pub(super) message: &'static str,
    pub(super) at: usize,
}

pub(super) type Parsed<T> = Result<T, Failure>;

/// What is left of a command.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    context: ParseContext,
    strict: bool,
}

/// A string, and how it came.
pub(super) struct Literal<'a> {
    pub(super) bytes: &'a [u8],
    /// As `literal8`.
    pub(super) binary: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], context: ParseContext, strict: bool) -> Self {
        Cursor { bytes, at: 0, context, strict }
    }

    pub(super) fn context(&self) -> ParseContext {
        self.context
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The failure that something is not as it should be, here.
    pub(super) fn failure(&self, message: &'static str) -> Failure {
        Failure { kind: ParseErrorKind::BadSyntax, message, at: self.at }
    }

    /// A failure of a kind of its own.
    pub(super) fn failure_of(&self, kind: ParseErrorKind, message: &'static str) -> Failure {
        Failure { kind, message, at: self.at }
    }

    /// Goes on in spite of a deviation, unless the parser is strict.
    pub(super) fn tolerate(&self, quirk: Quirk) -> Parsed<()> {
        if self.strict { Err(self.failure(quirk.objection())) } else { Ok(()) }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Whether what follows begins so, without regard to case.
    pub(super) fn looks_at(&self, text: &str) -> bool {
        let end = self.at + text.len();
        self.bytes.get(self.at..end).is_some_and(|bytes| bytes.eq_ignore_ascii_case(text.as_bytes()))
    }

    /// Takes a byte if it is this one.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Leaves the byte that [`Cursor::peek`] showed behind.
    pub(super) fn skip(&mut self) {
        self.at = self.bytes.len().min(self.at + 1);
    }

    pub(super) fn expect(&mut self, byte: u8, message: &'static str) -> Parsed<()> {
        if self.eat(byte) { Ok(()) } else { Err(self.failure(message)) }
    }

    /// The bytes that fit, which may be none.
    pub(super) fn take_while(&mut self, fits: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&byte| !fits(byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// `SP`.
    pub(super) fn sp(&mut self) -> Parsed<()> {
        self.expect(b' ', "a space was expected")?;
        if self.peek() == Some(b' ') {
            self.tolerate(Quirk::ExtraSpaces)?;
            self.take_while(|byte| byte == b' ');
        }
        Ok(())
    }

    /// `SP`, if it is followed by more than the end of the command.
    pub(super) fn more(&mut self) -> Parsed<bool> {
        if self.rest_is_blank() {
            return Ok(false);
        }
        self.sp().map(|()| true)
    }

    fn rest_is_blank(&self) -> bool {
        self.bytes[self.at..].iter().all(|&byte| byte == b' ')
    }

    /// The end of the command.
    pub(super) fn end(&mut self) -> Parsed<()> {
        if self.at < self.bytes.len() {
            if !self.rest_is_blank() {
                return Err(self.failure("the command goes on where it should end"));
            }
            self.tolerate(Quirk::TrailingSpace)?;
            self.at = self.bytes.len();
        }
        Ok(())
    }

    /// A word of the protocol, in upper case: letters, digits, `.` and `-`.
    pub(super) fn word(&mut self) -> Parsed<String> {
        let word = self.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
        if word.is_empty() {
            return Err(self.failure("a word was expected"));
        }
        Ok(word.iter().map(|byte| char::from(byte.to_ascii_uppercase())).collect())
    }

    /// Takes a word if it is this one.
    pub(super) fn eat_word(&mut self, expected: &str) -> bool {
        let begin = self.at;
        let found = self.word().is_ok_and(|word| word == expected);
        if !found {
            self.at = begin;
        }
        found
    }

    /// ```text
    /// atom = 1*ATOM-CHAR
    /// ```
    pub(super) fn atom(&mut self) -> Parsed<&'a str> {
        let atom = self.take_while(is_atom_char);
        if atom.is_empty() {
            return Err(self.failure("an atom was expected"));
        }
        Ok(std::str::from_utf8(atom).expect("atoms are ASCII"))
    }

    /// ```text
    /// number = 1*DIGIT        ; unsigned, less than 2^32
    /// ```
    pub(super) fn number(&mut self) -> Parsed<u32> {
        let begin = self.at;
        let number = self.number64()?;
        u32::try_from(number).map_err(|_| Failure { at: begin, ..self.failure("the number is too large") })
    }

    /// ```text
    /// number64 = 1*DIGIT      ; unsigned, less than 2^63
    /// ```
    pub(super) fn number64(&mut self) -> Parsed<u64> {
        let begin = self.at;
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        if digits.is_empty() {
            return Err(self.failure("a number was expected"));
        }
        let add = |number: u64, digit: &u8| number.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
        digits
            .iter()
            .try_fold(0, add)
            .filter(|&number| i64::try_from(number).is_ok())
            .ok_or_else(|| Failure { at: begin, ..self.failure("the number is too large") })
    }

    /// ```text
    /// nz-number = digit-nz *DIGIT
    /// ```
    pub(super) fn nz_number(&mut self) -> Parsed<u32> {
        let begin = self.at;
        let number = self.nz_number64()?;
        u32::try_from(number).map_err(|_| Failure { at: begin, ..self.failure("the number is too large") })
    }

    /// ```text
    /// nz-number64 = digit-nz *DIGIT
    /// ```
    pub(super) fn nz_number64(&mut self) -> Parsed<u64> {
        let begin = self.at;
        if self.peek() == Some(b'0') {
            self.tolerate(Quirk::LeadingZero)?;
        }
        match self.number64()? {
            0 => Err(Failure { at: begin, ..self.failure("the number may not be zero") }),
            number => Ok(number),
        }
    }

    /// ```text
    /// mod-sequence-value = 1*DIGIT        ; at least 1, less than 2^63
    /// ```
    pub(super) fn modseq(&mut self) -> Parsed<u64> {
        if self.peek() == Some(b'0') {
            self.tolerate(Quirk::ZeroModSeq)?;
        }
        self.number64()
    }

    /// ```text
    /// astring = 1*ASTRING-CHAR / string
    /// ```
    pub(super) fn astring(&mut self) -> Parsed<Cow<'a, [u8]>> {
        self.astring_of(is_astring_char)
    }

    /// An `astring` whose unquoted form is made of other bytes; bytes beyond ASCII are tolerated in it.
    pub(super) fn astring_of(&mut self, fits: impl Fn(u8) -> bool) -> Parsed<Cow<'a, [u8]>> {
        if self.at_string() {
            return self.string();
        }
        let plain = self.take_while(|byte| fits(byte) || byte >= 0x80);
        if plain.is_empty() {
            return Err(self.failure("a string was expected"));
        }
        if !plain.is_ascii() {
            self.tolerate(Quirk::EightBit)?;
        }
        Ok(Cow::Borrowed(plain))
    }

    fn at_string(&self) -> bool {
        matches!(self.peek(), Some(b'"' | b'{'))
    }

    /// ```text
    /// string = quoted / literal
    /// ```
    /// NUL stands in neither: a literal of RFC 3501 and RFC 9051 is made of `CHAR8`, which is not NUL.
    pub(super) fn string(&mut self) -> Parsed<Cow<'a, [u8]>> {
        if self.peek() == Some(b'"') {
            return self.quoted();
        }
        let literal = self.literal()?;
        if literal.contains(&0) {
            return Err(self.failure("a string may not hold NUL"));
        }
        Ok(Cow::Borrowed(literal))
    }

    /// ```text
    /// nstring = string / nil
    /// ```
    pub(super) fn nstring(&mut self) -> Parsed<Option<Cow<'a, [u8]>>> {
        if self.eat_word("NIL") {
            return Ok(None);
        }
        self.string().map(Some)
    }

    /// ```text
    /// quoted          = DQUOTE *QUOTED-CHAR DQUOTE
    /// QUOTED-CHAR     = <any TEXT-CHAR except quoted-specials> / "\" quoted-specials / UTF8-2 / UTF8-3 / UTF8-4
    /// ```
    fn quoted(&mut self) -> Parsed<Cow<'a, [u8]>> {
        self.expect(b'"', "a quoted string was expected")?;
        let plain = self.take_while(|byte| !matches!(byte, b'"' | b'\\' | b'\r' | b'\n' | 0));
        let mut text = Cow::Borrowed(plain);
        while !self.eat(b'"') {
            self.expect(b'\\', "the quoted string does not end")?;
            match self.peek() {
                Some(byte @ (b'"' | b'\\')) => text.to_mut().push(byte),
                _ => return Err(self.failure("only \" and \\ stand after a \\")),
            }
            self.at += 1;
            let plain = self.take_while(|byte| !matches!(byte, b'"' | b'\\' | b'\r' | b'\n' | 0));
            text.to_mut().extend_from_slice(plain);
        }
        if !self.context.utf8 && !text.is_ascii() {
            self.tolerate(Quirk::EightBit)?;
        }
        Ok(text)
    }

    /// ```text
    /// literal = "{" number64 ["+"] "}" CRLF *CHAR8
    /// ```
    fn literal(&mut self) -> Parsed<&'a [u8]> {
        self.expect(b'{', "a string was expected")?;
        let length = self.number64()?;
        self.eat(b'+');
        self.expect(b'}', "the literal's length does not end")?;
        if !(self.eat(b'\r') && self.eat(b'\n')) {
            return Err(self.failure("a literal begins on a new line"));
        }
        let end = usize::try_from(length).ok().and_then(|length| self.at.checked_add(length));
        let bytes = end.and_then(|end| self.bytes.get(self.at..end));
        let bytes = bytes.ok_or_else(|| self.failure("the literal ends early"))?;
        self.at += bytes.len();
        Ok(bytes)
    }

    /// ```text
    /// literal8 = "~{" number64 ["+"] "}" CRLF *OCTET
    /// ```
    pub(super) fn literal_or_literal8(&mut self) -> Parsed<Literal<'a>> {
        let binary = self.eat(b'~');
        Ok(Literal { binary, bytes: self.literal()? })
    }

    /// An `astring` as text.
    pub(super) fn text(&mut self) -> Parsed<String> {
        let bytes = self.astring()?;
        self.utf8(&bytes)
    }

    /// A `string` as text.
    pub(super) fn string_text(&mut self) -> Parsed<String> {
        let bytes = self.string()?;
        self.utf8(&bytes)
    }

    pub(super) fn utf8(&self, bytes: &[u8]) -> Parsed<String> {
        let text = std::str::from_utf8(bytes).map_err(|_| self.failure("the text is not UTF-8"))?;
        Ok(text.to_owned())
    }

    /// ```text
    /// "(" [item *(SP item)] ")"
    /// ```
    pub(super) fn list_or_nothing<T>(&mut self, mut item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.expect(b'(', "a ( was expected")?;
        if self.peek() == Some(b' ') {
            self.tolerate(Quirk::SpacesInList)?;
            self.take_while(|byte| byte == b' ');
        }
        let mut items = Vec::new();
        while !self.eat(b')') {
            items.push(item(self)?);
            if self.eat(b')') {
                break;
            }
            self.sp()?;
            if self.peek() == Some(b')') {
                self.tolerate(Quirk::SpacesInList)?;
            }
        }
        Ok(items)
    }

    /// ```text
    /// "(" item *(SP item) ")"
    /// ```
    pub(super) fn list<T>(&mut self, item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let begin = self.at;
        let items = self.list_or_nothing(item)?;
        if items.is_empty() {
            return Err(Failure { at: begin, ..self.failure("the list may not be empty") });
        }
        Ok(items)
    }

    /// ```text
    /// item / "(" item *(SP item) ")"
    /// ```
    pub(super) fn one_or_list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        if self.peek() == Some(b'(') { self.list(item) } else { Ok(vec![item(self)?]) }
    }
}
