//! Signing in: the password, then whether the account may be used, then what a good sign-in leaves behind.

use crate::account::{Account, AccountState};
use crate::admin::{AdminCredential, DomainAdmin};
use crate::directory::Directory;
use crate::error::DirectoryError;
use crate::ids::{AccountId, AppPasswordId};
use crate::password::{self, UnusableReason, Verdict};
use crate::scram::digest_of;
use crate::secret::Secret;
use message::Address;
use std::fmt;
use std::sync::OnceLock;

/// How exact the time of the last sign-in is, in seconds: clients that poll would otherwise cost a disk sync each time.
pub const LAST_LOGIN_GRAIN_S: i64 = 300;

/// The outcome of a sign-in.
#[derive(Debug)]
pub enum SignIn<T> {
    /// The password is right and the account may be used.
    Welcome {
        /// Who signed in.
        who: Box<T>,
        /// Why the time of the sign-in or a stronger hash could not be written, if so; the sign-in stands, since a full
        /// disk should not keep people from their mail.
        not_recorded: Option<DirectoryError>,
    },
    /// No.
    Refused(Refusal),
}

/// Why a sign-in is refused: for the operator. The person is told no more than that it was refused; an account's state
/// is said only to whoever knows its password, except where no password could be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The login names nobody.
    #[error("there is no such login")]
    NoSuchLogin,
    /// The password is another one.
    #[error("the password is wrong")]
    WrongPassword,
    /// The stored hash cannot be verified.
    #[error("the stored password cannot be used: {0}")]
    Unusable(UnusableReason),
    /// Shut until a password is set.
    #[error("the account is locked until a password is set")]
    Locked,
    /// The account is switched off.
    #[error("the account is disabled")]
    Disabled,
    /// The domain is switched off.
    #[error("the domain is disabled")]
    DomainDisabled,
    /// An alias took the account's place.
    #[error("the account is closed")]
    Closed,
    /// The account waits for a decision about whose it is.
    #[error("the account is sealed")]
    Sealed,
}

/// What somebody has proven who was not asked for a password here: a SCRAM exchange matched kept keys, an app password is
/// right, or the same password was right for the same hash a moment ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    account: AccountId,
    by: ProvenBy,
}

#[derive(Clone, PartialEq, Eq)]
enum ProvenBy {
    /// The password that a hash is of, by the hash's digest.
    Password([u8; 32]),
    /// An app password.
    App(AppPasswordId),
}

impl fmt::Debug for ProvenBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The digest of a `{PLAIN}` password is one fast guess away from it.
            ProvenBy::Password(_) => f.write_str("Password(..)"),
            ProvenBy::App(id) => f.debug_tuple("App").field(id).finish(),
        }
    }
}

/// How somebody came who was let in.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// What they proved.
    pub proven: &'a Proven,
    /// Their address, for people to read.
    pub from: &'a str,
    /// Their network, as [`Directory::knows_network`] takes it.
    pub network: &'a str,
    /// The protocol they speak.
    pub protocol: &'a str,
}

/// What is known after the password was looked at.
struct Proof {
    /// The hash that the password was right for, where a stronger one should take its place.
    weak: Option<Secret>,
}

impl Proven {
    /// The password that a hash is of.
    pub fn password(account: AccountId, hash: &Secret) -> Self {
        Proven { account, by: ProvenBy::Password(digest_of(hash)) }
    }

    pub(crate) fn app(account: AccountId, id: AppPasswordId) -> Self {
        Proven { account, by: ProvenBy::App(id) }
    }

    /// Whose credential it is.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// The app password, if it is one.
    pub fn app_password(&self) -> Option<AppPasswordId> {
        match self.by {
            ProvenBy::App(id) => Some(id),
            ProvenBy::Password(_) => None,
        }
    }
}

impl Directory {
    /// Signs the owner of an account in: checks the password and the states of account and domain, keeps the time, and
    /// replaces a hash that is weaker than a new one would be. An unknown login costs as much time as a wrong password. The
    /// account that is let in has the hash that the password is right for.
    ///
    /// # Errors
    /// When the directory cannot be read. What cannot be written is no error: see [`SignIn::Welcome`].
    pub fn sign_in(&self, login: &str, password: &[u8]) -> Result<SignIn<Account>, DirectoryError> {
        let Some(mut account) = known(login, |address| self.account(address), password)? else {
            return Ok(SignIn::Refused(Refusal::NoSuchLogin));
        };
        let proof = match prove(account.password_hash.as_ref(), password, &account.address) {
            Ok(proof) => proof,
            Err(refusal) => return Ok(SignIn::Refused(self.explain(&account, refusal, password)?)),
        };
        if let Some(refusal) = self.refusal_of(&account)? {
            return Ok(SignIn::Refused(refusal));
        }
        let mut replaced = None;
        let recorded = self.record(&proof, password, account.last_login_at, |tx, stronger| {
            tx.set_last_login(account.id)?;
            if let Some((old, new)) = stronger
                && tx.rehash(account.id, old, new)?
            {
                replaced = Some(new.clone());
            }
            Ok(())
        });
        // What the password is right for is what stands now; only a transaction that was committed changed it.
        account.password_hash = replaced.filter(|_| recorded.is_ok()).or(account.password_hash);
        Ok(SignIn::Welcome { who: Box::new(account), not_recorded: recorded.err() })
    }

