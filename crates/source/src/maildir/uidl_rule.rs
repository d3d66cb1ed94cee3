//! POP3 UIDL rules (`RULES.md 5.2`): what Dovecot's `pop3_uidl_format` makes of a message.
//!
//! ```text
//! rule  = *( literal / "%%" / "%" [ "0" width ] [ "L" / "U" ] [ "X" ] ( "u" / "v" / "f" / "g" ) )
//! ```
//! `u` is the UID, `v` UIDVALIDITY, `f` the base name of the file, `g` the message's GUID. `X` prints a number in lower-case
//! hexadecimal, whatever case its letter has; `U` after it raises it. Measured against Dovecot 2.3.19.

use std::str::FromStr;

/// The longest width: no number needs more.
const MAX_WIDTH: usize = 32;

/// A parsed rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UidlRule {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(char),
    Value { of: Value, width: usize, hex: bool, case: Case },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Uid,
    Uidvalidity,
    FileName,
    Guid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    AsIs,
    Lower,
    Upper,
}

/// What a rule may draw upon.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    /// UID and UIDVALIDITY, where both can be believed.
    pub(super) uid: Option<(u32, u32)>,
    /// The base name of the file.
    pub(super) base: &'a [u8],
    /// The GUID of the UID list, where it has one.
    pub(super) guid: Option<&'a [u8]>,
}

impl UidlRule {
    /// Dovecot's default.
    pub(crate) fn dovecot() -> UidlRule {
        let number = |of| Part::Value { of, width: 8, hex: true, case: Case::AsIs };
        UidlRule { parts: vec![number(Value::Uid), number(Value::Uidvalidity)] }
    }

    /// The file name, as Courier did before it numbered messages.
    pub(crate) fn file_name() -> UidlRule {
        UidlRule { parts: vec![Part::Value { of: Value::FileName, width: 0, hex: false, case: Case::AsIs }] }
    }

    /// Whether the rule draws upon a message's file.
    pub(crate) fn needs_file(&self) -> bool {
        let of_file = |part: &Part| matches!(part, Part::Value { of: Value::FileName | Value::Guid, .. });
        self.parts.iter().any(of_file)
    }

    /// The UIDL of a message of which nothing but its UID is known.
    pub(crate) fn of_uid(&self, uid: u32, uidvalidity: u32) -> Option<String> {
        self.apply(Facts { uid: Some((uid, uidvalidity)), base: b"", guid: None })
    }

    /// The UIDL of a message; `None` where a fact is missing, or the result is none that POP3 could have served (RFC 1939
    /// §7: 1 or more characters from `!` to `~`; longer ones than the 70 allowed have been served).
    pub(super) fn apply(&self, facts: Facts<'_>) -> Option<String> {
        let mut uidl = String::new();
        for part in &self.parts {
            match *part {
                Part::Literal(c) => uidl.push(c),
                Part::Value { of, width, hex, case } => {
                    let text = match of {
                        Value::Uid => number(facts.uid?.0, hex),
                        Value::Uidvalidity => number(facts.uid?.1, hex),
                        Value::FileName => std::str::from_utf8(facts.base).ok()?.to_owned(),
                        Value::Guid => std::str::from_utf8(facts.guid.unwrap_or(facts.base)).ok()?.to_owned(),
                    };
                    (text.len()..width).for_each(|_| uidl.push('0'));
                    match case {
                        Case::AsIs => uidl.push_str(&text),
                        Case::Lower => uidl.push_str(&text.to_ascii_lowercase()),
                        Case::Upper => uidl.push_str(&text.to_ascii_uppercase()),
                    }
                }
            }
        }
        is_uidl(uidl.as_bytes()).then_some(uidl)
    }
}

/// Whether POP3 can serve these bytes as a UIDL.
pub(super) fn is_uidl(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(u8::is_ascii_graphic)
}

fn number(value: u32, hex: bool) -> String {
    if hex { format!("{value:x}") } else { value.to_string() }
}

