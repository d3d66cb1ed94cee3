//! Sessions that go as they should: RFC 5321 §3, and the extensions.

use crate::server::{END, GREETING, Script, Server, say};
use crate::world::{LITERAL, MESSAGE, deliver, job, job_with, said, settings, word, words};
use queue::Verdict;
use std::sync::Arc;
use store::spool::{Notify, Return};

#[tokio::test]
async fn a_message_arrives_as_it_was_sent() {
    for capabilities in [&["PIPELINING"][..], &[]] {
        let server = Server::start(Script::with(capabilities)).await;
        let verdicts =
            deliver(settings(server.address.port()), job(LITERAL, &["bea@example.net", "leo@example.net"])).await;
        assert_eq!(words(&verdicts), ["relayed 2.0.0", "relayed 2.0.0"]);
        assert_eq!(said(&verdicts[0]).text, "250 2.0.0 taken 0");
        assert_eq!(said(&verdicts[0]).server.as_deref(), Some(LITERAL));
        let expected =
            ["MAIL FROM:<ana@example.org>", "RCPT TO:<bea@example.net>", "RCPT TO:<leo@example.net>", "DATA"];
        assert_eq!(server.envelope(), expected);
        assert_eq!(server.seen().messages, [MESSAGE.as_bytes()]);
    }
}

#[tokio::test]
async fn a_server_without_ehlo_is_greeted_the_old_way() {
    let server = Server::start(Script::default().at("EHLO", say("500 what?"))).await;
    let verdicts = deliver(settings(server.address.port()), job(LITERAL, &["bea@example.net"])).await;
    assert_eq!(words(&verdicts), ["relayed 2.0.0"]);
    assert_eq!(server.seen().commands[..2], ["EHLO out.example.org", "HELO out.example.org"]);
}

#[tokio::test]
async fn a_notification_has_no_sender() {
    let server = Server::start(Script::default()).await;
    let job = job_with(LITERAL, &["bea@example.net"], |envelope| envelope.reverse_path.clear());
    assert_eq!(words(&deliver(settings(server.address.port()), job).await), ["relayed 2.0.0"]);
    assert_eq!(server.envelope()[0], "MAIL FROM:<>");
}

#[tokio::test]
async fn each_recipient_has_its_own_verdict() {
    for capabilities in [&["PIPELINING"][..], &[]] {
        let script = Script::with(capabilities)
            .at("RCPT TO:<gone", say("550 5.1.1 no such user"))
            .at("RCPT TO:<full", say("452 4.2.2 over quota"))
            .at("RCPT TO:<old", say("551 gone elsewhere"));
        let server = Server::start(script).await;
        let to = ["gone@example.net", "bea@example.net", "full@example.net", "old@example.net"];
        let verdicts = deliver(settings(server.address.port()), job(LITERAL, &to)).await;
        assert_eq!(words(&verdicts), ["never 5.1.1", "relayed 2.0.0", "later 4.2.2", "never 5.0.0"]);
        assert_eq!(server.seen().messages.len(), 1);
    }
}

#[tokio::test]
async fn nobody_is_left_and_nothing_is_sent() {
    // One server waits for the message all the same (RFC 2920 §3.1), the other does not.
    for data in ["354 go on", "554 5.5.1 no valid recipients"] {
        let script = Script::with(&["PIPELINING"]).at("RCPT", say("550 5.1.1 no")).at("DATA", say(data));
        let server = Server::start(script.at(END, say("554 5.5.1 nobody"))).await;
        let verdicts =
            deliver(settings(server.address.port()), job(LITERAL, &["a@example.net", "b@example.net"])).await;
        assert_eq!(words(&verdicts), ["never 5.1.1", "never 5.1.1"]);
        assert!(server.seen().messages.iter().all(Vec::is_empty));
    }
}

#[tokio::test]
async fn what_a_server_says_decides() {
    for (command, reply, expected) in [
        ("MAIL", "550 5.7.1 not you", "never 5.7.1"),
        ("MAIL", "451 4.3.0 not now", "later 4.3.0"),
        ("MAIL", "530 5.7.0 TLS first", "later 4.7.0"),
        ("RCPT", "450 4.2.0 greylisted", "later 4.2.0"),
        ("RCPT", "452 too many", "later 4.3.1"),
        ("DATA", "451 4.3.0 not now", "later 4.3.0"),
        ("DATA", "554 5.7.1 no", "never 5.7.1"),
        (END, "550 5.7.1 spam", "never 5.7.1"),
        (END, "451 4.7.1 perhaps later", "later 4.7.1"),
        (GREETING, "554 5.7.1 you are listed", "never 5.7.1"),
        (GREETING, "450 4.3.2 busy", "later 4.3.2"),
        ("EHLO", "450 4.3.2 busy", "later 4.3.2"),
    ] {
        for capabilities in [&["PIPELINING"][..], &[]] {
            let server = Server::start(Script::with(capabilities).at(command, say(reply))).await;
            let verdicts = deliver(settings(server.address.port()), job(LITERAL, &["bea@example.net"])).await;
            assert_eq!(words(&verdicts), [expected], "{command}: {reply}");
            assert_eq!(said(&verdicts[0]).text, reply);
        }
    }
}

