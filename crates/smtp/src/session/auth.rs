//! AUTH (RFC 4954).

use super::{Next, Session, State};
use crate::answer;
use crate::settings::Role;
use crate::syntax::Reply;
use edge::sasl::{self, Exchange, Step};
use edge::{SignInError, SignedIn};

impl Session {
    /// The mechanisms that are offered here and now.
    pub(super) fn mechanisms(&self) -> Vec<&'static str> {
        match self.settings.role {
            Role::Submission => self.services.mechanisms(&self.peer),
            Role::Mx | Role::Lmtp => Vec::new(),
        }
    }

    pub(super) fn auth(&mut self, mechanism: &str, initial: Option<&[u8]>, out: &mut Vec<u8>) -> Next {
        if self.settings.role != Role::Submission {
            return self.say(&Reply::new(502, (5, 5, 1), "nobody signs in here"), out);
        }
        if !self.hello.as_ref().is_some_and(|hello| hello.extended) {
            return self.out_of_order("say EHLO first", out);
        }
        if self.user.is_some() || self.transaction.is_some() {
            return self.out_of_order("that is for before, and once", out);
        }
        let initial = match initial.map(sasl::decode_initial).transpose() {
            Ok(initial) => initial,
            Err(why) => return self.say(&answer::to_refused(why), out),
        };
        let (exchange, step) = Exchange::start(&self.services, mechanism, &self.peer, initial.as_deref());
        self.follow(Box::new(exchange), None, step, out)
    }

    /// An answer to a challenge.
    pub(super) fn answered(&mut self, line: &[u8], out: &mut Vec<u8>) -> Next {
        let state = std::mem::replace(&mut self.state, State::Ready);
        let State::Challenged(mut exchange, user) = state else { return self.close() };
        let step = match sasl::decode(line) {
            Ok(answer) => exchange.answer(&answer),
            Err(why) => Step::Refused(why),
        };
        self.follow(exchange, user, step, out)
    }

    fn follow(&mut self, exchange: Box<Exchange>, user: Option<Box<SignedIn>>, step: Step, out: &mut Vec<u8>) -> Next {
        match (step, user) {
            (Step::Challenge(challenge), user) => {
                Reply::plain(334, sasl::encode(&challenge)).write(out);
                self.state = State::Challenged(exchange, user);
                Next::Line
            }
            (Step::Verify(attempt), _) => {
                self.state = State::SigningIn(exchange);
                Next::SignIn(attempt)
            }
            (Step::Done, Some(user)) => {
                self.user = Some(user);
                self.say(&Reply::new(235, (2, 7, 0), "you are in"), out)
            }
            (Step::Done, None) => self.say(&answer::to_refused(sasl::Refused::Malformed), out),
            (Step::Refused(why), _) => self.say(&answer::to_refused(why), out),
        }
    }

    /// What became of a sign-in.
    pub(crate) fn signed_in(&mut self, outcome: Result<SignedIn, SignInError>, out: &mut Vec<u8>) -> Next {
        let state = std::mem::replace(&mut self.state, State::Ready);
        let State::SigningIn(mut exchange) = state else { return self.close() };
        match outcome {
            Ok(user) => {
                let step = exchange.accepted();
                self.follow(exchange, Some(Box::new(user)), step, out)
            }
            Err(error) => self.say(&answer::to_sign_in_error(&error), out),
        }
    }
}
