//! When what is tried, and how much at once.

use crate::world::*;
use queue::{QueueLimits, QueueSettings};
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
