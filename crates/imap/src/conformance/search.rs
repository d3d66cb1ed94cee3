//! SEARCH (RFC 9051 §6.4.4) in its old and its extended form.

use super::harness::{Client, World};
use std::collections::BTreeSet;

/// A message a line: date of arrival, flags, header, text.
const MAIL: [(&str, &str, &str, &str); 5] = [
    (
        "01-Feb-2024 10:00:00 +0000",
        "\\Seen",
        "Date: Thu, 1 Feb 2024 09:59:00 +0000\r\nFrom: Ana Ruiz <ana@example.org>\r\nTo: luis@example.net\r\nSubject: Presupuesto de M=?UTF-8?Q?=C3=A9xico?=\r\n",
        "El presupuesto va adjunto.",
    ),
    (
        "02-Feb-2024 23:30:00 -0500",
        "\\Flagged Later",
        "Date: Fri, 2 Feb 2024 23:29:00 -0500\r\nFrom: luis@example.net\r\nTo: Ana <ana@example.org>, eva@example.com\r\nSubject: Re: Presupuesto\r\n",
        "De acuerdo, M\u{e9}xico primero.",
    ),
    (
        "03-Feb-2024 12:00:00 +0000",
        "",
        "Date: Sat, 3 Feb 2024 12:00:00 +0000\r\nFrom: Eva <eva@example.com>\r\nCc: ana@example.org\r\nSubject: =?ISO-8859-1?Q?A=F1o_nuevo?=\r\nX-Odd: yes\r\n",
        "Feliz ANO.",
    ),
    (
        "04-Feb-2024 12:00:00 +0000",
        "\\Deleted",
        "Date: Mon, 5 Feb 2024 01:00:00 +0900\r\nFrom: robot@example.com\r\nSubject: report\r\n",
        "nothing to see here, nothing at all, and a little more of it so that it is larger than the others are",
    ),
    (
        "05-Feb-2024 12:00:00 +0000",
        "\\Seen \\Answered $Forwarded",
        "From: robot@example.com\r\nSubject: report\r\n",
        "no date",
    ),
];

fn with_mail(world: &World) -> Client {
    let mut ana = world.ana();
    for (date, flags, header, text) in MAIL {
        let message = format!("{header}Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n");
        ana.ok(&format!("a APPEND INBOX ({flags}) \"{date}\" {{{}+}}\r\n{message}", message.len()));
    }
    ana.ok("s SELECT INBOX");
    ana
}

/// Every key of RFC 9051 §6.4.4 with what it finds.
#[test]
fn keys_find_what_they_say() {
    let world = World::new();
    let mut ana = with_mail(&world);
    let table = [
        ("ALL", "1 2 3 4 5"),
        ("ANSWERED", "5"),
        ("UNANSWERED", "1 2 3 4"),
        ("DELETED", "4"),
        ("UNDELETED", "1 2 3 5"),
        ("DRAFT", ""),
        ("UNDRAFT", "1 2 3 4 5"),
        ("FLAGGED", "2"),
        ("UNFLAGGED", "1 3 4 5"),
        ("SEEN", "1 5"),
        ("UNSEEN", "2 3 4"),
        ("KEYWORD later", "2"),
        ("UNKEYWORD Later", "1 3 4 5"),
        ("KEYWORD $Forwarded", "5"),
        ("KEYWORD unheard-of", ""),
        ("RECENT", ""),
        ("NEW", ""),
        ("OLD", "1 2 3 4 5"),
        ("2:3", "2 3"),
        ("4:*", "4 5"),
        ("*", "5"),
        ("7:9", ""),
        ("UID 1,5:9", "1 5"),
        // Days of arrival count in UTC: message 2 came on the 3rd.
        ("BEFORE 3-Feb-2024", "1"),
        ("ON 3-Feb-2024", "2 3"),
        ("SINCE 4-Feb-2024", "4 5"),
        // Days of sending as the Date field writes them: message 2 on the 2nd, message 4 on the 5th.
        ("SENTBEFORE 3-Feb-2024", "1 2"),
        ("SENTON 2-Feb-2024", "2"),
        ("SENTON 5-Feb-2024", "4"),
        ("SENTSINCE 3-Feb-2024", "3 4"),
        ("LARGER 200", "1 2 4"),
        ("SMALLER 130", "5"),
        ("FROM ruiz", "1"),
        ("FROM \"ana ruiz <ANA@\"", "1"),
        ("TO eva", "2"),
        ("CC ana@", "3"),
        ("BCC x", ""),
        ("SUBJECT mexico", "1"),
        ("SUBJECT PRESUPUESTO", "1 2"),
        ("SUBJECT ano", "3"),
        ("HEADER X-Odd \"\"", "3"),
        ("HEADER X-Odd ye", "3"),
        ("HEADER Subject \"\"", "1 2 3 4 5"),
        ("HEADER X-None \"\"", ""),
        ("BODY mexico", "2"),
        ("TEXT mexico", "1 2"),
        ("TEXT ano", "3"),
        ("BODY \"nothing to see\"", "4"),
        ("BODY xyzzy", ""),
        ("TEXT r", "1 2 3 4 5"),
        ("NOT SEEN", "2 3 4"),
        ("NOT NOT SEEN", "1 5"),
        ("OR SEEN FLAGGED", "1 2 5"),
        ("OR TEXT mexico (SUBJECT report SEEN)", "1 2 5"),
        ("(SUBJECT report NOT TEXT nothing)", "5"),
        ("SEEN SUBJECT report", "5"),
        ("TEXT mexico BODY acuerdo", "2"),
        ("UNSEEN SINCE 3-Feb-2024 TO ana", "2"),
        ("SAVEDATESUPPORTED", "1 2 3 4 5"),
        ("SAVEDSINCE 1-Feb-2024", "1 2 3 4 5"),
        ("SAVEDBEFORE 1-Feb-2024", ""),
        ("OLDER 3600", "1 2 3 4 5"),
        ("YOUNGER 3600", ""),
    ];
    for (key, expected) in table {
        let expected = format!("* SEARCH {expected}").trim_end().to_owned();
        assert_eq!(ana.ok(&format!("x SEARCH {key}")), [expected], "{key}");
    }
    // What was found once is found again, now from the caches.
    for (key, expected) in table {
        let expected = format!("* SEARCH {expected}").trim_end().to_owned();
        assert_eq!(ana.ok(&format!("x UID SEARCH CHARSET UTF-8 {key}")), [expected], "{key}, from the cache");
    }
    world.finish();
}

