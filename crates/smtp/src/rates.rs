//! Limits of rates, kept in memory: of each network that sends, and of each account that does.
//!
//! Each limit is a bucket that holds so much and fills again evenly over its time (the generic cell rate algorithm: of a bucket
//! one moment is kept, that at which it is full). What is over a limit is told to come later, and counts for nothing. The
//! memory is bounded: where more networks send at once than are kept, those that are not kept are let in, and the others go
//! on being counted.

use crate::rate::{Answer, Event, Rate};
use directory::AccountId;
use edge::Network;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Networks, and accounts, that are kept: some megabytes.
const KEPT: usize = 100_000;
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// How much there may be of what. 0: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// Connections of a network in a minute.
    pub network_connections_per_minute: u32,
    /// Messages of a network in an hour.
    pub network_messages_per_hour: u32,
    /// Recipients that a network names in an hour.
    pub network_recipients_per_hour: u32,
    /// Recipients that a network names in an hour and that nobody is: who tries names is sent away.
    pub network_unknown_per_hour: u32,
    /// Messages of an account in an hour.
    pub account_messages_per_hour: u32,
    /// Messages of an account in a day.
    pub account_messages_per_day: u32,
    /// Recipients of an account in an hour.
    pub account_recipients_per_hour: u32,
    /// Recipients of an account in a day.
    pub account_recipients_per_day: u32,
    /// Messages that the scripts of an account send on or answer in an hour, each address counted.
    pub account_sent_on_per_hour: u32,
}

impl Default for RateLimits {
    /// What a person never sends, and a stolen password soon does; what a large sender is let send.
    fn default() -> Self {
        RateLimits {
            network_connections_per_minute: 600,
            network_messages_per_hour: 20_000,
            network_recipients_per_hour: 100_000,
            network_unknown_per_hour: 500,
            account_messages_per_hour: 300,
            account_messages_per_day: 2_000,
            account_recipients_per_hour: 1_000,
            account_recipients_per_day: 5_000,
            // The mail of a busy office, to a handful of people.
            account_sent_on_per_hour: 1_000,
        }
    }
}

/// Keeps [`RateLimits`]. One for all services counts over all of them.
#[derive(Debug)]
pub struct Rates {
    limits: RateLimits,
    began: Instant,
    networks: Mutex<Buckets<Network>>,
    accounts: Mutex<Buckets<AccountId>>,
}

/// The buckets of one kind of sender.
#[derive(Debug)]
struct Buckets<K> {
    by_key: HashMap<K, Filling>,
    /// When room was last made, in milliseconds.
    swept_ms: u64,
}

/// When each bucket of a sender is full, in milliseconds; and until when their owner was told.
#[derive(Clone, Copy, Debug, Default)]
struct Filling {
    full_ms: [u64; 5],
    /// For what somebody sends, and for what scripts do.
    told_until_ms: [u64; 2],
}

/// A limit: how much in how many milliseconds, and which bucket it is.
type Limit = (usize, u32, u64);

impl Rates {
    /// Nobody has sent anything yet.
    pub fn new(limits: RateLimits) -> Self {
        let (networks, accounts) = (Mutex::new(Buckets::new()), Mutex::new(Buckets::new()));
        Rates { limits, began: Instant::now(), networks, accounts }
    }

    fn ask(&self, event: Event<'_>, now_ms: u64) -> Answer {
        let limits = &self.limits;
        let per_hour = |place, count| (place, count, HOUR_MS);
        let (peer, limit) = match event {
            Event::Message(_, Some(account)) => {
                let both =
                    [per_hour(0, limits.account_messages_per_hour), (1, limits.account_messages_per_day, DAY_MS)];
                return take(&self.accounts, account, &both, now_ms, Some(0));
            }
            Event::Recipient(_, Some(account)) => {
                let both =
                    [per_hour(2, limits.account_recipients_per_hour), (3, limits.account_recipients_per_day, DAY_MS)];
                return take(&self.accounts, account, &both, now_ms, Some(0));
            }
            Event::SentOn(account) => {
                let limit = per_hour(4, limits.account_sent_on_per_hour);
                return take(&self.accounts, account, &[limit], now_ms, Some(1));
            }
            Event::Connection(peer) => (peer, (0, limits.network_connections_per_minute, MINUTE_MS)),
            Event::Message(peer, None) => (peer, per_hour(1, limits.network_messages_per_hour)),
            Event::Recipient(peer, None) => (peer, per_hour(2, limits.network_recipients_per_hour)),
            Event::Unknown(peer) => (peer, per_hour(3, limits.network_unknown_per_hour)),
        };
        let network = peer.networks().narrow;
        // Programs of this machine are its operator's.
        if network.is_loopback() {
            return Answer::Yes;
        }
        let answer = take(&self.networks, network, &[limit], now_ms, None);
        match event {
            // Who has tried too many names may name nobody for a while.
            Event::Recipient(..) if self.tries_names(network, now_ms) => Answer::No { tell: false },
            _ => answer,
        }
    }

