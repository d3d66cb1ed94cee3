//! Whenever sending is broken off, nothing is lost.

use crate::world::*;
use edge::{Blocking, Shutdown};
use queue::Verdict;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

#[test]
fn sending_is_broken_off_at_any_point_and_nobody_is_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(AtomicI64::new(START_S));
    let peers: Arc<Peers> = Arc::default();
    *peers.takes.lock().unwrap() = Duration::from_millis(1);

    let queue = open(&directory, settings(), &clock);
    let mut all = HashSet::new();
    for n in 0..300 {
        let (good, bad) = (format!("g{n}@h{}.example", n % 7), format!("b{n}@example.net"));
        peers.script(&bad, &[Does::Says(never())]);
        let envelope = queue.envelope(store::spool::Purpose::Submission, "ana@example.org");
        queue.put(vec![queue::Queue::mail(None, envelope, vec![to(&good), to(&bad)], MESSAGE)]).unwrap();
        all.extend([good, bad]);
    }
    drop(queue);

    let mut kills = 0;
    for round in 0u64.. {
        let queue = open(&directory, settings(), &clock);
        if queue.spool().counts().unwrap().messages == 0 {
            break;
        }
        assert!(round < 500, "it never ends");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (_stop, shutdown) = Shutdown::channel();
        runtime.spawn(queue.run(Blocking::default(), peers.routes(), shutdown));
        std::thread::sleep(Duration::from_millis(2 + round * 7 % 23));
        runtime.shutdown_timeout(Duration::from_secs(20));
        kills += 1;
    }
    assert!(kills > 3, "no kill landed");

    let mut told: HashMap<String, usize> = HashMap::new();
    let mut notices = HashSet::new();
    for dsn in peers.mailbox("ana@example.org") {
        // One that was delivered and not written down came twice: it is the same.
        if notices.insert(fields_of(&dsn, "Message-ID")) {
            for address in fields_of(&dsn, "Final-Recipient") {
                *told.entry(address.strip_prefix("rfc822; ").unwrap().to_owned()).or_default() += 1;
            }
        }
    }
    for address in all {
        let took = peers.tries().iter().any(|t| t.address == address && matches!(t.verdict, Verdict::Relayed { .. }));
        assert!(took || told.get(&address) == Some(&1), "{address}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_asked_to_stop_takes_no_more_and_lets_jobs_end() {
    let mut world = World::new(settings());
    *world.peers.takes.lock().unwrap() = Duration::from_millis(200);
    for n in 0..40 {
        world.put(world.submission(), &[to(&format!("r{n}@example.net"))]);
    }
    world.run();
    world.until(|world| world.peers.most.load(std::sync::atomic::Ordering::SeqCst) > 0).await;
    world.stop().await;
    let reached = world.peers.reached("example.net").len() as u64;
    assert!((1..40).contains(&reached), "{reached}");
    assert_eq!(world.spool().counts().unwrap().waiting, 40 - reached, "what was done is written down");
}