#[test]
fn strings_come_in_utf8_and_in_no_other_charset() {
    let world = World::new();
    let mut ana = with_mail(&world);
    assert_eq!(ana.ok("x SEARCH CHARSET UTF-8 SUBJECT {7+}\r\nM\u{e9}xico"), ["* SEARCH 1"]);
    let refused = ana.fails("x SEARCH CHARSET KOI8-R SUBJECT x");
    assert!(refused.starts_with("NO [BADCHARSET (") && refused.contains("UTF-8"), "{refused}");
    world.finish();
}

/// AND, OR and NOT of keys find what the keys find, put together; whatever is looked at first, and however little of it.
#[test]
fn keys_combine_as_sets() {
    let world = World::new();
    let mut ana = with_mail(&world);
    let leaves =
        ["SEEN", "2:4", "SUBJECT report", "SENTSINCE 3-Feb-2024", "TEXT mexico", "BODY nothing", "HEADER X-Odd yes"];
    let found: Vec<BTreeSet<u32>> = leaves.iter().map(|key| numbers(&ana.ok(&format!("x SEARCH {key}"))[0])).collect();
    let mut dice = 20_240_201_u64;
    for _ in 0..300 {
        let (key, expected) = tree(&mut dice, 3, &leaves, &found);
        assert_eq!(numbers(&ana.ok(&format!("x SEARCH {key}"))[0]), expected, "{key}");
    }
    world.finish();
}

fn numbers(line: &str) -> BTreeSet<u32> {
    line.strip_prefix("* SEARCH").unwrap().split_whitespace().map(|number| number.parse().unwrap()).collect()
}

fn tree(dice: &mut u64, depth: u32, leaves: &[&str], found: &[BTreeSet<u32>]) -> (String, BTreeSet<u32>) {
    // Knuth's linear congruential generator.
    let mut roll = |sides: u64| {
        *dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*dice >> 33) % sides
    };
    let (kind, leaf) = (roll(4), roll(leaves.len() as u64) as usize);
    if depth == 0 || kind == 0 {
        return (leaves[leaf].to_owned(), found[leaf].clone());
    }
    let (one, one_found) = tree(dice, depth - 1, leaves, found);
    let (other, other_found) = tree(dice, depth - 1, leaves, found);
    match kind {
        1 => (format!("({one} {other})"), &one_found & &other_found),
        2 => (format!("OR ({one}) ({other})"), &one_found | &other_found),
        _ => (format!("NOT ({one})"), &BTreeSet::from([1, 2, 3, 4, 5]) - &one_found),
    }
}

