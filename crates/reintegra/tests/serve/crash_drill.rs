//! The crash drill: the server is killed (SIGKILL) while mail comes in, at random and at named points, and started again.
//! Every message that was answered 250 is in its mailbox exactly once, and so is every message that Postfix was to hand
//! over: a relay repeats what it heard no answer to, and no repetition makes a second copy.
//!
//! A named point is a system call, into whose beginning `strace` injects the signal: before the bytes are written, before
//! they are synced, before the answer leaves.

use super::peers::{Smtp, says_unless_gone};
use super::*;
use rustix::process::Signal;
use spawned::Spawned;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use store::LIVE;
use testkit::postfix::Postfix;

/// How often it is killed at random, under Postfix and under clients of our own.
const ROUNDS: u64 = 5;
/// Clients that send side by side.
const CLIENTS: u64 = 8;
/// Messages that Postfix is given for each round.
const RELAYED: u64 = 120;
/// Messages that one client sends in one life of the server at most.
const MOST: u32 = 1000;
/// Where it is killed, and at which of these calls of one thread.
const POINTS: [(&str, &str, [u32; 3]); 3] = [
    ("before a write", "pwrite64", [31, 60, 130]),
    ("before a sync", "fdatasync", [4, 9, 23]),
    ("before an answer leaves", "sendto", [40, 95, 180]),
];

/// A message as a relay hands it over: it has come through a server already, and so its bytes are its own.
fn relayed(number: u64) -> String {
    format!(
        "Received: from a.example.net by relay.example.net with ESMTP id {number:08}; Sun, 22 Nov 2026 12:00:00 +0000\r\n\
         From: sender@example.net\r\nMessage-ID: <{number}@drill.example.net>\r\nSubject: no. {number}\r\n\r\n\
         Hola {number}.\r\n{}",
        "Con quince dedos.\r\n".repeat((number % 200) as usize)
    )
}

/// Hands a message over; whether it was answered 250.
#[track_caller]
fn hand_over(smtp: &mut Smtp, number: u64) -> bool {
    says_unless_gone(smtp.bring("sender@example.net", &[ANA], &relayed(number)), "250")
}

/// What the clients know.
#[derive(Default)]
struct Known {
    next: AtomicU64,
    /// Answered with 250.
    acknowledged: Mutex<BTreeSet<u64>>,
    /// Sent without an answer: they are sent again.
    pending: Mutex<Vec<u64>>,
    /// How often that was.
    unanswered: AtomicU64,
}

impl Known {
    /// Sends until the server is gone, what was not answered first.
    fn send_until_killed(&self, server: SocketAddr, begun: &AtomicBool) {
        let Some(mut relay) = Smtp::try_relay(server) else { return };
        for _ in 0..MOST {
            let again = self.pending.lock().unwrap().pop();
            let number = again.unwrap_or_else(|| self.next.fetch_add(1, Ordering::Relaxed));
            if !hand_over(&mut relay, number) {
                self.unanswered.fetch_add(1, Ordering::Relaxed);
                self.pending.lock().unwrap().push(number);
                return;
            }
            self.acknowledged.lock().unwrap().insert(number);
            begun.store(true, Ordering::Relaxed);
        }
    }

    /// Sends until nothing is unanswered.
    fn send_the_rest(&self, server: SocketAddr) {
        let mut relay = Smtp::relay(server);
        while let Some(number) = self.pending.lock().unwrap().pop() {
            assert!(hand_over(&mut relay, number), "no. {number}");
            self.acknowledged.lock().unwrap().insert(number);
        }
    }

    /// What was answered 250 is there once, and whole; nothing else is.
    #[track_caller]
    fn are_kept(&self, kept: &BTreeMap<String, u32>) {
        let acknowledged = self.acknowledged.lock().unwrap();
        let of = |number: &u64| format!("<{number}@drill.example.net>");
        let lost: Vec<&u64> = acknowledged.iter().filter(|number| !kept.contains_key(&of(number))).collect();
        assert!(lost.is_empty(), "answered 250 and lost: {lost:?}");
        let doubled: Vec<_> = kept.iter().filter(|(_, times)| **times > 1).collect();
        assert!(doubled.is_empty(), "twice: {doubled:?}");
    }
}

/// How often each message is there, by its Message-ID.
fn kept(place: &Place) -> BTreeMap<String, u32> {
    let platform = Platform::open(&place.data(), OpenOptions::for_purpose("test")).unwrap();
    let ana = Address::new(ANA).unwrap();
    let cell = platform.store.cell_of(&ana);
    // A server that was killed before it took anything made no account.
    let Some(account) = cell.read(|view| view.account(LIVE, &ana)).unwrap().map(|account| account.id) else {
        return BTreeMap::new();
    };
    let mut blobs = Vec::new();
    for mailbox in cell.read(|view| view.mailboxes(account)).unwrap() {
        let keep = |_, blob| {
            blobs.push(blob);
            Ok(())
        };
        cell.read(|view| view.for_each_message(account, mailbox.id, keep)).unwrap();
    }
    let mut kept = BTreeMap::new();
    for blob in blobs {
        let text = String::from_utf8(cell.read(|view| view.bytes(&blob)).unwrap()).unwrap();
        let id =
            text.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("message-id: ").map(str::to_owned));
        let id = id.unwrap_or_else(|| panic!("no Message-ID: {text}"));
        if let Some(number) = id.strip_prefix('<').and_then(|id| id.strip_suffix("@drill.example.net>")) {
            assert!(text.ends_with(&relayed(number.parse().unwrap())), "whole: {text}");
        }
        *kept.entry(id).or_insert(0) += 1;
    }
    kept
}

