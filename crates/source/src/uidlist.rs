//! UID lists of Maildirs: `dovecot-uidlist` in its versions 1 and 3, and Courier's `courierimapuiddb`, which is version 1.
//!
//! ```text
//! version 1:  1 UIDVALIDITY UIDNEXT          version 3:  3 V<UIDVALIDITY> N<UIDNEXT> G<mailbox GUID> …
//!             UID file-name                              UID [P<POP3 UIDL>] [G<GUID>] [S<size>] [W<CRLF size>] … :file-name
//! ```
//! File names stand without directory; what follows the `:` before the flags is no part of them. Parsing never fails: what
//! stands before the first byte of garbage is kept, and [`UidList::broken`] says where that is.

/// A UID list as it was written. Names and extensions borrow from the file's bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UidList<'a> {
    /// UIDVALIDITY; `None` where the header cannot be read, and then no UID of the list can be believed.
    pub uidvalidity: Option<u32>,
    /// UIDNEXT as the header says it.
    pub uidnext: Option<u32>,
    /// The lines, in file order.
    pub entries: Vec<Entry<'a>>,
    /// Where the garbage begins and what it is, if there is any.
    pub broken: Option<Broken>,
}

/// A line of a UID list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The UID, 1 to 4294967294.
    pub uid: u32,
    /// The file's base name: without directory and flags.
    pub name: &'a [u8],
    /// The POP3 UIDL that overrides the server's rule (`P`).
    pub uidl: Option<&'a [u8]>,
    /// The GUID that overrides the file name (`G`).
    pub guid: Option<&'a [u8]>,
    /// The file's size in bytes (`S`).
    pub size: Option<u64>,
    /// The size with CRLF line endings in bytes (`W`).
    pub crlf_size: Option<u64>,
    /// Offset and length of the line, without its line ending, in bytes.
    pub line: (u64, u64),
}

/// Where a UID list stops making sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The line's number, counted from 1.
    pub line: u64,
    /// Offset of the line in bytes.
    pub offset: u64,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// UIDs end one below the largest 32-bit number, so that UIDNEXT always has a value.
const UID_MAX: u32 = u32::MAX - 1;

/// More lines than these are taken for garbage: no mailbox has as many messages, and memory has to end somewhere.
const MAX_ENTRIES: usize = 8_000_000;

/// Reads a UID list.
pub fn parse(text: &[u8]) -> UidList<'_> {
    let mut list = UidList::default();
    let mut version_3 = None;
    let mut offset = 0;
    for (index, line) in text.split_inclusive(|&b| b == b'\n').enumerate() {
        let broken = |reason| Some(Broken { line: index as u64 + 1, offset: offset as u64, reason });
        let Some(content) = line.strip_suffix(b"\n") else {
            list.broken = broken("the last line is cut off");
            break;
        };
        if index == 0 {
            match header(content) {
                Some((is_3, uidvalidity, uidnext)) => {
                    version_3 = Some(is_3);
                    (list.uidvalidity, list.uidnext) = (Some(uidvalidity), uidnext);
                }
                None => list.broken = broken("the header is none of version 1 or 3"),
            }
        } else {
            match entry(content, version_3, offset as u64) {
                Ok(_) if list.entries.len() == MAX_ENTRIES => {
                    list.broken = list.broken.or(broken("the list has more lines than any mailbox has messages"));
                    break;
                }
                Ok(entry) => list.entries.push(entry),
                Err(reason) => {
                    list.broken = list.broken.or(broken(reason));
                    break;
                }
            }
        }
        offset += line.len();
    }
    if text.is_empty() {
        list.broken = Some(Broken { line: 1, offset: 0, reason: "it is empty" });
    }
    list
}

/// The version (whether it is 3), UIDVALIDITY and UIDNEXT of a header line.
fn header(line: &[u8]) -> Option<(bool, u32, Option<u32>)> {
    let mut words = line.split(|&b| b == b' ').filter(|w| !w.is_empty());
    let nonzero = |n: u32| (n > 0).then_some(n);
    match words.next()? {
        b"1" => {
            let uidvalidity = number(words.next()?).and_then(nonzero)?;
            Some((false, uidvalidity, words.next().and_then(number)))
        }
        b"3" => {
            let (mut uidvalidity, mut uidnext) = (None, None);
            for word in words {
                match word.split_first()? {
                    (b'V', value) => uidvalidity = number(value).and_then(nonzero),
                    (b'N', value) => uidnext = number(value),
                    (key, _) if key.is_ascii_alphabetic() => {}
                    _ => return None,
                }
            }
            Some((true, uidvalidity?, uidnext))
        }
        _ => None,
    }
}

