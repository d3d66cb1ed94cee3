//! What the zone of a hosted domain needs, as a fragment of a zone file (RFC 1035 §5).

use std::fmt::Write as _;
use std::net::IpAddr;

/// A character-string of a TXT record is at most this long (RFC 1035 §3.3).
const MAX_STRING_BYTES: usize = 255;
/// How long others may remember a record, in seconds. Short while a domain moves in is kind to who made a mistake.
const TTL_S: u32 = 3600;
/// How long senders remember the MTA-STS policy, in seconds: two weeks (RFC 8461 §3.2).
const STS_MAX_AGE_S: u32 = 14 * 86_400;

/// What is known of a domain.
#[derive(Clone, Debug)]
pub(crate) struct Zone<'a> {
    /// The domain, in ASCII form.
    pub(crate) domain: &'a str,
    /// The name of the server that takes its mail.
    pub(crate) hostname: &'a str,
    /// Addresses that its mail comes from beside those of the server's name.
    pub(crate) senders: &'a [IpAddr],
    /// The host that everything goes out through, where there is one.
    pub(crate) smart_host: Option<&'a str>,
    /// The selectors that sign, or are about to, each with the text of its record.
    pub(crate) keys: &'a [(String, String)],
    /// Who gets reports of others.
    pub(crate) reports: &'a str,
}

impl Zone<'_> {
    /// The fragment: every name in full, so that it may stand anywhere in the zone's file.
    pub(crate) fn fragment(&self) -> String {
        let (domain, host) = (self.domain, self.hostname);
        let mut out = format!("; {domain}, served by {host}\n$TTL {TTL_S}\n\n; where its mail goes\n");
        self.record(&mut out, "", "MX", &format!("10 {host}."));
        out.push_str("\n; who may send as it (RFC 7208)\n");
        self.text(&mut out, "", &self.spf());
        if self.keys.is_empty() {
            let _ = writeln!(out, "\n; nothing signs for it: `reintegra dkim new {domain}` makes a key (RFC 6376)");
        } else {
            out.push_str("\n; what its signatures are checked with (RFC 6376)\n");
        }
        for (selector, text) in self.keys {
            self.text(&mut out, &format!("{selector}._domainkey."), text);
        }
        out.push_str("\n; what becomes of mail that only claims to be of it (RFC 7489); once the reports show that all mail of\n");
        out.push_str("; its own passes, say p=quarantine, and p=reject at last\n");
        self.text(&mut out, "_dmarc.", &format!("v=DMARC1; p=none; rua=mailto:{}", self.reports));
        out.push_str("\n; mail to it only over verified TLS (RFC 8461): while the policy below is served at\n");
        let _ = writeln!(
            out,
            "; https://mta-sts.{domain}/.well-known/mta-sts.txt; say mode: enforce once reports are good"
        );
        let policy = self.sts_policy();
        policy.lines().for_each(|line| {
            let _ = writeln!(out, ";     {line}");
        });
        self.text(&mut out, "_mta-sts.", &format!("v=STSv1; id={}", id_of(&policy)));
        out.push_str("\n; who hears of TLS that failed (RFC 8460)\n");
        self.text(&mut out, "_smtp._tls.", &format!("v=TLSRPTv1; rua=mailto:{}", self.reports));
        out.push_str("\n; where mail programs find their services (RFC 6186, RFC 8314, RFC 5804)\n");
        for (service, priority, port) in [
            ("_imaps._tcp.", 0, 993),
            ("_imap._tcp.", 10, 143),
            ("_submissions._tcp.", 0, 465),
            ("_submission._tcp.", 10, 587),
            ("_pop3s._tcp.", 20, 995),
            ("_pop3._tcp.", 30, 110),
            ("_sieve._tcp.", 0, 4190),
        ] {
            self.record(&mut out, service, "SRV", &format!("{priority} 1 {port} {host}."));
        }
        out
    }

    fn spf(&self) -> String {
        let mut text = "v=spf1 mx".to_owned();
        for sender in self.senders {
            let _ = match sender {
                IpAddr::V4(address) => write!(text, " ip4:{address}"),
                IpAddr::V6(address) => write!(text, " ip6:{address}"),
            };
        }
        if let Some(host) = self.smart_host {
            let _ = match host.parse::<IpAddr>() {
                Ok(IpAddr::V4(address)) => write!(text, " ip4:{address}"),
                Ok(IpAddr::V6(address)) => write!(text, " ip6:{address}"),
                Err(_) => write!(text, " a:{host}"),
            };
        }
        text + " -all"
    }

    fn sts_policy(&self) -> String {
        format!("version: STSv1\nmode: testing\nmx: {}\nmax_age: {STS_MAX_AGE_S}\n", self.hostname)
    }

    fn record(&self, out: &mut String, name: &str, kind: &str, data: &str) {
        let _ = writeln!(out, "{name}{}. IN {kind} {data}", self.domain);
    }

    fn text(&self, out: &mut String, name: &str, text: &str) {
        let strings: Vec<String> = pieces(text).map(quoted).collect();
        self.record(out, name, "TXT", &strings.join(" "));
    }
}

