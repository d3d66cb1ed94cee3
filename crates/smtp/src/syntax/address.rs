//! Addresses of an envelope (RFC 5321 §4.1.2, with UTF-8 by RFC 6531 §3.3).
//!
//! ```text
//! Path          = "<" [ A-d-l ":" ] Mailbox ">"
//! A-d-l         = At-domain *( "," At-domain )
//! Mailbox       = Local-part "@" ( Domain / address-literal )
//! Local-part    = Dot-string / Quoted-string
//! Domain        = sub-domain *("." sub-domain)
//! ```

use message::Address;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The longest localpart in octets (RFC 5321 §4.5.3.1.1).
const MAX_LOCALPART_BYTES: usize = 64;
/// The longest domain in octets (RFC 5321 §4.5.3.1.2).
const MAX_DOMAIN_BYTES: usize = 255;
/// The longest label of a domain name (RFC 1035 §2.3.4).
const MAX_LABEL_BYTES: usize = 63;

/// An address that stood in an envelope. Its localpart is without quotes; its domain is in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EnvelopeAddress {
    localpart: String,
    domain: String,
}

impl EnvelopeAddress {
    /// Takes `localpart@domain`, the localpart quoted where it must be; `None` where it is no address.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, rest) = mailbox(text)?;
        rest.is_empty().then_some(address)
    }

    /// Takes a localpart without quotes and a domain; `None` where they are no address.
    pub(crate) fn of_parts(localpart: &str, domain: &str) -> Option<Self> {
        let address = EnvelopeAddress { localpart: localpart.to_owned(), domain: domain.to_lowercase() };
        // What is written can be read again, or is no address.
        Self::parse(&address.to_string())
    }

    /// What stands after the `@`: a name, or a literal in brackets.
    pub(crate) fn domain(&self) -> &str {
        &self.domain
    }

    /// Whether it needs SMTPUTF8.
    pub(crate) fn is_utf8(&self) -> bool {
        !self.localpart.is_ascii() || !self.domain.is_ascii()
    }

    /// The address that an account or alias could have; `None` where nothing hosted can have it.
    pub(crate) fn hosted(&self) -> Option<Address> {
        Address::new(&format!("{}@{}", self.localpart, self.domain)).ok()
    }
}

impl From<&Address> for EnvelopeAddress {
    fn from(address: &Address) -> Self {
        EnvelopeAddress { localpart: address.localpart().to_owned(), domain: address.domain().to_owned() }
    }
}

impl fmt::Display for EnvelopeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_string(&self.localpart) {
            return write!(f, "{}@{}", self.localpart, self.domain);
        }
        f.write_str("\"")?;
        for c in self.localpart.chars() {
            if matches!(c, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        write!(f, "\"@{}", self.domain)
    }
}

impl fmt::Debug for EnvelopeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{self}>")
    }
}

/// What stands between the angle brackets of a path, and what stands behind them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// `<>`.
    Null,
    /// `<Postmaster>`, without a domain (RFC 5321 §4.1.1.3).
    Postmaster,
    /// An address.
    Address(EnvelopeAddress),
}

/// Reads a path; a source route before the address is dropped (RFC 5321 §3.3, appendix C).
pub(crate) fn path(text: &str) -> Option<(Path, &str)> {
    let inner = text.strip_prefix('<')?;
    if let Some(rest) = inner.strip_prefix('>') {
        return Some((Path::Null, rest));
    }
    if let Some((word, rest)) = inner.split_once('>')
        && word.eq_ignore_ascii_case("postmaster")
    {
        return Some((Path::Postmaster, rest));
    }
    let mut inner = inner;
    if inner.starts_with('@') {
        let (route, address) = inner.split_once(':')?;
        let is_route = route.split(',').all(|hop| hop.strip_prefix('@').is_some_and(is_domain_name));
        if !is_route || route.len() > MAX_DOMAIN_BYTES {
            return None;
        }
        inner = address;
    }
    let (address, rest) = mailbox(inner)?;
    Some((Path::Address(address), rest.strip_prefix('>')?))
}

/// Reads a mailbox as far as it goes.
fn mailbox(text: &str) -> Option<(EnvelopeAddress, &str)> {
    let (localpart, rest) = if text.starts_with('"') { quoted_string(text)? } else { dot_string(text)? };
    if localpart.is_empty() || localpart.len() > MAX_LOCALPART_BYTES {
        return None;
    }
    let rest = rest.strip_prefix('@')?;
    let (domain, rest) = match rest.starts_with('[') {
        true => rest.split_at(rest.find(']')? + 1),
        false => rest.split_at(rest.find(|c: char| !is_domain_char(c)).unwrap_or(rest.len())),
    };
    is_domain(domain).then(|| (EnvelopeAddress { localpart, domain: domain.to_lowercase() }, rest))
}

fn dot_string(text: &str) -> Option<(String, &str)> {
    let (local, rest) = text.split_at(text.find('@')?);
    is_dot_string(local).then(|| (local.to_owned(), rest))
}

