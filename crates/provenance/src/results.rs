//! Authentication-Results (RFC 8601): writing ours, reading who others say they are, and taking out what is forged.

use std::borrow::Cow;

use crate::sign::Folded;
use crate::{Findings, Identity, Outcome};

/// Octets of a foreign value that are written.
const MAX_VALUE: usize = 200;

impl Findings {
    /// The Authentication-Results field that tells the findings, with CRLF, to be put before the message. Foreign values in
    /// it cannot end the line they stand on.
    pub fn authentication_results(&self, authserv_id: &str) -> String {
        self.write_results("Authentication-Results", None, authserv_id)
    }

    /// The same as ARC has it, with the number of its set (RFC 8617 §4.1.1).
    pub(crate) fn write_results(&self, field: &'static str, instance: Option<u32>, authserv_id: &str) -> String {
        let mut out = Folded::new(field);
        if let Some(instance) = instance {
            out.word(&format!("i={instance};"));
        }
        let results = self.results();
        let id = value(authserv_id);
        if results.is_empty() {
            out.word(&format!("{id}; none"));
            return out.finish();
        }
        out.word(&format!("{id};"));
        let last = results.len() - 1;
        for (number, words) in results.iter().enumerate() {
            out.fold();
            let end = words.len() - 1;
            for (place, word) in words.iter().enumerate() {
                let stop = if place == end && number != last { ";" } else { "" };
                out.part(&format!("{word}{stop}"), place > 0);
            }
        }
        out.finish()
    }

    /// Each result as the words that tell it.
    fn results(&self) -> Vec<Vec<String>> {
        let mut results = Vec::new();
        if let Some(iprev) = &self.iprev {
            let mut words = vec![format!("iprev={}", iprev.outcome.as_str())];
            words.push(format!("policy.iprev={}", value(&iprev.address.to_string())));
            results.push(words);
        }
        for spf in [&self.spf_helo, &self.spf] {
            let repeated = std::ptr::eq(spf, &self.spf) && spf.identity == Identity::Helo;
            if repeated || (spf.outcome == Outcome::None && spf.domain.is_empty()) {
                continue;
            }
            let mut words = vec![format!("spf={}", spf.outcome.as_str())];
            words.extend(reason(spf.problem.as_deref()));
            let property = match spf.identity {
                Identity::MailFrom => "smtp.mailfrom",
                Identity::Helo => "smtp.helo",
            };
            words.push(format!("{property}={}", value(&spf.sender)));
            results.push(words);
        }
        for dkim in &self.dkim {
            let mut words = vec![format!("dkim={}", dkim.outcome.as_str())];
            words.extend(reason(dkim.problem.as_deref()));
            for (property, text) in [
                ("header.d", dkim.domain.as_str()),
                ("header.s", &dkim.selector),
                ("header.a", dkim.algorithm),
                ("header.b", &dkim.signature_start),
            ] {
                if !text.is_empty() {
                    words.push(format!("{property}={}", value(text)));
                }
            }
            results.push(words);
        }
        if self.arc.outcome != Outcome::None {
            let mut words = vec![format!("arc={}", self.arc.outcome.as_str())];
            words.extend(reason(self.arc.problem.as_deref()));
            if self.arc.outcome == Outcome::Pass {
                words.push(format!("header.oldest-pass={}", self.arc.oldest_pass));
            }
            results.push(words);
        }
        if self.dmarc.outcome != Outcome::None || !self.dmarc.domain.is_empty() {
            let mut words = vec![format!("dmarc={}", self.dmarc.outcome.as_str())];
            words.extend(reason(self.dmarc.problem.as_deref()));
            if self.dmarc.record.is_some() {
                words.push(format!("policy.dmarc={}", self.dmarc.disposition.as_str()));
            }
            words.push(format!("header.from={}", value(&self.dmarc.domain)));
            results.push(words);
        }
        results
    }
}

/// A reason (RFC 8601 §2.2), if there is one.
fn reason(problem: Option<&str>) -> Option<String> {
    problem.map(|problem| format!("reason={}", quoted(problem)))
}

