//! Lists beside a running service: what it acknowledged is in them, and nobody waits for them.

use super::*;
use serde_json::Value;
use std::io::Read as _;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Set when it is dropped, also by a panic: what goes on until then must not go on for ever.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Rounds of lists while mail arrives.
const ROUNDS: u32 = 6;

fn json(place: &Place, arguments: &[&str]) -> Value {
    let ran = place.reintegra(arguments);
    assert_eq!(ran.code(), Some(0), "{arguments:?}: {}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

/// UIDs of ana's INBOX as they are listed.
fn uids(place: &Place) -> Vec<u64> {
    let list = json(place, &["messages", ANA, "--json"]);
    let rows = list.as_array().unwrap().iter().filter(|row| row["mailbox"] == "INBOX");
    rows.map(|row| row["uid"].as_u64().unwrap()).collect()
}

/// Every list.
fn lists(place: &Place) -> Vec<Value> {
    let commands: [&[&str]; 5] = [
        &["accounts", "--json"],
        &["aliases", "--json"],
        &["messages", ANA, "--json"],
        &["conflicts", "--json"],
        &["integrate", "list", "--json"],
    ];
    commands.into_iter().map(|command| json(place, command)).collect()
}

/// Puts messages into ana's INBOX, each counted before it is sent and when it is acknowledged, until it is told to end or
/// the service is gone.
fn append(mut client: Client, sent: &AtomicU32, acknowledged: &AtomicU32, end: &AtomicBool) {
    while !end.load(Ordering::SeqCst) {
        let text = message(u64::from(sent.fetch_add(1, Ordering::SeqCst)));
        let Some(answer) = client.try_ask(&format!("APPEND INBOX {{{}+}}\r\n{text}", text.len())) else { return };
        assert!(answer.last().unwrap().contains(" OK "), "{answer:?}");
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn lists_are_right_while_mail_arrives_and_the_same_when_the_service_has_ended() {
    let place = Place::with_ana();
    let served = place.serve("");
    let client = Client::imap(served.imap, ANA, PASSWORD);
    let (sent, acknowledged, end) = (AtomicU32::new(0), AtomicU32::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let appending = scope.spawn(|| append(client, &sent, &acknowledged, &end));
        let ending = End(&end);
        await_that("mail arrives", || acknowledged.load(Ordering::SeqCst) > 0);
        for _ in 0..ROUNDS {
            let least = acknowledged.load(Ordering::SeqCst);
            let listed = uids(&place);
            let most = sent.load(Ordering::SeqCst);
            assert_eq!(listed, (1..=listed.len() as u64).collect::<Vec<_>>(), "one state, without a gap");
            assert!((least..=most).contains(&(listed.len() as u32)), "{least} to {most}: {}", listed.len());
            let least = acknowledged.load(Ordering::SeqCst);
            let accounts = json(&place, &["accounts", "--json"]);
            let counted = accounts[0]["messages"].as_u64().unwrap() as u32;
            assert!((least..=sent.load(Ordering::SeqCst)).contains(&counted), "{counted} of {least} at least");
        }
        drop(ending);
        appending.join().unwrap();
    });
    let beside = lists(&place);
    assert_eq!(beside[2].as_array().unwrap().len() as u32, acknowledged.into_inner());
    stop(served);
    assert_eq!(lists(&place), beside);
    place.is_sound();
}

#[test]
fn a_list_that_nobody_reads_on_keeps_neither_mail_nor_the_end_waiting() {
    let place = Place::with_ana();
    let served = place.serve("");
    let mut client = Client::imap(served.imap, ANA, PASSWORD);
    let append = |client: &mut Client, number: u64| {
        let text = message(number);
        let answer = client.ask(&format!("APPEND INBOX {{{}+}}\r\n{text}", text.len()));
        assert!(answer.last().unwrap().contains(" OK "), "{answer:?}");
    };
    // More rows than a pipe holds.
    (0..400).for_each(|number| append(&mut client, number));
    let mut list = place.command(&["messages", ANA, "--json"]);
    let mut list = list.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut pager = list.stdout.take().unwrap();
    let mut begun = [0];
    pager.read_exact(&mut begun).unwrap();
    (400..500).for_each(|number| append(&mut client, number));
    stop(served);
    place.is_sound();
    let served = place.serve("");
    assert_eq!(list.try_wait().unwrap(), None, "it still waits to be read");
    let mut rest = String::from_utf8(begun.to_vec()).unwrap();
    pager.read_to_string(&mut rest).unwrap();
    assert!(list.wait().unwrap().success());
    let listed: Value = serde_json::from_str(&rest).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 400, "as it was when it was asked for");
    assert_eq!(uids(&place).len(), 500);
    stop(served);
    place.is_sound();
}

#[test]
fn after_a_kill_what_was_acknowledged_is_listed_and_the_store_is_sound() {
    let place = Place::with_ana();
    let (sent, acknowledged) = (AtomicU32::new(0), AtomicU32::new(0));
    for round in 1..=4 {
        let served = place.serve("");
        let client = Client::imap(served.imap, ANA, PASSWORD);
        let end = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| append(client, &sent, &acknowledged, &end));
            let _ending = End(&end);
            await_that("mail arrives", || acknowledged.load(Ordering::SeqCst) >= round * 20);
            // A list is under way when the service dies, in some rounds at least.
            let listing = scope.spawn(|| uids(&place));
            signal(served.pid(), rustix::process::Signal::KILL);
            let listed = listing.join().unwrap();
            assert_eq!(listed, (1..=listed.len() as u64).collect::<Vec<_>>());
        });
        served.kill().unwrap();
        let least = acknowledged.load(Ordering::SeqCst) as usize;
        let listed = uids(&place);
        assert!((least..=sent.load(Ordering::SeqCst) as usize).contains(&listed.len()), "{least}: {}", listed.len());
        place.is_sound();
        assert_eq!(uids(&place), listed);
    }
}

#[test]
fn a_service_starts_and_ends_while_lists_are_asked_for_all_the_time() {
    let place = Place::with_ana();
    let end = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut asked = 0;
            while !end.load(Ordering::SeqCst) {
                let accounts = json(&place, &["accounts", "--json"]);
                assert_eq!(accounts[0]["address"], ANA);
                asked += 1;
            }
            asked
        });
        let ending = End(&end);
        for _ in 0..4 {
            let served = place.serve("");
            assert!(Client::connect(served.imap).line().starts_with("* OK"));
            stop(served);
        }
        drop(ending);
        assert!(asking.join().unwrap() > 0);
    });
    place.is_sound();
}
