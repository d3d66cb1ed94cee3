//! STORE (RFC 9051 §6.4.6), with conditions (RFC 7162 §3.1.3).

use super::harness::{Client, World};

fn with_messages(world: &World, count: usize) -> Client {
    let mut ana = world.ana();
    for number in 1..=count {
        ana.append("INBOX", &format!("m{number}"), "");
    }
    ana.ok("s SELECT INBOX");
    ana
}

#[test]
fn flags_are_replaced_added_and_removed() {
    let world = World::new();
    let mut ana = with_messages(&world, 2);
    assert_eq!(ana.ok("t STORE 1 FLAGS (\\Seen \\Flagged)"), ["* 1 FETCH (FLAGS (\\Flagged \\Seen))"]);
    assert_eq!(ana.ok("t STORE 1 +FLAGS (\\Answered)"), ["* 1 FETCH (FLAGS (\\Flagged \\Answered \\Seen))"]);
    assert_eq!(ana.ok("t STORE 1 -FLAGS (\\Seen \\Flagged)"), ["* 1 FETCH (FLAGS (\\Answered))"]);
    assert_eq!(ana.ok("t UID STORE 2 FLAGS (\\Draft)"), ["* 2 FETCH (UID 2 FLAGS (\\Draft))"]);
    assert_eq!(ana.ok("t STORE 1:2 FLAGS ()"), ["* 1 FETCH (FLAGS ())", "* 2 FETCH (FLAGS ())"]);
    assert_eq!(ana.ok("t STORE 1 +FLAGS (\\Recent)"), ["* 1 FETCH (FLAGS ())"], "it is nobody's to set");
    assert_eq!(ana.ok("t UID STORE 77 +FLAGS (\\Seen)"), Vec::<String>::new(), "a UID that is not there is none");
    assert!(ana.fails("t STORE 3 +FLAGS (\\Seen)").starts_with("BAD "));
    world.finish();
}

#[test]
fn a_new_keyword_is_made_known_first() {
    let world = World::new();
    let mut ana = with_messages(&world, 1);
    let told = ana.ok("t STORE 1 +FLAGS (Later $Forwarded)");
    assert_eq!(told.len(), 2);
    assert!(told[0].starts_with("* FLAGS (") && told[0].ends_with(" Later)"), "{told:?}");
    assert_eq!(told[1], "* 1 FETCH (FLAGS ($Forwarded Later))");
    assert_eq!(ana.ok("t STORE 1 -FLAGS (LATER)"), ["* 1 FETCH (FLAGS ($Forwarded))"], "keywords know no case");
    world.finish();
}

#[test]
fn keywords_are_bounded() {
    let world = World::new();
    let mut ana = with_messages(&world, 20);
    let many: Vec<String> = (0..65).map(|number| format!("k{number}")).collect();
    let refused = ana.fails(&format!("t STORE 1 +FLAGS ({})", many.join(" ")));
    assert!(refused.starts_with("NO [LIMIT] "), "{refused}");
    for message in 1..=15 {
        let words: Vec<String> = (0..64).map(|number| format!("m{message}k{number}")).collect();
        ana.ok(&format!("t STORE {message} +FLAGS.SILENT ({})", words.join(" ")));
    }
    let words: Vec<String> = (0..64).map(|number| format!("m16k{number}")).collect();
    let refused = ana.fails(&format!("t STORE 16 +FLAGS.SILENT ({})", words.join(" ")));
    assert!(refused.starts_with("NO [LIMIT] "), "a mailbox has so many, too: {refused}");
    ana.ok("t STORE 16 +FLAGS.SILENT (m1k1)");
    world.finish();
}

