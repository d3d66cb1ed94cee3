//! Signing what goes out (RFC 6376 §5).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use message::header;
use thiserror::Error;

use crate::{KeyError, SigningKey, canonical};

/// Fields that are signed once more than they occur, so that none can be added: what people see, and what decides how a
/// body is read.
const SEALED: [&str; 10] = [
    "From",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];
/// Fields that are signed where they occur; forwarders and lists may add their own.
const SIGNED: [&str; 12] = [
    "Sender",
    "In-Reply-To",
    "References",
    "Resent-From",
    "Resent-To",
    "Resent-Date",
    "Resent-Message-ID",
    "List-ID",
    "List-Post",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "Feedback-ID",
];
/// Fields that are signed at most. A message that repeats its fields beyond that is not worth a signature.
const MAX_SIGNED: usize = 256;
/// Octets a line of what is written has at most, its CRLF left out.
const LINE: usize = 76;

/// Signs for one domain with one key.
#[derive(Debug)]
pub struct Signer {
    /// The domain (d=), A-labels.
    pub domain: String,
    /// The key's name (s=): its public half is at `SELECTOR._domainkey.DOMAIN`.
    pub selector: String,
    /// The key.
    pub key: SigningKey,
    /// For how long a signature holds (x=); without it, for ever.
    pub expires_after_s: Option<u32>,
}

/// Why a message cannot be signed.
#[derive(Debug, Error)]
pub enum SignError {
    /// RFC 6376 §5.4 wants From signed, and there is none.
    #[error("a message without a From field is not signed")]
    NoFrom,
    /// There are too many fields of the names that are signed.
    #[error("the header has too many fields to sign")]
    TooManyFields,
    /// The domain or the selector is no name.
    #[error("{0} cannot stand in a signature")]
    BadName(String),
    /// The key did not sign.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// DKIM-Signature fields for a message in CRLF form, one for each signer, to be put before it. Each ends with CRLF.
///
/// `now_s` is in seconds since 1970 UTC. RSA takes about a millisecond, and the body is read once for all.
///
/// # Errors
/// [`SignError`].
pub fn sign(signers: &[Signer], crlf: &[u8], now_s: i64) -> Result<String, SignError> {
    if signers.is_empty() {
        return Ok(String::new());
    }
    let body_digest = canonical::body_digest(canonical::Body::Relaxed, body(crlf));
    let fields = signed_fields(crlf, &SEALED, &SIGNED)?;
    let mut out = String::new();
    for signer in signers {
        let start = format!("v=1; a={};", signer.key.algorithm().as_str());
        out.push_str(&signer.sign_fields("DKIM-Signature", &start, &fields, &body_digest, now_s)?);
    }
    Ok(out)
}

/// The fields that a signature covers.
pub(crate) struct SignedFields {
    /// Their names, in the order in which they are signed, absent ones included.
    names: Vec<&'static str>,
    /// Those that occur, in relaxed form, each with CRLF.
    canonical: Vec<u8>,
}

impl Signer {
    /// Whether what stands in signatures is sound.
    pub(crate) fn check(&self) -> Result<(), SignError> {
        for name in [&self.domain, &self.selector] {
            if dns::ascii(name).as_deref() != Ok(name.as_str()) {
                return Err(SignError::BadName(name.clone()));
            }
        }
        Ok(())
    }

