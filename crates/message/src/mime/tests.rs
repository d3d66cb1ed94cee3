//! Parts, their numbers and their texts, by table; and what holds for any bytes.

#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use std::borrow::Cow;

fn crlf(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

/// The tree as text: type/subtype of a leaf with its body, parts of others between brackets.
fn shown(whole: &[u8], part: &Part) -> String {
    let subtype = String::from_utf8_lossy(&part.media_subtype);
    match &part.content {
        Content::Leaf => format!("{subtype} {:?}", String::from_utf8_lossy(&whole[part.body.clone()])),
        Content::Message(inner) => format!("message[{}]", shown(whole, inner)),
        Content::Multipart(children) => {
            let children: Vec<_> = children.iter().map(|child| shown(whole, child)).collect();
            format!("{subtype}[{}]", children.join(", "))
        }
    }
}

#[test]
fn trees_by_table() {
    let table = [
        ("", r#"plain """#),
        ("Subject: x\n", r#"plain """#),
        ("\nbody\n", r#"plain "body\r\n""#),
        (
            "Content-Type: multipart/mixed; boundary=b\n\npre\n--b\n\none\n--b\n\ntwo\n\n--b--\nepilogue\n",
            r#"mixed[plain "one", plain "two\r\n"]"#,
        ),
        // Without its end, without parts, without a boundary.
        ("Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n", r#"mixed[plain "one\r\n"]"#),
        ("Content-Type: multipart/mixed; boundary=b\n\n--b", r#"mixed[plain ""]"#),
        ("Content-Type: multipart/mixed; boundary=b\n\nnone\n", "mixed[]"),
        ("Content-Type: multipart/mixed\n\n--b\n\none\n--b--\n", "mixed[]"),
        ("Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\none\n", "mixed[]"),
        // What follows on a boundary; one that is the beginning of another; `--` at the end of one.
        ("Content-Type: multipart/mixed; boundary=b\n\n--b junk\n\none\n--b-- junk\n", r#"mixed[plain "one"]"#),
        (
            "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/related; boundary=ab\n\n--ab\n\none\n--ab--\n--a\n\ntwo\n",
            r#"mixed[related[plain "one"], plain "two\r\n"]"#,
        ),
        (
            "Content-Type: multipart/mixed; boundary=a--\n\n--a--\nContent-Type: multipart/related; boundary=a\n\n--a\n\none\n--a--\nx\n--a----\n",
            r#"mixed[related[plain "one"]]"#,
        ),
        // An outer delimiter ends what is inside.
        (
            "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/related; boundary=b\n\n--b\n\none\n--a\n\ntwo\n--b\n\nx\n",
            r#"mixed[related[plain "one"], plain "two\r\n--b\r\n\r\nx\r\n"]"#,
        ),
        // Inside a header.
        (
            "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n--b\n--b--\n",
            r#"mixed[html "", plain ""]"#,
        ),
        (
            "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n--b\n--b--\n",
            r#"mixed[message[plain ""], plain ""]"#,
        ),
        // Messages.
        ("Content-Type: message/rfc822\n\nSubject: x\n\nbody", r#"message[plain "body"]"#),
        ("Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\n\nx", r#"message[message[plain "x"]]"#),
        ("Content-Type: message/global\n\nSubject: x\n\nbody", r#"message[plain "body"]"#),
        ("Content-Type: message/global\nContent-Transfer-Encoding: base64\n\neA==", r#"global "eA==""#),
        ("Content-Type: message/partial\n\nSubject: x\n\nbody", r#"partial "Subject: x\r\n\r\nbody""#),
        (
            "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\nbody\n--b\nContent-Type: text/plain\n\ntwo\n--b--\n",
            r#"digest[message[plain "body"], plain "two"]"#,
        ),
        (
            "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nSubject: x\n--b--\n",
            r#"mixed[message[plain ""]]"#,
        ),
    ];
    for (text, expected) in table {
        let whole = crlf(text);
        assert_eq!(shown(&whole, &parse(&whole)), expected, "{text}");
    }
}

/// RFC 9051 §6.4.5.1 has this tree as its example.
const EXAMPLE: &str = "Subject: top
Content-Type: multipart/mixed; boundary=a

--a
Content-Type: text/plain

1
--a
Content-Type: application/octet-stream

2
--a
Content-Type: message/rfc822

Subject: three
Content-Type: multipart/mixed; boundary=b

--b

3.1
--b
Content-Type: application/octet-stream

3.2
--b--
--a
Content-Type: multipart/mixed; boundary=c

--c
Content-Type: image/gif

4.1
--c
Content-Type: message/rfc822

Subject: four two
Content-Type: multipart/mixed; boundary=d

--d
Content-Type: text/plain

4.2.1
--d
Content-Type: multipart/alternative; boundary=e

--e

4.2.2.1
--e
Content-Type: text/richtext

4.2.2.2
--e--
--d--
--c--
--a--
";

#[test]
fn parts_have_the_numbers_of_the_rfc() {
    let whole = crlf(EXAMPLE);
    let part = parse(&whole);
    let text = |numbers: &[u32], text| {
        part.section(numbers, text).map(|range| String::from_utf8_lossy(&whole[range]).into_owned())
    };
    for leaf in ["1", "2", "3.1", "3.2", "4.1", "4.2.1", "4.2.2.1", "4.2.2.2"] {
        let numbers: Vec<u32> = leaf.split('.').map(|n| n.parse().unwrap()).collect();
        assert_eq!(text(&numbers, SectionText::All).as_deref(), Some(leaf));
        assert_eq!(text(&numbers, SectionText::Header), None, "{leaf} is no message");
        assert_eq!(text(&[&numbers[..], &[1]].concat(), SectionText::All), None, "{leaf} has no parts");
    }
    for missing in [&[0][..], &[5], &[3, 3], &[4, 3], &[4, 2, 3], &[u32::MAX]] {
        assert_eq!(part.find(missing), None);
    }
    assert_eq!(text(&[], SectionText::All).unwrap().as_bytes(), whole);
    assert!(text(&[], SectionText::Header).unwrap().ends_with("boundary=a\r\n\r\n"));
    assert!(text(&[], SectionText::Text).unwrap().starts_with("--a\r\n"));
    assert_eq!(text(&[], SectionText::Mime), None);
    assert!(text(&[3], SectionText::All).unwrap().starts_with("Subject: three\r\n"));
    assert_eq!(
        text(&[3], SectionText::Header).unwrap(),
        "Subject: three\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    );
    assert!(text(&[3], SectionText::Text).unwrap().starts_with("--b\r\n"));
    assert_eq!(text(&[3], SectionText::Mime).unwrap(), "Content-Type: message/rfc822\r\n\r\n");
    assert_eq!(text(&[3, 1], SectionText::Mime).unwrap(), "\r\n");
    assert!(text(&[4, 2], SectionText::Header).unwrap().starts_with("Subject: four two\r\n"));
    assert_eq!(text(&[4], SectionText::Header), None, "4 is a multipart");
    assert!(text(&[4, 2, 2], SectionText::All).unwrap().starts_with("--e\r\n"));
}

#[test]
fn the_body_of_a_message_without_parts_is_part_1() {
    let whole = crlf("Subject: x\n\nbody");
    let part = parse(&whole);
    assert_eq!(part.section(&[1], SectionText::All), Some(part.body.clone()));
    assert_eq!(part.section(&[1], SectionText::Mime), Some(part.header.clone()));
    assert_eq!(part.section(&[2], SectionText::All), None);

    let whole = crlf("Content-Type: message/rfc822\n\nSubject: inner\n\nbody");
    let part = parse(&whole);
    let text = |numbers: &[u32], text| part.section(numbers, text).map(|range| &whole[range]);
    assert_eq!(text(&[1], SectionText::All), Some(&b"Subject: inner\r\n\r\nbody"[..]));
    assert_eq!(text(&[1], SectionText::Header), Some(&b"Subject: inner\r\n\r\n"[..]));
    assert_eq!(text(&[1, 1], SectionText::All), Some(&b"body"[..]));
    assert_eq!(text(&[1, 1, 1], SectionText::All), None);
}

#[test]
fn lines_are_counted_in_texts_and_messages() {
    let whole = crlf(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n1\n2\n\n--b\nContent-Type: image/png\n\n1\n2\n--b\nContent-Type: message/rfc822\n\nSubject: x\n\n1\n2\n--b--\n",
    );
    let part = parse(&whole);
    let lines = |numbers: &[u32]| part.find(numbers).map(|part| part.body_lines);
    assert_eq!([lines(&[]), lines(&[1]), lines(&[2]), lines(&[3]), lines(&[3, 1])], [0, 2, 0, 3, 1].map(Some));
}

#[test]
fn header_fields_keep_their_order_and_folds() {
    let header = b"Subject: a\r\n b\r\nFrom : x\r\nno field\r\nsubject:c\r\nTo: y\r\n\r\n";
    let fields = |names: &[&str], not| String::from_utf8_lossy(&header_fields(header, names, not)).into_owned();
    assert_eq!(fields(&["TO", "SUBJECT"], false), "Subject: a\r\n b\r\nsubject:c\r\nTo: y\r\n\r\n");
    assert_eq!(fields(&["TO", "SUBJECT"], true), "From : x\r\nno field\r\n\r\n");
    assert_eq!(fields(&["X"], false), "\r\n");
    assert_eq!(
        header_fields(b"Subject: a", &["Subject"], false),
        b"Subject: a",
        "a header without an empty line has none"
    );
    assert_eq!(header_fields(b"", &["Subject"], true), b"");
}

#[test]
fn file_names_are_decoded() {
    let name = |fields: &str| parse(&crlf(&format!("{fields}\n\n"))).file_name();
    let name = |fields: &str| name(fields).unwrap_or_default();
    assert_eq!(name("Content-Type: x/y; name=a.txt"), "a.txt");
    assert_eq!(name("Content-Type: x/y; name=a\nContent-Disposition: attachment; filename=\"b c\""), "b c");
    assert_eq!(name("Content-Disposition: attachment; filename*=iso-8859-1'es'a%F1o.txt"), "año.txt");
    assert_eq!(name("Content-Disposition: attachment; filename*0*=utf-8''a%C3; filename*1*=%B1o"), "año");
    assert_eq!(name("Content-Type: x/y; name=\"=?utf-8?q?a=C3=B1o?=\""), "año");
    assert_eq!(name("Content-Type: x/y"), "");
}

#[test]
fn bodies_are_decoded_by_their_encoding() {
    let decoded = |encoding: &str, media: &str| {
        let whole = crlf(&format!("Content-Type: {media}\nContent-Transfer-Encoding: {encoding}\n\nYT0zRA=="));
        let part = parse(&whole);
        decode_body(&part, &whole[part.body.clone()]).map(Cow::into_owned)
    };
    assert_eq!(decoded("BASE64", "text/plain"), Ok(b"a=3D".to_vec()));
    assert_eq!(decoded("7bit", "text/plain"), Ok(b"YT0zRA==".to_vec()));
    assert_eq!(decoded("base64", "message/rfc822"), Ok(b"YT0zRA==".to_vec()));
    assert_eq!(decoded("x-uuencode", "text/plain"), Err(UnknownCte));
}

#[test]
fn depth_and_number_of_parts_are_bounded() {
    let deep = |part: &Part| {
        let (mut part, mut depth) = (part, 1);
        while let Content::Message(inner) = &part.content {
            (part, depth) = (inner, depth + 1);
        }
        depth
    };
    assert_eq!(deep(&parse("Content-Type: message/rfc822\r\n\r\n".repeat(10_000).as_bytes())), MAX_DEPTH);

    let many = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{}", "--b\r\n".repeat(3 * MAX_PARTS));
    let Content::Multipart(children) = parse(many.as_bytes()).content else { panic!("it is a multipart") };
    assert_eq!(children.len(), MAX_PARTS - 1);

    // Each part opens another multipart, and none is closed.
    let nested: String =
        (0..20_000).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}.\r\n\r\n--b{n}.\r\n")).collect();
    assert!(nested_levels(&parse(nested.as_bytes())) <= MAX_DEPTH);
}

fn nested_levels(part: &Part) -> usize {
    match &part.content {
        Content::Leaf => 1,
        Content::Message(inner) => 1 + nested_levels(inner),
        Content::Multipart(children) => 1 + children.iter().map(nested_levels).max().unwrap_or_default(),
    }
}

/// Parts lie inside those around them, in order, and do not overlap.
fn assert_nested(part: &Part, within: Range<usize>) {
    assert!(within.start <= part.header.start && part.header.end <= part.body.start && part.body.end <= within.end);
    assert!(part.header.start <= part.header.end && part.body.start <= part.body.end);
    match &part.content {
        Content::Leaf => {}
        Content::Message(inner) => assert_nested(inner, part.body.clone()),
        Content::Multipart(children) => {
            let mut from = part.body.start;
            for child in children {
                assert_nested(child, from..part.body.end);
                from = child.body.end;
            }
        }
    }
}

proptest! {
    #[test]
    fn parts_lie_inside_each_other(pieces in proptest::collection::vec(prop_oneof![
        Just("Content-Type: multipart/mixed; boundary=a\r\n"), Just("Content-Type: multipart/digest; boundary=ab\r\n"),
        Just("Content-Type: message/rfc822\r\n"), Just("Content-Type: text/plain\r\n"), Just("\r\n"), Just("--a\r\n"),
        Just("--ab\r\n"), Just("--a--\r\n"), Just("--ab--\r\n"), Just("--a"), Just("text\r\n"), Just("\r"), Just(" "), Just("\n"),
    ], 0..24)) {
        let whole = crate::to_crlf(pieces.concat().as_bytes()).into_owned();
        let part = parse(&whole);
        assert_nested(&part, 0..whole.len());
        prop_assert_eq!(part.header.start..part.body.end, 0..whole.len());
    }

    #[test]
    fn any_bytes_are_parsed(bytes: Vec<u8>) {
        // The CRLF form is asked for, and anything else does no harm.
        let part = parse(&bytes);
        assert_nested(&part, 0..bytes.len());
        prop_assert!(decode_body(&part, &bytes[part.body.clone()]).is_ok() || part.transfer_encoding.is_some());
        header_fields(&bytes, &["a"], true);
    }
}
