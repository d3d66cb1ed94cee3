//! Bytes of a named charset as text. The names are those of the WHATWG Encoding standard, which mail uses too, and a few
//! that only mail uses.

use encoding_rs::{Encoding, REPLACEMENT, WINDOWS_1252};

/// Names that mail writes and the standard lacks, in lower case.
const ALIASES: [(&[u8], &str); 12] = [
    (b"latin9", "iso-8859-15"),
    (b"latin-9", "iso-8859-15"),
    (b"latin-1", "iso-8859-1"),
    (b"iso-latin-1", "iso-8859-1"),
    (b"cp932", "shift_jis"),
    (b"cp936", "gbk"),
    (b"cp949", "euc-kr"),
    (b"cp950", "big5"),
    (b"koi8", "koi8-r"),
    (b"x-gbk", "gbk"),
    (b"utf-8mb4", "utf-8"),
    (b"utf8mb4", "utf-8"),
];

/// Finds a charset by its name, in any case and with white space about it.
///
/// US-ASCII and ISO-8859-1 are read as windows-1252: what says to be those often is that, and where they have printable
/// characters they agree.
pub(crate) fn named(name: &[u8]) -> Option<&'static Encoding> {
    let name = name.trim_ascii();
    let alias = ALIASES.iter().find(|(alias, _)| name.eq_ignore_ascii_case(alias)).map(|(_, name)| name.as_bytes());
    // The standard decodes some dangerous charsets to one U+FFFD: for mail they are not known.
    Encoding::for_label(alias.unwrap_or(name)).filter(|encoding| *encoding != REPLACEMENT)
}

/// Decodes bytes; what the charset cannot have becomes U+FFFD.
pub(crate) fn decode(charset: &'static Encoding, bytes: &[u8]) -> String {
    charset.decode_without_bom_handling(bytes).0.into_owned()
}

/// Bytes that say no charset: UTF-8 where they are, else windows-1252.
pub(crate) fn guess(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => decode(WINDOWS_1252, bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charsets_by_table() {
        let table: [(&[u8], &[u8], Option<&str>); 9] = [
            (b"UTF-8", b"a\xc3\xb1o", Some("año")),
            (b" us-ascii ", b"\x93x\x94", Some("“x”")),
            (b"latin9", b"\xa4", Some("€")),
            (b"ISO-8859-2", b"\xb1", Some("ą")),
            (b"koi8-r", b"\xf1", Some("Я")),
            (b"iso-2022-jp", b"\x1b$B4A;z\x1b(B", Some("漢字")),
            (b"GB2312", b"\xba\xba", Some("汉")),
            (b"iso-2022-kr", b"x", None),
            (b"x-unknown", b"x", None),
        ];
        for (name, bytes, text) in table {
            assert_eq!(named(name).map(|charset| decode(charset, bytes)).as_deref(), text, "{}", name.escape_ascii());
        }
        assert_eq!(guess(b"a\xf1o"), "año");
        assert_eq!(guess("año".as_bytes()), "año");
    }
}
