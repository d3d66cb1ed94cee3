//! PLAIN and LOGIN: the password itself.

use super::{Attempt, Refused, check_authorization};

/// Reads the one message of PLAIN (RFC 4616 §2):
///
/// ```text
/// message = [authzid] UTF8NUL authcid UTF8NUL passwd
/// ```
///
/// The password may be empty or no UTF-8: whether it is right is not decided here.
pub(super) fn parse(message: &[u8]) -> Result<Attempt, Refused> {
    let fields: Vec<&[u8]> = message.split(|b| *b == 0).collect();
    let [authorization, login, password] = fields[..] else { return Err(Refused::Malformed) };
    let (authorization, login) = (text(authorization)?, name(login)?);
    check_authorization(authorization, &login)?;
    Ok(Attempt::plain(login, password))
}

/// Reads LOGIN's first answer (draft-murchison-sasl-login-00 §2).
pub(super) fn login_name(answer: &[u8]) -> Result<String, Refused> {
    // Some clients end it with the NUL that the draft's challenges end with.
    name(answer.strip_suffix(b"\0").unwrap_or(answer))
}

/// Reads LOGIN's second answer.
pub(super) fn login_password(login: String, answer: &[u8]) -> Result<Attempt, Refused> {
    Ok(Attempt::plain(login, answer.strip_suffix(b"\0").unwrap_or(answer)))
}

fn name(bytes: &[u8]) -> Result<String, Refused> {
    let name = text(bytes)?;
    if name.is_empty() || name.contains('\0') { Err(Refused::Malformed) } else { Ok(name.to_owned()) }
}

fn text(bytes: &[u8]) -> Result<&str, Refused> {
    str::from_utf8(bytes).map_err(|_| Refused::Malformed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::sasl::{Claim, Exchange, State, Step};

    fn password(attempt: &Attempt) -> &[u8] {
        match &attempt.claim {
            Claim::Password(password) => password.expose(),
            Claim::Scram(_) => panic!("no password"),
        }
    }

    #[test]
    fn plain_is_three_fields() {
        for (message, login, secret) in [
            (&b"\0tim\0tanstaaftanstaaf"[..], "tim", &b"tanstaaftanstaaf"[..]),
            (b"ana@example.org\0Ana@example.org\0x", "Ana@example.org", b"x"),
            ("\0ana@example.org\0señal".as_bytes(), "ana@example.org", "señal".as_bytes()),
            (b"\0ana@example.org\0se\xf1al", "ana@example.org", b"se\xf1al"),
            (b"\0ana@example.org\0", "ana@example.org", b""),
        ] {
            let attempt = parse(message).unwrap();
            assert_eq!((attempt.login(), password(&attempt)), (login, secret));
        }
    }

    #[test]
    fn what_is_not_plain_is_refused() {
        for message in [&b""[..], b"ana", b"\0ana", b"\0\0x", b"\0ana\0x\0", b"\0\xff\0x", b"\xff\0ana\0x", b"\0\0\0\0"]
        {
            assert_eq!(parse(message).unwrap_err(), Refused::Malformed, "{message:?}");
        }
        assert_eq!(parse(b"eva@example.org\0ana@example.org\0x").unwrap_err(), Refused::ActsForAnother);
    }

    #[test]
    fn login_asks_for_the_name_and_then_the_password() {
        let (mut exchange, step) = Exchange { state: State::LoginName }.begin(None);
        assert!(matches!(step, Step::Challenge(c) if c == b"Username:"));
        assert!(matches!(exchange.answer(b"ana@example.org"), Step::Challenge(c) if c == b"Password:"));
        let Step::Verify(attempt) = exchange.answer(b"hierro2602\0") else { panic!("nothing to verify") };
        assert_eq!((attempt.login(), password(&attempt)), ("ana@example.org", &b"hierro2602"[..]));
        assert!(matches!(exchange.accepted(), Step::Done));
        assert!(matches!(exchange.answer(b""), Step::Refused(Refused::Malformed)), "it is over");

        let (_, step) = Exchange { state: State::LoginName }.begin(Some(b"ana@example.org"));
        assert!(matches!(step, Step::Challenge(c) if c == b"Password:"), "the name came with the command");
        let (_, step) = Exchange { state: State::LoginName }.begin(Some(b""));
        assert!(matches!(step, Step::Refused(Refused::Malformed)));
    }

    #[test]
    fn an_answer_without_bounds_is_refused() {
        let (mut exchange, step) = Exchange { state: State::Plain }.begin(None);
        assert!(matches!(step, Step::Challenge(c) if c.is_empty()));
        assert!(matches!(exchange.answer(&[0; 5000]), Step::Refused(Refused::TooLong)));
        assert!(matches!(exchange.accepted(), Step::Refused(_)), "nothing was verified");
    }
}
