//! Scripts that change the header of what is delivered (RFC 5293).

use crate::filter::{answering, http};
use crate::world::*;
use sieve::Features;
use smtp::{OnFailure, Role, Rspamd, Scripts, Settings};
use std::sync::Arc;
use std::time::Duration;

const FROM: &str = "berta@elsewhere.example";
const REQUIRE: &str = "require [\"editheader\", \"fileinto\", \"mailbox\", \"copy\", \"reject\"];\n";

fn with_edits(settings: &mut Settings) {
    settings.scripts = Arc::new(Scripts::new(Features { editheader: true }));
}

fn text(subject: &str) -> String {
    format!(
        "Received: by mx.elsewhere.example; now\nFrom: {FROM}\nTo: {ANA}\nX-Old: yes\nSubject: {subject}\n\
         Message-ID: <{subject}@x>\n\ntext\n"
    )
}

fn send(world: &World, to: &[&str], subject: &str) -> String {
    world.hello().mail(FROM, to, &text(subject))
}

/// The one message of a mailbox.
fn only(world: &World, account: &str, mailbox: &str) -> String {
    let mut there = world.mailbox(account, mailbox);
    assert_eq!(there.len(), 1, "{mailbox}: {there:?}");
    there.remove(0).0
}

#[test]
fn every_copy_has_the_header_of_its_moment() {
    let world = World::queueing(Role::Mx, with_edits);
    world.script(
        ANA,
        &format!(
            "{REQUIRE}fileinto :create \"As it came\"; addheader \"X-New\" \"año\"; deleteheader \"x-old\";
             fileinto :create \"Changed\"; deleteheader \"delivered-to\"; deleteheader \"received\"; deleteheader \"return-path\";
             addheader :last \"X-Last\" \"2\"; keep;"
        ),
    );
    assert!(send(&world, &[ANA], "one").starts_with("250"));
    let top = format!("Return-Path: <{FROM}>\r\nDelivered-To: {ANA}\r\n");
    let came = only(&world, ANA, "As it came");
    assert!(
        came.starts_with(&format!("{top}Received: ")) && came.contains("X-Old") && !came.contains("X-New"),
        "{came}"
    );
    let rest = came[top.len()..].replace("X-Old: yes\r\n", "");
    let new = "X-New: =?UTF-8?B?YcOxbw==?=\r\n";
    assert_eq!(only(&world, ANA, "Changed"), format!("{top}{new}{rest}"));
    let (header, body) = rest.split_once("\r\n\r\n").unwrap();
    assert_eq!(only(&world, ANA, "INBOX"), format!("{top}{new}{header}\r\nX-Last: 2\r\n\r\n{body}"));

    // It comes again, and the script would make something else of it now.
    world.script(ANA, &format!("{REQUIRE}addheader \"X-Other\" \"3\"; fileinto \"Changed\"; keep;"));
    assert!(send(&world, &[ANA], "one").starts_with("250"));
    assert!(only(&world, ANA, "Changed").contains("X-New") && only(&world, ANA, "INBOX").contains("X-Last"));
    world.finish();
}

#[test]
fn what_is_sent_on_has_the_header_of_its_moment() {
    let world = World::queueing(Role::Mx, with_edits);
    world.script(
        ANA,
        &format!(
            "{REQUIRE}redirect \"out@other.example\"; redirect \"also@other.example\"; addheader \"X-Ana\" \"1\";
             deleteheader \"from\"; addheader \"From\" \"the-bank@example.org\";
             addheader \"Authentication-Results\" \"fwd.example.org; dmarc=pass\";
             redirect \"changed@other.example\"; redirect \"eva@example.org\";"
        ),
    );
    world.script(
        EVA,
        &format!(
            "{REQUIRE}if exists \"x-ana\" {{ addheader \"X-Eva\" \"2\"; }} keep; redirect :copy \"far@other.example\";"
        ),
    );
    for _ in 0..2 {
        // The second time as from a relay that heard no answer.
        assert!(send(&world, &[ANA], "on").starts_with("250"));
        let mut queued = world.queued();
        queued.sort_by_key(|waiting| waiting.to().join(" "));
        let to: Vec<String> = queued.iter().map(|waiting| waiting.to().join(" ")).collect();
        assert_eq!(to, ["changed@other.example", "far@other.example", "out@other.example also@other.example"]);
        let has = |number: usize, name: &str| queued[number].text.contains(&format!("\r\n{name}: "));
        assert_eq!([has(0, "X-Ana"), has(1, "X-Ana"), has(2, "X-Ana")], [true, true, false]);
        assert_eq!([has(0, "X-Eva"), has(1, "X-Eva"), has(2, "X-Eva")], [false, true, false]);
        assert!(
            queued[0].text.starts_with("Delivered-To: ana@example.org\r\nX-Ana: 1\r\nReceived: "),
            "{}",
            queued[0].text
        );
        for waiting in &queued {
            assert!(waiting.text.contains(&format!("\r\nFrom: {FROM}\r\n")) && !waiting.text.contains("the-bank"));
            assert!(!waiting.text.contains("dmarc=pass"), "{}", waiting.text);
        }
        let there = only(&world, EVA, "INBOX");
        let top = format!("Return-Path: <{FROM}>\r\nDelivered-To: {EVA}\r\nDelivered-To: {ANA}\r\n");
        assert!(there.starts_with(&format!("{top}X-Eva: 2\r\nX-Ana: 1\r\nReceived: ")), "{there}");
    }
    assert!(world.inbox(ANA).is_empty());
    world.finish();
}

