//! Every recipient of every message ends exactly once: it has the mail, or its sender is told that it has not.

use crate::world::*;
use queue::operator::{Action, Answer, Selection};
use queue::{QueueSettings, Verdict};
use std::collections::HashMap;
use store::spool::{Envelope, NewRecipient, Notify, Purpose, QueueId, State};

/// Chance that can be had again.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recipient_ends_once() {
    let mut chance = Chance(11);
    let mut world = World::new(settings());
    let mut wanted: HashMap<String, (bool, bool)> = HashMap::new();
    for message in 0..60 {
        let mut recipients: Vec<NewRecipient> = Vec::new();
        for n in 0..=chance.below(4) {
            let hop = ["example.net", "example.com", "dead.example", "example.org"][chance.below(4) as usize];
            let address = format!("m{message}r{n}@{hop}");
            let does: Vec<Does> = (0..chance.below(6))
                .map(|_| match chance.below(12) {
                    0..4 => Does::Says(later()),
                    4 | 5 => Does::Says(unreached()),
                    6 => Does::Says(never()),
                    7 => Does::Panics,
                    8 => Does::SaysTooLittle,
                    _ if hop == "example.org" => Does::Says(Verdict::Delivered),
                    _ => Does::Says(relayed(chance.below(2) == 0)),
                })
                .collect();
            world.peers.script(&address, &does);
            let (success, failure) = (chance.below(2) == 0, chance.below(4) > 0);
            wanted.insert(address.clone(), (success, failure));
            recipients.push(to_asking(&address, success, failure, true));
        }
        world.put(world.submission(), &recipients);
    }
    world.peers.at_hop("dead.example", Some(Does::Says(unreached())));
    world.run();
    world.until_empty().await;
    world.stop().await;

    // What was told, by recipient.
    let mut told: HashMap<String, Vec<String>> = HashMap::new();
    for dsn in world.peers.mailbox("ana@example.org") {
        let addresses = fields_of(&dsn, "Final-Recipient").into_iter();
        for (address, action) in addresses.zip(fields_of(&dsn, "Action")) {
            told.entry(address.strip_prefix("rfc822; ").unwrap().to_owned()).or_default().push(action);
        }
    }
    let count = |actions: &[String], action: &str| actions.iter().filter(|a| *a == action).count();
    for (address, (success, failure)) in wanted {
        let told = told.remove(&address).unwrap_or_default();
        let tries: Vec<Verdict> =
            world.peers.tries().iter().filter(|t| t.address == address).map(|t| t.verdict.clone()).collect();
        let ends = tries.iter().filter(|v| !matches!(v, Verdict::Later(_))).count();
        let has_it = tries.iter().filter(|v| matches!(v, Verdict::Delivered | Verdict::Relayed { .. })).count();
        assert!(ends <= 1 && has_it <= 1, "{address}: {tries:?}");
        assert_eq!(count(&told, "failed"), usize::from(has_it == 0 && failure), "{address}: {tries:?} {told:?}");
        let tells = tries.iter().any(|v| matches!(v, Verdict::Relayed { tells: true, .. }));
        let successes = count(&told, "relayed") + count(&told, "delivered");
        assert_eq!(successes, usize::from(has_it == 1 && success && !tells), "{address}: {tries:?} {told:?}");
        assert!(count(&told, "delayed") <= 1, "{address}: {told:?}");
    }
    assert!(told.is_empty(), "{told:?}");
    assert_eq!(world.spool().counts().unwrap().messages, 0);
    assert!(world.spool().check().unwrap().problems.is_empty());
}

