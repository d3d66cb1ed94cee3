//! Keeps the certificates: what is due, one after another, for as long as the server runs.

use crate::chain;
use crate::error::{IssueError, SetupError};
use crate::http::Https;
use crate::keep::{Keep, KeptAccount, KeptState};
use crate::order::Orders;
use crate::responder::Responder;
use crate::schedule;
use crate::settings::{Kind, Settings};
use edge::Shutdown;
use edge::tls::{Inspected, Tls, client, inspect};
use instant_acme::{Account, CertificateIdentifier, NewAccount};
use rustls::pki_types::{Der, UnixTime};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

/// The longest sleep: a clock that was set is noticed after it.
const LONGEST_SLEEP_S: i64 = 3600;
/// The longest wait that a server can ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(7 * 86_400);
/// For how long a server's word on when to renew is good at most.
const LONGEST_RENEWAL_INFO_S: i64 = 86_400;

/// Keeps certificates.
pub struct Manager {
    settings: Settings,
    keep: Keep,
    tls: Arc<Tls>,
    responder: Responder,
    https: Https,
    /// With the server's directory; `None`: to be had anew.
    account: Option<Account>,
    certificates: Vec<Certificate>,
}

/// One that is kept.
struct Certificate {
    names: Vec<String>,
    /// What is shown to clients.
    current: Option<Inspected>,
    state: KeptState,
    /// When the server suggests to renew.
    suggested_s: Option<i64>,
    /// When to ask for that again.
    ask_again_s: i64,
}

/// What an attempt brought.
struct Brought {
    certificate: Option<Inspected>,
    refused: Vec<(String, String)>,
}

impl Manager {
    /// Reads what is kept, and shows what can be shown of it from now on. Blocks for some reads.
    ///
    /// # Errors
    /// When what is wanted cannot be had, or the directory cannot be used.
    pub fn new(settings: Settings, tls: Arc<Tls>) -> Result<Self, SetupError> {
        let settings = settings.checked()?;
        let failed = |source| SetupError::Keep { path: settings.kept_in.clone(), source };
        let keep = Keep::open(settings.kept_in.clone()).map_err(failed)?;
        let config = client::verified(&settings.roots).map_err(SetupError::Client)?;
        let https = Https::new(config, settings.pace.request);
        let now_s = now_s();
        let mut certificates = Vec::new();
        for names in &settings.certificates {
            let state = keep.state(&names[0]).map_err(failed)?.unwrap_or_default();
            let current = shown(&keep, &names[0], &tls);
            certificates.push(Certificate::new(names.clone(), current, state, now_s, &settings));
        }
        let responder = Responder::default();
        Ok(Manager { settings, keep, tls, responder, https, account: None, certificates })
    }

    /// What HTTP-01 is to be answered with, by whoever serves port 80.
    pub fn responder(&self) -> Responder {
        self.responder.clone()
    }

    /// Orders and renews until it is time to stop.
    ///
    /// # Cancel safety
    /// What is under way is given up: an order that was not fetched yet is made again at the next start.
    pub async fn run(mut self, mut shutdown: Shutdown) {
        tokio::select! {
            () = self.keep_up() => {}
            () = shutdown.requested() => {}
        }
    }

    async fn keep_up(&mut self) {
        loop {
            for at in 0..self.certificates.len() {
                self.ask_when(at).await;
                if self.certificates[at].due_s(&self.settings) <= now_s() {
                    self.renew(at).await;
                }
            }
            let next_s = self.certificates.iter().map(|one| one.next_s(&self.settings)).min();
            let wait_s = next_s.unwrap_or(i64::MAX).saturating_sub(now_s()).clamp(1, LONGEST_SLEEP_S);
            sleep(Duration::from_secs(wait_s.unsigned_abs())).await;
        }
    }