#[tokio::test]
async fn what_the_sender_wants_to_hear_is_passed_on() {
    let asked = |capabilities: &'static [&'static str]| async move {
        let server = Server::start(Script::with(capabilities)).await;
        let mut job = job_with(LITERAL, &["bea@example.net"], |envelope| {
            envelope.envelope_id = Some("order 7".to_owned());
            envelope.returns = Some(Return::Full);
        });
        job.recipients[0].notify = Notify { success: true, failure: true, delay: false };
        job.recipients[0].original = Some("rfc822;b+a@example.com".to_owned());
        let verdicts = deliver(settings(server.address.port()), job).await;
        let Verdict::Relayed { tells, .. } = verdicts[0] else { panic!("{verdicts:?}") };
        (tells, server.envelope())
    };
    let (tells, envelope) = asked(&["DSN"]).await;
    assert!(tells);
    assert_eq!(envelope[0], "MAIL FROM:<ana@example.org> RET=FULL ENVID=order+207");
    assert_eq!(envelope[1], "RCPT TO:<bea@example.net> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b+2Ba@example.com");
    let (tells, envelope) = asked(&[]).await;
    assert!(!tells);
    assert_eq!(envelope[..2], ["MAIL FROM:<ana@example.org>", "RCPT TO:<bea@example.net>"]);
}

#[tokio::test]
async fn sizes_are_told_and_minded() {
    let server = Server::start(Script::with(&["SIZE 1000"])).await;
    let port = server.address.port();
    assert_eq!(words(&deliver(settings(port), job(LITERAL, &["bea@example.net"])).await), ["relayed 2.0.0"]);
    assert_eq!(server.envelope()[0], format!("MAIL FROM:<ana@example.org> SIZE={}", MESSAGE.len()));
    let mut large = job(LITERAL, &["bea@example.net"]);
    large.message = Arc::new(b"a: b\r\n".repeat(300));
    assert_eq!(words(&deliver(settings(port), large).await), ["never 5.3.4"]);
    assert_eq!(server.seen().messages.len(), 1);
}

#[tokio::test]
async fn eight_bits_are_announced_where_that_is_understood() {
    for (capabilities, sender) in
        [(&["8BITMIME"][..], "MAIL FROM:<ana@example.org> BODY=8BITMIME"), (&[], "MAIL FROM:<ana@example.org>")]
    {
        let server = Server::start(Script::with(capabilities)).await;
        let mut job = job(LITERAL, &["bea@example.net"]);
        job.message = Arc::new("Subject: x\r\n\r\nñ\r\n".as_bytes().to_vec());
        assert_eq!(words(&deliver(settings(server.address.port()), job).await), ["relayed 2.0.0"]);
        assert_eq!(server.envelope()[0], sender);
        assert_eq!(server.seen().messages, ["Subject: x\r\n\r\nñ\r\n".as_bytes()]);
    }
}

#[tokio::test]
async fn utf8_goes_where_it_is_understood() {
    let server = Server::start(Script::with(&["8BITMIME", "SMTPUTF8"])).await;
    let verdicts = deliver(settings(server.address.port()), job(LITERAL, &["ñandú@example.net"])).await;
    assert_eq!(words(&verdicts), ["relayed 2.0.0"]);
    assert_eq!(server.envelope()[0], "MAIL FROM:<ana@example.org> BODY=8BITMIME SMTPUTF8");
    let server = Server::start(Script::with(&["8BITMIME"])).await;
    let verdicts =
        deliver(settings(server.address.port()), job(LITERAL, &["ñandú@example.net", "bea@example.net"])).await;
    assert_eq!(words(&verdicts), ["never 5.6.7", "relayed 2.0.0"]);
    let all = job_with(LITERAL, &["bea@example.net"], |envelope| envelope.smtputf8 = true);
    assert_eq!(words(&deliver(settings(server.address.port()), all).await), ["never 5.6.7"]);
}

#[tokio::test]
async fn an_address_cannot_be_a_command() {
    let server = Server::start(Script::with(&["PIPELINING"])).await;
    let to = ["x@example.net>\r\nRCPT TO:<y@example.net", "bea@example.net"];
    let verdicts = deliver(settings(server.address.port()), job(LITERAL, &to)).await;
    assert_eq!(words(&verdicts), ["never 5.1.3", "relayed 2.0.0"]);
    assert_eq!(server.envelope(), ["MAIL FROM:<ana@example.org>", "RCPT TO:<bea@example.net>", "DATA"]);
}

#[tokio::test]
async fn too_many_recipients_are_split() {
    let names: Vec<String> = (0..7).map(|number| format!("r{number}@example.net")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // By our own limit, by the server's word (RFC 9422), and as it finds out (RFC 5321 §4.5.3.1.10).
    for script in [
        Script::with(&["PIPELINING"]),
        Script::with(&["PIPELINING", "LIMITS RCPTMAX=3"]),
        Script::with(&["PIPELINING"]).at_most(1, "RCPT TO:<r3", say("452 4.5.3 too many")).at_most(
            1,
            "RCPT TO:<r4",
            say("452 too many"),
        ),
        Script::with(&["PIPELINING", "LIMITS RCPTMAX=3 MAILMAX=1"]),
    ] {
        let server = Server::start(script).await;
        let mut settings = settings(server.address.port());
        settings.max_recipients = 5;
        let verdicts = deliver(settings, job(LITERAL, &names)).await;
        assert!(verdicts.iter().all(|verdict| word(verdict) == "relayed 2.0.0"), "{verdicts:?}");
        let (seen, envelope) = (server.seen(), server.envelope());
        let taken = |name: &&str| envelope.iter().filter(|line| line.contains(*name)).count();
        assert!(names.iter().all(|name| (1..=2).contains(&taken(name))));
        assert!(seen.messages.len() >= 2);
    }
}