/// A value: as it is where that is a token or an address, quoted otherwise.
fn value(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~@".contains(&byte);
    let at_most_one = text.bytes().filter(|byte| *byte == b'@').count() <= 1;
    if !text.is_empty() && text.len() <= MAX_VALUE && at_most_one && text.bytes().all(plain) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// A quoted-string of printable ASCII, cut short; other characters are question marks.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars().filter(|c| !c.is_control()).take(MAX_VALUE) {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            _ => out.push('?'),
        }
    }
    out.push('"');
    out
}

/// The message without Authentication-Results fields that claim to be ours (RFC 8601 §5), or that do not say readably whose
/// they are. To be done before our own is put there.
///
/// A bare CR or LF ends a line here too: readers differ about them, and a field must not hide behind one.
pub fn remove_forged<'a>(crlf: &'a [u8], authserv_id: &str) -> Cow<'a, [u8]> {
    let header_end = if crlf.starts_with(b"\r\n") {
        0
    } else {
        crlf.windows(4).position(|four| four == b"\r\n\r\n").map_or(crlf.len(), |at| at + 2)
    };
    let ours = authserv_id.trim_end_matches('.');
    let mut kept: Option<Vec<u8>> = None;
    let mut at = 0;
    while at < header_end {
        let mut end = line_end(&crlf[..header_end], at);
        while end < header_end && matches!(crlf[end], b' ' | b'\t') {
            end = line_end(&crlf[..header_end], end);
        }
        let line = &crlf[at..end];
        if claims(line, ours) {
            end_line(kept.get_or_insert_with(|| crlf[..at].to_vec()));
        } else if let Some(kept) = &mut kept {
            kept.extend_from_slice(line);
        }
        at = end;
    }
    match kept {
        Some(mut kept) => {
            kept.extend_from_slice(&crlf[header_end..]);
            Cow::Owned(kept)
        }
        None => Cow::Borrowed(crlf),
    }
}

/// Ends what is kept with a whole CRLF. After a bare CR or LF, what follows the field that was taken out would otherwise join
/// it, and if that is the empty line, the body would become part of the header.
fn end_line(kept: &mut Vec<u8>) {
    if kept.ends_with(b"\r\n") {
        return;
    }
    let text = kept.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |at| at + 1);
    kept.truncate(text);
    if !kept.is_empty() {
        kept.extend_from_slice(b"\r\n");
    }
}

/// Where the line that begins at `from` ends: after its CRLF, CR or LF.
fn line_end(bytes: &[u8], from: usize) -> usize {
    match bytes[from..].iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        Some(at) if bytes[from + at..].starts_with(b"\r\n") => from + at + 2,
        Some(at) => from + at + 1,
        None => bytes.len(),
    }
}

/// Whether a line is an Authentication-Results field of ours, or of nobody's.
fn claims(line: &[u8], ours: &str) -> bool {
    const NAME: &[u8] = b"Authentication-Results";
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return false };
    if !line[..colon].trim_ascii().eq_ignore_ascii_case(NAME) {
        return false;
    }
    let mut scanner = Scanner { rest: &line[colon + 1..] };
    match scanner.word() {
        Some(id) => id.trim_end_matches('.').eq_ignore_ascii_case(ours),
        None => true,
    }
}

/// The number of an ARC set (`i=`) at the beginning of one of its fields, or anywhere among its tags; 0 if there is none.
pub(crate) fn instance(value: &[u8]) -> u32 {
    let text = String::from_utf8_lossy(value);
    let tag = text.split(';').find_map(|tag| tag.trim().strip_prefix("i")?.trim_start().strip_prefix('='));
    tag.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}

/// What an Authentication-Results field says of one method: the result, and one property.
pub(crate) fn recorded(value: &[u8], method: &str, property: &str) -> Option<(String, Option<String>)> {
    let mut scanner = Scanner { rest: value };
    loop {
        // Every result begins after a semicolon; what stands before the first is the authserv-id.
        scanner.seek(b';')?;
        let Some(name) = scanner.word() else { continue };
        if !name.eq_ignore_ascii_case(method) || !scanner.take(b'=') {
            continue;
        }
        let Some(result) = scanner.word() else { continue };
        let mut found = None;
        while let Some(name) = scanner.word() {
            if !scanner.take(b'=') {
                break;
            }
            let value = scanner.word();
            if name.eq_ignore_ascii_case(property) {
                found = value;
            }
        }
        return Some((result.to_ascii_lowercase(), found));
    }
}