#[test]
fn silence_is_about_ones_own_changes() {
    let world = World::new();
    with_messages(&world, 2);
    let (mut one, mut two) = world.two_in_inbox();
    assert_eq!(one.ok("t STORE 1 +FLAGS.SILENT (\\Seen)"), Vec::<String>::new());
    assert_eq!(one.ok("n NOOP"), Vec::<String>::new());
    assert_eq!(two.ok("n NOOP"), ["* 1 FETCH (UID 1 FLAGS (\\Seen))"]);

    one.ok("t STORE 1 +FLAGS.SILENT (\\Flagged)");
    let told = two.ok("t STORE 1 +FLAGS.SILENT (\\Answered)");
    assert_eq!(told, ["* 1 FETCH (UID 1 FLAGS (\\Flagged \\Answered \\Seen))"], "somebody else's flag is news");
    world.finish();
}

#[test]
fn what_was_told_is_not_told_again() {
    let world = World::new();
    with_messages(&world, 2);
    let (mut one, mut two) = world.two_in_inbox();
    assert_eq!(one.ok("t STORE 1:2 +FLAGS (\\Seen)").len(), 2);
    assert_eq!(one.ok("n NOOP"), Vec::<String>::new());
    two.ok("t STORE 1 -FLAGS (\\Seen)");
    assert_eq!(one.ok("n NOOP"), ["* 1 FETCH (UID 1 FLAGS ())"]);
    world.finish();
}

/// RFC 7162 §3.1.3.
#[test]
fn only_what_did_not_change_since_is_changed() {
    let world = World::new();
    let mut ana = with_messages(&world, 3);
    let mut other = world.ana();
    other.ok("s SELECT INBOX");
    other.ok("t STORE 2 +FLAGS (\\Flagged)");

    let answer = ana.send("t STORE 1:3 (UNCHANGEDSINCE 4) +FLAGS.SILENT (\\Seen)");
    assert!(answer[0].starts_with("* OK [HIGHESTMODSEQ 4] "), "{answer:?}");
    assert_eq!(
        answer[1..4],
        ["* 1 FETCH (MODSEQ (6))", "* 3 FETCH (MODSEQ (6))", "* 2 FETCH (UID 2 FLAGS (\\Flagged) MODSEQ (5))"]
    );
    assert!(answer[4].starts_with("t OK [MODIFIED 2] "), "{answer:?}");
    let last = ana.ok_line("t UID STORE 2 (UNCHANGEDSINCE 4) +FLAGS (\\Seen)");
    assert!(last.starts_with("OK [MODIFIED 2] "), "{last}");
    assert_eq!(
        ana.ok("t UID STORE 2 (UNCHANGEDSINCE 5) +FLAGS (\\Seen)"),
        ["* 2 FETCH (UID 2 FLAGS (\\Flagged \\Seen) MODSEQ (7))"]
    );
    world.finish();
}

/// RFC 2180 §4.2.
#[test]
fn messages_that_are_gone_are_passed_over() {
    let world = World::new();
    with_messages(&world, 2);
    let (mut one, mut two) = world.two_in_inbox();
    one.ok("t STORE 1 +FLAGS.SILENT (\\Deleted)");
    one.ok("x EXPUNGE");
    let answer = two.send("t STORE 1:2 +FLAGS (\\Seen)");
    assert_eq!(answer[0], "* 2 FETCH (FLAGS (\\Seen))");
    assert!(answer.last().unwrap().starts_with("t NO [EXPUNGEISSUED] "), "{answer:?}");
    assert!(two.send("t STORE 1 +FLAGS.SILENT (\\Seen)").last().unwrap().starts_with("t OK "));
    world.finish();
}

#[test]
fn a_mailbox_opened_for_reading_is_not_changed() {
    let world = World::new();
    let mut ana = with_messages(&world, 1);
    ana.ok("e EXAMINE INBOX");
    assert!(ana.fails("t STORE 1 +FLAGS (\\Seen)").starts_with("NO "));
    assert!(ana.fails("x EXPUNGE").starts_with("NO "));
    assert_eq!(ana.ok("f FETCH 1 FLAGS"), ["* 1 FETCH (FLAGS ())"]);
    world.finish();
}
