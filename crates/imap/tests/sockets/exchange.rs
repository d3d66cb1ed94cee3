//! Transports: plain, TLS from the beginning and by STARTTLS, DEFLATE; pipelines, cuts, and news while idle.

use super::support::{Client, PASSWORD, Server, append};
use edge::listen::Kind;
use imap::Times;
use std::sync::mpsc;

#[test]
fn mail_goes_in_and_comes_out() {
    let server = Server::start();
    let mut ana = server.ana();
    let message = format!("Subject: hello\r\n\r\n{}", "line after line\r\n".repeat(20_000));
    ana.ok(&append("INBOX", "", &message));
    ana.ok("SELECT INBOX");
    let answer = ana.ok("FETCH 1 BODY.PEEK[]");
    assert_eq!(answer, [format!("* 1 FETCH (BODY[] {{{}}}\r\n{message})", message.len())]);
    let answer = ana.send("LOGOUT");
    assert!(answer[0].starts_with("* BYE ") && answer[1].starts_with("OK "));
    assert_eq!(ana.try_line().unwrap(), None, "the server closes the connection");
    server.finish();
}

#[test]
fn tls_can_begin_at_once_or_when_the_client_asks() {
    let server = Server::with(Kind::Implicit, Times::default());
    let mut ana = Client::over(Box::new(server.shake_hands(server.socket()).unwrap()));
    assert!(ana.line().contains(" AUTH=SCRAM-SHA-256-PLUS "), "there is a channel to bind to");
    ana.sign_in();
    ana.ok("SELECT INBOX");
    drop(ana);
    server.finish();

    let server = Server::start();
    let socket = server.socket();
    let mut client = Client::over(Box::new(socket.try_clone().unwrap()));
    assert!(client.line().contains("STARTTLS"));
    assert_eq!(client.send("STARTTLS"), ["OK begin TLS now"]);
    let mut ana = Client::over(Box::new(server.shake_hands(socket).unwrap()));
    assert!(!ana.ok("CAPABILITY")[0].contains("STARTTLS"));
    ana.sign_in();
    ana.ok("SELECT INBOX");
    drop(ana);
    server.finish();
}

