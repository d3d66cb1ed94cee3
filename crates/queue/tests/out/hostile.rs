//! Servers that mean ill, or are ill.

use crate::server::{Act, END, GREETING, MIDDLE, Script, Server, say, say_and_close};
use crate::world::{LITERAL, deliver, job, said, settings, short_times, words};
use std::sync::Arc;

#[tokio::test]
async fn a_server_may_leave_at_any_moment() {
    for command in [GREETING, "EHLO", "MAIL", "RCPT TO:<a", "RCPT TO:<b", "DATA", END] {
        for capabilities in [&["PIPELINING"][..], &[]] {
            let leaving = say_and_close("421 4.3.2 going down");
            let server = Server::start(Script::with(capabilities).at(command, leaving)).await;
            let verdicts =
                deliver(settings(server.address.port()), job(LITERAL, &["a@example.net", "b@example.net"])).await;
            assert_eq!(words(&verdicts), ["later 4.3.2", "later 4.3.2"], "{command}");
            assert_eq!(server.seen().connections, 1, "{command}");
        }
    }
}

#[tokio::test]
async fn who_was_refused_before_the_server_left_stays_refused() {
    let script =
        Script::with(&["PIPELINING"]).at("RCPT TO:<a", say("550 5.1.1 no")).at("DATA", say_and_close("421 bye"));
    let server = Server::start(script).await;
    let verdicts = deliver(settings(server.address.port()), job(LITERAL, &["a@example.net", "b@example.net"])).await;
    assert_eq!(words(&verdicts), ["never 5.1.1", "later 4.3.2"]);
}

#[tokio::test]
async fn answers_that_are_none_end_the_session_and_nothing_else() {
    let bombs: [(&str, Act); 9] = [
        ("many lines", Act::Forever(b"250-more\r\n".to_vec())),
        ("a line without an end", Act::Forever(b"2".to_vec())),
        ("no reply", say("hello there")),
        ("binary", Act::Say(vec![0xff, 0, 0x80, b'\r', b'\n'])),
        ("two codes", Act::Say(b"250-a\r\n550 b\r\n".to_vec())),
        ("another class", say("199 what")),
        ("goes on where nothing goes on", say("354 go on")),
        ("closes", Act::Close),
        ("never answers", Act::Hang),
    ];
    for command in [GREETING, "EHLO", "MAIL", "RCPT", "DATA", END] {
        for (what, bomb) in &bombs {
            if command == "DATA" && *what == "goes on where nothing goes on" {
                continue;
            }
            let server = Server::start(Script::with(&["PIPELINING"]).at(command, bomb.clone())).await;
            let mut settings = settings(server.address.port());
            settings.times = short_times();
            let verdicts = deliver(settings, job(LITERAL, &["a@example.net"])).await;
            assert!(words(&verdicts)[0].starts_with("later 4."), "{command}, {what}: {verdicts:?}");
            let said = said(&verdicts[0]);
            assert!(said.text.len() < 600 && !said.text.chars().any(char::is_control), "{command}, {what}: {said:?}");
            assert_eq!(server.seen().connections, 1, "{command}, {what}");
        }
    }
}

#[tokio::test]
async fn after_the_dot_it_is_not_known_and_nothing_is_tried_again() {
    for act in [Act::Close, Act::Hang, say("hello")] {
        let server = Server::start(Script::default().at(END, act)).await;
        let mut settings = settings(server.address.port());
        settings.times = short_times();
        let verdicts = deliver(settings, job(LITERAL, &["a@example.net", "b@example.net"])).await;
        assert_eq!(words(&verdicts), ["later 4.4.2", "later 4.4.2"]);
        let seen = server.seen();
        assert_eq!((seen.connections, seen.messages.len()), (1, 1));
    }
}

#[tokio::test]
async fn a_server_that_takes_the_message_and_dies_has_it() {
    let server = Server::start(Script::default().at(END, say_and_close("250 2.0.0 mine"))).await;
    let verdicts = deliver(settings(server.address.port()), job(LITERAL, &["a@example.net"])).await;
    assert_eq!(words(&verdicts), ["relayed 2.0.0"]);
}

#[tokio::test]
async fn a_server_that_has_heard_enough_is_heard() {
    let mut large = job(LITERAL, &["a@example.net"]);
    large.message = Arc::new(b"all work and no play\r\n".repeat(2_000_000));
    let script = Script::default().at(MIDDLE, say_and_close("552 5.3.4 too large for me"));
    let server = Server::start(script).await;
    let verdicts = deliver(settings(server.address.port()), large).await;
    // The reset of the connection may overtake the words; then it is for later.
    assert!(["never 5.3.4", "later 4.4.2"].contains(&words(&verdicts)[0].as_str()), "{verdicts:?}");
}

#[tokio::test]
async fn taking_half_a_message_is_not_taking_it() {
    let mut large = job(LITERAL, &["a@example.net"]);
    large.message = Arc::new(b"all work and no play\r\n".repeat(2_000_000));
    let server = Server::start(Script::default().at(MIDDLE, say_and_close("250 2.0.0 thanks"))).await;
    let verdicts = deliver(settings(server.address.port()), large).await;
    assert!(words(&verdicts)[0].starts_with("later"), "{verdicts:?}");
}

#[tokio::test]
async fn an_answer_before_the_question_is_not_believed() {
    // Acknowledged before a byte of the message was sent.
    let early = Act::Say(b"354 go on\r\n250 2.0.0 taken already\r\n".to_vec());
    let server = Server::start(Script::default().at("DATA", early)).await;
    let verdicts = deliver(settings(server.address.port()), job(LITERAL, &["a@example.net"])).await;
    assert!(words(&verdicts)[0].starts_with("later"), "{verdicts:?}");
}

#[tokio::test]
async fn nobody_listens() {
    let gone = Server::start(Script::default()).await.address.port();
    let verdicts = deliver(settings(gone), job(LITERAL, &["a@example.net"])).await;
    assert_eq!(words(&verdicts), ["later 4.4.1"]);
    assert_eq!(said(&verdicts[0]).server, None);
}

#[tokio::test]
async fn nothing_of_ours_ends_a_line_alone() {
    let server = Server::start(Script::default()).await;
    let mut smuggler = job(LITERAL, &["a@example.net"]);
    smuggler.message = Arc::new(b"a: b\n\nx\n.\nMAIL FROM:<evil>\r.\r\n.\r\n\r.\rend".to_vec());
    let verdicts = deliver(settings(server.address.port()), smuggler).await;
    assert_eq!(words(&verdicts), ["relayed 2.0.0"]);
    let expected = b"a: b\r\n\r\nx\r\n.\r\nMAIL FROM:<evil>\r\n.\r\n.\r\n\r\n.\r\nend\r\n";
    assert_eq!(server.seen().messages, [expected]);
    assert_eq!(server.envelope(), ["MAIL FROM:<ana@example.org>", "RCPT TO:<a@example.net>", "DATA"]);
}