    /// Signs a domain admin in to the control panel, like [`Directory::sign_in`]. Their own domains need not be in
    /// force; the account that they sign in with must be.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn sign_in_admin(&self, login: &str, password: &[u8]) -> Result<SignIn<DomainAdmin>, DirectoryError> {
        let Some(admin) = known(login, |address| self.admin(address), password)? else {
            return Ok(SignIn::Refused(Refusal::NoSuchLogin));
        };
        let (hash, account) = match &admin.credential {
            AdminCredential::Own(hash) => (hash.clone(), None),
            AdminCredential::Account(id) => {
                let account = self.account_by_id(*id)?;
                (account.as_ref().and_then(|a| a.password_hash.clone()), account)
            }
        };
        let address = account.as_ref().map_or(&admin.login, |a| &a.address);
        let proof = match (prove(hash.as_ref(), password, address), &account) {
            (Ok(proof), _) => proof,
            (Err(refusal), None) => {
                spend_unchecked(refusal, password);
                return Ok(SignIn::Refused(refusal));
            }
            (Err(refusal), Some(account)) => return Ok(SignIn::Refused(self.explain(account, refusal, password)?)),
        };
        if let Some(account) = &account
            && let Some(refusal) = self.refusal_of(account)?
        {
            return Ok(SignIn::Refused(refusal));
        }
        let recorded = self.record(&proof, password, admin.last_login_at, |tx, stronger| {
            tx.set_admin_last_login(admin.id)?;
            match (stronger, &account) {
                (None, _) => Ok(()),
                (Some((old, new)), Some(account)) => tx.rehash(account.id, old, new).map(|_| ()),
                (Some((old, new)), None) => tx.rehash_admin(admin.id, old, new),
            }
        });
        Ok(SignIn::Welcome { who: Box::new(admin), not_recorded: recorded.err() })
    }

    /// Signs the owner of an account in who has proven a credential already: checks that it still stands and the states
    /// of account and domain, and keeps the time.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn sign_in_proven(&self, proven: &Proven) -> Result<SignIn<Account>, DirectoryError> {
        let Some(account) = self.account_by_id(proven.account)? else {
            return Ok(SignIn::Refused(Refusal::NoSuchLogin));
        };
        let stands = match &proven.by {
            ProvenBy::Password(digest) => account.password_hash.as_ref().is_some_and(|h| digest_of(h) == *digest),
            ProvenBy::App(id) => self.app_password(*id)?.is_some_and(|app| app.account == account.id),
        };
        if !stands {
            return Ok(SignIn::Refused(Refusal::WrongPassword));
        }
        if let Some(refusal) = self.refusal_of(&account)? {
            return Ok(SignIn::Refused(refusal));
        }
        let recorded =
            self.record(&Proof { weak: None }, &[], account.last_login_at, |tx, _| tx.set_last_login(account.id));
        Ok(SignIn::Welcome { who: Box::new(account), not_recorded: recorded.err() })
    }

    /// Keeps what a good sign-in over the network is worth: where from, which app password, and, where the password is
    /// given, the keys that let the same client use SCRAM. Writes only what is due.
    ///
    /// # Errors
    /// When the directory cannot be read or written.
    pub fn remember(&self, arrival: &Arrival<'_>, password: Option<&[u8]>) -> Result<(), DirectoryError> {
        let account = arrival.proven.account;
        let network = self.network_tag(arrival.network)?;
        let network = self.network_is_due(account, &network)?.then_some(network);
        let app = match arrival.proven.app_password() {
            Some(id) => self.app_password(id)?.filter(|app| !self.is_recent(app.last_use.as_ref().map(|u| u.at))),
            None => None,
        };
        let keys = match password {
            Some(password) => self.keys_due(arrival.proven, password)?,
            None => None,
        };
        if network.is_none() && app.is_none() && keys.is_none() {
            return Ok(());
        }
        self.write(|tx| {
            if let Some(network) = &network {
                tx.put_network(account, network)?;
            }
            if let Some(app) = &app {
                tx.set_app_password_use(app.id, arrival.from, arrival.protocol)?;
            }
            // Unless the password was changed while the keys were made.
            if let Some((hash, keys)) = &keys
                && tx.account_by_id(account)?.and_then(|a| a.password_hash).as_ref() == Some(hash)
            {
                tx.put_scram_keys(account, hash, keys)?;
            }
            Ok(())
        })
    }

    /// The SCRAM keys of a password, and the hash they belong beside, where there are none.
    fn keys_due(
        &self,
        proven: &Proven,
        password: &[u8],
    ) -> Result<Option<(Secret, password::ScramKeys)>, DirectoryError> {
        let Some(account) = self.account_by_id(proven.account)? else { return Ok(None) };
        if self.has_scram_keys(&account)? {
            return Ok(None);
        }
        let Some(hash) = account.password_hash.filter(|h| ProvenBy::Password(digest_of(h)) == proven.by) else {
            return Ok(None);
        };
        Ok(Some((hash, self.derive_keys(account.id, password)?)))
    }

    /// Whether somebody who signed in to an account as it was then may go on: it is there and open, its domain too, and
    /// no other password has been set since. Another hash of the same password is no setting.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn may_stay(&self, then: &Account) -> Result<bool, DirectoryError> {
        match self.account_by_id(then.id)? {
            Some(now) if now.password_set_at == then.password_set_at => Ok(self.refusal_of(&now)?.is_none()),
            _ => Ok(false),
        }
    }

    /// Why an account may not be used, whatever the password.
    fn refusal_of(&self, account: &Account) -> Result<Option<Refusal>, DirectoryError> {
        let refusal = match account.state {
            AccountState::Open => None,
            AccountState::Locked => Some(Refusal::Locked),
            AccountState::Disabled => Some(Refusal::Disabled),
            AccountState::Closed => Some(Refusal::Closed),
            AccountState::Sealed => Some(Refusal::Sealed),
        };
        if refusal.is_some() {
            return Ok(refusal);
        }
        let domain = self.domain(account.address.domain())?;
        Ok(domain.filter(|d| d.disabled).map(|_| Refusal::DomainDisabled))
    }

    /// The better reason where no password could be checked: the account's state, if that keeps its owner out. What is
    /// told to anybody need not be hidden, and costs no hash: else whoever finds such an account has them for nothing.
    fn explain(&self, account: &Account, refusal: Refusal, password: &[u8]) -> Result<Refusal, DirectoryError> {
        let state = match refusal {
            Refusal::Unusable(_) => self.refusal_of(account)?,
            _ => None,
        };
        Ok(state.unwrap_or_else(|| {
            spend_unchecked(refusal, password);
            refusal
        }))
    }

    /// Whether a time of a last use is exact enough.
    fn is_recent(&self, at: Option<i64>) -> bool {
        // A clock that went back makes the old time worthless.
        at.is_some_and(|at| (0..LAST_LOGIN_GRAIN_S).contains(&self.now().saturating_sub(at)))
    }

    /// Writes what a good sign-in leaves behind, where that is due.
    fn record(
        &self,
        proof: &Proof,
        password: &[u8],
        last_login_at: Option<i64>,
        write: impl FnOnce(&mut crate::directory::Tx<'_>, Option<(&Secret, &Secret)>) -> Result<(), DirectoryError>,
    ) -> Result<(), DirectoryError> {
        if proof.weak.is_none() && self.is_recent(last_login_at) {
            return Ok(());
        }
        // Hashed before the transaction: nothing else should wait for it.
        let new = proof.weak.as_ref().map(|_| password::hash_new(password)).transpose()?;
        self.write(|tx| write(tx, proof.weak.as_ref().zip(new.as_ref())))
    }
}

