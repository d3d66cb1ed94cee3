//! Addresses in strings of a script and in header fields.

use message::Address;
use message::envelope;
use std::borrow::Cow;

/// An address as the address test sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    /// Without quotes.
    pub(crate) localpart: String,
    pub(crate) domain: Option<String>,
}

impl Parts {
    /// The whole address; the localpart is quoted where it must be (RFC 5322 §3.4.1).
    pub(crate) fn all(&self) -> String {
        let needs_none = |c: char| c.is_ascii_alphanumeric() || !c.is_ascii() || "!#$%&'*+-/=?^_`{|}~".contains(c);
        let localpart = match self.localpart.split('.').all(|atom| !atom.is_empty() && atom.chars().all(needs_none)) {
            true => Cow::Borrowed(&self.localpart[..]),
            false => Cow::Owned(format!("\"{}\"", self.localpart.replace('\\', "\\\\").replace('"', "\\\""))),
        };
        match &self.domain {
            Some(domain) => format!("{localpart}@{domain}"),
            // The null path is empty, and no empty localpart.
            None if self.localpart.is_empty() => String::new(),
            None => localpart.into_owned(),
        }
    }
}

/// What `message::envelope` puts where an address has no localpart or no domain.
const MISSING: [&str; 2] = ["MISSING_MAILBOX", "MISSING_DOMAIN"];

/// What it puts for the domain of something between angle brackets that is no address.
const NO_ADDRESS: &str = "SYNTAX_ERROR";

/// The addresses of an unfolded address field; groups give their members, and what is no address gives nothing, nor does
/// what is not UTF-8 (RFC 6532 §3.2).
pub(crate) fn addresses_of(value: &[u8]) -> Vec<Parts> {
    let in_list = entries(value).into_iter().filter_map(|entry| {
        let (localpart, host) = (String::from_utf8(entry.mailbox?).ok()?, String::from_utf8(entry.host?).ok()?);
        let is_missing = |text: &str| MISSING.contains(&text);
        let is_address = !is_missing(&localpart) && host != NO_ADDRESS;
        is_address.then(|| Parts { localpart, domain: Some(host).filter(|host| !is_missing(host)) })
    });
    in_list.collect()
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
    if [&localpart[..], &host].iter().any(|part| MISSING.contains(part) || *part == NO_ADDRESS) {
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
        let table: [(&str, Expected<'_>); 8] = [
            ("Ana <ana@example.org>, b@x", &[("ana", Some("example.org")), ("b", Some("x"))]),
            ("team: a@x, b@y;", &[("a", Some("x")), ("b", Some("y"))]),
            ("undisclosed-recipients:;", &[]),
            ("\"Ana, M\" <\"a b\"@x>", &[("a b", Some("x"))]),
            ("<ana>", &[("ana", None)]),
            ("<undisclosed-recipients:;>, a@x", &[("a", Some("x"))]),
            ("<a b@x>", &[]),
            ("", &[]),
        ];
        for (value, expected) in table {
            let found = addresses_of(value.as_bytes());
            let found: Vec<_> = found.iter().map(|parts| (&parts.localpart[..], parts.domain.as_deref())).collect();
            assert_eq!(found, expected, "{value}");
        }
    }

    #[test]
    fn whole_addresses_are_quoted_where_they_must_be() {
        for (value, whole) in [
            ("a.b+c@x", "a.b+c@x"),
            ("\"a.b\"@x", "a.b@x"),
            ("\"a b\"@x", "\"a b\"@x"),
            ("\"a.\"@x", "\"a.\"@x"),
            ("\"\\\"\\\\\"@x", "\"\\\"\\\\\"@x"),
            ("jdöe@x", "jdöe@x"),
            ("<ana>", "ana"),
        ] {
            let found: Vec<String> = addresses_of(value.as_bytes()).iter().map(Parts::all).collect();
            assert_eq!(found, [whole], "{value}");
        }
        assert_eq!(addresses_of(b"\xA5@x, b@x").len(), 1);
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
