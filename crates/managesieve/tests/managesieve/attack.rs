//! Clients that mean no good.

use crate::world::*;

#[test]
fn nonsense_ends_the_connection_and_never_the_server() {
    let world = World::new();
    for nonsense in
        [&b"GET / HTTP/1.1\r\n"[..], b"\x16\x03\x01\x02\x00\x01\x00\r\n", b"\r\n", b"NOOP (\r\n", b"\xff\xfe\n"]
    {
        let mut client = world.client();
        for _ in 0..4 {
            client.send(nonsense);
            assert!(client.answer().starts_with("NO "));
        }
        client.send(nonsense);
        assert!(client.answer().starts_with("NO ") && client.answer().starts_with("BYE "));
        assert!(client.is_over());
    }
    world.signed_in().ok("LISTSCRIPTS");
    world.finish();
}

#[test]
fn what_has_no_end_is_given_up() {
    let world = World::new();
    let mut client = world.client();
    client.send(&[b'a'; 8 * 1024 + 1]);
    assert!(client.answer().starts_with("BYE \"that line is too long"));
    let mut client = world.client();
    client.send(b"CHECKSCRIPT {4294967296+}\r\n");
    assert!(client.answer().starts_with("BYE \"that literal is too long"));
    assert!(client.is_over());
    world.finish();
}

#[test]
fn strangers_have_no_room_for_scripts() {
    let world = World::new();
    let mut client = world.client();
    let script = "#".repeat(9_000);
    assert!(client.put("a", &script).starts_with("NO \"that is too long"));
    assert!(client.put("a", "keep;").starts_with("NO \"sign in first"));
    client.ok(&plain(ANA, PASSWORD));
    assert!(client.put("a", &script).starts_with("OK "));
    world.finish();
}

#[test]
fn a_synchronizing_literal_is_no_command_and_what_follows_is() {
    let world = World::new();
    let mut client = world.signed_in();
    client.no("PUTSCRIPT \"a\" {5}", "\"that is no command");
    client.ok("NOOP");
    world.finish();
}
