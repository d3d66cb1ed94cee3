//! When what is tried, and how much at once.

use crate::world::*;
use queue::operator::{Action, Answer, Selection, Standing};
use queue::{Queue, QueueLimits, QueueSettings};
use std::sync::atomic::Ordering;
use std::time::Duration;
use store::spool::Purpose;

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_the_limits_is_tried_at_once() {
    let limits = QueueLimits { jobs: 12, jobs_per_hop: 5, message_bytes: 64 * 1024, ..QueueLimits::default() };
    let mut world = World::new(QueueSettings { limits, ..settings() });
    *world.peers.takes.lock().unwrap() = Duration::from_millis(2);
    let large = [MESSAGE, &b"0123456789\r\n".repeat(1000)].concat();
    for n in 0..300 {
        world.put_message(world.submission(), &[to(&format!("r{n}@h{}.example", n % 4))], &large);
    }
    world.run();
    world.until(|world| world.spool().counts().unwrap().messages == 0).await;
    world.stop().await;
    assert!((2..=12).contains(&world.peers.most.load(Ordering::SeqCst)));
    assert!((2..=5).contains(&world.peers.most_at_a_hop.load(Ordering::SeqCst)));
    assert!((1..=64 * 1024).contains(&world.peers.most_bytes.load(Ordering::SeqCst)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_larger_than_the_memory_for_messages_goes_alone() {
    let limits = QueueLimits { message_bytes: 4096, ..QueueLimits::default() };
    let mut world = World::new(QueueSettings { limits, ..settings() });
    let large = [MESSAGE, &b"0123456789\r\n".repeat(10_000)].concat();
    (0..5).for_each(|n| _ = world.put_message(world.submission(), &[to(&format!("r{n}@example.net"))], &large));
    world.run();
    world.until(|world| world.spool().counts().unwrap().messages == 0).await;
    assert_eq!(world.peers.most.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn hops_that_hang_do_not_stop_others() {
    let limits = QueueLimits { jobs: 40, ..QueueLimits::default() };
    let mut world = World::new(QueueSettings { limits, ..settings() });
    for hop in ["slow1.example", "slow2.example", "slow3.example"] {
        world.peers.at_hop(hop, Some(Does::Hangs));
        (0..100).for_each(|n| _ = world.put(world.submission(), &[to(&format!("r{n}@{hop}"))]));
    }
    world.run();
    world.until(|world| world.peers.most.load(Ordering::SeqCst) >= 3).await;
    (0..100).for_each(|n| _ = world.put(world.submission(), &[to(&format!("r{n}@example.net"))]));
    world.until(|world| world.peers.reached("example.net").len() == 100).await;
}

/// Recipients that are being tried.
fn begun(world: &World) -> usize {
    let which = Selection { everything: true, ..Selection::default() };
    let Answer::Messages { messages, .. } =
        world.queue.carry_out(&Action::List { which, after: None, limit: 1000 }).unwrap()
    else {
        panic!("a list")
    };
    messages.iter().flat_map(|entry| &entry.recipients).filter(|line| line.state == Standing::Running).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_for_people_here_does_not_wait_for_slow_servers_that_come_to_an_end() {
    let limits = QueueLimits { jobs: 4, ..QueueLimits::default() };
    let mut world = World::new(QueueSettings { limits, ..settings() });
    *world.peers.takes.lock().unwrap() = Duration::from_millis(20);
    let notice = |hop: &str| {
        Queue::mail(None, world.queue.envelope(Purpose::Notification, ""), vec![to(&format!("ana@{hop}"))], MESSAGE)
    };
    let slow = (0..400).map(|n| notice(&format!("slow{n}.example"))).collect();
    world.queue.put(slow).unwrap();
    world.pass(1);
    world.queue.put(vec![notice("example.org")]).unwrap();
    // One at a time: whenever one ends, the next of them takes its place.
    world.run();
    world.until(|world| world.peers.mailbox("ana@example.org").len() == 1).await;
    let before = world.peers.tries().len();
    assert!(before < 200, "{before} others went before it");
    world.stop().await;
    assert!(world.spool().check().unwrap().problems.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_strangers_have_sent_to_servers_that_hang_stops_nobodys_mail() {
    let limits = QueueLimits { jobs: 40, message_bytes: 128 * 1024, ..QueueLimits::default() };
    let mut world = World::new(QueueSettings { limits, ..settings() });
    let large = [MESSAGE, &b"0123456789\r\n".repeat(1000)].concat();
    let notice = |world: &World| world.queue.envelope(Purpose::Notification, "");
    for n in 0..600 {
        let address = format!("x@tar{n}.example");
        world.peers.script(&address, &[Does::Hangs]);
        world.put_message(notice(&world), &[to(&address)], if n < 2 { MESSAGE } else { &large });
    }
    world.run();
    // A quarter of all jobs, some of which wait for a quarter of the memory; all of it would be filled by the rest.
    world.until(|world| begun(world) == 10).await;
    // Behind all the others.
    world.pass(1);
    // What people send goes on, also to where the others hang, and so does what comes for people here.
    world.put(world.submission(), &[to("ivo@tar0.example")]);
    (0..100).for_each(|n| _ = world.put(world.submission(), &[to(&format!("r{n}@h{n}.example"))]));
    world.put(notice(&world), &[to("ana@example.org")]);
    world.until(|world| world.peers.mailbox("ana@example.org").len() == 1).await;
    world.until(|world| world.peers.tries_of("ivo@tar0.example") == 1).await;
    world.until(|world| world.peers.tries().len() == 102).await;
    assert!(world.peers.most.load(Ordering::SeqCst) <= 40);
    // A quarter of all jobs hangs, and the rest of it waits for these.
    world.until(|world| world.spool().counts().unwrap().waiting == 600).await;
    assert!(world.spool().check().unwrap().problems.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hop_out_of_reach_is_asked_seldom_and_gets_all_when_it_is_back() {
    let mut world = World::new(settings());
    world.peers.at_hop("example.net", Some(Does::Says(unreached())));
    (0..500).for_each(|n| _ = world.put(world.submission(), &[to(&format!("r{n}@example.net"))]));
    world.run();
    world.until(|world| !world.peers.tries().is_empty()).await;
    // Three hours, a minute at a time.
    for _ in 0..180 {
        world.pass(60);
        tokio::time::sleep(Duration::from_millis(4)).await;
    }
    let tries = world.peers.tries().len();
    assert!((5..40).contains(&tries), "{tries} tries for 500 messages");
    let words = |world: &World| {
        let found = world.spool().list(None, 1000, &Default::default()).unwrap();
        found.iter().filter(|(_, r)| r[0].last.as_deref() == Some("4.4.1 connection refused")).count()
    };
    world.until(|world| words(world) == 500).await;

    world.peers.at_hop("example.net", None);
    world.pass(2400);
    world.until(|world| world.spool().counts().unwrap().messages == 0).await;
    assert_eq!(world.peers.reached("example.net").len(), 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_was_never_tried_is_given_up_in_time_too() {
    let mut world = World::new(settings());
    world.peers.at_hop("example.net", Some(Does::Says(unreached())));
    (0..50).for_each(|n| _ = world.put(world.submission(), &[to(&format!("r{n}@example.net"))]));
    world.run();
    world.until_empty().await;
    let dsns = world.peers.mailbox("ana@example.org");
    let told = |action: &str| {
        let all = dsns.iter().flat_map(|dsn| fields_of(dsn, "Action")).filter(|a| a == action).count();
        (action.to_owned(), all)
    };
    assert_eq!(told("delayed"), ("delayed".to_owned(), 50));
    assert_eq!(told("failed"), ("failed".to_owned(), 50));
    let passed_s = world.now_s() - START_S;
    assert!((5 * 86_400..5 * 86_400 + 7200).contains(&passed_s), "{passed_s}");
    assert!(dsns.iter().any(|dsn| fields_of(dsn, "Status") == ["4.4.7"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn greylisting_is_met_with_a_few_quick_tries() {
    let mut world = World::new(settings());
    world.peers.script("eva@example.net", &[Does::Says(later()), Does::Says(later())]);
    world.put(world.submission(), &[to("eva@example.net")]);
    world.run();
    world.until_empty().await;
    assert_eq!(world.peers.tries_of("eva@example.net"), 3);
    assert!((216..=400).contains(&(world.now_s() - START_S)), "{}", world.now_s() - START_S);
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_held_for_a_primary_is_tried_for_weeks_and_nobody_is_bothered() {
    let mut world = World::new(settings());
    world.peers.at_hop("example.net", Some(Does::Says(unreached())));
    world.put(world.queue.envelope(Purpose::Held, "ivo@example.com"), &[to("eva@example.net")]);
    world.run();
    world.until(|world| !world.peers.tries().is_empty()).await;
    for _ in 0..100 {
        world.pass(5 * 3600);
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    world.until_quiet().await;
    assert_eq!(world.spool().counts().unwrap().waiting, 1);
    world.peers.at_hop("example.net", None);
    world.pass(400);
    world.until(|world| world.spool().counts().unwrap().messages == 0).await;
    assert!(world.peers.tries().iter().all(|t| t.address == "eva@example.net"));
}
