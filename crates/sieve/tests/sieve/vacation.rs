//! To whom an absent person answers (RFC 5230 §4).

use crate::account::{Account, lines};
use sieve::Action;

const SCRIPT: &str = "require [\"vacation\", \"vacation-seconds\"]; vacation \"Vuelvo el lunes.\";";
const MESSAGE: &str = "From: ana@example.org\nTo: yo@example.com\nSubject: Hola\nMessage-ID: <1@example.org>\n\nHola\n";

fn answers(account: &mut Account, script: &str, message: &str) -> bool {
    lines(&account.run(script, message).unwrap()).contains(&format!("vacation to {}", account.envelope_from))
}

/// §4.5, §4.6, RFC 3834 §2.
#[test]
fn who_is_answered_by_table() {
    let with = |field: &str| format!("{field}\n{MESSAGE}");
    let table = [
        (MESSAGE.to_owned(), true),
        (with("Auto-Submitted: no (really)"), true),
        (with("Auto-Submitted: auto-replied"), false),
        (with("List-Id: <l.example.org>"), false),
        (with("List-Unsubscribe: <mailto:u@x>"), false),
        (with("Auto-Submitted: no\nAuto-Submitted: auto-generated"), false),
        (with("Precedence: BULK"), false),
        (with("Precedence: first-class"), true),
        (with("X-Auto-Response-Suppress: DR, OOF"), false),
        (with("Content-Type: multipart/report; report-type=delivery-status; boundary=x"), false),
        (MESSAGE.replace("To: yo@", "To: otro@"), false),
        (MESSAGE.replace("To: yo@example.com", "Cc: Yo <YO@Example.com>"), true),
        (MESSAGE.replace("To: yo@", "To: yo+tag@"), true),
        (MESSAGE.replace("To: yo@", "To: alias@"), false),
    ];
    for (message, expected) in table {
        assert_eq!(answers(&mut Account::default(), SCRIPT, &message), expected, "{message}");
    }
    // Behind the address of a forwarder there is a person.
    assert!(answers(&mut Account { envelope_from: "srs0=a=b=x=ana@y", ..Account::default() }, SCRIPT, MESSAGE));
    let addresses = SCRIPT.replace("vacation \"", "vacation :addresses [\"Alias@example.com\"] \"");
    assert!(answers(&mut Account::default(), &addresses, &MESSAGE.replace("To: yo@", "To: alias@")));
    for sender in
        ["", "yo@example.com", "owner-list@x", "list-request@x", "MAILER-DAEMON@x", "list-bounces+me=x@y", "bounce-7@x"]
    {
        let mut account = Account { envelope_from: sender, ..Account::default() };
        assert!(!answers(&mut account, SCRIPT, MESSAGE), "{sender}");
    }
}

/// §4.1, §4.2, RFC 6131 §2.
#[test]
fn nobody_is_answered_twice_in_the_interval() {
    const DAY_S: i64 = 86_400;
    let mut account = Account::default();
    assert!(answers(&mut account, SCRIPT, MESSAGE));
    account.now_s += 7 * DAY_S - 1;
    assert!(!answers(&mut account, SCRIPT, MESSAGE));
    // Another text is another vacation, another handle as well; the same handle is the same.
    assert!(answers(&mut account, &SCRIPT.replace("lunes", "martes"), MESSAGE));
    let handled = |text: &str| SCRIPT.replace("vacation \"", &format!("vacation :handle \"h\" \"{text}"));
    assert!(answers(&mut account, &handled("a"), MESSAGE));
    assert!(!answers(&mut account, &handled("b"), MESSAGE));
    account.now_s += 1;
    assert!(answers(&mut account, SCRIPT, MESSAGE));
    account.envelope_from = "berta@example.org";
    assert!(answers(&mut account, SCRIPT, MESSAGE));

    let seconds = SCRIPT.replace("vacation \"", "vacation :seconds 0 \"");
    assert!(answers(&mut account, &seconds, MESSAGE) || account.answered.len() > 2);
    account.now_s += 59;
    assert!(!answers(&mut account, &seconds, MESSAGE));
    account.now_s += DAY_S;
    assert!(answers(&mut account, &seconds, MESSAGE));
}

