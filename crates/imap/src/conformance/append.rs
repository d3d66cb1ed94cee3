//! APPEND (RFC 9051 §6.3.12, RFC 3502, RFC 4315, RFC 7889, RFC 3516 §4.4).

use super::harness::World;

#[test]
fn a_message_is_kept_with_its_flags_and_date() {
    let world = World::new();
    let mut ana = world.ana();
    let line = ana.ok_line("a APPEND INBOX (\\Seen Later) \"17-Jul-1996 02:44:25 -0700\" {14+}\r\nSubject: a\r\n\r\n");
    assert!(line.starts_with("OK [APPENDUID ") && line.contains(" 1] "), "{line}");
    ana.ok("s SELECT INBOX");
    assert_eq!(
        ana.ok("f FETCH 1 (FLAGS INTERNALDATE BODY.PEEK[])"),
        [
            "* 1 FETCH (FLAGS (\\Seen Later) INTERNALDATE \"17-Jul-1996 09:44:25 +0000\" BODY[] {14}\r\nSubject: a\r\n\r\n)"
        ]
    );
    world.finish();
}

#[test]
fn line_endings_are_made_crlf() {
    let world = World::new();
    let mut ana = world.ana();
    ana.append_bytes("INBOX", b"Subject: a\n\nb\n", "");
    ana.ok("s SELECT INBOX");
    assert_eq!(
        ana.ok("f FETCH 1 (RFC822.SIZE BODY.PEEK[])"),
        ["* 1 FETCH (RFC822.SIZE 17 BODY[] {17}\r\nSubject: a\r\n\r\nb\r\n)"]
    );
    world.finish();
}

#[test]
fn what_is_appended_to_the_open_mailbox_is_told() {
    let world = World::new();
    let (mut one, mut two) = world.two_in_inbox();
    let told = one.ok("a APPEND INBOX {3+}\r\na\r\n");
    assert!(told.contains(&"* 1 EXISTS".to_owned()), "{told:?}");
    assert!(two.ok("n NOOP").contains(&"* 1 EXISTS".to_owned()));
    world.finish();
}

/// RFC 3502: all of the messages or none.
#[test]
fn several_messages_are_appended_at_once() {
    let world = World::new();
    let mut ana = world.ana();
    let line = ana.ok_line("a APPEND INBOX (\\Seen) {3+}\r\na\r\n {3+}\r\nb\r\n (\\Flagged) {3+}\r\nc\r\n");
    assert!(line.contains(" 1:3] "), "{line}");
    let refused = ana.fails("a APPEND INBOX {3+}\r\nd\r\n {0+}\r\n");
    assert!(refused.starts_with("NO "), "an empty message stops it: {refused}");
    ana.ok("s SELECT INBOX");
    assert_eq!(
        ana.ok("f FETCH 1:* FLAGS"),
        ["* 1 FETCH (FLAGS (\\Seen))", "* 2 FETCH (FLAGS ())", "* 3 FETCH (FLAGS (\\Flagged))"]
    );
    world.finish();
}

/// RFC 7889 §3.
#[test]
fn a_message_beyond_the_limit_is_refused() {
    let world = World::with(|policy| policy.append_limit_bytes = 100);
    let mut ana = world.ana();
    let message = "x\n".repeat(40);
    assert!(
        ana.fails(&format!("a APPEND INBOX {{80+}}\r\n{message}")).starts_with("NO [TOOBIG] "),
        "as it would be kept"
    );
    ana.ok("a APPEND INBOX {3+}\r\na\r\n");
    world.finish();
}

#[test]
fn a_message_holds_no_nul() {
    let world = World::new();
    let mut ana = world.ana();
    let answer = ana.send("a APPEND INBOX {3+}\r\na\0b");
    assert!(answer.last().unwrap().starts_with("a NO ") || answer.last().unwrap().starts_with("a BAD "), "{answer:?}");
    let refused = ana.fails("a APPEND INBOX ~{3+}\r\na\0b");
    assert!(refused.starts_with("NO [UNKNOWN-CTE] "), "{refused}");
    ana.ok("a APPEND INBOX ~{3+}\r\na\r\n");
    world.finish();
}

#[test]
fn utf8_in_headers_is_kept() {
    let world = World::new();
    let mut ana = world.ana();
    ana.ok("e ENABLE UTF8=ACCEPT");
    ana.ok("a APPEND INBOX UTF8 (~{16+}\r\nSubject: Ñandú)");
    ana.ok("s SELECT INBOX");
    assert_eq!(ana.ok("f FETCH 1 BODY.PEEK[]"), ["* 1 FETCH (BODY[] {16}\r\nSubject: Ñandú)"]);
    world.finish();
}
