//! The identity of a message (`RULES.md 2.1` to `2.3`, `docs/design/identity.md`).
#![allow(clippy::unwrap_used)]

use message::{Digest, Identity, canonical, examine, to_crlf, to_lf};
use proptest::prelude::*;

/// A corner of the rule, a message, its canonical form. Every row of `docs/design/identity.md` is here.
const FORMS: [(&str, &[u8], &[u8]); 36] = [
    ("a plain message", b"A: b\r\n\r\ntext\r\n", b"A:b\r\n\r\ntext"),
    ("nothing", b"", b"\r\n"),
    ("an empty header", b"\r\ntext", b"\r\ntext"),
    ("a mbox line", b"From ana Mon Jul  9 2013\r\nA: b\r\n\r\nx", b"A:b\r\n\r\nx"),
    ("mbox lines", b"From a\r\nFrom b\r\nA: b\r\n\r\nx", b"A:b\r\n\r\nx"),
    ("a mbox line below fields that are dropped", b"Status: R\r\nFrom a\r\nA: b\r\n\r\nx", b"A:b\r\n\r\nx"),
    ("a mbox line further down is no field", b"A: b\r\nFrom c d\r\n\r\nx", b"A:b\r\nFrom c d\r\n\r\nx"),
    ("a mbox line and nothing else", b"From ana", b"\r\n"),
    ("a mbox line before an empty header", b"From ana\r\n\r\nx", b"\r\nx"),
    ("a From field with a space before its colon", b"From : ana\r\n\r\nx", b"From :ana\r\n\r\nx"),
    ("what looks like the continuation of a mbox line", b"From a\r\n x: y\r\nA: b\r\n\r\n", b" x: y\r\nA:b\r\n\r\n"),
    ("a quoted mbox line stays", b">From a\r\nA: b\r\n\r\n", b">From a\r\nA:b\r\n\r\n"),
    ("a dropped field", b"Status: RO\r\nA: b\r\nX-UID: 7\r\n\r\nx", b"A:b\r\n\r\nx"),
    ("a dropped field and what continues it", b"X-Keywords: a\r\n b\r\n\tc\r\nA: b\r\n\r\n", b"A:b\r\n\r\n"),
    ("a dropped field in any case", b"sTATUS: R\r\nA: b\r\n\r\n", b"A:b\r\n\r\n"),
    ("a dropped field with white space before its colon", b"Status \t: R\r\nA: b\r\n\r\n", b"A:b\r\n\r\n"),
    ("a name that only begins like a dropped one", b"Status-X: R\r\n\r\n", b"Status-X:R\r\n\r\n"),
    ("no colon, no field, not dropped", b"Status\r\nA: b\r\n\r\n", b"Status\r\nA:b\r\n\r\n"),
    ("nothing but dropped fields", b"Status: R\r\n\r\nx", b"\r\nx"),
    ("a name as it is written", b"sUBJECT: x\r\n\r\n", b"sUBJECT:x\r\n\r\n"),
    ("white space before the colon", b"A \t: b\r\n\r\n", b"A \t:b\r\n\r\n"),
    ("white space at the ends of a value", b"A:\t b c \t\r\n\r\n", b"A:b c\r\n\r\n"),
    ("an empty value", b"A:\r\nB: \r\n\r\n", b"A:\r\nB:\r\n\r\n"),
    ("a folded value", b"A: b\r\n  c\r\n\td\r\n\r\n", b"A:b  c\td\r\n\r\n"),
    ("a value that starts with a fold", b"A:\r\n b\r\n\r\n", b"A:b\r\n\r\n"),
    ("a line of spaces continues", b"A: b\r\n \r\n c\r\n \r\n\r\nx", b"A:b  c\r\n\r\nx"),
    ("a line that is no field, with its continuation", b"A b  \r\n c\r\nD: e\r\n\r\n", b"A b  \r\n c\r\nD:e\r\n\r\n"),
    ("a name that is none", b"A b: c \r\n: d \r\n\xe9: e \r\n\r\n", b"A b: c \r\n: d \r\n\xe9: e \r\n\r\n"),
    ("no empty line", b"A: b\r\nC: d\r\n", b"A:b\r\nC:d\r\n\r\n"),
    ("no line ending", b"A: b\r\nC: d", b"A:b\r\nC:d\r\n\r\n"),
    ("blank lines at the end", b"A: b\r\n\r\nx\r\n\r\n\r\n", b"A:b\r\n\r\nx"),
    ("a body of blank lines", b"A: b\r\n\r\n\r\n\r\n", b"A:b\r\n\r\n"),
    ("blank lines before the text", b"A: b\r\n\r\n\r\nx", b"A:b\r\n\r\n\r\nx"),
    ("a line of spaces at the end is not blank", b"A: b\r\n\r\nx\r\n \r\n", b"A:b\r\n\r\nx\r\n "),
    ("a lone CR is an ordinary byte", b"A: b\r\r\n\r\nx\r\r\n\r", b"A:b\r\r\n\r\nx\r\r\n\r"),
    ("NUL is an ordinary byte", b"A: \0\r\n\r\nx\0\0\r\n", b"A:\0\r\n\r\nx\0\0"),
];

