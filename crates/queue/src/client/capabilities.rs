//! What a server can do: its answer to EHLO (RFC 5321 §4.1.1.1).

use super::reply::Reply;

/// What a server said it can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Capabilities {
    /// RFC 2920.
    pub(crate) pipelining: bool,
    /// RFC 3207.
    pub(crate) starttls: bool,
    /// RFC 6152.
    pub(crate) eight_bit_mime: bool,
    /// RFC 6531.
    pub(crate) smtputf8: bool,
    /// RFC 3461.
    pub(crate) dsn: bool,
    /// RFC 8689.
    pub(crate) require_tls: bool,
    /// RFC 1870: `Some(0)`: no limit is told.
    pub(crate) size_bytes: Option<u64>,
    /// RFC 4954: whether PLAIN is among the mechanisms.
    pub(crate) auth_plain: bool,
    /// Whether LOGIN is, which no RFC describes and some large providers have instead.
    pub(crate) auth_login: bool,
    /// RFC 9422: messages that a connection may carry.
    pub(crate) mail_max: Option<u64>,
    /// RFC 9422: recipients that a message may have.
    pub(crate) recipients_max: Option<u64>,
}

impl Capabilities {
    /// Reads them; what is not known here is passed over.
    pub(crate) fn of(reply: &Reply) -> Self {
        let mut capabilities = Capabilities::default();
        for line in reply.lines.iter().skip(1) {
            let mut words = line.split_ascii_whitespace();
            let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
            match keyword.as_str() {
                "PIPELINING" => capabilities.pipelining = true,
                "STARTTLS" => capabilities.starttls = true,
                "8BITMIME" => capabilities.eight_bit_mime = true,
                "SMTPUTF8" => capabilities.smtputf8 = true,
                "DSN" => capabilities.dsn = true,
                "REQUIRETLS" => capabilities.require_tls = true,
                "SIZE" => capabilities.size_bytes = Some(words.next().and_then(|n| n.parse().ok()).unwrap_or(0)),
                "AUTH" => words.for_each(|word| capabilities.mechanism(word)),
                "LIMITS" => capabilities.limits(words),
                // `AUTH=LOGIN PLAIN`, as old servers have it.
                _ if keyword.starts_with("AUTH=") => {
                    let mechanisms = keyword.split('=').skip(1).chain(words);
                    mechanisms.for_each(|word| capabilities.mechanism(word));
                }
                _ => {}
            }
        }
        capabilities
    }

    fn mechanism(&mut self, name: &str) {
        self.auth_plain |= name.eq_ignore_ascii_case("PLAIN");
        self.auth_login |= name.eq_ignore_ascii_case("LOGIN");
    }

    fn limits<'a>(&mut self, words: impl Iterator<Item = &'a str>) {
        for (name, value) in words.filter_map(|word| word.split_once('=')) {
            // A limit of nothing would be a server without a use: it is not believed.
            let value = value.parse().ok().filter(|value| *value > 0);
            match name.to_ascii_uppercase().as_str() {
                "MAILMAX" => self.mail_max = value,
                "RCPTMAX" => self.recipients_max = value,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::reply::Replies;
    use super::*;

    fn read(lines: &[&str]) -> Capabilities {
        let mut replies = Replies::default();
        for line in lines {
            replies.feed(format!("250-{line}\r\n").as_bytes());
        }
        replies.feed(b"250 HELP\r\n");
        Capabilities::of(&replies.next().unwrap().unwrap())
    }

    #[test]
    fn keywords_are_known_in_any_case() {
        let read = read(&[
            "mx.example.net greets you",
            "pipelining",
            "STARTTLS",
            "8bitmime",
            "SMTPUTF8",
            "DSN",
            "REQUIRETLS",
            "SIZE 1000",
            "AUTH CRAM-MD5 plain",
            "LIMITS MAILMAX=5 RCPTMAX=20 OTHER=1",
        ]);
        let expected = Capabilities {
            pipelining: true,
            starttls: true,
            eight_bit_mime: true,
            smtputf8: true,
            dsn: true,
            require_tls: true,
            size_bytes: Some(1000),
            auth_plain: true,
            auth_login: false,
            mail_max: Some(5),
            recipients_max: Some(20),
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn what_is_not_said_is_not_there() {
        // The first line is a name, whatever it looks like.
        assert_eq!(read(&["STARTTLS"]), Capabilities::default());
        let odd = read(&["x", "SIZE", "AUTH=LOGIN PLAIN", "LIMITS MAILMAX=0 RCPTMAX=-1", "AUTH LOGIN"]);
        assert_eq!(
            odd,
            Capabilities { size_bytes: Some(0), auth_plain: true, auth_login: true, ..Capabilities::default() }
        );
        assert_eq!(read(&["x", "SIZE 99999999999999999999999"]).size_bytes, Some(0));
    }
}