    /// A field that signs: `start` are its first tags.
    pub(crate) fn sign_fields(
        &self,
        field: &'static str,
        start: &str,
        fields: &SignedFields,
        body_digest: &[u8; 32],
        now_s: i64,
    ) -> Result<String, SignError> {
        self.check()?;
        let mut folded = Folded::new(field);
        for tag in start.split_inclusive("; ") {
            folded.word(tag.trim_end());
        }
        folded.word("c=relaxed/relaxed;");
        folded.word(&format!("d={};", self.domain));
        folded.word(&format!("s={};", self.selector));
        folded.word(&format!("t={};", now_s.max(0)));
        if let Some(after_s) = self.expires_after_s {
            folded.word(&format!("x={};", now_s.max(0).saturating_add(after_s.into())));
        }
        for (number, name) in fields.names.iter().enumerate() {
            let before = if number == 0 { "h=" } else { "" };
            let after = if number + 1 == fields.names.len() { ";" } else { ":" };
            folded.part(&format!("{before}{name}{after}"), number == 0);
        }
        folded.word(&format!("bh={};", STANDARD.encode(body_digest)));
        folded.word("b=");
        let mut signed = fields.canonical.clone();
        canonical::field(field.as_bytes(), folded.value().as_bytes(), &mut signed);
        folded.chunks(&STANDARD.encode(self.key.sign(&signed)?));
        Ok(folded.finish())
    }
}

/// Chooses the fields to sign and canonicalises them: of each name the last one first (RFC 6376 §5.4.2).
pub(crate) fn signed_fields(
    crlf: &[u8],
    sealed: &[&'static str],
    signed: &[&'static str],
) -> Result<SignedFields, SignError> {
    let mut chosen = SignedFields { names: Vec::new(), canonical: Vec::new() };
    let mut found: Vec<Vec<header::Field<'_>>> = vec![Vec::new(); sealed.len() + signed.len()];
    let mut count = 0;
    for field in header::fields(crlf) {
        if let Some(number) = sealed.iter().chain(signed).position(|name| field.is(name)) {
            found[number].push(field);
            count += 1;
        }
    }
    if count > MAX_SIGNED {
        return Err(SignError::TooManyFields);
    }
    for ((number, name), fields) in sealed.iter().chain(signed).enumerate().zip(&found) {
        if *name == "From" && fields.is_empty() {
            return Err(SignError::NoFrom);
        }
        for field in fields.iter().rev() {
            chosen.names.push(name);
            canonical::field(field.name(), field.raw_value(), &mut chosen.canonical);
            chosen.canonical.extend_from_slice(b"\r\n");
        }
        if number < sealed.len() {
            chosen.names.push(name);
        }
    }
    Ok(chosen)
}

/// What follows the header.
pub(crate) fn body(crlf: &[u8]) -> &[u8] {
    match crlf.strip_prefix(b"\r\n") {
        Some(body) => body,
        None => crlf.windows(4).position(|four| four == b"\r\n\r\n").map_or(b"", |at| &crlf[at + 4..]),
    }
}

/// A field that is folded while it is written.
pub(crate) struct Folded {
    name: &'static str,
    value: String,
    column: usize,
}

impl Folded {
    pub(crate) fn new(name: &'static str) -> Folded {
        Folded { name, value: String::new(), column: name.len() + 1 }
    }

    /// Adds a word after a space or a fold.
    pub(crate) fn word(&mut self, word: &str) {
        self.part(word, true);
    }

    /// Adds a word, after a space if wanted, or a fold if it would not fit.
    pub(crate) fn part(&mut self, word: &str, spaced: bool) {
        if self.column + word.len() + usize::from(spaced) > LINE && !self.value.is_empty() {
            self.value.push_str("\r\n\t");
            self.column = 1;
        } else if spaced {
            self.value.push(' ');
            self.column += 1;
        }
        self.value.push_str(word);
        self.column += word.len();
    }

    /// Begins a new line.
    pub(crate) fn fold(&mut self) {
        self.value.push_str("\r\n\t");
        self.column = 1;
    }

    /// Adds text that may be cut anywhere.
    pub(crate) fn chunks(&mut self, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            let room = LINE.saturating_sub(self.column);
            if room == 0 {
                self.fold();
                continue;
            }
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.value.push_str(now);
            self.column += now.len();
            rest = later;
        }
    }

    pub(crate) fn value(&self) -> &str {
        &self.value
    }

    /// The field, with CRLF.
    pub(crate) fn finish(self) -> String {
        format!("{}:{}\r\n", self.name, self.value)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::generate_ed25519;

    fn signer() -> Signer {
        let key = SigningKey::from_pkcs8(&generate_ed25519().unwrap()).unwrap();
        Signer { domain: "example.test".into(), selector: "s1".into(), key, expires_after_s: Some(60) }
    }

    #[test]
    fn a_signature_seals_what_people_see_and_is_folded() {
        let message = b"From: a@example.test\r\nReceived: x\r\nSubject: a\r\n b\r\nSubject: c\r\n\r\nbody\r\n";
        let field = sign(&[signer()], message, 1_000).unwrap();
        assert!(field.lines().all(|line| line.len() <= LINE + 1), "{field}");
        let unfolded = field.replace("\r\n\t", "");
        assert!(unfolded.contains("h=From:From:Reply-To:To:Cc:Subject:Subject:Subject:Date:"), "{unfolded}");
        assert!(unfolded.contains("t=1000;") && unfolded.contains("x=1060;"), "{unfolded}");
        assert!(!unfolded.contains("l="), "{unfolded}");
        assert!(!unfolded.contains("Received"), "{unfolded}");
    }

    #[test]
    fn what_cannot_be_signed_is_not() {
        assert!(matches!(sign(&[signer()], b"Subject: x\r\n\r\n", 0), Err(SignError::NoFrom)));
        let many = [b"From: a@b.test\r\n".to_vec(), b"To: x\r\n".repeat(MAX_SIGNED), b"\r\n".to_vec()].concat();
        assert!(matches!(sign(&[signer()], &many, 0), Err(SignError::TooManyFields)));
        let bad = Signer { domain: "a;b=".into(), ..signer() };
        assert!(matches!(sign(&[bad], b"From: a\r\n\r\n", 0), Err(SignError::BadName(_))));
        assert_eq!(sign(&[], b"", 0).unwrap(), "");
    }
}
