//! Identity: the canonical form is its own canonical form, the fast way agrees with it, and what stores do to a message
//! does not change it. Everything else that looks into a message is called for its panics.

#![no_main]

use libfuzzer_sys::fuzz_target;
use message::{Digest, Identity, canonical, examine, to_crlf, to_lf};

fuzz_target!(|raw: &[u8]| {
    let crlf = to_crlf(raw);
    assert_eq!(to_crlf(&crlf), crlf);
    let examined = examine(&crlf);
    let form = canonical(&crlf);
    assert_eq!(canonical(&form), form);
    assert_eq!(examined.identity, Identity::from(blake3::hash(&form)));
    assert_eq!(examined.digest, Digest::from(blake3::hash(&crlf)));
    assert_eq!(examined.size_bytes, crlf.len() as u64);

    // A store that writes LF keeps the identity, where line endings can be told from what stands before them.
    if !crlf.windows(3).any(|bytes| bytes == b"\r\r\n") {
        assert_eq!(to_crlf(&to_lf(&crlf)), crlf);
    }
    // So does one that adds its fields in front, unless the message begins as the continuation of a line.
    if !crlf.starts_with(b" ") && !crlf.starts_with(b"\t") {
        assert_eq!(examine(&[b"X-UID: 7\r\nStatus: RO\r\n", &crlf[..]].concat()).identity, examined.identity);
    }
    // So does one that ends the message with blank lines.
    if examined.header_complete && (crlf.ends_with(b"\r\n") || crlf.is_empty()) {
        assert_eq!(examine(&[&crlf[..], b"\r\n\r\n"].concat()).identity, examined.identity);
    }

    let half = &crlf[..crlf.len() / 2];
    message::is_beginning_of(half, &crlf);
    assert!(!message::near_twins(&crlf, &crlf), "one message is no pair");
    message::damage_of(half.len() as u64, Some(crlf.len() as u64), &examined);
    message::recipients(&crlf);
    for field in message::header::fields(&crlf) {
        message::parse_date(&field.value());
        let text = message::decoded_header(field.raw_value());
        assert!(!text.chars().any(char::is_control));
    }
});