    fn tries_names(&self, network: Network, now_ms: u64) -> bool {
        let limit = self.limits.network_unknown_per_hour;
        let networks = self.networks.lock().unwrap_or_else(PoisonError::into_inner);
        networks.by_key.get(&network).is_some_and(|filling| !has_room(filling, (3, limit, HOUR_MS), now_ms))
    }
}

impl Rate for Rates {
    fn allows(&self, event: Event<'_>) -> Answer {
        self.ask(event, u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

impl<K: Hash + Eq> Buckets<K> {
    fn new() -> Self {
        Buckets { by_key: HashMap::new(), swept_ms: 0 }
    }

    /// The buckets of a sender; `None`: there is no room for more senders.
    fn of(&mut self, key: K, now_ms: u64) -> Option<&mut Filling> {
        let is_full = self.by_key.len() >= KEPT && !self.by_key.contains_key(&key);
        // Going through all of them is done now and then.
        if is_full && now_ms >= self.swept_ms.saturating_add(1_000) {
            self.swept_ms = now_ms;
            self.by_key.retain(|_, filling| {
                filling.told_until_ms.iter().any(|until_ms| *until_ms > now_ms)
                    || filling.full_ms.iter().any(|full_ms| *full_ms > now_ms)
            });
        }
        if is_full && self.by_key.len() >= KEPT {
            return None;
        }
        Some(self.by_key.entry(key).or_default())
    }
}

/// Takes one out of some buckets of a sender, where all of them have one. An owner, where there is one, is told once a day that
/// they have not, of each thing that is told by itself.
fn take<K: Hash + Eq>(
    buckets: &Mutex<Buckets<K>>,
    key: K,
    limits: &[Limit],
    now_ms: u64,
    told: Option<usize>,
) -> Answer {
    let mut buckets = buckets.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(filling) = buckets.of(key, now_ms) else { return Answer::Yes };
    if limits.iter().all(|limit| has_room(filling, *limit, now_ms)) {
        for &(place, count, time_ms) in limits.iter().filter(|(_, count, _)| *count > 0) {
            let full_ms = &mut filling.full_ms[place];
            *full_ms = (*full_ms).max(now_ms).saturating_add(time_ms / u64::from(count));
        }
        return Answer::Yes;
    }
    let untold = told.filter(|what| filling.told_until_ms[*what] <= now_ms);
    if let Some(what) = untold {
        filling.told_until_ms[what] = now_ms.saturating_add(DAY_MS);
    }
    Answer::No { tell: untold.is_some() }
}

/// Whether a bucket has something in it.
fn has_room(filling: &Filling, (place, count, time_ms): Limit, now_ms: u64) -> bool {
    if count == 0 {
        return true;
    }
    let each_ms = time_ms / u64::from(count);
    filling.full_ms[place].max(now_ms).saturating_add(each_ms) <= now_ms.saturating_add(each_ms * u64::from(count))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use edge::{Peer, Protocol};

    const NO: Answer = Answer::No { tell: false };

    fn peer(address: &str) -> Peer {
        let address = address.parse().unwrap();
        Peer { address, tls: false, secure: false, channel_binding: None, protocol: Protocol::Smtp }
    }

    fn rates() -> Rates {
        Rates::new(RateLimits {
            network_connections_per_minute: 3,
            network_unknown_per_hour: 2,
            account_messages_per_hour: 2,
            account_messages_per_day: 3,
            ..RateLimits::default()
        })
    }

    #[test]
    fn a_bucket_fills_again_evenly() {
        let (rates, from) = (rates(), peer("192.0.2.1:25"));
        let connects = |now_ms| rates.ask(Event::Connection(&from), now_ms);
        assert_eq!([connects(0), connects(0), connects(1)], [Answer::Yes; 3]);
        assert_eq!(connects(2), NO);
        assert_eq!(connects(19_999), NO);
        assert_eq!(connects(20_000), Answer::Yes);
        assert_eq!(connects(20_001), NO);
        assert_eq!([connects(200_000), connects(200_000), connects(200_000)], [Answer::Yes; 3], "and no fuller");
        assert_eq!(connects(200_000), NO);
        assert_eq!(rates.ask(Event::Connection(&peer("192.0.2.2:25")), 2), Answer::Yes, "another one");
        assert_eq!(rates.ask(Event::Message(&from, None), 2), Answer::Yes, "another limit");
        let local = peer("127.0.0.1:25");
        assert!((0..10).all(|_| rates.ask(Event::Connection(&local), 0) == Answer::Yes));
    }

    #[test]
    fn an_account_has_an_hour_and_a_day_and_is_told_once_in_it() {
        let (rates, from) = (rates(), peer("127.0.0.1:587"));
        let account = AccountId::new_unchecked(7);
        let sends = |now_ms| rates.ask(Event::Message(&from, Some(account)), now_ms);
        assert_eq!([sends(0), sends(0)], [Answer::Yes; 2]);
        assert_eq!(sends(0), Answer::No { tell: true });
        assert_eq!(sends(HOUR_MS), Answer::Yes);
        assert_eq!(sends(2 * HOUR_MS), NO, "three a day");
        assert_eq!(sends(DAY_MS + HOUR_MS), Answer::Yes);
        assert_eq!(rates.ask(Event::Message(&from, Some(AccountId::new_unchecked(8))), 0), Answer::Yes);
    }

    #[test]
    fn who_tries_names_may_name_nobody() {
        let (rates, from) = (rates(), peer("[2001:db8::1]:25"));
        assert_eq!(rates.ask(Event::Recipient(&from, None), 0), Answer::Yes);
        rates.ask(Event::Unknown(&from), 0);
        assert_eq!(rates.ask(Event::Recipient(&from, None), 0), Answer::Yes);
        rates.ask(Event::Unknown(&from), 0);
        assert_eq!(rates.ask(Event::Recipient(&from, None), 0), NO);
        assert_eq!(rates.ask(Event::Recipient(&peer("[2001:db8::2]:25"), None), 0), NO, "of the same /64");
        assert_eq!(rates.ask(Event::Recipient(&from, None), HOUR_MS), Answer::Yes);
    }

    #[test]
    fn memory_is_bounded_and_who_is_kept_stays_counted() {
        let mut buckets = Buckets::new();
        for key in 0..KEPT {
            buckets.of(key, 0).unwrap().full_ms[0] = 10_000;
        }
        assert!(buckets.of(KEPT, 5_000).is_none());
        assert!(buckets.of(7, 5_000).is_some());
        assert!(buckets.of(KEPT, 5_500).is_none(), "not looked for again at once");
        assert!(buckets.of(KEPT, 10_000).is_some() && buckets.by_key.len() == 1);
    }

    #[test]
    fn what_scripts_send_is_counted_and_told_by_itself() {
        let rates = Rates::new(RateLimits {
            account_messages_per_hour: 1,
            account_sent_on_per_hour: 2,
            ..RateLimits::default()
        });
        let (ana, from) = (AccountId::new_unchecked(1), peer("192.0.2.1:587"));
        let sends = |now_ms| rates.ask(Event::Message(&from, Some(ana)), now_ms);
        let sends_on = |now_ms| rates.ask(Event::SentOn(ana), now_ms);
        assert_eq!([sends(0), sends(0)], [Answer::Yes, Answer::No { tell: true }]);
        assert_eq!([sends_on(0), sends_on(0)], [Answer::Yes; 2]);
        assert_eq!([sends_on(0), sends_on(1), sends(1)], [Answer::No { tell: true }, NO, NO]);
        assert_eq!(sends_on(HOUR_MS / 2), Answer::Yes);
        assert_eq!(rates.ask(Event::SentOn(AccountId::new_unchecked(2)), 0), Answer::Yes);
    }
}
