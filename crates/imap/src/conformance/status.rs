//! STATUS (RFC 9051 §6.3.11, RFC 8438, RFC 7162 §3.1.7, RFC 7889, RFC 8474, RFC 9208).

use super::harness::World;

#[test]
fn every_item_is_told_in_the_order_asked() {
    let world = World::new();
    let mut ana = world.ana();
    let message = b"Subject: x\r\n\r\nx\r\n";
    ana.append_bytes("INBOX", message, "\\Seen");
    ana.append_bytes("INBOX", message, "");
    ana.append_bytes("INBOX", message, "\\Deleted");
    assert_eq!(
        ana.ok("a STATUS INBOX (UNSEEN MESSAGES RECENT UIDNEXT DELETED SIZE DELETED-STORAGE)"),
        ["* STATUS INBOX (UNSEEN 2 MESSAGES 3 RECENT 0 UIDNEXT 4 DELETED 1 SIZE 51 DELETED-STORAGE 1)"]
    );
    let limit = world.services.policy.append_limit_bytes;
    assert_eq!(ana.ok("b STATUS INBOX (APPENDLIMIT)"), [format!("* STATUS INBOX (APPENDLIMIT {limit})")]);
    assert!(ana.fails("c STATUS Nowhere (MESSAGES)").starts_with("NO [NONEXISTENT]"));
    world.finish();
}

#[test]
fn the_open_mailbox_is_told_of_as_it_is() {
    let world = World::new();
    let (mut ana, mut phone) = world.two_in_inbox();
    ana.append("INBOX", "one", "");
    // The number of messages in STATUS is no EXISTS: that comes of its own at the command's end.
    let said = phone.ok("a STATUS INBOX (MESSAGES)");
    assert_eq!(said, ["* STATUS INBOX (MESSAGES 1)", "* 1 EXISTS", "* 0 RECENT"]);
    world.finish();
}

#[test]
fn asking_for_modification_sequences_enables_them() {
    let world = World::new();
    let (mut ana, mut phone) = world.two_in_inbox();
    ana.append("INBOX", "one", "");
    phone.ok("a NOOP");
    let said = phone.ok("b STATUS INBOX (HIGHESTMODSEQ)");
    assert!(said[0].starts_with("* OK [HIGHESTMODSEQ "), "RFC 7162 §3.1.2: of the open mailbox; {said:?}");
    let modseq: u64 = said[1].rsplit_once(' ').unwrap().1.trim_end_matches(')').parse().unwrap();
    ana.ok("c STORE 1 +FLAGS (\\Flagged)");
    // RFC 7162 §3.1.2: from now on FETCH responses tell MODSEQ.
    assert_eq!(phone.ok("d NOOP"), [format!("* 1 FETCH (UID 1 FLAGS (\\Flagged) MODSEQ ({}))", modseq + 1)]);
    world.finish();
}