/// A server whose MX has one port over all its lives.
struct Drilled {
    place: Place,
    mx: SocketAddr,
    config: PathBuf,
    lives: u32,
}

impl Drilled {
    fn new() -> Self {
        let place = Place::with_ana();
        let [mx] = free_ports().unwrap();
        let text = format!(
            "mx.listen = [\"{mx}\"]\nmx.dmarc = \"off\"\nimap.listen = []\nimap.listen_tls = []\npop3.listen = []\n\
             pop3.listen_tls = []\nsubmission.listen = []\nsubmission.listen_tls = []\nmanagesieve.listen = []\n\
             operator.listen = \"\"\n"
        );
        let config = place.write("reintegra.toml", &text);
        Drilled { place, mx, config, lives: 0 }
    }

    /// Starts it, under `strace` where it is to be killed at a point of its own.
    fn serve(&mut self, point: Option<(&str, u32)>) -> Spawned {
        self.lives += 1;
        let mut command = match point {
            None => Command::new(binary()),
            Some((call, when)) => {
                let mut strace = Command::new("strace");
                strace.args(["-f", "-qqq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e"]);
                strace.arg(format!("inject={call}:signal=KILL:when={when}")).arg(binary());
                strace
            }
        };
        command.arg("--data").arg(self.place.data()).arg("serve").arg("--config").arg(&self.config);
        let mut served = Spawned::start(command, self.place.path(&format!("log-{}", self.lives)));
        // One that is to be killed may not live that long.
        let ready = served.says(" serving");
        assert!(ready || point.is_some(), "{}", served.log());
        served
    }

    /// Has clients send to it until it is dead; `kill` kills it.
    fn send_until_dead(&self, known: &Known, kill: impl FnOnce() + Send) {
        let begun = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| known.send_until_killed(self.mx, &begun));
            }
            kill();
        });
    }

    /// What may be said at the end of every round, with the server at rest.
    #[track_caller]
    fn is_sound(&self) -> BTreeMap<String, u32> {
        self.place.is_sound();
        kept(&self.place)
    }
}

/// Some moment: the clock's fractions are as good as chance.
fn some_moment(below_ms: u64) -> Duration {
    Duration::from_millis(u64::from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_micros()) % below_ms)
}

#[test]
fn killed_at_random_under_relays_nothing_is_lost_and_nothing_doubled() {
    let mut drilled = Drilled::new();
    let Some(postfix) = Postfix::start(drilled.mx, "").unwrap() else { return };
    let known = Known::default();
    let mut handed_over = 0;
    for round in 0..ROUNDS {
        let served = drilled.serve(None);
        let mut source = Command::new("smtp-source");
        source.args(["-s", "10", "-m", &RELAYED.to_string(), "-l", "3000", "-f", "sender@example.net", "-t", ANA]);
        let given = run(source.arg(postfix.smtp.to_string())).unwrap();
        assert!(given.status.success(), "{}", given.stderr);
        handed_over += RELAYED;
        drilled.send_until_dead(&known, || {
            await_that("mail comes in", || !known.acknowledged.lock().unwrap().is_empty());
            std::thread::sleep(some_moment(400));
            signal(served.pid(), Signal::KILL);
        });
        drop(served.ended());
        let kept = drilled.is_sound();
        known.are_kept(&kept);
        assert!(kept.len() > round as usize);
    }
    assert!(known.unanswered.load(Ordering::Relaxed) > 0, "no kill met a message on its way");

    let served = drilled.serve(None);
    known.send_the_rest(drilled.mx);
    postfix.flush().unwrap();
    await_that("Postfix has handed everything over", || postfix.queued().unwrap() == 0);
    assert!(served.end().0.success());
    let kept = drilled.is_sound();
    known.are_kept(&kept);
    let from_postfix = kept.keys().filter(|id| !id.contains("drill.example.net")).count() as u64;
    assert_eq!(from_postfix, handed_over, "what Postfix took over is there\n{}", postfix.log());
}

#[test]
fn killed_at_named_points_nothing_is_lost_and_nothing_doubled() {
    if !testkit::has_programs(&["strace"]) {
        return;
    }
    let mut drilled = Drilled::new();
    let known = Known::default();
    for (name, call, moments) in POINTS {
        let before = known.unanswered.load(Ordering::Relaxed);
        for when in moments {
            let served = drilled.serve(Some((call, when)));
            drilled.send_until_dead(&known, || ());
            let (status, log) = served.ended();
            assert!(!status.success(), "{name}: it lived on\n{log}");
            known.are_kept(&drilled.is_sound());
        }
        assert!(known.unanswered.load(Ordering::Relaxed) > before, "{name}: no kill met a message on its way");
    }
    let served = drilled.serve(None);
    known.send_the_rest(drilled.mx);
    assert!(served.end().0.success());
    let kept = drilled.is_sound();
    known.are_kept(&kept);
    assert_eq!(kept.len(), known.acknowledged.lock().unwrap().len());
}
