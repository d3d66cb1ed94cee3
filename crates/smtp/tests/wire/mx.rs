//! Mail for hosted domains, from anybody.

use crate::world::*;
use smtp::{Limits, Role, Settings};

/// RFC 5321 appendix D.1, with the names that are hosted here.
#[test]
fn a_typical_transaction() {
    let world = World::new(Role::Mx);
    let mut client = world.client();
    let offered = client.is("EHLO bar.example", "250-mail.example.org hears bar.example|");
    for extension in [
        "PIPELINING",
        "8BITMIME",
        "SMTPUTF8",
        "ENHANCEDSTATUSCODES",
        "CHUNKING",
        "SIZE 67108864",
        "LIMITS RCPTMAX=1000",
        "STARTTLS",
    ] {
        assert!(offered.split('|').any(|line| line[4..] == *extension), "{extension}: {offered}");
    }
    assert!(!offered.contains("AUTH") && !offered.contains("DSN") && !offered.contains("REQUIRETLS"), "{offered}");
    client.is("MAIL FROM:<Smith@bar.example>", "250 2.1.0");
    client.is("RCPT TO:<ana@example.org>", "250 2.1.5");
    client.is("RCPT TO:<Green@example.org>", "550 5.1.1");
    client.is("RCPT TO:<EVA@example.org>", "250 2.1.5");
    client.is("DATA", "354");
    client.send("Subject: hello\r\n\r\n..dots\r\netc.\r\n.\r\n");
    client.says("250 2.0.0 delivered as ");
    client.is("QUIT", "221 2.0.0");
    assert!(client.is_over());
    for (address, delivered_to) in [(ANA, "ana@example.org"), (EVA, "eva@example.org")] {
        let inbox = world.inbox(address);
        let [message] = &inbox[..] else { panic!("one message: {inbox:?}") };
        let begins = format!(
            "Return-Path: <Smith@bar.example>\r\nDelivered-To: {delivered_to}\r\n\
             Received: from bar.example ([127.0.0.1])\r\n by mail.example.org (Reintegra) with ESMTP\r\n id "
        );
        assert!(message.starts_with(&begins), "{message}");
        assert!(message.ends_with("\r\nSubject: hello\r\n\r\n.dots\r\netc.\r\n"), "{message}");
        assert!(!message.contains("\r\n for "), "of several recipients none learns of the others");
    }
    world.finish();
}

#[test]
fn commands_come_in_order() {
    let world = World::new(Role::Mx);
    let mut client = world.client();
    client.is("MAIL FROM:<a@b.example>", "503 5.5.1");
    client.is("HELO b.example", "250 mail.example.org");
    client.is("RCPT TO:<ana@example.org>", "503 5.5.1");
    client.is("DATA", "503 5.5.1");
    client.is("MAIL FROM:<a@b.example>", "250");
    client.is("MAIL FROM:<a@b.example>", "503 5.5.1");
    client.is("DATA", "503 5.5.1");
    client.is("NOOP", "250");
    client.is("RSET", "250");
    client.is("RCPT TO:<ana@example.org>", "503 5.5.1");
    client.is("VRFY ana", "252");
    client.is("EXPN list", "502");
    client.is("HELP", "214");
    client.is("AUTH PLAIN", "502");
    client.is("LHLO b.example", "500 5.5.1");
    client.is("FROBNICATE", "500 5.5.1");
    // A second EHLO forgets what was begun.
    client.is("MAIL FROM:<a@b.example>", "250");
    client.is("EHLO b.example", "250");
    client.is("RCPT TO:<ana@example.org>", "503");
    assert!(client.mail("", &["ana@example.org"], "Subject: bounce\n\n").starts_with("250"));
    assert!(world.inbox(ANA)[0].starts_with("Return-Path: <>\r\n"));
    world.finish();
}

#[test]
fn a_group_of_commands_is_answered_in_order() {
    let world = World::new(Role::Mx);
    let mut client = world.hello();
    client.send(
        "MAIL FROM:<a@b.example> SIZE=20\r\nRCPT TO:<nobody@example.org>\r\nRCPT TO:<ana@example.org>\r\nDATA\r\n",
    );
    for begins in ["250 2.1.0", "550 5.1.1", "250 2.1.5", "354"] {
        client.says(begins);
    }
    // The next message may follow the end of this one at once (RFC 2920 §3.1).
    client.send("Subject: one\r\n\r\n.\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<ana@example.org>\r\nQUIT\r\n");
    for begins in ["250 2.0.0", "250 2.1.0", "250 2.1.5", "221"] {
        client.says(begins);
    }
    assert_eq!(world.inbox(ANA).len(), 1);
    world.finish();
}