#[test]
fn forms_by_table() {
    for (corner, message, form) in FORMS {
        assert_eq!(canonical(message).escape_ascii().to_string(), form.escape_ascii().to_string(), "{corner}");
        assert_eq!(examine(message).identity, Identity::from(blake3::hash(form)), "{corner}");
    }
}

#[test]
fn every_field_of_the_rule_is_dropped() {
    let dropped = "Status X-Status X-UID X-UIDL X-Keywords X-IMAP X-IMAPbase X-Account-Key X-Mozilla-Status \
                   X-Mozilla-Status2 X-Mozilla-Keys X-Evolution X-Evolution-Source Content-Length Lines X-OfflineIMAP \
                   X-TUID";
    let plain = examine(b"A: b\r\n\r\ntext").identity;
    for name in dropped.split_whitespace() {
        let written = format!("{name}: 1\r\nA: b\r\n\r\ntext");
        assert_eq!(examine(written.as_bytes()).identity, plain, "{name}");
        assert_ne!(examine(written.as_bytes()).digest, examine(b"A: b\r\n\r\ntext").digest, "{name}");
    }
}

/// Identities stand in stores and ledgers: these values never change.
#[test]
fn identities_are_for_ever() {
    let message = b"From ana Mon Jul  9 18:00:00 2013\r\nStatus: RO\r\nSubject: =?utf-8?q?A=C3=B1o?=\r\n nuevo \r\n\
                    Message-ID: <1@example.org>\r\n\r\nHola\r\n>From here\r\n\r\n\r\n";
    let examined = examine(message);
    assert_eq!(examined.digest.to_string(), "3f300b625f681cb7a9903645922e15cd2be2a73ed59fe027bc64e99d2e40da69");
    assert_eq!(examined.identity.to_string(), "c476b5501431c5830a8ed47430164592262b865441a9a832058262994b9c4da2");
    assert_eq!(examined.message_id, Some(0x59ce_6558_e03c_f1c3));
    assert_eq!(examined.first_field, Some(0xb538_58f5_13b4_014b));
}

#[test]
fn the_message_id_is_the_first_one_exactly() {
    let id = |message: &[u8]| examine(message).message_id;
    let plain = id(b"Message-ID: <a@x>\r\n\r\n");
    assert!(plain.is_some());
    assert_eq!(id(b"Status: R\r\nMESSAGE-id :\r\n <a@x> \r\n\r\n"), plain, "name, fold and white space do not count");
    assert_eq!(id(b"Message-ID: <a@x>\r\nMessage-ID: <b@x>\r\n\r\n"), plain, "the first counts");
    assert_eq!(id(b"A: b\r\nMessage-ID: <a@x>"), plain, "the bracket says that it is whole");
    assert_ne!(id(b"Message-ID: <A@x>\r\n\r\n"), plain, "case counts");
    assert_eq!(id(b"Message-ID: <a@x"), None, "it may go on");
    assert_eq!(id(b"Message-ID:\r\n\r\n"), None, "an empty one names nothing");
    assert_eq!(id(b"A: b\r\n\r\nMessage-ID: <a@x>\r\n"), None, "it is in the body");
}

#[test]
fn the_first_field_is_the_first_that_is_kept_and_complete() {
    let first = |message: &[u8]| examine(message).first_field;
    let plain = first(b"A: b c\r\n\r\n");
    assert!(plain.is_some());
    assert_eq!(first(b"From x\r\nStatus: R\r\nA: b\r\n c \r\nD: e"), plain);
    assert_eq!(first(b"A: b c\r\n"), plain);
    assert_eq!(first(b"A: b c"), None, "the line may go on");
    assert_eq!(first(b"Status: R\r\n\r\n"), None, "nothing is kept");
    assert_eq!(first(b"\r\nA: b c\r\n"), None, "it is in the body");
}