    /// Asks the server when to renew, if it is time to ask (RFC 9773 §4). Whatever fails, two thirds of a life are right too.
    async fn ask_when(&mut self, at: usize) {
        let (pace, now_s) = (self.settings.pace, now_s());
        let one = &mut self.certificates[at];
        let Some(id) = one.current.as_ref().and_then(identifier).filter(|_| one.ask_again_s <= now_s) else { return };
        one.ask_again_s = now_s + schedule::seconds(pace.renewal_info);
        let asked = async { Ok::<_, IssueError>(self.account().await?.renewal_info(&id).await) };
        let asked = timeout(pace.validation, asked).await;
        let one = &mut self.certificates[at];
        match asked {
            Ok(Ok(Ok((info, again)))) => {
                let window = &info.suggested_window;
                let (start_s, end_s) = (window.start.unix_timestamp(), window.end.unix_timestamp());
                one.suggested_s =
                    one.current.as_ref().and_then(|c| schedule::suggested_s(c, start_s, end_s, spread(c)));
                let least_s = schedule::seconds(pace.renewal_info);
                let again_s = schedule::seconds(again).clamp(least_s, LONGEST_RENEWAL_INFO_S.max(least_s));
                one.ask_again_s = now_s + again_s;
            }
            Ok(Ok(Err(instant_acme::Error::Unsupported(_)))) => one.ask_again_s = now_s + LONGEST_RENEWAL_INFO_S,
            Ok(Ok(Err(error))) => self.not_told(at, &IssueError::from(error)),
            Ok(Err(error)) => self.not_told(at, &error),
            Err(_) => self.not_told(at, &IssueError::TooLong),
        }
    }

    fn not_told(&mut self, at: usize, error: &IssueError) {
        // The directory may have changed.
        self.account = None;
        let certificate = &self.certificates[at].names[0];
        tracing::debug!(certificate, error = error.chain(), "the ACME server does not say when to renew");
    }

    /// Makes an attempt, and notes what became of it.
    async fn renew(&mut self, at: usize) {
        let pace = self.settings.pace;
        let began_s = now_s();
        // From here on, what the server asks for belongs to this attempt.
        self.https.take_asked_to_wait();
        let attempt = timeout(pace.validation * 4, self.attempt(at)).await;
        let attempt = attempt.unwrap_or(Err(IssueError::TooLong));
        let asked_to_wait = self.https.take_asked_to_wait();
        let one = &mut self.certificates[at];
        let mut state = KeptState {
            directory: one.state.directory.clone(),
            names: one.names.clone(),
            last_attempt_s: began_s,
            ..KeptState::default()
        };
        match attempt {
            Ok(brought) => {
                if let Some(certificate) = brought.certificate {
                    state.directory.clone_from(&self.settings.directory);
                    one.current = Some(certificate);
                    (one.suggested_s, one.ask_again_s) = (None, 0);
                }
                state.refused = brought.refused;
            }
            Err(error) => {
                self.account = None;
                state.limited = matches!(error, IssueError::Limited(_));
                state.error = Some(error.chain());
            }
        }
        if state.error.is_some() || !state.refused.is_empty() {
            state.failures = one.state.failures.saturating_add(1);
            let mut wait_s = schedule::retry_after_s(&pace, state.failures, random());
            if state.limited {
                wait_s = wait_s.max(schedule::seconds(pace.limited));
            }
            if let Some(asked) = asked_to_wait {
                wait_s = wait_s.max(schedule::seconds(asked.min(LONGEST_WAIT)));
                state.limited = true;
            }
            state.next_attempt_s = now_s() + wait_s;
        }
        one.state = state;
        one.state.next_attempt_s = one.due_s(&self.settings);
        one.tell();
        let (state, name) = (one.state.clone(), one.names[0].clone());
        let written = self.blocking(move |keep| keep.write_state(&name, &state)).await;
        if let Err(error) = written {
            tracing::error!(error = error.chain(), "what became of an order cannot be noted");
        }
    }

    /// Orders a certificate for its names, or for those of them that can be shown to be ours.
    async fn attempt(&mut self, at: usize) -> Result<Brought, IssueError> {
        match self.order(at).await {
            Err(error) if error.is_problem("accountDoesNotExist") => {
                tracing::warn!("the ACME server does not know the account any more: a new one is made");
                self.account = None;
                self.blocking(Keep::forget_account).await?;
                self.order(at).await
            }
            brought => brought,
        }
    }

