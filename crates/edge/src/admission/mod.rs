//! Letting people in: passwords, limits against guessing, sessions at once.
//!
//! # Guessing
//! What is counted, and against what, stands at the head of `guard.rs`. In short: failures are counted where they come from, never
//! against an account alone; a network from which the account signed in well is not held up by failures from elsewhere;
//! a repeated wrong password counts once; and an app password that is right is always let in, since nobody guesses one.
//!
//! # Cost
//! A password costs an Argon2 hash, which takes memory and time. Hashes are computed on a few permits of their own, behind a
//! bounded queue; one permit is for networks that the account is known from, and one for imported hashes that take long, behind
//! which nobody else waits. A password that was right is remembered for a while as a keyed digest, so that clients that poll
//! pay once, and one that comes on several connections at once is hashed once.

mod former;
mod guard;
mod hashing;
mod sessions;
mod verified;

pub(crate) use former::{Former, FormerKey};
pub(crate) use sessions::{Means, SessionSlot};

use crate::peer::Peer;
use crate::reference::{Reference, causes};
use crate::sasl::{Attempt, Claim, Proof};
use crate::services::{OpenError, ScramOffer, Services, SignedIn};
use directory::{
    Account, AccountId, AppPasswordId, Arrival, Directory, DirectoryError, Proven, Refusal, Secret, SignIn,
};
use guard::{Guard, Guess, Ruling, Ticket};
use hashing::{Hashing, Turn};
use message::Address;
use sessions::Sessions;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};
use unicode_normalization::UnicodeNormalization;
use verified::Verified;

/// Tells the time, in milliseconds since any moment, never backwards.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Lets people in.
pub struct Admission {
    guard: Arc<Guard>,
    hashing: Hashing,
    verified: Verified,
    sessions: Arc<Sessions>,
    former: Arc<Former>,
}

/// Why somebody is not let in. The text may be sent to them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// The login or the password is wrong, or no password can be: which one is not said.
    #[error("the login or the password is wrong")]
    Wrong,
    /// The password is right and the account may not be used; or its state was all that could be looked at.
    #[error("{}", text_of(*.0))]
    Refused(Refusal),
    /// Too many failures came from there: whatever the password, it was not looked at.
    #[error("too many failures: try again in a while")]
    TryLater,
    /// Too many people are signing in at once.
    #[error("too many people are signing in: try again in a moment")]
    Busy,
    /// The account has as many sessions as it may.
    #[error("too many sessions: close some")]
    TooManySessions,
    /// Somebody in between could listen.
    #[error("begin TLS first")]
    Insecure,
    /// Something here failed; the operator finds it under the reference.
    #[error("signing in does not work for the moment (reference {reference})")]
    Failed {
        /// Stands in the log too.
        reference: String,
    },
}

impl SignInError {
    /// Whether the same attempt may succeed later.
    pub fn is_temporary(&self) -> bool {
        use SignInError as E;
        matches!(self, E::TryLater | E::Busy | E::TooManySessions | E::Failed { .. })
    }

    /// Logs what failed here under a reference.
    pub(crate) fn failed(error: OpenError) -> Self {
        let reference = Reference::unique().to_string();
        tracing::error!(reference, cause = causes(&error), "a sign-in failed");
        SignInError::Failed { reference }
    }

    fn outcome(&self) -> &'static str {
        match self {
            SignInError::Wrong => "wrong",
            SignInError::Refused(_) => "refused",
            SignInError::TryLater => "barred",
            SignInError::Busy => "busy",
            SignInError::TooManySessions => "sessions",
            SignInError::Insecure => "insecure",
            SignInError::Failed { .. } => "failed",
        }
    }
}

/// What is known of somebody before a password is hashed.
struct Applicant {
    account: Option<Account>,
    /// The account signed in well from there before.
    known: bool,
    /// The password is one of its app passwords.
    app: Option<Proven>,
}