#[test]
fn what_else_one_pass_tells() {
    let examined = examine(b"A: b\r\n\r\ntext\0\0");
    assert_eq!((examined.size_bytes, examined.trailing_nuls), (14, 2));
    assert!(examined.header_complete && !examined.ends_in_header_line);
    assert_eq!(examine(&[0; 5]).trailing_nuls, 5);

    let headers = |message: &[u8]| (examine(message).header_complete, examine(message).ends_in_header_line);
    assert_eq!(headers(b"A: b\r\nC: d"), (false, true));
    assert_eq!(headers(b"A: b\r\nC: d\r\n"), (false, false));
    assert_eq!(headers(b""), (false, false));
    assert_eq!(headers(b"\r\n"), (true, false));
}

#[test]
fn long_messages_are_hashed_by_pieces_to_the_same() {
    let long_header: Vec<u8> = (0..9000).flat_map(|n| format!("X-{n}: {n}\r\n folded\r\n").into_bytes()).collect();
    let long_body = vec![b'x'; 300_000];
    for (header, body) in [(&long_header[..], &b"x"[..]), (b"A: b\r\n", &long_body), (&long_header, &long_body)] {
        let message = [header, b"\r\n", body, b"\r\n\r\n"].concat();
        assert_eq!(canonical(&message), naive_form(&message));
        assert_eq!(examine(&message).identity, Identity::from(blake3::hash(&naive_form(&message))));
    }
    for length in (1 << 16) - 12..(1 << 16) + 4 {
        let message = [b"A: b\r\n\r\n", &long_body[..length]].concat();
        assert_eq!(examine(&message).identity, Identity::from(blake3::hash(&naive_form(&message))), "{length}");
    }
}

/// The rule once more, as simply as it can be said: lines in lists, nothing borrowed, nothing shared with the crate.
fn naive_form(crlf: &[u8]) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = vec![vec![]];
    let mut at = 0;
    while at < crlf.len() {
        if crlf[at..].starts_with(b"\r\n") {
            lines.push(vec![]);
            at += 2;
        } else {
            lines.last_mut().unwrap().push(crlf[at]);
            at += 1;
        }
    }
    let white = |b: &u8| *b == b' ' || *b == b'\t';
    let mut groups: Vec<Vec<Vec<u8>>> = vec![];
    let mut body: Vec<Vec<u8>> = vec![];
    for (n, line) in lines.iter().enumerate() {
        if line.is_empty() {
            body = lines[n + 1..].to_vec();
            break;
        }
        if white(&line[0]) && !groups.is_empty() {
            groups.last_mut().unwrap().push(line.clone());
        } else {
            groups.push(vec![line.clone()]);
        }
    }
    let dropped = b" status x-status x-uid x-uidl x-keywords x-imap x-imapbase x-account-key x-mozilla-status \
        x-mozilla-status2 x-mozilla-keys x-evolution x-evolution-source content-length lines x-offlineimap x-tuid ";
    let mut form = vec![];
    for group in groups {
        let colon = group[0].iter().position(|b| *b == b':');
        let mut name = group[0][..colon.unwrap_or(0)].to_vec();
        while name.last().is_some_and(white) {
            name.pop();
        }
        if name.is_empty() || name.iter().any(|b| *b <= 32 || *b >= 127) {
            let mbox_line = form.is_empty() && group[0].starts_with(b"From ");
            let group = &group[usize::from(mbox_line)..];
            group.iter().for_each(|line| form.extend([&line[..], b"\r\n"].concat()));
            continue;
        }
        let padded = [b" ", &name.to_ascii_lowercase()[..], b" "].concat();
        if dropped.windows(padded.len()).any(|w| w == padded) {
            continue;
        }
        let mut value = group.concat().split_off(colon.unwrap() + 1);
        while value.last().is_some_and(white) {
            value.pop();
        }
        while value.first().is_some_and(white) {
            value.remove(0);
        }
        form.extend_from_slice(&group[0][..=colon.unwrap()]);
        form.extend(value);
        form.extend(b"\r\n");
    }
    form.extend(b"\r\n");
    while body.last().is_some_and(Vec::is_empty) {
        body.pop();
    }
    form.extend(body.join(&b"\r\n"[..]));
    form
}

