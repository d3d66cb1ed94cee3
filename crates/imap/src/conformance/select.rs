//! SELECT, EXAMINE, CLOSE, UNSELECT, CHECK (RFC 9051 §6.3.2, §6.3.3, §6.4.1, §6.4.2; RFC 3501 §6.3.1).

use super::harness::World;

#[test]
fn a_client_of_imap4rev1_is_told_what_rfc_3501_wants() {
    let world = World::new();
    let mut ana = world.ana();
    ana.append("INBOX", "one", "\\Seen");
    ana.append("INBOX", "two", "$Important");
    let said = ana.send("a SELECT inbox");
    let line = |begin: &str| said.iter().find(|line| line.starts_with(begin)).cloned().unwrap_or_default();
    assert!(line("* FLAGS (").contains("\\Answered"));
    assert!(line("* FLAGS (").contains("$Important"));
    assert!(line("* OK [PERMANENTFLAGS (").contains("\\*)"));
    assert_eq!(line("* 2 "), "* 2 EXISTS");
    assert_eq!(line("* 0 "), "* 0 RECENT");
    assert!(!line("* OK [UNSEEN 2]").is_empty());
    assert!(!line("* OK [UIDNEXT 3]").is_empty());
    assert!(!line("* OK [UIDVALIDITY ").is_empty());
    assert!(!line("* OK [HIGHESTMODSEQ ").is_empty());
    assert!(!line("* OK [MAILBOXID (m").is_empty());
    assert_eq!(line("* LIST"), "", "that is IMAP4rev2's");
    assert!(said.last().unwrap().starts_with("a OK [READ-WRITE] "));
    world.finish();
}

#[test]
fn a_client_of_imap4rev2_is_told_what_rfc_9051_wants() {
    let world = World::new();
    let mut ana = world.ana();
    ana.append("INBOX", "one", "");
    ana.ok("a ENABLE IMAP4rev2");
    let said = ana.ok("b EXAMINE INBOX");
    assert!(said.iter().any(|line| line.starts_with("* LIST (") && line.ends_with("\"/\" INBOX")), "{said:?}");
    assert!(said.iter().any(|line| line.starts_with("* OK [PERMANENTFLAGS ()]")));
    assert!(!said.iter().any(|line| line.contains("RECENT") || line.contains("[UNSEEN")), "{said:?}");
    assert!(ana.ok_line("c EXAMINE INBOX").starts_with("OK [READ-ONLY] "));
    world.finish();
}

#[test]
fn another_mailbox_closes_the_one_before_also_if_there_is_none() {
    let world = World::new();
    let mut ana = world.ana();
    assert!(!ana.ok("a SELECT INBOX").iter().any(|line| line.contains("[CLOSED]")));
    // RFC 9051 §7.1, CLOSED: before anything of the new one.
    assert!(ana.ok("b SELECT INBOX")[0].starts_with("* OK [CLOSED] "));
    let said = ana.send("c SELECT Nowhere");
    assert!(said[0].starts_with("* OK [CLOSED] ") && said[1].starts_with("c NO [NONEXISTENT] "), "{said:?}");
    assert!(ana.fails("d CHECK").starts_with("BAD "), "nothing is open");
    world.finish();
}

#[test]
fn close_removes_and_unselect_does_not() {
    let world = World::new();
    let mut ana = world.ana();
    for subject in ["one", "two", "three"] {
        ana.append("INBOX", subject, "\\Deleted");
    }
    ana.ok("a SELECT INBOX");
    assert_eq!(ana.ok("b UNSELECT"), [""; 0]);
    ana.ok("c EXAMINE INBOX");
    assert_eq!(ana.ok("d CLOSE"), [""; 0]);
    assert_eq!(ana.ok("e STATUS INBOX (MESSAGES)"), ["* STATUS INBOX (MESSAGES 3)"]);
    ana.ok("f SELECT INBOX");
    assert_eq!(ana.ok("g CHECK"), [""; 0]);
    assert_eq!(ana.ok("h CLOSE"), [""; 0]);
    assert_eq!(ana.ok("i STATUS INBOX (MESSAGES UIDNEXT)"), ["* STATUS INBOX (MESSAGES 0 UIDNEXT 4)"]);
    assert!(ana.fails("j CLOSE").starts_with("BAD "));
    assert!(ana.fails("k UNSELECT").starts_with("BAD "));
    world.finish();
}

#[test]
fn the_same_mailbox_has_the_same_number_under_another_name() {
    let world = World::new();
    let mut ana = world.ana();
    let number = |said: Vec<String>| said.into_iter().find(|line| line.contains("[MAILBOXID")).unwrap();
    let created = ana.ok_line("a CREATE Plans");
    let before = number(ana.ok("b SELECT Plans"));
    let id = before.split_once("(").unwrap().1.split_once(')').unwrap().0.to_owned();
    assert!(created.starts_with(&format!("OK [MAILBOXID ({id})] ")), "{created}");
    ana.ok("c RENAME Plans Ideas");
    assert_eq!(number(ana.ok("d SELECT Ideas")), before);
    assert_eq!(ana.ok("e STATUS Ideas (MAILBOXID)"), [format!("* STATUS Ideas (MAILBOXID ({id}))")]);
    ana.ok("f CREATE Plans");
    assert_ne!(number(ana.ok("g SELECT Plans")), before, "RFC 8474 §4: another mailbox has another number");
    world.finish();
}

#[test]
fn an_empty_mailbox_has_a_modification_sequence_too() {
    let world = World::new();
    let mut ana = world.ana();
    let said = ana.ok("a SELECT INBOX (CONDSTORE)");
    // RFC 7162 §3.1.2.1: a positive number.
    assert!(said.iter().any(|line| line.starts_with("* OK [HIGHESTMODSEQ 1]")), "{said:?}");
    world.finish();
}

#[test]
fn qresync_is_a_parameter_only_once_it_is_enabled() {
    let world = World::new();
    let mut ana = world.ana();
    assert!(ana.fails("a SELECT INBOX (QRESYNC (1 1))").starts_with("BAD "));
    world.finish();
}
