//! The server is killed (SIGKILL) while clients append: what was answered OK is there, once, and the store is sound.

use super::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How often it is killed.
const ROUNDS: u32 = 6;
/// Clients that append side by side.
const CLIENTS: u64 = 4;

/// What the clients know.
#[derive(Default)]
struct Known {
    next: AtomicU64,
    /// Answered with OK.
    acknowledged: Mutex<BTreeSet<u64>>,
    /// Sent, and the connection broke before the answer.
    unanswered: AtomicU64,
}

/// Appends until the server is gone.
fn append_until_killed(mut client: Client, known: &Known, begun: &AtomicBool) {
    loop {
        let number = known.next.fetch_add(1, Ordering::Relaxed);
        let text = message(number);
        let Some(answer) = client.try_ask(&format!("APPEND INBOX {{{}+}}\r\n{text}", text.len())) else {
            known.unanswered.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let last = answer.last().unwrap();
        assert!(last.contains(" OK "), "{last}");
        known.acknowledged.lock().unwrap().insert(number);
        begun.store(true, Ordering::Relaxed);
    }
}

/// How often each message is there.
fn kept(served: &Served) -> BTreeMap<u64, u32> {
    let mut kept = BTreeMap::new();
    for mailbox in served.account(ANA, PASSWORD).unwrap() {
        let mut uids = BTreeSet::new();
        for found in mailbox.messages {
            let text = String::from_utf8(found.body).unwrap();
            let number: u64 = text.split(['<', '@']).find_map(|part| part.parse().ok()).unwrap();
            assert_eq!(text, message(number), "whole");
            assert!(uids.insert(found.uid), "UID {} twice", found.uid);
            *kept.entry(number).or_insert(0) += 1;
        }
    }
    kept
}

#[test]
fn what_was_acknowledged_before_a_kill_is_there_once() {
    let place = Place::with_ana();
    let known = Known::default();
    for round in 0..ROUNDS {
        let served = place.serve("");
        let begun = AtomicBool::new(false);
        let clients: Vec<Client> = (0..CLIENTS).map(|_| Client::imap(served.imap, ANA, PASSWORD)).collect();
        std::thread::scope(|scope| {
            for client in clients {
                scope.spawn(|| append_until_killed(client, &known, &begun));
            }
            await_that("somebody appended", || begun.load(Ordering::Relaxed));
            // Some moment: the clock's fractions are as good as chance.
            let nanos = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
            let delay = Duration::from_millis(u64::from(nanos / 1000 % 250));
            std::thread::sleep(delay);
            signal(served.pid(), rustix::process::Signal::KILL);
        });
        served.kill().unwrap();
        place.is_sound();

        let served = place.serve("");
        let kept = kept(&served);
        let acknowledged = known.acknowledged.lock().unwrap();
        let lost: Vec<&u64> = acknowledged.iter().filter(|number| !kept.contains_key(number)).collect();
        assert!(lost.is_empty(), "round {round}: acknowledged and lost: {lost:?}");
        let doubled: Vec<_> = kept.iter().filter(|(_, times)| **times > 1).collect();
        assert!(doubled.is_empty(), "round {round}: twice: {doubled:?}");
        drop(acknowledged);
        stop(served);
        place.is_sound();
    }
    assert!(known.unanswered.into_inner() > 0, "no kill met an APPEND on its way");
}
