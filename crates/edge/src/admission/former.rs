//! SCRAM keys that accounts had before their passwords were changed or removed.
//!
//! Of a wrong proof nothing can be told but that it is wrong: two of one password look no more alike than two guesses. But a
//! telephone with an old password proves that one, and for as long as its key is remembered that can be seen, and counted
//! once (`guard.rs`). What is remembered was seen by this process; like what the directory keeps, it is good for
//! recognising a password and not for signing in with it.

use directory::ScramCandidate;
use message::Address;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Logins remembered: some thirty megabytes if all had changed often.
const KEPT_LOGINS: usize = 65_536;
/// Former keys of one login: the latest.
const KEPT_KEYS: usize = 8;

/// Keys that logins had.
#[derive(Default)]
pub(crate) struct Former(Mutex<HashMap<String, Vec<FormerKey>>>);

/// A SCRAM StoredKey that is a login's no more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct FormerKey([u8; 32]);

impl Former {
    /// Remembers the keys that a login has now; those that it had before and has no more.
    pub(crate) fn note(&self, login: &str, now: &[ScramCandidate]) -> Vec<FormerKey> {
        let Ok(address) = Address::new(login) else { return Vec::new() };
        let mut kept = self.lock();
        if now.is_empty() && !kept.contains_key(address.key()) {
            return Vec::new();
        }
        if kept.len() >= KEPT_LOGINS && !kept.contains_key(address.key()) {
            make_room(&mut kept);
        }
        let keys = kept.entry(address.key().to_owned()).or_default();
        let now: Vec<FormerKey> = now.iter().map(|candidate| FormerKey(candidate.keys.stored_key)).collect();
        keys.retain(|key| !now.contains(key));
        keys.drain(..keys.len().saturating_sub(KEPT_KEYS));
        let former = keys.clone();
        keys.extend(now);
        former
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<FormerKey>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FormerKey {
    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for FormerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FormerKey(..)")
    }
}

/// Forgets every second login, whichever that are.
fn make_room(kept: &mut HashMap<String, Vec<FormerKey>>) {
    let mut goes = false;
    kept.retain(|_, _| {
        goes = !goes;
        !goes
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use directory::password::ScramKeys;
    use directory::{AccountId, Proven, Secret};

    const ANA: &str = "ana@example.org";

    fn candidates(stored_keys: &[u8]) -> Vec<ScramCandidate> {
        let keys = |byte: &u8| ScramKeys {
            salt: vec![0; 16],
            iterations: std::num::NonZeroU32::MIN,
            stored_key: [*byte; 32],
            server_key: [0; 32],
        };
        let proven = Proven::password(AccountId::new_unchecked(7), &Secret::new("{X}"));
        stored_keys.iter().map(|byte| ScramCandidate { keys: keys(byte), proven: proven.clone() }).collect()
    }

    fn former(former: &Former, login: &str, now: &[u8]) -> Vec<u8> {
        former.note(login, &candidates(now)).iter().map(|key| key.expose()[0]).collect()
    }

    #[test]
    fn what_a_login_has_no_more_is_what_it_had() {
        let kept = Former::default();
        assert_eq!(former(&kept, ANA, &[1, 2]), [0u8; 0]);
        assert_eq!(former(&kept, "Ana@EXAMPLE.org", &[3, 2]), [1], "the password was changed");
        assert_eq!(former(&kept, ANA, &[3]), [1, 2], "and the app password removed");
        assert_eq!(former(&kept, ANA, &[]), [1, 2, 3]);
        assert_eq!(former(&kept, ANA, &[1]), [2, 3], "and the first set again");
        assert_eq!(former(&kept, "eva@example.org", &[1]), [0u8; 0]);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let kept = Former::default();
        for byte in 0..50 {
            assert!(former(&kept, ANA, &[byte]).len() <= KEPT_KEYS);
        }
        assert_eq!(former(&kept, ANA, &[50]), [42, 43, 44, 45, 46, 47, 48, 49]);
        for number in 0..KEPT_LOGINS + 10 {
            former(&kept, &format!("user{number}@example.org"), &[1]);
            former(&kept, &format!("nobody{number}@example.org"), &[]);
        }
        assert!(kept.lock().len() <= KEPT_LOGINS);
        assert!(kept.lock().keys().all(|login| !login.starts_with("nobody")), "strangers fill nothing");
    }

    #[test]
    fn a_key_never_prints() {
        assert_eq!(format!("{:?}", FormerKey([7; 32])), "FormerKey(..)");
    }
}
