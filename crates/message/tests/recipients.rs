//! Evidence for whom a message was meant (`RULES.md 9.3`).

use message::{Address, Evidence, recipients};
use proptest::prelude::*;

fn found(message: &str) -> Vec<(Evidence, Vec<String>)> {
    let texts = |list: Vec<Address>| list.iter().map(|a| a.as_str().to_owned()).collect();
    recipients(message.as_bytes()).into_iter().map(|(evidence, list)| (evidence, texts(list))).collect()
}

/// The addresses of a To field with this value.
fn to(value: &str) -> Vec<String> {
    found(&format!("To: {value}\r\n\r\n")).into_iter().flat_map(|(_, list)| list).collect()
}

#[test]
fn evidence_comes_in_the_order_of_the_rule() {
    let message = "Cc: d@example.org\r\nTo: Ana <c@Example.ORG>, d@example.org\r\n\
                   Received: from x (for y@z) by mx (Postfix) with SMTP\r\n for <ana@example.org>; Mon, 1 Jul 2013\r\n\
                   Envelope-to: e@example.org\r\nX-Original-To: Info@example.org\r\n\
                   Delivered-To: ana@example.org\r\nDelivered-To: ANA@example.org\r\n\r\nTo: body@example.org\r\n";
    let list = |addresses: &[&str]| addresses.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        found(message),
        [
            (Evidence::DeliveredTo, list(&["ana@example.org"])),
            (Evidence::XOriginalTo, list(&["Info@example.org"])),
            (Evidence::EnvelopeTo, list(&["e@example.org"])),
            (Evidence::ReceivedFor, list(&["ana@example.org"])),
            (Evidence::ToCc, list(&["d@example.org", "c@example.org"])),
        ]
    );
    assert_eq!(found("Subject: x\r\n\r\n"), []);
}

const LISTS: [(&str, &[&str]); 36] = [
    ("", &[]),
    ("a@b.org", &["a@b.org"]),
    ("<a@b.org>", &["a@b.org"]),
    ("a@b.org, c@d.org", &["a@b.org", "c@d.org"]),
    ("Ana Gil <a@b.org>", &["a@b.org"]),
    ("\"Gil, Ana\" <a@b.org>, c@d.org", &["a@b.org", "c@d.org"]),
    ("\"x@y.org\" <a@b.org>", &["a@b.org"]),
    ("\"Ana \\\" <x@y.org>\" <a@b.org>", &["a@b.org"]),
    ("Ana\r\n <a@b.org>,\r\n\tc@d.org", &["a@b.org", "c@d.org"]),
    ("a@b.org (Ana, <x@y.org>)", &["a@b.org"]),
    ("a@b.org (nested (comment) \\) x@y.org)", &["a@b.org"]),
    ("Friends: Ana <a@b.org>, c@d.org;, e@f.org", &["a@b.org", "c@d.org", "e@f.org"]),
    ("undisclosed-recipients:;", &[]),
    ("=?utf-8?q?Ana=2C_Gil?= <a@b.org>", &["a@b.org"]),
    ("=?iso-8859-1?q?Gil,_Ana?= <a@b.org>", &["a@b.org"]),
    ("=?utf-8?q?x@y.org?= <a@b.org>", &["a@b.org"]),
    ("=?utf-8?q?Ana_=3Ca=40b.org=3E?=", &["a@b.org"]),
    ("=?utf-8?q?a@b.org?=", &["a@b.org"]),
    ("<@relay.org,@other.org:a@b.org>, c@d.org", &["a@b.org", "c@d.org"]),
    ("< a @ b.org >", &["a@b.org"]),
    ("a @ b.org", &["a@b.org"]),
    ("<mailto:a@b.org>", &["a@b.org"]),
    ("mailto:a@b.org", &["a@b.org"]),
    ("'a@b.org'", &["a@b.org"]),
    ("\"a\"@b.org", &["a@b.org"]),
    ("\"o x\"@b.org", &[]),
    ("\"o@x\"@b.org", &[]),
    ("Ana <a@b.org, c@d.org>", &["a@b.org", "c@d.org"]),
    ("Ana <<a@b.org>>", &["a@b.org"]),
    ("<a@b.org> <c@d.org>", &["a@b.org", "c@d.org"]),
    ("a@b.org; c@d.org", &["a@b.org", "c@d.org"]),
    ("a@b.org c@d.org", &["a@b.org", "c@d.org"]),
    ("\"Ana <a@b.org>", &["a@b.org"]),
    ("Ana :-( <a@b.org>", &["a@b.org"]),
    ("ana en b.org", &[]),
    ("@, <>, <@>, a@, @b.org, a@b@c.org", &[]),
];

#[test]
fn address_lists_by_table() {
    for (value, addresses) in LISTS {
        assert_eq!(to(value), addresses, "{value:?}");
    }
}

/// RFC 5322 appendix A.1.2, A.1.3, A.5, A.6.1 (without the white space inside a domain, which is not taken).
#[test]
fn rfc5322_examples() {
    assert_eq!(
        to("Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>"),
        ["mary@x.test", "jdoe@example.org", "one@y.test"]
    );
    assert_eq!(
        to("<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>"),
        ["boss@nil.test", "sysservices@example.net"]
    );
    assert_eq!(
        to("A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;"),
        ["c@a.test", "joe@where.test", "jdoe@one.test"]
    );
    assert_eq!(
        to(
            "A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n         joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the group)"
        ),
        ["c@public.example", "joe@example.org", "jdoe@one.test"]
    );
    assert_eq!(
        to("Mary Smith <@node.test:mary@example.net>, , jdoe@test.example"),
        ["mary@example.net", "jdoe@test.example"]
    );
}

#[test]
fn received_names_one_recipient_or_none() {
    let of = |value: &str| {
        found(&format!("Received: {value}\r\n\r\n")).into_iter().flat_map(|(_, list)| list).collect::<Vec<_>>()
    };
    assert_eq!(of("from x by y for a@b.org; Mon"), ["a@b.org"]);
    assert_eq!(of("by y FOR <a@b.org> (alias c@d.org); Mon"), ["a@b.org"]);
    assert_eq!(of("from for.example by y for <a@b.org>"), ["a@b.org"]);
    assert_eq!(of("from x by y (for <a@b.org>) id 1; Mon"), [""; 0]);
    assert_eq!(of("from x by y id 1; waiting for a@b.org"), [""; 0]);
    assert_eq!(of("from x by y for"), [""; 0]);
}

#[test]
fn the_number_of_addresses_is_bounded() {
    let many: Vec<_> = (0..500).map(|n| format!("a{n}@b.org")).collect();
    let message = format!("Delivered-To: x@b.org\r\nTo: {}\r\nCc: {}\r\n\r\n", many.join(", "), many.join(" "));
    let found = found(&message);
    assert_eq!(found.iter().map(|(_, list)| list.len()).sum::<usize>(), 200);
    assert_eq!(found[0].1, ["x@b.org"]);
}

proptest! {
    #[test]
    fn garbage_is_no_trouble(value in "[\"\\\\()<>@,;:a. \u{e9}\r\n=?-]{0,60}") {
        for field in ["To", "Received", "Delivered-To"] {
            found(&format!("{field}: for {value}\r\n\r\n"));
        }
    }
}
