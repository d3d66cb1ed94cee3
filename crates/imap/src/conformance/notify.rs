//! NOTIFY (RFC 5465).

use super::harness::World;

#[test]
fn the_open_mailbox_is_told_of_without_a_command() {
    let world = World::new();
    let (mut ana, mut phone) = world.two_in_inbox();
    ana.append("INBOX", "one", "");
    // RFC 5465 §3.1: what waited is told first.
    let said = phone.ok("a NOTIFY SET (SELECTED (MessageNew (UID FLAGS) MessageExpunge FlagChange))");
    assert_eq!(said, ["* 1 EXISTS", "* 0 RECENT"]);
    assert!(phone.watches());
    ana.append("INBOX", "two", "\\Flagged");
    assert_eq!(phone.hears(), ["* 2 EXISTS", "* 0 RECENT", "* 2 FETCH (UID 2 FLAGS (\\Flagged))"]);
    ana.ok("b STORE 1 +FLAGS (\\Deleted)");
    assert_eq!(phone.hears(), ["* 1 FETCH (UID 1 FLAGS (\\Deleted))"]);
    ana.ok("c EXPUNGE");
    assert_eq!(phone.hears(), ["* 1 EXPUNGE"]);
    world.finish();
}

#[test]
fn flags_are_told_only_if_asked_for() {
    let world = World::new();
    let (mut ana, mut phone) = world.two_in_inbox();
    ana.append("INBOX", "one", "");
    phone.ok("a NOTIFY SET (SELECTED (MessageNew MessageExpunge))");
    ana.ok("b STORE 1 +FLAGS (\\Seen)");
    assert_eq!(phone.hears(), [""; 0]);
    assert_eq!(phone.ok("c NOOP"), [""; 0]);
    world.finish();
}

#[test]
fn removals_can_wait_for_a_command() {
    let world = World::new();
    let (mut ana, mut phone) = world.two_in_inbox();
    ana.append("INBOX", "one", "");
    ana.append("INBOX", "two", "");
    phone.ok("a NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge))");
    ana.ok("b STORE 1 +FLAGS (\\Deleted)");
    ana.ok("c EXPUNGE");
    ana.append("INBOX", "three", "");
    assert_eq!(phone.hears(), ["* 3 EXISTS", "* 0 RECENT"]);
    assert_eq!(phone.ok("d FETCH 2 (UID)"), ["* 2 FETCH (UID 2)"]);
    assert_eq!(phone.ok("e NOOP"), ["* 1 EXPUNGE"]);
    world.finish();
}

#[test]
fn a_mailbox_that_was_not_asked_for_stays_as_it_was() {
    let world = World::new();
    let (mut ana, mut phone) = world.two_in_inbox();
    phone.ok("a NOTIFY SET (PERSONAL (MailboxName))");
    ana.append("INBOX", "one", "");
    assert_eq!(phone.hears(), [""; 0]);
    assert_eq!(phone.ok("b NOOP"), [""; 0], "RFC 5465 §3.1: as SELECTED NONE");
    phone.ok("c NOTIFY NONE");
    assert_eq!(phone.ok("d NOOP"), [""; 0]);
    assert_eq!(phone.ok("e NOTIFY SET (SELECTED (MessageNew MessageExpunge))"), ["* 1 EXISTS", "* 0 RECENT"]);
    world.finish();
}

#[test]
fn other_mailboxes_are_told_of_by_status() {
    let world = World::new();
    let (mut ana, mut phone) = world.two_in_inbox();
    ana.ok("a CREATE Lists/Lemonade");
    ana.ok("b CREATE Other");
    let said = phone.ok("c NOTIFY SET STATUS (SUBTREE Lists (MessageNew MessageExpunge FlagChange))");
    assert!(said[0].starts_with("* STATUS Lists (MESSAGES 0 UIDNEXT 1 UIDVALIDITY "), "{said:?}");
    assert!(said[1].starts_with("* STATUS Lists/Lemonade (MESSAGES 0 "), "{said:?}");
    assert_eq!(said.len(), 2);
    ana.append("Lists/Lemonade", "one", "");
    let said = phone.hears();
    assert!(said.len() == 1 && said[0].starts_with("* STATUS Lists/Lemonade (MESSAGES 1 UIDNEXT 2 "), "{said:?}");
    ana.append("Other", "one", "");
    ana.append("INBOX", "one", "");
    assert_eq!(phone.hears(), [""; 0]);
    ana.ok("d SELECT Lists/Lemonade");
    ana.ok("e STORE 1 +FLAGS (\\Seen)");
    let said = phone.hears();
    assert!(said.len() == 1 && said[0].contains("UNSEEN 0") && said[0].contains("HIGHESTMODSEQ 3"), "{said:?}");
    ana.ok("f STORE 1 +FLAGS (\\Deleted)");
    phone.hears();
    ana.ok("g EXPUNGE");
    assert!(phone.hears()[0].starts_with("* STATUS Lists/Lemonade (MESSAGES 0 UIDNEXT 2 "));
    world.finish();
}

