//! Header text for people, by table.

use message::decoded_header;
use proptest::prelude::*;

const TEXTS: [(&[u8], &str); 41] = [
    (b"", ""),
    (b"Hola", "Hola"),
    // RFC 2047 §8.
    (b"=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>"),
    (b"=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?= <keld@dkuug.dk>", "Keld Jørn Simonsen <keld@dkuug.dk>"),
    (
        b"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
        "If you can read this you understand the example.",
    ),
    (b"(=?ISO-8859-1?Q?a?=)", "(a)"),
    (b"(=?ISO-8859-1?Q?a?= b)", "(a b)"),
    (b"(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"),
    (b"(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)", "(ab)"),
    (b"(=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=)", "(ab)"),
    (b"(=?ISO-8859-1?Q?a_b?=)", "(a b)"),
    (b"(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?_b?=)", "(a b)"),
    // Charsets, in any case, with a language (RFC 2231 §5).
    (b"=?utf-8?q?A=C3=B1o?=", "Año"),
    (b"=?UTF8?B?QcOxbw==?=", "Año"),
    (b"=?utf-8*es?q?a=c3=b1o?=", "año"),
    (b"=?iso-8859-15?q?=A4=A6=A8=B4=B8=BC=BD=BE=F1?=", "€ŠšŽžŒœŸñ"),
    (b"=?koi8-r?q?=F1?=", "Я"),
    (b"=?iso-2022-jp?b?GyRCNEE7ehsoQg==?=", "漢字"),
    (b"=?windows-1252?q?=80=93x=94?=", "€“x”"),
    (b"=?iso-8859-1?q?=80?=", "€"),
    (b"=?iso-8859-1?q?a?= =?utf-8?q?=c3=b1?=", "añ"),
    // Tolerated.
    (b"a=?utf-8?q?b?=c", "abc"),
    (b"=?utf-8?q?two words?=", "two words"),
    (b"=?utf-8?q?what??=", "what?"),
    (b"=?utf-8?b?ww==?= =?utf-8?b?sQ==?=", "ñ"),
    (b"=?utf-8?b?w7E?=", "ñ"),
    (b"=?utf-8?q?100=25_=x_=?=", "100% =x ="),
    (b"=?utf-8?q?=ff?=", "\u{FFFD}"),
    // Words that join, and words that do not.
    (b"=?iso-2022-jp?b?GyRCJUYlOQ==?= =?iso-2022-jp?b?JUgbKEI=?=", "テスト"),
    (b"=?iso-2022-jp?b?GyRCJUYlOSVIGyhC?= =?iso-2022-jp?b?GyRCJUYlOSVIGyhC?=", "テストテスト"),
    // Left as they are written.
    (b"=?x-unknown?q?=F1?=", "=?x-unknown?q?=F1?="),
    (b"=?utf-8?x?a?=", "=?utf-8?x?a?="),
    (b"=?utf-8?b?!?=", "=?utf-8?b?!?="),
    (b"=?utf-8?b?w?=", "=?utf-8?b?w?="),
    (b"=?utf-8?q?a =?utf-8?q?b?=", "=?utf-8?q?a b"),
    (b"=?utf-8?q?a", "=?utf-8?q?a"),
    (b"1 =? 2 ?= 3", "1 =? 2 ?= 3"),
    // Raw bytes, and what could break a line.
    ("Año".as_bytes(), "Año"),
    (b"A\xf1o \x93x\x94", "Año “x”"),
    (b"a\tb\r\n c\x1b[31m\x07\0", "a b c[31m"),
    (b"=?utf-8?q?a=0D=0Ab=E2=80=AEc=C2=85?=", "abc"),
];

#[test]
fn texts_by_table() {
    for (value, text) in TEXTS {
        assert_eq!(decoded_header(value), text, "{}", value.escape_ascii());
    }
}

#[test]
fn only_the_beginning_of_a_long_value_is_looked_at() {
    let long = format!("x{}", "ñ".repeat(20_000));
    let text = decoded_header(long.as_bytes());
    assert_eq!(text.len(), 16 * 1024 - 1);
    assert!(long.starts_with(&text));
}

proptest! {
    #[test]
    fn the_text_never_breaks_a_line(value in proptest::collection::vec(prop_oneof![
        Just(&b"=?utf-8?q?"[..]), Just(&b"=?iso-8859-1?b?"[..]), Just(&b"?="[..]), Just(&b"=0A"[..]), Just(&b"Cg=="[..]),
        Just(&b"\r\n "[..]), Just(&b"\xc3"[..]), Just(&b"\xb1"[..]), Just(&b"?"[..]), Just(&b"a_"[..]),
    ], 0..20)) {
        prop_assert!(!decoded_header(&value.concat()).chars().any(char::is_control));
    }

    #[test]
    fn text_without_encoded_words_is_itself(text in "[a-zñé€ =]{0,20}") {
        prop_assert_eq!(decoded_header(text.as_bytes()), text);
    }
}
