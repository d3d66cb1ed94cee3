//! Names, from what people and peers write to what goes over the wire.

use hickory_resolver::proto::rr::Name;
use idna::AsciiDenyList;

use crate::Error;

/// Octets a name may have on the wire, its length octets and the root left out (RFC 1035 §2.3.4).
const MAX_NAME: usize = 253;
/// Octets a label may have (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;

/// The domain as DNS and SMTP write it: lower case, A-labels (RFC 5891 §4), no dot at the end.
///
/// Letters, digits, hyphens and underscores are allowed, nothing else.
///
/// # Errors
/// [`Error::BadName`] if it is no domain name.
pub fn ascii(domain: &str) -> Result<String, Error> {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let ascii = idna::domain_to_ascii_cow(domain.as_bytes(), AsciiDenyList::EMPTY).map_err(|_| Error::BadName)?;
    let sound = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if ascii.len() > MAX_NAME || !ascii.split('.').all(sound) {
        return Err(Error::BadName);
    }
    Ok(ascii.into_owned())
}

/// The name to ask for. ASCII is taken literally, whatever it is: SPF macros make names with more than hosts may hold.
pub(crate) fn to_wire(name: &str) -> Result<Name, Error> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let name = if name.is_ascii() { name.to_ascii_lowercase() } else { ascii(name)? };
    if name.len() > MAX_NAME || !name.split('.').all(|label| (1..=MAX_LABEL).contains(&label.len())) {
        return Err(Error::BadName);
    }
    let mut wire = Name::from_labels(name.split('.').map(str::as_bytes)).map_err(|_| Error::BadName)?;
    wire.set_fqdn(true);
    Ok(wire)
}

/// A name from the wire as text: lower case, no dot at the end. Visible characters stand for themselves, as they do on the
/// way to the wire; what text cannot hold (RFC 4343 §2.1) is escaped, and leads nowhere.
pub(crate) fn to_text(name: &Name) -> String {
    let labels: Vec<String> = name.iter().map(label).collect();
    if labels.is_empty() { ".".to_owned() } else { labels.join(".") }
}

fn label(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    for octet in octets {
        match octet {
            b'.' | b'\\' => text.extend(['\\', char::from(*octet)]),
            b'!'..=b'~' => text.push(char::from(octet.to_ascii_lowercase())),
            _ => text.push_str(&format!("\\{octet:03}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_domain_becomes_what_dns_writes() {
        assert_eq!(ascii("Example.TEST.").unwrap(), "example.test");
        assert_eq!(ascii("BÜCHER.example").unwrap(), "xn--bcher-kva.example");
        assert_eq!(ascii("_dmarc.example").unwrap(), "_dmarc.example");
    }

    #[test]
    fn what_is_no_domain_is_refused() {
        let long = format!("{}.example", "a".repeat(64));
        let longest = vec!["a"; 128].join(".");
        for bad in ["", ".", "a..b", "a b.example", "a\r\nb.example", "a/b.example", "exa\0mple", &long, &longest] {
            assert_eq!(ascii(bad), Err(Error::BadName), "{bad:?}");
        }
        assert_eq!(to_wire(&long), Err(Error::BadName));
        assert_eq!(to_wire("a..b"), Err(Error::BadName));
    }

    #[test]
    fn a_name_goes_to_the_wire_and_back_literally() {
        assert_eq!(to_text(&to_wire("MX.Example").unwrap()), "mx.example");
        let name = to_wire(r"a\046b.example").unwrap();
        assert_eq!(name.num_labels(), 2, "a backslash is no escape");
        assert_eq!(to_text(&to_wire("Foo:bar/b_z.example.").unwrap()), "foo:bar/b_z.example");
        assert_eq!(to_text(&Name::root()), ".");
    }

    #[test]
    fn what_text_cannot_hold_leads_nowhere() {
        let odd = Name::from_labels([&b"a.b\\ \xff\0"[..], b"example"]).unwrap();
        let text = to_text(&odd);
        assert_eq!(text, r"a\.b\\\032\255\000.example");
        assert_ne!(to_wire(&text).unwrap(), odd);
    }
}
