//! What somebody tries who means harm, and what is only rare.

use crate::world::*;
use message::Flags;
use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::time::Duration;
use store::uidl_by_rule;
use testkit::crashdisk::Failure;

#[test]
fn no_two_messages_of_a_maildrop_have_one_uidl() {
    let world = World::new();
    let uids = [1, 2, 3, 4, 5].map(|n| world.deliver(&format!("Subject: {n}\n\ntext\n")));
    let (account, inbox) = world.inbox();
    let mailbox = world.services.store.cells()[0].read(|view| view.mailbox(account.id, inbox)).unwrap().unwrap();
    let by_rule = |uid: u32| uidl_by_rule(mailbox.uidvalidity.unwrap(), uid);
    // One that is another's by the rule, two that are alike, and one that would break a listing.
    let kept =
        [Some(by_rule(uids[1])), None, Some("same".to_owned()), Some("same".to_owned()), Some("a\r\n.\r\nb".into())];
    for (uid, uidl) in uids.into_iter().zip(&kept) {
        world.change(uid, |message| message.uidl = uidl.clone());
    }
    let mut client = world.signed_in();
    let listed = client.lines("UIDL");
    let served: Vec<&str> = listed.iter().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(served.iter().collect::<HashSet<_>>().len(), 5, "{served:?}");
    assert_eq!((served[0], served[2]), (by_rule(uids[1]).as_str(), "same"), "the first keeps its own");
    assert_eq!(served[4], by_rule(uids[4]), "and what cannot be served is by the rule");
    assert_eq!(client.ok("UIDL 4"), format!("+OK 4 {}", served[3]));
    client.ok("QUIT");
    assert!(client.is_over());
    // Alike at the next session.
    let mut client = world.signed_in();
    assert_eq!(client.lines("UIDL"), listed);
    client.ok("QUIT");
    // What was made up here is no state that a check accepts.
    for uid in uids {
        world.change(uid, |message| message.uidl = None);
    }
    world.finish();
}

#[test]
fn top_of_a_message_without_a_header_or_without_a_body() {
    let world = World::new();
    for text in ["\none\n\ntwo\n", "Subject: header alone\n", "Subject: blank line\n\n", "\n"] {
        world.deliver(text);
    }
    let mut client = world.signed_in();
    assert_eq!(client.lines("TOP 1 0"), [""]);
    assert_eq!(client.lines("TOP 1 1"), ["", "one"]);
    assert_eq!(client.lines("TOP 2 5"), ["Subject: header alone"]);
    assert_eq!(client.lines("TOP 3 5"), ["Subject: blank line", ""]);
    assert_eq!(client.lines("TOP 4 0"), [""]);
    client.ok("QUIT");
    world.finish();
}

#[test]
fn whoever_talks_and_does_not_sign_in_is_sent_away() {
    let times = pop3::Times { stranger: Duration::from_millis(400), ..pop3::Times::default() };
    let world = World::with(true, times);
    let mut client = world.client();
    let mut asked = 0;
    while client.stream.get_mut().write_all(b"UTF8\r\n").is_ok() && !client.line().starts_with("-ERR there was nothing")
    {
        asked += 1;
        assert!(asked < 200, "it goes on for ever");
        std::thread::sleep(Duration::from_millis(50));
    }
    world.finish();
}

#[test]
fn commands_by_the_thousand_are_answered_as_they_are_read() {
    let world = World::new();
    let mut client = world.client();
    let mut sender = client.stream.get_ref().try_clone().unwrap();
    let writing = std::thread::spawn(move || {
        sender.write_all(&b"CAPA\r\n".repeat(20_000)).unwrap();
        sender.write_all(b"QUIT\r\n").unwrap();
    });
    let mut answers = Vec::new();
    client.stream.read_to_end(&mut answers).unwrap();
    writing.join().unwrap();
    let count = String::from_utf8(answers).unwrap().matches("+OK capabilities follow\r\n").count();
    assert_eq!(count, 20_000);
    world.finish();
}

