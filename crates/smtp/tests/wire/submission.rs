//! Mail of people who sign in.

use crate::world::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use directory::AccountState;
use message::Address;
use smtp::{Role, Settings};
use std::time::Duration;

fn plain(password: &str) -> String {
    format!("AUTH PLAIN {}", STANDARD.encode(format!("\0{ANA}\0{password}")))
}

#[test]
fn somebody_signs_in_and_sends_as_themselves() {
    let world = World::new(Role::Submission);
    world.alias("sales@example.org", &[ANA, EVA]);
    let mut client = world.client();
    client.is("AUTH PLAIN", "503");
    let offered = client.is("EHLO [192.0.2.1]", "250");
    assert!(offered.contains("AUTH PLAIN LOGIN"), "{offered}");
    client.is(&format!("MAIL FROM:<{ANA}>"), "530 5.7.0");
    client.is("AUTH CRAM-MD5", "504 5.5.4");
    client.is("AUTH PLAIN !", "501");
    client.is(&plain("guessed"), "535 5.7.8");
    client.is("AUTH PLAIN", "334 ");
    client.is("*", "501");
    client.is("AUTH LOGIN", "334 VXNlcm5hbWU6");
    client.is(&STANDARD.encode(ANA), "334 UGFzc3dvcmQ6");
    client.is(&STANDARD.encode(PASSWORD), "235 2.7.0");
    client.is(&plain(PASSWORD), "503");
    for stranger in ["eva@example.org", "ana@elsewhere.example", "\"ana maria\"@example.org"] {
        client.is(&format!("MAIL FROM:<{stranger}>"), "553 5.7.1");
    }
    for own in [ANA, "ana+shop@example.org", "sales@example.org", ""] {
        client.is(&format!("MAIL FROM:<{own}>"), "250");
        client.is("RSET", "250");
    }
    client.is(&format!("MAIL FROM:<{ANA}>"), "250");
    client.is("RCPT TO:<somebody@elsewhere.example>", "451 4.3.2");
    client.is("RSET", "250");
    assert!(client.mail(ANA, &[EVA], "Subject: hello\n\ntext\n").starts_with("250"));
    let message = &world.inbox(EVA)[0];
    assert!(message.contains(" with ESMTPA\r\n"), "{message}");
    assert!(message.contains("\r\n for <eva@example.org>;\r\n"), "{message}");
    assert!(message.contains("\r\nDate: ") && message.contains("@mail.example.org>\r\nSubject: hello"), "{message}");
    world.finish();
}

#[test]
fn nobody_signs_in_or_sends_in_the_clear() {
    let world = World::strict(Settings::new(Role::Submission));
    let mut client = world.client();
    let offered = client.is("EHLO client.example", "250");
    assert!(offered.contains("STARTTLS") && !offered.contains("AUTH"), "{offered}");
    client.is(&plain(PASSWORD), "538 5.7.11");
    client.is(&format!("MAIL FROM:<{ANA}>"), "530 5.7.0");
    world.finish();
}

#[test]
fn whoever_may_not_be_in_any_more_is_put_out_while_idle_and_within_a_message() {
    let moment = Duration::from_millis(50);
    let mut settings = Settings::new(Role::Submission);
    settings.times.look_again = moment;
    let world = World::with(settings);
    let ana = world.services.directory.account(&Address::new(ANA).unwrap()).unwrap().unwrap().id;
    let signed_in = || {
        let mut client = world.hello();
        client.is(&plain(PASSWORD), "235 2.7.0");
        client
    };
    let (mut idle, mut sending) = (signed_in(), signed_in());
    sending.is(&format!("MAIL FROM:<{ANA}>"), "250");
    sending.is(&format!("RCPT TO:<{EVA}>"), "250");
    sending.is("DATA", "354");
    sending.send("Subject: half of it\r\n");
    // Looked at again and again, an account that is as it was is left alone.
    std::thread::sleep(4 * moment);
    idle.is("NOOP", "250");
    world.change(|tx| tx.set_account_state(ana, AccountState::Disabled));
    for mut client in [idle, sending] {
        client.says("421 4.7.0");
        assert!(client.is_over());
    }
    assert!(world.inbox(EVA).is_empty());
    world.finish();
}

#[test]
fn nobody_writes_findings_in_our_name() {
    let world = World::new(Role::Submission);
    let mut client = world.hello();
    client.is(&plain(PASSWORD), "235");
    let forged =
        "Authentication-Results: mail.example.org; dmarc=pass\nAuthentication-Results: other.example; dmarc=pass\n";
    assert!(client.mail(ANA, &[EVA], &format!("{forged}Subject: a\n\ntext\n")).starts_with("250"));
    let message = &world.inbox(EVA)[0];
    assert!(message.contains("Results: other.example;") && !message.contains("Results: mail.example.org"), "{message}");
    world.finish();
}

/// What is added stands above a message, and what begins that must not be a part of it.
#[test]
fn nobody_writes_another_author_below_the_one_that_is_added() {
    let world = World::new(Role::Submission);
    let mut client = world.hello();
    client.is(&plain(PASSWORD), "235");
    let text = format!(" , {EVA}\nDate: Sun, 22 Nov 2026 12:00:00 +0000\nMessage-ID: <1@x>\nSubject: a\n\ntext\n");
    assert!(client.mail(ANA, &[EVA], &text).starts_with("250"));
    let message = &world.inbox(EVA)[0];
    let authors: Vec<_> = message::header::fields(message.as_bytes())
        .filter(|field| field.is("From"))
        .map(|f| f.value().into_owned())
        .collect();
    assert_eq!(authors, [ANA.as_bytes()]);
    assert!(message.contains(&format!("\r\n\r\n , {EVA}\r\nDate: ")), "{message}");
    world.finish();
}
