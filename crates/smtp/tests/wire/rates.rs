//! Limits of rates, and who hears of them.

use crate::world::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use directory::{AdminCredential, NewAdmin};
use message::Address;
use smtp::{RateLimits, Rates, Role};
use std::sync::Arc;

#[test]
fn an_account_that_sends_too_much_is_stopped_and_people_are_told() {
    let limits = RateLimits { account_messages_per_hour: 3, ..RateLimits::default() };
    let world = World::queueing(Role::Submission, |settings| settings.rate = Some(Arc::new(Rates::new(limits))));
    for login in [EVA, "boss@other.example"] {
        let admin = NewAdmin {
            login: Address::new(login).unwrap(),
            credential: AdminCredential::Own(None),
            domains: vec!["example.org".into()],
            password_set_at: None,
        };
        world.change(|tx| tx.add_admin(&admin));
    }
    let mut client = world.client();
    client.is("EHLO [192.0.2.1]", "250");
    client.is(&format!("AUTH PLAIN {}", STANDARD.encode(format!("\0{ANA}\0{PASSWORD}"))), "235");
    for number in 0..3 {
        let text = format!("From: {ANA}\nX-Number: {number}\n\n");
        assert!(client.mail(ANA, &["a@other.example"], &text).starts_with("250"));
    }
    for _ in 0..3 {
        client.is(&format!("MAIL FROM:<{ANA}>"), "450 4.7.1");
    }
    for name in [ANA, EVA] {
        let inbox = world.inbox(name);
        assert_eq!(inbox.len(), 1, "{name} is told once: {inbox:?}");
        assert!(inbox[0].contains("Too much mail sent from ana@example.org"), "{}", inbox[0]);
    }
    let queued = world.queued();
    assert_eq!((queued.len(), queued[3].to()), (4, vec!["boss@other.example"]));
    assert_eq!(queued[3].envelope.reverse_path, "");
    world.finish();
}

/// A world whose accounts' scripts may send three messages an hour, with an admin who is somewhere else.
fn of_three_an_hour() -> World {
    let limits = RateLimits { account_sent_on_per_hour: 3, ..RateLimits::default() };
    let world = World::queueing(Role::Mx, |settings| settings.rate = Some(Arc::new(Rates::new(limits))));
    let admin = NewAdmin {
        login: Address::new("boss@other.example").unwrap(),
        credential: AdminCredential::Own(None),
        domains: vec!["example.org".into()],
        password_set_at: None,
    };
    world.change(|tx| tx.add_admin(&admin));
    world
}

fn came(number: u32, from: &str) -> String {
    format!(
        "Received: by a.example; {number}\nFrom: {from}\nTo: {ANA}\nMessage-ID: <{number}@b.example>\n\ntext {number}\n"
    )
}

#[test]
fn an_account_whose_scripts_send_too_much_keeps_its_mail_and_people_are_told() {
    let world = of_three_an_hour();
    world.script(ANA, "redirect \"out@other.example\";");
    world.script(EVA, "redirect \"ana@example.org\";");
    let mut client = world.hello();
    for number in 0..7 {
        assert!(client.mail("x@b.example", &[ANA], &came(number, "x@b.example")).starts_with("250"));
    }
    // What goes from one account here to another leaves nothing here.
    assert!(client.mail("x@b.example", &[EVA], &came(7, "x@b.example")).starts_with("250"));
    let sent = |to: &str| world.queued().iter().filter(|waiting| waiting.to() == [to]).count();
    assert_eq!((sent("out@other.example"), sent("boss@other.example")), (3, 1));
    let inbox = world.inbox(ANA);
    for number in 3..8 {
        assert_eq!(inbox.iter().filter(|text| text.contains(&format!("\r\ntext {number}\r\n"))).count(), 1, "{number}");
    }
    let told: Vec<&String> =
        inbox.iter().filter(|text| text.contains("Too much mail sent on from ana@example.org")).collect();
    assert_eq!((told.len(), inbox.len(), world.inbox(EVA).len()), (1, 6, 0));
    assert!(told[0].contains("No message is lost"), "{}", told[0]);
    world.finish();
}

#[test]
fn some_of_several_addresses_are_sent_to_and_a_copy_is_kept() {
    let world = of_three_an_hour();
    world.alias("all@example.org", &["a@other.example", "b@other.example"]);
    world.script(ANA, "redirect \"all@example.org\";");
    let mut client = world.hello();
    for number in 0..2 {
        assert!(client.mail("x@b.example", &[ANA], &came(number, "x@b.example")).starts_with("250"));
    }
    let sent: Vec<String> = world.queued().iter().map(|waiting| waiting.to().join(" ")).collect();
    assert_eq!(sent, ["a@other.example b@other.example", "boss@other.example", "a@other.example"]);
    assert_eq!(world.inbox(ANA).iter().filter(|text| text.contains("\r\ntext 1\r\n")).count(), 1);
    world.finish();
}

#[test]
fn answers_of_scripts_count_as_well() {
    let world = of_three_an_hour();
    world.script(ANA, "require \"vacation\"; vacation \"away\";");
    let mut client = world.hello();
    for number in 0..6 {
        // The first is answered once, and what is not said is not counted.
        let from = format!("x{}@b.example", number.max(2));
        assert!(client.mail(&from, &[ANA], &came(number, &from)).starts_with("250"));
    }
    let sent: Vec<String> = world.queued().iter().map(|waiting| waiting.to().join(" ")).collect();
    assert_eq!(sent, ["x2@b.example", "x3@b.example", "x4@b.example", "boss@other.example"]);
    assert_eq!(world.inbox(ANA).iter().filter(|text| text.contains("\r\ntext ")).count(), 6);
    world.finish();
}