async fn one_that_fails(settings: QueueSettings, envelope: impl Fn(&World) -> Envelope) -> World {
    let mut world = World::new(settings);
    world.peers.script("eva@example.net", &[Does::Says(never())]);
    world.put(envelope(&world), &[to("eva@example.net")]);
    world.run();
    world.until(|world| world.peers.tries_of("eva@example.net") == 1).await;
    world.until_quiet().await;
    world.stop().await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_that_fails_goes_to_the_postmaster_and_then_waits_for_the_operator() {
    let postmaster = || Some("post@example.com".to_owned());
    let world = one_that_fails(QueueSettings { postmaster: postmaster(), ..settings() }, |world| {
        world.queue.envelope(Purpose::Notification, "")
    })
    .await;
    let [tried] = &world.peers.tries()[1..] else { panic!("one notification") };
    assert_eq!((tried.address.as_str(), tried.envelope.reverse_path.as_str()), ("post@example.com", ""));
    assert_eq!(fields_of(&tried.message, "Final-Recipient"), ["rfc822; eva@example.net"]);
    assert!(tried.message.windows(5).any(|bytes| bytes == b"Hola."), "all of it goes along");

    // The postmaster's own does not go round in circles.
    let mut world = World::new(QueueSettings { postmaster: postmaster(), ..settings() });
    world.peers.script("post@example.com", &[Does::Says(never())]);
    world.put(world.queue.envelope(Purpose::Notification, ""), &[to("post@example.com")]);
    world.run();
    world.until(|world| world.spool().counts().unwrap().held == 1).await;
    world.stop().await;
    assert_eq!(world.peers.tries().len(), 1);

    // Nor does one that the postmaster sends on, to where it is refused.
    let mut further = World::new(QueueSettings { postmaster: postmaster(), ..settings() });
    further.peers.script("eva@example.net", &[Does::Says(never())]);
    let sent_on = [b"Delivered-To: post@example.com\r\n", &tried.message[..]].concat();
    further.put_message(further.queue.envelope(Purpose::Forward, ""), &[to("eva@example.net")], &sent_on);
    further.run();
    further.until(|world| world.spool().counts().unwrap().held == 1).await;
    further.stop().await;
    assert_eq!(further.peers.tries().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_postmaster_what_nobody_can_be_told_about_waits_for_the_operator() {
    for purpose in [Purpose::Notification, Purpose::Forward] {
        let world = one_that_fails(settings(), |world| world.queue.envelope(purpose, "")).await;
        let found = world.spool().list(None, 10, &Default::default()).unwrap();
        let [(_, recipients)] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(recipients[0].state, State::Held);
        assert_eq!(recipients[0].last.as_deref(), Some("550 5.1.1 nobody of that name"));
    }
    let world = one_that_fails(settings(), |world| world.queue.envelope(Purpose::Reply, "")).await;
    assert_eq!(world.spool().counts().unwrap().messages, 0);
    assert_eq!(world.peers.tries().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_be_told_about_is_held_for_a_week_unless_the_operator_keeps_it() {
    let notification = |world: &World| world.queue.envelope(Purpose::Notification, "");
    let mut world = one_that_fails(settings(), notification).await;
    let kept = world.put(notification(&world), &[to("ivo@example.net")]);
    world.peers.script("ivo@example.net", &[Does::Says(never())]);
    let waiting = world.put(world.submission(), &[to("otra@example.com")]);
    let hold = |id: Option<QueueId>, recipient: Option<&str>| Action::Hold {
        which: Selection {
            id: id.map(|id| id.to_string()),
            recipient: recipient.map(str::to_owned),
            ..Selection::default()
        },
    };
    world.queue.carry_out(&hold(Some(waiting), None)).unwrap();
    world.run();
    world.until(|world| world.spool().counts().unwrap().held == 3).await;
    world.stop().await;
    let line = |world: &World, id: QueueId| {
        let Answer::Message(Some(entry)) = world.queue.carry_out(&Action::Show { id: id.to_string() }).unwrap() else {
            panic!("it is there")
        };
        entry.recipients[0].clone()
    };
    assert_eq!(line(&world, kept).held_until_s, Some(world.now_s() + 7 * 86_400));
    assert_eq!(line(&world, waiting).held_until_s, None);
    world.queue.carry_out(&hold(None, Some("ivo@example.net"))).unwrap();
    assert_eq!(line(&world, kept).held_until_s, None);

    world.pass(7 * 86_400 - 1);
    world.run();
    world.until_quiet().await;
    world.stop().await;
    assert_eq!(world.spool().counts().unwrap().held, 3);
    world.pass(1);
    world.run();
    world.until(|world| world.spool().counts().unwrap().held == 2).await;
    world.stop().await;
    let left = world.spool().list(None, 9, &Default::default()).unwrap();
    assert_eq!(left.iter().map(|(message, _)| message.id).collect::<Vec<_>>(), [kept, waiting]);
    assert!(world.spool().check().unwrap().problems.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_has_the_next_server_write_where_an_alias_leads() {
    let mut world = World::new(settings());
    let behind = |address: &str, failure| NewRecipient {
        original: Some("rfc822;info@example.org".to_owned()),
        hidden: true,
        ..to_asking(address, true, failure, true)
    };
    // Servers that would tell of a success, where they were asked to.
    let recipients = [behind("eva@example.net", true), behind("ivo@example.net", false), to("pia@example.net")];
    recipients.iter().for_each(|r| world.peers.script(&r.address, &[Does::Says(relayed(true))]));
    world.put(Envelope { purpose: Purpose::Forward, ..world.submission() }, &recipients);
    world.run();
    world.until(|world| world.peers.mailbox("ana@example.org").len() == 1).await;
    world.until(|world| world.spool().counts().unwrap().messages == 0).await;
    world.stop().await;
    let asked = |address: &str| world.peers.tries().iter().find(|t| t.address == address).unwrap().notify;
    assert_eq!(asked("eva@example.net"), Notify { failure: true, ..Notify::NEVER }, "what fails later is told");
    assert_eq!(asked("ivo@example.net"), Notify::NEVER);
    assert_eq!(asked("pia@example.net"), Notify::DEFAULT);
    // So it is told from here, without the address.
    let dsn = &world.peers.mailbox("ana@example.org")[0];
    assert_eq!(fields_of(dsn, "Final-Recipient"), ["rfc822; info@example.org"; 2]);
    assert!(!String::from_utf8_lossy(dsn).contains("example.net"));
    assert!(world.spool().check().unwrap().problems.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sender_of_forwarded_mail_is_told_at_its_own_address() {
    let world = one_that_fails(settings(), |world| {
        let path = world.queue.settings().srs.as_ref().unwrap().forward("ivo@example.com", world.now_s());
        assert!(path.ends_with("@fwd.example"));
        world.queue.envelope(Purpose::Forward, &path)
    })
    .await;
    assert_eq!(world.peers.tries()[1].address, "ivo@example.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_hop_of_a_message_does_not_wait_for_another() {
    let mut world = World::new(settings());
    world.peers.script("eva@example.net", &[Does::Hangs]);
    world.put(world.submission(), &[to("eva@example.net"), to("ivo@example.com"), to("pia@example.com")]);
    world.run();
    world.until(|world| world.peers.reached("example.com").len() == 2).await;
    world.until(|world| world.spool().counts().unwrap().waiting == 1).await;
}
