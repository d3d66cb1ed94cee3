//! Signing in: the password, then whether the account may be used, then what a good sign-in leaves behind.

use crate::account::{Account, AccountState};
use crate::admin::{AdminCredential, DomainAdmin};
use crate::directory::Directory;
use crate::error::DirectoryError;
use crate::password::{self, UnusableReason, Verdict};
use crate::secret::Secret;
use message::Address;
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

/// What is known after the password was looked at.
struct Proof {
    /// The hash that the password was right for, where a stronger one should take its place.
    weak: Option<Secret>,
}

impl Directory {
    /// Signs the owner of an account in: checks the password and the states of account and domain, keeps the time, and
    /// replaces a hash that is weaker than a new one would be. An unknown login costs as much time as a wrong password.
    ///
    /// # Errors
    /// When the directory cannot be read. What cannot be written is no error: see [`SignIn::Welcome`].
    pub fn sign_in(&self, login: &str, password: &[u8]) -> Result<SignIn<Account>, DirectoryError> {
        let Some(account) = known(login, |address| self.account(address), password)? else {
            return Ok(SignIn::Refused(Refusal::NoSuchLogin));
        };
        let proof = match prove(account.password_hash.as_ref(), password, &account.address) {
            Ok(proof) => proof,
            Err(refusal) => return Ok(SignIn::Refused(self.explain(&account, refusal)?)),
        };
        if let Some(refusal) = self.refusal_of(&account)? {
            return Ok(SignIn::Refused(refusal));
        }
        let recorded = self.record(&proof, password, account.last_login_at, |tx, stronger| {
            tx.set_last_login(account.id)?;
            stronger.map_or(Ok(()), |(old, new)| tx.rehash(account.id, old, new))
        });
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
            (Err(refusal), None) => return Ok(SignIn::Refused(refusal)),
            (Err(refusal), Some(account)) => return Ok(SignIn::Refused(self.explain(account, refusal)?)),
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
                (Some((old, new)), Some(account)) => tx.rehash(account.id, old, new),
                (Some((old, new)), None) => tx.rehash_admin(admin.id, old, new),
            }
        });
        Ok(SignIn::Welcome { who: Box::new(admin), not_recorded: recorded.err() })
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

    /// The better reason where no password could be checked: the account's state, if that keeps its owner out.
    fn explain(&self, account: &Account, refusal: Refusal) -> Result<Refusal, DirectoryError> {
        match refusal {
            Refusal::Unusable(_) => Ok(self.refusal_of(account)?.unwrap_or(refusal)),
            other => Ok(other),
        }
    }

    /// Writes what a good sign-in leaves behind, where that is due.
    fn record(
        &self,
        proof: &Proof,
        password: &[u8],
        last_login_at: Option<i64>,
        write: impl FnOnce(&mut crate::directory::Tx<'_>, Option<(&Secret, &Secret)>) -> Result<(), DirectoryError>,
    ) -> Result<(), DirectoryError> {
        // A clock that went back makes the old time worthless.
        let is_recent = |at: i64| (0..LAST_LOGIN_GRAIN_S).contains(&self.now().saturating_sub(at));
        if proof.weak.is_none() && last_login_at.is_some_and(is_recent) {
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
        Verdict::Unusable(reason) => {
            spend(password);
            Err(Refusal::Unusable(reason))
        }
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
