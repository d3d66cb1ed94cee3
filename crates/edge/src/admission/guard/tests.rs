//! Who waits for whose failures.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::sasl::{Attempt, Claim};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

const ANA: &str = "ana@example.org";
const EVA: &str = "eva@example.org";
const HOME: &str = "198.51.100.7";
const ATTACKER: &str = "203.0.113.66";

/// A guard and the time it goes by.
struct Scene {
    guard: Arc<Guard>,
    now_ms: Arc<AtomicU64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    LookedAt,
    KnownWrong,
    Later,
}
use Outcome::{KnownWrong, Later, LookedAt};

impl Scene {
    fn new() -> Self {
        let now_ms = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&now_ms);
        Scene { guard: Guard::new(Arc::new(move || clock.load(Ordering::SeqCst))), now_ms }
    }

    fn pass(&self, seconds: u64) {
        self.now_ms.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    fn begin(&self, login: &str, from: &str, known: bool, secret: &str) -> Ruling {
        let networks = Networks::of(from.parse::<IpAddr>().unwrap());
        let hash = Secret::new("{X}hash");
        self.guard.begin(
            login,
            networks,
            known,
            Guess::Password { password: &password(secret), hash: Some(&hash) },
            false,
        )
    }

    /// A wrong password from a network that the account is not known from.
    fn wrong(&self, login: &str, from: &str, secret: &str) -> Outcome {
        self.wrong_from(login, from, false, secret)
    }

    fn wrong_from(&self, login: &str, from: &str, known: bool, secret: &str) -> Outcome {
        match self.begin(login, from, known, secret) {
            Ruling::Go(ticket) => {
                ticket.wrong();
                LookedAt
            }
            Ruling::KnownWrong => KnownWrong,
            Ruling::Later => Later,
        }
    }

    /// The right password.
    fn right(&self, login: &str, from: &str, known: bool) -> Outcome {
        match self.begin(login, from, known, "right") {
            Ruling::Go(ticket) => {
                ticket.right();
                LookedAt
            }
            Ruling::KnownWrong => KnownWrong,
            Ruling::Later => Later,
        }
    }
}

fn password(text: &str) -> Password {
    match Attempt::plain(ANA, text).claim {
        Claim::Password(password) => password,
        Claim::Scram(_) => unreachable!("it is a password"),
    }
}

/// Tries so many wrong passwords that `from` has to wait.
fn guess_until_barred(scene: &Scene, login: &str, from: &str) -> u32 {
    (0..1000).find(|n| scene.wrong(login, from, &format!("guess {n}")) == Later).unwrap()
}

#[test]
fn who_guesses_waits_and_the_owner_does_not() {
    let scene = Scene::new();
    assert_eq!(guess_until_barred(&scene, ANA, ATTACKER), PAIR.free + 1);
    assert_eq!(scene.right(ANA, ATTACKER, false), Later, "from there not even the right one is looked at");
    assert_eq!(scene.right(ANA, HOME, true), LookedAt, "at home nothing happened");
    assert_eq!(scene.right(ANA, "192.0.2.1", false), LookedAt, "nor on the first day of a journey");
    assert_eq!(scene.right(EVA, ATTACKER, false), LookedAt, "nor for another account");
}

#[test]
fn waits_double_up_to_an_hour_and_end() {
    let scene = Scene::new();
    guess_until_barred(&scene, ANA, ATTACKER);
    scene.pass(29);
    assert_eq!(scene.wrong(ANA, ATTACKER, "a"), Later);
    scene.pass(1);
    assert_eq!(scene.wrong(ANA, ATTACKER, "a"), LookedAt);
    scene.pass(59);
    assert_eq!(scene.wrong(ANA, ATTACKER, "b"), Later);
    scene.pass(1);
    assert_eq!(scene.wrong(ANA, ATTACKER, "b"), LookedAt);
    // Whoever goes on as fast as they may gets few tries in a day.
    let mut tries = 0;
    for second in 0..86_400 {
        scene.pass(1);
        tries += u32::from(scene.wrong(ANA, ATTACKER, &format!("{second}")) == LookedAt);
    }
    assert!((24..=120).contains(&tries), "{tries}");
    scene.pass(86_400 * 3);
    assert_eq!(scene.right(ANA, ATTACKER, false), LookedAt, "all is forgiven");
}