impl Admission {
    /// An admission that remembers nothing yet.
    pub fn new() -> Arc<Self> {
        let begin = Instant::now();
        Self::with_clock(Arc::new(move || u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX)))
    }

    /// As [`Admission::new`], by another clock.
    pub fn with_clock(clock: Clock) -> Arc<Self> {
        Arc::new(Admission {
            guard: Guard::new(Arc::clone(&clock)),
            hashing: Hashing::new(),
            verified: Verified::new(clock),
            sessions: Arc::default(),
            former: Arc::default(),
        })
    }

    /// The SCRAM keys that accounts had.
    pub(crate) fn former(&self) -> Arc<Former> {
        Arc::clone(&self.former)
    }

    /// Decides about an attempt and opens the account's mail. A wrong one is answered after a delay.
    ///
    /// # Errors
    /// Why not.
    ///
    /// # Cancel safety
    /// Dropped, it is as if the attempt had not been made, but that a password being hashed may still be counted.
    pub async fn sign_in(
        &self,
        services: &Arc<Services>,
        peer: &Peer,
        attempt: Attempt,
    ) -> Result<SignedIn, SignInError> {
        let begin = tokio::time::Instant::now();
        let result = self.decide(services, peer, attempt).await;
        let outcome = result.as_ref().map_or_else(SignInError::outcome, |_| "in");
        metrics::counter!("reintegra_sign_ins_total", "protocol" => peer.protocol.as_str(), "outcome" => outcome)
            .increment(1);
        if matches!(result, Err(SignInError::Wrong | SignInError::TryLater | SignInError::Refused(_))) {
            // Nothing is held meanwhile but the connection itself.
            tokio::time::sleep_until(begin + whole_delays(begin.elapsed(), services.policy.failure_delay)).await;
        }
        result
    }

    async fn decide(&self, services: &Arc<Services>, peer: &Peer, attempt: Attempt) -> Result<SignedIn, SignInError> {
        if services.policy.require_tls && !peer.secure {
            return Err(SignInError::Insecure);
        }
        let (applicant, attempt) = look_up(services, peer, attempt).await?;
        let ticket = match self.ask_guard(peer, &applicant, &attempt) {
            Ok(ticket) => ticket,
            Err(error) => {
                log_refusal(peer, &applicant, &error);
                return Err(error);
            }
        };
        let known = applicant.known;
        let shown = applicant.account.as_ref().map(|a| a.address.clone());
        let app = app_of(&applicant, &attempt);
        let is_checked = app.is_some() || applicant.has_usable_hash();
        // Kept until the outcome is noted: those who wait for it may then need no hash of their own.
        let mut turn = None;
        let verdict = match (&applicant.app, &attempt.claim) {
            (Some(proven), _) | (None, Claim::Scram(Proof::Right(proven))) => {
                self.welcome(services, peer, proven.clone()).await?
            }
            (None, Claim::Scram(Proof::Former(_) | Proof::Wrong)) => Err(Refusal::WrongPassword),
            (None, Claim::Password(password)) => match self.verified.recall(applicant.account.as_ref(), password) {
                Some(proven) => self.welcome(services, peer, proven).await?,
                None => {
                    let turn =
                        turn.insert(self.hashing.turn(known, applicant.is_dear()).await.ok_or(SignInError::Busy)?);
                    // A client opens several connections at once: one of them may have had its turn meanwhile.
                    match self.verified.recall(applicant.account.as_ref(), password) {
                        _ if ticket.is_known_wrong() => Err(Refusal::WrongPassword),
                        Some(proven) => self.welcome(services, peer, proven).await?,
                        None => self.hash(services, peer, turn, attempt).await?,
                    }
                }
            },
        };
        match verdict {
            Ok(account) => {
                ticket.right();
                drop(turn);
                let (login, network) = (account.address.clone(), peer.networks().narrow);
                let services = Arc::clone(services);
                let opened = Arc::clone(&services).run(move || services.open_with(account, app)).await?;
                tracing::info!(protocol = peer.protocol.as_str(), %login, %network, "signed in");
                Ok(opened)
            }
            Err(refusal) => {
                let error = answer_to(refusal);
                match error {
                    SignInError::Wrong => ticket.wrong(),
                    _ if is_checked => ticket.right(),
                    _ => ticket.told(),
                }
                let (protocol, network) = (peer.protocol.as_str(), peer.networks().narrow);
                // A login that names nobody may be a password in the wrong field.
                let login = shown.as_ref().map_or("", Address::as_str);
                tracing::info!(protocol, login, %network, reason = %refusal, "not signed in");
                Err(error)
            }
        }
    }

    /// Asks whether an attempt may be looked at now.
    fn ask_guard(&self, peer: &Peer, applicant: &Applicant, attempt: &Attempt) -> Result<Ticket, SignInError> {
        let guess = match &attempt.claim {
            Claim::Password(password) => Guess::Password { password, hash: applicant.hash() },
            Claim::Scram(Proof::Former(key)) => Guess::Former(key),
            Claim::Scram(_) => Guess::Unlike,
        };
        let cannot_be_guessed = app_of(applicant, attempt).is_some();
        match self.guard.begin(&attempt.login, peer.networks(), applicant.known, guess, cannot_be_guessed) {
            Ruling::Go(ticket) => Ok(ticket),
            Ruling::KnownWrong => Err(SignInError::Wrong),
            Ruling::Later => Err(SignInError::TryLater),
        }
    }

    /// Lets somebody in who has proven a credential, if it still stands and the account may be used.
    async fn welcome(
        &self,
        services: &Arc<Services>,
        peer: &Peer,
        proven: Proven,
    ) -> Result<Result<Account, Refusal>, SignInError> {
        let (directory, peer) = (Arc::clone(&services.directory), peer.clone());
        let signed_in = services.run(move || {
            let signed_in = directory.sign_in_proven(&proven)?;
            if matches!(signed_in, SignIn::Welcome { .. }) {
                remember(&directory, &peer, &proven, None);
            }
            Ok(signed_in)
        });
        finish(signed_in.await)
    }

    /// Hashes the password of an attempt whose turn it is.
    async fn hash(
        &self,
        services: &Arc<Services>,
        peer: &Peer,
        turn: &Turn,
        attempt: Attempt,
    ) -> Result<Result<Account, Refusal>, SignInError> {
        let (directory, peer) = (Arc::clone(&services.directory), peer.clone());
        let with_keys = services.policy.scram != ScramOffer::Never;
        let work = move || {
            let Attempt { login, claim: Claim::Password(password) } = attempt else {
                unreachable!("only passwords are hashed");
            };
            let mut signed_in = Ok(SignIn::Refused(Refusal::WrongPassword));
            let mut right = None;
            for form in forms(password.expose()) {
                signed_in = directory.sign_in(&login, &form);
                match &signed_in {
                    // A login that is nobody's has as many hashes computed as one that is somebody's.
                    Ok(SignIn::Refused(Refusal::WrongPassword | Refusal::NoSuchLogin | Refusal::Unusable(_))) => {}
                    Ok(SignIn::Welcome { who, .. }) => {
                        if let Some(hash) = &who.password_hash {
                            let proven = Proven::password(who.id, hash);
                            remember(&directory, &peer, &proven, with_keys.then_some(&form));
                            right = Some((who.id, hash.clone()));
                        }
                        break;
                    }
                    _ => break,
                }
            }
            (signed_in, right, password)
        };
        let (signed_in, right, password) = turn.run(work).await;
        if let Some((account, hash)) = right {
            self.verified.keep(account, &hash, &password);
        }
        finish(signed_in)
    }

    /// Takes one of the sessions that an account may have; the first brings the means of all.
    pub(crate) fn slot(
        &self,
        account: AccountId,
        most: usize,
        means: impl FnOnce() -> Means,
    ) -> Result<(SessionSlot, Means), SignInError> {
        self.sessions.slot(account, most, means).ok_or(SignInError::TooManySessions)
    }
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Admission(..)")
    }
}

