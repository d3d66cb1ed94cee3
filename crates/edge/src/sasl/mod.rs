//! The server's side of SASL: PLAIN (RFC 4616), LOGIN, SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677).
//!
//! An [`Exchange`] takes what the client sent, decoded from the protocol's Base64, and says what to do next. It does no
//! I/O but for one lookup of SCRAM keys, and is called where blocking is allowed:
//!
//! ```text
//! Exchange::start(services, mechanism, peer, initial)  -> Step
//! Challenge(bytes)   send them, then Exchange::answer_line(the client's answer) -> Step
//! Verify(attempt)    Admission::sign_in(…).await; if that lets them in, Exchange::accepted() -> Step, else say no
//! Refused(why)       say no
//! Done               they are in
//! ```
//! After `Verify`, SCRAM still has a challenge to send, which proves the server to the client: whoever was let in is kept in
//! hand until `Done`, and dropped on anything else.

mod plain;
mod scram;

use crate::admission::FormerKey;
use crate::peer::Peer;
use crate::services::Services;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use directory::Proven;
use message::Address;
#[cfg(test)]
pub(crate) use scram::tests as scram_client;
use scram::{KeySource, KnownKeys, Scram};
use std::fmt;
use std::sync::Arc;

/// The longest answer taken, in bytes: PLAIN with the longest names and password fits twice.
pub const MAX_ANSWER_BYTES: usize = 4096;

/// The mechanisms, strongest first.
pub(crate) const SCRAM_PLUS: &str = "SCRAM-SHA-256-PLUS";
pub(crate) const SCRAM: &str = "SCRAM-SHA-256";
pub(crate) const PLAIN: &str = "PLAIN";
pub(crate) const LOGIN: &str = "LOGIN";

/// An exchange of challenges and answers.
pub struct Exchange {
    state: State,
}

/// What to do next.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// Send this and answer with [`Exchange::answer`].
    Challenge(Vec<u8>),
    /// Ask [`Admission::sign_in`](crate::Admission::sign_in), then call [`Exchange::accepted`] if that was a yes.
    Verify(Attempt),
    /// The exchange is over: no.
    Refused(Refused),
    /// The exchange is over: yes.
    Done,
}

/// Why an exchange is refused before anything was verified. The text may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The client gave up.
    #[error("cancelled")]
    Cancelled,
    /// There is no such mechanism, or not on this connection.
    #[error("that mechanism is not offered here")]
    Mechanism,
    /// Somebody in between could listen.
    #[error("begin TLS first")]
    Insecure,
    /// What the client sent is not what the mechanism prescribes.
    #[error("that is not what the mechanism prescribes")]
    Malformed,
    /// What the client sent is longer than anything sensible.
    #[error("that answer is too long")]
    TooLong,
    /// The client asks to act for somebody else.
    #[error("acting for somebody else is not allowed")]
    ActsForAnother,
    /// The exchange is bound to another connection, in a way not known here, or somebody hid what is offered.
    #[error("the channel binding does not match")]
    ChannelBinding,
    /// The directory could not be asked.
    #[error("signing in does not work for the moment")]
    Unavailable,
}

impl Refused {
    /// Whether the same exchange may succeed later.
    pub fn is_temporary(self) -> bool {
        self == Refused::Unavailable
    }
}

/// A claim to be somebody, to be verified by [`Admission::sign_in`](crate::Admission::sign_in).
#[derive(Debug)]
pub struct Attempt {
    pub(crate) login: String,
    pub(crate) claim: Claim,
}

/// What a claim rests on.
#[derive(Debug)]
pub(crate) enum Claim {
    /// A password.
    Password(Password),
    /// A SCRAM proof.
    Scram(Proof),
}

/// What a SCRAM proof is of.
#[derive(Debug)]
pub(crate) enum Proof {
    /// Of a credential that stands.
    Right(Proven),
    /// Of one that stood once.
    Former(FormerKey),
    /// Of nothing that is known.
    Wrong,
}

/// A password that somebody sent.
pub(crate) struct Password(Vec<u8>);

enum State {
    /// PLAIN: its one message.
    Plain,
    /// LOGIN: the name.
    LoginName,
    /// LOGIN: the password.
    LoginPassword { login: String },
    /// SCRAM.
    Scram(Box<Scram>),
    /// A password is being verified.
    Verifying,
    /// Nothing more.
    Over,
}

impl Exchange {
    /// Begins. `initial` is the initial response, if there was one (an empty one is one).
    pub fn start(services: &Services, mechanism: &str, peer: &Peer, initial: Option<&[u8]>) -> (Exchange, Step) {
        let refused = |why| (Exchange { state: State::Over }, Step::Refused(why));
        if services.policy.require_tls && !peer.secure {
            return refused(Refused::Insecure);
        }
        let offered = services.mechanisms(peer);
        let state = match mechanism.to_ascii_uppercase().as_str() {
            PLAIN => State::Plain,
            LOGIN => State::LoginName,
            name @ (SCRAM | SCRAM_PLUS) if services.takes_scram() => {
                let binding = peer.channel_binding.clone();
                let plus = name == SCRAM_PLUS;
                if plus && binding.is_none() {
                    return refused(Refused::Mechanism);
                }
                let Some(nonce) = scram::nonce() else { return refused(Refused::Unavailable) };
                let (directory, former) = (Arc::clone(&services.directory), services.admission.former());
                let keys: KeySource = Arc::new(KnownKeys { directory, former });
                let offered_plus = offered.contains(&SCRAM_PLUS);
                State::Scram(Box::new(Scram::new(keys, plus, offered_plus, binding, nonce)))
            }
            _ => return refused(Refused::Mechanism),
        };
        Exchange { state }.begin(initial)
    }

