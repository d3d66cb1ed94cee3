//! What a sender is not to learn from a notification: where aliases, forwards and scripts lead.
//!
//! A sender knows the address that it named. Where that leads is its owner's to tell (RFC 3464 §4.2): in place of the address
//! stands what the sender knows it by, the server is not named, and words that say anything of the address, or name
//! anybody, are left out. Whoever forwards may have left their own address in the message's header, and their domain in the
//! seal upon it: that goes too.

use super::Fate;
use std::borrow::Cow;

/// What stands in place of an address of which the sender knows nothing.
const UNKNOWN: &str = "undisclosed";

impl Fate {
    /// The type of the address (RFC 3464 §2.3.2).
    pub(super) fn kind(&self) -> &str {
        let original = self.original.as_deref().filter(|_| self.hidden);
        original.and_then(|original| original.split_once(';')).map_or("rfc822", |(kind, _)| kind)
    }

    /// What the sender may know of it.
    pub(crate) fn for_the_sender(mut self) -> Self {
        if !self.hidden {
            return self;
        }
        if tells_of(&self.said, &self.address) || self.server.as_ref().is_some_and(|server| has(&self.said, server)) {
            self.said = if self.answered { codes(&self.said) } else { String::new() };
        }
        self.server = None;
        let known = self.original.as_deref().map(|original| original.split_once(';').map_or(original, |(_, a)| a));
        self.address = known.unwrap_or(UNKNOWN).to_owned();
        self
    }
}

/// The message as whoever may not know the ways may see it: where one is hidden, without the addresses that it went by.
pub(crate) fn without_ways<'a>(message: &'a [u8], fates: &[Fate]) -> Cow<'a, [u8]> {
    if !fates.iter().any(|fate| fate.hidden) {
        return Cow::Borrowed(message);
    }
    let is_seal = |name: &[u8]| name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"ARC-"));
    message::header::without(message, |name| name.eq_ignore_ascii_case(b"Delivered-To") || is_seal(name))
}

/// Letters of a part of an address from which on it says something of it.
const TELLING_CHARS: usize = 3;

/// Whether words say anything of an address: its domain, in either form, its localpart, a part of either as a word of its
/// own; or name anybody or any host at all. Where an address leads on, its server may call it by yet another.
fn tells_of(words: &str, address: &str) -> bool {
    let Some((local, domain)) = address.rsplit_once('@') else { return true };
    let whole = local.trim_matches('"').to_lowercase();
    let in_ascii = dns::ascii(domain).ok();
    let lower = words.to_lowercase();
    let is_word = |part: &str| {
        let beside = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        let ends =
            |at: usize| beside(lower[..at].chars().next_back()) && beside(lower[at + part.len()..].chars().next());
        lower.match_indices(part).any(|(at, _)| ends(at))
    };
    let is_part = |part: &&str| part.chars().count() >= TELLING_CHARS;
    // The last label of a domain is everybody's.
    let labels = domain.rsplit('.').skip(1).map(str::to_lowercase);
    has(words, domain)
        || in_ascii.is_some_and(|domain| has(words, &domain))
        || is_word(&whole)
        || whole.split(|c: char| !c.is_alphanumeric()).filter(is_part).any(is_word)
        || labels.filter(|label| is_part(&label.as_str())).any(|label| is_word(&label))
        || words.split_whitespace().any(names_somebody)
}

/// Whether a word is an address, a host, or where one is in the network: all that has a dot or several colons inside, but for
/// an enhanced status code.
fn names_somebody(word: &str) -> bool {
    let inner = word.trim_matches(|c: char| !c.is_alphanumeric());
    let parts: Vec<&str> = inner.split('.').collect();
    let is_dotted = parts.windows(2).any(|two| !two[0].is_empty() && !two[1].is_empty());
    word.contains('@') || word.matches(':').count() > 1 || is_dotted && !is_enhanced(inner)
}

/// Whether words hold a text, without regard to case.
fn has(words: &str, text: &str) -> bool {
    words.to_lowercase().contains(&text.to_lowercase())
}

/// The codes at the beginning of a reply, which tell nothing of anybody.
fn codes(said: &str) -> String {
    let is_basic = |word: &&str| word.len() == 3 && word.bytes().all(|byte| byte.is_ascii_digit());
    let mut words = said.split_whitespace();
    let basic = words.next().filter(is_basic);
    let enhanced = words.next().filter(|word| is_enhanced(word) && basic.is_some());
    basic.into_iter().chain(enhanced).collect::<Vec<_>>().join(" ")
}