#[test]
fn an_attempt_during_a_wait_does_not_lengthen_it() {
    let scene = Scene::new();
    guess_until_barred(&scene, ANA, ATTACKER);
    for _ in 0..29 {
        scene.pass(1);
        assert_eq!(scene.right(ANA, ATTACKER, false), Later);
    }
    scene.pass(1);
    assert_eq!(scene.right(ANA, ATTACKER, false), LookedAt);
}

#[test]
fn a_telephone_with_an_old_password_counts_once() {
    let scene = Scene::new();
    let mut looked_at = 0;
    for _ in 0..24 * 60 {
        looked_at += u64::from(scene.wrong_from(ANA, HOME, true, "of last year") == LookedAt);
        assert_eq!(scene.right(ANA, HOME, true), LookedAt, "the owner's other programs beside it");
        scene.pass(60);
    }
    assert_eq!(looked_at, 86_400_000 / FORGIVEN_MS, "known to be wrong, but when it was forgiven");
}

#[test]
fn a_changed_password_makes_an_old_failure_new() {
    let scene = Scene::new();
    assert_eq!(scene.wrong(ANA, HOME, "new"), LookedAt);
    let networks = Networks::of(HOME.parse().unwrap());
    let hash = Secret::new("{X}another hash");
    let ruling = scene.guard.begin(
        ANA,
        networks,
        false,
        Guess::Password { password: &password("new"), hash: Some(&hash) },
        false,
    );
    assert!(matches!(ruling, Ruling::Go(_)));
}

#[test]
fn a_botnet_does_not_lock_the_owner_out() {
    let scene = Scene::new();
    let mut looked_at = 0;
    for host in 0..2000 {
        let from = format!("10.{}.{}.1", host / 250, host % 250);
        for guess in 0..5 {
            looked_at += u32::from(scene.wrong(ANA, &from, &format!("{host} {guess}")) == LookedAt);
        }
    }
    assert!(looked_at < 2000 * 2 + 500, "in a flood new networks have fewer tries: {looked_at}");
    assert_eq!(scene.right(ANA, HOME, true), LookedAt);
    assert_eq!(scene.right(ANA, "192.0.2.1", false), LookedAt, "nor a journey during the flood");
    assert_eq!(scene.wrong(ANA, "192.0.2.2", "mistyped"), LookedAt, "nor a journey with a slip");
    scene.pass(30);
    assert_eq!(scene.right(ANA, "192.0.2.2", false), LookedAt);
}

#[test]
fn many_accounts_from_one_network_count_for_the_network() {
    let scene = Scene::new();
    for number in 0..=NETWORK.free {
        assert_eq!(scene.wrong(&format!("user{number}@example.org"), ATTACKER, "Summer2026"), LookedAt);
    }
    assert_eq!(scene.wrong("another@example.org", ATTACKER, "Summer2026"), Later);
    assert_eq!(scene.right(ANA, ATTACKER, true), LookedAt, "who is known there does not wait for strangers");
    assert_eq!(scene.right(EVA, ATTACKER, false), Later);
    assert_eq!(scene.right(EVA, HOME, false), LookedAt);
}

#[test]
fn an_attacker_with_a_whole_network_waits_as_one() {
    let scene = Scene::new();
    let mut looked_at = 0;
    for host in 1..=200 {
        looked_at += u32::from(scene.wrong(ANA, &format!("203.0.113.{host}"), &format!("{host}")) == LookedAt);
    }
    assert_eq!(looked_at, WIDE_PAIR.free + 1);
    assert_eq!(scene.right(ANA, "203.0.113.250", true), LookedAt, "a neighbour who is known does not wait");
    assert_eq!(scene.right(EVA, "203.0.113.250", false), LookedAt, "nor another account");

    let mut looked_at = 0;
    for subnet in 1..=200 {
        let from = format!("2001:db8:1:{subnet:x}::1");
        looked_at += u32::from(scene.wrong(EVA, &from, &format!("{subnet}")) == LookedAt);
    }
    assert_eq!(looked_at, WIDE_PAIR.free + 1);
}

