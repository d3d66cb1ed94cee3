//! Servers that lie, hang, flood and break off: each ends in an error that says so, and in bounded time and memory.

use super::scripted::{Answer, MESSAGES, Scripted};
use super::{ANA, Described, scan};
use source::{ItemKind, MaildropScan, ReadError, Source, SourceError};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A server that answers commands that begin with a word in its own way.
fn answers(word: &'static str, answer: impl Fn() -> Answer + Send + Sync + 'static) -> Scripted {
    Scripted::start(move |_, command| match command.starts_with(word) && (word.is_empty() == command.is_empty()) {
        true => answer(),
        false => Answer::Usual,
    })
}

fn says(word: &'static str, text: &'static str) -> Scripted {
    answers(word, move || Answer::Say(text.to_owned()))
}

fn scanned(server: &Scripted) -> Result<MaildropScan, SourceError> {
    let (_described, source) = Described::of(&[ANA]).open_kept(server.address, "timeout_s = 1\n");
    scan(&*source, ANA)
}

/// Reads both messages of a server that lists them well.
fn read(server: &Scripted, more: &str) -> Vec<Result<Vec<u8>, ReadError>> {
    let (_described, source) = Described::of(&[ANA]).open_kept(server.address, &format!("timeout_s = 1\n{more}"));
    let scan = scan(&*source, ANA).unwrap();
    let mut buffer = Vec::new();
    let items = &scan.mailboxes[0].items;
    items.iter().map(|item| source.read(&item.locator, &mut buffer).map(|()| buffer.clone())).collect()
}

#[test]
fn a_server_like_any_other_is_read() {
    let server = Scripted::start(|_, _| Answer::Usual);
    let scan = scanned(&server).unwrap();
    assert_eq!(scan.mailboxes[0].uidvalidity, Some(3));
    let bodies: Vec<_> = read(&server, "").into_iter().map(Result::unwrap).collect();
    assert_eq!(bodies, MESSAGES.map(|m| m.1.as_bytes()));
}

#[test]
fn a_server_that_stumbles_on_what_it_claims_is_asked_plainly() {
    let server = Scripted::start(|_, command| match command {
        "" => Answer::Say("* OK [CAPABILITY IMAP4rev1 NAMESPACE LIST-EXTENDED SPECIAL-USE] hello\r\n".to_owned()),
        "CAPABILITY" => {
            Answer::Say("* CAPABILITY IMAP4rev1 NAMESPACE LIST-EXTENDED SPECIAL-USE\r\nTAG OK\r\n".to_owned())
        }
        "NAMESPACE" => Answer::Say("TAG NO not today\r\n".to_owned()),
        _ if command.contains("RETURN") => Answer::Say("TAG BAD what is RETURN\r\n".to_owned()),
        _ if command.starts_with("LSUB") => Answer::Say("* LSUB () \"/\" inbox\r\nTAG OK\r\n".to_owned()),
        _ => Answer::Usual,
    });
    let scan = scanned(&server).unwrap();
    assert!(scan.mailboxes[0].subscribed && scan.mailboxes[0].items.len() == 2, "{scan:?}");
}

#[test]
fn what_is_no_answer_is_an_error_that_says_so() {
    let long = "* X ".to_owned() + &"x".repeat(300 << 10);
    for (word, text, why) in [
        ("", "HTTP/1.1 400 Bad Request\r\n", "greeting"),
        ("", "* PREAUTH welcome\r\n", "greeting"),
        ("", "* BYE too busy\r\n", "too busy"),
        ("LOGIN", "TAG NO [AUTHENTICATIONFAILED] no\r\n", "does not let ana@example.org in"),
        ("LOGIN", "TAG NO [UNAVAILABLE] the directory is away\r\n", "come back later: the directory is away"),
        ("LOGIN", "zz OK\r\n", "a command that was not sent"),
        ("LIST", "* LIST (((((((((((((((((((((((()\r\n", "too deep"),
        ("LIST", "* LIST () \"/\" {999999999999}\r\n", "999999999999 bytes where none are due"),
        ("EXAMINE", "TAG OK\r\n", "how many messages"),
        ("EXAMINE", "* 4000000000 EXISTS\r\nTAG OK\r\n", "4000000000 messages"),
        ("UID", "* 3 FETCH (UID 9 FLAGS () INTERNALDATE \"\" RFC822.SIZE 1)\r\nTAG OK\r\n", "beyond the last"),
        ("UID", "* 1 FETCH (UID 0 FLAGS () INTERNALDATE \"\" RFC822.SIZE 1)\r\nTAG OK\r\n", "a UID that is none"),
        ("UID", "* 1 FETCH (UID 5 FLAGS () INTERNALDATE \"\")\r\nTAG OK\r\n", "no size"),
    ] {
        let server = answers(word, move || Answer::Say(text.to_owned()));
        let error = scanned(&server).unwrap_err().to_string();
        assert!(error.contains(why), "{word} {text}: {error}");
        assert!(!error.contains("clave"), "{error}");
    }
    let server = answers("LIST", move || Answer::Say(long.clone()));
    let error = scanned(&server).unwrap_err().to_string();
    assert!(error.contains("a line is longer than"), "{error}");
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    for (word, begun) in [
        ("", ""),
        ("", "* OK hello\r\n"),
        ("LOGIN", "* OK still here\r\n"),
        ("LIST", "* LIST () \"/\" {5}\r\nIN"),
        ("EXAMINE", "* 2 EXI"),
        ("UID", "* 1 FETCH (UID"),
    ] {
        let server = answers(word, move || Answer::SayAndHang(begun.to_owned()));
        let error = scanned(&server).unwrap_err();
        assert!(matches!(&error, SourceError::Remote(e) if e.is_temporary()), "{word} {begun}: {error}");
        assert!(error.to_string().contains("did not answer in 1 seconds"), "{word} {begun}: {error}");
    }
}

