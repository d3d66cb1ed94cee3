//! The Sender Rewriting Scheme: reverse-paths of forwarded mail that pass SPF at the next server, and through which DSNs
//! find back to the sender.
//!
//! `ana@example.org`, forwarded by a host of `example.net`, gets `SRS0=HASH=DAY=example.org=ana@example.net`; what another
//! forwarder wrote already gets `SRS1=HASH=their.example==…@example.net`, which leads back to that forwarder. The hash is
//! made with a secret, so that nobody makes us send mail to an address of their choice; the day bounds how long a path that
//! somebody saw is of use. A sender whose path would be longer than an address may be gets none: the mail goes on with the
//! null reverse-path.

use std::fmt;

/// A local-part is not longer (RFC 5321 §4.5.3.1.1), in octets.
const MAX_LOCAL: usize = 64;
/// How long DSNs find back, in days: longer than any server tries.
const MAX_AGE_DAYS: i64 = 30;
/// Days are counted in two letters, and begin again after so many.
const DAYS: i64 = 1024;
/// Letters of a hash: 30 bits, against guesses that each cost a connection.
const HASH_LETTERS: usize = 6;
const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Writes and reads reverse-paths of forwarded mail.
#[derive(Clone)]
pub struct Srs {
    domain: String,
    key: [u8; 32],
}

/// An address leads back to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SrsError {
    /// It is no address that this scheme wrote here.
    #[error("it is no rewritten address of this host")]
    NotOurs,
    /// Its hash is wrong: somebody else made it.
    #[error("the rewritten address was not made here")]
    Forged,
    /// It was made too long ago.
    #[error("the rewritten address is too old")]
    Expired,
}

impl Srs {
    /// The paths of a domain, which must lead to a host that knows the same secret.
    pub fn new(domain: &str, secret: &[u8]) -> Self {
        Srs { domain: domain.to_ascii_lowercase(), key: blake3::derive_key("reintegra 2026 sender rewriting", secret) }
    }

    /// The domain.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// What a forwarded message has for its reverse-path; empty where a path cannot be written. What is the domain's own,
    /// and the null reverse-path, stay.
    pub fn forward(&self, reverse_path: &str, now_s: i64) -> String {
        let Some((local, domain)) = reverse_path.rsplit_once('@') else { return String::new() };
        if domain.eq_ignore_ascii_case(&self.domain) {
            return reverse_path.to_owned();
        }
        let plain =
            |text: &str| text.chars().all(|c| !c.is_ascii() || c.is_ascii_graphic() && !"\"\\<>()[]:;,@".contains(c));
        if local.is_empty() || domain.is_empty() || !plain(local) || !plain(domain) || domain.contains('=') {
            return String::new();
        }
        let path = match tagged(local) {
            // Another forwarder's: back to it.
            Some((Tag::Direct, rest)) => {
                let host_and_rest = format!("{domain}={rest}");
                format!("SRS1={}={host_and_rest}", self.hash(&host_and_rest))
            }
            // Another forwarder's of a forwarder's: past it, back to the first.
            Some((Tag::Over, rest)) => {
                let Some((_, host_and_rest)) = rest[1..].split_once('=') else { return String::new() };
                format!("SRS1={}={host_and_rest}", self.hash(host_and_rest))
            }
            None => {
                let dated = format!("{}={domain}={local}", day_letters(now_s));
                format!("SRS0={}={dated}", self.hash(&dated))
            }
        };
        if path.len() > MAX_LOCAL { String::new() } else { format!("{path}@{}", self.domain) }
    }

    /// Whether an address looks like one that this scheme wrote here.
    pub fn is_ours(&self, address: &str) -> bool {
        address
            .rsplit_once('@')
            .is_some_and(|(local, domain)| domain.eq_ignore_ascii_case(&self.domain) && tagged(local).is_some())
    }

    /// Whom a rewritten address leads back to.
    ///
    /// # Errors
    /// When it was not made here, or too long ago.
    pub fn back(&self, address: &str, now_s: i64) -> Result<String, SrsError> {
        if !self.is_ours(address) {
            return Err(SrsError::NotOurs);
        }
        let (tag, rest) = address.rsplit_once('@').and_then(|(local, _)| tagged(local)).expect("it is one of ours");
        // The separator behind the tag may be any of three; ours is the first.
        let (hash, hashed) = rest.strip_prefix('=').and_then(|rest| rest.split_once('=')).ok_or(SrsError::Forged)?;
        if !self.hash(hashed).eq_ignore_ascii_case(hash) {
            return Err(SrsError::Forged);
        }
        match tag {
            Tag::Direct => {
                let mut parts = hashed.splitn(3, '=');
                let (Some(day), Some(domain), Some(local)) = (parts.next(), parts.next(), parts.next()) else {
                    return Err(SrsError::Forged);
                };
                let made = day_number(day).ok_or(SrsError::Forged)?;
                if (now_s.div_euclid(86_400) - made).rem_euclid(DAYS) > MAX_AGE_DAYS {
                    return Err(SrsError::Expired);
                }
                Ok(format!("{local}@{domain}"))
            }
            Tag::Over => {
                let (host, rest) = hashed.split_once('=').ok_or(SrsError::Forged)?;
                Ok(format!("SRS0{rest}@{host}"))
            }
        }
    }

    /// A hash of a text without regard to ASCII case: servers on the way may change it.
    fn hash(&self, text: &str) -> String {
        let hash = blake3::keyed_hash(&self.key, text.to_ascii_lowercase().as_bytes());
        hash.as_bytes().iter().take(HASH_LETTERS).map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()
    }
}

