//! LMTP (RFC 2033).

use crate::world::*;
use smtp::Role;

#[test]
fn each_recipient_has_an_answer() {
    let world = World::new(Role::Lmtp);
    let mut client = world.client();
    client.is("EHLO mx.example.net", "500 5.5.1");
    client.is("HELO mx.example.net", "500 5.5.1");
    client.is("LHLO mx.example.net", "250-");
    client.is("MAIL FROM:<a@b.example>", "250");
    client.is("RCPT TO:<nobody@example.org>", "550");
    client.is("DATA", "503");
    client.is("RCPT TO:<ana@example.org>", "250");
    client.is("RCPT TO:<eva@example.org>", "250");
    client.is("DATA", "354");
    client.send("Delivered-To: eva@example.org\r\n\r\ntext\r\n.\r\n");
    client.says("250 2.0.0");
    client.says("554 5.4.6");
    assert_eq!((world.inbox(ANA).len(), world.inbox(EVA).len()), (1, 0));
    assert!(world.inbox(ANA)[0].contains(" with LMTP\r\n"));
    // One for each also where nobody gets it.
    client.is("MAIL FROM:<a@b.example>", "250");
    client.is("RCPT TO:<ana@example.org>", "250");
    client.is("RCPT TO:<eva@example.org>", "250");
    client.send("BDAT 4 LAST\r\na\nb\n");
    client.says("550 5.6.11");
    client.says("550 5.6.11");
    client.is("QUIT", "221");
    world.finish();
}