/// Reads words of a structured field, comments and folds passed over.
struct Scanner<'a> {
    rest: &'a [u8],
}

impl Scanner<'_> {
    /// Passes over white space and comments (RFC 5322 §3.2.2); an open comment goes to the end.
    fn skip(&mut self) {
        let mut depth = 0_usize;
        while let Some((byte, rest)) = self.rest.split_first() {
            match byte {
                b'(' => depth += 1,
                b')' if depth > 0 => depth -= 1,
                b'\\' if depth > 0 => {
                    self.rest = rest.get(1..).unwrap_or_default();
                    continue;
                }
                b' ' | b'\t' | b'\r' | b'\n' => {}
                _ if depth > 0 => {}
                _ => return,
            }
            self.rest = rest;
        }
    }

    /// The next token or quoted string.
    fn word(&mut self) -> Option<String> {
        self.skip();
        let mut word = Vec::new();
        if self.rest.first() == Some(&b'"') {
            let mut rest = self.rest[1..].iter();
            loop {
                match rest.next()? {
                    b'"' => break,
                    b'\\' => word.push(*rest.next()?),
                    byte => word.push(*byte),
                }
            }
            self.rest = rest.as_slice();
        } else {
            let end = self.rest.iter().position(|byte| b" \t\r\n;=()\"".contains(byte)).unwrap_or(self.rest.len());
            let (token, rest) = self.rest.split_at(end);
            word.extend_from_slice(token);
            self.rest = rest;
            if word.is_empty() {
                return None;
            }
        }
        Some(String::from_utf8_lossy(&word).into_owned())
    }

    /// Takes one character, if it is the next.
    fn take(&mut self, byte: u8) -> bool {
        self.skip();
        match self.rest.strip_prefix(&[byte]) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Goes past the next such character outside of comments and strings.
    fn seek(&mut self, wanted: u8) -> Option<()> {
        loop {
            if self.take(wanted) {
                return Some(());
            }
            if self.word().is_none() {
                // Neither a word nor what is sought: one character is passed over.
                self.rest = self.rest.get(1..)?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dkim, Dmarc, Spf};

    #[test]
    fn findings_are_told_in_a_folded_field() {
        let spf = Spf {
            outcome: Outcome::Pass,
            identity: Identity::MailFrom,
            domain: "example.test".into(),
            sender: "ana@example.test".into(),
            ..Spf::default()
        };
        let dkim = Dkim {
            outcome: Outcome::Fail,
            domain: "example.test".into(),
            selector: "s1".into(),
            algorithm: "rsa-sha256",
            signature_start: "abc/+8==".into(),
            problem: Some("Signature verification failed".into()),
        };
        let dmarc = Dmarc { outcome: Outcome::Pass, domain: "example.test".into(), ..Dmarc::default() };
        let findings = Findings { spf, dkim: vec![dkim], dmarc, ..Findings::default() };
        assert_eq!(
            findings.authentication_results("mx.our.test"),
            "Authentication-Results: mx.our.test;\r\n\
             \tspf=pass smtp.mailfrom=ana@example.test;\r\n\
             \tdkim=fail reason=\"Signature verification failed\" header.d=example.test\r\n\
             \theader.s=s1 header.a=rsa-sha256 header.b=\"abc/+8==\";\r\n\
             \tdmarc=pass header.from=example.test\r\n"
        );
    }

    #[test]
    fn nothing_found_is_said_so() {
        assert_eq!(
            Findings::default().authentication_results("our.test"),
            "Authentication-Results: our.test; none\r\n"
        );
    }

    #[test]
    fn foreign_values_cannot_leave_their_place() {
        for sender in ["a\r\nX: y@b", "a\"; dkim=pass", "a; dmarc=pass", "\u{202e}é@b", "a@b@c", "", "(x)"] {
            let spf = Spf { outcome: Outcome::Fail, domain: "b".into(), sender: sender.into(), ..Spf::default() };
            let field = Findings { spf, ..Findings::default() }.authentication_results("our.test");
            assert_eq!(field.matches('\n').count(), 2, "{field:?}");
            assert!(field.is_ascii(), "{field:?}");
            let value = field.split_once(':').map(|(_, value)| value).unwrap_or_default();
            assert_eq!(recorded(value.as_bytes(), "dkim", "header.d"), None, "{field:?}");
            assert_eq!(recorded(value.as_bytes(), "dmarc", "header.from"), None, "{field:?}");
            assert!(recorded(value.as_bytes(), "spf", "smtp.mailfrom").is_some(), "{field:?}");
        }
    }

    #[test]
    fn fields_that_claim_to_be_ours_go() {
        for forged in [
            "Authentication-Results: our.test; spf=pass\r\n",
            "AUTHENTICATION-results : Our.Test.; none\r\n",
            "Authentication-Results:\r\n (a (nested \\) comment)) our.test\r\n\t1; none\r\n",
            "Authentication-Results: \"our\\.test\"; none\r\n",
            "Authentication-Results:(x)our.test(y)(z);\r\n spf=pass\r\n",
            "Authentication-Results: ; spf=pass\r\n",
            "Authentication-Results:\r\n",
            "Authentication-Results: (open our.test; spf=pass\r\n",
            "Authentication-Results: \"open our.test; spf=pass\r\n",
        ] {
            let message = format!("A: b\r\n{forged}From: c@d\r\n\r\n{forged}");
            let expected = format!("A: b\r\nFrom: c@d\r\n\r\n{forged}");
            assert_eq!(remove_forged(message.as_bytes(), "our.test"), expected.as_bytes(), "{forged:?}");
        }
    }

    #[test]
    fn a_field_does_not_hide_behind_a_bare_line_end() {
        for end in ["\r", "\n", "\r\r", "\n\n", "\n\r"] {
            let message = format!("Subject: x{end}Authentication-Results: our.test; spf=pass\r\nFrom: c@d\r\n\r\n");
            let cleaned = remove_forged(message.as_bytes(), "our.test").into_owned();
            assert_eq!(cleaned, b"Subject: x\r\nFrom: c@d\r\n\r\n", "{end:?}");
        }
        let last = b"\rAuthentication-Results: our.test\r\n\r\nAuthentication-Results: our.test\r\n";
        let body_stays_body = b"\r\nAuthentication-Results: our.test\r\n";
        assert_eq!(&remove_forged(last, "our.test")[..], body_stays_body);
    }

    #[test]
    fn fields_of_others_stay_and_so_does_the_rest() {
        for message in [
            "Authentication-Results: other.test; spf=pass\r\nFrom: a\r\n\r\nbody",
            "Authentication-Results: our.test.evil.test; none\r\n\r\n",
            "ARC-Authentication-Results: i=1; our.test; none\r\n\r\n",
            "X-Authentication-Results: our.test\r\n\r\n",
            "From: a\r\n\r\nAuthentication-Results: our.test; none\r\n",
            "\r\nAuthentication-Results: our.test; none\r\n",
            "",
        ] {
            assert!(matches!(remove_forged(message.as_bytes(), "our.test"), Cow::Borrowed(_)), "{message:?}");
        }
    }

    #[test]
    fn what_others_recorded_can_be_read() {
        let value = b" i=2; lists.test (x; dmarc=fail);\r\n\tspf=fail reason=\"a; dmarc=none\" smtp.mailfrom=b.test;\r\n\tDMARC = Pass (p=reject) policy.dmarc=none header.From=c.test; arc=none";
        assert_eq!(recorded(value, "dmarc", "header.from"), Some(("pass".into(), Some("c.test".into()))));
        assert_eq!(recorded(value, "dkim", "header.d"), None);
        assert_eq!(instance(value), 2);
        assert_eq!(instance(b"a=rsa-sha256; b=x; i = 7"), 7);
        assert_eq!(instance(b"none"), 0);
    }
}
