//! Directory names of mailboxes in a Maildir++: `.` before and between the levels, modified UTF-7 within them.
//!
//! Three things cannot stand in such a name: a `.` within a level, a `~` before the whole (Dovecot opens no such mailbox),
//! and more than 255 bytes. The first two become characters that look alike; a name that is too long is cut and told apart
//! by a hash. Names that need none of this are given first, so that no mended one takes theirs.

use super::disk::{NAME_BYTES, hash_tail, shortened};
use message::{MailboxName, utf7};
use std::collections::HashSet;

/// What a mailbox is called in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Folder {
    /// Its name encoded, `.` between levels; empty for the INBOX, which is the Maildir itself.
    pub(super) encoded: String,
    /// The name as people read it, and why it is not the mailbox's own; `None` where it is.
    pub(super) mended: Option<(String, String)>,
}

impl Folder {
    /// The directory beneath the Maildir.
    pub(super) fn directory(&self) -> String {
        format!(".{}", self.encoded)
    }

    /// The name in the list of subscriptions.
    pub(super) fn subscription(&self) -> &str {
        if self.encoded.is_empty() { "INBOX" } else { &self.encoded }
    }
}

/// Looks like the full stop: ONE DOT LEADER.
const DOT: &str = "\u{2024}";
/// Looks like the tilde: TILDE OPERATOR.
const TILDE: &str = "\u{223c}";

/// The longest encoded name: a `.` stands before it.
const ENCODED_BYTES: usize = NAME_BYTES - 1;

/// Gives every mailbox of an account its folder, in the same order.
pub(super) fn folders<'a>(names: impl IntoIterator<Item = &'a MailboxName>) -> Vec<Folder> {
    let wanted: Vec<_> = names.into_iter().map(|name| (name, wanted(name))).collect();
    let fit = wanted.iter().filter(|(_, (_, reasons))| reasons.is_empty());
    let mut taken: HashSet<String> = fit.map(|(_, (text, _))| utf7::encode(text)).collect();
    let folder = |(name, (text, mut reasons)): (&MailboxName, (String, Vec<&'static str>))| {
        if name.is_inbox() {
            return Folder { encoded: String::new(), mended: None };
        }
        if reasons.is_empty() {
            return Folder { encoded: utf7::encode(&text), mended: None };
        }
        let mut text = text;
        let mut whole = name.as_str().to_owned();
        while !taken.insert(utf7::encode(&text)) {
            if reasons.last() != Some(&TAKEN) {
                reasons.push(TAKEN);
            }
            text = cut(&format!("{text}{}", hash_tail(&whole)), &whole);
            whole.push('/');
        }
        Folder { encoded: utf7::encode(&text), mended: Some((text, reasons.join(", "))) }
    };
    wanted.into_iter().map(folder).collect()
}

const TAKEN: &str = "another mailbox has that name then";

/// A name as a Maildir++ can have it, and what had to be changed.
fn wanted(name: &MailboxName) -> (String, Vec<&'static str>) {
    let mut reasons = Vec::new();
    let mut text = name.levels().map(|level| level.replace('.', DOT)).collect::<Vec<_>>().join(".");
    if name.as_str().contains('.') {
        reasons.push("a . within a level cannot be written");
    }
    if let Some(rest) = text.strip_prefix('~') {
        text = format!("{TILDE}{rest}");
        reasons.push("a ~ cannot stand first");
    }
    let short = cut(&text, name.as_str());
    if short != text {
        reasons.push("it was too long");
    }
    (short, reasons)
}

fn cut(text: &str, whole: &str) -> String {
    let measure = |text: &str| utf7::encode(text).len();
    if measure(text) <= ENCODED_BYTES { text.to_owned() } else { shortened(text, whole, ENCODED_BYTES, measure) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn of(names: &[&str]) -> Vec<Folder> {
        let names: Vec<MailboxName> = names.iter().map(|name| MailboxName::new(name).unwrap()).collect();
        folders(&names)
    }

    #[test]
    fn names_that_fit_are_encoded_and_no_more() {
        let table = [
            ("INBOX", "", "INBOX"),
            ("INBOX/Sub", "INBOX.Sub", "INBOX.Sub"),
            ("Facturas/Año 2012", "Facturas.A&APE-o 2012", "Facturas.A&APE-o 2012"),
            ("Peña & Cía", "Pe&APE-a &- C&AO0-a", "Pe&APE-a &- C&AO0-a"),
        ];
        for (name, encoded, subscription) in table {
            let folder = &of(&[name])[0];
            assert_eq!((folder.encoded.as_str(), folder.subscription()), (encoded, subscription));
            assert_eq!(folder.mended, None);
        }
    }

    #[test]
    fn others_are_mended_and_say_why() {
        let folders = of(&["S.A./b", "~ana", &"ñ".repeat(300), "S\u{2024}A\u{2024}/b"]);
        assert_eq!(folders[1].encoded, "&Ijw-ana");
        let (name, why) = folders[1].mended.clone().unwrap();
        assert_eq!((name.as_str(), why.as_str()), ("\u{223c}ana", "a ~ cannot stand first"));

        assert!(folders[2].directory().len() <= NAME_BYTES);
        assert!(folders[2].mended.as_ref().unwrap().1.contains("too long"));

        assert_eq!(folders[3], Folder { encoded: "S&ICQ-A&ICQ-.b".into(), mended: None });
        let (name, why) = folders[0].mended.clone().unwrap();
        assert!(name.starts_with("S\u{2024}A\u{2024}.b-"), "{name}");
        assert!(why.contains("another mailbox"), "{why}");
    }

    proptest! {
        #[test]
        fn every_mailbox_has_a_folder_of_its_own(names in proptest::collection::hash_set("[a.~/ñ&\u{2024}]{1,90}", 1..12)) {
            let names: HashSet<MailboxName> = names.iter().filter_map(|name| MailboxName::new(name).ok()).collect();
            let folders = folders(&names);
            let directories: HashSet<String> = folders.iter().map(Folder::directory).collect();
            prop_assert_eq!(directories.len(), names.len());
            for (folder, name) in folders.iter().zip(&names) {
                prop_assert!(folder.directory().len() <= NAME_BYTES);
                prop_assert!(!folder.encoded.contains('/') && !folder.encoded.starts_with(['.', '~']));
                prop_assert!(!folder.encoded.ends_with('.') && !folder.encoded.contains(".."));
                let read: Vec<String> = folder.encoded.split('.').map(|l| utf7::decode(l).unwrap()).collect();
                prop_assert!(folder.mended.is_some() || read.join("/") == name.as_str());
            }
        }
    }
}
