//! Names of mailboxes from names of directories (`RULES.md 6.1`): no directory is lost because of its name.

use crate::root::printable;
use message::{MailboxName, utf7};
use std::collections::HashSet;

/// One level of a mailbox's name as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Level {
    /// The bytes.
    pub(crate) text: Vec<u8>,
    /// Whether they are in modified UTF-7 (RFC 3501 §5.1.3) as far as they are ASCII.
    pub(crate) utf7: bool,
}

/// A name and what had to be done to make it one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// The name.
    pub(crate) name: MailboxName,
    /// Why it is not the name as written, in words; `None` where it is.
    pub(crate) mended: Option<String>,
}

/// What is kept of a name that is too long. NFC at most triples it, so that it fits and a number can still follow.
const KEPT_BYTES: usize = 300;

/// The mailbox name of some levels; none at all is the INBOX.
pub(crate) fn name_of(levels: &[Level]) -> Named {
    if levels.is_empty() {
        return Named { name: MailboxName::inbox(), mended: None };
    }
    let mut reasons = Vec::new();
    let texts: Vec<String> = levels.iter().map(|level| level_text(level, &mut reasons)).collect();
    let name = MailboxName::from_levels(texts.iter().map(String::as_str)).unwrap_or_else(|_| {
        reasons.push("it was too long");
        shortened(&texts.join("/"))
    });
    reasons.dedup();
    Named { name, mended: (!reasons.is_empty()).then(|| reasons.join(", ")) }
}

/// A name that is not yet taken: the given one, else with the lowest free number after it.
pub(crate) fn distinct(name: MailboxName, taken: &mut HashSet<MailboxName>) -> MailboxName {
    if taken.insert(name.clone()) {
        return name;
    }
    let numbered = |n: u32| {
        MailboxName::new(&format!("{name} ({n})")).unwrap_or_else(|_| {
            let short = shortened(name.as_str());
            MailboxName::new(&format!("{short} ({n})")).expect("a shortened name leaves room for a number")
        })
    };
    let free = (2..).map(numbered).find(|candidate| !taken.contains(candidate)).expect("numbers do not run out");
    taken.insert(free.clone());
    free
}

fn level_text(level: &Level, reasons: &mut Vec<&'static str>) -> String {
    let mut text = match std::str::from_utf8(&level.text) {
        Ok(text) if level.utf7 && text.is_ascii() => {
            let decoded = utf7::decode_leniently(text);
            if decoded.malformed {
                reasons.push("it was not in modified UTF-7");
            }
            decoded.text
        }
        Ok(text) => text.to_owned(),
        Err(_) => {
            reasons.push("it was not in UTF-8 and was read as ISO 8859-1");
            level.text.iter().map(|&b| char::from(b)).collect()
        }
    };
    if text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        reasons.push("it held control characters");
        let encode = |c: char| if c == '%' { "%".to_owned() } else { printable(c.to_string().as_bytes()) };
        text = text.chars().map(encode).collect();
    }
    if text.contains('/') {
        reasons.push("a level held a /");
        text = text.replace('/', "\u{2215}");
    }
    match text.as_str() {
        "" => {
            reasons.push("a level was empty");
            "_".to_owned()
        }
        "." | ".." => {
            reasons.push("a level was . or ..");
            text.replace('.', "%2E")
        }
        _ => text,
    }
}

fn shortened(text: &str) -> MailboxName {
    let mut end = text.len().min(KEPT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    // A cut can leave an empty or dotted level at the end.
    let kept = text[..end].trim_end_matches(['/', '.']);
    let kept = if kept.is_empty() { "_" } else { kept };
    MailboxName::new(kept).expect("the beginning of a name that is fit but for its length")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(levels: &[&[u8]], utf7: bool) -> (String, Option<String>) {
        let levels: Vec<Level> = levels.iter().map(|l| Level { text: l.to_vec(), utf7 }).collect();
        let named = name_of(&levels);
        (named.name.as_str().to_owned(), named.mended)
    }

    #[test]
    fn fit_names_stay() {
        assert_eq!(name(&[], true), ("INBOX".into(), None));
        assert_eq!(name(&[b"Facturas", b"A&APE-o 2012"], true), ("Facturas/Año 2012".into(), None));
        assert_eq!(name(&[b"R&D"], false), ("R&D".into(), None));
        assert_eq!(name(&["Niños".as_bytes()], true), ("Niños".into(), None));
        assert_eq!(name(&[b"100%"], true), ("100%".into(), None));
    }

    #[test]
    fn unfit_names_are_mended() {
        let table: [(&[&[u8]], &str); 8] = [
            (&[b"A", b"", b"B"], "A/_/B"),
            (&[b"&AC4-"], "%2E"),
            (&[b"a&AC8-b"], "a\u{2215}b"),
            (&[b"a\nb"], "a%0Ab"),
            (&[b"Ni\xf1os"], "Niños"),
            (&[b"a\x85"], "a%C2%85"),
            (&[b"R&D"], "R&D"),
            (&[b"&AAo-"], "%0A"),
        ];
        for (levels, expected) in table {
            let (text, mended) = name(levels, true);
            assert_eq!(text, expected);
            assert!(mended.is_some(), "{expected}");
        }
        let (long, mended) = name(&[&[b'a'; 800], &[b'b'; 800]], true);
        assert_eq!((long.len(), mended.as_deref()), (KEPT_BYTES, Some("it was too long")));
    }

    #[test]
    fn distinct_names_get_numbers() {
        let mut taken = HashSet::new();
        let sent = name_of(&[Level { text: b"Sent".to_vec(), utf7: true }]).name;
        let names: Vec<String> = (0..3).map(|_| distinct(sent.clone(), &mut taken).to_string()).collect();
        assert_eq!(names, ["Sent", "Sent (2)", "Sent (3)"]);
    }

    proptest! {
        #[test]
        fn any_directory_name_makes_a_mailbox_name(
            levels in proptest::collection::vec(
                prop_oneof![proptest::collection::vec(any::<u8>(), 0..255), "[./&-]{0,255}".prop_map(String::into_bytes)],
                0..12,
            ),
            utf7: bool,
        ) {
            let levels: Vec<Level> = levels.into_iter().map(|text| Level { text, utf7 }).collect();
            let named = name_of(&levels);
            let mut taken = HashSet::from([named.name.clone()]);
            prop_assert_ne!(distinct(named.name.clone(), &mut taken), named.name);
        }
    }
}