/// A text in pieces that fit into a character-string each; readers put them together without a space (RFC 7208 §3.3).
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest.floor_char_boundary(MAX_STRING_BYTES);
        let (piece, behind) = rest.split_at(end);
        rest = behind;
        (!piece.is_empty()).then_some(piece)
    })
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => {
                let _ = write!(out, "\\{}", char::from(byte));
            }
            b' '..=b'~' => out.push(char::from(byte)),
            other => {
                let _ = write!(out, "\\{other:03}");
            }
        }
    }
    out.push('"');
    out
}

/// Names a policy: another text has another name (RFC 8461 §3.1: at most 32 letters and digits).
fn id_of(policy: &str) -> String {
    blake3::hash(policy.as_bytes()).to_hex()[..20].to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::process::Command;

    fn zone(keys: &[(String, String)]) -> String {
        let senders = ["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap()];
        let hostname = "mail.hosting.example";
        let reports = "postmaster@ejemplo.example";
        Zone {
            domain: "ejemplo.example",
            hostname,
            senders: &senders,
            smart_host: Some("relay.example"),
            keys,
            reports,
        }
        .fragment()
    }

    #[test]
    fn it_says_who_takes_and_who_sends() {
        let text = zone(&[]);
        for line in [
            "ejemplo.example. IN MX 10 mail.hosting.example.",
            "ejemplo.example. IN TXT \"v=spf1 mx ip4:192.0.2.7 ip6:2001:db8::7 a:relay.example -all\"",
            "_dmarc.ejemplo.example. IN TXT \"v=DMARC1; p=none; rua=mailto:postmaster@ejemplo.example\"",
            "_smtp._tls.ejemplo.example. IN TXT \"v=TLSRPTv1; rua=mailto:postmaster@ejemplo.example\"",
            "_submissions._tcp.ejemplo.example. IN SRV 0 1 465 mail.hosting.example.",
        ] {
            assert!(text.lines().any(|there| there == line), "{line}\n{text}");
        }
        assert!(text.contains("nothing signs for it"));
    }

    #[test]
    fn long_and_strange_texts_are_read_back_as_they_were() {
        let text = format!("{}\"\\ñ", "k".repeat(254));
        assert_eq!(pieces(&text).collect::<String>(), text);
        assert!(pieces(&text).all(|piece| piece.len() <= MAX_STRING_BYTES));
        assert_eq!(quoted("a\"\\ñ;"), "\"a\\\"\\\\\\195\\177;\"");
    }

    /// BIND's own reader takes it for a zone, and reads the key back whole.
    #[test]
    fn a_name_server_takes_it() {
        if !testkit::has_programs(&["named-checkzone"]) {
            return;
        }
        let key = format!("v=DKIM1; k=rsa; p={}", "MIIBIjANBgkqhkiG9w0B".repeat(20));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("zone");
        let head =
            "$ORIGIN ejemplo.example.\n@ 60 IN SOA ns.example. admin.example. 1 60 60 60 60\n@ 60 IN NS ns.example.\n";
        std::fs::write(&file, format!("{head}{}", zone(&[("s1".to_owned(), key.clone())]))).unwrap();
        let out =
            Command::new("named-checkzone").args(["-D", "-i", "none", "ejemplo.example"]).arg(&file).output().unwrap();
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(out.status.success(), "{said}{}", String::from_utf8_lossy(&out.stderr));
        let line = said.lines().find(|line| line.starts_with("s1._domainkey")).unwrap();
        let read: String = line.split('"').skip(1).step_by(2).collect();
        assert_eq!(read, key);
    }
}