#[test]
fn a_server_that_never_ends_is_given_up() {
    for text in ["* OK go on\r\n", "* 1 EXISTS\r\n", "* LIST () \"/\" INBOX\r\n"] {
        let server = answers("LSUB", move || Answer::Repeat(text.to_owned()));
        let error = scanned(&server).unwrap_err().to_string();
        assert!(error.contains("does not stop") || error.contains("did not answer"), "{text}: {error}");
    }
    let server = answers("LIST", || Answer::Repeat("x".repeat(4096)));
    assert!(scanned(&server).unwrap_err().to_string().contains("a line is longer than"));
}

#[test]
fn a_uid_that_stands_twice_and_messages_that_are_not_described_are_rows() {
    let line = |number: u32, uid: u32| {
        format!("* {number} FETCH (UID {uid} FLAGS () INTERNALDATE \" 1-Jan-2020 00:00:00 +0000\" RFC822.SIZE 9)\r\n")
    };
    let twice = line(1, 5) + &line(2, 5) + "TAG OK\r\n";
    let scan = scanned(&answers("UID", move || Answer::Say(twice.clone()))).unwrap();
    let kinds: Vec<_> = scan.mailboxes[0].items.iter().map(|item| item.kind).collect();
    assert_eq!(kinds, [ItemKind::Message, ItemKind::Unreadable]);
    let one = line(1, 5) + "TAG OK\r\n";
    let scan = scanned(&answers("UID", move || Answer::Say(one.clone()))).unwrap();
    let items = &scan.mailboxes[0].items;
    assert_eq!((items.len(), items[1].kind), (2, ItemKind::Unreadable));
    assert!(items[1].notices[0].text.contains("does not describe"), "{items:?}");
    let two_uids = line(1, 5) + &line(1, 6) + "TAG OK\r\n";
    let error = scanned(&answers("UID", move || Answer::Say(two_uids.clone()))).unwrap_err().to_string();
    assert!(error.contains("two UIDs"), "{error}");
}

#[test]
fn a_mailbox_that_cannot_be_opened_is_a_row() {
    let scan = scanned(&says("EXAMINE", "TAG NO [NOPERM] not yours\r\n")).unwrap();
    let items = &scan.mailboxes[0].items;
    assert_eq!((items.len(), items[0].kind), (1, ItemKind::Unreadable));
    assert!(items[0].notices[0].text.contains("not yours"), "{items:?}");
}

/// Answers to the fetching of bodies, in its own way.
fn bodies(text: &'static str) -> Scripted {
    Scripted::start(move |_, command| match command.contains("BODY.PEEK[]") {
        true if text.ends_with("TAG OK\r\n") || text.starts_with("TAG") => Answer::Say(text.to_owned()),
        true => Answer::SayAndClose(text.to_owned()),
        false => Answer::Usual,
    })
}

