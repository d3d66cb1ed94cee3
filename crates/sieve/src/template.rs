//! Strings with variables in them (RFC 5229 §3), and encoded characters (RFC 5228 §2.4.2.4).

use crate::limits::{MAX_EXPANDED_BYTES, MAX_VARIABLE_CHARS, MAX_VARIABLES};
use crate::program::{Case, Modifiers};
use std::collections::HashMap;

/// A string in pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// In lower case.
    Variable(String),
    /// `${0}` and so on.
    Match(usize),
}

/// An expansion is longer than a string may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl Template {
    /// A string that stands for itself.
    pub(crate) fn constant(text: &str) -> Self {
        match text {
            "" => Template::default(),
            text => Template { pieces: vec![Piece::Text(text.to_owned())] },
        }
    }

    /// Finds the variables of a string. What is no reference to one stands for itself.
    ///
    /// # Errors
    /// The name of a variable in a namespace: no extension here brings one.
    pub(crate) fn with_variables(text: &str) -> Result<Self, String> {
        let mut template = Template::default();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let (before, reference) = rest.split_at(start);
            literal.push_str(before);
            let Some((name, after)) = reference[2..].split_once('}').filter(|(name, _)| is_reference(name)) else {
                literal.push_str("${");
                rest = &reference[2..];
                continue;
            };
            if name.contains('.') {
                return Err(name.to_owned());
            }
            if !literal.is_empty() {
                template.pieces.push(Piece::Text(std::mem::take(&mut literal)));
            }
            template.pieces.push(match name.starts_with(|c: char| c.is_ascii_digit()) {
                true => Piece::Match(name.parse().unwrap_or(usize::MAX)),
                false => Piece::Variable(name.to_ascii_lowercase()),
            });
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            template.pieces.push(Piece::Text(literal));
        }
        Ok(template)
    }

    /// The string, where it holds no variable.
    pub(crate) fn as_constant(&self) -> Option<&str> {
        match &self.pieces[..] {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The string with the values of its variables.
    ///
    /// # Errors
    /// When that is longer than [`MAX_EXPANDED_BYTES`]. What stands in the script itself is not counted.
    pub(crate) fn expand(&self, variables: &Variables) -> Result<String, TooLong> {
        match self.as_constant() {
            Some(text) => Ok(text.to_owned()),
            None => self.expand_to(variables, MAX_EXPANDED_BYTES).map_err(|_| TooLong),
        }
    }

    /// As [`Template::expand`], cut off at `max` bytes; an error holds what there was room for.
    fn expand_to(&self, variables: &Variables, max: usize) -> Result<String, String> {
        let mut text = String::new();
        for piece in &self.pieces {
            let value = match piece {
                Piece::Text(text) => text,
                Piece::Variable(name) => variables.get(name),
                Piece::Match(number) => variables.captures.get(*number).map_or("", String::as_str),
            };
            let room = max - text.len();
            text.push_str(&value[..value.floor_char_boundary(room)]);
            if value.len() > room {
                return Err(text);
            }
        }
        Ok(text)
    }
}

/// Whether what stands between `${` and `}` names a variable: a number, or identifiers with dots between them.
fn is_reference(name: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let mut parts = name.split('.');
    let first = parts.next().unwrap_or_default();
    is_number(name) || is_identifier(first) && parts.all(|part| is_identifier(part) || is_number(part))
}

/// RFC 5228 §8.1.
pub(crate) fn is_identifier(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Replaces `${hex:…}` and `${unicode:…}`; what is malformed stands for itself.
///
/// # Errors
/// In words, when a number is no character, or the octets together are no UTF-8.
pub(crate) fn decode_characters(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        bytes.extend_from_slice(&rest.as_bytes()[..start]);
        let reference = &rest[start + 2..];
        let decoded = reference.split_once('}').map(|(inner, after)| (decode(inner), after));
        match decoded {
            Some((Some(Ok(decoded)), after)) => {
                bytes.extend(decoded);
                rest = after;
            }
            Some((Some(Err(number)), _)) => return Err(format!("${{unicode:{number}}} is no character of Unicode")),
            Some((None, _)) | None => {
                bytes.extend_from_slice(b"${");
                rest = reference;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).map_err(|_| "the octets of ${hex:…} are not UTF-8".to_owned())
}

/// What stands between `${` and `}`, decoded; `None` where it is malformed, the number where it is no character.
fn decode(inner: &str) -> Option<Result<Vec<u8>, String>> {
    let (kind, numbers) = inner.split_once(':')?;
    let mut numbers = numbers.split(|c: char| c.is_ascii_whitespace()).filter(|number| !number.is_empty()).peekable();
    numbers.peek()?;
    let is_hex = |number: &str, max: usize| number.len() <= max && number.bytes().all(|b| b.is_ascii_hexdigit());
    let mut decoded = Vec::new();
    if kind.eq_ignore_ascii_case("hex") {
        for number in numbers {
            decoded.push(u8::from_str_radix(number, 16).ok().filter(|_| is_hex(number, 2))?);
        }
    } else if kind.eq_ignore_ascii_case("unicode") {
        let mut wrong = None;
        for number in numbers {
            // Any count of leading zeros may stand.
            let significant = number.trim_start_matches('0');
            if !number.bytes().all(|b| b.is_ascii_hexdigit()) {
                return None;
            }
            let code =
                if is_hex(significant, 6) { u32::from_str_radix(&format!("0{significant}"), 16).ok() } else { None };
            match code.and_then(char::from_u32) {
                Some(c) => decoded.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                None => wrong = wrong.or(Some(number.to_owned())),
            }
        }
        if let Some(number) = wrong {
            return Some(Err(number));
        }
    } else {
        return None;
    }
    Some(Ok(decoded))
}

/// The variables of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables {
    named: HashMap<String, String>,
    captures: Vec<String>,
}

/// There are as many variables as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl Variables {
    /// The value of a variable, by its name in lower case; empty where it has none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.named.get(name).map_or("", String::as_str)
    }

    pub(crate) fn set(&mut self, name: &str, value: String) -> Result<(), TooMany> {
        if self.named.len() >= MAX_VARIABLES && !self.named.contains_key(name) {
            return Err(TooMany);
        }
        self.named.insert(name.to_owned(), value);
        Ok(())
    }

    pub(crate) fn set_captures(&mut self, captures: Vec<String>) {
        self.captures = captures;
    }

    /// The value that `set` gives (RFC 5229 §4): expanded, modified, cut off at [`MAX_VARIABLE_CHARS`].
    pub(crate) fn value(&self, template: &Template, modifiers: Modifiers) -> String {
        let (Ok(mut value) | Err(mut value)) = template.expand_to(self, MAX_EXPANDED_BYTES);
        cut(&mut value);
        modified(value, modifiers)
    }
}

