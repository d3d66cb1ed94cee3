//! The header fields that a message gets on its way in (RFC 5321 §4.4).

use crate::syntax::EnvelopeAddress;
use jiff::Timestamp;
use message::Address;
use std::net::IpAddr;

/// Where a message came from, how, and when.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    /// What the client called itself.
    pub(crate) client_name: String,
    /// Where it is.
    pub(crate) client: IpAddr,
    /// This host.
    pub(crate) host: String,
    /// This program.
    pub(crate) software: String,
    /// The protocol.
    pub(crate) with: &'static str,
    /// Version and cipher of TLS.
    pub(crate) tls: Option<String>,
    /// The message's own id.
    pub(crate) id: String,
    /// When.
    pub(crate) at: Timestamp,
}

/// How a message came, for the protocol's keyword.
#[derive(Clone, Copy, Debug)]
pub(crate) struct With {
    /// LMTP.
    pub(crate) lmtp: bool,
    /// With extensions.
    pub(crate) extended: bool,
    /// With SMTPUTF8.
    pub(crate) utf8: bool,
    /// Inside TLS.
    pub(crate) tls: bool,
    /// From somebody who signed in.
    pub(crate) signed_in: bool,
}

impl With {
    /// The keyword (RFC 3848, RFC 6531 §4.3).
    pub(crate) fn keyword(self) -> &'static str {
        let names: [&'static str; 4] = match (self.lmtp, self.utf8, self.extended) {
            (true, true, _) => ["UTF8LMTP", "UTF8LMTPS", "UTF8LMTPA", "UTF8LMTPSA"],
            (true, false, _) => ["LMTP", "LMTPS", "LMTPA", "LMTPSA"],
            (false, true, _) => ["UTF8SMTP", "UTF8SMTPS", "UTF8SMTPA", "UTF8SMTPSA"],
            (false, false, true) => ["ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA"],
            (false, false, false) => ["SMTP"; 4],
        };
        names[usize::from(self.tls) + 2 * usize::from(self.signed_in)]
    }
}

impl Trace {
    /// The Received field; it names the recipient where there is but one.
    pub(crate) fn received(&self, only: Option<&EnvelopeAddress>) -> String {
        let Trace { client_name, client, host, software, with, tls, id, at } = self;
        let client = match client.to_canonical() {
            IpAddr::V4(client) => client.to_string(),
            IpAddr::V6(client) => format!("IPv6:{client}"),
        };
        let tls = tls.as_ref().map(|tls| format!("\r\n ({tls})")).unwrap_or_default();
        let recipient = only.map(|only| format!("\r\n for <{only}>")).unwrap_or_default();
        format!(
            "Received: from {client_name} ([{client}])\r\n by {host} ({software}) with {with}{tls}\r\n id {id}{recipient};\r\n {}\r\n",
            date(*at)
        )
    }
}

/// What final delivery puts above all: who sent it (RFC 5321 §4.4); who it was for, which stops circles; and who that was to the
/// sender, where the sender said (RFC 8098 §2.3).
pub(crate) fn delivered(from: Option<&EnvelopeAddress>, to: &Address, original: Option<&(String, String)>) -> String {
    let from = from.map(ToString::to_string).unwrap_or_default();
    let original = original.map(|(kind, to)| format!("Original-Recipient: {kind};{to}\r\n")).unwrap_or_default();
    format!("Return-Path: <{from}>\r\nDelivered-To: {to}\r\n{original}")
}

/// A date-time (RFC 5322 §3.3).
pub(crate) fn date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn trace() -> Trace {
        Trace {
            client_name: "mx.example.net".into(),
            client: "::ffff:192.0.2.1".parse().unwrap(),
            host: "mail.example.org".into(),
            software: "Reintegra".into(),
            with: "ESMTPS",
            tls: Some("TLSv1_3 TLS13_AES_256_GCM_SHA384".into()),
            id: "abc-1".into(),
            at: Timestamp::from_second(1_795_353_538).unwrap(),
        }
    }

    #[test]
    fn the_received_field_says_whence_how_and_when() {
        let to = EnvelopeAddress::parse("ana@example.org").unwrap();
        assert_eq!(
            trace().received(Some(&to)),
            "Received: from mx.example.net ([192.0.2.1])\r\n by mail.example.org (Reintegra) with ESMTPS\r\n \
             (TLSv1_3 TLS13_AES_256_GCM_SHA384)\r\n id abc-1\r\n for <ana@example.org>;\r\n \
             Sun, 22 Nov 2026 13:18:58 +0000\r\n"
        );
        let plain = Trace { tls: None, client: "2001:db8::1".parse().unwrap(), ..trace() };
        assert!(plain.received(None).starts_with("Received: from mx.example.net ([IPv6:2001:db8::1])\r\n by "));
        assert!(plain.received(None).contains("\r\n id abc-1;\r\n"));
    }

    #[test]
    fn final_delivery_says_from_whom_and_for_whom() {
        let (from, to) = (EnvelopeAddress::parse("a@b.example").unwrap(), Address::new("ana@example.org").unwrap());
        let original = ("rfc822".to_owned(), "sales@example.org".to_owned());
        assert_eq!(
            delivered(Some(&from), &to, Some(&original)),
            "Return-Path: <a@b.example>\r\nDelivered-To: ana@example.org\r\n\
             Original-Recipient: rfc822;sales@example.org\r\n"
        );
        assert_eq!(delivered(None, &to, None), "Return-Path: <>\r\nDelivered-To: ana@example.org\r\n");
    }

    #[test]
    fn keywords_of_protocols() {
        let with = |lmtp, extended, utf8, tls, signed_in| With { lmtp, extended, utf8, tls, signed_in }.keyword();
        assert_eq!(with(false, false, false, false, false), "SMTP");
        assert_eq!(with(false, true, false, false, false), "ESMTP");
        assert_eq!(with(false, true, false, true, false), "ESMTPS");
        assert_eq!(with(false, true, false, false, true), "ESMTPA");
        assert_eq!(with(false, true, false, true, true), "ESMTPSA");
        assert_eq!(with(false, true, true, true, true), "UTF8SMTPSA");
        assert_eq!(with(true, true, false, false, false), "LMTP");
        assert_eq!(with(true, true, true, true, false), "UTF8LMTPS");
    }
}
