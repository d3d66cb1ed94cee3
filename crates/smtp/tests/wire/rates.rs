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
