//! Messages that end early or in zeros (`RULES.md 9.2`).

use message::{DamageKind, canonical, damage_of, examine, is_beginning_of, to_crlf};
use proptest::prelude::*;

const WHOLE: &[u8] =
    b"Received: from a\r\n by b\r\nStatus: RO\r\nSubject: one two\r\nX-Mozilla-Keys: k\r\nTo: ana\r\n\r\n\
                       Hello,\r\n\r\n\r\nagain\r\n";

/// What a damaged copy of `WHOLE` holds, and whether it is its beginning.
const BEGINNINGS: [(&[u8], bool); 38] = [
    (b"", false),
    (b"\0\0\0", false),
    (b"Received: from a", false),
    (b"Received: from a\r\n", true),
    (b"Received: from a\r\n ", true),
    (b"Received: from a\r\n by b\r\n", true),
    (b"Received: from a\r\n by b\r\nS", true),
    (b"Received: from a\r\n by b\r\nStat", true),
    (b"Received: from a\r\n by b\r\nSta\0\0", true),
    (b"Received: from a\r\n by b\r\nStatus: R", true),
    (b"Received: from a\r\n by b\r\nSubj", true),
    (b"Received: from a\r\n by b\r\nSubject:", true),
    (b"Received: from a\r\n by b\r\nSubject: one ", true),
    (b"Received: from a\r\n by b\r\nSubject: one\r", true),
    (b"Received: from a\r\n by b\r\nSubject: one\r\n", true),
    (b"Received: from a\r\n by b\r\nSubject: one\r\n tw", true),
    (b"Received: from a\r\n by b\r\nSubject: on\r\n", false),
    (b"Received: from a\r\n by b\r\nSubject:\r\n", true),
    (b"Received: from a\r\n by b\r\nSubject: one two\r\nX-UID: 5\r\nTo: an\0\0\0", true),
    (b"Received: from a\r\n by b\r\nSubject: one two\r\nTo: ana\r\n\r", true),
    (b"Received: from a\r\n by b\r\nSubject: one two\r\nTo: ana\r\n\r\n", true),
    (b"Received: from a\r\n by b\r\nSubject: one two\r\nTo: ana\r\n\r\nHel", true),
    (b"Received: from a\r\n by b\r\nSubject: one two\r\nTo: ana\r\n\r\nHello,\r\n\r\n\r", true),
    (b"Received: from a\r\n by b\r\nSubject: one two\r\nTo: ana\r\n\r\nHello,\r\n\r\n\r\nagai\0\0", true),
    (b"From x\r\nReceived: from a by b\r\nSubject: one two\r\nTo: ana\r\n\r\nHello,\0", true),
    (WHOLE, true),
    (b"Received: from a\r\n by b\r\nSubject: one two\r\nTo: ana\r\n\r\nHello,\r\nagain", false),
    (b"Received: from a\r\n by b\r\nSubject: one two\r\nTo: ana\r\n\r\nHello,\r\n\r\n\r\nagain!", false),
    (b"Received: from a\r\n by b\r\nSubject: one two\r\n\r\nHello", false),
    (b"Received: from a\r\n by b\r\nSubject: one tx", false),
    (b"Received: from a\r\n by b\r\nTo: ana\r\n", false),
    (b"Received: from a\r\n by c\r\nSubject", false),
    (b"received: from a\r\n by b\r\n", false),
    (b"Status: RO\r\n", false),
    (b"Status: RO\r\nX-UID: 5\r\n\r\nHello", false),
    (b"Status: RO\r\nRecei", false),
    (b"\r\nHello", false),
    (b"From x\r\n", false),
];

#[test]
fn beginnings_by_table() {
    for (damaged, expected) in BEGINNINGS {
        assert_eq!(is_beginning_of(damaged, WHOLE), expected, "{}", damaged.escape_ascii());
    }
}

#[test]
fn lines_that_are_no_field_are_compared_byte_for_byte() {
    let whole = b"A: b\r\nno field\r\n at all\r\n\r\ntext";
    assert!(is_beginning_of(b"A: b\r\nno fi", whole));
    assert!(is_beginning_of(b"A: b\r\nno field\r\n a", whole));
    assert!(is_beginning_of(b"A: b\r\nno field\r\n", whole));
    assert!(!is_beginning_of(b"A: b\r\nno\r\n", whole));
    assert!(!is_beginning_of(b"A: b\r\nno field at all\r\n", whole));
}

