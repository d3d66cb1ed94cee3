//! Resynchronisation by SELECT (RFC 7162 §3.2.5).

use super::harness::{Client, World};

/// Seven messages, of which a client knows; then one is flagged, two go, and one comes. Gives UIDVALIDITY and the
/// modification sequence that the client knows.
fn mailbox_that_changed(world: &World) -> (Client, u32, u64) {
    let (mut ana, mut client) = (world.ana(), world.ana());
    ana.ok("a SELECT INBOX");
    for subject in ["one", "two", "three", "four", "five", "six", "seven"] {
        ana.append("INBOX", subject, "");
    }
    let status = ana.ok("b STATUS INBOX (UIDVALIDITY HIGHESTMODSEQ)");
    let numbers: Vec<u64> =
        status.last().unwrap().split([' ', '(', ')']).filter_map(|word| word.parse().ok()).collect();
    ana.ok("c UID STORE 2 +FLAGS (\\Flagged)");
    ana.ok("d UID STORE 3,5 +FLAGS (\\Deleted)");
    ana.ok("e EXPUNGE");
    ana.append("INBOX", "eight", "");
    client.ok("f ENABLE QRESYNC");
    (client, u32::try_from(numbers[0]).unwrap(), numbers[1])
}

fn news(said: &[String]) -> Vec<&str> {
    let is_news = |line: &&String| line.contains("VANISHED") || line.contains("FETCH");
    said.iter().filter(is_news).map(String::as_str).collect()
}

#[test]
fn what_happened_meanwhile_is_told_as_the_mailbox_opens() {
    let world = World::new();
    let (mut client, uidvalidity, modseq) = mailbox_that_changed(&world);
    let said = client.ok(&format!("g SELECT INBOX (QRESYNC ({uidvalidity} {modseq}))"));
    let modseqs: Vec<u64> = vec![modseq + 1, modseq + 4];
    assert_eq!(
        news(&said),
        [
            "* VANISHED (EARLIER) 3,5".to_owned(),
            format!("* 2 FETCH (UID 2 FLAGS (\\Flagged) MODSEQ ({}))", modseqs[0]),
            format!("* 6 FETCH (UID 8 FLAGS () MODSEQ ({}))", modseqs[1]),
        ]
    );
    // RFC 7162 §3.2.5: after the usual responses, before the tagged one.
    assert!(said[0].starts_with("* FLAGS"));
    let said = client.ok(&format!("h SELECT INBOX (QRESYNC ({uidvalidity} {}))", modseq + 4));
    assert_eq!(news(&said), [""; 0]);
    world.finish();
}

#[test]
fn known_uids_bound_what_is_told() {
    let world = World::new();
    let (mut client, uidvalidity, modseq) = mailbox_that_changed(&world);
    let said = client.ok(&format!("g SELECT INBOX (QRESYNC ({uidvalidity} {modseq} 1:3))"));
    assert_eq!(
        news(&said),
        ["* VANISHED (EARLIER) 3".to_owned(), format!("* 2 FETCH (UID 2 FLAGS (\\Flagged) MODSEQ ({}))", modseq + 1)]
    );
    world.finish();
}

#[test]
fn numbers_and_uids_sent_along_change_nothing_that_is_true() {
    let world = World::new();
    let (mut client, uidvalidity, modseq) = mailbox_that_changed(&world);
    let known = format!("{uidvalidity} {modseq}");
    let said = client.ok(&format!("g SELECT INBOX (QRESYNC ({known} 1:7 (1,2,5 1,2,5)))"));
    assert_eq!(news(&said)[0], "* VANISHED (EARLIER) 3,5");
    world.finish();
}

#[test]
fn another_uidvalidity_makes_it_an_ordinary_select() {
    let world = World::new();
    let (mut client, uidvalidity, modseq) = mailbox_that_changed(&world);
    let said = client.ok(&format!("g SELECT INBOX (QRESYNC ({} {modseq}))", uidvalidity + 1));
    assert_eq!(news(&said), [""; 0]);
    assert!(said.contains(&"* 6 EXISTS".to_owned()));
    world.finish();
}

#[test]
fn a_large_mailbox_is_told_of_in_steps() {
    let world = World::new();
    let (mut ana, mut client) = (world.ana(), world.ana());
    let message = "Subject: x\r\n\r\n";
    let batch = format!(" () {{{}+}}\r\n{message}", message.len()).repeat(1000);
    for _ in 0..6 {
        ana.ok(&format!("a APPEND INBOX{batch}"));
    }
    client.ok("b ENABLE QRESYNC");
    client.ok("c SELECT INBOX");
    let uidvalidity = client.ok("d STATUS INBOX (UIDVALIDITY)")[0].split([' ', ')']).rev().nth(1).unwrap().to_owned();
    let said = client.ok(&format!("e SELECT INBOX (QRESYNC ({uidvalidity} 2))"));
    // An empty mailbox has modification sequence 1, and so the first thousand 2.
    assert_eq!(news(&said).len(), 5000);
    world.finish();
}
