//! What a script can require.

/// An extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extension {
    Body,
    ComparatorNumeric,
    ComparatorUnicode,
    Copy,
    Date,
    Duplicate,
    EditHeader,
    EncodedCharacter,
    Envelope,
    Environment,
    Ereject,
    FileInto,
    Ihave,
    Imap4Flags,
    Index,
    Mailbox,
    MailboxId,
    Reject,
    Relational,
    SpecialUse,
    Subaddress,
    Vacation,
    VacationSeconds,
    Variables,
}

use Extension as E;

/// Every extension and its name.
const NAMES: [(Extension, &str); 24] = [
    (E::Body, "body"),
    (E::ComparatorNumeric, "comparator-i;ascii-numeric"),
    (E::ComparatorUnicode, "comparator-i;unicode-casemap"),
    (E::Copy, "copy"),
    (E::Date, "date"),
    (E::Duplicate, "duplicate"),
    (E::EditHeader, "editheader"),
    (E::EncodedCharacter, "encoded-character"),
    (E::Envelope, "envelope"),
    (E::Environment, "environment"),
    (E::Ereject, "ereject"),
    (E::FileInto, "fileinto"),
    (E::Ihave, "ihave"),
    (E::Imap4Flags, "imap4flags"),
    (E::Index, "index"),
    (E::Mailbox, "mailbox"),
    (E::MailboxId, "mailboxid"),
    (E::Reject, "reject"),
    (E::Relational, "relational"),
    (E::SpecialUse, "special-use"),
    (E::Subaddress, "subaddress"),
    (E::Vacation, "vacation"),
    (E::VacationSeconds, "vacation-seconds"),
    (E::Variables, "variables"),
];

/// The comparators that need no require (RFC 5228 §2.7.3).
const BASE: [&str; 2] = ["comparator-i;octet", "comparator-i;ascii-casemap"];

/// What an operator lets scripts do beside what every script may. By default nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Whether they may change the header of a message (RFC 5293).
    pub editheader: bool,
}

/// The names of all that a script may require, for the SIEVE capability of RFC 5804 §1.7.
pub fn extensions(features: Features) -> impl Iterator<Item = &'static str> {
    NAMES.iter().filter(move |(extension, _)| features.has(*extension)).map(|(_, name)| *name)
}

impl Features {
    fn has(self, extension: Extension) -> bool {
        match extension {
            E::EditHeader => self.editheader,
            _ => true,
        }
    }
}

/// A set of extensions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extensions(u32);

impl Extensions {
    pub(crate) fn has(self, extension: Extension) -> bool {
        self.0 & 1 << extension as u32 != 0
    }

    pub(crate) fn add(&mut self, extension: Extension) {
        self.0 |= 1 << extension as u32;
        // RFC 6131 §2: vacation-seconds implies vacation.
        if extension == E::VacationSeconds {
            self.add(E::Vacation);
        }
    }

    pub(crate) fn add_all(&mut self, other: Extensions) {
        self.0 |= other.0;
    }
}

impl Extension {
    pub(crate) fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(extension, _)| *extension == self)
            .map(|(_, name)| *name)
            .expect("every extension is listed")
    }
}

/// The extension of a name: `Ok(None)` for what needs none.
pub(crate) fn named(name: &str, features: Features) -> Result<Option<Extension>, Missing> {
    match NAMES.iter().find(|(_, known)| *known == name) {
        Some((extension, _)) if features.has(*extension) => Ok(Some(*extension)),
        Some((extension, _)) => Err(Missing::Off(*extension)),
        None if BASE.contains(&name) => Ok(None),
        None => Err(Missing::Unknown),
    }
}

/// Why a script cannot have what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// No extension here has the name.
    Unknown,
    /// It is there, and scripts may not have it.
    Off(Extension),
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Features = Features { editheader: true };

    #[test]
    fn every_extension_has_its_name_and_its_place_in_a_set() {
        for (extension, name) in NAMES {
            assert_eq!((named(name, ALL), extension.name()), (Ok(Some(extension)), name));
            let mut set = Extensions::default();
            assert!(!set.has(extension));
            set.add(extension);
            let others = NAMES.iter().filter(|(other, _)| set.has(*other)).count();
            assert_eq!(others, if extension == E::VacationSeconds { 2 } else { 1 });
        }
        assert_eq!(named("comparator-i;octet", ALL), Ok(None));
        assert_eq!(named("regex", ALL), Err(Missing::Unknown));
        assert_eq!(named("editheader", Features::default()), Err(Missing::Off(E::EditHeader)));
        assert_eq!(extensions(ALL).count(), NAMES.len());
        assert_eq!(extensions(Features::default()).count(), NAMES.len() - 1);
    }
}
