//! A message that somebody who signed in sends: whose name it bears, what it lacks, and its domain's signature (RFC 6409 §8).
//!
//! The reverse-path was looked at with MAIL. The From field is looked at here, because our signature vouches for it: DMARC
//! takes mail of any account of a domain for that of all of them. An author must be the sender, or an alias of theirs. One
//! who sends on somebody else's message as it is (Resent-From, RFC 5322 §3.6.6) names themselves there, and its author is
//! then nobody of a domain that is hosted here.

use crate::deliver::{Failure, Mail};
use crate::recipient;
use crate::settings::Settings;
use crate::syntax::EnvelopeAddress;
use directory::{Account, Directory, DirectoryError};
use edge::Services;
use jiff::Timestamp;
use message::{envelope, header};

/// Completes and signs a message. Reads the directory.
///
/// # Errors
/// Why it is not taken.
pub(crate) fn complete(
    services: &Services,
    settings: &Settings,
    account: &Account,
    mail: &mut Mail,
) -> Result<(), Failure> {
    if settings.own_authors {
        check_authors(&services.directory, account, &mail.message)?;
    }
    let is_gone = |name: &[u8]| GONE.iter().any(|gone| name.eq_ignore_ascii_case(gone.as_bytes()));
    if let std::borrow::Cow::Owned(rest) = header::without(&mail.message, is_gone) {
        mail.message = rest;
    }
    let missing = missing(services, account, mail);
    let domain = match authors(&mail.message)[..] {
        [] => account.address.domain().to_owned(),
        [ref first, ..] => first.as_ref().map_or_else(String::new, |author| author.domain().to_owned()),
    };
    let whole = [missing.as_bytes(), &mail.message].concat();
    let signatures = settings.keys.sign(&services.directory, &domain, &whole, mail.at_s);
    mail.head.extend_from_slice(signatures.as_bytes());
    mail.message = whole;
    Ok(())
}

/// Fields that do not leave with a message: recipients whom the others are not to see (RFC 5322 §3.6.3), and what final
/// delivery alone writes.
const GONE: [&str; 3] = ["Bcc", "Resent-Bcc", "Return-Path"];

/// What `message::envelope` puts where an address lacks a part.
const MISSING: [&str; 4] = ["MISSING_MAILBOX", "MISSING_DOMAIN", "SYNTAX_ERROR", "INVALID_ROUTE"];

/// Whether every author is somebody that the account may send as.
fn check_authors(directory: &Directory, account: &Account, crlf: &[u8]) -> Result<(), Failure> {
    let is_own = |author: &Option<EnvelopeAddress>| match author {
        Some(author) => recipient::may_send_as(directory, account, author),
        None => Ok(false),
    };
    let all_own = |authors: &[Option<EnvelopeAddress>]| -> Result<bool, DirectoryError> {
        for author in authors {
            if !is_own(author)? {
                return Ok(false);
            }
        }
        Ok(true)
    };
    let authors = authors(crlf);
    if all_own(&authors)? {
        return Ok(());
    }
    let resent = addresses(crlf, "Resent-From");
    let is_hosted = |author: &Option<EnvelopeAddress>| match author {
        Some(author) => {
            Ok(directory.domain(author.domain())?.is_some() || directory.domain_alias(author.domain())?.is_some())
        }
        None => Ok(true),
    };
    let somebody_here: Result<Vec<bool>, DirectoryError> = authors.iter().map(is_hosted).collect();
    if !resent.is_empty() && all_own(&resent)? && !somebody_here?.contains(&true) {
        return Ok(());
    }
    Err(Failure::Author)
}

/// The addresses of the From fields; `None`: what stands there is no address.
fn authors(crlf: &[u8]) -> Vec<Option<EnvelopeAddress>> {
    addresses(crlf, "From")
}

/// The addresses of all fields of a name.
fn addresses(crlf: &[u8], name: &str) -> Vec<Option<EnvelopeAddress>> {
    let fields = header::fields(crlf).filter(|field| field.is(name));
    let each = fields.flat_map(|field| {
        let alone = [b"From: ", &field.value()[..], b"\r\n\r\n"].concat();
        let listed = envelope::parse(&alone).from;
        // A group's name and end are no addresses; a field without any is no author's.
        let addresses: Vec<_> = listed.iter().filter(|entry| entry.host.is_some()).map(address_of).collect();
        if addresses.is_empty() { vec![None] } else { addresses }
    });
    each.collect()
}

fn address_of(entry: &envelope::MailAddress) -> Option<EnvelopeAddress> {
    let text =
        |part: &Option<Vec<u8>>| String::from_utf8(part.clone()?).ok().filter(|text| !MISSING.contains(&&text[..]));
    EnvelopeAddress::of_parts(&text(&entry.mailbox)?, &text(&entry.host)?)
}

/// What a message lacks: Date, Message-ID, From.
fn missing(services: &Services, account: &Account, mail: &Mail) -> String {
    let mut missing = String::new();
    let lacks = |name| header::find(&mail.message, name).is_none();
    if lacks("Date") {
        let at = Timestamp::from_second(mail.at_s).unwrap_or(Timestamp::UNIX_EPOCH);
        missing.push_str(&format!("Date: {}\r\n", crate::trace::date(at)));
    }
    if lacks("From") {
        let from = mail.from.as_ref().map_or_else(|| account.address.to_string(), ToString::to_string);
        missing.push_str(&format!("From: {from}\r\n"));
    }
    if lacks("Message-ID") {
        missing.push_str(&format!("Message-ID: <{}@{}>\r\n", mail.id, services.policy.hostname));
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authors_by_table() {
        let found = |text: &str| -> Vec<String> {
            let name = |author: Option<EnvelopeAddress>| author.map_or_else(|| "?".to_owned(), |a| a.to_string());
            authors(text.as_bytes()).into_iter().map(name).collect()
        };
        for (text, expected) in [
            ("From: Ana <ana@example.org>\r\n\r\n", &["ana@example.org"][..]),
            ("From: a@x.example, \"B, C\" <b@y.example>\r\n\r\n", &["a@x.example", "b@y.example"]),
            ("From: a@x.example\r\nfrom: b@y.example\r\n\r\n", &["a@x.example", "b@y.example"]),
            ("From: team: a@x.example;\r\n\r\n", &["a@x.example"]),
            ("From: \"ana maria\"@x.example\r\n\r\n", &["\"ana maria\"@x.example"]),
            ("From: nobody\r\n\r\n", &["?"]),
            ("From:\r\n\r\n", &["?"]),
            ("From: a@x.example\r\n (a fold)\r\n\r\nFrom: body@x.example\r\n", &["a@x.example"]),
            ("Subject: none\r\n\r\n", &[]),
        ] {
            assert_eq!(found(text), expected, "{text:?}");
        }
    }
}
