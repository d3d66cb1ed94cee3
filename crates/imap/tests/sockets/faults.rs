//! Clients that do wrong or nothing, and networks that do.

use super::support::{Client, PASSWORD, Server, append};
use edge::listen::Kind;
use imap::Times;
use std::io::{Read, Write};
use std::time::Duration;

/// Short enough to wait for. Each test shortens what it is about, and nothing that a busy machine could run into.
const SHORT: Duration = Duration::from_millis(300);

/// What comes until the server closes the connection, also if it does so with a reset.
fn rest_of(client: Client) -> String {
    let mut rest = Vec::new();
    let _ = client.into_transport().read_to_end(&mut rest);
    String::from_utf8_lossy(&rest).into_owned()
}

#[test]
fn silence_ends_a_session_with_a_word() {
    let server = Server::with(Kind::StartTls, Times { stranger: SHORT, ..Times::default() });
    assert!(rest_of(server.connect()).starts_with("* BYE "));
    server.finish();
    let server = Server::with(Kind::StartTls, Times { signed_in: SHORT, ..Times::default() });
    assert!(rest_of(server.ana()).starts_with("* BYE "));
    server.finish();
}

#[test]
fn whoever_does_not_sign_in_cannot_stay_by_being_busy() {
    let server = Server::with(Kind::StartTls, Times { sign_in: SHORT, ..Times::default() });
    let mut stranger = server.connect();
    let mut last = String::new();
    while stranger.try_write(b"a NOOP\r\n").is_ok() {
        match stranger.try_line() {
            Ok(Some(line)) => last = line,
            Ok(None) | Err(_) => break,
        }
        std::thread::sleep(SHORT / 10);
    }
    assert!(last.starts_with("* BYE "), "{last}");
    server.finish();
}

#[test]
fn a_literal_that_never_comes_ends_the_session() {
    let server = Server::with(Kind::StartTls, Times { unfinished: SHORT, ..Times::default() });
    let mut ana = server.ana();
    ana.write(b"a APPEND INBOX {100000}\r\n");
    assert!(ana.line().starts_with("+ "));
    // The server may have lost its patience by now.
    let _ = ana.try_write(b"Subject: half a message");
    assert!(rest_of(ana).starts_with("* BYE "));
    let mut ana = server.ana();
    ana.write(b"a APPEND INBOX {100000+}\r\nSubject: half");
    drop(ana);
    let mut ana = server.ana();
    assert_eq!(ana.ok("STATUS INBOX (MESSAGES)"), ["* STATUS INBOX (MESSAGES 0)"]);
    drop(ana);
    server.finish();
}

#[test]
fn a_client_that_never_reads_is_cut_off_and_others_are_served() {
    let server = Server::with(Kind::StartTls, Times { unread: SHORT * 5, ..Times::default() });
    let mut ana = server.ana();
    let message = format!("Subject: large\r\n\r\n{}", "x".repeat(4_000_000));
    ana.ok(&append("INBOX", "", &message));
    for _ in 0..8 {
        let mut deaf = server.ana();
        deaf.ok("SELECT INBOX");
        deaf.write(
            b"a FETCH 1 BODY.PEEK[]\r\nb FETCH 1 BODY.PEEK[]\r\nc FETCH 1 BODY.PEEK[]\r\nd FETCH 1 BODY.PEEK[]\r\n",
        );
        // It stays connected, and its socket's buffers fill up.
        std::mem::forget(deaf);
    }
    ana.ok("SELECT INBOX");
    assert!(ana.ok("FETCH 1 BODY.PEEK[]")[0].len() > 4_000_000);
    while server.caps.connections() > 1 {
        std::thread::sleep(Duration::from_millis(20));
        ana.ok("NOOP");
    }
    drop(ana);
    server.finish();
}

#[test]
fn a_connection_that_is_cut_leaves_nothing_behind() {
    let server = Server::start();
    for command in [
        "",
        "a SELECT INB",
        "a IDLE\r\n",
        "a AUTHENTICATE PLAIN\r\n",
        "a FETCH 1:* BODY[]\r\n",
        "a APPEND x {9+}\r\nabc",
    ] {
        let mut ana = server.ana();
        ana.ok("SELECT INBOX");
        ana.write(command.as_bytes());
    }
    while server.caps.connections() > 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    server.finish();
}

#[test]
fn a_client_that_closes_its_side_is_still_answered() {
    let server = Server::start();
    let mut socket = server.socket();
    let commands = format!("a LOGIN ana@example.org {PASSWORD}\r\nb SELECT INBOX\r\nc LOGOUT\r\n");
    socket.write_all(commands.as_bytes()).unwrap();
    socket.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\r\nb OK ") && answer.contains("\r\nc OK "), "{answer}");
    server.finish();
}

