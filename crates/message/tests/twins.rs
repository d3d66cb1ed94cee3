//! Near twins (`RULES.md 2.5`).

use message::near_twins;

const MAIL: &str = "Received: from a\r\nMessage-ID: <1@example.org>\r\nSubject: Hola\r\n\r\ntext\r\n";

#[test]
fn every_trace_field_may_differ() {
    let trace = "Received Return-Path Delivered-To X-Original-To Authentication-Results DKIM-Signature ARC-Seal \
                 arc-message-signature X-Spam-Status X-SPAM-Level X-Virus-Scanned List-Id List-Unsubscribe";
    for name in trace.split_whitespace() {
        let other = format!("{name}: more\r\n and more\r\n{MAIL}\r\n\r\n");
        assert!(near_twins(MAIL.as_bytes(), other.as_bytes()), "{name}");
        assert!(near_twins(other.as_bytes(), MAIL.as_bytes()), "{name}");
    }
}

#[test]
fn no_other_field_may_differ() {
    for name in "Subject To X-Spam X-Virus List ARC X-Received Return-Path-X Date".split_whitespace() {
        let other = format!("{name}: more\r\n{MAIL}");
        assert!(!near_twins(MAIL.as_bytes(), other.as_bytes()), "{name}");
    }
    let reordered = "Received: x\r\nSubject: Hola\r\nMessage-ID: <1@example.org>\r\n\r\ntext\r\n";
    assert!(!near_twins(MAIL.as_bytes(), reordered.as_bytes()));
}

#[test]
fn the_same_message_is_no_twin_of_itself() {
    assert!(!near_twins(MAIL.as_bytes(), MAIL.as_bytes()));
    let same = format!("Status: RO\r\n{MAIL}\r\n");
    assert!(!near_twins(MAIL.as_bytes(), same.as_bytes()));
}

#[test]
fn body_and_message_id_are_the_same_in_twins() {
    let other_body = MAIL.replace("text", "Text").replace("from a", "from b");
    assert!(!near_twins(MAIL.as_bytes(), other_body.as_bytes()));
    let other_id = MAIL.replace("<1@", "<2@").replace("from a", "from b");
    assert!(!near_twins(MAIL.as_bytes(), other_id.as_bytes()));
}

#[test]
fn without_a_message_id_nothing_is_a_twin() {
    for id in ["", "Message-ID:\r\n", "Message-ID: \r\n \r\n"] {
        let one = format!("Received: a\r\n{id}Subject: x\r\n\r\ntext");
        let other = format!("Received: b\r\n{id}Subject: x\r\n\r\ntext");
        assert!(!near_twins(one.as_bytes(), other.as_bytes()), "{id:?}");
    }
}