/// §4.7.
#[test]
fn vacation_keeps_and_stands_alone() {
    let outcome = Account::default().run(SCRIPT, MESSAGE).unwrap();
    assert_eq!(lines(&outcome), ["vacation to ana@example.org", "keep"]);
    let twice = format!("{SCRIPT}\nvacation \"x\";");
    let error = Account::default().run(&twice, MESSAGE).unwrap_err();
    assert_eq!(error.to_string(), "line 2: vacation may be done once for a message");
    let rejecting = "require [\"vacation\", \"reject\"];\nvacation \"x\";\nreject \"y\";";
    assert!(Account::default().run(rejecting, MESSAGE).is_err());
}

/// §4.3, §5.
#[test]
fn the_reply_says_from_whom_and_about_what() {
    let script = "require [\"vacation\", \"variables\"]; if header :matches \"subject\" \"*\" { vacation :from \"Ñandú <yo@example.com>\" \
                  :subject \"Fuera: ${1}\" :mime text:\nContent-Type: text/html; charset=utf-8\n\n<p>ñ</p>\n.\n; }";
    let outcome = Account::default().run(script, MESSAGE).unwrap();
    let Action::Vacation(reply) = &outcome.actions[0] else { panic!("{outcome:?}") };
    let text = String::from_utf8(reply.message.clone()).unwrap();
    assert!(
        text.starts_with(
            "From: =?UTF-8?B?w5FhbmTDug==?= <yo@example.com>\r\nTo: <ana@example.org>\r\nSubject: Fuera: Hola\r\n"
        ),
        "{text}"
    );
    assert!(
        text.contains("In-Reply-To: <1@example.org>\r\nReferences: <1@example.org>\r\nAuto-Submitted: auto-replied"),
        "{text}"
    );
    assert!(
        text.ends_with("Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<p>ñ</p>\r\n"),
        "{text}"
    );
    let outcome = Account::default().run(SCRIPT, &MESSAGE.replace("yo@", "yo+tag@")).unwrap();
    let Action::Vacation(reply) = &outcome.actions[0] else { panic!("{outcome:?}") };
    assert!(reply.message.starts_with(b"From: <yo+tag@example.com>\r\n"));
    assert_eq!(reply.interval_s, 7 * 86_400);
}

/// §4.3: nobody puts another's name on our mail.
#[test]
fn a_reply_comes_from_an_address_of_the_account() {
    let script =
        "require \"vacation\"; vacation :from \"Bank <bank@example.net>\" :addresses \"bank@example.net\" \"x\";";
    for message in [MESSAGE, &MESSAGE.replace("yo@example.com", "bank@example.net")] {
        let outcome = Account::default().run(script, message).unwrap();
        let Action::Vacation(reply) = &outcome.actions[0] else { panic!("{outcome:?}") };
        assert!(reply.message.starts_with(b"From: <yo@example.com>\r\n"), "{}", reply.message.escape_ascii());
    }
}

/// A reply is answered by nobody, ourselves included.
#[test]
fn two_absent_people_do_not_write_to_each_other() {
    let outcome = Account::default().run(SCRIPT, MESSAGE).unwrap();
    let Action::Vacation(reply) = &outcome.actions[0] else { panic!("{outcome:?}") };
    let reply = String::from_utf8(reply.message.clone()).unwrap();
    let script = SCRIPT.replace("vacation \"", "vacation :addresses \"ana@example.org\" \"");
    let mut other = Account { envelope_from: "yo2@example.com", envelope_to: "ana@example.org", ..Account::default() };
    assert!(!answers(&mut other, &script, &reply));
    assert!(answers(&mut other, &script, &reply.replace("Auto-Submitted", "X-A").replace("X-Auto-Response", "X-B")));
}