/// RFC 4731 §3.1.
#[test]
fn an_extended_answer_says_what_was_asked_for() {
    let world = World::new();
    let mut ana = with_mail(&world);
    let table = [
        ("RETURN () UNSEEN", "ALL 2:4"),
        ("RETURN (ALL) NOT FLAGGED", "ALL 1,3:5"),
        ("RETURN (MIN MAX COUNT) UNSEEN", "MIN 2 MAX 4 COUNT 3"),
        ("RETURN (COUNT) DRAFT", "COUNT 0"),
        ("RETURN (MIN MAX ALL) DRAFT", ""),
        ("RETURN (MIN) ALL", "MIN 1"),
    ];
    for (search, expected) in table {
        let expected = format!("* ESEARCH (TAG \"x\") {expected}").trim_end().to_owned();
        assert_eq!(ana.ok(&format!("x SEARCH {search}")), [expected], "{search}");
    }
    ana.ok("t STORE 1 +FLAGS.SILENT (\\Deleted)");
    ana.ok("e EXPUNGE");
    assert_eq!(ana.ok("x UID SEARCH RETURN (ALL COUNT) ALL"), ["* ESEARCH (TAG \"x\") UID ALL 2:3,5 COUNT 3"]);
    assert_eq!(ana.ok("x SEARCH RETURN (ALL) ALL"), ["* ESEARCH (TAG \"x\") ALL 1:3"]);
    world.finish();
}

/// RFC 9051 §6.4.4: IMAP4rev2 has no other form.
#[test]
fn with_imap4rev2_every_answer_is_extended() {
    let world = World::new();
    let mut ana = with_mail(&world);
    ana.ok("u UNSELECT");
    ana.ok("e ENABLE IMAP4rev2");
    ana.ok("s SELECT INBOX");
    assert_eq!(ana.ok("x SEARCH UNSEEN"), ["* ESEARCH (TAG \"x\") ALL 2:4"]);
    assert_eq!(ana.ok("x UID SEARCH DRAFT"), ["* ESEARCH (TAG \"x\") UID"]);
    world.finish();
}

/// RFC 9394 §3.1 and §3.2.
#[test]
fn results_come_by_pages() {
    let world = World::new();
    let mut ana = with_mail(&world);
    let table = [
        ("PARTIAL 1:2", "PARTIAL (1:2 1:2)"),
        ("PARTIAL 4:9", "PARTIAL (4:9 4:5)"),
        ("PARTIAL 6:9", "PARTIAL (6:9 NIL)"),
        ("PARTIAL -1:-2", "PARTIAL (-1:-2 4:5)"),
        ("PARTIAL 1:1 COUNT", "COUNT 5 PARTIAL (1:1 1)"),
    ];
    for (returns, expected) in table {
        let told = ana.ok(&format!("x UID SEARCH RETURN ({returns}) ALL"));
        assert_eq!(told, [format!("* ESEARCH (TAG \"x\") UID {expected}")], "{returns}");
    }
    assert!(ana.fails("x SEARCH RETURN (ALL PARTIAL 1:2) ALL").starts_with("BAD "));
    ana.ok("x UID SEARCH RETURN (SAVE PARTIAL 2:3) ALL");
    assert_eq!(ana.ok("f FETCH $ UID"), ["* 2 FETCH (UID 2)", "* 3 FETCH (UID 3)"]);
    world.finish();
}

/// RFC 5182 §2.
#[test]
fn a_result_can_be_kept_and_used() {
    let world = World::new();
    let mut ana = with_mail(&world);
    assert_eq!(ana.ok("x SEARCH RETURN (SAVE) UNSEEN"), Vec::<String>::new(), "§2.1: nothing is told");
    assert_eq!(ana.ok("f FETCH $ UID"), ["* 2 FETCH (UID 2)", "* 3 FETCH (UID 3)", "* 4 FETCH (UID 4)"]);
    assert_eq!(ana.ok("f UID FETCH $ FLAGS").len(), 3);
    assert_eq!(ana.ok("x SEARCH $ SUBJECT report"), ["* SEARCH 4"], "a key, too");
    assert_eq!(ana.ok("x SEARCH RETURN (SAVE MIN) UNSEEN"), ["* ESEARCH (TAG \"x\") MIN 2"]);
    assert_eq!(ana.ok("f FETCH $ UID"), ["* 2 FETCH (UID 2)"], "§2.4: that one alone");
    assert_eq!(ana.ok("x SEARCH RETURN (SAVE MIN MAX) ALL"), ["* ESEARCH (TAG \"x\") MIN 1 MAX 5"]);
    assert_eq!(ana.ok("f FETCH $ UID").len(), 2);
    assert_eq!(ana.ok("x SEARCH RETURN (SAVE COUNT MIN) ALL"), ["* ESEARCH (TAG \"x\") MIN 1 COUNT 5"]);
    assert_eq!(ana.ok("f FETCH $ UID").len(), 5);
    ana.ok("t STORE 4 +FLAGS.SILENT (\\Deleted)");
    ana.ok("e EXPUNGE");
    assert_eq!(ana.ok("f FETCH $ UID").len(), 4, "§2.1: what is expunged falls out of it");
    ana.ok("s SELECT INBOX");
    assert_eq!(ana.ok("f FETCH $ UID"), Vec::<String>::new(), "§2.1: it is gone with the mailbox");
    world.finish();
}

