//! Macros (RFC 7208 §7).
//!
//! ```text
//! macro-string  = *( macro-expand / macro-literal )
//! macro-expand  = ( "%{" macro-letter transformers *delimiter "}" ) / "%%" / "%_" / "%-"
//! macro-literal = %x21-24 / %x26-7E
//! transformers  = *DIGIT [ "r" ]
//! delimiter     = "." / "-" / "+" / "," / "/" / "_" / "="
//! domain-spec   = macro-string domain-end
//! domain-end    = ( "." toplabel [ "." ] ) / macro-expand
//! ```

use std::fmt::Write;
use std::net::IpAddr;

/// Octets an expanded string may have; names are cut to less, and explanations too.
const MAX_EXPANDED: usize = 4_096;

/// What macros stand for.
pub(super) struct Values {
    pub(super) local: String,
    pub(super) sender_domain: String,
    pub(super) helo: String,
    pub(super) receiver: String,
    pub(super) client: IpAddr,
    /// The client's validated name, once it was needed.
    pub(super) validated: Option<String>,
    pub(super) now_s: u64,
}

/// A text with macros.
#[derive(Debug)]
pub(super) struct MacroString {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Literal(String),
    Macro(Macro),
}

#[derive(Debug)]
struct Macro {
    letter: u8,
    escaped: bool,
    /// How many parts from the right are kept; all without a number.
    keep: Option<usize>,
    reversed: bool,
    delimiters: Vec<char>,
}

impl MacroString {
    /// A `domain-spec`.
    pub(super) fn domain(text: &str) -> Option<MacroString> {
        let parsed = Self::parse(text, false, false)?;
        let ends_well = match parsed.parts.last()? {
            Part::Macro(_) => true,
            // `%%` and its like are literals here; what stands at the end of the text decides.
            Part::Literal(_) if text.ends_with("%%") || text.ends_with("%_") || text.ends_with("%-") => true,
            Part::Literal(_) => ends_in_top_label(text),
        };
        ends_well.then_some(parsed)
    }

    /// A macro-string, as unknown modifiers have it.
    pub(super) fn text(text: &str) -> Option<MacroString> {
        Self::parse(text, false, false)
    }

    /// An `explain-string`: with spaces, and with the macros that only it may have.
    pub(super) fn explanation(text: &str) -> Option<MacroString> {
        Self::parse(text, true, true)
    }

    fn parse(text: &str, spaces: bool, explains: bool) -> Option<MacroString> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            match c {
                '%' => match rest.next()? {
                    '%' => literal.push('%'),
                    '_' => literal.push(' '),
                    '-' => literal.push_str("%20"),
                    '{' => {
                        if !literal.is_empty() {
                            parts.push(Part::Literal(std::mem::take(&mut literal)));
                        }
                        let (inside, after) = rest.as_str().split_once('}')?;
                        parts.push(Part::Macro(Macro::parse(inside, explains)?));
                        rest = after.chars();
                    }
                    _ => return None,
                },
                ' ' if spaces => literal.push(' '),
                '!'..='~' => literal.push(c),
                _ => return None,
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Some(MacroString { parts })
    }

    /// Whether it has `%{p}`, which costs questions.
    pub(super) fn needs_validated_name(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Macro(Macro { letter: b'p', .. })))
    }

    /// The text with every macro replaced.
    pub(super) fn expand(&self, values: &Values, domain: &str) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Macro(part) => part.expand(values, domain, &mut out),
            }
            if out.len() > MAX_EXPANDED {
                break;
            }
        }
        out
    }
}

