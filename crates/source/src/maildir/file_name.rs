//! File names of messages in a Maildir: `BASE[,S=SIZE][,W=CRLF SIZE][:2,FLAGS]`.

use message::Flags;

/// What a file name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileName<'a> {
    /// Everything before the flags: what UID lists name.
    pub(super) base: &'a [u8],
    /// The letters of the flags; `None` where the name ends without any.
    pub(super) letters: Option<&'a [u8]>,
    /// Whether another character than `:` stands before the flags, as copying by way of other systems leaves it.
    pub(super) foreign_separator: bool,
    /// The size in bytes that the name promises.
    pub(super) size: Option<u64>,
    /// The size with CRLF line endings that the name promises.
    pub(super) crlf_size: Option<u64>,
}

/// What other systems put in the place of `:`, which they cannot store: mbsync and Windows clients `;` and `!`, archivers
/// `_` and `-`, CIFS U+F022.
const FOREIGN_SEPARATORS: [&[u8]; 5] = [b"!", b";", b"_", b"-", "\u{F022}".as_bytes()];

/// Takes a name apart. With a foreign separator the flags count only if every letter is a flag or a keyword, because a
/// base name may hold the character for a reason of its own.
pub(super) fn parse(name: &[u8]) -> FileName<'_> {
    let (base, letters, foreign_separator) = match memchr::memrchr(b':', name) {
        Some(at) => (&name[..memchr::memchr(b':', name).unwrap_or(at)], name[at + 1..].strip_prefix(b"2,"), false),
        None => match foreign_letters(name) {
            Some((base, letters)) => (base, Some(letters), true),
            None => (name, None, false),
        },
    };
    FileName { base, letters, foreign_separator, size: field(base, b'S'), crlf_size: field(base, b'W') }
}

fn foreign_letters(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let comma = memchr::memrchr(b',', name)?;
    let (letters, before) = (&name[comma + 1..], name[..comma].strip_suffix(b"2")?);
    let base = FOREIGN_SEPARATORS.iter().find_map(|separator| before.strip_suffix(*separator))?;
    let known = |&l: &u8| l.is_ascii_lowercase() || Flags::from_maildir_letter(l.into()).is_some();
    (!base.is_empty() && letters.iter().all(known)).then_some((base, letters))
}

/// A field `,KEY=NUMBER` of a base name.
fn field(base: &[u8], key: u8) -> Option<u64> {
    let value = base.split(|&b| b == b',').skip(1).find_map(|field| field.strip_prefix(&[key, b'=']))?;
    let digits = value.iter().position(|b| !b.is_ascii_digit()).unwrap_or(value.len());
    std::str::from_utf8(&value[..digits]).ok()?.parse().ok()
}

/// The part of a base name that its delivery made unique: without the fields after the first comma, without control
/// characters, which a listing cannot hold, and without what a desktop puts before the name of a copy (`copia de José `).
pub(super) fn stem(base: &[u8]) -> Vec<u8> {
    let end = memchr::memchr(b',', base).unwrap_or(base.len());
    let last_word = memchr::memrchr(b' ', &base[..end]).map(|space| &base[space + 1..end]);
    let kept = last_word.filter(|word| delivery_time(word).is_some()).unwrap_or(&base[..end]);
    kept.iter().copied().filter(|b| !b.is_ascii_control()).collect()
}

/// The seconds since 1970 with which a delivery begins a name.
pub(super) fn delivery_time(base: &[u8]) -> Option<i64> {
    let digits = base.iter().take_while(|b| b.is_ascii_digit()).count();
    std::str::from_utf8(&base[..digits]).ok()?.parse().ok().filter(|_| digits >= 8)
}

/// Whether a file with this name is no message wherever it lies: what desktops, file servers and indexes leave behind.
pub(super) fn is_stray(name: &[u8]) -> bool {
    const EXACT: [&[u8]; 9] = [
        b".DS_Store",
        b"Thumbs.db",
        b"ehthumbs.db",
        b"desktop.ini",
        b".directory",
        b"Desktop.ini",
        b"maildirsize",
        b"maildirfolder",
        b"subscriptions",
    ];
    const PREFIXES: [&[u8]; 6] =
        [b"._", b"dovecot.index", b"dovecot.list.index", b"dovecot-uidlist", b"dovecot-keywords", b"courierimap"];
    EXACT.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_kinds() {
        type Row = (&'static [u8], &'static [u8], Option<&'static [u8]>, bool, Option<u64>, Option<u64>);
        let table: [Row; 15] = [
            (b"1.M1P1.h,S=900,W=920:2,FS", b"1.M1P1.h,S=900,W=920", Some(b"FS"), false, Some(900), Some(920)),
            (b"1.M1P1.h", b"1.M1P1.h", None, false, None, None),
            (b"1.M1P1.h:2,", b"1.M1P1.h", Some(b""), false, None, None),
            (b"1.M1P1.h:1,x", b"1.M1P1.h", None, false, None, None),
            (b"1.M1P1.h!2,Sa", b"1.M1P1.h", Some(b"Sa"), true, None, None),
            (b"1.M1P1.h;2,", b"1.M1P1.h", Some(b""), true, None, None),
            (b"1.M1P1.h\xEF\x80\xA22,S", b"1.M1P1.h", Some(b"S"), true, None, None),
            (b"1.M1P1.h!2,XYZ", b"1.M1P1.h!2,XYZ", None, false, None, None),
            (b"1.M1P1.h_2,W=5", b"1.M1P1.h_2,W=5", None, false, None, Some(5)),
            (b"copia de Jos\xe9 1.h,S=3:2,S", b"copia de Jos\xe9 1.h,S=3", Some(b"S"), false, Some(3), None),
            (b"1.h\n,S=3:2,S", b"1.h\n,S=3", Some(b"S"), false, Some(3), None),
            (b"1.h,S=99999999999999999999:2,S", b"1.h,S=99999999999999999999", Some(b"S"), false, None, None),
            (b"1.h,S=:2,S", b"1.h,S=", Some(b"S"), false, None, None),
            (b":2,S", b"", Some(b"S"), false, None, None),
            (b"1.h:2,S:2,F", b"1.h", Some(b"F"), false, None, None),
        ];
        for (name, base, letters, foreign_separator, size, crlf_size) in table {
            let expected = FileName { base, letters, foreign_separator, size, crlf_size };
            assert_eq!(parse(name), expected, "{}", name.escape_ascii());
        }
    }

    #[test]
    fn stems_and_times() {
        assert_eq!(stem(b"1373330001.M1P1.h\n,S=3"), b"1373330001.M1P1.h");
        assert_eq!(stem(b"copia de Jos\xe9 1373330001.M1P1.h,S=3"), b"1373330001.M1P1.h");
        assert_eq!(stem(b"a b"), b"a b");
        assert_eq!(delivery_time(b"1373330001.M1P1.h"), Some(1373330001));
        assert_eq!(delivery_time(b"copia"), None);
        assert_eq!(delivery_time(b"99999999999999999999.x"), None);
    }
}
