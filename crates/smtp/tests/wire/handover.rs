//! What goes to the queue.

use crate::world::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use smtp::Role;
use store::spool::{Filter, Notify, Purpose, Return, Settled, Settlement};

fn signed_in(world: &World) -> Client {
    let mut client = world.client();
    client.is("EHLO [192.0.2.1]", "250");
    client.is(&format!("AUTH PLAIN {}", STANDARD.encode(format!("\0{ANA}\0{PASSWORD}"))), "235");
    client
}

#[test]
fn mail_to_other_servers_is_queued_before_the_answer() {
    let world = World::queueing(Role::Submission, |_| {});
    let mut client = signed_in(&world);
    client.is(&format!("MAIL FROM:<{ANA}> RET=HDRS ENVID=e1"), "250");
    client.is("RCPT TO:<a@other.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x@other.example", "250");
    client.is("RCPT TO:<b@Another.example>", "250");
    client.is("RCPT TO:<eva@example.org>", "250");
    client.is("DATA", "354");
    client.send(format!("From: {ANA}\r\nBcc: b@another.example\r\nSubject: a\r\n\r\ntext\r\n.\r\n"));
    client.says("250 2.0.0");
    assert_eq!(world.inbox(EVA).len(), 1, "who is here has it at once");
    let queued = world.queued();
    assert_eq!(queued.len(), 1);
    let (envelope, recipients) = (&queued[0].envelope, &queued[0].recipients);
    assert_eq!((&envelope.reverse_path[..], envelope.purpose), (ANA, Purpose::Submission));
    assert_eq!((envelope.envelope_id.as_deref(), envelope.returns), (Some("e1"), Some(Return::Headers)));
    assert_eq!((&recipients[0].hop[..], &recipients[1].hop[..]), ("other.example", "another.example"));
    assert_eq!(recipients[0].notify, Notify { success: true, failure: false, delay: true });
    assert_eq!(recipients[0].original.as_deref(), Some("rfc822;x@other.example"));
    assert_eq!(recipients[1].notify, Notify::DEFAULT);
    for text in [&queued[0].text, &world.inbox(EVA)[0]] {
        assert!(!text.contains("Bcc"), "{text}");
        assert!(text.contains("\r\nDate: ") && text.contains("\r\nMessage-ID: <"), "{text}");
    }
    world.finish();
}

#[test]
fn an_author_is_the_sender() {
    let world = World::queueing(Role::Submission, |_| {});
    world.alias("sales@example.org", &[ANA]);
    let mut client = signed_in(&world);
    for (head, begins) in [
        ("From: ana@example.org", "250"),
        ("From: Sales <sales@example.org>, ana+x@example.org", "250"),
        ("Subject: none", "250"),
        ("From: eva@example.org", "550 5.7.1"),
        ("From: ana@example.org\r\nFrom: eva@example.org", "550 5.7.1"),
        ("From: boss@bank.example", "550 5.7.1"),
        ("From: boss@bank.example\r\nResent-From: ana@example.org", "250"),
        ("From: eva@example.org\r\nResent-From: ana@example.org", "550 5.7.1"),
        ("From:", "550 5.7.1"),
    ] {
        client.is(&format!("MAIL FROM:<{ANA}>"), "250");
        client.is("RCPT TO:<a@other.example>", "250");
        client.is("DATA", "354");
        client.send(format!("{head}\r\n\r\ntext\r\n.\r\n"));
        let reply = client.reply();
        assert!(reply.starts_with(begins), "{head}: {reply}");
    }
    assert!(world.queued()[2].text.contains("\r\nFrom: ana@example.org\r\n"), "who has no author gets one");
    world.finish();
}

#[test]
fn aliases_lead_elsewhere_and_dsns_find_back() {
    let world = World::queueing(Role::Mx, |_| {});
    world.alias("out@example.org", &["a@other.example", "b@other.example", ANA]);
    let mut client = world.hello();
    assert!(client.mail("x@b.example", &["out@example.org"], "Subject: a\n\n").starts_with("250"));
    let queued = world.queued();
    assert_eq!((queued.len(), queued[0].to()), (1, vec!["a@other.example", "b@other.example"]));
    assert_eq!(queued[0].envelope.purpose, Purpose::Forward);
    assert!(queued[0].text.starts_with("Delivered-To: out@example.org\r\nReceived: "));
    assert_eq!(world.inbox(ANA).len(), 1);
    // The sender knows nothing of these addresses, and hears of what it named.
    let known = |waiting: &Waiting| -> Vec<(bool, Option<String>)> {
        waiting.recipients.iter().map(|r| (r.hidden, r.original.clone())).collect()
    };
    assert_eq!(known(&queued[0]), vec![(true, Some("rfc822;out@example.org".to_owned())); 2]);
    let path = queued[0].envelope.reverse_path.clone();
    // A DSN to the rewritten path goes on to the sender; nobody else writes to it.
    assert!(client.mail("", &[&path], "Subject: dsn\n\n").starts_with("250"));
    let dsn = &world.queued()[1];
    assert_eq!((dsn.to(), &dsn.envelope.reverse_path[..]), (vec!["x@b.example"], ""));
    client.is("MAIL FROM:<spammer@b.example>", "250");
    client.is(&format!("RCPT TO:<{path}>"), "550 5.7.1");
    client.is("RSET", "250");
    client.is("MAIL FROM:<>", "250");
    client.is(&format!("RCPT TO:<{}>", path.replace("b.example", "c.example")), "550 5.1.1");
    client.is("RSET", "250");
    // Senders who are hosted here keep their path.
    assert!(client.mail(EVA, &["out@example.org"], "Subject: b\n\n").starts_with("250"));
    assert_eq!(world.queued()[2].envelope.reverse_path, EVA);
    // What the sender said the address was counts more.
    client.is("MAIL FROM:<x@b.example>", "250");
    client.is("RCPT TO:<out@example.org> ORCPT=rfc822;list@b.example", "250");
    client.is("DATA", "354");
    client.send("Subject: named\r\n\r\n.\r\n");
    client.says("250");
    assert_eq!(known(&world.queued()[3])[0], (true, Some("rfc822;list@b.example".to_owned())));
    // So does where an account's script leads, through whomever.
    world.script(EVA, "redirect \"c@other.example\";");
    world.alias("boss@example.org", &[EVA]);
    assert!(client.mail("x@b.example", &["boss@example.org"], "Subject: d\n\n").starts_with("250"));
    assert_eq!(known(&world.queued()[4]), [(true, Some("rfc822;boss@example.org".to_owned()))]);
    // What an alias sent on and comes back is a circle.
    let looped = "Delivered-To: far@example.org\nSubject: c\n\n";
    world.alias("far@example.org", &["a@other.example"]);
    assert!(client.mail("x@b.example", &["far@example.org"], looped).starts_with("554 5.4.6"));
    world.finish();
}