impl Applicant {
    /// Whether a password can be checked at all.
    fn has_usable_hash(&self) -> bool {
        self.hash().is_some_and(|hash| directory::password::usable(hash.expose()).is_ok())
    }

    /// Whether checking one takes long.
    fn is_dear(&self) -> bool {
        self.hash().is_some_and(|hash| directory::password::is_dear(hash.expose()))
    }

    fn hash(&self) -> Option<&Secret> {
        self.account.as_ref().and_then(|a| a.password_hash.as_ref())
    }
}

/// The app password that an attempt comes with, if it is right.
fn app_of(applicant: &Applicant, attempt: &Attempt) -> Option<AppPasswordId> {
    let by_scram = match &attempt.claim {
        Claim::Scram(Proof::Right(proven)) => Some(proven),
        _ => None,
    };
    applicant.app.as_ref().or(by_scram).and_then(Proven::app_password)
}

/// When a failure is answered: after whole delays. How long its check took depends on the account, above all where hashes
/// were imported, and would tell those that exist from those that do not.
fn whole_delays(elapsed: Duration, delay: Duration) -> Duration {
    let begun = elapsed.as_nanos().checked_div(delay.as_nanos()).map_or(0, |whole| whole + 1);
    delay.saturating_mul(u32::try_from(begun).unwrap_or(u32::MAX))
}

