//! TLS that nobody demands (RFC 7435), and what can go wrong with STARTTLS (RFC 3207).

use crate::server::{Act, Script, Server, say};
use crate::world::{Authority, Heard, LITERAL, deliver, job, said, settings, short_times, words};
use std::sync::Arc;
use store::spool::TlsPolicy;

#[tokio::test]
async fn tls_is_used_when_it_is_offered_with_any_certificate() {
    let stranger = Authority::new().certify(&["somebody.else.example"]);
    let server = Server::start(Script::with(&["PIPELINING"]).starttls(stranger.server)).await;
    let heard = Arc::new(Heard::default());
    let mut settings = settings(server.address.port());
    settings.tls_recorder = Some(Arc::clone(&heard) as _);
    assert_eq!(words(&deliver(settings, job(LITERAL, &["a@example.net"])).await), ["relayed 2.0.0"]);
    let commands = server.seen().commands;
    assert_eq!(commands[..3], ["EHLO out.example.org", "STARTTLS", "EHLO out.example.org"]);
    assert_eq!(server.seen().encrypted, commands.len() - 2);
    let outcome = heard.all().pop().unwrap();
    assert_eq!((outcome.policy, outcome.failure, outcome.mx_ip), (TlsPolicy::NoPolicyFound, None, Some(server.ip())));
}

#[tokio::test]
async fn tls_that_does_not_work_is_done_without_where_nobody_demands_it() {
    let certified = Authority::new().certify(&["mx.example.net"]);
    for (broken, connections) in [
        // Refused before it begins: the same connection goes on.
        (Script::default().starttls(Arc::clone(&certified.server)).at("STARTTLS", say("454 4.7.0 no TLS now")), 1),
        // Broken while it begins, or not begun at all: another one.
        (Script::default().starttls(Arc::clone(&certified.server)).at_most(1, "STARTTLS", Act::Close), 1),
        (Script::with(&["STARTTLS"]), 2),
    ] {
        let server = Server::start(broken).await;
        let verdicts = deliver(settings(server.address.port()), job(LITERAL, &["a@example.net"])).await;
        let seen = server.seen();
        assert_eq!(seen.connections, connections);
        assert_eq!(seen.encrypted, 0);
        // A server that just closes may be any that goes down: it is tried later, with TLS.
        let closed = seen.commands.last().is_some_and(|line| line == "STARTTLS");
        assert_eq!(words(&verdicts), [if closed { "later 4.4.2" } else { "relayed 2.0.0" }]);
    }
}

#[tokio::test]
async fn what_was_said_before_the_handshake_does_not_count() {
    // A man in the middle puts an answer behind the one to STARTTLS, to be taken for one inside TLS (RFC 3207 §6).
    let certified = Authority::new().certify(&["mx.example.net"]);
    let injected = Act::Say(b"220 go\r\n250-test\r\n250 AUTH PLAIN\r\n".to_vec());
    let server = Server::start(Script::default().starttls(certified.server).at("STARTTLS", injected)).await;
    let mut settings = settings(server.address.port());
    settings.times = short_times();
    let verdicts = deliver(settings, job(LITERAL, &["a@example.net"])).await;
    // Nobody demands TLS here, and the attacker could have hidden it altogether.
    assert_eq!(words(&verdicts), ["relayed 2.0.0"]);
    assert_eq!(server.seen().encrypted, 0);
}

#[tokio::test]
async fn what_was_known_before_the_handshake_is_forgotten() {
    let certified = Authority::new().certify(&["mx.example.net"]);
    let script = Script::default().starttls(certified.server);
    // In the clear it can do everything; inside TLS, nothing.
    let clear = "250-test\r\n250-PIPELINING\r\n250-SIZE 1\r\n250-STARTTLS\r\n250 DSN";
    let server = Server::start(script.at_most(1, "EHLO", say(clear))).await;
    let verdicts = deliver(settings(server.address.port()), job(LITERAL, &["a@example.net"])).await;
    assert_eq!(words(&verdicts), ["relayed 2.0.0"]);
    assert_eq!(said(&verdicts[0]).text, "250 2.0.0 taken 0");
    assert_eq!(server.envelope()[1], "MAIL FROM:<ana@example.org>");
}
