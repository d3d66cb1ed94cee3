//! Limits against guessing.
//!
//! Wrong passwords are tallied, each distinct one once, under:
//!
//! | tally | of | a few are free, then |
//! | --- | --- | --- |
//! | pair | one account from one narrow network | that pair waits |
//! | wide pair | one account from one wide network | that account waits from there |
//! | network | accounts that failed from one narrow or wide network | every account waits from there |
//! | account | one account from networks it is not known from | new networks have one free try only |
//!
//! * No tally of an account makes a network wait that had no failure of its own: whoever knows the password gets in from
//!   anywhere at the first try, whatever others try elsewhere.
//! * A network from which the account signed in well in the last weeks is subject to its own pair alone, with more free
//!   tries and shorter waits; its failures are not tallied elsewhere, so that an office full of telephones with old passwords
//!   does not shut its own door.
//! * A wrong password that comes again (a telephone with an old one) is known to be wrong, costs no hash and is not tallied. A
//!   wrong proof of SCRAM shows nothing of its password, unless that was the account's a while ago (`former.rs`).
//! * Waits double with each further try. An attempt during a wait is not looked at and does not lengthen it. Tries are
//!   forgiven one by one with time, and not by a success: a telephone that polls would forgive whoever guesses beside it.
//! * Attempts in flight count as tries until their outcome is known, so that many at once are no way round.
//! * This machine is no network of many accounts: a webmail or a proxy on it brings everybody, and whoever guesses through it
//!   would keep them all out.
//!
//! Nothing here holds a login or a password: tallies are kept under keyed digests, in bounded number.

use super::{Clock, FormerKey};
use crate::peer::{Network, Networks};
use crate::sasl::Password;
use directory::Secret;
use message::Address;
use ring::hmac;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How free tries turn into waits.
struct Rule {
    /// Distinct failures without a wait.
    free: u32,
    /// The first wait; each further failure doubles it.
    first_wait_ms: u64,
    /// The longest wait.
    longest_wait_ms: u64,
}

const SECOND_MS: u64 = 1_000;
const HOUR_MS: u64 = 3_600 * SECOND_MS;

/// A person who does not remember tries a handful; a program tries thousands. With an hour's wait at most and a try forgiven
/// each quarter of an hour, a network has about a hundred tries a day.
const PAIR: Rule = Rule { free: 5, first_wait_ms: 30 * SECOND_MS, longest_wait_ms: HOUR_MS };
/// From a known network it is the owner or somebody beside them: waits are short enough to sit out.
const KNOWN_PAIR: Rule = Rule { free: 10, first_wait_ms: 15 * SECOND_MS, longest_wait_ms: 300 * SECOND_MS };
/// A /24 or /48 may be one attacker's, or hold a few strangers with the same typing.
const WIDE_PAIR: Rule = Rule { free: 20, first_wait_ms: 60 * SECOND_MS, longest_wait_ms: HOUR_MS };
/// Accounts that fail from one address: an office behind one may bring a dozen on its first morning; who sprays brings
/// hundreds.
const NETWORK: Rule = Rule { free: 20, first_wait_ms: 60 * SECOND_MS, longest_wait_ms: HOUR_MS };
/// The same for a /24 or /48: a provider's customers share it.
const WIDE_NETWORK: Rule = Rule { free: 100, first_wait_ms: 60 * SECOND_MS, longest_wait_ms: HOUR_MS };
/// Failures of one account from many new networks that show a botnet at work.
const FLOOD: u32 = 50;
/// Free tries of a new network during one.
const FREE_IN_FLOOD: u32 = 1;
/// What is counted of one: it is over a day after its last failure, however long it was.
const MOST_OF_FLOOD: u32 = 2 * FLOOD;
/// A try is forgiven after so long.
const FORGIVEN_MS: u64 = 900 * SECOND_MS;

/// Distinct failures that a tally tells apart: more than any rule leaves free.
const TOLD_APART: usize = 128;
/// Tallies kept: some thirty megabytes if all were long. Those without tries go first, then those tried longest ago.
const TALLIES: usize = 100_000;

/// Rules over attempts.
pub(super) struct Guard {
    key: hmac::Key,
    tallies: Mutex<HashMap<Key, Tally>>,
    clock: Clock,
}

/// What tells an attempt from others.
#[derive(Clone, Copy)]
pub(super) enum Guess<'a> {
    /// A password, and the hash that the account has now: a changed password makes old failures new.
    Password {
        /// The password.
        password: &'a Password,
        /// The hash, if there is one.
        hash: Option<&'a Secret>,
    },
    /// A SCRAM proof of a password that the account had once.
    Former(&'a FormerKey),
    /// A SCRAM proof of something else: no two look alike, even of one password.
    Unlike,
}