impl fmt::Debug for Srs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Srs").field("domain", &self.domain).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy)]
enum Tag {
    Direct,
    Over,
}

/// The tag of a rewritten local-part, and what is behind it, separator included.
fn tagged(local: &str) -> Option<(Tag, &str)> {
    let (tag, rest) = (local.get(..4)?, local.get(4..)?);
    if !rest.starts_with(['=', '+', '-']) {
        return None;
    }
    match tag {
        _ if tag.eq_ignore_ascii_case("SRS0") => Some((Tag::Direct, rest)),
        _ if tag.eq_ignore_ascii_case("SRS1") => Some((Tag::Over, rest)),
        _ => None,
    }
}

fn day_letters(now_s: i64) -> String {
    let day = usize::try_from(now_s.div_euclid(86_400).rem_euclid(DAYS)).expect("a remainder of 1024");
    [day / 32, day % 32].iter().map(|digit| char::from(LETTERS[*digit])).collect()
}

fn day_number(letters: &str) -> Option<i64> {
    let digit = |byte: u8| LETTERS.iter().position(|letter| *letter == byte.to_ascii_uppercase());
    match *letters.as_bytes() {
        [high, low] => i64::try_from(32 * digit(high)? + digit(low)?).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const NOW_S: i64 = 1_795_353_538;
    const DAY_S: i64 = 86_400;

    fn srs(domain: &str) -> Srs {
        Srs::new(domain, b"a secret")
    }

    #[test]
    fn a_path_leads_back_to_its_sender() {
        for sender in ["ana@example.org", "o'neill+a=b@sub.example.org", "josé@correo.example"] {
            let path = srs("fwd.example").forward(sender, NOW_S);
            assert!(path.starts_with("SRS0=") && path.ends_with("@fwd.example"), "{path}");
            assert_eq!(srs("fwd.example").back(&path, NOW_S + 29 * DAY_S).unwrap(), sender);
        }
    }

    #[test]
    fn a_server_on_the_way_may_change_the_case() {
        let path = srs("fwd.example").forward("ana@example.org", NOW_S);
        assert_eq!(srs("fwd.example").back(&path.to_ascii_lowercase(), NOW_S).unwrap(), "ana@example.org");
        assert_eq!(srs("fwd.example").back(&path.to_ascii_uppercase(), NOW_S).unwrap(), "ANA@EXAMPLE.ORG");
    }

    #[test]
    fn forwarders_of_forwarders_lead_back_to_the_first() {
        let first = srs("one.example").forward("ana@example.org", NOW_S);
        let second = srs("two.example").forward(&first, NOW_S);
        let third = srs("three.example").forward(&second, NOW_S);
        assert!(second.starts_with("SRS1=") && third.starts_with("SRS1="), "{second} {third}");
        assert_eq!(srs("three.example").back(&third, NOW_S).unwrap(), first);
        assert_eq!(srs("two.example").back(&second, NOW_S).unwrap(), first);
        assert_eq!(srs("one.example").back(&first, NOW_S).unwrap(), "ana@example.org");
    }

    #[test]
    fn forged_old_and_foreign_paths_lead_nowhere() {
        let srs = srs("fwd.example");
        let path = srs.forward("ana@example.org", NOW_S);
        let forged = path.replace("=ana@", "=eva@");
        assert_eq!(srs.back(&forged, NOW_S), Err(SrsError::Forged));
        assert_eq!(Srs::new("fwd.example", b"another").back(&path, NOW_S), Err(SrsError::Forged));
        assert_eq!(srs.back(&path, NOW_S + 32 * DAY_S), Err(SrsError::Expired));
        // Not from the future either.
        assert_eq!(srs.back(&path, NOW_S - 2 * DAY_S), Err(SrsError::Expired));
        for other in ["ana@fwd.example", "SRS0@fwd.example", "", "@", "SRS0=a@elsewhere.example", "SRSé@fwd.example"] {
            assert_eq!(srs.back(other, NOW_S), Err(SrsError::NotOurs), "{other}");
        }
        for broken in ["SRS0=@fwd.example", "SRS0==@fwd.example", "SRS0+a=b@fwd.example", "SRS1=a=b@fwd.example"] {
            assert_eq!(srs.back(broken, NOW_S), Err(SrsError::Forged), "{broken}");
        }
    }

    #[test]
    fn what_cannot_be_written_goes_on_without_a_path() {
        let srs = srs("fwd.example");
        for sender in ["", "nobody", "\"a b\"@example.org", "a@[192.0.2.1]", "SRS1=a@example.org"] {
            assert_eq!(srs.forward(sender, NOW_S), "", "{sender}");
        }
        let long = format!("{}@example.org", "a".repeat(60));
        assert_eq!(srs.forward(&long, NOW_S), "");
        for length in 1..60 {
            let path = srs.forward(&format!("{}@example.org", "a".repeat(length)), NOW_S);
            assert!(path.is_empty() || path.rsplit_once('@').unwrap().0.len() <= MAX_LOCAL);
        }
    }

    #[test]
    fn the_domains_own_stays_and_the_secret_is_never_shown() {
        assert_eq!(srs("fwd.example").forward("ana@FWD.example", NOW_S), "ana@FWD.example");
        assert_eq!(format!("{:?}", srs("fwd.example")), "Srs { domain: \"fwd.example\", .. }");
    }
}