#[test]
fn what_is_pipelined_behind_starttls_never_counts() {
    let server = Server::start();
    let socket = server.socket();
    let mut client = Client::over(Box::new(socket.try_clone().unwrap()));
    client.line();
    // RFC 9051 §11.1, whether the server reads it with the command or finds it where the handshake should be.
    client.write(format!("a STARTTLS\r\nb LOGIN ana@example.org {PASSWORD}\r\n").as_bytes());
    assert_eq!(client.until("a"), ["OK begin TLS now"]);
    match server.shake_hands(socket) {
        Ok(stream) => assert!(Client::over(Box::new(stream)).send("SELECT INBOX")[0].starts_with("BAD ")),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    server.finish();
}

#[test]
fn deflate_goes_both_ways_and_behind_a_pipeline() {
    let server = Server::start();
    let mut ana = server.ana();
    assert!(ana.ok("COMPRESS DEFLATE").is_empty());
    ana.begin_deflate();
    let message = format!("Subject: hello\r\n\r\n{}", "line after line\r\n".repeat(20_000));
    ana.ok(&append("INBOX", "", &message));
    ana.ok("SELECT INBOX");
    for _ in 0..5 {
        let answer = ana.ok("FETCH 1 BODY.PEEK[]");
        assert!(answer[0].ends_with("line after line\r\n)") && answer[0].len() > message.len());
        ana.ok("NOOP");
    }
    ana.write(b"x IDLE\r\n");
    assert!(ana.line().starts_with("+ "));
    server.ana().ok(&append("INBOX", "", "Subject: two\r\n\r\n"));
    assert_eq!(ana.line(), "* 2 EXISTS");
    drop(ana);
    server.finish();
}

#[test]
fn deflate_over_tls_with_a_silence_in_between() {
    let times = Times { rest: std::time::Duration::from_millis(20), ..Times::default() };
    let server = Server::with(Kind::Implicit, times);
    let mut ana = Client::over(Box::new(server.shake_hands(server.socket()).unwrap()));
    ana.line();
    ana.sign_in();
    ana.ok("COMPRESS DEFLATE");
    ana.begin_deflate();
    for _ in 0..3 {
        assert!(ana.ok("LIST \"\" *")[0].ends_with("INBOX"));
        // Long enough for the server to give memory back, or not: both must work.
        std::thread::sleep(std::time::Duration::from_millis(40));
    }
    drop(ana);
    server.finish();
}

#[test]
fn a_command_may_come_byte_by_byte() {
    let server = Server::start();
    let mut ana = server.connect();
    let login = format!("a LOGIN {{15}}\r\nana@example.org {{{}}}\r\n{PASSWORD}\r\n", PASSWORD.len());
    for byte in login.bytes() {
        ana.write(&[byte]);
    }
    let answer = ana.until("a");
    assert_eq!(answer.len(), 3, "a `+` for each literal: {answer:?}");
    assert!(answer[2].starts_with("OK "));
    for byte in b"b SELECT INBOX\r\n" {
        ana.write(&[*byte]);
    }
    assert!(ana.until("b").last().unwrap().starts_with("OK "));
    drop(ana);
    server.finish();
}

#[test]
fn a_pipeline_is_answered_in_order() {
    let server = Server::start();
    let mut ana = server.ana();
    let mut pipeline = String::new();
    for number in 0..500 {
        pipeline += &format!("p{number} STATUS INBOX (MESSAGES)\r\n");
    }
    ana.write(pipeline.as_bytes());
    for number in 0..500 {
        assert_eq!(ana.until(&format!("p{number}")).len(), 2);
    }
    drop(ana);
    server.finish();
}

#[test]
fn whoever_idles_hears_at_once_of_what_others_do() {
    let server = Server::start();
    let mut other = server.ana();
    other.ok("SELECT INBOX");
    let (said, hears) = mpsc::channel();
    let mut listeners = Vec::new();
    for _ in 0..10 {
        let mut ana = server.ana();
        ana.ok("SELECT INBOX");
        let said = said.clone();
        listeners.push(std::thread::spawn(move || {
            ana.write(b"i IDLE\r\n");
            said.send(ana.line()).unwrap();
            let heard: Vec<String> = (0..2).map(|_| ana.line()).collect();
            ana.write(b"DONE\r\n");
            assert_eq!(ana.until("i").last().unwrap(), "OK idled");
            heard
        }));
    }
    for _ in 0..10 {
        assert!(hears.recv().unwrap().starts_with("+ "));
    }
    other.ok(&append("INBOX", "", "Subject: one\r\n\r\n"));
    for listener in listeners {
        assert_eq!(listener.join().unwrap(), ["* 1 EXISTS", "* 0 RECENT"]);
    }
    drop(other);
    server.finish();
}

#[test]
fn notify_tells_without_any_command() {
    let server = Server::start();
    let (mut ana, mut other) = (server.ana(), server.ana());
    ana.ok("SELECT INBOX");
    ana.ok("NOTIFY SET (SELECTED (MessageNew (UID) MessageExpunge)) (PERSONAL (MailboxName))");
    other.ok(&append("INBOX", "", "Subject: one\r\n\r\n"));
    assert_eq!((0..3).map(|_| ana.line()).collect::<Vec<_>>(), ["* 1 EXISTS", "* 0 RECENT", "* 1 FETCH (UID 1)"]);
    other.ok("CREATE Work");
    assert_eq!(ana.line(), "* LIST (\\HasNoChildren) \"/\" Work");
    drop((ana, other));
    server.finish();
}

#[test]
fn a_shutdown_is_told_and_waits_for_nobody() {
    let mut server = Server::start();
    let mut clients = vec![server.connect(), server.ana(), server.ana()];
    clients[2].ok("SELECT INBOX");
    clients[2].write(b"i IDLE\r\n");
    clients[2].line();
    server.ask_to_stop();
    for client in &mut clients {
        assert!(client.line().starts_with("* BYE [UNAVAILABLE] "));
        assert_eq!(client.try_line().unwrap(), None);
    }
    server.finish();
}
