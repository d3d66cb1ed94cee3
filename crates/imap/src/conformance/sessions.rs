//! Several sessions on one mailbox (RFC 9051 §5.2, §5.3, §7.5.1; RFC 2180; RFC 2177; RFC 7162; RFC 9586).

use super::harness::World;

#[test]
fn a_session_hears_of_what_another_does_with_its_next_command() {
    let world = World::new();
    let (mut ana, mut phone) = world.two_in_inbox();
    ana.append("INBOX", "one", "");
    assert_eq!(phone.ok("a NOOP"), ["* 1 EXISTS", "* 0 RECENT"]);
    assert_eq!(phone.ok("b NOOP"), [""; 0]);
    ana.ok("c STORE 1 +FLAGS (\\Seen)");
    assert_eq!(phone.ok("d NOOP"), ["* 1 FETCH (UID 1 FLAGS (\\Seen))"]);
    ana.ok("e STORE 1 +FLAGS (\\Deleted)");
    ana.ok("f EXPUNGE");
    assert_eq!(phone.ok("g NOOP"), ["* 1 EXPUNGE"]);
    world.finish();
}

#[test]
fn a_keyword_that_is_new_to_a_session_comes_with_flags() {
    let world = World::new();
    let (mut ana, mut phone) = world.two_in_inbox();
    ana.append("INBOX", "one", "");
    phone.ok("a NOOP");
    ana.ok("b STORE 1 +FLAGS ($Work)");
    let said = phone.ok("c NOOP");
    assert!(said[0].starts_with("* FLAGS (") && said[0].ends_with(" $Work)"), "{said:?}");
    assert_eq!(said[1], "* 1 FETCH (UID 1 FLAGS ($Work))");
    world.finish();
}

#[test]
fn numbers_hold_while_a_command_uses_them() {
    let world = World::new();
    let (mut ana, mut phone) = world.two_in_inbox();
    for subject in ["one", "two", "three"] {
        ana.append("INBOX", subject, "");
    }
    phone.ok("a NOOP");
    ana.ok("b STORE 1 +FLAGS.SILENT (\\Deleted)");
    ana.ok("c EXPUNGE");
    // RFC 9051 §7.5.1: no EXPUNGE while FETCH, STORE or SEARCH by numbers is answered; what is new may be told.
    ana.append("INBOX", "four", "");
    let said = phone.ok("d SEARCH ALL");
    assert!(!said.iter().any(|line| line.contains("EXPUNGE")), "{said:?}");
    assert!(said.contains(&"* 4 EXISTS".to_owned()), "{said:?}");
    assert_eq!(phone.ok("e FETCH 2 (UID)"), ["* 2 FETCH (UID 2)"]);
    // UID commands name no numbers.
    let said = phone.ok("f UID SEARCH ALL");
    assert!(said.contains(&"* 1 EXPUNGE".to_owned()), "{said:?}");
    assert_eq!(phone.ok("g FETCH 1:* (UID)"), ["* 1 FETCH (UID 2)", "* 2 FETCH (UID 3)", "* 3 FETCH (UID 4)"]);
    world.finish();
}

#[test]
fn expunges_are_told_from_the_end_so_that_each_number_is_true() {
    let world = World::new();
    let (mut ana, mut phone) = world.two_in_inbox();
    for subject in ["one", "two", "three", "four", "five"] {
        ana.append("INBOX", subject, "");
    }
    phone.ok("a NOOP");
    ana.ok("b STORE 1,3,4 +FLAGS.SILENT (\\Deleted)");
    ana.ok("c EXPUNGE");
    assert_eq!(phone.ok("d NOOP"), ["* 4 EXPUNGE", "* 3 EXPUNGE", "* 1 EXPUNGE"]);
    world.finish();
}

#[test]
fn what_came_and_went_in_between_is_not_told() {
    let world = World::new();
    let (mut ana, mut phone) = world.two_in_inbox();
    ana.append("INBOX", "one", "\\Deleted");
    ana.ok("a EXPUNGE");
    assert_eq!(phone.ok("b NOOP"), [""; 0]);
    ana.append("INBOX", "two", "");
    assert_eq!(phone.ok("c NOOP"), ["* 1 EXISTS", "* 0 RECENT"]);
    assert_eq!(phone.ok("d FETCH 1 (UID)"), ["* 1 FETCH (UID 2)"]);
    world.finish();
}

#[test]
fn idle_tells_at_once_and_ends_with_done() {
    let world = World::new();
    let (mut ana, mut phone) = world.two_in_inbox();
    ana.append("INBOX", "one", "");
    // What waited is told as it begins.
    assert_eq!(phone.send("a IDLE"), ["+ idling", "* 1 EXISTS", "* 0 RECENT"]);
    assert!(phone.watches());
    assert_eq!(phone.hears(), [""; 0]);
    ana.ok("b STORE 1 +FLAGS (\\Flagged)");
    assert_eq!(phone.hears(), ["* 1 FETCH (UID 1 FLAGS (\\Flagged))"]);
    ana.ok("c STORE 1 +FLAGS (\\Deleted)");
    ana.ok("d EXPUNGE");
    assert_eq!(phone.hears(), ["* 1 EXPUNGE"]);
    assert_eq!(phone.send("done"), ["a OK idled"]);
    assert!(!phone.watches());
    world.finish();
}

