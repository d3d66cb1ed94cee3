//! Modified UTF-7 by table.

use message::utf7::{Decoded, Utf7Error, decode, decode_leniently, encode};

/// Names and their texts, both ways.
const NAMES: [(&str, &str); 12] = [
    ("", ""),
    ("INBOX", "INBOX"),
    ("&-", "&"),
    ("&-&-", "&&"),
    // RFC 3501 §5.1.3.
    ("~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),
    ("&U,BTF2XlZyyKng-", "台北日本語"),
    ("Papelera de a&APE-os", "Papelera de años"),
    ("Tom &- Jer&AO0-as", "Tom & Jerías"),
    ("&AOk-&-&AOk-", "é&é"),
    ("&2D3eAA-", "😀"),
    ("&AAkAfw-", "\t\u{7f}"),
    ("a-b- &AOk--", "a-b- é-"),
];

#[test]
fn names_by_table() {
    for (name, text) in NAMES {
        assert_eq!(decode(name).as_deref(), Ok(text));
        assert_eq!(encode(text), name);
        assert_eq!(decode_leniently(name), Decoded { text: text.to_owned(), malformed: false });
    }
}

/// Names that are malformed, why, and what is made of them all the same.
const MALFORMED: [(&str, Utf7Error, &str); 13] = [
    ("&", Utf7Error::Unended { at: 0 }, "&"),
    ("a &AOk", Utf7Error::Unended { at: 2 }, "a &AOk"),
    ("R&D-x", Utf7Error::Base64 { at: 1 }, "R&D-x"),
    ("A & B - C", Utf7Error::Base64 { at: 2 }, "A & B - C"),
    ("&AOl-", Utf7Error::Base64 { at: 0 }, "&AOl-"),
    ("&AOk=-", Utf7Error::Base64 { at: 0 }, "&AOk=-"),
    ("&AA-", Utf7Error::Utf16 { at: 0 }, "&AA-"),
    ("x&2D0-", Utf7Error::Utf16 { at: 1 }, "x&2D0-"),
    ("&3gDYPQ-", Utf7Error::Utf16 { at: 0 }, "&3gDYPQ-"),
    // RFC 3501 §5.1.3: "is not permitted because it contains a superfluous shift".
    ("&U,BTFw-&ZeVnLIqe-", Utf7Error::Superfluous { at: 8 }, "台北日本語"),
    ("&AEEA6Q-", Utf7Error::Superfluous { at: 0 }, "Aé"),
    ("Año", Utf7Error::Direct { at: 1 }, "Año"),
    ("a\tb", Utf7Error::Direct { at: 1 }, "a\tb"),
];

#[test]
fn malformed_names_by_table() {
    for (name, error, text) in MALFORMED {
        assert_eq!(decode(name), Err(error), "{name}");
        assert_eq!(decode_leniently(name), Decoded { text: text.to_owned(), malformed: true }, "{name}");
    }
}