/// RFC 3030 §4.1 and §4.2.
#[test]
fn messages_come_in_chunks_too() {
    let world = World::new(Role::Mx);
    let mut client = world.hello();
    client.send("MAIL FROM:<a@b.example>\r\nRCPT TO:<ana@example.org>\r\nBDAT 14\r\nSubject: one\r\nBDAT 6\r\n\r\n.\r\n.BDAT 2 LAST\r\n\r\n");
    for begins in ["250 2.1.0", "250 2.1.5", "250 2.0.0 go on", "250 2.0.0 go on", "250 2.0.0 delivered"] {
        client.says(begins);
    }
    assert!(world.inbox(ANA)[0].ends_with("Subject: one\r\n\r\n.\r\n.\r\n"));
    // DATA and BDAT do not mix, nor do recipients come behind a chunk.
    client.is("MAIL FROM:<a@b.example>", "250");
    client.is("RCPT TO:<ana@example.org>", "250");
    client.send("BDAT 3\r\nabc");
    client.says("250");
    client.is("DATA", "503");
    client.is("RCPT TO:<eva@example.org>", "503");
    client.is("BDAT 0 LAST", "250 2.0.0 delivered");
    assert!(world.inbox(ANA)[1].ends_with("abc\r\n"));
    // A chunk that nobody wants is read all the same, and its bytes are no commands.
    client.send("BDAT 6 LAST\r\nRSET\r\n");
    client.says("503");
    client.is("MAIL FROM:<a@b.example>", "250");
    client.is("RCPT TO:<nobody@example.org>", "550");
    client.send("BDAT 6\r\nQUIT\r\nNOOP\r\n");
    client.says("503");
    client.says("250 2.0.0 done");
    world.finish();
}

#[test]
fn what_is_too_large_is_refused_before_and_after() {
    let mut settings = Settings::new(Role::Mx);
    settings.limits = Limits { message_bytes: 1000, line_bytes: 500, recipients: 2, ..settings.limits };
    settings.structure.hops = 2;
    let world = World::with(settings);
    let mut client = world.hello();
    client.is("MAIL FROM:<a@b.example> SIZE=1001", "552 5.3.4");
    let lines = |count: usize, length: usize| format!("{}\n", "a".repeat(length - 2)).repeat(count);
    assert!(client.mail("a@b.example", &[ANA], &lines(10, 101)).starts_with("552 5.3.4"));
    assert!(client.mail("a@b.example", &[ANA], &lines(1, 600)).starts_with("550 5.6.0"));
    let hops = "Received: by a\n".repeat(3);
    assert!(client.mail("a@b.example", &[ANA], &hops).starts_with("554 5.4.6"));
    assert!(client.mail("a@b.example", &[ANA], "Delivered-To: Ana@example.org\n\n").starts_with("554 5.4.6"));
    client.is("MAIL FROM:<a@b.example>", "250");
    client.is("RCPT TO:<ana@example.org>", "250");
    client.is("RCPT TO:<eva@example.org>", "250");
    client.is("RCPT TO:<ana@example.org>", "452 4.5.3");
    client.is("RSET", "250");
    client.is("MAIL FROM:<a@b.example>", "250");
    client.is("RCPT TO:<ana@example.org>", "250");
    client.is("BDAT 100000000", "552 5.3.4");
    assert!(client.is_over(), "so much is not read only to be thrown away");
    assert!(world.inbox(ANA).is_empty());
    world.finish();
}

#[test]
fn what_is_not_offered_is_not_taken() {
    let world = World::new(Role::Mx);
    let mut client = world.hello();
    client.is("MAIL FROM:<a@b.example> REQUIRETLS", "555 5.5.4");
    client.is("MAIL FROM:<a@b.example> RET=FULL", "555 5.5.4");
    client.is("MAIL FROM:<a@b.example> BODY=BINARYMIME", "501 5.5.4");
    client.is("MAIL FROM:<a@b.example>", "250");
    client.is("RCPT TO:<ana@example.org> NOTIFY=NEVER", "555 5.5.4");
    world.finish();

    let world = World::queueing(Role::Mx, |_| {});
    let mut client = world.client();
    assert!(client.is("EHLO b.example", "250").contains("|250-DSN"));
    client.is("MAIL FROM:<a@b.example> RET=HDRS ENVID=1+2B1", "250");
    client.is("RCPT TO:<ana@example.org> NOTIFY=FAILURE,DELAY ORCPT=rfc822;sales+2B@b.example", "250");
    client.is("DATA", "354");
    client.send("Subject: a\r\n\r\n.\r\n");
    client.says("250");
    assert!(world.inbox(ANA)[0].contains("\r\nOriginal-Recipient: rfc822;sales+@b.example\r\n"));
    world.finish();
}

#[test]
fn addresses_beyond_ascii_need_smtputf8() {
    let world = World::new(Role::Mx);
    world.account("josé@example.org", |_| {});
    let mut client = world.hello();
    client.is("MAIL FROM:<ñandú@b.example>", "553 5.6.7");
    client.is("MAIL FROM:<a@b.example>", "250");
    client.is("RCPT TO:<josé@example.org>", "553 5.6.7");
    client.is("RSET", "250");
    client.is("MAIL FROM:<ñandú@b.example> SMTPUTF8", "250");
    client.is("RCPT TO:<josé@example.org>", "250");
    client.is("DATA", "354");
    client.send("Subject: año\r\n\r\n.\r\n");
    client.says("250");
    let message = &world.inbox("josé@example.org")[0];
    assert!(message.starts_with("Return-Path: <ñandú@b.example>\r\n"), "{message}");
    assert!(message.contains(" with UTF8SMTP\r\n"), "{message}");
    world.finish();
}

#[test]
fn a_server_that_goes_down_says_so() {
    let world = World::new(Role::Mx);
    let mut client = world.hello();
    world.shut_down();
    client.says("421 4.3.2");
    assert!(client.is_over());
    world.finish();
}
