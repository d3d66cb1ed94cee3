//! AUTHORIZATION: RFC 1939 §4 and §7, RFC 2449, RFC 2595, RFC 3206, RFC 5034.

use crate::world::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

#[test]
fn capabilities_follow_the_state() {
    let world = World::new();
    let mut client = world.client();
    let before = client.lines("CAPA");
    for wanted in
        ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER", "UTF8 USER", "STLS", "USER"]
    {
        assert!(before.iter().any(|line| line == wanted), "{wanted} {before:?}");
    }
    assert!(before.iter().any(|line| line == "SASL SCRAM-SHA-256 PLAIN LOGIN"), "{before:?}");
    assert_eq!(client.lines("AUTH"), ["SCRAM-SHA-256", "PLAIN", "LOGIN"]);
    client.ok("UTF8");
    client.ok(&format!("USER {ANA}"));
    client.lines("CAPA");
    client.ok(&format!("PASS {PASSWORD}"));
    let after = client.lines("CAPA");
    assert!(!after.iter().any(|line| line == "STLS"), "{after:?}");
    // RFC 2449 §6.2 and §6.3: these do not differ between the states.
    assert!(after.iter().any(|line| line == "USER") && after.iter().any(|line| line.starts_with("SASL ")), "{after:?}");
    client.ok("QUIT");
    world.finish();
}

#[test]
fn nothing_secret_is_taken_in_the_clear() {
    let world = World::with(false, pop3::Times::default());
    let mut client = world.client();
    let offered = client.lines("CAPA");
    assert!(offered.iter().any(|line| line == "STLS"));
    assert!(!offered.iter().any(|line| line == "USER" || line.starts_with("SASL")), "{offered:?}");
    client.err(&format!("USER {ANA}"), "begin TLS first");
    client.err("AUTH PLAIN", "[AUTH] begin TLS first");
    client.ok("QUIT");
    world.finish();
}

#[test]
fn every_mechanism_lets_in_and_a_wrong_password_does_not() {
    let world = World::new();
    let plain = BASE64.encode(format!("\0{ANA}\0{PASSWORD}"));
    let mut client = world.client();
    client.ok(&format!("AUTH PLAIN {plain}"));
    client.ok("QUIT");
    assert!(client.is_over());

    let mut client = world.client();
    assert_eq!(client.ask("AUTH plain"), "+ ");
    client.ok(&plain);
    client.ok("QUIT");
    assert!(client.is_over());

    let mut client = world.client();
    assert_eq!(client.ask("AUTH LOGIN"), format!("+ {}", BASE64.encode("Username:")));
    assert_eq!(client.ask(&BASE64.encode(ANA)), format!("+ {}", BASE64.encode("Password:")));
    client.ok(&BASE64.encode(PASSWORD));
    client.ok("QUIT");
    assert!(client.is_over());

    let mut client = world.client();
    assert_eq!(client.ask("AUTH PLAIN"), "+ ");
    client.err("*", "[AUTH] cancelled");
    client.err("AUTH PLAIN =", "[AUTH]");
    client.err("AUTH CRAM-MD5", "[AUTH]");
    client.ok(&format!("USER {ANA}"));
    client.err("PASS wrong", "[AUTH] the login or the password is wrong");
    world.finish();
}

#[test]
fn commands_in_the_wrong_state_are_refused() {
    let world = World::new();
    let mut client = world.client();
    client.err("PASS alone", "say USER first");
    client.err("STAT", "sign in first");
    client.ok(&format!("USER {ANA}"));
    client.ok(&format!("PASS {PASSWORD}"));
    client.err("USER again", "you are signed in already");
    client.err("NONSENSE", "there is no such command");
    client.err("RETR x", "that command takes other arguments");
    client.ok("NOOP");
    client.ok("QUIT");
    world.finish();
}

#[test]
fn pipelined_commands_are_answered_in_order() {
    let world = World::new();
    world.deliver("Subject: one\n\nfirst\n");
    let mut client = world.client();
    client.send(format!("USER {ANA}\r\nPASS {PASSWORD}\r\nSTAT\r\nUIDL 1\r\nRETR 1\r\nQUIT\r\n").as_bytes());
    let mut all = String::new();
    std::io::Read::read_to_string(&mut client.stream, &mut all).unwrap();
    let lines: Vec<&str> = all.lines().collect();
    assert_eq!(lines.iter().filter(|line| line.starts_with("+OK")).count(), 6, "{all}");
    assert_eq!(lines[2], "+OK 1 23");
    world.finish();
}