/// Looks a login up; where it names nobody, spends the time that a wrong password would have cost.
fn known<T>(
    login: &str,
    get: impl FnOnce(&Address) -> Result<Option<T>, DirectoryError>,
    password: &[u8],
) -> Result<Option<T>, DirectoryError> {
    let found = match Address::new(login) {
        Ok(address) => get(&address)?,
        Err(_) => None,
    };
    if found.is_none() {
        spend(password);
    }
    Ok(found)
}

/// Checks a password against a stored hash.
fn prove(hash: Option<&Secret>, password: &[u8], address: &Address) -> Result<Proof, Refusal> {
    let stored = hash.map_or("", Secret::expose);
    match password::verify(password, stored, address) {
        Verdict::Right { rehash } => Ok(Proof { weak: hash.filter(|_| rehash).cloned() }),
        Verdict::Wrong => Err(Refusal::WrongPassword),
        Verdict::Unusable(reason) => Err(Refusal::Unusable(reason)),
    }
}

/// Spends the time of a check where none was possible.
fn spend_unchecked(refusal: Refusal, password: &[u8]) {
    if matches!(refusal, Refusal::Unusable(_)) {
        spend(password);
    }
}

/// Verifies a password against a hash of our own that nothing matches.
fn spend(password: &[u8]) {
    static NOBODY: OnceLock<Option<(Secret, Address)>> = OnceLock::new();
    let nobody = NOBODY.get_or_init(|| {
        let hash = password::hash_new(b"nobody's password").ok()?;
        Some((hash, Address::new("nobody@invalid").ok()?))
    });
    if let Some((hash, address)) = nobody {
        password::verify(password, hash.expose(), address);
    }
}
