//! Names of mailboxes: Unicode, NFC, `/` between levels (RFC 9051 §5.1, `RULES.md 6.1`).

use std::fmt;
use unicode_normalization::UnicodeNormalization;

/// A mailbox name: Unicode in NFC, levels separated by `/`, INBOX (and INBOX as first level) in capitals.
///
/// Whatever a source used as namespace prefix, separator and encoding is gone by the time one of these exists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxName(String);

/// A text cannot be a mailbox name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailboxNameError {
    /// The name or one of its levels is empty.
    #[error("a mailbox name, and every level of it, needs at least one character")]
    Empty,
    /// A level is `.` or `..`.
    #[error("a level of a mailbox name may not be . or ..")]
    Dots,
    /// A control character or U+2028, U+2029 (RFC 5198 §2).
    #[error("a mailbox name may not hold control characters")]
    Control,
    /// Longer than [`MailboxName::MAX_BYTES`].
    #[error("a mailbox name may be at most {} bytes long", MailboxName::MAX_BYTES)]
    TooLong,
}

/// A mailbox's special use (RFC 6154 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SpecialUse {
    /// `\Sent`.
    Sent,
    /// `\Drafts`.
    Drafts,
    /// `\Trash`.
    Trash,
    /// `\Junk`.
    Junk,
    /// `\Archive`.
    Archive,
}

impl MailboxName {
    /// The longest name, in bytes of UTF-8: what a file name can hold after encoding, with room to spare.
    pub const MAX_BYTES: usize = 1024;
    /// What stands between levels.
    pub const SEPARATOR: char = '/';

    /// The INBOX.
    pub fn inbox() -> Self {
        MailboxName("INBOX".to_owned())
    }

    /// Checks a name with `/` between its levels and takes it in NFC.
    ///
    /// # Errors
    /// When it is empty, too long, has an empty level, a level `.` or `..`, or a control character.
    pub fn new(text: &str) -> Result<Self, MailboxNameError> {
        if text.len() > Self::MAX_BYTES {
            return Err(MailboxNameError::TooLong);
        }
        let mut name: String = text.nfc().collect();
        if name.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
            return Err(MailboxNameError::Control);
        }
        for level in name.split(Self::SEPARATOR) {
            match level {
                "" => return Err(MailboxNameError::Empty),
                "." | ".." => return Err(MailboxNameError::Dots),
                _ => {}
            }
        }
        let first = name.split(Self::SEPARATOR).next().map_or(0, str::len);
        if name[..first].eq_ignore_ascii_case("INBOX") {
            name.replace_range(..first, "INBOX");
        }
        if name.len() > Self::MAX_BYTES {
            return Err(MailboxNameError::TooLong);
        }
        Ok(MailboxName(name))
    }

    /// Joins levels; a `/` inside a level becomes U+2215 (DIVISION SLASH), the only character that cannot stand.
    ///
    /// # Errors
    /// As [`MailboxName::new`].
    pub fn from_levels<'a>(levels: impl IntoIterator<Item = &'a str>) -> Result<Self, MailboxNameError> {
        let levels: Vec<String> = levels.into_iter().map(|l| l.replace('/', "\u{2215}")).collect();
        Self::new(&levels.join("/"))
    }

    /// The name with `/` between levels.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The levels, outermost first.
    pub fn levels(&self) -> impl Iterator<Item = &str> {
        self.0.split(Self::SEPARATOR)
    }

    /// Whether this is the INBOX.
    pub fn is_inbox(&self) -> bool {
        self.0 == "INBOX"
    }
}

impl fmt::Display for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names by which clients in Spanish and English make mailboxes of a special use (`RULES.md 6.2`).
const KNOWN_NAMES: [(SpecialUse, &[&str]); 5] = [
    (SpecialUse::Sent, &["Sent", "Sent Items", "Sent Messages", "Enviados", "Elementos enviados"]),
    (SpecialUse::Drafts, &["Drafts", "Borradores"]),
    (SpecialUse::Trash, &["Trash", "Deleted Items", "Deleted Messages", "Papelera", "Elementos eliminados"]),
    (SpecialUse::Junk, &["Junk", "Junk E-mail", "Spam", "Correo no deseado"]),
    (SpecialUse::Archive, &["Archive", "Archivo"]),
];

impl SpecialUse {
    /// Every special use.
    pub const ALL: [SpecialUse; 5] =
        [SpecialUse::Sent, SpecialUse::Drafts, SpecialUse::Trash, SpecialUse::Junk, SpecialUse::Archive];

    /// The use that a top-level name is known for, without regard to case (`RULES.md 6.2`).
    pub fn of_known_name(name: &MailboxName) -> Option<Self> {
        let text = name.as_str().to_lowercase();
        KNOWN_NAMES.iter().find(|(_, names)| names.iter().any(|n| n.to_lowercase() == text)).map(|(u, _)| *u)
    }

    /// The attribute as RFC 6154 writes it.
    pub fn attribute(self) -> &'static str {
        match self {
            SpecialUse::Sent => "\\Sent",
            SpecialUse::Drafts => "\\Drafts",
            SpecialUse::Trash => "\\Trash",
            SpecialUse::Junk => "\\Junk",
            SpecialUse::Archive => "\\Archive",
        }
    }

    /// The use of an attribute, without regard to case.
    pub fn from_attribute(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|u| u.attribute().eq_ignore_ascii_case(text))
    }
}