fn cut(value: &mut String) {
    if let Some((end, _)) = value.char_indices().nth(MAX_VARIABLE_CHARS) {
        value.truncate(end);
    }
}

/// Letters change within ASCII only, as i;ascii-casemap has it.
fn modified(mut value: String, modifiers: Modifiers) -> String {
    match modifiers.case {
        Some(Case::Lower) => value.make_ascii_lowercase(),
        Some(Case::Upper) => value.make_ascii_uppercase(),
        None => {}
    }
    if let (Some(case), Some(first)) = (modifiers.first, value.get_mut(..1)) {
        match case {
            Case::Lower => first.make_ascii_lowercase(),
            Case::Upper => first.make_ascii_uppercase(),
        }
    }
    if modifiers.quote_wildcard {
        value = quoted(&value);
    }
    if modifiers.length { value.chars().count().to_string() } else { value }
}

/// A value in which `*`, `?` and `\` stand for themselves under `:matches`; a quote is not cut from what it quotes.
fn quoted(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len());
    let mut room = MAX_VARIABLE_CHARS;
    for c in value.chars() {
        let takes = if matches!(c, '*' | '?' | '\\') { 2 } else { 1 };
        if takes > room {
            break;
        }
        room -= takes;
        if takes == 2 {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn variables() -> Variables {
        let mut variables = Variables::default();
        variables.set("company", "ACME".to_owned()).unwrap();
        variables.set("foo", "x".to_owned()).unwrap();
        variables.set_captures(vec!["whole".to_owned(), "one".to_owned()]);
        variables
    }

    /// RFC 5229 §3, the table of its examples among them.
    #[test]
    fn references_by_table() {
        let table = [
            ("", ""),
            ("${full}", ""),
            ("${company}", "ACME"),
            ("${BAD${Company}", "${BADACME"),
            ("${President, ${Company} Inc.}", "${President, ACME Inc.}"),
            ("&%${}!", "&%${}!"),
            ("${doh!}", "${doh!}"),
            ("$${foo}}", "$x}"),
            ("${0} ${1} ${01} ${2} ${99999999999999999999}", "whole one one  "),
            ("${1a}", "${1a}"),
            ("${", "${"),
        ];
        for (text, expected) in table {
            let template = Template::with_variables(text).unwrap();
            assert_eq!(template.expand(&variables()).unwrap(), expected, "{text}");
        }
        assert_eq!(Template::with_variables("${env.x}"), Err("env.x".to_owned()));
    }

    /// RFC 5228 §2.4.2.4.
    #[test]
    fn encoded_characters_by_table() {
        let table = [
            ("$${hex:40}", Ok("$@")),
            ("${hex: 40 }", Ok("@")),
            ("${HEX: 40}", Ok("@")),
            ("${hex:40", Ok("${hex:40")),
            ("${hex:400}", Ok("${hex:400}")),
            ("${hex:4${hex:30}}", Ok("${hex:40}")),
            ("${unicode:40}", Ok("@")),
            ("${ unicode:40}", Ok("${ unicode:40}")),
            ("${UNICODE:40}", Ok("@")),
            ("${UnICoDE:0000040}", Ok("@")),
            ("${Unicode:40}", Ok("@")),
            ("${Unicode:Cool}", Ok("${Unicode:Cool}")),
            ("${unicode:200000}", Err("${unicode:200000} is no character of Unicode")),
            ("${Unicode:DF01}", Err("${unicode:DF01} is no character of Unicode")),
            ("${hex:24 24}", Ok("$$")),
            ("${hex:c3}${hex:b1}", Ok("ñ")),
            ("${hex:ff}", Err("the octets of ${hex:…} are not UTF-8")),
            ("${hex:}", Ok("${hex:}")),
            ("${hex:+4}", Ok("${hex:+4}")),
        ];
        for (text, expected) in table {
            let decoded = decode_characters(text);
            assert_eq!(decoded.as_deref().map_err(String::as_str), expected, "{text}");
        }
    }

    /// RFC 5229 §4.1.
    #[test]
    fn modifiers_by_table() {
        let (lower, upper) = (Some(Case::Lower), Some(Case::Upper));
        let none = Modifiers::default();
        let table = [
            (none, "juMBlEd lETteRS"),
            (Modifiers { length: true, ..none }, "15"),
            (Modifiers { case: lower, ..none }, "jumbled letters"),
            (Modifiers { first: upper, ..none }, "JuMBlEd lETteRS"),
            (Modifiers { first: upper, case: lower, ..none }, "Jumbled letters"),
            (Modifiers { first: lower, case: upper, ..none }, "jUMBLED LETTERS"),
        ];
        for (modifiers, expected) in table {
            let template = Template::constant("juMBlEd lETteRS");
            assert_eq!(Variables::default().value(&template, modifiers), expected, "{modifiers:?}");
        }
        let quote = Modifiers { quote_wildcard: true, length: true, ..none };
        assert_eq!(Variables::default().value(&Template::constant("Rock*?\\ñ"), quote), "11");
        assert_eq!(modified("ñu".to_owned(), Modifiers { first: upper, ..none }), "ñu");
        assert_eq!(modified("a*".repeat(3000), Modifiers { quote_wildcard: true, ..none }).matches('\\').count(), 1365);
    }

    #[test]
    fn growth_is_bounded() {
        let mut variables = Variables::default();
        variables.set("a", "ñ".repeat(10)).unwrap();
        let many = Template::with_variables(&"${a}".repeat(1000)).unwrap();
        for _ in 0..20 {
            let value = variables.value(&many, Modifiers::default());
            assert!(value.chars().count() <= MAX_VARIABLE_CHARS);
            variables.set("a", value).unwrap();
        }
        assert_eq!(many.expand(&variables), Err(TooLong));
        for number in 1..MAX_VARIABLES {
            variables.set(&format!("v{number}"), String::new()).unwrap();
        }
        assert_eq!(variables.set("one_more", String::new()), Err(TooMany));
        assert_eq!(variables.set("a", String::new()), Ok(()));
    }
}
