//! COPY, MOVE, EXPUNGE and REPLACE (RFC 9051 §6.4.3, §6.4.7, §6.4.8; RFC 4315, RFC 6851, RFC 8508).

use super::harness::{Client, World};

fn with_messages(world: &World, count: usize) -> Client {
    let mut ana = world.ana();
    for number in 1..=count {
        ana.append("INBOX", &format!("m{number}"), "");
    }
    ana.ok("c CREATE Work");
    ana.ok("s SELECT INBOX");
    ana
}

/// The text between `[` and `]`, without UIDVALIDITY.
fn code(line: &str) -> String {
    let code = line.split_once('[').unwrap().1.split_once(']').unwrap().0;
    let words: Vec<&str> = code.split(' ').collect();
    [&words[..1], &words[2..]].concat().join(" ")
}

#[test]
fn copies_keep_flags_and_dates_and_get_uids() {
    let world = World::new();
    let mut ana = with_messages(&world, 3);
    ana.ok("t STORE 2 FLAGS.SILENT (\\Flagged Later)");
    let line = ana.ok_line("c COPY 2:3 Work");
    assert_eq!(code(&line), "COPYUID 2:3 1:2");
    let before = ana.ok("f FETCH 2 (FLAGS INTERNALDATE)");
    ana.ok("s SELECT Work");
    assert_eq!(ana.ok("f FETCH 1 (FLAGS INTERNALDATE)")[0].replace("* 1", "* 2"), before[0]);
    assert!(ana.ok_line("c UID COPY 99 INBOX").starts_with("OK "), "no such UID is none");
    ana.ok("s SELECT INBOX");
    assert_eq!(code(&ana.ok_line("c UID COPY 3,1 Work")), "COPYUID 1,3 3:4");
    world.finish();
}

#[test]
fn a_copy_into_the_open_mailbox_is_told() {
    let world = World::new();
    let mut ana = with_messages(&world, 2);
    let told = ana.ok("c COPY 1 INBOX");
    assert!(told.contains(&"* 3 EXISTS".to_owned()), "{told:?}");
    world.finish();
}

#[test]
fn a_target_that_is_not_there_can_be_created() {
    let world = World::new();
    let mut ana = with_messages(&world, 1);
    assert!(ana.fails("c COPY 1 Nowhere").starts_with("NO [TRYCREATE] "));
    assert!(ana.fails("c MOVE 1 Nowhere").starts_with("NO [TRYCREATE] "));
    assert!(ana.fails("c APPEND Nowhere {3+}\r\nabc").starts_with("NO [TRYCREATE] "));
    assert!(ana.fails("c REPLACE 1 Nowhere {3+}\r\nabc").starts_with("NO [TRYCREATE] "));
    assert_eq!(ana.ok("f FETCH 1 UID"), ["* 1 FETCH (UID 1)"]);
    world.finish();
}

/// RFC 6851 §4.3: where each message went is told before it is gone.
#[test]
fn moved_messages_are_told_of_and_then_gone() {
    let world = World::new();
    let mut ana = with_messages(&world, 4);
    let answer = ana.send("m MOVE 2:3 Work");
    assert!(answer[0].starts_with("* OK ") && code(&answer[0]) == "COPYUID 2:3 1:2", "{answer:?}");
    assert_eq!(answer[1..3], ["* 3 EXPUNGE", "* 2 EXPUNGE"]);
    assert!(answer[3].starts_with("m OK "), "{answer:?}");
    assert_eq!(ana.ok("f FETCH 1:* UID"), ["* 1 FETCH (UID 1)", "* 2 FETCH (UID 4)"]);
    let answer = ana.send("m UID MOVE 1:3 Work");
    assert_eq!(code(&answer[0]), "COPYUID 1 3");
    assert_eq!(answer[1], "* 1 EXPUNGE");
    ana.ok("s SELECT Work");
    assert_eq!(ana.ok("x UID SEARCH ALL"), ["* SEARCH 1 2 3"]);
    world.finish();
}

/// RFC 7162 §3.2.7 and §3.2.10.
#[test]
fn with_qresync_removals_are_told_by_uid() {
    let world = World::new();
    with_messages(&world, 4);
    let mut ana = world.ana();
    ana.ok("e ENABLE QRESYNC");
    ana.ok("s SELECT INBOX");
    let answer = ana.send("m MOVE 2:3 Work");
    assert_eq!(answer[1], "* VANISHED 2:3");
    assert!(answer[2].starts_with("m OK [HIGHESTMODSEQ 6] "), "{answer:?}");
    ana.ok("t STORE 1 +FLAGS.SILENT (\\Deleted)");
    let answer = ana.send("x EXPUNGE");
    assert_eq!(answer[0], "* VANISHED 1");
    assert!(answer[1].starts_with("x OK [HIGHESTMODSEQ 8] "), "{answer:?}");
    world.finish();
}