#[test]
fn zeros_at_the_end_are_damage_whatever_the_size() {
    let examined = examine(b"A: b\r\n\r\ntext\0");
    assert_eq!(damage_of(13, Some(13), &examined), Some(DamageKind::EndsInZeros));
    assert_eq!(damage_of(13, Some(20), &examined), Some(DamageKind::EndsInZeros));
    assert_eq!(damage_of(13, None, &examined), Some(DamageKind::EndsInZeros));
    assert_eq!(damage_of(12, Some(12), &examine(b"A: b\r\n\r\n\0ext")), None);
}

#[test]
fn bytes_fewer_than_promised_are_damage() {
    let examined = examine(b"A: b\r\n\r\ntext");
    assert_eq!(damage_of(12, Some(13), &examined), Some(DamageKind::EndsEarly));
    assert_eq!(damage_of(12, Some(12), &examined), None);
    assert_eq!(damage_of(12, Some(7), &examined), None);
    assert_eq!(damage_of(12, None, &examined), None);
}

#[test]
fn a_header_that_ends_inside_a_line_is_damage_unless_its_size_is_as_promised() {
    let cut = examine(b"A: b\r\nSubje");
    assert_eq!(damage_of(11, None, &cut), Some(DamageKind::EndsEarly));
    assert_eq!(damage_of(11, Some(11), &cut), None);
    let without_body = examine(b"A: b\r\nC: d\r\n");
    assert_eq!(damage_of(12, None, &without_body), None);
    assert_eq!(damage_of(12, Some(12), &without_body), None);
}

fn any_message() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        2 => Just("Subject: x y\n"),
        2 => Just("Received: a\n\tb\n c\n"),
        1 => Just("To:\n ana\n"),
        1 => Just("X-Space :  \n  x  \n"),
        2 => Just("Status: RO\n"),
        1 => Just("X-Keywords: a\n b\n"),
        1 => Just("X-Mozilla\n"),
        1 => Just("no field\n but long\n"),
        1 => Just("A: lone\rCR\r\r\n"),
        1 => Just("A: NUL \0 \n"),
        1 => Just("A: \n"),
        1 => Just("Statu: x\n"),
    ];
    let body = "([a-z\r\u{0} ]{0,4}\n){0,6}[a-z]{0,3}";
    (any::<bool>(), proptest::collection::vec(line, 1..6), any::<bool>(), body).prop_map(|(mbox, lines, ends, body)| {
        let mbox = if mbox { "From x\n" } else { "" };
        let end = if ends { format!("\n{body}") } else { String::new() };
        format!("{mbox}{}{end}", lines.concat()).into_bytes()
    })
}

/// How many lines of the header that the identity keeps end before the cut, counted in a canonical form.
fn has_a_complete_kept_line(cut_crlf: &[u8]) -> bool {
    let last_end = cut_crlf.windows(2).rposition(|pair| pair == b"\r\n").map_or(0, |at| at + 2);
    !canonical(&cut_crlf[..last_end]).starts_with(b"\r\n")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn wherever_it_is_cut_it_is_the_beginning(
        raw in any_message(),
        at in any::<proptest::sample::Index>(),
        zeros in 0..5_usize,
        unix: bool,
    ) {
        let whole = to_crlf(&raw).into_owned();
        let stored = if unix { &raw } else { &whole };
        let cut = to_crlf(&stored[..at.index(stored.len() + 1)]).into_owned();
        let damaged = [&cut[..], &vec![0; zeros]].concat();
        if has_a_complete_kept_line(&cut) {
            prop_assert!(is_beginning_of(&damaged, &whole), "{} of {}", damaged.escape_ascii(), whole.escape_ascii());
        } else {
            prop_assert!(!is_beginning_of(&damaged, &whole), "{} of {}", damaged.escape_ascii(), whole.escape_ascii());
        }
    }

    #[test]
    fn a_beginning_of_the_same_form_is_one_of_any_copy(raw in any_message(), at in any::<proptest::sample::Index>()) {
        let whole = to_crlf(&raw).into_owned();
        let copy = canonical(&whole);
        let cut = &whole[..at.index(whole.len() + 1)];
        prop_assert_eq!(is_beginning_of(cut, &copy), is_beginning_of(cut, &whole));
    }

    #[test]
    fn another_letter_makes_it_the_beginning_of_nothing(
        rest in any_message(),
        at in any::<proptest::sample::Index>(),
        ends_at in any::<proptest::sample::Index>(),
    ) {
        let first = b"Subject: abcdef\r\n";
        let whole = [first, &*to_crlf(&rest)].concat();
        let mut other = whole.clone();
        other[9 + at.index(6)] = b'Q';
        let cut = first.len() + ends_at.index(whole.len() - first.len() + 1);
        prop_assert!(is_beginning_of(&whole[..cut], &whole));
        prop_assert!(!is_beginning_of(&other[..cut], &whole));
    }
}
