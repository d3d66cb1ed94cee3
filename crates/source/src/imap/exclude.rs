//! Mailboxes that are left out: by an attribute (`\All`), or by a pattern of names as LIST has them (RFC 9051 §6.3.9).

use crate::remote::imap::Listed;
use message::MailboxName;

/// What is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Exclude {
    /// Mailboxes with this attribute.
    Attribute(String),
    /// Mailboxes whose name fits: `*` is anything, `%` anything within a level.
    Name(String),
}

impl Exclude {
    /// Reads one.
    ///
    /// # Errors
    /// In words, when it is empty.
    pub(crate) fn parse(text: &str) -> Result<Exclude, String> {
        match text {
            "" | "\\" => {
                Err("an attribute such as \"\\\\All\", or a name such as \"Shared/*\", is expected".to_owned())
            }
            _ if text.starts_with('\\') => Ok(Exclude::Attribute(text.to_owned())),
            _ => Ok(Exclude::Name(text.to_owned())),
        }
    }

    pub(super) fn fits(&self, listed: &Listed, name: &MailboxName) -> bool {
        match self {
            Exclude::Attribute(attribute) => listed.has(attribute),
            Exclude::Name(pattern) => matches(pattern, name.as_str()),
        }
    }
}

/// Whether a name fits a pattern. Work is their lengths' product at most.
fn matches(pattern: &str, name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    // `reached[n]`: what of the pattern was looked at fits the first n characters.
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    for p in pattern.chars() {
        if matches!(p, '*' | '%') {
            for n in 0..name.len() {
                reached[n + 1] |= reached[n] && (p == '*' || name[n] != MailboxName::SEPARATOR);
            }
        } else {
            for n in (0..name.len()).rev() {
                reached[n + 1] = reached[n] && name[n] == p;
            }
            reached[0] = false;
        }
    }
    reached[name.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_list() {
        for (pattern, name, fits) in [
            ("Shared/*", "Shared/a/b", true),
            ("Shared/%", "Shared/a/b", false),
            ("Shared/%", "Shared/ab", true),
            ("*b", "a/b/ab", true),
            ("%/b", "a/b", true),
            ("Año%", "Año 2012", true),
            ("a", "ab", false),
            ("ab", "a", false),
            ("*", "", true),
            ("a*%*", "a", true),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
        assert_eq!(Exclude::parse("\\All"), Ok(Exclude::Attribute("\\All".into())));
        assert!(Exclude::parse("").is_err());
    }
}