impl FromStr for UidlRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                parts.push(Part::Literal(c));
                continue;
            }
            let mut next = chars.next();
            if next == Some('%') {
                parts.push(Part::Literal('%'));
                continue;
            }
            let mut width = String::new();
            while let Some(digit) = next.filter(char::is_ascii_digit) {
                width.push(digit);
                next = chars.next();
            }
            if !width.is_empty() && !width.starts_with('0') {
                return Err(format!("a width begins with 0 (%0{width}…); widths that cut are not known"));
            }
            let width = if width.is_empty() { 0 } else { width.parse().unwrap_or(usize::MAX) };
            if width > MAX_WIDTH {
                return Err(format!("a width is at most {MAX_WIDTH}"));
            }
            let (mut hex, mut case) = (false, Case::AsIs);
            while let Some(modifier) = next.filter(|c| "XLU".contains(*c)) {
                match modifier {
                    'X' => (hex, case) = (true, Case::AsIs),
                    'L' => case = Case::Lower,
                    _ => case = Case::Upper,
                }
                next = chars.next();
            }
            let of = match next {
                Some('u') => Value::Uid,
                Some('v') => Value::Uidvalidity,
                Some('f') => Value::FileName,
                Some('g') => Value::Guid,
                Some(other) => return Err(format!("%{other} is not known; %u, %v, %f, %g and %% are")),
                None => return Err("it ends in the middle of a variable".to_owned()),
            };
            if hex && matches!(of, Value::FileName | Value::Guid) {
                return Err("X goes with the numbers %u and %v only".to_owned());
            }
            parts.push(Part::Value { of, width, hex, case });
        }
        if parts.iter().all(|part| matches!(part, Part::Literal(_))) {
            return Err("it holds no variable, so every message would get the same UIDL".to_owned());
        }
        Ok(UidlRule { parts })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What Dovecot 2.3.19's POP3 server answered for a message with UID 43980 and UIDVALIDITY 1373463529.
    #[test]
    fn rules_print_what_dovecot_printed() {
        let base = b"1373330003.M1P3.host,S=20,W=20";
        let facts = Facts { uid: Some((43980, 1_373_463_529)), base, guid: None };
        let table = [
            ("%08Xu%08Xv", "0000abcc51dd63e9"),
            ("%f", "1373330003.M1P3.host,S=20,W=20"),
            ("%g", "1373330003.M1P3.host,S=20,W=20"),
            ("%Uf", "1373330003.M1P3.HOST,S=20,W=20"),
            ("%v-%u", "1373463529-43980"),
            ("UID%u-%v", "UID43980-1373463529"),
            ("%Xu.%05u", "abcc.43980"),
            ("%%x%u", "%x43980"),
            ("%02u", "43980"),
            ("%04Xv", "51dd63e9"),
            ("%012u", "000000043980"),
            ("%08XLu", "0000abcc"),
            ("%UXu", "abcc"),
            ("%XUu", "ABCC"),
        ];
        for (rule, uidl) in table {
            assert_eq!(rule.parse::<UidlRule>().unwrap().apply(facts).as_deref(), Some(uidl), "{rule}");
        }
        assert_eq!("%08Xu%08Xv".parse(), Ok(UidlRule::dovecot()));
        assert_eq!("%f".parse(), Ok(UidlRule::file_name()));
    }

    #[test]
    fn a_uidl_needs_its_facts_and_fit_characters() {
        let facts = Facts { uid: None, base: b"a b", guid: Some(b"0123") };
        assert_eq!(UidlRule::dovecot().apply(facts), None);
        assert_eq!(UidlRule::file_name().apply(facts), None);
        assert_eq!("%g".parse::<UidlRule>().unwrap().apply(facts).as_deref(), Some("0123"));
    }

    #[test]
    fn unknown_rules_are_refused() {
        for rule in ["", "abc", "%", "%q", "%5u", "%0999u", "%Xf", "%{uid}", "%m", "%08X"] {
            assert!(rule.parse::<UidlRule>().is_err(), "{rule}");
        }
    }
}