impl Macro {
    fn parse(inside: &str, explains: bool) -> Option<Macro> {
        let mut chars = inside.chars();
        let first = chars.next().filter(char::is_ascii)?;
        let letter = u8::try_from(first.to_ascii_lowercase()).ok()?;
        if !(b"slodiphv".contains(&letter) || (explains && b"crt".contains(&letter))) {
            return None;
        }
        let rest = chars.as_str();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = rest.split_at(digits);
        let keep = match number {
            "" => None,
            number => match number.parse::<usize>() {
                Ok(0) => return None,
                Ok(number) => Some(number),
                // More than any text has.
                Err(_) => Some(usize::MAX),
            },
        };
        let (reversed, rest) = match rest.strip_prefix(['r', 'R']) {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        if !rest.chars().all(|c| ".-+,/_=".contains(c)) {
            return None;
        }
        let delimiters = if rest.is_empty() { vec!['.'] } else { rest.chars().collect() };
        Some(Macro { letter, escaped: first.is_ascii_uppercase(), keep, reversed, delimiters })
    }

    fn expand(&self, values: &Values, domain: &str, out: &mut String) {
        let value = match self.letter {
            b's' => format!("{}@{}", values.local, values.sender_domain),
            b'l' => values.local.clone(),
            b'o' => values.sender_domain.clone(),
            b'd' => domain.to_owned(),
            b'i' => dotted(values.client),
            b'p' => values.validated.clone().unwrap_or_else(|| "unknown".to_owned()),
            b'v' => if values.client.is_ipv4() { "in-addr" } else { "ip6" }.to_owned(),
            b'h' => values.helo.clone(),
            b'c' => values.client.to_string(),
            b'r' => values.receiver.clone(),
            _ => values.now_s.to_string(),
        };
        let mut parts: Vec<&str> = value.split(self.delimiters.as_slice()).collect();
        if self.reversed {
            parts.reverse();
        }
        let from = self.keep.map_or(0, |keep| parts.len().saturating_sub(keep));
        let text = parts[from..].join(".");
        if self.escaped {
            escape(&text, out);
        } else {
            out.push_str(&text);
        }
    }
}

/// The client's address in the form that is split at dots: IPv6 as 32 nibbles (RFC 7208 §7.3).
fn dotted(client: IpAddr) -> String {
    match client {
        IpAddr::V4(client) => client.to_string(),
        IpAddr::V6(client) => {
            let nibbles = format!("{:032x}", u128::from(client));
            nibbles.chars().map(String::from).collect::<Vec<_>>().join(".")
        }
    }
}

/// Percent-encodes all but the unreserved characters of RFC 3986 §2.3.
fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte.into());
        } else {
            write!(out, "%{byte:02X}").expect("a string takes what is written to it");
        }
    }
}

/// Whether a text ends as a name does: a dot, then a label that is not a number and has no hyphen at its ends.
fn ends_in_top_label(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let Some((_, label)) = text.rsplit_once('.') else { return false };
    !label.is_empty()
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
        && !label.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn values(client: &str) -> Values {
        Values {
            local: "strong-bad".into(),
            sender_domain: "email.example.com".into(),
            helo: "mx.example.org".into(),
            receiver: "mx.example.net".into(),
            client: client.parse().unwrap(),
            validated: None,
            now_s: 1_000,
        }
    }

    /// RFC 7208 §7.4, all its examples.
    #[test]
    fn the_examples_of_the_rfc() {
        for (text, expected) in [
            ("%{s}", "strong-bad@email.example.com"),
            ("%{o}", "email.example.com"),
            ("%{d}", "email.example.com"),
            ("%{d4}", "email.example.com"),
            ("%{d3}", "email.example.com"),
            ("%{d2}", "example.com"),
            ("%{d1}", "com"),
            ("%{dr}", "com.example.email"),
            ("%{d2r}", "example.email"),
            ("%{l}", "strong-bad"),
            ("%{l-}", "strong.bad"),
            ("%{lr}", "strong-bad"),
            ("%{lr-}", "bad.strong"),
            ("%{l1r-}", "strong"),
            ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
            ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
            ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
            ("%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"),
            ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
        ] {
            let parsed = MacroString::text(text).unwrap();
            assert_eq!(parsed.expand(&values("192.0.2.3"), "email.example.com"), expected, "{text}");
        }
        let v6 = MacroString::domain("%{ir}.%{v}._spf.%{d2}").unwrap();
        assert_eq!(
            v6.expand(&values("2001:db8::cb01"), "email.example.com"),
            "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"
        );
    }

    #[test]
    fn what_is_escaped_and_what_is_literal() {
        let text = MacroString::explanation("%{S} 100%% %_ %- %{c} %{r} %{t} %{p}").unwrap();
        assert_eq!(
            text.expand(&values("::1"), "d.test"),
            "strong-bad%40email.example.com 100%   %20 ::1 mx.example.net 1000 unknown"
        );
    }

    #[test]
    fn what_is_no_macro_string() {
        for text in
            ["%", "%x", "%{", "%{d", "%{}", "%{x}", "%{d0}", "%{dx}", "%{c}.test", "a b.test", "é.test", "%{d.r}"]
        {
            assert!(MacroString::text(text).is_none(), "{text}");
        }
        for text in ["", "example", "a.1", "a.-b", "a.b-", "a..", "%{d}.1", "%{d}x"] {
            assert!(MacroString::domain(text).is_none(), "{text}");
        }
    }
}