#[test]
fn garbage_where_tls_should_begin_ends_that_connection_alone() {
    let server = Server::with(Kind::Implicit, Times::default());
    let mut socket = server.socket();
    socket.write_all(b"a LOGIN ana@example.org hello\r\n\0\xff\xff").unwrap();
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"* OK"), "nothing is said in the clear");
    let mut ana = Client::over(Box::new(server.shake_hands(server.socket()).unwrap()));
    ana.line();
    ana.sign_in();
    drop(ana);
    server.finish();

    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(client.send("STARTTLS"), ["OK begin TLS now"]);
    client.write(b"b NOOP\r\nc NOOP\r\nd NOOP\r\n");
    assert!(!rest_of(client).contains(" OK "));
    server.finish();
}

#[test]
fn garbage_in_deflate_ends_the_session() {
    let server = Server::start();
    let mut ana = server.ana();
    ana.ok("COMPRESS DEFLATE");
    ana.write(b"\xff\xff\xff\xff this is not deflate");
    assert!(!rest_of(ana).contains(" OK "));
    server.finish();
}

#[test]
fn a_line_without_end_is_refused_in_bounded_memory() {
    let server = Server::start();
    let mut stranger = server.connect();
    let chunk = vec![b'x'; 64 * 1024];
    let mut sent = 0;
    // The server stops listening to it long before this is through.
    while sent < 64 && stranger.try_write(&chunk).is_ok() {
        sent += 1;
    }
    assert!(rest_of(stranger).lines().all(|line| !line.contains(" OK ")));
    let mut ana = server.ana();
    ana.write(&[b"a NOOP ", &chunk[..], &chunk[..], b"\r\nb NOOP\r\n"].concat());
    assert!(ana.until("a")[0].starts_with("BAD "));
    assert!(ana.until("b")[0].starts_with("OK "));
    drop(ana);
    server.finish();
}

#[test]
fn a_literal_that_is_too_large_is_not_waited_for() {
    let server = Server::start();
    let mut ana = server.ana();
    let limit = server.services.policy.append_limit_bytes;
    assert!(ana.send(&format!("APPEND INBOX {{{}}}", limit + 1))[0].starts_with("NO [TOOBIG] "));
    assert!(ana.ok("NOOP").is_empty());
    let mut stranger = server.connect();
    assert!(stranger.send("LOGIN {1000000}")[0].starts_with("NO [TOOBIG] "));
    drop((ana, stranger));
    server.finish();
}

#[test]
fn a_literal_that_drips_ends_the_session() {
    let server = Server::with(Kind::StartTls, Times { unfinished: SHORT, ..Times::default() });
    let mut ana = server.ana();
    ana.write(b"a APPEND INBOX {100000}\r\n");
    assert!(ana.line().starts_with("+ "));
    // Never silent for long.
    while server.caps.connections() > 0 {
        let _ = ana.try_write(b"x");
        std::thread::sleep(SHORT / 10);
    }
    server.finish();
}

#[test]
fn what_one_account_sends_at_once_is_bounded() {
    let small = |policy: &mut edge::Policy| {
        policy.append_limit_bytes = 512 * 1024;
        policy.upload_memory_bytes = 0;
    };
    let server = Server::with_policy(Kind::StartTls, Times::default(), small);
    let message = vec![b'x'; 400_000];
    let mut unfinished: Vec<Client> = (0..3).map(|_| server.ana()).collect();
    for client in &mut unfinished {
        client.write(b"a APPEND INBOX {400000+}\r\n");
        client.write(&message[1..]);
    }
    let mut other = loop {
        let mut other = server.ana();
        other.write(b"a APPEND INBOX {400000}\r\n");
        let line = other.line();
        if line.starts_with("a NO [LIMIT] too much is on its way") {
            break other;
        }
        assert!(line.starts_with("+ "), "not all that was sent is there: {line}");
    };
    other.ok("NOOP");
    let mut first = unfinished.swap_remove(0);
    first.write(b"x\r\n");
    assert!(first.until("a")[0].starts_with("OK "));
    other.write(b"b APPEND INBOX {400000+}\r\n");
    other.write(&message);
    other.write(b"\r\n");
    assert!(other.until("b")[0].starts_with("OK "), "there is room again");
    drop((first, other, unfinished));
    server.finish();
}

#[test]
fn whoever_may_not_be_in_any_more_is_put_out_also_while_idle() {
    use directory::AccountState;
    let server = Server::with(Kind::StartTls, Times { look_again: SHORT / 10, ..Times::default() });
    let ana = message::Address::new("ana@example.org").unwrap();
    let id = server.services.directory.account(&ana).unwrap().unwrap().id;

    let (mut idle, mut other) = (server.ana(), server.ana());
    idle.ok("SELECT INBOX");
    idle.write(b"i IDLE\r\n");
    assert!(idle.line().starts_with("+ "));
    // Looked at again and again, an account that is as it was is left alone, and silence is not cut short.
    std::thread::sleep(SHORT);
    other.ok("NOOP");

    server.services.directory.change_password(id, b"another one").unwrap();
    assert!(rest_of(idle).starts_with("* BYE "));
    assert!(rest_of(other).starts_with("* BYE "));

    let mut back = server.connect();
    back.ok("LOGIN ana@example.org \"another one\"");
    server.services.directory.write(|tx| tx.set_account_state(id, AccountState::Disabled)).unwrap();
    assert!(rest_of(back).starts_with("* BYE "));
    server.finish();
}