    async fn order(&mut self, at: usize) -> Result<Brought, IssueError> {
        let account = self.account().await?;
        let one = &self.certificates[at];
        let kinds = turned(&self.settings.challenges, one.state.failures);
        let limit = self.settings.pace.validation;
        let orders = Orders { account: &account, responder: &self.responder, tls: &self.tls, kinds: &kinds, limit };
        let is_told = one.suggested_s.is_some() && one.state.directory == self.settings.directory;
        let replaces = one.current.as_ref().filter(|_| is_told).and_then(identifier);
        let mut shown = match orders.show(&one.names, replaces.clone()).await {
            // It need not agree on what is replaced (RFC 9773 §5): then it is a new one.
            Err(IssueError::Server(_)) if replaces.is_some() => orders.show(&one.names, None).await?,
            shown => shown?,
        };
        let mut refused = std::mem::take(&mut shown.refused);
        if !refused.is_empty() {
            let is_ours = |name: &&String| !refused.iter().any(|(no, _)| no == *name);
            let rest: Vec<String> = one.names.iter().filter(is_ours).cloned().collect();
            if rest.is_empty() || !one.gains_by(&rest, &refused, &self.settings) {
                return Ok(Brought { certificate: None, refused });
            }
            shown = orders.show(&rest, None).await?;
            if !shown.refused.is_empty() {
                refused.append(&mut shown.refused);
                return Ok(Brought { certificate: None, refused });
            }
        }
        let (name, names) = (one.names[0].clone(), shown.names.clone());
        let pem = shown.finish(limit).await?;
        let files = self.keep.certificate(&name);
        let certificate = chain::check(&files.chain, pem.as_bytes(), &names, UnixTime::now())?;
        self.blocking(move |keep| keep.write_certificate(&name, pem.as_bytes())).await?;
        let tls = Arc::clone(&self.tls);
        let put = spawn_blocking(move || tls.put(files)).await;
        put.map_err(|error| self.unkept(io::Error::other(error)))?.map_err(IssueError::Chain)?;
        Ok(Brought { certificate: Some(certificate), refused })
    }

    /// The account with the server: the one that was there, the one that is kept, or a new one.
    async fn account(&mut self) -> Result<Account, IssueError> {
        if let Some(account) = &self.account {
            return Ok(account.clone());
        }
        let contact = self.settings.contact.as_ref().map(|address| format!("mailto:{address}"));
        let contacts: Vec<&str> = contact.iter().map(String::as_str).collect();
        let kept = self.blocking(Keep::account).await?.filter(|kept| kept.directory == self.settings.directory);
        let builder = Account::builder_with_http(Box::new(self.https.clone()));
        let account = match kept {
            Some(KeptAccount { credentials, contact: former, .. }) => {
                let account = builder.from_credentials(credentials).await?;
                if former != self.settings.contact {
                    // Certificates do not wait for that.
                    match account.update_contacts(&contacts).await {
                        Ok(()) => self.note_contact().await?,
                        Err(error) => {
                            let error = IssueError::from(error).chain();
                            tracing::warn!(error, "the ACME server does not take the new contact");
                        }
                    }
                }
                account
            }
            None => {
                let new = NewAccount { contact: &contacts, terms_of_service_agreed: true, only_return_existing: false };
                let (account, credentials) = builder.create(&new, self.settings.directory.clone(), None).await?;
                let (directory, contact) = (self.settings.directory.clone(), self.settings.contact.clone());
                let kept = KeptAccount { directory, contact, credentials };
                self.blocking(move |keep| keep.write_account(&kept)).await?;
                account
            }
        };
        self.account = Some(account.clone());
        Ok(account)
    }

    async fn note_contact(&self) -> Result<(), IssueError> {
        let contact = self.settings.contact.clone();
        self.blocking(move |keep| match keep.account()? {
            Some(kept) => keep.write_account(&KeptAccount { contact, ..kept }),
            None => Ok(()),
        })
        .await
    }

    /// Works with what is kept, off the network's threads.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Keep) -> io::Result<T> + Send + 'static,
    ) -> Result<T, IssueError> {
        let keep = self.keep.clone();
        let done = spawn_blocking(move || work(&keep)).await;
        done.map_err(io::Error::other).flatten().map_err(|source| self.unkept(source))
    }

    fn unkept(&self, source: io::Error) -> IssueError {
        IssueError::Keep { path: self.keep.directory().to_owned(), source }
    }
}

impl Certificate {
    fn new(
        names: Vec<String>,
        current: Option<Inspected>,
        mut state: KeptState,
        now_s: i64,
        settings: &Settings,
    ) -> Self {
        // A clock that was ahead must not hold anything up.
        state.last_attempt_s = state.last_attempt_s.min(now_s);
        let most_s = match state.limited {
            true => now_s + schedule::seconds(LONGEST_WAIT),
            // Whoever starts anew may have mended something.
            false => state.last_attempt_s + schedule::seconds(settings.pace.first_retry),
        };
        state.next_attempt_s = state.next_attempt_s.min(most_s);
        Certificate { names, current, state, suggested_s: None, ask_again_s: 0 }
    }

    /// When something is to be done.
    fn due_s(&self, settings: &Settings) -> i64 {
        let no_sooner_s = match self.state.failures {
            0 => self.state.last_attempt_s + schedule::seconds(settings.pace.first_retry),
            _ => self.state.next_attempt_s,
        };
        no_sooner_s.max(self.wanted_s(settings))
    }

