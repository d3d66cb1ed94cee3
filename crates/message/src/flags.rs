//! System flags and keywords of a message (RFC 9051 §2.3.2).

use std::fmt;

/// A set of system flags. `\Recent` is never kept (`RULES.md 4.2`) and has no bit.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flags(u8);

/// Every system flag with its IMAP name and its letter in a Maildir file name.
const NAMES: [(Flags, &str, char); 6] = [
    (Flags::DRAFT, "\\Draft", 'D'),
    (Flags::FLAGGED, "\\Flagged", 'F'),
    (Flags::FORWARDED, "$Forwarded", 'P'),
    (Flags::ANSWERED, "\\Answered", 'R'),
    (Flags::SEEN, "\\Seen", 'S'),
    (Flags::DELETED, "\\Deleted", 'T'),
];

impl Flags {
    /// No flag.
    pub const NONE: Flags = Flags(0);
    /// `\Seen`.
    pub const SEEN: Flags = Flags(1);
    /// `\Answered`.
    pub const ANSWERED: Flags = Flags(2);
    /// `\Flagged`.
    pub const FLAGGED: Flags = Flags(4);
    /// `\Deleted`.
    pub const DELETED: Flags = Flags(8);
    /// `\Draft`.
    pub const DRAFT: Flags = Flags(16);
    /// `$Forwarded`: a keyword by RFC 9051, a letter of its own (`P`, passed) in Maildir; kept as a flag here.
    pub const FORWARDED: Flags = Flags(32);

    /// The flags as the bits that the store keeps.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The flags of stored bits; unknown bits are dropped.
    pub fn from_bits(bits: u8) -> Self {
        Flags(bits & 63)
    }

    /// Whether every flag of `other` is set.
    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// The flags of both.
    #[must_use]
    pub fn union(self, other: Flags) -> Self {
        Flags(self.0 | other.0)
    }

    /// The flags that stand in both.
    #[must_use]
    pub fn intersection(self, other: Flags) -> Self {
        Flags(self.0 & other.0)
    }

    /// These flags without those of `other`.
    #[must_use]
    pub fn without(self, other: Flags) -> Self {
        Flags(self.0 & !other.0)
    }

    /// Whether no flag is set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The flag of a Maildir letter (`D F P R S T`).
    pub fn from_maildir_letter(letter: char) -> Option<Self> {
        NAMES.iter().find(|n| n.2 == letter).map(|n| n.0)
    }

    /// The Maildir letters, in ASCII order as the format asks.
    pub fn maildir_letters(self) -> String {
        NAMES.iter().filter(|n| self.contains(n.0)).map(|n| n.2).collect()
    }

    /// The flag of an IMAP name, without regard to case.
    pub fn from_imap_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|n| n.1.eq_ignore_ascii_case(name)).map(|n| n.0)
    }

    /// The IMAP names of the flags set.
    pub fn imap_names(self) -> impl Iterator<Item = &'static str> {
        NAMES.iter().filter(move |n| self.contains(n.0)).map(|n| n.1)
    }
}

impl std::ops::BitOr for Flags {
    type Output = Flags;
    fn bitor(self, other: Flags) -> Flags {
        self.union(other)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flags({})", self.imap_names().collect::<Vec<_>>().join(" "))
    }
}

/// An IMAP keyword: an atom without the leading backslash (RFC 9051 §9, `flag-keyword`).
///
/// Keywords compare without regard to case, as servers treat them; the spelling first seen is kept.
#[derive(Clone, Debug)]
pub struct Keyword(String);

/// A text cannot be a keyword.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no IMAP keyword: 1 to 128 printable ASCII characters other than ( ) {{ % * \" \\ ] are expected")]
pub struct KeywordError {
    /// The text as given.
    pub text: String,
}

impl Keyword {
    /// Checks a text and takes it as a keyword.
    ///
    /// # Errors
    /// When it is empty, longer than 128 bytes, or holds a character that an atom may not.
    pub fn new(text: &str) -> Result<Self, KeywordError> {
        let fits = |b: u8| b.is_ascii_graphic() && !b"(){%*\"\\]".contains(&b);
        if (1..=128).contains(&text.len()) && text.bytes().all(fits) {
            Ok(Keyword(text.to_owned()))
        } else {
            Err(KeywordError { text: text.to_owned() })
        }
    }

    /// The keyword as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn folded(&self) -> impl Iterator<Item = u8> + '_ {
        self.0.bytes().map(|b| b.to_ascii_lowercase())
    }
}

impl PartialEq for Keyword {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Keyword {}

impl PartialOrd for Keyword {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Keyword {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.folded().cmp(other.folded())
    }
}

impl std::hash::Hash for Keyword {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        for byte in self.folded() {
            state.write_u8(byte);
        }
        state.write_u8(0xff);
    }
}

impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