/// Dot-string = Atom *("." Atom)
fn is_dot_string(text: &str) -> bool {
    text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

/// Quoted-string = DQUOTE *QcontentSMTP DQUOTE; what it holds, unquoted.
fn quoted_string(text: &str) -> Option<(String, &str)> {
    let (mut value, mut chars) = (String::new(), text.char_indices().skip(1));
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(chars.next().map(|(_, c)| c).filter(|&c| is_quotable(c))?),
            c if is_quotable(c) => value.push(c),
            _ => return None,
        }
    }
    None
}

fn is_quotable(c: char) -> bool {
    !c.is_control()
}

fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || is_utf8_text(c)
}

/// Beyond ASCII, and neither a control character nor a space.
fn is_utf8_text(c: char) -> bool {
    !c.is_ascii() && !c.is_control() && !c.is_whitespace()
}

fn is_domain_char(c: char) -> bool {
    // The underscore is in no host name, and in many domains that send mail.
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') || is_utf8_text(c)
}

/// Whether a text is a domain name or an address literal.
fn is_domain(text: &str) -> bool {
    match text.strip_prefix('[') {
        Some(literal) => literal.strip_suffix(']').is_some_and(is_literal),
        None => is_domain_name(text),
    }
}

fn is_domain_name(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.len() <= MAX_LABEL_BYTES && !label.starts_with('-') && !label.ends_with('-')
    };
    text.len() <= MAX_DOMAIN_BYTES && text.chars().all(is_domain_char) && text.split('.').all(is_label)
}

/// RFC 5321 §4.1.3; of general literals none is in use.
fn is_literal(text: &str) -> bool {
    match text.get(..5).filter(|tag| tag.eq_ignore_ascii_case("IPv6:")) {
        Some(_) => text[5..].parse::<Ipv6Addr>().is_ok(),
        None => text.parse::<Ipv4Addr>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(text: &str) -> Option<String> {
        match path(text)? {
            (Path::Null, "") => Some("null".to_owned()),
            (Path::Postmaster, "") => Some("postmaster".to_owned()),
            (Path::Address(address), "") => Some(address.to_string()),
            _ => None,
        }
    }

    #[test]
    fn paths_are_read_and_written_again() {
        for (text, expected) in [
            ("<ana@example.org>", "ana@example.org"),
            ("<Ana.B+tag@EXAMPLE.org>", "Ana.B+tag@example.org"),
            ("<>", "null"),
            ("<postMASTER>", "postmaster"),
            ("<Postmaster@example.org>", "Postmaster@example.org"),
            // RFC 5321 appendix C: the route is dropped.
            ("<@one.example,@two.example:ana@example.org>", "ana@example.org"),
            ("<\"ana maria\"@example.org>", "\"ana maria\"@example.org"),
            ("<\"a\\\"b\\\\c\"@example.org>", "\"a\\\"b\\\\c\"@example.org"),
            ("<\"plain\"@example.org>", "plain@example.org"),
            ("<\"a@b>c\"@example.org>", "\"a@b>c\"@example.org"),
            ("<ana@[192.0.2.1]>", "ana@[192.0.2.1]"),
            ("<ana@[IPv6:2001:db8::1]>", "ana@[ipv6:2001:db8::1]"),
            ("<josé@españa.example>", "josé@españa.example"),
            ("<a/b=c@my_host.example>", "a/b=c@my_host.example"),
        ] {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        let long_local = format!("<{}@example.org>", "a".repeat(65));
        let long_label = format!("<ana@{}.example>", "a".repeat(64));
        let long_domain = format!("<ana@{}example>", "abc.".repeat(64));
        for text in [
            "",
            "<",
            "ana@example.org",
            "<ana@example.org",
            "<ana>",
            "<@example.org>",
            "<ana@>",
            "<ana@@example.org>",
            "<.ana@example.org>",
            "<a..b@example.org>",
            "<ana.@example.org>",
            "<an a@example.org>",
            "<ana@exa mple>",
            "<ana@example..org>",
            "<ana@.example>",
            "<ana@example.org.>",
            "<ana@-a.example>",
            "<\"\"@example.org>",
            "<\"ana@example.org>",
            "<\"a\\\"@example.org>",
            "<\"a\u{0}b\"@example.org>",
            "<ana@[300.0.0.1]>",
            "<ana@[192.0.2.1>",
            "<ana@[tag:thing]>",
            "<ana@[]>",
            "<one:ana@example.org>",
            "<@one ana@example.org>",
            "<ana@example.org>>",
            "<<ana@example.org>",
            &long_local,
            &long_label,
            &long_domain,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn only_some_addresses_can_be_hosted() {
        let hosted = |text: &str| EnvelopeAddress::parse(text).unwrap().hosted().map(|a| a.to_string());
        assert_eq!(hosted("Ana@Example.ORG").as_deref(), Some("Ana@example.org"));
        assert_eq!(hosted("\"plain\"@example.org").as_deref(), Some("plain@example.org"));
        assert_eq!(hosted("\"ana maria\"@example.org"), None);
        assert_eq!(EnvelopeAddress::parse("ana@example.org more"), None);
    }
}