#[test]
fn at_home_waits_are_short_and_own_failures_count() {
    let scene = Scene::new();
    for guess in 0..=KNOWN_PAIR.free {
        assert_eq!(scene.wrong_from(ANA, HOME, true, &format!("{guess}")), LookedAt);
    }
    assert_eq!(scene.right(ANA, HOME, true), Later);
    scene.pass(15);
    assert_eq!(scene.right(ANA, HOME, true), LookedAt);
    for guess in 100..1000 {
        scene.wrong_from(ANA, HOME, true, &format!("{guess}"));
        scene.pass(60);
    }
    scene.pass(300);
    assert_eq!(scene.right(ANA, HOME, true), LookedAt, "never more than five minutes");
}

#[test]
fn many_guesses_at_once_are_no_way_round() {
    let scene = Scene::new();
    let flight: Vec<Ruling> = (0..100).map(|n| scene.begin(ANA, ATTACKER, false, &format!("{n}"))).collect();
    let looked_at = flight.iter().filter(|r| matches!(r, Ruling::Go(_))).count();
    assert_eq!(looked_at, PAIR.free as usize);
    drop(flight);
    assert!(scene.guard.lock().is_empty(), "what had no outcome counts for nothing");
}

#[test]
fn a_program_that_opens_many_connections_is_one_guess() {
    let scene = Scene::new();
    let flight: Vec<Ruling> = (0..100).map(|_| scene.begin(ANA, HOME, false, "right")).collect();
    assert!(flight.iter().all(|r| matches!(r, Ruling::Go(_))));
}

#[test]
fn what_cannot_be_guessed_is_always_looked_at() {
    let scene = Scene::new();
    guess_until_barred(&scene, ANA, ATTACKER);
    let networks = Networks::of(ATTACKER.parse().unwrap());
    let ruling = scene.guard.begin(
        ANA,
        networks,
        false,
        Guess::Password { password: &password("an app password"), hash: None },
        true,
    );
    assert!(matches!(ruling, Ruling::Go(_)));
}

#[test]
fn proofs_without_a_password_count_each() {
    let scene = Scene::new();
    let networks = Networks::of(ATTACKER.parse().unwrap());
    let looked_at = (0..50).filter(|_| match scene.guard.begin(ANA, networks, false, Guess::Unlike, false) {
        Ruling::Go(ticket) => {
            ticket.wrong();
            true
        }
        _ => false,
    });
    assert_eq!(looked_at.count(), PAIR.free as usize + 1);
}

#[test]
fn tallies_are_bounded_and_the_latest_stay() {
    let scene = Scene::new();
    let mut last = String::new();
    for number in 0..(TALLIES as u64 / 2) {
        last = format!("10.{}.{}.{}", number / 65_536, number / 256 % 256, number % 256);
        scene.wrong(&format!("user{number}@example.org"), &last, "x");
        scene.now_ms.fetch_add(1, Ordering::SeqCst);
    }
    assert!(scene.guard.lock().len() <= TALLIES);
    let number = TALLIES / 2 - 1;
    assert_eq!(scene.wrong(&format!("user{number}@example.org"), &last, "x"), KnownWrong);
}

#[test]
fn whoever_guesses_through_the_webmail_here_keeps_nobody_out_of_it() {
    for here in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
        let scene = Scene::new();
        for number in 0..300 {
            assert_eq!(scene.wrong(&format!("user{number}@example.org"), here, "Summer2026"), LookedAt);
        }
        assert_eq!(scene.wrong(ANA, here, "x"), LookedAt);
    }
}

#[test]
fn a_flood_is_forgotten_soon_after_its_end_however_long_it_was() {
    let scene = Scene::new();
    for number in 0..5000 {
        scene.wrong(ANA, &format!("10.{}.{}.1", number / 250, number % 250), &format!("guess {number}"));
    }
    scene.pass(2 * 86_400);
    // As many free tries as at any other time.
    for guess in 0..5 {
        assert_eq!(scene.wrong(ANA, HOME, &format!("mistyped {guess}")), LookedAt);
    }
}
