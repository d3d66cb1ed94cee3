//! Addresses of accounts and aliases: `localpart@domain`.

use std::fmt;

/// An address `localpart@domain`. The domain is kept in lower case; the localpart keeps its spelling but compares
/// without regard to case (`RULES.md 7.8`).
#[derive(Clone, Debug)]
pub struct Address {
    text: String,
    at: usize,
    key: String,
}

/// A text cannot be an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no mail address: {reason}")]
pub struct AddressError {
    /// The text as given.
    pub text: String,
    /// Why not.
    pub reason: &'static str,
}

impl Address {
    /// Checks `localpart@domain`. Quoted localparts and address literals are not taken: nothing hosted has them.
    ///
    /// # Errors
    /// When a part is missing or too long (64 and 255 bytes), or holds a space, a control character, `/`, `<`, `>`,
    /// `"`, `\`, `:`, `;` or `,`; also when the localpart is `.` or `..`.
    pub fn new(text: &str) -> Result<Self, AddressError> {
        let wrong = |reason| AddressError { text: text.to_owned(), reason };
        let (local, domain) = text.rsplit_once('@').ok_or_else(|| wrong("there is no @"))?;
        if local.is_empty() || domain.is_empty() {
            return Err(wrong("a part beside the @ is empty"));
        }
        if local.len() > 64 || domain.len() > 255 {
            return Err(wrong("a part is too long"));
        }
        let bad = |c: char| c.is_control() || c.is_whitespace() || "/<>\"\\:;,@".contains(c);
        if local.chars().any(bad) || domain.chars().any(bad) {
            return Err(wrong("it holds a character that an address here may not"));
        }
        if matches!(local, "." | "..") || domain.starts_with('.') || domain.contains("..") {
            return Err(wrong("it has an empty or dotted part"));
        }
        let domain = domain.to_lowercase();
        let key = format!("{}@{domain}", local.to_lowercase());
        Ok(Address { text: format!("{local}@{domain}"), at: local.len(), key })
    }

    /// The address in its own spelling.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the `@`.
    pub fn localpart(&self) -> &str {
        &self.text[..self.at]
    }

    /// What stands after the `@`, in lower case.
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// The form that compares: both parts in lower case.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Address {}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Address {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.domain(), self.key()).cmp(&(other.domain(), other.key()))
    }
}

impl std::hash::Hash for Address {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
