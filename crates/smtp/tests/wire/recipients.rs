//! Who gets mail to an address.

use crate::world::*;
use directory::{AccountState, Forward};
use message::Address;
use smtp::{Role, Settings};

/// Asks for one recipient.
fn rcpt(world: &World, to: &str) -> String {
    let mut client = world.hello();
    client.is("MAIL FROM:<a@b.example>", "250");
    client.ask(&format!("RCPT TO:<{to}>"))
}

/// Sends a message to one recipient and yields how many Ana and Eva have got since.
fn sent(world: &World, to: &str) -> (usize, usize) {
    let before = (world.inbox(ANA).len(), world.inbox(EVA).len());
    let reply = world.hello().mail("a@b.example", &[to], "Subject: a\n\n");
    assert!(reply.starts_with("250"), "{to}: {reply}");
    (world.inbox(ANA).len() - before.0, world.inbox(EVA).len() - before.1)
}

#[test]
fn addresses_lead_to_accounts() {
    let world = World::new(Role::Mx);
    world.domain("alias.example");
    world.domain_alias("alias.example", "example.org");
    world.alias("both@example.org", &[ANA, EVA, "both2@example.org"]);
    world.alias("both2@example.org", &[EVA, ANA]);
    world.alias("eva@example.org", &[EVA, ANA]);
    world.alias("half@example.org", &["gone@example.org", ANA]);
    assert_eq!(sent(&world, "ana@example.org"), (1, 0));
    assert_eq!(sent(&world, "ANA+shop.42@Example.org"), (1, 0));
    assert_eq!(sent(&world, "\"ana\"@example.org"), (1, 0));
    assert_eq!(sent(&world, "ana@alias.example"), (1, 0));
    assert_eq!(sent(&world, "both@example.org"), (1, 1), "each gets it once");
    assert_eq!(sent(&world, "eva@example.org"), (1, 1), "an alias that names its own address means the account there");
    assert_eq!(sent(&world, "half@example.org"), (1, 0), "one who is gone keeps it from nobody");
    // A recipient twice, by two ways, in one transaction.
    let before = world.inbox(ANA).len();
    let to = ["ana@example.org", "ana+x@example.org", "half@example.org"];
    assert!(world.hello().mail("a@b.example", &to, "\n").starts_with("250"));
    assert_eq!(world.inbox(ANA).len(), before + 1);
    assert!(rcpt(&world, "nobody@example.org").starts_with("550 5.1.1"));
    world.alias("@example.org", &[EVA]);
    assert_eq!(sent(&world, "nobody@alias.example"), (1, 1), "the catch-all's target is an alias in turn");
    world.finish();
}

#[test]
fn who_gets_no_mail_is_said_at_rcpt() {
    let mut settings = Settings::new(Role::Mx);
    settings.postmaster = Some(Address::new(ANA).unwrap());
    let world = World::with(settings);
    for (address, state) in [
        ("locked@example.org", AccountState::Locked),
        ("disabled@example.org", AccountState::Disabled),
        ("closed@example.org", AccountState::Closed),
        ("sealed@example.org", AccountState::Sealed),
    ] {
        world.account(address, |account| account.state = state);
    }
    world.domain("off.example");
    world.change(|tx| {
        let mut domain = tx.domain("off.example")?.unwrap();
        domain.disabled = true;
        tx.update_domain(&domain)
    });
    world.alias("loop@example.org", &["pool@example.org"]);
    world.alias("pool@example.org", &["loop@example.org"]);
    world.alias("out@example.org", &["somebody@elsewhere.example"]);
    world.alias("pipe@example.org", &["|/bin/sh"]);
    for (to, begins) in [
        ("locked@example.org", "250"),
        ("postmaster@example.org", "250"),
        ("Postmaster", "250"),
        ("disabled@example.org", "550 5.2.1"),
        ("closed@example.org", "550 5.1.1"),
        ("sealed@example.org", "450 4.2.1"),
        ("anybody@off.example", "550 5.2.1"),
        ("somebody@elsewhere.example", "550 5.7.1"),
        ("ana%elsewhere.example@example.org", "550 5.1.1"),
        ("ana@[127.0.0.1]", "550 5.7.1"),
        ("\"ana maria\"@example.org", "550 5.1.1"),
        ("loop@example.org", "550 5.4.6"),
        ("out@example.org", "451 4.3.2"),
        ("pipe@example.org", "451 4.3.5"),
    ] {
        let reply = rcpt(&world, to);
        assert!(reply.starts_with(begins), "{to}: {reply}");
    }
    world.finish();
}