/// What becomes of an attempt.
pub(super) enum Ruling {
    /// It is looked at; the ticket is told the outcome.
    Go(Ticket),
    /// That password was wrong before.
    KnownWrong,
    /// It is not looked at now.
    Later,
}

/// An attempt in flight. Dropped without an outcome, it counts for nothing.
pub(super) struct Ticket {
    guard: Arc<Guard>,
    account: u64,
    networks: Networks,
    known: bool,
    fingerprint: u64,
    /// It is among the pending of its pair.
    pending: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Pair(u64, Network),
    Network(Network),
    Account(u64),
}

/// Failures in one place.
#[derive(Default)]
struct Tally {
    tries: u32,
    /// From when the next try to be forgiven is counted.
    since_ms: u64,
    waits_until_ms: u64,
    /// The failures, oldest first.
    failed: Vec<u64>,
    /// Attempts in flight.
    pending: Vec<u64>,
}

impl Guard {
    pub(super) fn new(clock: Clock) -> Arc<Self> {
        let mut bytes = [0; 32];
        // Without random numbers the digests could be computed by others, who would gain little by it.
        let _ = getrandom::fill(&mut bytes);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
        Arc::new(Guard { key, tallies: Mutex::default(), clock })
    }

    /// Rules over an attempt. What `cannot_be_guessed` always goes.
    pub(super) fn begin(
        self: &Arc<Self>,
        login: &str,
        networks: Networks,
        known: bool,
        guess: Guess<'_>,
        cannot_be_guessed: bool,
    ) -> Ruling {
        let account = self.digest(&[&key_of(login)]);
        let fingerprint = match guess {
            Guess::Password { password, hash } => {
                self.digest(&[hash.map_or("", Secret::expose).as_bytes(), password.expose()])
            }
            Guess::Former(key) => self.digest(&[key.expose()]),
            Guess::Unlike => random(),
        };
        let guard = Arc::clone(self);
        let mut ticket = Ticket { guard, account, networks, known, fingerprint, pending: false };
        if cannot_be_guessed {
            return Ruling::Go(ticket);
        }
        let now = (self.clock)();
        let mut tallies = self.lock();
        let pair = Key::Pair(account, networks.narrow);
        let mut free = if known { KNOWN_PAIR.free } else { PAIR.free };
        if !known {
            let wide = [Key::Pair(account, networks.wide), Key::Network(networks.narrow), Key::Network(networks.wide)];
            if wide.iter().any(|key| tallies.get(key).is_some_and(|t| t.waits(now))) {
                return Ruling::Later;
            }
            let flood = tallies.get_mut(&Key::Account(account)).is_some_and(|t| t.settled(now).tries >= FLOOD);
            free = if flood { FREE_IN_FLOOD } else { free };
        }
        if let Some(tally) = tallies.get_mut(&pair) {
            let tally = tally.settled(now);
            if tally.failed.contains(&fingerprint) {
                return Ruling::KnownWrong;
            }
            let others = tally.pending.iter().filter(|p| **p != fingerprint).count();
            // When the free tries are used up, there is one at a time.
            let room = free.saturating_sub(tally.tries).max(1) as usize;
            if tally.waits(now) || others >= room {
                return Ruling::Later;
            }
        }
        let tally = entry(&mut tallies, pair, now);
        if !tally.pending.contains(&fingerprint) {
            tally.pending.push(fingerprint);
            ticket.pending = true;
        }
        Ruling::Go(ticket)
    }

    fn failed(&self, ticket: &Ticket) {
        let Ticket { account, networks, known, fingerprint, .. } = *ticket;
        let now = (self.clock)();
        let mut tallies = self.lock();
        let pair = Key::Pair(account, networks.narrow);
        if known {
            entry(&mut tallies, pair, now).add(fingerprint, now, &KNOWN_PAIR);
            return;
        }
        let flood = entry(&mut tallies, Key::Account(account), now);
        flood.add(fingerprint, now, &Rule { free: u32::MAX, ..PAIR });
        flood.tries = flood.tries.min(MOST_OF_FLOOD);
        let free = if flood.tries > FLOOD { FREE_IN_FLOOD } else { PAIR.free };
        entry(&mut tallies, pair, now).add(fingerprint, now, &Rule { free, ..PAIR });
        entry(&mut tallies, Key::Pair(account, networks.wide), now).add(fingerprint, now, &WIDE_PAIR);
        add_to_networks(&mut tallies, ticket, now);
    }

    fn told(&self, ticket: &Ticket) {
        if !ticket.known {
            add_to_networks(&mut self.lock(), ticket, (self.clock)());
        }
    }

