//! Addresses in strings of a script and in header fields.

use message::Address;
use message::envelope;
use std::borrow::Cow;

/// An address as the address test sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) localpart: String,
    pub(crate) domain: Option<String>,
}

/// Localparts and domains that `message::envelope` puts where an address has none.
const MISSING: [&str; 4] = ["MISSING_MAILBOX", "MISSING_DOMAIN", "SYNTAX_ERROR", "INVALID_ROUTE"];

/// The addresses of an unfolded address field; groups give their members, and what is no address gives nothing.
pub(crate) fn addresses_of(value: &[u8]) -> Vec<Parts> {
    let known = |text: Vec<u8>| {
        let text = String::from_utf8_lossy(&text).into_owned();
        (!MISSING.contains(&&text[..])).then_some(text)
    };
    let in_list = entries(value).into_iter().filter_map(|entry| Some((entry.mailbox?, entry.host?)));
    in_list.filter_map(|(localpart, host)| Some(Parts { localpart: known(localpart)?, domain: known(host) })).collect()
}

/// The address of a forward or reverse path, which is empty for mail that nobody is to answer.
pub(crate) fn of_path(path: &str) -> Parts {
    match path.rsplit_once('@') {
        Some((localpart, domain)) => {
            Parts { localpart: unquoted(localpart).into_owned(), domain: Some(domain.to_owned()) }
        }
        None => Parts { localpart: path.to_owned(), domain: None },
    }
}

fn unquoted(localpart: &str) -> Cow<'_, str> {
    match localpart.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => Cow::Owned(inner.replace("\\\"", "\"").replace("\\\\", "\\")),
        None => Cow::Borrowed(localpart),
    }
}

/// The one address of a string, with its display name (RFC 5228 §2.4.2.3).
pub(crate) fn address_of(text: &str) -> Option<(Option<String>, Address)> {
    if text.contains(['\r', '\n']) {
        return None;
    }
    let mut entries = entries(text.as_bytes());
    let entry = entries.pop().filter(|_| entries.is_empty())?;
    let (localpart, host) = (String::from_utf8(entry.mailbox?).ok()?, String::from_utf8(entry.host?).ok()?);
    if [&localpart, &host].iter().any(|part| MISSING.contains(&&part[..])) {
        return None;
    }
    let name = entry.name.map(|name| message::decoded_header(&name));
    Some((name, Address::new(&format!("{localpart}@{host}")).ok()?))
}

fn entries(value: &[u8]) -> Vec<envelope::MailAddress> {
    // An envelope is read from a header; the value has no line end that could make it two fields.
    let field = [b"To: ", value, b"\r\n\r\n"].concat();
    envelope::parse(&field).to
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_by_table() {
        type Expected<'a> = &'a [(&'a str, Option<&'a str>)];
        let table: [(&str, Expected<'_>); 6] = [
            ("Ana <ana@example.org>, b@x", &[("ana", Some("example.org")), ("b", Some("x"))]),
            ("team: a@x, b@y;", &[("a", Some("x")), ("b", Some("y"))]),
            ("undisclosed-recipients:;", &[]),
            ("\"Ana, M\" <\"a b\"@x>", &[("a b", Some("x"))]),
            ("<ana>", &[("ana", None)]),
            ("", &[]),
        ];
        for (value, expected) in table {
            let found = addresses_of(value.as_bytes());
            let found: Vec<_> = found.iter().map(|parts| (&parts.localpart[..], parts.domain.as_deref())).collect();
            assert_eq!(found, expected, "{value}");
        }
    }

    #[test]
    fn a_string_holds_one_address() {
        let known = |text| address_of(text).map(|(name, address)| (name.unwrap_or_default(), address.to_string()));
        assert_eq!(known("ana@Example.org"), Some((String::new(), "ana@example.org".to_owned())));
        assert_eq!(known("Ana Ñ <ana@x>"), Some(("Ana Ñ".to_owned(), "ana@x".to_owned())));
        for text in ["", "ana", "a@x, b@x", "a@x\r\nBcc: b@x", "<a@>", "a b@x y"] {
            assert_eq!(known(text), None, "{text:?}");
        }
        assert_eq!(of_path("\"a b\"@x").localpart, "a b");
    }
}
