//! What went wrong, as SMTP says it: reply code, enhanced status code (RFC 3463), text.

use crate::data::Fault;
use crate::deliver::Failure;
use crate::inspect::Refusal;
use crate::recipient::Rejection;
use crate::syntax::Reply;
use edge::SignInError;
use edge::sasl::Refused;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// How much of a recipient's own words an answer holds: RFC 5321 §4.5.3.1.5 has 512 octets for a line.
const MAX_REASON_CHARS: usize = 400;
const MAX_REASON_LINES: usize = 20;

/// Answers a message that came in and is not taken.
pub(crate) fn to_fault(fault: Fault) -> Reply {
    let (code, enhanced) = match fault {
        Fault::BareEnding | Fault::Nul => (550, (5, 6, 11)),
        Fault::TooLarge => (552, (5, 3, 4)),
        Fault::LineTooLong => (550, (5, 6, 0)),
        Fault::NoRoom => (452, (4, 3, 1)),
    };
    Reply::new(code, enhanced, fault.to_string())
}

/// Answers RCPT to somebody who does not get the message.
pub(crate) fn to_rejection(rejection: Rejection) -> Reply {
    let (code, enhanced) = match rejection {
        Rejection::Unknown => (550, (5, 1, 1)),
        Rejection::NotHosted => (550, (5, 7, 1)),
        Rejection::Disabled => (550, (5, 2, 1)),
        Rejection::Sealed => (450, (4, 2, 1)),
        Rejection::Full => (452, (4, 2, 2)),
        Rejection::LargerThanQuota => (552, (5, 2, 2)),
        Rejection::Loop | Rejection::TooManyTargets => (550, (5, 4, 6)),
        Rejection::Misconfigured => (451, (4, 3, 5)),
        Rejection::Unroutable => (550, (5, 1, 2)),
        Rejection::Elsewhere => (451, (4, 3, 2)),
        Rejection::Unavailable => (451, (4, 3, 0)),
    };
    Reply::new(code, enhanced, rejection.to_string())
}

/// Answers a message that could not be delivered.
pub(crate) fn to_failure(failure: &Failure) -> Reply {
    let (code, enhanced) = match failure {
        Failure::Refused(Refusal::TooManyHops) | Failure::Loop => (554, (5, 4, 6)),
        Failure::Refused(Refusal::HeaderTooLong | Refusal::TooDeep) => (554, (5, 6, 0)),
        Failure::DiskFull => (452, (4, 3, 1)),
        Failure::Failed { .. } => (451, (4, 3, 0)),
        // RFC 5429 §2.1.1.
        Failure::Rejected(reason) => return Reply::of_lines(550, (5, 7, 1), lines(reason)),
        Failure::Policy(policy) => (policy.code, policy.enhanced),
        Failure::Author => (550, (5, 7, 1)),
        Failure::Recipient(why) => return to_rejection(*why),
    };
    Reply::new(code, enhanced, failure.to_string())
}

/// What a person wrote, as lines of an answer: in ASCII, since the client may not know more, and few and short.
fn lines(text: &str) -> Vec<String> {
    let plain = |c: char| match c {
        c if c.is_ascii_graphic() || c == ' ' => Some(c),
        c if c.is_ascii() => Some(' '),
        // An accent that stood on the letter before it.
        c if is_combining_mark(c) => None,
        _ => Some('?'),
    };
    let lines = text.lines().map(|line| line.nfd().filter_map(plain).take(MAX_REASON_CHARS).collect::<String>());
    let lines: Vec<String> = lines.map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
    match lines.is_empty() {
        true => vec!["the recipient does not want this message".to_owned()],
        false => lines.into_iter().take(MAX_REASON_LINES).collect(),
    }
}

/// Answers a sign-in that failed (RFC 4954 §4 and §6).
pub(crate) fn to_sign_in_error(error: &SignInError) -> Reply {
    let (code, enhanced) = match error {
        SignInError::Insecure => (538, (5, 7, 11)),
        error if error.is_temporary() => (454, (4, 7, 0)),
        _ => (535, (5, 7, 8)),
    };
    Reply::new(code, enhanced, error.to_string())
}