    fn release(&self, ticket: &Ticket) {
        if !ticket.pending {
            return;
        }
        let pair = Key::Pair(ticket.account, ticket.networks.narrow);
        let mut tallies = self.lock();
        if let Some(tally) = tallies.get_mut(&pair) {
            tally.pending.retain(|p| *p != ticket.fingerprint);
            if tally.is_idle() {
                tallies.remove(&pair);
            }
        }
    }

    fn digest(&self, parts: &[&[u8]]) -> u64 {
        let mut text = hmac::Context::with_key(&self.key);
        for part in parts {
            text.update(&(part.len() as u64).to_be_bytes());
            text.update(part);
        }
        let tag = text.sign();
        tag.as_ref().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Tally>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// The password was right.
    pub(super) fn right(self) {
        // What is pending goes with the ticket.
    }

    /// Whether it was found wrong by another attempt since this one began.
    pub(super) fn is_known_wrong(&self) -> bool {
        let pair = Key::Pair(self.account, self.networks.narrow);
        self.guard.lock().get(&pair).is_some_and(|tally| tally.failed.contains(&self.fingerprint))
    }

    /// No password could be checked, and the account's state was told: asking that of many accounts is as good as guessing.
    pub(super) fn told(self) {
        self.guard.told(&self);
    }

    /// It was wrong.
    pub(super) fn wrong(self) {
        self.guard.failed(&self);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.guard.release(self);
    }
}

impl Tally {
    /// Forgives what is due.
    fn settled(&mut self, now: u64) -> &mut Self {
        let due = now.saturating_sub(self.since_ms) / FORGIVEN_MS;
        self.since_ms += due * FORGIVEN_MS;
        self.tries = self.tries.saturating_sub(u32::try_from(due).unwrap_or(u32::MAX));
        if self.tries == 0 {
            self.failed.clear();
        }
        self
    }

    fn waits(&self, now: u64) -> bool {
        now < self.waits_until_ms
    }

    fn is_idle(&self) -> bool {
        self.tries == 0 && self.pending.is_empty()
    }

    /// Adds a failure, unless it is one of those before.
    fn add(&mut self, failure: u64, now: u64, rule: &Rule) {
        self.settled(now);
        if self.failed.contains(&failure) {
            return;
        }
        if self.failed.len() == TOLD_APART {
            self.failed.remove(0);
        }
        self.failed.push(failure);
        if self.tries == 0 {
            self.since_ms = now;
        }
        self.tries = self.tries.saturating_add(1);
        if let Some(doublings) = self.tries.checked_sub(rule.free.saturating_add(1)) {
            let wait = rule.first_wait_ms.saturating_mul(1 << doublings.min(20)).min(rule.longest_wait_ms);
            self.waits_until_ms = self.waits_until_ms.max(now + wait);
        }
    }
}

/// Counts an account among those that failed from its networks.
fn add_to_networks(tallies: &mut HashMap<Key, Tally>, ticket: &Ticket, now: u64) {
    let Networks { narrow, wide } = ticket.networks;
    if narrow.is_loopback() {
        return;
    }
    entry(tallies, Key::Network(narrow), now).add(ticket.account, now, &NETWORK);
    entry(tallies, Key::Network(wide), now).add(ticket.account, now, &WIDE_NETWORK);
}

/// The tally under a key, made where there is none, forgiven what is due.
fn entry(tallies: &mut HashMap<Key, Tally>, key: Key, now: u64) -> &mut Tally {
    if tallies.len() >= TALLIES && !tallies.contains_key(&key) {
        make_room(tallies, now);
    }
    tallies.entry(key).or_insert_with(|| Tally { since_ms: now, ..Tally::default() }).settled(now)
}

/// Forgets tallies without tries, and of the rest the half that was tried longest ago if that made no room.
fn make_room(tallies: &mut HashMap<Key, Tally>, now: u64) {
    tallies.retain(|_, tally| !tally.settled(now).is_idle());
    if tallies.len() >= TALLIES {
        let mut times: Vec<u64> = tallies.values().map(|t| t.since_ms).collect();
        let middle = times.len() / 2;
        let (_, median, _) = times.select_nth_unstable(middle);
        let median = *median;
        // Those in flight stay: their tickets come back.
        tallies.retain(|_, tally| tally.since_ms > median || !tally.pending.is_empty());
    }
}

/// What a login is tallied under, in whatever spelling.
fn key_of(login: &str) -> Vec<u8> {
    Address::new(login).map_or_else(|_| login.as_bytes().to_vec(), |address| address.key().as_bytes().to_vec())
}

fn random() -> u64 {
    let mut bytes = [0; 8];
    // Without random numbers all proofs look alike, and count once.
    let _ = getrandom::fill(&mut bytes);
    u64::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests;
