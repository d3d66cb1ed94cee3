//! Connections that are used again, and how many there are at once.

use crate::server::{Act, END, Script, Server, say};
use crate::world::{LITERAL, job, settings, word, words};
use queue::{Deliver, Outgoing};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

#[tokio::test]
async fn the_next_message_goes_over_the_same_connection() {
    let server = Server::start(Script::with(&["PIPELINING"])).await;
    let outgoing = Outgoing::new(settings(server.address.port())).unwrap();
    for _ in 0..3 {
        assert_eq!(words(&outgoing.deliver(job(LITERAL, &["a@example.net"])).await), ["relayed 2.0.0"]);
    }
    let seen = server.seen();
    assert_eq!((seen.connections, seen.messages.len()), (1, 3));
    assert!(!seen.commands.iter().any(|line| line == "RSET"));
}

#[tokio::test]
async fn a_transaction_that_came_to_nothing_is_ended_first() {
    let script =
        Script::with(&["PIPELINING"]).at_most(1, "RCPT", say("550 5.1.1 no")).at_most(1, "DATA", say("554 no"));
    let server = Server::start(script).await;
    let outgoing = Outgoing::new(settings(server.address.port())).unwrap();
    assert_eq!(words(&outgoing.deliver(job(LITERAL, &["a@example.net"])).await), ["never 5.1.1"]);
    assert_eq!(words(&outgoing.deliver(job(LITERAL, &["a@example.net"])).await), ["relayed 2.0.0"]);
    assert_eq!(server.seen().connections, 1);
    assert_eq!(server.envelope()[3], "RSET");
}

#[tokio::test]
async fn a_connection_carries_so_many_messages() {
    let server = Server::start(Script::with(&["LIMITS MAILMAX=2"])).await;
    let outgoing = Outgoing::new(settings(server.address.port())).unwrap();
    for _ in 0..5 {
        assert_eq!(words(&outgoing.deliver(job(LITERAL, &["a@example.net"])).await), ["relayed 2.0.0"]);
    }
    assert_eq!(server.seen().connections, 3);
}

#[tokio::test]
async fn a_connection_that_died_meanwhile_is_made_anew() {
    for death in [Act::Close, say("421 4.4.2 idle too long")] {
        let server = Server::start(Script::with(&["PIPELINING"]).at_most(1, "MAIL FROM:<second", death)).await;
        let outgoing = Outgoing::new(settings(server.address.port())).unwrap();
        assert_eq!(words(&outgoing.deliver(job(LITERAL, &["a@example.net"])).await), ["relayed 2.0.0"]);
        let second = crate::world::job_with(LITERAL, &["a@example.net"], |envelope| {
            envelope.reverse_path = "second@example.org".to_owned();
        });
        assert_eq!(words(&outgoing.deliver(second).await), ["relayed 2.0.0"]);
        let seen = server.seen();
        assert_eq!((seen.connections, seen.messages.len()), (2, 2));
    }
}

#[tokio::test]
async fn a_connection_that_dies_after_the_dot_is_not() {
    let server = Server::start(Script::default().at_most(1, END, say("250 2.0.0 fine")).at(END, Act::Close)).await;
    let outgoing = Outgoing::new(settings(server.address.port())).unwrap();
    assert_eq!(words(&outgoing.deliver(job(LITERAL, &["a@example.net"])).await), ["relayed 2.0.0"]);
    assert_eq!(words(&outgoing.deliver(job(LITERAL, &["a@example.net"])).await), ["later 4.4.2"]);
    let seen = server.seen();
    assert_eq!((seen.connections, seen.messages.len()), (1, 2));
}

#[tokio::test]
async fn a_server_gets_so_many_connections_at_once() {
    let server = Server::start(Script::with(&["PIPELINING"])).await;
    let mut settings = settings(server.address.port());
    settings.pool.per_address = 3;
    let outgoing = Arc::new(Outgoing::new(settings).unwrap());
    let mut all = JoinSet::new();
    for _ in 0..40 {
        let outgoing = Arc::clone(&outgoing);
        all.spawn(async move { outgoing.deliver(job(LITERAL, &["a@example.net"])).await });
    }
    while let Some(verdicts) = all.join_next().await {
        assert_eq!(words(&verdicts.unwrap()), ["relayed 2.0.0"]);
    }
    let seen = server.seen();
    assert_eq!(seen.messages.len(), 40);
    assert!(seen.busiest <= 3 && seen.connections <= 3, "{} {}", seen.busiest, seen.connections);
}

#[tokio::test]
async fn who_waits_too_long_for_a_turn_comes_again() {
    let server = Server::start(Script::default().at("DATA", Act::Hang)).await;
    let mut settings = settings(server.address.port());
    settings.pool.per_address = 1;
    settings.pool.turn = Duration::from_millis(300);
    let outgoing = Arc::new(Outgoing::new(settings).unwrap());
    let first = tokio::spawn({
        let outgoing = Arc::clone(&outgoing);
        async move { outgoing.deliver(job(LITERAL, &["a@example.net"])).await }
    });
    while server.seen().commands.last().is_none_or(|line| line != "DATA") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let verdicts = outgoing.deliver(job(LITERAL, &["b@example.net"])).await;
    assert_eq!(word(&verdicts[0]), "later 4.4.5");
    first.abort();
}

#[tokio::test]
async fn connections_that_nobody_uses_are_left_politely() {
    let server = Server::start(Script::default()).await;
    let mut settings = settings(server.address.port());
    settings.pool.idle = Duration::from_millis(200);
    let outgoing = Outgoing::new(settings).unwrap();
    assert_eq!(words(&outgoing.deliver(job(LITERAL, &["a@example.net"])).await), ["relayed 2.0.0"]);
    while server.seen().commands.last().is_none_or(|line| line != "QUIT") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
