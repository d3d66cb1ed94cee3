//! Patterns of LIST and LSUB (RFC 9051 §6.3.9): `*` is any text, `%` any text within a level.

use message::MailboxName;

/// More wildcards than these are no pattern that a person or a client ever needed.
const MAX_WILDCARDS: usize = 20;

/// A pattern, ready to be held against names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Token>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Text(String),
    /// `*`.
    Any,
    /// `%`.
    InLevel,
}

impl Pattern {
    /// The pattern of a reference and a mailbox argument. `None`: it has too many wildcards.
    pub(crate) fn new(reference: &str, pattern: &str) -> Option<Self> {
        let mut tokens: Vec<Token> = Vec::new();
        for c in reference.chars().chain(pattern.chars()) {
            match (c, tokens.last_mut()) {
                ('*', Some(last @ (Token::Any | Token::InLevel))) => *last = Token::Any,
                ('%', Some(Token::Any | Token::InLevel)) => {}
                ('*', _) => tokens.push(Token::Any),
                ('%', _) => tokens.push(Token::InLevel),
                (c, Some(Token::Text(text))) => text.push(c),
                (c, _) => tokens.push(Token::Text(c.into())),
            }
        }
        let wildcards = tokens.iter().filter(|token| !matches!(token, Token::Text(_))).count();
        (wildcards <= MAX_WILDCARDS).then_some(Pattern(tokens))
    }

    /// Whether a name is of this pattern; INBOX is so in any spelling (RFC 9051 §5.1).
    pub(crate) fn matches(&self, name: &str) -> bool {
        let name = name.as_bytes();
        let any_case = if name == b"INBOX" || name.starts_with(b"INBOX/") { "INBOX".len() } else { 0 };
        // `reached[i]`: the tokens so far can stand for the first `i` bytes of the name.
        let mut reached = vec![false; name.len() + 1];
        reached[0] = true;
        for token in &self.0 {
            reached = token.reach(&reached, name, any_case);
        }
        reached[name.len()]
    }
}

impl Token {
    fn reach(&self, from: &[bool], name: &[u8], any_case: usize) -> Vec<bool> {
        let mut to = vec![false; from.len()];
        match self {
            Token::Text(text) => {
                let starts = (0..from.len()).filter(|&at| from[at] && begins_with(name, at, text.as_bytes(), any_case));
                starts.for_each(|at| to[at + text.len()] = true);
            }
            Token::Any | Token::InLevel => {
                let mut open = false;
                for at in 0..from.len() {
                    let ends = *self == Token::InLevel && at > 0 && name[at - 1] == MailboxName::SEPARATOR as u8;
                    open = from[at] || open && !ends;
                    to[at] = open;
                }
            }
        }
        to
    }
}

/// Whether a text stands in a name at a place; up to `any_case` without regard to case.
fn begins_with(name: &[u8], at: usize, text: &[u8], any_case: usize) -> bool {
    let Some(there) = name.get(at..at + text.len()) else { return false };
    there.iter().zip(text).enumerate().all(
        |(index, (a, b))| {
            if at + index < any_case { a.eq_ignore_ascii_case(b) } else { a == b }
        },
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::new("", pattern).unwrap().matches(name)
    }

    #[test]
    fn a_star_crosses_levels_and_a_percent_sign_does_not() {
        let names = ["INBOX", "a", "a/b", "a/b/c", "ab"];
        let matching = |pattern: &str| names.iter().copied().filter(|name| matches(pattern, name)).collect::<Vec<_>>();
        assert_eq!(matching("*"), names);
        assert_eq!(matching("%"), ["INBOX", "a", "ab"]);
        assert_eq!(matching("a*"), ["a", "a/b", "a/b/c", "ab"]);
        assert_eq!(matching("a/%"), ["a/b"]);
        assert_eq!(matching("%/%"), ["a/b"]);
        assert_eq!(matching("a%"), ["a", "ab"]);
        assert_eq!(matching("*c"), ["a/b/c"]);
        assert_eq!(matching("%/%%/%*"), ["a/b/c"]);
        assert_eq!(matching(""), [""; 0]);
    }

    #[test]
    fn inbox_is_itself_in_any_spelling() {
        assert!(matches("inbox", "INBOX"));
        assert!(matches("iNb%", "INBOX"));
        assert!(matches("inbox/A", "INBOX/A"));
        assert!(!matches("inbox/a", "INBOX/A"));
        assert!(!matches("inboxes", "INBOXES"));
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_refused() {
        assert_eq!(Pattern::new("", &"%a".repeat(MAX_WILDCARDS + 1)), None);
    }

    proptest! {
        #[test]
        fn patterns_mean_what_a_naive_reading_says(pattern in "[ab/%*]{0,8}", name in "[ab/]{0,8}") {
            fn naive(pattern: &[u8], name: &[u8]) -> bool {
                match pattern.split_first() {
                    None => name.is_empty(),
                    Some((b'*', rest)) => (0..=name.len()).any(|n| naive(rest, &name[n..])),
                    Some((b'%', rest)) => {
                        let level = name.iter().position(|&b| b == b'/').unwrap_or(name.len());
                        (0..=level).any(|n| naive(rest, &name[n..]))
                    }
                    Some((c, rest)) => name.first() == Some(c) && naive(rest, &name[1..]),
                }
            }
            prop_assert_eq!(matches(&pattern, &name), naive(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