#[test]
fn idle_ends_badly_with_anything_else() {
    let world = World::new();
    let mut ana = world.ana();
    assert_eq!(ana.send("a IDLE"), ["+ idling"]);
    assert!(ana.send("b NOOP")[0].starts_with("a BAD "));
    ana.ok("c NOOP");
    world.finish();
}

#[test]
fn a_silent_store_is_silent_to_whoever_made_it_and_to_nobody_else() {
    let world = World::new();
    let (mut ana, mut phone) = world.two_in_inbox();
    ana.append("INBOX", "one", "");
    phone.ok("a NOOP");
    assert_eq!(ana.ok("b STORE 1 +FLAGS.SILENT (\\Seen)"), [""; 0]);
    assert_eq!(ana.ok("c NOOP"), [""; 0]);
    assert_eq!(phone.ok("d NOOP"), ["* 1 FETCH (UID 1 FLAGS (\\Seen))"]);
    // Another's change on top of it is told.
    ana.ok("e STORE 1 +FLAGS.SILENT (\\Answered)");
    phone.ok("f STORE 1 +FLAGS.SILENT (\\Flagged)");
    assert_eq!(ana.ok("g NOOP"), ["* 1 FETCH (UID 1 FLAGS (\\Flagged \\Answered \\Seen))"]);
    world.finish();
}

#[test]
fn with_condstore_every_change_tells_its_modification_sequence() {
    let world = World::new();
    let (mut ana, mut phone) = (world.ana(), world.ana());
    ana.ok("a SELECT INBOX");
    phone.ok("b SELECT INBOX (CONDSTORE)");
    ana.append("INBOX", "one", "");
    phone.ok("c NOOP");
    ana.ok("d STORE 1 +FLAGS (\\Seen)");
    assert_eq!(phone.ok("e NOOP"), ["* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ (3))"]);
    world.finish();
}

#[test]
fn with_qresync_removals_are_told_by_uid() {
    let world = World::new();
    let (mut ana, mut phone) = (world.ana(), world.ana());
    ana.ok("a SELECT INBOX");
    phone.ok("b ENABLE QRESYNC");
    phone.ok("c SELECT INBOX");
    for subject in ["one", "two", "three", "four"] {
        ana.append("INBOX", subject, "");
    }
    phone.ok("d NOOP");
    ana.ok("e UID STORE 1,3:4 +FLAGS.SILENT (\\Deleted)");
    ana.ok("f EXPUNGE");
    let said = phone.ok("g NOOP");
    assert_eq!(said, ["* VANISHED 1,3:4"]);
    world.finish();
}

#[test]
fn without_numbers_everything_is_told_by_uid() {
    let world = World::new();
    let (mut ana, mut phone) = (world.ana(), world.ana());
    ana.ok("a SELECT INBOX");
    assert_eq!(phone.ok("b ENABLE UIDONLY"), ["* ENABLED UIDONLY"]);
    phone.ok("c SELECT INBOX");
    for subject in ["one", "two", "three"] {
        ana.append("INBOX", subject, "");
    }
    phone.ok("d NOOP");
    ana.ok("e STORE 1 +FLAGS.SILENT (\\Deleted)");
    ana.ok("f EXPUNGE");
    ana.ok("g UID STORE 3 +FLAGS (\\Seen)");
    // RFC 9586 §3.1, §3.3.
    assert_eq!(phone.ok("h NOOP"), ["* VANISHED 1", "* 3 UIDFETCH (FLAGS (\\Seen))"]);
    assert!(phone.fails("i FETCH 1 (FLAGS)").starts_with("BAD [UIDREQUIRED]"));
    assert!(phone.fails("j SEARCH 1:2").starts_with("BAD [UIDREQUIRED]"));
    world.finish();
}

#[test]
fn a_session_without_a_mailbox_idles_in_peace() {
    let world = World::new();
    let (mut ana, mut phone) = (world.ana(), world.ana());
    assert_eq!(phone.send("a IDLE"), ["+ idling"]);
    ana.append("INBOX", "one", "");
    assert_eq!(phone.hears(), [""; 0]);
    assert!(phone.send("DONE")[0].starts_with("a OK "));
    world.finish();
}

#[test]
fn mail_that_an_integration_puts_below_the_newest_ends_a_session_that_cannot_number_it() {
    let world = World::new();
    let mut ana = world.ana();
    world.change_inbox(|mailbox| mailbox.uidnext = 10);
    assert_eq!(ana.append("INBOX", "one", ""), 10);
    ana.ok("a SELECT INBOX");
    world.put_back(5);
    let said = ana.send("b NOOP");
    assert!(said.len() == 1 && said[0].starts_with("* BYE "), "{said:?}");
    assert!(ana.is_closed());
    // Whoever comes back finds both.
    let mut ana = world.ana();
    assert!(ana.ok("c SELECT INBOX").contains(&"* 2 EXISTS".to_owned()));
    world.finish();
}

#[test]
fn another_uidvalidity_ends_a_session() {
    let world = World::new();
    let (mut ana, mut phone) = world.two_in_inbox();
    world.change_inbox(|mailbox| mailbox.uidvalidity = mailbox.uidvalidity.map(|old| old + 1));
    assert!(ana.send("a NOOP")[0].starts_with("* BYE "));
    // What was asked for is done before the news.
    let said = phone.send("b CREATE Work");
    assert!(said[0].starts_with("* BYE "), "{said:?}");
    world.finish();
}
