//! Lines, literals and pipelines (RFC 9051 §2.2, §4.3, §5.5; RFC 7888).

use super::harness::{World, lines};

#[test]
fn a_literal_is_asked_for_and_an_unasked_one_is_taken() {
    let world = World::new();
    let mut ana = world.ana();
    assert_eq!(ana.send("a STATUS {5}"), ["+ go on"]);
    assert_eq!(ana.send("INBOX (MESSAGES)")[0], "* STATUS INBOX (MESSAGES 0)");
    assert_eq!(ana.ok("b STATUS {5+}\r\nINBOX (MESSAGES)"), ["* STATUS INBOX (MESSAGES 0)"]);
    world.finish();
}

#[test]
fn pipelined_commands_are_answered_in_turn() {
    let world = World::new();
    let mut ana = world.ana();
    let said = ana.raw(b"a SELECT INBOX\r\nb NOOP\r\nc STATUS INBOX (MESSAGES)\r\nd CLOSE\r\n");
    let said = lines(&said);
    let tagged: Vec<&str> = said.iter().filter(|line| !line.starts_with('*')).map(|line| &line[..1]).collect();
    assert_eq!(tagged, ["a", "b", "c", "d"]);
    world.finish();
}

#[test]
fn a_stream_cut_anywhere_says_the_same() {
    let world = World::new();
    let stream = b"a SELECT INBOX\r\nb STATUS {5+}\r\nINBOX (MESSAGES)\r\nc IDLE\r\nDONE\r\nd NOOP\r\n";
    let whole = world.ana().raw(stream);
    let mut ana = world.ana();
    let mut said = Vec::new();
    for byte in stream {
        said.extend(ana.raw(&[*byte]));
    }
    assert_eq!(String::from_utf8(said), String::from_utf8(whole));
    world.finish();
}

#[test]
fn what_is_too_long_is_refused_and_the_session_goes_on() {
    let world = World::with(|policy| policy.append_limit_bytes = 1000);
    let mut ana = world.ana();
    // A client that waits for `+` hears NO instead, and sends nothing more of this command.
    assert!(ana.send("a APPEND INBOX {1001}")[0].starts_with("a NO [TOOBIG]"));
    let message = "x".repeat(1001);
    assert!(ana.send(&format!("b APPEND INBOX {{1001+}}\r\n{message}"))[0].starts_with("b NO [TOOBIG]"));
    assert!(ana.send(&format!("c NOOP {}", "x".repeat(100_000)))[0].starts_with("c BAD "));
    ana.ok("d NOOP");
    world.finish();
}

#[test]
fn what_cannot_be_understood_is_said_with_its_tag() {
    let world = World::new();
    let mut ana = world.ana();
    assert!(ana.send("a XYZZY")[0].starts_with("a BAD "));
    assert!(ana.send("b SELECT")[0].starts_with("b BAD "));
    assert!(ana.send("")[0].starts_with("* BAD "));
    assert!(ana.send("c FETCH 1 FLAGS")[0].starts_with("c BAD "), "nothing is open");
    assert!(ana.send("d NO\0OP")[0].contains(" BAD "));
    world.finish();
}
