//! What is looked at in a message before it is delivered: that it does not go in circles, and that it can be read.

use message::mime::{Content, Part};
use message::{Address, header};
use std::collections::HashSet;

/// What a message's structure may be.
#[derive(Clone, Copy, Debug)]
pub struct Structure {
    /// The longest header.
    pub header_bytes: usize,
    /// How many servers it may have come through: RFC 5321 §6.3 asks for 100 at least.
    pub hops: usize,
    /// How deep parts may be nested.
    pub depth: usize,
}

impl Default for Structure {
    fn default() -> Self {
        Structure { header_bytes: 256 * 1024, hops: 100, depth: 50 }
    }
}

/// Why a message is not delivered to anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// It came through too many servers.
    #[error("the message goes in circles: it came through too many servers")]
    TooManyHops,
    /// Its header is too long.
    #[error("the header is longer than is taken here")]
    HeaderTooLong,
    /// Its parts are nested too deep.
    #[error("parts are nested deeper than is taken here")]
    TooDeep,
}

/// Ends the header of a message in CRLF form before a first line that begins with white space, as other servers do: it
/// continues nothing, and would be a part of whatever field is put above it, be that what was found out about the message or
/// its author.
pub(crate) fn set_apart(crlf: &mut Vec<u8>) {
    if matches!(crlf.first(), Some(b' ' | b'\t')) {
        crlf.splice(..0, *b"\r\n");
    }
}

/// Looks at a message in CRLF form.
///
/// # Errors
/// Why it is not delivered.
pub(crate) fn inspect(crlf: &[u8], limits: &Structure) -> Result<(), Refusal> {
    let header = match crlf.starts_with(b"\r\n") {
        true => 0,
        false => memchr::memmem::find(crlf, b"\r\n\r\n").unwrap_or(crlf.len()),
    };
    if header > limits.header_bytes {
        return Err(Refusal::HeaderTooLong);
    }
    if header::fields(crlf).filter(|field| field.is("Received")).count() > limits.hops {
        return Err(Refusal::TooManyHops);
    }
    if is_deeper(&message::mime::parse(crlf), limits.depth) {
        return Err(Refusal::TooDeep);
    }
    Ok(())
}

/// The addresses that a message was delivered to before (by its Delivered-To fields): to any of them it goes in circles.
pub(crate) fn delivered_to(crlf: &[u8]) -> HashSet<Address> {
    let fields = header::fields(crlf).filter(|field| field.is("Delivered-To"));
    let addresses = fields.filter_map(|field| Address::new(std::str::from_utf8(&field.value()).ok()?.trim()).ok());
    addresses.collect()
}

fn is_deeper(part: &Part, depth: usize) -> bool {
    let Some(left) = depth.checked_sub(1) else { return true };
    match &part.content {
        Content::Leaf => false,
        Content::Multipart(parts) => parts.iter().any(|part| is_deeper(part, left)),
        Content::Message(part) => is_deeper(part, left),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const LIMITS: Structure = Structure { header_bytes: 1000, hops: 3, depth: 3 };

    fn looked_at(text: &str) -> Result<(), Refusal> {
        inspect(&message::to_crlf(text.as_bytes()), &LIMITS)
    }

    #[test]
    fn a_message_that_went_through_too_many_servers_goes_in_circles() {
        let hop = "Received: from a by b; Sun, 22 Nov 2026 12:00:00 +0000\n";
        assert_eq!(looked_at(&format!("{}\ntext\n", hop.repeat(3))), Ok(()));
        assert_eq!(looked_at(&format!("{}\ntext\n", hop.repeat(4))), Err(Refusal::TooManyHops));
        // What the body quotes does not count.
        assert_eq!(looked_at(&format!("{hop}\n{}", hop.repeat(4))), Ok(()));
    }

    #[test]
    fn a_long_header_and_deep_parts_are_refused() {
        assert_eq!(looked_at(&format!("Subject: {}\n\n", "a".repeat(1000))), Err(Refusal::HeaderTooLong));
        assert_eq!(looked_at(&format!("\n{}\n", "a".repeat(2000))), Ok(()));
        let wrapped = |depth: usize| "Content-Type: message/rfc822\n\n".repeat(depth) + "Subject: a\n\ntext\n";
        assert_eq!(looked_at(&wrapped(2)), Ok(()));
        assert_eq!(looked_at(&wrapped(3)), Err(Refusal::TooDeep));
    }

    #[test]
    fn a_message_does_not_continue_what_stands_above_it() {
        for (text, expected) in [
            (" a\r\nSubject: b\r\n\r\n", "\r\n a\r\nSubject: b\r\n\r\n"),
            ("\t", "\r\n\t"),
            (" ", "\r\n "),
            ("Subject: b\r\n a\r\n\r\n", "Subject: b\r\n a\r\n\r\n"),
            ("\r\n a", "\r\n a"),
            ("", ""),
        ] {
            let mut message = text.as_bytes().to_vec();
            set_apart(&mut message);
            assert_eq!(message, expected.as_bytes(), "{text:?}");
        }
    }

    #[test]
    fn delivered_to_is_compared_as_addresses_are() {
        let ana = Address::new("ana@example.org").unwrap();
        for (text, expected) in [
            ("Delivered-To: ANA@Example.org\r\n\r\n", true),
            ("Delivered-To: eva@example.org\r\nDelivered-To:\r\n ana@example.org\r\n\r\n", true),
            ("Delivered-To: eva@example.org\r\n\r\nDelivered-To: ana@example.org\r\n", false),
        ] {
            assert_eq!(delivered_to(text.as_bytes()).contains(&ana), expected, "{text}");
        }
    }
}