#[test]
fn names_are_told_of_as_they_come_and_go() {
    let world = World::new();
    let (mut ana, mut phone) = (world.ana(), world.ana());
    ana.ok("a CREATE Work");
    phone.ok("b NOTIFY SET (PERSONAL (MailboxName SubscriptionChange))");
    ana.ok("c CREATE Work/2026");
    assert_eq!(phone.hears(), ["* LIST (\\HasNoChildren) \"/\" Work/2026", "* LIST (\\HasChildren) \"/\" Work"]);
    // RFC 5465 §5.4: what lies beneath goes along without a word.
    ana.ok("d RENAME Work Job");
    assert_eq!(phone.hears(), ["* LIST (\\HasChildren) \"/\" Job (\"OLDNAME\" (Work))"]);
    ana.ok("e DELETE Job/2026");
    assert_eq!(
        phone.hears(),
        ["* LIST (\\NonExistent \\HasNoChildren) \"/\" Job/2026", "* LIST (\\HasNoChildren) \"/\" Job"]
    );
    ana.ok("f SUBSCRIBE Job");
    assert_eq!(phone.hears(), ["* LIST (\\HasNoChildren \\Subscribed) \"/\" Job"]);
    ana.ok("g UNSUBSCRIBE Job");
    assert_eq!(phone.hears(), ["* LIST (\\HasNoChildren) \"/\" Job"]);
    world.finish();
}

#[test]
fn whoever_did_it_is_not_told_of_it() {
    let world = World::new();
    let mut ana = world.ana();
    ana.ok("a NOTIFY SET (PERSONAL (MailboxName SubscriptionChange MailboxMetadataChange ServerMetadataChange))");
    for command in [
        "b CREATE Work/2026",
        "c SUBSCRIBE Work",
        "d SETMETADATA Work (/private/comment \"x\")",
        "e SETMETADATA \"\" (/private/comment \"x\")",
        "f RENAME Work Job",
        "g DELETE Job/2026",
    ] {
        assert_eq!(ana.ok(command), [""; 0], "{command}");
        assert_eq!(ana.hears(), [""; 0], "{command}");
    }
    world.finish();
}

#[test]
fn annotations_are_told_of_by_name() {
    let world = World::new();
    let (mut ana, mut phone) = (world.ana(), world.ana());
    phone.ok("a NOTIFY SET (MAILBOXES INBOX (MailboxMetadataChange ServerMetadataChange))");
    ana.ok("b SETMETADATA INBOX (/private/comment \"x\" /shared/comment \"y\")");
    assert_eq!(phone.hears(), ["* METADATA INBOX /private/comment /shared/comment"]);
    ana.ok("c SETMETADATA INBOX (/shared/comment NIL)");
    assert_eq!(phone.hears(), ["* METADATA INBOX /shared/comment"]);
    ana.ok("d SETMETADATA \"\" (/private/comment \"z\")");
    assert_eq!(phone.hears(), ["* METADATA \"\" /private/comment"]);
    world.finish();
}

#[test]
fn idle_tells_the_same() {
    let world = World::new();
    let (mut ana, mut phone) = world.two_in_inbox();
    phone.ok("a NOTIFY SET (SELECTED (MessageNew (UID) MessageExpunge)) (PERSONAL (MessageNew MessageExpunge))");
    assert_eq!(phone.send("b IDLE"), ["+ idling"]);
    ana.append("INBOX", "one", "");
    assert_eq!(phone.hears(), ["* 1 EXISTS", "* 0 RECENT", "* 1 FETCH (UID 1)"]);
    assert!(phone.send("DONE")[0].starts_with("b OK "));
    world.finish();
}

#[test]
fn what_makes_no_sense_is_refused() {
    let world = World::new();
    let mut ana = world.ana();
    for groups in [
        "(SELECTED (MessageNew))",
        "(SELECTED (MessageExpunge))",
        "(PERSONAL (FlagChange))",
        "(SELECTED (MailboxName))",
        "(PERSONAL (MessageNew (UID) MessageExpunge))",
        "(SELECTED (MessageNew MessageExpunge)) (SELECTED-DELAYED (MessageNew MessageExpunge))",
    ] {
        assert!(ana.fails(&format!("a NOTIFY SET {groups}")).starts_with("BAD "), "{groups}");
    }
    let line = ana.fails("b NOTIFY SET (PERSONAL (Lunch))");
    assert!(line.starts_with("NO [BADEVENT (MessageNew MessageExpunge FlagChange "), "{line}");
    assert!(
        ana.fails("c NOTIFY SET (SELECTED (MessageNew MessageExpunge AnnotationChange))").starts_with("NO [BADEVENT")
    );
    let names = vec!["x"; 1_001].join(" ");
    let line = ana.fails(&format!("d NOTIFY SET (MAILBOXES ({names}) (MailboxName))"));
    assert!(line.starts_with("NO [NOTIFICATIONOVERFLOW]"), "{line}");
    assert!(!ana.watches());
    world.finish();
}

#[test]
fn an_account_with_too_many_mailboxes_is_not_watched() {
    let world = World::new();
    let mut ana = world.ana();
    ana.ok("a NOTIFY SET (PERSONAL (MailboxName))");
    world.make_mailboxes(2_001);
    // RFC 5465 §5.8: from here on as after NOTIFY NONE.
    let said = ana.hears();
    assert!(said.len() == 1 && said[0].starts_with("* OK [NOTIFICATIONOVERFLOW] "), "{said:?}");
    assert_eq!(ana.hears(), [""; 0]);
    assert!(ana.fails("b NOTIFY SET (PERSONAL (MailboxName))").starts_with("NO [NOTIFICATIONOVERFLOW]"));
    world.finish();
}