#[test]
fn bytes_that_are_not_as_announced_are_no_message() {
    for (text, why) in [
        ("* 1 FETCH (UID 5 BODY[] {10}\r\nabc", "closed the connection"),
        ("* 1 FETCH (UID 5 BODY[] {999999999999999999}\r\nabc", "more than the limit"),
        ("* 1 FETCH (UID 6 BODY[] {3}\r\nabc)\r\nTAG OK\r\n", "not asked for"),
        ("* 1 FETCH (BODY[] {3}\r\nabc)\r\nTAG OK\r\n", "not asked for"),
        ("* 1 FETCH (UID 5 BODY[] {3}\r\nabcde)\r\nTAG OK\r\n", "breaks the protocol"),
        ("* 1 FETCH (UID 5 BODY[] NIL)\r\nTAG OK\r\n", "without bytes"),
        ("TAG NO [SERVERBUG] cannot\r\n", "answered UID FETCH with: cannot"),
        ("TAG OK\r\n", "disappeared"),
    ] {
        let first = read(&bodies(text), "").remove(0);
        let error = first.unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
    let twice = "* 1 FETCH (UID 5 BODY[] \"a\")\r\n* 1 FETCH (UID 5 BODY[] \"a\")\r\nTAG OK\r\n";
    assert!(read(&bodies(twice), "").remove(0).unwrap_err().to_string().contains("one twice"));
}

#[test]
fn a_server_that_is_away_for_a_while_is_waited_for() {
    let failures = AtomicUsize::new(0);
    let server = Scripted::start(move |_, command| {
        if !command.contains("BODY.PEEK[]") {
            return Answer::Usual;
        }
        match failures.fetch_add(1, Ordering::SeqCst) {
            0 => Answer::SayAndClose("* BYE shutting down\r\n".to_owned()),
            1 => Answer::SayAndClose("* 1 FETCH (UID 5 BODY[] {20}\r\nhalf".to_owned()),
            2 => Answer::Say("TAG NO [UNAVAILABLE] busy\r\n".to_owned()),
            _ => Answer::Usual,
        }
    });
    let bodies: Vec<_> = read(&server, "patience_s = 30\n").into_iter().map(Result::unwrap).collect();
    assert_eq!(bodies, MESSAGES.map(|m| m.1.as_bytes()));
    assert!(server.connections() >= 3);
}

#[test]
fn a_server_that_breaks_off_over_one_message_costs_that_message_alone() {
    let server = Scripted::start(|_, command| match command.contains("BODY.PEEK[]") && command.contains(" 5") {
        true => Answer::SayAndClose(String::new()),
        false => Answer::Usual,
    });
    let read = read(&server, "patience_s = 30\n");
    assert!(matches!(&read[0], Err(ReadError::Remote(e)) if e.is_temporary()), "{read:?}");
    assert_eq!(read[1].as_ref().unwrap(), MESSAGES[1].1.as_bytes());
}

#[test]
fn a_server_that_does_not_come_back_is_away() {
    let server = Scripted::start(|connection, command| match (connection, command) {
        (1, command) if !command.contains("BODY.PEEK[]") => Answer::Usual,
        _ => Answer::SayAndClose(String::new()),
    });
    let read = read(&server, "patience_s = 1\n");
    assert!(read.iter().all(|r| matches!(r, Err(ReadError::Away(_)))), "{read:?}");
}

#[test]
fn uidvalidity_that_changes_in_between_is_named() {
    let opened = AtomicUsize::new(0);
    let server = Scripted::start(move |_, command| match command.split(' ').next() {
        Some("EXAMINE") if opened.fetch_add(1, Ordering::SeqCst) > 0 => {
            Answer::Say("* 2 EXISTS\r\n* OK [UIDVALIDITY 4] x\r\nTAG OK\r\n".to_owned())
        }
        // So that the mailbox is opened again for the bytes.
        Some("UID") if command.contains("BODY.PEEK[]") && opened.load(Ordering::SeqCst) == 1 => {
            Answer::SayAndClose(String::new())
        }
        _ => Answer::Usual,
    });
    let first = read(&server, "patience_s = 30\n").remove(0);
    assert!(matches!(&first, Err(ReadError::Renumbered { was: 3, now: 4, .. })), "{first:?}");
}

#[test]
fn no_more_connections_are_made_than_allowed() {
    static OPEN: AtomicUsize = AtomicUsize::new(0);
    let server = Scripted::start(|_, command| {
        if command.is_empty() {
            assert!(OPEN.fetch_add(1, Ordering::SeqCst) < 2);
        }
        if command == "LOGOUT" {
            OPEN.fetch_sub(1, Ordering::SeqCst);
        }
        Answer::Usual
    });
    let people: Vec<String> = (0..6).map(|n| format!("p{n}@example.org")).collect();
    let described = Described::of(&people.iter().map(String::as_str).collect::<Vec<_>>());
    let source = described.open(server.address, "connections = 2\npause_ms = 1\n");
    std::thread::scope(|scope| {
        for person in &people {
            let source: &dyn Source = &*source;
            scope.spawn(move || assert_eq!(scan(source, person).unwrap().mailboxes[0].items.len(), 2));
        }
    });
    assert!(server.connections() >= 3);
}
