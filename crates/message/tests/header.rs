//! Looking at header fields.

use message::header::{fields, find};
use proptest::prelude::*;

#[test]
fn fields_in_their_order_with_name_and_value() {
    let message = b"From x\r\nSubject: one\r\n\ttwo \r\nno field\r\nTO : <a@b>\r\nEmpty:\r\n\r\nBody: x\r\n";
    let seen: Vec<_> = fields(message).map(|f| (f.name(), f.raw_value(), f.value().into_owned())).collect();
    let expected: [(&[u8], &[u8], Vec<u8>); 3] = [
        (b"Subject", b" one\r\n\ttwo ", b"one\ttwo".to_vec()),
        (b"TO", b" <a@b>", b"<a@b>".to_vec()),
        (b"Empty", b"", b"".to_vec()),
    ];
    assert_eq!(seen, expected);
}

/// RFC 5322 appendix A.5: white space, comments and folding where they may stand.
#[test]
fn rfc5322_a5() {
    let message = b"Subject: Re: Saying Hello\r\nDate: Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n               -0330 (Newfoundland Time)\r\n\r\nTesting.\r\n";
    let date = find(message, "date").map(|f| f.value().into_owned());
    let unfolded = b"Thu,      13        Feb          1969      23:32               -0330 (Newfoundland Time)";
    assert_eq!(date.as_deref(), Some(&unfolded[..]));
}

#[test]
fn the_first_of_a_name_is_found_in_any_case() {
    let message = b"to: one\r\nTo: two\r\n\r\n";
    assert_eq!(find(message, "TO").map(|f| f.value().into_owned()).as_deref(), Some(&b"one"[..]));
    assert!(find(message, "T").is_none());
    assert!(find(b"\r\nTo: x\r\n", "To").is_none());
}

proptest! {
    #[test]
    fn garbage_is_no_trouble(bytes in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b':'), Just(b' '), any::<u8>()], 0..60)) {
        for field in fields(&bytes) {
            prop_assert!(!field.name().is_empty());
            prop_assert!(field.value().len() <= field.raw_value().len());
        }
    }
}
