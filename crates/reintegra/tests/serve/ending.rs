//! The end: who hears of it, and that nothing holds it up.

use super::*;
use rustix::process::Signal;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

#[test]
fn sessions_are_told_of_the_end() {
    let place = Place::with_ana();
    let served = place.serve("");
    let mut idle: Vec<Client> = (0..3).map(|_| Client::imap(served.imap, ANA, PASSWORD)).collect();
    for client in &mut idle {
        assert!(client.ask("SELECT INBOX").last().unwrap().contains(" OK "));
        client.send("i IDLE");
        assert!(client.line().starts_with("+ "));
    }
    let (mut over_tls, _) = Client::connect_tls(served.imaps, "localhost");
    over_tls.line();
    let mut stranger = Client::connect(served.imap);
    stranger.line();
    let mut pop3 = Client::pop3(served.pop3, ANA, PASSWORD);
    let mut unsure = Client::connect(served.pop3s);
    let operator = TcpStream::connect(served.operator).unwrap();
    (&operator).write_all(b"GET /met").unwrap();
    let log = stop(served);
    for mut client in idle.into_iter().chain([over_tls, stranger]) {
        let last = client.rest();
        assert!(last.starts_with("* BYE [UNAVAILABLE]"), "{last}");
    }
    assert!(pop3.rest().starts_with("-ERR [SYS/TEMP]"));
    assert_eq!(unsure.rest(), "", "a handshake that never came is no reason to wait");
    assert!(!log.contains("cut off"), "{log}");
    place.is_sound();
}

/// The status line of `/health/ready`, or nothing where nobody answers.
fn ready(operator: SocketAddr) -> String {
    let Ok(mut stream) = TcpStream::connect(operator) else { return String::new() };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    let asked = stream.write_all(b"GET /health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    match asked.and_then(|()| stream.read_to_string(&mut answer)) {
        Ok(_) => answer.lines().next().unwrap_or_default().to_owned(),
        Err(_) => String::new(),
    }
}

#[test]
fn whoever_does_not_end_is_waited_for_until_it_is_told_once_more() {
    let place = Place::with_ana();
    let served = place.serve("limits.shutdown_grace = \"1 h\"\n");
    let mut client = Client::imap(served.imap, ANA, PASSWORD);
    // An answer of more than the sockets hold, which nobody takes.
    let line = format!("{}\r\n", "x".repeat(70));
    let text = format!("Subject: long\r\n\r\n{}", line.repeat(200_000));
    client.send(&format!("a APPEND INBOX {{{}}}", text.len()));
    assert!(client.line().starts_with("+ "));
    client.send(&text);
    let appended = client.line();
    assert!(appended.starts_with("a OK"), "{appended}");
    assert!(client.ask("SELECT INBOX").last().unwrap().contains(" OK "));
    client.send("f FETCH 1 (BODY.PEEK[])");
    assert!(client.line().contains("FETCH"));

    assert!(ready(served.operator).contains(" 200 "));
    signal(served.pid(), Signal::TERM);
    await_that("it says that it is not ready", || ready(served.operator).contains(" 503 "));
    assert!(testkit::served::get(served.operator, "/health/live").is_ok());
    // It is told not to be ready before its ports are closed.
    await_that("nobody new is let in", || TcpStream::connect(served.imap).is_err());
    let log = stop(served);
    assert!(log.contains("told to end once more"), "{log}");
    place.is_sound();
}

#[test]
fn whoever_takes_longer_than_the_grace_is_cut_off() {
    let place = Place::with_ana();
    let served = place.serve("limits.shutdown_grace = \"1 s\"\n");
    let mut client = Client::imap(served.imap, ANA, PASSWORD);
    let text = format!("Subject: long\r\n\r\n{}", "y".repeat(900).repeat(15_000));
    client.send(&format!("a APPEND INBOX {{{}}}", text.len()));
    client.line();
    client.send(&text);
    assert!(client.line().starts_with("a OK"));
    client.ask("SELECT INBOX");
    client.send("f FETCH 1 (BODY.PEEK[])");
    assert!(client.line().contains("FETCH"));
    let log = stop(served);
    assert!(log.contains("did not end in time"), "{log}");
    place.is_sound();
}