#[test]
fn only_messages_marked_as_deleted_are_expunged() {
    let world = World::new();
    let mut ana = with_messages(&world, 5);
    ana.ok("t STORE 2,4,5 +FLAGS.SILENT (\\Deleted)");
    assert_eq!(ana.ok("x UID EXPUNGE 1:4"), ["* 4 EXPUNGE", "* 2 EXPUNGE"]);
    assert_eq!(ana.ok("x EXPUNGE"), ["* 3 EXPUNGE"]);
    assert_eq!(ana.ok("x EXPUNGE"), Vec::<String>::new());
    assert_eq!(ana.ok("f FETCH 1:* UID"), ["* 1 FETCH (UID 1)", "* 2 FETCH (UID 3)"]);
    world.finish();
}

/// RFC 2180 §4.4.1.
#[test]
fn a_copy_is_whole_or_none() {
    let world = World::new();
    with_messages(&world, 3);
    let (mut one, mut two) = world.two_in_inbox();
    one.ok("t STORE 2 +FLAGS.SILENT (\\Deleted)");
    one.ok("x EXPUNGE");
    // The second session has not heard of it, and may not hear of it by a command that names numbers.
    assert_eq!(two.ok("f FETCH 1 UID"), ["* 1 FETCH (UID 1)"]);
    assert!(two.fails("c COPY 1:3 Work").starts_with("NO [EXPUNGEISSUED] "));
    assert!(two.fails("c MOVE 1:3 Work").starts_with("NO [EXPUNGEISSUED] "));
    assert_eq!(two.ok("t STATUS Work (MESSAGES)")[0], "* STATUS Work (MESSAGES 0)");
    world.finish();
}

#[test]
fn nothing_is_copied_over_quota() {
    let world = World::with(|policy| policy.quota_default_bytes = Some(150));
    let mut ana = world.ana();
    ana.ok("c CREATE Work");
    ana.append("INBOX", "a", "");
    ana.append("INBOX", "b", "");
    ana.ok("s SELECT INBOX");
    assert!(ana.fails("c COPY 1:2 Work").starts_with("NO [OVERQUOTA] "));
    assert_eq!(ana.ok("t STATUS Work (MESSAGES)"), ["* STATUS Work (MESSAGES 0)"]);
    ana.ok("m MOVE 1:2 Work");
    assert_eq!(ana.ok("t STATUS Work (MESSAGES)"), ["* STATUS Work (MESSAGES 2)"], "a move takes no more room");
    let message = format!("Subject: c\r\n\r\n{}", "x".repeat(200));
    assert!(ana.fails(&format!("a APPEND INBOX {{{}+}}\r\n{message}", message.len())).starts_with("NO [OVERQUOTA] "));
    world.finish();
}

/// RFC 8508 §3.
#[test]
fn a_draft_is_replaced_at_once() {
    let world = World::new();
    let mut ana = with_messages(&world, 2);
    let answer = ana.send("r REPLACE 1 INBOX (\\Draft) {14+}\r\nSubject: 2\r\n\r\n");
    assert_eq!(code(&answer[0]), "APPENDUID 3");
    assert_eq!(answer[1..4], ["* 3 EXISTS", "* 0 RECENT", "* 1 EXPUNGE"]);
    assert_eq!(ana.ok("f FETCH 1:2 (UID FLAGS)"), ["* 1 FETCH (UID 2 FLAGS ())", "* 2 FETCH (UID 3 FLAGS (\\Draft))"]);
    let answer = ana.send("r UID REPLACE 3 Work {14+}\r\nSubject: 3\r\n\r\n");
    assert_eq!(code(&answer[0]), "APPENDUID 1");
    assert_eq!(answer[1], "* 2 EXPUNGE");
    assert!(ana.fails("r UID REPLACE 99 INBOX {14+}\r\nSubject: 3\r\n\r\n").starts_with("NO "));
    assert_eq!(ana.ok("t STATUS INBOX (MESSAGES)"), ["* STATUS INBOX (MESSAGES 1)"]);
    world.finish();
}

#[test]
fn without_uidplus_no_uids_are_told() {
    let world = World::new();
    world.switch_off("UIDPLUS");
    world.switch_off("MULTIAPPEND");
    let mut ana = world.ana();
    assert_eq!(ana.ok_line("a APPEND INBOX {3+}\r\na\r\n"), "OK appended");
    assert!(ana.fails("a APPEND INBOX {3+}\r\na\r\n {3+}\r\nb\r\n").starts_with("BAD "));
    ana.ok("s SELECT INBOX");
    assert_eq!(ana.ok_line("c COPY 1 INBOX"), "OK copied");
    ana.ok("c CREATE Work");
    assert_eq!(ana.ok("m MOVE 1 Work"), ["* 1 EXPUNGE"]);
    assert_eq!(ana.ok("r REPLACE 1 INBOX {3+}\r\nc\r\n"), ["* 2 EXISTS", "* 0 RECENT", "* 1 EXPUNGE"]);
    assert!(ana.fails("x UID EXPUNGE 1").starts_with("BAD "));
    world.finish();
}