    /// When it is to be looked at again: because something is due, or to ask when it will be.
    fn next_s(&self, settings: &Settings) -> i64 {
        let due_s = self.due_s(settings);
        match self.current.as_ref().and_then(identifier) {
            Some(_) => due_s.min(self.ask_again_s),
            None => due_s,
        }
    }

    /// When it would be good to have another: at once, where the one there is does not do.
    fn wanted_s(&self, settings: &Settings) -> i64 {
        match &self.current {
            Some(current) if self.is_of(&settings.directory) && self.names.iter().all(|name| current.covers(name)) => {
                self.suggested_s.unwrap_or_else(|| schedule::renewal_s(current, spread(current)))
            }
            _ => i64::MIN,
        }
    }

    /// Whether this server issued it, as far as that is known.
    fn is_of(&self, directory: &str) -> bool {
        self.state.directory == directory
    }

    /// Whether a certificate for a part of the names is better than what there is: it must bring something, and must not
    /// take a name away while the one there is will do for a while.
    fn gains_by(&self, part: &[String], refused: &[(String, String)], settings: &Settings) -> bool {
        let now_s = now_s();
        let Some(current) = self.current.as_ref().filter(|current| current.is_valid_at(now_s)) else { return true };
        let is_new = part.iter().any(|name| !current.covers(name));
        let is_old = schedule::renewal_s(current, spread(current)) <= now_s || !self.is_of(&settings.directory);
        let takes_away = refused.iter().any(|(name, _)| current.covers(name));
        let is_urgent = current.not_after_s - (current.not_after_s - current.not_before_s) / 6 <= now_s;
        (is_new || is_old) && (!takes_away || is_urgent)
    }

    /// Tells the log and the metrics of the last attempt.
    fn tell(&self) {
        let certificate = &self.names[0];
        let state = &self.state;
        let outcome = match (&state.error, state.refused.is_empty()) {
            (Some(_), _) => "failed",
            (None, false) => "partial",
            (None, true) => "issued",
        };
        metrics::counter!("reintegra_acme_attempts_total", "outcome" => outcome).increment(1);
        metrics::gauge!("reintegra_acme_failures", "name" => certificate.clone()).set(f64::from(state.failures));
        for (name, reason) in &state.refused {
            tracing::warn!(certificate, name, reason, "the ACME server cannot see that this name is ours");
        }
        let next_attempt_s = state.next_attempt_s;
        match (&state.error, self.current.as_ref().is_some_and(|current| current.is_valid_at(now_s()))) {
            (Some(error), true) => {
                tracing::warn!(certificate, error, next_attempt_s, "no new certificate; the former goes on");
            }
            (Some(error), false) => {
                tracing::error!(certificate, error, next_attempt_s, "no certificate");
            }
            (None, _) => {
                let not_after_s = self.current.as_ref().map(|current| current.not_after_s);
                tracing::info!(certificate, outcome, not_after_s, next_attempt_s, "a certificate was ordered");
            }
        }
    }
}

/// The certificate that is kept under a name, if it can be used; then it is shown from now on.
fn shown(keep: &Keep, name: &str, tls: &Tls) -> Option<Inspected> {
    let files = keep.certificate(name);
    if !files.chain.exists() {
        return None;
    }
    let put = inspect(&files).and_then(|inspected| tls.put(files).map(|()| inspected));
    if let Err(error) = &put {
        let error = error as &dyn std::error::Error;
        tracing::error!(error, "a certificate cannot be used, and another is ordered");
    }
    put.ok()
}

/// What names a certificate to its server (RFC 9773 §4.1).
fn identifier(certificate: &Inspected) -> Option<CertificateIdentifier<'static>> {
    let authority = certificate.authority_key_identifier.as_deref()?;
    Some(CertificateIdentifier::new(Der::from_slice(authority), Der::from_slice(&certificate.serial)).into_owned())
}

/// A number that is always the same for a certificate and differs among them: serial numbers are random.
fn spread(certificate: &Inspected) -> u64 {
    certificate.serial.iter().fold(0, |sum: u64, octet| sum.wrapping_mul(31).wrapping_add(u64::from(*octet)))
}

/// The challenges, beginning with another after each failure.
fn turned(kinds: &[Kind], failures: u32) -> Vec<Kind> {
    let mut kinds = kinds.to_vec();
    let by = failures as usize % kinds.len();
    kinds.rotate_left(by);
    kinds
}

/// Only spreads attempts: without it they are where they are.
fn random() -> u64 {
    getrandom::u64().unwrap_or(100)
}

fn now_s() -> i64 {
    i64::try_from(UnixTime::now().as_secs()).unwrap_or(i64::MAX)
}