    fn begin(mut self, initial: Option<&[u8]>) -> (Exchange, Step) {
        let step = match (initial, &self.state) {
            (Some(initial), _) => self.answer(initial),
            (None, State::LoginName) => Step::Challenge(b"Username:".to_vec()),
            (None, _) => Step::Challenge(Vec::new()),
        };
        (self, step)
    }

    /// Goes on with the client's answer to a challenge.
    pub fn answer(&mut self, answer: &[u8]) -> Step {
        let state = std::mem::replace(&mut self.state, State::Over);
        if answer.len() > MAX_ANSWER_BYTES {
            return Step::Refused(Refused::TooLong);
        }
        let step = match state {
            State::Plain => plain::parse(answer).map(|attempt| (State::Verifying, Step::Verify(attempt))),
            State::LoginName => plain::login_name(answer)
                .map(|login| (State::LoginPassword { login }, Step::Challenge(b"Password:".to_vec()))),
            State::LoginPassword { login } => {
                plain::login_password(login, answer).map(|attempt| (State::Verifying, Step::Verify(attempt)))
            }
            State::Scram(mut scram) => scram.answer(answer).map(|step| (State::Scram(scram), step)),
            // Nothing was asked.
            State::Verifying | State::Over => Err(Refused::Malformed),
        };
        match step {
            Ok((_, Step::Done)) => Step::Done,
            Ok((state, step)) => {
                self.state = state;
                step
            }
            Err(why) => Step::Refused(why),
        }
    }

    /// Goes on with the client's answer as a line of the protocol: in Base64, or `*` to give up.
    pub fn answer_line(&mut self, line: &[u8]) -> Step {
        match decode(line) {
            Ok(answer) => self.answer(&answer),
            Err(why) => {
                self.state = State::Over;
                Step::Refused(why)
            }
        }
    }

    /// Goes on after the attempt was let in.
    pub fn accepted(&mut self) -> Step {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Verifying => Step::Done,
            State::Scram(mut scram) => match scram.accepted() {
                Some(proof) => {
                    self.state = State::Scram(scram);
                    Step::Challenge(proof)
                }
                None => Step::Refused(Refused::Malformed),
            },
            _ => Step::Refused(Refused::Malformed),
        }
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exchange(..)")
    }
}

impl Attempt {
    /// A login and a password, as `LOGIN`, or `USER` and `PASS`, send them.
    pub fn plain(login: impl Into<String>, password: impl Into<Vec<u8>>) -> Self {
        Attempt { login: login.into(), claim: Claim::Password(Password(password.into())) }
    }

    /// Who they say they are.
    pub fn login(&self) -> &str {
        &self.login
    }
}

impl Password {
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Decodes an answer from a protocol's line: Base64, or `*` to give up (RFC 9051 §6.2.2, RFC 5034 §4).
///
/// # Errors
/// When it is `*`, too long, or no Base64.
pub fn decode(line: &[u8]) -> Result<Vec<u8>, Refused> {
    if line == b"*" {
        return Err(Refused::Cancelled);
    }
    if line.len() > MAX_ANSWER_BYTES.div_ceil(3) * 4 {
        return Err(Refused::TooLong);
    }
    STANDARD.decode(line).map_err(|_| Refused::Malformed)
}

/// Decodes an initial response: as [`decode`], but that `=` stands for an empty one (RFC 4959 §3).
///
/// # Errors
/// As [`decode`].
pub fn decode_initial(text: &[u8]) -> Result<Vec<u8>, Refused> {
    if text == b"=" { Ok(Vec::new()) } else { decode(text) }
}

/// Encodes a challenge for a protocol's line.
pub fn encode(challenge: &[u8]) -> String {
    STANDARD.encode(challenge)
}

/// Checks whom somebody wants to act for: nobody in particular, or themselves.
fn check_authorization(authorization: &str, login: &str) -> Result<(), Refused> {
    let is_same = || match (Address::new(authorization), Address::new(login)) {
        (Ok(one), Ok(other)) => one == other,
        _ => authorization == login,
    };
    if authorization.is_empty() || is_same() { Ok(()) } else { Err(Refused::ActsForAnother) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_base64_or_a_star() {
        assert_eq!(decode(b"AGFuYQB4"), Ok(b"\0ana\0x".to_vec()));
        assert_eq!(decode(b""), Ok(Vec::new()));
        assert_eq!(decode(b"*"), Err(Refused::Cancelled));
        assert_eq!(decode(b"="), Err(Refused::Malformed));
        assert_eq!(decode(b"AGFuYQB4 "), Err(Refused::Malformed));
        assert_eq!(decode(&[b'A'; MAX_ANSWER_BYTES * 2]), Err(Refused::TooLong));
        assert_eq!(decode_initial(b"="), Ok(Vec::new()));
        assert_eq!(encode(b"\0ana\0x"), "AGFuYQB4");
    }

    #[test]
    fn an_attempt_prints_no_password() {
        let attempt = Attempt::plain("ana@example.org", "hierro2602");
        assert!(!format!("{attempt:?}").contains("hierro"));
    }

    #[test]
    fn nobody_acts_for_another() {
        assert_eq!(check_authorization("", "ana@example.org"), Ok(()));
        assert_eq!(check_authorization("Ana@EXAMPLE.org", "ana@example.org"), Ok(()));
        assert_eq!(check_authorization("eva@example.org", "ana@example.org"), Err(Refused::ActsForAnother));
    }
}
