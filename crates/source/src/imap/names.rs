//! Names of mailboxes from what LIST says of them (`RULES.md 6.1`).

use crate::maildir::folder_name::{Level, Named, name_of};
use crate::remote::imap::{Listed, Listing};
use message::MailboxName;

/// How the names of an account are read.
pub(super) struct Names<'a> {
    /// What the owner's names begin with, longest first.
    prefixes: Vec<&'a [u8]>,
    foreign: Vec<&'a [u8]>,
    utf8: bool,
}

impl<'a> Names<'a> {
    /// By the server's own namespaces; `configured` is the prefix that the description says, where it says one.
    pub(super) fn new(listing: &'a Listing, configured: &'a str, utf8: bool) -> Self {
        let mut prefixes: Vec<&[u8]> = match configured {
            "" => listing.personal.iter().map(Vec::as_slice).collect(),
            prefix => vec![prefix.as_bytes()],
        };
        prefixes.retain(|prefix| !prefix.is_empty());
        prefixes.sort_by_key(|prefix| std::cmp::Reverse(prefix.len()));
        // One that is the owner's own as well is no other's.
        let foreign = listing.foreign.iter().map(Vec::as_slice);
        let foreign = foreign.filter(|f| !f.is_empty() && !prefixes.contains(f)).collect();
        Names { prefixes, foreign, utf8 }
    }

    /// Whether a mailbox is other people's, or everybody's.
    pub(super) fn is_foreign(&self, listed: &Listed) -> bool {
        self.foreign.iter().any(|prefix| {
            let whole = listed.separator.and_then(|s| prefix.strip_suffix(&[s]));
            listed.name.starts_with(prefix) || whole == Some(&listed.name)
        })
    }

    /// Whether a mailbox is where the owner's names begin: what a server shows there may be the INBOX once more.
    pub(super) fn is_root(&self, listed: &Listed) -> bool {
        let whole = |prefix: &&[u8]| listed.separator.and_then(|s| prefix.strip_suffix(&[s])) == Some(&listed.name);
        self.prefixes.iter().any(whole)
    }

    /// The name of a mailbox.
    pub(super) fn of(&self, listed: &Listed) -> Named {
        if listed.name.eq_ignore_ascii_case(b"INBOX") {
            return Named { name: MailboxName::inbox(), mended: None };
        }
        let own = self.prefixes.iter().find_map(|prefix| strip(&listed.name, prefix)).unwrap_or(&listed.name);
        let levels: Vec<&[u8]> = match listed.separator {
            Some(separator) => own.split(|b| *b == separator).collect(),
            None => vec![own],
        };
        let level = |text: &&[u8]| Level { text: text.to_vec(), utf7: !self.utf8 };
        name_of(&levels.iter().map(level).collect::<Vec<_>>())
    }
}

impl Listing {
    /// The mailboxes that can be opened and are the owner's, with their names. `utf8`: names are not in modified UTF-7.
    pub fn named(&self, utf8: bool) -> Vec<(&Listed, MailboxName)> {
        let names = Names::new(self, "", utf8);
        let own = self.mailboxes.iter().filter(|listed| listed.can_be_opened() && !names.is_foreign(listed));
        own.map(|listed| (listed, names.of(listed).name)).collect()
    }
}

/// What follows a prefix, if anything does; INBOX in it is spelt anyhow (RFC 9051 §5.1).
fn strip<'n>(name: &'n [u8], prefix: &[u8]) -> Option<&'n [u8]> {
    let (head, rest) = name.split_at_checked(prefix.len()).filter(|(_, rest)| !rest.is_empty())?;
    let is_inbox = prefix.get(..5).is_some_and(|p| p.eq_ignore_ascii_case(b"INBOX"));
    let fits = if is_inbox { head.eq_ignore_ascii_case(prefix) } else { head == prefix };
    fits.then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(name: &str, separator: Option<u8>) -> Listed {
        Listed { name: name.as_bytes().to_vec(), separator, attributes: Vec::new(), subscribed: false }
    }

    fn listing(personal: &[&str], foreign: &[&str]) -> Listing {
        let bytes = |prefixes: &[&str]| prefixes.iter().map(|p| p.as_bytes().to_vec()).collect();
        Listing { mailboxes: Vec::new(), personal: bytes(personal), foreign: bytes(foreign) }
    }

    #[test]
    fn prefix_and_separator_are_gone() {
        for (prefix, separator, name, expected) in [
            ("", Some(b'/'), "Facturas/A&APE-o 2012", "Facturas/Año 2012"),
            ("", Some(b'.'), "a.b/c", "a/b∕c"),
            ("INBOX.", Some(b'.'), "INBOX.Sent", "Sent"),
            ("INBOX.", Some(b'.'), "inbox.Sent", "Sent"),
            ("INBOX.", Some(b'.'), "INBOX", "INBOX"),
            ("INBOX.", Some(b'.'), "Other", "Other"),
            ("", Some(b'.'), "INBOX.Sent", "INBOX/Sent"),
            ("mail/", Some(b'/'), "mail/x", "x"),
            ("mail/", Some(b'/'), "MAIL/x", "MAIL/x"),
            ("", None, "a.b", "a.b"),
            ("", Some(b'\\'), "a\\b", "a/b"),
        ] {
            let listing = listing(&[prefix], &[]);
            let named = Names::new(&listing, "", false).of(&listed(name, separator));
            assert_eq!(named.name.as_str(), expected, "{prefix} {name}");
        }
        let empty = listing(&[""], &[]);
        let named = Names::new(&empty, "Old.", true).of(&listed("Old.Año", Some(b'.')));
        assert_eq!((named.name.as_str(), named.mended), ("Año", None));
    }

    #[test]
    fn what_is_others_is_known() {
        let listing = listing(&["INBOX."], &["user.", "", "INBOX."]);
        let names = Names::new(&listing, "", false);
        for (name, foreign) in [("user.eva", true), ("user", true), ("users", false), ("INBOX.x", false)] {
            assert_eq!(names.is_foreign(&listed(name, Some(b'.'))), foreign, "{name}");
        }
    }
}