/// Whether a word is an enhanced status code (RFC 3463 §2).
fn is_enhanced(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    let is_number = |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    matches!(parts[..], ["2" | "4" | "5", _, _]) && parts.iter().all(is_number)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::{Action, Cause};
    use super::*;

    fn fate(address: &str, server: Option<&str>, said: &str) -> Fate {
        Fate {
            address: address.to_owned(),
            original: Some("rfc822;info@example.org".to_owned()),
            hidden: true,
            action: Action::Failed,
            cause: Cause::Status,
            status: (5, 1, 1),
            answered: server.is_some(),
            server: server.map(str::to_owned),
            said: said.to_owned(),
        }
    }

    #[test]
    fn words_that_tell_of_a_hidden_address_are_left_out() {
        for (address, server, said, shown) in [
            ("eva@corp.example", Some("mx.example.net"), "550 5.1.1 <EVA@Corp.Example>: unknown", "550 5.1.1"),
            ("eva@corp.example", Some("mx.example.net"), "550 5.1.1 no mailbox Eva here", "550 5.1.1"),
            ("eva@corp.example", Some("mx.example.net"), "550 no such user (eva)", "550"),
            ("eva@corp.example", Some("mx.example.net"), "552 5.2.2 corp.example: over quota", "552 5.2.2"),
            ("eva@corp.example", Some("mx.example.net"), "550 5.7.1 MX.example.NET says no", "550 5.7.1"),
            ("eva@corp.example", Some("mx.example.net"), "refused for eva", ""),
            ("eva@corp.example", Some("mx.example.net"), "550 5.7.1 evaluated as spam", "550 5.7.1 evaluated as spam"),
            ("eva@corp.example", None, "mx.corp.example cannot be connected to: refused", ""),
            ("eva@corp.example", None, "the sender demands TLS", "the sender demands TLS"),
            ("ana@\u{f1}and\u{fa}.example", Some("mx.example.net"), "550 xn--and-6ma2c.example: no", "550"),
            ("\u{130}@corp.example", Some("mx.example.net"), "550 \u{130}", "550"),
            // Parts of the address, and the names under which others know it.
            ("eva+lists@corp.example", Some("mx.example.net"), "550 5.1.1 eva: user unknown", "550 5.1.1"),
            ("eva.ruiz@corp.example", Some("mx.example.net"), "550 Ruiz has left", "550"),
            ("eva@corp.example", Some("mx.example.net"), "550 5.7.1 Corp Mail says no", "550 5.7.1"),
            ("eva@corp.example", Some("mx.example.net"), "550 5.1.1 <e-1@inner.example>: unknown", "550 5.1.1"),
            ("eva@corp.example", Some("mx.example.net"), "551 not here, try e@inner", "551"),
            ("eva@corp.example", Some("mx.example.net"), "250 2.0.0 Ok: queued by in7.inner.example.", "250 2.0.0"),
            ("eva@corp.example", Some("mx.example.net"), "450 4.7.1 see https://help.inner.example/?p=1", "450 4.7.1"),
            ("eva@corp.example", Some("mx.example.net"), "550 203.0.113.9 is refused by us", "550"),
            ("eva@corp.example", Some("mx.example.net"), "550 refused by [2001:db8::9]", "550"),
            ("eva@corp.example", Some("mx.example.net"), "550 5.1.1 who? (#5.1.1)", "550 5.1.1 who? (#5.1.1)"),
            ("eva@corp.example", None, "in7.inner.example cannot be connected to: refused", ""),
            ("eva@corp.example", None, "that mailbox is full", "that mailbox is full"),
        ] {
            let told = fate(address, server, said).for_the_sender();
            assert_eq!((told.said.as_str(), told.address.as_str(), told.server), (shown, "info@example.org", None));
        }
        let open = Fate { hidden: false, ..fate("eva@corp.example", Some("mx.corp.example"), "550 eva") };
        let told = open.for_the_sender();
        assert_eq!((told.address.as_str(), told.said.as_str(), told.kind()), ("eva@corp.example", "550 eva", "rfc822"));
        assert_eq!(told.server.as_deref(), Some("mx.corp.example"));
        let nothing = Fate { original: None, ..fate("eva@corp.example", None, "") }.for_the_sender();
        assert_eq!(nothing.address, UNKNOWN);
        let other = Fate { original: Some("x400;/S=eva".to_owned()), ..fate("eva@corp.example", None, "") };
        let other = other.for_the_sender();
        assert_eq!((other.kind(), other.address.as_str()), ("x400", "/S=eva"));
    }

    #[test]
    fn who_forwarded_it_is_taken_out_of_the_header() {
        let message = b"ARC-Seal: i=1; d=way.example;\r\n b=x\r\narc-message-signature: y\r\n\
            Delivered-To: ana@example.org\r\nReceived: x\r\ndelivered-to: b\r\n c\r\n\r\nDelivered-To: body\r\n";
        let shown = without_ways(message, &[fate("eva@corp.example", None, "")]);
        assert_eq!(shown.as_ref(), b"Received: x\r\n\r\nDelivered-To: body\r\n");
        let open = Fate { hidden: false, ..fate("eva@corp.example", None, "") };
        assert_eq!(without_ways(message, &[open]).as_ref(), message);
    }
}