/// One line. Under an unreadable header (`version_3` is `None`) the line itself has to show what it is.
fn entry(line: &[u8], version_3: Option<bool>, offset: u64) -> Result<Entry<'_>, &'static str> {
    if line.contains(&0) {
        return Err("the line holds NUL bytes");
    }
    let digits = line.iter().take_while(|b| b.is_ascii_digit()).count();
    let uid = number(&line[..digits]).ok_or("the line does not begin with a UID")?;
    if uid == 0 || uid > UID_MAX {
        return Err("the UID is out of range");
    }
    let mut rest = line[digits..].strip_prefix(b" ").ok_or("no space follows the UID")?;
    let mut entry = Entry {
        uid,
        name: b"",
        uidl: None,
        guid: None,
        size: None,
        crlf_size: None,
        line: (offset, line.len() as u64),
    };
    if version_3.unwrap_or_else(|| rest.starts_with(b":") || rest.windows(2).any(|w| w == b" :")) {
        loop {
            match rest.split_first() {
                Some((b':', name)) => {
                    rest = name;
                    break;
                }
                Some((b' ', more)) => rest = more,
                Some((key, more)) => {
                    let end = more.iter().position(|&b| b == b' ').ok_or("the line has no file name")?;
                    let value = &more[..end];
                    match key {
                        b'P' if !value.is_empty() => entry.uidl = Some(value),
                        b'G' if !value.is_empty() => entry.guid = Some(value),
                        b'S' => entry.size = number(value),
                        b'W' => entry.crlf_size = number(value),
                        _ => {}
                    }
                    rest = &more[end..];
                }
                None => return Err("the line has no file name"),
            }
        }
    }
    let end = rest.iter().position(|&b| b == b':').unwrap_or(rest.len());
    entry.name = &rest[..end];
    if entry.name.is_empty() || entry.name.contains(&b'/') {
        return Err("the line has no file name");
    }
    Ok(entry)
}

fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn version_3_with_extensions() {
        let list = parse(b"3 V1373463529 N44 G0123\n10 :a.b,S=3:2,S\n11 P12.x O7 W22 S20 Gabc Rz :c d.e\n");
        assert_eq!((list.uidvalidity, list.uidnext, list.broken), (Some(1373463529), Some(44), None));
        assert_eq!((list.entries[0].uid, list.entries[0].name, list.entries[0].line), (10, &b"a.b,S=3"[..], (24, 15)));
        let second = list.entries[1];
        assert_eq!((second.uid, second.name), (11, &b"c d.e"[..]));
        assert_eq!((second.uidl, second.guid), (Some(&b"12.x"[..]), Some(&b"abc"[..])));
        assert_eq!((second.size, second.crlf_size), (Some(20), Some(22)));
    }

    #[test]
    fn version_1_and_courier() {
        let list = parse(b"1 1206641295 18\n3 1206641295.M1P1.host,S=1\n17 a b:2,\n");
        assert_eq!((list.uidvalidity, list.uidnext, list.broken), (Some(1206641295), Some(18), None));
        let seen: Vec<_> = list.entries.iter().map(|e| (e.uid, e.name)).collect();
        assert_eq!(seen, [(3, &b"1206641295.M1P1.host,S=1"[..]), (17, b"a b")]);
    }

    #[test]
    fn what_stands_before_the_garbage_is_kept() {
        let table: [(&[u8], usize, Option<u64>); 8] = [
            (b"3 V1 N9\n1 :a\n2 :b\n\0\0\0\0", 2, Some(4)),
            (b"3 V1 N9\n1 :a\n2 :\0\n3 :c\n", 1, Some(3)),
            (b"3 V1 N9\n1 :a\n2 :cut", 1, Some(3)),
            (b"3 V1 N9\n0 :a\n", 0, Some(2)),
            (b"3 V1 N9\n4294967295 :a\n", 0, Some(2)),
            (b"3 V1 N9\n4294967294 :a\n", 1, None),
            (b"3 V1 N9\n5 P1\n", 0, Some(2)),
            (b"3 V1 N9\n5 :../x\n", 0, Some(2)),
        ];
        for (text, entries, broken) in table {
            let list = parse(text);
            assert_eq!((list.uidvalidity, list.entries.len()), (Some(1), entries), "{}", text.escape_ascii());
            assert_eq!(list.broken.map(|b| b.line), broken, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn an_unreadable_header_takes_uidvalidity_but_not_the_lines() {
        for text in [&b"\0\0\0 V1 N9\n1 :a\n2 P7 :b\n"[..], b"3 V0 N9\n1 :a\n2 P7 :b\n", b"2 5 5\n1 a\n2 b\n"] {
            let list = parse(text);
            assert_eq!((list.uidvalidity, list.broken.unwrap().line), (None, 1));
            assert_eq!(list.entries.iter().map(|e| (e.uid, e.name)).collect::<Vec<_>>(), [(1, &b"a"[..]), (2, b"b")]);
        }
        assert!(parse(b"").broken.is_some());
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_and_lines_lie_where_they_are_said_to(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            for entry in parse(&text).entries {
                let (at, length) = (entry.line.0 as usize, entry.line.1 as usize);
                prop_assert!(text[at..at + length].starts_with(entry.uid.to_string().trim_start_matches('0').as_bytes())
                    || text[at] == b'0');
                prop_assert_eq!(text[at + length], b'\n');
            }
        }

        #[test]
        fn what_is_written_is_read(entries in proptest::collection::vec((1u32..=UID_MAX, "[a-z0-9.,=]{1,20}"), 0..20)) {
            let mut text = String::from("3 V7 N9 Gx\n");
            for (uid, name) in &entries {
                text.push_str(&format!("{uid} :{name}\n"));
            }
            let list = parse(text.as_bytes());
            prop_assert_eq!(list.broken, None);
            let seen: Vec<_> = list.entries.iter().map(|e| (e.uid, String::from_utf8(e.name.to_vec()).unwrap())).collect();
            prop_assert_eq!(seen, entries);
        }
    }
}
