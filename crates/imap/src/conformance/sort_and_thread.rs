//! SORT and THREAD (RFC 5256, RFC 5267, RFC 5957).

use super::harness::{Client, World};

const MAIL: [(&str, &str); 4] = [
    (
        "01-Feb-2024 10:00:00 +0000",
        "Date: Sat, 3 Feb 2024 00:00:00 +0000\r\nFrom: Zoe <a@example.org>\r\nTo: m@x\r\nSubject: beta\r\nMessage-ID: <1@x>\r\n\r\n",
    ),
    (
        "02-Feb-2024 10:00:00 +0000",
        "Date: Fri, 2 Feb 2024 00:00:00 +0000\r\nFrom: b@example.org\r\nTo: l@x\r\nSubject: Re: beta\r\nMessage-ID: <2@x>\r\nReferences: <1@x>\r\n\r\nlonger\r\n",
    ),
    (
        "03-Feb-2024 10:00:00 +0000",
        "Date: Thu, 1 Feb 2024 00:00:00 +0000\r\nFrom: Bea <c@example.org>\r\nTo: k@x\r\nSubject: Alpha\r\nMessage-ID: <3@x>\r\n\r\nmuch longer than the others\r\n",
    ),
    (
        "31-Jan-2024 10:00:00 +0000",
        "From: d@example.org\r\nSubject: fwd: ALPHA\r\nMessage-ID: <4@x>\r\nIn-Reply-To: <2@x>\r\n\r\n",
    ),
];

fn with_mail(world: &World) -> Client {
    let mut ana = world.ana();
    for (date, message) in MAIL {
        ana.ok(&format!("a APPEND INBOX \"{date}\" {{{}+}}\r\n{message}", message.len()));
    }
    ana.ok("s SELECT INBOX");
    ana
}

/// Every criterion of RFC 5256 §3 and RFC 5957 §3.
#[test]
fn criteria_order_as_they_say() {
    let world = World::new();
    let mut ana = with_mail(&world);
    let table = [
        ("ARRIVAL", "4 1 2 3"),
        ("REVERSE ARRIVAL", "3 2 1 4"),
        // A message without a date has the one of its arrival.
        ("DATE", "4 3 2 1"),
        ("FROM", "1 2 3 4"),
        ("DISPLAYFROM", "2 3 4 1"),
        ("TO", "4 3 2 1"),
        ("SUBJECT", "3 4 1 2"),
        ("SUBJECT REVERSE DATE", "3 4 1 2"),
        ("REVERSE SUBJECT DATE", "2 1 4 3"),
        ("SIZE", "4 1 2 3"),
        ("CC", "1 2 3 4"),
    ];
    for (criteria, expected) in table {
        assert_eq!(ana.ok(&format!("x SORT ({criteria}) UTF-8 ALL")), [format!("* SORT {expected}")], "{criteria}");
    }
    assert_eq!(ana.ok("x SORT (REVERSE SIZE) US-ASCII SUBJECT beta"), ["* SORT 2 1"]);
    assert_eq!(ana.ok("x UID SORT (DATE) UTF-8 2:3"), ["* SORT 3 2"]);
    assert_eq!(ana.ok("x SORT (DATE) UTF-8 DRAFT"), ["* SORT"]);
    assert!(ana.fails("x SORT (DATE) KOI8-R ALL").starts_with("NO [BADCHARSET "));
    world.finish();
}

/// RFC 5267 §3.
#[test]
fn a_sorted_answer_keeps_its_order() {
    let world = World::new();
    let mut ana = with_mail(&world);
    assert_eq!(ana.ok("x SORT RETURN (ALL COUNT) (DATE) UTF-8 ALL"), ["* ESEARCH (TAG \"x\") ALL 4,3,2,1 COUNT 4"]);
    assert_eq!(ana.ok("x UID SORT RETURN (MIN MAX) (DATE) UTF-8 ALL"), ["* ESEARCH (TAG \"x\") UID MIN 4 MAX 1"]);
    let told = ana.ok("x SORT RETURN (PARTIAL 2:3) (ARRIVAL) UTF-8 ALL");
    assert_eq!(told, ["* ESEARCH (TAG \"x\") PARTIAL (2:3 1,2)"]);
    ana.ok("x SORT RETURN (SAVE) (DATE) UTF-8 FROM zoe");
    assert_eq!(ana.ok("f FETCH $ UID"), ["* 1 FETCH (UID 1)"]);
    world.finish();
}

#[test]
fn conversations_are_threaded() {
    let world = World::new();
    let mut ana = with_mail(&world);
    assert_eq!(ana.ok("x THREAD REFERENCES UTF-8 ALL"), ["* THREAD (3)(1 2 4)"]);
    assert_eq!(ana.ok("x THREAD ORDEREDSUBJECT UTF-8 ALL"), ["* THREAD (4 3)(2 1)"]);
    assert_eq!(ana.ok("x UID THREAD REFERENCES US-ASCII SUBJECT beta"), ["* THREAD (1 2)"]);
    assert_eq!(ana.ok("x THREAD REFERENCES UTF-8 DRAFT"), ["* THREAD"]);
    assert!(ana.fails("x THREAD REFS UTF-8 ALL").starts_with("BAD "));
    world.finish();
}

#[test]
fn what_is_switched_off_is_refused() {
    let world = World::new();
    for capability in ["ESORT", "SORT=DISPLAY", "THREAD=REFERENCES"] {
        world.switch_off(capability);
    }
    let mut ana = with_mail(&world);
    assert!(ana.fails("x SORT RETURN (ALL) (DATE) UTF-8 ALL").starts_with("BAD "));
    assert!(ana.fails("x SORT (DISPLAYFROM) UTF-8 ALL").starts_with("BAD "));
    assert!(ana.fails("x THREAD REFERENCES UTF-8 ALL").starts_with("BAD "));
    ana.ok("x SORT (FROM) UTF-8 ALL");
    ana.ok("x THREAD ORDEREDSUBJECT UTF-8 ALL");
    world.finish();
}