#[test]
fn who_behind_an_alias_refuses_is_not_told() {
    let world = World::queueing(Role::Mx, |_| {});
    world.account("pia@example.org", |_| {});
    world.alias("info@example.org", &[ANA, EVA]);
    world.script(EVA, "require \"reject\"; reject \"no more of this\";");
    let mut client = world.hello();
    let text = |number| format!("Received: by a.example; {number}\nSubject: a\n\n");
    assert!(client.mail("pia@example.org", &["info@example.org"], &text(1)).starts_with("250"));
    let queued = world.queued();
    assert_eq!((queued.len(), queued[0].to()), (1, vec![EVA]));
    let known = |waiting: &Waiting| (waiting.recipients[0].hidden, waiting.recipients[0].original.clone());
    assert_eq!(known(&queued[0]), (true, Some("rfc822;info@example.org".to_owned())));
    world.run_queue();
    let told = &world.inbox("pia@example.org")[0];
    assert!(told.contains("Final-Recipient: rfc822; info@example.org") && told.contains("no more of this"), "{told}");
    assert!(!told.contains("eva"), "{told}");
    assert_eq!((world.inbox(ANA).len(), world.inbox(EVA).len()), (1, 0));
    // Whom the sender named itself is named.
    assert!(client.mail("pia@example.org", &[ANA, "EVA@example.org"], &text(2)).starts_with("250"));
    assert_eq!(known(&world.queued()[0]), (false, None));
    world.run_queue();
    assert!(world.inbox("pia@example.org")[1].contains("Final-Recipient: rfc822; eva@example.org"));
    world.finish();
}

#[test]
fn what_comes_again_goes_again_to_those_for_whom_it_failed() {
    let world = World::queueing(Role::Submission, |_| {});
    let mut client = signed_in(&world);
    let text = format!("From: {ANA}\nDate: Sun, 22 Nov 2026 12:00:00 +0000\nMessage-ID: <1@example.org>\n\ntext\n");
    let all = ["a@other.example", "b@other.example", "c@another.example"];
    assert!(client.mail(ANA, &all, &text).starts_with("250"));
    let first = world.spool().list(None, 9, &Filter::default()).unwrap().remove(0).0.id;
    let ends = |id, recipients: &[(u32, Settled)]| {
        let settlement = Settlement { id, recipients: recipients.to_vec(), then: Vec::new() };
        world.spool().settle(vec![settlement], true).unwrap();
    };
    ends(first, &[(0, Settled::Done), (1, Settled::Failed)]);
    // One has it, one waits for it still: neither gets another. In whatever order they are named.
    for _ in 0..2 {
        assert!(client.mail(ANA, &[all[2], all[1], all[0]], &text).starts_with("250"));
        let waits: Vec<String> = world.queued().iter().map(|waiting| waiting.to().join(" ")).collect();
        assert_eq!(waits, [all[2], all[1]]);
    }
    let second = world.spool().list(Some(first), 9, &Filter::default()).unwrap().remove(0).0.id;
    ends(first, &[(2, Settled::Done)]);
    ends(second, &[(0, Settled::Done)]);
    assert!(client.mail(ANA, &all, &text).starts_with("250"));
    assert!(world.queued().is_empty(), "everybody has it");
    world.finish();
}

#[test]
fn who_asks_hears_that_it_was_delivered() {
    let world = World::queueing(Role::Mx, |_| {});
    let mut client = world.hello();
    client.is("MAIL FROM:<eva@example.org> ENVID=e1", "250");
    client.is("RCPT TO:<ana@example.org> NOTIFY=SUCCESS", "250");
    client.is("DATA", "354");
    client.send("Subject: a\r\n\r\n.\r\n");
    client.says("250");
    world.run_queue();
    assert!(world.queued().is_empty());
    assert_eq!(world.inbox(ANA).len(), 1);
    let dsn = &world.inbox(EVA)[0];
    assert!(dsn.contains("Action: delivered") && dsn.contains("Original-Envelope-Id: e1"), "{dsn}");
    world.finish();
}
