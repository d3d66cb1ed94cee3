//! What real clients say beyond the grammar, and we understand all the same.

/// A tolerance: one deviation from the grammar with one meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quirk {
    /// A space at the end of a command: many clients join arguments that way.
    TrailingSpace,
    /// More than one space between arguments.
    ExtraSpaces,
    /// Spaces just inside parentheses: `STATUS INBOX (MESSAGES )`.
    SpacesInList,
    /// Bytes beyond ASCII in a string or an unquoted argument without UTF8=ACCEPT or IMAP4rev2: taken as UTF-8.
    EightBit,
    /// A mailbox name that is not in modified UTF-7, such as `Tom & Jerry` or `España` typed as it is, or one that
    /// another server encoded wrongly: decoded as far as it goes, as integration decoded the names of its sources, so
    /// that a client reaches the mailbox under the name that it remembers.
    MalformedUtf7,
    /// A day of one digit without its space in the date of an APPEND: `"1-Feb-2024 …"`.
    ShortDay,
    /// A number that may not be zero written with zeros before it.
    LeadingZero,
    /// A modification sequence of 0 where one of at least 1 is asked for: everything changed since.
    ZeroModSeq,
    /// A macro inside a list of FETCH items: `FETCH 1 (FAST)`, `FETCH 1 (UID ALL)`.
    MacroInList,
    /// Words of IMAP4rev1 after ENABLE IMAP4rev2: `NEW`, `OLD`, `RECENT`, the status item `RECENT` and the old `RFC822`
    /// items of FETCH (RFC 9051 appendix E).
    GoneInRev2,
    /// Options of GETMETADATA after the mailbox, as the examples of RFC 5464 §4.2 have them against its own grammar.
    OptionsAfterMailbox,
    /// Events of NOTIFY without parentheses around them, as in some examples of RFC 5465.
    BareEvents,
    /// NUL in a message that comes as plain literal: a message from elsewhere that holds one can be stored again.
    NulInMessage,
    /// Common misspellings of charsets: `UTF8`, `ASCII`.
    CharsetAlias,
}

impl Quirk {
    /// What a strict parser objects.
    pub(super) fn objection(self) -> &'static str {
        match self {
            Quirk::TrailingSpace => "a space at the end",
            Quirk::ExtraSpaces => "more than one space",
            Quirk::SpacesInList => "a space beside a parenthesis",
            Quirk::EightBit => "characters beyond ASCII are not enabled",
            Quirk::MalformedUtf7 => "the mailbox name is not in modified UTF-7",
            Quirk::ShortDay => "the day of a date takes two places",
            Quirk::LeadingZero => "a number other than zero begins with zero",
            Quirk::ZeroModSeq => "a modification sequence is at least 1",
            Quirk::MacroInList => "a macro stands alone",
            Quirk::GoneInRev2 => "IMAP4rev2 does not know this word",
            Quirk::OptionsAfterMailbox => "options come before the mailbox",
            Quirk::BareEvents => "events stand in parentheses",
            Quirk::NulInMessage => "NUL needs a literal8",
            Quirk::CharsetAlias => "the charset has another name",
        }
    }
}
