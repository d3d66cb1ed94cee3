//! Passwords that were right a while ago, remembered as keyed digests.
//!
//! The key is random and of this process; the digest covers the account and its stored hash, so that a changed password is
//! forgotten by itself. Never holds a password.

use super::Clock;
use crate::sasl::Password;
use directory::{Account, AccountId, Proven, Secret};
use ring::hmac;
use ring::rand::SystemRandom;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use subtle::ConstantTimeEq;

/// How long a password is remembered: clients that poll pay for one hash in that time.
const KEPT_MS: u64 = 3_600_000;
/// Accounts remembered: some ten megabytes.
const KEPT_ACCOUNTS: usize = 65_536;

/// What was right.
pub(super) struct Verified {
    /// `None` when the system has no random numbers: then nothing is remembered.
    key: Option<hmac::Key>,
    kept: Mutex<HashMap<AccountId, Kept>>,
    clock: Clock,
}

struct Kept {
    digest: hmac::Tag,
    at_ms: u64,
}

impl Verified {
    pub(super) fn new(clock: Clock) -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok();
        Verified { key, kept: Mutex::new(HashMap::new()), clock }
    }

    /// Remembers that a password is the one that a hash is of.
    pub(super) fn keep(&self, account: AccountId, hash: &Secret, password: &Password) {
        let Some(digest) = self.digest(account, hash, password) else { return };
        let now = (self.clock)();
        let mut kept = self.lock();
        if kept.len() >= KEPT_ACCOUNTS && !kept.contains_key(&account) {
            make_room(&mut kept, now);
        }
        kept.insert(account, Kept { digest, at_ms: now });
    }

    /// What a password proves, if it was found right for the same hash lately.
    pub(super) fn recall(&self, account: Option<&Account>, password: &Password) -> Option<Proven> {
        let account = account?;
        let hash = account.password_hash.as_ref()?;
        let digest = self.digest(account.id, hash, password)?;
        let now = (self.clock)();
        let kept = self.lock();
        let known = kept.get(&account.id)?;
        let is_it = bool::from(known.digest.as_ref().ct_eq(digest.as_ref()));
        (is_it && now.saturating_sub(known.at_ms) < KEPT_MS).then(|| Proven::password(account.id, hash))
    }

    fn digest(&self, account: AccountId, hash: &Secret, password: &Password) -> Option<hmac::Tag> {
        let mut text = hmac::Context::with_key(self.key.as_ref()?);
        text.update(&account.get().to_be_bytes());
        // With its length: where the hash ends and the password begins must be plain.
        text.update(&(hash.expose().len() as u64).to_be_bytes());
        text.update(hash.expose().as_bytes());
        text.update(password.expose());
        Some(text.sign())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AccountId, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets what is too old, and of the rest the older half if that made no room: the cost is spread over many calls.
fn make_room(kept: &mut HashMap<AccountId, Kept>, now: u64) {
    kept.retain(|_, k| now.saturating_sub(k.at_ms) < KEPT_MS);
    if kept.len() >= KEPT_ACCOUNTS {
        let mut times: Vec<u64> = kept.values().map(|k| k.at_ms).collect();
        let middle = times.len() / 2;
        let (_, median, _) = times.select_nth_unstable(middle);
        let median = *median;
        kept.retain(|_, k| k.at_ms > median);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::sasl::{Attempt, Claim};
    use directory::NewAccount;
    use message::Address;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn password(text: &str) -> Password {
        match Attempt::plain("ana@example.org", text).claim {
            Claim::Password(password) => password,
            Claim::Scram(_) => unreachable!("it is a password"),
        }
    }

    fn account(hash: &str) -> Account {
        let NewAccount { address, name, state, quota_bytes, quota_grace_until, language, pop3_before, .. } =
            NewAccount::new(Address::new("ana@example.org").unwrap());
        Account {
            id: AccountId::new_unchecked(1),
            address,
            name,
            password_hash: Some(Secret::new(hash)),
            state,
            quota_bytes,
            quota_grace_until,
            language,
            pop3_before,
            created_at: 0,
            password_set_at: None,
            last_login_at: None,
            restored: None,
        }
    }

    #[test]
    fn a_password_is_remembered_for_a_while_and_for_its_hash() {
        let time = Arc::new(AtomicU64::new(0));
        let now = Arc::clone(&time);
        let verified = Verified::new(Arc::new(move || now.load(Ordering::SeqCst)));
        let (ana, right) = (account("{X}one"), password("right"));
        assert!(verified.recall(Some(&ana), &right).is_none());
        verified.keep(ana.id, ana.password_hash.as_ref().unwrap(), &right);
        assert!(verified.recall(Some(&ana), &right).is_some());
        assert!(verified.recall(Some(&ana), &password("wrong")).is_none());
        assert!(verified.recall(Some(&account("{X}two")), &right).is_none(), "the password was changed");
        assert!(verified.recall(None, &right).is_none());
        time.store(KEPT_MS, Ordering::SeqCst);
        assert!(verified.recall(Some(&ana), &right).is_none(), "it was a while ago");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let time = Arc::new(AtomicU64::new(0));
        let now = Arc::clone(&time);
        let verified = Verified::new(Arc::new(move || now.fetch_add(1, Ordering::SeqCst) / 16));
        let (hash, right) = (Secret::new("{X}one"), password("right"));
        for number in 0..(KEPT_ACCOUNTS as i64 + 100) {
            verified.keep(AccountId::new_unchecked(number), &hash, &right);
        }
        assert!(verified.lock().len() <= KEPT_ACCOUNTS);
        assert!(verified.lock().contains_key(&AccountId::new_unchecked(KEPT_ACCOUNTS as i64 + 99)), "the latest stays");
    }
}