/// Answers an exchange that ended before anything was verified (RFC 4954 §4).
pub(crate) fn to_refused(why: Refused) -> Reply {
    let (code, enhanced) = match why {
        Refused::Cancelled => (501, (5, 7, 0)),
        Refused::Mechanism => (504, (5, 5, 4)),
        Refused::Insecure => (538, (5, 7, 11)),
        Refused::Malformed => (501, (5, 5, 2)),
        Refused::TooLong => (500, (5, 5, 6)),
        Refused::ActsForAnother | Refused::ChannelBinding => (535, (5, 7, 8)),
        Refused::Unavailable => (454, (4, 7, 0)),
    };
    Reply::new(code, enhanced, why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reply: &Reply) -> String {
        let mut out = Vec::new();
        reply.write(&mut out);
        String::from_utf8(out).expect("texts are ASCII")
    }

    /// What is temporary says so in both codes, and the text is one line.
    #[test]
    fn codes_agree_and_begin_as_they_should() {
        let failed = || SignInError::Failed { reference: "00c0ffee".into() };
        for (reply, begins) in [
            (to_fault(Fault::BareEnding), "550 5.6.11 "),
            (to_fault(Fault::Nul), "550 5.6.11 "),
            (to_fault(Fault::TooLarge), "552 5.3.4 "),
            (to_fault(Fault::LineTooLong), "550 5.6.0 "),
            (to_fault(Fault::NoRoom), "452 4.3.1 "),
            (to_rejection(Rejection::Unknown), "550 5.1.1 "),
            (to_rejection(Rejection::NotHosted), "550 5.7.1 "),
            (to_rejection(Rejection::Disabled), "550 5.2.1 "),
            (to_rejection(Rejection::Sealed), "450 4.2.1 "),
            (to_rejection(Rejection::Full), "452 4.2.2 "),
            (to_rejection(Rejection::LargerThanQuota), "552 5.2.2 "),
            (to_rejection(Rejection::Loop), "550 5.4.6 "),
            (to_rejection(Rejection::TooManyTargets), "550 5.4.6 "),
            (to_rejection(Rejection::Misconfigured), "451 4.3.5 "),
            (to_rejection(Rejection::Unroutable), "550 5.1.2 "),
            (to_rejection(Rejection::Elsewhere), "451 4.3.2 "),
            (to_rejection(Rejection::Unavailable), "451 4.3.0 "),
            (to_failure(&Failure::Refused(Refusal::TooManyHops)), "554 5.4.6 "),
            (to_failure(&Failure::Loop), "554 5.4.6 "),
            (to_failure(&Failure::Refused(Refusal::HeaderTooLong)), "554 5.6.0 "),
            (to_failure(&Failure::Refused(Refusal::TooDeep)), "554 5.6.0 "),
            (to_failure(&Failure::DiskFull), "452 4.3.1 "),
            (to_failure(&Failure::Failed { reference: edge::Reference::unique() }), "451 4.3.0 "),
            (to_failure(&Failure::Rejected("no".into())), "550 5.7.1 "),
            (to_failure(&Failure::Author), "550 5.7.1 "),
            (to_failure(&Failure::Recipient(Rejection::Full)), "452 4.2.2 "),
            (to_sign_in_error(&SignInError::Wrong), "535 5.7.8 "),
            (to_sign_in_error(&SignInError::Insecure), "538 5.7.11 "),
            (to_sign_in_error(&SignInError::TryLater), "454 4.7.0 "),
            (to_sign_in_error(&failed()), "454 4.7.0 "),
            (to_refused(Refused::Cancelled), "501 5.7.0 "),
            (to_refused(Refused::Mechanism), "504 5.5.4 "),
            (to_refused(Refused::Insecure), "538 5.7.11 "),
            (to_refused(Refused::Malformed), "501 5.5.2 "),
            (to_refused(Refused::TooLong), "500 5.5.6 "),
            (to_refused(Refused::ActsForAnother), "535 5.7.8 "),
            (to_refused(Refused::ChannelBinding), "535 5.7.8 "),
            (to_refused(Refused::Unavailable), "454 4.7.0 "),
        ] {
            let line = written(&reply);
            assert!(line.starts_with(begins) && line.len() > begins.len() + 2, "{line}");
            assert_eq!(line.as_bytes()[0], line.as_bytes()[4], "{line}");
            assert_eq!(line.matches('\n').count(), 1);
        }
    }

    #[test]
    fn what_a_person_wrote_is_said_in_ascii_lines() {
        let reply = to_failure(&Failure::Rejected("Está lleno.\r\n\r\n☂ No\tescriba más.\n".into()));
        assert_eq!(written(&reply), "550-5.7.1 Esta lleno.\r\n550 5.7.1 ? No escriba mas.\r\n");
        assert!(written(&to_failure(&Failure::Rejected(" \n".into()))).starts_with("550 5.7.1 the recipient"));
        let long = written(&to_failure(&Failure::Rejected("a".repeat(5000) + &"\nb".repeat(100))));
        assert!(long.lines().count() == 20 && long.lines().all(|line| line.len() <= 510), "{long}");
    }
}