/// Pieces out of which bytes are made that are a message, almost one, or none.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(&b"\r\n"[..]),
        2 => Just(&b"\n"[..]),
        1 => Just(&b"\r"[..]),
        3 => Just(&b" "[..]),
        1 => Just(&b"\t"[..]),
        3 => Just(&b":"[..]),
        2 => Just(&b"\r\n\r\n"[..]),
        2 => Just(&b"From "[..]),
        1 => Just(&b"From x\n"[..]),
        2 => Just(&b"Status"[..]),
        1 => Just(&b"\nX-UID: 5\r\n 6"[..]),
        2 => Just(&b"A: b\r\n"[..]),
        2 => Just(&b"\r\nSubject: x"[..]),
        2 => Just(&b"text"[..]),
        1 => Just(&b"\0"[..]),
        1 => Just(&b"\xe9"[..]),
    ];
    proptest::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

/// Fields that the identity keeps, a body, and fields that it drops with the places where they are put.
#[derive(Clone, Debug)]
struct Mail {
    fields: Vec<String>,
    body: String,
    dropped: Vec<(usize, String)>,
}

impl Mail {
    fn plain(&self) -> String {
        format!("{}\n{}", self.fields.concat(), self.body)
    }

    fn as_a_store_wrote_it(&self, mbox_line: bool, blank_lines: usize) -> String {
        let mut fields = self.fields.clone();
        if mbox_line {
            fields.insert(0, "From ana@example.org Mon Jul  9 18:00:00 2013\n".to_owned());
        }
        for (place, field) in &self.dropped {
            fields.insert(place % (fields.len() + 1), field.clone());
        }
        format!("{}\n{}{}", fields.concat(), self.body, "\n".repeat(blank_lines))
    }
}

fn any_mail() -> impl Strategy<Value = Mail> {
    let name = "[A-Za-z-]{1,3}[0-9]";
    let field = (name, " ?[a-z:]{0,6}(\n [a-z]{1,4}){0,2}").prop_map(|(name, value)| format!("{name}:{value}\n"));
    let dropped = ("Status|X-UID|x-mozilla-STATUS|Lines|X-TUID|X-Keywords", " [a-z]{0,4}(\n [a-z]{0,4}){0,2}")
        .prop_map(|(name, value)| format!("{name}:{value}\n"));
    (
        proptest::collection::vec(field, 1..5),
        "([a-z>\u{0} ]{0,5}(\r[a-z])?\n){0,4}[a-z]{1,5}",
        proptest::collection::vec((0..9_usize, dropped), 0..4),
    )
        .prop_map(|(fields, body, dropped)| Mail { fields, body, dropped })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn two_implementations_agree(raw in any_bytes()) {
        let crlf = to_crlf(&raw);
        let form = naive_form(&crlf);
        prop_assert_eq!(canonical(&crlf).escape_ascii().to_string(), form.escape_ascii().to_string());
        let examined = examine(&crlf);
        prop_assert_eq!(examined.identity, Identity::from(blake3::hash(&form)));
        prop_assert_eq!(examined.digest, Digest::from(blake3::hash(&crlf)));
        prop_assert_eq!(examined.size_bytes, crlf.len() as u64);
    }

    #[test]
    fn bytes_that_are_not_in_crlf_form_do_not_matter_to_the_agreement(raw in any_bytes()) {
        prop_assert_eq!(canonical(&raw), naive_form(&raw));
    }

    #[test]
    fn what_stores_write_changes_nothing(mail in any_mail(), mbox_line: bool, blank_lines in 0..4_usize) {
        let plain = mail.plain().into_bytes();
        let written = mail.as_a_store_wrote_it(mbox_line, blank_lines).into_bytes();
        let identity = examine(&to_crlf(&plain)).identity;
        prop_assert_eq!(examine(&to_crlf(&written)).identity, identity);
        prop_assert_eq!(examine(&to_crlf(&to_lf(&to_crlf(&written)))).identity, identity);
    }

    #[test]
    fn any_other_change_is_another_message(mail in any_mail(), at in any::<proptest::sample::Index>(), flip in 1..=255_u8) {
        let plain = to_crlf(mail.plain().as_bytes()).into_owned();
        let start = plain.len() - to_crlf(mail.body.as_bytes()).len();
        let mut changed = plain.clone();
        changed[start + at.index(plain.len() - start)] ^= flip;
        // A change may make an LF, a CR or a space of the last letter; then only the ends of lines are alike.
        prop_assume!(to_crlf(&changed) == changed);
        prop_assert_ne!(examine(&changed).identity, examine(&plain).identity);
    }

    #[test]
    fn the_form_of_a_form_is_itself(raw in any_bytes()) {
        let form = canonical(&to_crlf(&raw));
        prop_assert_eq!(canonical(&form), form);
    }
}