#[test]
fn a_line_that_is_too_long_is_so_however_it_arrives() {
    let world = World::new();
    let mut client = world.client();
    client.send(&[b"USER ".to_vec(), vec![b'x'; 12_284], b"\r\n".to_vec()].concat());
    let mut rest = String::new();
    let _ = client.stream.read_to_string(&mut rest);
    assert!(rest.is_empty() || rest.starts_with("-ERR that line is too long"), "{rest}");
    world.finish();
}

#[test]
fn utf8_is_said_before_signing_in() {
    let world = World::new();
    let mut client = world.signed_in();
    client.err("UTF8", "you are signed in already");
    client.ok("QUIT");
    world.finish();
}

#[test]
fn commands_sent_before_tls_are_not_heard_inside_it() {
    let world = World::new();
    let mut client = world.client();
    // What stands behind STLS in one packet is plaintext of nobody knows whom.
    client.send(b"STLS\r\nUSER mallory@example.org\r\nQUIT\r\n");
    assert!(client.line().starts_with("+OK begin TLS"));
    client.send(b"CAPA\r\n");
    let mut rest = Vec::new();
    let _ = client.stream.read_to_end(&mut rest);
    assert!(!String::from_utf8_lossy(&rest).contains("+OK"), "{}", rest.escape_ascii());
    world.finish();
}

#[test]
fn a_login_is_one_whatever_its_case_and_nothing_else_is() {
    let world = World::new();
    let mut client = world.client();
    client.ok("USER ANA@Example.ORG");
    client.ok(&format!("PASS {PASSWORD}"));
    client.ok("QUIT");
    for (login, password) in [
        ("ana@example.org", ""),
        ("ana@example.org", "\0"),
        ("ana@example.org", "hierro-2602 dos\0"),
        ("ana@example.org", " hierro-2602 dos"),
        ("ana@example.org\0", PASSWORD),
        ("ana@example.org.", PASSWORD),
        ("\u{e1}na@example.org", PASSWORD),
        ("a\u{200b}na@example.org", PASSWORD),
        ("ana", PASSWORD),
    ] {
        let mut client = world.client();
        client.ok(&format!("USER {login}"));
        let answer = client.ask(&format!("PASS {password}"));
        assert!(answer.starts_with("-ERR"), "{login:?} {password:?}: {answer}");
    }
    world.finish();
}

#[test]
fn what_was_marked_is_gone_at_quit_and_what_came_meanwhile_is_not() {
    let world = World::new();
    let uids: Vec<u32> = (0..100).map(|n| world.deliver(&format!("Subject: {n}\n\ntext\n"))).collect();
    let mut client = world.signed_in();
    for number in (1..=100).step_by(2) {
        client.ok(&format!("DELE {number}"));
    }
    let late = world.deliver("Subject: late\n\ntext\n");
    client.ok("QUIT");
    let mut expected: Vec<(u32, Flags)> = uids.iter().skip(1).step_by(2).map(|uid| (*uid, Flags::NONE)).collect();
    expected.push((late, Flags::NONE));
    assert_eq!(world.left(), expected);
    world.finish();
}

#[test]
fn quit_says_ok_only_if_what_was_marked_is_gone_after_a_loss_of_power() {
    for operations in 1.. {
        let (world, disk) = World::on_crash_disk();
        let uids = [1, 2].map(|n| world.deliver(&format!("Subject: {n}\n\ntext\n")));
        let mut client = world.signed_in();
        client.ok("DELE 1");
        disk.fail_from(operations, Failure::Io);
        let answer = client.ask("QUIT");
        let is_gone = world.crash(&disk) == [(uids[1], Flags::NONE)];
        if answer.starts_with("+OK") {
            assert!(is_gone, "after {operations} operations: {answer}");
            assert!(operations > 1, "the disk never failed");
            return;
        }
        assert!(answer.starts_with("-ERR [SYS/"), "{answer}");
    }
}