#[test]
fn a_full_mailbox_is_refused_for_now_and_one_that_is_too_small_for_good() {
    let world = World::new(Role::Mx);
    world.account("small@example.org", |account| account.quota_bytes = Some(1000));
    world.account("grace@example.org", |account| {
        account.quota_bytes = Some(1);
        account.quota_grace_until = Some(i64::MAX);
    });
    let asked = |size: u64, to: &str| {
        let mut client = world.hello();
        client.is(&format!("MAIL FROM:<a@b.example> SIZE={size}"), "250");
        client.ask(&format!("RCPT TO:<{to}>"))
    };
    assert!(asked(1000, "small@example.org").starts_with("250"));
    assert!(asked(1001, "small@example.org").starts_with("552 5.2.2"));
    assert!(asked(1001, "grace@example.org").starts_with("250"));
    let reply = world.hello().mail("a@b.example", &["small@example.org"], &"a\n".repeat(300));
    assert!(reply.starts_with("250"));
    assert!(asked(200, "small@example.org").starts_with("452 4.2.2"));
    world.alias("both@example.org", &[ANA, "small@example.org"]);
    assert!(asked(200, "both@example.org").starts_with("452 4.2.2"), "nobody misses what others of an alias get");
    world.finish();
}

#[test]
fn forwards_are_followed() {
    let world = World::new(Role::Mx);
    let forwarding = |address: &str, targets: &[&str], keep_copy: bool| {
        let id = world.account(address, |_| {});
        let forward = Forward { targets: targets.iter().map(|t| (*t).to_owned()).collect(), keep_copy };
        world.change(|tx| tx.put_forward(id, &forward));
    };
    forwarding("moved@example.org", &[ANA], false);
    forwarding("copied@example.org", &[EVA], true);
    forwarding("itself@example.org", &["itself@example.org", EVA], false);
    assert_eq!(sent(&world, "moved@example.org"), (1, 0));
    assert_eq!(world.inbox("moved@example.org").len(), 0);
    assert_eq!(sent(&world, "copied@example.org"), (0, 1));
    assert_eq!(world.inbox("copied@example.org").len(), 1);
    assert_eq!(sent(&world, "itself@example.org"), (0, 1));
    assert_eq!(world.inbox("itself@example.org").len(), 1);
    world.finish();
}

/// Who cannot write a domain beyond ASCII writes it as DNS has it.
#[test]
fn a_domain_beyond_ascii_is_one_domain_in_both_its_forms() {
    let world = World::new(Role::Mx);
    world.domain("espa\u{f1}a.example");
    world.account("ana@espa\u{f1}a.example", |_| {});
    world.domain("xn--pea-8ma.example");
    world.account("ana@xn--pea-8ma.example", |_| {});
    assert!(rcpt(&world, "ana@xn--espaa-rta.example").starts_with("250"));
    assert!(rcpt(&world, "eva@xn--espaa-rta.example").starts_with("550 5.1.1"));
    let mut client = world.hello();
    client.is("MAIL FROM:<a@b.example> SMTPUTF8", "250");
    client.is("RCPT TO:<ana@pe\u{f1}a.example>", "250");
    client.is("RCPT TO:<ana@espa\u{f1}a.example>", "250");
    client.is("RCPT TO:<ana@ni\u{f1}o.example>", "550 5.7.1");
    world.finish();
}