#[test]
fn a_message_that_stays_after_all_has_the_header_of_its_moment() {
    let mut settings = Settings::new(Role::Mx);
    with_edits(&mut settings);
    let world = World::with(settings);
    // There is no queue to send it on by.
    world.script(
        ANA,
        &format!("{REQUIRE}addheader \"X-A\" \"1\"; redirect \"out@other.example\"; addheader \"X-A\" \"2\";"),
    );
    assert!(send(&world, &[ANA], "stays").starts_with("250"));
    let there = only(&world, ANA, "INBOX");
    assert!(there.contains("X-A: 1\r\n") && !there.contains("X-A: 2"), "{there}");
    // One that is in INBOX already is not put there twice.
    world.script(EVA, &format!("{REQUIRE}fileinto :copy \"INBOX\"; addheader \"X-A\" \"1\";"));
    assert!(send(&world, &[EVA], "once").starts_with("250"));
    assert!(!only(&world, EVA, "INBOX").contains("X-A"));
    world.finish();
}

/// What is taken for unwanted stays within the account, and has the header that the script made all the same.
#[test]
fn unwanted_mail_is_changed_in_junk() {
    let (address, _questions) = answering(&[&http(r#"{"action":"add header","score":7.5,"required_score":15.0}"#)]);
    let world = World::queueing(Role::Mx, |settings| {
        with_edits(settings);
        let on_failure = OnFailure::Accept;
        let timeout = Duration::from_secs(5);
        settings.rspamd = Some(Rspamd { address, timeout, junk_score: None, reject_score: None, on_failure });
    });
    world.script(ANA, &format!("{REQUIRE}redirect :copy \"out@other.example\"; addheader \"X-A\" \"1\";"));
    assert!(world.hello().mail(FROM, &[ANA], &format!("{}the end\n", text("spam"))).starts_with("250"));
    assert!(only(&world, ANA, "Junk").contains("\r\nX-A: 1\r\n"));
    assert!(world.queued().is_empty() && world.inbox(ANA).is_empty());
    world.finish();
}

/// RFC 5293 §7.
#[test]
fn what_is_refused_or_fails_is_as_it_came() {
    let world = World::queueing(Role::Mx, with_edits);
    world.script(ANA, &format!("{REQUIRE}addheader \"X-Secret\" \"1\"; deleteheader \"x-old\"; reject \"no\";"));
    assert!(world.hello().mail(EVA, &[ANA, EVA], &text("refused")).starts_with("250"));
    world.run_queue();
    let told = &world.inbox(EVA)[1];
    assert!(told.contains("Content-Type: multipart/report") && told.contains("X-Old: yes"), "{told}");
    assert!(!told.contains("X-Secret"), "{told}");

    let fails = "set \"n\" \"a b\"; addheader \"${n}\" \"2\";";
    world.script(
        ANA,
        &format!("{}addheader \"X-A\" \"1\"; fileinto \"Nowhere\"; {fails}", REQUIRE.replace("copy", "variables")),
    );
    assert!(send(&world, &[ANA], "fails").starts_with("250"));
    let inbox = world.inbox(ANA);
    assert_eq!(inbox.len(), 2);
    let kept = inbox.iter().find(|text| text.contains("Subject: fails")).unwrap();
    assert!(kept.contains("X-Old: yes") && !kept.contains("X-A: 1"));
    assert!(inbox.iter().any(|text| text.contains("cannot be the name of a header field")), "{inbox:?}");
    world.finish();
}

#[test]
fn it_is_off_unless_somebody_switches_it_on() {
    let world = World::new(Role::Mx);
    world.script(ANA, &format!("{REQUIRE}addheader \"X-A\" \"1\"; discard;"));
    assert!(send(&world, &[ANA], "off").starts_with("250"));
    let inbox = world.inbox(ANA);
    assert!(inbox.len() == 2 && inbox.iter().all(|text| !text.contains("X-A: 1")), "{inbox:?}");
    assert!(inbox.iter().any(|text| text.contains("\"editheader\" is switched off here")), "{inbox:?}");
    world.finish();
}

/// A message for each header, larger together than what is delivered at once.
#[test]
fn many_large_copies_are_all_delivered() {
    let mut settings = Settings::new(Role::Mx);
    with_edits(&mut settings);
    let world = World::with(settings);
    let boxes = ["a", "b", "c", "d"];
    let script: String =
        boxes.iter().map(|name| format!("addheader \"X-Box\" \"{name}\"; fileinto :create \"{name}\";\n")).collect();
    world.script(ANA, &format!("{REQUIRE}{script}"));
    // Bytes that cannot be packed.
    let mut lines = String::new();
    let mut reader = blake3::Hasher::new().finalize_xof();
    while lines.len() < 12 << 20 {
        let mut bytes = [0; 36];
        reader.fill(&mut bytes);
        lines.push_str(&bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        lines.push('\n');
    }
    let mut client = world.hello();
    for _ in 0..2 {
        assert!(client.mail(FROM, &[ANA], &format!("{}{lines}", text("large"))).starts_with("250"));
        for (count, name) in boxes.iter().enumerate() {
            let there = only(&world, ANA, name);
            assert!(there.len() > 12 << 20 && there.matches("\r\nX-Box: ").count() == count + 1);
        }
    }
    world.finish();
}

/// Whoever sends a message on may change it for others, and must not keep from them the one that they get besides: neither
/// theirs nor what they send on.
#[test]
fn what_another_account_changed_stands_for_nobodys_own_copy() {
    let world = World::queueing(Role::Mx, with_edits);
    world.script(
        ANA,
        &format!("{REQUIRE}deleteheader \"subject\"; addheader \"Subject\" \"forged\"; redirect \"{EVA}\";"),
    );
    world.script(EVA, &format!("{REQUIRE}redirect :copy \"far@other.example\";"));
    // A server that sends to one recipient at a time, and to the first twice for want of an answer.
    for to in [ANA, ANA, EVA, EVA] {
        assert!(send(&world, &[to], "same").starts_with("250"));
    }
    let subjects = |texts: Vec<String>| {
        let of = |text: &String| text.split("Subject: ").nth(1).unwrap().split("\r\n").next().unwrap().to_owned();
        let mut subjects: Vec<String> = texts.iter().map(of).collect();
        subjects.sort();
        subjects
    };
    assert_eq!(subjects(world.inbox(EVA)), ["forged", "same"]);
    let queued = world.queued().into_iter().map(|waiting| waiting.text).collect();
    assert_eq!(subjects(queued), ["forged", "same"]);
    world.finish();
}

/// Each may add to the header; the message is large, and many send it on.
#[test]
fn some_accounts_change_a_message_one_after_another_and_the_next_keeps_it() {
    let world = World::queueing(Role::Mx, with_edits);
    let address = |number: usize| format!("n{number}@example.org");
    for number in 0..12 {
        world.account(&address(number), |_| {});
        let script = format!("{REQUIRE}addheader \"X-N\" \"{number}\"; redirect \"{}\";", address(number + 1));
        world.script(&address(number), &script);
    }
    let body = "línea\n".repeat(100_000);
    assert!(world.hello().mail(FROM, &[&address(0)], &format!("{}{body}", text("many"))).starts_with("250"));
    let kept = only(&world, &address(8), "INBOX");
    let numbers: Vec<&str> = kept.split("X-N: ").skip(1).map(|rest| &rest[..1]).collect();
    assert_eq!(numbers, ["8", "7", "6", "5", "4", "3", "2", "1", "0"]);
    assert!(kept.ends_with(&format!("\r\n\r\ntext\r\n{}", body.replace('\n', "\r\n"))));
    assert!((0..12).filter(|number| *number != 8).all(|number| world.inbox(&address(number)).is_empty()));
    world.finish();
}
