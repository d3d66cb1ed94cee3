//! What HTTP-01 is answered with (RFC 8555 §8.3).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Below which path answers are asked for.
pub(crate) const PATH: &str = "/.well-known/acme-challenge/";

/// The answers that are wanted now, for whoever serves HTTP at port 80. Cloned, it is the same.
#[derive(Clone, Debug, Default)]
pub struct Responder(Arc<Mutex<HashMap<String, String>>>);

/// An answer that is given for as long as this lives.
#[derive(Debug)]
#[must_use]
pub struct Answer {
    responder: Responder,
    token: String,
}

impl Responder {
    /// The key authorization to answer with, for the path of a request; `None`: there is no such page.
    pub fn look_up(&self, path: &str) -> Option<String> {
        self.lock().get(path.strip_prefix(PATH)?).cloned()
    }

    /// Answers for a token.
    pub(crate) fn answer(&self, token: &str, key_authorization: &str) -> Answer {
        self.lock().insert(token.to_owned(), key_authorization.to_owned());
        Answer { responder: self.clone(), token: token.to_owned() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.responder.lock().remove(&self.token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_given_while_it_is_wanted() {
        let responder = Responder::default();
        let path = "/.well-known/acme-challenge/token";
        let answer = responder.answer("token", "token.thumb");
        assert_eq!(responder.look_up(path).as_deref(), Some("token.thumb"));
        for other in ["/token", "/.well-known/acme-challenge/", "/.well-known/acme-challenge/tok", "token", ""] {
            assert_eq!(responder.look_up(other), None, "{other}");
        }
        drop(answer);
        assert_eq!(responder.look_up(path), None);
    }
}
