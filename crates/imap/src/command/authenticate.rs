//! AUTHENTICATE and LOGIN (RFC 9051 §6.2.2, §6.2.3): the exchange is [`edge::sasl`]'s, and who may come in is decided by
//! [`edge::Admission`].

use super::Flow;
use crate::answer::{Refusal, Status};
use crate::session::core::Core;
use crate::syntax::{ResponseCode, SecretArg};
use edge::sasl::{self, Attempt, Exchange, Refused, Step};
use edge::{SignInError, SignedIn};

/// AUTHENTICATE.
pub(super) fn run(
    core: &mut Core,
    mechanism: &str,
    initial: Option<SecretArg>,
    out: &mut Vec<u8>,
) -> Result<Flow, Refusal> {
    only_once(core)?;
    let initial = initial.as_ref().map(|initial| &initial.0[..]);
    let (exchange, step) = Exchange::start(&core.services, mechanism, &core.peer, initial);
    follow(core, Box::new(exchange), None, step, out)
}

/// LOGIN.
pub(super) fn login(core: &mut Core, user: String, password: SecretArg) -> Result<Flow, Refusal> {
    only_once(core)?;
    if core.services.policy.require_tls && !core.peer.secure {
        return Err(why_refused(Refused::Insecure));
    }
    Ok(Flow::SignIn(Attempt::plain(user, password.0), None))
}

/// Goes on with an answer to a challenge. `guest` was let in already, and waits for the exchange to end.
pub(crate) fn go_on(
    core: &mut Core,
    mut exchange: Box<Exchange>,
    guest: Option<Box<SignedIn>>,
    line: &[u8],
    out: &mut Vec<u8>,
) -> Result<Flow, Refusal> {
    let step = exchange.answer_line(line);
    follow(core, exchange, guest, step, out)
}

/// Goes on with what became of a sign-in.
pub(crate) fn signed_in(
    core: &mut Core,
    exchange: Option<Box<Exchange>>,
    outcome: Result<SignedIn, SignInError>,
    out: &mut Vec<u8>,
) -> Result<Flow, Refusal> {
    let guest = Some(Box::new(outcome.map_err(|error| why_not_signed_in(&error))?));
    match exchange {
        Some(mut exchange) => {
            let step = exchange.accepted();
            follow(core, exchange, guest, step, out)
        }
        None => welcome(core, guest),
    }
}

fn follow(
    core: &mut Core,
    exchange: Box<Exchange>,
    guest: Option<Box<SignedIn>>,
    step: Step,
    out: &mut Vec<u8>,
) -> Result<Flow, Refusal> {
    match step {
        Step::Challenge(challenge) => {
            out.extend_from_slice(format!("+ {}\r\n", sasl::encode(&challenge)).as_bytes());
            Ok(Flow::Challenge(exchange, guest))
        }
        Step::Verify(attempt) => Ok(Flow::SignIn(attempt, Some(exchange))),
        Step::Refused(why) => Err(why_refused(why)),
        Step::Done => welcome(core, guest),
    }
}

fn welcome(core: &mut Core, guest: Option<Box<SignedIn>>) -> Result<Flow, Refusal> {
    // Without a guest, the exchange ended before anyone was asked: nobody comes in.
    core.user = Some(guest.ok_or_else(|| why_refused(Refused::Malformed))?);
    Ok(Flow::Done(Status::ok("welcome").with_code(core.capability_code())))
}

fn only_once(core: &Core) -> Result<(), Refusal> {
    match core.user {
        Some(_) => Err(Refusal::bad("you are signed in")),
        None => Ok(()),
    }
}

fn why_refused(why: Refused) -> Refusal {
    let text = why.to_string();
    match why {
        Refused::Cancelled | Refused::Malformed | Refused::TooLong => Refusal::bad(text),
        Refused::Mechanism => Refusal::no(text).with_code(ResponseCode::Cannot),
        Refused::Insecure => Refusal::no(text).with_code(ResponseCode::PrivacyRequired),
        Refused::ActsForAnother => Refusal::no(text).with_code(ResponseCode::AuthorizationFailed),
        Refused::ChannelBinding => Refusal::no(text).with_code(ResponseCode::AuthenticationFailed),
        Refused::Unavailable => Refusal::no(text).with_code(ResponseCode::Unavailable),
    }
}

fn why_not_signed_in(error: &SignInError) -> Refusal {
    let code = match error {
        SignInError::Wrong => ResponseCode::AuthenticationFailed,
        SignInError::Refused(_) => ResponseCode::AuthorizationFailed,
        SignInError::Insecure => ResponseCode::PrivacyRequired,
        SignInError::TryLater | SignInError::Busy | SignInError::TooManySessions | SignInError::Failed { .. } => {
            ResponseCode::Unavailable
        }
    };
    Refusal::no(error.to_string()).with_code(code)
}
