//! The small files that a Maildir keeps beside its messages: keywords, subscriptions, quota, Courier's lists.

use message::Keyword;
use std::collections::HashMap;

/// Keywords by letter: `a` is the first. `$Forwarded` stays a keyword here, because it is another thing on disk than the
/// letter `P`, and comes out as it was.
pub(super) type Letters = [Option<Keyword>; 26];

/// Reads `dovecot-keywords`: lines `INDEX KEYWORD`. Also gives the numbers of the lines that say nothing usable.
pub(super) fn dovecot_keywords(text: &[u8]) -> (Letters, Vec<usize>) {
    let mut letters: Letters = [const { None }; 26];
    let mut bad = Vec::new();
    for (index, line) in lines(text).enumerate() {
        let parsed = memchr::memchr(b' ', line).and_then(|space| {
            let letter: usize = std::str::from_utf8(&line[..space]).ok()?.parse().ok()?;
            Some((letter, keyword(&line[space + 1..])?))
        });
        match parsed {
            // Dovecot keeps keywords past the 26th in its index alone: no file name can show them.
            Some((letter, keyword)) if letter < 26 => letters[letter] = Some(keyword),
            Some(_) => {}
            None => bad.push(index + 1),
        }
    }
    (letters, bad)
}

/// Reads Courier's `courierimapkeywords/:list`: keywords one a line, an empty line, then `BASE:INDEX INDEX …`.
pub(super) fn courier_keywords(text: &[u8]) -> HashMap<Vec<u8>, Vec<Keyword>> {
    let mut lines = lines(text);
    let names: Vec<Option<Keyword>> = lines.by_ref().take_while(|line| !line.is_empty()).map(keyword).collect();
    let mut keywords = HashMap::new();
    for line in lines {
        let Some(colon) = memchr::memrchr(b':', line) else { continue };
        let numbers = line[colon + 1..].split(|&b| b == b' ');
        let indexes = numbers.filter_map(|n| std::str::from_utf8(n).ok()?.parse::<usize>().ok());
        let these = indexes.filter_map(|index| names.get(index)?.clone()).collect();
        keywords.insert(line[..colon].to_vec(), these);
    }
    keywords
}

/// Reads a file of `courierimapkeywords/`: one message's keywords, one a line.
pub(super) fn courier_message_keywords(text: &[u8]) -> Vec<Keyword> {
    lines(text).filter_map(keyword).collect()
}

/// Reads Courier's `courierpop3dsizelist`: the UIDL of each base name.
///
/// ```text
/// /VERSION NEXT UIDVALIDITY
/// FILE-NAME SIZE NUMBER:UIDVALIDITY[:UTF8]
/// ```
/// A message numbered 0 has its file name for a UIDL; so has every one in a file without this header.
pub(super) fn courier_uidls(text: &[u8]) -> HashMap<Vec<u8>, String> {
    let mut lines = lines(text);
    let mut uidls = HashMap::new();
    if !lines.next().is_some_and(|header| header.starts_with(b"/")) {
        return uidls;
    }
    for line in lines {
        // File names may hold spaces: the two figures are the last words.
        let mut words = line.rsplitn(3, |&b| b == b' ');
        let (Some(ids), Some(_size), Some(name)) = (words.next(), words.next(), words.next()) else { continue };
        let mut ids = ids.split(|&b| b == b':').map(|n| std::str::from_utf8(n).ok()?.parse::<u32>().ok());
        let (Some(Some(number)), Some(Some(uidvalidity))) = (ids.next(), ids.next()) else { continue };
        let base = &name[..memchr::memchr(b':', name).unwrap_or(name.len())];
        let uidl = match (number, uidvalidity) {
            (0, _) => courier_file_uidl(base),
            (n, 0) => format!("UID{n}"),
            (n, v) => format!("UID{n}-{v}"),
        };
        uidls.insert(base.to_vec(), uidl);
    }
    uidls
}

/// A file name as Courier writes it as a UIDL: what is not printable, and `'`, `"` and `+`, as `+` and two hexadecimal digits.
fn courier_file_uidl(base: &[u8]) -> String {
    let mut uidl = String::with_capacity(base.len());
    for &byte in base {
        if byte.is_ascii_graphic() && !b"'\"+".contains(&byte) {
            uidl.push(byte.into());
        } else {
            uidl.push_str(&format!("+{byte:02X}"));
        }
    }
    uidl
}

/// Names in a subscription file, each as its levels would be written if `.` stood between them, or as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subscription {
    /// The name as written.
    pub(super) text: Vec<u8>,
    /// What stands between its levels, where the file says so.
    pub(super) separator: Option<u8>,
}