/// RFC 7162 §3.1.5, RFC 4731 §3.2.
#[test]
fn modification_sequences_are_searched_and_told() {
    let world = World::new();
    let mut ana = with_mail(&world);
    ana.ok("t STORE 2 +FLAGS.SILENT (\\Seen)");
    ana.ok("t STORE 4 +FLAGS.SILENT (\\Seen)");
    let told = ana.ok("x SEARCH MODSEQ 6");
    assert!(told[0].starts_with("* OK [HIGHESTMODSEQ 8] "), "{told:?}");
    assert_eq!(told[1], "* SEARCH 2 4 5 (MODSEQ 8)");
    assert_eq!(ana.ok("x SEARCH MODSEQ 9"), ["* SEARCH"]);
    assert_eq!(ana.ok("x SEARCH RETURN (MIN) MODSEQ 6"), ["* ESEARCH (TAG \"x\") MIN 2 MODSEQ 7"]);
    assert_eq!(ana.ok("x SEARCH RETURN (MIN MAX) MODSEQ 6"), ["* ESEARCH (TAG \"x\") MIN 2 MAX 5 MODSEQ 7"]);
    assert_eq!(ana.ok("x SEARCH RETURN (ALL) NOT MODSEQ 6"), ["* ESEARCH (TAG \"x\") ALL 1,3 MODSEQ 4"]);
    world.finish();
}

/// RFC 5530 (EXPUNGEISSUED): what the client counts and is gone cannot be looked at.
#[test]
fn a_search_says_that_messages_are_gone() {
    let world = World::new();
    with_mail(&world);
    let (mut one, mut two) = world.two_in_inbox();
    one.ok("e UID EXPUNGE 4");
    let answer = two.send("x SEARCH ALL");
    assert_eq!(answer[0], "* SEARCH 1 2 3 5", "numbers stand until the removal is told");
    assert!(answer[1].starts_with("x OK [EXPUNGEISSUED] "), "{answer:?}");
    assert_eq!(two.ok("n NOOP"), ["* 4 EXPUNGE"]);
    assert_eq!(two.ok("x SEARCH ALL"), ["* SEARCH 1 2 3 4"]);
    world.finish();
}

#[test]
fn what_came_since_is_not_found_before_it_is_told() {
    let world = World::new();
    with_mail(&world);
    let (mut one, mut two) = world.two_in_inbox();
    one.append("INBOX", "new", "");
    let answer = two.ok("x SEARCH ALL");
    assert_eq!(answer[0], "* SEARCH 1 2 3 4 5");
    assert!(answer.contains(&"* 6 EXISTS".to_owned()), "{answer:?}");
    assert_eq!(two.ok("x SEARCH ALL"), ["* SEARCH 1 2 3 4 5 6"]);
    world.finish();
}

#[test]
fn many_messages_are_searched_in_stretches() {
    let world = World::new();
    let mut ana = world.ana();
    let message = |number: usize| format!("Subject: n{number}\r\n\r\nbody of {number} end");
    let all: String = (1..=3000).map(message).map(|text| format!(" {{{}+}}\r\n{text}", text.len())).collect();
    ana.ok(&format!("a APPEND INBOX{all}"));
    ana.ok("s SELECT INBOX");
    assert_eq!(ana.ok("x SEARCH RETURN (COUNT) SUBJECT n1"), ["* ESEARCH (TAG \"x\") COUNT 1111"]);
    assert_eq!(ana.ok("x SEARCH BODY \"of 2999\""), ["* SEARCH 2999"]);
    assert_eq!(ana.ok("x SEARCH RETURN (COUNT) OR BODY 29 2000:2500"), ["* ESEARCH (TAG \"x\") COUNT 645"]);
    assert_eq!(ana.ok("x SEARCH RETURN (MIN MAX) NOT BODY end"), ["* ESEARCH (TAG \"x\")"]);
    world.finish();
}

#[test]
fn what_is_switched_off_is_not_searched_by() {
    let world = World::new();
    for capability in ["ESEARCH", "WITHIN", "OBJECTID", "SAVEDATE", "CONDSTORE"] {
        world.switch_off(capability);
    }
    let mut ana = with_mail(&world);
    let searches =
        ["RETURN (ALL) ALL", "OLDER 9", "NOT YOUNGER 9", "OR ALL EMAILID M1", "SAVEDSINCE 1-Jan-2020", "MODSEQ 1"];
    for search in searches {
        assert!(ana.fails(&format!("x SEARCH {search}")).starts_with("BAD "), "{search}");
    }
    assert_eq!(ana.ok("x SEARCH SEEN"), ["* SEARCH 1 5"]);
    world.finish();
}