/// Reads what the directory knows of a login.
async fn look_up(services: &Arc<Services>, peer: &Peer, attempt: Attempt) -> Result<(Applicant, Attempt), SignInError> {
    let (directory, network) = (Arc::clone(&services.directory), peer.networks().narrow.to_string());
    let (applicant, attempt) = services
        .run(move || {
            let applicant = applicant(&directory, &network, &attempt);
            (applicant, attempt)
        })
        .await;
    Ok((applicant.map_err(|e| SignInError::failed(e.into()))?, attempt))
}

fn applicant(directory: &Directory, network: &str, attempt: &Attempt) -> Result<Applicant, DirectoryError> {
    let account = match Address::new(&attempt.login) {
        Ok(address) => directory.account(&address)?,
        Err(_) => None,
    };
    let Some(account) = account else { return Ok(Applicant { account: None, known: false, app: None }) };
    let known = directory.knows_network(account.id, network)?;
    let app = match &attempt.claim {
        Claim::Password(password) => directory.try_app_password(account.id, password.expose())?,
        Claim::Scram(_) => None,
    };
    Ok(Applicant { account: Some(account), known, app })
}

/// Keeps what a good sign-in is worth. That it cannot be kept keeps nobody out.
fn remember(directory: &Directory, peer: &Peer, proven: &Proven, password: Option<&Vec<u8>>) {
    let (from, network) = (peer.address.ip().to_canonical().to_string(), peer.networks().narrow.to_string());
    let arrival = Arrival { proven, from: &from, network: &network, protocol: peer.protocol.as_str() };
    if let Err(error) = directory.remember(&arrival, password.map(Vec::as_slice)) {
        tracing::warn!(error = &error as &dyn Error, "a sign-in could not be written down");
    }
}

fn finish(signed_in: Result<SignIn<Account>, DirectoryError>) -> Result<Result<Account, Refusal>, SignInError> {
    match signed_in.map_err(|e| SignInError::failed(e.into()))? {
        SignIn::Refused(refusal) => Ok(Err(refusal)),
        SignIn::Welcome { who, not_recorded } => {
            if let Some(error) = not_recorded {
                tracing::warn!(error = &error as &dyn Error, "a sign-in could not be written down");
            }
            Ok(Ok(*who))
        }
    }
}

fn log_refusal(peer: &Peer, applicant: &Applicant, error: &SignInError) {
    let (protocol, network) = (peer.protocol.as_str(), peer.networks().narrow);
    let login = applicant.account.as_ref().map_or("", |a| a.address.as_str());
    tracing::info!(protocol, login, %network, reason = error.outcome(), "not signed in");
}

/// What the person is told: states of an account only where the directory allows it.
fn answer_to(refusal: Refusal) -> SignInError {
    match refusal {
        Refusal::NoSuchLogin | Refusal::WrongPassword | Refusal::Unusable(_) => SignInError::Wrong,
        Refusal::Locked | Refusal::Disabled | Refusal::DomainDisabled | Refusal::Closed | Refusal::Sealed => {
            SignInError::Refused(refusal)
        }
    }
}

fn text_of(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Locked => "the account is locked until its administrator sets a password",
        Refusal::Disabled | Refusal::DomainDisabled => "the account is disabled: ask its administrator",
        Refusal::Closed | Refusal::Sealed => "the account is closed: ask its administrator",
        Refusal::NoSuchLogin | Refusal::WrongPassword | Refusal::Unusable(_) => "the login or the password is wrong",
    }
}

/// The forms in which a password is tried. First the bytes as they are: hashes were made from what some program sent, and
/// most programs send what was typed. One keyboard writes `ñ` as one character and another as two, so a password that is
/// not ASCII is then tried composed, and then as SASLprep makes it, in case the hash was made from either.
fn forms(password: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![password.to_vec()];
    if let Ok(text) = str::from_utf8(password)
        && !text.is_ascii()
    {
        forms.push(text.nfc().collect::<String>().into_bytes());
        forms.push(directory::password::prepared(password));
        forms.dedup();
    }
    forms
}

#[cfg(test)]
mod tests;