/// Reads `subscriptions`: version 1 has a name a line, version 2 says `V`, a tab and `2` first, and has tabs between levels.
pub(super) fn subscriptions(text: &[u8]) -> Vec<Subscription> {
    let separator = text.starts_with(b"V\t2\n").then_some(b'\t');
    let names = lines(text).skip(if separator.is_some() { 1 } else { 0 }).filter(|line| !line.is_empty());
    names.map(|line| Subscription { text: line.to_vec(), separator }).collect()
}

/// Reads Courier's `courierimapsubscribed`: names with the prefix `INBOX.`.
pub(super) fn courier_subscriptions(text: &[u8]) -> Vec<Subscription> {
    let bare = |line: &[u8]| match line.split_at_checked(6) {
        Some((prefix, name)) if prefix.eq_ignore_ascii_case(b"INBOX.") && !name.is_empty() => name.to_vec(),
        _ => line.to_vec(),
    };
    let names = lines(text).filter(|line| !line.is_empty());
    names.map(|line| Subscription { text: bare(line), separator: Some(b'.') }).collect()
}

/// Reads the first line of `maildirsize`, `SIZE S,COUNT C`: the quota in bytes, where it has one.
pub(super) fn quota_bytes(text: &[u8]) -> Option<u64> {
    let sizes = lines(text).next()?.split(|&b| b == b',').filter_map(|part| part.strip_suffix(b"S"));
    let mut sizes = sizes.filter_map(|digits| std::str::from_utf8(digits).ok()?.parse::<u64>().ok());
    sizes.next().filter(|&bytes| bytes > 0)
}

fn keyword(text: &[u8]) -> Option<Keyword> {
    Keyword::new(std::str::from_utf8(text).ok()?).ok()
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn dovecot_keyword_letters() {
        let (letters, bad) = dovecot_keywords(b"0 $NotJunk\n1 $Forwarded\n26 Late\nx\n3 a b\n");
        assert_eq!(letters[0], keyword(b"$NotJunk"));
        assert_eq!(letters[1], keyword(b"$Forwarded"));
        assert_eq!((letters[2].is_none(), bad), (true, vec![4, 5]));
    }

    #[test]
    fn courier_keyword_lists() {
        let marks = courier_keywords(b"Uno\nDos\n\n1.a:0 1\n1.b:1\nbroken\n1.c:9\n");
        assert_eq!(marks[&b"1.a"[..]].len(), 2);
        assert_eq!(marks[&b"1.b"[..]], [keyword(b"Dos").unwrap()]);
        assert_eq!((marks.len(), marks[&b"1.c"[..]].len()), (3, 0));
    }

    #[test]
    fn courier_pop3_lists() {
        let uidls = courier_uidls(b"/3 9 1700\n1.a,S=3:2,S 30 7:1700:0\n1.b 30 8:0\n1 c+ 30 0:0\nbroken\n");
        assert_eq!(uidls[&b"1.a,S=3"[..]], "UID7-1700");
        assert_eq!(uidls[&b"1.b"[..]], "UID8");
        assert_eq!(uidls[&b"1 c+"[..]], "1+20c+2B");
        assert_eq!(uidls.len(), 3);
        assert!(courier_uidls(b"1.a 5\n").is_empty());
    }

    #[test]
    fn subscription_files() {
        let texts = |list: Vec<Subscription>| list.into_iter().map(|s| (s.text, s.separator)).collect::<Vec<_>>();
        assert_eq!(texts(subscriptions(b"Sent\nA.B\n")), [(b"Sent".to_vec(), None), (b"A.B".to_vec(), None)]);
        assert_eq!(texts(subscriptions(b"V\t2\n\nA\tB\n")), [(b"A\tB".to_vec(), Some(b'\t'))]);
        let courier = texts(courier_subscriptions(b"INBOX\nINBOX.A.B\n"));
        assert_eq!(courier, [(b"INBOX".to_vec(), Some(b'.')), (b"A.B".to_vec(), Some(b'.'))]);
    }

    #[test]
    fn quotas() {
        let table: [(&[u8], Option<u64>); 5] = [
            (b"2147483648S\n1 1\n", Some(2_147_483_648)),
            (b"5C,100S", Some(100)),
            (b"0S", None),
            (b"x", None),
            (b"", None),
        ];
        for (text, bytes) in table {
            assert_eq!(quota_bytes(text), bytes);
        }
    }
}
