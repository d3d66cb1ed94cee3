//! What is no command: each error has its tag, kind and place.

use super::super::ParseErrorKind;
use super::*;
use proptest::prelude::*;

#[test]
fn an_error_knows_its_tag_and_place() {
    for (command, tag, kind, at) in [
        (&b""[..], None, ParseErrorKind::BadSyntax, 0),
        (b" NOOP", None, ParseErrorKind::BadSyntax, 0),
        (b"+ NOOP", None, ParseErrorKind::BadSyntax, 0),
        (b"* OK", None, ParseErrorKind::BadSyntax, 0),
        (b"\xff NOOP", None, ParseErrorKind::BadSyntax, 0),
        (b"a", Some("a"), ParseErrorKind::BadSyntax, 1),
        (b"a ", Some("a"), ParseErrorKind::BadSyntax, 2),
        (b"a+ NOOP", Some("a"), ParseErrorKind::BadSyntax, 1),
        (b"a FOO bar", Some("a"), ParseErrorKind::UnknownCommand, 2),
        (b"a XLIST", Some("a"), ParseErrorKind::UnknownCommand, 2),
        (b"a UID FOO", Some("a"), ParseErrorKind::UnknownCommand, 6),
        (b"a NOOP x", Some("a"), ParseErrorKind::BadSyntax, 6),
        (b"a NOOP\r", Some("a"), ParseErrorKind::BadSyntax, 6),
        (b"a NOOP\0", Some("a"), ParseErrorKind::BadSyntax, 6),
        (b"a SEARCH FROM", Some("a"), ParseErrorKind::BadSyntax, 13),
        (b"a FETCH 4294967296 FLAGS", Some("a"), ParseErrorKind::BadSyntax, 8),
        (b"a SEARCH CHARSET KOI8-R ALL", Some("a"), ParseErrorKind::BadCharset, 17),
        (b"a LOGIN {9}\r\nabc", Some("a"), ParseErrorKind::BadSyntax, 13),
        (b"a LOGIN {18446744073709551616}\r\nabc", Some("a"), ParseErrorKind::BadSyntax, 9),
    ] {
        let error = parse(command, REV1).unwrap_err();
        let shown = String::from_utf8_lossy(command);
        assert_eq!((error.tag.as_deref(), error.kind, error.at), (tag, kind, at), "{shown}: {error}");
    }
    let long = [&[b't'; 65][..], b" NOOP"].concat();
    assert_eq!(parse(&long, REV1).unwrap_err().tag, None);
}

proptest! {
    #[test]
    fn nothing_makes_the_parser_panic(bytes: Vec<u8>, utf8: bool, rev2: bool, uid_only: bool) {
        let context = ParseContext { utf8, rev2, uid_only };
        let command = [b"a ", &bytes[..]].concat();
        let _ = parse(&bytes, context);
        if let Err(error) = parse(&command, context) {
            prop_assert!(error.at <= command.len());
            prop_assert!(!error.message.contains(['\r', '\n']));
        }
    }
}
